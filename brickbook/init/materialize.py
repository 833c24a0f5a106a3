"""Memory and meaningful numbers for every tensor of a model that has none: the meta device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypedDict, overload

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.checkpoint.matching import Match
from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.allocating import allocated, tensors_in
from brickbook.init.apply import fetch, filled, load_all, own_code, run, steps
from brickbook.init.complete import Complete, complete, unfilled
from brickbook.init.keeping import held, put_back_on_error
from brickbook.init.pen import Pen, tensors_of
from brickbook.init.plan import Frozen, Order, plan
from brickbook.init.report import InitReport, Record
from brickbook.init.resets import blank, is_blank, whole
from brickbook.init.rows import Load, Row, Run
from brickbook.init.shards import check_shards, is_sharded
from brickbook.init.skeleton import skeleton
from brickbook.init.streams import Stream
from brickbook.init.telling import Told

__all__ = ["materialize"]

LOG = logging.getLogger("brickbook")
States = list[tuple[Load, dict[str, Tensor], Match]]


if TYPE_CHECKING:
    from typing_extensions import Unpack

    class Given(TypedDict, total=False):
        """The options of `materialize`, for the types of its two forms."""

        device: torch.device | str
        seed: int | None
        strict: bool
        allow_uninitialized: bool
        order: Order
        frozen: Frozen
        only_missing: bool
        protect: Sequence[str | type] | str | type
        reinitialize: bool
        batch: object


@overload
def materialize(
    model: nn.Module, init_cfg: object = None, **options: Unpack[Given]
) -> InitReport: ...


@overload
def materialize(
    model: Callable[[], nn.Module], init_cfg: object = None, **options: Unpack[Given]
) -> tuple[nn.Module, InitReport]: ...


def materialize(
    model: nn.Module | Callable[[], nn.Module],
    init_cfg: object = None,
    *,
    device: torch.device | str = "cpu",
    seed: int | None = None,
    strict: bool = False,
    allow_uninitialized: bool = False,
    order: Order = "brickbook",
    frozen: Frozen = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
    batch: object = None,
) -> InitReport | tuple[nn.Module, InitReport]:
    """Give a model on the meta device memory on ``device``, and every tensor meaningful numbers.

    First what `initialize` would write with the same seed: the same numbers, bit for bit. What no
    rule speaks of gets torch's own law for its layer (`defaults_of`; the plan shows them, by
    "torch"); then come modules' own ``reset_parameters()``, ``reset_buffers()`` and
    ``init_non_persistent_buffers()``; then rules, own ``init_weights`` and checkpoints. Tensors
    that have values keep them unless a rule says otherwise, and move to ``device``. Of DTensors
    (``fully_shard``) each rank fills its part; own code sees one module's whole tensors at a time.

    Given a callable, it is called inside `skeleton`, which keeps the buffers that constructors
    compute, and the model is returned with the report.

    Before any memory is taken ConfigErrors are raised for a config that cannot be carried out, and
    ValueError if anything would be left uninitialised: with ``allow_uninitialized=True`` that is
    "left" in the report, and NaN (0 where there is no NaN). Own code is held to it afterwards. If
    anything fails, the model is on the meta device again. The other options are those of
    `initialize`.

    >>> with torch.device("meta"):
    ...     model = nn.Linear(4, 2)
    >>> materialize(model, dict(type="Constant", layer="Linear", val=1.0), seed=0)
    InitReport: 2 parameters: 2 written by a law, seed 0
    >>> model.weight.device
    device(type='cpu')
    """
    where, stream = device_of(device), Stream.of(seed)
    built = model if isinstance(model, nn.Module) else build(model)
    todo = plan(
        built,
        init_cfg,
        strict=strict,
        order=order,
        frozen=frozen,
        only_missing=only_missing,
        protect=protect,
        reinitialize=reinitialize,
    )
    states: States = [(load, *fetch(load, built)) for load in todo.loads]
    loaded = {id(tensor) for load, _, found in states for tensor in filled(built, load, found)}
    found = complete(todo, built, loaded)
    check(found, built, where, stream, batch)
    if found.lost and not allow_uninitialized:
        raise unfilled(found.lost, built)
    todo.warn()
    work = Work(found, built, stream)
    with put_back_on_error(built, work.at_risk()), allocated(built, where):
        report = work.do(states, where, batch, allow_uninitialized)
    LOG.info("%s: %r", type(built).__name__, report)
    return report if built is model else (built, report)


def build(make: object) -> nn.Module:
    """Call what makes a model, without memory for its parameters."""
    if not callable(make):
        raise BadArgumentError(
            "model", f"expected a module or what makes one when it is called, got {make!r}."
        )
    with skeleton():
        model = make()
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a call to give a module, got {model!r}.")
    return model


def device_of(device: object) -> torch.device:
    """Read where the memory is to be."""
    try:
        where = torch.device(device)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except (RuntimeError, TypeError):
        raise BadArgumentError("device", f"expected a device, got {device!r}.") from None
    if where.type == "meta":
        raise BadValueError("device", "there is no memory on the meta device.")
    return where


def check(
    found: Complete, model: nn.Module, device: torch.device, stream: Stream, batch: object
) -> None:
    """Refuse what cannot be carried out, before memory is taken."""
    tensors = tensors_of(model, found.todo)
    for name, tensor in tensors.items():
        if is_sharded(tensor) and tensor.device_mesh.device_type != device.type:
            kind = tensor.device_mesh.device_type
            raise BadValueError("device", f"{name} is sharded over {kind!r}, not {device.type!r}.")
    check_shards(
        (
            (tensors[row.name], row.law, row.name)
            for row in found.todo.rows
            if row.law is not None and row.name in tensors
        ),
        stream,
    )
    for fit in found.todo.fits:
        if batch is None:
            raise BadArgumentError(
                fit.path, f"{fit.kind} runs the model on data.", "Pass batch=... to materialize."
            )


class Work:
    """Filling the memory of a model that has just got it."""

    def __init__(self, found: Complete, model: nn.Module, stream: Stream) -> None:
        self.found, self.todo, self.model, self.stream = found, found.todo, model, stream
        self.told = Told(model)
        self.valued = {name for name, tensor in tensors_in(model) if not tensor.is_meta}

    def at_risk(self) -> list[Tensor]:
        """Return the tensors with values that may be changed, each once."""
        names = self.valued
        if not (self.todo.runs or self.todo.loads or self.todo.fits):
            names = names.intersection(row.name for row in self.todo.rows if row.law is not None)
        tensors = {id(t): t for name, t in tensors_in(self.model) if name in names}
        return list(tensors.values())

    def do(self, states: States, device: torch.device, batch: object, allow: bool) -> InitReport:
        """Draw, call and load, in the plan's order; ``allow`` what own code leaves unfilled."""
        todo, model, told = self.todo, self.model, self.told
        tensors = tensors_of(model, todo)
        marks = {row.name: blank(tensors.get(row.name)) for row in self.found.without}
        foreseen = {id(t) for load, _, found in states for t in filled(model, load, found)}
        with held(tensors[row.name] for row in todo.rows if row.held and row.name in self.valued):
            self.carry_out(steps(todo, tensors, foreseen))
            settle(model, device)
            pen = self.pen()
            matches = load_all(todo, model, states, pen, told)
        missed = {r.name for r in self.found.hoped if is_blank(pen.tensors[r.name], marks[r.name])}
        told.called.update((r.name, r.then[-1]) for r in self.found.hoped if r.name not in missed)
        if missed and not allow:
            raise unfilled((did_not(row) for row in self.found.hoped if row.name in missed), model)
        for fit in todo.fits:
            names = [r.name for r in todo.planned if r.source == fit.path and len(r.shape) > 1]
            fit.init.adjust(model, names, batch)  # pyright: ignore[reportAttributeAccessIssue]
        for name in todo.starts:
            setattr(model.get_submodule(name), "_is_init", True)  # noqa: B010 - any BaseModule
        records = told.records(todo, pen.tensors)
        records.update(
            (row.name, Record(row.name, "left", "", reason=f"{row.reason}; {marks[row.name]}"))
            for row in self.found.left(missed)
        )
        return InitReport(todo, records, self.stream.seed, matches)

    def carry_out(self, todo: Iterable[Row | Run]) -> None:
        """Write laws and call own code; a law has the last word on what own code did before."""
        for call, group in groupby(todo, own_code):
            if call is not None:
                self.call(call)
                continue
            rows: list[Any] = list(group)
            self.pen().write(rows)
            for row in rows:
                self.told.called.pop(row.name, None)

    def pen(self) -> Pen:
        """Return what writes into the tensors that the model has now: own code may replace them."""
        return Pen(self.todo, self.model, tensors_of(self.model, self.todo), self.stream)

    def call(self, step: Run) -> None:
        """Call own code; a reset changes nothing that has values."""
        part, dot = self.model.get_submodule(step.name), f"{step.name}." if step.name else ""
        keep = {name for name in self.valued if step.order < 0 and name.startswith(dot)}
        tensors = (
            [tensor for name, tensor in tensors_in(self.model) if name in keep] if keep else ()
        )
        told = Told(part)
        with whole(part), held(tensors), told.listening(step.path):
            run(step, self.model, self.stream)
        self.told.called.update((f"{dot}{name}", path) for name, path in told.called.items())


def did_not(row: Row) -> Row:
    """Return the row of a tensor that own code did not fill after all."""
    return row._replace(reason=f"{', '.join(row.then)} did not fill it")


def settle(model: nn.Module, device: torch.device) -> None:
    """Move buffers that own code has made to the device."""
    for part in model.modules():
        for key, tensor in part._buffers.items():
            if tensor is not None and not is_lazy(tensor):
                part._buffers[key] = tensor.to(device)
