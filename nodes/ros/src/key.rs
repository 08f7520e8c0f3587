//! Key expressions and liveliness tokens of rmw_zenoh (Jazzy; Kilted is equal).
//!
//! ```text
//!  topic   DOMAIN/quad/joint_states/sensor_msgs::msg::dds_::JointState_/RIHS01_...
//!  node    @ros2_lv/DOMAIN/ZID/NID/NID/NN/%/%quad/control
//!  endpoint @ros2_lv/DOMAIN/ZID/NID/ID/MP/%/%quad/control/%quad%joint_states/TYPE/HASH/QOS
//! ```
use crate::name::{NodeName, TopicName};
use crate::qos::Qos;
use crate::session::MessageType;

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    Publisher,
    Subscription,
}

/// Key on which a topic's samples travel.
#[must_use]
pub fn topic_key(domain_id: u32, topic: &TopicName, ty: &MessageType) -> String {
    let topic = topic.as_str().trim_matches('/');
    format!("{domain_id}/{topic}/{}/{}", ty.dds_name(), ty.hash_text())
}

/// Token that says a node is there.
#[must_use]
pub fn node_token(domain_id: u32, zid: &str, node_id: u64, node: &NodeName) -> String {
    format!(
        "@ros2_lv/{domain_id}/{zid}/{node_id}/{node_id}/NN/%/{}/{}",
        chunk(node.namespace()),
        chunk(node.name())
    )
}

/// Everything the token of a publisher or subscription says.
#[derive(Clone, Copy, Debug)]
pub struct EndpointToken<'a> {
    pub domain_id: u32,
    /// The session's own id, as Zenoh prints it.
    pub zid: &'a str,
    /// Number of the node within the session.
    pub node_id: u64,
    /// Number of the endpoint within the session; nodes and endpoints share one count.
    pub id: u64,
    pub kind: EndpointKind,
    pub node: &'a NodeName,
    pub topic: &'a TopicName,
    pub ty: &'a MessageType,
    pub qos: Qos,
}

impl EndpointToken<'_> {
    /// The token's key expression.
    #[must_use]
    pub fn key(&self) -> String {
        let kind = match self.kind {
            EndpointKind::Publisher => "MP",
            EndpointKind::Subscription => "MS",
        };
        format!(
            "@ros2_lv/{}/{}/{}/{}/{kind}/%/{}/{}/{}/{}/{}/{}",
            self.domain_id,
            self.zid,
            self.node_id,
            self.id,
            chunk(self.node.namespace()),
            chunk(self.node.name()),
            chunk(self.topic.as_str()),
            self.ty.dds_name(),
            self.ty.hash_text(),
            self.qos.token(),
        )
    }
}

/// One chunk of a key: no slashes, never empty.
fn chunk(name: &str) -> String {
    if name.is_empty() { "%".to_owned() } else { name.replace('/', "%") }
}
