"""The tab of the triple: what runs when, on a copy, and what the controls change."""

from __future__ import annotations

import pytest
import torch
from lab_support import copy_state, same_state
from torch import nn

from brickbook import initialize, triple
from brickbook.lab import InitLab
from brickbook.views.data.triple_rows import choose_layers

RULES = [{"type": "Normal", "std": 0.3, "layer": ["Linear"]}]


def net(depth: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (part for _ in range(depth) for part in (nn.Linear(16, 16), nn.ReLU()))
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(16, 10))


def opened(model: nn.Module, **options: object) -> InitLab:
    """Open a panel at the tab, where somebody looks at it, and let everything run."""
    lab = InitLab(model, **{"init_cfg": RULES, **options})
    lab.runs.automatic = True
    lab.runs.run_next()
    lab.runs.progress.worker.wait(20)
    lab.tabs.open_tab("triple")
    settle(lab)
    return lab


def settle(lab: InitLab) -> None:
    for _ in range(3):
        lab.runs.progress.worker.wait(20)
        lab.tabs.section("triple").progress.worker.wait(20)


@pytest.fixture
def lab():
    made = opened(net())
    yield made
    made.close()


def test_it_runs_by_itself_on_a_copy(lab):
    tab, model = lab.tabs.section("triple"), lab.model
    before, numbers = copy_state(model), torch.get_rng_state()
    tab.run.click()
    settle(lab)
    assert same_state(model, before) and torch.equal(torch.get_rng_state(), numbers)
    assert tab.found == triple(model, input_shape=(64, 16)) and lab.last_error is None
    assert tab.picture.svg.startswith("<svg") and "Noise, N(0, 1), 64 × 16" in tab.words.value


def test_what_the_rules_would_make_can_be_seen(lab):
    tab = lab.tabs.section("triple")
    tab.of.value = "by_rules"
    settle(lab)
    initialize(lab.model, RULES, seed=0)
    assert tab.found.rows == triple(lab.model, input_shape=(64, 16)).rows


def test_a_step_is_made_by_the_chosen_optimizer(lab):
    tab = lab.tabs.section("triple")
    assert tab.rate.layout.display == "none"
    tab.optimizer.value = "Adam"
    settle(lab)
    assert tab.rate.layout.display is None and tab.found.optimizer == "Adam, lr 0.001"
    tab.rate.value = 0.01
    settle(lab)
    assert tab.found.optimizer == "Adam, lr 0.01" and "update/weight" in tab.picture.svg
    tab.rate.value = -1.0
    settle(lab)
    assert tab.message == "BadValueError: lr: expected a positive number, got -1.0."


def test_other_weights_are_run_again_and_nothing_old_is_left_unsaid(lab):
    tab, old = lab.tabs.section("triple"), lab.tabs.section("triple").found
    tab.paused = True
    lab.toolbar.initialize.click()
    assert tab.found is old and "press Run" in tab.words.value
    tab.resume()
    lab.show_weights()
    settle(lab)
    assert tab.found != old and "press Run" not in tab.words.value


def test_the_look_changes_without_a_pass(lab):
    tab = lab.tabs.section("triple")
    found, pictures = tab.found, [tab.picture.svg]
    tab.common_x.value = True
    pictures.append(tab.picture.svg)
    tab.gradients.value = "outputs"
    pictures.append(tab.picture.svg)
    assert tab.found is found and len(set(pictures)) == 3


def test_a_click_on_a_layer_shows_its_weight(lab):
    lab.tabs.section("triple").picture.chosen = "2"
    assert lab.tabs.selected == "weights" and lab.grid.selected == "2.weight"


def test_of_many_layers_some_are_shown_and_the_rest_on_request():
    lab = opened(net(30))
    tab = lab.tabs.section("triple")
    assert tab.picture.svg.count("data-layer") == 24 == len(choose_layers(tab.found, 24))
    assert tab.all_layers.layout.display is None
    tab.all_layers.value = True
    assert tab.picture.svg.count("data-layer") == 31
    lab.close()


def test_a_pass_that_fails_is_said_and_not_tried_again_by_itself():
    class Failing(nn.Linear):
        def forward(self, x):
            raise RuntimeError("no such thing")

    lab = opened(nn.Sequential(Failing(4, 4)))
    tab = lab.tabs.section("triple")
    tab.run.click()
    settle(lab)
    expected = "No signals: 0: Failing got (64, 4): no such thing."
    assert tab.message == expected and tab.found is None
    lab.close()


def test_it_stops_for_a_cell_and_goes_on_after_it(lab):
    tab = lab.tabs.section("triple")
    lab.pause()
    lab.toolbar.initialize.click()
    settle(lab)
    assert tab.found_key != tab.wanted_key
    lab.resume()
    lab.show_weights()
    settle(lab)
    assert tab.found_key == tab.wanted_key
