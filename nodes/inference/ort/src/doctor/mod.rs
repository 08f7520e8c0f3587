//! Looks at a machine's GPU stack from the driver up and says, for each layer, what is there and how to mend it.
//!
//! [`Facts`] are gathered without judging, [`examine`] judges them without looking, so every finding is tested on
//! machines that do not exist. The last finding is not deduced: the configured providers have to run a graph.

mod facts;
mod findings;
mod jetson;
mod trial;

pub use facts::{Facts, FoundLibrary, OpenedRuntime, ProviderFile};
pub use findings::{Finding, Report, Status, examine};
pub use jetson::Jetson;
pub use trial::{Trial, trial_graph};
