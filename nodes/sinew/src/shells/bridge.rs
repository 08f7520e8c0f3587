//! The bridge process: the bus cycle on one side, Zenoh on the other.
use anyhow::{Result, bail};
use sinew_bridge::{Bridge, FrameList, ReceivedList};
use sinew_ports::{BusMessage, Kind, VirtualBusPort};
use sinew_rt::account::{Meter, Usage};
use sinew_rt::clock;
use sinew_rt::fast_path::Publisher;
use sinew_rt::frame_queue::FrameQueue;
use sinew_rt::histogram::Histogram;
use sinew_rt::thread::priority;
use sinew_rt::ticker::Ticker;
use sinew_stack::{Delivery, LinkFilter, Participants, Scenario};
use sinew_wire::{ActuatorCommand, ActuatorState, LinkState, MAX_FRAME, MotionCommand, Refusal, WatchTime};
use std::time::Duration;

use super::keys;
use super::lockstep::{Patience, SILENCE};
use super::site::NodeSite;

struct Cycle<'a> {
    site: &'a NodeSite,
    bridge: Bridge,
    port: VirtualBusPort,
    states: Publisher,
    commands: FrameQueue,
    estops: FrameQueue,
    filter: LinkFilter,
    deliveries: Vec<Delivery>,
    frames: Vec<FrameList>,
    replies: Vec<ReceivedList>,
    message: BusMessage,
    seq: u32,
    stale_accepted: u64,
    messages: u64,
    latency: Latency,
    buffer: [u8; MAX_FRAME],
}

/// Times of a free run.
#[derive(Default)]
struct Latency {
    /// State published to command accepted, plus encoding and writing its frames.
    answer: Histogram,
    /// Command accepted to the bus edge at which it is sent.
    bus_wait: Histogram,
    /// Of the newest command: published to accepted, and when it was accepted.
    open: Option<(u64, WatchTime)>,
    usage: Usage,
    metered: u64,
}

/// How a wait for the twin ended.
enum Heard {
    Tick { step: u64, mask: u32 },
    Replies,
    Left,
}

pub fn run(site: &NodeSite) -> Result<()> {
    let session = site.open(Some("bridge"), &[])?;
    let states = session.publisher(keys::ACTUATOR_STATE, keys::DEPTH, MAX_FRAME)?;
    let (commands, _commands) = keys::hear(&session, &[keys::ACTUATOR_COMMAND])?;
    let (estops, _estops) = keys::hear(&session, &[keys::ESTOP])?;
    let mut port = VirtualBusPort::host(&site.bus_path())?;
    port.drain();
    session.announce("bridge")?;
    while session.wait_for_peers(&["control"], clock::deadline_in(Duration::from_millis(200))).is_err() {
        if site.stopped() {
            return Ok(());
        }
    }
    let buses = site.setup.robot.buses.len();
    let empty = Scenario::default();
    let scenario = site.scenario.as_ref().map_or(&empty, |(scenario, _)| scenario);
    let mut cycle = Cycle {
        bridge: site.setup.bridge(site.boot_id)?,
        port,
        states,
        commands,
        estops,
        filter: LinkFilter::new(scenario, site.setup.robot.period_ns),
        deliveries: Vec::new(),
        frames: (0..buses).map(|_| FrameList::new()).collect(),
        replies: (0..buses).map(|_| ReceivedList::new()).collect(),
        message: BusMessage::new(),
        seq: 0,
        stale_accepted: 0,
        messages: 0,
        latency: Latency::default(),
        buffer: [0; MAX_FRAME],
        site,
    };
    site.adopt_loop("bridge", priority::BRIDGE_BUS)?;
    let result = if site.free_run { cycle.free_run() } else { cycle.lockstep() };
    cycle.leave()?;
    result
}

impl Cycle<'_> {
    fn send(&mut self, kind: Kind, step: u64) {
        self.seq = self.seq.wrapping_add(1);
        self.message.restart(kind, step, self.site.boot_id, self.seq);
        if kind == Kind::Frames {
            for (bus, frames) in self.frames.iter().enumerate() {
                for frame in frames {
                    // The bus budget was checked at start-up; the message holds far more.
                    if self.message.push(bus as u8, 0, *frame).is_err() {
                        break;
                    }
                }
            }
            self.messages += self.message.frames().len() as u64;
        }
        self.port.send(&self.message);
    }

    /// Nothing is switched on: the bridge may leave. It outlives control until the ladder has come to its end.
    fn is_idle(&self) -> bool {
        !matches!(self.bridge.link(), LinkState::Arming | LinkState::Active | LinkState::Damping)
    }

    fn take_replies(&mut self) {
        for (bus, replies) in self.replies.iter().enumerate() {
            self.bridge.collect(bus, replies);
        }
    }

    fn state_bytes(&mut self, participants: Option<u32>) -> Result<Vec<u8>> {
        let mut state: ActuatorState = self.bridge.state().clone();
        if let Some(participants) = participants {
            state.body.participants = participants;
        }
        Ok(state.encode(&mut self.buffer)?.to_vec())
    }

    fn lockstep(&mut self) -> Result<()> {
        self.send(Kind::Ready, 0);
        let mut last: Option<u64> = None;
        loop {
            if self.site.stopped() && self.is_idle() {
                return Ok(());
            }
            let (step, mask) = match self.wait_twin(last, None)? {
                Heard::Tick { step, mask } => (step, mask),
                Heard::Replies => continue,
                Heard::Left => return Ok(()),
            };
            last = Some(step);
            self.bridge.begin(step, mask, &mut self.frames);
            self.send(Kind::Frames, step);
            loop {
                match self.wait_twin(last, Some(step))? {
                    Heard::Replies => break,
                    Heard::Left => return Ok(()),
                    Heard::Tick { .. } => {}
                }
            }
            self.take_replies();
            self.bridge.finish();
            self.messages += 1;
            self.hear_estops();
            self.exchange_with_control(step, mask)?;
            self.send(Kind::Done, step);
        }
    }

    /// Publishes the state and takes control's answer, if control takes part.
    fn exchange_with_control(&mut self, step: u64, mut mask: u32) -> Result<()> {
        let mut bytes = self.state_bytes(None)?;
        self.states.publish(&bytes)?;
        if mask & Participants::CONTROL == 0 {
            self.filter.pass(step, None, &mut self.deliveries);
            return Ok(());
        }
        let mut patience = Patience::new();
        loop {
            if let Some(command) = self.commands.recv(Some(patience.deadline())) {
                let answers = ActuatorCommand::decode(command).is_ok_and(|c| c.header.step == step);
                if answers {
                    self.filter.pass(step, Some(command), &mut self.deliveries);
                    break;
                }
                continue;
            }
            if self.site.stopped() || patience.is_over() {
                bail!("no command for step {step}: control has been silent for {} s", SILENCE.as_secs());
            }
            if patience.resend() {
                self.states.publish(&bytes)?;
            }
            // The supervisor may have taken control or a policy out of the run: the twin repeats the step's tick.
            while let Some(message) = self.port.recv(Some(0)) {
                if let (Kind::Tick { mask: now }, true) = (message.kind, message.step == step)
                    && now != mask
                {
                    mask = now;
                    bytes = self.state_bytes(Some(mask))?;
                    if mask & Participants::CONTROL == 0 {
                        self.filter.pass(step, None, &mut self.deliveries);
                        return Ok(());
                    }
                    self.states.publish(&bytes)?;
                }
            }
        }
        self.messages += 2;
        for delivery in std::mem::take(&mut self.deliveries) {
            let taken = self.bridge.take(&delivery.bytes);
            self.stale_accepted += u64::from(delivery.is_stale_taken(taken.is_ok()));
        }
        Ok(())
    }

    /// The next thing from the twin: a tick after `last`, or the replies of `open`.
    fn wait_twin(&mut self, last: Option<u64>, open: Option<u64>) -> Result<Heard> {
        let mut patience = Patience::new();
        loop {
            let deadline = patience.deadline().as_ns();
            if let Some(message) = self.port.recv(Some(deadline)) {
                match message.kind {
                    Kind::Leave => return Ok(Heard::Left),
                    Kind::Tick { mask } if open.is_none() && last.is_none_or(|last| message.step > last) => {
                        return Ok(Heard::Tick { step: message.step, mask });
                    }
                    Kind::Replies if open == Some(message.step) => {
                        for (bus, replies) in self.replies.iter_mut().enumerate() {
                            replies.clear();
                            replies.extend(message.on_bus(bus as u8).take(64).map(|f| f.received()));
                        }
                        self.messages += message.frames().len() as u64;
                        return Ok(Heard::Replies);
                    }
                    _ => {}
                }
            }
            if self.site.stopped() && open.is_none() && self.is_idle() {
                return Ok(Heard::Left);
            }
            if patience.is_over() {
                bail!("the twin has been silent for {} s", SILENCE.as_secs());
            }
            if patience.resend() {
                self.port.resend();
            }
        }
    }

    fn hear_estops(&mut self) {
        while let Some(bytes) = self.estops.try_recv() {
            if let Ok(frame) = MotionCommand::decode(bytes) {
                self.bridge.hear(&frame);
            }
        }
    }

    /// The robot's own timing: the cycle is periodic and waits for nobody.
    fn free_run(&mut self) -> Result<()> {
        let period_ns = self.site.setup.robot.period_ns;
        let cutoff_ns = (self.site.setup.robot.timing.reply_cutoff * period_ns as f64) as u64;
        let all = u32::MAX;
        self.send(Kind::Ready, 0);
        // A twin that is not there yet would look like drives that do not answer.
        while !matches!(self.wait_twin(None, None)?, Heard::Tick { .. }) {
            if self.site.stopped() {
                return Ok(());
            }
        }
        let mut ticker = Ticker::new(clock::now(), period_ns);
        while !(self.site.stopped() && self.is_idle()) {
            let tick = ticker.wait();
            let step = tick.index;
            let meter = Meter::start();
            let edge = clock::now();
            self.bridge.begin(step, all, &mut self.frames);
            self.send(Kind::Frames, step);
            if let Some((answer_ns, accepted)) = self.latency.open.take() {
                self.latency.answer.record(answer_ns + clock::now().since_ns(edge));
                self.latency.bus_wait.record(tick.scheduled.since_ns(accepted));
            }
            self.replies.iter_mut().for_each(ReceivedList::clear);
            let cutoff = tick.scheduled.plus_ns(cutoff_ns);
            while let Some(message) = self.port.recv(Some(cutoff.as_ns())) {
                if message.kind == Kind::Leave {
                    return Ok(());
                }
                if message.kind == Kind::Replies && message.step == step {
                    for (bus, replies) in self.replies.iter_mut().enumerate() {
                        replies.extend(message.on_bus(bus as u8).take(64).map(|f| f.received()));
                    }
                    break;
                }
            }
            self.take_replies();
            self.bridge.finish();
            self.hear_estops();
            let published = clock::now();
            self.states.publish(self.bridge.state().encode(&mut self.buffer)?)?;
            self.take_until(ticker.next_deadline(), published);
            if self.bridge.link() == LinkState::Active {
                self.latency.usage.add(meter.stop());
                self.latency.metered += 1;
            }
        }
        Ok(())
    }

    fn take_until(&mut self, deadline: WatchTime, published: WatchTime) {
        while let Some(command) = self.commands.recv(Some(deadline)) {
            // A refusal is counted and published by the bridge itself.
            if self.bridge.take(command).is_ok() && self.bridge.link() == LinkState::Active {
                let accepted = clock::now();
                self.latency.open = Some((accepted.since_ns(published), accepted));
            }
        }
    }

    fn leave(&mut self) -> Result<()> {
        self.send(Kind::Leave, 0);
        let refusals: Vec<&str> = Refusal::ALL
            .iter()
            .zip(self.bridge.refusals())
            .filter(|(_, count)| **count > 0)
            .map(|(reason, _)| reason.name())
            .collect();
        for failure in self.bridge.check_failures() {
            eprintln!("start-up check: {failure}");
        }
        self.site.leave_result(
            "bridge",
            &serde_json::json!({
                "stale_accepted": self.stale_accepted,
                "refusals": refusals,
                "messages": self.messages,
                "answer": micros(&self.latency.answer),
                "bus_wait": micros(&self.latency.bus_wait),
                "ticks": self.latency.metered,
                "allocations": self.latency.usage.allocations,
            }),
        )
    }
}

/// Percentiles in microseconds.
pub fn micros(histogram: &Histogram) -> serde_json::Value {
    let us = |fraction: f64| histogram.quantile_ns(fraction) as f64 * 1e-3;
    serde_json::json!({
        "n": histogram.count(),
        "p50_us": us(0.5),
        "p99_us": us(0.99),
        "p999_us": us(0.999),
        "max_us": histogram.max_ns() as f64 * 1e-3,
    })
}
