"""Which line of code wrote which weight: a model is built, or started, and every write is seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, format_value
from brickbook.init.planning import Reason, Why
from brickbook.init.tracing.check import follows
from brickbook.init.tracing.contents import GIVEN, Content, Kind
from brickbook.init.tracing.events import TracedTensor, WriteEvent
from brickbook.init.tracing.history import History
from brickbook.init.tracing.layers import without_memory
from brickbook.init.tracing.memory import Extent, Memory, Write, extent_of, holding_of
from brickbook.init.tracing.tape import Tape
from brickbook.init.tracing.watch import WriteWatch, watched
from brickbook.introspect import storages_in, walk

__all__ = ["built_on_meta", "history_of", "trace"]


def trace(
    model: nn.Module | Callable[[], nn.Module],
    start: Callable[[], object] | None = None,
    *,
    meta: bool = False,
) -> History:
    """Build or start a model, and say which call has written which of its tensors.

    Every operation of this thread is seen, also without memory (``torch.device("meta")``), with
    the line of code that it comes from; the numbers drawn are those of the same code untraced. A
    law is told where the calls give one, and where there are values they are held against it;
    anything else is named as code that has no law here. What other threads write, and what C++
    writes without an operation, is not seen: such tensors say so.

    Args:
        model: a function that builds a model; or a model, whose ``start`` is traced.
        start: called without arguments, such as ``model.init_weights``; for a model that exists.
        meta: build the model on the meta device, without memory; models of transformers, which
            skip their start there, are started.

    Returns:
        A row for every parameter and buffer, with its events.

    Raises:
        BadArgumentError: ``model`` is neither, or what it returns is no module; a model without
            ``start``, or a function with one; a model that exists with ``meta``.

    >>> history = trace(lambda: nn.Linear(4, 2))
    >>> history["bias"].law
    Uniform(low=-0.5, high=0.5)
    """
    existing = isinstance(model, nn.Module)
    if existing and start is None:
        problem = "a model that exists needs what is to be traced."
        raise BadArgumentError("start", problem, "Give model.init_weights, say, or a function "
                               "that builds the model in its place.")  # fmt: skip
    if not existing and start is not None:
        raise BadArgumentError("start", "it is for a model that exists.")
    if existing and meta:
        raise BadArgumentError("meta", "it is for a function that builds a model.")
    if meta:
        return history_of(*built_on_meta(model))
    run = start if existing else model
    if not callable(run):
        what = format_value(run)
        raise BadArgumentError("start" if existing else "model", f"{what} cannot be called.")
    with watched() as watch:
        result: Any = run()
    return history_of(model if isinstance(model, nn.Module) else checked(result), watch)


def checked(result: object) -> nn.Module:
    """Return what a function has built, if it is a model."""
    if not isinstance(result, nn.Module):
        problem = f"what builds the model returned {format_value(result)}, which is no nn.Module."
        raise BadArgumentError("model", problem)
    return result


def built_on_meta(make: object, tape: Tape | None = None) -> tuple[nn.Module, WriteWatch]:
    """Build a model without memory, and start what starts itself only where there is some.

    Args:
        make: what builds it.
        tape: keeps the operations; numbers that are read on the way come from there.
    """
    if not callable(make):
        raise BadArgumentError("model", f"{format_value(make)} cannot be called.")
    try:
        with torch.device("meta"), watched(tape or Tape()) as watch:
            model = checked(make())
            for part in outermost_of_transformers(model):
                part.initialize_weights()
    except NotImplementedError as error:
        if "meta tensor" not in str(error):
            raise
        problem = "what builds it moves a tensor off the meta device, where it has no numbers."
        hint = "Build it without a device: materialize(..., device=...) moves it."
        raise BadValueError("model", problem, hint) from error
    return model, watch


def outermost_of_transformers(model: nn.Module) -> Iterator[Any]:
    """Yield the models of transformers in a model: their ``init_weights`` does nothing on meta.

    Its ``PreTrainedModel.initialize_weights`` starts all that is inside.
    """
    if any(kind.__name__ == "PreTrainedModel" for kind in type(model).__mro__):
        if callable(getattr(model, "initialize_weights", None)):
            yield model
        return
    for child in model.children():
        yield from outermost_of_transformers(child)


def history_of(model: nn.Module, watch: WriteWatch) -> History:
    """Return the history of a model's tensors from what was seen."""
    rows: list[TracedTensor] = []
    first_names: dict[int, str] = {}
    for prefix, module in walk(model):
        dot = f"{prefix}." if prefix else ""
        for kind, own in (("parameter", module._parameters), ("buffer", module._buffers)):
            for key, tensor in own.items():
                if tensor is None:
                    continue
                name = f"{dot}{key}"
                first = first_names.setdefault(id(tensor), name)
                row = traced(name, kind, type(module).__name__, tensor, watch)
                if first != name:
                    row = row._replace(tied_to=first, why=Reason(Why.TIED, first))
                rows.append(row)
    return History(tuple(rows), without_memory(model))


def traced(name: str, kind: str, module: str, tensor: Tensor, watch: WriteWatch) -> TracedTensor:
    """Return what is known of one tensor."""
    dtype, frozen = str(tensor.dtype)[6:], kind == "parameter" and not tensor.requires_grad
    if is_lazy(tensor):
        empty = Reason(Why.LEFT_EMPTY)
        return TracedTensor(name, kind, module, (), dtype, why=empty, frozen=frozen)
    storage = next(storages_in(tensor), None)
    if storage is None:  # sparse
        shape, unseen = tuple(tensor.shape), Reason(Why.NOT_SEEN)
        return TracedTensor(name, kind, module, shape, dtype, why=unseen, frozen=frozen)
    memory = watch.memories.get(storage) or Memory(GIVEN)
    content, padding, whole_is_left = holding_of(tensor, memory)
    if not whole_is_left:
        for write in memory.writes:
            write.stands = write.stands and write.extent is not None
    events = tuple(event_of(write, tensor) for write in memory.writes if touches(write, tensor))
    law, why, checked = content.law, reason_of(content, events), False
    if law is not None and has_values(tensor):
        checked = follows(tensor, law, padding)
        if not checked:
            law, why, padding = None, Reason(Why.CONTRADICTED, str(law)), None
    return TracedTensor(
        name=name,
        kind=kind,
        module=module,
        shape=tuple(tensor.shape),
        dtype=dtype,
        events=events,
        law=law,
        why=why,
        padding=padding,
        frozen=frozen,
        checked=checked,
    )


def has_values(tensor: Tensor) -> bool:
    """Whether a law can be held against the numbers of a tensor."""
    plain = not (tensor.is_meta or tensor.is_quantized or tensor.is_sparse)
    return plain and tensor.is_floating_point() and tensor.element_size() > 1


def reason_of(content: Content, events: tuple[WriteEvent, ...]) -> Reason | None:
    """Return why a tensor has no law; None if it has one."""
    if content.kind is Kind.LAW:
        return None
    standing = [event for event in events if event.stands]
    place = f"{standing[-1].call} at {standing[-1].place}" if standing else "a call out of sight"
    if content.kind is Kind.EMPTY:
        return Reason(Why.LEFT_EMPTY)
    if content.kind is Kind.GIVEN:
        return Reason(Why.NOT_SEEN)
    kinds = {Kind.VALUES: Why.COMPUTED, Kind.CODE: Why.OWN_CODE, Kind.LOADED: Why.LOADED}
    return Reason(kinds[content.kind], place)


def event_of(write: Write, tensor: Tensor) -> WriteEvent:
    """Return a write as a record."""
    place, law = write.call.place, write.content.law
    part = "" if write.extent is None else part_text(write.extent, tensor)
    return WriteEvent(
        place.file, place.line, place.code, write.text, law, part, place.by_torch, write.stands,
        write.number,
    )  # fmt: skip


def touches(write: Write, tensor: Tensor) -> bool:
    """Whether a write of a storage is of elements that a tensor may have."""
    if write.extent is None:
        return True
    own, other = extent_of(tensor).span, write.extent.span
    return own[0] <= other[1] and other[0] <= own[1]


def part_text(extent: Extent, tensor: Tensor) -> str:
    """Return which part of a tensor was written, as an index where it is some of its rows."""
    own = extent_of(tensor)
    if extent == own:
        return ""
    count, size = math.prod(extent.shape), math.prod(own.shape[1:])
    first = extent.offset - own.offset
    low, high = extent.span
    if size and own.shape and high - low + 1 == count and not first % size and not count % size:
        start, stop = first // size, (first + count) // size
        return f"[{start}]" if stop == start + 1 else f"[{start}:{stop}]"
    return f"{count} of its elements"
