from __future__ import annotations

import torch
from lab_support import copy_state, same_state
from torch import nn

from brickbook.lab import InitLab

KAIMING = [{"type": "Kaiming", "layer": ["Linear"]}]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))


def test_variants_are_compared_without_touching_the_model():
    lab = InitLab(net(), init_cfg=KAIMING, seed=0)
    before, rng = copy_state(lab.model), torch.random.get_rng_state()
    lab.variants.keep.click()
    lab.rules.presets.value = "normal_large"
    lab.rules.seed.value = ""
    lab.variants.keep.click()
    assert same_state(lab.model, before) and torch.equal(rng, torch.random.get_rng_state())
    assert list(lab.variants.previews) == ["A", "B"] == lab.grid.meta["variants"]
    stds = [lab.variants.previews[key].comparison["0.weight"].after.std for key in "AB"]
    assert 0.2 < stds[0] < 0.3 and 0.9 < stds[1] < 1.1
    assert [line.children[0].value for line in lab.variants.lines.children] == [
        "A: Kaiming, seed 0", "B: Normal, no seed",
    ]  # fmt: skip
    lab.variants.apply_buttons["A"].click()
    assert (
        lab.state.to_init_cfg() == KAIMING and lab.state.seed == 0 and same_state(lab.model, before)
    )
    lab.toolbar.initialize.click()
    found = lab.variants.previews["A"].comparison["0.weight"]
    assert not found.changed and found.after.std == lab.comparison["0.weight"].after.std
    lab.variants.drop_buttons["A"].click()
    assert list(lab.variants.previews) == ["B"] and list(lab.rules.lab_state.variants) == ["B"]
    assert lab.last_error is None
    lab.close()


def test_three_are_kept_at_most():
    lab = InitLab(net(), init_cfg=KAIMING, seed=0)
    for _ in range(3):
        lab.variants.keep.click()
    assert lab.variants.keep.disabled and list(lab.variants.previews) == ["A", "B", "C"]
    full = "3 variants are kept, and no more fit into one picture: drop one first."
    assert lab.variants.message == lab.variants.keep.tooltip == full
    lab.toolbar.initialize.click()
    assert lab.variants.message == full
    lab.variants.drop_buttons["B"].click()
    assert not lab.variants.keep.disabled and lab.variants.message == ""
    assert lab.variants.keep.tooltip.startswith("Keep these rules under a letter")
    lab.variants.keep.click()
    assert list(lab.variants.previews) == ["A", "B", "C"]
    lab.close()


def test_a_variant_that_cannot_be_kept_is_refused():
    lab = InitLab(net(), init_cfg=KAIMING, seed=0, undo_budget=1000)
    lab.variants.keep.click()
    assert lab.variants.message == (
        "BadValueError: variants: a copy of the model takes 2.8 kB, "
        "more than the budget of 1.0 kB (undo_budget)."
    )
    assert lab.variants.previews == {} == dict(lab.rules.lab_state.variants)
    lab.close()


def test_rules_that_need_data_get_the_batch():
    torch.manual_seed(0)
    rules = [{"type": "LSUV", "layer": ["Linear"]}]
    lab = InitLab(net(), init_cfg=rules, seed=0, batch=torch.randn(64, 20))
    lab.toolbar.initialize.click()
    assert lab.last_error is None
    out = lab.model[0](torch.randn(512, 20))
    assert 0.7 < out.var().item() < 1.3
    lab.close()


def test_variants_follow_undo_and_redo():
    lab = InitLab(net(), init_cfg=KAIMING, seed=0)
    lab.variants.keep.click()
    for press, changed in (
        (lab.toolbar.initialize, False),
        (lab.toolbar.undo, True),
        (lab.toolbar.redo, False),
    ):
        press.click()
        assert lab.variants.previews["A"].comparison["0.weight"].changed is changed
    lab.close()


def test_a_variant_that_cannot_be_previewed_does_not_stop_the_panel(monkeypatch):
    lab = InitLab(net(), init_cfg=KAIMING, seed=0)
    lab.variants.keep.click()
    lab.variants.keep.click()
    real = lab.variants.preview
    answers = iter([None])

    def imagine(state):
        for _ in answers:
            raise MemoryError("no room")
        return real(state)

    monkeypatch.setattr(lab.variants, "preview", imagine)
    report = lab.apply()
    assert lab.grid.meta["variants"] == ["B"] and lab.report is report
    assert lab.variants.message == "A: MemoryError: no room"
    assert isinstance(lab.last_error, MemoryError)
    lab.variants.drop_buttons["B"].click()
    assert lab.variants.previews == {} and list(lab.rules.lab_state.variants) == ["A"]
    lab.undo()
    assert list(lab.variants.previews) == ["A"] and lab.variants.message == ""
    lab.close()
