from __future__ import annotations

import inspect
import logging
from collections import OrderedDict

import pytest
import torch
from torch import nn

from brickbook.checkpoint import (
    CheckpointError,
    Match,
    _load_checkpoint,
    _load_checkpoint_with_prefix,
    load_checkpoint,
    load_state_dict,
)
from brickbook.errors import BadArgumentError, BadValueError, CheckError, CheckpointMissingError

BRICKBOOK = "brickbook.checkpoint.loading"


def net():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4)))


def ones(model):
    return OrderedDict((name, torch.ones_like(each)) for name, each in model.state_dict().items())


def equal(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def kept(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            load_checkpoint,
            "model, filename, map_location=None, strict=False, logger=None, "
            "revise_keys=(('^module\\\\.', ''),)",
        ),
        (load_state_dict, "module, state_dict, strict=False, logger=None"),
        (_load_checkpoint, "filename, map_location=None, logger=None"),
        (_load_checkpoint_with_prefix, "prefix, filename, map_location=None"),
    ],
)
def test_signatures_are_mmcvs(function, signature):
    found = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    assert ", ".join(map(str, bare)) == signature


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("inside", [True, False])
def test_load_checkpoint(wrapper, inside, file):
    model = net()
    state = {f"{wrapper}{name}": value for name, value in ones(model).items()}
    torch.save({"state_dict": state, "meta": {"epoch": 3}} if inside else state, file)
    found = load_checkpoint(model, file, strict=True)
    assert equal(model, ones(model))
    if inside:
        assert found["meta"] == {"epoch": 3}
        found = found["state_dict"]
    assert list(found) == list(state)


def test_gradients_and_identity_stay(file):
    model = net()
    model.conv.bias.requires_grad_(False)
    before = list(model.parameters())
    torch.save(ones(model), file)
    load_checkpoint(model, file)
    assert all(new is old for new, old in zip(model.parameters(), before, strict=True))
    assert [each.requires_grad for each in before] == [True, False, True, True]
    assert all(each.grad_fn is None for each in before)


@pytest.mark.parametrize(
    ("prefix", "revise_keys"),
    [
        ("backbone.", [(r"^backbone\.", "")]),
        ("module.backbone.", [(r"^module\.", ""), (r"^backbone\.", "")]),
    ],
)
def test_revise_keys(prefix, revise_keys, file):
    model = net()
    torch.save({f"{prefix}{name}": value for name, value in ones(model).items()}, file)
    load_checkpoint(model, file, strict=True, revise_keys=revise_keys)
    assert equal(model, ones(model))


def test_revise_keys_that_add_a_prefix(file):
    model = nn.ModuleDict({"backbone": net()})
    torch.save(ones(net()), file)
    load_checkpoint(model, file, strict=True, revise_keys=[(r"^", "backbone.")])
    assert equal(model, ones(model))


def test_wrapped_models(file):
    torch.save(ones(net()), file)
    model = nn.DataParallel(net())
    load_checkpoint(model, file, strict=True)
    assert equal(model.module, ones(net()))
    model = net()
    model.conv = nn.DataParallel(model.conv)
    load_checkpoint(model, file, strict=True)
    assert model.conv.module.weight.sum() == 12


def test_a_match_that_is_not_exact_is_a_warning(file, caplog):
    model = net()
    state = ones(model)
    del state["conv.bias"], state["bn.num_batches_tracked"]
    state["bn.bias"] = torch.ones(7)
    state["head"] = torch.ones(1)
    torch.save(state, file)
    before = kept(model)
    load_checkpoint(model, file)
    text = (
        "The model and loaded state dict do not match exactly: 4 of the model's 6 tensors are in "
        "both.\n"
        "missing: conv.bias\n"
        "unexpected: head\n"
        "reshaped: bn.bias: file (7,), model (4,)"
    )
    assert [(each.name, each.levelname, each.getMessage()) for each in caplog.records] == [
        (BRICKBOOK, "WARNING", text)
    ]
    after = model.state_dict()
    assert torch.equal(after["conv.weight"], torch.ones(4, 3, 1, 1))
    assert torch.equal(after["bn.bias"], before["bn.bias"])
    assert torch.equal(after["conv.bias"], before["conv.bias"])


@pytest.mark.parametrize(
    ("logger", "names"),
    [
        (None, [BRICKBOOK]),
        ("mine", ["mine"]),
        (logging.getLogger("mine"), ["mine"]),
        ("silent", []),
    ],
)
def test_loggers(logger, names, caplog):
    load_state_dict(net(), {"conv.bias": torch.ones(4)}, logger=logger)
    assert [each.name for each in caplog.records] == names


def test_load_state_dict_returns_the_match():
    model = net()
    found = load_state_dict(model, ones(model))
    assert isinstance(found, Match)
    assert found.exact
    assert found.loaded == tuple(model.state_dict())


def refused(model, state, **how):
    """Return the text of the error; the model must be as before."""
    before = kept(model)
    with pytest.raises(CheckpointError) as caught:
        load_state_dict(model, state, **how)
    assert equal(model, before)
    return str(caught.value)


def test_strict_changes_nothing_when_it_raises():
    model, state = net(), ones(net())
    state["bn.bias"] = torch.ones(7)
    assert refused(model, state, strict=True) == (
        "state_dict: The model and loaded state dict do not match exactly: 6 of the model's 7 "
        "tensors are in both.\n"
        "reshaped: bn.bias: file (7,), model (4,)"
    )


def test_nothing_loaded_is_an_error_that_says_what_would_fit(file):
    model, state = net(), {f"backbone.{name}": value for name, value in ones(net()).items()}
    assert refused(model, state) == (
        "state_dict: none of the file's 7 tensors fits the model. Did you mean the names without "
        "'backbone.'?"
    )
    torch.save(state, file)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(model, file)
    assert str(caught.value) == (
        "filename: none of the file's 7 tensors fits the model. Did you mean "
        r"revise_keys=[(r'^backbone\.', '')]?"
    )
    load_checkpoint(model, file, strict=True, revise_keys=[(r"^backbone\.", "")])


def test_tied_weights():
    model = nn.Module()
    model.embed, model.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    assert load_state_dict(model, {"embed.weight": torch.ones(5, 3)}, strict=True).exact
    assert model.head.weight.sum() == 15


# What modules do themselves


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
        "Call model.to_empty(device='cpu') first."
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


# _load_checkpoint


def test_load_checkpoint_as_it_is(file):
    content = {"state_dict": {"module.a": torch.ones(2)}, "meta": {"epoch": 3}}
    torch.save(content, file)
    found = _load_checkpoint(file)
    assert list(found) == ["state_dict", "meta"]
    assert torch.equal(found["state_dict"]["module.a"], torch.ones(2))


@pytest.mark.parametrize("prefix", ["conv", "conv."])
def test_load_with_prefix(prefix, file):
    torch.save({"state_dict": ones(net())}, file)
    assert list(_load_checkpoint_with_prefix(prefix, file)) == ["weight", "bias"]
    with pytest.raises(CheckError) as caught:
        _load_checkpoint_with_prefix("con", file)
    assert str(caught.value) == (
        "prefix: con. is not in the pretrained model. Did you mean 'conv'?"
    )


@pytest.mark.parametrize("load", [_load_checkpoint, lambda file: load_checkpoint(net(), file)])
def test_a_file_that_is_not_there(load, file):
    with pytest.raises(CheckpointMissingError) as caught:
        load(file)
    assert str(caught.value) == f"filename: {file} can not be found."
