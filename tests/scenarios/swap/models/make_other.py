#!/usr/bin/env python3
"""Make quad_walk_other: the walking policy with every weight moved a little, as a further-trained build would be.

    python make_other.py              # in the environment of nodes/policy/training

Noise of SHARE of each weight matrix's standard deviation is added to the checkpoint of the robot's own model; graph,
golden vectors and manifest are written by its exporter.
"""

import pathlib
import sys
import tempfile

import numpy as np

SHARE, SEED = 0.06, 1
HERE = pathlib.Path(__file__).resolve().parent
POLICY = HERE.parents[3] / "nodes/policy"
sys.path.insert(0, str(POLICY))

from training import checkpoint, export, recipe  # noqa: E402
from training.observation import Layout  # noqa: E402


def main():
    rng = np.random.default_rng(SEED)
    parameters, _ = checkpoint.load(POLICY / "training/checkpoints/quad.npz")
    parameters["pi"] = [
        (weight + SHARE * weight.std() * rng.standard_normal(weight.shape).astype(weight.dtype), bias)
        for weight, bias in parameters["pi"]
    ]
    about = '"quad_walk with every weight moved a little, by make_other.py; not trained"'
    other = recipe.load("quad", {"robot.policy": '"quad_walk_other"', "robot.description": about})
    with tempfile.TemporaryDirectory() as folder:
        moved = pathlib.Path(folder) / "checkpoint.npz"
        checkpoint.save(moved, parameters, Layout(other), {})
        export.export(other, moved, HERE)


main()
