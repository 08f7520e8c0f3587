//! Joints and inertial sensors.
use super::geometry_msgs::{Quaternion, Vector3};
use super::std_msgs::Header;

message! {
    /// Positions rad, velocities rad/s, efforts N m, by joint name.
    JointState = "sensor_msgs/msg/JointState" {
        header: Header,
        name: Vec<String>,
        position: Vec<f64>,
        velocity: Vec<f64>,
        effort: Vec<f64>,
    }
    /// Orientation, rad/s, m/s^2. A covariance of zeros is unknown; -1 as first element: no such data.
    Imu = "sensor_msgs/msg/Imu" {
        header: Header,
        orientation: Quaternion,
        orientation_covariance: [f64; 9],
        angular_velocity: Vector3,
        angular_velocity_covariance: [f64; 9],
        linear_acceleration: Vector3,
        linear_acceleration_covariance: [f64; 9],
    }
}
