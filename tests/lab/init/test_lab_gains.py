"""Gains as they are typed into the init lab: numbers, activations, 'auto'; the rest is refused."""

from __future__ import annotations

import math

import pytest
from torch import nn

from brickbook.lab import InitLab

LAYERS = {"layer": ["Linear"]}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


@pytest.fixture
def lab():
    made = InitLab(net(), init_cfg=[{"type": "Xavier", "gain": 1.5, **LAYERS}], seed=0)
    yield made
    assert made.last_error is None
    made.close()


def std(lab: InitLab) -> float | None:
    if lab.plan is None:
        return None
    law = lab.plan["0.weight"].law
    return law.std * math.sqrt(8) if law is not None else None


def type_in(lab: InitLab, text: str) -> None:
    lab.rules.cards[0].initializer.form["gain"].control.value = text


@pytest.mark.parametrize(
    ("text", "gain"),
    [
        ("2", 2), ("0.5", 0.5), ("1e-2", 0.01), ("auto", math.sqrt(2)), ("relu", math.sqrt(2)),
        ("tanh", 5 / 3), ("selu", 0.75), ("linear", 1), ("", 1), (" 'relu' ", math.sqrt(2)),
    ],
)  # fmt: skip
def test_a_gain_is_a_number_or_a_word(lab, text, gain):
    type_in(lab, text)
    assert not lab.rules.errors and std(lab) == pytest.approx(gain)


KNOWN = "expected a number, 'auto' or a nonlinearity, got {!r}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rleu", f"{KNOWN.format('rleu')} Did you mean 'relu'?"),
        ("Auto", f"{KNOWN.format('Auto')} Did you mean 'auto'?"),
        ("tan", f"{KNOWN.format('tan')} Did you mean 'tanh'?"),
        ("-1", "expected a finite number of 0 or more, got -1."),
        ("1,5", "expected a number, got (1, 5) (tuple)."),
    ],
)
def test_what_is_no_gain_is_refused_at_the_field(lab, text, message):
    type_in(lab, text)
    assert lab.rules.errors == {"init_cfg[0].gain": message} and lab.plan is None
    assert lab.rules.cards[0].initializer.form["gain"].notice.text == message
    assert lab.toolbar.initialize.disabled
    type_in(lab, "1.5")
    assert not lab.rules.errors and std(lab) == pytest.approx(1.5)


def test_the_word_stays_in_the_config(lab):
    type_in(lab, "relu")
    assert lab.state.to_init_cfg() == [{"type": "Xavier", "gain": "relu", **LAYERS}]
    lab.toolbar.initialize.click()
    assert lab.comparison["0.weight"].after.std == pytest.approx(math.sqrt(2 / 8), rel=0.3)


def test_kaiming_offers_the_gain_of_what_follows():
    lab = InitLab(net(), init_cfg=[{"type": "Kaiming", "nonlinearity": "tanh", **LAYERS}], seed=0)
    row = lab.rules.cards[0].initializer.form["nonlinearity"]
    assert row.control.options[0] == "auto" and row.control.value == "tanh"
    row.control.value = "auto"
    assert lab.state.to_init_cfg()[0]["nonlinearity"] == "auto" and lab.plan is not None
    assert lab.plan["0.weight"].law.std == pytest.approx(math.sqrt(2 / 8))
    assert lab.plan["2.weight"].law.std == pytest.approx(math.sqrt(1 / 8))
    lab.close()
