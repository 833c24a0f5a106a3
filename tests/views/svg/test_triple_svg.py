"""The picture of the triple: its rows as numbers, and as an SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import partial

import pytest
import torch
from torch import nn

from brickbook import triple
from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.views.data.triple_rows import choose_layers, describe_triple, triple_panels
from brickbook.views.svg.triple import triple_picture, triple_svg

EVIL = "<img src=x onerror=alert(1)>"


def net(depth=3):
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(16, 16), nn.ReLU())]
    model = nn.Sequential(*layers)
    nn.init.zeros_(model[0].weight)
    nn.init.constant_(model[0].bias, -1.0)
    model.add_module(EVIL, nn.Linear(16, 16))
    return model


FOUND = triple(net(), input_shape=(8, 16), optimizer=partial(torch.optim.SGD, lr=0.1))


def words_of(svg):
    return [part.text for part in ET.fromstring(svg).iter() if part.tag.endswith("text")]


def test_bars_lie_within_their_axis_and_the_highest_fills_it():
    for row in triple_panels(FOUND):
        for panel in row.panels:
            assert all(-1e-9 <= low < high <= 1 + 1e-9 for low, high, _ in panel.bars)
            assert max(tall for _, _, tall in panel.bars) == 1


def test_one_value_stands_in_the_middle_of_an_axis_of_its_own():
    weight, output, _ = triple_panels(FOUND)[0].panels
    assert (weight.low, weight.high) == (-1.0, 1.0)
    assert (output.low, output.high) == (-2.0, 0.0)
    assert weight.bars == output.bars == ((pytest.approx(4 / 9), pytest.approx(5 / 9), 1.0),)


def test_a_common_axis_is_that_of_all_rows_and_a_single_value_takes_no_room_on_it():
    own, shared = triple_panels(FOUND), triple_panels(FOUND, common_x=True)
    for at in range(2):
        ends = {(row.panels[at].low, row.panels[at].high) for row in shared}
        wide = [row.panels[at] for row in own[1:]]
        low, high = min(it.low for it in wide), max(it.high for it in wide)
        assert ends == {(min(low, own[0].panels[at].values.mean), high)}


def test_both_kinds_of_gradients_can_be_shown():
    by_output = triple_panels(FOUND, gradients="outputs")
    assert [row.panels[2].values for row in by_output] == [
        row.output_gradient for row in FOUND.rows
    ]
    with pytest.raises(ConfigError) as caught:
        triple_panels(FOUND, gradients="inputs")  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == "gradients: expected 'weights' or 'outputs', got 'inputs'."


def test_the_picture_says_what_it_shows_and_no_name_is_markup():
    svg = triple_svg(FOUND)
    words = words_of(svg)
    assert EVIL not in svg and any(word.endswith("onerror=alert(1)>") for word in words)
    for word in ("weights", "activations", "weight gradients", "update/weight", "SGD, lr 0.1",
                 "100 % dead"):  # fmt: skip
        assert word in words
    assert svg.count("<circle") == sum(row.update is not None for row in FOUND.rows)


def test_of_many_layers_some_evenly_apart_are_drawn():
    found = triple(net(40), input_shape=(2, 16))
    names = choose_layers(found, 24)
    assert len(names) == 24 and (names[0], names[-1]) == (found.layers[0], found.layers[-1])
    assert choose_layers(FOUND, 24) == FOUND.layers
    assert "24 of 41 layers" in words_of(triple_picture(found).svg)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_and_numbers_that_are_not_finite_are_drawn_too(language):
    model = nn.Linear(4, 4)
    nn.init.constant_(model.weight, float("nan"))
    words = words_of(triple_svg(triple(model, input_shape=(2, 4)), language=language))
    assert Texts(language)("missing.nan", n=16) in words
    empty = triple(nn.ReLU(), input_shape=(2, 4))
    assert Texts(language)["depth.no_outputs"] in words_of(triple_svg(empty, language=language))


def test_words_for_those_who_do_not_see_it():
    found = triple(nn.Sequential(nn.Linear(4, 4, bias=False)), torch.zeros(2, 4))
    said = describe_triple(found, Texts("en"))
    assert said.startswith("Weights, activations and gradients: 0: std of weights 0.")
    assert said.endswith(", activations 0, gradients 0")


def test_a_layer_can_be_clicked_anywhere_in_its_row():
    rows = [part for part in ET.fromstring(triple_svg(FOUND)) if part.tag.endswith("}g")]
    assert [row[-1].get("data-layer") for row in rows] == [row.name for row in FOUND.rows]
