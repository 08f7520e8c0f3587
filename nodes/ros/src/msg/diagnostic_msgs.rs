//! Health, in the form every ROS dashboard reads (REP 107).
use super::Byte;
use super::std_msgs::Header;

message! {
    /// One more fact behind a status.
    KeyValue = "diagnostic_msgs/msg/KeyValue" {
        key: String,
        value: String,
    }
    /// Health of one thing: level 0 OK, 1 WARN, 2 ERROR, 3 STALE.
    DiagnosticStatus = "diagnostic_msgs/msg/DiagnosticStatus" {
        level: Byte,
        name: String,
        message: String,
        hardware_id: String,
        values: Vec<KeyValue>,
    }
    /// All of them.
    DiagnosticArray = "diagnostic_msgs/msg/DiagnosticArray" {
        header: Header,
        status: Vec<DiagnosticStatus>,
    }
}
