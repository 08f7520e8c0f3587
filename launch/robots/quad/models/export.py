#!/usr/bin/env python3
"""Write the golden vectors of quad_walk.onnx and put the hashes of both files into its manifest.

    pip install numpy onnx            # onnxruntime is used as a second opinion when it is there
    python export.py                  # renews quad_walk.golden.json and the two sha256 of quad_walk.model.toml
    python export.py --check          # changes nothing; fails when they are out of date

The vectors speak of the robot, not of tensors: measurements by joint name in, joint targets by joint name out.
JOINTS, the observation and the gait clock below are those of the training environment. They are written here on
purpose and never read from the manifest, so that a mistake in the manifest cannot hide in its own proof.
"""

import hashlib
import json
import pathlib
import re
import sys

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).resolve().parent
GRAPH = HERE / "quad_walk.onnx"
GOLDEN = HERE / "quad_walk.golden.json"
MANIFEST = HERE / "quad_walk.model.toml"

# Joint order of the training environment (the model's actuator order).
JOINTS = [f"{leg}_{joint}" for leg in ("FR", "FL", "RR", "RL") for joint in ("hip", "thigh", "calf")]
STAND = np.tile([0.0, 0.8, -1.5], 4)  # rad
RATE_HZ = 50.0
GAIT_HZ = 2.0
REST = 0.05  # norm of the command at or below which the gait clock stands at 0

# Columns of the golden file: another order than JOINTS, since only names count.
COLUMNS = sorted(JOINTS)


def rounded(values):
    """Values as they will be written: five decimals, then f32."""
    return np.round(np.asarray(values, float), 5).astype(np.float32)


def observation(tick, last_action, phase):
    """The 47 numbers the graph was trained on."""
    return np.concatenate(
        [
            tick["gyro_rad_s"] * 0.25,
            tick["projected_gravity"],
            tick["command"] * [2.0, 2.0, 1.0],
            tick["q_rad"] - STAND,
            tick["dq_rad_s"] * 0.05,
            last_action,
            [np.sin(phase), np.cos(phase)],
        ]
    ).astype(np.float32)[None]


def gravity(rng, tilt):
    roll, pitch = rng.uniform(-tilt, tilt, 2)
    return [np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)]


def run_case(graph, rng, name, commands, spread):
    """One activation: the command of each tick, and random measurements around standing."""
    last_action = np.zeros(12)
    phase = 0.0
    ticks = []
    for command in commands:
        tick = {
            "gyro_rad_s": rounded(rng.uniform(-1.5, 1.5, 3) * spread),
            "projected_gravity": rounded(gravity(rng, 0.3 * spread)),
            "command": rounded(command),
            "q_rad": rounded(STAND + rng.uniform(-0.5, 0.5, 12) * spread),
            "dq_rad_s": rounded(rng.uniform(-8.0, 8.0, 12) * spread),
        }
        actions, targets = graph(observation(tick, last_action, phase))
        last_action = actions[0].astype(float)
        moving = np.linalg.norm(tick["command"].astype(float)) > REST
        phase = (phase + 2 * np.pi * GAIT_HZ / RATE_HZ) % (2 * np.pi) if moving else 0.0
        tick["target_rad"] = targets[0]
        ticks.append(tick)
    return {"name": name, "ticks": ticks}


def written(case):
    """A case with its joint values in the order of COLUMNS, as plain numbers."""
    pick = [JOINTS.index(name) for name in COLUMNS]
    by_joint = ("q_rad", "dq_rad_s", "target_rad")
    ticks = []
    for tick in case["ticks"]:
        row = {key: value[pick] if key in by_joint else value for key, value in tick.items()}
        ticks.append({key: [round(float(v), 6) for v in value] for key, value in row.items()})
    return {"name": case["name"], "ticks": ticks}


def golden_text(graph_bytes):
    reference = ReferenceEvaluator(onnx.load_from_string(graph_bytes))

    def graph(obs):
        return reference.run(["actions", "joint_targets"], {"obs": obs})

    rng = np.random.default_rng(20)
    cases = [
        run_case(graph, rng, "stands", [(0, 0, 0)] * 6, 0.2),
        run_case(graph, rng, "walks forward for more than one gait cycle", [(0.5, 0, 0)] * 28, 0.5),
        run_case(graph, rng, "sidesteps and turns", [(-0.3, 0.4, -0.8)] * 10, 1.0),
        run_case(
            graph,
            rng,
            "starts, stops and starts again around the threshold",
            [(0, 0, 0)] * 2 + [(0.06, 0, 0)] * 4 + [(0.03, 0.02, 0)] * 3 + [(0, 0, 0.06)] * 4 + [(0, 0, 0)] * 2,
            0.5,
        ),
        run_case(graph, rng, "far from standing", rng.uniform(-1.0, 1.0, (8, 3)), 2.0),
    ]
    head = {
        "schema": 1,
        "graph_sha256": hashlib.sha256(graph_bytes).hexdigest(),
        "rate_hz": RATE_HZ,
        "joints": COLUMNS,
    }
    # One tick a line: a change shows where it is.
    lines = []
    for case in cases:
        ticks = ",\n".join("    " + json.dumps(tick) for tick in written(case)["ticks"])
        lines.append(f'  {{"name": {json.dumps(case["name"])}, "ticks": [\n{ticks}\n  ]}}')
    text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    json.loads(text)
    return text, cases


def second_opinion(graph_bytes, cases):
    """The same ticks in ONNX Runtime, when it is installed."""
    try:
        import onnxruntime
    except ImportError:
        return "not asked (onnxruntime is not installed)"
    session = onnxruntime.InferenceSession(graph_bytes, providers=["CPUExecutionProvider"])
    worst = 0.0
    for case in cases:
        last_action, phase = np.zeros(12), 0.0
        for tick in case["ticks"]:
            obs = observation(tick, last_action, phase)
            actions, targets = session.run(["actions", "joint_targets"], {"obs": obs})
            worst = max(worst, np.abs(targets[0] - tick["target_rad"]).max())
            last_action = actions[0].astype(float)
            moving = np.linalg.norm(tick["command"].astype(float)) > REST
            phase = (phase + 2 * np.pi * GAIT_HZ / RATE_HZ) % (2 * np.pi) if moving else 0.0
    if worst > 1e-5:
        sys.exit(f"onnxruntime differs by {worst:.1e} rad from the reference evaluator")
    return f"agrees within {worst:.1e} rad"


def with_hashes(manifest, graph_hash, golden_hash):
    """The manifest with `sha256` of [[graph]] and of [verify] replaced."""
    for section, value in (("[[graph]]", graph_hash), ("[verify]", golden_hash)):
        pattern = "(" + re.escape(section) + r"(?:(?!\n\[).)*?\nsha256 = \")[0-9a-f]{64}\""
        manifest, count = re.subn(pattern, lambda m, v=value: m.group(1) + v + '"', manifest, count=1, flags=re.S)
        if count != 1:
            sys.exit(f"{MANIFEST.name}: found no sha256 in {section}")
    return manifest


def main():
    graph_bytes = GRAPH.read_bytes()
    golden, cases = golden_text(graph_bytes)
    graph_hash = hashlib.sha256(graph_bytes).hexdigest()
    golden_hash = hashlib.sha256(golden.encode()).hexdigest()
    old = MANIFEST.read_text()
    new = with_hashes(old, graph_hash, golden_hash)
    ticks = sum(len(case["ticks"]) for case in cases)
    print(f"{GRAPH.name}: {len(cases)} cases, {ticks} ticks; onnxruntime {second_opinion(graph_bytes, cases)}")
    if "--check" in sys.argv[1:]:
        if new != old or not GOLDEN.exists() or GOLDEN.read_text() != golden:
            sys.exit(f"{GOLDEN.name} or {MANIFEST.name} is out of date; run export.py")
        print("up to date")
        return
    GOLDEN.write_text(golden)
    MANIFEST.write_text(new)
    print(f"wrote {GOLDEN.name} ({len(golden)} bytes) and the hashes in {MANIFEST.name}")


if __name__ == "__main__":
    main()
