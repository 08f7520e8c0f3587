#!/usr/bin/env python3
"""Write operators.json (value by value, products) and structures.json (movement, reductions, recurrence).

One small ONNX graph per operator and variant, inputs, and what NumPy makes of them.

    pip install numpy onnx && python make_operators.py
"""

import json
import math
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


ELEMENTS = {np.float32: "f32", np.float16: "f16", np.int64: "i64", np.int32: "i32", np.bool_: "bool"}


def element(array):
    return ELEMENTS[array.dtype.type]


def shortest(array):
    """The shortest decimals that are read back as the same 32-bit floats."""
    return [float(str(np.float32(v))) for v in array.ravel()]


def port(name, array):
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)


def case(name, op, inputs, constants=(), order=None, nodes=None, opset=17, y=None, **attributes):
    """`inputs` and `constants` are named arrays; `order` is the operator's argument list ('' leaves one out).

    `y` is the result when the reference evaluator is not to be asked.
    """
    inputs, constants = dict(inputs), dict(constants)
    order = order or [*inputs, *constants]
    nodes = nodes or [helper.make_node(op, order, ["y"], **attributes)]
    ports = [port(k, v) for k, v in inputs.items()]
    weights = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    if y is None:
        trial = helper.make_graph(nodes, "case", ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
        trial = helper.make_model(trial, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        (y,) = ReferenceEvaluator(trial).run(["y"], inputs)
    y = np.asarray(y)
    graph = helper.make_graph(nodes, "case", ports, [port("y", y)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return {
        "name": name,
        "onnx": model.SerializeToString().hex(),
        "inputs": [
            {"name": k, "element": element(v), "shape": v.shape, "values": shortest(v)}
            for k, v in inputs.items()
        ],
        "element": element(y),
        "shape": y.shape,
        "values": shortest(y),
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
    yield from activations()
    yield from arithmetic()


def structures():
    yield from movement()
    yield from reductions()
    yield from recurrent()
    yield from exporters()
    yield from quantised()


def erf(x):
    return np.array([math.erf(v) for v in np.ravel(x)]).reshape(np.shape(x))


def activations():
    wide = normal(2, 20, scale=3.0)
    for op in ("Softplus", "Softsign", "HardSwish", "Abs", "Neg", "Sign", "Sin", "Cos", "Erf", "Floor", "Ceil"):
        yield case(op, op, {"x": wide})
    yield case("Round", "Round", {"x": np.array([0.5, 1.5, -0.5, -2.5, 2.4, -7.6], np.float32)})
    yield case("Exp", "Exp", {"x": wide})
    for op in ("Log", "Sqrt", "Reciprocal"):
        yield case(op, op, {"x": np.abs(wide) + np.float32(0.01)})
    yield case("LeakyRelu", "LeakyRelu", {"x": wide})
    yield case("LeakyRelu alpha", "LeakyRelu", {"x": wide}, alpha=0.2)
    yield case("Selu", "Selu", {"x": wide})
    yield case("Celu", "Celu", {"x": wide}, alpha=1.7)
    yield case("HardSigmoid", "HardSigmoid", {"x": wide})
    yield case("HardSigmoid alpha beta", "HardSigmoid", {"x": wide}, alpha=0.4, beta=0.3)
    x = wide.astype(float)
    yield case("Mish", "Mish", {"x": wide}, opset=18, y=(x * np.tanh(np.log1p(np.exp(x)))).astype(np.float32))
    yield case("Gelu", "Gelu", {"x": wide}, opset=20, y=(0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(np.float32))
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    yield case("Gelu tanh", "Gelu", {"x": wide}, opset=20, approximate="tanh", y=(0.5 * x * (1 + np.tanh(inner))).astype(np.float32))
    yield case("Swish", "Swish", {"x": wide}, opset=24, alpha=1.5, y=(x / (1 + np.exp(-1.5 * x))).astype(np.float32))
    yield case("PRelu", "PRelu", {"x": normal(3, 4)}, {"slope": normal(4)})
    gelu = [
        helper.make_node("Div", ["x", "root"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["f"]),
        helper.make_node("Mul", ["x", "f"], ["g"]),
        helper.make_node("Mul", ["g", "half"], ["y"]),
    ]
    scalars = {"root": np.float32(math.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5)}
    yield case("Gelu in pieces", "", {"x": wide}, scalars, nodes=gelu)
    layers = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["b", "m"], ["a"]),
        helper.make_node("Elu", ["a"], ["e"]),
        helper.make_node("Gemm", ["e", "v", "c"], ["g"], transB=1),
        helper.make_node("Tanh", ["g"], ["y"]),
    ]
    weights = {"w": normal(5, 40), "b": normal(40), "v": normal(20, 40, scale=0.2), "c": normal(20)}
    yield case("layers with bias and activation", "", {"x": normal(2, 5)}, weights, nodes=layers)
    # The sum is read twice, so it has to be there.
    layers = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("Sub", ["r", "m"], ["y"]),
    ]
    yield case("layer read twice", "", {"x": normal(2, 5)}, {"w": normal(5, 9)}, nodes=layers)
    yield case("Gemm bias per row", "Gemm", {"x": normal(3, 5)}, {"w": normal(5, 4), "b": normal(3, 4)})


def arithmetic():
    a, b = normal(2, 5), normal(2, 5)
    yield case("Pow square", "Pow", {"x": a}, {"e": np.float32(2)})
    yield case("Pow whole exponent", "Pow", {"x": a}, {"e": ints(3)})
    yield case("Pow row", "Pow", {"x": np.abs(a)}, {"e": np.abs(normal(5))})
    yield case("Min", "Min", {"a": a, "b": b})
    yield case("Max of three", "Max", {"a": a, "b": b, "c": normal(5)})
    yield case("Sum of four", "Sum", {"a": a, "b": b, "c": normal(1), "d": normal(2, 1)})
    tied = np.where(a > 0, a, b)
    for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"):
        yield case(op, op, {"a": a, "b": tied})
    for op in ("And", "Or"):
        yield case(op, op, {"a": a > 0, "b": b > 0})
    yield case("Not", "Not", {"a": a > 0})
    yield case("Where", "Where", {"c": a > 0, "a": a}, {"b": normal(5)})
    yield case("Cast to bool", "Cast", {"x": np.array([0, 1, -0.5, 2], np.float32)}, to=TensorProto.BOOL)
    yield case("Cast to whole", "Cast", {"x": np.array([0.9, -1.7, 3, 8e6], np.float32)}, to=TensorProto.INT64)
    yield case("Cast from whole", "Cast", {"x": ints(3, -7, 2**24)}, to=TensorProto.FLOAT)
    yield case("Cast to half", "Cast", {"x": normal(1, 9) * 100}, to=TensorProto.FLOAT16)
    halves = [helper.make_node("Cast", ["h"], ["w"], to=TensorProto.FLOAT), helper.make_node("MatMul", ["x", "w"], ["y"])]
    yield case("half weights", "", {"x": normal(1, 4)}, {"h": normal(4, 3).astype(np.float16)}, nodes=halves)
    halves = [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT), helper.make_node("Tanh", ["c"], ["y"])]
    yield case("half input", "", {"x": np.array([0.5, 1.25, -3], np.float16)}, nodes=halves)
    whole = np.array([7, -7, 5, -1], np.int64)
    yield case("Div whole", "Div", {"a": whole, "b": ints(2, 2, -3, 4)}, y=ints(3, -3, -1, 0))
    yield case("Mul whole", "Mul", {"a": whole}, {"b": ints(3)})
    yield case("Add whole 32", "Add", {"a": whole.astype(np.int32), "b": whole.astype(np.int32)})
    yield case("Clip whole", "Clip", {"a": whole}, {"lo": np.int64(-2), "hi": np.int64(6)})


def movement():
    x = normal(2, 3, 4)
    yield case("Transpose", "Transpose", {"x": x})
    yield case("Transpose perm", "Transpose", {"x": x}, perm=[1, 0, 2])
    yield case("Squeeze axes", "Squeeze", {"x": normal(1, 3, 1)}, {"a": ints(0)})
    yield case("Squeeze all", "Squeeze", {"x": normal(1, 3, 1)})
    yield case("Squeeze attribute", "Squeeze", {"x": normal(1, 3, 1)}, opset=11, axes=[-1])
    yield case("Unsqueeze", "Unsqueeze", {"x": normal(3, 2)}, {"a": ints(0, -1)})
    yield case("Unsqueeze attribute", "Unsqueeze", {"x": normal(3, 2)}, opset=12, axes=[1])
    yield case("Gather", "Gather", {"x": x}, {"i": ints(2, 0, -1)}, axis=1)
    yield case("Gather one", "Gather", {"x": x}, {"i": np.int64(1)}, axis=2)
    yield case("Gather computed", "Gather", {"i": ints(2, -1, 0)}, {"t": normal(3, 4)}, order=["t", "i"])
    yield case("Gather computed axis", "Gather", {"x": x, "i": ints(1, 3)}, axis=2)
    yield case("Expand", "Expand", {"x": normal(3, 1)}, {"s": ints(2, 1, 4)})
    yield case("Tile", "Tile", {"x": normal(2, 3)}, {"r": ints(2, 3)})
    yield case("Dropout", "Dropout", {"x": normal(2, 3)})
    node = helper.make_node("Split", ["x", "s"], ["a", "b"], axis=1)
    join = helper.make_node("Concat", ["b", "a"], ["y"], axis=1)
    yield case("Split sizes", "", {"x": normal(2, 5)}, {"s": ints(2, 3)}, nodes=[node, join])
    node = helper.make_node("Split", ["x"], ["a", "b"], axis=1, split=[1, 4])
    yield case("Split attribute", "", {"x": normal(2, 5)}, nodes=[node, join], opset=11)
    node = helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    yield case("Split uneven", "", {"x": normal(2, 5)}, nodes=[node, join], opset=18)
    yield case("Shape", "Shape", {"x": x})
    yield case("Shape part", "Shape", {"x": x}, start=-2)
    yield case("Size", "Size", {"x": x})
    zeros = [
        helper.make_node("ConstantOfShape", ["s"], ["z"], value=numpy_helper.from_array(np.array([2.5], np.float32))),
        helper.make_node("Add", ["x", "z"], ["y"]),
    ]
    yield case("ConstantOfShape", "", {"x": normal(2, 3)}, {"s": ints(2, 3)}, nodes=zeros)
    rows = [
        helper.make_node("Range", ["zero", "end", "two"], ["r"]),
        helper.make_node("Gather", ["x", "r"], ["y"], axis=1),
    ]
    yield case("Range", "", {"x": normal(2, 5)}, {"zero": np.int64(0), "end": np.int64(5), "two": np.int64(2)}, nodes=rows)
    scalar = [helper.make_node("Constant", [], ["c"], value_float=0.75), helper.make_node("Mul", ["x", "c"], ["y"])]
    yield case("Constant of a float", "", {"x": normal(2, 3)}, nodes=scalar)
    listed = [
        helper.make_node("Constant", [], ["f"], value_floats=[0.5, 2.0, -1.0]),
        helper.make_node("Constant", [], ["i"], value_ints=[2, 0, 1]),
        helper.make_node("Gather", ["f", "i"], ["c"]),
        helper.make_node("Mul", ["x", "c"], ["y"]),
    ]
    yield case("Constants of lists", "", {"x": normal(2, 3)}, nodes=listed)
    yield case("MatMul batch", "MatMul", {"a": normal(2, 3, 4), "b": normal(2, 4, 5)})
    yield case("MatMul constant left", "MatMul", {"b": normal(4, 2)}, {"a": normal(3, 4)}, order=["a", "b"])


def reductions():
    x = normal(2, 3, 4)
    for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"):
        yield case(op, op, {"x": x}, axes=[-1])
        yield case(f"{op} axes as input", op, {"x": x}, {"a": ints(1)}, opset=18, keepdims=0)
    yield case("ReduceSum", "ReduceSum", {"x": x}, {"a": ints(1, 2)})
    yield case("ReduceMean all", "ReduceMean", {"x": x}, keepdims=0)
    yield case("Softmax", "Softmax", {"x": x})
    yield case("Softmax axis", "Softmax", {"x": x}, axis=1)
    flat = np.exp(x.reshape(2, 12).astype(float))
    flat = (flat / flat.sum(1, keepdims=True)).reshape(x.shape).astype(np.float32)
    yield case("Softmax of opset 12", "Softmax", {"x": x}, opset=12, y=flat)
    yield case("LogSoftmax", "LogSoftmax", {"x": x * 10})
    yield case("LayerNormalization", "LayerNormalization", {"x": normal(2, 9)}, {"s": normal(9), "b": normal(9)}, epsilon=1e-3)
    yield case("LayerNormalization two axes", "LayerNormalization", {"x": x}, {"s": normal(3, 4)}, axis=1)
    norm, scale = normal(2, 9), normal(9)
    square = np.mean(norm.astype(float) ** 2, axis=-1, keepdims=True)
    rms = (norm / np.sqrt(square + 1e-5) * scale).astype(np.float32)
    yield case("RMSNormalization", "RMSNormalization", {"x": norm}, {"s": scale}, opset=23, y=rms)
    pieces = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[-1]),
        helper.make_node("Sub", ["x", "m"], ["d"]),
        helper.make_node("Pow", ["d", "two"], ["p"]),
        helper.make_node("ReduceMean", ["p"], ["v"], axes=[-1]),
        helper.make_node("Add", ["v", "eps"], ["e"]),
        helper.make_node("Sqrt", ["e"], ["r"]),
        helper.make_node("Div", ["d", "r"], ["n"]),
        helper.make_node("Mul", ["n", "s"], ["g"]),
        helper.make_node("Add", ["g", "b"], ["y"]),
    ]
    constants = {"two": np.float32(2), "eps": np.float32(1e-5), "s": normal(9), "b": normal(9)}
    yield case("LayerNormalization in pieces", "", {"x": normal(2, 9)}, constants, nodes=pieces, opset=13)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, w, r, b, h, c):
    """Hidden states of all steps; gates in the order input, output, forget, cell."""
    x, w, r, b, h, c = (np.asarray(v, float) for v in (x, w, r, b, h, c))
    n = r.shape[-1]
    wb, rb = b[0, : 4 * n], b[0, 4 * n :]
    all_h = []
    for step in x:
        i, o, f, g = np.split(step @ w[0].T + h @ r[0].T + wb + rb, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        all_h.append(h)
    return np.array(all_h, np.float32)[:, None], h.astype(np.float32)[None], c.astype(np.float32)[None]


def gru(x, w, r, b, h, reset_after):
    """Hidden states of all steps; gates in the order update, reset, new."""
    x, w, r, b, h = (np.asarray(v, float) for v in (x, w, r, b, h))
    n = r.shape[-1]
    wb, rb = b[0, : 3 * n], b[0, 3 * n :]
    all_h = []
    for step in x:
        a = step @ w[0].T + wb
        q = h @ r[0].T + rb
        z, s = sigmoid(a[:, :n] + q[:, :n]), sigmoid(a[:, n : 2 * n] + q[:, n : 2 * n])
        if reset_after:
            new = np.tanh(a[:, 2 * n :] + s * q[:, 2 * n :])
        else:
            new = np.tanh(a[:, 2 * n :] + (s * h) @ r[0, 2 * n :].T + rb[2 * n :])
        h = (1 - z) * new + z * h
        all_h.append(h)
    return np.array(all_h, np.float32)[:, None], h.astype(np.float32)[None]


def recurrent():
    def outputs(kind, wanted, names, **attributes):
        listed = [("y" if i == wanted else "") for i in range(max(wanted + 1, 1))]
        return [helper.make_node(kind, names, listed, hidden_size=6, **attributes)]

    w, r, b = normal(1, 24, 5, scale=0.5), normal(1, 24, 6, scale=0.5), normal(1, 48, scale=0.3)
    weights = {"w": w, "r": r, "b": b}
    x, h, c = normal(4, 2, 5), normal(1, 2, 6), normal(1, 2, 6)
    results = lstm(x, w, r, b, h[0], c[0])
    names = ["x", "w", "r", "b", "", "h", "c"]
    for index, what in enumerate(("all", "hidden", "cell")):
        yield case(f"LSTM {what}", "", {"x": x, "h": h, "c": c}, weights, nodes=outputs("LSTM", index, names), y=results[index])
    zero = np.zeros((2, 6))
    yield case("LSTM from zero", "", {"x": x[:1]}, weights, nodes=outputs("LSTM", 1, ["x", "w", "r", "b"]), y=lstm(x[:1], w, r, b, zero, zero)[1])
    bare = lstm(x, w, r, np.zeros((1, 48)), zero, zero)[0]
    yield case("LSTM without bias", "", {"x": x}, {"w": w, "r": r}, nodes=outputs("LSTM", 0, ["x", "w", "r"]), y=bare)
    w, r, b = w[:, :18], r[:, :18], b[:, :36]
    weights = {"w": w, "r": r, "b": b}
    for after in (0, 1):
        results = gru(x, w, r, b, h[0], after)
        for index, what in enumerate(("all", "hidden")):
            nodes = outputs("GRU", index, ["x", "w", "r", "b", "", "h"], linear_before_reset=after)
            yield case(f"GRU {what} {after}", "", {"x": x, "h": h}, weights, nodes=nodes, y=results[index])


def exporters():
    """What exporters write around a layer: shapes worked out inside the graph, states of zeros, tables by index."""
    w, r, b = normal(1, 16, 3, scale=0.5), normal(1, 16, 4, scale=0.5), normal(1, 32, scale=0.3)
    x = normal(2, 1, 3)
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.int64(1))),
        helper.make_node("Gather", ["shape", "one"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch", "zero"], ["batch1"]),
        helper.make_node("Concat", ["layers", "batch1", "hidden"], ["state"], axis=0),
        helper.make_node("ConstantOfShape", ["state"], ["h0"]),
        helper.make_node("Expand", ["scalar", "state"], ["c0"]),
        helper.make_node("LSTM", ["x", "w", "r", "b", "", "h0", "c0"], ["all", "", ""], hidden_size=4),
        helper.make_node("Squeeze", ["all", "axis"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("Gather", ["turned", "last"], ["y"], axis=1),
    ]
    constants = {"w": w, "r": r, "b": b, "zero": ints(0), "layers": ints(1), "hidden": ints(4), "axis": ints(1)}
    constants |= {"scalar": np.float32(0), "last": np.int64(-1)}
    state = np.zeros((1, 4))
    y = lstm(x, w, r, b, state, state)[1][0]
    yield case("LSTM with its state made in the graph", "", {"x": x}, constants, nodes=nodes, y=y)
    nodes = [
        helper.make_node("ConstantOfShape", ["rank"], ["ones"], value=numpy_helper.from_array(ints(1))),
        helper.make_node("Mul", ["ones", "minus"], ["open"]),
        helper.make_node("Equal", ["wanted", "open"], ["is_open"]),
        helper.make_node("Where", ["is_open", "ones", "wanted"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    constants = {"rank": ints(2), "minus": np.int64(-1), "wanted": ints(3, -1)}
    yield case("Expand with an open size", "", {"x": normal(1, 4)}, constants, nodes=nodes)
    nodes = [
        helper.make_node("Cast", ["time_step"], ["t"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["t", "axis"], ["s"]),
        helper.make_node("Clip", ["s", "", "last"], ["c"]),
        helper.make_node("Gather", ["motion", "c"], ["y"], axis=0),
    ]
    constants = {"axis": ints(-1), "last": np.int64(5), "motion": normal(6, 3)}
    for step in (2, 9):
        start = np.array([[step]], np.float32)
        y = constants["motion"][[min(step, 5)]]
        yield case(f"motion by time step {step}", "", {"time_step": start}, constants, nodes=nodes, y=y)
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["d"]),
        helper.make_node("Div", ["d", "std"], ["n"]),
        helper.make_node("Clip", ["n", "lo", "hi"], ["c"]),
        helper.make_node("Gemm", ["c", "w", "b"], ["y"], transB=1),
    ]
    constants = {"mean": normal(1, 7), "std": np.abs(normal(1, 7)) + 1, "lo": np.float32(-2), "hi": np.float32(2)}
    constants |= {"w": normal(4, 7), "b": normal(4)}
    yield case("normaliser in the graph", "", {"x": normal(1, 7, scale=4)}, constants, nodes=nodes)


def steps(x, scale, zero):
    """Quantised and back: the nearest step, ties to even, within the range of the zero point's type."""
    limits = np.iinfo(zero.dtype)
    whole = np.clip(np.rint(x / scale) + zero.astype(np.float32), limits.min, limits.max)
    return ((whole - zero.astype(np.float32)) * scale).astype(np.float32)


def quantised():
    """Numbers with a scale and a zero point, as quantised graphs are written."""

    def there_and_back(name, x, scale, zero, between=(), y=None, opset=17, **attributes):
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **attributes),
            *between,
            helper.make_node("DequantizeLinear", [between[-1].output[0] if between else "q", "s", "z"], ["y"], **attributes),
        ]
        axis = attributes.get("axis", 1)
        along = [1] * x.ndim
        if np.ndim(scale):
            along[axis] = -1
        wanted = steps(x, np.reshape(scale, along), np.reshape(zero, along))
        constants = {"s": np.asarray(scale, np.float32), "z": zero}
        return case(name, "", {"x": x}, constants, nodes=nodes, opset=opset, y=wanted if y is None else y(wanted))

    ties = np.array([[-3, -1, 1, 3, 5, 7, 0, 2.5, 1e30, -1e30]], np.float32)
    yield there_and_back("QuantizeLinear ties and ends", ties, np.float32(2), np.uint8(7))
    yield there_and_back("QuantizeLinear with a sign", ties * 40, np.float32(2), np.int8(-5))
    yield there_and_back("QuantizeLinear", normal(3, 8), np.float32(0.03125), np.uint8(128), opset=13)
    scale, zero = np.array([0.5, 0.25, 0.0625], np.float32), np.array([0, -20, 100], np.int8)
    yield there_and_back("QuantizeLinear axis", normal(3, 5, scale=9.0), scale, zero, axis=0)
    yield there_and_back("QuantizeLinear axis from the end", normal(2, 3, 4, scale=9.0), scale, zero, axis=-2)
    turn = [helper.make_node("Reshape", ["q", "shape"], ["r"]), helper.make_node("Transpose", ["r"], ["t"])]
    x, scale = normal(2, 6), np.float32(0.0625)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        *turn,
        helper.make_node("DequantizeLinear", ["t", "s"], ["y"]),
    ]
    y = steps(x, scale, np.uint8(0)).reshape(3, 4).T
    yield case("QuantizeLinear without zero point, moved about", "", {"x": x}, {"s": scale, "shape": ints(3, 4)}, nodes=nodes, y=y)
    layer = [helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0), helper.make_node("MatMul", ["x", "w"], ["y"])]
    whole, scale, zero = ints(*RNG.integers(0, 256, 20)).astype(np.uint8).reshape(4, 5), normal(4), ints(3, 128, 0, 255).astype(np.uint8)
    scale = np.abs(scale) / 64
    x = normal(2, 4)
    y = (x.astype(float) @ ((whole.astype(float) - zero[:, None]) * scale[:, None])).astype(np.float32)
    yield case("DequantizeLinear of weights", "", {"x": x}, {"q": whole, "s": scale, "z": zero}, nodes=layer, y=y)
    layer = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["b"]),
        helper.make_node("Add", ["x", "b"], ["y"]),
    ]
    whole, scale, x = ints(70_000_001, -3, 12_345).astype(np.int32), np.float32(1e-7), normal(1, 3)
    y = (x + whole.astype(np.float32) * scale).astype(np.float32)
    yield case("DequantizeLinear of a bias", "", {"x": x}, {"q": whole, "s": scale}, nodes=layer, y=y)
    layer = [
        helper.make_node("QuantizeLinear", ["v", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    weights, scale, x = normal(4, 5), np.float32(0.0173), normal(2, 4)
    y = (x.astype(float) @ steps(weights, scale, np.int8(0)).astype(float)).astype(np.float32)
    yield case("QuantizeLinear of weights", "", {"x": x}, {"v": weights, "s": scale, "z": np.int8(0)}, nodes=layer, y=y)


if __name__ == "__main__":
    for name, made in (("operators", cases()), ("structures", structures())):
        path = pathlib.Path(__file__).with_name(f"{name}.json")
        rows = ",\n".join(json.dumps(c, separators=(",", ":")) for c in made)
        path.write_text("[\n" + rows + "\n]\n")
        print(path.name, path.stat().st_size, "bytes")
