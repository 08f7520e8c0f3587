//! The way to a policy on another machine, through a Zenoh router: states out, results back, nothing ever waited for.
use anyhow::{Context, Result, anyhow};
use sinew_inference::{Directory, Model};
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{RemoteConfig, Slot};
use sinew_rt::clock;
use sinew_rt::frame_queue::{FrameQueue, FrameSink, frame_queue};
use sinew_rt::histogram::Histogram;
use sinew_stack::{LatencyMismatch, MAX_OFFBOARD_MESSAGE, PolicyHost, StatesMessage, hear_results};
use sinew_wire::{PolicyCommand, RobotState, WatchTime};
use std::collections::VecDeque;
use zenoh::Wait;
use zenoh::pubsub::Subscriber;
use zenoh::qos::{CongestionControl, Priority};

use super::bridge::micros;
use super::keys;
use super::policy::NUMBER;
use super::site::NodeSite;

/// Messages whose time of sending is remembered, for the round trip.
const REMEMBERED: usize = 64;

/// Key of the states below a robot's name.
#[must_use]
pub fn states_key(robot: &str) -> String {
    format!("{robot}/offboard/{NUMBER}/states")
}

/// Key of the results below a robot's name.
#[must_use]
pub fn results_key(robot: &str) -> String {
    format!("{robot}/offboard/{NUMBER}/results")
}

/// A session with the router at `endpoint` (`tcp/HOST:PORT`). It is found again by itself when it was away.
///
/// # Errors
/// An endpoint that is none.
pub fn open(endpoint: &str) -> Result<zenoh::Session> {
    let connect = serde_json::to_string(&[endpoint])?;
    let mut config = zenoh::Config::default();
    for (key, value) in [
        ("mode", "\"client\""),
        ("connect/endpoints", connect.as_str()),
        ("connect/timeout_ms", "-1"),
        ("connect/exit_on_failure", "false"),
        ("connect/retry", "{ period_init_ms: 100, period_max_ms: 500, period_increase_factor: 2 }"),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "false"),
        ("adminspace/enabled", "false"),
        ("transport/link/tx/queue/congestion_control/drop/wait_before_drop", "0"),
    ] {
        config.insert_json5(key, value).map_err(|error| anyhow!("setting {key} = {value}: {error}"))?;
    }
    zenoh::open(config).wait().map_err(|error| anyhow!("router {endpoint}: {error}"))
}

/// A publisher whose messages are dropped rather than waited for.
///
/// # Errors
/// When the session is closed.
pub fn publisher(session: &zenoh::Session, key: String) -> Result<zenoh::pubsub::Publisher<'static>> {
    session
        .declare_publisher(key)
        .congestion_control(CongestionControl::Drop)
        .priority(Priority::RealTime)
        .express(true)
        .wait()
        .map_err(|error| anyhow!("publisher: {error}"))
}

/// Everything on `key` into a queue.
///
/// # Errors
/// When the session is closed.
pub fn subscribe(session: &zenoh::Session, key: String) -> Result<(FrameQueue, Subscriber<()>)> {
    let (sink, queue): (FrameSink, FrameQueue) = frame_queue(keys::DEPTH, MAX_OFFBOARD_MESSAGE)?;
    let subscriber = session
        .declare_subscriber(key)
        .callback(move |sample| sink.push(&sample.payload().to_bytes()))
        .wait()
        .map_err(|error| anyhow!("subscription: {error}"))?;
    Ok((queue, subscriber))
}

/// The robot's end.
pub struct OffboardLink {
    /// Declared last, so that what hangs on it goes first.
    states: zenoh::pubsub::Publisher<'static>,
    results: FrameQueue,
    /// Of one message.
    heard: Vec<PolicyCommand>,
    _subscriber: Subscriber<()>,
    _session: zenoh::Session,
    message: StatesMessage,
    bytes: Vec<u8>,
    wait_ticks: u64,
    /// Step and time of the last messages.
    sent: VecDeque<(u64, WatchTime)>,
    round_trip: Histogram,
    malformed: u64,
    not_sent: u64,
}

impl OffboardLink {
    /// The link that the parameters of `site` ask for, if any; `host`'s own policy becomes the fallback.
    ///
    /// # Errors
    /// Parameters that do not fit, or a session that cannot be had.
    pub fn of(site: &NodeSite, host: &mut PolicyHost) -> Result<Option<Self>> {
        let Some(endpoint) = site.params.optional("offboard") else { return Ok(None) };
        let timing = site.setup.plan().policy;
        let wait_ticks: u64 = site.params.number("offboard_wait_ticks", 0)?;
        // One state is waited for at a time, and its frame has to be there when control takes it.
        let (latency_ticks, decimation) = (timing.latency_ticks, timing.decimation);
        anyhow::ensure!(
            wait_ticks < latency_ticks.min(decimation),
            "parameter offboard_wait_ticks: expected below the policy's latency of {latency_ticks} ticks and its \
             {decimation} ticks from run to run, found {wait_ticks}; raise latency_ticks for every node, or wait less"
        );
        anyhow::ensure!(
            site.scenario.is_none(),
            "parameter offboard: a scenario has its own, see `offboard` there"
        );
        let max_age_ms: f64 = site.params.number("offboard_max_age_ms", 60.0)?;
        anyhow::ensure!(
            (1.0..=10_000.0).contains(&max_age_ms),
            "parameter offboard_max_age_ms: expected 1 to 10000, found {max_age_ms}"
        );
        let latency_ticks = u32::try_from(latency_ticks).unwrap_or(u32::MAX);
        let model_hash = match site.params.path("offboard_model") {
            Some(path) => {
                let (source, manifest) = Directory::of_file(&path).context("parameter offboard_model")?;
                let model = Model::load(&source, &manifest).context("parameter offboard_model")?;
                let name = &model.manifest.name;
                LatencyMismatch::check(name, model.manifest.runtime.latency_ticks, latency_ticks)
                    .context("parameter offboard_model")?;
                model.wire_hash()
            }
            None => host.slot().policy().model_hash(),
        };
        let config = RemoteConfig { max_age_ns: (max_age_ms * 1e6) as u64, ..RemoteConfig::of(model_hash) };
        host.slot().set_remote(site.setup.remote(config, NUMBER));
        let session = open(endpoint).context("parameter offboard")?;
        let robot = &site.setup.name;
        let (results, subscriber) = subscribe(&session, results_key(robot))?;
        Ok(Some(Self {
            states: publisher(&session, states_key(robot))?,
            results,
            heard: Vec::with_capacity(MAX_AHEAD),
            _subscriber: subscriber,
            _session: session,
            message: StatesMessage::new(latency_ticks),
            bytes: Vec::with_capacity(MAX_OFFBOARD_MESSAGE),
            wait_ticks,
            sent: VecDeque::with_capacity(REMEMBERED + 1),
            round_trip: Histogram::default(),
            malformed: 0,
            not_sent: 0,
        }))
    }

    /// Ticks to wait for the result of a state before its frame is sent.
    #[must_use]
    pub fn wait_ticks(&self) -> u64 {
        self.wait_ticks
    }

    /// Sends `state` with those before it.
    pub fn send(&mut self, state: &RobotState, slot: &mut Slot) {
        let clock_rad = slot.policy().gait_phase_rad(state);
        if let Some(remote) = slot.remote_mut() {
            remote.serve(state);
        }
        self.message.push(state, clock_rad);
        self.message.encode(&mut self.bytes);
        self.sent.push_back((state.header.step, clock::now()));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        // A router that is away loses messages, and the fallback takes over.
        self.not_sent += u64::from(self.states.put(self.bytes.as_slice()).wait().is_err());
    }

    /// Gives the slot what has come; control is at `step`.
    pub fn receive(&mut self, step: u64, slot: &mut Slot) {
        while let Some(bytes) = self.results.try_recv() {
            let Some(remote) = slot.remote_mut() else { continue };
            if hear_results(bytes, &mut self.heard, remote, step).is_err() {
                self.malformed += 1;
                continue;
            }
            // What a chunk has for later came the same way.
            let answered = self.heard.iter().find(|frame| frame.body.ahead_us == 0).map(|f| f.header.step);
            if let Some((_, at)) = self.sent.iter().find(|(sent, _)| Some(*sent) == answered) {
                self.round_trip.record(clock::now().since_ns(*at));
            }
        }
    }

    /// Wall times and what was no frame.
    #[must_use]
    pub fn report(&self) -> serde_json::Value {
        serde_json::json!({
            "round_trip": micros(&self.round_trip),
            "malformed": self.malformed,
            "not_sent": self.not_sent,
        })
    }
}
