#!/usr/bin/env python3
"""Write the models of the conformance suite, with what must come out of them tick by tick.

    pip install numpy onnx onnxruntime && python make_conformance.py

Each NAME.onnx has a NAME.json: tensors, state pairs, ticks. Outputs are worked out here in 64-bit NumPy, by
formulas that know nothing of the graph, and compared with what onnxruntime makes of the graph.
"""

import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import RNG, Graph, layers, weights, wide


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elu(x):
    return np.where(x < 0, np.expm1(x), x)


def silu(x):
    return x * sigmoid(x)


def erf(x):
    return np.vectorize(math.erf)(x)


def linear(x, w, b):
    """`w` as [outputs, inputs]."""
    return x @ wide(w).T + wide(b)


def mlp():
    net = layers(48, 64, 32, 12)
    g = Graph("mlp", "dense layers with Elu, as a walking policy has them")
    x = g.input("obs", (1, 48))
    for w, b in net[:-1]:
        x = g.node("Elu", g.gemm(x, w, b))
    g.gemm(x, *net[-1], to="actions")
    g.output("actions", (1, 12))

    def oracle(obs):
        x = wide(obs)
        for w, b in net[:-1]:
            x = elu(linear(x, w, b))
        return {"actions": linear(x, *net[-1])}

    g.write(oracle)


def matmul():
    net = layers(30, 40, 8)
    g = Graph("matmul", "the same as MatMul and Add on three axes, with several outputs split off and joined", opset=13)
    x = g.input("obs", (1, 1, 30))
    for w, b in net:
        x = g.node("Add", g.node("MatMul", x, w.T), b)
        if w.shape[0] == 40:
            x = g.node("Relu", x)
    a, b = g.node("Split", x, np.array([3, 5]), outputs=2, axis=2)
    g.node("Concat", g.node("Tanh", b), a, axis=-1, to="actions")
    g.output("actions", (1, 1, 8))

    def oracle(obs):
        x = linear(np.maximum(linear(wide(obs), *net[0]), 0), *net[1])
        return {"actions": np.concatenate([np.tanh(x[..., 3:]), x[..., :3]], axis=-1)}

    g.write(oracle)


def activations():
    sqrt2 = math.sqrt(2)
    softplus = lambda x: np.log1p(np.exp(x))
    kinds = [
        ("Relu", {}, lambda x: np.maximum(x, 0)),
        ("LeakyRelu", {"alpha": 0.1}, lambda x: np.where(x < 0, 0.1 * x, x)),
        ("Elu", {"alpha": 0.7}, lambda x: np.where(x < 0, 0.7 * np.expm1(x), x)),
        ("Selu", {}, lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(x), x)),
        ("Sigmoid", {}, sigmoid),
        ("Tanh", {}, np.tanh),
        ("Softplus", {}, softplus),
        ("Gelu", {}, lambda x: 0.5 * x * (1 + erf(x / sqrt2))),
        ("HardSigmoid", {}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        ("HardSwish", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        ("Mish", {}, lambda x: x * np.tanh(softplus(x))),
        ("Erf", {}, erf),
        ("Sin", {}, np.sin),
        ("Cos", {}, np.cos),
    ]
    w, b = weights(20 * len(kinds), 16), weights(20 * len(kinds)) * 0.1
    head = layers(20 * len(kinds), 10)[0]
    g = Graph("activations", "every activation policies are exported with, side by side", opset=20)
    x = g.gemm(g.input("obs", (1, 16)), w, b)
    parts = g.node("Split", x, outputs=len(kinds), axis=1, num_outputs=len(kinds))
    acts = [g.node(op, part, **attributes) for (op, attributes, _), part in zip(kinds, parts)]
    g.gemm(g.node("Concat", *acts, axis=1), *head, to="actions")
    g.output("actions", (1, 10))

    def oracle(obs):
        parts = np.split(linear(wide(obs), w, b), len(kinds), axis=1)
        return {"actions": linear(np.concatenate([f(p) for (_, _, f), p in zip(kinds, parts)], axis=1), *head)}

    g.write(oracle, draw={"obs": lambda t: 2 * RNG.normal(size=(1, 16))})


def lstm_cell(x, h, c, w, r, b):
    n = h.shape[-1]
    i, o, f, new = np.split(x @ wide(w[0]).T + h @ wide(r[0]).T + wide(b[0, : 4 * n]) + wide(b[0, 4 * n :]), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    return sigmoid(o) * np.tanh(c), c


def lstm():
    n, cells = 24, []
    for inputs in (20, 24):
        cells.append((weights(1, 4 * n, inputs), weights(1, 4 * n, n), weights(1, 8 * n)))
    head = layers(n, 12)[0]
    g = Graph("lstm", "two LSTM layers, their states stacked in one tensor as exporters do, one step a run")
    x = g.node("Unsqueeze", g.input("obs", (1, 20)), np.array([0]))
    h_in, c_in = g.input("h_in", (2, 1, n)), g.input("c_in", (2, 1, n))
    hs, cs = [], []
    for layer, (w, r, b) in enumerate(cells):
        at = [np.array([layer]), np.array([layer + 1]), np.array([0])]
        h, c = g.node("Slice", h_in, *at), g.node("Slice", c_in, *at)
        all_h, h, c = g.node("LSTM", x, w, r, b, "", h, c, outputs=3, hidden_size=n)
        x = g.node("Squeeze", all_h, np.array([1]))
        hs.append(h)
        cs.append(c)
    g.node("Concat", *hs, axis=0, to="h_out")
    g.node("Concat", *cs, axis=0, to="c_out")
    g.gemm(g.node("Squeeze", x, np.array([0])), *head, to="actions")
    g.output("actions", (1, 12))
    g.output("h_out", (2, 1, n))
    g.output("c_out", (2, 1, n))
    g.state("h_in", "h_out")
    g.state("c_in", "c_out")

    def oracle(obs, h_in, c_in):
        x, hs, cs = wide(obs), [], []
        for layer, cell in enumerate(cells):
            x, c = lstm_cell(x, h_in[layer], c_in[layer], *cell)
            hs.append(x)
            cs.append(c)
        return {"actions": linear(x, *head), "h_out": np.array(hs), "c_out": np.array(cs)}

    g.write(oracle)


def lstm_sequence():
    n = 16
    w, r, b = weights(1, 4 * n, 6), weights(1, 4 * n, n), weights(1, 8 * n)
    g = Graph("lstm_sequence", "an LSTM over a window of five steps; its first state is made in the graph", opset=14)
    x = g.node("Transpose", g.input("window", (1, 5, 6)), perm=[1, 0, 2])
    batch = g.node("Gather", g.node("Shape", x), np.int64(1), axis=0)
    size = g.node("Concat", np.array([1]), g.node("Unsqueeze", batch, np.array([0])), np.array([n]), axis=0)
    zeros = g.node("ConstantOfShape", size, value=numpy_helper.from_array(np.zeros(1, np.float32)))
    all_h, last, cell = g.node("LSTM", x, w, r, b, "", zeros, zeros, outputs=3, hidden_size=n)
    turned = g.node("Transpose", g.node("Squeeze", all_h, np.array([1])), perm=[1, 0, 2])
    g.node("Gather", turned, np.int64(-1), axis=1, to="code")
    g.node("ReduceMean", turned, axes=[1], keepdims=0, to="mean")
    g.output("code", (1, n))
    g.output("mean", (1, n))

    def oracle(window):
        h, c, all_h = np.zeros((1, n)), np.zeros((1, n)), []
        for step in wide(window).transpose(1, 0, 2):
            h, c = lstm_cell(step, h, c, w, r, b)
            all_h.append(h)
        return {"code": h, "mean": np.mean(all_h, axis=0)}

    g.write(oracle)


def gru(name, shows, reset_after):
    n = 28
    w, r, b = weights(1, 3 * n, 20), weights(1, 3 * n, n), weights(1, 6 * n)
    head = layers(n, 12)[0]
    g = Graph(name, shows)
    x = g.node("Unsqueeze", g.input("obs", (1, 20)), np.array([0]))
    g.node("GRU", x, w, r, b, "", g.input("h_in", (1, 1, n)), to=["all", "h_out"], hidden_size=n, linear_before_reset=reset_after)
    flat_h = g.node("Reshape", "all", np.array([1, -1]))
    g.gemm(flat_h, *head, to="actions")
    g.output("actions", (1, 12))
    g.output("h_out", (1, 1, n))
    g.state("h_in", "h_out")

    def oracle(obs, h_in):
        h, x = h_in[0], wide(obs)
        a = x @ wide(w[0]).T + wide(b[0, : 3 * n])
        q = h @ wide(r[0]).T + wide(b[0, 3 * n :])
        z, s = sigmoid(a[:, :n] + q[:, :n]), sigmoid(a[:, n : 2 * n] + q[:, n : 2 * n])
        late = (s * h) @ wide(r[0, 2 * n :]).T + wide(b[0, 5 * n :])
        new = np.tanh(a[:, 2 * n :] + (s * q[:, 2 * n :] if reset_after else late))
        h = (1 - z) * new + z * h
        return {"actions": linear(h, *head), "h_out": h[None]}

    g.write(oracle)


def normalised(x, scale, bias, epsilon):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * wide(scale) + wide(bias)


def layer_norm(name, shows, pieces):
    net, scale, bias = layers(32, 48, 12), 1 + weights(48), weights(48)
    epsilon = 1e-5
    g = Graph(name, shows, opset=11 if pieces else 17)
    x = g.gemm(g.input("obs", (1, 32)), *net[0])
    if pieces:
        d = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
        v = g.node("ReduceMean", g.node("Pow", d, np.float32(2)), axes=[-1])
        n = g.node("Div", d, g.node("Sqrt", g.node("Add", v, np.float32(epsilon))))
        x = g.node("Add", g.node("Mul", n, scale), bias)
    else:
        x = g.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)
    x = g.node("Mul", x, g.node("Sigmoid", x))
    g.gemm(x, *net[1], to="actions")
    g.output("actions", (1, 12))
    g.write(lambda obs: {"actions": linear(silu(normalised(linear(wide(obs), *net[0]), scale, bias, epsilon)), *net[1])})


def normaliser():
    net, mean, std = layers(45, 32, 12), weights(1, 45) * 4, np.abs(weights(1, 45)) * 3 + 0.5
    std = std.astype(np.float32)
    low, high = weights(12) - 1, np.abs(weights(12)) + 0.5
    low, high = low.astype(np.float32), high.astype(np.float32)
    g = Graph("normaliser", "observations normalised, clipped and joined with their command inside the graph; actions scaled to limits")
    obs = g.node("Div", g.node("Sub", g.input("obs", (1, 45)), mean), g.node("Add", std, np.float32(0.01)))
    x = g.node("Elu", g.gemm(g.node("Clip", obs, np.float32(-5), np.float32(5)), *net[0]))
    x = g.node("Tanh", g.gemm(x, *net[1]))
    half = g.node("Div", g.node("Sub", high, low), np.float32(2))
    g.node("Add", g.node("Mul", g.node("Add", x, np.float32(1)), half), low, to="targets")
    g.output("targets", (1, 12))

    def oracle(obs):
        x = np.clip((wide(obs) - mean) / (wide(std) + 0.01), -5, 5)
        x = np.tanh(linear(elu(linear(x, *net[0])), *net[1]))
        return {"targets": (x + 1) * (wide(high) - low) / 2 + low}

    g.write(oracle, draw={"obs": lambda t: 4 * RNG.normal(size=(1, 45))})


def external():
    net = layers(40, 64, 12)
    g = Graph("external", "weights in a file beside the graph")
    x = g.node("Tanh", g.gemm(g.input("obs", (1, 40)), *net[0]))
    g.gemm(x, *net[1], to="actions")
    g.output("actions", (1, 12))
    oracle = lambda obs: {"actions": linear(np.tanh(linear(wide(obs), *net[0])), *net[1])}
    g.write(oracle, external="external.onnx.data")


def half():
    net = layers(36, 48, 12)
    net = [(w.astype(np.float16), b.astype(np.float16)) for w, b in net]
    g = Graph("half", "weights of 16 bits, widened in the graph")
    x = g.input("obs", (1, 36))
    for index, (w, b) in enumerate(net):
        wide_w, wide_b = cast(g, w), cast(g, b)
        x = g.gemm(x, wide_w, wide_b, to="actions" if index else None)
        if not index:
            x = g.node("Relu", x)
    g.output("actions", (1, 12))
    g.write(lambda obs: {"actions": linear(np.maximum(linear(wide(obs), *net[0]), 0), *net[1])})


def cast(g, value, kind=TensorProto.FLOAT):
    name = value if isinstance(value, str) else g.constant(value)
    g.count += 1
    made = f"t{g.count}_0"
    g.nodes.append(helper.make_node("Cast", [name], [made], to=kind))
    return made


def quantised():
    """Weights, biases and activations in 8 bits; every number it meets lies well away from the middle between two
    steps, so that the last bit of a sum decides nothing.

    Weights with a sign keep to 7 bits: with all 8, pairs of products overflow in the kernels that onnxruntime has
    for CPUs with AVX2 and no VNNI, and what comes out depends on the machine.
    """
    sizes = (24, 40, 12)
    (w1, b1), (w2, b2) = layers(*sizes)
    obs_scale, obs_zero = np.float32(4 / 127), np.uint8(121)
    hid_scale, hid_zero = np.float32(3 / 255), np.uint8(0)
    s1 = (np.abs(w1).max(axis=1) / 63).astype(np.float32)
    q1 = np.rint(w1 / s1[:, None]).astype(np.int8)
    sb = (obs_scale * s1).astype(np.float32)
    qb = np.rint(b1 / sb).astype(np.int32)
    s2, z2 = np.float32((w2.max() - w2.min()) / 255), np.uint8(np.rint(-w2.min() / ((w2.max() - w2.min()) / 255)))
    q2 = np.clip(np.rint(w2.T / s2) + z2, 0, 255).astype(np.uint8)

    g = Graph("quantised", "8 bits: QuantizeLinear and DequantizeLinear around two layers, per tensor and per row", opset=13)
    x = g.input("obs", (1, 24))
    scale, zero = g.constant(obs_scale), g.constant(obs_zero)
    x = g.node("DequantizeLinear", g.node("QuantizeLinear", x, scale, zero), scale, zero)
    w = g.node("DequantizeLinear", q1, s1, np.zeros(40, np.int8), axis=0)
    b = g.node("DequantizeLinear", qb, sb, np.zeros(40, np.int32), axis=0)
    x = g.node("Relu", g.gemm(x, w, b))
    scale, zero = g.constant(hid_scale), g.constant(hid_zero)
    x = g.node("DequantizeLinear", g.node("QuantizeLinear", x, scale, zero), scale, zero)
    x = g.node("MatMul", x, g.node("DequantizeLinear", q2, s2, z2))
    g.node("Add", x, b2, to="actions")
    g.output("actions", (1, 12))

    def step(x, scale, zero):
        at = wide(x) / wide(scale)
        margins.append(np.abs(np.abs(at - np.floor(at)) - 0.5).min())
        return (np.clip(np.rint(at) + wide(zero), 0, 255) - wide(zero)) * wide(scale)

    margins = []

    def oracle(obs):
        x = step(obs, obs_scale, obs_zero)
        x = np.maximum(x @ (q1 * wide(s1)[:, None]).T + qb * wide(sb), 0)
        x = step(x, hid_scale, hid_zero)
        return {"actions": x @ ((wide(q2) - wide(z2)) * wide(s2)) + wide(b2)}

    def draw(tick):
        while True:
            obs = np.float32(1.5 * RNG.normal(size=(1, 24)))
            margins.clear()
            oracle(obs)
            if min(margins) > 2e-3:
                return obs

    g.write(oracle, draw={"obs": draw})


def motion():
    net, table = layers(10 + 24, 32, 12), weights(7, 24) * 3
    g = Graph("motion", "a whole number as input: the time step of a motion, held at its end")
    obs, step = g.input("obs", (1, 10)), g.input("time_step", (1, 1), "i64")
    at = g.node("Clip", g.node("Squeeze", step, np.array([-1])), np.int64(0), np.int64(6))
    row = g.node("Gather", table, at, axis=0, to="reference")
    x = g.node("Elu", g.gemm(g.node("Concat", obs, row, axis=1), *net[0]))
    g.gemm(x, *net[1], to="actions")
    g.node("Add", at, np.array([1]), to="next_step")
    g.output("actions", (1, 12))
    g.output("reference", (1, 24))
    g.output("next_step", (1,), "i64")

    def oracle(obs, time_step):
        at = int(np.clip(time_step, 0, 6).item())
        row = wide(table[[at]])
        x = elu(linear(np.concatenate([wide(obs), row], axis=1), *net[0]))
        return {"actions": linear(x, *net[1]), "reference": row, "next_step": np.array([at + 1])}

    g.write(oracle, draw={"time_step": lambda t: [0, 1, 3, 6, 40][t]})


def attention():
    n, heads, steps = 16, 2, 6
    wq, wk, wv, wo = (weights(n, n) for _ in range(4))
    g = Graph("attention", "one layer of attention over a window, as a history encoder has it")
    x = g.input("window", (1, steps, n))
    parts = []
    for w in (wq, wk, wv):
        y = g.node("Reshape", g.node("MatMul", x, w.T), np.array([1, steps, heads, n // heads]))
        parts.append(y)
    q, v = (g.node("Transpose", parts[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    k = g.node("Transpose", parts[1], perm=[0, 2, 3, 1])
    score = g.node("Mul", g.node("MatMul", q, k), np.float32(1 / math.sqrt(n // heads)))
    mixed = g.node("Transpose", g.node("MatMul", g.node("Softmax", score, axis=-1), v), perm=[0, 2, 1, 3])
    joined = g.node("MatMul", g.node("Reshape", mixed, np.array([1, steps, n])), wo.T)
    g.node("ReduceMax", g.node("Add", joined, x), axes=[1], keepdims=0, to="code")
    g.output("code", (1, n))

    def oracle(window):
        x = wide(window)[0]
        q, k, v = ((x @ wide(w).T).reshape(steps, heads, -1).transpose(1, 0, 2) for w in (wq, wk, wv))
        s = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(n // heads))
        mixed = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(steps, n)
        return {"code": (mixed @ wide(wo).T + x).max(axis=0)}

    g.write(oracle)


if __name__ == "__main__":
    mlp()
    matmul()
    activations()
    lstm()
    lstm_sequence()
    gru("gru", "a GRU whose reset comes after the recurrent product, one step a run", 1)
    gru("gru_early_reset", "a GRU whose reset comes before the recurrent product", 0)
    layer_norm("layer_norm", "layer normalisation as one operator", False)
    layer_norm("layer_norm_pieces", "layer normalisation in pieces, as older exporters write it", True)
    normaliser()
    external()
    half()
    motion()
    attention()
    quantised()
