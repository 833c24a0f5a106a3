"""Variants of the rules, kept under letters, and what each would make of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from brickbook.lab.init_look import Part, icon_button, wide
from brickbook.lab.init_rules import RuleList
from brickbook.lab.init_state import InitState
from brickbook.lab.light import Button, Label, Slim
from brickbook.lab.panel_state import MOST_VARIANTS
from brickbook.lab.panels import close_tree, guarded
from brickbook.texts import Texts
from brickbook.views.grid import Variant

__all__ = ["Variants", "summary_of"]

SHOWN = 3  # rules that are named


class Variants(Part):
    """Keep the rules at hand, look at several, take one of them; the model is not touched.

    ``imagine`` says what rules would make of the model; ``changed`` hears that there are other
    variants. ``found`` is what the grid shows, by letter. Controls: ``keep``, and by letter
    ``applies`` and ``drops``.
    """

    spot = 1

    def __init__(
        self,
        rules: RuleList,
        imagine: Callable[[InitState], Variant],
        changed: Callable[[], None],
        texts: Texts | None = None,
    ) -> None:
        self.rules, self.imagine, self.changed = rules, imagine, changed
        self.texts = texts or Texts()
        self.found: dict[str, Variant] = {}
        self.applies: dict[str, w.Button] = {}
        self.drops: dict[str, w.Button] = {}
        self.keep = Button(
            description=self.texts["variants.keep"],
            icon="columns",
            tooltip=self.texts["variants.keep_tip"],
            layout=Slim(width="auto", align_self="flex-start"),
        )
        self.shelf = w.VBox(layout=wide())
        self.keep.on_click(self.press_keep)
        super().__init__(self.keep, self.shelf)

    @guarded
    def press_keep(self, _button: w.Button) -> None:
        """Keep the rules at hand under the next letter."""
        self.say("")
        panel = self.rules.panel.keep()
        label = next(label for label in panel.variants if label not in self.rules.panel.variants)
        self.found[label] = self.imagine(panel.state)  # may fail: nothing is kept then
        self.rules.panel = panel
        self.arrange()

    @guarded
    def apply(self, label: str) -> None:
        """Make a variant's rules those at hand; nothing is initialized by that."""
        self.rules.travel(self.rules.panel.take(label))

    @guarded
    def drop(self, label: str) -> None:
        """Keep a variant no longer."""
        self.rules.panel = self.rules.panel.drop(label)
        self.found.pop(label, None)
        self.arrange()

    def again(self) -> None:
        """Look anew at what the variants would make of the model, as it is now.

        What cannot be told of one any more is said; its rules are kept.
        """
        self.found, wrong = {}, []
        for label, state in self.rules.panel.variants.items():
            try:
                self.found[label] = self.imagine(state)
            except Exception as error:
                self.last_error = error
                text = f"{type(error).__name__}: {error}"
                wrong.append(self.texts("init.line", place=label, text=text))
        self.tell("\n".join(wrong))

    def arrange(self) -> None:
        """Show a line for every variant."""
        old = self.shelf.children
        self.applies, self.drops = {}, {}
        kept: Mapping[str, InitState] = self.rules.panel.variants
        self.found = {label: self.found[label] for label in kept if label in self.found}
        self.shelf.children = tuple(self.line(label, kept[label]) for label in kept)
        for line in old:
            close_tree(line)
        self.keep.disabled = len(kept) >= MOST_VARIANTS
        self.tell()
        self.changed()

    def tell(self, wrong: str = "") -> None:
        """Say what is wrong, else that no more can be kept, else nothing."""
        full = self.texts("variants.full", n=MOST_VARIANTS) if self.keep.disabled else ""
        self.keep.tooltip = full or self.texts["variants.keep_tip"]
        self.say(wrong)
        if full and not wrong:
            self.notice.say(full, "info")

    def line(self, label: str, state: InitState) -> w.HBox:
        """Show one variant: its letter, its rules in short, and its buttons."""
        take = icon_button("check", self.texts("variants.take", label=label))
        drop = icon_button("trash", self.texts("variants.drop", label=label), take)
        take.on_click(lambda _: self.apply(label))
        drop.on_click(lambda _: self.drop(label))
        self.applies[label], self.drops[label] = take, drop
        text = self.texts("init.line", place=label, text=summary_of(state, self.texts))
        words = Label(text, layout=wide(flex="1 1 auto"))
        return w.HBox([words, take, drop], layout=wide(align_items="center"))


def summary_of(state: InitState, texts: Texts) -> str:
    """Say rules in a few words.

    >>> rules = InitState().add({"type": "Kaiming", "layer": ["Conv2d"]})
    >>> summary_of(rules.reseed(3), Texts("en"))
    'Kaiming, seed 3'
    """
    names = [str(getattr(rule["type"], "__name__", rule["type"])) for rule in state.rules]
    shown = " + ".join(names[:SHOWN]) or texts["variants.no_rules"]
    if len(names) > SHOWN:
        shown = texts("variants.more", rules=shown, n=len(names) - SHOWN)
    seed = texts["variants.no_seed"]
    if state.seed is not None:
        seed = texts("done.seed", seed=str(state.seed))
    return texts("variants.told", rules=shown, seed=seed)
