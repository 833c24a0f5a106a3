"""A tree of bricks run on the meta device: shapes, parameters and multiply-adds of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from brickbook.arguments import parameters
from brickbook.blueprint.building import Maker, make_brick, resolve, slots_in
from brickbook.blueprint.inferring import inferable, inferred, stated
from brickbook.blueprint.meta import (
    ROOT,
    Given,
    Macs,
    Outcome,
    first_shape,
    numel,
    outcome_of,
)
from brickbook.blueprint.sizes import check_sizes
from brickbook.blueprint.slots import Slot, slots_of, unwrapped
from brickbook.blueprint.traces import BrickTrace, Trace
from brickbook.blueprint.tree import Path, walk
from brickbook.blueprint.wording import (
    Fault,
    Shape,
    building_fault,
    lack,
    needed,
    running_fault,
    sample,
)
from brickbook.callables import name_of
from brickbook.errors import BadValueError, ConfigError
from brickbook.registry import Config, split_type

__all__ = ["trace"]


def trace(bricks: tuple[Config, ...], input_shape: Sequence[int]) -> Trace:
    """Send one sample of ``input_shape`` (without the batch) through bricks, without computing.

    Nothing is drawn from the global generator. Raises BadValueError if it is no shape.
    """
    whole = isinstance(input_shape, (tuple, list)) and all(
        type(size) is int and size > 0 for size in input_shape
    )
    if not whole:
        raise BadValueError(
            "input_shape", f"expected whole numbers from 1 up, such as (3, 32, 32), "
            f"got {input_shape!r}."
        )  # fmt: skip
    return Tracer(bricks, tuple(input_shape)).run()


class Stop(Exception):  # noqa: N818 - it is no error, it ends a run
    """A brick does not fit: nothing after it can be said."""


class Seat(nn.Module):
    """Stands for a brick until its input is there."""

    def __init__(self, tracer: Tracer, cfg: Config, path: Path, found: dict[str, int]) -> None:
        super().__init__()
        self.tracer, self.cfg, self.path = tracer, cfg, path
        self.found = found
        self.params: int | None = None  # known once it has been run or built
        self.holder: list[nn.Module] = []  # a list: its seats speak for themselves

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Build the brick for this input, and run it."""
        return self.tracer.enter(self, Given(args, kwargs))

    def __deepcopy__(self, memo: dict[int, Any]) -> Seat:
        return Seat(self.tracer, self.cfg, self.path, self.found)


class Tracer(Maker):
    """Makes seats where a Maker makes bricks."""

    def __init__(self, bricks: tuple[Config, ...], shape: Shape) -> None:
        super().__init__()
        self.bricks, self.shape = bricks, shape
        self.rows: dict[Path, BrickTrace] = {}
        self.found: defaultdict[Path, list[dict[str, int]]] = defaultdict(list)
        self.macs = Macs()
        self.input = torch.empty((1, *shape), device="meta")

    def brick(self, cfg: Config, path: Path) -> nn.Module:
        """Make a seat."""
        found: dict[str, int] = {}
        self.found[path].append(found)
        return Seat(self, cfg, path, found)

    def run(self) -> Trace:
        """Run all, and say of what was not reached what can be said."""
        value: Any = self.input
        bricks = dict(walk(self.bricks, slots_in))
        with torch.no_grad(), torch.device("meta"), self.macs:
            model = self.chain(self.bricks, ())
            with suppress(Stop):
                for seat in model:
                    value = seat(value)
            self.settle(model)
            for path, cfg in bricks.items():
                if path not in self.rows:  # it is in a brick that could not be built
                    self.unreached(Seat(self, cfg, path, {}))
        return Trace(self.shape, {path: self.rows[path] for path in bricks}, dict(self.found))

    def enter(self, seat: Seat, given: Given) -> Any:
        """Run the brick of a seat; note what came of it."""
        got, before = sample(first_shape(given.args)), self.macs.total
        try:
            make = meaning(seat.cfg)
        except ConfigError as error:
            outcome, slots = Outcome(fault=building_fault(error, seat.cfg, "cfg")), {}
        else:
            slots = slots_of(make)
            if not seat.found:
                seat.found.update(inferred(seat.cfg, make, got))
            cfg = {**stated(seat.cfg, make), **seat.found}
            lacking = lack_of(cfg, make)
            if lacking is not None:
                outcome = Outcome(fault=lacking)
            elif slots:
                outcome = self.run_holder(seat, cfg, slots, given)
            else:
                outcome = outcome_of(cfg, make, self.whole_numbers(make, given))
                self.macs.total = before + outcome.macs
        stopped = outcome.fault is None and outcome.value is None and slots
        state = "error" if outcome.fault else "stopped" if stopped else "ok"
        output = sample(first_shape(outcome.value))
        self.note(seat, BrickTrace(
            seat.path, state, got, output, outcome.params, self.macs.total - before,
            dict(seat.found), outcome.fault,
        ))  # fmt: skip
        if state != "ok":
            raise Stop
        return outcome.value

    def whole_numbers(self, make: Callable[..., Any], given: Given) -> Given:
        """Give an embedding at the front whole numbers, which it takes."""
        bare = unwrapped(make)
        front = bool(given.args) and given.args[0] is self.input
        if front and isinstance(bare, type) and issubclass(bare, nn.Embedding):
            return Given((self.input.long(), *given.args[1:]), given.kwargs)
        return given

    def run_holder(
        self, seat: Seat, cfg: Config, slots: Mapping[str, Slot], given: Given
    ) -> Outcome:
        """Run a brick that holds bricks: its own forward, over seats."""
        fault = self.build_holder(seat, cfg, slots)
        if fault is not None:
            return Outcome(fault=fault)
        holder, value = seat.holder[0], None
        try:
            value = holder(*given.args, **given.kwargs)
        except Stop:
            pass
        except Exception as error:
            fault = running_fault(error, cfg, sample(first_shape(given.args)) or ())
        return Outcome(value, self.settle(holder), fault=fault)

    def build_holder(self, seat: Seat, cfg: Config, slots: Mapping[str, Slot]) -> Fault | None:
        """Build a brick with seats inside, once."""
        if seat.holder:
            return None
        try:
            check_sizes(cfg, ROOT)
            seat.holder = [make_brick(self.filled(cfg, slots, seat.path), ROOT).eval()]
        except Exception as error:
            return building_fault(error, cfg, ROOT)
        return None

    def settle(self, holder: nn.Module) -> int:
        """Look at the seats that no input has reached; return the number of parameters inside."""
        seats = [part for part in holder.modules() if isinstance(part, Seat)]
        for seat in seats:
            if seat.params is None:
                self.unreached(seat)
        return numel(holder) + sum(seat.params or 0 for seat in seats)

    def unreached(self, seat: Seat) -> None:
        """Say what can be said of a brick without its input."""
        try:
            make = meaning(seat.cfg)
        except ConfigError as error:
            outcome = Outcome(fault=building_fault(error, seat.cfg, "cfg"))
        else:
            outcome = self.built_only(seat, make)
        state = "error" if outcome.fault else "not reached"
        row = BrickTrace(seat.path, state, params=outcome.params, fault=outcome.fault)
        self.note(seat, row)

    def built_only(self, seat: Seat, make: Callable[..., Any]) -> Outcome:
        """Build the brick of a seat, if it says all that it needs."""
        cfg = stated(seat.cfg, make)
        lacking = lack_of(cfg, make)
        if lacking is not None:
            return Outcome(fault=lacking)
        if inferable(seat.cfg, make):
            return Outcome()
        if slots := slots_of(make):
            fault = self.build_holder(seat, cfg, slots)
            return Outcome(params=self.settle(seat.holder[0]) if seat.holder else 0, fault=fault)
        return outcome_of(cfg, make, None)

    def note(self, seat: Seat, row: BrickTrace) -> None:
        """Keep the first record of a brick, and a fault that comes later."""
        if seat.params is None:
            seat.params = row.params
        old = self.rows.get(seat.path)
        if old is None or (old.fault is None and row.state in ("error", "stopped")):
            self.rows[seat.path] = row


def meaning(cfg: Config) -> Callable[..., Any]:
    """Return the class that a brick's config means."""
    return resolve(split_type(cfg, "cfg")[0], "cfg")[1]


def lack_of(cfg: Config, make: Callable[..., Any]) -> Fault | None:
    """Say which arguments are missing that no input says."""
    missing = needed(cfg, parameters(make).required)
    return lack(name_of(make), missing) if missing else None
