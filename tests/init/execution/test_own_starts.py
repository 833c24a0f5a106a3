"""Models whose classes start themselves: their start is taken, or named; never silently another."""

import copy
import json
import math
import warnings

import pytest
import torch
from materialize_worker import on_meta
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from brickbook import BaseModule, ConvModule, initialize
from brickbook.errors import BadValueError
from brickbook.init.execution import InitReport
from brickbook.init.execution.materialize import materialize, skeleton
from brickbook.init.execution.own_starts import ConstructorWatch

FIRST = nn.Linear(3, 3)


def start_all(model):
    for part in model.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=5.0)
        if isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.norm = nn.LayerNorm(3)


class ByFunction(Parts):
    """As timm's EfficientNet."""

    def __init__(self):
        super().__init__()
        start_all(self)


class ByLoop(Parts):
    """As torchvision's."""

    def __init__(self):
        super().__init__()
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight)
                nn.init.zeros_(part.bias)


class ByData(Parts):
    """As older code."""

    def __init__(self):
        super().__init__()
        self.fc.weight.data.normal_(0, 5.0)


class ByApply(Parts):
    """As minGPT."""

    def __init__(self):
        super().__init__()
        self.apply(self._init_weights)

    def _init_weights(self, part):
        if isinstance(part, nn.Linear):
            part.weight.data.normal_(0, 5.0)


class Truncated(Parts):
    """Torch leaves both undone on the meta device."""

    def __init__(self):
        super().__init__()
        nn.init.trunc_normal_(self.fc.weight, std=5.0)
        nn.init.orthogonal_(self.norm.weight.view(1, -1))


class OwnLinear(nn.Linear):
    def reset_parameters(self):
        super().reset_parameters()


class OverOwnReset(nn.Module):
    """As timm's NFNet: the layers have a reset of their own, and are started otherwise."""

    def __init__(self):
        super().__init__()
        self.fc = OwnLinear(3, 3)
        nn.init.normal_(self.fc.weight, std=5.0)


class Scaled(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)
        self.weight.data.mul_(0.5)


class Given(Parts):
    def __init__(self):
        super().__init__()
        self.fc.weight = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0]] * 3))


class Loaded(Parts):
    def __init__(self):
        super().__init__()
        self.fc.load_state_dict(FIRST.state_dict())


class Copied(nn.Module):
    def __init__(self):
        super().__init__()
        first = nn.Linear(3, 3)
        nn.init.normal_(first.weight, std=5.0)
        self.layers = nn.ModuleList(copy.deepcopy(first) for _ in range(2))


class Again(Parts):
    """Starts its layers as torch does."""

    def __init__(self):
        super().__init__()
        for part in (self.fc, self.norm):
            part.reset_parameters()


HINT = " Name them in a rule, or start them yourself afterwards."
MORE = " Given what makes the model, in place of the model, it knows all that was started."
NOT_REPEATED = {
    ByFunction: (["fc.weight: ByFunction.__init__ (start_all) started it, and is not run again."],
                 ["fc.weight, norm.weight: it was written again after torch's own start."]),
    ByLoop: (["fc.weight, fc.bias: ByLoop.__init__ started it, and is not run again."],
             ["fc.weight, fc.bias: it was written again after torch's own start.",
              "norm.weight, norm.bias: ByLoop.__init__ may have started it, and is not run "
              "again."]),
    ByData: (["fc.weight: ByData.__init__ started it, and is not run again."],
             ["fc.weight, fc.bias, norm.weight, norm.bias: ByData.__init__ may have started it, "
              "and is not run again."]),
    ByApply: (["fc.weight: ByApply.__init__ (_init_weights) started it, and is not run again."],
              ["fc.weight, fc.bias, norm.weight, norm.bias: ByApply._init_weights may have started "
               "it, and is not run again."]),
    Truncated: (["fc.weight, norm.weight: Truncated.__init__ started it, and is not run again."],
                ["fc.weight, fc.bias, norm.weight, norm.bias: Truncated.__init__ may have started "
                 "it, and is not run again."]),
    Scaled: (["weight: Scaled.__init__ started it, and is not run again."],
             ["weight, bias: Scaled.__init__ may have started it, and is not run again."]),
    Loaded: (["fc.weight, fc.bias: Loaded.__init__ gave it numbers, which are lost."],
             ["fc.weight, fc.bias: it was written again after torch's own start."]),
    Again: ([], ["fc.weight, fc.bias, norm.weight, norm.bias: it was written again after torch's "
                 "own start."]),
    Given: (["fc.weight: Given.__init__ gave it numbers, which are lost."], None),
    Copied: (["layers.0.weight, layers.1.weight: Copied.__init__ started it, and is not run "
              "again."], None),
}  # fmt: skip


def warned(call):
    """Return the warnings of a call, and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    ours = [item for item in caught if "no-op" not in str(item.message)]
    assert all(item.category is RuntimeWarning for item in ours)
    assert all(item.filename == __file__ for item in ours)
    return [str(item.message) for item in ours], found


def said(sentences, more=""):
    return [f"model: torch's own law fills {each}{HINT}{more}" for each in sentences]


@pytest.mark.parametrize("kind", NOT_REPEATED)
@pytest.mark.parametrize("cfg", [None, []])
def test_what_a_constructor_started_is_named(kind, cfg):
    messages, (model, report) = warned(lambda: materialize(kind, cfg, seed=0))
    assert messages == said(NOT_REPEATED[kind][0])
    named = {row.name for row in report.plan.rows if row.why is not None}
    assert named == {name for name, item in report.items() if item.reason}
    for name in named:
        assert report[name].source == "torch"
        assert not model.get_parameter(name).isnan().any()


@pytest.mark.parametrize("kind", [kind for kind in NOT_REPEATED if NOT_REPEATED[kind][1]])
def test_of_a_model_that_is_built_it_is_named_what_can_be_known(kind):
    messages, _ = warned(lambda: materialize(on_meta(kind), seed=0))
    assert messages == said(NOT_REPEATED[kind][1], MORE)


@pytest.mark.parametrize("how", ["meta", "call"])
def test_strict_refuses(how):
    model = on_meta(ByLoop) if how == "meta" else ByLoop
    sentences = NOT_REPEATED[ByLoop][how == "meta"]
    with pytest.raises(BadValueError) as caught:
        materialize(model, seed=0, strict=True)
    assert str(caught.value) == said(sentences, MORE if how == "meta" else "")[0]
    if how == "meta":
        assert all(tensor.is_meta for tensor in model.parameters())


def test_a_rule_that_names_them_is_enough():
    rules = [dict(type="Normal", layer="Linear", std=0.1)]
    messages, (_, report) = warned(lambda: materialize(ByLoop, rules, seed=0, strict=True))
    assert not messages and report["fc.weight"].source == "init_cfg[0]"


def test_plan_report_and_json_say_it():
    _, (_, report) = warned(lambda: materialize(ByLoop, seed=0))
    reason = "ByLoop.__init__ started it, and is not run again"
    assert report["fc.bias"].reason == report.plan["fc.bias"].reason == reason
    assert report.plan.explain("fc.bias") == (
        "fc.bias (Linear, 3, float32): Uniform(-0.5774, 0.5774), default by torch. " + reason + "."
    )
    again = InitReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again["fc.bias"] == report["fc.bias"]
    assert again.plan["fc.bias"] == report.plan["fc.bias"]
    assert not report["norm.bias"].reason


class LikeTransformers(Parts):
    """Starts itself unless it is on the meta device, and notes that it did."""

    def __init__(self):
        super().__init__()
        self.post_init()

    def post_init(self):
        if torch.empty(0).device.type != "meta":
            self.init_weights()

    def init_weights(self):
        for part in self.modules():
            if isinstance(part, nn.Linear) and not getattr(part, "_is_hf_initialized", False):
                nn.init.constant_(part.weight, 5.0)
                part._is_hf_initialized = True


class LikeTimm(Parts):
    def __init__(self, last=0.0):
        super().__init__()
        self.init_weights(last)

    def init_weights(self, last: float = 0.0):
        nn.init.constant_(self.fc.weight, 5.0)
        nn.init.constant_(self.norm.weight, last)


class Around(nn.Module):
    def __init__(self, inner=LikeTransformers):
        super().__init__()
        self.body = inner()
        self.head = nn.Linear(3, 3)


class StartsItsHead(Around):
    def init_weights(self):
        nn.init.constant_(self.head.weight, 7.0)


NORM = dict(type="Constant", val=2.0, bias=3.0, layer="LayerNorm")


@pytest.mark.parametrize("make", [LikeTransformers, Around, lambda: nn.Sequential(Around())])
@pytest.mark.parametrize("cfg", [None, NORM])
@pytest.mark.parametrize("how", ["meta", "skeleton", "call"])
def test_the_start_of_a_class_is_taken_with_and_without_rules(make, cfg, how):
    def call():
        if how == "call":
            return materialize(make, cfg, seed=0)
        with torch.device("meta") if how == "meta" else skeleton():
            model = make()
        return model, materialize(model, cfg, seed=0)

    messages, (model, report) = warned(call)
    assert not messages
    (part,) = (part for part in model.modules() if isinstance(part, LikeTransformers))
    assert (part.fc.weight == 5).all() and (part.norm.weight == (1 if cfg is None else 2)).all()
    (name,) = (name for name in report if name.endswith("fc.weight"))
    assert (report[name].action, report[name].source) == (
        "called",
        name.replace("fc.weight", "init_weights"),
    )


def test_a_call_with_defaults_is_named_where_the_constructor_may_have_given_others():
    sentence = (
        "model: custom init code fills fc.weight, norm.weight: LikeTimm.init_weights is called "
        "with its defaults (last=0.0), whatever its constructor gave."
    )
    for cfg in (None, []):
        messages, (model, _) = warned(
            lambda cfg=cfg: materialize(lambda: LikeTimm(4.0), cfg, seed=0, strict=True)
        )
        assert messages == [sentence + HINT]
        assert (model.norm.weight == 0).all() and (model.fc.weight == 5).all()
    messages, _ = warned(lambda: materialize(on_meta(LikeTimm), seed=0))
    assert messages == [sentence + HINT + MORE]


@pytest.mark.parametrize("cfg", [None, []])
def test_a_reset_is_not_what_an_outer_constructor_did(cfg):
    """The reset fills both tensors; only of the weight is it known that it was started again."""
    messages, (_, report) = warned(lambda: materialize(OverOwnReset, cfg, seed=0))
    assert messages == [
        "model: custom init code fills fc.weight: OverOwnReset.__init__ started it, and is not run "
        "again." + HINT
    ]
    assert report["fc.weight"].source == report["fc.bias"].source == "fc.reset_parameters"
    messages, _ = warned(lambda: materialize(on_meta(OverOwnReset), cfg, seed=0))
    assert messages == [
        "model: custom init code fills fc.weight, fc.bias: OverOwnReset.__init__ may have started "
        "it, and is not run again." + HINT + MORE
    ]
    messages, _ = warned(lambda: materialize(lambda: nn.Sequential(OwnLinear(3, 3)), cfg, seed=0))
    assert not messages


def test_a_part_that_the_start_around_it_leaves_out_is_named():
    messages, (model, _) = warned(lambda: materialize(StartsItsHead, seed=0))
    assert messages == said(
        ["body.fc.weight: LikeTransformers.__init__ (post_init) started it, and is not run again."]
    )
    assert (model.head.weight == 7).all()
    messages, _ = warned(lambda: materialize(on_meta(StartsItsHead), seed=0))
    assert messages == said(
        ["body.fc.weight, body.fc.bias, body.norm.weight, body.norm.bias: "
         "LikeTransformers.init_weights may have started it, and is not run again."],
        MORE,
    )  # fmt: skip


def test_with_rules_it_is_what_a_real_model_keeps():
    rules = dict(type="Constant", val=2.0, layer="LayerNorm")
    for make in (LikeTransformers, Around, StartsItsHead):
        real = make()
        initialize(real, rules)
        model, _ = materialize(make, rules, seed=0)
        for name in ("fc.weight", "body.fc.weight", "norm.weight"):
            if name in dict(real.named_parameters()):
                assert torch.equal(model.get_parameter(name), real.get_parameter(name)), name


def test_the_start_of_a_conv_module_is_kept_beside_rules_for_others():
    make = lambda: nn.Sequential(ConvModule(3, 400, 3, act_cfg=dict(type="ReLU")))  # noqa: E731
    messages, (model, report) = warned(lambda: materialize(make, [], seed=0))
    assert not messages and report["0.conv.weight"].source == "0.init_weights"
    assert model[0].conv.weight.std().item() == pytest.approx(math.sqrt(2 / 3600), rel=0.05)


def test_what_a_base_module_carries_is_left_out_where_rules_are_given():
    class Part(BaseModule):
        def __init__(self):
            super().__init__(dict(type="Constant", val=9.0, layer="Linear"))
            self.fc = nn.Linear(3, 3)

    messages, (model, report) = warned(lambda: materialize(Part, [], seed=0))
    assert not messages and report["fc.weight"].source == "torch"
    assert not model.is_init


PLAIN = {
    "linear": lambda: nn.Linear(3, 3),
    "padding": lambda: nn.Embedding(4, 3, padding_idx=1),
    "norms": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.PReLU()),
    "recurrent": lambda: nn.Sequential(nn.LSTM(3, 4, 2), nn.GRUCell(3, 3)),
    "transformer": lambda: nn.Transformer(4, 2, 1, 1, 8, batch_first=True),
    "attention": lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
    "tied": lambda: tied(),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
    "sync": lambda: nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm2d(3)),
    "other dtype": lambda: nn.Linear(3, 3).half(),
    "frozen": lambda: nn.Linear(3, 3).requires_grad_(False),
    "same again": lambda: ones(nn.LayerNorm(3)),
}


def tied():
    model = nn.Sequential(nn.Linear(3, 4), nn.Embedding(4, 3, padding_idx=0))
    model[0].weight = model[1].weight
    return model


def ones(norm):
    nn.init.ones_(norm.weight)
    return norm


@pytest.mark.parametrize("name", PLAIN)
def test_torchs_own_start_is_no_other(name):
    messages, _ = warned(lambda: materialize(PLAIN[name], seed=0, strict=True))
    assert not messages
    if name != "same again":
        messages, _ = warned(lambda: materialize(on_meta(PLAIN[name]), seed=0, strict=True))
        assert not messages


def test_a_function_that_makes_a_model_is_named():
    def make_model():
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        with torch.no_grad():
            model[0].weight[1:].fill_(0.0)
        model[1].bias.data = torch.eye(3, device="meta")[0]
        return model

    messages, _ = warned(lambda: materialize(make_model, seed=0))
    assert messages == said(["0.weight, 1.bias: make_model started it, and is not run again."])


def test_a_parametrised_weight_has_the_start_of_what_it_is_made_of():
    def make_model():
        layer = nn.Linear(3, 3)
        nn.init.normal_(layer.weight, std=5.0)
        return nn.utils.parametrizations.weight_norm(layer)

    messages, _ = warned(lambda: materialize(make_model, seed=0))
    assert messages == said(["weight: make_model started it, and is not run again."])


def test_building_under_the_watch_changes_nothing():
    torch.manual_seed(0)
    real = Copied()
    after = torch.rand(1)
    torch.manual_seed(0)
    with ConstructorWatch():
        model = Copied()
    assert torch.equal(torch.rand(1), after)
    for name, value in real.state_dict().items():
        assert torch.equal(model.get_parameter(name), value), name
    with pytest.raises(ZeroDivisionError):
        materialize(lambda: 1 / 0)
    assert not _get_current_dispatch_mode_stack()
