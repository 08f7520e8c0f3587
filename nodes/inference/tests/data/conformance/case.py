"""One model of the conformance suite: its graph, and what comes out of it compared with an oracle."""

import json
import math
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(11)
TICKS = 5
ELEMENTS = {"f32": (TensorProto.FLOAT, np.float32), "i64": (TensorProto.INT64, np.int64)}


def weights(*shape):
    """As a layer is initialised: outputs of the size of the inputs."""
    return (RNG.normal(size=shape) / math.sqrt(max(shape[-1], 1))).astype(np.float32)


def wide(array):
    return np.asarray(array, np.float64)


class Graph:
    """Nodes and weights in the order they are used."""

    def __init__(self, name, shows, opset=17):
        self.name, self.shows, self.opset = name, shows, opset
        self.nodes, self.constants, self.count = [], {}, 0
        self.inputs, self.outputs, self.states = {}, {}, []

    def input(self, name, shape, element="f32"):
        self.inputs[name] = (element, list(shape))
        return name

    def constant(self, array, name=None):
        name = name or f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def node(self, op, *inputs, outputs=1, to=None, **attributes):
        """Adds a node; arrays among the inputs become constants."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.count += 1
        made = to if isinstance(to, list) else [to or f"t{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, made, **attributes))
        return made[0] if len(made) == 1 else made

    def gemm(self, x, w, b, to=None):
        return self.node("Gemm", x, w, b, transB=1, to=to)

    def output(self, name, shape, element="f32"):
        self.outputs[name] = (element, list(shape))

    def state(self, read, written):
        self.states.append({"input": read, "output": written})

    def model(self):
        def port(name, spec):
            return helper.make_tensor_value_info(name, ELEMENTS[spec[0]][0], spec[1])

        graph = helper.make_graph(
            self.nodes,
            self.name,
            [port(*i) for i in self.inputs.items()],
            [port(*o) for o in self.outputs.items()],
            [numpy_helper.from_array(v, k) for k, v in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        return model

    def write(self, oracle, draw=None, external=None):
        """`oracle` gives the outputs of one tick; states come back to it as they went out."""
        path = HERE / f"{self.name}.onnx"
        model = self.model()
        if external:
            (HERE / external).unlink(missing_ok=True)
            onnx.save_model(
                model, path, save_as_external_data=True, location=external, size_threshold=256
            )
        else:
            onnx.save_model(model, path)
        for file in HERE.glob("*.data"):
            file.chmod(0o644)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        carried = {s["input"]: np.zeros(self.inputs[s["input"]][1], np.float32) for s in self.states}
        exact = {k: wide(v) for k, v in carried.items()}
        ticks = []
        for tick in range(TICKS):
            fed = {}
            for name, (element, shape) in self.inputs.items():
                if name not in carried:
                    fed[name] = (draw or {}).get(name, lambda t, s=shape: RNG.normal(size=s))(tick)
                    fed[name] = np.asarray(fed[name], ELEMENTS[element][1]).reshape(shape)
            expected = oracle(**fed, **exact)
            found = session.run(list(self.outputs), {**fed, **carried})
            for (name, (_, shape)), value in zip(self.outputs.items(), found):
                expected[name] = np.reshape(expected[name], shape)
                worst = np.abs(expected[name] - value).max()
                assert worst < 5e-6, (self.name, tick, name, worst)
            for pair in self.states:
                exact[pair["input"]] = expected[pair["output"]]
                carried[pair["input"]] = np.float32(expected[pair["output"]])
            ticks.append({"inputs": flat(fed), "outputs": flat({k: expected[k] for k in self.outputs})})
        tensor = lambda item: {"name": item[0], "element": item[1][0], "shape": item[1][1]}
        text = {
            "name": self.name,
            "shows": self.shows,
            "inputs": [tensor(i) for i in self.inputs.items()],
            "outputs": [tensor(o) for o in self.outputs.items()],
            "states": self.states,
            "ticks": ticks,
        }
        path.with_suffix(".json").write_text(json.dumps(text, separators=(",", ":")) + "\n")
        print(f"{self.name}: {path.stat().st_size} + {path.with_suffix('.json').stat().st_size} bytes")


def flat(tensors):
    """Shortest decimals that are read back as the same 32-bit floats."""
    return {k: [float(str(np.float32(v))) for v in np.ravel(a)] for k, a in tensors.items()}


def layers(*sizes):
    return [(weights(o, i), weights(o) * 0.1) for i, o in zip(sizes, sizes[1:])]
