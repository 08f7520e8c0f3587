"""A plain Zenoh client of the robot's router: what it hears, and a small ROS node of its own."""

import sys
import threading
import time

import zenoh
import zenoh.ext

import rules


def open_session(port: int) -> zenoh.Session:
    config = zenoh.Config()
    for key, value in {
        "mode": '"client"',
        "connect/endpoints": f'["tcp/127.0.0.1:{port}"]',
        "scouting/multicast/enabled": "false",
        "timestamping/enabled": "true",
    }.items():
        config.insert_json5(key, value)
    try:
        return zenoh.open(config)
    except zenoh.ZError:
        sys.exit(f"judge: no Zenoh router answers on port {port}; start the robot first or name its port")


class Heard:
    """One sample."""

    def __init__(self, sample: zenoh.Sample):
        self.key = str(sample.key_expr)
        self.payload = bytes(sample.payload)
        self.attachment = None if sample.attachment is None else bytes(sample.attachment)
        self.timestamp = None if sample.timestamp is None else str(sample.timestamp)


class Listener:
    """Records every sample of a robot and every token of its domain."""

    def __init__(self, session: zenoh.Session, domain: int, robot: str):
        self.changed = threading.Condition()
        self.samples: list[Heard] = []
        self.tokens: set[str] = set()
        self._graph = session.liveliness().declare_subscriber(
            f"@ros2_lv/{domain}/**", self._token, history=True
        )
        self._topics = session.declare_subscriber(f"{domain}/{robot}/**", self._sample)

    def _sample(self, sample: zenoh.Sample):
        with self.changed:
            self.samples.append(Heard(sample))
            self.changed.notify_all()

    def _token(self, sample: zenoh.Sample):
        with self.changed:
            if sample.kind == zenoh.SampleKind.PUT:
                self.tokens.add(str(sample.key_expr))
            else:
                self.tokens.discard(str(sample.key_expr))
            self.changed.notify_all()

    def wait(self, condition, deadline: float) -> bool:
        """Until the condition holds, woken by what arrives."""
        with self.changed:
            return self.changed.wait_for(condition, timeout=max(0.0, deadline - time.monotonic()))


class Node:
    """A ROS node with publishers, on a session of its own."""

    def __init__(self, port: int, domain: int, namespace: str, name: str):
        self.session = open_session(port)
        self.zid = str(self.session.zid())
        self.domain, self.name = domain, name
        self.namespace = namespace.replace("/", "%")
        self.last_id = 0
        own = f"@ros2_lv/{domain}/{self.zid}/0/0/NN/%/{self.namespace}/{name}"
        self.tokens = [self.session.liveliness().declare_token(own)]

    def publisher(self, topic: str, type_name: str, type_hash: str, qos: str, token: bool = True) -> "Publisher":
        """Of a fully qualified topic."""
        self.last_id += 1
        tail = f"{rules.dds(type_name)}/{type_hash}"
        text = f"@ros2_lv/{self.domain}/{self.zid}/0/{self.last_id}/MP/%/{self.namespace}/{self.name}/"
        text += f"{topic.replace('/', '%')}/{tail}/{qos}"
        if token:
            self.tokens.append(self.session.liveliness().declare_token(text))
        return Publisher(self.session, f"{self.domain}{topic}/{tail}", rules.gid(text))


class Publisher:
    """Numbers its samples as ROS does."""

    def __init__(self, session: zenoh.Session, key: str, gid: bytes):
        self.key, self.gid, self.sequence = key, gid, 0
        self._publisher = session.declare_publisher(key)

    def attachment(self) -> bytes:
        self.sequence += 1
        number = self.sequence.to_bytes(8, "little", signed=True)
        return number + time.time_ns().to_bytes(8, "little") + b"\x10" + self.gid

    def put(self, cdr: bytes, attachment: bytes | None = b""):
        """With its own attachment, or another, or (None) without."""
        attachment = self.attachment() if attachment == b"" else attachment
        self._publisher.put(cdr, attachment=attachment)


def history(session: zenoh.Session, key: str, deadline: float) -> tuple[list[Heard], list[Heard]]:
    """What a late reader gets: a stock advanced subscriber, and a plain query of the caches."""
    changed, received = threading.Condition(), []

    def on_sample(sample: zenoh.Sample):
        with changed:
            received.append(Heard(sample))
            changed.notify_all()

    subscriber = zenoh.ext.declare_advanced_subscriber(
        session,
        key,
        on_sample,
        history=zenoh.ext.HistoryConfig(detect_late_publishers=True, max_samples=1),
        recovery=zenoh.ext.RecoveryConfig(heartbeat=True),
    )
    with changed:
        changed.wait_for(lambda: received, timeout=max(0.0, deadline - time.monotonic()))
    replies = session.get(
        f"{key}/@adv/**?_max=1",
        consolidation=zenoh.ConsolidationMode.NONE,
        target=zenoh.QueryTarget.ALL,
        accept_replies=zenoh.ReplyKeyExpr.ANY,
        timeout=max(0.1, deadline - time.monotonic()),
    )
    queried = [Heard(reply.ok) for reply in replies if reply.ok is not None]
    subscriber.undeclare()
    return received, queried
