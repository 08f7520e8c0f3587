//! The hashes computed from our declarations are those that ROS computes from its interface files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use sinew_ros::msg::{
    Message, builtin_interfaces, diagnostic_msgs, geometry_msgs, nav_msgs, rosgraph_msgs, sensor_msgs,
    std_msgs, tf2_msgs,
};
use sinew_ros::{MessageType, TypeHash, canonical_json};
use std::collections::BTreeMap;

const TABLE: &str = include_str!("data/rihs01.tsv");

fn computed() -> BTreeMap<&'static str, String> {
    fn row<M: Message>() -> (&'static str, String) {
        (M::NAME, TypeHash::of::<M>().to_string())
    }
    BTreeMap::from([
        row::<builtin_interfaces::Time>(),
        row::<std_msgs::Header>(),
        row::<std_msgs::String>(),
        row::<geometry_msgs::Vector3>(),
        row::<geometry_msgs::Point>(),
        row::<geometry_msgs::Quaternion>(),
        row::<geometry_msgs::Pose>(),
        row::<geometry_msgs::PoseWithCovariance>(),
        row::<geometry_msgs::Twist>(),
        row::<geometry_msgs::TwistWithCovariance>(),
        row::<geometry_msgs::TwistStamped>(),
        row::<geometry_msgs::Transform>(),
        row::<geometry_msgs::TransformStamped>(),
        row::<sensor_msgs::JointState>(),
        row::<sensor_msgs::Imu>(),
        row::<nav_msgs::Odometry>(),
        row::<tf2_msgs::TFMessage>(),
        row::<diagnostic_msgs::KeyValue>(),
        row::<diagnostic_msgs::DiagnosticStatus>(),
        row::<diagnostic_msgs::DiagnosticArray>(),
        row::<rosgraph_msgs::Clock>(),
    ])
}

#[test]
fn every_type_has_the_published_hash_and_every_row_a_type() {
    let table: BTreeMap<&str, String> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, hash)| (name, hash.to_owned()))
        .collect();
    assert_eq!(computed(), table);
}

#[test]
fn the_hashed_text_is_json_with_the_types_used_in_order() {
    let json: serde_json::Value = serde_json::from_str(&canonical_json::<sensor_msgs::JointState>()).unwrap();
    let names: Vec<&str> = json["referenced_type_descriptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ty| ty["type_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["builtin_interfaces/msg/Time", "std_msgs/msg/Header"]);
    assert_eq!(json["type_description"]["fields"][2]["type"]["type_id"], 155, "float64[] is 11 + 144");
}

#[test]
fn names_in_keys_are_those_of_dds() {
    let ty = MessageType::of::<std_msgs::String>();
    assert_eq!(ty.dds_name(), "std_msgs::msg::dds_::String_");
    let humble = MessageType { hash: None, ..ty };
    assert_eq!(humble.hash_text(), "TypeHashNotSupported");
}
