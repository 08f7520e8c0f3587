"""Many simulated robots stepped as one: MuJoCo's batch, everything else in numpy. Threads change no number.

One `step` is one policy period. The action meets the prior of the observation it was computed from, exactly as in
the exported graph; the stack's side of an observation (slew, gait clock) is clock.py.
"""

import mujoco
import numpy as np
from mujoco.batch import Batch

from .clock import GaitClock
from .drive import Drives
from .gait import prior_of
from .observation import Layout
from .rewards import Moment, reward
from .sensing import Sensors, gravity_in_body, in_body

EPISODE_STEPS = 1000
CONTACT_N = 1.0


class Environment:
    """`n` environments; fields of the simulation are live views."""

    def __init__(self, recipe, n, seed, threads=1):
        self.recipe, self.n = recipe, n
        self.rng = rng = np.random.default_rng(seed)
        robot = recipe.robot
        model = mujoco.MjModel.from_xml_path(str(recipe.model_path))
        actuators = [model.joint(model.actuator(index).trnid[0]).name for index in range(model.nu)]
        if actuators != robot.joints:
            raise ValueError(f"robot.joints: found {robot.joints}, expected the MJCF's actuator order {actuators}")
        model.opt.timestep = recipe.timing.physics_s
        self.substeps = round(1.0 / (recipe.timing.policy_hz * recipe.timing.physics_s))
        self.layout, self.prior = Layout(recipe), prior_of(recipe)
        self.default = np.array(robot.default_rad)
        self.hips = [robot.joints.index(name) for name in robot.hip_joints]
        self.batch = Batch(model, n, nthread=threads)
        for field in ("qpos", "qvel", "ctrl", "sensordata", "actuator_force"):
            setattr(self, field, self.batch.bind(field))
        self._bodies(rng)
        self.drives = Drives(recipe, model, self.batch, rng)
        self.batch.set_const()
        address = {kind: [model.sensor(f"{foot}_{kind}").adr[0] for foot in robot.feet]
                   for kind in ("touch", "fpos", "fvel", *(["fz"] if robot.foot_upright else []))}  # fmt: skip
        self.touch = address["touch"]
        self.foot_z = [at + 2 for at in address["fpos"]]
        self.foot_v = np.array(address["fvel"])[:, None] + np.arange(3)
        self.foot_up = [at + 2 for at in address["fz"]] if robot.foot_upright else None
        self.clock, self.sensors = GaitClock(recipe, n), Sensors(recipe, n)
        self.last = np.zeros((n, len(robot.joints)))
        self.filtered_vy, self.age = np.zeros(n), np.zeros(n, int)
        self.level = recipe.ppo.curriculum_start
        self.reset(np.arange(n))
        self.age[:] = rng.integers(0, EPISODE_STEPS, n)
        self._mirror_privileged()

    def _bodies(self, rng):
        """Friction, payload and its place."""
        random, n = self.recipe.randomisation, self.n
        friction, mass = self.batch.expand("geom_friction"), self.batch.expand("body_mass")
        place = self.batch.expand("body_ipos")
        self.friction = rng.uniform(*random.friction, n)
        friction[:, :, 0] = self.friction[:, None]
        self.payload = rng.uniform(*random.payload_kg, n)
        mass[:, 1] += self.payload
        self.com = rng.uniform(-1, 1, (n, 2)) * [random.com_x_m, random.com_y_m]
        place[:, 1, :2] += self.com

    def draw_commands(self, ids):
        """New goals: all axes, one axis, or none."""
        command, k, rng = self.recipe.command, len(ids), self.rng
        ranges = np.array([command.train_vx_m_s, command.train_vy_m_s, command.train_wz_rad_s])
        goal = rng.uniform(ranges[:, 0], ranges[:, 1], (k, 3)) * self.level
        shares = np.cumsum([command.share_zero, command.share_vx, command.share_vy, command.share_wz])
        which = np.searchsorted(shares, rng.uniform(size=k))
        keep = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
        goal *= keep[which]
        goal[np.linalg.norm(goal, axis=1) < command.smallest] = 0.0
        self.clock.goal[ids] = goal

    def reset(self, ids):
        """New episodes: near the default pose, any heading, new errors and delays, in any part of the cycle."""
        rng, random, k = self.rng, self.recipe.randomisation, len(ids)
        self.batch.reset(ids=ids)
        self.qpos[ids, 7:] = self.default + rng.uniform(-1, 1, (k, len(self.default))) * random.start_q_rad
        self.qpos[ids, 2] = self.recipe.robot.drop_m
        yaw = rng.uniform(-np.pi, np.pi, k)
        self.qpos[ids, 3], self.qpos[ids, 4:6], self.qpos[ids, 6] = np.cos(yaw / 2), 0.0, np.sin(yaw / 2)
        self.qvel[ids] = 0.0
        self.qvel[ids, :2] = rng.uniform(-1, 1, (k, 2)) * random.start_v_m_s
        self.ctrl[ids] = self.default
        self.drives.reset(ids, rng, self.default)
        self.sensors.reset(ids, rng)
        self.clock.reset(ids)
        self.draw_commands(ids)
        if self.recipe.gait.ramp_s > 0:
            self.clock.phase_rad[ids] = rng.integers(0, 2, k) * np.pi
        else:
            self.clock.phase_rad[ids] = rng.uniform(0, 2 * np.pi, k)
        self.last[ids], self.filtered_vy[ids], self.age[ids] = 0.0, 0.0, 0
        self.batch.forward(ids=ids)

    def observe(self):
        """(observation, privileged observation) as float32."""
        quaternion = self.qpos[:, 3:7]
        gravity = gravity_in_body(quaternion)
        velocity = in_body(quaternion, self.qvel[:, :3])
        position = self.qpos[:, 7:] - self.default
        values = self.sensors.read(self.rng, self.qvel[:, 3:6], gravity, position, self.qvel[:, 6:])
        values["command/body/velocity"] = self.clock.command
        values["feedback/action"] = self.last
        values["phase/sin_cos"] = self.clock.sin_cos()
        observation = self.layout.join(values)
        extra = [
            velocity * 2,
            self.filtered_vy[:, None] * 4,
            (self.sensordata[:, self.touch] > CONTACT_N).astype(float),
            (self.sensordata[:, self.foot_z] - self.recipe.robot.foot_ground_m) * 20,
            (self.qpos[:, 2:3] - self.recipe.robot.height_m) * 10,
            self.friction[:, None],
            self.payload[:, None],
            self.com * 50,
            self.drives.stiffness[:, None],
        ]
        return observation, np.concatenate([observation, *extra], 1).astype(np.float32)

    def _mirror_privileged(self):
        robot = self.recipe.robot
        feet = [robot.feet.index(name) for name in robot.mirror_feet]
        start, count = self.layout.size + 4, len(feet)
        order = list(self.layout.permutation) + list(range(self.layout.size, start))
        order += [start + foot for foot in feet] + [start + count + foot for foot in feet]
        order += range(start + 2 * count, start + 2 * count + 6)
        signs = list(self.layout.signs) + [1, -1, 1, -1] + [1] * (2 * count) + [1, 1, 1, 1, -1, 1]
        self.privileged_order, self.privileged_signs = np.array(order), np.array(signs, np.float32)

    def mirror_privileged(self, privileged):
        """The privileged observation of the mirrored robot."""
        return privileged[:, self.privileged_order] * self.privileged_signs

    def step(self, action, observation):
        """One policy period. Returns (observation, privileged, reward, fell, timed_out, last privileged, figures)."""
        recipe, rng = self.recipe, self.rng
        target = self.default + self.prior.offsets(self.layout, observation) + recipe.ppo.action_scale * action
        self.drives.drive(self.batch, self.ctrl, self.qvel[:, 6:], target, self.substeps, rng)
        self.age += 1
        shown = self.clock.sin_cos()  # the clock this action was made for
        still = np.linalg.norm(self.clock.command, axis=1) <= recipe.gait.freeze_below
        if recipe.gait.ramp_s > 0:
            still = self.clock.amplitude == 0
        self.clock.advance()
        self.clock.slew_command()
        # From rest either leg may go first, so that both are learnt.
        if recipe.gait.ramp_s > 0:
            rested = self.clock.amplitude == 0
            self.clock.phase_rad[rested] = rng.integers(0, 2, int(rested.sum())) * np.pi
        last, self.last = self.last, action.copy()

        quaternion = self.qpos[:, 3:7]
        velocity, gravity = in_body(quaternion, self.qvel[:, :3]), gravity_in_body(quaternion)
        self.sensors.advance(velocity)
        filter_s = recipe.reward.sway_filter_s
        share = 1.0 / (recipe.timing.policy_hz * filter_s) if filter_s > 0 else 1.0
        self.filtered_vy += share * (velocity[:, 1] - self.filtered_vy)
        moment = Moment(
            velocity=velocity,
            filtered_vy=self.filtered_vy,
            turn_rate=self.qvel[:, 5],
            roll_pitch_rate=self.qvel[:, 3:5],
            gravity=gravity,
            height_m=self.qpos[:, 2] - recipe.robot.height_m,
            command=self.clock.command,
            still=still.astype(float),
            torque=self.actuator_force,
            action=action,
            last_action=last,
            position=self.qpos[:, 7:] - self.default,
            speed=self.qvel[:, 6:],
            contact=(self.sensordata[:, self.touch] > CONTACT_N).astype(float),
            swing=self._swing(shown),
            foot_height=self.sensordata[:, self.foot_z] - recipe.robot.foot_ground_m,
            foot_velocity=self.sensordata[:, self.foot_v],
            foot_upright=self.sensordata[:, self.foot_up] if self.foot_up else None,
        )
        gained, figures = reward(recipe.reward, self.hips, moment)
        fell = (self.qpos[:, 2] < recipe.robot.end_height_m) | (-gravity[:, 2] < recipe.robot.end_upright)
        fell |= ~np.isfinite(self.qpos).all(1)
        gained = np.where(fell, recipe.reward.fall, gained).astype(np.float32)
        timed_out = self.age >= EPISODE_STEPS

        self._push()
        changing = np.nonzero(rng.uniform(size=self.n) < recipe.command.change_per_step)[0]
        self.draw_commands(changing)
        observation, privileged = self.observe()
        final = privileged
        ended = np.nonzero(fell | timed_out)[0]
        if len(ended):
            self.reset(ended)
            observation, privileged = self.observe()
        return observation, privileged, gained, fell, timed_out, final, figures

    def _swing(self, shown):
        margin = 0.05 if self.prior.threshold > 0 else 0.0
        return self.prior.swing_share(shown) > self.prior.threshold + margin

    def _push(self):
        random, rng = self.recipe.randomisation, self.rng
        ids = np.nonzero(rng.uniform(size=self.n) < random.push_per_step)[0]
        if len(ids):
            heading = rng.uniform(0, 2 * np.pi, len(ids))
            size = random.push_m_s * self.level * rng.uniform(size=len(ids)) ** random.push_exponent
            self.qvel[ids, 0] += size * np.cos(heading)
            self.qvel[ids, 1] += size * np.sin(heading)
