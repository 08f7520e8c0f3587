"""deploy.yaml: stiffness and damping by motor number, everything else by policy joint."""

import collections

import numpy as np

from source import Graph, Source, load


class Unitree:
    needs = ()

    def __init__(self, request):
        source = self.source = Source(request)
        file = source.find("deploy.yaml")
        self.config = load(file)
        motor_names = source.said["motors"]
        self.joints, self.kp, self.kd = [], [], []
        for motor in self.config["joint_ids_map"]:
            self.joints.append(motor_names[motor])
            self.kp.append(self.config["stiffness"][motor])
            self.kd.append(self.config["damping"][motor])
        self.kp = source.per_joint("kp", self.joints, self.kp)
        self.kd = source.per_joint("kd", self.joints, self.kd)
        self.default_pos = self.config["default_joint_pos"]
        self.rate_hz = source.rate_hz(1 / self.config["step_dt"])
        self.graph_file = source.graph()
        self.graph = Graph(self.graph_file)

    def reset(self):
        self.steps = 0
        self.action = np.zeros(len(self.joints))
        self.buffers = None

    def raw(self, name, term, state):
        q = np.array([state["q"][n] for n in self.joints])
        dq = np.array([state["dq"][n] for n in self.joints])
        asset = (term.get("params") or {}).get("asset_cfg") or {}
        ids = asset.get("joint_ids")
        some = slice(None) if ids is None or ids == [None, None, None] else ids
        if name == "base_ang_vel":
            return state["gyro_rad_s"]
        if name == "base_lin_vel":
            return state["velocity_m_s"]
        if name == "projected_gravity":
            return state["projected_gravity"]
        if name == "joint_pos_rel":
            return (q - self.default_pos)[some]
        if name == "joint_pos":
            return q[some]
        if name in ("joint_vel_rel", "joint_vel"):
            return dq[some]
        if name == "last_action":
            return self.action
        if name == "velocity_commands":
            ranges = ((self.config.get("commands") or {}).get("base_velocity") or {}).get("ranges") or {}
            names = {"vx": "lin_vel_x", "vy": "lin_vel_y", "wz": "ang_vel_z"}
            return self.source.clamped(state["command"], {ours: ranges.get(own) for ours, own in names.items()})
        if name == "gait_phase":
            period = term["params"]["period"]
            turn = (self.steps * self.config["step_dt"] % period) / period
            return [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
        raise SystemExit(f"no such observation: {name}")

    def step(self, state):
        rows = []
        for name, term in self.config["observations"].items():
            value = np.asarray(self.raw(name, term, state), float)
            if term.get("clip"):
                value = np.clip(value, *term["clip"])
            rows.append(value * (term["scale"] if term.get("scale") else 1.0))
        if self.buffers is None:
            lengths = [max(1, t.get("history_length") or 1) for t in self.config["observations"].values()]
            self.buffers = [collections.deque([row] * n, maxlen=n) for row, n in zip(rows, lengths)]
        else:
            for buffer, row in zip(self.buffers, rows):
                buffer.append(row)
        # Oldest first; each term with all its moments.
        observation = np.concatenate([moment for buffer in self.buffers for moment in buffer])
        outputs = self.graph.run({self.graph.inputs[0]: observation.astype(np.float32)[None]})
        self.action = outputs[self.graph.outputs[0]].reshape(-1).astype(float)
        self.steps += 1
        action = self.config["actions"]["JointPositionAction"]
        target = self.action * action["scale"] + action["offset"]
        if action.get("clip"):
            target = np.clip(target, *np.array(action["clip"]).T)
        return dict(zip(self.joints, target))
