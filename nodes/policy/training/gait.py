"""The gait prior: joint offsets as a fixed, shallow function of what the policy observes.

    offset = swing relu(A sc - threshold) + stance relu(-A sc - threshold) + sway sc + sweep (command c)
             + posture (gravity x, gravity y, gyro x, gyro y)

with sc = (sin, cos) of the gait clock as observed, c its cosine, and one row of A per group of legs that swing
together. It is all products and rectifiers, so it stands inside the exported graph. Learning adds a correction;
without the prior the same budget does not come to a gait, and the prior alone falls.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Prior:
    """The matrices, joints in rows."""

    groups: np.ndarray  # (g, 2)
    threshold: float
    swing: np.ndarray  # (n, g)
    stance: np.ndarray  # (n, g)
    sway: np.ndarray  # (n, 2)
    sweep: np.ndarray  # (n, 3), per vx m/s, vy m/s, wz rad/s
    posture: np.ndarray  # (n, 4), per unit of gravity and rad/s
    foot_group: np.ndarray  # (feet,), row of `groups` each foot belongs to

    def offsets(self, layout, observation):
        """Joint offsets in rad, (n, joints)."""
        observation = np.asarray(observation, float)
        clock = layout.part(observation, "phase/sin_cos")
        command = layout.part(observation, "command/body/velocity")
        gravity = layout.part(observation, "state/body/projected_gravity")
        gyro = layout.part(observation, "state/body/angular_velocity")
        lift = clock @ self.groups.T
        return (
            np.maximum(0.0, lift - self.threshold) @ self.swing.T
            + np.maximum(0.0, -lift - self.threshold) @ self.stance.T
            + clock @ self.sway.T
            + (command * clock[:, 1:]) @ self.sweep.T
            + np.concatenate([gravity[:, :2], gyro[:, :2]], 1) @ self.posture.T
        )

    def swing_share(self, clock):
        """How far each foot is into its swing, (n, feet): above `threshold` it should be in the air."""
        return (clock @ self.groups.T)[:, self.foot_group]


def _trot(constants, robot):
    """Four legs of hip, thigh, calf; diagonal legs together. Lift in the swing, sweep against the command.

    Constants: thigh_lift_rad, calf_lift_rad, sweep_rad_s_per_m; hip_x_m, hip_y_m: where the legs stand.
    """
    want = {"thigh_lift_rad", "calf_lift_rad", "sweep_rad_s_per_m", "hip_x_m", "hip_y_m"}
    _closed(constants, want)
    side = {"FR": (1, -1, 0), "FL": (1, 1, 1), "RR": (-1, -1, 1), "RL": (-1, 1, 0)}  # x, y, group
    n = len(robot.joints)
    swing, sweep = np.zeros((n, 2)), np.zeros((n, 3))
    for foot in robot.feet:
        x, y, group = side[foot]
        hip, thigh, calf = (robot.joints.index(f"{foot}_{part}") for part in ("hip", "thigh", "calf"))
        sign = 1.0 if group == 0 else -1.0
        reach = constants["sweep_rad_s_per_m"] * sign
        swing[thigh, group], swing[calf, group] = constants["thigh_lift_rad"], constants["calf_lift_rad"]
        sweep[thigh] = reach, 0.0, -reach * y * constants["hip_y_m"]
        sweep[hip] = 0.0, -reach, -reach * x * constants["hip_x_m"]
    return Prior(
        groups=np.array([[1.0, 0.0], [-1.0, 0.0]]),
        threshold=0.0,
        swing=swing,
        stance=np.zeros((n, 2)),
        sway=np.zeros((n, 2)),
        sweep=sweep,
        posture=np.zeros((n, 4)),
        foot_group=np.array([side[foot][2] for foot in robot.feet]),
    )


def _biped(constants, robot):
    """Two legs of hip yaw, roll, pitch, knee, ankle pitch, roll, left first.

    Sway to the standing leg, lift of the other, sweep against the command, load compensation of the standing
    leg, and hips and ankles that answer tilt and tilt rate.
    """
    want = {
        "threshold", "sway_sin", "sway_cos", "lift", "sweep_x", "sweep_y", "sweep_yaw", "stance_roll",
        "stance_knee", "hip_y_m", "ankle_roll_gravity", "ankle_roll_rate", "ankle_pitch_gravity",
        "ankle_pitch_rate", "hip_roll_gravity", "hip_roll_rate", "hip_pitch_gravity", "hip_pitch_rate",
    }  # fmt: skip
    _closed(constants, want)
    c = constants
    n = len(robot.joints)
    swing, stance = np.zeros((n, 2)), np.zeros((n, 2))
    sway, sweep, posture = np.zeros((n, 2)), np.zeros((n, 3)), np.zeros((n, 4))
    for group, (leg, sign) in enumerate((("L", 1.0), ("R", -1.0))):
        parts = ("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle_pitch", "ankle_roll")
        yaw, roll, pitch, knee, ankle_pitch, ankle_roll = (robot.joints.index(f"{leg}_{p}") for p in parts)
        swing[[pitch, knee, ankle_pitch], group] = -c["lift"], 2 * c["lift"], -c["lift"]
        half = 0.5 * c["stance_knee"]
        stance[[roll, pitch, knee, ankle_pitch], group] = sign * c["stance_roll"], half, -2 * half, half
        sway[roll] = c["sway_sin"], c["sway_cos"]
        sway[ankle_roll] = -c["sway_sin"], -c["sway_cos"]
        forward = np.array([sign * c["sweep_x"], 0.0, -c["sweep_x"] * c["hip_y_m"]])
        sweep[pitch], sweep[ankle_pitch] = forward, -forward
        sweep[roll, 1], sweep[ankle_roll, 1] = -sign * c["sweep_y"], sign * c["sweep_y"]
        sweep[yaw, 2] = -sign * c["sweep_yaw"]
        posture[ankle_roll] = 0, c["ankle_roll_gravity"], c["ankle_roll_rate"], 0
        posture[ankle_pitch] = c["ankle_pitch_gravity"], 0, 0, c["ankle_pitch_rate"]
        posture[roll] = 0, c["hip_roll_gravity"], c["hip_roll_rate"], 0
        posture[pitch] = c["hip_pitch_gravity"], 0, 0, c["hip_pitch_rate"]
    return Prior(
        groups=np.array([[1.0, 0.0], [-1.0, 0.0]]),
        threshold=c["threshold"],
        swing=swing,
        stance=stance,
        sway=sway,
        sweep=sweep,
        posture=posture,
        foot_group=np.array([0, 1]),
    )


def _closed(constants, want):
    if set(constants) != want:
        wrong = sorted(set(constants) ^ want)[0]
        raise ValueError(f"gait.constants: {wrong!r} is unknown or missing; expected {', '.join(sorted(want))}")


def prior_of(recipe):
    """The prior that the recipe names."""
    kinds = {"trot": _trot, "biped": _biped}
    if recipe.gait.kind not in kinds:
        raise ValueError(f"gait.kind: found {recipe.gait.kind!r}, expected one of {', '.join(kinds)}")
    return kinds[recipe.gait.kind](recipe.gait.constants, recipe.robot)
