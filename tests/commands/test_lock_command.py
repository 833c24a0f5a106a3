"""``brickbook lock`` and ``check``: exit codes, the table, what is refused."""

from __future__ import annotations

import json

import pytest
from torch import nn

from brickbook import BaseModule
from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.init.lockfile import LockChanges

MODEL = """
from torch import nn

def make():
    layer = nn.Linear(2, 3)
    nn.init.normal_(layer.weight, std=STD)
    return layer
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "to_lock.py").write_text(MODEL.replace("STD", "0.02"))
    (tmp_path / "to_lock_anew.py").write_text(MODEL.replace("STD", "0.03"))
    return tmp_path


def test_lock_and_check(folder, capsys):
    assert main(["lock", "to_lock.py:make", "--out", "m.json", "--seed", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown == ("m.json: StartLock: 2 parameters by 2 laws, and their numbers with seed 1\n")
    assert main(["check", "to_lock.py:make", "m.json"]) == 0
    assert capsys.readouterr().out == "m.json: all 2 parameters start as locked\n"
    assert main(["check", "to_lock_anew.py:make", "m.json", "--json", "c.json"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "parameter  change  locked           now",
        "weight     start   Normal(0, 0.02)  Normal(0, 0.03)",
        "m.json: 1 parameter starts otherwise than locked, of 2",
    ]
    assert len(json.loads((folder / "c.json").read_text())["changes"]) == 1


def test_rules(folder, capsys):
    rule = "dict(type='Constant', layer='Linear', val=1)"
    assert main(["lock", "to_lock.py:make", "--out", "m.json", "--cfg", rule]) == 0
    assert main(["check", "to_lock_anew.py:make", "m.json", "--cfg", rule]) == 0
    assert main(["check", "to_lock_anew.py:make", "m.json"]) == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["lock", "to_lock.py:make"], "the following arguments are required: --out"),
        (["lock", "to_lock.py:make", "--out", "there.json"], "--out: there.json is there already. "
         "Say --force to replace it."),
        (["check", "to_lock.py:make", "none.json"], "none.json: there is no lock file to read: "),
        (["check", "to_lock.py:make", "there.json"], "there.json: it is no lock file: there is no "
         "version of one in it. brickbook lock writes one."),
    ],
)  # fmt: skip
def test_misuse(folder, words, problem, capsys):
    (folder / "there.json").write_text("{}")
    assert main(words) == 2
    assert problem in capsys.readouterr().err
    assert (folder / "there.json").read_text() == "{}"


def test_in_a_notebook(folder):
    class Ruled(BaseModule):
        def __init__(self):
            super().__init__(dict(type="Normal", layer="Linear", std=0.1))
            self.layer = nn.Linear(2, 2)

    space = {"make": Ruled, "model": Ruled()}
    message = run(NotebookFrontend(space), ["lock", "make", "--out", "m.json"])
    assert message.text == "m.json: StartLock: 2 parameters by 2 laws"
    changes = run(NotebookFrontend(space), ["check", "model", "m.json"])
    assert isinstance(changes, LockChanges) and not changes
