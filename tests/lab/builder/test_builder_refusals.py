"""What the builder refuses, and what it does not lose by that."""

from __future__ import annotations

from typing import Any

import pytest
from ipywidgets.widgets import widget as widget_module
from torch import nn

from brickbook import Blueprint
from brickbook.lab import Builder

LINEAR = {"type": "Linear", "in_features": 4, "out_features": 2}
CONV = {"type": "ConvModule", "in_channels": 3, "out_channels": 8, "kernel_size": 3}
FIVE = "Brick 1, kernel_size: expected int or tuple[int, ...], got 'five'. Nothing was "


class Plain(nn.Module):
    def __init__(self, a):
        super().__init__()

    def forward(self, x):
        return x


def builder(*bricks: dict[str, Any], **more: Any) -> Builder:
    return Builder(Blueprint(bricks), input_shape=(3, 8, 8), name="refusals_test", **more)


def put(panel: Builder, path: str, text: str) -> None:
    assert panel.form_pane.form is not None
    panel.form_pane.form.control(path).value = text  # pyright: ignore[reportAttributeAccessIssue]


def shown(panel: Builder, path: str) -> str:
    assert panel.form_pane.form is not None
    return panel.form_pane.form.control(path).value  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("word, done", [("Use", "used."), ("Start", "used."), ("Copy", "copied.")])
@pytest.mark.parametrize("go_away", [False, True])
def test_a_wrong_text_is_refused_wherever_one_has_gone(word, done, go_away):
    space: dict[str, Any] = {}
    panel = builder(CONV, {"type": "Flatten"}, namespace=space)
    put(panel, "kernel_size", "five")
    if go_away:
        panel.controls.bricks.selected = 1
    panel.controls.buttons[word].click()
    assert panel.notice.text == FIVE + done
    assert space == {} and panel.model is None and panel.code.layout.display == "none"
    assert panel.state.selected == (0,) and shown(panel, "kernel_size") == "five"
    put(panel, "kernel_size", "5")
    panel.controls.buttons[word].click()
    assert "Nothing" not in panel.notice.text


def test_a_wrong_text_stays_with_its_brick():
    before = set(widget_module._instances)
    panel = builder(CONV, CONV, {"type": "Flatten"})
    panel.controls.bricks.selected = 1
    put(panel, "kernel_size", "five")
    panel.controls.bricks.selected = 0
    assert shown(panel, "kernel_size") == "3"  # the same config, another brick
    panel.controls.bricks.selected = 1
    assert shown(panel, "kernel_size") == "five"
    panel.controls.buttons["Down"].click()
    assert panel.form_pane.title.value == "3. ConvModule" and shown(panel, "kernel_size") == "five"
    panel.controls.buttons["Delete"].click()
    panel.controls.buttons["Use"].click()
    assert panel.notice.text.startswith("Built. ")  # the brick with the text is gone
    panel.controls.buttons["Undo"].click()
    assert shown(panel, "kernel_size") == "five"
    panel.controls.bricks.selected = 0
    panel.controls.buttons["Delete"].click()
    panel.controls.bricks.selected = 1
    assert shown(panel, "kernel_size") == "five"
    panel.close()
    assert set(widget_module._instances) <= before


def test_code_that_is_no_longer_true_is_hidden():
    panel = builder(CONV)
    for edit in (
        lambda: put(panel, "out_channels", "4"),
        lambda: panel.controls.buttons["Undo"].click(),
        lambda: setattr(panel.controls.name, "value", "other"),
    ):
        panel.controls.buttons["Copy"].click()
        assert panel.code.layout.display is None
        panel.controls.bricks.selected = 0
        assert panel.code.layout.display is None
        edit()
        assert panel.code.layout.display == "none"


def test_a_brick_that_needs_a_value_says_so_once_in_its_form():
    panel = builder({"type": "ReLU"}, {"type": Plain})
    assert panel.controls.bricks.rows[1]["error"] == "Plain also needs a."
    assert panel.controls.summary.text == "2 bricks, 0 parameters; brick 2 needs a value."
    panel.controls.buttons["Copy"].click()
    assert panel.notice.text == "Brick 2, a: needs a value. Nothing was copied."
    assert panel.form_pane.form is not None and panel.form_pane.form.errors == {
        "a": "needs a value."
    }
    put(panel, "a", "1")
    assert panel.form_pane.form.errors == {} and panel.controls.bricks.rows[1]["error"] == ""


def test_a_name_that_is_something_else_is_not_overwritten():
    space: dict[str, Any] = {"nn": nn, "net": nn.ReLU()}
    panel = builder(CONV, namespace=space)
    panel.controls.name.value = "nn"
    panel.controls.buttons["Use"].click()
    assert space["nn"] is nn and panel.model is None
    assert panel.controls.name_notice.text == (
        "`nn` is something else in this notebook: choose another name."
    )
    panel.controls.name.value = "net"
    panel.controls.buttons["Use"].click()
    assert space["net"] is panel.model is not None and panel.controls.name_notice.text == ""


POOL = {"type": "MaxPool2d", "kernel_size": 2}


@pytest.mark.parametrize(
    "cfg, path, text, problem",
    [
        (CONV, "kernel_size", "0", "expected a size of 1 or more, got 0."),
        (CONV, "kernel_size", "(3, 0)", "expected sizes of 1 or more, got (3, 0)."),
        (CONV, "out_channels", "0", "expected a size of 1 or more, got 0."),
        (CONV, "in_channels", "-3", "expected a size of 1 or more, got -3."),
        (CONV, "stride", "0", "expected a size of 1 or more, got 0."),
        (CONV, "dilation", "0", "expected a size of 1 or more, got 0."),
        (CONV, "groups", "0", "expected a size of 1 or more, got 0."),
        (CONV, "padding", "-1", "expected a size of 0 or more, got -1."),
        (LINEAR, "out_features", "0", "expected a size of 1 or more, got 0."),
        ({"type": "BN", "num_features": 3}, "num_features", "0",
         "expected a size of 1 or more, got 0."),
        (POOL, "kernel_size", "-2", "expected a size of 1 or more, got -2."),
    ],
)  # fmt: skip
def test_a_size_that_no_layer_has_is_said_at_its_field(cfg, path, text, problem):
    space: dict[str, Any] = {}
    panel = builder(cfg, namespace=space)
    put(panel, path, text)
    assert panel.form_pane.form is not None and panel.form_pane.form.errors == {path: problem}
    assert panel.controls.bricks.rows[0]["error"] == problem
    panel.controls.buttons["Use"].click()
    assert panel.notice.text == f"Not built. bricks[0].{path}: {problem}" and space == {}


class Cut(nn.Identity):
    def __init__(self, stride: int, padding: int):
        super().__init__()


@pytest.mark.parametrize(
    "cfg", [{"type": "zero", "padding": -1}, {"type": Cut, "stride": 0, "padding": -1}]
)
def test_other_layers_may_mean_what_they_like_by_the_same_names(cfg):
    panel = builder(cfg)
    assert panel.controls.bricks.rows[0]["error"] == ""
    panel.controls.buttons["Use"].click()
    assert panel.model is not None
