#!/usr/bin/env python3
"""Which room may depend on which, as data, compared with what cargo resolves.

Only normal dependencies count: tests may look wherever they need to. Three rules:
  1. every room has a line in ROOMS, and reaches only the rooms in that line;
  2. a core reaches no runtime, no socket library and no clock, not even through somebody else;
  3. the rooms that also run in a microcontroller take no outside crate beyond NO_STD.

    .ci/check_dependencies.py              reads `cargo metadata`, exit 1 on a violation
    .ci/check_dependencies.py --self-test  plants one violation of each kind and expects to find it
"""
import copy
import json
import subprocess
import sys

CORE, EDGE, TOP = "core", "edge", "top"
ALL = None

# room: (kind, rooms that it may depend on)
ROOMS = {
    "sinew-wire": (CORE, set()),
    "sinew-bus": (CORE, set()),
    "sinew-devices": (CORE, {"sinew-bus", "sinew-wire"}),
    "sinew-guard": (CORE, {"sinew-wire"}),
    "sinew-robot": (CORE, {"sinew-guard", "sinew-wire"}),
    "sinew-estimator": (CORE, set()),
    "sinew-inference": (CORE, set()),
    "sinew-policy": (CORE, {"sinew-inference", "sinew-robot", "sinew-wire"}),
    "sinew-bridge": (CORE, {"sinew-bus", "sinew-devices", "sinew-guard", "sinew-robot", "sinew-wire"}),
    "sinew-control": (CORE, {"sinew-estimator", "sinew-guard", "sinew-robot", "sinew-wire"}),
    "sinew-twin": (CORE, {"sinew-bus", "sinew-devices", "sinew-robot", "sinew-wire"}),
    "sinew-stack": (CORE, {
        "sinew-bridge", "sinew-bus", "sinew-control", "sinew-devices", "sinew-estimator", "sinew-guard",
        "sinew-inference", "sinew-policy", "sinew-robot", "sinew-twin", "sinew-wire",
    }),
    "sinew-pinned": (EDGE, set()),
    "sinew-inference-ort": (EDGE, {"sinew-inference", "sinew-pinned"}),
    "sinew-inference-tract": (EDGE, {"sinew-inference"}),
    "sinew-twin-mujoco": (EDGE, {
        "sinew-bus", "sinew-devices", "sinew-pinned", "sinew-robot", "sinew-twin", "sinew-wire",
    }),
    "sinew-ports": (EDGE, {"sinew-bus"}),
    "sinew-rt": (EDGE, {"sinew-wire"}),
    "sinew-ros": (EDGE, {"sinew-robot", "sinew-wire"}),
    "sinew-runner": (EDGE, set()),
    "sinew": (TOP, ALL),
}

# What a core must not reach: with it, it could wait, ask for the time, or talk to somebody.
FORBIDDEN_IN_CORES = {
    "runtime": {"tokio", "async-std", "smol", "futures-executor", "rayon", "crossbeam-channel", "flume"},
    "socket or kernel": {"zenoh", "socket2", "mio", "nix", "rustix", "socketcan", "hyper"},
    "clock": {"chrono", "time", "jiff", "quanta", "minstant", "coarsetime", "web-time", "instant"},
    "randomness from outside": {"getrandom", "rand"},
    "foreign library": {"ort", "libloading"},
    "log on the path": {"tracing-subscriber", "env_logger"},
}
# libc behind a crate is how some numeric crates ask for the page size; a core of ours does not name it.
FORBIDDEN_DIRECTLY_IN_CORES = {"libc"}

NO_STD = {
    "sinew-wire": {"zerocopy", "arrayvec"},
    "sinew-bus": {"arrayvec"},
    "sinew-devices": {"libm"},
    "sinew-guard": {"arrayvec", "libm"},
}


def violations(metadata):
    """Every broken rule as one line that says what to do."""
    names = {package["id"]: package["name"] for package in metadata["packages"]}
    members = set(metadata["workspace_members"])
    edges = {
        node["id"]: [
            dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }
    found = []
    for member in sorted(members, key=lambda i: names[i]):
        room = names[member]
        if room not in ROOMS:
            found.append(f"{room}: no line in ROOMS; say there which kind of room it is and what it may depend on")
            continue
        kind, allowed = ROOMS[room]
        direct = {names[dep] for dep in edges[member]}
        if allowed is not ALL:
            for other in sorted(names[dep] for dep in edges[member] if dep in members):
                if other not in allowed:
                    allows = ", ".join(sorted(allowed)) or "no other room"
                    found.append(f"{room} depends on {other}; it may depend on: {allows}")
        if room in NO_STD:
            outside = {names[dep] for dep in edges[member] if dep not in members}
            for crate in sorted(outside - NO_STD[room]):
                found.append(f"{room} runs in a microcontroller and depends on {crate}; allowed: "
                             + ", ".join(sorted(NO_STD[room])))
        if kind == CORE:
            for crate in sorted(direct & FORBIDDEN_DIRECTLY_IN_CORES):
                found.append(f"{room} is a core and names {crate}; do this in its shell")
            found += reached(room, member, edges, names)
    return found


def reached(room, member, edges, names):
    """Forbidden crates behind a core, each with one way that leads there."""
    found, way, queue = [], {member: [room]}, [member]
    while queue:
        at = queue.pop(0)
        for dep in edges.get(at, []):
            if dep in way:
                continue
            way[dep] = way[at] + [names[dep]]
            for reason, crates in FORBIDDEN_IN_CORES.items():
                if names[dep] in crates:
                    found.append(f"{room} is a core and reaches a {reason}: {' > '.join(way[dep])}")
            queue.append(dep)
    return sorted(found)


def read_metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked",
               "--filter-platform", "x86_64-unknown-linux-gnu"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def plant(metadata, room, other, kind=None):
    """The same workspace with one more dependency."""
    doctored = copy.deepcopy(metadata)
    ids = {package["name"]: package["id"] for package in doctored["packages"]}
    if other not in ids:
        ids[other] = f"planted+{other}"
        doctored["packages"].append({"id": ids[other], "name": other})
        doctored["resolve"]["nodes"].append({"id": ids[other], "deps": []})
    for node in doctored["resolve"]["nodes"]:
        if node["id"] == ids[room]:
            node["deps"].append({"pkg": ids[other], "dep_kinds": [{"kind": kind}]})
    return doctored


def self_test(metadata):
    """Each rule catches what it is for, and only that."""
    if violations(metadata):
        sys.exit("self-test: the workspace itself breaks the rules; mend that first")
    planted = [
        ("upwards", plant(metadata, "sinew-guard", "sinew-robot"), "sinew-guard depends on sinew-robot"),
        ("sideways", plant(metadata, "sinew-control", "sinew-twin"), "sinew-control depends on sinew-twin"),
        ("a core with a runtime", plant(metadata, "sinew-policy", "tokio"), "sinew-policy > tokio"),
        ("a runtime through another core", plant(metadata, "sinew-inference", "zenoh"),
         "sinew-policy > sinew-inference > zenoh"),
        ("a clock", plant(metadata, "sinew-estimator", "quanta"), "reaches a clock"),
        ("libc", plant(metadata, "sinew-bridge", "libc"), "sinew-bridge is a core and names libc"),
        ("std in the microcontroller", plant(metadata, "sinew-wire", "serde"), "sinew-wire runs in a microcontroller"),
    ]
    unknown = copy.deepcopy(metadata)
    unknown["packages"].append({"id": "planted", "name": "sinew-utils"})
    unknown["workspace_members"].append("planted")
    unknown["resolve"]["nodes"].append({"id": "planted", "deps": []})
    planted.append(("an unknown room", unknown, "sinew-utils: no line in ROOMS"))
    for name, doctored, expected in planted:
        if not any(expected in line for line in violations(doctored)):
            sys.exit(f"self-test: {name} went unnoticed")
    if violations(plant(metadata, "sinew-guard", "sinew-robot", kind="dev")):
        sys.exit("self-test: a dependency of tests was reported")
    print(f"dependency check: {len(planted)} planted violations caught")


def main():
    metadata = read_metadata()
    if sys.argv[1:] == ["--self-test"]:
        return self_test(metadata)
    found = violations(metadata)
    for line in found:
        print(f"dependency direction: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"dependency directions: {len(metadata['workspace_members'])} rooms as the table says")


main()
