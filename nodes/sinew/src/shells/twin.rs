//! The twin process: the only clock of a lockstep run, and the device side of every bus.
use anyhow::{Context, Result, bail};
use sinew_ports::{BusMessage, Kind, VirtualBusPort};
use sinew_rt::clock;
use sinew_rt::thread::priority;
use sinew_stack::{Participants, ProcessEvent, ScheduledEvent, StepTrace, TargetMeter, Trace, resolve};
use sinew_twin::{HostFrames, Replies, Twin, TwinConfig};
use sinew_wire::WatchTime;
use std::path::PathBuf;
use std::time::Duration;

use super::ctl::{self, Ask, Control, Tell, TruthReply};
use super::lockstep::{Patience, RESEND, SILENCE};
use super::site::{NO_ENGINE, NodeSite};
use super::still::Still;
use super::trace_file;

struct World<'a> {
    site: &'a NodeSite,
    twin: Twin,
    port: VirtualBusPort,
    ctl: Control,
    events: Vec<(u64, ScheduledEvent)>,
    next_event: usize,
    mask: u32,
    step: u64,
    seq: u32,
    message: BusMessage,
    host: Vec<HostFrames>,
    replies: Vec<Replies>,
    trace: Trace,
    targets: TargetMeter,
    /// Wall time and step of the last pace mark, for the real-time factor.
    pace: (WatchTime, u64),
    rtf: f64,
    stop: bool,
}

pub fn run(site: &NodeSite) -> Result<()> {
    let events = match &site.scenario {
        Some((scenario, file)) => resolve(scenario, &site.setup.robot, file)?,
        None => Vec::new(),
    };
    let buses = site.setup.robot.buses.len();
    let mut port = VirtualBusPort::device(&site.bus_path())?;
    port.drain();
    let mut world = World {
        twin: twin(site)?,
        port,
        ctl: Control::bind(ctl::twin_path(site.run_dir.path()))?,
        events,
        next_event: 0,
        mask: site.participants,
        step: 0,
        seq: 0,
        message: BusMessage::new(),
        host: (0..buses).map(|_| HostFrames::new()).collect(),
        replies: (0..buses).map(|_| Replies::new()).collect(),
        trace: Trace::default(),
        targets: TargetMeter::new(&site.setup.robot),
        pace: (clock::now(), 0),
        rtf: 0.0,
        stop: false,
        site,
    };
    if site.free_run { world.free_run() } else { world.lockstep() }
}

/// In the engine that the parameter `engine` names; `none` stands still, for measuring everything else.
fn twin(site: &NodeSite) -> Result<Twin> {
    if site.params.optional("engine") == Some(NO_ENGINE) {
        let robot = &site.setup.robot;
        let still = Still::new(robot.joints.len(), robot.feet.len());
        return Ok(Twin::new(robot, Box::new(still), TwinConfig::default())?);
    }
    Ok(site.setup.twin()?)
}

impl World<'_> {
    fn lockstep(&mut self) -> Result<()> {
        let steps = self.steps();
        if !self.wait_ready()? {
            return Ok(());
        }
        let start = clock::now();
        self.pace = (start, 0);
        while steps.is_none_or(|steps| self.step < steps) {
            self.run_events()?;
            self.listen();
            if self.stop || (self.site.stopped() && self.mask & Participants::BRIDGE == 0) {
                break;
            }
            if steps.is_none() {
                self.keep_pace();
            }
            if self.mask & Participants::BRIDGE != 0 {
                self.cycle()?;
            }
            self.note();
            self.twin.integrate();
            self.step += 1;
        }
        self.send(Kind::Leave);
        self.leave_result()
    }

    /// Length of a scenario; `None` runs for ever.
    fn steps(&self) -> Option<u64> {
        let (scenario, _) = self.site.scenario.as_ref()?;
        Some((scenario.duration_s * 1e9 / self.site.setup.robot.period_ns as f64).round() as u64)
    }

    fn wait_ready(&mut self) -> Result<bool> {
        while !self.stop && !self.site.stopped() {
            let deadline = clock::deadline_in(Duration::from_millis(100));
            if let Some(message) = self.port.recv(Some(deadline.as_ns()))
                && message.kind == Kind::Ready
            {
                return Ok(true);
            }
            self.listen();
        }
        Ok(false)
    }

    fn send(&mut self, kind: Kind) {
        self.seq = self.seq.wrapping_add(1);
        self.message.restart(kind, self.step, self.site.boot_id, self.seq);
        if kind == Kind::Replies {
            for (bus, replies) in self.replies.iter().enumerate() {
                for reply in replies {
                    // Buses are checked against their budget; the message holds far more than a cycle.
                    if self.message.push(bus as u8, reply.at_ns, reply.frame).is_err() {
                        break;
                    }
                }
            }
        }
        self.port.send(&self.message);
    }

    /// One step with the bridge: tick, frames, replies, done.
    fn cycle(&mut self) -> Result<()> {
        self.send(Kind::Tick { mask: self.mask });
        if !self.wait_for(Kind::Frames)? {
            return Ok(());
        }
        self.exchange()?;
        self.send(Kind::Replies);
        self.wait_for(Kind::Done)?;
        Ok(())
    }

    fn exchange(&mut self) -> Result<()> {
        self.replies.iter_mut().for_each(Replies::clear);
        self.twin.exchange(self.step, &self.host, &mut self.replies).context("exchange")
    }

    /// Waits for the bridge's `kind` of this step; false when the bridge has left the run meanwhile.
    fn wait_for(&mut self, kind: Kind) -> Result<bool> {
        let mut patience = Patience::new();
        loop {
            if let Some(message) = self.port.recv(Some(patience.deadline().as_ns())) {
                if message.kind == Kind::Leave {
                    self.mask &= !Participants::BRIDGE;
                    return Ok(false);
                }
                if message.kind == kind && message.step == self.step {
                    if kind == Kind::Frames {
                        for (bus, frames) in self.host.iter_mut().enumerate() {
                            frames.clear();
                            frames.extend(message.on_bus(bus as u8).take(64).map(|f| f.frame));
                        }
                    }
                    return Ok(true);
                }
            }
            if patience.is_over() {
                bail!("step {}: the bridge has been silent for {} s", self.step, SILENCE.as_secs());
            }
            if patience.resend() {
                self.port.resend();
                let before = self.mask;
                self.listen();
                if self.mask & Participants::BRIDGE == 0 {
                    return Ok(false);
                }
                if self.mask != before && kind == Kind::Done {
                    // Somebody the bridge waits for is gone: tell it who is still there.
                    let step_mask = self.mask;
                    self.send(Kind::Tick { mask: step_mask });
                }
                if self.stop {
                    return Ok(false);
                }
            }
        }
    }

    fn run_events(&mut self) -> Result<()> {
        let mut hold = false;
        while let Some((at, event)) = self.events.get(self.next_event).copied() {
            if at > self.step {
                break;
            }
            self.next_event += 1;
            match event {
                ScheduledEvent::World(event) => self.twin.apply(&event).context("scenario event")?,
                ScheduledEvent::Process(
                    ProcessEvent::Kill(_) | ProcessEvent::Stop(_) | ProcessEvent::Continue(_),
                ) => hold = true,
            }
        }
        // A free run waits for nobody: the harness signals by what it hears.
        if hold && !self.site.free_run { self.hold() } else { Ok(()) }
    }

    /// Stands still before a step until the harness has done to the processes what the script says.
    fn hold(&mut self) -> Result<()> {
        let harness = ctl::harness_path(self.site.run_dir.path());
        self.ctl.send(&harness, &Tell::Hold { step: self.step })?;
        let patience = Patience::new();
        loop {
            if let Some((Ask::Proceed { mask }, _)) = self.ctl.receive(Duration::from_millis(100))? {
                self.mask = mask;
                // What the absent still sent, and what was sent to them, is discarded.
                self.port.drain();
                return Ok(());
            }
            if patience.is_over() || self.site.stopped() {
                bail!("step {}: the harness does not answer", self.step);
            }
        }
    }

    /// Answers the control socket.
    fn listen(&mut self) {
        while let Ok(Some((ask, from))) = self.ctl.receive::<Ask>(Duration::ZERO) {
            match ask {
                Ask::Mask { set, clear } => self.mask = (self.mask | set) & !clear,
                Ask::Stop => self.stop = true,
                Ask::Truth => self.tell_truth(from),
                Ask::Proceed { .. } => {}
            }
        }
    }

    fn tell_truth(&self, to: Option<PathBuf>) {
        let Some(to) = to else { return };
        let truth = self.twin.truth();
        let [w, x, y, z] = truth.base.orientation;
        let reply = TruthReply {
            step: self.step,
            time_s: self.step as f64 * self.site.setup.robot.period_ns as f64 * 1e-9,
            position_m: truth.base.position_m,
            yaw_rad: (2.0 * (w * z + x * y)).atan2(1.0 - 2.0 * (y * y + z * z)),
            velocity_m_s: truth.velocity_body_m_s,
            tilt_rad: truth.tilt_rad,
            trunk_contact: truth.trunk_contact,
            rtf: self.rtf,
            mask: self.mask,
        };
        // Who asked may be gone again.
        self.ctl.send(&to, &Tell::Truth(reply)).ok();
    }

    /// Never runs faster than real time; a slow machine slows the world down instead of skipping steps.
    fn keep_pace(&mut self) {
        let period_ns = self.site.setup.robot.period_ns;
        let (since, from) = self.pace;
        let planned = since.plus_ns((self.step - from) * period_ns);
        let now = clock::now();
        if now < planned {
            clock::sleep_until(planned);
        }
        let elapsed_ns = clock::now().since_ns(since);
        if elapsed_ns > 1_000_000_000 {
            self.rtf = ((self.step - from) * period_ns) as f64 / elapsed_ns as f64;
            self.pace = (clock::now(), self.step);
        }
    }

    fn note(&mut self) {
        if self.site.scenario.is_some() {
            self.trace.steps.push(StepTrace::of(
                &self.twin,
                self.site.setup.robot.joints.len(),
                &mut self.targets,
            ));
        }
    }

    /// The bridge is periodic, the twin follows: one exchange and one period per frames message.
    fn free_run(&mut self) -> Result<()> {
        if !self.wait_ready()? {
            return Ok(());
        }
        self.site.adopt_loop("twin", priority::CONTROL_LOOP + 2)?;
        self.send(Kind::Tick { mask: self.mask });
        let steps = self.steps();
        let mut silent = Patience::new();
        while !self.stop && steps.is_none_or(|steps| self.step < steps) {
            self.listen();
            let deadline = clock::deadline_in(Duration::from_millis(2));
            let Some(message) = self.port.recv(Some(deadline.as_ns())) else {
                if self.site.stopped() {
                    break;
                }
                // Without a bridge the world goes on, and the drives' own watchdogs with it.
                if silent.resend() && self.step > 0 {
                    for _ in 0..RESEND.as_nanos() as u64 / self.site.setup.robot.period_ns {
                        self.pass()?;
                    }
                }
                continue;
            };
            silent = Patience::new();
            match message.kind {
                Kind::Leave => break,
                // The bridge asks again until it has heard the first tick.
                Kind::Ready => self.send(Kind::Tick { mask: self.mask }),
                Kind::Frames if message.step >= self.step => {
                    let step = message.step;
                    for (bus, frames) in self.host.iter_mut().enumerate() {
                        frames.clear();
                        frames.extend(message.on_bus(bus as u8).take(64).map(|f| f.frame));
                    }
                    // Periods the bridge skipped pass in silence.
                    while self.step < step {
                        self.pass()?;
                    }
                    self.run_events()?;
                    self.exchange()?;
                    self.send(Kind::Replies);
                    self.note();
                    self.twin.integrate();
                    self.step += 1;
                }
                _ => {}
            }
        }
        self.send(Kind::Leave);
        self.leave_result()
    }

    /// One period in which no host spoke.
    fn pass(&mut self) -> Result<()> {
        self.run_events()?;
        self.note();
        self.twin.integrate();
        self.step += 1;
        Ok(())
    }

    fn leave_result(&self) -> Result<()> {
        if self.site.scenario.is_some() {
            trace_file::write(&self.site.run_dir.path().join("trace.bin"), &self.trace)?;
        }
        let hash: String = self.twin.hash().iter().map(|b| format!("{b:02x}")).collect();
        self.site.leave_result("twin", &serde_json::json!({ "hash": hash, "steps": self.step }))
    }
}
