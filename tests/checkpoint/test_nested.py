"""State dicts within checkpoints as projects other than mmcv's lay them out."""

from __future__ import annotations

import logging
from collections import OrderedDict

import pytest
import torch
from checkpoint_support import equal, kept, net, ones
from torch import nn

from brickbook import initialize
from brickbook.checkpoint import (
    CheckpointError,
    convert,
    load_checkpoint,
    load_weights,
    read_state,
    save_checkpoint,
)
from brickbook.checkpoint.nested import select_nested
from brickbook.errors import BadArgumentError, BadValueError, ConfigError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

EPOCH = {"epoch": 1, "best": torch.tensor(0.3), "rng_state": torch.ones(5, dtype=torch.uint8)}


def weights(prefix=""):
    return OrderedDict((f"{prefix}{name}", value) for name, value in ones(net()).items())


def optimizer():
    model = net()
    found = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3, 1, 1)).sum().backward()
    found.step()
    return found.state_dict()


def named_optimizer():
    """As FSDP stores it: by names, not by numbers."""
    return {"state": {"conv.weight": {"exp_avg": torch.ones(2)}}, "param_groups": []}


# What a file holds -> what else must be said to load it.
LAYOUTS = {
    "bare": (lambda: weights(), {}),
    "mmcv": (lambda: {"meta": {}, "state_dict": weights(), "optimizer": optimizer()}, {}),
    "mmengine with ema": (lambda: {"state_dict": weights(), "ema_state_dict": weights("x.")}, {}),
    "mae": (lambda: {"model": weights(), "optimizer": optimizer(), "scaler": {"scale": 1.0}}, {}),
    "swin": (lambda: {"model": weights(), **EPOCH}, {}),
    "whisper": (lambda: {"dims": {"n_mels": 80}, "model_state_dict": weights()}, {}),
    "deepspeed": (lambda: {"module": weights("module."), "optimizer": None}, {}),
    "fsdp": (lambda: {"model": weights(), "optim": named_optimizer()}, {}),
    "nested once more": (lambda: {"model": {"state_dict": weights(), "step": 3}}, {}),
    "nested four deep": (lambda: {"a": {"b": {"c": {"d": weights()}}}}, {}),
    "within state_dict": (lambda: {"state_dict": {"model": weights("module.")}}, {}),
    "compiled": (lambda: {"model": weights("module._orig_mod.")}, {}),
    "the same twice": (lambda: dict.fromkeys(["model", "net"], weights()), {}),
    "lightning": (lambda: {"state_dict": weights("model."), "epoch": 3}, {"prefix": "model"}),
    "timm": (lambda: {"state_dict": weights(), "state_dict_ema": weights("x.")}, {}),
    "timm's ema": (
        lambda: {"state_dict": weights("x."), "state_dict_ema": weights()},
        {"key": "state_dict_ema"},
    ),
    "dino": (
        lambda: {"student": weights("x."), "teacher": weights("module.backbone."), "epoch": 1},
        {"key": "teacher", "prefix": "backbone"},
    ),
    "basicsr": (
        lambda: {"params": weights("x."), "params_ema": weights()},
        {"key": "params_ema"},
    ),
    "deep key": (
        lambda: {"ema": {"params": weights(), "old": weights("x.")}},
        {"key": "ema.params"},
    ),
    "outer key": (
        lambda: {"ema": {"params": weights()}, "net": weights("x.")},
        {"key": "ema"},
    ),
    "key with a dot": (
        lambda: {"v1.5": weights(), "v1": {"4": weights("x.")}},
        {"key": "v1.5"},
    ),
    "queue beside it": (
        lambda: {"queue": torch.ones(3), "model": weights()},
        {"key": "model"},
    ),
    "itself by key": (
        lambda: {**weights(), "a": {"mean": torch.ones(3)}},
        {"key": ""},
    ),
    "revised by a dict": (
        lambda: {"model": weights("encoder.")},
        {"revise_keys": {r"^encoder\.": ""}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name, write):
    content, options = LAYOUTS[name]
    file, model = write(content()), net()
    found = load_weights(model, file, strict=True, **options)
    assert found.exact and equal(model, ones(model))
    model = net()
    held = load_checkpoint(model, file, strict=True, **options)
    assert equal(model, ones(model)) and list(held) == list(content())
    model = net()
    report = initialize(model, dict(type="Pretrained", checkpoint=file, **options))
    assert report.matches[0].exact and equal(model, ones(model))
    if name != "compiled":  # the words of wrappers go when there is a model to compare with
        assert list(read_state(file, **options))[: len(weights())] == list(weights())


@pytest.mark.parametrize(
    ("content", "names", "first"),
    [
        ({"student": 1, "teacher": 1, "epoch": 3}, "student, teacher", "student"),
        ({"model": 1, "model_ema": 1, "optimizer": 0}, "model, model_ema", "model"),
        ({"ema": {"params": 1}, "net": 1}, "net, ema.params", "net"),
        ({"state_dict": {"model": 1, "ema": 1}}, "state_dict.model, state_dict.ema",
         "state_dict.model"),
        ({"queue": torch.ones(3), "model": 1}, "'' (its own queue), model", "model"),
        ({f"net{at}": 1 for at in range(14)}, f"{', '.join(f'net{at}' for at in range(12))} and 2 "
         "more", "net0"),
    ],
)  # fmt: skip
def test_several_are_listed(content, names, first, write):
    def filled(value):
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        return weights() if type(value) is int and value == 1 else value

    file, model = write(filled(content)), net()
    before = kept(model)
    problem = f"{file} holds several state dicts: {names}. Say which: key={first!r}."
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, file)
    assert str(caught.value) == f"filename: {problem}"
    cfg = [dict(type="Constant", val=3, layer="Conv2d"), dict(type="Pretrained", checkpoint=file)]
    with pytest.raises(CheckpointError) as caught:
        initialize(model, cfg)
    assert str(caught.value) == f"init_cfg[1].checkpoint: {problem}"
    assert equal(model, before)
    load_weights(model, file, key=first, strict=True)


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ("techer", BadValueError,
         "holds no state dict under 'techer'. Did you mean 'teacher'?"),
        ("epoch", BadValueError,
         "holds no state dict under 'epoch'. Known: ema.params, student, teacher."),
        ("teacher.conv", BadValueError,
         "holds no state dict under 'teacher.conv'. Did you mean 'teacher'?"),
        (3, BadArgumentError, "expected a str, got 3."),
    ],
)  # fmt: skip
def test_keys_that_lead_nowhere(key, kind, message, write):
    state = weights()
    file = write({"student": state, "teacher": {**state}, "ema": {"params": {**state}}, "epoch": 3})
    for load, path in (
        (lambda: load_weights(net(), file, key=key), "key"),
        (lambda: read_state(file, key=key), "init_cfg.key"),
    ):
        with pytest.raises(kind) as caught:
            load()
        shown = f"{file} " if kind is BadValueError else ""
        assert str(caught.value) == f"{path}: {shown}{message}"


def test_a_key_for_a_file_without_any(write):
    file = write(weights())
    with pytest.raises(BadValueError) as caught:
        load_weights(net(), file, key="model")
    assert str(caught.value) == (
        f"key: {file} holds no state dict under 'model'. It is a state dict itself: say no key."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": 3}, "key: expected a str, got 3."),
        ({"prefix": 3}, "prefix: expected a str, got 3."),
        ({"adapt": "position"}, "adapt: 'position' is unknown. Did you mean 'positions'?"),
        ({"revise_keys": {"(": ""}}, "revise_keys: '(' is no pattern: missing ), unterminated "
         "subpattern at position 0."),
        ({"revise_keys": {"a": 3}}, "revise_keys: expected pairs of a pattern and a replacement, "
         "got ('a', 3)."),
    ],
)  # fmt: skip
def test_options_are_checked_before_a_download(options, message, server):
    with pytest.raises(ConfigError) as caught:
        load_weights(net(), server.put("a.pth"), **options)
    assert str(caught.value) == message
    assert server.asked == []


def test_a_dict_that_holds_itself():
    content = {"epoch": 1}
    content["again"] = content
    content["model"] = {"loop": content, "net": weights()}
    assert select_nested(content, "a.pth") is content["model"]["net"]


def test_what_is_taken_is_logged(write, caplog):
    file = write({"model": {"net": weights()}})
    with caplog.at_level(logging.INFO, "brickbook"):
        load_weights(net(), file)
    assert f"the state dict of {file} is its model.net" in caplog.messages


@pytest.mark.parametrize("content", [lambda m: m, lambda m: {"model": m, "epoch": 1}])
def test_whole_models_need_trust(content, write):
    source, model = net(), net()
    file = write(content(source))
    with pytest.raises(CheckpointError):
        load_weights(model, file)
    load_weights(model, file, trust=True, strict=True)
    assert equal(model, source.state_dict())


def test_convert_one_of_several(write, tmp_path):
    source, target = write({"student": weights("x."), "teacher": weights()}), tmp_path / "a.pth"
    with pytest.raises(CheckpointError) as caught:
        convert(source, target)
    assert caught.value.hint == "Say which: key='student'."
    convert(source, target, key="teacher")
    model = net()
    assert load_weights(model, target).exact


def test_save_one_of_several(tmp_path):
    pytest.importorskip("safetensors")
    content, target = {"student": weights("x."), "teacher": weights()}, tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(content, target)
    assert str(caught.value) == (
        f"model: {target} holds several state dicts: student, teacher. "
        "Give that alone: model['student']."
    )


def test_versions_of_modules_within(write):
    state = nn.Sequential(nn.BatchNorm1d(2)).state_dict()
    found = read_state(write({"model": state}))
    assert found._metadata["0"] == {"version": 2}
