"""What several configs would make of one model, side by side; the model itself is not touched."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init.apply import carry_out
from brickbook.init.initplan import InitPlan
from brickbook.init.plan import plan
from brickbook.markup import block, shape, table
from brickbook.measure.comparisons import Comparison, alike, compare, together
from brickbook.measure.records import read
from brickbook.measure.showing import number, spark
from brickbook.measure.snapshots import Snapshot, TensorStats, snapshot
from brickbook.named import Named

__all__ = ["Alternative", "Alternatives", "alternatives"]

NOT_ONE = "≠\u00a0differ"


@dataclass(frozen=True)
class Alternative:
    """One config: what it says, and the numbers of the weights that it would give."""

    plan: InitPlan
    snapshot: Snapshot

    def std(self, name: str) -> str:
        """The std of a parameter as text."""
        stats = self.snapshot.tensors.get(name)
        return number(stats.std if stats else None)

    def law(self, name: str) -> str:
        """What happens to a parameter: its law, or that it is left."""
        row = self.plan.get(name)
        if row is None:
            return "–"
        return str(row.law) if row.law is not None else f"left: {row.reason}"


@dataclass(frozen=True, repr=False)
class Alternatives(Named[Alternative]):
    """What each of several configs would make of the same model, by the configs' names.

    ``start`` are the model's own numbers; ``seed`` is that of all draws, so that parameters with
    the same law under two configs get the same values.
    """

    start: Snapshot
    choices: Mapping[str, Alternative]
    seed: int | None = 0

    things = "there is no config"

    @property
    def by_name(self) -> Mapping[str, Alternative]:
        """The configs by name."""
        return self.choices

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in the model's order."""
        return tuple(name for name, stats in self.start.items() if stats.kind == "parameter")

    def comparison(self, name: str) -> Comparison:
        """Compare the model with what the config ``name`` would make of it."""
        return compare(self.start, self.choices[name].snapshot)

    def differs(self, name: str) -> bool:
        """Whether the configs do not all give a parameter the same law and the same values."""
        first, *rest = self.choices.values()
        own = first.snapshot.tensors.get(name)
        return any(
            other.law(name) != first.law(name) or not same(own, other.snapshot.tensors.get(name))
            for other in rest
        )

    @property
    def differing(self) -> tuple[str, ...]:
        """The parameters of which the configs make different things."""
        return tuple(name for name in self.parameters if self.differs(name))

    @property
    def words(self) -> tuple[str, ...]:
        """What has no effect, config by config."""
        return tuple(f"{key}: {item}" for key, one in self.items() for item in one.plan.unmatched)

    def columns(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The heads and rows of a table: one row a parameter, three columns a config."""
        heads = ["parameter", "", "shape", "std now"]
        for name in self:
            heads += [f"law {name}", f"std {name}", f"histogram {name}"]
        return tuple(heads), [self.row(name) for name in self.parameters]

    def row(self, name: str) -> tuple[str, ...]:
        """One parameter; its histograms stand over the same bins."""
        start = self.start[name]
        cells = [name, NOT_ONE if self.differs(name) else "", shape(start.shape), number(start.std)]
        _, _, counts = self.histograms(name)
        for one, bars in zip(self.choices.values(), counts[1:], strict=True):
            cells += [one.law(name), one.std(name), spark(bars)]
        return tuple(cells)

    def histograms(self, name: str) -> tuple[float, float, tuple[tuple[int, ...], ...]]:
        """The histograms of a parameter over common bins: low end, width, and counts.

        The first counts are those of the model as it is, then come the configs in their order.
        """
        sides = [one.snapshot.tensors.get(name) for one in self.choices.values()]
        return together([self.start[name], *sides], self.start.bins)

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"Alternatives({names}: {len(self.parameters)} parameters, {self.told})"

    @property
    def told(self) -> str:
        """How many parameters differ, in words; of one config, what it changes."""
        if len(self) == 1:
            (name,) = self
            return f"{len(self.comparison(name).changed)} changed"
        return f"{len(self.differing)} differ"

    def _repr_html_(self) -> str:
        numbers = (3, *range(5, 4 + 3 * len(self), 3))
        return block(repr(self), self.words, table(*self.columns(), right=numbers))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def to_dict(self) -> dict[str, Any]:
        """The alternatives as JSON-able values."""
        choices = {
            name: {"plan": one.plan.to_dict(), "snapshot": one.snapshot.to_dict()}
            for name, one in self.items()
        }
        return {"seed": self.seed, "start": self.start.to_dict(), "choices": choices}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "alternatives") -> Alternatives:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        top = read(cls, data, path)
        choices = {}
        for name, item in top["choices"].items():
            one = read(Alternative, item, f"{path}.choices[{name!r}]")
            choices[name] = Alternative(
                InitPlan.from_json(json.dumps(item["plan"])),
                Snapshot.from_dict(one["snapshot"], f"{path}.choices[{name!r}].snapshot"),
            )
        return cls(Snapshot.from_dict(top["start"], f"{path}.start"), choices, top["seed"])


def alternatives(
    model: nn.Module,
    configs: Mapping[str, object],
    *,
    seed: int | None = 0,
    bins: int = 64,
    batch: object = None,
    **options: Any,
) -> Alternatives:
    """Say what each config of ``configs`` would make of a model, which stays as it is.

    Each is carried out on a copy of the model, one after the other: the peak is the memory of one
    more model. With a seed torch's generator is not touched. Of a model on the meta device there
    are the laws and no values. ``options`` are those of `plan`, ``batch`` is for data-driven rules.

    Raises ConfigErrors for a config that cannot be used (their path starts with its name) and for
    a model that cannot be copied; TypeError if ``configs`` is no mapping or empty.
    """
    if not isinstance(configs, Mapping) or not configs:
        raise BadArgumentError(
            "configs", f"expected a dict from names to configs, got {configs!r}."
        )
    found = {}
    for name, cfg in configs.items():
        try:
            todo = plan(model, cfg, **options)
            found[name] = Alternative(todo, outcome(model, todo, seed, bins, batch))
        except ConfigError as error:
            error.under(name)
            raise
    return Alternatives(snapshot(model, bins), found, seed)


def outcome(
    model: nn.Module, todo: InitPlan, seed: int | None, bins: int, batch: object
) -> Snapshot:
    """The numbers of a copy on which a plan was carried out."""
    if any(tensor.is_meta for tensor in model.parameters()):
        return snapshot(model, bins)
    try:
        other = copy.deepcopy(model)
    except Exception as error:  # whatever a module's own __deepcopy__ raises
        raise BadValueError("model", f"cannot be copied: {error}") from error
    # What has no effect stands in the plan: here it is no warning, but a line of the table.
    carry_out(replace(todo, unmatched=()), other, seed=seed, batch=batch)
    return snapshot(other, bins)


def same(one: TensorStats | None, other: TensorStats | None) -> bool:
    """Whether two records say the same, as far as their numbers tell."""
    return one is other or (one is not None and other is not None and alike(one, other))
