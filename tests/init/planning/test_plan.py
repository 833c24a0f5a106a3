"""The plan: who wins, who loses, and what a tree of modules says of its own start."""

import copy
import json
import math

import pytest
import torch
from torch import nn

from brickbook import (
    INITIALIZERS,
    BaseModule,
    ConvModule,
    InitPlan,
    ModuleList,
    Sequential,
    UnmatchedRuleWarning,
    initialize,
    plan,
)
from brickbook.i18n import LANGUAGES, Texts
from brickbook.init.initializers import LSUVInit
from brickbook.init.laws import Constant
from brickbook.init.planning import Phase, PlanRow, Reason, Why, result
from brickbook.records import Column
from brickbook.views.export import export
from brickbook.views.text import text


def constant(val, **more):
    return {"type": "Constant", "val": val, **more}


class Leaf(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.fc = nn.Linear(2, 2)


class Own(BaseModule):
    """A class with an init_weights of its own, as mmcv's users write them."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.fc = nn.Linear(2, 2)
        self.other = nn.Conv2d(2, 2, 1)

    def init_weights(self):
        super().init_weights()
        nn.init.constant_(self.fc.weight, 70)


class Foreign(nn.Module):
    """Somebody else's module that starts itself."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.calls = 0

    def init_weights(self):
        self.calls += 1
        nn.init.constant_(self.fc.weight, 80)


class Needy(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def init_weights(self, pretrained):
        raise AssertionError("must not be called")


L = dict(layer="Linear")

# case: (tree, parameter, value, source, overridden)
PRIORITY = {
    "outer alone": (
        lambda: Sequential(Leaf(), init_cfg=constant(1, **L)),
        "0.fc.weight", 1, "init_cfg", (),
    ),
    "inner over outer": (
        lambda: Sequential(Leaf(constant(2, **L)), init_cfg=constant(1, **L)),
        "0.fc.weight", 2, "0.init_cfg", ("init_cfg",),
    ),
    "inner over outer through plain containers": (
        lambda: Sequential(
            nn.Sequential(nn.ModuleList([Leaf(constant(2, **L))])), init_cfg=constant(1, **L)),
        "0.0.0.fc.weight", 2, "0.0.0.init_cfg", ("init_cfg",),
    ),
    "the innermost of three": (
        lambda: Sequential(
            Sequential(Leaf(constant(3, **L)), init_cfg=constant(2, **L)),
            init_cfg=constant(1, **L)),
        "0.0.fc.weight", 3, "0.0.init_cfg", ("init_cfg", "0.init_cfg"),
    ),
    "an inner one without layer does nothing": (
        lambda: Sequential(Leaf(constant(2)), init_cfg=constant(1, **L)),
        "0.fc.weight", 1, "init_cfg", (),
    ),
    "a later entry over an earlier one": (
        lambda: Sequential(Leaf(), init_cfg=[constant(1, **L), constant(2, **L)]),
        "0.fc.weight", 2, "init_cfg[1]", ("init_cfg[0]",),
    ),
    "override over inner": (
        lambda: Sequential(
            Leaf(constant(2, **L)), init_cfg=constant(1, override=dict(name="0.fc"))),
        "0.fc.weight", 1, "init_cfg.override", ("0.init_cfg",),
    ),
    "override over a later entry": (
        lambda: Sequential(
            Leaf(), init_cfg=[constant(1, override=dict(name="0")), constant(2, **L)]),
        "0.fc.weight", 1, "init_cfg[0].override", ("init_cfg[1]",),
    ),
    "inner override over outer override": (
        lambda: Sequential(
            Leaf(constant(2, override=dict(name="fc"))),
            init_cfg=constant(1, override=dict(name="0"))),
        "0.fc.weight", 2, "0.init_cfg.override", ("init_cfg.override",),
    ),
    "outer over a class's default": (
        lambda: Sequential(ConvModule(2, 2, 1), init_cfg=constant(1, layer="Conv2d")),
        "0.conv.weight", 1, "init_cfg", ("0.default[0].override",),
    ),
    "custom init code after the rules": (
        lambda: Sequential(Own(), init_cfg=constant(1, layer=["Linear", "Conv2d"])),
        "0.fc.weight", 70, "init_cfg", (),
    ),
    "custom init code keeps what it does not touch": (
        lambda: Sequential(Own(), init_cfg=constant(1, layer=["Linear", "Conv2d"])),
        "0.other.weight", 1, "init_cfg", (),
    ),
    "custom init code carries out its own init_cfg": (
        lambda: Sequential(Own(constant(5, layer="Conv2d")),
                           init_cfg=constant(1, layer=["Linear", "Conv2d"])),
        "0.other.weight", 5, "init_cfg", (),
    ),
    "custom init code elsewhere": (
        lambda: Sequential(Foreign(), init_cfg=constant(1, **L)),
        "0.fc.weight", 80, "init_cfg", (),
    ),
    "custom init code elsewhere that needs arguments is not called": (
        lambda: Sequential(Needy(), init_cfg=constant(1, **L)),
        "0.fc.weight", 1, "init_cfg", (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PRIORITY)
@pytest.mark.filterwarnings("ignore::brickbook.UnmatchedRuleWarning")
def test_priority(case):
    make, name, value, source, overridden = PRIORITY[case]
    model = make()
    row = plan(model)[name]
    assert (row.source, row.overridden) == (source, overridden)
    model.init_weights()
    assert model.get_parameter(name).unique().tolist() == [value]


def test_a_plan_writes_nothing():
    model = Sequential(Leaf(constant(2, **L)), Own())
    before = {name: value.clone() for name, value in model.named_parameters()}
    plan(model)
    plan(model, constant(3, **L))
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert not model.is_init


def test_rows():
    model = Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), Own())
    model[0].bias.requires_grad_(False)
    todo = plan(model, {"type": "Kaiming", "layer": "Conv2d"})
    assert list(todo) == [name for name, _ in model.named_parameters()]
    row = todo["0.weight"]
    assert (row.module, row.shape, row.dtype, row.kind) == (
        "Conv2d", (8, 3, 3, 3), "float32", "parameter",
    )  # fmt: skip
    assert (row.law.mean, row.law.std) == (0, pytest.approx(math.sqrt(2 / 72)))
    assert (row.rule, row.source, row.frozen, row.reason) == ("Kaiming", "init_cfg", False, "")
    assert todo["0.bias"].frozen and str(todo["0.bias"].law) == "Constant(0)"
    assert todo["1.weight"].law is None
    assert todo["1.weight"].reason == "no rule matches BatchNorm2d"
    assert plan(model)["2.fc.weight"].later_writers == ("2.init_weights",)


def test_repr_and_json():
    model = Sequential(nn.Conv2d(3, 8, 3), Own())
    todo = plan(model, [{"type": "Kaiming", "layer": "Conv2d"}, {"type": "Normal"}])
    assert repr(todo) == "InitPlan: 4 of 6 parameters by a law, 1 rule(s) without effect"
    row = json.loads(json.dumps(todo.to_dict()))["rows"][0]
    assert row["law"] == {"type": "Normal", "mean": 0.0, "std": pytest.approx(1 / 6)}
    assert row["source"] == "init_cfg[0]"


def test_a_plan_for_another_model_is_refused():
    from brickbook.init.execution import execute

    todo = plan(nn.Linear(3, 3), constant(1, **L))
    with pytest.raises(ValueError, match=r"^weight: the plan was made for another model\.$"):
        execute(todo, nn.Linear(3, 4))


def test_convmodules_default_is_planned():
    model = Sequential(ConvModule(3, 8, 3, norm_cfg=dict(type="BN")))
    rows = plan(model)
    assert str(rows["0.conv.weight"].law) == f"Normal(0, {math.sqrt(2 / 72):.4g})"
    assert str(rows["0.bn.weight"].law) == "Constant(1)"
    assert rows["0.conv.weight"].source == "0.default[0].override"
    torch.manual_seed(0)
    again = ConvModule(3, 8, 3, norm_cfg=dict(type="BN"))
    torch.manual_seed(0)
    nn.Conv2d(3, 8, 3, bias=False)  # the draws of torch's own start
    model.init_weights()
    assert torch.equal(model[0].conv.weight, again.conv.weight)


def test_unmatched_rules_of_a_tree_carry_their_place():
    model = Sequential(Leaf(constant(1, layer="Conv2D")))
    with pytest.warns(UnmatchedRuleWarning) as caught:
        model.init_weights()
    assert str(caught[0].message) == ("0.init_cfg.layer: Conv2D matches nothing. Known: Linear.")


def test_errors_of_a_tree_carry_their_place_and_change_nothing():
    model = Sequential(Leaf(constant(1, **L)), Leaf(dict(type="Constant", vall=1, **L)))
    before = {name: value.clone() for name, value in model.named_parameters()}
    with pytest.raises(TypeError) as caught:
        model.init_weights()
    assert str(caught.value) == (
        "1.init_cfg.vall: ConstantInit has no such argument. Did you mean 'val'?"
    )
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert not model.is_init and not model[0].is_init


def test_a_shared_module_is_planned_once():
    leaf = Leaf(constant(1, **L))
    model = ModuleList([leaf, leaf])
    assert len(plan(model)) == 4
    model.init_weights()
    assert leaf.fc.weight.unique().tolist() == [1]


ROUND_TRIPS = {
    "laws": lambda tmp: (
        Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 4)),
        [
            {"type": "Kaiming", "layer": "Conv2d"},
            {"type": "Orthogonal", "layer": "Linear"},
            {"type": "TruncNormal", "std": 0.02, "layer": "Conv2D"},
        ],
    ),
    "custom init code": lambda tmp: (Sequential(Own(), Leaf(constant(2, **L))), None),
    "a checkpoint": lambda tmp: (
        Sequential(nn.Linear(2, 2)),
        {"type": "Pretrained", "checkpoint": tmp, "override": constant(3, name="0")},
    ),
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
@pytest.mark.filterwarnings("ignore::brickbook.UnmatchedRuleWarning")
def test_a_plan_survives_json_and_does_the_same(case, tmp_path):
    from brickbook.init.execution import execute

    file = str(tmp_path / "w.pth")
    torch.save({"0.weight": torch.ones(2, 2)}, file)
    model, cfg = ROUND_TRIPS[case](file)
    todo = plan(model, cfg)
    again = InitPlan.from_json(todo.to_json())
    assert again == todo and repr(again) == repr(todo)
    assert todo.diff(again) == ()
    other = copy.deepcopy(model)
    execute(todo, model, seed=1)
    execute(again, other, seed=1)
    for name, value in model.named_parameters():
        assert torch.equal(value, other.get_parameter(name))


@pytest.mark.parametrize("kind", ["LSUV", LSUVInit], ids=["name", "class"])
def test_a_rule_of_a_class_is_called_by_the_class_s_name_in_configs(kind):
    todo = plan(nn.Linear(2, 2), {"type": kind, "layer": nn.Linear})
    assert todo["weight"].rule == "LSUV"
    assert InitPlan.from_json(todo.to_json()) == todo


def test_diff_and_explain():
    model = Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    first = plan(model, constant(1, **L))
    second = plan(model, [constant(1, **L), {"type": "Normal", "layer": "Linear", "std": 0.5}])
    assert [str(item) for item in first.diff(second)] == ["0.weight: Constant(1) → Normal(0, 0.5)"]
    fewer = plan(model[:1], constant(1, **L))
    assert [str(item) for item in first.diff(fewer)] == [
        "1.weight: left → not there", "1.bias: left → not there",
    ]  # fmt: skip
    assert second.explain("0.weight") == (
        "0.weight (Linear, 4×4, float32): Normal(0, 0.5), Normal by init_cfg[1]. "
        "It wins over init_cfg[0]."
    )
    assert second.explain("1.bias") == (
        "1.bias (BatchNorm1d, 4, float32): left as it is, no rule matches BatchNorm1d."
    )
    assert (
        plan(Sequential(Own())).explain("0.fc.bias").endswith("Afterwards may come 0.init_weights.")
    )
    with pytest.raises(KeyError) as caught:
        first.explain("0.wieght")
    assert str(caught.value) == (
        "name: the plan has no parameter '0.wieght'. Did you mean '0.weight'?"
    )


def test_a_law_after_own_code_has_the_last_word():
    class Fives:
        def __call__(self, module):
            nn.init.constant_(module.fc.weight, 5)

    INITIALIZERS.register_module(name="FivesFirst")(Fives)
    try:
        model = Leaf()
        report = initialize(model, [{"type": "FivesFirst"}, constant(1, **L)])
        assert model.fc.weight.unique().tolist() == [1]
        assert report["fc.weight"].action == "written"
        report = initialize(model, [constant(1, **L), {"type": "FivesFirst"}])
        assert report["fc.weight"].action == "called" and report["fc.bias"].action == "written"
    finally:
        INITIALIZERS.module_dict.pop("FivesFirst")


SCRIPTED = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
LOST = (
    "it is TorchScript, whose layers have lost their classes. "
    "Start the model before torch.jit compiles it."
)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("net", "model: expected an nn.Module, got str."),
        (SCRIPTED, f"model: {LOST}"),
        (nn.Sequential(nn.ReLU(), SCRIPTED), f"model.1: {LOST}"),
    ],
)
@pytest.mark.parametrize("call", [plan, initialize])
@pytest.mark.parametrize("cfg", [None, dict(type="Normal", layer="Linear")])
def test_what_cannot_be_planned(model, message, call, cfg):
    with pytest.raises(TypeError) as caught:
        call(model, cfg)
    assert str(caught.value) == message


def test_tables_say_the_nearest_name():
    model = nn.Linear(2, 3)
    report = initialize(model, constant(1, layer="Linear"))
    for table, thing in (
        (report.plan, "the plan has no parameter"),
        (report, "the report has no parameter"),
    ):
        with pytest.raises(KeyError) as caught:
            table["wieght"]
        assert str(caught.value) == f"name: {thing} 'wieght'. Did you mean 'weight'?"
        assert table.get("wieght") is None and "wieght" not in table and "weight" in table
        assert table._ipython_key_completions_() == list(table) == ["weight", "bias"]


def test_a_reason_is_a_value():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    row = plan(model, dict(type="Kaiming", layer="Conv2d"))["1.weight"]
    assert row.why == Reason(Why.NO_RULE, "BatchNorm2d") and row.is_left(Why.NO_RULE)
    assert row.to_dict()["why"] == ["NO_RULE", "BatchNorm2d"]
    assert PlanRow.from_dict(row.to_dict()) == row


# What files have that know no kinds of reasons.
OLDER = {
    Why.TIED: "it is x", Why.PROTECTED: "x protects it", Why.FROZEN: "it is frozen",
    Why.LOADED: "it was loaded from x", Why.ALREADY_INITIALIZED: "x is already initialised",
    Why.SET_THROUGH: "it is set through x", Why.SOURCE_OF: "it is what x is computed from",
    Why.NORM_AMONG_OTHERS: "a norm met along with other layers keeps its own",
    Why.NORM_TOO_FLAT: "x needs x dimensions; a norm keeps its own",
    Why.MAY_FILL: "x may fill it", Why.NOT_FILLED: "x did not fill it",
    Why.NOT_IN_CHECKPOINT: "the checkpoint of x has no such tensor",
    Why.PLAIN_ATTRIBUTE: "it is neither a parameter nor a buffer",
    Why.NO_RULE: "no rule speaks of x", Why.UNFILLABLE: "x",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "sentence"), OLDER.items(), ids=lambda value: str(value))
def test_a_file_of_an_older_version_has_the_sentence_alone(kind, sentence):
    reason = Reason(kind, *["x"] * Texts("en")[f"why.{kind.value}"].count("{}"))
    tied = "0.weight" if kind is Why.TIED else ""
    row = PlanRow("1.weight", "parameter", "Linear", (2,), "float32", why=reason, tied_to=tied)
    old = {key: value for key, value in row.to_dict().items() if key != "why"}
    assert PlanRow.from_dict({**old, "reason": sentence}) == row


@pytest.mark.parametrize("kind", Why, ids=lambda kind: kind.name)
def test_every_reason_has_a_sentence_in_every_language(kind):
    count = Texts("en")[f"why.{kind.value}"].count("{}")
    for language in LANGUAGES:
        text = Reason(kind, *["x", "y"][:count]).text(Texts(language))
        assert all(detail in text for detail in ["x", "y"][:count]) and "{" not in text


def test_layers_that_are_not_alike_are_planned_each_by_itself():
    model = nn.Sequential(
        nn.LayerNorm(4),  # named itself: it is filled
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 8), nn.LayerNorm(4)),  # its norm is met along
    )
    model[1].append(nn.Linear(4, 4, dtype=torch.float64))
    todo = plan(model, dict(type="Normal", std=0.5, layer=["0", "1"]))
    assert todo["0.weight"].law is not None
    assert todo["1.2.weight"].law is None
    todo = plan(model, dict(type="Kaiming", layer="Linear", mode="fan_out"))
    stds = [todo[f"1.{at}.weight"].law.std for at in (0, 1, 3)]
    assert stds == pytest.approx([(2 / 4) ** 0.5, (2 / 8) ** 0.5, (2 / 4) ** 0.5])


def test_planned_rows_stand_in_the_order_of_writing():
    places = [(Phase.RULES, 2), (Phase.TORCH_DEFAULTS, 3), (Phase.RULES, 0), (Phase.RESETS, 1)]
    plain = PlanRow("weight", "parameter", "Linear", (1,), "float32")
    ours = plain._replace(law=Constant(0.0))
    rows = [ours._replace(name=str(order), order=order, phase=phase) for phase, order in places]
    planned = InitPlan((*rows, plain)).planned
    assert [(row.phase, row.order) for row in planned] == sorted(places)


def test_a_column_of_the_table_reaches_every_form(monkeypatch, tmp_path):
    column = Column("fan", "inputs", lambda row: row.shape[-1] if row.shape else None, "Int64")
    monkeypatch.setattr(result, "PLAN_COLUMNS", (*result.PLAN_COLUMNS, column))
    planned = plan(nn.Linear(3, 2), dict(type="Normal", layer="Linear"))
    assert list(planned.frame()["fan"]) == [3, 2]
    csv = export(planned, tmp_path / "plan.csv").read_text().splitlines()
    assert [line.split(",")[-1] for line in csv] == ["fan", "3", "2"]
    assert "inputs" in text(planned).splitlines()[0] and "inputs" in planned._repr_html_()
