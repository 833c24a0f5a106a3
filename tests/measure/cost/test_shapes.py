from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.measure.cost import ShapeTrace, shapes


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 4 * 4, 5)
    )


def test_every_child_with_its_shape_and_parameters():
    trace = shapes(small(), (2, 3, 4, 4))
    assert [tuple(vars(row).values())[:-1] for row in trace.rows] == [
        ("0", "Conv2d", 224, "ok", (2, 3, 4, 4), (2, 8, 4, 4)),
        ("1", "BatchNorm2d", 16, "ok", (2, 8, 4, 4), (2, 8, 4, 4)),
        ("2", "Flatten", 0, "ok", (2, 8, 4, 4), (2, 128)),
        ("3", "Linear", 645, "ok", (2, 128), (2, 5)),
    ]  # fmt: skip
    assert (trace.output, trace.params, trace.error) == ((2, 5), 885, "")
    assert repr(trace) == "ShapeTrace((2, 3, 4, 4) to (2, 5), 885 parameters)"


def test_the_first_that_does_not_fit_says_so_and_the_rest_is_not_reached():
    model = nn.Sequential(nn.ReLU(), nn.Linear(7, 5), nn.Linear(5, 2))
    trace = shapes(model, (2, 3))
    problem = "Linear got (2, 3): a and b must have same reduction dim, but got [2, 3] X [7, 5]."
    assert [(row.state, row.error) for row in trace.rows] == [
        ("ok", ""),
        ("error", problem),
        ("not reached", ""),
    ]
    assert (trace.error, trace.output, trace.params) == (problem, None, 52)


def test_the_model_is_not_touched():
    model = small()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    shapes(model, (2, 3, 4, 4))
    assert model.training and not any(p.is_meta for p in model.parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_on_the_meta_device_and_under_it():
    with torch.device("meta"):
        assert shapes(small(), (1, 3, 4, 4)).output == (1, 5)


def test_another_module_is_one_row():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(self.layer(x))

    rows = shapes(Twice(), [3, 4]).rows
    assert [(row.name, row.kind, row.params, row.output) for row in rows] == [
        ("", "Twice", 20, (3, 4))
    ]


@pytest.mark.parametrize(
    ("model", "given", "dtype", "output", "params"),
    [
        (nn.Sequential(), (3, 4), torch.float32, (3, 4), 0),
        (nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), (1, 7), torch.int64, (1, 7, 2), 50),
        (nn.Sequential(nn.LSTM(4, 6)), (5, 1, 4), torch.float32, (5, 1, 6), 288),
        (nn.Sequential(nn.LazyLinear(3), nn.Dropout(0.5)), (2, 4), torch.float32, (2, 3), 15),
        (nn.ModuleList([nn.Linear(4, 2)]), (2, 4), torch.float32, (2, 2), 10),
    ],
)
def test_many_kinds(model, given, dtype, output, params):
    trace = shapes(model, given, dtype=dtype)
    assert (trace.output, trace.params) == (output, params)


def test_tied_parameters_count_once():
    layer = nn.Linear(4, 4)
    assert [row.params for row in shapes(nn.Sequential(layer, nn.ReLU(), layer), (2, 4)).rows] == [
        20,
        0,
        0,
    ]


def test_json_gives_the_trace_back():
    trace = shapes(small(), (2, 3, 4, 4))
    assert ShapeTrace.from_dict(json.loads(json.dumps(trace.to_dict()))) == trace


def test_no_weight_is_copied():
    class Heavy(nn.Parameter):
        def __deepcopy__(self, memo):
            raise MemoryError

    model = nn.Sequential(nn.Linear(4, 4))
    model[0].weight = Heavy(torch.zeros(4, 4))
    assert shapes(model, (2, 4)).error == ""


@pytest.mark.parametrize("given", [(0, 3), (1, -1), (1.0, 3), (True, 3), 7, "13"])
def test_what_is_no_shape(given):
    with pytest.raises(ConfigError) as caught:
        shapes(nn.ReLU(), given)
    assert str(caught.value) == (
        f"input_shape: expected whole numbers from 1 up, such as (1, 3, 224, 224), got {given!r}."
    )


def test_what_is_no_module():
    with pytest.raises(ConfigError) as caught:
        shapes(torch.relu, (1, 2))
    assert str(caught.value).startswith("model: expected a module, got <built-in method relu")
