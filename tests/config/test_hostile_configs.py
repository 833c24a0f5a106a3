"""What no config means is a ConfigError with its path, and short."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from fuzz import run_fuzz
from torch import nn

from brickbook import MODELS, ConfigError, load_weights, mup_learning_rates, plan
from brickbook.blueprint import Blueprint
from brickbook.checkpoint.cache import cache_folder
from brickbook.checkpoint.state_dict import revise_names
from brickbook.config import copy_config
from brickbook.errors import format_value
from brickbook.init.execution import initialize
from brickbook.init.planning import InitPlan
from brickbook.measure.snapshot import Snapshot, snapshot
from brickbook.registry import Registry

# Of torch, for a layer without inputs.
pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")

DIGITS = 10**5000
LONG = "x" * 10_000_000


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 2))


def raise_error(name: str, layer: nn.Module) -> float:
    raise RuntimeError("a fault")


def contains_itself() -> dict[str, Any]:
    cfg: dict[str, Any] = {"type": "Zeros", "layer": "Linear"}
    cfg["override"] = cfg
    return cfg


def doubled() -> list[Any]:
    value: list[Any] = [1]
    for _ in range(40):
        value = [value, value]
    return value


def deep() -> dict[str, Any]:
    cfg: dict[str, Any] = {"type": "Zeros"}
    for _ in range(150):
        cfg = {"type": "Zeros", "override": cfg}
    return cfg


def test_a_fuzz_of_a_thousand_configs():
    outcomes = run_fuzz(seed=11, count=1000)
    assert outcomes.total() == 1000 and outcomes["plan"] > 100


MUCH = "a number of about 5,001 digits is more than any config means."
CASES = [
    (dict(type="Constant", layer="Linear", val=DIGITS), f"init_cfg.val: {MUCH}"),
    (dict(type="Constant", layer=[DIGITS], val=1), f"init_cfg.layer[0]: {MUCH}"),
    (dict(type="Zeros", override=dict(name=DIGITS)), f"init_cfg.override.name: {MUCH}"),
    (DIGITS, f"init_cfg: {MUCH}"),
    ({DIGITS: 1}, f"init_cfg: {MUCH}"),
    (contains_itself(), "init_cfg.override: it contains itself."),
    (dict(type="Zeros", layer=doubled()), "init_cfg: it has more than 100,000 parts."),
    (dict(type="Zeros", layer="re:a{99999999999999999999}"),
     "init_cfg.layer: 're:a{99999999999999999999}' is no regular expression: "
     "the repetition number is too large."),
    (dict(type="DepthScaled", layer="Linear", init=dict(type="Normal"), depth=10**400),
     "init_cfg.depth: expected 1,000,000,000 or less, got a number of about 401 digits."),
    (dict(type="Xavier", layer="Linear", gain=type),
     "init_cfg.gain: type fails for 1: TypeError: type() takes 1 or 3 arguments."),
    (dict(type="Xavier", layer="Linear", gain=raise_error),
     "init_cfg.gain: raise_error fails for 1: RuntimeError: a fault."),
    (dict(type="Xavier", layer="Linear", gain=lambda name, layer: DIGITS),
     "init_cfg.gain: expected a finite number of 0 or more for 1, "
     "got a number of about 5,001 digits."),
    (dict(type=type, layer="Linear"),
     "init_cfg: type cannot be made: type() takes 1 or 3 arguments."),
    (dict(type="Uniform", layer="Linear", a=-(10**308), b=10**308),
     "init_cfg.b: its distance from a is no finite number."),
    (dict(type="MuP", layer="Linear", init=dict(type="Normal"), base={1: [2, 8]}),
     "init_cfg.base: expected the names of parameters, got 1."),
    (dict(type="MuP", layer="Linear", init=dict(type="Normal"), base="/"),
     "init_cfg.base: '/' cannot be read: Is a directory."),
    (dict(type="MuP", layer="Linear", init=dict(type="Normal"), base={"1.weight": [10**400, 2]}),
     "init_cfg.base['1.weight']: expected a list of sizes, "
     "got [a number of about 401 digits, 2]."),
]  # fmt: skip


@pytest.mark.parametrize("cfg, message", CASES, ids=range(len(CASES)))
def test_what_no_config_means(cfg: Any, message: str):
    with pytest.raises(ConfigError) as caught:
        plan(model(), cfg)
    assert str(caught.value) == message


@pytest.mark.parametrize("cfg", [
    dict(type=LONG), dict(type="Zeros", layer="Linear", override=dict(name=LONG)),
    dict(type="Kaiming", layer="Linear", distribution=LONG), {"type": "Zeros", LONG: 1},
    dict(type="Zeros", layer="re:" + "(" * 100_000), dict(type="Zeros", layer="[" * 10_000), deep(),
    dict(type="DepthScaled", layer="Linear", init=dict(type="Normal"), depth=LONG),
    dict(type="MuP", layer="Linear", init=dict(type="Normal"), base="y" * 10_000),
], ids=range(9))  # fmt: skip
def test_an_error_does_not_repeat_what_is_long(cfg: Any):
    with pytest.raises(ConfigError) as caught:
        plan(model(), cfg)
    assert len(str(caught.value)) < 1100


def test_a_warning_does_not_repeat_a_long_name():
    found = plan(model(), dict(type="Zeros", layer=LONG), protect=LONG).unmatched
    assert [len(str(item)) < 700 for item in found] == [True, True]


@pytest.mark.parametrize("protect, message", [
    (torch.tensor(3), "protect: expected a str, a class or a list of them, got tensor(3)."),
    (torch.zeros(1), "protect: expected a str, a class or a list of them, got tensor([0.])."),
    ([DIGITS], "protect[0]: expected a str or a class, got a number of about 5,001 digits."),
])  # fmt: skip
def test_what_protect_cannot_be(protect: Any, message: str):
    with pytest.raises(ConfigError) as caught:
        plan(model(), dict(type="Zeros", layer="Linear"), protect=protect)
    assert str(caught.value) == message


def test_an_option_that_is_neither_true_nor_false():
    with pytest.raises(ConfigError) as caught:
        plan(model(), dict(type="Zeros", layer="Linear"), strict=torch.zeros(2))  # pyright: ignore
    assert str(caught.value) == "strict: expected a bool, got tensor([0., 0.])."


def residual_in_itself() -> dict[str, Any]:
    cfg: dict[str, Any] = {"type": "Residual"}
    cfg["body"] = cfg
    return cfg


@pytest.mark.parametrize("cfg, message", [
    (residual_in_itself(), "cfg.body: it contains itself."),
    (dict(type="Repeat", times=10**30, body=[dict(type="ReLU")]),
     "cfg.times: expected 10,000 or less, got 1000000000000000000000000000000."),
    (dict(type="FFN", act_cfg=None),
     "act_cfg: cfg must be a dict, but got <class 'NoneType'>."),
    (dict(type="FFN", num_fcs=1j), "num_fcs: expected a whole number, got 1j (complex)."),
    (dict(type="FFN", num_fcs=10**30),
     "num_fcs: expected 10,000 or less, got 1000000000000000000000000000000."),
    (dict(type="TransformerLayerSequence", num_layers=1j),
     "num_layers: expected a whole number, got 1j (complex)."),
    (dict(type="GRN", num_channels=-1), "num_channels: expected a size of 0 or more, got -1."),
    (dict(type="LayerScale", dim=-1), "dim: expected a size of 0 or more, got -1."),
])  # fmt: skip
def test_bricks_that_cannot_be(cfg: Any, message: str):
    with pytest.raises(ConfigError) as caught:
        Blueprint((cfg,)).build() if cfg["type"] != "Residual" else MODELS.build(cfg)
    assert str(caught.value).endswith(message.removeprefix("cfg"))


def test_a_blueprint_that_contains_itself():
    with pytest.raises(ConfigError, match="it contains itself"):
        Blueprint((residual_in_itself(),))


def test_a_batch_that_does_not_fit():
    net = nn.Sequential(nn.Linear(4, 4))
    before = net[0].weight.clone()
    with pytest.raises(ConfigError) as caught:
        initialize(net, dict(type="LSUV", layer="Linear"), batch=torch.zeros(3, 7))
    assert str(caught.value) == (
        "batch: Sequential does not run on it: RuntimeError: mat1 and mat2 shapes cannot be "
        "multiplied (3x7 and 4x4)."
    )
    assert torch.equal(net[0].weight, before)


def test_mup_of_a_layer_without_inputs():
    net = nn.Sequential(nn.Linear(0, 4))
    base = {"0.weight": [2, 2], "0.bias": [2]}
    rule = dict(type="MuP", layer="Linear", init=dict(type="Kaiming"), base=base)
    assert str(plan(net, rule)["0.weight"].law) == "Constant(0)"
    assert mup_learning_rates(net, base, 0.1)[0]["lr"] == 0.1
    with pytest.raises(ConfigError) as caught:
        mup_learning_rates(net, base, "0.1")  # pyright: ignore
    assert str(caught.value) == "lr: expected a number, got '0.1'."


@pytest.mark.parametrize("pairs, message", [
    ([("a{99999999999999999999}", "")],
     "revise_keys: 'a{99999999999999999999}' is no pattern: the repetition number is too large."),
    ([("^", r"\5")],
     r"revise_keys: '\\5' replaces nothing: invalid group reference 5 at position 1."),
    (5, "revise_keys: expected pairs of a pattern and a replacement, got 5."),
    ([1], "revise_keys: expected pairs of a pattern and a replacement, got 1."),
])  # fmt: skip
def test_what_revise_keys_cannot_be(pairs: Any, message: str):
    with pytest.raises(ConfigError) as caught:
        revise_names(OrderedDict(a=torch.zeros(1)), pairs)
    assert str(caught.value) == message


def test_adapt_leaves_what_has_no_channels_and_no_axes(tmp_path):
    class Positions(nn.Module):
        def __init__(self, channels: int, *shape: int) -> None:
            super().__init__()
            self.conv = nn.Parameter(torch.zeros(4, channels, 3, 3))
            self.pos = nn.Parameter(torch.zeros(shape))
            self.bias = nn.Parameter(torch.zeros(1))

    torch.save(Positions(0).state_dict(), tmp_path / "old.pth")
    found = load_weights(
        Positions(3, 1, 4, 8), str(tmp_path / "old.pth"), adapt=("positions", "channels")
    )
    assert {item.name for item in found.reshaped} == {"conv", "pos"}
    with pytest.raises(ConfigError) as caught:
        load_weights(Positions(3), str(tmp_path / "old.pth"), adapt=5)  # pyright: ignore
    assert str(caught.value) == "adapt: expected a str or a list of them, got 5."


def test_a_home_that_is_not(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_HOME", "~no_such_user_here/cache")
    with pytest.raises(ConfigError) as caught:
        cache_folder()
    assert str(caught.value) == (
        "BRICKBOOK_HOME: '~no_such_user_here/cache' cannot be told: there is no such home folder. "
        "Set BRICKBOOK_HOME to a folder."
    )


def test_registries_in_a_circle():
    upper = Registry("upper")
    lower = Registry("lower", parent=upper, scope="lower")
    upper.parent = lower
    with pytest.raises(ConfigError) as caught:
        lower.get("other.Name")
    assert str(caught.value) == "parent: the registry upper stands above itself."


def damaged(value: Any) -> list[Any]:
    """A record's JSON with one value after the other replaced by what does not belong there."""
    found = []
    for other in (None, 5, "x", [], {}, [1], {"a": 1}):
        found.append(other)
        if isinstance(value, dict):
            for key in value:
                found += [{**value, key: part} for part in damaged_once(value[key], other)]
                found.append({k: part for k, part in value.items() if k != key})
    return found


def damaged_once(value: Any, other: Any) -> list[Any]:
    found = [other]
    if isinstance(value, list) and value:
        found += [[part, *value[1:]] for part in damaged_once(value[0], other)]
    if isinstance(value, dict):
        for key in value:
            found += [{**value, key: part} for part in damaged_once(value[key], other)]
    return found


@pytest.mark.parametrize("kind", ["plan", "report", "snapshot"])
def test_damaged_records_are_config_errors(kind: str):
    net, rule = nn.Sequential(nn.Linear(2, 2)), dict(type="Normal", layer="Linear", std=0.1)
    record: Any = {
        "plan": lambda: plan(net, rule),
        "report": lambda: initialize(net, rule, seed=1),
        "snapshot": lambda: snapshot(net),
    }[kind]()
    refused = 0
    for data in damaged(record.to_dict()):
        try:
            type(record).from_dict(data)
        except ConfigError:
            refused += 1
    assert refused > 100
    for text in ("[" * 100_000, "{", "", "1" * 5000, None):
        with pytest.raises(ConfigError):
            type(record).from_json(text)


@pytest.mark.parametrize("data, message", [
    ({"bins": "x", "tensors": []}, "snapshot.bins: expected int, got 'x'."),
    ({"bins": 64, "tensors": 5},
     "snapshot: it is damaged: TypeError: 'int' object is not iterable."),
])  # fmt: skip
def test_a_damaged_snapshot(data: Any, message: str):
    with pytest.raises(ConfigError) as caught:
        Snapshot.from_dict(data)
    assert str(caught.value) == message


def test_values_in_messages():
    class Unprintable:
        def __repr__(self) -> str:
            raise ValueError

    assert format_value("x" * 1000) == f"{'x' * 200!r}… (1,000 characters)"
    assert format_value([DIGITS]) == "[a number of about 5,001 digits]"
    assert "Unprintable" in format_value(Unprintable())
    assert len(format_value(doubled())) < 600


def test_what_cannot_be_copied():
    with pytest.raises(ConfigError) as caught:
        copy_config({"a": (x for x in ())}, "cfg")
    assert str(caught.value).startswith("cfg.a: <generator object")
    assert InitPlan.from_json(plan(model(), []).to_json()) is not None
