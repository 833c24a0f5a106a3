"""The law playground without a browser: its traits, as a page sets them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from torch import nn

from brickbook import INITIALIZERS
from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.lab import InitLab, LawPlayground
from brickbook.lab.law.slider import SLIDER_JS, Slider, reach
from brickbook.measure.law_study import LawStudy, LayerSize
from brickbook.views.export import from_json
from brickbook.views.svg.law_study import chain_svg, law_study_svg, law_svg


def test_a_slider_changes_the_study():
    panel = LawPlayground({"type": "Kaiming", "mode": "fan_in"}, language="en")
    assert "std = gain / √fan_in = √2 / √512 = 0.0625" in panel.shown.value
    panel.sliders["fan_in"].text = "128"
    assert panel.study.formula == "std = gain / √fan_in = √2 / √128 = 0.125"
    panel.form.control("nonlinearity").value = "tanh"
    assert panel.study.formula == "std = gain / √fan_in = 5/3 / √128 = 0.1473"
    assert panel.init_cfg == {"type": "Kaiming", "mode": "fan_in", "nonlinearity": "tanh"}
    panel.activation.value = "Tanh"
    assert panel.study.signals.activation == "Tanh"


def test_a_wrong_text_is_said_at_its_field_and_the_picture_stays():
    panel = LawPlayground("Sparse", language="en")
    before = panel.shown.value
    for name, text, problem in [
        ("sparsity", "1.5", "expected 0 to 1, got 1.5."),
        ("std", "wide", "expected float, got 'wide'."),
        ("fan_out", "0", "expected 1 to 65,536, got 0."),
    ]:
        kept = panel.sliders[name].text
        panel.sliders[name].text = text
        assert (panel.sliders[name].problem, panel.notice.text) == (problem, "")
        assert panel.shown.value == before
        panel.sliders[name].text = kept
        assert panel.sliders[name].problem == ""
    assert panel.last_error is None


@pytest.mark.parametrize("name", sorted(INITIALIZERS.module_dict))
def test_every_initialiser_can_be_chosen(name):
    panel = LawPlayground("Zeros", language="en")
    panel.kind.value = name
    assert panel.last_error is None
    said = panel.notice.text + "".join(slider.problem for slider in panel.sliders.values())
    said += str(panel.form.errors if panel.form else "")
    if name in ("LSUV", "Pretrained"):
        assert name in said or "checkpoint" in said
    else:
        assert panel.study.name == name
        assert said in ("", "{}")


def test_another_layer_of_the_same_size():
    panel = LawPlayground("Normal", layer=LayerSize("Linear", 16, 32), language="en")
    panel.layer_menu.value = "Conv2d"
    assert panel.study.shape == (32, 16, 3, 3)
    panel.sliders["kernel"].text = "5"
    assert panel.study.shape == (32, 16, 5, 5)
    panel.kind.value = "GateBias"
    assert panel.study.layer == "LSTM(128, 128)"
    panel.kind.value = "Kaiming"
    assert panel.study.layer == "Linear(512, 512)"
    uneven = LawPlayground("Kaiming", layer=LayerSize.of_weight((8, 4, 7, 5)))
    assert uneven.study.shape == (8, 4, 7, 5)


def test_opened_with_what_has_no_law():
    with pytest.raises(ConfigError, match="LSUV scales weights"):
        LawPlayground("LSUV")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["Kaiming", "Orthogonal", "Sparse", "Ones", "PriorBias"])
def test_pictures_say_what_they_show(language, kind):
    study = LawPlayground(kind, language=language).study
    for draw in (law_svg, chain_svg, law_study_svg):
        drawn = draw(study, language=language)
        assert "<title>" in drawn
        assert not re.search(r"\bnan\b", drawn)
    assert all(Texts(language)[f"law.moment.{row.name}"] for row in study.moments)


def test_the_script_is_one_module_and_the_slider_reaches_its_value():
    assert Slider._esm == SLIDER_JS.read_text() or Slider(print)._esm == SLIDER_JS.read_text()
    assert "CHECKSUM" not in SLIDER_JS.read_text()
    assert "import " not in SLIDER_JS.read_text()
    for name, value in [("std", 5.0), ("val", -30.0), ("a", 0), ("depth", 200)]:
        low, high, step = reach(name, value, isinstance(value, int))
        assert low <= value <= high
        assert step > 0


def test_a_narrow_net_is_said_to_be_one():
    panel = LawPlayground("Kaiming", layer=LayerSize.of_weight((16, 3, 3, 3)), language="en")
    assert "wide layers: nets that are 3 wide scatter about it" in panel.shown.value
    assert "wide layers" not in LawPlayground("Kaiming", language="en").shown.value


def test_the_script_never_writes_markup_and_fetches_nothing():
    words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import(")
    assert [word for word in words if word in SLIDER_JS.read_text()] == []


@pytest.mark.processes
def test_places_of_a_slider(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the tests of the panel's script in tests/js need it")
    module = tmp_path / "slider.mjs"
    module.write_text(f"{SLIDER_JS.read_text()}export {{ textAt, placeOf }};\n")
    done = subprocess.run(
        [node, "--test", Path(__file__).parents[2] / "js" / "slider.test.mjs"],
        env=os.environ | {"SLIDER_MODULE": module.as_uri()},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_in_a_shell_and_a_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["law", "Kaiming", "--set", "mode=fan_in", "--fan-in", "512"]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "LawStudy(Kaiming(mode=fan_in) on Linear(512, 512): Normal(0, 0.0625); std = " in said
    for file in ("law.svg", "law.html", "law.json", "law.csv"):
        assert main([*line, "--out", file]) == 0
    assert main([*line, "--out", "law.svg"]) == 2
    assert "--force" in capsys.readouterr().err
    assert "0.0625" in (tmp_path / "law.svg").read_text()
    assert isinstance(from_json((tmp_path / "law.json").read_text()), LawStudy)
    assert main(["law", "LSUV"]) == 2
    assert capsys.readouterr().err == (
        "brickbook: init_cfg.type: LSUV scales weights by what a batch makes of a model: "
        "no law tells by how much.\n"
    )
    shape = ["law", "Normal", "--shape", "64,3,7,7"]
    assert main([*shape, "--fan-in", "3"]) == 2
    panel = run(NotebookFrontend({}, has_widgets=True), shape)
    assert isinstance(panel, LawPlayground)
    assert panel.study.layer == "Conv2d(3, 64, 7×7)"
    assert isinstance(run(NotebookFrontend({}), shape), LawStudy)


def test_a_tab_of_the_init_lab_opens_any_rule_prefilled():
    model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 10))
    rules = [
        {"type": "Kaiming", "layer": ["Conv2d"], "mode": "fan_in"},
        {"type": "Constant", "val": 1, "layer": "BatchNorm2d"},
        {"type": "Normal", "std": 0.01, "layer": "Linear"},
        {"type": "LSUV", "layer": "Linear"},
    ]
    lab = InitLab(model, init_cfg=rules, language="en")
    lab.tabs.open_tab("law")
    tab = lab.tabs.sections["law"]
    assert [label for label, _ in tab.rules.options] == [
        "1: Kaiming → Conv2d", "2: Constant → BatchNorm2d", "3: Normal → Linear",
        "4: LSUV → Linear",
    ]  # fmt: skip
    assert tab.playground.study.title == "Kaiming(mode=fan_in) on Conv2d(3, 8, 5×5)"
    tab.rules.value = 1
    assert tab.playground.study.title == "Constant(val=1) on BatchNorm2d(8)"
    tab.rules.value = 3
    assert tab.message.startswith("LSUV scales weights by what a batch makes of a model")
    assert tab.playground is None
    tab.rules.value = 0
    assert tab.message == ""
    tab.playground.sliders["bias"].text = "0.5"
    assert lab.state.rules[0] == rules[0]  # the playground changes no rule
    assert lab.last_error is None
    lab.close()
