#!/usr/bin/env python3
"""The main job with the release binary: each line of JOBS is a command, and what its JSON must say.

    .ci/main_job.py target/release/sinew              runs JOBS; results and messages under target/ci
    .ci/main_job.py target/release/sinew NAME...      only these
    .ci/main_job.py --self-test                       a wrong figure, a missing one and a hang are failures

A bound is ("key", low, high), both ends allowed, or ("key", value). An expected exit code other than 0 is said.
"""
import json
import math
import pathlib
import signal
import subprocess
import sys
import time

RESULTS = pathlib.Path("target/ci")

# name, arguments, seconds before it counts as hanging, bounds
JOBS = [
    ("up_until_stand", "up --until stand --json robot:=ci_up", 180,
     [("stand_s", 0.0, 15.0), ("clean", True), ("failed", None)]),
    ("walk_inline", "scenario tests/scenarios/walk.yaml --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("walk_processes", "scenario tests/scenarios/walk.yaml --compose processes --json", 600,
     [("passed", True), ("falls", 0)]),
    ("walk_mujoco", "scenario tests/scenarios/walk.yaml --engine mujoco --json", 600,
     [("passed", True), ("falls", 0), ("engine", "mujoco"), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("walk_mujoco_processes", "scenario tests/scenarios/walk.yaml --engine mujoco --compose processes --json", 600,
     [("passed", True), ("falls", 0), ("engine", "mujoco")]),
    ("walk_four_iterations", "scenario tests/scenarios/walk.yaml --solver-iterations 4 --json", 600,
     [("passed", True), ("falls", 0)]),
    ("walk_biped", "scenario tests/scenarios/walk.yaml --robot biped --json", 600,
     [("passed", True), ("falls", 0), ("robot", "biped"), ("rmse_vx", 0.0, 0.06), ("rmse_vy", 0.0, 0.06), ("rmse_wz", 0.0, 0.10)]),
    ("walk_biped_mujoco", "scenario tests/scenarios/walk.yaml --robot biped --engine mujoco --latency-ticks 6 --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.06), ("rmse_vy", 0.0, 0.06), ("rmse_wz", 0.0, 0.10)]),
    ("walk_latency", "scenario tests/scenarios/walk.yaml --latency-ticks 6 --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("walk_mujoco_latency", "scenario tests/scenarios/walk.yaml --engine mujoco --latency-ticks 6 --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("pushes_100", "scenario tests/scenarios/pushes_100.yaml --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("pushes_100_mujoco", "scenario tests/scenarios/pushes_100.yaml --engine mujoco --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("walk_velocity", "scenario tests/scenarios/walk.yaml --robot quad_velocity --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("walk_velocity_mujoco", "scenario tests/scenarios/walk.yaml --robot quad_velocity --engine mujoco --latency-ticks 6 --json", 600,
     [("passed", True), ("falls", 0), ("rmse_vx", 0.0, 0.10), ("rmse_vy", 0.0, 0.10), ("rmse_wz", 0.0, 0.20)]),
    ("pushes_100_velocity", "scenario tests/scenarios/pushes_100.yaml --robot quad_velocity --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("pushes_100_velocity_mujoco", "scenario tests/scenarios/pushes_100.yaml --robot quad_velocity --engine mujoco --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("pushes_100_biped", "scenario tests/scenarios/pushes_100.yaml --robot biped --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("pushes_100_biped_mujoco", "scenario tests/scenarios/pushes_100.yaml --robot biped --engine mujoco --json", 600,
     [("passed", True), ("falls", 0), ("pushes", 100)]),
    ("swap", "scenario tests/scenarios/swap --seeds 20 --json", 1200,
     [("passed", True), ("falls", 0)]),
    # One of its files declares damping, and falls as declared.
    ("deadline", "scenario tests/scenarios/deadline --json", 600,
     [("passed", True)]),
    ("offboard", "scenario tests/scenarios/offboard --json", 600,
     [("passed", True), ("falls", 0)]),
    # One of its files has a policy die in a fast walk, and falls as declared.
    ("biped", "scenario tests/scenarios/biped --json", 600,
     [("passed", True)]),
    ("model_check", "model check launch/robots/quad/models/quad_walk.model.toml --json", 300,
     [("passed", True)]),
    ("model_check_biped", "model check launch/robots/biped/models/biped_walk.model.toml --json", 300,
     [("passed", True)]),
    ("model_conformance", "model conformance --engine all --json", 300,
     [("passed", True), ("max_abs_error", 0.0, 1e-5)]),
    ("robust", "scenario tests/scenarios/robust --seeds 5 --json", 1500,
     [("passed", True)]),
    ("faults", "scenario tests/scenarios/faults --json", 900,
     [("passed", True), ("stale_accepted", 0)]),
    ("faults_processes", "scenario tests/scenarios/faults --compose processes --json", 1500,
     [("passed", True), ("stale_accepted", 0)]),
    ("guard", "bench guard --n 1000000 --json", 900,
     [("legal_refused", 0), ("illegal_at_drive", 0), ("planted_caught", 3), ("guard_twice_changed", 0)]),
    ("tick", "bench tick --seconds 10 --json", 300, [("allocations_per_tick", 0, 0)]),
]
# Pairs whose `hash` must be equal: one robot, two compositions.
SAME_HASH = [("walk_inline", "walk_processes"), ("walk_mujoco", "walk_mujoco_processes"),
             ("faults", "faults_processes")]
BY_HAND = ["sinew bench latency", "sinew bench policy", "sinew scenario FILE --free-run"]


def judge(result, bounds):
    """Every bound that does not hold, as one line."""
    wrong = []
    for key, *bound in bounds:
        if key not in result:
            wrong.append(f"{key}: missing")
            continue
        found = result[key]
        if len(bound) == 1:
            if found != bound[0] or isinstance(found, bool) != isinstance(bound[0], bool):
                wrong.append(f"{key}: {found!r}, expected {bound[0]!r}")
        elif isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
            wrong.append(f"{key}: {found!r}, expected a number")
        elif not bound[0] <= found <= bound[1]:
            wrong.append(f"{key}: {found}, expected {bound[0]} to {bound[1]}")
    return wrong


def execute(name, command, limit_s):
    """One command to its end: its JSON object, or why there is none."""
    with open(RESULTS / f"{name}.log", "wb") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            out, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            end(child)
            return None, [f"still running after {limit_s} s"]
    (RESULTS / f"{name}.json").write_bytes(out)
    lines = out.decode(errors="replace").strip().splitlines()
    try:
        result = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None, [f"exit code {child.returncode}, no JSON object; see {RESULTS}/{name}.log"]
    return result, [] if child.returncode == 0 else [f"exit code {child.returncode}"]


def end(child):
    """As a person would: Ctrl-C, and only then by force."""
    child.send_signal(signal.SIGINT)
    try:
        return child.wait(timeout=60)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None


def drive_beside_up(sinew):
    """Two terminals: `up` in one, `drive` in the other, Ctrl-C at the end."""
    robot, wrong, result = "ci_drive", [], None
    with open(RESULTS / "drive_up.log", "wb") as log:
        up = subprocess.Popen([sinew, "up", "--json", f"robot:={robot}"],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and up.poll() is None:
                status = subprocess.run([sinew, "status", "--robot", robot, "--json"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
                if status.returncode == 0:
                    status = json.loads(status.stdout)
                    if status["mode"] == "Stand" and status["lease_holder"] == "nobody":
                        break
            else:
                return ["the robot did not stand; see drive_up.log"]
            result, wrong = execute("drive", [sinew, "drive", "--robot", robot, "--vx", "0.5", "--for", "10s",
                                              "--json"], 180)
            if result is not None:
                wrong += judge(result, [("dx_m", 4.0, 6.0)])
                print(f"  drive: dx_m {result.get('dx_m')}")
        finally:
            code = end(up) if up.poll() is None else up.returncode
        if code != 0:
            wrong.append(f"`up` ended with {code} after Ctrl-C; expected 0")
    return wrong


def figures(result):
    shown = ["stand_s", "wall_s", "rtf", "rtf_cpu", "physics_share", "rmse_vx", "rmse_vy", "rmse_wz", "falls", "pushes", "runs", "stale_accepted"]
    return "  ".join(f"{k} {result[k]:.3f}" if isinstance(result[k], float) else f"{k} {result[k]}"
                     for k in shown if result.get(k) is not None)


def self_test():
    bounds = [("a", 0.0, 1.0), ("b", True), ("c", 0)]
    assert judge({"a": 1.0, "b": True, "c": 0}, bounds) == []
    for planted in ({"a": 1.1, "b": True, "c": 0}, {"a": float("nan"), "b": True, "c": 0}, {"b": True, "c": 0},
                    {"a": None, "b": True, "c": 0}, {"a": 0.5, "b": 1, "c": 0}, {"a": 0.5, "b": True, "c": False}):
        if len(judge(planted, bounds)) != 1:
            sys.exit(f"self-test: {planted} went unnoticed")
    RESULTS.mkdir(parents=True, exist_ok=True)
    python = sys.executable
    for name, program, limit_s in (("hang", "import time; time.sleep(600)", 1), ("silent", "", 60),
                                   ("code", "print('{}'); raise SystemExit(3)", 60)):
        if not execute(f"self_test_{name}", [python, "-c", program], limit_s)[1]:
            sys.exit(f"self-test: {name} went unnoticed")
    print("main job: 9 planted failures caught")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) < 2:
        sys.exit("which binary? .ci/main_job.py target/release/sinew")
    sinew, wanted = sys.argv[1], set(sys.argv[2:])
    unknown = wanted - {job[0] for job in JOBS} - {"drive"}
    if unknown:
        sys.exit(f"no such job: {', '.join(sorted(unknown))}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed, hashes, ran = [], {}, 0
    for name, arguments, limit_s, bounds in JOBS:
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        result, wrong = execute(name, [sinew, *arguments.split()], limit_s)
        if result is not None:
            wrong += judge(result, bounds)
            hashes[name] = result.get("hash") or [run["hash"] for run in result.get("results", [])]
        ran += 1
        print(f"{'FAILED' if wrong else 'ok':6} {name} ({time.monotonic() - began:.0f} s): sinew {arguments}")
        if result is not None:
            print(f"       {figures(result)}")
        for line in wrong:
            print(f"       {line}")
        if wrong:
            failed.append(name)
        sys.stdout.flush()
    if not wanted or "drive" in wanted:
        wrong, ran = drive_beside_up(sinew), ran + 1
        print(f"{'FAILED' if wrong else 'ok':6} drive: sinew drive --vx 0.5 --for 10s --json, beside sinew up")
        for line in wrong:
            print(f"       {line}")
        failed += ["drive"] if wrong else []
    for one, other in SAME_HASH:
        if one in hashes and other in hashes and (not hashes[one] or hashes[one] != hashes[other]):
            print(f"FAILED {one} and {other}: hashes {hashes[one]} and {hashes[other]} differ")
            failed.append(f"{one}={other}")
    if not wanted:
        for what in BY_HAND:
            print(f"SKIPPED {what}: wall-clock figures of a free run, which a loaded machine spoils; run it by hand")
    print(f"main job: {ran} commands, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


main()
