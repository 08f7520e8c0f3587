"""Golden vectors: measurements by joint name in, joint targets by name out.

NAMES is the joint order of the training environments, written here on purpose and compared with the MJCF's actuators
only; it is never read from a recipe or a manifest, so a mistake there cannot hide in its own proof.
"""

import hashlib
import json

import numpy as np
from onnx.reference import ReferenceEvaluator

from .clock import GaitClock

NAMES = {
    "quad": [f"{leg}_{part}" for leg in ("FR", "FL", "RR", "RL") for part in ("hip", "thigh", "calf")],
    "biped": [
        f"{side}_{part}"
        for side in ("L", "R")
        for part in ("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle_pitch", "ankle_roll")
    ],
}
BODIES = {"quad.xml": "quad", "biped.xml": "biped"}


def _rounded(values):
    """Values as they will be written: five decimals, then f32."""
    return np.round(np.asarray(values, float), 5).astype(np.float32)


def _gravity(rng, tilt):
    roll, pitch = rng.uniform(-tilt, tilt, 2)
    return [np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)]


def farthest(pairs):
    """Largest difference in pairs of arrays; NaN as soon as a single one is, so that no bound lets it pass."""
    return float(np.max([np.abs(ours - theirs).max() for ours, theirs in pairs]))


class Writer:
    """Runs cases through the graph, with the stack's side of an observation."""

    def __init__(self, recipe, layout, model):
        self.recipe, self.layout = recipe, layout
        self.names = NAMES[BODIES[recipe.model_path.name]]
        self.default = np.array(recipe.robot.default_rad)
        command = recipe.command
        ranges = np.array([command.range_vx_m_s, command.range_vy_m_s, command.range_wz_rad_s])
        self.lowest, self.highest = ranges[:, 0], ranges[:, 1]
        self.evaluator = ReferenceEvaluator(model)

    def graph(self, observation):
        """(actions, joint_targets)."""
        return self.evaluator.run(["actions", "joint_targets"], {"obs": observation})

    def case(self, rng, name, commands, spread):
        """One activation: the command of each tick, and random measurements around standing."""
        clock = GaitClock(self.recipe, 1)
        last = np.zeros((1, 12))
        ticks = []
        for command in commands:
            tick = {
                "gyro_rad_s": _rounded(rng.uniform(-1.5, 1.5, 3) * spread),
                "projected_gravity": _rounded(_gravity(rng, 0.3 * spread)),
                "command": _rounded(command),
                "q_rad": _rounded(self.default + rng.uniform(-0.5, 0.5, 12) * spread),
                "dq_rad_s": _rounded(rng.uniform(-8.0, 8.0, 12) * spread),
            }
            if "state/body/linear_velocity" in self.layout.slices:
                tick["velocity_m_s"] = _rounded(rng.uniform(-1.0, 1.0, 3) * spread)
            actions, targets = self.graph(self.observe(tick, clock, last))
            last = actions.astype(float)
            tick["target_rad"] = targets[0]
            ticks.append(tick)
        return {"name": name, "ticks": ticks}

    def observe(self, tick, clock, last):
        """The tensor of a tick; the clock moves on."""
        clock.goal[0] = np.clip(tick["command"], self.lowest, self.highest)
        if not self.recipe.command.slew_in_policy:
            clock.command[0] = clock.goal[0]
        values = {
            "state/body/angular_velocity": tick["gyro_rad_s"][None],
            "state/body/projected_gravity": tick["projected_gravity"][None],
            "command/body/velocity": clock.command,
            "state/joint/position": (tick["q_rad"] - self.default)[None],
            "state/joint/velocity": tick["dq_rad_s"][None],
            "feedback/action": last,
            "phase/sin_cos": clock.sin_cos(),
        }
        if "velocity_m_s" in tick:
            values["state/body/linear_velocity"] = tick["velocity_m_s"][None]
        observation = self.layout.join(values)
        clock.advance()
        if self.recipe.command.slew_in_policy:
            clock.slew_command()
        return observation

    def cases(self):
        """Standing, walking, turning, around the threshold, reversal, far from standing."""
        rng = np.random.default_rng(20)
        vx, vy, wz = (
            getattr(self.recipe.command, field) for field in ("range_vx_m_s", "range_vy_m_s", "range_wz_rad_s")
        )
        ahead, back, aside, turn = 0.8 * vx[1], 0.8 * vx[0], 0.8 * vy[1], 0.8 * wz[0]
        around = [(0, 0, 0)] * 2 + [(0.06, 0, 0)] * 4 + [(0.03, 0.02, 0)] * 3 + [(0, 0, 0.06)] * 4 + [(0, 0, 0)] * 2
        reversal = [(ahead, 0, 0)] * 20 + [(back, 0, 0)] * 36 + [(0, 0, 0)] * 30 + [(0, aside, 0)] * 6
        wild = rng.uniform(-1.0, 1.0, (8, 3)) * [vx[1], vy[1], wz[1]]
        return [
            self.case(rng, "stands", [(0, 0, 0)] * 6, 0.2),
            self.case(rng, "walks forward for more than one gait cycle", [(ahead, 0, 0)] * 32, 0.5),
            self.case(rng, "sidesteps and turns", [(0.5 * back, aside, turn)] * 10, 1.0),
            self.case(rng, "starts, stops and starts again around the threshold", around, 0.5),
            self.case(rng, "turns round through zero, stops, starts again", reversal, 0.3),
            self.case(rng, "far from standing", wild, 2.0),
        ]

    def text(self, graph_bytes, cases):
        """The file: columns in another order than NAMES, one tick a line."""
        columns = sorted(self.names)
        pick = [self.names.index(name) for name in columns]
        head = {
            "schema": 1,
            "graph_sha256": hashlib.sha256(graph_bytes).hexdigest(),
            "rate_hz": self.recipe.timing.policy_hz,
            "joints": columns,
        }
        by_joint = ("q_rad", "dq_rad_s", "target_rad")
        lines = []
        for case in cases:
            ticks = []
            for tick in case["ticks"]:
                row = {key: value[pick] if key in by_joint else value for key, value in tick.items()}
                row = {key: [round(float(v), 6) for v in value] for key, value in row.items()}
                ticks.append("    " + json.dumps(row))
            lines.append(f'  {{"name": {json.dumps(case["name"])}, "ticks": [\n' + ",\n".join(ticks) + "\n  ]}")
        text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        json.loads(text)
        return text

    def second_opinion(self, graph_bytes, cases):
        """Largest difference of ONNX Runtime to the reference evaluator over all ticks, rad."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph_bytes, options, providers=["CPUExecutionProvider"])
        pairs = []
        for case in cases:
            clock, last = GaitClock(self.recipe, 1), np.zeros((1, 12))
            for tick in case["ticks"]:
                observation = self.observe(tick, clock, last)
                actions, targets = session.run(["actions", "joint_targets"], {"obs": observation})
                pairs.append((targets[0], tick["target_rad"]))
                last = actions.astype(float)
        return farthest(pairs)
