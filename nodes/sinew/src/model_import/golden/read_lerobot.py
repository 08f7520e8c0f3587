"""LeRobot: normalised joint states in, normalised joint targets out, several at a time."""

import json

import numpy as np

from read_leapp import safetensors
from source import Graph, Source


class Lerobot:
    needs = ()

    def __init__(self, request):
        source = Source(request)
        config = json.loads(source.find("config.json").read_text(encoding="utf-8"))
        info_file = source.find("info.json")
        info = json.loads(info_file.read_text(encoding="utf-8")) if info_file else {}
        features = info.get("features", {})
        said = source.said
        action_names = (said.get("joints") or {}).get("order") or features["action"]["names"]
        state_names = (said.get("features") or {}).get("state") or features["observation.state"]["names"]
        self.joints = source.renamed([n.removesuffix(".pos") for n in action_names])
        self.state = []
        for name in state_names:
            joint, _, quantity = name.rpartition(".")
            if quantity not in ("pos", "vel"):
                joint, quantity = name, "pos"
            self.state.append((source.renamed([joint])[0], {"pos": "q", "vel": "dq"}[quantity]))
        self.per_unit = {"rad": 1.0, "deg": np.pi / 180}[said["units"]]
        self.kp = source.per_joint("kp", self.joints, None)
        self.kd = source.per_joint("kd", self.joints, None)
        self.default_pos = None
        self.rate_hz = source.rate_hz(info.get("fps"))
        self.before = self.norm(source, "policy_preprocessor.json", "normalizer_processor", "STATE")
        self.after = self.norm(source, "policy_postprocessor.json", "unnormalizer_processor", "ACTION")
        self.graph_file = source.graph()
        self.graph = Graph(self.graph_file)
        self.steps = config.get("chunk_size", config.get("horizon", 1))
        self.execute = config.get("n_action_steps", 1) if self.steps > 1 else 1
        if self.steps > 1:
            period = (said.get("chunk") or {}).get("dt_s", 1 / info["fps"] if "fps" in info else 1 / self.rate_hz)
            if abs(period * self.rate_hz - 1) > 1e-6:
                raise SystemExit("chunks are followed here only at the rate of their actions (--set chunk.dt_s)")
        self.coefficient = config.get("temporal_ensemble_coeff") if self.steps > 1 else None
        # An ensemble knows of every moment, so it is asked for the one in which its answer acts.
        self.lead = source.lead_s * self.rate_hz
        self.hold = (said.get("chunk") or {}).get("interp") == "hold"

    @staticmethod
    def norm(source, name, step, feature):
        file = source.find(name)
        (found,) = [s for s in json.loads(file.read_text(encoding="utf-8"))["steps"] if s["registry_name"] == step]
        mode = found["config"]["norm_map"][feature]
        stats = safetensors(file.parent / found["state_file"]) if "state_file" in found else {}
        return mode, stats, found["config"].get("eps", 1e-8)

    @staticmethod
    def bounds(norm, key):
        mode, stats, eps = norm
        low, high = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99")}[mode]
        low, high = stats[f"{key}.{low}"].astype(float), stats[f"{key}.{high}"].astype(float)
        width = np.where(high == low, eps, high - low)
        return low, width

    def normalised(self, x):
        mode, stats, eps = self.before
        if mode == "IDENTITY":
            return x
        if mode == "MEAN_STD":
            mean, std = stats["observation.state.mean"].astype(float), stats["observation.state.std"].astype(float)
            return (x - mean) / (std + eps)
        low, width = self.bounds(self.before, "observation.state")
        return 2 * (x - low) / width - 1

    def restored(self, y):
        mode, stats, _ = self.after
        if mode == "IDENTITY":
            return y
        if mode == "MEAN_STD":
            return y * stats["action.std"].astype(float) + stats["action.mean"].astype(float)
        low, width = self.bounds(self.after, "action")
        return (y + 1) / 2 * width + low

    def reset(self):
        self.queue = []
        self.chunks = []

    def chunk(self, state):
        x = np.array([state[quantity][joint] for joint, quantity in self.state]) / self.per_unit
        shape = self.graph.shape(self.graph.inputs[0])
        feeds = {self.graph.inputs[0]: self.normalised(x).astype(np.float32).reshape(shape)}
        rows = self.graph.run(feeds)[self.graph.outputs[0]].reshape(self.steps, -1).astype(float)
        return [self.restored(row) for row in rows]

    def ensemble(self, state):
        """Mean of what all chunks say of the time of use; the oldest weighs 1, each newer one exp(-coefficient) of the one
        before."""
        self.chunks = (self.chunks + [self.chunk(state)])[-self.steps :]
        ages = np.arange(len(self.chunks))[::-1] + self.lead
        said = [self.at(chunk, age) for age, chunk in zip(ages, self.chunks) if age <= self.steps - 1]
        return np.average(said, axis=0, weights=np.exp(-self.coefficient * np.arange(len(said))))

    def at(self, chunk, age):
        before = int(age)
        share = 0.0 if self.hold else age - before
        return chunk[before] + share * (chunk[min(before + 1, self.steps - 1)] - chunk[before])

    def step(self, state):
        if self.coefficient is not None:
            return dict(zip(self.joints, self.ensemble(state) * self.per_unit))
        if not self.queue:
            self.queue = self.chunk(state)[: self.execute]
        return dict(zip(self.joints, self.queue.pop(0) * self.per_unit))
