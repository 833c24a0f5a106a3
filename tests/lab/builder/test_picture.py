"""The picture of the builder: boxes for bricks, errors where they happen, a click that chooses."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from brickbook import Blueprint
from brickbook.lab import Builder
from brickbook.lab.builder.picture import brick_at, network_of
from brickbook.lab.builder.preview import preview
from brickbook.lab.builder.templates import TEMPLATES

FLATTEN, RELU = {"type": "Flatten"}, {"type": "ReLU"}
LINEAR = {"type": "Linear", "in_features": 500, "out_features": 10}


def panel_of(*bricks: dict[str, Any], shape: tuple[int, ...] = (4, 10, 10)) -> Builder:
    return Builder(Blueprint(bricks), input_shape=shape, name="picture_test")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_module_of_a_template_belongs_to_a_brick(name):
    template = TEMPLATES[name]
    blueprint = template.blueprint
    found = network_of(blueprint, preview(blueprint, template.input_shape))
    assert found.flow == "hooks" and not found.why
    paths = {brick_at(blueprint, node.name) for node in found if node.name}
    leaves = {path for path, cfg in blueprint.walk()}
    assert paths - {()} <= leaves
    assert {path for path in leaves if len(path) == 1} <= paths


@pytest.mark.parametrize(
    "bricks, name, path",
    [
        ([RELU], "0", (0,)),
        ([RELU], "1", ()),
        ([{"type": "Sequential", "bricks": [RELU, RELU]}], "0.1", (0, "bricks", 1)),
        ([{"type": "Repeat", "times": 3, "body": [RELU, RELU]}], "0.2.1", (0, "body", 1)),
        ([{"type": "Residual", "body": [], "shortcut": [RELU]}], "0.shortcut.0",
         (0, "shortcut", 0)),
        ([{"type": "Concat", "branches": [[], [RELU]]}], "0.branches.1.0", (0, "branches", 1, 0)),
        ([{"type": "Concat", "branches": [[], [RELU]]}], "0", (0,)),
        ([RELU], "", ()),
    ],
)  # fmt: skip
def test_the_brick_of_a_module(bricks, name, path):
    assert brick_at(Blueprint(tuple(bricks)), name) == path


def test_a_misfit_is_drawn_where_it_is_with_the_words_of_the_list():
    panel = panel_of(FLATTEN, LINEAR, RELU)
    assert panel.controls.bricks.rows[1]["error"] == "takes 500, gets 400."
    assert "takes 500, gets 400." in panel.picture.svg
    panel.go(panel.state.make_auto((1,), "in_features"))
    assert "takes 500" not in panel.picture.svg and panel.last_error is None


class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        raise RuntimeError("<b>no such thing</b>")


@pytest.mark.parametrize("brick", [{"type": "Nope"}, {"type": Raising}, {"type": "Linear"}])
def test_a_brick_that_cannot_be_built_stands_there_all_the_same(brick):
    panel = panel_of(FLATTEN, brick, RELU)
    assert panel.last_error is None and panel.picture.paths[-1] == (2,)
    assert (1,) in panel.picture.paths and "<b>" not in panel.picture.svg


def test_a_click_chooses_a_brick_and_what_is_chosen_is_marked():
    panel = panel_of({"type": "Repeat", "times": 2, "body": [RELU]}, FLATTEN)
    paths = panel.picture.paths
    panel.picture.on_message(None, {"choose": paths.index((0, "body", 0))}, None)
    assert panel.state.selected == (0, "body", 0)
    marked = [at for at, path in enumerate(paths) if path == (0, "body", 0)]
    assert panel.picture.chosen == marked and len(marked) == 2
    panel.picture.on_message(None, {"choose": 0}, None)  # what goes in is no brick
    assert panel.state.selected == (0, "body", 0)


def test_an_empty_builder_shows_no_picture():
    panel = panel_of()
    assert panel.picture.svg == "" and panel.picture.layout.display == "none"
    panel.on_add("embedding", "")
    assert panel.picture.svg and panel.picture.layout.display is None
