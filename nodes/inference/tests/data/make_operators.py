#!/usr/bin/env python3
"""Write operators.json: one small ONNX graph per operator and variant, inputs, and what NumPy makes of them.

    pip install numpy onnx && python make_operators.py
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(7)


def normal(*shape, scale=1.0):
    return (RNG.normal(size=shape) * scale).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def case(name, op, inputs, constants=(), order=None, nodes=None, **attributes):
    """`inputs` and `constants` are named arrays; `order` is the operator's argument list ('' leaves one out)."""
    inputs, constants = dict(inputs), dict(constants)
    order = order or [*inputs, *constants]
    nodes = nodes or [helper.make_node(op, order, ["y"], **attributes)]
    ports = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in inputs.items()]
    graph = helper.make_graph(
        nodes,
        "case",
        ports,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (y,) = ReferenceEvaluator(model).run(["y"], inputs)
    return {
        "name": name,
        "onnx": model.SerializeToString().hex(),
        "inputs": [{"name": k, "shape": v.shape, "values": v.ravel().tolist()} for k, v in inputs.items()],
        "shape": y.shape,
        "values": y.ravel().astype(float).tolist(),
    }


def cases():
    wide = normal(2, 40, scale=4.0)
    yield case("Gemm", "Gemm", {"x": normal(1, 7)}, {"w": normal(7, 33), "b": normal(33)})
    yield case("Gemm transB alpha beta", "Gemm", {"x": normal(3, 5)}, {"w": normal(4, 5), "b": normal(3, 1)}, transB=1, alpha=0.5, beta=2.0)
    yield case("Gemm without bias", "Gemm", {"x": normal(2, 3)}, {"w": normal(3, 64)})
    yield case("Gemm scalar bias", "Gemm", {"x": normal(2, 3)}, {"w": normal(3, 2), "b": normal()})
    yield case("MatMul constant", "MatMul", {"x": normal(1, 6)}, {"w": normal(6, 35)})
    yield case("MatMul three axes", "MatMul", {"x": normal(2, 3, 4)}, {"w": normal(4, 5)})
    yield case("MatMul vector", "MatMul", {"x": normal(4)}, {"w": normal(4, 5)})
    yield case("MatMul computed", "MatMul", {"a": normal(3, 4), "b": normal(4, 5)})
    for op in ("Add", "Sub", "Mul", "Div"):
        yield case(f"{op} same", op, {"a": normal(2, 9), "b": normal(2, 9) + 3})
        yield case(f"{op} scalar right", op, {"a": normal(2, 9)}, {"b": normal(1) + 3})
        yield case(f"{op} scalar left", op, {"b": normal(2, 9) + 4}, {"a": normal()}, order=["a", "b"])
        yield case(f"{op} row", op, {"a": normal(3, 4)}, {"b": normal(4) + 3})
        yield case(f"{op} column and row", op, {"a": normal(3, 1), "b": normal(1, 4) + 3})
    yield case("Slice", "Slice", {"x": normal(1, 12)}, {"s": ints(6), "e": ints(9), "a": ints(1)})
    yield case("Slice negative", "Slice", {"x": normal(3, 6)}, {"s": ints(-3), "e": ints(2**62), "a": ints(-1)})
    yield case("Slice backwards", "Slice", {"x": normal(3, 6)}, {"s": ints(2, 4), "e": ints(-9, 0), "a": ints(0, 1), "t": ints(-1, -2)})
    yield case("Slice default axes", "Slice", {"x": normal(4, 6)}, {"s": ints(1, 2), "e": ints(3, 5)})
    yield case("Concat columns", "Concat", {"a": normal(2, 3), "b": normal(2, 1), "c": normal(2, 4)}, axis=-1)
    yield case("Concat rows", "Concat", {"a": normal(2, 3), "b": normal(1, 3)}, axis=0)
    yield case("Concat middle", "Concat", {"a": normal(2, 1, 3), "b": normal(2, 2, 3)}, axis=1)
    yield case("Clip", "Clip", {"x": normal(2, 8)}, {"lo": np.float32(-0.5), "hi": np.float32(0.75)})
    yield case("Clip above only", "Clip", {"x": normal(2, 8)}, {"hi": np.float32(0.1)}, order=["x", "", "hi"])
    yield case("Clip below only", "Clip", {"x": normal(2, 8)}, {"lo": np.float32(0.1)})
    yield case("Relu", "Relu", {"x": wide})
    yield case("Elu", "Elu", {"x": wide})
    yield case("Elu alpha", "Elu", {"x": wide}, alpha=0.3)
    yield case("Tanh", "Tanh", {"x": wide})
    yield case("Sigmoid", "Sigmoid", {"x": wide * 5})
    yield case("Identity", "Identity", {"x": normal(2, 3)})
    yield case("Reshape", "Reshape", {"x": normal(2, 6)}, {"s": ints(0, 3, -1)})
    yield case("Flatten", "Flatten", {"x": normal(2, 3, 4)}, axis=2)
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(normal(3)))
    yield case("Constant", "Add", {"x": normal(2, 3)}, nodes=[constant, helper.make_node("Add", ["x", "c"], ["y"])])
    chain = [
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Reshape", ["i", "s"], ["r"]),
        helper.make_node("Tanh", ["r"], ["t"]),
        helper.make_node("Concat", ["t", "r"], ["y"], axis=1),
    ]
    yield case("chain through aliases", "", {"x": normal(6)}, {"s": ints(2, 3)}, nodes=chain)


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("operators.json")
    rows = ",\n".join(json.dumps(c) for c in cases())
    path.write_text("[\n" + rows + "\n]\n")
    print(path.name, path.stat().st_size, "bytes")
