from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pytest
from torch import nn

from brickbook import MODELS, ConvModule, DepthwiseSeparableConvModule
from brickbook.bricks.registry import ACTIVATION_LAYERS, NORM_LAYERS, PADDING_LAYERS
from brickbook.config import to_literal
from brickbook.errors import ConfigError
from brickbook.init.initializers import INITIALIZERS, KaimingInit
from brickbook.lab.form import Field, fields_of
from brickbook.lab.form.fields import (
    argument_docs,
    nested_fields,
    parse_field,
    registry_of,
    registry_scope,
)


class Everything(nn.Module):
    """One of each.

    Args:
        width (int): The width,
            in channels.
        mode (str or None, optional): Which :attr:`mode`, or ``None``.

    Shape:
        nothing: not an argument
    """

    def __init__(
        self,
        width: int,
        ratio: float = 0.5,
        flag: bool = False,
        mode: Literal["a", "b"] | None = None,
        maybe: bool | None = None,
        bias: bool | str = "auto",
        size: int | tuple[int, int] = 3,
        late: float = None,  # noqa: RUF013  # pyright: ignore[reportArgumentType]
        padding_mode: str = "zeros",
        title: str = "x",
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: Any = "default",
        init_cfg: Any = None,
        device: Any = None,
        *rest: Any,
        dtype: Any = None,
        **more: Any,
    ) -> None:
        super().__init__()


class Bare(nn.Module):
    def __init__(self, channels, kernel_size=3, ratio=4, p=0.1, flag=True, name=None):
        super().__init__()


class Unresolved(nn.Module):
    def __init__(self, width: int, other: NoSuchName = 1, p: float = 0):  # noqa: F821  # pyright: ignore
        super().__init__()


KINDS = {
    Everything: {
        "width": "int", "ratio": "float", "flag": "bool", "mode": "choice", "maybe": "choice",
        "bias": "choice", "size": "text", "late": "text", "padding_mode": "choice",
        "title": "text", "norm_cfg": "config", "act_cfg": "config", "init_cfg": "config",
    },
    Bare: {
        "channels": "text", "kernel_size": "text", "ratio": "int", "p": "float", "flag": "bool",
        "name": "text",
    },
    Unresolved: {"width": "int", "other": "int", "p": "float"},
    nn.Tanh: {},
    nn.Linear: {"in_features": "int", "out_features": "int", "bias": "bool"},
    partial(nn.Upsample, mode="bilinear"): {
        "size": "text", "scale_factor": "text", "align_corners": "choice",
        "recompute_scale_factor": "choice",
    },
    KaimingInit: {
        "a": "float", "mode": "choice", "nonlinearity": "choice", "distribution": "choice",
        "bias": "float", "bias_prob": "text", "layer": "text",
        "in_axis": "text", "out_axis": "text", "batch_axis": "text",
    },
}  # fmt: skip


@pytest.mark.parametrize("make", KINDS, ids=lambda make: getattr(make, "__name__", "partial"))
def test_every_argument_gets_its_control(make):
    assert {field.name: field.kind for field in fields_of(make)} == KINDS[make]


def test_the_fields_of_conv_module():
    fields = {field.name: field for field in fields_of(ConvModule)}
    assert [name for name, field in fields.items() if field.required] == [
        "in_channels", "out_channels", "kernel_size",
    ]  # fmt: skip
    assert [name for name, field in fields.items() if field.kind == "config"] == [
        "conv_cfg", "norm_cfg", "act_cfg",
    ]  # fmt: skip
    assert fields["act_cfg"].default == {"type": "ReLU"}
    assert set(fields["bias"].choices) == {"auto", True, False}
    assert fields["padding_mode"].choices == ("zeros", "reflect", "replicate", "circular")
    assert fields["order"].default == ("conv", "norm", "act")


def test_choices_and_defaults():
    fields = {field.name: field for field in fields_of(Everything)}
    assert fields["mode"].choices == ("a", "b", None)
    assert fields["maybe"].choices == (True, False, None)
    assert fields["bias"].choices == ("auto", True, False)
    assert fields["act_cfg"].choices == ("default",)
    assert fields["width"].required and not fields["ratio"].required


def test_the_rest_of_the_arguments_is_not_said_of_the_last_one():
    docs = argument_docs(DepthwiseSeparableConvModule)
    assert docs["pw_act_cfg"] == "That of the pointwise one if it differs; None is none."
    assert docs["kwargs"] == "Other arguments of ConvModule, for both."


def test_docs_come_from_the_docstring():
    docs = {field.name: field.doc for field in fields_of(Everything)}
    assert docs["width"] == "The width, in channels."
    assert docs["mode"] == "Which mode, or None."
    assert docs["ratio"] == ""
    assert {field.name: field.doc for field in fields_of(nn.Linear)}["in_features"] == (
        "size of each input sample"
    )


@pytest.mark.parametrize(
    "name, registry",
    [
        ("norm_cfg", NORM_LAYERS),
        ("dw_norm_cfg", NORM_LAYERS),
        ("act_cfg", ACTIVATION_LAYERS),
        ("padding_cfg", PADDING_LAYERS),
        ("init_cfg", INITIALIZERS),
        ("model_cfg", MODELS),
        ("foo_cfg", None),
        ("norm", None),
        ("cfg", None),
    ],
)
def test_the_registry_of_a_sub_config(name, registry):
    assert registry_of(name) is registry


def test_a_sub_config_leaves_out_what_its_owner_passes():
    assert [field.name for field in nested_fields("conv_cfg", nn.Conv2d)] == []
    found = [field.name for field in nested_fields("norm_cfg", nn.GroupNorm)]
    assert "num_channels" not in found and found[0] == "num_groups"
    assert found[-1] == "requires_grad"
    assert [field.name for field in nested_fields("act_cfg", nn.ReLU)] == ["inplace"]
    assert registry_scope("act_cfg") == "activation"


PAIR = int | tuple[int, int]


def field(kind: Any, hint: Any = None, **more: Any) -> Field:
    return Field("x", kind, annotation=hint, **more)


@pytest.mark.parametrize(
    "field, text, value",
    [
        (field("int", int, required=True), " 3 ", 3),
        (field("float", float), "1", 1),
        (field("float", float), "1e-3", 1e-3),
        (field("float", float), "-0", 0),
        (field("float", float), "1e400", float("inf")),
        (field("float", float), "-inf", float("-inf")),
        (field("bool", bool), "False", False),
        (field("choice", choices=("a", None, True)), "None", None),
        (field("choice", choices=("a", "True", True)), "True", True),
        (field("text", PAIR), "3, 3", (3, 3)),
        (field("text", PAIR), "(3, 3)", (3, 3)),
        (field("text", str | int), "same", "same"),
        (field("text", str | int), "'same'", "same"),
        (field("text", float | None, default=None), "None", None),
        (field("text", int, default=None), "None", None),
        (field("text", str), "123", "123"),
        (field("text", str), "a path/with blanks.pth", "a path/with blanks.pth"),
        (field("text"), "word", "word"),
        (field("text"), "['Conv1d', 'Conv2d']", ["Conv1d", "Conv2d"]),
        (field("config"), "dict(type='BN', eps=1e-3)", {"type": "BN", "eps": 1e-3}),
        (field("config"), "{'type': 'BN'}", {"type": "BN"}),
        (field("config", choices=("default",)), "default", "default"),
    ],
)
def test_what_is_typed_is_read(field, text, value):
    found = parse_field(field, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "field, text, message",
    [
        (field("int", int), "3.5", "expected int, got '3.5'."),
        (field("int", int), "1e3", "expected int, got '1e3'."),
        (field("int", int), "many", "expected int, got 'many'."),
        (field("int", int, required=True), "", "needs a value."),
        (field("int", int, default=3), "None", "expected int, got 'None'."),
        (field("float", float), "'1'", "expected float, got \"'1'\"."),
        (field("choice", choices=("zeros", "reflect")), "zero",
         "'zero' is no choice. Did you mean 'zeros'?"),
        (field("text", PAIR), "(3,", "expected int or tuple[int, int], got '(3,'."),
        (field("text", PAIR), "big", "expected int or tuple[int, int], got 'big'."),
        (field("text"), "f(x)", "expected a Python literal or a word, got 'f(x)'."),
        (field("text"), "__import__('os')",
         "expected a Python literal or a word, got \"__import__('os')\"."),
        (field("config"), "BN", "expected a dict with a 'type', got 'BN'."),
        (field("config"), "dict(**{})", "expected a Python literal or a word, got 'dict(**{})'."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_at_the_field(field, text, message):
    with pytest.raises(ConfigError) as caught:
        parse_field(field, text)
    assert str(caught.value) == f"x: {message}"


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "same", "3", "None", "two words", "(", (3, 3), [1], {"type": "BN"}, "a=b"],
)
def test_spelling_and_reading_agree(value):
    assert parse_field(field("text"), to_literal(value)) == value
