//! The face on a session, for one ordinary thread: states in, wishes out.
use crate::cmd_vel::{Acquire, CmdVel, CmdVelConfig, CmdVelCounters};
use crate::face::{Face, FaceConfig, FaceCounters, FaceError, Topic, topic_table};
use crate::msg::Message;
use crate::msg::geometry_msgs::TwistStamped;
use crate::name::{NameError, NodeName, TopicName};
use crate::qos::Qos;
use crate::session::{
    MessageType, NativeSession, Publisher, Session, SessionConfig, SessionError, Subscription,
    SubscriptionCounters,
};
use sinew_robot::Robot;
use sinew_wire::{MotionCommand, RobotState, WatchTime};
use std::time::{Duration, Instant};

/// A twist that waited this long for the thread is not worth taking.
const MOST_WAIT: Duration = Duration::from_millis(200);

/// What may vary.
#[derive(Clone, Debug, PartialEq)]
pub struct RosNodeConfig {
    pub face: FaceConfig,
    pub session: SessionConfig,
    /// `Auto` in simulation, `Explicit` on hardware.
    pub acquire: Acquire,
    /// Number of the policy that walks when a twist arrives.
    pub policy: u8,
    /// Random per process start.
    pub boot_id: u32,
}

impl RosNodeConfig {
    /// A simulated robot of this name on a session with these settings.
    #[must_use]
    pub fn simulated(robot: &str, boot_id: u32, session: SessionConfig) -> Self {
        Self { face: FaceConfig::simulated(robot), session, acquire: Acquire::Auto, policy: 0, boot_id }
    }
}

/// Why the node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Face(#[from] FaceError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Everything counted, for status and diagnostics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RosCounters {
    /// Messages handed to the session.
    pub sent: u64,
    /// Messages the session did not take.
    pub send_errors: u64,
    /// Twists that could not be read.
    pub unreadable: u64,
    /// Twists that waited too long for this thread.
    pub late: u64,
    pub face: FaceCounters,
    pub cmd_vel: CmdVelCounters,
    pub subscription: SubscriptionCounters,
}

/// The ROS nodes `/{robot}/control` and `/{robot}/bridge`. Dropping it takes them off the graph.
///
/// Not for a real-time thread: its calls allocate and use sockets.
pub struct RosNode {
    face: Face,
    cmd_vel: CmdVel,
    // Withdrawn before the session that carries them.
    publishers: Vec<(Topic, Box<dyn Publisher>)>,
    twists: Box<dyn Subscription>,
    _session: Box<dyn Session>,
    newest: Option<RobotState>,
    started: Instant,
    counters: RosCounters,
}

impl RosNode {
    /// On a native session of its own. Blocks about half a second when no router answers.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(description: &Robot, config: RosNodeConfig) -> Result<Self, StartError> {
        let session = NativeSession::open(&config.session)?;
        Self::start_on(Box::new(session), description, config)
    }

    /// On a session of any backend.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_on(
        mut session: Box<dyn Session>,
        description: &Robot,
        config: RosNodeConfig,
    ) -> Result<Self, StartError> {
        let namespace = format!("/{}", config.face.robot);
        let robot = config.face.robot.clone();
        let topics = topic_table(config.face.publish_clock);
        let face = Face::new(description, config.face)?;
        let control = session.node(&NodeName::new(&namespace, "control")?)?;
        let bridge = session.node(&NodeName::new(&namespace, "bridge")?)?;
        let mut publishers = Vec::with_capacity(topics.len());
        for topic in topics {
            let node = if topic.node() == "bridge" { bridge } else { control };
            let name = TopicName::new(&format!("{namespace}/{}", topic.name()))?;
            let publisher = session.publisher(node, &name, &topic.message_type(), topic.qos())?;
            publishers.push((topic, publisher));
        }
        let cmd_vel_name = TopicName::new(&format!("{namespace}/cmd_vel"))?;
        let ty = MessageType::of::<TwistStamped>();
        let twists = session.subscription(control, &cmd_vel_name, &ty, Qos::reliable(10))?;
        let cmd_vel = CmdVel::new(
            CmdVelConfig { robot, boot_id: config.boot_id, acquire: config.acquire, policy: config.policy },
            description.period_ns,
        );
        let mut node = Self {
            face,
            cmd_vel,
            publishers,
            twists,
            _session: session,
            newest: None,
            started: Instant::now(),
            counters: RosCounters::default(),
        };
        node.send(|face, out| face.start(out));
        Ok(node)
    }

    /// Shows a state. Call it at most 100 times a second; what is due is decided by the state's step.
    pub fn publish(&mut self, state: &RobotState) {
        self.send(|face, out| face.step(state, out));
        self.newest = Some(state.clone());
    }

    /// Call it when no state has come for a second: shows, once, that what is seen is old.
    pub fn silent(&mut self) {
        self.newest = None;
        self.send(|face, out| face.silence(out));
    }

    /// The wish of /cmd_vel that answers the last state shown, if there is one. Call it after each
    /// [`Self::publish`] and hand the result to control.
    pub fn take_cmd_vel(&mut self) -> Option<MotionCommand> {
        let now = WatchTime::from_ns(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        while let Some(received) = self.twists.take() {
            if received.at.elapsed() > MOST_WAIT {
                self.counters.late += 1;
                continue;
            }
            match TwistStamped::from_cdr(&received.cdr) {
                Ok(twist) => {
                    let publisher = received.origin.map(|origin| origin.publisher);
                    if let Err(refusal) = self.cmd_vel.offer(&twist, publisher, now) {
                        tracing::debug!(%refusal, "cmd_vel");
                    }
                }
                Err(error) => {
                    self.counters.unreadable += 1;
                    tracing::debug!(%error, "cmd_vel");
                }
            }
        }
        let state = self.newest.as_ref()?;
        self.cmd_vel.step(state, now)
    }

    /// A person wants /cmd_vel to steer; needed where the lease is taken explicitly.
    pub fn ask_for_lease(&mut self) {
        self.cmd_vel.ask();
    }

    /// Everything counted so far.
    #[must_use]
    pub fn counters(&self) -> RosCounters {
        RosCounters {
            face: self.face.counters(),
            cmd_vel: self.cmd_vel.counters(),
            subscription: self.twists.counters(),
            ..self.counters
        }
    }

    fn send(&mut self, what: impl FnOnce(&mut Face, &mut dyn FnMut(Topic, &[u8]))) {
        let Self { face, publishers, counters, .. } = self;
        what(face, &mut |topic, cdr| {
            let Some((_, publisher)) = publishers.iter_mut().find(|(known, _)| *known == topic) else {
                return;
            };
            match publisher.publish(cdr) {
                Ok(()) => counters.sent += 1,
                Err(error) => {
                    // The view is lost, the robot is not: said once, counted always.
                    if counters.send_errors == 0 {
                        tracing::warn!(%error, "not sent to ROS");
                    }
                    counters.send_errors += 1;
                }
            }
        });
    }
}
