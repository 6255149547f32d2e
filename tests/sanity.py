#!/usr/bin/env python3
"""Files that no other test reads: every JSON and TOML file parses, every script is valid and can be run."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
# Not ours, or (the cases of the configuration test) wrong on purpose.
SKIPPED = ("target", ".git", "node_modules", "tests/configs")


def files():
    """The files of the repository, with their names from its root."""
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = sorted(name for name in folders if (here / name).as_posix() not in SKIPPED)
        for name in sorted(names):
            yield (here / name).as_posix(), ROOT / here / name


def fault(name, path):
    """What is wrong with a file, or None."""
    try:
        if name.endswith(".json"):
            json.loads(path.read_text())
        elif name.endswith(".toml") or name == "Cargo.lock":
            tomllib.loads(path.read_text())
        elif name.endswith(".py"):
            ast.parse(path.read_text())
        elif path.read_bytes()[:2] == b"#!" and b"sh" in path.read_bytes().split(b"\n", 1)[0]:
            subprocess.run(["bash", "-n", path], check=True, capture_output=True)
            if not path.stat().st_mode & 0o100:
                return "is a script but cannot be run: chmod +x"
    except subprocess.CalledProcessError as error:
        return error.stderr.decode().strip()
    except (ValueError, SyntaxError) as error:
        return str(error)
    return None


def main():
    wrong = [f"{name}: {why}" for name, path in files() if (why := fault(name, path))]
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
