"""muP against Table 3 of Tensor Programs V, case by case; what it cannot know is refused."""

import json
import math

import pytest
import torch
from laws_support import law_of
from torch import nn
from torch.nn.utils import parametrizations

from brickbook.errors import ConfigError
from brickbook.init.initializers import INITIALIZERS, Target, base_shapes, mup_learning_rates
from brickbook.init.initializers.mup import width_multipliers
from brickbook.init.laws import Normal, OrthogonalMatrix, Uniform
from brickbook.registry import build_from_cfg

KAIMING = {"type": "Kaiming", "mode": "fan_in", "nonlinearity": "linear"}


class Net(nn.Module):
    """Every kind of tensor: widths n, fixed sizes 3, 7 and 10."""

    def __init__(self, n, tied=False):
        super().__init__()
        self.embed = nn.Embedding(10, n)
        self.stem = nn.Conv2d(3, n, 3)
        self.hidden = nn.Linear(n, 4 * n)
        self.down = nn.Linear(4 * n, n)
        self.depthwise = nn.Conv2d(n, n, 3, groups=n)
        self.up = nn.ConvTranspose2d(n, 7, 2)
        self.attn = nn.MultiheadAttention(n, 2)
        self.gate = nn.LSTM(7, n)
        self.norm = nn.LayerNorm(n)
        self.scale = nn.Parameter(torch.ones(n, 1, 1))
        self.pos_embed = nn.Parameter(torch.zeros(1, 7, n))
        self.head = nn.Linear(n, 10)
        self.plain = parametrizations.weight_norm(nn.Linear(n, n))
        if tied:
            self.head.weight = self.embed.weight


ROLES = {"embed.weight": "embedding", "pos_embed": "embedding", "norm.weight": "scale"}
PARTS = {"attn.in_proj_weight": 3, "gate.weight_ih_l0": 4, "gate.weight_hh_l0": 4}


def build(**cfg):
    return build_from_cfg({"type": "MuP", "init": KAIMING, **cfg}, INITIALIZERS, path="c")


def law(init, model, name):
    layer, _, key = name.rpartition(".")
    shape = tuple(getattr(model.get_submodule(layer), key).shape)
    shape = (shape[0] // PARTS.get(name, 1), *shape[1:])
    role = ROLES.get(name, "weight")
    target = Target(name, shape, role, model.get_submodule(layer), model)
    return init.law(target)


# name: (fan_in in the base of width 16, factor for width 64)
STARTS = {
    "stem.weight": (27, 1),
    "hidden.weight": (16, 1 / 2),
    "down.weight": (64, 1 / 2),
    "depthwise.weight": (9, 1),
    "up.weight": (28, 1 / 4),  # 7 · 2 · 2 as torch counts it; (in, out, kernel): in grows alone
    "attn.in_proj_weight": (16, 1 / 2),
    "attn.out_proj.weight": (16, 1 / 2),
    "gate.weight_ih_l0": (7, 1),
    "gate.weight_hh_l0": (16, 1 / 2),
    "head.weight": (16, 1 / 4),
    "embed.weight": (16, 1),
    "plain.weight": (16, 1 / 2),
}


@pytest.mark.parametrize("name", STARTS)
def test_the_law_is_that_of_the_base_times_the_factor_of_table_3(name):
    fan_in, factor = STARTS[name]
    found = law(build(base=Net(16)), Net(64), name)
    assert found == Normal(0.0, pytest.approx(factor / math.sqrt(fan_in)))


@pytest.mark.parametrize("name", STARTS)
def test_at_the_base_width_nothing_changes(name):
    assert law(build(base=Net(16)), Net(16), name).std == pytest.approx(STARTS[name][0] ** -0.5)


def test_a_law_of_numbers_is_scaled_too_and_a_vector_keeps_it():
    init = build(init={"type": "Uniform", "a": -1, "b": 1}, base=base_shapes(Net(16)))
    assert law(init, Net(64), "head.weight") == Uniform(-0.25, 0.25)
    assert law(init, Net(64), "norm.weight") == Uniform(-1, 1)
    assert law(init, Net(64), "pos_embed") == Uniform(-1, 1)


@pytest.mark.parametrize(
    "name, std", [("hidden.weight", 1 / 16), ("head.weight", 1 / 16), ("stem.weight", 1 / 27**0.5)]
)
def test_a_law_of_a_whole_matrix_is_that_of_the_real_shape(name, std):
    found = law(build(init={"type": "Orthogonal"}, base=Net(16)), Net(64), name)
    assert isinstance(found, OrthogonalMatrix)
    shape = Net(64).get_parameter(name).shape
    assert (found.rows, found.columns) == (shape[0], shape[1:].numel())
    assert found.std == pytest.approx(std)


def test_a_weight_tied_to_an_embedding_is_initialised_as_the_embedding():
    assert law(build(base=Net(16, tied=True)), Net(64, tied=True), "head.weight").std == 0.25


def test_the_base_can_be_a_model_its_shapes_or_a_file_of_them(tmp_path):
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(16, 10))
    file = tmp_path / "base.json"
    file.write_text(json.dumps(base_shapes(nn.DataParallel(model))))
    wide = nn.Sequential(nn.Linear(64, 10))
    for base in (model, {"0.weight": (10, 16)}, {"module.0.weight": [10, 16]}, file, str(file)):
        assert law(build(base=base), wide, "0.weight") == Normal(0.0, 1 / 16)


def rates(optimizer, wide=64, tied=False):
    model = Net(wide, tied)
    groups = mup_learning_rates(model, Net(16, tied), 0.1, optimizer)
    names = {id(tensor): name for name, tensor in model.named_parameters()}
    found = {names[id(t)]: group["lr"] / 0.1 for group in groups for t in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(found) == len(names)
    assert len({group["lr"] for group in groups}) == len(groups)
    return found


# name: (adam, sgd) at four times the base's width
RATES = {
    "embed.weight": (1, 4),
    "stem.weight": (1, 4),
    "stem.bias": (1, 4),
    "hidden.weight": (1 / 4, 1),
    "hidden.bias": (1, 4),
    "depthwise.weight": (1, 4),
    "up.weight": (1 / 4, 1 / 4),
    "up.bias": (1, 1),
    "attn.in_proj_weight": (1 / 4, 1),
    "gate.weight_ih_l0": (1, 4),
    "gate.weight_hh_l0": (1 / 4, 1),
    "norm.weight": (1, 4),
    "scale": (1, 4),
    "pos_embed": (1, 4),
    "head.weight": (1 / 4, 1 / 4),
    "head.bias": (1, 1),
    "plain.parametrizations.weight.original0": (1, 4),
    "plain.parametrizations.weight.original1": (1 / 4, 1),
}


@pytest.mark.parametrize("name", RATES)
def test_the_learning_rates_are_those_of_table_3(name):
    assert (rates("adam")[name], rates("sgd")[name]) == pytest.approx(RATES[name])


def test_a_tied_tensor_has_one_rate_and_the_groups_suit_an_optimiser():
    assert rates("adam", tied=True)["embed.weight"] == 1
    groups = mup_learning_rates(Net(64), Net(16), 0.1)
    assert [group["lr"] for group in torch.optim.AdamW(groups).param_groups] == [0.1, 0.025]


def test_a_hidden_weight_whose_fans_grow_apart():
    assert width_multipliers((32, 16, 3, 3), (16, 4, 3, 3), "weight", nn.Conv2d(1, 1, 1)) == (4, 2)
    assert width_multipliers((0, 8), (0, 4), "weight", nn.Linear(1, 1)) == (2, 1)
    assert width_multipliers((), (), "other", nn.Linear(1, 1)) == (1, 1)


REFUSED = {
    "bad law": (
        dict(init={"type": "Normal", "std": "1"}, base={}),
        "c.init.std: expected float, got '1' (str).",
    ),
    "no shapes": (
        dict(base=3),
        "c.base: expected a model, a dict from names to shapes or the path of a JSON file, got 3.",
    ),
    "no sizes": (dict(base={"a": "64"}), "c.base['a']: expected a list of sizes, got '64'."),
    "no such file": (dict(base="none.json"), "c.base: there is no file 'none.json'."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_config_is_refused_by_its_key(case):
    cfg, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        build(**cfg)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text, problem",
    [
        ("{", "holds no JSON: Expecting property name enclosed in double quotes: "),
        ("[1]", "holds no dict from names to shapes."),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, problem):
    file = tmp_path / "base.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        build(base=file)
    assert str(caught.value).startswith(f"c.base: {str(file)!r} {problem}")


def test_a_lazy_base_has_no_shapes():
    with pytest.raises(ConfigError) as caught:
        base_shapes(nn.LazyLinear(3))
    assert str(caught.value) == (
        "weight: it has no shape yet. Run one batch through the lazy module."
    )


MISSING = {
    "no name": (
        {"head.weigth": [10, 16]},
        "base: it has no shape for head.weight. Did you mean 'head.weigth'?",
    ),
    "other dimensions": (
        {"head.weight": [10, 16, 1]},
        "base: head.weight has 3 dimensions there and 2 in the model: (10, 16, 1) and (10, 64).",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_tensor_that_the_base_has_not_is_named(case):
    base, message = MISSING[case]
    with pytest.raises(ConfigError) as caught:
        law(build(base=base), Net(64), "head.weight")
    assert str(caught.value) == message
    head = nn.ModuleDict({"head": nn.Linear(64, 10, bias=False)})
    with pytest.raises(ConfigError) as caught:
        mup_learning_rates(head, base, 0.1)
    assert str(caught.value) == message


def test_more_words():
    with pytest.raises(ConfigError) as caught:
        mup_learning_rates(Net(8), Net(8), 0.1, "lion")
    assert str(caught.value) == "optimizer: expected 'adam' or 'sgd', got 'lion'."
    with pytest.raises(ConfigError) as caught:
        law_of(build(base={}), (3, 4))
    assert str(caught.value) == (
        "base: which base shape is meant is known only for a tensor's name."
    )
