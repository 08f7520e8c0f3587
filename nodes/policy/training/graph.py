"""The exported ONNX graph: network and gait prior in one, from the observation to joint targets.

    obs [1, n] -> actions [1, j] (fed back by the stack), joint_targets [1, j] (rad)

Only Gemm, Elu, Slice, Mul, Relu, MatMul and Add: any engine runs it.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class _Builder:
    def __init__(self):
        self.initializers, self.nodes = [], []

    def constant(self, name, value):
        kind = np.int64 if np.asarray(value).dtype.kind == "i" else np.float32
        self.initializers.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def slice(self, part, name):
        bounds = [self.constant(f"{name}_{key}", np.array([at])) for key, at in
                  (("start", part.start), ("end", part.stop), ("axis", 1))]  # fmt: skip
        return self.node("Slice", ["obs", *bounds], name)


def build(recipe, layout, prior, layers):
    """The model; `layers` are (weight (in, out), bias) of the policy network."""
    b = _Builder()
    x = "obs"
    for index, (weight, bias) in enumerate(layers):
        last = index == len(layers) - 1
        operands = [x, b.constant(f"W{index}", weight), b.constant(f"b{index}", bias)]
        x = b.node("Gemm", operands, "actions" if last else f"hidden{index}")
        if not last:
            x = b.node("Elu", [x], f"elu{index}", alpha=1.0)

    clock = layout.slices["phase/sin_cos"]
    sin_cos = b.slice(clock, "sin_cos")
    cosine = b.slice(slice(clock.start + 1, clock.stop), "cosine")
    terms = []

    def add(source, matrix, name):
        if np.any(matrix):
            terms.append(b.node("MatMul", [source, b.constant(f"{name}_map", matrix)], name))

    shift = b.constant("threshold", np.full(prior.groups.shape[0], -prior.threshold))
    for name, sign, matrix in (("swing", 1.0, prior.swing), ("stance", -1.0, prior.stance)):
        if np.any(matrix):
            leg = b.constant(f"{name}_groups", sign * prior.groups.T)
            lift = b.node("Relu", [b.node("Gemm", [sin_cos, leg, shift], f"{name}_lift")], f"{name}_relu")
            add(lift, matrix.T, name)
    add(sin_cos, prior.sway.T, "sway")
    command = b.slice(layout.slices["command/body/velocity"], "command")
    unscaled = prior.sweep.T / layout.scales["command/body/velocity"][:, None]
    add(b.node("Mul", [command, cosine], "command_cosine"), unscaled, "sweep")
    if np.any(prior.posture):
        for kind, columns, name in (
            ("state/body/projected_gravity", slice(0, 2), "gravity"),
            ("state/body/angular_velocity", slice(2, 4), "gyro"),
        ):
            start = layout.slices[kind].start
            source = b.slice(slice(start, start + 2), name)
            add(source, prior.posture[:, columns].T / layout.scales[kind][:2, None], f"posture_{name}")
    action_scale = b.constant("action_scale", np.array([recipe.ppo.action_scale]))
    terms.append(b.node("Mul", ["actions", action_scale], "correction"))
    total = b.constant("default_rad", np.array([recipe.robot.default_rad]))
    for index, term in enumerate(terms):
        total = b.node("Add", [total, term], "joint_targets" if index == len(terms) - 1 else f"sum{index}")

    joints = len(recipe.robot.joints)
    graph = helper.make_graph(
        b.nodes,
        recipe.robot.policy,
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, layout.size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, joints]) for name in ("actions", "joint_targets")],
        b.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
