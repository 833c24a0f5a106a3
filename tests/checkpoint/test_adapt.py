"""What is changed to fit because the caller asks: shapes, wrappers' names, tensors of their own."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections import OrderedDict

import pytest
import torch
from checkpoint_support import FORMATS, equal, kept, net, ones
from torch import nn

from brickbook.checkpoint import CheckpointError, load_checkpoint, load_state_dict, load_weights
from brickbook.checkpoint.match import Adapted
from brickbook.errors import BadArgumentError, BadValueError
from brickbook.introspect import MODULE_WRAPPERS, is_module_wrapper

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


class Vit(nn.Module):
    def __init__(self, side=4, tokens=1, channels=3, classes=10, shape="rows") -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
        rows = (1, side * side + tokens, 8) if shape == "rows" else (1, 8, side, side)
        self.pos_embed = nn.Parameter(torch.randn(rows))
        self.patch_embed = nn.Conv2d(channels, 8, 2)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, classes)


class Window(nn.Module):
    def __init__(self, side=7) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.randn((2 * side - 1) ** 2, 3))


# Positions


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_positions(tokens):
    source, model = Vit(4, tokens), Vit(6, tokens)
    source.pos_embed.data[:, tokens:] = torch.arange(16.0).reshape(1, 16, 1)
    found = load_state_dict(model, source.state_dict(), strict=True, adapt="positions")
    more = f", {tokens} before them kept" if tokens else ""
    assert found.adapted == (Adapted("pos_embed", f"interpolated from 4×4 to 6×6{more}"),)
    assert torch.equal(model.pos_embed[:, :tokens], source.pos_embed[:, :tokens])
    grid = model.pos_embed[0, tokens:, 0].reshape(6, 6)
    assert (grid.diff(dim=0) > 0).all() and (grid.diff(dim=1) > 0).all()  # rows stay rows
    assert grid.mean().item() == pytest.approx(7.5)


def test_positions_as_an_image_and_of_windows():
    source, model = Vit(4, shape="image"), Vit(6, shape="image")
    found = load_state_dict(model, source.state_dict(), strict=True, adapt=["positions"])
    assert [str(each) for each in found.adapted] == ["pos_embed: interpolated from 4×4 to 6×6"]
    source, model = Window(7), Window(12)
    found = load_state_dict(model, source.state_dict(), strict=True, adapt=["positions"])
    assert [str(each) for each in found.adapted] == [
        "relative_position_bias_table: interpolated from 13×13 to 23×23"
    ]


@pytest.mark.parametrize(
    ("name", "file", "model"),
    [
        ("pos_embed", (1, 18, 8), (1, 26, 8)),  # no square
        ("pos_embed", (1, 17, 8), (1, 25, 8)),  # a token in one of them
        ("pos_embed", (1, 17, 8), (1, 26, 4)),
        ("pos_embed", (1, 17, 8), (26, 8)),
        ("weight", (17, 8), (26, 8)),
    ],
)
def test_what_is_no_grid_of_positions_stays_reshaped(name, file, model):
    part = nn.Module()
    part.register_parameter(name, nn.Parameter(torch.zeros(model)))
    part.other = nn.Parameter(torch.zeros(1))
    state = {name: torch.ones(file), "other": torch.ones(1)}
    found = load_state_dict(part, state, adapt=["positions", "channels", "classes"])
    if name == "weight":  # a layer with other outputs, then
        assert [each.left_out for each in found.adapted] == [True]
    else:
        assert found.adapted == () and [each.name for each in found.reshaped] == [name]


# Channels


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_channels_keep_their_sum(channels):
    source, model = Vit(), Vit(channels=channels)
    found = load_state_dict(model, source.state_dict(), strict=True, adapt="channels")
    assert [str(each) for each in found.adapted] == [
        f"patch_embed.weight: 3 channels summed to {channels}"
    ]
    assert torch.allclose(model.patch_embed.weight.sum(1), source.patch_embed.weight.sum(1))
    if channels == 6:
        assert torch.equal(model.patch_embed.weight[:, 4], source.patch_embed.weight[:, 1] / 2)


def test_only_the_first_convolution_gets_other_channels():
    source = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1))
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(1, 3, 1))
    found = load_state_dict(model, source.state_dict(), adapt="channels")
    assert found.adapted == () and [each.name for each in found.reshaped] == ["1.weight"]


# Classes


def test_a_classifier_is_left_out():
    source, model = Vit(), Vit(classes=3)
    before = model.head.weight.clone()
    found = load_state_dict(model, source.state_dict(), strict=True, adapt="classes")
    assert [str(each) for each in found.adapted] == [
        "head.weight: left out: file 10 classes, model 3",
        "head.bias: left out: file 10 classes, model 3",
    ]
    assert found.exact and not found.missing and found.total == 8
    assert str(found).startswith(
        "The model and loaded state dict match: 6 of the model's 8 tensors are in both.\nadapted: "
    )
    assert torch.equal(model.head.weight, before)
    assert torch.equal(model.norm.weight, source.norm.weight)


def test_a_narrower_net_is_no_other_classifier():
    source = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 10))
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 10))
    found = load_state_dict(model, source.state_dict(), adapt="classes")
    assert found.adapted == ()
    assert [each.name for each in found.reshaped] == ["0.weight", "0.bias", "1.weight"]


def test_all_of_them_are_listed_in_the_log(write, caplog):
    source, model = Vit(), Vit(6, channels=1, classes=3)
    file = write({"state_dict": source.state_dict()})
    with caplog.at_level(logging.INFO, "mine"):
        found = load_weights(
            model, file, strict=True, logger="mine", adapt=("positions", "channels", "classes")
        )
    assert len(found.adapted) == 4
    assert caplog.messages[-1] == str(found)


def test_nothing_is_adapted_unasked():
    with pytest.raises(CheckpointError):
        load_state_dict(Vit(6), Vit().state_dict(), strict=True)
    found = load_state_dict(Vit(6), Vit().state_dict())
    assert found.adapted == () and [each.name for each in found.reshaped] == ["pos_embed"]


@pytest.mark.parametrize(
    ("adapt", "kind", "message"),
    [
        ("position", BadValueError, "adapt: 'position' is unknown. Did you mean 'positions'?"),
        ([3], BadArgumentError, "adapt: expected a str, got 3."),
    ],
)
def test_no_adaptation(adapt, kind, message):
    with pytest.raises(kind) as caught:
        load_state_dict(net(), ones(net()), adapt=adapt)
    assert str(caught.value) == message


# Wrappers


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def test_a_registered_wrapper(monkeypatch):
    model = Wrapper(net())
    assert not is_module_wrapper(model) and is_module_wrapper(nn.DataParallel(net()))
    monkeypatch.setattr(MODULE_WRAPPERS, "_module_dict", dict(MODULE_WRAPPERS.module_dict))
    MODULE_WRAPPERS.register_module(module=Wrapper)
    assert is_module_wrapper(model)
    load_state_dict(model, ones(net()), strict=True)
    assert equal(model.module, ones(net()))


@pytest.mark.parametrize(
    "spell",
    [
        "module.{}",
        "_orig_mod.{}",
        "module._orig_mod.{}",
        "_fsdp_wrapped_module.{}",
        "{}",
    ],
)
@pytest.mark.parametrize("inner", ["conv.{}", "conv.module.{}", "conv._orig_mod.{}"])
def test_a_file_of_a_wrapped_model(spell, inner):
    names = {"weight": inner.format("weight"), "bias": inner.format("bias")}
    state = {}
    for name, value in ones(net()).items():
        part, _, key = name.partition(".")
        state[spell.format(names[key] if part == "conv" else name)] = value
    for model in (net(), nn.DataParallel(net()), torch.compile(net(), backend="eager")):
        found = load_state_dict(model, state, strict=True)
        assert found.exact and found.total == 7


def test_versions_are_those_of_the_bare_names():
    class Renamed(nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.new = nn.Parameter(torch.zeros(1))

        def _load_from_state_dict(self, state, prefix, local, *rest):
            if local.get("version") == 1:
                state[f"{prefix}new"] = state.pop(f"{prefix}old")
            super()._load_from_state_dict(state, prefix, local, *rest)

    state = OrderedDict({"module.a._orig_mod.old": torch.ones(1)})
    state._metadata = OrderedDict({"module.a._orig_mod": {"version": 1}})
    model = nn.ModuleDict({"a": Renamed()})
    load_state_dict(model, state, strict=True)
    assert model.a.new.item() == 1


def test_a_model_with_a_part_called_module():
    model = nn.ModuleDict({"module": nn.Linear(1, 1), "other": nn.Linear(1, 1)})
    assert load_state_dict(model, ones(model), strict=True).exact
    twice = {"a": torch.ones(1), "module.a": torch.zeros(1)}
    part = nn.Module()
    part.a = nn.Parameter(torch.zeros(1))
    assert load_state_dict(part, twice).unexpected == ("module.a",)
    assert part.a.item() == 1


def test_buffers_that_are_not_stored_are_not_unexpected():
    model = nn.Linear(1, 1)
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    found = load_state_dict(model, {**ones(nn.Linear(1, 1)), "scratch": torch.ones(1)}, strict=True)
    assert found.exact and model.scratch.item() == 0


# Tensors of their own


@pytest.mark.parametrize("name", FORMATS)
def test_assign_gives_a_model_on_meta_its_tensors(name, write, tmp_path):
    with torch.device("meta"):
        model = net()
    model.conv.bias.requires_grad_(False)
    file = write({key: value.clone() for key, value in ones(net()).items()}, name)
    found = load_weights(model, file, strict=True, assign=True)
    assert found.exact and equal(model, ones(net()))
    assert [each.requires_grad for each in model.parameters()] == [True, False, True, True]
    assert all(isinstance(each, nn.Parameter) for each in model.parameters())
    (tmp_path / name).write_bytes(b"")  # the tensors are the model's own
    assert equal(model, ones(net()))


def test_assign_takes_the_files_dtype():
    model = nn.Linear(1, 1)
    old = model.weight
    load_state_dict(model, {k: v.half() for k, v in ones(model).items()}, assign=True)
    assert model.weight.dtype == torch.float16 and model.weight is not old


def test_assign_keeps_tied_weights_tied():
    with torch.device("meta"):
        model = nn.Module()
        model.embed, model.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    load_state_dict(model, {"embed.weight": torch.ones(5, 3)}, strict=True, assign=True)
    assert model.head.weight is model.embed.weight and model.head.weight.sum() == 15


def test_assign_changes_nothing_when_it_raises():
    model = net()
    before = [*model.parameters(), *model.buffers()]
    with pytest.raises(CheckpointError):
        load_state_dict(model, {**ones(model), "x": torch.ones(1)}, strict=True, assign=True)
    now = [*model.parameters(), *model.buffers()]
    assert all(new is old for new, old in zip(now, before, strict=True))


# Loaded as reported, or unchanged


class Broken(nn.Linear):
    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        raise KeyboardInterrupt


def sparse():
    state = ones(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    state["1.bias"] = torch.ones(1, device="meta")
    return state


@pytest.mark.parametrize(
    ("last", "state", "error"),
    [
        (Broken, None, KeyboardInterrupt),
        (nn.Linear, sparse(), CheckpointError),
    ],
)
def test_what_fails_in_the_middle_leaves_the_model_unchanged(last, state, error):
    model = nn.Sequential(nn.Linear(1, 1), last(1, 1))
    before = kept(model)
    with pytest.raises(error):
        load_state_dict(model, state or ones(model))
    assert equal(model, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX does")
def test_an_interrupt_waits_until_the_model_is_loaded(monkeypatch, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    model = net()
    load = nn.BatchNorm2d._load_from_state_dict

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        load(*arguments)

    interrupted.__module__ = "torch.nn.modules.batchnorm"
    monkeypatch.setattr(nn.BatchNorm2d, "_load_from_state_dict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_state_dict(model, ones(model), strict=True)
    assert equal(model, ones(model))


@pytest.mark.parametrize("strict", [True, False])
def test_load_weights_says_what_was_filled(strict, write):
    model = net()
    file = write({f"backbone.{name}": value for name, value in ones(model).items()})
    found = load_weights(model, file, prefix="backbone", strict=strict)
    assert found.exact and found.loaded == tuple(model.state_dict())
    assert equal(model, ones(model))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"prefixx": 1}, "prefixx: is no argument of load_checkpoint. Did you mean 'prefix'?"),
        ({"prefix": 1}, "prefix: expected a str, got 1."),
    ],
)
def test_arguments(more, message, file):
    for load in (load_checkpoint, load_weights):
        with pytest.raises(BadArgumentError) as caught:
            load(net(), file, **more)
        assert str(caught.value) == message


RANKS = """
import os, sys
import torch
import torch.distributed as dist
from torch import nn
from brickbook.checkpoint import load_checkpoint
url, store = sys.argv[1:]
children = []
for rank in range(2):
    child = os.fork()
    if not child:
        dist.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
        code = 1
        try:
            load_checkpoint(nn.Linear(2, 1), url, strict=True)
        except RuntimeError as error:
            code = 0 if "do not match exactly" in str(error) else 2
        dist.barrier()
        os._exit(code)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.processes
@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
@pytest.mark.skipif(sys.platform == "win32", reason="starts its processes with fork")
def test_strict_raises_on_every_rank_and_one_downloads(server, tmp_path):
    torch.save({"weight": torch.ones(1, 2), "more": torch.ones(1)}, tmp_path / "a.pth")
    url = server.put("a-#.pth", (tmp_path / "a.pth").read_bytes(), pause=0.2)
    command = [sys.executable, "-W", "ignore", "-c", RANKS, url, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "[0, 0]", done.stderr
    assert len(server.asked) == 1
