"""ONNX metadata of whole-body tracking and its kin, or the same names as the user gives them."""

import collections

import numpy as np

from source import Graph, Source


class Metadata:
    def __init__(self, request):
        source = self.source = Source(request)
        self.said = source.said
        self.graph_file = source.graph()
        self.graph = Graph(self.graph_file)
        self.joints = source.renamed(self.words("joint_names"))
        self.kp = source.per_joint("kp", self.joints, self.numbers("joint_stiffness"))
        self.kd = source.per_joint("kd", self.joints, self.numbers("joint_damping"))
        self.default_pos = self.numbers("default_joint_pos")
        self.action_scale = np.array(self.numbers("action_scale"))
        self.names = self.words("observation_names")
        lengths = self.words("observation_history_lengths")
        self.lengths = [int(float(n)) for n in lengths] if lengths else [1] * len(self.names)
        self.rate_hz = source.rate_hz(None)
        reads = {"base_lin_vel": "velocity_m_s", "linvel": "velocity_m_s"}
        self.needs = tuple({reads[n] for n in self.names if n in reads})

    def words(self, key):
        said = (self.said.get("metadata") or {}).get(key)
        if said is not None:
            return [str(v) for v in said] if isinstance(said, list) else [str(said)]
        text = self.graph.metadata.get(key)
        return None if text is None else [part.strip() for part in text.split(",") if part.strip()]

    def numbers(self, key):
        values = [float(word) for word in self.words(key)]
        return values * len(self.joints) if len(values) == 1 else values

    def scale(self, name):
        given = (self.said.get("terms") or {}).get("scale")
        return given[name] if isinstance(given, dict) else given

    def reset(self):
        self.frame = 0
        self.action = np.zeros(len(self.joints))
        self.buffers = None
        self.phase = None

    def command(self, state):
        return self.source.clamped(state["command"])

    def clock(self, state):
        """The feet's phases now; they advance, or stand still, after they were shown."""
        said = self.said["terms"]["phase"]
        offsets = np.array(said.get("offsets_turns", [0.0]), float)
        begin = 2 * np.pi * (said.get("start_turns", 0.0) + offsets)
        shown = begin if self.phase is None else self.phase
        moving = said["freeze_below"] == "never" or np.linalg.norm(self.command(state)) > said["freeze_below"]
        if moving:
            self.turns = 1 + (getattr(self, "turns", 0) if self.phase is not None else 0)
            self.phase = begin + 2 * np.pi * self.turns / said["period_s"] / self.rate_hz
        else:
            self.turns = 0
            self.phase = np.full_like(begin, np.pi) if said.get("rest") == "pi" else begin
        first, second = (np.cos, np.sin) if said["functions"] == "cos_sin" else (np.sin, np.cos)
        if said.get("layout") == "by_function":
            return np.concatenate([first(shown), second(shown)])
        return np.stack([first(shown), second(shown)], axis=1).reshape(-1)

    def raw(self, name, state):
        q = np.array([state["q"][n] for n in self.joints])
        if name in ("base_ang_vel", "gyro"):
            return state["gyro_rad_s"]
        if name in ("base_lin_vel", "linvel"):
            return state["velocity_m_s"]
        if name in ("projected_gravity", "gravity"):
            return state["projected_gravity"]
        if name in ("command", "velocity_commands", "twist"):
            return self.command(state)
        if name in ("joint_pos", "joint_pos_rel"):
            return q - self.default_pos
        if name in ("joint_vel", "joint_vel_rel"):
            return np.array([state["dq"][n] for n in self.joints])
        if name in ("actions", "last_action", "last_act"):
            return self.action
        if name == "phase":
            return self.clock(state)
        raise SystemExit(f"no such observation: {name}")

    def step(self, state):
        rows = [np.asarray(self.raw(n, state), float) * np.asarray(self.scale(n), float) for n in self.names]
        if self.buffers is None:
            self.buffers = [collections.deque([row] * n, maxlen=n) for row, n in zip(rows, self.lengths)]
        else:
            for buffer, row in zip(self.buffers, rows):
                buffer.append(row)
        observation = np.concatenate([m for buffer in self.buffers for m in buffer]).astype(np.float32)[None]
        feeds = {name: observation for name in self.graph.inputs if name != "time_step"}
        if "time_step" in self.graph.inputs:
            counter = self.said["counter"]
            wraps = counter.get("on_end") == "wrap"
            frame = self.frame % counter["length"] if wraps else min(self.frame, counter["length"] - 1)
            feeds["time_step"] = np.full(self.graph.shape("time_step"), frame, np.float32)
        self.frame += 1
        outputs = self.graph.run(feeds)
        names = [n for n in ("actions", "continuous_actions") if n in outputs]
        self.action = outputs[names[0] if names else self.graph.outputs[0]].reshape(-1).astype(float)
        return dict(zip(self.joints, self.action * self.action_scale + self.default_pos))
