"""Depth-scaled residuals: the depth given, named and counted, and everything refused by words."""

import math
from types import SimpleNamespace

import pytest
import torch
from laws_support import law_of
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initializers import INITIALIZERS, DepthScaledInit, NormalInit, Target
from brickbook.init.laws import Normal
from brickbook.init.planning import plan
from brickbook.introspect import find_blocks
from brickbook.registry import build_from_cfg

NORMAL = {"type": "Normal", "std": 0.02}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_proj = nn.Linear(4, 4)


class Gpt(nn.Module):
    def __init__(self, depth=12):
        super().__init__()
        self.h = nn.ModuleList(Block() for _ in range(depth))
        self.stages = nn.ModuleList(nn.Sequential(Block(), Block()) for _ in range(3))
        self.empty = nn.Sequential()
        self.head = nn.Linear(4, 2)


def build(**cfg):
    return build_from_cfg({"type": "DepthScaled", "init": NORMAL, **cfg}, INITIALIZERS, path="c")


def law(init, name, model=None):
    model = model or Gpt()
    module = (
        SimpleNamespace() if "wrapped" in name else model.get_submodule(name.rpartition(".")[0])
    )
    target = Target(name, (4, 4), "weight", module, model)
    return init.law(target)


DEPTHS = {
    "a number": (dict(depth=12), "h.3.c_proj.weight", 24),
    "a container": (dict(depth="h"), "h.3.c_proj.weight", 24),
    "outside of it too": (dict(depth="h"), "head.weight", 24),
    "a glob": (dict(depth="h.*"), "h.3.c_proj.weight", 24),
    "two levels": (dict(depth="stages.*.*"), "stages.1.0.c_proj.weight", 12),
    "one level of two": (dict(depth="stages.*"), "stages.1.0.c_proj.weight", 6),
    "one branch a block": (dict(depth="h", per_block=1), "h.3.c_proj.weight", 12),
    "the first block": (dict(depth="h", mode="layer"), "h.0.c_proj.weight", 2),
    "the fourth block": (dict(depth="h", mode="layer"), "h.3.c_proj.weight", 8),
    "the eleventh block": (dict(depth="h", mode="layer"), "h.10.c_proj.weight", 22),
    "place in a glob": (dict(depth="stages.*.*", mode="layer"), "stages.1.1.c_proj.weight", 8),
}


@pytest.mark.parametrize("case", DEPTHS)
def test_the_std_is_divided_by_the_root_of_the_branches(case):
    cfg, name, branches = DEPTHS[case]
    assert law(build(**cfg), name) == Normal(0, 0.02 * (1 / math.sqrt(branches)))


def test_a_number_needs_no_model():
    init = build(depth=12)
    assert not init.model_arguments and init.min_dims == 0
    assert build(depth="h").model_arguments == {"depth"}
    assert law_of(init, (4, 4)).std == pytest.approx(0.02 / math.sqrt(24))


def test_the_inner_law_gets_its_numbers_from_the_shape_and_may_be_nested():
    inner = {"type": "DepthScaled", "init": {"type": "LeCun"}, "depth": 8}
    init = build(init=inner, depth="h")
    assert init.min_dims == 2
    assert law(init, "h.0.c_proj.weight").std == pytest.approx(0.5 / math.sqrt(16 * 24))


def test_an_initialiser_can_be_given_as_an_object():
    init = DepthScaledInit(build(depth=2), depth=8)
    assert law(init, "h.0.c_proj.weight").std == pytest.approx(0.02 / 8)


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_wrappers_do_not_change_the_blocks(wrap):
    model = Gpt(4)
    inner = model.h[2].c_proj
    model.h[1] = torch.compile(model.h[1])
    target = Target("h.2.c_proj.weight", (4, 4), "weight", inner, wrap(model))
    for depth in ("h", "h.*", "module.h"):
        init = build(depth=depth, mode="layer")
        assert init.law(target).std == pytest.approx(0.02 / math.sqrt(6))


REFUSED = {
    "unknown key inside": (
        dict(init={"type": "Normal", "stdd": 1}, depth=2),
        "c.init.stdd: NormalInit has no such argument. Did you mean 'std'?",
    ),
    "bad value inside": (
        dict(init={"type": "Normal", "std": -1}, depth=2),
        "c.init.std: expected a finite number of 0 or more, got -1.",
    ),
    "unknown law": (
        dict(init={"type": "Norml"}, depth=2),
        "c.init.type: Norml is not in the initializer registry. Did you mean 'Normal'?",
    ),
    "no config": (
        dict(init="Normal", depth=2),
        "c.init: cfg should be a dict, but got <class 'str'>.",
    ),
    "a layer inside": (
        dict(init={**NORMAL, "layer": "Linear"}, depth=2),
        "c.init.layer: it belongs beside 'init', which gives only the law.",
    ),
    "a bias inside": (
        dict(init={**NORMAL, "bias": 1}, depth=2),
        "c.init.bias: it belongs beside 'init', which gives only the law.",
    ),
    "a checkpoint inside": (
        dict(init={"type": "Pretrained", "checkpoint": "x.pth"}, depth=2),
        "c.init.type: PretrainedInit gives no law that is known before the weights are.",
    ),
    "no law for others": (
        dict(init={"type": "ZeroGamma"}, depth=2),
        "c.init.type: ZeroGammaInit chooses what it fills: it is no law for others.",
    ),
    "an object with a bias": (
        dict(init=NormalInit(bias=1), depth=2),
        "c.init.bias: it belongs beside 'init', which gives only the law.",
    ),
    "depth 0": (dict(depth=0), "c.depth: expected 1 or more, got 0."),
    "a bool": (
        dict(depth=True),
        "c.depth: expected an int or the name of the blocks, got True (bool).",
    ),
    "a float": (
        dict(depth=2.5),
        "c.depth: expected int or str, got 2.5 (float).",
    ),
    "no name": (dict(depth=""), "c.depth: an empty name means nothing."),
    "a number by layer": (
        dict(depth=12, mode="layer"),
        "c.depth: mode='layer' needs the name of the blocks, got 12.",
    ),
    "mode": (dict(depth=2, mode="both"), "c.mode: expected 'total' or 'layer', got 'both'."),
    "branches": (dict(depth=2, per_block=0), "c.per_block: expected 1 or more, got 0."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_config_is_refused_by_its_key(case):
    cfg, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        build(**cfg)
    assert str(caught.value) == message


NOT_FOUND = {
    "no such module": (dict(depth="hh"), "depth: Gpt has no module 'hh'. Did you mean 'h'?"),
    "nothing matches": (
        dict(depth="stage.*"),
        "depth: Gpt has no module 'stage.*'. Did you mean 'stages'?",
    ),
    "no container": (
        dict(depth="h.0"),
        "depth: 'h.0' is a Block, not a list of blocks. "
        "Give a ModuleList or Sequential, or a glob such as 'h.0.*'.",
    ),
    "nothing in it": (dict(depth="empty"), "depth: 'empty' has no blocks."),
    "outside of the blocks": (
        dict(depth="h", mode="layer"),
        "depth: head.weight stands in none of the blocks that 'h' names.",
    ),
}


@pytest.mark.parametrize("case", NOT_FOUND)
def test_a_depth_that_the_model_cannot_tell_is_refused(case):
    cfg, message = NOT_FOUND[case]
    with pytest.raises(ConfigError) as caught:
        law(build(**cfg), "head.weight", Gpt(2))
    assert str(caught.value) == message


def test_a_name_means_nothing_without_a_model():
    with pytest.raises(ConfigError) as caught:
        law_of(build(depth="h"), (4, 4))
    assert str(caught.value) == "depth: what 'h' names is known only in a model."


def test_the_blocks_are_looked_for_once_in_a_model(monkeypatch):
    """Not for every tensor: that would take the square of the blocks."""
    asked = []

    def counted(model, *rest):
        asked.append(model)
        return find_blocks(model, *rest)

    monkeypatch.setattr("brickbook.init.initializers.depth_scaled.find_blocks", counted)
    model = nn.ModuleDict({"h": nn.ModuleList(nn.Linear(2, 2) for _ in range(9))})
    law = dict(type="DepthScaled", init=dict(type="Normal"), depth="h", per_block=1, mode="layer")
    todo = plan(model, law | dict(layer="Linear"))
    assert len(asked) == 1
    assert todo["h.8.weight"].law.std == pytest.approx(1 / 3)
