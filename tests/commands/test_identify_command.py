"""``brickbook identify``: a checkpoint without its model's code, a model, one tensor, JSON."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import brickbook as bb
from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    state = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64)).state_dict()
    torch.save({"state_dict": state}, "m.pth")
    save_file(state, "m.safetensors")
    (tmp_path / "stored.py").write_text("from torch import nn\n\nmodel = nn.Linear(64, 64)\n")
    return tmp_path


@pytest.mark.parametrize("file", ["m.pth", "m.safetensors"])
def test_a_file(folder, file, capsys):
    assert main(["identify", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "tensor",
        "shape",
        "verdict",
        "law",
        "as",
        "drawn",
        "by",
        "proof",
        "stands",
    ]
    assert lines[-1] == "Identification: 4 tensors: 2 untouched, 2 constant"
    assert main(["identify", file, "1.weight"]) == 0
    assert capsys.readouterr().out == (
        "1.weight (64, float32): constant; Constant(1); constant_(1) by its values\n"
    )


def test_json(folder, capsys):
    assert main(["identify", "m.pth", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["verdict"] for row in shown["starts"]] == [
        "untouched", "untouched", "constant", "constant",
    ]  # fmt: skip
    assert main(["identify", "stored.py:model", "--json", "out.json"]) == 0
    assert "2 untouched" in capsys.readouterr().out
    assert main(["identify", "stored.py:model", "--json", "out.json"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["export", "out.json", "out.csv"]) == 0


def test_a_plan_and_its_seed(folder, capsys):
    model = nn.Linear(30, 20)
    report = bb.initialize(model, {"type": "Normal", "std": 0.1, "layer": "Linear"}, seed=4)
    torch.save(model.state_dict(), "n.pth")
    (folder / "report.json").write_text(report.to_json())
    (folder / "plan.json").write_text(report.plan.to_json())
    for words in (["report.json"], ["plan.json", "--seed", "4"]):
        assert main(["identify", "n.pth", "weight", "--plan", *words]) == 0
        assert capsys.readouterr().out.endswith("Normal(0, 0.1); seed 4 by its seed\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["m.pth", "--seed", "1"], "--seed needs --plan: the laws that it was used with."),
        (["m.pth", "--plan", "m.pth"], "--plan: m.pth is no plan, report or history."),
        (["report.json"], "report.json is InitPlan, no model and no state dict."),
        (["m.pth", "0.weigth"], "name: there is no tensor '0.weigth'. Did you mean '0.weight'?"),
    ],
)
def test_messages(folder, words, message, capsys):
    (folder / "report.json").write_text(
        bb.plan(nn.Linear(2, 2), {"type": "Constant", "val": 0, "layer": "Linear"}).to_json()
    )
    assert main(["identify", *words]) == 2
    assert capsys.readouterr().err.splitlines() == [f"brickbook: {message}"]


def test_a_variable_of_a_notebook():
    frontend = NotebookFrontend({"net": nn.Linear(64, 64)})
    assert run(frontend, ["identify", "net"]).untouched == ("weight", "bias")
