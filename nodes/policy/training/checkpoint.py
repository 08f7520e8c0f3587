"""Checkpoints: weights of policy and critic, exploration, and the robot and observation they were made for (.npz)."""

import json
import os
import zipfile

import numpy as np


def save(path, parameters, recipe, layout, steps):
    """`parameters` is {"pi": layers, "v": layers, "log_std": vector}."""
    arrays = {"log_std": np.asarray(parameters["log_std"], np.float32)}
    for net in ("pi", "v"):
        for index, (weight, bias) in enumerate(parameters[net]):
            arrays[f"{net}{index}_weight"] = np.asarray(weight, np.float32)
            arrays[f"{net}{index}_bias"] = np.asarray(bias, np.float32)
    about = json.dumps({**made_for(recipe, layout), "steps": steps})
    # Whole or not at all: a reader may come while the run goes on.
    partial = f"{path}.partial"
    with open(partial, "wb") as file:
        np.savez(file, about=np.frombuffer(about.encode(), np.uint8), **arrays)
    os.replace(partial, path)


def load(path):
    """(parameters, about)."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not a checkpoint; expected the checkpoint.npz of a training run")
    with np.load(path) as archive:
        if "about" not in archive:
            raise ValueError(f"{path}: arrays without `about`; expected the checkpoint.npz of a training run")
        about = json.loads(bytes(archive["about"]).decode())
        parameters = {"log_std": archive["log_std"]}
        for net in ("pi", "v"):
            layers = []
            while f"{net}{len(layers)}_weight" in archive:
                layers.append((archive[f"{net}{len(layers)}_weight"], archive[f"{net}{len(layers)}_bias"]))
            parameters[net] = layers
    return parameters, about


def made_for(recipe, layout):
    """What weights belong to, as it stands in a checkpoint."""
    return {"robot": recipe.robot.name, "joints": list(recipe.robot.joints), "terms": layout.widths()}


def fit(parameters, about, recipe, layout):
    """The policy's first layer for another observation: rows of shared terms kept, those of new terms zero."""
    own = made_for(recipe, layout)
    if about.get("joints") != own["joints"]:
        raise ValueError(
            f"checkpoint: moves {about.get('joints', 'joints it does not name')}, {own['robot']} has {own['joints']}; "
            "start from a checkpoint of the same joints"
        )
    widths = own["terms"]
    if about["terms"] == widths:
        return parameters
    weight, bias = parameters["pi"][0]
    old, start = {}, 0
    for kind, width in about["terms"].items():
        old[kind] = weight[start : start + width]
        start += width
    lost = sorted(set(old) - set(widths))
    if lost or any(len(old[kind]) != widths[kind] for kind in old):
        raise ValueError(f"checkpoint: its observation {about['terms']} does not fit {widths}; start from another one")
    rows = [old.get(kind, np.zeros((width, weight.shape[1]), np.float32)) for kind, width in widths.items()]
    return {**parameters, "pi": [(np.concatenate(rows), bias), *parameters["pi"][1:]], "v": []}
