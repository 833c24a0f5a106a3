"""What is offered while a line is typed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook import plan
from brickbook.commands import NotebookFrontend, ShellFrontend, complete
from brickbook.commands.table import COMMANDS


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cfgs").mkdir()
    (tmp_path / "cfgs" / "a.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "out.html").write_text("")
    net = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU()))
    return NotebookFrontend({
        "net": net, "cfg": dict(type="Ones"), "cfgs": [dict(type="Ones")], "todo": plan(net, []),
        "number": 3, "_net": net, "Out": {}, "In": [],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("line", "typed", "expected"),
    [
        ("", "", list(COMMANDS)),
        ("", "p", ["plan", "presets"]),
        ("nonsense", "", []),
        ("plan", "", ["net"]),
        ("plan", "net.", ["net.0", "net.1"]),
        ("plan", "net.1.", ["net.1.0"]),
        ("plan net --order", "", ["brickbook", "mmcv"]),
        ("plan net --order", "m", ["mmcv"]),
        ("plan net", "--order=m", ["--order=mmcv"]),
        ("plan net", "--fr", ["--frozen"]),
        ("plan net --init", "Kai", ["Kaiming"]),
        ("plan net --init Constant --set", "", ["bias=", "bias_prob=", "val="]),
        ("plan net --init Nothing --set", "", []),
        ("plan net --layer", "", ["Linear", "ReLU"]),
        ("plan net --layer", "Linear,R", ["Linear,ReLU"]),
        ("plan nett --layer", "", []),
        ("plan net --cfg", "c", ["cfg", "cfgs", "cfgs/"]),
        ("plan net --cfg", "cfgs/", ["cfgs/a.json"]),
        ("plan net --json", ".", [".hidden"]),
        ("plan net --json", "nowhere/", []),
        ("plan --cfg cfg", "", ["net"]),
        ("compare net", "c", ["cfg", "cfgs", "cfgs/"]),
        ("compare net cfg", "cfgs", ["cfgs", "cfgs/"]),
        ("diff", "", ["net", "todo", "cfgs/", "out.html"]),
        ("export todo", "", ["cfgs/", "out.html"]),
        ("export todo out.html", "", ["--help", "--force", "--title"]),
        ("help", "e", ["export"]),
        ("init net --seed", "", []),
    ],
)  # fmt: skip
def test_candidates(session, line, typed, expected):
    found = complete(session, line.split(), typed)
    if "--set" in line:
        assert sorted(found) == expected
    else:
        assert found == expected


def test_every_option_is_offered(session):
    for name in COMMANDS:
        parser = COMMANDS[name].parser(name, session)
        long = {text for one in parser.arguments for text in one.option_strings if text[:2] == "--"}
        assert set(complete(session, [name], "--")) == long


def test_a_shell_knows_no_variables(session):
    assert complete(ShellFrontend(), ["plan"], "") == []
    assert complete(ShellFrontend(), ["plan", "x:y", "--cfg"], "cfgs/") == ["cfgs/a.json"]


def test_a_batch_is_offered_by_its_name(session):
    session.namespace.update(x=torch.ones(2, 3), pair=[torch.ones(2), "y"], _x=torch.ones(1))
    for line in ("show net --batch", "init net --batch", "compare net cfg --batch"):
        assert complete(session, line.split(), "") == ["pair", "x"]
