"""What only says something is said at once: without torch, and without the other commands."""

import json
import subprocess
import sys

import pytest

from brickbook.commands import COMMANDS

LIGHT = [name for name in ("help", "migrate") if name in COMMANDS]
LINES = [["--help"], ["-h"], ["--version"], [], ["help"], ["nonsense"]]
LINES += [line for name in LIGHT for line in ([name, "--help"], ["help", name], [name, "--none"])]

PROGRAM = """
import json, sys
from brickbook.cli import main
lines = json.loads(sys.argv[1])
codes = [main(line) for line in lines]
loaded = [m for m in ("torch", "numpy", "libcst", "brickbook.api") if m in sys.modules]
print(json.dumps([codes, loaded, sorted(m for m in sys.modules if m.startswith("brickbook."))]))
"""


@pytest.fixture(scope="module")
def outcome():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(LINES)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.processes
def test_help_and_version_load_no_torch(outcome):
    codes, loaded, _ = outcome
    assert loaded == []
    assert codes == [2 if line[-1:] in (["nonsense"], ["--none"]) else 0 for line in LINES]


@pytest.mark.processes
def test_a_command_is_loaded_for_its_own_line_alone(outcome):
    others = {f"brickbook.commands.{COMMANDS[name].place.partition(':')[0]}"
              for name in COMMANDS if name not in LIGHT}  # fmt: skip
    assert others and not others & set(outcome[2])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_row_names_its_command(name):
    assert callable(COMMANDS[name].load().run)
