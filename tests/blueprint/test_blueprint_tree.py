"""Blueprints as trees: paths, sizes found from the input, shapes and costs, round trips."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from brickbook import MODELS, Blueprint, ConvModule
from brickbook.blueprint import slots_of, takes_bricks

RELU, FLAT = dict(type="ReLU"), dict(type="Flatten")


def conv(width, **more):
    return dict(type="Conv2d", out_channels=width, kernel_size=1, **more)


NET = Blueprint((
    dict(type="ConvModule", out_channels=8, kernel_size=3, padding=1, norm_cfg=dict(type="BN")),
    dict(type="Residual", body=[conv(8), dict(type="BN"), [conv(8), RELU]]),
    dict(type="Concat", branches=[[conv(4)], [dict(type="GN", num_groups=2)], []]),
    dict(type="Repeat", times=3, body=[conv(16, stride=2)]),
    FLAT,
    dict(type="LN"),
    dict(type="Linear", out_features=10, in_features="auto"),
))  # fmt: skip


def leaves():
    return st.sampled_from([RELU, dict(type="Identity"), dict(type="GELU"), conv(4)])


def holders(inside):
    chain = st.lists(inside, max_size=2)
    return st.one_of(
        st.builds(lambda body: dict(type="Sequential", bricks=body), chain),
        st.builds(lambda body, side: dict(type="Residual", body=body, shortcut=side), chain, chain),
        st.builds(lambda some: dict(type="Concat", branches=some), st.lists(chain, min_size=1)),
        st.builds(
            lambda n, body: dict(type="Repeat", times=n, body=body), st.integers(1, 2), chain
        ),
    )


TREES = st.lists(st.recursive(leaves(), holders, max_leaves=5), min_size=1, max_size=3).map(
    lambda bricks: Blueprint(tuple(bricks))
)
SLOW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(TREES)
def test_json_and_python_give_the_same_model(tree):
    assert Blueprint.from_json(tree.to_json()) == tree
    shape = (4, 2, 2)
    if tree.trace(shape).fault is None:
        space = {}
        exec(tree.to_python("net", shape), space)
        assert str(space["net"]) == str(tree.build(shape))
        full = tree.filled(shape)
        assert str(full.build(shape)) == str(tree.build(shape))


@SLOW
@given(TREES, st.data())
def test_edits_at_any_path_can_be_taken_back(tree, data):
    path = data.draw(st.sampled_from([path for path, _ in tree.walk()]))
    assert tree.insert(path, RELU).remove(path) == tree
    assert tree.insert(path, RELU)[path] == RELU
    assert tree.replace(path, tree[path]) == tree
    twice = tree.duplicate(path)
    assert twice[path] == twice[(*path[:-1], path[-1] + 1)] == tree[path]
    for kind in ("Sequential", "Residual", "Repeat"):
        assert tree.wrap(path, kind).unwrap(path) == tree
    assert tree.move(path, path) == tree


@SLOW
@given(TREES)
def test_a_trace_says_what_the_model_does(tree):
    shape = (4, 2, 2)
    found = tree.trace(shape)
    if found.fault is None:
        model = tree.build(shape).eval()
        assert found.output == tuple(model(torch.rand(1, *shape)).shape[1:])
        assert found.params == sum(p.numel() for p in model.parameters())
    else:
        with pytest.raises(ValueError):
            tree.build(shape)


def test_an_edit_leaves_the_rest_as_it_is():
    edited = NET.remove((1, "body", 2, "bricks", 1))
    assert edited.bricks[0] is NET.bricks[0]
    assert edited[(1, "body", 0)] is NET[(1, "body", 0)]
    assert len(edited[(1, "body", 2, "bricks")]) == 1


def test_lists_among_bricks_are_sequentials():
    assert NET[(1, "body", 2)] == dict(type="Sequential", bricks=[conv(8), RELU])
    assert Blueprint.from_config([[RELU], FLAT]).bricks == (
        dict(type="Sequential", bricks=[RELU]), FLAT,
    )  # fmt: skip
    assert Blueprint((dict(type="Residual", body=RELU),))[(0, "body", 0)] is RELU


def test_places():
    tree = Blueprint((dict(type="Residual", body=[RELU]),))
    assert tree.insert((0, "shortcut", 0), FLAT)[(0, "shortcut")] == [FLAT]
    assert tree.remove((0, "body"))[0] == dict(type="Residual")
    assert tree.replace((0, "body"), [FLAT])[(0, "body")] == [FLAT]
    two = NET.insert((2, "branches", 1), [RELU])
    assert two[(2, "branches", 1, -1)] == RELU and len(two[(2, "branches")]) == 4
    assert NET.move((0,), (0, "body", 0))[(0, "body", 0)] is NET.bricks[0]
    for wrong in ((9,), (0, "body", 0), (1, "body", 7), (4, "x", 0)):
        with pytest.raises(IndexError):
            NET.remove(wrong)
    with pytest.raises(TypeError) as caught:
        NET.remove(())
    assert str(caught.value) == ("at: expected a number or a path such as (2, 'body', 0), got ().")


def test_wrap_and_unwrap():
    wrapped = NET.wrap(0, "Residual", 2)
    assert wrapped[(0, "body")] == list(NET.bricks[:2]) and len(wrapped) == len(NET) - 1
    assert NET.wrap(4, "Concat")[4] == dict(type="Concat", branches=[[FLAT], []])
    assert NET.wrap(4, "Repeat")[4] == dict(type="Repeat", times=2, body=[FLAT])
    assert len(NET.unwrap(2)) == len(NET) + 1
    for act, error, message in (
        (lambda: NET.unwrap(0), TypeError, "at: bricks[0] holds no bricks."),
        (lambda: NET.wrap(0, "ReLU"), ValueError, "type: ReLU holds no bricks."),
        (lambda: NET.wrap((1, "body")), TypeError,
         "at: expected the place of a brick, got (1, 'body')."),
    ):  # fmt: skip
        with pytest.raises(error) as caught:
            act()
        assert str(caught.value) == message


def test_sizes_are_found():
    found = NET.trace((3, 8, 8))
    assert {path: dict(row.inferred) for path, row in found.rows.items() if row.inferred} == {
        (0,): {"in_channels": 3},
        (1, "body", 0): {"in_channels": 8},
        (1, "body", 1): {"num_features": 8},
        (1, "body", 2, "bricks", 0): {"in_channels": 8},
        (2, "branches", 0, 0): {"in_channels": 8},
        (2, "branches", 1, 0): {"num_channels": 8},
        (3, "body", 0): {"in_channels": 20},
        (5,): {"normalized_shape": 16},
        (6,): {"in_features": 16},
    }
    model = NET.build(input_shape=(3, 8, 8))
    assert [part[0].in_channels for part in model[3]] == [20, 16, 16]
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 10)
    assert NET.open == tuple(path for path, row in found.rows.items() if row.inferred)
    assert NET.filled((3, 8, 8)).open == ((3, "body", 0),)  # another size at each turn
    assert NET.filled((3, 8, 8))[0] == {
        "type": "ConvModule", "in_channels": 3, **{k: v for k, v in NET[0].items() if k != "type"}
    }  # fmt: skip


@pytest.mark.parametrize("sentences", [{}, {"in_features": None}, {"in_features": "auto"}])
def test_ways_to_leave_a_size_open(sentences):
    tree = Blueprint((dict(type="Linear", out_features=2, **sentences),))
    assert tree.build((5,))[0].in_features == 5
    with pytest.raises(TypeError) as caught:
        tree.build()
    assert str(caught.value) == (
        "bricks[0]: Linear also needs in_features. build(input_shape=...) finds it."
    )


def test_none_stays_where_it_is_a_value():
    class Optional(nn.Module):
        def __init__(self, in_channels: int | None, num_features: int | None = None):
            super().__init__()
            self.sentences = (in_channels, num_features)

        def forward(self, x):
            return x

    tree = Blueprint((dict(type=Optional, in_channels=None),))
    assert tree.build((3,))[0].sentences == (None, None) and tree.open == ()
    tree = Blueprint((dict(type=Optional, in_channels="auto", num_features="auto"),))
    assert tree.build((3,))[0].sentences == (3, 3)


def test_shapes_parameters_and_multiply_adds():
    rows = NET.trace((3, 8, 8)).rows
    assert {path: (row.output, row.params, row.macs) for path, row in rows.items()} == {
        (0,): ((8, 8, 8), 232, 3 * 8 * 9 * 64),
        (1,): ((8, 8, 8), 160, 2 * 64 * 64),
        (1, "body", 0): ((8, 8, 8), 72, 64 * 64),
        (1, "body", 1): ((8, 8, 8), 16, 0),
        (1, "body", 2): ((8, 8, 8), 72, 64 * 64),
        (1, "body", 2, "bricks", 0): ((8, 8, 8), 72, 64 * 64),
        (1, "body", 2, "bricks", 1): ((8, 8, 8), 0, 0),
        (2,): ((20, 8, 8), 36 + 16, 4 * 8 * 64),
        (2, "branches", 0, 0): ((4, 8, 8), 36, 4 * 8 * 64),
        (2, "branches", 1, 0): ((8, 8, 8), 16, 0),
        (3,): ((16, 1, 1), 21 * 16 + 2 * 17 * 16, 20 * 16 * 16 + 16 * 16 * 4 + 16 * 16),
        (3, "body", 0): ((16, 4, 4), 21 * 16, 20 * 16 * 16),
        (4,): ((16,), 0, 0),
        (5,): ((16,), 32, 0),
        (6,): ((10,), 170, 160),
    }
    trace = NET.trace((3, 8, 8))
    assert trace.output == (10,) and trace.params == sum(row.params for row in trace.top)
    assert repr(trace) == f"Trace(3 × 8 × 8 to 10, {trace.params:,} parameters)"


FAULTS = [
    ((1, "body", 1), dict(type="BN", num_features=7), ValueError,
     "bricks[1].body[1].num_features: takes 7 × 8 × 8, gets 8 × 8 × 8."),
    ((1, "body", 2, "bricks", 0), conv(5), ValueError,
     "bricks[1]: the body gives 5 × 8 × 8, the shortcut 8 × 8 × 8."),
    ((2, "branches", 1), [dict(type="MaxPool2d", kernel_size=2)], ValueError,
     "bricks[2]: the branches give 4 × 8 × 8 and 8 × 4 × 4 and 8 × 8 × 8: "
     "they must agree but for dim 1."),
    ((3, "body", 0), conv(16, in_channels=20), ValueError,
     "bricks[3].body[0].in_channels: takes 20 × 8 × 8, gets 16 × 8 × 8."),
    ((6,), dict(type="Linear", in_features=7, out_features=1), ValueError,
     "bricks[6].in_features: takes 7, gets 16."),
    ((1, "body", 1), dict(type="BNN"), KeyError,
     "bricks[1].body[1].type: no brick is called 'BNN'. Did you mean 'BN'?"),
    ((1, "body", 1), dict(type="BN", epsilon=1), TypeError,
     "bricks[1].body[1].epsilon: BatchNorm2d has no such argument. Did you mean 'eps'?"),
    ((0,), dict(type="Conv2d", kernel_size=1), TypeError,
     "bricks[0]: Conv2d also needs out_channels."),
]  # fmt: skip


@pytest.mark.parametrize(("at", "cfg", "error", "message"), FAULTS)
def test_an_error_names_the_brick_and_both_shapes(at, cfg, error, message):
    with pytest.raises(error) as caught:
        NET.replace(at, cfg).build((3, 8, 8))
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(0, 3), 3, "3,8", None])
def test_what_is_no_shape(shape):
    with pytest.raises(ValueError) as caught:
        NET.trace(shape)
    assert str(caught.value) == (
        f"input_shape: expected whole numbers from 1 up, such as (3, 32, 32), got {shape!r}."
    )


def test_a_brick_that_reshapes_its_input_in_place_changes_no_later_run():
    class Grow(nn.Module):
        def forward(self, x):
            return x.unsqueeze_(1)

    net = Blueprint((dict(type="Linear", in_features=4, out_features=3), dict(type=Grow)))
    first, second = net.trace((4,)), net.trace((4,))
    assert first.output == second.output == (1, 3) and first.rows == second.rows


def test_after_a_fault_the_rest_is_counted():
    rows = NET.replace((1, "body", 1), dict(type="BN", num_features=7)).trace((3, 8, 8)).rows
    assert [row.state for row in rows.values()] == [
        "ok", "stopped", "ok", "error", "not reached", "not reached", "not reached",
        "not reached", "not reached", "not reached", "not reached", "not reached",
        "not reached", "not reached", "not reached",
    ]  # fmt: skip
    assert rows[(1,)].params == 72 + 14


def test_a_run_draws_nothing_and_leaves_no_memory():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    NET.trace((3, 8, 8))
    big = Blueprint((dict(type="Linear", in_features=10**6, out_features=10**6),))
    assert big.trace((10**6,)).macs == 10**12
    assert torch.equal(torch.get_rng_state(), before)


def test_a_users_own_holder_and_a_brick_defined_anew():
    @MODELS.register_module()
    @takes_bricks(steps="chain", tails="chains")
    class TreeTestGate(nn.Module):
        def __init__(self, steps: nn.Module, tails: list[nn.Module], scale: float = 1.0):
            super().__init__()
            self.steps, self.tails = steps, nn.ModuleList(tails)
            self.own = nn.Parameter(torch.full((3,), scale))

        def forward(self, x):
            return sum(tail(self.steps(x)) for tail in self.tails)

    try:
        assert slots_of(TreeTestGate) == {"steps": "chain", "tails": "chains"}
        tree = Blueprint(
            (dict(type="TreeTestGate", steps=[conv(4)], tails=[[conv(2)], [conv(2)]]),)
        )
        found = tree.trace((3, 2, 2))
        assert found.output == (2, 2, 2)
        assert found.params == 3 + 16 + 10 + 10
        assert tree.build((3, 2, 2))(torch.rand(1, 3, 2, 2)).shape == (1, 2, 2, 2)
    finally:
        del MODELS.module_dict["TreeTestGate"]


def test_a_users_class_is_run_anew_each_time():
    class Grows(nn.Module):
        width = 2

        def forward(self, x):
            return x.repeat(1, self.width)

    tree = Blueprint((dict(type=Grows),))
    assert tree.trace((3,)).output == (6,)
    Grows.width = 3
    assert tree.trace((3,)).output == (9,)


def test_a_module_in_a_config_is_not_touched():
    class Around(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)

    inner = nn.Linear(3, 2)
    tree = Blueprint((dict(type=Around, inner=inner),))
    assert tree.trace((3,)).output == (2,)
    assert not inner.weight.is_meta and tree.build()[0].inner is inner


def test_python_is_readable():
    tree = Blueprint((
        dict(type="Residual", body=[conv(3), RELU], shortcut=None),
        dict(type="Repeat", times=2, body=[RELU]),
        dict(type=ConvModule, in_channels=3, out_channels=3, kernel_size=1),
    ))  # fmt: skip
    assert (
        tree.to_python("net", (3, 4, 4))
        == """\
from brickbook import Blueprint
from brickbook.bricks.conv_module import ConvModule

net = Blueprint((
    dict(
        type='Residual',
        body=[
            dict(type='Conv2d', out_channels=3, kernel_size=1),
            dict(type='ReLU'),
        ],
        shortcut=None,
    ),
    dict(
        type='Repeat',
        times=2,
        body=[dict(type='ReLU')],
    ),
    dict(type=ConvModule, in_channels=3, out_channels=3, kernel_size=1),
)).build(input_shape=(3, 4, 4))
"""
    )


def test_json_says_what_it_cannot_hold():
    with pytest.raises(TypeError) as caught:
        Blueprint((dict(type=nn.ReLU),)).to_json()
    assert str(caught.value) == (
        "bricks: <class 'torch.nn.modules.activation.ReLU'> cannot be written as JSON; "
        "Python can hold it."
    )
    with pytest.raises(KeyError) as caught:
        Blueprint.from_json(json.dumps([dict(type="Residual", body=[{}])]))
    assert str(caught.value) == (
        'bricks[0].body[0]: the cfg dict must contain the key "type", but got {}.'
    )
