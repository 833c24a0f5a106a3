"""`MODELS.build` finds the layers of every family; registries of other packages are told apart."""

from __future__ import annotations

import pytest
from torch import nn

from brickbook import FFN, MODELS, NORM_LAYERS, Registry
from brickbook.errors import CheckError, UnknownNameError


@pytest.mark.parametrize(
    ("cfg", "kind"),
    [
        (dict(type="GELU"), nn.GELU),
        (dict(type="LN", normalized_shape=4), nn.LayerNorm),
        (dict(type="BN", num_features=4), nn.BatchNorm2d),
        (dict(type="FFN", embed_dims=4, feedforward_channels=8), FFN),
        (dict(type="Conv2d", in_channels=1, out_channels=2, kernel_size=3), nn.Conv2d),
        (dict(type="zero", padding=1), nn.ZeroPad2d),
    ],
)
@pytest.mark.parametrize("below", [False, True])
def test_a_bare_name_of_a_family(cfg, kind, below):
    registry = Registry("mine", parent=MODELS) if below else MODELS
    assert type(registry.build(cfg)) is kind
    assert "type" in cfg and type(registry.build([cfg])[0]) is kind


def test_ones_own_name_comes_first():
    class GELU(nn.Module):
        pass

    mine = Registry("mine", parent=MODELS)
    mine.register_module(module=GELU)
    assert type(mine.build(dict(type="GELU"))) is GELU


def test_arguments_are_those_of_the_class():
    with pytest.raises(TypeError) as caught:
        MODELS.build(dict(type="BN"))
    assert str(caught.value) == "cfg: BatchNorm2d also needs num_features."


@pytest.mark.parametrize("registry", [Registry("alone"), NORM_LAYERS])
def test_other_registries_know_their_own_names_alone(registry):
    with pytest.raises(UnknownNameError, match=f"GELU is not in the {registry.name} registry"):
        registry.build(dict(type="GELU"))


def foreign(package, base=object):
    """Return a registry of a class as another package has it."""
    kind = type("Registry", (base,), {"__module__": f"{package}.registry"})
    return type("Own", (kind,), {"__module__": "project"})()


@pytest.mark.parametrize("package", ["mmengine", "mmcv"])
def test_a_parent_of_another_package(package):
    with pytest.raises(CheckError) as caught:
        Registry("models", parent=foreign(package))
    assert str(caught.value) == (
        f"parent: expected a Registry of brickbook, got one of {package}: "
        f"{package}.registry.Registry. Take brickbook's own, such as brickbook.MODELS."
    )
