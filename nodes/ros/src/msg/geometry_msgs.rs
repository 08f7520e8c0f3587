//! Poses, velocities, transforms; metres, radians, seconds.
use super::std_msgs::Header;

message! {
    /// A free vector.
    Vector3 = "geometry_msgs/msg/Vector3" {
        x: f64,
        y: f64,
        z: f64,
    }
    /// A position, m.
    Point = "geometry_msgs/msg/Point" {
        x: f64,
        y: f64,
        z: f64,
    }
    /// A rotation; note the order, w last.
    Quaternion = "geometry_msgs/msg/Quaternion" {
        x: f64 = 0.0,
        y: f64 = 0.0,
        z: f64 = 0.0,
        w: f64 = 1.0,
    }
    /// Position and orientation.
    Pose = "geometry_msgs/msg/Pose" {
        position: Point,
        orientation: Quaternion,
    }
    /// Pose with the covariance of (x, y, z, rotation about x, y, z), row by row; all zero = not known.
    PoseWithCovariance = "geometry_msgs/msg/PoseWithCovariance" {
        pose: Pose,
        covariance: [f64; 36],
    }
    /// Linear velocity m/s, angular velocity rad/s.
    Twist = "geometry_msgs/msg/Twist" {
        linear: Vector3,
        angular: Vector3,
    }
    /// Twist with its covariance; all zero = not known.
    TwistWithCovariance = "geometry_msgs/msg/TwistWithCovariance" {
        twist: Twist,
        covariance: [f64; 36],
    }
    /// Twist in a frame, at a time.
    TwistStamped = "geometry_msgs/msg/TwistStamped" {
        header: Header,
        twist: Twist,
    }
    /// Where one frame stands in another.
    Transform = "geometry_msgs/msg/Transform" {
        translation: Vector3,
        rotation: Quaternion,
    }
    /// Frame `child_frame_id` in frame `header.frame_id`.
    TransformStamped = "geometry_msgs/msg/TransformStamped" {
        header: Header,
        child_frame_id: String,
        transform: Transform,
    }
}

impl From<[f64; 3]> for Vector3 {
    fn from([x, y, z]: [f64; 3]) -> Self {
        Self { x, y, z }
    }
}

impl From<[f64; 3]> for Point {
    fn from([x, y, z]: [f64; 3]) -> Self {
        Self { x, y, z }
    }
}

impl Quaternion {
    /// From the order of the wire and the robot description, (w, x, y, z).
    #[must_use]
    pub fn from_wxyz([w, x, y, z]: [f64; 4]) -> Self {
        Self { x, y, z, w }
    }
}
