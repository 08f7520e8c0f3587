"""The judge's own Python packages: pinned, installed once per user, outside the repository."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def folder() -> pathlib.Path:
    """Where the packages are kept: one folder per list of requirements and Python version."""
    state = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    content = REQUIREMENTS.read_bytes() + sys.version.encode()
    name = hashlib.sha256(content).hexdigest()[:16]
    return pathlib.Path(state) / "sinew" / "python-ros" / name


def activate() -> None:
    """Makes the packages importable, installing them if this is the first time."""
    home = folder()
    if not home.is_dir():
        with locked(home.with_suffix(".lock")):
            if not home.is_dir():
                install(home)
    sys.path.insert(0, str(home))


@contextlib.contextmanager
def locked(path: pathlib.Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(home: pathlib.Path) -> None:
    """Into a folder beside it first, so that a broken download leaves nothing that looks whole."""
    part = home.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    print(f"installing the judge's packages into {home}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    # A container's only user may well be root; the folder is the user's own either way.
    quiet = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run([*command, "--target", str(part), "-r", str(REQUIREMENTS)], env=quiet)
    if done.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        sys.exit("judge: its packages do not install; see pip's message above (is a package index reachable?)")
    part.rename(home)
