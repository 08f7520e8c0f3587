"""What the stack does between a velocity command and an observation: command slew and gait clock.

The order of one policy run, which the manifest's terms follow:
  1. the command is moved towards its goal, no faster than the slew (only where the policy's manifest asks for it);
  2. the observation shows that command and amplitude times sine and cosine of the phase;
  3. the clock advances for the next run: while command or goal exceed `freeze_below` the phase runs on and the
     amplitude grows; otherwise the amplitude falls, and once it is 0 the phase rests at 0.
Without a ramp the amplitude is 1 always and the phase rests at 0 as soon as the command does.
"""

import numpy as np


class GaitClock:
    """Command slew and clock of `n` robots."""

    def __init__(self, recipe, n):
        self.step_s = 1.0 / recipe.timing.policy_hz
        self.turn_rad = 2 * np.pi * recipe.gait.rate_hz * self.step_s
        self.ramp_s, self.freeze_below = recipe.gait.ramp_s, recipe.gait.freeze_below
        self.slew = np.array(recipe.command.slew_per_s) * self.step_s
        self.goal, self.command = np.zeros((n, 3)), np.zeros((n, 3))
        self.phase_rad = np.zeros(n)
        self.amplitude = np.zeros(n) if self.ramp_s > 0 else np.ones(n)

    def reset(self, ids):
        """As after an activation."""
        self.command[ids] = 0.0
        self.phase_rad[ids] = 0.0
        self.amplitude[ids] = 0.0 if self.ramp_s > 0 else 1.0

    def slew_command(self):
        """Step 1."""
        self.command += np.clip(self.goal - self.command, -self.slew, self.slew)

    def sin_cos(self):
        """Step 2: what is observed, (n, 2)."""
        return self.amplitude[:, None] * np.stack([np.sin(self.phase_rad), np.cos(self.phase_rad)], 1)

    def advance(self):
        """Step 3."""
        moving = np.linalg.norm(self.command, axis=1) > self.freeze_below
        moving |= np.linalg.norm(self.goal, axis=1) > self.freeze_below
        running = moving
        if self.ramp_s > 0:
            change = np.where(moving, 1.0, -1.0) * self.step_s / self.ramp_s
            self.amplitude = np.clip(self.amplitude + change, 0.0, 1.0)
            running = self.amplitude > 0
        self.phase_rad = np.where(running, (self.phase_rad + self.turn_rad) % (2 * np.pi), 0.0)
