"""What several configs would make of one model, side by side; the model itself is not touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, ConfigError, Sentence
from brickbook.html import format_number, format_shape
from brickbook.init.execution import execute
from brickbook.init.planning import InitPlan, plan
from brickbook.measure.snapshot.comparison import Comparison, compare, rebin_common, same_statistics
from brickbook.measure.snapshot.snapshot import (
    Snapshot,
    TensorStats,
    snapshot,
    sparkline,
)
from brickbook.records import Column, Records, read_fields, refusing_damage

__all__ = ["Alternatives", "alternatives", "snapshot_of_copy"]

DIFFERS = "≠\u00a0differ"


@dataclass(frozen=True)
class Alternative:
    """One config: its plan, and the numbers of the weights that it would give."""

    plan: InitPlan
    snapshot: Snapshot

    def law(self, name: str) -> str:
        """What happens to a parameter: its law, or that it is left."""
        row = self.plan.get(name)
        if row is None:
            return "–"
        return str(row.law) if row.law is not None else f"left: {row.reason}"

    def columns(self, name: str, at: int) -> tuple[Column, ...]:
        """Return this config's columns of the table, as the config ``name`` at place ``at``."""

        def planned_law(row: AlternativeRow) -> str:
            planned = self.plan.get(row.name)
            return "" if planned is None or planned.law is None else str(planned.law)

        def statistic(key: str) -> Callable[[AlternativeRow], Any]:
            return lambda row: getattr(self.snapshot.tensors.get(row.name), key, None)

        return (
            Column(f"law_{name}", None, planned_law, "str"),
            Column("", f"law {name}", lambda row: self.law(row.name)),
            Column(f"mean_{name}", None, statistic("mean"), "float64"),
            Column(f"std_{name}", f"std {name}", statistic("std"), "float64", format_number, True),
            Column("", f"histogram {name}", lambda row: row.counts[at], text=sparkline),
        )


class AlternativeRow(NamedTuple):
    """A row of the table of alternatives: one parameter, its histograms over common bins."""

    name: str
    start: TensorStats
    differs: bool
    counts: Sequence[tuple[int, ...]]


@dataclass(frozen=True, repr=False)
class Alternatives(Records[Alternative]):
    """What each of several configs would make of the same model, by the configs' names.

    ``start`` are the model's own numbers; ``seed`` is that of all draws, so that parameters with
    the same law under two configs get the same values.
    """

    start: Snapshot
    choices: Mapping[str, Alternative]
    seed: int | None = 0

    _missing_message = "there is no config"

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
            other.law(name) != first.law(name)
            or not same_values(own, other.snapshot.tensors.get(name))
            for other in rest
        )

    @property
    def differing(self) -> tuple[str, ...]:
        """The parameters of which the configs make different things."""
        return tuple(name for name in self.parameters if self.differs(name))

    @property
    def unmatched_messages(self) -> tuple[str, ...]:
        """What has no effect, config by config."""
        return tuple(f"{key}: {item}" for key, one in self.items() for item in one.plan.unmatched)

    def _columns(self) -> Sequence[Column]:
        columns = [
            Column("name", "parameter", dtype="str"),
            Column("", "", lambda row: DIFFERS if row.differs else ""),
            Column("shape", "shape", lambda row: row.start.shape, text=format_shape),
            Column("differs", None, dtype="bool"),
            Column("mean_now", None, lambda row: row.start.mean, "float64"),
            Column("std_now", "std now", lambda row: row.start.std, "float64", format_number, True),
        ]
        for at, (name, one) in enumerate(self.choices.items()):
            columns += one.columns(name, at)
        return columns

    def _rows(self) -> Iterator[AlternativeRow]:
        for name in self.parameters:
            yield AlternativeRow(
                name, self.start[name], self.differs(name), self.histograms(name)[2][1:]
            )

    def _warnings(self) -> Iterable[str]:
        return self.unmatched_messages

    def histograms(self, name: str) -> tuple[float, float, tuple[tuple[int, ...], ...]]:
        """The histograms of a parameter over common bins: low end, width, and counts.

        The first counts are those of the model as it is, then come the configs in their order.
        """
        sides = [one.snapshot.tensors.get(name) for one in self.choices.values()]
        return rebin_common([self.start[name], *sides], self.start.bins)

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"Alternatives({names}: {len(self.parameters)} parameters, {self.summary})"

    @property
    def summary(self) -> str:
        """How many parameters differ, in words; of one config, what it changes."""
        if len(self) == 1:
            (name,) = self
            return f"{len(self.comparison(name).changed)} changed"
        return f"{len(self.differing)} differ"

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
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            choices = {}
            for name, item in top["choices"].items():
                one = read_fields(Alternative, item, f"{path}.choices[{name!r}]")
                choices[name] = Alternative(
                    InitPlan.from_dict(item["plan"], f"{path}.choices[{name!r}].plan"),
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
    """Compare what each config of ``configs`` would make of a model, which stays as it is.

    Each is carried out on a copy of the model, one after the other: the peak is the memory of one
    more model.

    Args:
        model: The model; of one on the meta device there are the laws and no values.
        configs: The configs by the names that the record has for them.
        seed: The seed of all draws; with one torch's generator is not touched.
        bins: The most bins of a histogram.
        batch: What data-driven rules run the model on.
        **options: Further arguments of `plan`.

    Raises:
        ConfigError: A config cannot be used (its path begins with its name), or the model cannot
            be copied.
        BadArgumentError: ``configs`` is no mapping, or empty.
    """
    if not isinstance(configs, Mapping) or not configs:
        raise BadArgumentError(
            "configs", f"expected a dict from names to configs, got {configs!r}."
        )
    found = {}
    for name, cfg in configs.items():
        try:
            todo = plan(model, cfg, **options)
            found[name] = Alternative(todo, snapshot_of_copy(model, todo, seed, bins, batch))
        except ConfigError as error:
            error.rebase(name)
            raise
    return Alternatives(snapshot(model, bins), found, seed)


def snapshot_of_copy(
    model: nn.Module, plan: InitPlan, seed: int | None, bins: int, batch: object
) -> Snapshot:
    """The numbers of a copy on which a plan was carried out."""
    if any(tensor.is_meta for tensor in model.parameters()):
        return snapshot(model, bins)
    try:
        other = copy.deepcopy(model)
    except Exception as error:  # whatever a module's own __deepcopy__ raises
        raise BadValueError("model", Sentence("cannot be copied: {why}", why=error)) from error
    # What has no effect stands in the plan: here it is no warning, but a line of the table.
    execute(replace(plan, unmatched=()), other, seed=seed, batch=batch)
    return snapshot(other, bins)


def same_values(one: TensorStats | None, other: TensorStats | None) -> bool:
    """Whether two records say the same, as far as their numbers tell."""
    return one is other or (one is not None and other is not None and same_statistics(one, other))
