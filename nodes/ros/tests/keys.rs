//! Keys, tokens and identities, letter by letter: one wrong byte and nobody hears the robot.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use sinew_ros::msg::std_msgs;
use sinew_ros::{
    Depth, EndpointKind, EndpointToken, Gid, MessageType, NodeName, Qos, Topic, TopicName, node_token,
    topic_key,
};

const STRING_HASH: &str = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18";

fn chatter() -> (TopicName, MessageType) {
    (TopicName::new("/robot/chatter").unwrap(), MessageType::of::<std_msgs::String>())
}

#[test]
fn topic_keys() {
    let (topic, ty) = chatter();
    let expected = format!("0/robot/chatter/std_msgs::msg::dds_::String_/{STRING_HASH}");
    assert_eq!(topic_key(0, &topic, &ty), expected);
    let inner = TopicName::new("/quad/imu/data").unwrap();
    assert!(topic_key(7, &inner, &ty).starts_with("7/quad/imu/data/std_msgs::msg::dds_::String_/RIHS01_"));
}

#[test]
fn node_tokens() {
    let node = NodeName::new("/quad", "control").unwrap();
    assert_eq!(node_token(0, "aac3178e", 0, &node), "@ros2_lv/0/aac3178e/0/0/NN/%/%quad/control");
    let root = NodeName::new("/", "listener").unwrap();
    assert_eq!(node_token(3, "aac3178e", 5, &root), "@ros2_lv/3/aac3178e/5/5/NN/%/%/listener");
}

#[test]
fn endpoint_tokens() {
    let (topic, ty) = chatter();
    let node = NodeName::new("/robot", "talker").unwrap();
    let token = EndpointToken {
        domain_id: 0,
        zid: "aac3178e",
        node_id: 0,
        id: 1,
        kind: EndpointKind::Publisher,
        node: &node,
        topic: &topic,
        ty: &ty,
        qos: Qos::latched(1),
    };
    let tail = format!("%/%robot/talker/%robot%chatter/std_msgs::msg::dds_::String_/{STRING_HASH}");
    assert_eq!(token.key(), format!("@ros2_lv/0/aac3178e/0/1/MP/{tail}/:1:,1:,:,:,,"));
    let heard = EndpointToken { kind: EndpointKind::Subscription, qos: Qos::best_effort(5), ..token };
    assert_eq!(heard.key(), format!("@ros2_lv/0/aac3178e/0/1/MS/{tail}/2::,5:,:,:,,"));
}

#[test]
fn qualities_as_stock_nodes_spell_them() {
    for (qos, expected) in [
        (Qos::reliable(10), "::,10:,:,:,,"),
        (Qos::reliable(1000), "::,1000:,:,:,,"),
        (Qos::reliable(42), "::,:,:,:,,"),
        (Qos::best_effort(5), "2::,5:,:,:,,"),
        (Qos::best_effort(1), "2::,1:,:,:,,"),
        (Qos::latched(1), ":1:,1:,:,:,,"),
        (Qos { depth: Depth::All, ..Qos::reliable(1) }, "::2,:,:,:,,"),
    ] {
        assert_eq!(qos.token(), expected);
    }
    assert_eq!(Topic::TfStatic.qos().token(), ":1:,1:,:,:,,");
    assert_eq!(Topic::Tf.qos().token(), "::,100:,:,:,,");
}

#[test]
fn identity_of_a_known_token() {
    let token = "@ros2_lv/0/aac3178e146ba6f1fc6e6a4085e77f21/0/0/NN/%/%/listener";
    assert_eq!(Gid::of_token(token).to_string(), "5bd72f4daf53c0bb00c7394e7fc19547");
}
