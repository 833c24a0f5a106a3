"""Blueprints: edits as values, building, and the way out as Python and JSON."""

import json
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from brickbook import MODELS, Blueprint, Sequential, build_model_from_cfg
from brickbook.blueprint import kinds, resolve

CONV = dict(type="ConvModule", in_channels=3, out_channels=8, kernel_size=3, padding=1,
            norm_cfg=dict(type="BN"))  # fmt: skip
NET = (
    CONV,
    dict(type="MaxPool2d", kernel_size=2),
    dict(type="bilinear", scale_factor=2),
    dict(type="BN", num_features=8),
    dict(type="ReLU"),
    dict(type="reflect", padding=1),
    dict(type="Flatten"),
    dict(type="Linear", in_features=8 * 10 * 10, out_features=10),
)
WORDS = st.lists(st.sampled_from("abcdef"), max_size=6)


def of(words):
    return Blueprint(tuple({"type": word} for word in words))


@settings(deadline=None)
@given(WORDS, st.integers(0, 6))
def test_remove_undoes_insert(words, at):
    blueprint = of(words)
    at = min(at, len(words))
    assert blueprint.insert(at, {"type": "new"}).remove(at) == blueprint


@settings(deadline=None)
@given(WORDS.filter(bool), st.data())
def test_move_there_and_back(words, data):
    at, to = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
    blueprint = of(words)
    moved = blueprint.move(at, to)
    assert moved.move(to, at) == blueprint
    assert moved.bricks[to] == blueprint.bricks[at]
    assert len(blueprint.duplicate(at)) == len(words) + 1
    assert blueprint.replace(at, blueprint.bricks[at]) == blueprint


def test_every_kind_of_brick_is_built():
    model = Blueprint(NET).build()
    assert isinstance(model, Sequential) and len(model) == len(NET)
    assert model[2].mode == "bilinear"
    assert model(torch.ones(2, 3, 8, 8)).shape == (2, 10)


def layout(model):
    return {name: value.shape for name, value in model.state_dict().items()}


class Mine(nn.Linear):
    pass


def test_python_and_json_build_the_same_model():
    blueprint = Blueprint((*NET, dict(type=Mine, in_features=10, out_features=2)))
    space = {}
    exec(blueprint.to_python("net"), space)
    assert layout(space["net"]) == layout(blueprint.build())
    assert type(space["net"][-1]) is Mine
    assert layout(Blueprint.from_json(Blueprint(NET).to_json()).build()) == layout(
        Blueprint(NET).build()
    )
    assert Blueprint(NET[1:2]).to_python() == (
        "from brickbook import Blueprint\n\n"
        "model = Blueprint((\n    dict(type='MaxPool2d', kernel_size=2),\n)).build()\n"
    )


@pytest.mark.parametrize("edit", ["remove", "duplicate", "replace", "move"])
def test_places_count_from_the_end_too_and_must_be_there(edit):
    more = {"replace": (dict(type="new"),), "move": (0,)}.get(edit, ())
    blueprint = of("abc")
    assert getattr(blueprint, edit)(-1, *more) == getattr(blueprint, edit)(2, *more)
    with pytest.raises(IndexError):
        getattr(blueprint, edit)(9, *more)


def test_values_without_a_text_are_named():
    made = Blueprint((dict(type=partial(nn.Linear, 3), out_features=2),))
    with pytest.raises(ValueError, match=r"^bricks\[0\]: cannot be written as Python: "):
        made.to_python()
    linear = dict(type="Linear", in_features=3, out_features=2, dtype=torch.float64)
    space = {}
    exec(Blueprint((linear,)).to_python(), space)
    assert space["model"][0].weight.dtype == torch.float64


def test_a_brick_that_changes_its_config_can_be_built_twice():
    class Popping(nn.Module):
        def __init__(self, spec):
            super().__init__()
            self.v = spec.pop("v")

    blueprint = Blueprint((dict(type=Popping, spec=dict(v=1)),))
    assert blueprint.build()[0].v == blueprint.build()[0].v == 1


def test_a_blueprint_copies_its_bricks():
    cfg = dict(type="ReLU")
    blueprint = Blueprint().append(cfg)
    cfg["type"] = "GELU"
    assert blueprint.bricks[0]["type"] == "ReLU"


@pytest.mark.parametrize(
    ("cfg", "error", "message"),
    [
        (dict(type="ConvModul"), KeyError,
         "bricks[1].type: no brick is called 'ConvModul'. Did you mean 'ConvModule'?"),
        ({**CONV, "paddin": 1}, TypeError,
         "bricks[1].paddin: ConvModule has no such argument. Did you mean 'padding'?"),
        ({**CONV, "norm_cfg": dict(type="BNN")}, KeyError,
         "bricks[1].norm_cfg.type: BNN is not in the norm layer registry. Did you mean 'BN'?"),
        (dict(type="Linear", in_features=3), TypeError,
         "bricks[1]: Linear also needs out_features."),
        (dict(type="Linear", in_features="3", out_features=1), TypeError,
         "bricks[1].in_features: expected int, got '3' (str)."),
        (dict(kernel_size=3), KeyError,
         "bricks[1]: the cfg dict must contain the key \"type\", but got {'kernel_size': 3}."),
        (dict(type=3), TypeError,
         "bricks[1].type: type must be a str or valid type, but got <class 'int'>."),
        (dict(type=dict), ValueError, "bricks[1].type: <class 'dict'> builds no nn.Module."),
    ],
)  # fmt: skip
def test_errors_carry_the_bricks_place(cfg, error, message):
    with pytest.raises(error) as caught:
        Blueprint((dict(type="ReLU"), cfg)).build()
    assert str(caught.value) == message


def test_from_config():
    assert len(Blueprint.from_config(dict(type="ReLU"))) == 1
    assert len(Blueprint.from_config([dict(type="ReLU")] * 2)) == 2
    with pytest.raises(TypeError, match=r"^cfg: expected a dict or a list of dicts, got 3\.$"):
        Blueprint.from_config(json.loads("3"))


def test_kinds_and_scopes():
    assert {"model", "conv", "norm", "activation", "padding", "upsample"} <= set(kinds())
    assert resolve("deconv")[0] == "conv" and resolve("upsample.deconv")[0] == "upsample"
    assert resolve(nn.ReLU) == ("class", nn.ReLU)
    assert MODELS.get("conv.Conv2d") is nn.Conv2d


def test_build_model_from_cfg():
    model = build_model_from_cfg([dict(type="Linear", in_features=2, out_features=2)] * 2, MODELS)
    assert isinstance(model, nn.Sequential) and len(model) == 2
    assert isinstance(MODELS.build(dict(type="Flatten")), nn.Flatten)
    with pytest.raises(KeyError) as caught:
        MODELS.build([dict(type="Flatten"), dict(type="Flaten")])
    assert str(caught.value) == (
        "cfg[1].type: Flaten is not in the model registry. Did you mean 'Flatten'?"
    )
