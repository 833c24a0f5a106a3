"""The rules of the init lab: a list of cards that mirrors an `RuleSet`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError, join_limited
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.init.planning import InitPlan
from brickbook.lab.history import History
from brickbook.lab.init.presets import (
    DEFAULT_NAME,
    DEFAULT_PRESET,
    OWN_START,
    preset_options,
    preset_rules,
    preset_title,
    trace_start,
)
from brickbook.lab.init.rules.rule_card import (
    LayerClasses,
    RuleCard,
    as_sequence,
    lacks_arguments,
    layer_name,
)
from brickbook.lab.init.state import RuleHistory, RuleSet
from brickbook.lab.init.words import problem_text, rule_line
from brickbook.lab.widgets import (
    Button,
    HTMLText,
    LeanLayout,
    Section,
    close_tree,
    full_width,
    icon_button,
    reports_errors,
)

NEW_RULE = {"type": "Kaiming"}
NO_PRESET = ""  # no preset; None would be no choice for a menu


class RuleList(Section):
    """The rules and the seed: ``state`` is what the controls hold, ``on_change`` follows edits.

    Each rule is one line, a button that opens its card; one card at a time is open. ``lab_state``
    holds the rules with their history, and ``on_edit`` hears of each step of it, in words. With
    ``build``, what builds such a model, the menu has that model's own start. Controls
    by name, for a program: ``cards``, ``lines``, ``add``, ``presets``, ``seed``.
    """

    message_position = 1  # below the seed

    def __init__(
        self,
        model: nn.Module,
        state: RuleSet,
        on_change: Callable[[], None] = lambda: None,
        texts: Texts | None = None,
        on_edit: Callable[[str], None] = lambda _: None,
        build: Callable[[], nn.Module] | None = None,
    ) -> None:
        self.model, self.lab_state, self.on_change = model, RuleHistory(History(state)), on_change
        self.texts = texts = texts or Texts()
        self.on_edit, self.build = on_edit, build
        self.classes = LayerClasses(model)
        self.module_names = [name for name, _ in model.named_modules() if name]
        self.made: list[RuleCard | None] = []
        self.lines: list[Button] = []
        self.opened: int | None = None
        self.plan: InitPlan | None = None
        self.line_box = w.HBox(layout=full_width(flex_flow="row wrap"))
        self.card_box = w.VBox(layout=full_width(max_width="62em"))
        self.add = Button(
            description=texts["rules.add"],
            icon="plus",
            tooltip=texts["rules.add_tip"],
            layout=full_width(),
        )
        self.presets = w.Dropdown(
            options=[
                (texts["rules.choose"], NO_PRESET),
                *preset_options(model, texts, build is not None),
            ],
            value=DEFAULT_NAME if state.rules == DEFAULT_PRESET.rules(model) else NO_PRESET,
            description=texts["rules.presets"],
            style={"description_width": "9ch"},
            layout=LeanLayout(width="26em"),
        )
        self.seed = w.Text(
            value="" if state.seed is None else str(state.seed),
            description=texts["place.seed"],
            placeholder=texts["rules.seed_hint"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=LeanLayout(width="18em"),
        )
        self.rebuild_cards()
        self.add.on_click(self.on_add)
        self.presets.observe(self.on_preset_change, "value")
        self.seed.observe(self.on_seed_change, "value")
        first = w.HBox([self.presets, self.seed], layout=full_width(flex_flow="row wrap"))
        super().__init__(first, self.line_box, self.card_box)

    @property
    def state(self) -> RuleSet:
        """The rules and the seed at hand; setting it is an edit that can be taken back."""
        return self.lab_state.rule_set

    @state.setter
    def state(self, state: RuleSet) -> None:
        self.record(state, self.texts["edit.rules"])

    def record(self, state: RuleSet, what: str) -> None:
        """Note an edit, with what it is in words."""
        old = self.lab_state
        self.lab_state = old.apply(state)
        if self.lab_state.history is not old.history:
            self.on_edit(what)

    def undo_edit(self) -> None:
        """Take the last edit back."""
        self.go_to(self.lab_state.undo())

    def redo_edit(self) -> None:
        """Make the edit again that was taken back."""
        self.go_to(self.lab_state.redo())

    @reports_errors
    def go_to(self, lab_state: RuleHistory, what: str = "") -> None:
        """Show other rules: of the history, or as an edit, with ``what`` it is, a kept variant."""
        if what and lab_state.history is not self.lab_state.history:
            self.on_edit(what)
        self.lab_state = lab_state
        self.seed.unobserve(self.on_seed_change, "value")
        self.seed.value = "" if self.state.seed is None else str(self.state.seed)
        self.seed.observe(self.on_seed_change, "value")
        self.show_message("")
        self.presets.value = NO_PRESET
        self.rebuild_cards()
        self.on_change()

    @property
    def cards(self) -> list[RuleCard]:
        """The cards of all rules; one that was not needed so far is made."""
        return [self.card(at) for at in range(len(self.made))]

    def card(self, index: int) -> RuleCard:
        """Return the card of a rule."""
        found = self.made[index]
        if found is None:
            found = self.made[index] = self.make_card(index)
        return found

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown at the fields, by key path."""
        found = {
            f"init_cfg[{at}].{key}".rstrip("."): text
            for at, card in enumerate(self.made)
            if card is not None
            for key, text in card.errors.items()
        }
        return {**found, **({"seed": self.message} if self.message else {})}

    @property
    def idle_layers(self) -> list[tuple[str, str]]:
        """The layers that rules name beside others, and that the model lacks, by key path."""
        found: list[tuple[str, str]] = []
        for at, rule in enumerate(self.state.rules):
            layers = as_sequence(rule.get("layer"))
            idle = [layer_name(it) for it in layers if not self.classes.count_matches(it)]
            if len(idle) < len(layers):
                found += [(f"init_cfg[{at}].layer", name) for name in idle]
        return found

    def rebuild_cards(self) -> None:
        """Forget the cards; those that are looked at, or that lack something, are made anew."""
        old, count = self.made, len(self.state)
        self.made = [None] * count
        if self.opened is not None and self.opened >= count:
            self.opened = None
        for at, rule in enumerate(self.state.rules):
            if lacks_arguments(rule):
                self.card(at)
                self.opened = at if self.opened is None else self.opened
        self.arrange()
        for card in filter(None, old):
            close_tree(card)

    def make_card(self, index: int) -> RuleCard:
        """Make the card of the rule at ``index``."""
        card = RuleCard(
            self.state.rules[index],
            self.classes,
            self.module_names,
            lambda: self.on_card_change(card),
            self.texts,
        )
        return card

    def arrange(self) -> None:
        """Show a line for each rule, and the card of the one that is open."""
        while len(self.lines) < len(self.made):
            self.lines.append(self.make_line(len(self.lines)))
        gone = self.lines[len(self.made) :]
        del self.lines[len(self.made) :]
        self.line_box.children = (*self.lines, self.add)
        for line in gone:
            w.Widget.close(line)  # its layout is that of the others
        self.write_lines()
        old = self.card_box.children
        self.card_box.children = () if self.opened is None else self.card_parts(self.opened)
        for part in old[:1]:
            close_tree(part)

    def make_line(self, index: int) -> Button:
        """Make the button that opens and closes a rule."""
        made = Button(layout=self.add.layout)
        made.on_click(lambda _: self.open_rule(None if self.opened == index else index))
        return made

    def write_lines(self) -> None:
        """Write what each rule does, and what is wrong with it."""
        wrong = {path.partition("]")[0] for path in self.errors}
        for at, (line, rule) in enumerate(zip(self.lines, self.state.rules, strict=True)):
            is_open = at == self.opened
            line.icon = "caret-down" if is_open else "caret-right"
            line.tooltip = self.texts["fold.open_tip" if is_open else "fold.closed_tip"]
            text = rule_line(at, rule, self.classes.count_matches, self.plan, self.texts)
            line.description = f"⚠ {text}" if f"init_cfg[{at}" in wrong else text

    def show_plan(self, plan: InitPlan | None) -> None:
        """Write into the lines what the rules would do; None while they cannot be used."""
        self.plan = plan
        self.write_lines()

    @reports_errors
    def open_rule(self, index: int | None) -> None:
        """Open the card of a rule, and close another; None for none."""
        self.opened = index
        self.arrange()

    def card_parts(self, index: int) -> tuple[w.Widget, ...]:
        """Return a card under a heading with its buttons."""
        drop = icon_button("trash", self.texts("rules.remove", n=index + 1))
        drop.on_click(lambda _: self.remove_rule(index))
        buttons = [drop]
        if index:
            up = icon_button("arrow-up", self.texts("rules.up", n=index + 1), drop)
            up.on_click(lambda _: self.move_rule(index, index - 1))
            buttons.insert(0, up)
        title = f"<b>{escape(self.texts('rules.rule', n=index + 1))}</b>"
        heading = HTMLText(title, layout=LeanLayout(flex="1 1 auto", margin="0"))
        edge = "1px solid var(--jp-border-color2, #888)"
        line = w.HBox([heading, *buttons], layout=full_width(align_items="center", border_top=edge))
        return line, self.card(index)

    def on_card_change(self, card: RuleCard) -> None:
        """Put the edit of one card into the rules."""
        if card in self.made:
            at = self.made.index(card)
            self.record(self.state.replace(at, card.value), self.texts("rules.rule", n=at + 1))
            self.presets.value = NO_PRESET  # the rules are no preset's any more
            self.on_change()

    def show_edit(self) -> None:
        """Show that there are other rules now, or that they stand in another order."""
        self.arrange()
        self.presets.value = NO_PRESET
        self.on_change()

    @reports_errors
    def on_add(self, _button: w.Button) -> None:
        """Add a rule that names no layer yet, and open it."""
        self.record(self.state.add(NEW_RULE), self.texts["edit.add"])
        self.made.append(None)
        self.opened = len(self.made) - 1
        self.show_edit()

    @reports_errors
    def move_rule(self, index: int, new_index: int) -> None:
        """Move a rule: among equals the later one wins."""
        self.record(self.state.move(index, new_index), self.texts("rules.up", n=index + 1))
        self.made.insert(new_index, self.made.pop(index))
        self.opened = new_index if self.opened == index else self.opened
        self.show_edit()

    @reports_errors
    def remove_rule(self, index: int) -> None:
        """Remove a rule."""
        self.record(self.state.remove(index), self.texts("rules.remove", n=index + 1))
        card = self.made.pop(index)
        self.opened = None
        self.show_edit()
        if card is not None:
            close_tree(card)

    @reports_errors
    def on_preset_change(self, change: dict) -> None:
        """Replace all rules by those of a preset."""
        name = change["new"]
        if name == NO_PRESET:
            return
        self.show_message("")
        found = self.own_start() if name == OWN_START else preset_rules(name, self.model)
        self.record(RuleSet(found, self.state.seed), preset_title(name, self.texts))
        self.opened = None
        self.rebuild_cards()
        self.on_change()

    def own_start(self) -> tuple[dict[str, Any], ...]:
        """Return rules that do what the model's own code does, and say what none can."""
        assert self.build is not None
        history = trace_start(self.build, self.model)
        if left := history.unexpressed:
            self.show_message(self.texts("rules.unexpressed", names=join_limited(left)))
        return tuple(history.to_init_cfg())

    @reports_errors
    def on_seed_change(self, change: dict) -> None:
        """Use another seed: a whole number, or nothing."""
        text = change["new"].strip()
        self.show_message("")
        if text and not re.fullmatch(r"[+-]?\d+", text):
            self.show_message(self.texts("rules.bad_seed", text=repr(text)))
        else:
            rules = self.state.reseed(int(text) if text else None)
            self.record(rules, self.texts["place.seed"])
        self.on_change()

    def show_error(self, error: ConfigError) -> bool:
        """Show an error at the field its path names; False if that is none of these."""
        message = problem_text(error, self.texts)
        found = re.match(r"init_cfg\[(\d+)\](?:$|\.)", error.path)
        if found and int(found[1]) < len(self.made):
            at = int(found[1])
            self.card(at).show_error(error.path[found.end() :], message)
            if self.opened is None:
                self.open_rule(at)
            return True
        if error.path == "seed":
            self.show_message(message)
        return error.path == "seed"

    def clear_errors(self) -> None:
        """Take away the messages of `show_error`."""
        for card in filter(None, self.made):
            card.clear_errors()
