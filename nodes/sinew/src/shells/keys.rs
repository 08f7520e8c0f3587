//! Keys, names and sizes of the fast path, in one place.
use anyhow::Result;
use sinew_rt::fast_path::{FastPath, FastPathConfig, Sink, socket_path};
use sinew_rt::frame_queue::{FrameQueue, frame_queue};
use sinew_wire::{
    ActuatorCommandBody, ActuatorStateBody, Body, MAX_FRAME, MotionCommandBody, PolicyCommandBody,
    RobotStateBody,
};
use std::path::Path;

pub const ACTUATOR_STATE: &str = "act/main/state";
pub const ACTUATOR_COMMAND: &str = "act/main/cmd";
pub const ROBOT_STATE: &str = "state/robot";
pub const ESTOP: &str = "estop";
/// Every policy publishes below this.
pub const POLICY_COMMANDS: &str = "policy/*";
/// Every motion source publishes below this.
pub const MOTION_COMMANDS: &str = "motion/*";

/// Messages a queue or a ring holds.
pub const DEPTH: usize = 64;

/// Both sides of a link must agree on every frame.
#[must_use]
pub const fn schema_hash() -> u64 {
    let a = ActuatorStateBody::SCHEMA ^ ActuatorCommandBody::SCHEMA.rotate_left(7);
    let b = RobotStateBody::SCHEMA
        ^ PolicyCommandBody::SCHEMA.rotate_left(7)
        ^ MotionCommandBody::SCHEMA.rotate_left(14);
    (a as u64) << 32 | b as u64
}

/// A session that listens as `own` (if named) and connects to `others`; `real_time` asks for FIFO, on a core if named.
///
/// # Errors
/// See [`FastPath::open`].
pub fn open(
    robot: &str,
    run_dir: &Path,
    own: Option<&str>,
    others: &[&str],
    real_time: Option<Option<usize>>,
) -> Result<FastPath> {
    let config = FastPathConfig {
        listen: own.map(|name| socket_path(run_dir, name)).into_iter().collect(),
        connect: others.iter().map(|name| socket_path(run_dir, name)).collect(),
        real_time: real_time.is_some(),
        core: real_time.flatten(),
        ..FastPathConfig::new(robot, schema_hash())
    };
    Ok(FastPath::open(config)?)
}

/// A queue that hears `keys`.
///
/// # Errors
/// See [`FastPath::subscribe`].
pub fn hear(
    session: &FastPath,
    keys: &[&str],
) -> Result<(FrameQueue, Vec<sinew_rt::fast_path::Subscription>)> {
    let (sink, queue) = frame_queue(DEPTH, MAX_FRAME)?;
    let subscriptions = keys
        .iter()
        .map(|key| session.subscribe(key, Sink::Queue(sink.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((queue, subscriptions))
}
