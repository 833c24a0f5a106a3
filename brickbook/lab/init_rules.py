"""The rules of the init lab: a list of cards that mirrors an `InitState`."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError
from brickbook.lab.init_layers import Classes
from brickbook.lab.init_look import Part, icon_button, wide
from brickbook.lab.init_presets import PRESETS
from brickbook.lab.init_rule import RuleCard
from brickbook.lab.init_state import InitState
from brickbook.lab.light import Button, Slim, Words
from brickbook.lab.panel_state import PanelState
from brickbook.lab.panels import close_tree, guarded
from brickbook.texts import Texts

__all__ = ["RuleList"]

NEW = {"type": "Kaiming"}
CHOOSE = ""  # no preset; None would be no choice for a menu


class RuleList(Part):
    """The rules and the seed: ``state`` is what the controls say, ``changed`` hears of edits.

    ``panel`` holds it with its history. Controls by name, for a program: ``cards``, ``add``,
    ``presets``, ``seed``, ``back``, ``forth``.
    """

    spot = 2  # below the seed

    def __init__(
        self,
        model: nn.Module,
        state: InitState,
        changed: Callable[[], None] = lambda: None,
        texts: Texts | None = None,
    ) -> None:
        self.model, self.panel, self.changed = model, PanelState(state), changed
        self.texts = texts = texts or Texts()
        self.classes = Classes(model)
        self.names = [name for name, _ in model.named_modules() if name]
        self.cards: list[RuleCard] = []
        self.shelf = w.VBox(layout=wide())
        self.add = Button(
            description=texts["rules.add"],
            icon="plus",
            tooltip=texts["rules.add_tip"],
            layout=Slim(width="auto", align_self="flex-start"),
        )
        self.presets = w.Dropdown(
            options=[
                (texts["rules.choose"], CHOOSE),
                *((texts[f"preset.{name}"], name) for name in PRESETS),
            ],
            description=texts["rules.presets"],
            style={"description_width": "9ch"},
            layout=wide(max_width="26em"),
        )
        self.seed = w.Text(
            value="" if state.seed is None else str(state.seed),
            description=texts["place.seed"],
            placeholder=texts["rules.seed_hint"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=wide(max_width="26em"),
        )
        self.back = icon_button("reply", texts["rules.back"])
        self.forth = icon_button("share", texts["rules.forth"], self.back)
        self.fill()
        self.add.on_click(self.press_add)
        self.back.on_click(lambda _: self.travel(self.panel.undo()))
        self.forth.on_click(lambda _: self.travel(self.panel.redo()))
        self.presets.observe(self.take_preset, "value")
        self.seed.observe(self.take_seed, "value")
        last = w.HBox([self.add, self.back, self.forth], layout=wide(align_items="center"))
        super().__init__(self.presets, self.seed, self.shelf, last)

    @property
    def state(self) -> InitState:
        """The rules and the seed at hand; setting it is an edit that can be taken back."""
        return self.panel.state

    @state.setter
    def state(self, state: InitState) -> None:
        self.panel = self.panel.apply(state)
        self.allow()

    def allow(self) -> None:
        """Say which way the history goes."""
        self.back.disabled, self.forth.disabled = not self.panel.past, not self.panel.future

    @guarded
    def travel(self, panel: PanelState) -> None:
        """Show other rules: of the history, or a kept variant."""
        self.panel = panel
        self.allow()
        self.seed.unobserve(self.take_seed, "value")
        self.seed.value = "" if self.state.seed is None else str(self.state.seed)
        self.seed.observe(self.take_seed, "value")
        self.say("")
        self.presets.value = CHOOSE
        self.fill()
        self.changed()

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown at the fields, by key path."""
        found = {
            f"init_cfg[{at}].{key}".rstrip("."): text
            for at, card in enumerate(self.cards)
            for key, text in card.errors.items()
        }
        return {**found, **({"seed": self.message} if self.message else {})}

    def fill(self) -> None:
        """Make the cards anew."""
        self.allow()
        old, self.cards = self.cards, [self.card(at) for at in range(len(self.state))]
        self.arrange()
        for card in old:
            close_tree(card)

    def card(self, at: int) -> RuleCard:
        """Make the card of the rule at ``at``."""
        card = RuleCard(
            self.state.rules[at], self.classes, self.names, lambda: self.take(card), self.texts
        )
        return card

    def arrange(self) -> None:
        """Show the cards in order, each under its number."""
        old = self.shelf.children
        self.shelf.children = tuple(self.framed(at) for at in range(len(self.cards)))
        for frame in old:
            frame.children = frame.children[:1]  # the card lives on in another frame
            close_tree(frame)

    def framed(self, at: int) -> w.VBox:
        """Put a card under a heading with its buttons."""
        drop = icon_button("trash", self.texts("rules.remove", n=at + 1))
        drop.on_click(lambda _: self.drop(at))
        buttons = [drop]
        if at:
            up = icon_button("arrow-up", self.texts("rules.up", n=at + 1), drop)
            up.on_click(lambda _: self.move(at, at - 1))
            buttons.insert(0, up)
        title = f"<b>{escape(self.texts('rules.rule', n=at + 1))}</b>"
        heading = Words(title, layout=Slim(flex="1 1 auto", margin="0"))
        line = w.HBox([heading, *buttons], layout=wide(align_items="center"))
        edge = "1px solid var(--jp-border-color2, #888)"
        return w.VBox([line, self.cards[at]], layout=wide(border_top=edge, padding="2px 0 4px 0"))

    def take(self, card: RuleCard) -> None:
        """Take an edit of one card."""
        if card in self.cards:
            self.state = self.state.replace(self.cards.index(card), card.value)
            self.presets.value = CHOOSE  # the rules are no preset's any more
            self.changed()

    def edited(self) -> None:
        """Show that there are other rules now, or that they stand in another order."""
        self.arrange()
        self.presets.value = CHOOSE
        self.changed()

    @guarded
    def press_add(self, _button: w.Button) -> None:
        """Add a rule that names no layer yet."""
        self.state = self.state.add(NEW)
        self.cards.append(self.card(len(self.cards)))
        self.edited()

    @guarded
    def move(self, at: int, to: int) -> None:
        """Move a rule: among equals the later one wins."""
        self.state = self.state.move(at, to)
        self.cards.insert(to, self.cards.pop(at))
        self.edited()

    @guarded
    def drop(self, at: int) -> None:
        """Remove a rule."""
        self.state = self.state.remove(at)
        card = self.cards.pop(at)
        self.edited()
        close_tree(card)

    @guarded
    def take_preset(self, change: dict) -> None:
        """Take the rules of a preset in the place of all that are there."""
        if change["new"] == CHOOSE:
            return
        self.state = InitState(PRESETS[change["new"]].rules(self.model), self.state.seed)
        self.fill()
        self.changed()

    @guarded
    def take_seed(self, change: dict) -> None:
        """Take a seed: a whole number, or nothing."""
        text = change["new"].strip()
        self.say("")
        if text and not re.fullmatch(r"[+-]?\d+", text):
            self.say(self.texts("rules.bad_seed", text=repr(text)))
        else:
            self.state = self.state.reseed(int(text) if text else None)
        self.changed()

    def complain(self, error: ConfigError) -> bool:
        """Show an error at the field its path names; False if that is none of these."""
        message = f"{error.problem} {error.hint}".rstrip()
        found = re.match(r"init_cfg\[(\d+)\](?:$|\.)", error.path)
        if found and int(found[1]) < len(self.cards):
            self.cards[int(found[1])].complain(error.path[found.end() :], message)
            return True
        if error.path == "seed":
            self.say(message)
        return error.path == "seed"

    def forgive(self) -> None:
        """Take the messages of `complain` away."""
        for card in self.cards:
            card.forgive()
