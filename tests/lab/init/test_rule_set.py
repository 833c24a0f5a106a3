from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.lab.init.presets import PRESETS
from brickbook.lab.init.state import RuleSet, count_layer_classes, overrides_of, with_overrides

KAIMING = {"type": "Kaiming", "layer": ["Conv2d"]}
ONE = {"type": "Constant", "val": 1, "layer": ["BatchNorm2d"]}


class Wide(nn.Linear):
    pass


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(),
        nn.Linear(8, 4), Wide(4, 2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "kinds"),
    [
        (lambda s: s.add(ONE), ["Kaiming", "Normal", "Constant"]),
        (lambda s: s.remove(0), ["Normal"]),
        (lambda s: s.replace(1, ONE), ["Kaiming", "Constant"]),
        (lambda s: s.move(1, 0), ["Normal", "Kaiming"]),
        (lambda s: s.reseed(4), ["Kaiming", "Normal"]),
    ],
)
def test_every_edit_returns_a_new_state(edit, kinds):
    state = RuleSet.from_cfg([KAIMING, {"type": "Normal"}], 0)
    assert [rule["type"] for rule in edit(state).rules] == kinds
    assert state == RuleSet.from_cfg([KAIMING, {"type": "Normal"}], 0)


def test_state_and_config_share_nothing():
    cfg = [{"type": "Kaiming", "layer": ["Conv2d"]}]
    state = RuleSet.from_cfg(cfg)
    cfg[0]["layer"].append("Linear")
    state.to_init_cfg()[0]["layer"].append("Linear")
    assert state.to_init_cfg() == [KAIMING]


@pytest.mark.parametrize(
    ("cfg", "seed", "message"),
    [
        ("Kaiming", 0, "init_cfg: init_cfg must be a dict or a list of dict, but got "
         "<class 'str'>."),
        (["Kaiming"], 0, "init_cfg[0]: cfg must be a dict, but got <class 'str'>."),
        ([KAIMING, {"val": 1}], 0, "init_cfg[1]: the cfg dict must contain the key \"type\", "
         "but got {'val': 1}."),
        ({**KAIMING, "override": "fc"}, 0, "init_cfg[0].override: override must be a dict or a "
         "list of dict, but got <class 'str'>."),
        (KAIMING, "0", "seed: expected an int or None, got '0'."),
    ],
)  # fmt: skip
def test_what_is_no_config_at_all_is_refused(cfg, seed, message):
    with pytest.raises(ConfigError) as caught:
        RuleSet.from_cfg(cfg, seed)
    assert str(caught.value) == message


@pytest.mark.parametrize("count", [0, 1, 2])
def test_overrides_are_none_one_or_many(count):
    overrides = tuple({"name": f"fc{at}"} for at in range(count))
    rule = with_overrides(KAIMING, overrides)
    assert overrides_of(rule) == overrides
    assert isinstance(rule.get("override"), (type(None), dict, list)[count])
    assert with_overrides(rule, ()) == KAIMING


LONG = """\
from brickbook import initialize

init_cfg = [
    dict(
        type="Normal",
        std=0.01,
        layer=["Conv2d", "Linear"],
        override=dict(type="Constant", val=0, bias_prob=0.01, name="head.classifier.final"),
    ),
    dict(type="Constant", val=float("nan"), layer="BatchNorm2d"),
]
initialize(net, init_cfg=init_cfg, seed=7)
"""


def test_python_is_laid_out():
    override = {"type": "Constant", "val": 0, "bias_prob": 0.01, "name": "head.classifier.final"}
    rule = {"type": "Normal", "std": 0.01, "layer": ["Conv2d", "Linear"], "override": override}
    state = RuleSet.from_cfg(
        [rule, {"type": "Constant", "val": math.nan, "layer": "BatchNorm2d"}], 7
    )
    assert state.to_python("net") == LONG


def test_python_of_nothing():
    assert RuleSet().to_python() == (
        "from brickbook import initialize\n\ninit_cfg = []\ninitialize(model, init_cfg=init_cfg)\n"
    )


def test_python_imports_classes():
    assert RuleSet.from_cfg({"type": "Kaiming", "layer": [nn.Conv2d]}).to_python() == (
        "from brickbook import initialize\n"
        "from torch.nn.modules.conv import Conv2d\n\n"
        'init_cfg = [\n    dict(type="Kaiming", layer=[Conv2d]),\n]\n'
        "initialize(model, init_cfg=init_cfg)\n"
    )


def test_python_runs_and_does_the_same():
    state = RuleSet.from_cfg([KAIMING, ONE], 3)
    first, second = net(), net()
    exec(state.to_python(), {"model": first})
    initialize(second, state.to_init_cfg(), seed=state.seed)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert torch.equal(first[0].weight, second[0].weight)
    assert sum(torch.equal(one, other) for one, other in pairs) >= 6


def test_json_and_back():
    state = RuleSet.from_cfg([KAIMING, ONE], 3)
    assert RuleSet.from_json(state.to_json()) == state
    assert json.loads(state.to_json()) == {"init_cfg": [KAIMING, ONE], "seed": 3}


def test_json_refuses_a_class():
    state = RuleSet.from_cfg([KAIMING, {"type": "Kaiming", "layer": [nn.Conv2d]}])
    with pytest.raises(ConfigError) as caught:
        state.to_json()
    assert str(caught.value) == "init_cfg[1]: Object of type type is not JSON serializable."


def test_layer_classes_are_counted_as_a_rule_matches_them():
    assert count_layer_classes(net()) == [
        ("Conv2d", 2), ("Linear", 2), ("BatchNorm2d", 1), ("Wide", 1),
    ]  # fmt: skip


def test_no_layer_classes():
    assert count_layer_classes(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3, affine=False))) == []


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_the_model(name):
    rules = PRESETS[name].rules(net())
    todo = plan(net(), list(rules), strict=True)
    assert [rule["layer"] for rule in rules] == [["Conv2d", "Linear"], ["BatchNorm2d"]]
    assert not todo.unmatched and len(todo.planned) == len(todo.rows) == 10
    assert todo["1.weight"].law is not None and todo["1.weight"].law.mean == 1


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (nn.ReLU(), []),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2)), [["Conv2d"], ["GroupNorm"]]),
        (nn.Linear(2, 2), [["Linear"]]),
        (nn.Sequential(nn.LazyLinear(2)), [["LazyLinear"]]),
        (nn.Sequential(nn.PReLU(), Wide(2, 2)), [["Wide"]]),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_presets_name_only_what_is_there(model, layers):
    for preset in PRESETS.values():
        assert [rule["layer"] for rule in preset.rules(model)] == layers


def test_laws_for_projections_leave_embeddings():
    model = nn.Sequential(nn.Embedding(4, 2), nn.LayerNorm(2))
    for name, preset in PRESETS.items():
        found = [rule["layer"] for rule in preset.rules(model)]
        assert found == [*([["Embedding"]] if name == "by_kind" else []), ["LayerNorm"]]


def test_the_last_bias_gets_its_prior():
    [preset] = [preset for preset in PRESETS.values() if getattr(preset, "last_layer", None)]
    todo = plan(net(), list(preset.rules(net())))
    assert str(todo["6.bias"].law) == "Constant(-4.595)"
    assert str(todo["5.bias"].law) == "Constant(0)"
