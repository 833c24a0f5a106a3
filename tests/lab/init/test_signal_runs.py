"""Signals by themselves, on copies: what runs when, and what is left as it was."""

from __future__ import annotations

import pytest
import torch
from lab_support import conv_net, copy_state, same_state
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from brickbook import initialize, probe
from brickbook.lab import InitLab
from brickbook.lab.init import signal_runs
from brickbook.lab.init.batches import first_batch
from brickbook.live_panels import CELL, pause_live_panels, resume_live_panels

SMALL = [{"type": "Normal", "std": 0.01, "layer": ["Linear"]}]
LARGE = [{"type": "Normal", "std": 1.0, "layer": ["Linear"]}]


def deep(depth: int = 6) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(part for _ in range(depth) for part in (nn.Linear(32, 32), nn.Tanh())), nn.Linear(32, 10)
    )


def watched(model: nn.Module, **options: object) -> InitLab:
    """Open a panel as where somebody looks at it, and let everything run."""
    lab = InitLab(model, **{"init_cfg": SMALL, **options})
    lab.runs.automatic = True
    lab.runs.run_next()
    settle(lab)
    return lab


def settle(lab: InitLab) -> None:
    lab.runs.progress.worker.wait(20)
    lab.diagnosis.progress.worker.wait(20)


def kinds(lab: InitLab) -> list[str]:
    return [line.kind for line in lab.runs.lines]


def stds(lab: InitLab, at: int) -> list[float | None]:
    return [row.std for row in lab.runs.lines[at].signals]


def test_the_weights_and_what_the_rules_would_make_of_them_run_on_copies():
    net = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, 10))
    before, numbers = copy_state(net), torch.get_rng_state()
    lab = watched(net)
    assert kinds(lab) == ["now", "rules"] and lab.last_error is None
    assert same_state(net, before) and torch.equal(torch.get_rng_state(), numbers)
    assert not any(part._forward_hooks for part in net.modules())
    assert stds(lab, 0) == [row.std for row in probe(net, input_shape=(64, 32))]
    initialize(net, SMALL, seed=0)
    assert stds(lab, 1) == [row.std for row in probe(net, input_shape=(64, 32))]
    lab.close()


def test_what_was_shown_is_the_ghost_after_initialize():
    lab = watched(deep())
    now, rules = stds(lab, 0), stds(lab, 1)
    lab.toolbar.initialize.click()
    assert kinds(lab) == ["before", "after"] and stds(lab, 1) == rules  # at once, before it has run
    settle(lab)
    assert stds(lab, 0) == now and stds(lab, 1) == rules
    lab.rules.presets.value = "xavier_uniform"
    settle(lab)
    assert kinds(lab) == ["now", "rules"] and stds(lab, 0) == rules
    lab.toolbar.undo.click()  # the preset
    settle(lab)
    assert kinds(lab) == ["before", "after"] and stds(lab, 0) == now
    lab.toolbar.undo.click()
    settle(lab)
    assert kinds(lab) == ["now", "rules"] and stds(lab, 0) == now
    lab.close()


def test_hooks_of_the_users_do_not_see_it():
    net, seen = deep(), []
    net[0].register_forward_hook(lambda *_: seen.append("hook"))
    net[2].register_forward_pre_hook(seen.append)
    nn.utils.parametrizations.weight_norm(net[0])
    nn.utils.spectral_norm(net[2])  # a hook of torch's, which its layer needs
    lab = watched(net, init_cfg=[])
    assert kinds(lab) == ["now"] and seen == [] and lab.runs.message == ""
    assert len(net[0]._forward_hooks) == 1 and len(net[2]._forward_pre_hooks) == 2
    lab.close()


def test_every_variant_has_a_line():
    lab = watched(deep())
    lab.variants.keep.click()
    lab.rules.presets.value = "xavier_uniform"
    lab.variants.keep.click()
    settle(lab)
    assert [(line.kind, line.label) for line in lab.runs.lines] == [
        ("now", "now"), ("rules", "by these rules"), ("variant", "A"), ("variant", "B")
    ]  # fmt: skip
    assert stds(lab, 1) == stds(lab, 3) != stds(lab, 2)
    svg = lab.tabs.section("signals").picture.svg
    assert all(f">{word}</text>" in svg for word in ("now", "by these rules", "A", "B"))
    lab.close()


def test_the_theory_is_drawn_where_there_is_one():
    lab = watched(deep())
    assert [line.expected is not None for line in lab.runs.lines] == [True, True]
    assert ">expected (mean field)</text>" in lab.tabs.section("signals").picture.svg
    lab.close()
    other = watched(conv_net(), init_cfg=[], input_shape=(3, 8, 10))
    assert [line.expected for line in other.runs.lines] == [None]  # there is a norm
    other.close()


def test_the_verdict_is_the_worst_with_its_numbers_and_the_loss_beside_chance():
    net = deep(20)
    for part in net:
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.1)
            nn.init.zeros_(part.bias)
    lab = watched(net, init_cfg=[{"type": "Xavier", "layer": ["Linear"]}])
    title = lab.diagnosis.title
    assert title.startswith("Now: ✖ signals shrink ")
    assert "× by Linear 38; start loss 2.30, chance 2.30. By these rules: " in title
    lab.toolbar.initialize.click()
    settle(lab)
    assert "start loss 2." in lab.diagnosis.title and "Now" not in lab.diagnosis.title
    lab.close()


def test_nothing_is_said_of_signals_that_did_not_run():
    lab = InitLab(deep(), init_cfg=SMALL)
    assert lab.runs.lines == () and lab.diagnosis.title == "Diagnosis"
    words = lab.tabs.section("signals").words.value
    assert "Nothing has run yet" in words
    lab.close()


def test_the_first_pass_may_be_slow_and_the_fastest_counts():
    lab = watched(deep())
    lab.runs.seconds, lab.runs.passes = 1.5, 1
    lab.rules.presets.value = "xavier_uniform"
    settle(lab)
    assert lab.runs.by_rules is not None and lab.runs.message == ""
    assert lab.runs.seconds < 1.5 and lab.runs.passes == 2
    lab.close()


def test_a_slow_pass_is_asked_for(monkeypatch):
    lab = watched(deep())
    lab.runs.seconds = 1.5
    lab.rules.presets.value = "xavier_uniform"
    settle(lab)
    assert lab.runs.by_rules is None
    assert kinds(lab) == ["now", "rules"]  # the older one stands
    assert lab.runs.message.startswith("A pass takes 1.5 s, so none runs by itself: ")
    lab.diagnosis.run.click()
    lab.diagnosis.progress.worker.wait(20)
    settle(lab)
    assert lab.runs.by_rules is not None and lab.runs.message == ""
    lab.close()
    monkeypatch.setattr(signal_runs, "MAX_VALUES", 10)
    large = watched(deep())
    assert large.runs.lines == ()
    assert large.runs.message.startswith("The model has 6.7 k values, so that no pass runs by ")
    large.close()


def test_no_pass_runs_while_a_cell_does():
    lab = watched(deep())
    try:
        pause_live_panels()
        assert CELL.running
        lab.rules.presets.value = "xavier_uniform"
        settle(lab)
        assert lab.runs.by_rules is None
    finally:
        resume_live_panels()
    settle(lab)
    assert lab.runs.by_rules is not None and not CELL.running
    lab.close()


def test_of_the_sizes_of_pictures_one_that_fits_is_found():
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 24 * 24, 10))
    lab = watched(net)
    assert kinds(lab) == ["now", "rules"]
    assert lab.lab_state().input_shape == (16, 1, 28, 28)
    assert lab.diagnosis.shape.placeholder == "16, 1, 28, 28" and lab.runs.message == ""
    lab.close()


def test_what_fails_is_said_once_and_another_input_runs_again():
    lab = watched(deep(), input_shape=(5,))
    assert lab.runs.message == (
        "No signals: 0: Linear got (16, 5): mat1 and mat2 shapes cannot be multiplied "
        "(16x5 and 32x32)."
    )
    lab.diagnosis.shape.value = "8, 32"
    settle(lab)
    assert kinds(lab) == ["now", "rules"] and lab.runs.message == ""
    lab.close()


def test_a_loader_gives_its_first_batch_and_draws_nothing():
    torch.manual_seed(3)
    data = TensorDataset(torch.randn(40, 32), torch.zeros(40))
    loader, net = DataLoader(data, batch_size=8, shuffle=True), deep()
    numbers = torch.get_rng_state()
    [found] = first_batch(loader, net)
    assert found.shape == (8, 32) and torch.equal(torch.get_rng_state(), numbers)
    lab = watched(deep(), namespace={"loader": loader, "n": 3})
    assert lab.diagnosis.shape.options == ("loader",)
    lab.diagnosis.shape.value = "loader"
    settle(lab)
    assert lab.runs.lines[0].signals.source == "given"
    assert lab.runs.lines[0].signals.input == ((8, 32),)
    assert lab.lab_state().batch is lab.lab_state().batch  # it is loaded once
    lab.close()


@pytest.mark.parametrize("width", [0, 500])
def test_the_picture_is_drawn_for_the_width_there_is(width):
    lab = watched(deep())
    tab = lab.tabs.section("signals")
    tab.picture.width = width
    assert f'width="{width or 800}"' in tab.picture.svg
    tab.picture.chosen = "2"
    assert lab.tabs.selected == "weights" and lab.grid.selected == "2.weight"
    lab.close()
