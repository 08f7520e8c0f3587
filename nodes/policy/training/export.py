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


def within(worst_rad, bound_rad, differs):
    """Refuses a difference beyond the bound, and one that is no number."""
    if not worst_rad <= bound_rad:
        raise ExportError(f"{differs[0]} differs by {worst_rad:.1e} rad from {differs[1]}")


def difference_to_environment(recipe, layout, prior, run):
    """Largest difference of the graph's targets, as `run` gives them, to the training environment's arithmetic, rad."""
    pairs = []
    for observation in np.random.default_rng(0).standard_normal((200, 1, layout.size)).astype(np.float32):
        actions, targets = run(observation)
        expected = recipe.robot.default_rad + prior.offsets(layout, observation) + recipe.ppo.action_scale * actions
        pairs.append((targets, expected))
    return golden.farthest(pairs)


def export(recipe, source, folder):
    """Writes the three files into `folder`; returns what was measured."""
    layout, prior = Layout(recipe), prior_of(recipe)
    parameters, about = checkpoint.load(source)
    for key, expected in checkpoint.made_for(recipe, layout).items():
        if about.get(key) != expected:
            found = about.get(key, "nothing")
            raise ExportError(f"{source}: made for {key} {found}, the recipe says {expected}; name the one it is for")
    actuators = _actuators(recipe.model_path)
    model = graph.build(recipe, layout, prior, parameters["pi"])
    data = model.SerializeToString()
    writer = golden.Writer(recipe, layout, model)
    if writer.names != actuators:
        raise ExportError(f"golden.NAMES {writer.names} is not the actuator order {actuators} of the MJCF")

    worst = difference_to_environment(recipe, layout, prior, writer.graph)
    within(worst, 1e-4, ("the graph", "the training environment"))
    cases = writer.cases()
    second = writer.second_opinion(data, cases)
    within(second, 1e-5, ("onnxruntime", "the reference evaluator"))
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
