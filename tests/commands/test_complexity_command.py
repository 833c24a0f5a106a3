"""``complexity`` in the shell and in a notebook."""

import json
import sys

import pytest
from torch import nn

from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.measure.cost import Complexity

MODEL = """
from torch import nn

def make_model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU()))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "costly.py").write_text(MODEL)
    yield tmp_path
    sys.modules.pop("costly", None)


def test_in_a_shell(folder, capsys):
    line = "complexity costly.py:make_model --input 3,10,10 --batch 2 --depth 1 --json c.json"
    assert main(line.split()) == 0
    messages = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in messages[1:4]] == [
        ["(model)", "Sequential"], ["0", "Conv2d"], ["1", "Sequential"],
    ]  # fmt: skip
    assert messages[-1] == (
        "Complexity(Sequential on (2, 3, 10, 10): 27.6 k MACs, 224 parameters, 8,192 B activations)"
    )
    found = Complexity.from_dict(json.loads((folder / "c.json").read_text()))
    assert list(found) == ["", "0", "1", "1.0"] and found.macs == 2 * 64 * 8 * 27
    assert main(line.split()) == 2
    assert "c.json is there already. Say --force to replace it." in capsys.readouterr().err
    assert main([*line.split(), "--force"]) == 0


def test_in_a_notebook():
    session = NotebookFrontend({"net": nn.Sequential(nn.Linear(8, 4))})
    found = run(session, ["complexity", "net", "--input", "8"])
    assert isinstance(found, Complexity) and found.macs == 32


@pytest.mark.parametrize("line, message", [
    ("complexity net", "the following arguments are required: --input"),
    ("complexity net --input 8 --batch 0", "--batch: expected 1 or more, got 0."),
    ("complexity net --input 8 --depth 0", "--depth: expected 1 or more, got 0."),
    ("complexity net --input 7x", "0: Linear got (1, 7): mat1 and mat2 shapes cannot be "
     "multiplied (1x7 and 8x4)."),
    ("complexity net --input a", "--input: expected whole numbers such as 3, 32, 32, got 'a'."),
])  # fmt: skip
def test_messages(line, message):
    session = NotebookFrontend({"net": nn.Sequential(nn.Linear(8, 4))})
    with pytest.raises(ConfigError) as caught:
        run(session, line.split())
    assert str(caught.value) == message
