"""The search box: what a few letters mean, arguments behind a name, LeNet in few steps."""

from __future__ import annotations

from typing import Any

import pytest

from brickbook import Blueprint, ConfigError, to_module_source
from brickbook.blueprint import kinds
from brickbook.lab import Builder
from brickbook.lab.builder.search import Found, find_types, read_request
from brickbook.lab.builder.templates import TEMPLATES

PICTURE = (3, 32, 32)


@pytest.mark.parametrize(
    "text, shape, first",
    [
        ("lin", PICTURE, "model Linear"), ("LINEAR", PICTURE, "model Linear"),
        ("upsample.x", PICTURE, None), ("flat", PICTURE, "model Flatten"),
        ("convm", PICTURE, "model ConvModule"), ("maxp", PICTURE, "model MaxPool2d"),
        ("maxp", (8, 30), "model MaxPool1d"), ("maxp", (4, 8, 8, 8), "model MaxPool3d"),
        ("pool", PICTURE, "model MaxPool2d"), ("aap", PICTURE, "model AdaptiveAvgPool2d"),
        ("btl", (10, 16), "transformer_layer BaseTransformerLayer"),
        ("batchnorm", PICTURE, "norm BN"), ("layernorm", (10, 16), "norm LayerNorm2d"),
        ("mha", (10, 16), "attention MultiheadAttention"),
        ("relu", PICTURE, "activation ReLU"),
        ("ffn", (10, 16), "ffn FFN"), ("zzz", PICTURE, None), ("  ", PICTURE, None),
    ],
)  # fmt: skip
def test_the_likeliest_type_is_first(text, shape, first):
    found = [f"{one.kind} {one.name}" for one in find_types(text, shape)]
    assert next(iter(found), None) == first
    assert len(found) == len(set(found))


def test_every_type_is_found_by_its_name_and_read_out():
    for kind, registry in kinds().items():
        for name, make in list(registry.module_dict.items()):
            same = [one for one in find_types(name) if one.name.casefold() == name.casefold()]
            assert make in [kinds()[one.kind].get(one.name) for one in same], (kind, name)


@pytest.mark.parametrize(
    "text, name, arguments",
    [
        ("lin 120", "Linear", {"out_features": 120}),
        ("convm 6 5 padding=2", "ConvModule", {"out_channels": 6, "kernel_size": 5, "padding": 2}),
        ("convm 6, (3, 5), stride=2", "ConvModule",
         {"out_channels": 6, "kernel_size": (3, 5), "stride": 2}),
        ("dropout p=0.2", "Dropout", {"p": 0.2}),
        ("reflect 1", "reflect", {"padding": 1}),
    ],
)  # fmt: skip
def test_arguments_stand_behind_the_name(text, name, arguments):
    found, got = read_request(text, PICTURE)
    assert (found.name, got) == (name, arguments)


def test_arguments_stay_with_the_type_that_was_chosen():
    assert read_request("conv 4 1", PICTURE, "conv Conv3d") == (
        Found("conv", "Conv3d"), {"out_channels": 4, "kernel_size": 1},
    )  # fmt: skip


@pytest.mark.parametrize(
    "text, message",
    [
        ("Flatenn", "type: no brick is called 'Flatenn'. Did you mean 'Flatten'?"),
        ("lin ten", "out_features: expected int, got 'ten'."),
        ("lin 3 4", "4: Linear takes no more without its name."),
        ("lin out_feature=3", "out_feature: Linear has no such argument. "
                              "Did you mean 'out_features'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_at_the_box(text, message):
    with pytest.raises(ConfigError) as caught:
        read_request(text, PICTURE)
    assert str(caught.value) == message
    panel = Builder(Blueprint(), name="search_test")
    panel.on_add(text, "")
    assert panel.controls.search_notice.text == message and not len(panel.state.blueprint)
    panel.on_add("lin", "")
    assert panel.controls.search_notice.text == "" and len(panel.state.blueprint) == 1


class Hand:
    """Counts what a reader does: clicks, and fields that are typed with Enter at their end."""

    def __init__(self, panel: Builder) -> None:
        self.panel, self.steps = panel, 1  # the click into the search box, which keeps the focus

    def press(self, button: Any) -> None:
        self.steps += 1
        button.click()

    def type(self, field: Any, text: str) -> None:
        self.steps += 1
        field.value = text

    def add(self, text: str) -> None:
        self.steps += 1
        box = self.panel.controls.search
        box.text = text
        assert box.options
        box.on_message(None, {"add": text}, None)

    def fill(self, name: str, text: str) -> None:
        assert self.panel.form_pane.form is not None
        self.type(self.panel.form_pane.form.control(name), text)


LAYERS = ("convm", "maxp", "convm", "maxp", "flat", "lin", "relu", "lin", "relu", "lin")
BEHIND = {0: " 6 5", 2: " 16 5 padding=0", 5: " 120", 7: " 84"}
FIELDS = {
    0: {"out_channels": "6", "kernel_size": "5", "padding": "2"},
    2: {"kernel_size": "5", "padding": "0"},
    5: {"out_features": "120"},
    7: {"out_features": "84"},
}


@pytest.mark.parametrize("by_fields, steps", [(False, 13), (True, 20)])
def test_lenet_by_hand_takes_few_steps(by_fields, steps):
    panel = Builder(Blueprint(), name="lenet", namespace={})
    hand = Hand(panel)
    hand.type(panel.controls.shape, "1, 28, 28")
    for at, layer in enumerate(LAYERS):
        hand.add(layer if by_fields else layer + BEHIND.get(at, ""))
        for name, text in FIELDS.get(at, {}).items() if by_fields else ():
            hand.fill(name, text)
    hand.press(panel.controls.buttons["Use"])
    template = to_module_source(TEMPLATES["LeNet"].blueprint, (1, 28, 28))
    assert to_module_source(panel.state.blueprint, (1, 28, 28)) == template
    assert panel.preview.params == 61_706 and panel.model is not None
    assert hand.steps == steps <= 30


def test_lenet_from_its_template_takes_two():
    space: dict[str, Any] = {}
    panel = Builder(Blueprint(), name="lenet", namespace=space)
    panel.controls.templates["LeNet"].click()
    panel.controls.buttons["Use"].click()
    assert sum(value.numel() for value in space["lenet"].parameters()) == 61_706
    assert panel.state.input_shape == (1, 28, 28)
    panel.controls.buttons["Undo"].click()
    assert panel.state.blueprint == Blueprint()
