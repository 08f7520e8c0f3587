//! `sinew-runner`: reads a launch file and keeps its processes alive.
//!
//! Two halves that meet only in [`NodePlan`]:
//! - [`launch`] is pure: ROS 2 launch XML (a documented subset) in, a [`Plan`] out. Whatever is outside
//!   the subset, or would mean something else under stock `ros2 launch`, is refused by name, file, line
//!   and column. It asks the world only through [`Surroundings`].
//! - [`supervisor`] is the edge: it starts the planned processes, notices their ends through the kernel,
//!   restarts them as planned and stops them in a given order.
//!
//! To touch: a new tag or attribute is one row in `launch/schema.rs` and its meaning in `evaluate.rs` or
//! `node.rs`. `supervisor/kernel.rs` is the only place with `unsafe`.
//!
//! Invariant: no child outlives its supervisor, and no signal ever reaches a process that is not the
//! child it was meant for (children are addressed by pidfd, never by a number that could be reused).

pub mod launch;
pub mod supervisor;

pub use launch::{
    DeclaredArg, Host, LaunchError, LaunchErrorKind, Location, NodeOutput, NodePlan, ParamValue, Plan,
    ProgramError, Programs, Surroundings, declared_args, evaluate, parse_overrides,
};
pub use supervisor::{
    ChildOutput, ChildSpec, ChildState, Confirmed, Event, Events, ExitStatus, Options, ProcessGroup, Respawn,
    ShutdownReport, Signal, SignalError, Stage, StartError, StopSignal, StopSignals, Stream, Supervisor,
};
