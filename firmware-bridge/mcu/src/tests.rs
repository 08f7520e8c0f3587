//! The gateway against simulated drives, through the C interface that a firmware uses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // C calls only; every pointer is to a live local of the right kind

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use sinew_bus::{CanFrame, CanId, Device};
use sinew_devices::damiao::Model;
use sinew_devices::emulator::{DamiaoEmulator, DamiaoEmulatorConfig, DriveFault, JointTruth};
use sinew_wire::{
    ActuatorCommand, ActuatorState, ArmAnswer, Intent, JointCommand, LinkState, MAX_FRAME, Refusal, Source,
    Stage,
};

use crate::gateway::Gateway;
use crate::*;

const ROBOT: u32 = 7;
const PERIOD_NS: u64 = 2_000_000;
const DRIVES: usize = 3;

fn joint(id: u16) -> SinewMcuJoint {
    SinewMcuJoint {
        id,
        model: Model::ALL.iter().position(|model| *model == Model::Dm8009).unwrap() as u8,
        reversed: u8::from(id == 2),
        offset_rad: 0.1,
        q_min_rad: -2.0,
        q_max_rad: 2.0,
        dq_max_rad_s: 20.0,
        tau_max_nm: 20.0,
        ddq_max_rad_s2: 300.0,
        kp_max: 100.0,
        kd_max: 4.0,
        kd_safe: 2.0,
        temperature_warn_c: 70.0,
        temperature_max_c: 90.0,
    }
}

fn config(joints: &[SinewMcuJoint]) -> SinewMcuConfig {
    SinewMcuConfig {
        period_ns: PERIOD_NS,
        valid_for_ns: 8_000_000,
        t1_ns: 10_000_000,
        t2_ns: 50_000_000,
        rest_ns: 500_000_000,
        rest_dq_rad_s: 0.05,
        rest_gyro_rad_s: 0.1,
        start_epsilon_rad: 0.1,
        robot: ROBOT,
        boot_id: 99,
        calibration_id: 4,
        joints: joints.as_ptr(),
        joint_count: joints.len() as u32,
    }
}

/// A gateway, its drives and an inertia on each of them.
struct Bench {
    memory: Box<std::mem::MaybeUninit<Gateway>>,
    drives: Vec<DamiaoEmulator>,
    truth: [JointTruth; DRIVES],
    torque_nm: [f64; DRIVES],
    step: u64,
    state: ActuatorState,
    seq: u32,
    /// Frames the drives are not to receive: the gateway is halted or the cable cut.
    cut: bool,
}

impl Bench {
    fn new() -> Self {
        let mut memory = Box::new(std::mem::MaybeUninit::<Gateway>::uninit());
        let joints: Vec<_> = (1..=DRIVES as u16).map(joint).collect();
        let size = sinew_mcu_size();
        let result = unsafe { sinew_mcu_init(memory.as_mut_ptr().cast(), size, &config(&joints)) };
        assert_eq!(result, 0);
        let drives = (1..=DRIVES as u16)
            .map(|id| DamiaoEmulator::new(DamiaoEmulatorConfig::of(Model::Dm8009, id), u64::from(id)))
            .collect();
        Self {
            memory,
            drives,
            truth: [JointTruth { q_rad: 0.2, dq_rad_s: 0.0 }; DRIVES],
            torque_nm: [0.0; DRIVES],
            step: 0,
            state: ActuatorState::default(),
            seq: 0,
            cut: false,
        }
    }

    fn gateway(&mut self) -> *mut Gateway {
        self.memory.as_mut_ptr()
    }

    /// One period: frames out, replies in, state to the host, physics.
    fn cycle(&mut self) {
        let mut frames = [SinewMcuFrame::default(); 8];
        let (gateway, step) = (self.gateway(), self.step);
        let count = unsafe { sinew_mcu_begin(gateway, step, frames.as_mut_ptr(), frames.len()) };
        assert_eq!(count, DRIVES as i32);
        let now_ns = self.step * PERIOD_NS;
        for (drive, truth) in self.drives.iter_mut().zip(self.truth) {
            drive.observe(truth);
        }
        for frame in frames.iter().take(DRIVES).filter(|_| !self.cut) {
            let frame =
                CanFrame::classic(CanId::Standard(frame.id), &frame.data[..usize::from(frame.length)])
                    .unwrap();
            let mut replies = Vec::new();
            for drive in &mut self.drives {
                drive.on_frame(&frame, now_ns, &mut |reply| replies.push(reply));
            }
            for reply in replies {
                let CanId::Standard(id) = reply.id() else { panic!() };
                let reply = SinewMcuFrame { id, length: 8, data: reply.payload().try_into().unwrap() };
                assert_eq!(unsafe { sinew_mcu_receive(gateway, &reply) }, 0);
            }
        }
        let mut out = [0; MAX_FRAME];
        let length = unsafe { sinew_mcu_finish(gateway, out.as_mut_ptr(), out.len()) };
        self.state = ActuatorState::decode(&out[..length as usize]).unwrap();
        for half in 0..2 {
            let at_ns = now_ns + half * PERIOD_NS / 2;
            for ((drive, truth), torque) in
                self.drives.iter_mut().zip(&mut self.truth).zip(&mut self.torque_nm)
            {
                *torque = drive.substep(*truth, at_ns, PERIOD_NS / 2);
                truth.dq_rad_s += (*torque - 0.2 * truth.dq_rad_s) / 0.1 * 1e-3;
                truth.q_rad += truth.dq_rad_s * 1e-3;
            }
        }
        self.step += 1;
    }

    /// A command computed from the newest state.
    fn frame(&mut self, intent: Intent) -> ActuatorCommand {
        self.seq += 1;
        let mut frame = ActuatorCommand::default();
        frame.header.robot = ROBOT;
        frame.header.source = Source::CONTROL.0;
        frame.header.boot_id = 1234;
        frame.header.epoch = self.state.body.writer_epoch;
        frame.header.seq = self.seq;
        frame.header.set_based_on(self.state.header.id());
        frame.body.intent = intent as u8;
        frame.body.limits_hash = unsafe { sinew_mcu_limits_hash(self.gateway()) };
        frame.body.calibration_id = 4;
        frame
    }

    fn push(&mut self, frame: &ActuatorCommand) -> i32 {
        let mut bytes = [0; MAX_FRAME];
        let bytes = frame.encode(&mut bytes).unwrap();
        unsafe { sinew_mcu_command(self.gateway(), bytes.as_ptr(), bytes.len()) }
    }

    fn run(&mut self, q_rad: f32) -> ActuatorCommand {
        let mut frame = self.frame(Intent::Run);
        frame.joints.extend([JointCommand::impedance(q_rad, 0.0, 0.0, 50.0, 2.0); DRIVES]);
        frame
    }

    fn link(&mut self) -> LinkState {
        LinkState::try_from(unsafe { sinew_mcu_link(self.gateway()) } as u8).unwrap()
    }

    fn stage(&mut self) -> Stage {
        Stage::try_from(unsafe { sinew_mcu_stage(self.gateway()) } as u8).unwrap()
    }

    fn until(&mut self, link: LinkState) {
        for _ in 0..2_000 {
            if self.link() == link {
                return;
            }
            self.cycle();
        }
        panic!("{link} not reached, still {}", self.link());
    }

    fn armed() -> Self {
        let mut bench = Self::new();
        bench.until(LinkState::Disabled);
        for _ in 0..200 {
            bench.cycle();
        }
        let arm = bench.frame(Intent::Arm);
        assert_eq!(bench.push(&arm), 0);
        assert_eq!(bench.link(), LinkState::Arming);
        bench.until(LinkState::Active);
        bench
    }

    /// Commands `q_rad` for as many periods.
    fn hold(&mut self, q_rad: f32, periods: usize) {
        for _ in 0..periods {
            let run = self.run(q_rad);
            assert_eq!(self.push(&run), 0);
            self.cycle();
        }
    }
}

#[test]
fn it_arms_and_follows_on_reversed_and_offset_joints() {
    let mut bench = Bench::armed();
    assert_eq!((bench.state.body.writer_epoch, bench.state.body.arm_answer()), (1, ArmAnswer::Granted));
    let start = bench.state.joints[0].q_rad;
    for n in 0..500 {
        let share = (n as f32 / 400.0).min(1.0);
        for joint in &bench.state.joints {
            assert!((joint.q_rad - start).abs() < 1.5, "no jump");
        }
        // The reversed joint starts elsewhere: each goes from where it is to 0.8 rad.
        let mut run = bench.run(0.0);
        for (command, at) in run.joints.iter_mut().zip(&bench.state.joints) {
            command.q_rad = at.q_rad + (0.8 - at.q_rad) * (0.02 + 0.2 * share);
        }
        assert_eq!(bench.push(&run), 0);
        bench.cycle();
    }
    bench.hold(0.8, 300);
    for joint in &bench.state.joints {
        assert!((joint.q_rad - 0.8).abs() < 0.01, "{}", joint.q_rad);
    }
    assert!((bench.truth[0].q_rad - 0.7).abs() < 0.01 && (bench.truth[1].q_rad + 0.7).abs() < 0.01);
}

#[test]
fn a_silent_host_means_damping_within_t2_and_a_period_at_every_drive() {
    let mut bench = Bench::armed();
    let mut run = bench.run(0.0);
    for (command, at) in run.joints.iter_mut().zip(&bench.state.joints) {
        command.q_rad = at.q_rad;
    }
    for _ in 0..200 {
        let mut next = run.clone();
        next.header.seq = bench.frame(Intent::Run).header.seq;
        next.header.set_based_on(bench.state.header.id());
        assert_eq!(bench.push(&next), 0);
        bench.cycle();
    }
    let last = bench.step - 2; // the state that the newest command was computed from
    while bench.drives.iter().any(|drive| drive.status().applied.kp > 0.0) {
        bench.cycle();
        assert!((bench.step - last) * PERIOD_NS <= 50_000_000 + 2 * PERIOD_NS, "step {}", bench.step - last);
    }
    // Stiffness is on its last rung before; the link follows the ladder.
    bench.until(LinkState::Damping);
    assert_eq!(bench.stage(), Stage::Damp);
    // A late command wakes nobody up.
    let late = bench.run(0.5);
    assert_eq!(bench.push(&late), Refusal::Link as i32);
    bench.until(LinkState::Disabled);
    bench.cycle();
    bench.cycle();
    assert!(bench.drives.iter().all(|drive| !drive.status().enabled));
}

#[test]
fn wrong_commands_are_refused_by_their_reason_and_never_reach_a_drive() {
    let mut bench = Bench::armed();
    let here = bench.state.joints[0].q_rad;
    let mut run = bench.run(here);
    run.joints[1].q_rad = bench.state.joints[1].q_rad;
    run.joints[2].q_rad = bench.state.joints[2].q_rad;
    let mut far = run.clone();
    far.joints[0].q_rad += 0.2;
    assert_eq!(bench.push(&far), Refusal::Start as i32);
    run.header.seq += 1;
    assert_eq!(bench.push(&run), 0);
    assert_eq!(bench.push(&run), Refusal::Sequence as i32);
    let mut wrong = run.clone();
    wrong.header.seq += 1;
    wrong.header.epoch += 1;
    assert_eq!(bench.push(&wrong), Refusal::Epoch as i32);
    let mut nan = run.clone();
    nan.header.seq += 1;
    nan.joints[2].kd = f32::NAN;
    assert_eq!(bench.push(&nan), Refusal::NonFinite as i32);
    let mut stale = run.clone();
    stale.header.seq += 1;
    for _ in 0..5 {
        bench.cycle();
    }
    assert_eq!(bench.push(&stale), Refusal::Age as i32);
    assert_eq!(
        unsafe { sinew_mcu_command(bench.gateway(), [1u8, 2, 3].as_ptr(), 3) },
        Refusal::Malformed as i32
    );
    bench.cycle();
    assert_eq!((bench.state.body.refused, bench.state.body.last_refusal()), (6, Refusal::Malformed));
}

/// Whatever the host asks for within the accept rule, the bytes at the drives stay within limits and one quantum.
#[test]
fn excess_is_trimmed_before_the_drive() {
    let mut bench = Bench::armed();
    let mut random = 1u64;
    let mut next = |scale: f32| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    for n in 0..3_000 {
        let mut run = bench.run(0.0);
        for (command, at) in run.joints.iter_mut().zip(&bench.state.joints) {
            *command = if n == 0 {
                JointCommand::impedance(at.q_rad, 0.0, 0.0, 10.0, 1.0)
            } else {
                JointCommand::impedance(next(5.0), next(60.0), next(60.0), 50.0 + next(50.0), 2.0 + next(2.0))
            };
        }
        assert_eq!(bench.push(&run), 0);
        let before = bench.state.joints.clone();
        bench.cycle();
        for (i, (drive, torque)) in bench.drives.iter().zip(bench.torque_nm).enumerate() {
            let applied = drive.status().applied;
            // Torque predicted from the drive's own bytes, at the best state within a period's motion, in drive units.
            let sign = if i == 1 { -1.0 } else { 1.0 };
            let stretch = applied.q_rad - sign * (f64::from(before[i].q_rad) - 0.1);
            let slip = applied.dq_rad_s - sign * f64::from(before[i].dq_rad_s);
            let predicted = applied.kp * stretch + applied.kd * slip + applied.tau_nm;
            let reach = applied.kp * (20.0 * 0.002 + 0.0004) + applied.kd * (300.0 * 0.002 + 0.025);
            let quanta =
                applied.kp * 0.0004 + applied.kd * 0.022 + 0.06 + stretch.abs() * 0.123 + slip.abs() * 0.0013;
            assert!(predicted.abs() <= 20.0 + reach + quanta, "{predicted} {applied:?}");
            assert!(applied.kp <= 100.0 && applied.kd <= 4.0 && applied.tau_nm.abs() <= 20.0 + 0.03);
            assert!(applied.q_rad.abs() <= 2.1 + 0.001 && applied.dq_rad_s.abs() <= 20.0 + 0.03);
            assert!(torque.abs() <= 54.0);
        }
    }
    assert!(bench.state.body.saturated > 1_000);
}

#[test]
fn emergency_stop_needs_two_steps_rest_and_a_released_button() {
    let mut bench = Bench::armed();
    let gateway = bench.gateway();
    assert_eq!(unsafe { sinew_mcu_estop_input(gateway, 1) }, 0);
    bench.cycle();
    assert_eq!(bench.state.body.link_state(), LinkState::EStop);
    assert!(bench.drives.iter().all(|drive| drive.status().applied.kp == 0.0));
    let arm = bench.frame(Intent::Arm);
    assert_eq!(bench.push(&arm), 0);
    bench.cycle();
    assert_eq!(bench.state.body.arm_answer(), ArmAnswer::EStop);
    assert_eq!(unsafe { sinew_mcu_reset(gateway, 1) }, status::NOT_NOW, "still pressed");
    unsafe { sinew_mcu_estop_input(gateway, 0) };
    assert_eq!(unsafe { sinew_mcu_reset(gateway, 2) }, status::NOT_NOW, "step 1 comes first");
    for _ in 0..400 {
        bench.cycle();
    }
    assert!(bench.drives.iter().all(|drive| !drive.status().enabled), "at rest the drives go off");
    assert_eq!(unsafe { sinew_mcu_reset(gateway, 1) }, 0);
    assert_eq!(bench.link(), LinkState::Fault);
    assert_eq!(unsafe { sinew_mcu_reset(gateway, 2) }, 0);
    bench.until(LinkState::Disabled);
    bench.cycle();
    assert_eq!(bench.state.body.faults, 0);
}

#[test]
fn a_drive_that_fails_or_falls_silent_latches_a_fault() {
    for fault in [DriveFault::Silent, DriveFault::OverTemperature] {
        let mut bench = Bench::armed();
        bench.drives[1].inject(fault);
        for _ in 0..8 {
            bench.cycle();
        }
        assert_eq!(bench.state.body.link_state(), LinkState::Fault, "{fault:?}");
        assert_ne!(bench.state.body.faults, 0);
    }
}

#[test]
fn a_halted_gateway_leaves_the_drives_to_their_own_watchdogs() {
    let mut bench = Bench::armed();
    for drive in &mut bench.drives {
        use sinew_devices::damiao::{Register, RegisterValue};
        assert!(drive.store_register(Register::Timeout, RegisterValue::Integer(1100)));
    }
    bench.cut = true;
    for _ in 0..30 {
        bench.cycle();
    }
    assert!(
        bench.drives.iter().all(|drive| drive.status().watchdog_fired && drive.status().torque_nm == 0.0)
    );
}

#[test]
fn misuse_of_the_c_interface_is_an_error_and_does_nothing() {
    use std::ptr::{null, null_mut};
    let joints: Vec<_> = (1..=3).map(joint).collect();
    let good = config(&joints);
    let mut memory = vec![0u64; sinew_mcu_size() / 8 + 2];
    let (place, size) = (memory.as_mut_ptr().cast::<u8>(), sinew_mcu_size());
    unsafe {
        assert_eq!(sinew_mcu_init(null_mut(), size, &good), status::NULL);
        assert_eq!(sinew_mcu_init(place, size, null()), status::NULL);
        assert_eq!(sinew_mcu_init(place, size - 1, &good), status::TOO_SMALL);
        assert_eq!(sinew_mcu_init(place.add(1), size, &good), status::ALIGNMENT);
        assert_eq!(sinew_mcu_init(place, size, &SinewMcuConfig { t2_ns: 1, ..good }), status::CONFIG);
        assert_eq!(sinew_mcu_init(place, size, &SinewMcuConfig { joint_count: 0, ..good }), status::CONFIG);
        assert_eq!(sinew_mcu_init(place, size, &SinewMcuConfig { joint_count: 17, ..good }), status::CONFIG);
        assert_eq!(sinew_mcu_init(place, size, &SinewMcuConfig { joints: null(), ..good }), status::NULL);
        let mut bad = joints.clone();
        bad[2].tau_max_nm = f32::NAN;
        assert_eq!(sinew_mcu_init(place, size, &config(&bad)), status::CONFIG);
        bad[2] = SinewMcuJoint { model: 200, ..joints[2] };
        assert_eq!(sinew_mcu_init(place, size, &config(&bad)), status::CONFIG);

        assert_eq!(sinew_mcu_init(place, size, &good), 0);
        let gateway = place.cast::<Gateway>();
        let mut frames = [SinewMcuFrame::default(); 3];
        assert_eq!(sinew_mcu_begin(gateway, 0, frames.as_mut_ptr(), 2), status::TOO_SMALL);
        assert_eq!(sinew_mcu_begin(gateway, 0, null_mut(), 3), status::NULL);
        assert_eq!(sinew_mcu_begin(gateway, 0, frames.as_mut_ptr(), 3), 3);
        let long = SinewMcuFrame { length: 9, ..frames[0] };
        assert_eq!(sinew_mcu_receive(gateway, &long), status::VALUE);
        assert_eq!(sinew_mcu_receive(gateway, &SinewMcuFrame { id: 0x800, ..frames[0] }), status::VALUE);
        assert_eq!(sinew_mcu_receive(gateway, null()), status::NULL);
        let mut out = [0; MAX_FRAME];
        assert_eq!(sinew_mcu_finish(gateway, out.as_mut_ptr(), 100), status::TOO_SMALL);
        assert!(sinew_mcu_finish(gateway, out.as_mut_ptr(), out.len()) > 0);
        assert_eq!(sinew_mcu_command(gateway, null(), 0), status::NULL);
        assert_eq!(sinew_mcu_reset(gateway, 3), status::VALUE);
        assert_eq!(sinew_mcu_link(null()), status::NULL);
    }
}
