"""What is computed without a draw, done again with memory: tables of angles, positions, masks."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, UntypedStorage
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

from brickbook.init.laws import Law
from brickbook.init.tracing.contents import overwrites
from brickbook.introspect import covers_storage, gather, tensors_in_values

__all__ = ["Tape"]

META, CPU = torch.device("meta"), torch.device("cpu")


class View(NamedTuple):
    """A tensor without memory, as it was when an operation took it."""

    storage: UntypedStorage
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype


class Given(NamedTuple):
    """A tensor with values, and torch's count of its writes when an operation took it."""

    tensor: Tensor
    version: int


@dataclass(frozen=True, eq=False)
class Step:
    """One operation on tensors without memory.

    Attributes:
        func: the operation.
        args: its arguments, tensors as views.
        kwargs: the others.
        made: the tensors that it has made.
        changed: the tensors that it has written.
        read: the ids of the storages whose numbers it reads.
        replaced: the ids of the storages of which nothing is left.
        draws: whether its numbers are drawn, or not there at all.
        is_random: whether they are drawn.
    """

    func: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    made: Sequence[View]
    changed: Sequence[View]
    read: frozenset[int]
    replaced: frozenset[int]
    draws: bool
    is_random: bool


class Tape:
    """Every operation of a construction without memory, in order.

    ``is_whole`` says that none is missing.

    Numbers that were drawn are NaN when it is played: what depends on them is not repeated.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.is_whole = True

    def record(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: object,
        changed: Iterable[Tensor] = (),
    ) -> None:
        """Keep an operation, unless it only looks at memory in another way, or has memory.

        The code that is watched never fails for it: then nothing is known of what comes out.
        """
        try:
            self.append(func, args, kwargs, result, changed)
        except Exception:  # a tensor without a storage: sparse, quantized
            self.is_whole = False

    def record_law(self, law: Law, tensor: Tensor) -> None:
        """Keep a draw that torch.nn.init leaves out without memory."""
        view = view_of(tensor)
        whole = {id(view.storage)} if covers_storage(tensor) else set[int]()
        self.steps.append(
            Step(law.fill, (view,), {}, [], [view], frozenset(), frozenset(whole), True, True)
        )

    def append(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: object,
        changed: Iterable[Tensor],
    ) -> None:
        """Keep an operation."""
        written = [tensor for tensor in changed if tensor.is_meta]
        given = [tensor for tensor in tensors_in_values([args, kwargs]) if tensor.is_meta]
        storages = {id(tensor.untyped_storage()) for tensor in given}
        made = [
            tensor
            for tensor in tensors_in_values(result)
            if tensor.is_meta and id(tensor.untyped_storage()) not in storages
        ]
        if not (written or made):
            return
        packet = getattr(func, "overloadpacket", None)
        name = "" if packet is None else packet.__name__
        random = torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())
        fresh = packet is not None and overwrites(func)
        targets = {id(tensor) for tensor in written} if fresh else set()
        self.steps.append(
            Step(
                func,
                tree_map(kept, tuple(args)),
                tree_map(kept, dict(kwargs)),
                [view_of(tensor) for tensor in made],
                [view_of(tensor) for tensor in written],
                frozenset(id(t.untyped_storage()) for t in given if id(t) not in targets),
                frozenset(
                    id(tensor.untyped_storage())
                    for tensor in written
                    if fresh and covers_storage(tensor)
                ),
                random or name.startswith(("empty", "new_empty")),
                random,
            )
        )

    def play(
        self, tensor: Tensor, known: Iterable[tuple[Tensor, Tensor]] = (), *, draw: bool = False
    ) -> Tensor | None:
        """Return what a tensor without memory would hold, on the CPU; None if it is not known.

        Args:
            tensor: one of the tensors that the operations were on.
            known: others of them, each with a tensor of its numbers; they are taken from there by
                what reads them after their last write.
            draw: draw from torch's generator what is drawn on the way, in place of NaN.
        """
        if not self.is_whole or is_lazy(tensor):
            return None
        wanted = view_of(tensor)
        real = {
            id(source.untyped_storage()): filled
            for source, filled in known
            if source.is_meta and covers_storage(source) and source.stride() == filled.stride()
        }
        memory: dict[int, UntypedStorage] = {}
        try:
            with torch.no_grad(), torch.device(CPU):
                for step, taken in self.steps_for(wanted, real):
                    for key in taken:
                        memory[key] = gather(real[key]).to(CPU).untyped_storage()
                    play_step(step, memory, draw)
                found = tensor_in(memory, wanted).clone()
        except Exception:  # an operation that does not go this way: nothing is known
            return None
        return None if found.dtype.is_floating_point and bool(found.isnan().any()) else found

    def steps_for(self, wanted: View, real: Container[int]) -> list[tuple[Step, list[int]]]:
        """Return the operations that a tensor's numbers come from, in order.

        Each with the storages that it takes as they are in the end: nothing writes them later.
        """
        needed, found = {id(wanted.storage)}, []
        written_later: set[int] = set()
        for step in reversed(self.steps):
            made = {id(view.storage) for view in step.made}
            written = made.union(id(view.storage) for view in step.changed)
            if not needed.isdisjoint(written):
                reads = step.read - written
                taken = [key for key in reads if key in real and key not in written_later | needed]
                found.append((step, taken))
                needed -= made | step.replaced
                needed |= step.read.difference(taken)
            written_later |= written
        return found[::-1]


def kept(value: Any) -> Any:
    """Return an argument as it is to be kept."""
    if isinstance(value, Tensor):
        return view_of(value) if value.is_meta else Given(value.detach(), value._version)
    return CPU if value == META and isinstance(value, torch.device) else value


def view_of(tensor: Tensor) -> View:
    """Return where a tensor without memory lies."""
    return View(
        tensor.untyped_storage(), tuple(tensor.shape), tensor.stride(),
        int(tensor.storage_offset()), tensor.dtype,
    )  # fmt: skip


def play_step(step: Step, memory: dict[int, UntypedStorage], draw: bool) -> None:
    """Do one operation with memory; what is not drawn is unknown."""
    if step.draws and not (draw and step.is_random):
        for view in (*step.made, *step.changed):
            make_unknown(tensor_in(memory, view))
        return

    for view in step.changed:
        if id(view.storage) in step.replaced:
            memory.setdefault(id(view.storage), UntypedStorage(view.storage.nbytes(), device="cpu"))

    def real(value: Any) -> Any:
        if isinstance(value, View):
            return tensor_in(memory, value)
        if isinstance(value, Given):
            if value.tensor._version != value.version:
                raise ValueError("it was written since")
            return value.tensor
        return value

    def is_leaf(value: Any) -> bool:
        return isinstance(value, (View, Given))

    args = tree_map(real, step.args, is_leaf=is_leaf)
    kwargs = tree_map(real, step.kwargs, is_leaf=is_leaf)
    result = tensors_in_values(step.func(*args, **kwargs))
    known = {id(storage) for storage in memory.values()}
    new = [tensor for tensor in result if id(tensor.untyped_storage()) not in known]
    for view, tensor in zip(step.made, new, strict=True):
        memory[id(view.storage)] = tensor.untyped_storage()
        if view_of(tensor)[1:] != view[1:]:
            raise ValueError("it lies otherwise")


def tensor_in(memory: dict[int, UntypedStorage], view: View) -> Tensor:
    """Return a tensor with memory in the place of one without; new memory is unknown."""
    key = id(view.storage)
    empty = torch.empty(0, dtype=view.dtype)
    if key not in memory:
        memory[key] = UntypedStorage(view.storage.nbytes(), device="cpu")
        count = view.storage.nbytes() // view.dtype.itemsize
        make_unknown(empty.set_(memory[key], 0, (count,), (1,)))  # pyright: ignore[reportArgumentType]
    return torch.empty(0, dtype=view.dtype).set_(memory[key], view.offset, view.size, view.stride)  # pyright: ignore[reportArgumentType]


def make_unknown(tensor: Tensor) -> None:
    """Mark numbers as not known; ValueError where there is no NaN."""
    if not tensor.numel():
        return
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError("there is no mark for it")
    tensor.fill_(torch.nan)
