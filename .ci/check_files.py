#!/usr/bin/env python3
"""What the repository holds, and what its files may say.

  1. the top level holds the names in TOP and dot entries;
  2. every room has its page: a README.md beside its Cargo.toml;
  3. no file names a package registry's host, a path of somebody's machine, or a ticket by its number:
     all of these stop being true somewhere else.

    .ci/check_files.py              looks at what git would put into a clone, exit 1 on a violation
    .ci/check_files.py --self-test  plants one violation of each kind and expects to find it
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = {"Cargo.toml", "Cargo.lock", "nodes", "msgs", "launch", "firmware-bridge", "tests", "README.md", "LICENSE"}

# Written in pieces, so that this file does not break its own rule.
FORBIDDEN = [
    ("a registry's host", re.compile(
        r"(?i)\b(?:crates" + r"\.io|pypi" + r"\.org|pythonhosted" + r"\.org|npmjs" + r"\.(?:com|org)"
        r"|deb" + r"\.debian\.org|proxy\.golang" + r"\.org)\b")),
    ("a path of one machine", re.compile(r"(?<![\w.])/" + r"(?:work|home/\w+|root)/|\.\./" + r"shared/")),
    ("a ticket's number", re.compile(r"(?i)\b(?:issue|ticket|pull request|PR) ?#?\d+\b|(?<=[ (])#\d{1,4}(?=[ ).,:]|$)")),
]
# Cargo writes the registry's address into its lock files itself.
UNREAD = re.compile(r"(?:^|/)Cargo\.lock$")


def listed(root):
    """Paths that a clone would have: tracked, or new and not ignored."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()
    return sorted(path for path in out.split("\0") if path and (root / path).is_file())


def violations(root, paths):
    found = []
    for name in sorted({path.split("/")[0] for path in paths}):
        if name not in TOP and not name.startswith("."):
            found.append(f"{name}: not a top-level name; allowed: {', '.join(sorted(TOP))} and dot entries")
    here = set(paths)
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name == "Cargo.toml" and f"{folder}/README.md".lstrip("/") not in here:
            found.append(f"{folder}: a room without its page; write {folder}/README.md")
    for path in paths:
        if UNREAD.search(path):
            continue
        data = (root / path).read_bytes()
        if b"\0" in data[:8000]:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
            for what, pattern in FORBIDDEN:
                hit = pattern.search(line)
                if hit:
                    found.append(f"{path}:{number}: {what}: {hit.group(0)!r}; say it without")
    return found


def self_test():
    planted = {
        "a top-level name": ("utils/a.rs", "", "utils: not a top-level name"),
        "a room without its page": ("nodes/x/Cargo.toml", "", "nodes/x: a room without its page"),
        "a registry": ("nodes/a.md", "see https://crates" + ".io/x\n", "nodes/a.md:1: a registry's host"),
        "a path": ("nodes/b.md", "\nin /" + "work/main\n", "nodes/b.md:2: a path of one machine"),
        "a ticket": ("nodes/c.rs", "// see issue" + " 3\n", "nodes/c.rs:1: a ticket's number"),
        "a bare ticket": ("nodes/d.rs", "// mended (#" + "12)\n", "nodes/d.rs:1: a ticket's number"),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text, _ in planted.values():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        clean = {"README.md": "a page\n", "nodes/ok/Cargo.toml": "", "nodes/ok/README.md": "`#[cfg(test)]` &#10; 12 N\n"}
        for path, text in clean.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        paths = sorted([path for path, _, _ in planted.values()] + list(clean))
        found = violations(root, paths)
        for name, (_, _, expected) in planted.items():
            if not any(line.startswith(expected) for line in found):
                sys.exit(f"self-test: {name} went unnoticed")
        if len(found) != len(planted):
            sys.exit("self-test: something harmless was reported:\n" + "\n".join(found))
    print(f"file check: {len(planted)} planted violations caught")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(__file__).resolve().parent.parent
    paths = listed(root)
    found = violations(root, paths)
    for line in found:
        print(f"files: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"files: {len(paths)} as they should be")


main()
