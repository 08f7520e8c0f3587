"""LEAPP: each input is a named quantity; what is fed back is fed back; all scaling is inside the graph."""

import json
import struct

import numpy as np

from source import Graph, Source, load

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32}


def safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + length + begin : 8 + length + end], DTYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def edges(flow):
    """(source, target) pairs of either way to write a flow."""
    if isinstance(flow, dict):
        flow = [{"source": source, "targets": targets} for source, targets in flow.items()]
    for edge in flow or []:
        targets = edge.get("targets", edge.get("target"))
        for target in targets if isinstance(targets, list) else [targets]:
            yield edge["source"].split("/")[1], target.split("/")[1]


class Leapp:
    def __init__(self, request):
        self.source = Source(request)
        said = self.source.said
        files = [f for f in sorted(self.source.folder.rglob("*.y*ml")) if "models" in (load(f) or {})]
        (file,) = files
        bundle = load(file)
        ((self.node, body),) = bundle["models"].items()
        pipeline = bundle["pipeline"]
        self.elements = said.get("elements") or {}
        self.inputs = {t["name"]: t for t in body["inputs"]}
        self.outputs = {t["name"]: t for t in body["outputs"]}
        self.feedback = {target: out for key in ("feedback_flow", "feedback_connections")
                         for out, target in edges(pipeline.get(key))}
        initial = pipeline.get("initial_values")
        self.initial = safetensors(file.parent / initial) if initial else {}
        self.target = next(n for n, t in self.outputs.items() if t.get("kind") == "target/joint/position")
        self.joints = self.source.renamed(self.names(self.outputs[self.target]))
        path = (file.parent / body["parameters"]["model_path"]).relative_to(self.source.folder)
        self.graph_file = self.source.graph(path)
        self.graph = Graph(self.graph_file)
        self.default_pos = None
        self.rate_hz = self.source.rate_hz((pipeline.get("configs") or {}).get("frequency"))
        self.kp, self.kd = self.gains("kp"), self.gains("kd")
        kinds = {t.get("kind") for t in body["inputs"]}
        reads = {"state/body/rotation": "orientation_wxyz", "state/body/linear_velocity": "velocity_m_s",
                 "state/joint/effort": "tau"}
        self.needs = tuple(reads[k] for k in kinds if k in reads)

    def names(self, tensor):
        if tensor["name"] in self.elements:
            return self.elements[tensor["name"]]
        axes = [axis for axis in tensor.get("element_names") or [] if isinstance(axis, list)]
        return axes[-1] if axes else None

    def gains(self, kind):
        own = None
        for name, tensor in self.outputs.items():
            if tensor.get("kind") == kind:
                # A constant: any inputs give its value.
                feeds = {n: np.zeros(t["shape"], t["dtype"]) for n, t in self.inputs.items()}
                values = self.graph.run(feeds)[name].reshape(-1)
                by_name = dict(zip(self.source.renamed(self.names(tensor)), values))
                own = [by_name[joint] for joint in self.joints]
        return self.source.per_joint(kind, self.joints, own)

    def reset(self):
        self.state = {}
        for name in self.feedback:
            tensor = self.inputs[name]
            value = self.initial.get(f"{self.node}/{name}", np.zeros(tensor["shape"]))
            self.state[name] = np.asarray(value, tensor["dtype"]).reshape(tensor["shape"])

    def quantity(self, tensor, state):
        kind, names = tensor.get("kind"), self.names(tensor)
        if str(tensor.get("isaaclab_connection", "")).endswith("projected_gravity_b"):
            return state["projected_gravity"]
        if kind == "state/joint/position":
            return [state["q"][n] for n in self.source.renamed(names)]
        if kind == "state/joint/velocity":
            return [state["dq"][n] for n in self.source.renamed(names)]
        if kind == "state/joint/effort":
            return [state["tau"][n] for n in self.source.renamed(names)]
        if kind == "state/body/angular_velocity":
            return state["gyro_rad_s"]
        if kind == "state/body/linear_velocity":
            return state["velocity_m_s"]
        if kind == "state/body/rotation":
            by_name = dict(zip("wxyz", state["orientation_wxyz"]))
            return [by_name[name[-1]] for name in names]
        if kind == "command/body/velocity":
            vx, vy, wz = self.source.clamped(state["command"])
            by_name = {"vx": vx, "lin_vel_x": vx, "linear_x": vx, "x": vx, "vy": vy, "lin_vel_y": vy, "linear_y": vy,
                       "y": vy, "wz": wz, "ang_vel_z": wz, "angular_z": wz, "yaw_rate": wz}
            return [by_name[name] for name in names]
        raise SystemExit(f"no quantity of kind {kind}")

    def step(self, state):
        feeds = dict(self.state)
        for name, tensor in self.inputs.items():
            if name not in feeds:
                feeds[name] = np.asarray(self.quantity(tensor, state), tensor["dtype"]).reshape(tensor["shape"])
        outputs = self.graph.run(feeds)
        self.state = {name: outputs[source] for name, source in self.feedback.items()}
        return dict(zip(self.joints, outputs[self.target].reshape(-1).astype(float)))
