"""Names of brickbook's own, which a user may take for a class of his; mmcv's names stay taken."""

from __future__ import annotations

import importlib
import logging

import pytest
from torch import nn

import brickbook
from brickbook import (
    INITIALIZERS,
    MODELS,
    NORM_LAYERS,
    build_activation_layer,
    build_norm_layer,
    initialize,
)
from brickbook.bricks.registry import BUILDERS, MMCV_NAMES
from brickbook.errors import NameTakenError
from brickbook.registry import Registry

REGISTRIES = {**{each.scope: each for each, _ in BUILDERS}, "": MODELS, "init": INITIALIZERS}
MMCV_INITIALIZERS = (
    "Constant", "Xavier", "Normal", "TruncNormal", "Uniform", "Kaiming", "Caffe2Xavier",
    "Pretrained",
)  # fmt: skip
MMCV = {**MMCV_NAMES, "init": MMCV_INITIALIZERS}
ALL = [(scope, name) for scope, registry in REGISTRIES.items() for name in registry.module_dict]


class Mine(nn.Module):
    def __init__(self, num_features: int = 1, eps: float = 0.0) -> None:
        super().__init__()


class Theirs(nn.Module):
    pass


@pytest.fixture(autouse=True)
def _registries_as_they_were(monkeypatch):
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_module_dict", dict(registry._module_dict))
        monkeypatch.setattr(registry, "_replaceable", set(registry._replaceable))


@pytest.mark.parametrize(("scope", "name"), ALL)
def test_only_mmcvs_names_are_taken(scope, name, caplog):
    registry, own = REGISTRIES[scope], REGISTRIES[scope].get(name)
    caplog.set_level(logging.INFO, logger="brickbook")
    if name in MMCV.get(scope, ()):
        with pytest.raises(NameTakenError, match=f"^name: {name} is already registered in "):
            registry.register_module(name=name, module=Mine)
        assert registry.get(name) is own and not caplog.messages
        return
    registry.register_module(name=name, module=Mine)
    assert registry.get(name) is Mine
    (line,) = caplog.messages
    place, _, rest = line.partition(" (")
    assert place == f"{name} in {registry.name} is now {__name__}.Mine"
    assert rest.endswith("), not brickbook's own.")
    registry.register_module(name=name, module=Mine)  # a cell that is run twice
    assert len(caplog.messages) == 1
    with pytest.raises(NameTakenError, match=rf"as {__name__}\.Mine "):
        registry.register_module(name=name, module=Theirs)


def test_the_table_names_what_there_is():
    for scope, names in MMCV.items():
        assert set(names) <= set(REGISTRIES[scope].module_dict), scope


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("norm", "LN2d"), ("norm", "LayerNorm2d"), ("norm", "RMSNorm"), ("norm", "GRN"),
        ("activation", "Mish"), ("activation", "Hardswish"), ("activation", "GLU"),
        ("plugin", "CBAM"), ("upsample", "bicubic"), ("padding", "circular"),
        ("conv", "ConvTranspose1d"), ("ffn", "SwiGLU"), ("", "ResNet"), ("", "Identity"),
        ("", "LayerScale"), ("init", "Orthogonal"), ("init", "LeCun"),
    ],
)  # fmt: skip
def test_the_names_that_downstream_projects_take(scope, name):
    @REGISTRIES[scope].register_module(name)
    class Own(Mine):
        pass

    assert REGISTRIES[scope].get(name) is Own


def test_a_name_is_taken_by_decorator_and_built():
    @NORM_LAYERS.register_module()
    class LN2d(Mine):
        _abbr_ = "mine"

    assert build_norm_layer(dict(type="LN2d"), 8, 1)[0] == "mine1"


def test_one_registry_for_all_as_in_mmcv_2():
    @MODELS.register_module()
    class GRN(Mine):
        _abbr_ = "mine"

    @MODELS.register_module()
    class GELU(nn.Module):
        pass

    assert build_norm_layer(dict(type="GRN"), 8, 1)[0] == "mine1"
    assert type(build_activation_layer(dict(type="GELU"))) is nn.GELU  # a name of mmcv's


def test_an_initialiser_of_ones_own():
    @INITIALIZERS.register_module(name="Ones")
    class Twos:
        def __call__(self, module):
            nn.init.constant_(module.weight, 2.0)

    layer = nn.Linear(2, 2)
    initialize(layer, dict(type="Ones"))
    assert layer.weight.eq(2).all()


def test_several_names_at_once_are_all_or_none():
    with pytest.raises(NameTakenError):
        NORM_LAYERS.register_module(name=["GRN", "BN"], module=Mine)
    assert NORM_LAYERS.get("GRN") is brickbook.GRN and NORM_LAYERS.may_replace("GRN")


def test_force_takes_a_name_for_good():
    NORM_LAYERS.register_module(name="GRN", force=True, module=Mine)
    with pytest.raises(NameTakenError):
        NORM_LAYERS.register_module(name="GRN", module=Theirs)


def test_a_registry_of_ones_own_may_let_names_go():
    cats = Registry("cat")
    cats.register_module(name="Manx", module=Mine)
    cats.let_replace(["Manx"])
    cats.register_module(name="Manx", module=Theirs)
    assert cats.get("Manx") is Theirs and not cats.may_replace("Manx")


def test_the_package_read_again_lets_no_name_of_a_users_go():
    NORM_LAYERS.register_module(name="GRN", module=Mine)
    importlib.reload(importlib.import_module("brickbook.bricks"))
    assert not NORM_LAYERS.may_replace("GRN") and NORM_LAYERS.may_replace("LN2d")
