"""The rules of the wire, written down a second time and apart from the robot's code."""

import dataclasses
import re
import xml.etree.ElementTree

import xxhash

SECOND = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Expected:
    """A topic every robot publishes."""

    type: str
    qos: str
    node: str
    latched: bool = False


RELIABLE_1, RELIABLE_10, RELIABLE_100 = "::,1:,:,:,,", "::,10:,:,:,,", "::,100:,:,:,,"
LATCHED = ":1:,1:,:,:,,"
TOPICS = {
    "clock": Expected("rosgraph_msgs/msg/Clock", RELIABLE_1, "control"),
    "joint_states": Expected("sensor_msgs/msg/JointState", RELIABLE_10, "bridge"),
    "imu/data": Expected("sensor_msgs/msg/Imu", RELIABLE_10, "bridge"),
    "odom": Expected("nav_msgs/msg/Odometry", RELIABLE_10, "control"),
    "tf": Expected("tf2_msgs/msg/TFMessage", RELIABLE_100, "control"),
    "tf_static": Expected("tf2_msgs/msg/TFMessage", LATCHED, "control", latched=True),
    "robot_description": Expected("std_msgs/msg/String", LATCHED, "control", latched=True),
    "diagnostics": Expected("diagnostic_msgs/msg/DiagnosticArray", RELIABLE_1, "control"),
}
CMD_VEL = "geometry_msgs/msg/TwistStamped"


def dds(name: str) -> str:
    """std_msgs/msg/String -> std_msgs::msg::dds_::String_"""
    package, kind, leaf = name.split("/")
    return f"{package}::{kind}::dds_::{leaf}_"


def ros(name: str) -> str | None:
    """The reverse; None for what is no message type."""
    found = re.fullmatch(r"(\w+)::msg::dds_::(\w+)_", name)
    return found and f"{found[1]}/msg/{found[2]}"


def gid(token: str) -> bytes:
    """Identity of the endpoint with this token."""
    return xxhash.xxh3_128(token.encode()).intdigest().to_bytes(16, "little")


@dataclasses.dataclass(frozen=True)
class Token:
    """A node (NN), publisher (MP), subscription (MS), service (SS) or client (SC)."""

    text: str
    session: str
    node_id: int
    id: int
    kind: str
    namespace: str
    node: str
    topic: str = ""
    type: str = ""
    hash: str = ""
    qos: str = ""

    @staticmethod
    def parse(text: str) -> "Token | str":
        """The token, or what is wrong with it."""
        chunks = text.split("/")
        if len(chunks) not in (9, 13):
            return f"{len(chunks)} chunks; expected 9 for a node, 13 for an endpoint"
        _, _, session, node_id, id_, kind, enclave, *names = chunks
        if kind not in ("NN", "MP", "MS", "SS", "SC") or (kind == "NN") != (len(chunks) == 9):
            return f"kind {kind!r} with {len(chunks)} chunks"
        if not re.fullmatch(r"[0-9a-f]{1,32}", session):
            return f"session {session!r}; expected lower-case hexadecimal"
        if not (node_id.isdecimal() and id_.isdecimal()):
            return f"ids {node_id!r}, {id_!r}; expected decimal numbers"
        if not enclave.startswith("%"):
            return f"enclave {enclave!r}; expected % for the root"
        namespace, node, *rest = (name.replace("%", "/") for name in names[:3])
        if not namespace.startswith("/") or "/" in node or not node:
            return f"namespace {namespace!r}, node {node!r}"
        if kind == "NN":
            if node_id != id_:
                return f"a node whose id {id_} is not its node id {node_id}"
            return Token(text, session, int(node_id), int(id_), kind, namespace, node)
        if not rest[0].startswith("/"):
            return f"topic {rest[0]!r}; expected its leading slash as %"
        if not re.fullmatch(r"[124]?:[124]?:[12]?,\d*:\d*,\d*:\d*,\d*:[135]?,\d*,\d*", names[5]):
            return f"quality {names[5]!r}"
        return Token(
            text, session, int(node_id), int(id_), kind, namespace, node, rest[0], names[3], names[4], names[5]
        )


def content(topic: str, message, robot: str) -> str | None:
    """What a ROS user would notice in a message of one of the TOPICS; None if nothing."""
    prefix = f"{robot}/"
    if topic == "joint_states":
        lengths = {len(message.name), len(message.position), len(message.velocity), len(message.effort)}
        if lengths == {0} or len(lengths) != 1 or len(set(message.name)) != len(message.name):
            return f"names and values do not fit: {lengths}"
    if topic in ("tf", "tf_static"):
        if not message.transforms:
            return "no transform"
        for transform in message.transforms:
            frames = (transform.header.frame_id, transform.child_frame_id)
            if not all(frame.startswith(prefix) for frame in frames):
                return f"frames {frames} without the prefix {prefix}"
            if not is_rotation(transform.transform.rotation):
                return f"{frames}: no rotation"
    if topic == "odom":
        frames = (message.header.frame_id, message.child_frame_id)
        if frames != (f"{prefix}odom", f"{prefix}base_link"):
            return f"frames {frames}"
        if not is_rotation(message.pose.pose.orientation):
            return "no rotation"
    if topic == "imu/data":
        if message.header.frame_id != f"{prefix}base_link" or not is_rotation(message.orientation):
            return f"frame {message.header.frame_id} or no rotation"
        acceleration = message.linear_acceleration
        measured = any((acceleration.x, acceleration.y, acceleration.z))
        if not measured and message.linear_acceleration_covariance[0] != -1.0:
            return "an acceleration of zero that is not marked as missing"
    if topic == "robot_description":
        try:
            root = xml.etree.ElementTree.fromstring(message.data)
        except xml.etree.ElementTree.ParseError as error:
            return f"not XML: {error}"
        if root.tag != "robot" or root.find("joint") is None:
            return "no URDF"
    if topic == "diagnostics":
        for status in message.status:
            if not re.fullmatch(r"\w+: \S.*", status.name) or not status.hardware_id:
                return f"status {status.name!r} of hardware {status.hardware_id!r}"
            if status.level not in range(4):
                return f"level {status.level}"
    return None


def is_rotation(q) -> bool:
    return abs(q.x**2 + q.y**2 + q.z**2 + q.w**2 - 1) < 0.02


def stamp_ns(topic: str, message) -> int | None:
    """Time of a message, where it has one."""
    if topic == "clock":
        time = message.clock
    elif topic in ("tf", "tf_static"):
        time = message.transforms[0].header.stamp if message.transforms else None
    else:
        time = message.header.stamp if hasattr(message, "header") else None
    return None if time is None else time.sec * SECOND + time.nanosec
