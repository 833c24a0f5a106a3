"""Statements, each run in a process that has loaded torch and nothing of brickbook.

``python fresh_imports.py`` reads JSON, a program to begin with and a list of programs, and writes a
list of what these print: one process runs the beginning and is forked for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path


def run_each(programs: Iterable[str], start: str = "import torch") -> list[str]:
    """Return what each program prints after ``start``, or the last line of its traceback."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__))],
        input=json.dumps([start, list(programs)]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def run_one(program: str, names: dict[str, object]) -> str:
    """Run a program in a fork of this process, with the names that the beginning has made."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        sys.stdout = os.fdopen(1, "w")
        try:
            exec(program, names)
        except BaseException as error:
            print("".join(traceback.format_exception_only(error)).strip())
        sys.stdout.flush()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        printed = stream.read()
    os.waitpid(child, 0)
    return printed.strip()


if __name__ == "__main__":
    beginning, asked = json.load(sys.stdin)
    made: dict[str, object] = {"__name__": "__main__"}
    exec(beginning, made)
    json.dump([run_one(program, made) for program in asked], sys.stdout)
