"""Variants of the rules, kept under letters, and what each would make of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from brickbook.i18n import Texts
from brickbook.lab.init.rules.rule_list import RuleList
from brickbook.lab.init.state import MAX_VARIANTS, RuleSet
from brickbook.lab.widgets import (
    Button,
    Label,
    LeanLayout,
    Section,
    close_tree,
    full_width,
    icon_button,
    reports_errors,
)
from brickbook.views.grid.payload import Variant

MAX_NAMED_RULES = 3


class Variants(Section):
    """Keep the rules at hand, compare several, apply one of them; the model is not touched.

    ``preview`` returns what rules would make of the model; ``on_change`` is called when there are
    other variants. ``previews`` is what the grid shows, by letter. Controls: ``keep``, and by
    letter ``apply_buttons`` and ``drop_buttons``.
    """

    message_position = 1

    def __init__(
        self,
        rules: RuleList,
        preview: Callable[[RuleSet], Variant],
        on_change: Callable[[], None],
        texts: Texts | None = None,
    ) -> None:
        self.rules, self.preview, self.on_change = rules, preview, on_change
        self.texts = texts or Texts()
        self.previews: dict[str, Variant] = {}
        self.apply_buttons: dict[str, w.Button] = {}
        self.drop_buttons: dict[str, w.Button] = {}
        self.keep = Button(
            description=self.texts["variants.keep"],
            icon="columns",
            tooltip=self.texts["variants.keep_tip"],
            layout=LeanLayout(width="auto", align_self="flex-start"),
        )
        self.lines = w.HBox(layout=full_width(flex_flow="row wrap"))
        self.keep.on_click(self.on_keep)
        super().__init__(self.keep, self.lines, flex_flow="row wrap")

    @reports_errors
    def on_keep(self, _button: w.Button) -> None:
        """Keep the rules at hand under the next letter."""
        self.show_message("")
        old = self.rules.lab_state
        new = old.keep_variant()
        [label] = set(new.variants) - set(old.variants)
        self.previews[label] = self.preview(new.rule_set)  # may fail: nothing is kept then
        self.rules.lab_state = new
        self.arrange()

    @reports_errors
    def apply_variant(self, label: str) -> None:
        """Make a variant's rules those at hand; nothing is initialized by that."""
        what = self.texts("variants.take", label=label)
        self.rules.go_to(self.rules.lab_state.apply_variant(label), what)

    @reports_errors
    def drop_variant(self, label: str) -> None:
        """Keep a variant no longer."""
        self.rules.lab_state = self.rules.lab_state.drop_variant(label)
        self.previews.pop(label, None)
        self.arrange()

    def refresh(self) -> None:
        """Preview every variant anew, on the model as it is now.

        What keeps one from being previewed is shown; its rules are kept.
        """
        self.previews, wrong = {}, []
        for label, rule_set in self.rules.lab_state.variants.items():
            try:
                self.previews[label] = self.preview(rule_set)
            except Exception as error:
                self.last_error = error
                text = f"{type(error).__name__}: {self.texts.explain(error)}"
                wrong.append(self.texts("init.line", place=label, text=text))
        self.show_messages("\n".join(wrong))

    def arrange(self) -> None:
        """Show a line for every variant."""
        old = self.lines.children
        self.apply_buttons, self.drop_buttons = {}, {}
        kept: Mapping[str, RuleSet] = self.rules.lab_state.variants
        self.previews = {label: self.previews[label] for label in kept if label in self.previews}
        self.lines.children = tuple(self.make_line(label, kept[label]) for label in kept)
        for line in old:
            close_tree(line)
        self.keep.disabled = len(kept) >= MAX_VARIANTS
        self.show_messages()
        self.on_change()

    def show_messages(self, error: str = "") -> None:
        """Show what is wrong, else that no more can be kept, else nothing."""
        full = self.texts("variants.full", n=MAX_VARIANTS) if self.keep.disabled else ""
        self.keep.tooltip = full or self.texts["variants.keep_tip"]
        self.show_message(error)
        if full and not error:
            self.notice.show(full, "info")

    def make_line(self, label: str, rule_set: RuleSet) -> w.HBox:
        """Make the line of one variant: its letter, its rules in short, and its buttons."""
        check = icon_button("check", self.texts("variants.take", label=label))
        drop = icon_button("trash", self.texts("variants.drop", label=label), check)
        check.on_click(lambda _: self.apply_variant(label))
        drop.on_click(lambda _: self.drop_variant(label))
        self.apply_buttons[label], self.drop_buttons[label] = check, drop
        text = self.texts("init.line", place=label, text=rules_summary(rule_set, self.texts))
        words = Label(text, layout=full_width(flex="1 1 auto"))
        return w.HBox([words, check, drop], layout=full_width(align_items="center"))


def rules_summary(rule_set: RuleSet, texts: Texts) -> str:
    """Write rules in a few words.

    >>> rules = RuleSet().add({"type": "Kaiming", "layer": ["Conv2d"]})
    >>> rules_summary(rules.reseed(3), Texts("en"))
    'Kaiming, seed 3'
    """
    names = [str(getattr(rule["type"], "__name__", rule["type"])) for rule in rule_set.rules]
    shown = " + ".join(names[:MAX_NAMED_RULES]) or texts["variants.no_rules"]
    if len(names) > MAX_NAMED_RULES:
        shown = texts("variants.more", rules=shown, n=len(names) - MAX_NAMED_RULES)
    seed = texts["variants.no_seed"]
    if rule_set.seed is not None:
        seed = texts("done.seed", seed=str(rule_set.seed))
    return texts("variants.summary", rules=shown, seed=seed)
