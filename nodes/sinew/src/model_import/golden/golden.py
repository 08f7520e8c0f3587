"""Golden vectors of a model being imported: what the robot measures in, what its joints shall do out.

Started by `sinew model import` with a request on standard input; writes the golden file and, beside it, the facts
(joints, gains, rate) as read here. The readers in this folder know the foreign formats on their own and share no code
with the importer, so that a wrong order, scale or history on either side is found when both are compared.
"""

import collections
import ctypes
import hashlib
import json
import resource
import signal
import sys

import numpy as np

import read_leapp
import read_lerobot
import read_metadata
import read_rl_sar
import read_unitree

READERS = {
    "leapp": read_leapp.Leapp,
    "unitree": read_unitree.Unitree,
    "rl-sar": read_rl_sar.RlSar,
    "onnx-metadata": read_metadata.Metadata,
    "lerobot": read_lerobot.Lerobot,
}

MOST_BYTES = 6 << 30
MOST_CPU_S = 300

Case = collections.namedtuple("Case", "name commands spread")


def rounded(values):
    """Values as they will be written: five decimals, then f32."""
    return np.round(np.asarray(values, float), 5).astype(np.float32).astype(float)


def cases(rng):
    return [
        Case("stands", [(0, 0, 0)] * 6, 0.2),
        Case("walks forward", [(0.5, 0, 0)] * 28, 0.5),
        Case("sidesteps and turns", [(-0.3, 0.4, -0.8)] * 10, 1.0),
        Case("starts, stops and starts again", [(0, 0, 0)] * 2 + [(0.06, 0, 0)] * 4 + [(0.03, 0.02, 0)] * 3
             + [(0, 0, 0.06)] * 4 + [(0, 0, 0)] * 2, 0.5),
        Case("commands beyond every range", [(9, -9, 9)] * 3 + [(-9, 9, -9)] * 3, 0.5),
        Case("far from standing", [tuple(c) for c in rng.uniform(-1, 1, (8, 3))], 2.0),
    ]


def attitude(roll, pitch, yaw):
    """Quaternion (w, x, y, z), w >= 0, of roll, pitch and yaw."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(np.array([roll, pitch, yaw]) / 2), np.sin(np.array([roll, pitch, yaw]) / 2)
    q = np.array([
        cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy,
    ])
    return q if q[0] >= 0 else -q


def gravity(q):
    """Unit vector of gravity in the base frame: third row of the rotation matrix, negated."""
    w, x, y, z = q
    return -np.array([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z])


def measurements(rng, case, command, robot, stand):
    tilt = 0.3 * case.spread
    quaternion = rounded(attitude(*rng.uniform(-tilt, tilt, 2), rng.uniform(-0.5, 0.5)))
    q = rounded(stand + rng.uniform(-0.5, 0.5, len(robot)) * case.spread)
    dq = rounded(rng.uniform(-8, 8, len(robot)) * case.spread)
    tau = rounded(rng.uniform(-15, 15, len(robot)) * case.spread)
    return {
        "gyro_rad_s": rounded(rng.uniform(-1.5, 1.5, 3) * case.spread),
        "projected_gravity": rounded(gravity(quaternion)),
        "command": rounded(command),
        "velocity_m_s": rounded(rng.uniform(-1, 1, 3) * case.spread),
        "orientation_wxyz": quaternion,
        "q": dict(zip(robot, q)),
        "dq": dict(zip(robot, dq)),
        "tau": dict(zip(robot, tau)),
    }


def run_case(policy, rng, case, columns, stand):
    policy.reset()
    ticks = []
    for command in case.commands:
        state = measurements(rng, case, command, columns, stand)
        target = policy.step(state)
        tick = {key: state[key] for key in ("gyro_rad_s", "projected_gravity", "command")}
        tick |= {key: state[key] for key in ("velocity_m_s", "orientation_wxyz") if key in policy.needs}
        tick |= {"q_rad": [state["q"][n] for n in columns], "dq_rad_s": [state["dq"][n] for n in columns]}
        if "tau" in policy.needs:
            tick["tau_nm"] = [state["tau"][n] for n in columns]
        tick["target_rad"] = [target[n] for n in columns]
        ticks.append({key: [round(float(v), 6) for v in values] for key, values in tick.items()})
    return {"name": case.name, "ticks": ticks}


def bounded():
    """A graph is somebody else's program: it gets some memory and time, and ends with the import that runs it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def main():
    bounded()
    request = json.load(sys.stdin)
    policy = READERS[request["kind"]](request)
    if sorted(policy.joints) != sorted(set(policy.joints)):
        sys.exit(f"joints named twice: {policy.joints}")
    strangers = [n for n in policy.joints if n not in request["robot"]["joints"]]
    if strangers:
        sys.exit(f"joints {strangers} are not the robot's")
    robot_stand = dict(zip(request["robot"]["joints"], request["robot"]["stand_rad"]))
    # Another order than the policy's or the robot's: only names count.
    columns = sorted(policy.joints)
    defaults = dict(zip(policy.joints, policy.default_pos)) if policy.default_pos is not None else robot_stand
    stand = np.array([defaults[n] for n in columns], float)
    rng = np.random.default_rng(20)
    rows = [run_case(policy, rng, case, columns, stand) for case in cases(rng)]
    with open(policy.graph_file, "rb") as file:
        graph_hash = hashlib.sha256(file.read()).hexdigest()
    by_column = lambda values: [float(dict(zip(policy.joints, values))[n]) for n in columns]
    head = {"schema": 1, "graph_sha256": graph_hash, "rate_hz": policy.rate_hz, "joints": columns,
            "kp": by_column(policy.kp), "kd": by_column(policy.kd)}
    # One tick a line: a change shows where it is.
    body = ",\n".join(
        f'  {{"name": {json.dumps(row["name"])}, "ticks": [\n'
        + ",\n".join("    " + json.dumps(tick) for tick in row["ticks"]) + "\n  ]}"
        for row in rows
    )
    text = json.dumps(head)[:-1] + ', "cases": [\n' + body + "\n]}\n"
    json.loads(text)
    with open(request["golden"], "w", encoding="utf-8") as file:
        file.write(text)
    facts = {
        "joints": policy.joints,
        "kp": [float(v) for v in policy.kp],
        "kd": [float(v) for v in policy.kd],
        "default_pos": None if policy.default_pos is None else [float(v) for v in policy.default_pos],
        "rate_hz": policy.rate_hz,
    }
    with open(request["facts"], "w", encoding="utf-8") as file:
        json.dump(facts, file)


if __name__ == "__main__":
    main()
