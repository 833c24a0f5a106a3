"""Memory and meaningful numbers for every tensor of a model that has none: the meta device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict, overload

import torch
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.allocating import allocated
from brickbook.init.complete import Complete, complete, unfilled
from brickbook.init.fill_memory import States, Work
from brickbook.init.laws import Law, Normal
from brickbook.init.loads import fetch, filled
from brickbook.init.pen import tensors_of
from brickbook.init.plan import Frozen, Order, plan
from brickbook.init.report import InitReport
from brickbook.init.shards import check_shards, is_sharded
from brickbook.init.skeleton import skeleton
from brickbook.init.streams import Stream
from brickbook.keeping import put_back_on_error

__all__ = ["materialize"]

LOG = logging.getLogger("brickbook")


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
    laws: dict[str, Law] = {row.name: row.law for row in found.todo.rows if row.law is not None}
    laws.update((row.name, Normal(0.0, 1.0)) for row in found.hoped)  # own code may draw
    writes = ((tensors[name], law, name) for name, law in laws.items() if name in tensors)
    check_shards(writes, stream)
    for fit in found.todo.fits:
        if batch is None:
            raise BadArgumentError(
                fit.path, f"{fit.kind} runs the model on data.", "Pass batch=... to materialize."
            )
