"""Shortcuts with the projection that fits, sizes left to the input, what leaves the builder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from brickbook import MODELS, Blueprint
from brickbook.lab import Builder, InitLab
from brickbook.lab.builder.shortcuts import find_projection
from brickbook.live_panels import refresh_live_panels

LINEAR, CONV = {"type": "Linear", "out_features": 9}, {"type": "Conv2d"}


def conv(channels: int, **more: Any) -> dict[str, Any]:
    same = {"kernel_size": 3, "padding": 1}
    return {"type": "ConvModule", "out_channels": channels, **same, **more}


def panel_of(*bricks: dict[str, Any], shape: tuple[int, ...] = (3, 9, 8), **more: Any) -> Builder:
    return Builder(Blueprint(bricks), input_shape=shape, name="shortcut_test", **more)


def projection(kind: str, channels: int, **more: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "out_channels": channels, "kernel_size": 1, **more}]


@pytest.mark.parametrize(
    "before, after, bricks, found",
    [
        ((3, 8, 8), (3, 8, 8), [], []),
        ((3, 8, 8), (6, 8, 8), [], projection("Conv2d", 6)),
        ((3, 9, 8), (6, 5, 4), [], projection("Conv2d", 6, stride=2)),
        ((3, 9, 8), (6, 3, 8), [], projection("Conv2d", 6, stride=(3, 1))),
        ((3, 8), (4, 4), [], projection("Conv1d", 4, stride=2)),
        ((3, 8), (3, 4), [CONV], projection("Conv1d", 3, stride=2)),
        ((3, 8), (3, 9), [LINEAR], [{"type": "Linear", "out_features": 9}]),
        ((8,), (9,), [], [{"type": "Linear", "out_features": 9}]),
        ((2, 4, 4, 4), (3, 2, 2, 2), [], projection("Conv3d", 3, stride=2)),
    ],
)
def test_the_projection_that_fits(before, after, bricks, found):
    assert find_projection(before, after, bricks) == found


@pytest.mark.parametrize(
    "before, after", [((3, 4, 4), (3, 8, 8)), ((3, 8, 8), (192,)), ((3, 8, 8), (3, 6, 6))]
)
def test_what_no_projection_reaches(before, after):
    with pytest.raises(ValueError, match="no 1×1 convolution and no Linear"):
        find_projection(before, after, [])


def test_a_range_gets_its_shortcut_with_one_click():
    panel = panel_of(conv(8), conv(16, stride=2), {"type": "Flatten"})
    panel.go(panel.state.select((0,)).extend((1,)))
    button = panel.controls.buttons["Shortcut"]
    assert button.description == "Shortcut: Conv2d 1×1, stride 2"
    button.click()
    assert panel.last_error is None and panel.preview.fits
    [block, _] = panel.state.blueprint.bricks
    assert (block["type"], block["shortcut"]) == ("Residual", projection("Conv2d", 16, stride=2))
    assert panel.state.build()(torch.ones(1, 3, 9, 8)).shape == (1, 16 * 5 * 4)
    panel.go(panel.state.select((1,)))
    assert button.disabled and button.description == "Shortcut"
    panel.controls.buttons["Undo"].click()
    assert len(panel.state.blueprint) == 3


def test_a_residual_that_does_not_fit_gets_its_projection():
    panel = panel_of({"type": "Residual", "body": [conv(16, stride=2)]})
    assert not panel.preview.fits
    panel.controls.buttons["Shortcut"].click()
    assert panel.preview.fits
    assert panel.state.selected_config is not None
    assert panel.state.selected_config["shortcut"] == projection("Conv2d", 16, stride=2)


@pytest.mark.parametrize("by_list", [False, True])
def test_a_size_that_does_not_fit_is_left_to_the_input(by_list):
    panel = panel_of({"type": "Flatten"}, {"type": "Linear", "in_features": 5, "out_features": 2})
    row = panel.controls.bricks.rows[1]
    assert (row["error"], row["fix"]) == ("takes 5, gets 216.", "make it auto")
    if by_list:
        panel.on_list_message(None, {"do": "auto", "path": row["path"]}, None)
    else:
        panel.controls.bricks.selected = 1
        assert panel.form_pane.auto_button.layout.display is None
        panel.form_pane.auto_button.click()
    assert panel.state.blueprint.bricks[1] == {"type": "Linear", "out_features": 2}
    assert panel.controls.bricks.rows[1]["fix"] == "" and panel.preview.fits
    assert panel.form_pane.auto_button.layout.display == "none"


def test_start_opens_the_init_lab_on_the_model():
    space: dict[str, Any] = {}
    panel = panel_of(conv(4), {"type": "Flatten"}, LINEAR, namespace=space)
    panel.controls.buttons["Start"].click()
    assert panel.last_error is None and isinstance(panel.lab, InitLab)
    assert panel.lab.model is space["shortcut_test"] is panel.model
    assert panel.lab_box.children == (panel.lab,) and panel.lab.input_shape == (3, 9, 8)
    first = panel.lab
    panel.controls.buttons["Start"].click()
    assert first.comm is None and panel.lab is not first
    panel.close()
    assert panel.lab.comm is None


def test_what_is_copied_runs():
    panel = panel_of(conv(4), {"type": "Flatten"}, LINEAR)
    texts = {}
    for form in ("config", "module"):
        panel.controls.form_menu.value = form
        panel.controls.buttons["Copy"].click()
        texts[form] = panel.code.value
    space: dict[str, Any] = {}
    exec(texts["config"], space)
    assert space["shortcut_test_cfg"] == list(panel.state.blueprint.filled((3, 9, 8)).bricks)
    exec(texts["module"], space)
    made, model = space["ShortcutTest"](), panel.state.build()
    made.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 9, 8)
    assert torch.equal(made(x), model(x))


def test_a_layer_that_plain_torch_has_not_is_selected_and_named():
    panel = panel_of(conv(4), {"type": "ConvWS", "out_channels": 2, "kernel_size": 1})
    panel.controls.form_menu.value = "module"
    panel.controls.buttons["Copy"].click()
    assert panel.state.selected == (1,) and panel.code.layout.display == "none"
    assert panel.notice.text == (
        "Not copied. 1: ConvWS2d cannot be written in plain torch: it is no layer of torch."
    )


def test_the_builder_says_when_its_name_means_another_model():
    space: dict[str, Any] = {}
    panel = panel_of(conv(4), namespace=space)
    panel.controls.buttons["Use"].click()
    assert panel.stale.message == ""
    space["shortcut_test"] = nn.ReLU()
    refresh_live_panels()
    assert panel.stale.message == (
        "`shortcut_test` is another model now, not the one that was built here."
    )
    panel.stale.use_button.click()
    assert space["shortcut_test"] is panel.model and panel.stale.message == ""
    panel.controls.buttons["Duplicate"].click()
    assert panel.stale.message == (
        "`shortcut_test` is the model of an earlier step: it has not what is shown here."
    )
    panel.controls.buttons["Undo"].click()
    assert panel.stale.message == ""


def test_a_class_that_is_registered_again_is_shown_as_it_is_now():
    def define(width: int) -> None:
        class StaleTestNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(width, 1)

            def forward(self, x):
                return x

        MODELS.register_module(module=StaleTestNet, force=True)

    define(3)
    try:
        panel = panel_of({"type": "StaleTestNet"}, namespace={})
        panel.controls.buttons["Use"].click()
        define(7)
        refresh_live_panels()
        assert panel.preview.params == 8
        assert panel.stale.message.endswith("an earlier step: it has not what is shown here.")
    finally:
        del MODELS.module_dict["StaleTestNet"]
