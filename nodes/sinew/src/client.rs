//! A laptop's end of a robot: hears the robot state, sends motion frames.
use anyhow::{Context, Result, bail};
use sinew_ports::RunDir;
use sinew_rt::clock;
use sinew_rt::fast_path::{FastPath, Publisher, Subscription};
use sinew_rt::frame_queue::FrameQueue;
use sinew_stack::{Goal, Operator};
use sinew_wire::{
    ActuatorState, MAX_FRAME, MotionCommand, PolicyCommand, PolicyCommandBody, PolicyStatus, Request,
    RobotState, Source,
};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::shells::ctl::{self, Control, TruthReply};
use crate::shells::policy_swap::REPORT;
use crate::shells::{boot_id, keys};
use zenoh::Wait;

/// Motion frames per second.
pub const MOTION_HZ: u64 = 50;

/// A connected client.
#[derive(Debug)]
pub struct Client {
    pub run_dir: RunDir,
    session: FastPath,
    motion: Publisher,
    estop: Publisher,
    frames: FrameQueue,
    _subscriptions: Vec<Subscription>,
    pub operator: Operator,
    pub robot_state: Option<RobotState>,
    pub actuator_state: Option<ActuatorState>,
    /// What the policy said about its newest targets.
    pub policy: Option<PolicyCommandBody>,
    /// The number of the model that each policy runs, by the policy's own number.
    pub models: BTreeMap<u8, u32>,
    ctl: Control,
    last_sent_ns: u64,
    buffer: [u8; MAX_FRAME],
}

impl Client {
    /// Connects to the robot called `robot` as `source`, waiting until its control process is there.
    ///
    /// # Errors
    /// When there is no such robot within `wait`.
    pub fn connect(robot: &str, source: Source, wait: Duration) -> Result<Self> {
        let run_dir = crate::run_dir::of_robot(robot)?;
        let client = Self::open(robot, source, run_dir)?;
        if client.session.wait_for_peers(&["control", "bridge"], clock::deadline_in(wait)).is_err() {
            bail!(
                "robot {robot:?} is not running in {}; start it with `sinew up`",
                client.run_dir.path().display()
            );
        }
        Ok(client)
    }

    /// As [`Self::connect`], without waiting for anybody.
    ///
    /// # Errors
    /// When the session cannot be opened.
    pub fn open(robot: &str, source: Source, run_dir: RunDir) -> Result<Self> {
        let session = keys::open(robot, run_dir.path(), None, &["control", "bridge", "policy"], None)?;
        let motion = session.publisher(&format!("motion/{}", source.0), keys::DEPTH, MAX_FRAME)?;
        let estop = session.publisher(keys::ESTOP, keys::DEPTH, MAX_FRAME)?;
        let (frames, subscriptions) =
            keys::hear(&session, &[keys::ROBOT_STATE, keys::ACTUATOR_STATE, keys::POLICY_COMMANDS])?;
        let ctl =
            Control::bind(run_dir.path().join(format!("client-{}-{}.ctl", source.0, std::process::id())))?;
        Ok(Self {
            operator: Operator::new(robot, source, boot_id()),
            run_dir,
            session,
            motion,
            estop,
            frames,
            _subscriptions: subscriptions,
            robot_state: None,
            actuator_state: None,
            policy: None,
            models: BTreeMap::new(),
            ctl,
            last_sent_ns: 0,
            buffer: [0; MAX_FRAME],
        })
    }

    /// Listens for at most `wait`; true when a newer robot state was heard.
    pub fn listen(&mut self, wait: Duration) -> bool {
        // Whatever else waits is taken too, so that the newest counts.
        let heard = self.listen_for_next(wait);
        while heard && self.listen_for_next(Duration::ZERO) {}
        heard
    }

    /// As [`Self::listen`], and no further than the next robot state: for who has to see each of them.
    pub fn listen_for_next(&mut self, wait: Duration) -> bool {
        let deadline = clock::deadline_in(wait);
        while let Some(bytes) =
            if wait.is_zero() { self.frames.try_recv() } else { self.frames.recv(Some(deadline)) }
        {
            if let Ok(state) = RobotState::decode(bytes) {
                self.robot_state = Some(state);
                return true;
            } else if let Ok(state) = ActuatorState::decode(bytes) {
                self.actuator_state = Some(state);
            } else if let Ok(frame) = PolicyCommand::decode(bytes) {
                self.models.insert(frame.body.policy, frame.body.model_hash);
                if frame.body.status() == PolicyStatus::Targets {
                    self.policy = Some(frame.body);
                }
            }
        }
        false
    }

    /// Sends what the operator makes of the newest state, at most [`MOTION_HZ`] times a second.
    ///
    /// # Errors
    /// When the frame cannot be sent.
    pub fn steer(&mut self) -> Result<()> {
        let Some(state) = &self.robot_state else { return Ok(()) };
        let now_ns = clock::now().as_ns();
        if now_ns < self.last_sent_ns + 1_000_000_000 / MOTION_HZ {
            return Ok(());
        }
        self.last_sent_ns = now_ns;
        let frame: MotionCommand = self.operator.step(state);
        let bytes = frame.encode(&mut self.buffer)?;
        self.motion.publish(bytes)?;
        if frame.body.request() == Request::EStop {
            // Every bridge hears it directly, whatever control is doing.
            self.estop.publish(bytes)?;
        }
        Ok(())
    }

    /// Listens and steers until the goal is reached or `deadline` has passed.
    ///
    /// # Errors
    /// When the robot does not get there.
    pub fn reach(&mut self, goal: Goal, within: Duration) -> Result<()> {
        self.operator.set_goal(goal);
        let deadline = clock::deadline_in(within);
        loop {
            self.listen(Duration::from_millis(20));
            if self.robot_state.as_ref().is_some_and(|state| self.operator.arrived(state)) {
                return Ok(());
            }
            self.steer()?;
            if clock::remaining(deadline).is_zero() {
                let state = self.robot_state.as_ref().context("the robot says nothing")?;
                bail!(
                    "{goal:?} was not reached: the robot is in {}, link {}, estimator {}, last refusal {}, faults [{}]",
                    state.body.robot_mode(),
                    state.body.link_state(),
                    state.body.estimator_status(),
                    state.body.lease_refusal(),
                    faults(state.body.faults)
                );
            }
        }
    }

    /// Robot time of the newest state, s.
    #[must_use]
    pub fn time_s(&self) -> f64 {
        self.robot_state.as_ref().map_or(0.0, |s| s.header.step as f64 * 2e-3)
    }

    /// What the policy process has counted; `None` when it does not answer in time.
    #[must_use]
    pub fn policy_report(&self) -> Option<serde_json::Value> {
        let replies = self
            .session
            .session()
            .get(format!("{}/{REPORT}", self.session.robot()))
            .timeout(Duration::from_millis(500))
            .wait()
            .ok()?;
        let sample = replies.recv().ok()?.into_result().ok()?;
        serde_json::from_slice(&sample.payload().to_bytes()).ok()
    }

    /// Ground truth; only in simulation.
    ///
    /// # Errors
    /// When there is no twin.
    pub fn truth(&self) -> Result<TruthReply> {
        ctl::ask_truth(&self.ctl, self.run_dir.path())
    }
}

/// Codes of the faults in `bits`.
#[must_use]
pub fn faults(bits: u64) -> String {
    let rows = sinew_guard::FAULTS.iter().filter(|row| bits >> row.fault as u8 & 1 == 1);
    rows.map(|row| row.code).collect::<Vec<_>>().join(", ")
}
