//! Transforms in bulk.
use super::geometry_msgs::TransformStamped;

message! {
    /// What /tf and /tf_static carry.
    TFMessage = "tf2_msgs/msg/TFMessage" {
        transforms: Vec<TransformStamped>,
    }
}
