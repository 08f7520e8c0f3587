//! Commands of every kind through control's guard, the wire, the bridge and the codec to emulated drives; what arrived is
//! judged by a checker that shares no line with them.
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sinew_bridge::{Bridge, BridgeConfig, FrameList, ReceivedList};
use sinew_devices::damiao::{Register, RegisterValue};
use sinew_guard::{Limits, Margin, Measured, saturate};
use sinew_robot::{Device, Robot};
use sinew_rt::clock;
use sinew_rt::histogram::Histogram;
use sinew_twin::{Twin, TwinConfig};
use sinew_wire::{
    ActuatorCommand, ActuatorState, FrameId, Intent, JointCommand, LinkState, MAX_FRAME, Source, robot_id,
};
use std::process::ExitCode;

use super::commands::{Class, Commands};
use super::record::{Checker, Record, limits_file};
use super::wander::Wander;

const ROBOT: &str = "bench";
const BOOT_CONTROL: u32 = 2;
/// Bus cycles before judging: armed, stiffness fully in, joints wandering.
const WARM_CYCLES: u64 = 2500;
/// A state this many cycles old is too old to be based on.
const TOO_OLD: usize = 12;
/// Cycles kept for the planted violations.
const KEPT_CYCLES: usize = 1000;
/// Winding temperature at which the drives of this bench trip: never, heat is not what is judged here.
const NO_TRIP_C: f32 = 1e5;

/// Surroundings so cold that drives at full torque do not trip, deg C.
const COLD_C: f64 = -60.0;

/// Figures counted here; the checker counts its own.
#[derive(Debug, Default)]
struct Tally {
    legal: u64,
    legal_refused: u64,
    saturated: u64,
    refused: u64,
    wrongly_taken: u64,
    twice_changed: u64,
}

/// The command whose effect is being looked at.
#[derive(Clone, Debug)]
struct InForce {
    based_on: u64,
    flags: u8,
    sent: Vec<JointCommand>,
}

/// A change made to one record.
type Edit = Box<dyn Fn(&mut Record)>;

struct Bench {
    limits: Limits,
    devices: Vec<Device>,
    bridge: Bridge,
    twin: Twin,
    commands: Commands,
    frames: Vec<FrameList>,
    replies: Vec<ReceivedList>,
    step: u64,
    seq: u32,
    epoch: u32,
    states: Vec<FrameId>,
    force: Option<InForce>,
    /// The newest state when the present cycle's frames left.
    measured: Vec<Measured>,
    /// Sequence number of the newest command taken.
    taken_seq: u32,
    /// A legal command taken in the last cycle, to be found unchanged in this one.
    expected: Option<Vec<JointCommand>>,
    tally: Tally,
    times: Histogram,
    kept: Vec<Record>,
    buffer: [u8; MAX_FRAME],
}

/// # Errors
/// When the bench cannot be set up or the checker gives no verdict.
pub fn run(n: u64, seed: u64, as_json: bool) -> Result<ExitCode> {
    let robot = Robot::load(&crate::site::robot_folder("quad")?)?;
    let folder = std::env::temp_dir().join(format!("sinew-guard-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let result = measure(&robot, &folder, n, seed);
    // This run's own files.
    std::fs::remove_dir_all(&folder).ok();
    let (report, held) = result?;
    if as_json {
        out!("{report}");
    } else if let Value::Object(fields) = &report {
        for (name, value) in fields {
            out!("{name:20} {value}");
        }
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(robot: &Robot, folder: &std::path::Path, n: u64, seed: u64) -> Result<(Value, bool)> {
    let mut bench = Bench::new(robot, seed)?;
    let scaling = BridgeConfig::new(robot, ROBOT, 1).drives.first().context("no drive")?.scaling;
    let quantum = json!({
        "q": scaling.q_quantum_rad(),
        "dq": 2.0 * scaling.v_max_rad_s / 4095.0,
        "tau": 2.0 * scaling.t_max_nm / 4095.0,
        "kp": scaling.kp_max / 4095.0,
        "kd": scaling.kd_max / 4095.0,
    });
    let limits = limits_file(folder, &bench.limits, &quantum)?;
    let mut checker = Checker::start(&limits)?;
    for _ in 0..WARM_CYCLES {
        bench.cycle(None, None)?;
    }
    ensure!(
        bench.bridge.link() == LinkState::Active,
        "not armed: link {}, answer {}",
        bench.bridge.link(),
        bench.bridge.state().body.arm_answer()
    );
    let progress = crate::progress::bar("commands", n);
    for done in 0..n {
        let class = bench.commands.class();
        bench.cycle(Some(class), Some(&mut checker))?;
        if done % 4096 == 0 {
            progress.set_position(done);
        }
    }
    bench.cycle(None, Some(&mut checker))?;
    progress.finish_and_clear();
    let verdict = checker.finish()?;
    let planted = bench.plant(&limits)?;
    let tally = &bench.tally;
    let illegal = verdict["violations"].as_u64().unwrap_or(u64::MAX) + tally.wrongly_taken;
    let held = tally.legal_refused == 0 && illegal == 0 && planted == 3 && tally.twice_changed == 0;
    let report = json!({
        "n": n,
        "legal": tally.legal,
        "legal_share": tally.legal as f64 / n.max(1) as f64,
        "legal_refused": tally.legal_refused,
        "illegal_at_drive": illegal,
        "planted_caught": planted,
        "guard_twice_changed": tally.twice_changed,
        "saturated": tally.saturated,
        "refused": tally.refused,
        "wrongly_taken": tally.wrongly_taken,
        "guard_ns_p50": bench.times.quantile_ns(0.5),
        "guard_ns_p99": bench.times.quantile_ns(0.99),
        "checker": verdict,
    });
    Ok((report, held))
}

impl Bench {
    fn new(robot: &Robot, seed: u64) -> Result<Self> {
        let config = BridgeConfig::new(robot, ROBOT, 1);
        let limits = config.limits.clone();
        let physics = Box::new(Wander::new(limits.clone(), robot.feet.len(), seed));
        let quiet = TwinConfig { seed, noise_scale: 0.0, ambient_c: COLD_C, ..TwinConfig::default() };
        let mut twin = Twin::new(robot, physics, quiet)?;
        for joint in 0..robot.joints.len() {
            let never = RegisterValue::Float(NO_TRIP_C);
            ensure!(
                twin.store_register(joint, Register::OverTemperature, never),
                "drive {joint} keeps its trip"
            );
        }
        let buses = robot.buses.len();
        Ok(Self {
            limits,
            devices: robot.joints.iter().map(|j| j.device.clone()).collect(),
            bridge: Bridge::new(config)?,
            twin,
            commands: Commands::new(seed),
            frames: (0..buses).map(|_| FrameList::new()).collect(),
            replies: (0..buses).map(|_| ReceivedList::new()).collect(),
            step: 0,
            seq: 1000,
            epoch: 0,
            states: Vec::new(),
            force: None,
            measured: Vec::new(),
            taken_seq: 0,
            expected: None,
            tally: Tally::default(),
            times: Histogram::new(),
            kept: Vec::new(),
            buffer: [0; MAX_FRAME],
        })
    }

    /// One bus cycle: what was taken before reaches the drives and is logged, then the next command is sent.
    fn cycle(&mut self, class: Option<Class>, checker: Option<&mut Checker>) -> Result<()> {
        self.replies.iter_mut().for_each(ReceivedList::clear);
        self.bridge.begin(self.step, u32::MAX, &mut self.frames);
        self.twin.exchange(self.step, &self.frames, &mut self.replies)?;
        if let Some(expected) = self.expected.take() {
            let sent = self.bridge.sent().iter().map(|s| s.command);
            self.tally.legal_refused += u64::from(!sent.eq(expected.iter().copied()));
        }
        for (bus, replies) in self.replies.iter().enumerate() {
            self.bridge.collect(bus, replies);
        }
        let state = self.bridge.finish().clone();
        self.twin.integrate();
        if let Some(checker) = checker {
            self.log(checker)?;
        }
        ensure!(
            class.is_none() || self.bridge.link() == LinkState::Active,
            "cycle {}: the link went to {}, faults [{}], stage {}",
            self.step,
            self.bridge.link(),
            crate::client::faults(state.body.faults),
            self.bridge.stage()
        );
        self.states.push(state.header.id());
        self.send(&state, class)?;
        self.step += 1;
        Ok(())
    }

    fn log(&mut self, checker: &mut Checker) -> Result<()> {
        let Some(force) = &self.force else { return Ok(()) };
        for (joint, device) in self.devices.iter().enumerate() {
            let status = self.twin.drive_status(joint).context("drive")?;
            let (at, sent) = (self.measured.get(joint), force.sent.get(joint));
            let (Some(at), Some(sent)) = (at, sent) else {
                bail!("a command with {} joints", force.sent.len())
            };
            let stage = self.bridge.sent().get(joint).map_or(0, |s| s.stage as u8);
            let applied = status.applied;
            let gain = device.gear * device.gear;
            // A command held for another cycle is guarded again, by the bridge, against the newer state.
            let held = self.step > force.based_on + 1;
            let flags = if held { 2 } else { force.flags };
            let record = Record {
                step: self.step as u32,
                based_on: force.based_on as u32,
                joint: joint as u8,
                flags,
                stage,
                values: [
                    at.q_rad,
                    at.dq_rad_s,
                    device.joint_q_rad(applied.q_rad) as f32,
                    device.joint_dq_rad_s(applied.dq_rad_s) as f32,
                    (applied.kp * gain) as f32,
                    (applied.kd * gain) as f32,
                    device.joint_tau_nm(applied.tau_nm) as f32,
                    device.joint_tau_nm(status.torque_nm) as f32,
                    sent.q_rad,
                    sent.dq_rad_s,
                    sent.kp,
                    sent.kd,
                    sent.tau_nm,
                ],
            };
            checker.write(&record)?;
            if self.kept.len() < KEPT_CYCLES * self.devices.len() {
                self.kept.push(record);
            }
        }
        Ok(())
    }

    fn send(&mut self, state: &ActuatorState, class: Option<Class>) -> Result<()> {
        let measured: Vec<Measured> =
            state.joints.iter().map(|j| Measured { q_rad: j.q_rad, dq_rad_s: j.dq_rad_s }).collect();
        let mut frame = ActuatorCommand::default();
        self.seq = self.seq.wrapping_add(1);
        let header = &mut frame.header;
        (header.robot, header.source, header.boot_id) = (robot_id(ROBOT), Source::CONTROL.0, BOOT_CONTROL);
        (header.seq, header.step, header.valid_for_us) = (self.seq, self.step, 8000);
        header.set_based_on(state.header.id());
        frame.body.limits_hash = state.body.limits_hash;
        if state.body.writer_boot == BOOT_CONTROL {
            self.epoch = state.body.writer_epoch;
        }
        let intent = match self.bridge.link() {
            LinkState::Disabled => Intent::Arm,
            LinkState::Active => Intent::Run,
            _ => Intent::Observe,
        };
        frame.body.intent = intent as u8;
        frame.header.epoch = if intent == Intent::Run { self.epoch } else { 0 };
        match class {
            // Warm-up: stand where it is.
            None => frame
                .joints
                .extend(measured.iter().map(|m| JointCommand::impedance(m.q_rad, 0.0, 0.0, 20.0, 1.0))),
            Some(class) => self.commands.joints(class, &self.limits, &measured, &mut frame),
        }
        let legal = class == Some(Class::Legal);
        self.tally.legal += u64::from(legal);
        if class != Some(Class::Direct) {
            self.guard_as_control_does(legal, &measured, &mut frame);
        }
        if let Some(Class::Refuse(how)) = class {
            let old = self.states.len().saturating_sub(TOO_OLD);
            let old = self.states.get(old).copied().unwrap_or_default();
            self.commands.spoil(how, &mut frame, old, self.taken_seq);
        }
        let bytes = frame.encode(&mut self.buffer)?;
        let began = clock::now();
        let taken = self.bridge.take(bytes);
        self.times.record(clock::now().since_ns(began));
        match (class, taken) {
            (Some(Class::Refuse(how)), Ok(())) => {
                self.tally.wrongly_taken += 1;
                eprintln!("taken although it had to be refused: {how:?}");
            }
            (Some(Class::Refuse(_)), Err(_)) => self.tally.refused += 1,
            (Some(_), Err(reason)) => {
                self.tally.legal_refused += 1;
                eprintln!("refused although it was to be taken: {reason}");
            }
            (_, Ok(())) if intent == Intent::Run => {
                let flags = u8::from(legal) | if class == Some(Class::Direct) { 2 } else { 0 };
                self.expected = legal.then(|| frame.joints.to_vec());
                self.taken_seq = self.seq;
                self.force = Some(InForce { based_on: self.step, flags, sent: frame.joints.to_vec() });
            }
            _ => {}
        }
        self.measured = measured;
        Ok(())
    }

    fn guard_as_control_does(&mut self, legal: bool, measured: &[Measured], frame: &mut ActuatorCommand) {
        let before = frame.joints.clone();
        saturate(&self.limits, Margin::CONTROL, measured, &mut frame.joints);
        let changed = before != frame.joints;
        self.tally.saturated += u64::from(changed);
        if legal && changed {
            self.tally.legal_refused += 1;
        }
        let once = frame.joints.clone();
        saturate(&self.limits, Margin::CONTROL, measured, &mut frame.joints);
        let bits = |c: &JointCommand| [c.q_rad, c.dq_rad_s, c.tau_nm, c.kp, c.kd].map(f32::to_bits);
        let same = once.iter().map(bits).eq(frame.joints.iter().map(bits));
        self.tally.twice_changed += u64::from(!same);
    }

    /// Three violations edited into copies of the log; how many the checker finds, each by its name.
    fn plant(&self, limits: &std::path::Path) -> Result<u64> {
        let clean = self.judge(limits, |_| {})?;
        ensure!(clean["violations"] == 0, "the kept part of the log is not clean: {clean}");
        let at = self.kept.iter().position(|r| r.values[4] > 1.0).context("no stiff record to edit")?;
        let joint = self.kept.get(at).map_or(0, |r| usize::from(r.joint));
        let limit = self.limits.joints.get(joint).context("joint")?;
        let (beyond, torque) = (limit.q_max_rad + 0.05, 2.5 * limit.tau_max_nm);
        let edits: [(&str, Edit); 3] = [
            ("position", Box::new(move |r| r.values[2] = beyond)),
            ("torque", Box::new(move |r| r.values[6] += torque)),
            ("stale", Box::new(|r| r.based_on -= 50)),
        ];
        let mut caught = 0;
        for (kind, edit) in edits {
            let verdict = self.judge(limits, |records| {
                if let Some(record) = records.get_mut(at) {
                    edit(record);
                }
            })?;
            caught += u64::from(verdict["kinds"][kind].as_u64().unwrap_or(0) > 0);
        }
        Ok(caught)
    }

    fn judge(&self, limits: &std::path::Path, edit: impl FnOnce(&mut Vec<Record>)) -> Result<Value> {
        let mut records = self.kept.clone();
        edit(&mut records);
        let mut checker = Checker::start(limits)?;
        for record in &records {
            checker.write(record)?;
        }
        checker.finish()
    }
}
