"""config.yaml over base.yaml: names by robot place, everything else by policy joint; run 0 is the newest."""

import numpy as np

from source import Graph, Source, load


class RlSar:
    def __init__(self, request):
        source = self.source = Source(request)
        config_file = source.find("config.yaml")
        self.p = {}
        for file in (source.find("base.yaml"), config_file):
            if file is not None:
                (body,) = load(file).values()
                self.p |= body
        said = (source.said.get("joints") or {}).get("order")
        places = self.p["joint_mapping"]
        self.joints = said or [source.renamed(self.p["joint_names"])[place] for place in places]
        self.kp = source.per_joint("kp", self.joints, self.p["rl_kp"])
        self.kd = source.per_joint("kd", self.joints, self.p["rl_kd"])
        self.default_pos = source.per_joint("default_pos", self.joints, self.p.get("default_dof_pos"))
        period = self.p["dt"] * self.p["decimation"] if "dt" in self.p and "decimation" in self.p else None
        self.rate_hz = source.rate_hz(None if period is None else 1 / period)
        self.graph_file = source.graph((config_file.parent / self.p["model_name"]).relative_to(source.folder))
        self.graph = Graph(self.graph_file)
        self.needs = ("velocity_m_s",) if "lin_vel" in self.p["observations"] else ()

    def reset(self):
        self.actions = np.zeros(len(self.joints))
        runs = self.p.get("observations_history") or [0]
        # moments[k] is the observation k runs ago; before the first run they are zeros.
        self.moments = [None] * (max(runs) + 1)

    def terms(self, state):
        q = np.array([state["q"][n] for n in self.joints])
        dq = np.array([state["dq"][n] for n in self.joints])
        table = {
            "lin_vel": lambda: state["velocity_m_s"] * self.p["lin_vel_scale"],
            "ang_vel": lambda: state["gyro_rad_s"] * self.p["ang_vel_scale"],
            "gravity_vec": lambda: state["projected_gravity"],
            "commands": lambda: self.source.clamped(state["command"]) * np.array(self.p["commands_scale"]),
            "dof_pos": lambda: (q - self.default_pos) * self.p["dof_pos_scale"],
            "dof_vel": lambda: dq * self.p["dof_vel_scale"],
            "actions": lambda: self.actions,
        }
        limit = self.p.get("clip_obs", np.inf)
        return [np.clip(table[name](), -limit, limit) for name in self.p["observations"]]

    def step(self, state):
        now = self.terms(state)
        self.moments = [now] + self.moments[:-1]
        blank = [np.zeros_like(term) for term in now]
        moments = [blank if m is None else m for m in self.moments]
        runs = self.p.get("observations_history") or [0]
        if self.p.get("observations_history_priority", "time") == "time":
            parts = [term for run in runs for term in moments[run]]
        else:
            parts = [moments[run][index] for index in range(len(now)) for run in runs]
        observation = np.concatenate(parts).astype(np.float32)[None]
        actions = self.graph.run({self.graph.inputs[0]: observation})[self.graph.outputs[0]].reshape(-1).astype(float)
        lower, upper = self.p.get("clip_actions_lower"), self.p.get("clip_actions_upper")
        if lower and upper:
            actions = np.clip(actions, lower, upper)
        self.actions = actions
        return dict(zip(self.joints, actions * self.p["action_scale"] + np.array(self.default_pos)))
