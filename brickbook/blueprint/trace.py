"""Run a tree of bricks on the meta device: shapes, parameters and multiply-adds of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from brickbook.blueprint.build import (
    KnownArgs,
    ModelBuilder,
    check_sizes,
    make_brick,
    resolve,
    slots_in,
)
from brickbook.blueprint.faults import (
    Fault,
    Shape,
    building_fault,
    drop_batch_axis,
    format_shape,
    missing_arguments_fault,
    missing_required,
    running_fault,
)
from brickbook.blueprint.infer import drop_open_arguments, infer_arguments, open_arguments
from brickbook.blueprint.meta import (
    ERROR_ROOT,
    BrickRun,
    CallInput,
    MacCounter,
    count_params,
    first_shape,
    run_brick,
)
from brickbook.blueprint.tree import Path, Slot, format_path, slots_of, walk
from brickbook.config import name_of, signature_of, unwrap_partial
from brickbook.errors import BadValueError, ConfigError, wrong_value
from brickbook.registry import Config, split_type

__all__ = ["Trace", "trace"]

State = Literal["ok", "error", "stopped", "not reached"]


@dataclass(frozen=True)
class BrickTrace:
    """What one brick takes and gives.

    Shapes are those of one sample. ``macs`` are multiply-adds for one sample, those of the bricks
    inside included, as are ``params``; in a Repeat a brick's numbers are those of its first turn.
    ``found`` are the arguments that were left out. A brick is ``"stopped"`` by the fault of one
    inside it.
    """

    path: Path
    state: State
    input: Shape | None = None
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    inferred: Mapping[str, int] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True)
class Trace:
    """The bricks of a tree, each before those inside it, up to the first that does not fit."""

    input: Shape
    rows: Mapping[Path, BrickTrace]
    known_args: KnownArgs = field(default_factory=dict, repr=False, compare=False)

    @property
    def top(self) -> list[BrickTrace]:
        """The bricks that are in no other."""
        return [row for path, row in self.rows.items() if len(path) == 1]

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return sum(row.params for row in self.top)

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample."""
        return sum(row.macs for row in self.top)

    @property
    def fault(self) -> BrickTrace | None:
        """The first brick with a fault."""
        return next((row for row in self.rows.values() if row.fault is not None), None)

    @property
    def output(self) -> Shape | None:
        """The shape of what the model returns, None if that is not known."""
        top = self.top
        return top[-1].output if top else self.input

    def __repr__(self) -> str:
        wrong = self.fault
        end = format_shape(self.output)
        if wrong is not None and wrong.fault is not None:
            end = f"{format_path(wrong.path)}: {wrong.fault.text.removesuffix('.')}"
        return f"Trace({format_shape(self.input)} to {end}, {self.params:,} parameters)"

    def check(self) -> None:
        """Refuse a brick that does not fit.

        Raises:
            BadValueError: A brick does not fit; with its path and both shapes.
        """
        row = self.fault
        if row is not None and row.fault is not None:
            path = (*row.path, row.fault.key) if row.fault.key else row.path
            raise BadValueError(format_path(path), row.fault.text)


def trace(bricks: tuple[Config, ...], input_shape: Sequence[int]) -> Trace:
    """Send one sample of ``input_shape`` (without the batch) through bricks, without computing.

    Nothing is drawn from the global generator.

    Raises:
        BadValueError: ``input_shape`` is no shape.
    """
    whole = isinstance(input_shape, (tuple, list)) and all(
        type(size) is int and size > 0 for size in input_shape
    )
    if not whole:
        raise BadValueError(
            "input_shape", wrong_value("whole numbers from 1 up, such as (3, 32, 32)", input_shape)
        )
    return Tracer(bricks, tuple(input_shape)).run()


class StopTrace(Exception):  # noqa: N818 - it is no error, it ends a run
    """A brick does not fit: nothing after it can be said."""


class LazyBrick(nn.Module):
    """Stands for a brick until its input is there."""

    def __init__(self, tracer: Tracer, cfg: Config, path: Path, inferred: dict[str, int]) -> None:
        super().__init__()
        self.tracer, self.cfg, self.path = tracer, cfg, path
        self.inferred = inferred
        self.params: int | None = None  # known once it has been run or built
        self.built_holder: list[nn.Module] = []  # a list: no child module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Build the brick for this input, and run it."""
        return self.tracer.run_lazy(self, CallInput(args, kwargs))

    def __deepcopy__(self, memo: dict[int, Any]) -> LazyBrick:
        return LazyBrick(self.tracer, self.cfg, self.path, self.inferred)


class Tracer(ModelBuilder):
    """A `ModelBuilder` of `LazyBrick`s, which are built when their input arrives."""

    def __init__(self, bricks: tuple[Config, ...], shape: Shape) -> None:
        super().__init__()
        self.bricks, self.shape = bricks, shape
        self.rows: dict[Path, BrickTrace] = {}
        self.inferred_args: defaultdict[Path, list[dict[str, int]]] = defaultdict(list)
        self.macs = MacCounter()
        self.input = torch.empty((1, *shape), device="meta")

    def build_brick(self, cfg: Config, path: Path) -> nn.Module:
        """Return a `LazyBrick`."""
        found: dict[str, int] = {}
        self.inferred_args[path].append(found)
        return LazyBrick(self, cfg, path, found)

    def run(self) -> Trace:
        """Run all, and say of what was not reached what can be said."""
        value: Any = self.input
        bricks = dict(walk(self.bricks, slots_in))
        with torch.no_grad(), torch.device("meta"), self.macs:
            model = self.build_chain(self.bricks, ())
            with suppress(StopTrace):
                for lazy in model:
                    value = lazy(value)
            self.finish_holder(model)
            for path, cfg in bricks.items():
                if path not in self.rows:  # it is in a brick that could not be built
                    self.record_unreached(LazyBrick(self, cfg, path, {}))
        return Trace(
            self.shape, {path: self.rows[path] for path in bricks}, dict(self.inferred_args)
        )

    def run_lazy(self, lazy: LazyBrick, call_input: CallInput) -> Any:
        """Build and run a brick for its input; record its shapes, or its fault."""
        got, before = drop_batch_axis(first_shape(call_input.args)), self.macs.total
        try:
            make = class_of(lazy.cfg)
        except ConfigError as error:
            outcome, slots = BrickRun(fault=building_fault(error, lazy.cfg, "cfg")), {}
        else:
            slots = slots_of(make)
            if not lazy.inferred:
                lazy.inferred.update(infer_arguments(lazy.cfg, make, got))
            cfg = {**drop_open_arguments(lazy.cfg, make), **lazy.inferred}
            missing = find_missing(cfg, make)
            if missing is not None:
                outcome = BrickRun(fault=missing)
            elif slots:
                outcome = self.run_holder(lazy, cfg, slots, call_input)
            else:
                outcome = run_brick(cfg, make, self.as_embedding_input(make, call_input))
                self.macs.total = before + outcome.macs
        stopped = outcome.fault is None and outcome.value is None and slots
        state = "error" if outcome.fault else "stopped" if stopped else "ok"
        output = drop_batch_axis(first_shape(outcome.value))
        self.record(lazy, BrickTrace(
            lazy.path, state, got, output, outcome.params, self.macs.total - before,
            dict(lazy.inferred), outcome.fault,
        ))  # fmt: skip
        if state != "ok":
            raise StopTrace
        return outcome.value

    def as_embedding_input(self, make: Callable[..., Any], call_input: CallInput) -> CallInput:
        """Give an embedding at the front whole numbers, which it takes."""
        bare = unwrap_partial(make)
        front = bool(call_input.args) and call_input.args[0] is self.input
        if front and isinstance(bare, type) and issubclass(bare, nn.Embedding):
            return CallInput((self.input.long(), *call_input.args[1:]), call_input.kwargs)
        return call_input

    def run_holder(
        self, lazy: LazyBrick, cfg: Config, slots: Mapping[str, Slot], call_input: CallInput
    ) -> BrickRun:
        """Run a brick that holds bricks: its own forward, over lazy bricks."""
        fault = self.build_holder(lazy, cfg, slots)
        if fault is not None:
            return BrickRun(fault=fault)
        holder, value = lazy.built_holder[0], None
        try:
            value = holder(*call_input.args, **call_input.kwargs)
        except StopTrace:
            pass
        except Exception as error:
            fault = running_fault(error, cfg, drop_batch_axis(first_shape(call_input.args)) or ())
        return BrickRun(value, self.finish_holder(holder), fault=fault)

    def build_holder(self, lazy: LazyBrick, cfg: Config, slots: Mapping[str, Slot]) -> Fault | None:
        """Build a brick with lazy bricks inside, once."""
        if lazy.built_holder:
            return None
        try:
            check_sizes(cfg, ERROR_ROOT)
            lazy.built_holder = [
                make_brick(self.build_slots(cfg, slots, lazy.path), ERROR_ROOT).eval()
            ]
        except Exception as error:
            return building_fault(error, cfg, ERROR_ROOT)
        return None

    def finish_holder(self, holder: nn.Module) -> int:
        """Record the bricks inside that no input has reached; return the number of parameters."""
        inside = [part for part in holder.modules() if isinstance(part, LazyBrick)]
        for lazy in inside:
            if lazy.params is None:
                self.record_unreached(lazy)
        return count_params(holder) + sum(lazy.params or 0 for lazy in inside)

    def record_unreached(self, lazy: LazyBrick) -> None:
        """Say what can be said of a brick without its input."""
        try:
            make = class_of(lazy.cfg)
        except ConfigError as error:
            outcome = BrickRun(fault=building_fault(error, lazy.cfg, "cfg"))
        else:
            outcome = self.build_unreached(lazy, make)
        state = "error" if outcome.fault else "not reached"
        row = BrickTrace(lazy.path, state, params=outcome.params, fault=outcome.fault)
        self.record(lazy, row)

    def build_unreached(self, lazy: LazyBrick, make: Callable[..., Any]) -> BrickRun:
        """Build a brick without its input, if its config has all that it needs."""
        cfg = drop_open_arguments(lazy.cfg, make)
        missing = find_missing(cfg, make)
        if missing is not None:
            return BrickRun(fault=missing)
        if open_arguments(lazy.cfg, make):
            return BrickRun()
        if slots := slots_of(make):
            fault = self.build_holder(lazy, cfg, slots)
            return BrickRun(
                params=self.finish_holder(lazy.built_holder[0]) if lazy.built_holder else 0,
                fault=fault,
            )
        return run_brick(cfg, make, None)

    def record(self, lazy: LazyBrick, row: BrickTrace) -> None:
        """Keep the first record of a brick, and a fault that comes later."""
        if lazy.params is None:
            lazy.params = row.params
        old = self.rows.get(lazy.path)
        if old is None or (old.fault is None and row.state in ("error", "stopped")):
            self.rows[lazy.path] = row


def class_of(cfg: Config) -> Callable[..., Any]:
    """Return the class that a brick's config means."""
    return resolve(split_type(cfg, "cfg")[0], "cfg")[1]


def find_missing(cfg: Config, make: Callable[..., Any]) -> Fault | None:
    """Say which arguments are missing that no input says."""
    missing = missing_required(cfg, signature_of(make).required)
    return missing_arguments_fault(name_of(make), missing) if missing else None
