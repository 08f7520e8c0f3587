//! Why there are no targets, and what is counted.

use sinew_inference::RunError;

/// Why no targets came out although the policy is active.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyFault {
    /// The state has another number of joints.
    #[error("the robot state has {found} joints, expected {expected}")]
    Joints {
        /// Joints in the frame.
        found: usize,
        /// Joints of the robot.
        expected: usize,
    },
    /// A measurement that is not a number.
    #[error("the observation holds a value that is not finite")]
    Observation,
    /// Observations unlike those of training, for as long as the manifest allows.
    #[error("the observation is out of the range seen in training (safety.obs_range)")]
    OutOfRange,
    /// A counter has reached its end.
    #[error("the counter of an input has reached its end (on_end = \"fault\")")]
    Ended,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] RunError),
    /// The graph gave something that is not a number.
    #[error("the graph gave a value that is not finite")]
    Output,
    /// A target moved further in one run than the manifest allows.
    #[error(
        "the target of joint {joint} of joints.order moved by {found_rad} rad in one run, more than \
         safety.max_action_jump = {most_rad}"
    )]
    Jump {
        /// Position in the policy's order.
        joint: usize,
        /// Change, rad.
        found_rad: f32,
        /// Allowed, rad.
        most_rad: f32,
    },
}

/// Counted since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounters {
    /// Runs of the graph.
    pub runs: u64,
    /// Starts from nothing: activation, step jump, new boot of control.
    pub resets: u64,
    /// Faults.
    pub faults: u64,
    /// States that were not newer than the last.
    pub stale: u64,
    /// Frames that left while the observation was out of its declared range.
    pub out_of_range: u64,
    /// Frames that left on the last step of a chunk that had ended.
    pub chunk_exhausted: u64,
}
