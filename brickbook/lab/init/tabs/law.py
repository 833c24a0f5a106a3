"""The tab of the laws: the playground, opened with one of the rules and a layer that it fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.init.planning import InitPlan
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.law import LawPlayground
from brickbook.lab.widgets import Section, close_tree, full_width, reports_errors
from brickbook.measure.law_study import LAYER_KINDS, LayerSize

__all__ = ["LawTab"]


class LawTab(Section):
    """A menu of the ``rules`` at hand, and the ``playground`` of the one that is chosen.

    What is changed in the playground changes no rule.
    """

    message_position = 1

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts = texts
        self.state: LabState | None = None
        self.playground: LawPlayground | None = None
        self.shown: Any = None
        self.rules: Any = w.Dropdown(
            description=texts["law.rule"], style={"description_width": "auto"}, layout=full_width()
        )
        self.rules.observe(self.on_rule, "value")
        super().__init__(self.rules)

    def show(self, state: LabState) -> None:
        """Offer the rules; the playground is opened anew where its rule is another now."""
        self.state = state
        options = [
            (f"{at + 1}: {rule_label(rule, self.texts)}", at)
            for at, rule in enumerate(state.rules.rules)
        ]
        if self.rules.options != tuple(options):
            chosen = self.rules.value
            self.rules.options = options
            places = [at for _, at in options]
            self.rules.value = chosen if chosen in places else next(iter(places), None)
        self.open_rule()

    @reports_errors
    def on_rule(self, _change: object) -> None:
        """Open another rule."""
        self.open_rule()

    @reports_errors
    def open_rule(self) -> None:
        """Open the playground with the chosen rule, on the first layer that it fills."""
        state, at = self.state, self.rules.value
        if state is None or at is None or at >= len(state.rules.rules):
            return
        rule = state.rules.rules[at]
        size = filled_layer(state.plan, at)
        if (at, rule, size) == self.shown:
            return
        self.shown = (at, rule, size)
        self.show_message("")
        old, self.playground = self.playground, None
        self.set_children(self.rules)
        if old is not None:
            close_tree(old)
        try:
            self.playground = LawPlayground(rule, layer=size, language=self.texts.language)
        except ConfigError as error:
            self.show_message(self.texts.explain(type(error)("", error.problem, error.hint)))
            return
        self.set_children(self.rules, self.playground)


def rule_label(rule: Mapping[str, Any], texts: Texts) -> str:
    """Return a rule in a few words: its type, and the layers it names."""
    kind, layers = rule.get("type", ""), rule.get("layer") or ()
    several = layers if isinstance(layers, (list, tuple)) else (layers,)
    names = texts["list.comma"].join(str(getattr(x, "__name__", x)) for x in several)
    name = str(getattr(kind, "__name__", kind))
    return f"{name} → {names}" if names else name


def filled_layer(plan: InitPlan | None, at: int) -> LayerSize | None:
    """Return the first layer of which a rule fills a weight; None if the playground has none."""
    if plan is None:
        return None
    for row in plan.rows:
        if row.source.partition(".")[0] not in (f"init_cfg[{at}]", "init_cfg"):
            continue
        if row.name.rpartition(".")[2] != "weight":
            continue
        if row.module == "BatchNorm2d":
            return LayerSize("BatchNorm2d", row.shape[0], row.shape[0])
        if row.module in LAYER_KINDS and len(row.shape) >= 2:
            return LayerSize.of_weight(row.shape, row.module)
    return None
