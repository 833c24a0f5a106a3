"""The table of presets: as data, as code, held against a model, and from a shell."""

from __future__ import annotations

import json

import pytest
from torch import nn

from brickbook import Presets, initialize, plan, preset, presets
from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.init.initializers import INITIALIZERS


class Conv1D(nn.Module):
    """The layer of GPT-2 in transformers, as far as a start goes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(nn.init.ones_(nn.Linear(outputs, inputs).weight))
        self.bias = nn.Parameter(nn.Linear(1, outputs).bias)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln, self.c_attn, self.c_proj = nn.LayerNorm(8), Conv1D(8, 24), Conv1D(8, 8)


def gpt():
    """Return the outline of a GPT-2 with 8 blocks."""
    parts = {"wte": nn.Embedding(9, 8), "h": nn.ModuleList(Block() for _ in range(8))}
    return nn.ModuleDict(parts)


@pytest.mark.parametrize("name", list(presets()))
def test_each_is_data(name):
    row = presets()[name]
    config = row.config()
    assert json.loads(json.dumps(config)) == config
    assert all(rule["type"] in INITIALIZERS for rule in config)
    assert row.config() is not config
    namespace: dict[str, object] = {}
    exec(row.to_python(), namespace)
    assert namespace["init_cfg"] == config
    assert row.paper and row.library and row.about.endswith(".")


def test_the_scaled_projections_of_gpt2():
    planned = plan(gpt(), preset("gpt-2", blocks="h"))
    assert str(planned["h.0.c_attn.weight"].law) == "Normal(0, 0.02)"
    assert str(planned["h.0.c_proj.weight"].law) == "Normal(0, 0.005)"  # 0.02 / √16
    assert str(planned["h.7.c_proj.bias"].law) == "Constant(0)"
    assert all(row.law is not None for row in planned.rows)
    assert len(initialize(gpt(), preset("GPT-2", blocks="h"), seed=0).written) == 50 + 1 - 2


def test_what_fits_a_model():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    assert list(presets(plain)) == ["ResNet", "DCGAN"]
    assert list(presets(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Embedding(2, 2)))) == [
        "BERT"
    ]
    assert not presets(nn.ReLU())


def test_the_record():
    found = presets()
    assert Presets.from_json(found.to_json()) == found
    assert list(found.frame().index) == list(found)
    assert repr(found).startswith("Presets: GPT-2, BERT, T5, ")
    assert "Goyal et al. 2017" in found._repr_html_()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("GPT2", {}, "preset: there is no preset 'GPT2'. Did you mean 'GPT-2'?"),
        ("BERT", {"d_model": 1}, "preset.d_model: bert has no such argument. It takes none."),
        ("T5", {"d_model": 0}, "preset.d_model: expected 1 or more, got 0."),
        ("T5", {"d_model": "x"}, "preset.d_model: expected int, got 'x' (str)."),
        ("T5", {"d_modl": 8}, "preset.d_modl: t5 has no such argument. Did you mean 'd_model'?"),
    ],
)
def test_messages(name, arguments, message):
    with pytest.raises(ConfigError) as caught:
        preset(name, **arguments)
    assert str(caught.value) == message


def test_from_a_shell(capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(presets())
    assert lines[0].startswith("GPT-2  ")
    assert main(["presets", "gpt-2", "blocks=h"]) == 0
    shown = capsys.readouterr().out
    assert "# Takes blocks='transformer.h'." in shown and "§2.3" in shown
    namespace: dict[str, object] = {}
    exec(shown, namespace)
    assert namespace["init_cfg"] == preset("GPT-2", blocks="h")
    assert main(["presets", "T5", "d_kv=16", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == preset("T5", d_kv=16)
    assert main(["presets", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(presets())
    assert main(["presets", "BERT", "--fits", "torch.nn:ReLU"]) == 2
    assert "--fits is for the list. Leave the name out." in capsys.readouterr().err
    assert main(["presets", "--fits", "torch.nn:ReLU"]) == 0
    assert capsys.readouterr().out == "No preset fits.\n"
    frontend = NotebookFrontend({"net": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))})
    assert run(frontend, ["presets", "--fits", "net"]).text.startswith("ResNet")
