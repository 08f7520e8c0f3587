"""The reward of one policy step: named terms, weighted by the recipe.

Velocity errors enter twice on purpose: the narrow exponentials reward the last centimetres, but alone they have no
slope where learning starts; the linear terms have.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Moment:
    """What a reward may depend on; arrays of n environments."""

    velocity: np.ndarray  # (n, 3) m/s, body frame
    filtered_vy: np.ndarray  # (n,) vy averaged over about half a cycle
    turn_rate: np.ndarray  # (n,) rad/s
    roll_pitch_rate: np.ndarray  # (n, 2)
    gravity: np.ndarray  # (n, 3)
    height_m: np.ndarray
    command: np.ndarray  # (n, 3)
    still: np.ndarray  # (n,) 1 where the gait rests
    torque: np.ndarray  # (n, j)
    action: np.ndarray
    last_action: np.ndarray
    position: np.ndarray  # (n, j) from the default
    speed: np.ndarray
    contact: np.ndarray  # (n, f) 0 or 1
    swing: np.ndarray  # (n, f) should be in the air
    foot_height: np.ndarray  # (n, f) above ground
    foot_velocity: np.ndarray  # (n, f, 3)
    foot_upright: np.ndarray | None  # (n, f) cosine


def reward(weights, hips, m):
    """(reward (n,), figures {name: mean})."""

    def squares(x):
        return (x**2).sum(1)

    error_v = (m.velocity[:, 0] - m.command[:, 0]) ** 2 + (m.filtered_vy - m.command[:, 1]) ** 2
    error_w = (m.turn_rate - m.command[:, 2]) ** 2
    match = (m.swing != (m.contact > 0)).mean(1)
    clearance = (np.clip(m.foot_height, 0, weights.clearance_m) * m.swing).sum(1)
    slip = (m.contact * (m.foot_velocity[:, :, :2] ** 2).sum(-1)).sum(1)
    total = (
        weights.alive
        + weights.track_v * np.exp(-error_v / weights.track_v_width)
        + weights.track_w * np.exp(-error_w / weights.track_w_width)
        - weights.linear_v * np.sqrt(error_v)
        - weights.linear_w * np.sqrt(error_w)
        - weights.raw_vy * (m.velocity[:, 1] - m.command[:, 1]) ** 2
        - weights.vertical_v * m.velocity[:, 2] ** 2
        - weights.roll_pitch_rate * squares(m.roll_pitch_rate)
        - weights.tilt * squares(m.gravity[:, :2])
        - weights.height * m.height_m**2
        - weights.torque * squares(m.torque)
        - weights.action_rate * squares(m.action - m.last_action)
        - weights.action * squares(m.action)
        - weights.slip * slip
        + weights.contact_match * match
        + weights.clearance * clearance
        - weights.hip * squares(m.position[:, hips])
        - m.still * (weights.still_speed * squares(m.speed) + weights.still_posture * squares(m.position))
    )
    if m.foot_upright is not None:
        total = total - weights.foot_tilt * (1 - m.foot_upright).sum(1)
    figures = {
        "error_v": np.sqrt(error_v).mean(),
        "error_w": np.sqrt(error_w).mean(),
        "match": match.mean(),
        "clearance": clearance.mean(),
    }
    return total * weights.scale, figures
