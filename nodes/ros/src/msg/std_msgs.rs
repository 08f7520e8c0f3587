//! Header and plain text.
use super::builtin_interfaces::Time;

message! {
    /// When, and in which coordinate frame.
    Header = "std_msgs/msg/Header" {
        stamp: Time,
        frame_id: std::string::String,
    }
    /// Text.
    String = "std_msgs/msg/String" {
        data: std::string::String,
    }
}
