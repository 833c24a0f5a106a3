"""Who wins, by a second implementation of the order, and as mmengine's own init_weights has it."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import import_peer
from torch import nn

from brickbook import Sequential, initialize, plan

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
QUIET = pytest.mark.filterwarnings("ignore::brickbook.errors.UnmatchedRuleWarning")

VALUES = st.integers(1, 9)
CLASSES = ["Linear", "Conv2d", "BatchNorm2d", "LayerNorm"]


@st.composite
def constants(draw, children):
    """An init_cfg of Constants for a container with some children; overrides name one of them."""
    entries = []
    for _ in range(draw(st.integers(1, 3))):
        layer = draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=2))
        entry = {"type": "Constant", "val": draw(VALUES), "bias": draw(VALUES), "layer": layer}
        if draw(st.booleans()):
            name = str(draw(st.integers(0, children - 1)))
            entry["override"] = draw(st.sampled_from([
                {"name": name},
                {"name": name, "type": "Constant", "val": draw(VALUES), "bias": draw(VALUES)},
            ]))  # fmt: skip
        entries.append(entry)
    return entries


@st.composite
def nested(draw, depth=3):
    """A tree of BaseModules: (init_cfg or None, children), a child is a tree or a class's name."""
    leaf = st.sampled_from(CLASSES)
    inner = leaf if depth == 1 else st.one_of(nested(depth - 1), leaf)
    children = draw(st.lists(inner, min_size=1, max_size=3))
    return draw(st.none() | constants(len(children))), children


LAYERS = {
    "Linear": lambda: nn.Linear(2, 2),
    "Conv2d": lambda: nn.Conv2d(2, 2, 1),
    "BatchNorm2d": lambda: nn.BatchNorm2d(2),
    "LayerNorm": lambda: nn.LayerNorm(2),
}


def grown(spec, container):
    if isinstance(spec, str):
        return LAYERS[spec]()
    cfg, children = spec
    return container(*(grown(child, container) for child in children), init_cfg=cfg)


def winners(spec, order):
    """The number that every layer's weight and bias end with; None where no rule says one.

    With 'mmcv' whatever comes later wins. Else an override wins over a layer rule, and among these
    the inner over the outer and the later over the earlier.
    """
    sentences = []  # (rank, time, place, weight, bias)

    def visit(spec, place):
        cfg, children = spec
        for entry in cfg or ():
            below = [(p, kind) for p, kind in leaves(spec, place) if kind in entry["layer"]]
            sentences.extend((0, len(sentences), p, entry["val"], entry["bias"]) for p, _ in below)
            if "override" in entry:
                own = {**entry, **entry["override"]}
                at = int(own["name"])
                inside = leaves(children[at], f"{place}{at}.")
                sentences.extend((1, len(sentences), p, own["val"], own["bias"]) for p, _ in inside)
        for at, child in enumerate(children):
            if not isinstance(child, str):
                visit(child, f"{place}{at}.")

    def leaves(spec, place):
        if isinstance(spec, str):
            return [(place, spec)]
        return [x for at, child in enumerate(spec[1]) for x in leaves(child, f"{place}{at}.")]

    visit(spec, "")
    sentences.sort(key=lambda one: (one[0] if order == "brickbook" else 0, one[1]))
    last = {place: (weight, bias) for _, _, place, weight, bias in sentences}
    return {
        f"{place}{key}": last.get(place, (None, None))[key == "bias"]
        for place, _ in leaves(spec, "")
        for key in ("weight", "bias")
    }


@QUIET
@SETTINGS
@given(
    spec=nested(), order=st.sampled_from(["brickbook", "mmcv"]), seed=st.none() | st.integers(0, 3)
)
def test_the_winner_of_every_parameter(spec, order, seed):
    model = grown(spec, Sequential)
    before = dict(copy.deepcopy(model).named_parameters())
    report = initialize(model, order=order, seed=seed)
    expected = winners(spec, order)
    assert {row.name for row in report.plan.rows} == set(expected)
    for name, value in expected.items():
        now = model.get_parameter(name)
        wanted = before[name] if value is None else torch.full_like(now, value)
        assert torch.equal(now, wanted), report.plan.explain(name)


@pytest.fixture(scope="module")
def mmengine():
    """mmengine's modules and its own init_weights, silenced."""
    found = import_peer("mmengine.model")
    logger = import_peer("mmengine.logging").MMLogger.get_instance("brickbook-test")
    logger.setLevel("ERROR")
    return found


@QUIET
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@SETTINGS
@given(spec=nested())
def test_the_same_winners_as_mmengine_s(mmengine, spec):
    ours, theirs = grown(spec, Sequential), grown(spec, theirs_of(mmengine))
    theirs.load_state_dict(ours.state_dict())
    initialize(ours, order="mmcv")
    theirs.init_weights()
    for name, value in theirs.named_parameters():
        assert torch.equal(value, ours.get_parameter(name)), name


def theirs_of(mmengine):
    return lambda *parts, init_cfg: mmengine.Sequential(*parts, init_cfg=init_cfg)


RANDOM = st.fixed_dictionaries(
    {"type": st.sampled_from(["Normal", "Uniform", "Xavier", "Kaiming", "Caffe2Xavier"])},
    optional={"bias": VALUES},
)


@QUIET
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@SETTINGS
@given(spec=nested(), linear=RANDOM, conv=RANDOM, seed=st.integers(0, 9))
def test_the_same_numbers_as_mmengine_s_where_each_is_drawn_once(
    mmengine, spec, linear, conv, seed
):
    def bare(spec):
        return spec if isinstance(spec, str) else (None, [bare(child) for child in spec[1]])

    cfg = [{**linear, "layer": "Linear"}, {**conv, "layer": ["Conv2d"]}]
    spec = cfg, bare(spec)[1]
    ours, theirs = grown(spec, Sequential), grown(spec, theirs_of(mmengine))
    theirs.load_state_dict(ours.state_dict())
    for model in (ours, theirs):
        torch.manual_seed(seed)
        model.init_weights()
    for name, value in theirs.named_parameters():
        assert torch.equal(value, ours.get_parameter(name)), name


def test_a_default_of_an_outer_module_wins_over_those_of_what_it_built():
    class Inner(nn.Linear):
        def default_init_cfg(self):
            return [dict(type="Constant", val=1, override=dict(name="weight"))]

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.own, self.free = Inner(2, 2), Inner(2, 2)

        def default_init_cfg(self):
            return [dict(type="Constant", val=2, override=dict(name="own"))]

    model = Sequential(Outer())
    weights = {name: row.law.mean for name, row in plan(model).items() if name.endswith("weight")}
    assert weights == {"0.own.weight": 2, "0.free.weight": 1}
    model.init_cfg = dict(type="Constant", val=3, layer="Linear")
    assert {row.law.mean for name, row in plan(model).items() if name.endswith("weight")} == {3}
