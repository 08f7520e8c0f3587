"""Tests of the recipe: `python -m unittest training.test_training`, from nodes/policy. No training, under a minute."""

import dataclasses
import hashlib
import pathlib
import tempfile
import unittest
from unittest import mock

import numpy as np

from . import checkpoint, golden, graph, recipe
from .clock import GaitClock
from .gait import prior_of
from .observation import Layout


def _layers(layout, joints, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [layout.size, 16, 16, joints]
    return [(rng.normal(0, 0.2, pair).astype(np.float32), np.zeros(pair[1], np.float32)) for pair in zip(sizes, sizes[1:])]


class Recipes(unittest.TestCase):
    def test_all_are_complete(self):
        for name in recipe.names():
            loaded = recipe.load(name)
            self.assertEqual(loaded.robot.name, name)
            if loaded.finish is not None:
                recipe.load_finish(name)

    def test_what_cannot_be_meant_is_refused_by_name(self):
        for key, value, text in (
            ("reward.trackv", "1.0", "unknown key 'trackv'"),
            ("robot.joints", '["a"]', "default_rad"),
            ("ppo.gamma", '"high"', "expected float"),
            ("ppo.gamma", "nan", "finite"),
            ("robot.mirror_feet", '["L", "L"]', "mirror_feet"),
            ("nowhere", "1", "SECTION.KEY"),
        ):
            with self.assertRaisesRegex(recipe.RecipeError, text):
                recipe.load("biped", {key: value})
        with self.assertRaisesRegex(recipe.RecipeError, "no hexapod.toml"):
            recipe.load("hexapod")


class Mirror(unittest.TestCase):
    def test_twice_is_the_identity_and_the_prior_is_symmetric(self):
        for name in recipe.names():
            loaded = recipe.load(name)
            layout, prior = Layout(loaded), prior_of(loaded)
            seen = np.random.default_rng(1).normal(size=(50, layout.size)).astype(np.float32)
            np.testing.assert_array_equal(layout.mirror(layout.mirror(seen)), seen)
            there = layout.mirror_action(prior.offsets(layout, seen))
            np.testing.assert_allclose(prior.offsets(layout, layout.mirror(seen)), there, atol=1e-6, err_msg=name)

    def test_the_mirrored_robot_moves_as_the_mirror_image(self):
        from .environment import Environment

        loaded = recipe.load("biped")
        environment = Environment(loaded, 4, 0)
        _, privileged = environment.observe()
        twice = environment.mirror_privileged(environment.mirror_privileged(privileged))
        np.testing.assert_array_equal(twice, privileged)


class Clock(unittest.TestCase):
    def clock(self):
        return GaitClock(recipe.load("biped"), 1)

    def run_for(self, clock, goal, ticks):
        amplitudes = []
        clock.goal[0] = goal
        for _ in range(ticks):
            amplitudes.append(float(clock.amplitude[0]))
            clock.advance()
            clock.slew_command()
        return amplitudes

    def test_a_reversal_does_not_rest_in_between(self):
        clock = self.clock()
        self.run_for(clock, [0.5, 0, 0], 60)
        self.assertEqual(min(self.run_for(clock, [-0.3, 0, 0], 60)), 1.0)
        self.assertAlmostEqual(clock.command[0, 0], -0.3)

    def test_at_zero_the_amplitude_falls_and_the_phase_rests(self):
        clock = self.clock()
        self.run_for(clock, [0.5, 0, 0], 60)
        self.run_for(clock, [0, 0, 0], 60)
        self.assertEqual((clock.amplitude[0], clock.phase_rad[0]), (0.0, 0.0))
        np.testing.assert_array_equal(clock.sin_cos(), [[0.0, 0.0]])


class Drive(unittest.TestCase):
    def test_a_fast_joint_loses_torque_in_the_direction_of_motion_only(self):
        from .environment import Environment

        loaded = recipe.load("biped", {"randomisation.strength": "[1.0, 1.0]"})
        environment = Environment(loaded, 2, 0)
        drives = environment.drives
        speed = np.zeros((2, 12))
        speed[0, 0], speed[1, 0] = 7.5, -20.0  # a DM4340: corner 5, no load 10
        drives._limit(speed)
        np.testing.assert_allclose(drives.range[0, 0], [-24.0, 12.0])
        np.testing.assert_allclose(drives.range[1, 0], [0.0, 24.0])
        np.testing.assert_allclose(drives.range[0, 1], [-36.0, 36.0])
        drives._limit(np.zeros((2, 12)))
        np.testing.assert_allclose(drives.range[:, 0], [[-24.0, 24.0]] * 2)


class Export(unittest.TestCase):
    def test_the_graph_is_the_environments_arithmetic(self):
        for name in recipe.names():
            loaded = recipe.load(name)
            layout, prior = Layout(loaded), prior_of(loaded)
            writer = golden.Writer(loaded, layout, graph.build(loaded, layout, prior, _layers(layout, 12)))
            for seen in np.random.default_rng(2).normal(size=(20, 1, layout.size)).astype(np.float32):
                actions, targets = writer.graph(seen)
                expected = loaded.robot.default_rad + prior.offsets(layout, seen) + loaded.ppo.action_scale * actions
                np.testing.assert_allclose(targets, expected, atol=2e-5)

    def test_a_single_target_that_is_no_number_is_refused(self):
        from .export import ExportError, difference_to_environment, within

        loaded = recipe.load("quad")
        layout, prior = Layout(loaded), prior_of(loaded)
        model = graph.build(loaded, layout, prior, _layers(layout, 12))
        writer = golden.Writer(loaded, layout, model)
        runs = 0

        def planted(observation):
            nonlocal runs
            runs += 1
            actions, targets = writer.graph(observation)
            targets[0, 5] = np.nan if runs == 7 else targets[0, 5]
            return actions, targets

        def refuses(worst):
            with self.assertRaisesRegex(ExportError, "nan"):
                within(worst, 1e-4, ("this", "that"))

        self.assertLess(difference_to_environment(loaded, layout, prior, writer.graph), 1e-4)
        refuses(difference_to_environment(loaded, layout, prior, planted))
        self.assertGreater(runs, 7)  # finite ones follow, which must not hide it
        cases = writer.cases()[:2]
        data = model.SerializeToString()
        self.assertLess(writer.second_opinion(data, cases), 1e-5)
        cases[0]["ticks"][2]["target_rad"][5] = np.nan
        refuses(writer.second_opinion(data, cases))

    def test_exchanged_joints_are_refused(self):
        from .export import ExportError, export

        loaded = recipe.load("quad")
        names = list(loaded.robot.joints)
        names[0], names[1] = names[1], names[0]
        kept = golden.NAMES["quad"]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "checkpoint.npz"
            layout = Layout(loaded)
            checkpoint.save(path, {"pi": _layers(layout, 12), "v": [], "log_std": np.zeros(12)}, loaded, layout, 0)
            golden.NAMES["quad"] = names
            try:
                with self.assertRaisesRegex(ExportError, "actuator order"):
                    export(loaded, path, pathlib.Path(folder))
            finally:
                golden.NAMES["quad"] = kept

    def test_weights_of_another_robot_are_refused(self):
        from .export import ExportError, export

        quad, biped = recipe.load("quad"), recipe.load("biped")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "checkpoint.npz"
            layout = Layout(biped)  # the same terms and widths as the quadruped's
            checkpoint.save(path, {"pi": _layers(layout, 12), "v": [], "log_std": np.zeros(12)}, biped, layout, 0)
            with self.assertRaisesRegex(ExportError, "made for robot biped, the recipe says quad"):
                export(quad, path, pathlib.Path(folder) / "out")
            self.assertFalse((pathlib.Path(folder) / "out").exists())
            parameters, about = checkpoint.load(path)
            with self.assertRaisesRegex(ValueError, "L_hip_yaw.*same joints"):
                checkpoint.fit(parameters, about, quad, Layout(quad))

    def test_the_second_run_differs_by_what_the_recipe_says_and_no_more(self):
        first, second = recipe.load("quad"), recipe.load_finish("quad")
        self.assertNotEqual(first.ppo, second.ppo)
        back = {key: repr(getattr(getattr(first, key.split(".")[0]), key.split(".")[1])) for key in first.finish.change}
        self.assertEqual(recipe.load_finish("quad", back), first)
        without = dataclasses.replace(first, finish=None)
        with mock.patch.object(recipe, "load", lambda *_: without), self.assertRaisesRegex(
            recipe.RecipeError, "no .finish."
        ):
            recipe.load_finish("quad")

    def test_a_policy_with_another_observation_starts_with_zero_weights_for_the_new_terms(self):
        quad, quad_velocity = recipe.load("quad"), recipe.load("quad_velocity")
        old, new = Layout(quad), Layout(quad_velocity)
        parameters = {"pi": _layers(old, 12), "v": [], "log_std": np.zeros(12)}
        fitted = checkpoint.fit(parameters, checkpoint.made_for(quad, old), quad_velocity, new)
        seen = np.random.default_rng(3).normal(size=(5, old.size)).astype(np.float32)
        at = new.slices["state/body/linear_velocity"]
        wider = np.insert(seen, [at.start] * 3, 9.0, axis=1)
        np.testing.assert_allclose(wider @ fitted["pi"][0][0], seen @ parameters["pi"][0][0], atol=1e-5)
        with self.assertRaisesRegex(ValueError, "does not fit"):
            checkpoint.fit(fitted, checkpoint.made_for(quad_velocity, new), quad, old)


class Training(unittest.TestCase):
    def test_advantages_by_hand(self):
        from .train import advantages

        rewards, values = np.array([[1.0], [2.0]]), np.array([[0.5], [0.25]])
        result = advantages(rewards, values, np.array([4.0]), np.array([[0.0], [0.0]]), 0.5, 0.5)
        np.testing.assert_allclose(result, [[0.625 + 0.25 * 3.75], [3.75]])
        result = advantages(rewards, values, np.array([4.0]), np.array([[0.0], [1.0]]), 0.5, 0.5)
        np.testing.assert_allclose(result[1], [1.75])

    def test_the_same_seed_gives_the_same_weights(self):
        from .train import train

        small = {"ppo.environments": "16", "ppo.steps": "4", "ppo.warmup_iterations": "0"}
        hashes = []
        for seed in ("0", "0", "1"):
            loaded = recipe.load("biped", {**small, "ppo.seed": seed})
            with tempfile.TemporaryDirectory() as folder:
                train(loaded, pathlib.Path(folder), iterations=2, say=lambda _: None)
                parameters, _ = checkpoint.load(pathlib.Path(folder) / "checkpoint.npz")
            hashes.append(hashlib.sha256(parameters["pi"][0][0].tobytes()).hexdigest())
        self.assertEqual(hashes[0], hashes[1])
        self.assertNotEqual(hashes[0], hashes[2])


class Evaluation(unittest.TestCase):
    def test_a_policy_that_cannot_walk_is_seen_to_fall(self):
        from .evaluate import evaluate

        loaded = recipe.load("biped")
        layout, prior = Layout(loaded), prior_of(loaded)
        layers = [(weight * 3, bias) for weight, bias in _layers(layout, 12)]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "wild.onnx"
            path.write_bytes(graph.build(loaded, layout, prior, layers).SerializeToString())
            figures = evaluate(loaded, path, ["nominal"])["nominal"]
        self.assertGreater(figures["falls"], 3)

    def test_an_unknown_row_is_refused(self):
        from .evaluate import evaluate

        with self.assertRaisesRegex(ValueError, "row 'storm'"):
            evaluate(recipe.load("quad"), "none.onnx", ["storm"])


if __name__ == "__main__":
    unittest.main()
