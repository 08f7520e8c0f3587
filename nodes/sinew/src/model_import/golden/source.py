"""The files of the source, and what the user says in their place."""

import pathlib
import re

import numpy as np
import onnxruntime
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, as other readers of these files take them; Python tags are read as plain lists."""

    yaml_implicit_resolvers = {}


def integer(loader, node):
    """Decimal (`010` is ten), or with the prefix 0x, 0o or 0b."""
    text = loader.construct_scalar(node)
    digits = text.lstrip("+-")
    value = int(digits, 0) if digits[:2] in ("0x", "0o", "0b") else int(digits, 10)
    return -value if text.startswith("-") else value


def real(loader, node):
    return float(loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


SCALARS = [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?([0-9]+(_[0-9]+)*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
]
for name, pattern, first in SCALARS:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), first)
Loader.add_constructor("tag:yaml.org,2002:int", integer)
Loader.add_constructor("tag:yaml.org,2002:float", real)
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: loader.construct_sequence(node))


def load(path):
    return yaml.load(pathlib.Path(path).read_text(encoding="utf-8"), Loader)


class Source:
    def __init__(self, request):
        self.folder = pathlib.Path(request["folder"])
        self.said = request["said"]
        self.lead_s = request["lead_s"]

    def find(self, name):
        """The one file called `name` below the folder, or None."""
        found = sorted(self.folder.rglob(name))
        if len(found) > 1:
            raise SystemExit(f"{len(found)} files called {name}")
        return found[0] if found else None

    def graph(self, named=None):
        file = self.said.get("graph") or named
        if file is None:
            (found,) = self.folder.rglob("*.onnx")
            return found
        return self.folder / file

    def renamed(self, names):
        table = self.said.get("rename") or {}
        return [table.get(name, name) for name in names]

    def per_joint(self, key, joints, own):
        """`joints.key` as the user gives it (number, list or by name), else the source's own."""
        given = (self.said.get("joints") or {}).get(key)
        if given is None:
            return own
        if isinstance(given, dict):
            return [given[name] for name in joints]
        return list(given) if isinstance(given, list) else [given] * len(joints)

    def clamped(self, command, own=None):
        """The velocity command within `command.range` as the user gives it, else within the source's own."""
        ranges = (self.said.get("command") or {}).get("range") or own or {}
        axes = zip(("vx", "vy", "wz"), command)
        return np.array([np.clip(v, *ranges[axis]) if ranges.get(axis) else v for axis, v in axes])

    def rate_hz(self, own):
        given = (self.said.get("runtime") or {}).get("rate_hz")
        value = own if given is None else given
        return round(float(value), 6)


class Graph:
    """An ONNX file in ONNX Runtime, one thread, CPU."""

    def __init__(self, file):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.metadata = self.session.get_modelmeta().custom_metadata_map

    def shape(self, name):
        (port,) = [i for i in self.session.get_inputs() if i.name == name]
        return [d if isinstance(d, int) else 1 for d in port.shape]

    def run(self, feeds):
        return dict(zip(self.outputs, self.session.run(self.outputs, feeds)))
