"""What modules themselves do when they are loaded."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from checkpoint_support import equal, kept, net, ones
from torch import nn

from brickbook.checkpoint import load_checkpoint, load_state_dict
from brickbook.errors import BadArgumentError, BadValueError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


class Renamed(nn.Module):
    """Version 2 calls conv1 what version 1 called conv."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 1)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        if (local_metadata.get("version") or 1) < 2:
            for name in [name for name in state_dict if name.startswith(f"{prefix}conv.")]:
                state_dict[name.replace("conv.", "conv1.")] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("prefix", ["", "module.", "0."])
@pytest.mark.parametrize("strict", [True, False])
def test_a_module_that_renames_its_old_names(version, prefix, strict, file):
    model = Renamed()
    name = "conv" if version == 1 else "conv1"
    state = OrderedDict((key.replace("conv1", name), value) for key, value in ones(model).items())
    state = OrderedDict((f"{prefix}{key}", value) for key, value in state.items())
    state._metadata = OrderedDict({prefix[:-1]: {"version": version}})
    torch.save(state, file)
    whole = nn.Sequential(model) if prefix == "0." else model
    load_checkpoint(whole, file, strict=strict)
    assert equal(model, ones(model))


def test_pre_and_post_hooks():
    model = net()
    seen = []

    def forgive(module, keys):
        seen.append(list(keys.missing_keys))
        keys.missing_keys.clear()

    model.register_load_state_dict_post_hook(forgive)
    model.register_load_state_dict_pre_hook(lambda module, state, *_: state.pop("old", None))
    state = ones(model)
    del state["conv.bias"]
    state["old"] = torch.ones(1)
    assert load_state_dict(model, state, strict=True).exact
    assert seen == [["conv.bias"]]
    assert "old" in state  # the caller's dict stays


class Counter(nn.Module):
    """Stores a number that is no tensor."""

    count = 0

    def get_extra_state(self):
        return self.count

    def set_extra_state(self, state):
        self.count = state


def test_extra_state(file):
    model = nn.Sequential(nn.Linear(1, 1), Counter())
    model[1].count = 3
    torch.save(model.state_dict(), file)
    model[1].count = 0
    load_checkpoint(model, file, strict=True)
    assert model[1].count == 3


def test_lazy_modules(file):
    torch.save(ones(nn.Linear(3, 2)), file)
    model = nn.LazyLinear(2)
    load_checkpoint(model, file, strict=True)
    assert model.weight.shape == (2, 3)
    assert equal(model, ones(model))


class Broken(nn.Linear):
    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        raise KeyboardInterrupt


def test_a_broken_module_under_strict_leaves_the_model_unchanged():
    model = nn.Sequential(nn.Linear(1, 1), Broken(1, 1))
    state = ones(model)
    state["other"] = torch.ones(1)
    before = kept(model)
    with pytest.raises(KeyboardInterrupt):
        load_state_dict(model, state, strict=True)
    assert equal(model, before)


def test_a_model_on_meta_has_no_memory():
    with torch.device("meta"):
        model = net()
    with pytest.raises(BadValueError) as caught:
        load_state_dict(model, ones(net()))
    assert str(caught.value) == (
        "model: conv.weight is on the meta device and has no memory to load into. "
        "Say assign=True, or call model.to_empty(device='cpu') first."
    )


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (["a"], "state_dict: expected a dict, got <class 'list'>."),
        ({"weight": 3}, "state_dict['weight']: expected a Tensor, got 3."),
        ({1: torch.ones(1)}, "state_dict[1]: expected a Tensor, got tensor([1.])."),
    ],
)
def test_no_state_dict_given(state, message):
    with pytest.raises(BadArgumentError) as caught:
        load_state_dict(nn.Linear(1, 1), state)
    assert str(caught.value) == message
