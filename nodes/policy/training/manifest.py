"""The manifest NAME.model.toml of an exported policy: what its tensors mean, by name."""

NOTE = {
    "feedback/action": 'stage = "raw"',
    "state/joint/position": 'minus = "default_pos"',
}


def _numbers(values):
    return "[" + ", ".join(f"{value:g}" if value != int(value) else f"{value:.1f}" for value in values) + "]"


def _gain(values):
    return _numbers(values) if len(set(values)) > 1 else f"{values[0]:.1f}"


def _term(recipe, term):
    lines = ["[[input.term]]", f'kind = "{term.kind}"']
    if term.kind in NOTE:
        lines.append(NOTE[term.kind])
    if term.scale != 1.0:
        lines.append(f"scale = {_numbers(term.scale) if isinstance(term.scale, list) else term.scale}")
    if term.kind == "phase/sin_cos":
        gait = recipe.gait
        lines.append(f"rate_hz = {gait.rate_hz}")
        lines.append(f"freeze_below = {gait.freeze_below}   # norm of the velocity command")
        if gait.ramp_s > 0:
            lines.append(f"ramp_s = {gait.ramp_s}   # amplitude 0 to 1 while commanded, down again at rest")
    return "\n".join(lines)


def text(recipe, layout, graph_hash, golden_hash):
    """The whole file."""
    robot, timing, command = recipe.robot, recipe.timing, recipe.command
    rows = []
    per_row = len(robot.joints) // len(robot.feet)  # one leg a row
    for start in range(0, len(robot.joints), per_row):
        rows.append("    " + ", ".join(f'"{name}"' for name in robot.joints[start : start + per_row]) + ",")
    limits = [f"range = {{ vx = {_numbers(command.range_vx_m_s)}, vy = {_numbers(command.range_vy_m_s)}, "
              f"wz = {_numbers(command.range_wz_rad_s)} }}   # m/s, m/s, rad/s"]  # fmt: skip
    if command.slew_in_policy:
        limits.append(f"slew_per_s = {_numbers(command.slew_per_s)}   # m/s^2, m/s^2, rad/s^2; as in training")
    terms = "\n\n".join(_term(recipe, term) for term in recipe.observation)
    joint_rows, limit_rows = "\n".join(rows), "\n".join(limits)
    return f"""# {robot.policy}: what its tensors mean, by name. Written by nodes/policy/training (python -m training export).
schema = 1

[model]
name = "{robot.policy}"
version = "{robot.version}"
task = "policy"
license = "Apache-2.0"
description = "{robot.description}"
trained_with = "nodes/policy/training, robots/{robot.name}.toml"

[[graph]]
file = "{robot.policy}.onnx"
sha256 = "{graph_hash}"
precision = "fp32"

[runtime]
rate_hz = {timing.policy_hz:g}
deadline_ms = {timing.deadline_ms}
latency_ticks = {timing.latency_ticks}
engine = ["native", "onnxruntime"]

[command]
{limit_rows}

[joints]
order = [
{joint_rows}
]
default_pos = {_numbers(robot.default_rad)}   # rad
kp = {_gain(robot.kp_nm_per_rad)}   # N m/rad
kd = {_gain(robot.kd_nm_s_per_rad)}   # N m s/rad

[[input]]
tensor = "obs"
dtype = "f32"
shape = [1, {layout.size}]
normalize = {{ mode = "none" }}

{terms}

[[output]]
tensor = "actions"
kind = "feedback/action"

[[output]]
tensor = "joint_targets"
kind = "target/joint/position"
joints = "@joints"

[verify]
golden = "{robot.policy}.golden.json"
sha256 = "{golden_hash}"
atol = 1e-4   # rad
rtol = 1e-4
"""
