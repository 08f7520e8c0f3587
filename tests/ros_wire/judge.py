#!/usr/bin/env python3
"""Judges a robot's ROS 2 face from outside: a plain Zenoh client that knows the wire format and has rosbags.

    judge.py --port 7447 --robot quad [--json] [--cmd-vel 0.3 0 0] [--plant wrong-hash ...]

It connects to the router, listens to everything below the robot's name, and checks keys, liveliness tokens,
attachments, type hashes, messages and history. With --cmd-vel it then publishes twists until its standard input
is closed. With --plant it adds publishers that break a rule. Exit status: 0 no violation, 1 violations.
"""

import argparse
import collections
import json
import sys
import threading
import time

sys.dont_write_bytecode = True

import environment  # noqa: E402

environment.activate()

import network  # noqa: E402
import plants  # noqa: E402
import rules  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402

TYPES = get_typestore(Stores.ROS2_JAZZY)


class Judge:
    def __init__(self, options):
        self.domain, self.robot, self.needed = options.domain, options.robot, options.samples
        self.expected = {name: e for name, e in rules.TOPICS.items() if options.clock or name != "clock"}
        self.deadline = time.monotonic() + options.deadline
        self.session = network.open_session(options.port)
        self.heard = network.Listener(self.session, options.domain, options.robot)
        self.violations: list[dict] = []
        self.topics: dict[str, dict] = {}

    def blame(self, kind: str, where: str, what: str):
        """Each offence once."""
        violation = {"kind": kind, "where": where, "what": what}
        if violation not in self.violations:
            self.violations.append(violation)

    def key(self, topic: str) -> str:
        wanted = self.expected[topic]
        return f"{self.domain}/{self.robot}/{topic}/{rules.dds(wanted.type)}/{TYPES.hash_rihs01(wanted.type)}"

    # ---- waiting

    def complete(self) -> bool:
        """Every stream has spoken often enough, every endpoint is on the graph."""
        counts = collections.Counter(sample.key for sample in self.heard.samples)
        streams = (name for name, wanted in self.expected.items() if not wanted.latched)
        often = {"diagnostics": 2}
        spoken = all(counts[self.key(name)] >= often.get(name, self.needed) for name in streams)
        shown = {token.split("/")[9] for token in self.heard.tokens if token.count("/") == 12}
        names = [*self.expected, "cmd_vel"]
        return spoken and all(f"%{self.robot}%{name.replace('/', '%')}" in shown for name in names)

    # ---- judging

    def judge(self):
        with self.heard.changed:
            samples, texts = list(self.heard.samples), sorted(self.heard.tokens)
        tokens = self.judge_tokens(texts)
        self.judge_presence(samples, tokens)
        publishers = {rules.gid(token.text): token for token in tokens if token.kind == "MP"}
        last: dict[bytes, tuple[int, int]] = {}
        stamps: dict[bytes, int] = {}
        for sample in samples:
            self.judge_sample(sample, tokens, publishers, last, stamps)

    def judge_tokens(self, texts: list[str]) -> list[rules.Token]:
        tokens = []
        for text in texts:
            token = rules.Token.parse(text)
            if isinstance(token, str):
                self.blame("token", text, token)
            else:
                tokens.append(token)
        tokens = [token for token in tokens if token.namespace == f"/{self.robot}"]
        nodes = {(t.session, t.node_id): t for t in tokens if t.kind == "NN"}
        ids = collections.Counter((t.session, t.id) for t in tokens)
        for token in tokens:
            if ids[token.session, token.id] > 1:
                self.blame("token", token.text, f"id {token.id} is used twice in its session")
            node = nodes.get((token.session, token.node_id))
            if node is None or node.node != token.node:
                self.blame("token", token.text, f"no node {token.node!r} with id {token.node_id}")
            if token.kind not in ("MP", "MS"):
                continue
            name = rules.ros(token.type)
            if name is None or name not in TYPES.fielddefs:
                self.blame("type", token.text, f"{token.type!r} is no message type")
            elif token.hash != TYPES.hash_rihs01(name):
                self.blame("hash", token.text, f"{token.hash}; expected {TYPES.hash_rihs01(name)}")
            wanted = self.expected.get(token.topic.removeprefix(f"/{self.robot}/"))
            if token.kind == "MP" and wanted:
                if name != wanted.type:
                    self.blame("type", token.text, f"{name}; expected {wanted.type}")
                if token.qos != wanted.qos:
                    self.blame("quality", token.text, f"{token.qos}; expected {wanted.qos}")
        return tokens

    def judge_presence(self, samples: list[network.Heard], tokens: list[rules.Token]):
        counts = collections.Counter(sample.key for sample in samples)
        for name, wanted in self.expected.items():
            topic = f"/{self.robot}/{name}"
            if not any(t.kind == "MP" and t.topic == topic and t.node == wanted.node for t in tokens):
                self.blame("missing", topic, f"no publisher of node {wanted.node}")
            count = counts[self.key(name)]
            if not wanted.latched and count < 2:
                self.blame("missing", topic, f"{count} samples under its key")
            self.topics[name] = {"type": wanted.type, "samples": count, "lost": 0}
        topic = f"/{self.robot}/cmd_vel"
        types = {rules.ros(t.type) for t in tokens if t.kind == "MS" and t.topic == topic}
        if types != {rules.CMD_VEL}:
            self.blame("missing", topic, f"subscriptions of {types}; expected one of {rules.CMD_VEL}")

    def judge_sample(self, sample, tokens, publishers, last, stamps):
        chunks = sample.key.split("/")
        topic = "/" + "/".join(chunks[1:-2])
        name = rules.ros(chunks[-2])
        if name is None or name not in TYPES.fielddefs:
            self.blame("type", sample.key, f"{chunks[-2]!r} is no message type")
            return
        if chunks[-1] != TYPES.hash_rihs01(name):
            self.blame("hash", sample.key, f"expected {TYPES.hash_rihs01(name)}")
        here = [t for t in tokens if t.kind == "MP" and t.topic == topic and t.hash == chunks[-1]]
        if not here:
            self.blame("token", sample.key, "samples, but no publisher on the graph")
        gid = self.judge_attachment(sample, topic, publishers, last)
        message = self.judge_message(sample, name)
        short = topic.removeprefix(f"/{self.robot}/")
        if message is None or short not in self.expected:
            return
        fault = rules.content(short, message, self.robot)
        if fault:
            self.blame("content", topic, fault)
        stamp = rules.stamp_ns(short, message)
        if gid and stamp is not None:
            if stamp < stamps.get(gid, 0):
                self.blame("content", topic, "stamps go backwards")
            stamps[gid] = stamp

    def judge_attachment(self, sample, topic, publishers, last) -> bytes | None:
        attachment = sample.attachment
        if attachment is None or len(attachment) != 33 or attachment[16] != 16:
            found = "none" if attachment is None else f"{len(attachment)} bytes"
            self.blame("attachment", sample.key, f"{found}; expected 33 bytes, the identity 16 of them")
            return None
        gid = attachment[17:]
        token = publishers.get(gid)
        if token is None or token.topic != topic:
            self.blame("identity", sample.key, f"{gid.hex()} is no publisher of this topic")
        number, sent = (int.from_bytes(attachment[i : i + 8], "little", signed=True) for i in (0, 8))
        if sent <= 0:
            self.blame("attachment", sample.key, f"source time {sent}")
        before, sent_before = last.get(gid, (0, 0))
        if number <= before or sent < sent_before:
            self.blame("sequence", sample.key, f"number {number} after {before}")
        short = topic.removeprefix(f"/{self.robot}/")
        if before and number > before + 1 and short in self.topics:
            # A busy machine may drop samples; that is told, and no offence.
            self.topics[short]["lost"] += number - before - 1
        last[gid] = (number, sent)
        return gid

    def judge_message(self, sample, name: str):
        if sample.payload[:4] != b"\0\1\0\0":
            self.blame("message", sample.key, f"header {sample.payload[:4].hex()}; expected 00010000")
            return None
        try:
            message = TYPES.deserialize_cdr(sample.payload, name)
        except Exception as error:  # whatever a decoder finds wrong is the verdict
            self.blame("message", sample.key, f"rosbags: {type(error).__name__}: {error}")
            return None
        if bytes(TYPES.serialize_cdr(message, name)) != sample.payload:
            self.blame("message", sample.key, "written again by rosbags it has other bytes")
        return message

    def judge_history(self, port: int):
        """Plays a reader that comes late."""
        late = network.open_session(port)
        for name, wanted in self.expected.items():
            if not wanted.latched:
                continue
            received, queried = network.history(late, self.key(name), self.deadline)
            self.topics[name]["samples"] = len(received)
            if len(received) != 1 or len(queried) != 1:
                what = f"a stock reader got {len(received)} samples, a query {len(queried)}; expected 1 each"
                self.blame("history", name, what)
                continue
            [one], [other] = received, queried
            if (one.payload, one.attachment, one.timestamp) != (other.payload, other.attachment, other.timestamp):
                self.blame("history", name, "the stock reader and the query got different samples")
            message = self.judge_message(one, wanted.type)
            fault = message and rules.content(name, message, self.robot)
            if fault:
                self.blame("content", name, fault)
        late.close()

    def report(self) -> dict:
        return {"passed": not self.violations, "violations": self.violations, "topics": self.topics}


def publish_twists(options, velocity: list[float]):
    """At 20 Hz, until standard input is closed."""
    node = network.Node(options.port, options.domain, "/", "judge")
    type_hash = TYPES.hash_rihs01(rules.CMD_VEL)
    publisher = node.publisher(f"/{options.robot}/cmd_vel", rules.CMD_VEL, type_hash, rules.RELIABLE_10)
    known = TYPES.types
    vector = known["geometry_msgs/msg/Vector3"]
    vx, vy, wz = velocity
    stamp = known["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    twist = known[rules.CMD_VEL](
        header=known["std_msgs/msg/Header"](stamp=stamp, frame_id="base_link"),
        twist=known["geometry_msgs/msg/Twist"](
            linear=vector(x=vx, y=vy, z=0.0), angular=vector(x=0.0, y=0.0, z=wz)
        ),
    )
    cdr = bytes(TYPES.serialize_cdr(twist, rules.CMD_VEL))
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    while not closed.wait(0.05):
        publisher.put(cdr)
    node.session.close()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=7447, help="port of the Zenoh router on this machine")
    parser.add_argument("--robot", required=True, help="name of the robot")
    parser.add_argument("--domain", type=int, default=0, help="ROS domain")
    parser.add_argument("--deadline", type=float, default=60.0, help="seconds to wait for all of it at most")
    parser.add_argument("--samples", type=int, default=20, help="samples to see of each stream")
    parser.add_argument("--no-clock", dest="clock", action="store_false", help="expect no /clock")
    parser.add_argument("--cmd-vel", type=float, nargs=3, metavar=("VX", "VY", "WZ"), help="then publish twists")
    parser.add_argument("--plant", action="append", default=[], choices=[*plants.PLANTS, "all"])
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    judge = Judge(options)
    names = plants.PLANTS if "all" in options.plant else options.plant
    rogues = [plants.Rogue(name, options.port, options.domain, options.robot, TYPES) for name in names]
    complete = judge.heard.wait(judge.complete, judge.deadline)
    if not complete:
        judge.blame("missing", f"/{options.robot}", f"not everything was heard within {options.deadline} s")
    while rogues and not all(rogue.seen(judge.heard.samples) for rogue in rogues):
        for rogue in rogues:
            rogue.put()
        if not judge.heard.wait(lambda: all(r.seen(judge.heard.samples) for r in rogues), time.monotonic() + 0.1):
            if time.monotonic() > judge.deadline:
                sys.exit("judge: its own planted samples did not arrive")
    judge.judge()
    if complete:
        judge.judge_history(options.port)
    if options.cmd_vel:
        publish_twists(options, options.cmd_vel)
    report = judge.report()
    if options.json:
        print(json.dumps(report))
    else:
        for violation in report["violations"]:
            print("{kind}: {where}: {what}".format(**violation))
        for name, topic in report["topics"].items():
            print(f"/{options.robot}/{name}: {topic['samples']} samples, {topic['lost']} lost, {topic['type']}")
        print("passed" if report["passed"] else "FAILED")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
