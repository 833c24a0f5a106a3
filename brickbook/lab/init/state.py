"""What the init lab edits, as values: rules with a seed, their history, and kept variants."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.init.execution import SeededRng
from brickbook.init.planning import InitPlan, plan
from brickbook.introspect import class_names
from brickbook.lab.history import History
from brickbook.registry import Config, split_type

MAX_VARIANTS = 3  # beside the rules at hand: more lines in one picture cannot be told apart
VARIANT_LABELS = "ABC"
LINE_WIDTH = 88


@dataclass(frozen=True)
class RuleSet:
    """Rules as they stand in an ``init_cfg``, and the seed; every edit returns a new value.

    >>> rules = RuleSet().add({"type": "Kaiming", "layer": ["Conv2d"]}).reseed(1)
    >>> print(rules.to_python())
    from brickbook import initialize
    <BLANKLINE>
    init_cfg = [
        dict(type="Kaiming", layer=["Conv2d"]),
    ]
    initialize(model, init_cfg=init_cfg, seed=1)
    <BLANKLINE>
    """

    rules: tuple[Config, ...] = ()
    seed: int | None = None

    @classmethod
    def from_cfg(cls, init_cfg: object, seed: int | None = None) -> RuleSet:
        """Make a rule set of a copy of an ``init_cfg``; what the rules mean is not checked.

        Args:
            init_cfg: a dict, or a list of them.
            seed: an int, or None for torch's own generator.

        Raises:
            TypeError: ``init_cfg`` is anything else, or the seed is no int.
            KeyError: a rule, or an override that needs one, has no ``type``.
        """
        SeededRng.from_seed(seed)
        parts = [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg
        if not isinstance(parts, (list, tuple)):
            raise BadArgumentError(
                "init_cfg",
                Sentence(
                    "init_cfg must be a dict or a list of dict, but got {type}.",
                    type=type(parts),
                ),
            )
        for at, rule in enumerate(parts):
            split_type(rule, f"init_cfg[{at}]")
            overrides_of(rule, f"init_cfg[{at}].override")
        return cls(tuple(copy.deepcopy(dict(rule)) for rule in parts), seed)

    def __len__(self) -> int:
        return len(self.rules)

    def add(self, rule: Config) -> RuleSet:
        """Return rules with one more, at the end: there it wins over equals."""
        return replace(self, rules=(*self.rules, dict(rule)))

    def remove(self, index: int) -> RuleSet:
        """Return the rules without the one at ``index``."""
        return replace(self, rules=self.rules[:index] + self.rules[index + 1 :])

    def replace(self, index: int, rule: Config) -> RuleSet:
        """Return the rules with ``rule`` in the place of the one at ``index``."""
        return replace(self, rules=(*self.rules[:index], dict(rule), *self.rules[index + 1 :]))

    def move(self, index: int, new_index: int) -> RuleSet:
        """Return the rules with the one at ``index`` moved to ``new_index``."""
        rest = self.remove(index).rules
        return replace(self, rules=(*rest[:new_index], self.rules[index], *rest[new_index:]))

    def reseed(self, seed: int | None) -> RuleSet:
        """Return the rules with another seed; None draws from torch's own generator."""
        return replace(self, seed=seed)

    def plan(self, model: nn.Module) -> InitPlan:
        """Return what the rules would do to a model; nothing is written."""
        return plan(model, self.to_init_cfg())

    def to_init_cfg(self) -> list[dict[str, Any]]:
        """Return the rules as an ``init_cfg``, the caller's to change."""
        return [copy.deepcopy(dict(rule)) for rule in self.rules]

    def to_python(self, name: str = "model") -> str:
        """Return Python that does the same to the model called ``name`` when it is run."""
        imports = sorted({line for rule in self.rules for line in needed_imports(rule)})
        rules = [f"    {to_source(rule, 4)}," for rule in self.rules]
        cfg = ["init_cfg = [", *rules, "]"] if rules else ["init_cfg = []"]
        seed = "" if self.seed is None else f", seed={self.seed}"
        call = f"initialize({name}, init_cfg=init_cfg{seed})"
        return "\n".join(["from brickbook import initialize", *imports, "", *cfg, call, ""])

    def to_json(self) -> str:
        """Return the rules as JSON text: ``{"init_cfg": [...], "seed": ...}``.

        Raises:
            TypeError: a rule holds what JSON cannot hold, such as a class.
        """
        for at, rule in enumerate(self.rules):
            try:
                json.dumps(rule)
            except TypeError as error:
                raise BadArgumentError(f"init_cfg[{at}]", f"{error}.") from None
        return json.dumps({"init_cfg": self.to_init_cfg(), "seed": self.seed}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> RuleSet:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls.from_cfg(data["init_cfg"], data["seed"])


@dataclass(frozen=True)
class RuleHistory:
    """The rules at hand with their undo history, and variants to compare them with.

    Every edit returns a new value. ``variants`` are rules under a letter, kept beside those at
    hand; undoing an edit does not change them.

    >>> lab = RuleHistory().apply(RuleSet().add({"type": "Ones", "layer": ["Linear"]}))
    >>> lab.undo().rule_set.rules, lab.undo().redo() == lab
    ((), True)
    """

    history: History[RuleSet] = field(default_factory=lambda: History(RuleSet()))
    variants: Mapping[str, RuleSet] = field(default_factory=dict)

    @property
    def rule_set(self) -> RuleSet:
        """The rules at hand."""
        return self.history.present

    def apply(self, rule_set: RuleSet) -> RuleHistory:
        """Go to other rules; `undo` goes back."""
        return replace(self, history=self.history.record(rule_set))

    def undo(self) -> RuleHistory:
        """Take the last edit back, if there is one."""
        return replace(self, history=self.history.undo())

    def redo(self) -> RuleHistory:
        """Make the edit again that `undo` took back, if there is one."""
        return replace(self, history=self.history.redo())

    def keep_variant(self) -> RuleHistory:
        """Keep the rules at hand as a variant, under the first free letter.

        Raises:
            ValueError: all letters are taken.
        """
        free = next((label for label in VARIANT_LABELS if label not in self.variants), "")
        if not free:
            raise BadValueError(
                "variants",
                Sentence("{n} are kept already.", n=MAX_VARIANTS),
                "Drop one of them first.",
            )
        return replace(self, variants=dict(sorted({**self.variants, free: self.rule_set}.items())))

    def drop_variant(self, label: str) -> RuleHistory:
        """Keep a variant no longer."""
        rest = {name: kept for name, kept in self.variants.items() if name != label}
        return replace(self, variants=rest)

    def apply_variant(self, label: str) -> RuleHistory:
        """Make a variant's rules those at hand.

        Raises:
            KeyError: The letter is unknown.
        """
        return self.apply(self.variants[label])

    def to_python(self, name: str = "model") -> str:
        """Return Python that initialises the model called ``name`` by the rules at hand."""
        return self.rule_set.to_python(name)

    def to_json(self) -> str:
        """Return the rules at hand and the variants as JSON text; the history is not in it."""
        kept = {label: json.loads(rules.to_json()) for label, rules in self.variants.items()}
        return json.dumps({**json.loads(self.rule_set.to_json()), "variants": kept}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> RuleHistory:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        variants = {
            label: RuleSet.from_cfg(one["init_cfg"], one["seed"])
            for label, one in data.get("variants", {}).items()
        }
        return cls(History(RuleSet.from_cfg(data["init_cfg"], data["seed"])), variants)


def overrides_of(rule: Config, path: str = "override") -> tuple[dict[str, Any], ...]:
    """Return the overrides of a rule, whether it holds none, one or a list of them.

    Raises:
        TypeError: It holds anything else.
    """
    found = rule.get("override")
    parts = [] if found is None else [found] if isinstance(found, Mapping) else found
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, Mapping) for part in parts):
        raise BadArgumentError(
            path,
            Sentence(
                "override must be a dict or a list of dict, but got {type}.", type=type(found)
            ),
        )
    return tuple(dict(part) for part in parts)


def with_overrides(rule: Config, overrides: Sequence[Config]) -> dict[str, Any]:
    """Return a rule with these overrides: none, a dict for one, else a list."""
    bare = {key: value for key, value in rule.items() if key != "override"}
    if not overrides:
        return bare
    return {**bare, "override": dict(overrides[0]) if len(overrides) == 1 else list(overrides)}


def count_layer_classes(model: nn.Module) -> list[tuple[str, int]]:
    """Return the classes in a model that have a weight or a bias, most frequent first.

    The count is of the modules that ``layer="Name"`` matches, those of subclasses included.
    """
    parts = [
        type(part)
        for part in model.modules()
        if any(part._parameters.get(key) is not None for key in ("weight", "bias"))
    ]
    matches = Counter(name for kind in parts for name in class_names(kind))
    own = dict.fromkeys(kind.__name__ for kind in parts)
    return sorted(((name, matches[name]) for name in own), key=lambda item: -item[1])


def to_source(value: Any, indent: int = 0) -> str:
    """Write a value as Python; a config as ``dict(...)``, broken up where it gets long."""
    if isinstance(value, Mapping):
        items = [f"{key}={to_source(item, indent + 4)}" for key, item in value.items()]
        return join_items("dict(", items, ")", indent)
    if isinstance(value, list):
        return join_items("[", [to_source(item, indent + 4) for item in value], "]", indent)
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def join_items(opening: str, items: Sequence[str], closing: str, indent: int) -> str:
    """Join items on one line, or one to a line if that were too long."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) + indent <= LINE_WIDTH and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{item},\n" for item in items)
    return f"{opening}\n{inner}{' ' * indent}{closing}"


def needed_imports(value: Any) -> list[str]:
    """Return the imports that the classes in a config need; those of the notebook need none."""
    if isinstance(value, Mapping):
        return [line for item in value.values() for line in needed_imports(item)]
    if isinstance(value, (list, tuple)):
        return [line for item in value for line in needed_imports(item)]
    if isinstance(value, type) and value.__module__ not in ("__main__", "builtins"):
        return [f"from {value.__module__} import {value.__name__}"]
    return []
