"""initialize: what it writes, what it refuses, and that a refused config changes nothing."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from brickbook import INITIALIZERS, BaseInit, UnmatchedRuleWarning, initialize, plan
from brickbook.errors import ConfigError, UnmatchedRuleError


class FooNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.feat = nn.Conv1d(3, 1, 3)
        self.reg = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.cls = nn.Sequential(nn.Conv1d(3, 1, 3), nn.Linear(1, 2))


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


NAN = float("nan")
BAD = {
    "no dict": ("x", TypeError, "init_cfg: init_cfg must be a dict or a list of dict, "
        "but got <class 'str'>."),
    "a list of str": (["x"], TypeError, "init_cfg[0]: expected a dict, but got <class 'str'>."),
    "no type": ([{"layer": "Conv2d"}], KeyError,
        "init_cfg[0]: the cfg dict must contain the key \"type\", but got {'layer': 'Conv2d'}."),
    "unknown type": ({"type": "Kaimin", "layer": "Conv2d"}, KeyError,
        "init_cfg.type: Kaimin is not in the initializer registry. Did you mean 'Kaiming'?"),
    "unknown argument": ({"type": "Normal", "layer": "Conv2d", "stdd": 1}, TypeError,
        "init_cfg.stdd: NormalInit has no such argument. Did you mean 'std'?"),
    "missing argument": ({"type": "Constant", "layer": "Conv2d"}, TypeError,
        "init_cfg: ConstantInit also needs val."),
    "a str for a number": ({"type": "Normal", "layer": "Conv2d", "std": "1"}, TypeError,
        "init_cfg.std: expected float, got '1' (str)."),
    "NaN": ([{"type": "Normal", "layer": "Linear"}, {"type": "Normal", "std": NAN}], ValueError,
        "init_cfg[1].std: expected a finite number of 0 or more, got nan."),
    "infinite": ({"type": "Constant", "layer": "Conv2d", "val": math.inf}, ValueError,
        "init_cfg.val: expected a finite number, got inf."),
    "negative std": ({"type": "Normal", "layer": "Conv2d", "std": -1}, ValueError,
        "init_cfg.std: expected a finite number of 0 or more, got -1."),
    "NaN bias": ({"type": "Normal", "layer": "Conv2d", "bias": NAN}, ValueError,
        "init_cfg.bias: expected a finite number, got nan."),
    "bias as str": ({"type": "Xavier", "layer": 1, "bias": "0.1"}, TypeError,
        "init_cfg.bias: expected float, got '0.1' (str)."),
    "bias_prob as str": ({"type": "Constant", "val": 1, "bias_prob": "1"}, TypeError,
        "init_cfg.bias_prob: expected float or None, got '1' (str)."),
    "bias_prob as int": ({"type": "Constant", "val": 1, "bias_prob": 1}, TypeError,
        "init_cfg.bias_prob: expected a float, got 1 (int)."),
    "bias_prob of 0": ({"type": "Constant", "val": 1, "bias_prob": 0.0}, ValueError,
        "init_cfg.bias_prob: expected 0 < p < 1, got 0.0."),
    "layer as int": ({"type": "Constant", "val": 1, "layer": 1}, TypeError,
        "init_cfg.layer: expected a str, a class or a list of them, got 1."),
    "unknown distribution": ({"type": "Xavier", "layer": "Linear", "distribution": "t"},
        AssertionError, "init_cfg.distribution: expected 'normal' or 'uniform', got 't'."),
    "uniform upside down": ({"type": "Uniform", "layer": "Linear", "a": 1, "b": 0}, ValueError,
        "init_cfg.b: expected a or more (a=1), got 0."),
    "nothing left": ({"type": "TruncNormal", "layer": "Linear", "std": 0.01, "a": 5, "b": 6},
        ValueError, "init_cfg.a: N(0, 0.01²) has no mass between 5 and 6."),
    "override as str": ({"type": "Normal", "override": "reg"}, TypeError,
        "init_cfg.override: override must be a dict or a list of dict, but got <class 'str'>."),
    "override of no dict": ({"type": "Normal", "override": ["reg"]}, TypeError,
        "init_cfg.override[0]: expected a dict, but got <class 'str'>."),
    "override without name": ({"type": "Constant", "val": 1,
        "override": {"type": "Constant", "val": 3}}, ValueError,
        "init_cfg.override: an override needs the key 'name', an attribute of the model. "
        "Add name='...'."),
    "override without type": ({"type": "Constant", "val": 1,
        "override": [{"name": "reg"}, {"name": "reg", "val": 3}]}, ValueError,
        "init_cfg.override[1]: an override with arguments of its own (val) needs a 'type'. "
        "Add type='Constant'."),
    "override of a stranger": ([{"type": "Constant", "val": 1, "layer": "Conv2d"},
        {"type": "Constant", "val": 1, "override": {"name": "regg"}}], RuntimeError,
        "init_cfg[1].override.name: FooNet has no module 'regg'. Did you mean 'reg'?"),
    "override of a deep stranger": (
        {"type": "Constant", "val": 1, "override": {"name": "cls.2"}}, RuntimeError,
        "init_cfg.override.name: FooNet has no module 'cls.2'. Did you mean 'cls.1'?"),
    "override's own mistake": (
        {"type": "Constant", "val": 1, "override": {"name": "reg", "type": "Normal", "std": NAN}},
        ValueError, "init_cfg.override.std: expected a finite number of 0 or more, got nan."),
    "a 1-D weight": ({"type": "Xavier", "layer": ["Conv2d", "BatchNorm2d"]}, ValueError,
        "init_cfg.type: Xavier needs a weight of 2 or more dimensions, norm.weight of "
        "BatchNorm2d has shape (3,)."),
    "no checkpoint": ({"type": "Pretrained", "checkpoint": 3}, TypeError,
        "init_cfg.checkpoint: expected str, got 3 (int)."),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_config_is_named_and_changes_nothing(case):
    cfg, error, message = BAD[case]
    model = FooNet()
    before, kept = state(model), copy.deepcopy(cfg)
    for attempt in (lambda: initialize(model, cfg), lambda: plan(model, cfg)):
        with pytest.raises(error) as caught:
            attempt()
        assert isinstance(caught.value, ConfigError)
        assert str(caught.value) == message
    assert same(model, before)
    assert repr(cfg) == repr(kept)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


WITHOUT_EFFECT = {
    "a typing mistake": (
        {"type": "Normal", "layer": "Conv2D"},
        "init_cfg.layer: Conv2D matches nothing. Did you mean 'Conv2d'?",
    ),
    "one of several": (
        {"type": "Normal", "layer": ["Linear", "Conv2D"]},
        "init_cfg.layer: Conv2D matches nothing. Did you mean 'Conv2d'?",
    ),
    "not in this model": (
        {"type": "Normal", "layer": "LSTM"},
        "init_cfg.layer: LSTM matches nothing. Known: BatchNorm2d, Conv1d, Conv2d, Linear, "
        "_BatchNorm, _ConvNd, _NormBase.",
    ),
    "nothing to fill": (
        {"type": "Normal", "layer": "Sequential"},
        "init_cfg.layer: Sequential has no 'weight' or 'bias' parameter of its own.",
    ),
    "neither layer nor override": (
        {"type": "Normal"},
        "init_cfg: does nothing: it has neither 'layer' nor 'override'.",
    ),
    "layer in an override": (
        {"type": "Normal", "override": {"type": "Normal", "name": "reg", "layer": "Conv2d"}},
        "init_cfg.override.layer: is not used: an override fills every layer below it.",
    ),
}


@pytest.mark.parametrize("case", WITHOUT_EFFECT)
def test_a_rule_without_effect_warns_and_strict_refuses(case):
    cfg, message = WITHOUT_EFFECT[case]
    model = FooNet()
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(model, cfg)
    assert [str(item.message) for item in caught] == [message]
    assert [str(item) for item in plan(model, cfg).unmatched] == [message]
    before = state(model)
    with pytest.raises(UnmatchedRuleError) as refused:
        initialize(model, cfg, strict=True)
    assert str(refused.value) == message
    assert same(model, before)


def test_a_common_class_that_this_model_lacks_may_stand_beside_one_it_has():
    report = initialize(
        FooNet(), {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]}
    )
    assert not report.plan.unmatched  # and no warning, which would be an error here


@pytest.mark.parametrize("layer", ["_ConvNd", ["_ConvNd"], nn.Conv2d, [nn.Conv1d, "Conv2d"]])
def test_layers_by_ancestor_and_by_class(layer):
    model = FooNet()
    report = initialize(model, {"type": "Constant", "val": 7, "layer": layer})
    assert model.reg.weight.unique().tolist() == [7]
    assert "cls.1.weight" in report.untouched


def test_any_ancestor_is_matched_not_only_the_direct_bases():
    class Mine(nn.Conv2d):
        pass

    class Deeper(Mine):
        pass

    model = nn.Sequential(Deeper(3, 3, 1))
    initialize(model, {"type": "Constant", "val": 7, "layer": "_ConvNd"}, strict=True)
    assert model[0].weight.unique().tolist() == [7]


def test_bias_prob_gives_the_bias():
    model = FooNet()
    initialize(
        model, {"type": "Constant", "val": 1, "bias": 5, "bias_prob": 0.01, "layer": "Linear"}
    )
    assert model.cls[1].bias.tolist() == pytest.approx([-4.59511985013459] * 2)


def test_an_override_wins_over_later_layer_rules():
    model = FooNet()
    cfg = [
        {"type": "Constant", "val": 1, "override": {"name": "reg"}},
        {"type": "Constant", "val": 2, "layer": "Conv2d"},
    ]
    report = initialize(model, cfg)
    assert model.reg.weight.unique().tolist() == [1]
    assert report["reg.weight"].source == "init_cfg[0].override"
    assert report.plan["reg.weight"].overridden == ("init_cfg[1]",)


def test_an_override_leaves_norms_that_its_law_cannot_fill():
    model = nn.Sequential(FooNet())
    report = initialize(model, {"type": "Xavier", "bias": 3, "override": {"name": "0"}})
    assert model[0].norm.weight.tolist() == [1] * 3 and model[0].norm.bias.tolist() == [0] * 3
    assert report["0.norm.weight"].reason == "Xavier needs 2 dimensions; a norm keeps its own"
    assert model[0].reg.bias.tolist() == [3] * 3


def test_deep_names_in_an_override():
    model = FooNet()
    initialize(model, {"type": "Constant", "val": 9, "override": {"name": "cls.1"}})
    assert model.cls[1].weight.unique().tolist() == [9]


def test_tied_weights_are_written_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    torch.manual_seed(3)
    report = initialize(model, {"type": "Normal", "layer": "Linear"})
    torch.manual_seed(3)
    assert torch.equal(model[0].weight, torch.empty(4, 4).normal_())
    assert report.plan["1.weight"].tied_to == "0.weight"
    assert report["1.weight"].reason == "it is 0.weight"


def test_the_report_says_what_happened():
    model = FooNet()
    report = initialize(model, {"type": "Kaiming", "layer": "Conv2d"}, seed=1)
    assert repr(report) == (
        "InitReport: 10 parameters: 2 written by a law, 8 left as they were, seed 1"
    )
    assert report.written == ("reg.weight", "reg.bias")
    record = report["reg.weight"]
    assert (record.action, record.source) == ("written", "init_cfg")
    assert record.law == f"Normal(0, {math.sqrt(2 / 27):.4g})"
    assert report["feat.weight"].reason == "no rule matches Conv1d"
    assert report.to_dict()["plan"]["rows"][2]["law"]["type"] == "Normal"


MMCV_ORDER = {
    "one": [{"type": "Kaiming", "layer": "Conv2d"}],
    "layers in order": [
        {"type": "Normal", "layer": "Linear"},
        {"type": "Xavier", "layer": ["Conv1d", "Conv2d"], "distribution": "uniform"},
    ],
}


@pytest.mark.parametrize("case", MMCV_ORDER)
def test_without_a_seed_the_draws_come_in_mmcvs_order(case):
    fills = {
        "Kaiming": lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
        "Normal": lambda w: nn.init.normal_(w),
        "Xavier": lambda w: nn.init.xavier_uniform_(w),
    }
    ours, theirs = FooNet(), FooNet()
    torch.manual_seed(5)
    initialize(ours, MMCV_ORDER[case])
    torch.manual_seed(5)
    for cfg in MMCV_ORDER[case]:

        def start(part, cfg=cfg):
            if type(part).__name__ in cfg["layer"]:
                fills[cfg["type"]](part.weight)
                nn.init.zeros_(part.bias)

        theirs.apply(start)
    for name in plan(ours, MMCV_ORDER[case]):
        if plan(ours, MMCV_ORDER[case])[name].law:
            assert torch.equal(ours.get_parameter(name), theirs.get_parameter(name))


@pytest.fixture
def mine():
    yield INITIALIZERS
    for name in ("Mine", "MineByBase"):
        INITIALIZERS.module_dict.pop(name, None)


def test_an_initialiser_of_ones_own(mine):
    @mine.register_module()
    class Mine:
        def __init__(self, value):
            self.value = value

        def __call__(self, module):
            with torch.no_grad():
                module.reg.weight.fill_(self.value)

    model = FooNet()
    report = initialize(model, [{"type": "Constant", "val": 1, "layer": "Conv2d"},
                                {"type": "Mine", "value": 3}])  # fmt: skip
    assert model.reg.weight.unique().tolist() == [3]
    assert [run.path for run in report.plan.runs] == ["init_cfg[1]"]
    assert report["reg.weight"].action == "called"
    assert report["reg.weight"].source == "init_cfg[1]"
    assert report["feat.weight"].action == "left"


def test_own_code_that_fails_loses_nothing(mine):
    @mine.register_module()
    class Mine:
        def __call__(self, module):
            raise RuntimeError("no luck")

    model = FooNet()
    before = state(model)
    with pytest.raises(RuntimeError, match="no luck"):
        initialize(model, [{"type": "Constant", "val": 1, "layer": "Conv2d"}, {"type": "Mine"}])
    assert same(model, before)


def test_a_base_init_of_ones_own_gets_its_layers(mine):
    @mine.register_module()
    class MineByBase(BaseInit):
        def __init__(self, value, **kwargs):
            super().__init__(**kwargs)
            self.value = value

        def __call__(self, module):
            for part in module.modules():
                if self.wholemodule or type(part).__name__ in self.layer:
                    nn.init.constant_(part.weight, self.value)

    model = FooNet()
    initialize(model, {"type": "MineByBase", "value": 4, "layer": "Linear"})
    assert model.cls[1].weight.unique().tolist() == [4]
    initialize(model, {"type": "MineByBase", "value": 5, "override": {"name": "cls.0"}})
    assert model.cls[0].weight.unique().tolist() == [5]


FOR_ANY_WEIGHT = [
    "Caffe2Xavier", "Constant", "Kaiming", "LeCun", "Normal", "Ones", "Orthogonal", "TruncNormal",
    "Uniform", "VarianceScaling", "Xavier", "Zeros",
]  # fmt: skip


@pytest.mark.parametrize("kind", FOR_ANY_WEIGHT)
def test_an_initialiser_can_be_called_and_applied(kind):
    arguments = {"val": 1.0} if kind == "Constant" else {}
    init = INITIALIZERS.build({"type": kind, "bias": 10, "layer": "_ConvNd", **arguments})
    model = FooNet()
    linear = model.cls[1].weight.clone()
    init(model)
    assert model.reg.bias.tolist() == [10] * 3
    model.apply(init)
    assert torch.equal(model.cls[1].weight, linear)
    assert init.layer == ["_ConvNd"] and init.bias == 10


def test_a_meta_model_is_planned_and_not_written():
    with torch.device("meta"):
        model = FooNet()
    cfg = {"type": "Kaiming", "layer": "Conv2d"}
    assert str(plan(model, cfg)["reg.weight"].law) == f"Normal(0, {math.sqrt(2 / 27):.4g})"
    with pytest.raises(ValueError) as caught:
        initialize(model, cfg)
    assert str(caught.value) == (
        "reg.weight: it is on the meta device: there is no memory to write to. "
        "Call materialize(model, init_cfg, device=...) for such a model."
    )


def test_a_lazy_module_is_left_until_it_has_a_shape():
    model = nn.Sequential(nn.LazyLinear(3))
    report = initialize(model, {"type": "Kaiming", "layer": "LazyLinear"}, strict=False)
    assert report["0.weight"].reason.startswith("it has no shape yet")


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))


def test_layers_without_a_weight_of_their_own_are_named():
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(nn.Sequential(Tokens()), {"type": "Normal", "layer": "Tokens"})
    assert str(caught[0].message) == (
        "init_cfg.layer: Tokens has no 'weight' or 'bias' parameter of its own. "
        "Name its parameters: 'Tokens:cls_token', 'Tokens:pos_embed'."
    )
