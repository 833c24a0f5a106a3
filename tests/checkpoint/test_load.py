from __future__ import annotations

import inspect
import logging

import pytest
import torch
from checkpoint_support import equal, kept, net, ones
from torch import nn

from brickbook.checkpoint import (
    CheckpointError,
    Match,
    _load_checkpoint,
    _load_checkpoint_with_prefix,
    load_checkpoint,
    load_state_dict,
)
from brickbook.errors import CheckError, MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

BRICKBOOK = "brickbook.checkpoint.load"


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            load_checkpoint,
            "model, filename, map_location=None, strict=False, logger=None, "
            "revise_keys=(('^module\\\\.', ''),), **more",
        ),
        (
            load_state_dict,
            "module, state_dict, strict=False, logger=None, adapt=(), assign=False",
        ),
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
        "reshaped: bn.bias: file (7,), model (4,)\n"
        "brickbook.identify(model) says which tensors are still as they were drawn."
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
        "filename: none of the file's 7 tensors fits the model. Did you mean prefix='backbone.'?"
    )
    load_checkpoint(model, file, strict=True, prefix="backbone.")
    load_checkpoint(model, file, strict=True, revise_keys=[(r"^backbone\.", "")])


def test_tied_weights():
    model = nn.Module()
    model.embed, model.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    assert load_state_dict(model, {"embed.weight": torch.ones(5, 3)}, strict=True).exact
    assert model.head.weight.sum() == 15


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
    with pytest.raises(MissingFileError) as caught:
        load(file)
    assert str(caught.value) == f"filename: {file} can not be found."
