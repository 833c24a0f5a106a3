from __future__ import annotations

import torch
from torch import nn

from brickbook.lab import InitLab
from brickbook.lab.init_diagnosis import GOOD, findings_html

SMALL = [{"type": "Normal", "std": 0.01, "layer": ["Linear"]}]


def net() -> nn.Module:
    return nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(32, 32), nn.ReLU())))


def test_it_looks_only_when_it_is_open():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    found = lab.diagnosis
    assert found.findings == () and found.accordion.children[0].children == ()
    found.accordion.selected_index = 0
    assert [item.rule for item in found.findings] == ["gain"]
    assert found.accordion.titles == ("Diagnosis: 1 found",)
    assert "<summary" in found.words.value and found.findings[0].about.title in found.words.value
    lab.rules.presets.value = "Kaiming, fan in"
    assert found.findings == () and GOOD in found.words.value
    assert found.accordion.titles == ("Diagnosis: nothing found",)
    lab.close()


def test_a_batch_shows_what_vanishes_and_leaves_the_model():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    lab.bar.initialize.click()
    before = {name: value.clone() for name, value in lab.model.state_dict().items()}
    lab.diagnosis.accordion.selected_index = 0
    lab.diagnosis.shape.value = "64, 32"
    lab.diagnosis.run.click()
    assert "depth" in {item.rule for item in lab.diagnosis.findings}
    assert lab.diagnosis.chart.value.startswith("<svg")
    assert all(torch.equal(v, before[k]) for k, v in lab.model.state_dict().items())
    lab.rules.presets.value = "Kaiming, fan in"
    lab.bar.initialize.click()
    assert lab.diagnosis.signals is None and lab.diagnosis.chart.value == ""
    lab.close()


def test_a_batch_that_does_not_fit_is_said():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    lab.diagnosis.accordion.selected_index = 0
    lab.diagnosis.shape.value = "3, 8"
    lab.diagnosis.run.click()
    assert lab.diagnosis.message == (
        "Linear got (3, 8): mat1 and mat2 shapes cannot be multiplied (3x8 and 32x32)."
    )
    lab.diagnosis.shape.value = "many"
    lab.diagnosis.run.click()
    assert lab.diagnosis.message == "expected whole numbers such as 3, 32, 32, got 'many'."
    assert lab.last_error is None
    lab.close()


def test_a_given_batch_is_used():
    lab = InitLab(net(), init_cfg=SMALL, seed=0, batch=torch.randn(8, 32))
    lab.diagnosis.accordion.selected_index = 0
    assert lab.diagnosis.shape.disabled
    lab.diagnosis.run.click()
    assert lab.diagnosis.signals is not None and lab.last_error is None
    lab.close()


def test_names_are_text():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model.add_module("<img src=x>", nn.Linear(4, 4))
    lab = InitLab(model, init_cfg=[{"type": "Zeros", "layer": ["Linear"]}], seed=0)
    lab.diagnosis.accordion.selected_index = 0
    assert lab.diagnosis.findings and "<img" not in findings_html(lab.diagnosis.findings)
    lab.close()


def test_static_and_export(tmp_path):
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    lab.bar.initialize.click()
    assert "0.weight" in lab.static()._repr_html_()
    assert lab.export(tmp_path / "lab.csv").read_text().startswith("name,")
    lab.close()
