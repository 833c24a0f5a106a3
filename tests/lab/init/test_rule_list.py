from __future__ import annotations

from functools import partial
from unicodedata import east_asian_width

import pytest
import torch
from lab_support import conv_net
from torch import nn

from brickbook.errors import ConfigError
from brickbook.i18n import LANGUAGES, Texts
from brickbook.init.initializers import INITIALIZERS
from brickbook.init.planning import plan
from brickbook.init.presets import presets
from brickbook.lab.init.presets import DEFAULT_PRESET, PRESETS
from brickbook.lab.init.rules.rule_list import RuleList
from brickbook.lab.init.state import RuleSet

KAIMING = {"type": "Kaiming", "layer": ["Conv2d"]}
ONE = {"type": "Constant", "val": 1, "layer": ["BatchNorm2d"]}


class Edited:
    """A rule list, and how often it has reported an edit."""

    def __init__(self, cfg: object) -> None:
        self.edits = 0
        self.rules = RuleList(conv_net(), RuleSet.from_cfg(cfg, 0), self.count_edit)

    def count_edit(self) -> None:
        self.edits += 1

    @property
    def cfg(self) -> list[dict]:
        return self.rules.state.to_init_cfg()

    def show_plan_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            plan(self.rules.model, self.cfg)
        assert self.rules.show_error(caught.value)


def set_std(rules: RuleList) -> None:
    rules.cards[0].initializer.form["std"].control.value = "0.5"


def untick(rules: RuleList) -> None:
    rules.cards[0].picker.boxes["Conv2d"].value = False


def advance(rules: RuleList) -> None:
    rules.cards[0].picker.boxes["Linear"].value = True


def type_class(rules: RuleList) -> None:
    rules.cards[0].picker.other_class.value = "Conv2D"


def override(rules: RuleList) -> None:
    rules.cards[0].add.click()
    rules.cards[0].overrides[0].name.value = "2"


def override_law(rules: RuleList) -> None:
    override(rules)
    rules.cards[0].overrides[0].initializer.menu.value = "Constant"
    rules.cards[0].overrides[0].initializer.form["val"].control.value = "3"


def two_overrides(rules: RuleList) -> None:
    override(rules)
    rules.cards[0].add.click()
    rules.cards[0].overrides[1].name.value = "0"


def drop_override(rules: RuleList) -> None:
    two_overrides(rules)
    rules.cards[0].overrides[0].children[0].children[1].click()


NORMAL = {"type": "Normal", "std": 0.1, "bias": 2, "layer": ["Conv2d"]}
WITH_TWO = {**NORMAL, "override": {"name": "2"}}


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (set_std, {**NORMAL, "std": 0.5}),
        (untick, {"type": "Normal", "std": 0.1, "bias": 2}),
        (advance, {**NORMAL, "layer": ["Conv2d", "Linear"]}),
        (type_class, {**NORMAL, "layer": ["Conv2d", "Conv2D"]}),
        (override, WITH_TWO),
        (override_law, {**NORMAL, "override": {"type": "Constant", "val": 3, "name": "2"}}),
        (two_overrides, {**NORMAL, "override": [{"name": "2"}, {"name": "0"}]}),
        (drop_override, {**NORMAL, "override": {"name": "0"}}),
    ],
)
def test_controls_edit_the_rule(edit, rule):
    edited = Edited([NORMAL, ONE])
    edit(edited.rules)
    assert edited.cfg == [rule, ONE]
    assert edited.edits > 0 and edited.rules.last_error is None and not edited.rules.errors


def test_another_type_keeps_what_all_share():
    edited = Edited(NORMAL)
    edited.rules.cards[0].initializer.menu.value = "Xavier"
    assert edited.cfg == [{"type": "Xavier", "bias": 2, "layer": ["Conv2d"]}]
    assert edited.edits == 1


def test_pretrained_has_a_checkpoint_and_no_layer():
    edited = Edited(NORMAL)
    card = edited.rules.cards[0]
    card.initializer.menu.value = "Pretrained"
    assert edited.rules.errors == {"init_cfg[0].checkpoint": "needs a value."}
    card.initializer.form["checkpoint"].control.value = "weights.pth"
    assert edited.cfg == [{"type": "Pretrained", "checkpoint": "weights.pth"}]
    assert card.picker.layout.display == "none" and not edited.rules.errors
    card.initializer.menu.value = "Normal"
    assert edited.cfg == [{"type": "Normal", "layer": ["Conv2d"]}]


def press(rules: RuleList, at: int, button: int) -> None:
    rules.lines[at].click()
    rules.card_box.children[0].children[button].click()


@pytest.mark.parametrize(
    ("edit", "kinds"),
    [
        (lambda rules: rules.add.click(), ["Kaiming", "Constant", "Kaiming"]),
        (lambda rules: press(rules, 1, 1), ["Constant", "Kaiming"]),
        (lambda rules: press(rules, 1, 2), ["Kaiming"]),
        (lambda rules: press(rules, 0, 1), ["Constant"]),
    ],
    ids=["add", "up", "remove last", "remove first"],
)
def test_buttons_edit_the_list(edit, kinds):
    edited = Edited([KAIMING, ONE])
    edit(edited.rules)
    assert [rule["type"] for rule in edited.cfg] == kinds
    assert [card.value["type"] for card in edited.rules.cards] == kinds
    lines = [line.description for line in edited.rules.lines]
    assert [line.split()[:2] for line in lines] == [
        [str(at), kind] for at, kind in enumerate(kinds, 1)
    ]
    assert edited.edits == 1


def test_a_card_still_works_after_the_list_has_changed():
    edited = Edited([KAIMING, NORMAL])
    press(edited.rules, 0, 1)
    set_std(edited.rules)
    assert edited.cfg == [{**NORMAL, "std": 0.5}]


def test_a_preset_replaces_all_rules_and_keeps_the_seed():
    edited = Edited([NORMAL])
    name = next(iter(PRESETS))
    edited.rules.presets.value = name
    assert edited.rules.state == RuleSet(DEFAULT_PRESET.rules(edited.rules.model), 0)
    advance(edited.rules)
    assert edited.rules.presets.value == name  # ticked already: no edit
    untick(edited.rules)
    assert edited.rules.presets.value == ""


@pytest.mark.parametrize(
    ("text", "seed", "errors"),
    [
        ("12", 12, {}),
        (" -3 ", -3, {}),
        ("", None, {}),
        ("1.5", 0, {"seed": "expected a whole number or nothing, got '1.5'."}),
        ("x", 0, {"seed": "expected a whole number or nothing, got 'x'."}),
    ],
)
def test_the_seed_is_a_whole_number_or_nothing(text, seed, errors):
    edited = Edited(KAIMING)
    edited.rules.seed.value = text
    assert edited.rules.state.seed == seed and edited.rules.errors == errors and edited.edits == 1


BAD = [
    ({**NORMAL, "std": float("nan")}, "init_cfg[0].std",
     "expected a finite number of 0 or more, got nan."),
    ({"type": "Kaimin", "layer": "Conv2d"}, "init_cfg[0].type",
     "Kaimin is not in the initializer registry. Did you mean 'Kaiming'?"),
    ({**NORMAL, "stdd": 1}, "init_cfg[0].stdd",
     "NormalInit has no such argument. Did you mean 'std'?"),
    ({**NORMAL, "std": "1"}, "init_cfg[0].std", "expected float, got '1' (str)."),
    ({**NORMAL, "override": {"type": "Constant", "val": 1}}, "init_cfg[0].override.name",
     "an override needs the key 'name', an attribute of the model. Add name='...'."),
    ({**NORMAL, "override": {"name": "fc"}}, "init_cfg[0].override.name",
     "Sequential has no module 'fc'. Known: 0, 1, 2."),
    ({**NORMAL, "override": [{"name": "0"}, {"name": "fc"}]}, "init_cfg[0].override[1].name",
     "Sequential has no module 'fc'. Known: 0, 1, 2."),
    ({**NORMAL, "override": {"name": "0", "std": 1}}, "init_cfg[0].override.type",
     "an override with arguments of its own (std) needs a 'type'. Add type='Normal'."),
    ({**NORMAL, "override": {"type": "Uniform", "a": 2, "name": "0"}}, "init_cfg[0].override.b",
     "expected a or more (a=2), got 1."),
    ({"type": "Kaiming", "layer": "BatchNorm2d"}, "init_cfg[0].type",
     "Kaiming needs a weight of 2 or more dimensions, 1.weight of BatchNorm2d has shape (8,)."),
    ({"type": "Pretrained", "checkpoint": "x", "layer": "Conv2d"}, "init_cfg[0].layer",
     "PretrainedInit has no such argument. Known: adapt, checkpoint, key, map_location, prefix, "
     "revise_keys, trust."),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "path", "message"), BAD, ids=[case[1] for case in BAD])
def test_an_error_is_shown_at_its_field(cfg, path, message):
    edited = Edited([cfg])
    assert not edited.rules.errors
    edited.show_plan_error()
    assert edited.rules.errors == {path: message}
    edited.rules.clear_errors()
    assert not edited.rules.errors and edited.rules.last_error is None


def test_an_unreadable_number_is_refused_and_keeps_the_last_good_one():
    edited = Edited([NORMAL])
    edited.rules.cards[0].initializer.form["bias_prob"].control.value = "much"
    assert edited.rules.errors == {"init_cfg[0].bias_prob": "expected float or None, got 'much'."}
    assert edited.edits == 1 and edited.cfg == [NORMAL]
    edited.rules.cards[0].initializer.form["bias_prob"].control.value = "0.5"
    assert not edited.rules.errors and edited.edits == 2


def test_foreign_errors_are_not_taken():
    assert not Edited([NORMAL]).rules.show_error(ConfigError("conv1.weight", "it is on meta."))
    assert not Edited([NORMAL]).rules.show_error(ConfigError("init_cfg[7]", "is not here."))


def test_a_custom_initialiser_is_in_the_menu_with_its_fields():
    @INITIALIZERS.register_module(name="HalfInit")
    class HalfInit:
        def __init__(self, half: float = 0.5) -> None:
            self.half = half

        def __call__(self, module: nn.Module) -> None:
            pass

    @INITIALIZERS.register_module(name="NotCallable")
    class NotCallable:
        pass

    try:
        card = Edited([NORMAL]).rules.cards[0]
        words = [name for name, _ in card.initializer.menu.options]
        assert "HalfInit" in words and "NotCallable" not in words
        card.initializer.menu.value = "HalfInit"
        assert list(card.initializer.form.rows) == ["half"] and card.value == {"type": "HalfInit"}
    finally:
        for name in ("HalfInit", "NotCallable"):
            del INITIALIZERS.module_dict[name]


def test_boxes_say_how_many_modules_they_meet():
    rules = Edited([{**NORMAL, "layer": ["Conv2d", "Conv2D", "_BatchNorm"]}]).rules
    assert [box.description for box in rules.cards[0].picker.boxes.values()] == [
        "Conv2d × 1", "BatchNorm2d × 1", "Linear × 1", "Conv2D × 0", "_BatchNorm × 1",
    ]  # fmt: skip


def test_arguments_at_their_defaults_are_folded():
    edited = Edited([KAIMING, ONE])
    first, second = (card.initializer for card in edited.rules.cards)
    assert first.form is None and second.form is not None
    assert first.body.description == "Arguments: defaults"
    first.body.click()
    assert list(first.form.rows) == [
        "a", "mode", "nonlinearity", "distribution", "bias", "bias_prob",
        "in_axis", "out_axis", "batch_axis",
    ]  # fmt: skip
    assert edited.edits == 0 and edited.cfg == [KAIMING, ONE]


def test_an_override_is_left_out_until_it_has_a_part():
    edited = Edited([NORMAL])
    card = edited.rules.cards[0]
    card.add.click()
    [begun] = card.overrides
    assert begun.message == "Choose a part of the model." and 'role="status"' in begun.notice.value
    assert not edited.rules.errors and edited.cfg == [NORMAL]
    begun.initializer.menu.value = "Constant"
    begun.initializer.form["val"].control.value = "3"
    edited.rules.clear_errors()
    assert begun.message == "Choose a part of the model." and edited.cfg == [NORMAL]
    card.add.click()
    card.overrides[1].name.value = "head"
    edited.show_plan_error()  # the path counts only what is in the rule
    assert edited.rules.errors == {
        "init_cfg[0].override.name": "Sequential has no module 'head'. Known: 0, 1, 2."
    }
    card.overrides[1].name.value = ""
    begun.name.value = "2"
    edited.rules.clear_errors()
    assert not begun.message and card.overrides[1].message == "Choose a part of the model."
    assert edited.cfg[0]["override"] == {"type": "Constant", "val": 3, "name": "2"}


def test_a_parameters_name_is_a_part_of_the_model_too():
    edited = Edited([{**NORMAL, "override": {"name": "2.weight"}}])
    assert edited.rules.errors == {}
    assert plan(edited.rules.model, edited.cfg)["2.weight"].source == "init_cfg[0].override"


def test_edits_of_the_rules_are_taken_back_and_made_again():
    edited = Edited([KAIMING, ONE])
    rules = edited.rules
    noted = []
    rules.on_edit = noted.append
    rules.add.click()
    rules.seed.value = "5"
    rules.presets.value = "xavier_uniform"
    preset = edited.cfg
    before = edited.edits
    rules.undo_edit()
    assert len(edited.cfg) == 3 and rules.state.seed == 5 and edited.edits == before + 1
    rules.undo_edit()
    assert rules.state.seed == 0 and rules.seed.value == "0"
    rules.undo_edit()
    assert edited.cfg == [KAIMING, ONE] and len(rules.cards) == 2
    assert not rules.lab_state.history.past and len(rules.lab_state.history.future) == 3
    for _ in range(3):
        rules.redo_edit()
    assert edited.cfg == preset and rules.seed.value == "5"
    assert noted == ["add rule", "seed", "Xavier, uniform"]
    assert rules.last_error is None


def test_a_row_shrinks_to_its_column():
    edited = Edited([WITH_TWO, {"type": "Pretrained", "checkpoint": "w.pth"}])
    layout = edited.rules.cards[0].overrides[0].name.layout
    assert (layout.width, layout.flex, layout.min_width) == ("auto", "1 1 0", "0")
    assert (
        edited.rules.cards[1].initializer.form["checkpoint"].default_label.layout.min_width is None
    )


def test_a_long_name_of_a_class_ends_in_dots_inside_the_list():
    name = "MultiScaleDeformableCrossAttentionWithRelativePositionBias"
    model = nn.Sequential(type(name, (nn.Linear,), {})(2, 2), nn.ReLU())
    boxes = RuleList(model, RuleSet.from_cfg(KAIMING)).cards[0].picker.boxes
    assert boxes[name].description == f"{name} × 1"  # the page's tooltip too
    assert {box.layout.max_width for box in boxes.values()} == {"calc(100% - 1em)"}


def test_names_of_presets_fit_their_menu():
    for language in LANGUAGES:
        menu = RuleList(conv_net(), RuleSet(), texts=Texts(language)).presets
        assert [value for _, value in menu.options] == ["", *PRESETS, *presets(conv_net())]
        wide = [sum(2 if east_asian_width(c) in "WF" else 1 for c in n) for n, _ in menu.options]
        assert max(wide) <= 28


def test_zero_gamma_names_the_blocks():
    from torchvision_support import import_torchvision

    model = import_torchvision().models.resnet18(weights=None)
    rules = PRESETS["zero_gamma"].rules(model)
    assert rules[-1] == {"type": "ZeroGamma", "layer": ["BasicBlock"]}
    zeros = {row.name for row in plan(model, list(rules)).rows if str(row.law) == "Constant(0)"}
    assert "layer1.0.bn2.weight" in zeros and "layer1.0.bn1.weight" not in zeros
    assert PRESETS["zero_gamma"].rules(conv_net()) == PRESETS["kaiming_fan_out"].rules(conv_net())


def test_each_rule_is_a_line_and_one_at_a_time_is_open():
    rules = RuleList(conv_net(), RuleSet(DEFAULT_PRESET.rules(conv_net()), 0))
    assert rules.made == [None, None] and rules.card_box.children == ()
    texts = ["1 Kaiming → Conv2d ×1, Linear ×1", "2 Constant → BatchNorm2d ×1"]
    assert [line.description for line in rules.lines] == texts
    rules.show_plan(plan(rules.model, rules.state.to_init_cfg()))
    assert [line.description for line in rules.lines] == [
        f"{texts[0]}, std 0.19, 0", f"{texts[1]}, 0, 1"
    ]  # fmt: skip
    rules.lines[0].click()
    assert rules.made[1] is None and rules.lines[0].icon == "caret-down"
    part = rules.cards[0].initializer
    assert part.form.value == {"mode": "fan_in", "nonlinearity": "auto"}
    assert part.children == (part.menu, part.form)
    rules.lines[1].click()
    assert rules.card_box.children[1] is rules.cards[1] and rules.lines[0].icon == "caret-right"
    rules.lines[1].click()
    assert rules.card_box.children == () and not rules.errors


def test_what_is_wrong_with_a_rule_opens_it_and_marks_its_line():
    edited = Edited([ONE, {"type": "Normal", "std": -1, "layer": ["Conv2d"]}])
    assert edited.rules.opened is None
    edited.show_plan_error()
    edited.rules.show_plan(None)
    assert edited.rules.opened == 1
    assert edited.rules.lines[1].description == "⚠ 2 Normal → Conv2d ×1"
    assert edited.rules.lines[0].description == "1 Constant → BatchNorm2d ×1"


def test_starts_of_the_literature_that_fit_the_model():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Embedding(5, 4))
    rules = RuleList(model, RuleSet(DEFAULT_PRESET.rules(model), 0))
    names = [name for _, name in rules.presets.options]
    assert names == ["", *PRESETS, "BERT"]
    rules.presets.value = "BERT"
    assert [rule["type"] for rule in rules.state.rules] == ["Constant", "Normal", "Normal"]


class Started(nn.Module):
    """A model that starts itself, but for a table that it fills by code of its own."""

    def __init__(self, *, computed: bool = False) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        nn.init.normal_(self.body.weight, std=0.02)
        if computed:
            with torch.no_grad():
                self.head.weight.copy_(torch.randn(2, 4).cumsum(1))


def test_the_menu_has_the_models_own_start_where_what_builds_it_is_known():
    assert "own_start" not in dict(map(reversed, RuleList(Started(), RuleSet()).presets.options))
    rules = RuleList(Started(), RuleSet(), build=Started)
    assert rules.presets.options[1] == ("As the model starts itself", "own_start")
    rules.presets.value = "own_start"
    made = plan(rules.model, [*rules.state.rules])
    assert {name: str(made[name].law) for name in made} == {
        "body.weight": "Normal(0, 0.02)",
        "body.bias": "Uniform(-0.5, 0.5)",
        "head.weight": "Uniform(-0.5, 0.5)",
        "head.bias": "Uniform(-0.5, 0.5)",
    }
    assert rules.message == ""


def test_what_no_rule_can_say_of_an_own_start_is_named():
    rules = RuleList(Started(), RuleSet(), build=partial(Started, computed=True))
    rules.presets.value = "own_start"
    assert rules.message == "No rule says how head.weight starts: it is left as it is."


def test_an_own_start_of_another_model_is_refused():
    rules = RuleList(nn.Linear(3, 3), RuleSet(), build=lambda: nn.Linear(3, 4))
    rules.presets.value = "own_start"
    assert "it builds another model: weight is (4, 3) there, here (3, 3)." in rules.message
    assert rules.state.rules == ()
