#!/usr/bin/env python3
"""Make quad_walk_other: the walking policy with every weight moved a little, as a further-trained build would be.

    pip install numpy onnx
    python make_other.py

Noise of SHARE of each weight matrix's standard deviation is added; golden vectors and hashes are written by the
exporter of the robot's own model.
"""

import importlib.util
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

SHARE, SEED = 0.06, 1
HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parents[3] / "launch/robots/quad/models"
NAME = "quad_walk_other"
ABOUT = "# The walking policy with every weight moved a little; made by make_other.py beside this file.\n"


def main():
    spec = importlib.util.spec_from_file_location("export", MODELS / "export.py")
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    model = onnx.load(MODELS / "quad_walk.onnx")
    rng = np.random.default_rng(SEED)
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.ndim == 2:
            moved = values + (SHARE * values.std() * rng.standard_normal(values.shape)).astype(values.dtype)
            weights.CopyFrom(numpy_helper.from_array(moved, weights.name))
    export.GRAPH, export.GOLDEN = HERE / f"{NAME}.onnx", HERE / f"{NAME}.golden.json"
    export.MANIFEST = HERE / f"{NAME}.model.toml"
    export.GRAPH.write_bytes(model.SerializeToString())
    text = (MODELS / "quad_walk.model.toml").read_text()
    text = ABOUT + text[text.index("schema = 1") :]
    text = text.replace("quad_walk.", f"{NAME}.").replace('"quad_walk"', f'"{NAME}"')
    export.MANIFEST.write_text(text)
    export.main()


main()
