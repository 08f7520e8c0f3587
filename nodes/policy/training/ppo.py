"""Proximal policy optimisation in JAX: an actor with its own exploration, a critic that sees more, one update.

The step size follows the measured divergence; value and policy gradients are clipped apart, so that a critic that
starts anew cannot drown the policy.
"""

import os

# One thread, before JAX starts: same sums in the same order on every machine of a kind.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402


def _network(key, sizes, last_gain):
    layers = []
    for index, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:])):
        key, part = jax.random.split(key)
        gain = last_gain if index == len(sizes) - 2 else 1.4
        square = jax.random.orthogonal(part, max(inputs, outputs))
        layers.append((square[:inputs, :outputs] * gain, jnp.zeros(outputs)))
    return layers


def _forward(layers, x):
    for index, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if index < len(layers) - 1:
            x = jax.nn.elu(x)
    return x


def parameters(recipe, observation, privileged, start=None):
    """Fresh weights, or those of a loaded checkpoint where it has them."""
    ppo, joints = recipe.ppo, len(recipe.robot.joints)
    actor_key, critic_key = jax.random.split(jax.random.PRNGKey(ppo.seed))
    made = {
        "pi": _network(actor_key, [observation, *ppo.hidden, joints], 0.01),
        "v": _network(critic_key, [privileged, *ppo.hidden, 1], 1.0),
        "log_std": jnp.full(joints, ppo.log_std),
    }
    if start:
        for net in ("pi", "v"):
            if start[net] and start[net][0][0].shape == made[net][0][0].shape:
                made[net] = [(jnp.array(weight), jnp.array(bias)) for weight, bias in start[net]]
            elif net == "pi":
                raise ValueError(f"checkpoint: first layer {start[net][0][0].shape}, expected {made[net][0][0].shape}")
            else:
                weight, bias = made[net][-1]
                made[net][-1] = (weight, bias + ppo.reseat_value)
        made["log_std"] = jnp.minimum(jnp.array(start["log_std"]), ppo.log_std_start_max)
    return made


def _clipped(gradient, largest=1.0):
    norm = jnp.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(gradient)))
    return jax.tree.map(lambda leaf: leaf * jnp.minimum(1.0, largest / (norm + 1e-8)), gradient)


class Learner:
    """Parameters, Adam's moments and the step size."""

    def __init__(self, recipe, params, mirror):
        self.ppo, self.params, self.mirror = recipe.ppo, params, mirror
        self.moments = jax.tree.map(jnp.zeros_like, (params, params))
        self.updates, self.rate, self.divergence = 0, recipe.ppo.learning_rate, 0.0
        self._act = jax.jit(
            lambda p, o, x: (_forward(p["pi"], o), jnp.exp(p["log_std"]), _forward(p["v"], x)[:, 0])
        )
        self._value = jax.jit(lambda p, x: _forward(p["v"], x)[:, 0])
        self._update = jax.jit(self._minibatch)

    def act(self, observation, privileged):
        """(mean action, standard deviation, value)."""
        return tuple(np.asarray(x) for x in self._act(self.params, observation, privileged))

    def value(self, privileged):
        """Value of states."""
        return np.asarray(self._value(self.params, privileged))

    def _loss(self, params, batch):
        observation, privileged, action, log_prob, advantage, returns, old_mean, old_std = batch
        mean, std = _forward(params["pi"], observation), jnp.exp(params["log_std"])
        log = (-0.5 * ((action - mean) / std) ** 2 - params["log_std"]).sum(1)
        ratio = jnp.exp(log - log_prob)
        bounded = jnp.clip(ratio, 1 - self.ppo.clip, 1 + self.ppo.clip)
        policy = -jnp.minimum(ratio * advantage, bounded * advantage).mean()
        value = ((_forward(params["v"], privileged)[:, 0] - returns) ** 2).mean()
        spread = (old_std**2 + (old_mean - mean) ** 2) / (2 * std**2)
        divergence = (jnp.log(std / old_std) + spread - 0.5).sum(1).mean()
        return policy + value - self.ppo.entropy * params["log_std"].sum(), divergence

    def _minibatch(self, params, moments, count, batch, rate):
        (_, divergence), gradient = jax.value_and_grad(self._loss, has_aux=True)(params, batch)
        actor = _clipped({"pi": gradient["pi"], "log_std": gradient["log_std"]})
        gradient = {**actor, "v": _clipped(gradient["v"])}
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradient)
        rates = {"pi": rate, "log_std": rate, "v": self.ppo.value_learning_rate}

        def moved(key):
            def one(part, m, v):
                mean, square = m / (1 - 0.9**count), v / (1 - 0.999**count)
                return part - rates[key] * mean / (jnp.sqrt(square) + 1e-8)

            return jax.tree.map(one, params[key], first[key], second[key])

        params = {key: moved(key) for key in params}
        params["log_std"] = jnp.clip(params["log_std"], self.ppo.log_std_min, 0.0)
        return params, (first, second), divergence

    def learn(self, rng, batch, iteration):
        """All epochs over one batch: (observation, privileged, action, log_prob, advantage, returns, mean, std)."""
        ppo = self.ppo
        warm = iteration > ppo.warmup_iterations
        count = len(batch[0])
        for _ in range(ppo.epochs):
            for part in np.split(rng.permutation(count), ppo.minibatches):
                self.updates += 1
                self.params, self.moments, divergence = self._update(
                    self.params, self.moments, float(self.updates), [x[part] for x in batch], self.rate if warm else 0.0
                )
            self.divergence = float(divergence)
            if warm and self.divergence > ppo.kl_high:
                self.rate = max(ppo.learning_rate_min, self.rate / 1.5)
            elif warm and self.divergence < ppo.kl_low:
                self.rate = min(ppo.learning_rate_max, self.rate * 1.5)
