"""Evaluation of an exported graph: falls and velocity errors, with drives, bus and latency as the stack has them.

Physics at 1 ms with the torque of explicit PD and the drive's torque-speed curve, a 500 Hz bus whose commands come in
force one cycle later, the policy at its own rate and its output after `latency_ticks`. Nothing of the training
environment is used but the clock. All rows run at once, one simulation of a batch per row and seed.
"""

import dataclasses

import numpy as np

from .clock import GaitClock
from .observation import Layout
from .sensing import gravity_in_body, in_body

BUS_HZ = 500
SEGMENT_S = 4.0
SKIP_S = 1.0  # of each segment, while the velocity changes
SETTLE_S = 1.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of run."""

    name: str
    noise: bool = False
    latency_ticks: int | None = None  # default: the recipe's
    friction: float = 0.7
    payload_kg: float = 0.0
    push_m_s: float = 0.0


def rows_of(robot):
    """Rows by key: the stages a policy has to pass."""
    push, payload = (0.4, 1.5) if robot.startswith("biped") else (1.0, 3.0)
    all_of = {"noise": True, "latency_ticks": 8, "friction": 0.5 if push < 1 else 0.4, "payload_kg": payload}
    return {
        "nominal": Row("nominal"),
        "noise": Row("noise and biases", noise=True),
        "latency": Row("latency_ticks 6 (12 ms)", latency_ticks=6),
        "friction": Row("friction 0.4", friction=0.4),
        "payload": Row(f"+{payload} kg", payload_kg=payload),
        "all": Row("noise, 16 ms, low friction, payload", **all_of),
        "push": Row(f"pushes of {push} m/s", push_m_s=push),
        "push_all": Row(f"all of it and pushes of {push} m/s", push_m_s=push, **all_of),
        "push_hard": Row(f"pushes of {1.25 * push:g} m/s", push_m_s=1.25 * push),
    }


def commands_of(recipe):
    """The segments: each axis both ways, a mixture, and rest."""
    c = recipe.command
    (x0, x1), (y0, y1), (w0, w1) = c.range_vx_m_s, c.range_vy_m_s, c.range_wz_rad_s
    return np.array([
        [0.5 * x1, 0, 0], [x1, 0, 0], [x0, 0, 0], [0, y1, 0], [0, y0, 0], [0, 0, w1], [0, 0, w0],
        [0.6 * x1, 0.5 * y1, 0.5 * w1], [0, 0, 0],
    ])  # fmt: skip


class Plant:
    """The batch: one simulation per (row, seed)."""

    def __init__(self, recipe, jobs):
        import mujoco
        from mujoco.batch import Batch

        model = mujoco.MjModel.from_xml_path(str(recipe.model_path))
        model.opt.timestep = 0.001
        self.limit = model.actuator_forcerange[:, 1].copy()
        model.actuator_biastype[:] = 0
        model.actuator_gainprm[:, 0] = 1.0
        self.recipe, self.n = recipe, len(jobs)
        self.batch = Batch(model, self.n, nthread=1)
        self.qpos, self.qvel, self.ctrl = (self.batch.bind(field) for field in ("qpos", "qvel", "ctrl"))
        friction, mass = self.batch.expand("geom_friction"), self.batch.expand("body_mass")
        friction[:, :, 0] = np.array([row.friction for row, _ in jobs])[:, None]
        mass[:, 1] += [row.payload_kg for row, _ in jobs]
        self.batch.set_const()
        self.kp, self.kd = np.array(recipe.robot.kp_nm_per_rad), np.array(recipe.robot.kd_nm_s_per_rad)
        self.corner = np.array(recipe.drive.corner_rad_s)
        self.width = np.array(recipe.drive.no_load_rad_s) - self.corner
        self.default = np.array(recipe.robot.default_rad)

    def reset(self, ids):
        """Standing in the default pose."""
        self.batch.reset(ids=ids)
        self.qpos[ids, 7:] = self.default
        self.qpos[ids, 2] = self.recipe.robot.height_m + 0.015
        self.qpos[ids, 3] = 1.0
        self.qvel[ids] = 0.0
        self.batch.forward(ids=ids)

    def cycle(self, target):
        """One bus cycle under the targets in force."""
        for _ in range(1000 // BUS_HZ):
            speed = self.qvel[:, 6:]
            torque = self.kp * (target - self.qpos[:, 7:]) - self.kd * speed
            share = np.clip(1.0 - (np.abs(speed) - self.corner) / self.width, 0.0, 1.0)
            limit = np.where(torque * speed > 0, share, 1.0) * self.limit
            self.ctrl[:] = np.clip(torque, -limit, limit)
            self.batch.step(nstep=1)


class Sensors:
    """Constant biases per run and white noise per reading, of the size robots of this kind declare."""

    def __init__(self, jobs):
        self.on = np.array([float(row.noise) for row, _ in jobs])[:, None]
        self.rng = [np.random.default_rng(1000 + seed) for _, seed in jobs]
        self.gyro_bias = self.on * self._draw(lambda r: 0.01 * r.choice([-1.0, 1.0], 3))
        self.q_bias = self.on * self._draw(lambda r: r.uniform(-0.005, 0.005, 12))
        self.velocity_bias = self.on * self._draw(lambda r: r.uniform(-0.03, 0.03, 3))

    def _draw(self, make):
        return np.array([make(rng) for rng in self.rng])

    def white(self, std, width):
        """White noise, only in rows with noise."""
        return self.on * std * self._draw(lambda r: r.standard_normal(width))


class Graph:
    """The exported graph on ONNX Runtime, one robot after the other."""

    def __init__(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, observations):
        outputs = [self.session.run(["actions", "joint_targets"], {"obs": row[None]}) for row in observations]
        return tuple(np.concatenate([pair[index] for pair in outputs]).astype(float) for index in (0, 1))


def evaluate(recipe, path, keys=None, seeds=1, pushes=100, say=None):
    """{row key: figures}; rows with pushes get as many seeds as `pushes` needs."""
    rows, commands = rows_of(recipe.robot.name), commands_of(recipe)
    unknown = sorted(set(keys or []) - set(rows))
    if unknown:
        raise ValueError(f"row {unknown[0]!r}: expected some of {', '.join(rows)}")
    jobs = []
    for key in keys or rows:
        row = rows[key]
        count = -(-pushes // (2 * len(commands))) if row.push_m_s else seeds if row.noise else 1
        jobs += [(row, seed) for seed in range(count)]
    run = Run(recipe, Graph(path), jobs, commands)
    run.all_segments()
    result = {}
    for key in keys or rows:
        mine = [index for index, (row, _) in enumerate(jobs) if row == rows[key]]
        result[key] = run.figures(mine)
        if say:
            say(_line(rows[key].name, result[key]))
    return result


def _line(name, figures):
    def three(values):
        return "/".join(f"{value:.3f}" for value in values)

    return (f"{name:42s} falls {figures['falls']} of {figures['pushes']} pushes  rmse {three(figures['rmse'])} "
            f"(worst {three(figures['rmse_worst'])})  stride {three(figures['rmse_stride'])} "
            f"(worst {three(figures['rmse_stride_worst'])})  peak {figures['peak_speed_rad_s']:.1f} rad/s "
            f"{' '.join(figures['fell_at'][:4])}")  # fmt: skip


class Run:
    """All segments of all jobs."""

    def __init__(self, recipe, graph, jobs, commands):
        self.recipe, self.graph, self.jobs, self.commands = recipe, graph, jobs, commands
        self.n = len(jobs)
        self.plant, self.sensors = Plant(recipe, jobs), Sensors(jobs)
        self.layout, self.clock = Layout(recipe), GaitClock(recipe, self.n)
        default_latency = recipe.timing.latency_ticks
        self.latency = np.array([default_latency if row.latency_ticks is None else row.latency_ticks for row, _ in jobs])
        self.push = np.array([row.push_m_s for row, _ in jobs])
        self.rng = [np.random.default_rng(seed) for _, seed in jobs]
        self.decimation = round(BUS_HZ / recipe.timing.policy_hz)
        self.depth = int(self.latency.max()) + 2
        self.last = np.zeros((self.n, 12))
        self.falls, self.pushed = np.zeros(self.n, int), np.zeros(self.n, int)
        self.fell_at = [[] for _ in jobs]
        self.errors, self.stride_errors = [[] for _ in jobs], [[] for _ in jobs]
        self.peak = np.zeros(self.n)
        self.queue = np.zeros((self.depth, self.n, 12))
        self.plant.reset(np.arange(self.n))
        self._rest(np.arange(self.n))

    def _rest(self, ids):
        self.clock.reset(ids)
        self.last[ids] = 0.0
        self.queue[:, ids] = self.plant.default

    def all_segments(self):
        """Settles, then every command once."""
        self._segment(np.zeros(3), SETTLE_S, None)
        for command in self.commands:
            self._segment(command, SEGMENT_S, command)

    def _segment(self, goal, seconds, label):
        cycles = int(seconds * BUS_HZ)
        moments = [[int(rng.uniform(lo, hi) * BUS_HZ) for lo, hi in ((0.5, 1.5), (2.0, 3.0))] for rng in self.rng]
        down = np.zeros(self.n, bool)
        track = np.zeros((cycles, self.n, 3))
        self.clock.goal[:] = goal
        for cycle in range(cycles):
            if label is not None:
                self._kick([i for i in range(self.n) if self.push[i] and cycle in moments[i] and not down[i]])
            quaternion = self.plant.qpos[:, 3:7]
            velocity = in_body(quaternion, self.plant.qvel[:, :3])
            track[cycle, :, :2], track[cycle, :, 2] = velocity[:, :2], self.plant.qvel[:, 5]
            if cycle % self.decimation == 0:
                self._policy(velocity)
            self.plant.cycle(self.queue[0])
            self.queue[:-1] = self.queue[1:]
            self.peak = np.maximum(self.peak, np.abs(self.plant.qvel[:, 6:]).max(1))
            upright = -gravity_in_body(self.plant.qpos[:, 3:7])[:, 2]
            # Written so that a simulation that ran away (NaN) has fallen too.
            fell = ~((self.plant.qpos[:, 2] >= 0.6 * self.recipe.robot.height_m) & (upright >= 0.5))
            ids = np.nonzero(fell)[0]
            if len(ids):
                for i in ids:
                    if not down[i]:
                        self.falls[i] += 1
                        self.fell_at[i].append(f"{np.round(goal, 2).tolist()}@{cycle / BUS_HZ:.1f}")
                down[ids] = True
                self.plant.reset(ids)
                self._rest(ids)
        if label is not None:
            self._judge(track, label, down)

    def _kick(self, ids):
        for i in ids:
            heading = self.rng[i].uniform(0, 2 * np.pi)
            self.plant.qvel[i, 0] += self.push[i] * np.cos(heading)
            self.plant.qvel[i, 1] += self.push[i] * np.sin(heading)
            self.pushed[i] += 1

    def _policy(self, velocity):
        sensors, plant = self.sensors, self.plant
        gravity = gravity_in_body(plant.qpos[:, 3:7])
        tilt = sensors.white(np.radians(0.5), 3)
        values = {
            "state/body/angular_velocity": plant.qvel[:, 3:6] + sensors.gyro_bias + sensors.white(0.02, 3),
            "state/body/projected_gravity": gravity + np.cross(tilt, gravity),
            "state/body/linear_velocity": velocity + sensors.velocity_bias + sensors.white(0.02, 3),
            "command/body/velocity": self.clock.command,
            "state/joint/position": plant.qpos[:, 7:] - plant.default + sensors.q_bias + sensors.white(0.001, 12),
            "state/joint/velocity": plant.qvel[:, 6:] + sensors.white(0.05, 12),
            "feedback/action": self.last,
            "phase/sin_cos": self.clock.sin_cos(),
        }
        self.last, targets = self.graph(self.layout.join(values))
        self.clock.advance()
        self.clock.slew_command()
        # In force from one bus cycle after its latency on.
        for i in range(self.n):
            self.queue[self.latency[i] + 1 :, i] = targets[i]

    def _judge(self, track, command, down):
        skip = int(SKIP_S * BUS_HZ)
        period = round(BUS_HZ / self.recipe.gait.rate_hz)
        for i in np.nonzero(~down)[0]:
            seen = track[skip:, i]
            total = np.cumsum(np.concatenate([np.zeros((1, 3)), seen]), 0)
            stride = (total[period:] - total[:-period]) / period
            self.errors[i].append(np.sqrt(((seen - command) ** 2).mean(0)))
            self.stride_errors[i].append(np.sqrt(((stride - command) ** 2).mean(0)))

    def figures(self, ids):
        """Sums over some jobs."""
        raw = np.array([e for i in ids for e in self.errors[i]]).reshape(-1, 3)
        stride = np.array([e for i in ids for e in self.stride_errors[i]]).reshape(-1, 3)
        if not len(raw):
            raw = stride = np.full((1, 3), np.inf)
        return {
            "falls": int(self.falls[ids].sum()),
            "pushes": int(self.pushed[ids].sum()),
            "runs": len(ids),
            "rmse": raw.mean(0).round(4).tolist(),
            "rmse_worst": raw.max(0).round(4).tolist(),
            "rmse_stride": stride.mean(0).round(4).tolist(),
            "rmse_stride_worst": stride.max(0).round(4).tolist(),
            "peak_speed_rad_s": round(float(self.peak[ids].max()), 2),
            "fell_at": [where for i in ids for where in self.fell_at[i]],
        }
