"""The rules of the init lab: a list of cards that mirrors an `RuleSet`."""

from __future__ import annotations

import re
from collections.abc import Callable

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.history import History
from brickbook.lab.init.presets import DEFAULT_NAME, DEFAULT_PRESET, PRESETS
from brickbook.lab.init.rules.rule_card import LayerClasses, RuleCard
from brickbook.lab.init.state import RuleHistory, RuleSet
from brickbook.lab.init.words import problem_text
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

    ``lab_state`` holds it with its history. Controls by name, for a program: ``cards``, ``add``,
    ``presets``, ``seed``, ``undo_edit``, ``redo_edit``.
    """

    message_position = 2  # below the seed

    def __init__(
        self,
        model: nn.Module,
        state: RuleSet,
        on_change: Callable[[], None] = lambda: None,
        texts: Texts | None = None,
    ) -> None:
        self.model, self.lab_state, self.on_change = model, RuleHistory(History(state)), on_change
        self.texts = texts = texts or Texts()
        self.classes = LayerClasses(model)
        self.module_names = [name for name, _ in model.named_modules() if name]
        self.cards: list[RuleCard] = []
        self.card_box = w.VBox(layout=full_width())
        self.add = Button(
            description=texts["rules.add"],
            icon="plus",
            tooltip=texts["rules.add_tip"],
            layout=LeanLayout(width="auto", align_self="flex-start"),
        )
        self.presets = w.Dropdown(
            options=[
                (texts["rules.choose"], NO_PRESET),
                *((texts[f"preset.{name}"], name) for name in PRESETS),
            ],
            value=DEFAULT_NAME if state.rules == DEFAULT_PRESET.rules(model) else NO_PRESET,
            description=texts["rules.presets"],
            style={"description_width": "9ch"},
            layout=full_width(max_width="26em"),
        )
        self.seed = w.Text(
            value="" if state.seed is None else str(state.seed),
            description=texts["place.seed"],
            placeholder=texts["rules.seed_hint"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=full_width(max_width="26em"),
        )
        self.undo_edit = icon_button("reply", texts["rules.back"])
        self.redo_edit = icon_button("share", texts["rules.forth"], self.undo_edit)
        self.rebuild_cards()
        self.add.on_click(self.on_add)
        self.undo_edit.on_click(lambda _: self.go_to(self.lab_state.undo()))
        self.redo_edit.on_click(lambda _: self.go_to(self.lab_state.redo()))
        self.presets.observe(self.on_preset_change, "value")
        self.seed.observe(self.on_seed_change, "value")
        last = w.HBox(
            [self.add, self.undo_edit, self.redo_edit], layout=full_width(align_items="center")
        )
        super().__init__(self.presets, self.seed, self.card_box, last)

    @property
    def state(self) -> RuleSet:
        """The rules and the seed at hand; setting it is an edit that can be taken back."""
        return self.lab_state.rule_set

    @state.setter
    def state(self, state: RuleSet) -> None:
        self.lab_state = self.lab_state.apply(state)
        self.enable_history_buttons()

    def enable_history_buttons(self) -> None:
        """Enable the buttons of the history that lead anywhere."""
        history = self.lab_state.history
        self.undo_edit.disabled, self.redo_edit.disabled = not history.past, not history.future

    @reports_errors
    def go_to(self, lab_state: RuleHistory) -> None:
        """Show other rules: of the history, or a kept variant."""
        self.lab_state = lab_state
        self.enable_history_buttons()
        self.seed.unobserve(self.on_seed_change, "value")
        self.seed.value = "" if self.state.seed is None else str(self.state.seed)
        self.seed.observe(self.on_seed_change, "value")
        self.show_message("")
        self.presets.value = NO_PRESET
        self.rebuild_cards()
        self.on_change()

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown at the fields, by key path."""
        found = {
            f"init_cfg[{at}].{key}".rstrip("."): text
            for at, card in enumerate(self.cards)
            for key, text in card.errors.items()
        }
        return {**found, **({"seed": self.message} if self.message else {})}

    @property
    def idle_layers(self) -> list[tuple[str, str]]:
        """The layers that rules name beside others, and that the model lacks, by key path."""
        return [
            (f"init_cfg[{at}].layer", name)
            for at, card in enumerate(self.cards)
            if card.shows_layer and len(card.picker.idle) < len(card.picker.value)
            for name in card.picker.idle
        ]

    def rebuild_cards(self) -> None:
        """Make the cards anew."""
        self.enable_history_buttons()
        old, self.cards = self.cards, [self.make_card(at) for at in range(len(self.state))]
        self.arrange_cards()
        for card in old:
            close_tree(card)

    def make_card(self, index: int) -> RuleCard:
        """Make the card of the rule at ``index``."""
        card = RuleCard(
            self.state.rules[index],
            self.classes,
            self.module_names,
            lambda: self.on_card_change(card),
            self.texts,
            folded=self.presets.value != NO_PRESET,
        )
        return card

    def arrange_cards(self) -> None:
        """Show the cards in order, each under its number."""
        old = self.card_box.children
        self.card_box.children = tuple(self.frame_card(at) for at in range(len(self.cards)))
        for frame in old:
            frame.children = frame.children[:1]  # the card lives on in another frame
            close_tree(frame)

    def frame_card(self, index: int) -> w.VBox:
        """Put a card under a heading with its buttons."""
        drop = icon_button("trash", self.texts("rules.remove", n=index + 1))
        drop.on_click(lambda _: self.remove_rule(index))
        buttons = [drop]
        if index:
            up = icon_button("arrow-up", self.texts("rules.up", n=index + 1), drop)
            up.on_click(lambda _: self.move_rule(index, index - 1))
            buttons.insert(0, up)
        title = f"<b>{escape(self.texts('rules.rule', n=index + 1))}</b>"
        heading = HTMLText(title, layout=LeanLayout(flex="1 1 auto", margin="0"))
        line = w.HBox([heading, *buttons], layout=full_width(align_items="center"))
        edge = "1px solid var(--jp-border-color2, #888)"
        return w.VBox(
            [line, self.cards[index]], layout=full_width(border_top=edge, padding="2px 0 4px 0")
        )

    def on_card_change(self, card: RuleCard) -> None:
        """Put the edit of one card into the rules."""
        if card in self.cards:
            self.state = self.state.replace(self.cards.index(card), card.value)
            self.presets.value = NO_PRESET  # the rules are no preset's any more
            self.on_change()

    def show_edit(self) -> None:
        """Show that there are other rules now, or that they stand in another order."""
        self.arrange_cards()
        self.presets.value = NO_PRESET
        self.on_change()

    @reports_errors
    def on_add(self, _button: w.Button) -> None:
        """Add a rule that names no layer yet."""
        self.state = self.state.add(NEW_RULE)
        self.cards.append(self.make_card(len(self.cards)))
        self.show_edit()

    @reports_errors
    def move_rule(self, index: int, new_index: int) -> None:
        """Move a rule: among equals the later one wins."""
        self.state = self.state.move(index, new_index)
        self.cards.insert(new_index, self.cards.pop(index))
        self.show_edit()

    @reports_errors
    def remove_rule(self, index: int) -> None:
        """Remove a rule."""
        self.state = self.state.remove(index)
        card = self.cards.pop(index)
        self.show_edit()
        close_tree(card)

    @reports_errors
    def on_preset_change(self, change: dict) -> None:
        """Replace all rules by those of a preset."""
        if change["new"] == NO_PRESET:
            return
        self.state = RuleSet(PRESETS[change["new"]].rules(self.model), self.state.seed)
        self.rebuild_cards()
        self.on_change()

    @reports_errors
    def on_seed_change(self, change: dict) -> None:
        """Use another seed: a whole number, or nothing."""
        text = change["new"].strip()
        self.show_message("")
        if text and not re.fullmatch(r"[+-]?\d+", text):
            self.show_message(self.texts("rules.bad_seed", text=repr(text)))
        else:
            self.state = self.state.reseed(int(text) if text else None)
        self.on_change()

    def show_error(self, error: ConfigError) -> bool:
        """Show an error at the field its path names; False if that is none of these."""
        message = problem_text(error, self.texts)
        found = re.match(r"init_cfg\[(\d+)\](?:$|\.)", error.path)
        if found and int(found[1]) < len(self.cards):
            self.cards[int(found[1])].show_error(error.path[found.end() :], message)
            return True
        if error.path == "seed":
            self.show_message(message)
        return error.path == "seed"

    def clear_errors(self) -> None:
        """Take away the messages of `show_error`."""
        for card in self.cards:
            card.clear_errors()
