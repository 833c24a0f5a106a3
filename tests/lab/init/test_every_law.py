"""Every law in the menu of types initialises a model from the panel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brickbook.init.initializers import INITIALIZERS
from brickbook.lab import InitLab
from brickbook.lab.init.rules.rule_card import type_options


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.fc, self.lstm = nn.Linear(8, 8), nn.LSTM(8, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(self.fc(self.body(x))[:, None])[0]


LAYERS = {
    "Identity": ["Linear"],
    "Sparse": ["Linear"],
    "GateBias": ["LSTM"],
    "ZeroGamma": ["Sequential"],
}
BASE = {name: tuple(value.shape) for name, value in Net().named_parameters()}
GIVEN = {
    "Constant": {"val": "0.5"},
    "Sparse": {"sparsity": "0.5"},
    "DepthScaled": {"init": "dict(type='Normal', std=0.02)", "depth": "2"},
    "MuP": {"init": "dict(type='Kaiming')", "base": repr(BASE)},
}
NAMES = [label for label, _ in type_options("Kaiming")]


def test_the_menu_is_that_of_all_initialisers():
    assert set(NAMES) == set(INITIALIZERS.module_dict)


@pytest.mark.parametrize("name", NAMES)
def test_a_law_from_the_menu_is_carried_out(name, tmp_path):
    torch.manual_seed(0)
    model, given = Net(), dict(GIVEN.get(name, {}))
    if name == "Pretrained":
        torch.save(Net().state_dict(), tmp_path / "other.pth")
        given = {"checkpoint": str(tmp_path / "other.pth")}
    lab = InitLab(model, init_cfg={"type": "Kaiming", "layer": LAYERS.get(name, ["Conv2d"])})
    part = lab.rules.cards[0].initializer
    before = {key: value.clone() for key, value in model.state_dict().items()}
    part.menu.value = name
    for key, text in given.items():
        set_text(part.form[key], text)
    assert not lab.rules.errors and lab.plan_view.problems.text == ""
    assert not lab.toolbar.initialize.disabled
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text.startswith("Initialized with seed 0: "), lab.toolbar.status.text
    assert lab.last_error is None and lab.report is not None
    changed = [key for key, value in model.state_dict().items() if not value.equal(before[key])]
    assert changed
    lab.variants.keep.click()
    assert list(lab.variants.previews) == ["A"] and lab.last_error is None
    lab.close()


def set_text(row, text: str) -> None:
    row.control.value = text


def test_lsuv_says_what_the_model_ran_on():
    rules = {"type": "LSUV", "layer": ["Linear"]}
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    names = {"x": torch.randn(32, 6)}
    done = "Initialized with seed 0: 4 written by a law. The model ran on "
    lab = InitLab(model, init_cfg=rules, namespace=names)
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == f"{done}N(0, 1), 64 × 6."
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    lab.diagnosis.shape.value = "x"
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == f"{done}given: 32 × 6."
    with torch.no_grad():
        assert model[0](names["x"]).std() == pytest.approx(1, abs=0.1)
    lab.diagnosis.shape.value = "5, 7"
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text.startswith("Nothing was changed. ")
    lab.close()
    lab = InitLab(model, init_cfg=rules, batch=names["x"])
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == done.removesuffix(" The model ran on ")
    lab.close()
