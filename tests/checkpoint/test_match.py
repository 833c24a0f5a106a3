from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from brickbook.checkpoint import CheckpointError, Match, match, named_tensors
from brickbook.checkpoint.match import Reshaped


class Net(nn.Module):
    """One name of each kind: parameter, buffer, buffer that is not stored."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)
        self.register_buffer("scratch", torch.zeros(1), persistent=False)


NAMES = (
    "conv.weight",
    "conv.bias",
    "bn.weight",
    "bn.bias",
    "bn.running_mean",
    "bn.running_var",
    "bn.num_batches_tracked",
    "fc.weight",
    "fc.bias",
)


def state_with(change=None, drop=(), add=(), prefix=""):
    state = {name: value for name, value in Net().state_dict().items() if name not in drop}
    state.update({name: torch.zeros(shape) for name, shape in (change or {}).items()})
    state.update({name: torch.zeros(1) for name in add})
    return {f"{prefix}{name}": value for name, value in state.items()}


def test_an_exact_match():
    found = match(state_with(), Net())
    assert found == Match(loaded=NAMES, missing=(), unexpected=(), reshaped=())
    assert found.exact
    assert str(found) == "The model and loaded state dict match: 9 tensors."
    found.check(strict=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.loaded = ()


def test_every_difference():
    state = state_with({"fc.weight": (10, 4)}, drop=["conv.bias", "fc.bias"], add=["head.bias"])
    found = match(state, Net())
    assert found.loaded == (NAMES[0], *NAMES[2:7])
    assert found.missing == ("conv.bias", "fc.bias")
    assert found.unexpected == ("head.bias",)
    assert found.reshaped == (Reshaped("fc.weight", (10, 4), (2, 4)),)
    assert str(found) == (
        "The model and loaded state dict do not match exactly: 6 of the model's 9 tensors are in "
        "both.\n"
        "missing: conv.bias, fc.bias\n"
        "unexpected: head.bias\n"
        "reshaped: fc.weight: file (10, 4), model (2, 4)"
    )
    found.check()
    with pytest.raises(CheckpointError) as caught:
        found.check("init_cfg.checkpoint", strict=True)
    assert str(caught.value) == f"init_cfg.checkpoint: {found}"
    assert isinstance(caught.value, RuntimeError)


def test_long_lists_are_cut_in_the_text_only():
    found = match({"a": torch.ones(1)}, nn.Sequential(*(nn.Linear(1, 1) for _ in range(10))))
    assert len(found.missing) == 20
    assert "5.weight, 5.bias and 8 more\n" in str(found)


def test_num_batches_tracked_is_never_missing():
    assert match(state_with(drop=["bn.num_batches_tracked"]), Net()).exact


def test_the_model_may_be_on_meta():
    with torch.device("meta"):
        model = Net()
    assert match(state_with(), model).exact


def test_nothing_is_written():
    model, state = Net(), state_with({"fc.weight": (10, 4)})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = {name: value.clone() for name, value in state.items()}
    match(state, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, kept[name]) for name, value in state.items())


def test_lazy_parameters_take_any_shape():
    model = nn.Sequential(nn.LazyLinear(2))
    assert match({"0.weight": torch.ones(2, 5), "0.bias": torch.ones(2)}, model).exact


def tied():
    model = nn.Module()
    model.embed, model.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    model.again = model.head
    return model


@pytest.mark.parametrize("name", ["embed.weight", "head.weight", "again.weight"])
def test_one_name_of_tied_weights_is_enough(name):
    found = match({name: torch.ones(5, 3)}, tied())
    assert found == Match(loaded=(name,), missing=(), unexpected=(), reshaped=())


def test_named_tensors_are_the_models_own():
    model = tied()
    found = named_tensors(model)
    assert list(found) == ["embed.weight", "head.weight", "again.weight"]
    assert all(tensor is model.embed.weight for tensor in found.values())


class Compiled(nn.Module):
    """What torch.compile returns, by name and attribute."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._orig_mod = model


Compiled.__name__ = "OptimizedModule"


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, Compiled, lambda net: Compiled(nn.DataParallel(net))]
)
def test_wrappers_outside_and_inside(wrap):
    inner = Net()
    inner.conv = wrap(inner.conv)
    for model in (wrap(Net()), inner, wrap(inner)):
        assert tuple(named_tensors(model)) == NAMES
        assert match(state_with(), model).exact


def test_the_compiled_module_is_known_by_its_name():
    model = torch.compile(Net(), backend="eager")
    assert tuple(named_tensors(model)) == NAMES


# Nothing fits


@pytest.mark.parametrize(
    ("state", "model", "hint"),
    [
        (
            state_with(prefix="backbone.", add=["fc"]),
            Net(),
            "none of the file's 10 tensors fits the model. Did you mean prefix='backbone.'?",
        ),
        (
            state_with(prefix="model.backbone."),
            Net(),
            "none of the file's 9 tensors fits the model. Did you mean prefix='model.backbone.'?",
        ),
        (
            state_with(),
            nn.Sequential(nn.ModuleDict({"backbone": Net()})),
            "none of the file's 9 tensors fits the model. They are the names of the model's part "
            "'0.backbone'.",
        ),
        (
            {"a": torch.ones(3), "b": torch.ones(3)},
            nn.Linear(1, 1),
            "none of the file's 2 tensors fits the model. The file has a, b; the model weight, "
            "bias.",
        ),
        (
            {"weight": torch.ones(3, 1)},
            nn.Linear(1, 1, bias=False),
            "none of the file's 1 tensors fits the model. Other shapes: weight: file (3, 1), "
            "model (1, 1).",
        ),
        (
            {"weight": torch.ones(3, 1)},
            nn.ReLU(),
            "none of the file's 1 tensors fits the model. The file has weight; the model none.",
        ),
    ],
)  # fmt: skip
def test_nothing_fits(state, model, hint):
    with pytest.raises(CheckpointError) as caught:
        match(state, model).check("init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {hint}"


def test_the_repr_counts():
    found = Match(loaded=("a", "b"), missing=("c",), unexpected=(), reshaped=())
    assert repr(found) == "Match(loaded 2 of 3 tensors, 1 missing)"
