"""Export: checkpoint -> ONNX with the prior inside, manifest, golden vectors; checked against numpy and ONNX Runtime."""

import hashlib

import numpy as np

from . import checkpoint, golden, graph, manifest
from .gait import prior_of
from .observation import Layout


class ExportError(Exception):
    """The artefacts would not say what was trained."""


def _actuators(path):
    import mujoco

    model = mujoco.MjModel.from_xml_path(str(path))
    return [model.joint(model.actuator(index).trnid[0]).name for index in range(model.nu)]


def export(recipe, source, folder):
    """Writes the three files into `folder`; returns what was measured."""
    layout, prior = Layout(recipe), prior_of(recipe)
    parameters, about = checkpoint.load(source)
    if about["terms"] != layout.widths():
        raise ExportError(f"{source}: made for the observation {about['terms']}, the recipe says {layout.widths()}")
    actuators = _actuators(recipe.model_path)
    model = graph.build(recipe, layout, prior, parameters["pi"])
    data = model.SerializeToString()
    writer = golden.Writer(recipe, layout, model)
    if writer.names != actuators:
        raise ExportError(f"golden.NAMES {writer.names} is not the actuator order {actuators} of the MJCF")

    # The graph against the environment's own arithmetic.
    rng = np.random.default_rng(0)
    worst = 0.0
    for observation in rng.standard_normal((200, 1, layout.size)).astype(np.float32):
        actions, targets = writer.graph(observation)
        expected = recipe.robot.default_rad + prior.offsets(layout, observation) + recipe.ppo.action_scale * actions
        worst = max(worst, float(np.abs(targets - expected).max()))
    if worst > 1e-4:
        raise ExportError(f"the graph differs by {worst:.1e} rad from the training environment")
    cases = writer.cases()
    second = writer.second_opinion(data, cases)
    if second > 1e-5:
        raise ExportError(f"onnxruntime differs by {second:.1e} rad from the reference evaluator")
    text = writer.text(data, cases)

    folder.mkdir(parents=True, exist_ok=True)
    stem = recipe.robot.policy
    (folder / f"{stem}.onnx").write_bytes(data)
    (folder / f"{stem}.golden.json").write_text(text)
    hashes = [hashlib.sha256(blob).hexdigest() for blob in (data, text.encode())]
    (folder / f"{stem}.model.toml").write_text(manifest.text(recipe, layout, *hashes))
    return {
        "folder": str(folder),
        "graph_bytes": len(data),
        "golden_bytes": len(text),
        "ticks": sum(len(case["ticks"]) for case in cases),
        "graph_vs_environment_rad": worst,
        "onnxruntime_vs_reference_rad": second,
    }
