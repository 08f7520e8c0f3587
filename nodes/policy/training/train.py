"""The training loop: roll out, estimate advantages, learn; curve and checkpoint as it goes."""

import csv
import time

import numpy as np

from . import checkpoint
from .environment import Environment
from .ppo import Learner, parameters

COLUMNS = ["iteration", "steps", "wall_s", "cpu_s", "reward", "error_v", "error_w", "match", "clearance", "falls",
           "std", "rate", "divergence"]  # fmt: skip


def advantages(rewards, values, last_value, done, gamma, gae_lambda):
    """Generalised advantage estimates, (steps, n)."""
    result = np.zeros_like(rewards)
    running = np.zeros_like(last_value)
    for t in range(len(rewards) - 1, -1, -1):
        following = last_value if t == len(rewards) - 1 else values[t + 1]
        goes_on = 1.0 - done[t]
        delta = rewards[t] + gamma * following * goes_on - values[t]
        running = delta + gamma * gae_lambda * goes_on * running
        result[t] = running
    return result


def train(recipe, folder, seconds=None, iterations=None, start=None, threads=1, report_every=10, say=print):
    """Trains until `seconds` of wall time or `iterations` are over; returns the last figures.

    Only a run by iterations can be repeated number for number: wall time ends elsewhere each time.
    """
    ppo = recipe.ppo
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(recipe, ppo.environments, ppo.seed, threads)
    observation, privileged = environment.observe()
    loaded = None
    if start:
        found, about = checkpoint.load(start)
        loaded = checkpoint.fit(found, about, recipe, environment.layout)
    learner = Learner(recipe, parameters(recipe, observation.shape[1], privileged.shape[1], loaded), ppo.mirror)
    rng = np.random.default_rng(ppo.seed + 1)
    began, cpu_began, steps, iteration, row = time.time(), time.process_time(), 0, 0, {}
    with open(folder / "learning_curve.csv", "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        while not _over(iteration, iterations, time.time() - began, seconds):
            iteration += 1
            grown = 1.0 if loaded else min(1.0, iteration / max(1, ppo.curriculum_iterations))
            environment.level = ppo.curriculum_start + (1 - ppo.curriculum_start) * grown
            batch, figures, observation, privileged = rollout(environment, learner, rng, observation, privileged)
            learner.learn(rng, batch, iteration)
            steps += ppo.environments * ppo.steps
            row = {
                "iteration": iteration,
                "steps": steps,
                "wall_s": round(time.time() - began),
                "cpu_s": round(time.process_time() - cpu_began),
                **{key: round(float(value), 4) for key, value in figures.items()},
                "std": round(float(np.exp(learner.params["log_std"]).mean()), 4),
                "rate": f"{learner.rate:.1e}",
                "divergence": round(learner.divergence, 4),
            }
            table.writerow(row)
            if iteration % report_every == 0:
                file.flush()
                say(" ".join(f"{key} {value}" for key, value in row.items()))
                checkpoint.save(folder / "checkpoint.npz", learner.params, recipe, environment.layout, steps)
    checkpoint.save(folder / "checkpoint.npz", learner.params, recipe, environment.layout, steps)
    return row


def _over(iteration, iterations, elapsed, seconds):
    return (iterations is not None and iteration >= iterations) or (seconds is not None and elapsed >= seconds)


def rollout(environment, learner, rng, observation, privileged):
    """One batch for the learner, mirrored where the recipe says so."""
    ppo, layout = learner.ppo, environment.layout
    keys = ("observation", "privileged", "action", "log_prob", "mean", "value", "reward", "done")
    kept, sums, falls = {key: [] for key in keys}, {}, 0
    for _ in range(ppo.steps):
        mean, std, value = learner.act(observation, privileged)
        action = mean + std * rng.standard_normal(mean.shape).astype(np.float32)
        log_prob = (-0.5 * ((action - mean) / std) ** 2 - np.log(std)).sum(1)
        for key, item in zip(keys, (observation, privileged, action, log_prob, mean, value)):
            kept[key].append(item)
        observation, privileged, gained, fell, timed_out, final, figures = environment.step(
            action.astype(float), observation
        )
        late = timed_out & ~fell
        if late.any():  # the episode was cut, not lost: its future counts
            gained = gained + ppo.gamma * learner.value(final) * late
        kept["reward"].append(gained)
        kept["done"].append((fell | timed_out).astype(np.float32))
        falls += int(fell.sum())
        for key, item in figures.items():
            sums[key] = sums.get(key, 0.0) + float(item) / ppo.steps
    values = np.array(kept["value"])
    estimates = advantages(
        np.array(kept["reward"]), values, learner.value(privileged), np.array(kept["done"]), ppo.gamma, ppo.gae_lambda
    )
    returns = (estimates + values).reshape(-1)
    advantage = estimates.reshape(-1)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    flat = {key: np.concatenate(kept[key]) for key in keys[:5]}
    batch = [flat["observation"], flat["privileged"], flat["action"], flat["log_prob"], advantage, returns, flat["mean"]]
    if ppo.mirror:
        seen = [
            layout.mirror(batch[0]), environment.mirror_privileged(batch[1]), layout.mirror_action(batch[2]),
            batch[3], batch[4], batch[5], layout.mirror_action(batch[6]),
        ]  # fmt: skip
        batch = [np.concatenate(pair) for pair in zip(batch, seen)]
    batch.append(np.broadcast_to(std, batch[6].shape))
    batch = [np.ascontiguousarray(item, np.float32) for item in batch]
    return batch, {"reward": np.mean(kept["reward"]), **sums, "falls": falls}, observation, privileged
