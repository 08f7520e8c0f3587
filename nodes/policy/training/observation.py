"""The observation: which numbers, where they stand in the tensor, and their mirror image.

The kinds are those of the manifest. Terms stand one behind the other in the order of the recipe; every value is
multiplied by the term's scale.
"""

import numpy as np

KINDS = {
    "state/body/angular_velocity": 3,
    "state/body/linear_velocity": 3,
    "state/body/projected_gravity": 3,
    "command/body/velocity": 3,
    "state/joint/position": None,
    "state/joint/velocity": None,
    "feedback/action": None,
    "phase/sin_cos": 2,
}

# Reflection in the x-z plane: polar vectors flip y, axial ones flip x and z; half a gait cycle flips the clock.
REFLECTED = {
    "state/body/angular_velocity": (-1.0, 1.0, -1.0),
    "state/body/linear_velocity": (1.0, -1.0, 1.0),
    "state/body/projected_gravity": (1.0, -1.0, 1.0),
    "command/body/velocity": (1.0, -1.0, -1.0),
    "phase/sin_cos": (-1.0, -1.0),
}


class Layout:
    """Slices and scales of the terms, and the reflection as a permutation with signs."""

    def __init__(self, recipe):
        robot = recipe.robot
        joints = len(robot.joints)
        partner = [robot.joints.index(name) for name in robot.mirror_joints]
        self.action_permutation = np.array(partner)
        self.action_signs = np.array(robot.mirror_signs, np.float32)
        self.slices, self.scales = {}, {}
        permutation, signs, scale = [], [], []
        start = 0
        for term in recipe.observation:
            if term.kind not in KINDS:
                raise ValueError(f"observation: unknown kind {term.kind!r}; expected one of {', '.join(KINDS)}")
            width = KINDS[term.kind] or joints
            self.slices[term.kind] = slice(start, start + width)
            self.scales[term.kind] = np.broadcast_to(np.array(term.scale, float), (width,))
            scale.extend(self.scales[term.kind])
            if term.kind in REFLECTED:
                permutation.extend(range(start, start + width))
                signs.extend(REFLECTED[term.kind])
            else:
                permutation.extend(start + index for index in partner)
                signs.extend(robot.mirror_signs)
            start += width
        self.size = start
        self.permutation = np.array(permutation)
        self.signs = np.array(signs, np.float32)
        self.scale = np.array(scale)

    def widths(self):
        """Width of each term, in order."""
        return {kind: part.stop - part.start for kind, part in self.slices.items()}

    def join(self, values):
        """Observations from one array per kind, (n, width) each: scaled, float32."""
        parts = [values[kind] for kind in self.slices]
        return (np.concatenate(parts, 1) * self.scale).astype(np.float32)

    def part(self, observation, kind):
        """The unscaled values of a term."""
        return observation[:, self.slices[kind]] / self.scales[kind]

    def mirror(self, observation):
        """The observation of the mirrored robot."""
        return observation[:, self.permutation] * self.signs

    def mirror_action(self, action):
        """The action of the mirrored robot."""
        return action[:, self.action_permutation] * self.action_signs
