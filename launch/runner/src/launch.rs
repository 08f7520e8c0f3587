//! Launch XML: text in, plan out.
//!
//! ```text
//! text ─ document ▸ tree with positions ─ schema ▸ only known tags, attributes, substitutions
//!                                        └ evaluate ▸ scopes, includes, conditions ─ node ▸ Plan
//! ```
//! The subset: `launch arg choice let group include set_env node param env`, `if` and `unless`,
//! `$(var n)`, `$(env N [default])`, `$(dirname)`, `$(find-pkg-share p)`. Semantics are those of ROS 2
//! Jazzy's launch, launch_xml and launch_ros, so that `ros2 launch` runs the same files alike.

mod command;
mod document;
mod error;
mod evaluate;
mod include;
mod names;
mod node;
mod plan;
mod schema;
mod scope;
mod substitution;
mod surroundings;
mod value;
mod words;

pub use command::{ProgramError, Programs};
pub use error::{LaunchError, LaunchErrorKind, Location};
pub use evaluate::{declared_args, evaluate, parse_overrides};
pub use plan::{DeclaredArg, NodeOutput, NodePlan, Plan};
pub use surroundings::{Host, Surroundings};
pub use value::ParamValue;
