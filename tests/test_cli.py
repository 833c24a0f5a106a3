"""brickbook VERB in a shell."""

import json
import subprocess
import sys
import warnings

import pytest
import torch

from brickbook.cli import main

MODEL = """
from torch import nn

def make_model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(4, 2))

class Holder:
    make = make_model

number = 3
ready = make_model()
"""
CFG = "[dict(type='ConvModule', in_channels=3, out_channels=8, kernel_size=3),\n {'type': 'ReLU'}]"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "cfg.py").write_text(CFG)
    (tmp_path / "init.json").write_text('{"type": "Constant", "val": 3, "layer": "Linear"}')
    (tmp_path / "nan.py").write_text("dict(type='Normal', layer='Linear', std=float('nan'))")
    (tmp_path / "null.json").write_text("null")
    (tmp_path / "latin.json").write_bytes(b'{"type": "\xe9"}')
    (tmp_path / "beside.py").write_text("import net\nmake = net.make_model")
    (tmp_path / "broken.json").write_text("{'type': open('x')}")
    yield tmp_path
    sys.modules.pop("net", None)


def answer(capsys, *argv):
    code = main(argv)
    messages = capsys.readouterr()
    return code, messages.out, messages.err


@pytest.mark.parametrize(
    "spec",
    ["net.py:make_model", "net:make_model", "net:Holder.make", "net:ready", "beside.py:make"],
)
def test_show_as_text(folder, capsys, spec):
    code, out, err = answer(capsys, "show", spec, "--init", "Constant", "--set", "val=2",
                            "--layer", "Conv2d,Linear")  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == [
        "name",
        "shape",
        "mean",
        "before",
        "after",
        "std",
        "before",
        "after",
    ]
    assert lines[1].split()[:2] == ["0.weight", "8×3×3×3"] and lines[1].split()[3] == "2"
    assert lines[-1] == "InitReport: 4 parameters: 4 written by a law"


def test_a_file_does_not_displace_a_module_of_the_same_name(folder, capsys):
    import random

    (folder / "random.py").write_text(MODEL)
    code, _, err = answer(capsys, "show", "random.py:make_model")
    assert (code, err) == (0, "") and sys.modules["random"] is random


def test_show_with_a_config_file_and_a_page(folder, capsys):
    code, out, err = answer(
        capsys, "show", "net.py:make_model", "--cfg", "init.json", "--seed", "1", "--html", "o.html"
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "o.html: 4 tensors"
    text = (folder / "o.html").read_text()
    assert "2.weight" in text and "<html" in text


def test_show_without_an_initialisation(folder, capsys):
    code, out, err = answer(capsys, "show", "net.py:make_model")
    assert (code, err) == (0, "") and len(out.splitlines()) == 5


def test_build(folder, capsys):
    code, out, _ = answer(capsys, "build", "cfg.py", "--input", "3,8,8", "--save", "w.pt")
    assert code == 0
    assert out.splitlines() == [
        "brick  class       output  parameters",
        "0      ConvModule  8×6×6   224",
        "1      ReLU        8×6×6   0",
        "2 bricks, 224 parameters",
        "saved to w.pt",
    ]
    assert list(torch.load("w.pt", weights_only=True)) == ["0.conv.weight", "0.conv.bias"]
    (folder / "cfg.json").write_text(json.dumps([{"type": "ReLU"}]))
    code, out, _ = answer(capsys, "build", "cfg.json", "--python")
    space = {}
    exec(out, space)
    assert type(space["model"][0]).__name__ == "ReLU"
    code, out, _ = answer(capsys, "build", "cfg.json")
    assert "(0): ReLU()" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("show net.py", "model: expected module:callable or file.py:callable, got 'net.py'."),
        ("show net.py:make_modle", "model: net.py has no 'make_modle'. Did you mean 'make_model'?"),
        ("show nett.py:make", "model: nett.py can not be found."),
        ("show nomodule:make", "No module named 'nomodule'"),
        ("show math:pi",
         "model: math:pi is 3.141592653589793, no model and nothing that makes one."),
        ("show net.py:Holder",
         "model: net.py:Holder gives <class 'net.Holder'>, no torch.nn.Module."),
        ("show net.py:ready --layer x",
         "--layer: there is no rule: --init or --cfg is missing."),
        ("show net.py:ready --seed 1",
         "--seed: there is no rule: --init or --cfg is missing."),
        ("show net.py:ready --init Normal --cfg init.json",
         "--init: cannot stand beside --cfg: one of them says the rules."),
        ("show net.py:ready --cfg null.json", "null.json: holds no init_cfg."),
        ("show net.py:ready --cfg latin.json", "latin.json: is no text in UTF-8."),
        ("show torch.nn:Linear", "model: Linear also needs in_features, out_features."),
        ("show net.py:ready --init Constant --set val=1e39 --layer Linear",
         "init_cfg: for 2.weight: Constant(1e+39) has 1e+39, and float32 ends at 3.403e+38."),
        ("build cfg.py --save nowhere/w.pt", "--save: the folder of nowhere/w.pt does not exist."),
        ("show net.py:ready --init Kaimin --layer Conv2d",
         "init_cfg.type: Kaimin is not in the initializer registry. Did you mean 'Kaiming'?"),
        ("show net.py:ready --init Normal --layer Conv2D --strict",
         "init_cfg.layer: Conv2D matches nothing. Did you mean 'Conv2d'?"),
        ("show net.py:ready --init Normal --set std",
         "--set: expected KEY=VALUE, got 'std'."),
        ("build broken.json",
         "broken.json: neither JSON (Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1)) nor a Python literal."),
        ("build nothing.json", "nothing.json: No such file or directory."),
        ("show net.py:ready --cfg nan.py", "init_cfg.std: expected a finite number of 0 or more, "
         "got nan."),
        ("build cfg.py --input a", "--input: expected whole numbers such as 3, 32, 32, got 'a'."),
        ("build cfg.py --input 3,0",
         "--input: expected whole numbers such as 3, 32, 32, got '3,0'."),
        ("init net.py:ready --init LSUV --batch 8,-3",
         "--batch: expected whole numbers such as 3, 32, 32, got '8,-3'."),
        ("plan net.py:ready --cfg init.json --layer Linear",
         "--layer: cannot stand beside --cfg: one of them says the rules."),
        ("plan net.py:ready --cfg init.json --set std=1",
         "--set: cannot stand beside --cfg: one of them says the rules."),
        ("show net.py:ready --html nowhere/o.html",
         "--html: the folder of nowhere/o.html does not exist."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(folder, capsys, argv, message):
    code, out, err = answer(capsys, *argv.split())
    assert (code, out) == (2, "")
    assert err == f"brickbook: {message}\n"


def test_a_rule_without_effect_is_one_line(folder, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = answer(
            capsys, "show", "net.py:ready", "--init", "Normal", "--layer", "conv2d,Linear"
        )
    assert code == 0
    assert err == (
        "brickbook: warning: init_cfg.layer: conv2d matches nothing. Did you mean 'Conv2d'?\n"
    )


def test_an_input_that_does_not_go_through_is_a_failure(folder, capsys):
    (folder / "bad.py").write_text("dict(type='Linear', in_features=3, out_features=2)")
    code, out, _ = answer(capsys, "build", "bad.py", "--input", "4")
    assert code == 1 and "0      Linear" in out


@pytest.mark.processes
def test_the_command_is_installed():
    out = subprocess.run(
        [sys.executable, "-m", "brickbook.cli", "--version"], capture_output=True, text=True
    )
    assert out.returncode == 0 and out.stdout.startswith("brickbook 0.")


def test_build_finds_open_sizes_from_the_input(tmp_path, capsys):
    file = tmp_path / "net.json"
    file.write_text('[{"type": "Flatten"}, {"type": "Linear", "out_features": 3}]')
    assert main(["build", str(file), "--input", "3,8,8"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 bricks, 579 parameters"
    assert main(["build", str(file), "--input", "3,8,8", "--python"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(").build(input_shape=(3, 8, 8))")
