"""What a race has found: the losses, metrics and update sizes of every run, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, ClassVar, Literal, NamedTuple, cast

from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.html import format_number
from brickbook.measure.probe.records import Signals
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["Curve", "Race", "Run", "Status", "sparkline"]

Status = Literal["running", "finished", "cancelled", "diverged", "failed", "lost"]
STOPPED: tuple[Status, ...] = ("diverged", "failed", "lost")
BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_LENGTH = 8


@dataclass(frozen=True, repr=False)
class Run:
    """One short training: of a variant, with a seed.

    ``losses`` and ``metrics`` are of the batch of each step, before the update: the first is that
    of the start. The last loss of a run that "diverged" is NaN or infinite; the run stopped there.
    One that "failed" raised ``problem``; one that was "lost" has no numbers, for its worker died;
    one that is "running" is what ``progress`` is told.

    ``updates`` has, for each weight, ‖update‖ / ‖weight‖ of the updates at ``update_steps``; None
    where the weight was all 0. ``signals`` are what `brickbook.probe` found on the batch of some
    steps, of the last step's batch after the last update; ``expected_loss`` is ln(classes) where
    the loss is a cross entropy.
    ``threads`` are those of torch: sums may differ in their last bits with another number.
    """

    variant: str
    seed: int
    status: Status = "finished"
    losses: tuple[float, ...] = ()
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    update_steps: tuple[int, ...] = ()
    updates: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    signals: Mapping[int, Signals] = field(default_factory=dict)
    expected_loss: float | None = None
    threads: int = 0
    problem: str = ""

    def __post_init__(self) -> None:
        # One NaN is equal to another only if it is the same object.
        same = tuple(math.nan if loss != loss else loss for loss in self.losses)
        object.__setattr__(self, "losses", same)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()

    @property
    def label(self) -> str:
        """The variant and the seed."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def outcome(self) -> str:
        """How the run ended, in words."""
        step = len(self.losses)
        if self.status == "diverged":
            return f"{self.label}: the loss is {self.losses[-1]} at step {step - 1}."
        if self.status == "failed":
            return f"{self.label}: failed at step {step}: {self.problem}"
        if self.status == "lost":
            return f"{self.label}: lost: {self.problem}"
        return f"{self.label}: {self.status} after {step} steps."

    def update(self, at: int) -> float | None:
        """Return the median over the weights of ‖update‖ / ‖weight‖, at a place of ``updates``."""
        known = [sizes[at] for sizes in self.updates.values()]
        some = [size for size in known if size is not None]
        return median(some) if some else None

    def __repr__(self) -> str:
        return f"Run({self.outcome.removesuffix('.')})"

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON-able values: a number that is not finite as text."""
        return {
            **vars(self),
            "losses": list(map(encode_number, self.losses)),
            "metrics": {k: list(map(encode_number, v)) for k, v in self.metrics.items()},
            "updates": {k: list(map(encode_number, v)) for k, v in self.updates.items()},
            "signals": {str(step): item.to_dict() for step, item in self.signals.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "run") -> Run:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        known = dict(data) if isinstance(data, Mapping) else data
        if isinstance(known, dict):
            if "losses" in known:
                known["losses"] = decode_numbers(known["losses"])
            for key in {"metrics", "updates"} & known.keys():
                known[key] = {name: decode_numbers(row) for name, row in known[key].items()}
            if "signals" in known:
                known["signals"] = {
                    int(step): Signals.from_dict(item, f"{path}.signals.{step}")
                    for step, item in known["signals"].items()
                }
        return cls(**read_fields(cls, known, path))


def encode_number(value: float | None) -> float | str | None:
    """Return a number for JSON, which knows neither NaN nor infinity."""
    return value if value is None or math.isfinite(value) else str(value)


def decode_numbers(values: Sequence[Any]) -> tuple[Any, ...]:
    """Undo `encode_number`."""
    return tuple(float(value) if isinstance(value, str) else value for value in values)


class Curve(NamedTuple):
    """A number over the steps: its mean over the seeds, its least and its largest.

    It goes as far as all its runs go: ``stopped`` are those that end before the race does.
    """

    name: str
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    stopped: tuple[Run, ...] = ()


class StepRow(NamedTuple):
    """One step of one run, as a row of the frame."""

    run: Run
    step: int
    update: float | None


COLUMNS = (
    Column("variant", "variant", value=lambda row: row.run.variant, dtype="str"),
    Column("seed", "seed", value=lambda row: row.run.seed, dtype="int64", right=True),
    Column("step", "step", dtype="int64", right=True),
    Column("loss", "loss", value=lambda row: row.run.losses[row.step], dtype="float64",
           text=format_number, right=True),
)  # fmt: skip
UPDATE = Column("update", "‖update‖/‖weight‖", dtype="float64", text=format_number, right=True)


@dataclass(frozen=True, repr=False)
class Race(Record):
    """Short trainings from several starts, on the same batches in the same order.

    ``runs`` are by variant, then by seed; ``steps`` is how many updates each was to make; ``notes``
    say what went otherwise than asked for.
    """

    runs: tuple[Run, ...]
    steps: int
    notes: tuple[str, ...] = ()

    _index: ClassVar[str] = ""
    _drawn_by: ClassVar[str] = "brickbook.views.svg.race.race_picture"

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants, in the order they were given."""
        return tuple(dict.fromkeys(run.variant for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order they were given."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.metrics))

    @property
    def expected_loss(self) -> float | None:
        """The cross entropy of a model that prefers no class, ln of their number.

        None if the loss is no cross entropy, or the runs have different numbers of classes.
        """
        found = {run.expected_loss for run in self.runs if run.losses}
        return found.pop() if len(found) == 1 else None

    def run(self, variant: str, seed: int) -> Run:
        """Return one run.

        Raises:
            UnknownNameError: There is no such variant.
            BadValueError: There is no such seed.
        """
        self.check_variant(variant)
        for run in self.runs:
            if (run.variant, run.seed) == (variant, seed):
                return run
        raise BadValueError("seed", f"expected one of {self.seeds}, got {seed!r}.")

    def check_variant(self, variant: str) -> None:
        """Raise UnknownNameError for a variant that is not there."""
        if variant not in self.variants:
            problem = f"no variant {variant!r}."
            raise UnknownNameError("variant", problem, nearest(variant, self.variants))

    def curve(self, variant: str, metric: str = "loss") -> Curve:
        """Return the loss, or a metric, of a variant over the steps: mean and band over the seeds.

        Runs that failed or were lost are left out. Where a run has diverged the mean ends, for
        there is none of NaN.

        Raises:
            UnknownNameError: There is no such variant or metric.
        """
        self.check_variant(variant)
        if metric != "loss" and metric not in self.metrics:
            known = ("loss", *self.metrics)
            raise UnknownNameError("metric", f"no metric {metric!r}.", nearest(metric, known))
        runs = [run for run in self.runs if run.variant == variant]
        kept = [run for run in runs if run.status not in ("failed", "lost") and run.losses]
        columns = list(zip(*(series(run, metric) for run in kept), strict=False))
        return Curve(
            variant,
            tuple(math.fsum(values) / len(values) for values in columns),
            tuple(map(min, columns)),
            tuple(map(max, columns)),
            tuple(run for run in runs if run.status in STOPPED),
        )

    def _columns(self) -> Sequence[Column]:
        metrics = [
            Column(name, name, value=lambda row, name=name: row.run.metrics[name][row.step],
                   dtype="float64", text=format_number, right=True)
            for name in self.metrics
        ]  # fmt: skip
        return (*COLUMNS, *metrics, UPDATE)

    def _rows(self) -> Iterator[StepRow]:
        for run in self.runs:
            updates = {step: run.update(at) for at, step in enumerate(run.update_steps)}
            for step in range(len(run.losses)):
                yield StepRow(run, step, updates.get(step))

    def _warnings(self) -> Iterable[str]:
        yield from self.notes
        for run in self.runs:
            if run.status in STOPPED:
                yield run.outcome

    def to_dict(self) -> dict[str, Any]:
        """Return the race as JSON-able values."""
        return {
            "runs": [run.to_dict() for run in self.runs],
            "steps": self.steps,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "race") -> Race:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            runs = (Run.from_dict(run, f"{path}.runs[{at}]") for at, run in enumerate(top["runs"]))
            return cls(**{**top, "runs": tuple(runs)})

    def __repr__(self) -> str:
        curves = [self.curve(variant) for variant in self.variants]
        shown = ", ".join(f"{curve.name} {describe(curve)}" for curve in curves)
        return f"Race({self.steps} steps, {len(self.seeds)} seeds: {shown})"


def series(run: Run, metric: str) -> tuple[float, ...]:
    """Return the losses or a metric of a run, as far as its loss is finite."""
    values = run.losses if metric == "loss" else run.metrics.get(metric, ())
    return values[: len(run.losses) - (run.status == "diverged")]


def describe(curve: Curve) -> str:
    """Say in a few signs how a curve goes: first, sparkline, last, and how many runs stopped."""
    stopped = "".join(
        f", {count} {status}"
        for status in STOPPED
        if (count := sum(run.status == status for run in curve.stopped))
    )
    if not curve.mean:
        return f"no mean{stopped}"
    first, last = format_number(curve.mean[0], 3), format_number(curve.mean[-1], 3)
    return f"{first} {sparkline(curve.mean)} {last}{stopped}"


def sparkline(values: Sequence[float | None], length: int = SPARKLINE_LENGTH) -> str:
    """Draw numbers as a line of blocks: each the mean of a stretch, between least and largest.

    >>> sparkline([8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.0]), sparkline([1.0, 1.0])
    ('█▅▃▂▁▁▁▁', '▁▁')
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    count = min(length, len(known))
    edges = [round(at * len(known) / count) for at in range(count + 1)] if count else []
    means = [
        math.fsum(part) / len(part) for low, high in pairwise(edges) if (part := known[low:high])
    ]
    low, high = min(means, default=0.0), max(means, default=0.0)
    span = cast(float, high - low) or 1.0
    return "".join(BLOCKS[min(7, int(8 * (value - low) / span))] for value in means)
