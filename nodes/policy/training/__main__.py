"""Command line: `python -m training train|evaluate|export`, from nodes/policy."""

import argparse
import json
import os
import pathlib
import sys

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from . import recipe as recipes  # noqa: E402


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m training", description="Train, evaluate and export walking policies.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, text):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("robot", choices=recipes.names())
        sub.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
        sub.add_argument("--json", action="store_true", help="one object on stdout")
        return sub

    sub = command("train", "train a policy; writes checkpoint.npz and learning_curve.csv")
    sub.add_argument("--out", type=pathlib.Path, required=True)
    sub.add_argument("--seconds", type=float, help="stop after this wall time (cannot be repeated exactly)")
    sub.add_argument("--iterations", type=int, help="stop after so many; default: the recipe's")
    sub.add_argument("--from", dest="start", type=pathlib.Path, help="checkpoint to go on from")
    sub.add_argument("--threads", type=int, default=1, help="of the physics; changes no number")
    sub.add_argument("--smoke", action="store_true", help="two small iterations: does it run at all?")

    sub = command("evaluate", "falls and velocity errors of an exported policy, 1 kHz drives")
    sub.add_argument("--policy", type=pathlib.Path, help="an .onnx; default: the committed one")
    sub.add_argument("--rows", help="rows, separated by commas; default: all")
    sub.add_argument("--seeds", type=int, default=1)
    sub.add_argument("--pushes", type=int, default=100, help="least number of pushes in a row with pushes")

    sub = command("export", "write ONNX, manifest and golden vectors from a checkpoint")
    sub.add_argument("--checkpoint", type=pathlib.Path, required=True)
    sub.add_argument("--out", type=pathlib.Path, help="folder; default: the robot's models")
    return parser.parse_args()


def main():
    arguments = _arguments()
    overrides = {}
    for item in arguments.set:
        key, separator, value = item.partition("=")
        if not separator:
            sys.exit(f"--set {item}: expected SECTION.KEY=VALUE")
        overrides[key] = value
    try:
        if arguments.command == "train" and arguments.smoke:
            overrides.update({"ppo.environments": "32", "ppo.steps": "8", "ppo.warmup_iterations": "0"})
        recipe = recipes.load(arguments.robot, overrides)
        if arguments.command == "train":
            arguments.finish = _finish(recipe, arguments, overrides)
        result = {"train": _train, "evaluate": _evaluate, "export": _export}[arguments.command](recipe, arguments)
    except (recipes.RecipeError, ValueError, OSError, RuntimeError) as error:
        sys.exit(f"{arguments.command} {arguments.robot}: {error}")
    if arguments.json:
        print(json.dumps(result))


def _finish(recipe, arguments, overrides):
    """The recipe of the second run, where one is due: not in a run that is cut short, nor one of chosen length."""
    if arguments.smoke or arguments.iterations is not None or arguments.seconds is not None or recipe.finish is None:
        return None
    return recipes.load_finish(arguments.robot, overrides)


def _train(recipe, arguments):
    from .train import train

    iterations = 2 if arguments.smoke else arguments.iterations
    if iterations is None and arguments.seconds is None:
        iterations = recipe.ppo.iterations
    say = (lambda line: print(line, file=sys.stderr, flush=True)) if arguments.json else (
        lambda line: print(line, flush=True))  # fmt: skip
    finish = arguments.finish
    folder = arguments.out / "first" if finish else arguments.out
    row = train(recipe, folder, arguments.seconds, iterations, arguments.start, arguments.threads,
                1 if arguments.smoke else 10, say)  # fmt: skip
    if finish and _finite(row):
        row = train(finish, arguments.out, None, finish.finish.iterations, folder / "checkpoint.npz", arguments.threads,
                    10, say)  # fmt: skip
    if not _finite(row):
        raise RuntimeError(f"no finite reward: {row}")
    return row


def _finite(row):
    return bool(row) and row["reward"] == row["reward"]


def _evaluate(recipe, arguments):
    from .evaluate import evaluate

    policy = arguments.policy or recipe.output_path / f"{recipe.robot.policy}.onnx"
    rows = arguments.rows.split(",") if arguments.rows else None
    say = None if arguments.json else (lambda line: print(line, flush=True))
    return evaluate(recipe, policy, rows, arguments.seeds, arguments.pushes, say)


def _export(recipe, arguments):
    from .export import ExportError, export

    try:
        result = export(recipe, arguments.checkpoint, arguments.out or recipe.output_path)
    except ExportError as error:
        sys.exit(f"export {arguments.robot}: {error}")
    if not arguments.json:
        print(" ".join(f"{key} {value}" for key, value in result.items()))
    return result


if __name__ == "__main__":
    main()
