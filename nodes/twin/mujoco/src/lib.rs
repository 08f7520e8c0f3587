//! MuJoCo behind the twin's [`Physics`](sinew_twin::Physics) seam, opened at run time.
//!
//! [`MUJOCO`] is the library and the version this room is tested with, [`Library`] opens it through eighteen opaque C functions (no header, no struct layout), [`MujocoPhysics`] runs a
//! robot in it. What an opaque model cannot be told after it was compiled (step length, friction, payload) is
//! written into the model text and compiled again, the state carried over.
//!
//! May be touched: pinned version and hashes (together), what `model.rs` writes into a model. With care: `library.rs`,
//! the only place where foreign code is called. This and the ONNX Runtime room are the only two that open foreign
//! libraries. Invariant: a library that does not do what is expected of it is refused when it is opened or when a
//! model is compiled, never later.

mod classes;
mod library;
mod model;
mod open;
mod physics;
mod pin;

pub use library::Library;
pub use model::ModelRefused;
pub use open::{OpenError, find_or_fetch};
pub use physics::{MujocoPhysics, PhysicsError};
pub use pin::{MUJOCO, places};
