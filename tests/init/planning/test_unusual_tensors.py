"""Tensors that cannot be written, that several rules or layers share, or that others compute."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from brickbook import (
    BaseModule,
    Sequential,
    UnmatchedRuleWarning,
    initialize,
    load_state_dict,
    plan,
)
from brickbook.errors import BadArgumentError, BadValueError

L = dict(layer="Linear")


def constant(val, **more):
    return dict(type="Constant", val=val, **more)


def values(model):
    return {name: tensor.unique().tolist() for name, tensor in model.named_parameters()}


def expanded():
    return nn.Parameter(torch.zeros(1, 1).expand(2, 2))


def sparse():
    return nn.Parameter(torch.eye(2).to_sparse())


def inferred():
    with torch.inference_mode():
        return nn.Parameter(torch.zeros(2, 2))


def half_complex():
    return nn.Parameter(torch.zeros(2, 2, dtype=torch.complex32))


UNFILLABLE = {
    expanded: "it is expanded: its elements share memory",
    sparse: "its layout sparse_coo takes no law",
    inferred: "it was made in inference mode, and cannot be written outside of it",
    half_complex: "its dtype complex32 takes no law",
}


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@pytest.mark.parametrize("make", UNFILLABLE)
@pytest.mark.parametrize("seed", [None, 3])
def test_what_torch_cannot_write_is_left_and_named(make, seed):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    model[2].weight = make()
    rule = dict(type="Normal", bias=4, **L)
    row = plan(model, rule)["2.weight"]
    assert (row.law, row.reason) == (None, UNFILLABLE[make])
    with pytest.warns(UnmatchedRuleWarning) as caught:
        report = initialize(model, rule, seed=seed)
    assert str(caught[0].message) == f"init_cfg: cannot fill 2.weight: {UNFILLABLE[make]}."
    assert report.untouched == ("2.weight",)
    assert model[2].bias.unique().tolist() == [4] and model[1].weight.unique().numel() == 4


def test_in_inference_mode_its_tensors_are_written():
    with torch.inference_mode():
        model = nn.Linear(2, 2)
        initialize(model, constant(3, **L))
        assert model.weight.unique().tolist() == [3]


@pytest.mark.parametrize("kind", ["Normal", "Uniform", "Orthogonal", "Identity", "ZerO"])
def test_complex_numbers(kind):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, dtype=torch.cfloat))
    before = model[1].weight.detach().clone()
    initialize(model, dict(type=kind, **L), seed=1)
    assert model[1].weight.isfinite().all() and not torch.equal(model[1].weight, before)


def test_complex_numbers_cannot_be_cut_off():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, dtype=torch.cfloat))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadValueError) as caught:
        initialize(model, dict(type="TruncNormal", **L))
    assert str(caught.value) == (
        "init_cfg: for 1.weight: TruncNormal(0, 1, -2, 2) cuts numbers off, "
        "and those of complex64 have no order."
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("words", [["0:bias", "Linear"], ["Linear", "0:bias"], ["Linear:b*", "0"]])
def test_a_parameter_that_is_named_gets_the_law_and_no_other_bias_does(words):
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    before = values(model)
    initialize(model, constant(3, layer=words))
    every = words[0] == "Linear:b*"
    assert values(model) == {
        "0.weight": [3], "0.bias": [3],
        "1.weight": before["1.weight"] if every else [3], "1.bias": [3] if every else [0],
        "2.weight": before["2.weight"] if every else [3], "2.bias": [3] if every else [0],
    }  # fmt: skip


class Scaled(nn.Embedding):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bias = nn.Parameter(torch.ones(5))


@pytest.mark.parametrize("first", ["embedding", "head"])
def test_the_padding_row_of_a_tied_embedding_stays_zero(first):
    parts = [nn.Linear(3, 5), Scaled(5, 3, padding_idx=-1)]
    parts[0].weight = parts[1].weight
    model = nn.Sequential(*(parts if first == "head" else parts[::-1]))
    todo = plan(model, constant(3, bias=2, layer=["Linear", "Embedding"]))
    assert [row.padding for row in todo.rows] == [4, None, None, None]
    initialize(model, constant(3, bias=2, layer=["Linear", "Embedding"]), seed=0)
    assert parts[1].weight.tolist() == [[3, 3, 3]] * 4 + [[0, 0, 0]]
    assert parts[1].bias.tolist() == [2] * 5


def with_norm():
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 2)))


class Leaf(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.fc = with_norm()[0]


def idle(module):
    """Start nothing."""


def spoils(module):
    nn.init.zeros_(module[0].parametrizations.weight.original0)


HOLDING = {
    "protect the class": dict(protect=nn.Linear),
    "protect the name": dict(protect="0"),
    "protect what is computed": dict(protect="0:weight"),
    "protect what it is computed from": dict(protect="0.parametrizations.weight.original*"),
    "frozen": dict(frozen="skip"),
    "loaded": dict(only_missing=True),
}


@pytest.mark.parametrize("case", HOLDING)
@pytest.mark.parametrize("code", [None, idle, spoils])
def test_what_holds_a_parameter_holds_what_is_computed_from_it(case, code):
    model = with_norm()
    if case == "frozen":
        model[0].parametrizations.requires_grad_(False)
    if case == "loaded":
        load_state_dict(model, model.state_dict())
    before = model[0].weight.detach().clone()
    rules = [constant(3, bias=3, **L)] + [dict(type=lambda: code)] * (code is not None)
    report = initialize(model, rules, **HOLDING[case])
    assert torch.equal(model[0].weight, before)
    computed = "0.weight", *(f"0.parametrizations.weight.original{at}" for at in (0, 1))
    assert {report[name].action for name in computed} == {"left"}
    assert report.plan["0.weight"].pinned and report.plan["0.weight"].overridden == (
        "init_cfg[0]",
    )  # fmt: skip


def test_a_computed_weight_that_is_started_is_kept():
    model = Sequential(Leaf(constant(1, **L)), init_cfg=constant(3, **L))
    model[0].init_weights()
    report = model.init_weights()
    assert torch.allclose(model[0].fc.weight, torch.ones(2, 2))
    assert report["0.fc.weight"].reason == "0 is already initialised"


def test_a_computed_weight_that_is_drawn_again_is_no_longer_loaded():
    model = with_norm()
    load_state_dict(model, model.state_dict())
    initialize(model, constant(3, **L))
    report = initialize(model, constant(5, **L), only_missing=True, assume_loaded=())
    assert torch.allclose(model[0].weight, torch.full((2, 2), 5.0)), report.records


def test_numbers_that_a_parametrisation_makes_nan_of_are_refused():
    model = with_norm()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadValueError) as caught:
        initialize(model, dict(type="Zeros", bias=3, **L))
    assert str(caught.value) == (
        "0.weight: its parametrisation does not take the numbers: it makes NaN or infinity of them."
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class LlamaRMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))


class LinearNorm(nn.Sequential):
    """A layer and its norm, as timm's LeViT calls it."""


def timm_like():
    return nn.ModuleDict({
        "norm": LlamaRMSNorm(), "fc": nn.Linear(4, 4), "both": LinearNorm(nn.Linear(4, 4)),
    })  # fmt: skip


def test_norms_of_other_libraries_are_known_by_their_names():
    model = timm_like()
    for words in ("*", ["fc", "re:.*"]):
        todo = plan(model, dict(type="Xavier", layer=words))
        assert todo["norm.weight"].reason == "a norm met along with other layers keeps its own"
        assert todo["fc.weight"].law and todo["both.0.weight"].law
    assert plan(model, constant(2, layer=":scale"))["norm.weight"].law
    assert not plan(model, constant(2, layer="*:weight"))["norm.weight"].law
    assert plan(model, constant(2, layer="LlamaRMSNorm"))["norm.weight"].law
    assert plan(model, constant(2, layer="norm"))["norm.weight"].law
    todo = plan(nn.ModuleDict({"all": model}), dict(type="Xavier", override=dict(name="all")))
    assert todo["all.norm.weight"].reason == "Xavier needs 2 dimensions; a norm keeps its own"


@pytest.mark.parametrize("words", [5, None, iter("a")])
def test_a_protection_that_is_no_list(words):
    with pytest.raises(BadArgumentError) as caught:
        plan(nn.Linear(2, 2), [], protect=words)
    assert str(caught.value) == (
        f"protect: expected a str, a class or a list of them, got {words!r}."
    )


def test_an_override_of_many_parts():
    count = 3000  # a step for every pair of them would take a minute
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Sequential(nn.Linear(1, 1)) for _ in range(count)))
    todo = plan(model, dict(type="Zeros", override=dict(name=r"re:\d+(\.0)?")))
    assert len(todo.planned) == 2 * count


def test_own_code_reaches_what_is_shared_with_its_part():
    class Own(Leaf):
        def init_weights(self):
            nn.init.constant_(self.shared, 5)

    own = Own()
    own.shared = nn.Parameter(torch.zeros(2, 2))
    model = Sequential(nn.Linear(2, 2, bias=False), own)
    model[0].weight = own.shared
    row = plan(model)["0.weight"]
    assert (row.reason, row.later_writers) == ("1.init_weights may fill it", ("1.init_weights",))
    assert model.init_weights()["0.weight"].action == "called"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (":bias", ":bias matches no parameter. Known: weight."),
        ("0.bias", "0.bias matches nothing. Known: 0."),
        ("", "'' matches nothing. Known: Linear."),
    ],
)
def test_a_bias_that_a_layer_does_without_is_none(word, message):
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    todo = plan(model, dict(type="Zeros", layer=word))
    assert [str(item) for item in todo.unmatched] == [f"init_cfg.layer: {message}"]


def test_a_module_that_contains_itself_is_refused():
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    model[0].register_module("up", model)
    with pytest.raises(BadValueError, match=r"^model: \w+ contains itself: 0\.(up\.0\.)+"):
        plan(model, constant(1, **L))
