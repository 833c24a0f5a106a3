"""``brickbook trace``: what builds a model, and the lines that write its weights."""

from __future__ import annotations

import json
import sys
import warnings

import pytest
from torch import nn

from brickbook import History
from brickbook.cli import main
from brickbook.commands import CommandUsageError, NotebookFrontend, run
from brickbook.views.export import export, from_json

MODEL = """
from torch import nn

def make():
    layer = nn.Linear(2, 3)
    nn.init.zeros_(layer.bias)
    return layer

model = make()
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODEL)
    return "mine.py:make"


@pytest.mark.parametrize("meta", [[], ["--meta"]])
def test_the_story_of_one_tensor(file, meta, capsys):
    assert main(["trace", file, "bias", *meta]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bias (Linear, 3, float32): Constant(0)"
    assert lines[1].endswith("Linear.reset_parameters  uniform_(a=-0.7071, b=0.7071)  "
                             "Uniform(-0.7071, 0.7071)  overwritten")  # fmt: skip
    assert lines[2] == "  2  mine.py:6 make  zeros_()  Constant(0)  stands"


def test_a_table_json_and_a_page(file, capsys, tmp_path):
    assert main(["trace", file, "--json", "h.json", "--html", "h.html"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split() == [
        "parameter", "module", "step", "place", "in", "call", "law", "state",
    ]  # fmt: skip
    assert "History: 2 of 2 parameters by a law, 1 written more than once" in shown
    history = from_json((tmp_path / "h.json").read_text())
    assert isinstance(history, History)
    assert "mine.py:6" in (tmp_path / "h.html").read_text()
    assert main(["export", "h.json", "h.csv"]) == 0
    assert len((tmp_path / "h.csv").read_text().splitlines()) == 4
    assert main(["trace", file, "--json", "h.json"]) == 2
    assert "--force" in capsys.readouterr().err


def test_rules(file, capsys, tmp_path):
    assert main(["trace", file, "--rules", "rules.json", "--meta"]) == 0
    rules = json.loads((tmp_path / "rules.json").read_text())
    assert [rule["layer"] for rule in rules] == ["Linear"]
    capsys.readouterr()
    assert main(["plan", file, "--cfg", "rules.json"]) == 0
    assert "Uniform(-0.7071, 0.7071)" in capsys.readouterr().out
    assert main(["trace", file, "--rules", "rules.json"]) == 2
    assert "--rules: rules.json is there already." in capsys.readouterr().err
    (tmp_path / "mine.py").write_text(MODEL.replace("zeros_(layer.bias)", "zeros_(layer.bias[:1])"))
    sys.modules.pop("mine", None)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # a shell has no errors of them
        assert main(["trace", file, "--rules", "rules.json", "--force"]) == 0
    found = "brickbook: warning: --rules: no rule says how bias starts.\n"
    assert capsys.readouterr().err == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine.py:model"], "brickbook: model: mine.py:model is a model, built when its module was "
         "imported. Name the class or the function that builds it.\n"),
        (["mine.py:nn.ReLU", "weight"], "brickbook: name: the history has no tensor 'weight'.\n"),
        (["mine.py:nn.relu"], "brickbook: model: mine.py has no 'relu'. "
         "Did you mean 'ReLU'?\n"),
    ],
)  # fmt: skip
def test_refusals(file, words, message, capsys):
    assert main(["trace", *words]) == 2
    assert capsys.readouterr().err == message


def test_variables_of_a_notebook(tmp_path):
    space = {
        "make": lambda: nn.Linear(2, 2),
        "Net": nn.BatchNorm1d,
        "model": nn.Linear(1, 1),
        "x": 3,
    }
    history = run(NotebookFrontend(space), ["trace", "make"])
    assert isinstance(history, History)
    for name, words in [("model", "is built already"), ("x", "no class or function"), ("y", "'y'")]:
        with pytest.raises(CommandUsageError, match=words):
            run(NotebookFrontend(space), ["trace", name])
    written = export(history, tmp_path / "a.json")
    assert json.loads(written.read_text())["rows"][0]["name"] == "weight"
    assert "Uniform" in export(history, tmp_path / "a.svg").read_text()
