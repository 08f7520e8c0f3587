"""What the robot believes of itself: biases and mounting errors per environment, noise per tick."""

import numpy as np


def gravity_in_body(quaternion_wxyz):
    """Unit vector of gravity in the body frame, (n, 3)."""
    w, x, y, z = quaternion_wxyz.T
    return -np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1)


def in_body(quaternion_wxyz, vector):
    """World vectors in the body frame, (n, 3)."""
    w, v = quaternion_wxyz[:, :1], -quaternion_wxyz[:, 1:]
    t = 2.0 * np.cross(v, vector)
    return vector + w * t + np.cross(v, t)


class Sensors:
    """Encoders, IMU and, where a policy reads it, the estimate of the base velocity."""

    def __init__(self, recipe, n):
        self.random, self.joints, self.n = recipe.randomisation, len(recipe.robot.joints), n
        self.step_s = 1.0 / recipe.timing.policy_hz
        self.encoder_bias = np.zeros((n, self.joints))
        self.gyro_bias, self.imu_turn = np.zeros((n, 3)), np.zeros((n, 3))
        self.reads_velocity = any(term.kind == "state/body/linear_velocity" for term in recipe.observation)
        self.velocity, self.velocity_bias = np.zeros((n, 3)), np.zeros((n, 3))
        self.velocity_gain, self.velocity_share = np.ones((n, 3)), np.ones(n)

    def reset(self, ids, rng):
        """New errors."""
        random, k = self.random, len(ids)
        self.encoder_bias[ids] = rng.uniform(-1, 1, (k, self.joints)) * random.encoder_bias_rad
        self.gyro_bias[ids] = rng.uniform(-1, 1, (k, 3)) * random.gyro_bias_rad_s
        self.imu_turn[ids] = rng.uniform(-1, 1, (k, 3)) * random.imu_tilt_rad
        if self.reads_velocity:
            self.velocity[ids] = 0.0
            self.velocity_bias[ids] = rng.uniform(-1, 1, (k, 3)) * random.velocity_bias_m_s
            self.velocity_gain[ids] = 1 + rng.uniform(-1, 1, (k, 3)) * random.velocity_scale
            lag = rng.uniform(0, 1, k) * random.velocity_lag_s
            self.velocity_share[ids] = self.step_s / (self.step_s + lag)

    def advance(self, velocity):
        """The velocity estimate follows the truth, later by its lag."""
        if self.reads_velocity:
            self.velocity += self.velocity_share[:, None] * (velocity - self.velocity)

    def read(self, rng, gyro, gravity, position, speed):
        """One array per observation kind; `position` is relative to the default."""
        random = self.random

        def noise(amplitude, width):
            return rng.uniform(-amplitude, amplitude, (self.n, width))

        turned_gyro = gyro + np.cross(self.imu_turn, gyro)
        turned_gravity = gravity + np.cross(self.imu_turn, gravity)
        values = {
            "state/body/angular_velocity": turned_gyro + self.gyro_bias + noise(random.gyro_noise_rad_s, 3),
            "state/body/projected_gravity": turned_gravity + noise(random.gravity_noise, 3),
            "state/joint/position": position + self.encoder_bias + noise(random.q_noise_rad, self.joints),
            "state/joint/velocity": speed + noise(random.dq_noise_rad_s, self.joints),
        }
        if self.reads_velocity:
            seen = self.velocity * self.velocity_gain + self.velocity_bias
            values["state/body/linear_velocity"] = seen + noise(random.velocity_noise_m_s, 3)
        return values
