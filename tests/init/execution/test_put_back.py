"""What was seen half loaded or half written: the right error, and the model as it was."""

import threading
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from fault_injection import Extra, difference, look
from torch import nn

from brickbook import Sequential, initialize, load_state_dict, plan
from brickbook.checkpoint import CheckpointError
from brickbook.errors import BadArgumentError
from brickbook.init.execution import execute, rng
from brickbook.init.laws import Law, Normal

NORMAL = dict(type="Normal", layer="Linear")


def net():
    torch.manual_seed(0)
    return Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))


def ones(model):
    return OrderedDict((name, torch.ones_like(value)) for name, value in model.state_dict().items())


def raised(model, action):
    """The error of an action, after which the model must be as before."""
    before = look(model)
    with pytest.raises(BaseException) as caught:
        action()
    assert list(difference(before, look(model))) == []
    return caught.value


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"1": 5}, "state_dict._metadata['1']: expected a dict, got 5."),
        ({"1": {"version": "x"}},
         "state_dict._metadata['1']['version']: expected a number or None, got 'x'."),
        (5, "state_dict._metadata: expected a dict, got 5."),
    ],
)  # fmt: skip
def test_metadata_that_is_none(metadata, message):
    model = net()
    state = ones(model)
    state._metadata = metadata
    error = raised(model, lambda: load_state_dict(model, state))
    assert isinstance(error, BadArgumentError) and str(error) == message


def test_metadata_of_modules_that_the_model_lacks_is_none_of_its_business():
    model = net()
    state = ones(model)
    state._metadata = {"7": 5, "1": {"version": None}}
    assert load_state_dict(model, state, strict=True).exact


def test_weights_of_a_dtype_that_nothing_is_made_of():
    model = net()
    state = ones(model)
    state["2.weight"] = torch.empty(2, 2, dtype=torch.bits8)
    error = raised(model, lambda: load_state_dict(model, state))
    assert isinstance(error, CheckpointError)
    assert str(error).startswith('state_dict: While copying the parameter named "2.weight"')


def expanded():
    model = net()
    model[2].weight = nn.Parameter(torch.rand(2, 1).expand(2, 2))
    return model


def test_an_expanded_weight_is_not_loaded():
    model, state = expanded(), ones(net())
    error = raised(model, lambda: load_state_dict(model, state))
    assert str(error).startswith('state_dict: While copying the parameter named "2.weight"')


@pytest.mark.parametrize("options", [{}, {"seed": 3}, {"atomic": True}])
def test_an_expanded_weight_is_not_initialised(options):
    model = expanded()
    error = raised(model, lambda: initialize(model, NORMAL, strict=True, **options))
    assert str(error) == (
        "init_cfg: cannot fill 2.weight: it is expanded: its elements share memory."
    )


class Refuses(Extra):
    def set_extra_state(self, state):
        self.count = 9
        self.table["new"] = 1
        raise ValueError("no luck")


def test_extra_state_that_is_refused():
    model = Sequential(nn.Linear(2, 2), Refuses(), nn.Linear(2, 2))
    error = raised(model, lambda: load_state_dict(model, model.state_dict()))
    assert type(error) is ValueError and str(error) == "no luck"


class Stubborn(torch.Tensor):
    """A tensor that takes no random numbers."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ in ("normal_", "copy_", "clone"):
            raise TypeError("not of this kind")
        return super().__torch_function__(function, types, args, kwargs or {})


TAKES_NO_NUMBERS = {
    "initialize": lambda model: initialize(model, NORMAL),
    "with a seed": lambda model: initialize(model, NORMAL, seed=1),
    "atomic": lambda model: initialize(model, NORMAL, atomic=True),
    "load": lambda model: load_state_dict(model, ones(model), strict=True),
}


@pytest.mark.parametrize("action", TAKES_NO_NUMBERS)
def test_a_tensor_that_refuses(action):
    model = net()
    model[2].weight = nn.Parameter(torch.rand(2, 2).as_subclass(Stubborn))
    assert type(model[2].weight) is Stubborn
    error = raised(model, lambda: TAKES_NO_NUMBERS[action](model))
    assert "not of this kind" in str(error)


class Overflows(Law):
    mean, std = 0.0, 1.0

    def draw(self, tensor, generator):
        tensor.zero_()
        raise OverflowError("int too large to convert to float")


@pytest.mark.parametrize("seed", [None, 3])
def test_a_law_that_overflows(seed):
    model = net()
    todo = plan(model, NORMAL)
    rows = [row._replace(law=Overflows()) if row.name == "2.weight" else row for row in todo.rows]
    bad = replace(todo, rows=tuple(rows))
    error = raised(model, lambda: execute(bad, model, seed=seed))
    assert type(error) is OverflowError


@pytest.mark.parametrize("at", [1, 2, 5, 11])
@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt, RuntimeError])
def test_a_fault_in_one_of_several_threads(at, kind, monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(140, 140) for _ in range(12)))
    rule = dict(type="Normal", layer="Linear")
    monkeypatch.setattr(rng, "BLOCK", 1 << 14)
    calls, lock, draw = [], threading.Lock(), Normal.draw

    def fails(law, tensor, generator):
        with lock:
            calls.append(1)
            now = len(calls)
        draw(law, tensor, generator)
        if now == at:
            raise kind("no luck")

    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(Normal, "draw", fails)
        error = raised(model, lambda: initialize(model, rule, seed=3))
    finally:
        torch.set_num_threads(threads)
    assert type(error) is kind
