"""What the init lab edits, as a value: the rules of an ``init_cfg`` and a seed."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError
from brickbook.init.matching import class_names
from brickbook.init.streams import Stream
from brickbook.registry import Config, split_type

__all__ = ["InitState", "layer_choices", "overrides_of", "with_overrides"]

WIDTH = 88


@dataclass(frozen=True)
class InitState:
    """Rules as they stand in an ``init_cfg``, and the seed; every edit returns a new state.

    >>> state = InitState().add({"type": "Kaiming", "layer": ["Conv2d"]}).reseed(1)
    >>> print(state.to_python())
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
    def from_cfg(cls, init_cfg: object, seed: int | None = None) -> InitState:
        """Take an ``init_cfg``: a dict, or a list of them; it is copied.

        Raises TypeError for anything else and for a seed that is no int, KeyError for a rule or an
        override that has no ``type`` where it needs one. What the rules mean is not looked at.
        """
        Stream.of(seed)
        parts = [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg
        if not isinstance(parts, (list, tuple)):
            raise BadArgumentError(
                "init_cfg", f"init_cfg must be a dict or a list of dict, but got {type(parts)}."
            )
        for at, rule in enumerate(parts):
            split_type(rule, f"init_cfg[{at}]")
            overrides_of(rule, f"init_cfg[{at}].override")
        return cls(tuple(copy.deepcopy(dict(rule)) for rule in parts), seed)

    def __len__(self) -> int:
        return len(self.rules)

    def add(self, rule: Config) -> InitState:
        """Return a state with one more rule, at the end: there it wins over equals."""
        return replace(self, rules=(*self.rules, dict(rule)))

    def remove(self, at: int) -> InitState:
        """Return a state without the rule at ``at``."""
        return replace(self, rules=self.rules[:at] + self.rules[at + 1 :])

    def replace(self, at: int, rule: Config) -> InitState:
        """Return a state with ``rule`` in the place of the one at ``at``."""
        return replace(self, rules=(*self.rules[:at], dict(rule), *self.rules[at + 1 :]))

    def move(self, at: int, to: int) -> InitState:
        """Return a state with the rule at ``at`` taken out and put in again at ``to``."""
        rest = self.remove(at).rules
        return replace(self, rules=(*rest[:to], self.rules[at], *rest[to:]))

    def reseed(self, seed: int | None) -> InitState:
        """Return a state with another seed; None draws from torch's own generator."""
        return replace(self, seed=seed)

    def to_init_cfg(self) -> list[dict[str, Any]]:
        """Return the rules as an ``init_cfg``, the caller's to change."""
        return [copy.deepcopy(dict(rule)) for rule in self.rules]

    def to_python(self, name: str = "model") -> str:
        """Return Python that does the same to the model called ``name`` when it is run."""
        imports = sorted({line for rule in self.rules for line in imports_of(rule)})
        rules = [f"    {written(rule, 4)}," for rule in self.rules]
        cfg = ["init_cfg = [", *rules, "]"] if rules else ["init_cfg = []"]
        seed = "" if self.seed is None else f", seed={self.seed}"
        call = f"initialize({name}, init_cfg=init_cfg{seed})"
        return "\n".join(["from brickbook import initialize", *imports, "", *cfg, call, ""])

    def to_json(self) -> str:
        """Return the state as JSON text: ``{"init_cfg": [...], "seed": ...}``.

        Raises TypeError for a rule that holds more than JSON can say, such as a class.
        """
        for at, rule in enumerate(self.rules):
            try:
                json.dumps(rule)
            except TypeError as error:
                raise BadArgumentError(f"init_cfg[{at}]", f"{error}.") from None
        return json.dumps({"init_cfg": self.to_init_cfg(), "seed": self.seed}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> InitState:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls.from_cfg(data["init_cfg"], data["seed"])


def overrides_of(rule: Config, path: str = "override") -> tuple[dict[str, Any], ...]:
    """Return the overrides of a rule, whether it holds none, one or a list of them.

    Raises TypeError for anything else.
    """
    found = rule.get("override")
    parts = [] if found is None else [found] if isinstance(found, Mapping) else found
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise BadArgumentError(
            path, f"override must be a dict or a list of dict, but got {type(found)}."
        )
    return tuple(dict(part) for part in parts)


def with_overrides(rule: Config, overrides: Sequence[Config]) -> dict[str, Any]:
    """Return a rule with these overrides: none, a dict for one, else a list."""
    bare = {key: value for key, value in rule.items() if key != "override"}
    if not overrides:
        return bare
    return {**bare, "override": dict(overrides[0]) if len(overrides) == 1 else list(overrides)}


def layer_choices(model: nn.Module) -> list[tuple[str, int]]:
    """Return the classes in a model that have a weight or a bias, most frequent first.

    The count is of the modules that ``layer="Name"`` meets: subclasses answer to it too.
    """
    parts = [
        type(part)
        for part in model.modules()
        if any(part._parameters.get(key) is not None for key in ("weight", "bias"))
    ]
    met = Counter(name for kind in parts for name in class_names(kind))
    own = dict.fromkeys(kind.__name__ for kind in parts)
    return sorted(((name, met[name]) for name in own), key=lambda item: -item[1])


def written(value: Any, indent: int = 0) -> str:
    """Write a value as Python; a config as ``dict(...)``, broken up where it gets long."""
    if isinstance(value, Mapping):
        items = [f"{key}={written(item, indent + 4)}" for key, item in value.items()]
        return enclosed("dict(", items, ")", indent)
    if isinstance(value, list):
        return enclosed("[", [written(item, indent + 4) for item in value], "]", indent)
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def enclosed(start: str, items: Sequence[str], end: str, indent: int) -> str:
    """Join items on one line, or one to a line if that were too long."""
    line = f"{start}{', '.join(items)}{end}"
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{item},\n" for item in items)
    return f"{start}\n{inner}{' ' * indent}{end}"


def imports_of(value: Any) -> list[str]:
    """Return the imports that the classes in a config need; those of the notebook need none."""
    if isinstance(value, Mapping):
        return [line for item in value.values() for line in imports_of(item)]
    if isinstance(value, (list, tuple)):
        return [line for item in value for line in imports_of(item)]
    if isinstance(value, type) and value.__module__ not in ("__main__", "builtins"):
        return [f"from {value.__module__} import {value.__name__}"]
    return []
