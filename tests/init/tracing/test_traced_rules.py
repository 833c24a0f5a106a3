"""Rules that give the laws which were traced: as short as they are, planned, never half."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.laws import Constant, same_law
from brickbook.init.planning import plan
from brickbook.init.tracing import History, trace


def rule(type, layer, **numbers):
    return {"type": type, "layer": layer, **numbers}


def check(history):
    """Plan the rules: every parameter has its law, or none where the history says so."""
    planned = plan(history.layers, history.to_init_cfg())
    assert not planned.unmatched
    for row in history.rows:
        if row.kind == "parameter" and not row.tied_to:
            law = None if row.name in history.unexpressed else row.law
            assert same_law(planned[row.name].law, law), row
            zeros = law in (None, Constant(0.0))
            assert zeros or planned[row.name].padding == row.padding


def is_close(got, wanted):
    """Whether two configs are the same but for the last digits of their numbers."""
    return got.keys() == wanted.keys() and all(
        got[key] == value or math.isclose(got[key], value, rel_tol=1e-12)
        for key, value in wanted.items()
    )


class Started(nn.Module):
    """A model that starts itself, by a function that it calls for each module."""

    def __init__(self, start, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.apply(start)


def vit_start(module):
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def resnet_start(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for name, child in module.named_children():
        if name == "last_norm":
            nn.init.zeros_(child.weight)


def gpt2_start(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    for name, parameter in module.named_parameters():
        if name.endswith("proj.weight") and name.count(".") == 1:
            nn.init.normal_(parameter, std=0.01)


def blocks(*names):
    return nn.ModuleList(nn.ModuleDict({name: nn.Linear(4, 4) for name in names}) for _ in range(3))


def tied():
    model = nn.ModuleDict({"head": nn.Linear(4, 9, bias=False), "table": nn.Embedding(9, 4)})
    model["table"].weight = model["head"].weight
    nn.init.normal_(model["head"].weight, std=0.3)
    return model


CONFIGS = [
    (
        lambda: Started(vit_start, fc=nn.Linear(4, 4), norm=nn.LayerNorm(4), head=nn.Linear(4, 2)),
        [rule("TruncNormal", "Linear", std=0.02), rule("Constant", "LayerNorm", val=1)],
    ),
    (
        lambda: Started(
            resnet_start,
            conv=nn.Conv2d(3, 8, 3, bias=False), norm=nn.BatchNorm2d(8),
            conv2=nn.Conv2d(8, 16, 1, bias=False), last_norm=nn.BatchNorm2d(16),
        ),
        [
            rule("Kaiming", "Conv2d"),
            rule("Constant", "BatchNorm2d", val=1),
            rule("Constant", "last_norm", val=0),
        ],
    ),
    (
        lambda: Started(gpt2_start, h=blocks("fc", "attn", "proj")),
        [rule("Normal", "Linear", std=0.02), rule("Normal", "*.proj", std=0.01)],
    ),
    (
        lambda: nn.Sequential(nn.Embedding(9, 4, padding_idx=2), nn.Linear(4, 4, bias=False)),
        [rule("Normal", "Embedding"), rule("Uniform", "Linear", a=-0.5, b=0.5)],
    ),
    (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)),
        [rule("Uniform", ["Linear:bias", "Linear:weight"], a=-0.5, b=0.5)],
    ),
    (
        lambda: nn.MultiheadAttention(8, 2),
        [
            rule("Uniform", "MultiheadAttention", a=-1 / math.sqrt(8), b=1 / math.sqrt(8)),
            rule("Uniform", "in_proj_weight", a=-math.sqrt(3 / 16), b=math.sqrt(3 / 16)),
        ],
    ),
    (tied, [rule("Normal", "Linear", std=0.3)]),
    (lambda: nn.ReLU(), []),
]  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("build", "config"), CONFIGS, ids=range(len(CONFIGS)))
def test_configs(build, config, device):
    with torch.device(device):
        history = trace(build)
    found = history.to_init_cfg(strict=True)
    if found != config:  # the last digits of a number
        assert [list(each) for each in found] == [list(each) for each in config]
        for got, wanted in zip(found, config, strict=True):
            assert is_close(got, wanted), got
    check(history)


def one(layer, start):
    return lambda: Started(lambda m: start(m) if type(m) is type(layer) else None, layer=layer)


@torch.no_grad()
def scaled(module):
    nn.init.xavier_normal_(module.weight).mul_(0.25)


@pytest.mark.parametrize(
    ("build", "kind", "numbers"),
    [
        (one(nn.Linear(8, 4, bias=False), lambda m: nn.init.orthogonal_(m.weight, 2)),
         "Orthogonal", {"gain": 2}),
        (one(nn.Linear(8, 4, bias=False), lambda m: nn.init.eye_(m.weight)), "Identity", {}),
        (one(nn.Linear(9, 4, bias=False), lambda m: nn.init.sparse_(m.weight, 0.5)), "Sparse",
         {"sparsity": 0.5}),
        (one(nn.Conv2d(8, 4, 3, bias=False), lambda m: nn.init.dirac_(m.weight, 2)), "Dirac",
         {"groups": 2}),
        (one(nn.Linear(8, 5, bias=False), lambda m: nn.init.xavier_normal_(m.weight)), "Xavier",
         {}),
        (one(nn.Linear(8, 5, bias=False), scaled), "Normal", {"std": 0.25 * math.sqrt(2 / 13)}),
        (one(nn.Linear(7, 5, bias=False),
             lambda m: nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")),
         "Kaiming", {"mode": "fan_in", "distribution": "uniform"}),
        (one(nn.Linear(7, 5, bias=False),
             lambda m: nn.init.trunc_normal_(m.weight, std=0.07, a=-0.14, b=0.14)),
         "TruncNormal", {"std": 0.07, "units": "std"}),
    ],
)  # fmt: skip
def test_one_law(build, kind, numbers):
    history = trace(build)
    ((found, layer, given),) = (
        (each.pop("type"), each.pop("layer"), each) for each in history.to_init_cfg(strict=True)
    )
    assert (found, layer) == (kind, "Conv2d" if kind == "Dirac" else "Linear")
    assert is_close(given, numbers), given
    check(history)


LAYERS = [
    lambda: nn.Linear(6, 4), lambda: nn.Linear(4, 6, bias=False), lambda: nn.Conv2d(4, 8, 3),
    lambda: nn.Conv1d(4, 4, 3, groups=4), lambda: nn.ConvTranspose2d(4, 2, 2),
    lambda: nn.BatchNorm2d(4), lambda: nn.LayerNorm(4), lambda: nn.GroupNorm(2, 4),
    lambda: nn.Embedding(9, 4), lambda: nn.Embedding(9, 4, padding_idx=0), lambda: nn.PReLU(4),
    lambda: nn.LSTM(3, 4), lambda: nn.GRUCell(3, 4), lambda: nn.MultiheadAttention(4, 2),
    lambda: nn.Bilinear(3, 4, 5), lambda: weight_norm(nn.Linear(4, 4)),
    lambda: spectral_norm(nn.Linear(4, 4)), lambda: nn.TransformerEncoderLayer(4, 2, 8),
    lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2))),
]  # fmt: skip
STARTS = [
    lambda p: nn.init.normal_(p, std=0.02), lambda p: nn.init.zeros_(p), lambda p: p.fill_(0.5),
    lambda p: p.uniform_(-0.3, 0.3), lambda p: nn.init.trunc_normal_(p, std=0.1),
    lambda p: p.abs_(), lambda p: p.mul_(0.5), lambda p: p[:1].zero_(),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(LAYERS), min_size=1, max_size=6),
    steps=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(STARTS)), max_size=6
    ),
)
def test_random_models(chosen, steps):
    def build():
        model = nn.Sequential(*(make() for make in chosen))
        parameters = list(model.parameters())
        for first, count, start in steps:
            for parameter in parameters[first : first + count]:
                with torch.no_grad():
                    start(parameter)
        return model

    check(trace(build))


def own_code():
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    with torch.no_grad():
        model["a"].weight.abs_()
        model["b"].bias[1] = 3
    return model


def test_what_no_rule_can_say():
    history = trace(own_code)
    place = history["a.weight"].events[-1].place
    assert history.unexpressed == {
        "a.weight": f"written by abs_() at {place}, which has no law that is known here",
        "b.bias": "no rule gives " + str(history["b.bias"].law),
    }
    assert history.to_init_cfg() == [rule("Uniform", ["a.bias", "b.weight"], a=-0.5, b=0.5)]
    check(history)
    with pytest.raises(BadValueError) as error:
        history.to_init_cfg(strict=True)
    assert str(error.value) == (
        f"history: no rule can speak of a.weight, b.bias: {history.unexpressed['a.weight']}. "
        "history.unexpressed says why, for each."
    )


def test_a_padding_row_that_was_drawn():
    def build():
        table = nn.Embedding(9, 4, padding_idx=0)
        nn.init.normal_(table.weight, std=0.1)
        return table

    history = trace(build)
    assert history.to_init_cfg() == []
    assert history.unexpressed == {
        "weight": "the padding row of its layer is not the row that is 0"
    }


def test_names_that_read_as_patterns():
    def build():
        model = nn.Module()
        for key in ("a[1]", "a1", "Linear", "b*", "*"):
            model.add_module(key, nn.Linear(4, 4, bias=False))
        nn.init.zeros_(model.get_submodule("a[1]").weight)
        nn.init.ones_(model.get_submodule("b*").weight)
        return model

    check(trace(build))


def test_a_history_without_its_layers():
    history = trace(lambda: nn.Linear(2, 2))
    for read in (History.from_json(history.to_json()), pickle.loads(pickle.dumps(history))):
        assert read == history
        with pytest.raises(BadArgumentError) as error:
            read.to_init_cfg()
        assert str(error.value) == (
            "history: it has no layers to plan rules on: it was read, or is of TorchScript. "
            "Trace the model."
        )


def test_layers_hold_no_memory_and_are_no_part_of_the_model():
    made = []

    def build():
        model = tied()
        model.register_buffer("table_of_sines", torch.ones(3))
        made.append(copy.deepcopy(model))
        return model

    layers = trace(build).layers
    assert all(tensor.is_meta for tensor in layers.state_dict().values())
    assert layers.state_dict().keys() == made[0].state_dict().keys()
    assert layers["table"].weight is layers["head"].weight
