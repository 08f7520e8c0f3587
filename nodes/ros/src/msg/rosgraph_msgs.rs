//! The simulated clock.
use super::builtin_interfaces::Time;

message! {
    /// What nodes with `use_sim_time` take for now.
    Clock = "rosgraph_msgs/msg/Clock" {
        clock: Time,
    }
}
