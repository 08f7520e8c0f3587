"""The drive as training sees it: gains and strength per environment, torque over speed, a delayed command.

The position servo is the solver's own (stable at 4 ms); its force range is rewritten before each physics step with
what the motor gives at the joint's speed: full torque up to the corner, none at no-load speed, braking unlimited.
"""

import numpy as np


class Drives:
    """Drives of all environments of a batch."""

    def __init__(self, recipe, model, batch, rng):
        count, n = len(recipe.robot.joints), batch.nsim
        random = recipe.randomisation
        self.corner = np.array(recipe.drive.corner_rad_s)
        self.width = np.array(recipe.drive.no_load_rad_s) - self.corner
        self.random = random
        self.target = np.tile(np.array(recipe.robot.default_rad), (n, 1))
        self.delay = np.zeros(n, int)
        gain, bias = batch.expand("actuator_gainprm"), batch.expand("actuator_biasprm")
        self.stiffness = rng.uniform(1 - random.kp_share, 1 + random.kp_share, n)
        damping = rng.uniform(1 - random.kd_share, 1 + random.kd_share, (n, 1))
        gain[:, :, 0] *= self.stiffness[:, None]
        bias[:, :, 1] *= self.stiffness[:, None]
        bias[:, :, 2] *= damping
        self.range = batch.expand("actuator_forcerange")
        limit = model.actuator_forcerange[:count, 1]
        self.limit = limit * rng.uniform(*random.strength, (n, 1))
        self.range[:, :, 0], self.range[:, :, 1] = -self.limit, self.limit
        self.limited = False

    def reset(self, ids, rng, default):
        """New delays; the drives hold the default pose."""
        low, high = self.random.delay_substeps
        self.delay[ids] = rng.integers(low, high + 1, len(ids))
        self.target[ids] = default

    def drive(self, batch, control, speed, target, substeps, rng):
        """One policy step: the new target comes in force after its delay."""
        wait = self.delay + rng.integers(0, self.random.delay_jitter_substeps + 1, len(self.delay))
        wait = np.minimum(wait, substeps)
        for substep in range(substeps):
            control[:] = np.where((substep >= wait)[:, None], target, self.target)
            self._limit(speed)
            batch.step(nstep=1)
        self.target = target

    def _limit(self, speed):
        over = np.abs(speed) - self.corner
        fast = bool((over > 0).any())
        if not fast and not self.limited:
            return
        share = np.clip(1.0 - over / self.width, 0.0, 1.0) * self.limit
        self.range[:, :, 1] = np.where(speed > 0, share, self.limit)
        self.range[:, :, 0] = -np.where(speed < 0, share, self.limit)
        self.limited = fast
