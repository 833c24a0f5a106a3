"""Watching what is written: every operation on a tensor, while a model is built or started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, UntypedStorage, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from brickbook.init.laws import Constant
from brickbook.init.tracing.calls import find_call
from brickbook.init.tracing.contents import (
    CODE,
    COPIES,
    EMPTY,
    GIVEN,
    LOADED,
    VALUES,
    Content,
    Kind,
    overwrites,
    result_of,
)
from brickbook.init.tracing.memory import Memory, Part, Write, extent_of
from brickbook.init.tracing.tape import Tape
from brickbook.introspect import (
    covers_storage,
    storages_in,
    tensors_in_values,
    written_arguments,
)

__all__ = ["WriteWatch", "watched"]

# Operations that change how a tensor lies in its storage, and not what is there.
RESHAPING = (
    "as_strided_", "detach_", "requires_grad_", "resize_", "set_", "squeeze_", "swapaxes_", "t_",
    "transpose_", "unsqueeze_",
)  # fmt: skip
SETTING = ("copy_", "fill_", "zero_")
MOST_WRITES = 20  # that a copy remembers of its original
# Functions that take numbers of Python's: on the meta device no operation shows them.
GIVING = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
# Functions that give the numbers of a tensor to Python.
READING = (
    Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__float__, Tensor.__int__,
    Tensor.__bool__, Tensor.__index__,
)  # fmt: skip
META = torch.device("meta")
# Code of torch that hands a call on from one mode to the next.
MODE_MODULES = ("torch.utils._device", "torch.overrides", "torch._compile")
IS_META = Tensor.is_meta.__get__  # pyright: ignore[reportAttributeAccessIssue]


class WriteWatch(TorchDispatchMode):
    """Sees every operation of its thread, and keeps for each storage what was written, by whom.

    Tensors are known by their storage, so that views and ``.data`` count too. With a ``tape`` every
    operation on tensors without memory is kept.
    """

    def __init__(self, tape: Tape | None = None) -> None:
        super().__init__()
        self.tape = tape
        self.memories: WeakKeyDictionary[UntypedStorage, Memory] = WeakKeyDictionary()
        self.count = 0
        # The last write keeps the frame of its call alive, so that no other is taken for it.
        self.last: Write | None = None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do an operation, and note what it wrote."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        sources = [*tensors_in_values(args), *tensors_in_values(kwargs)]
        given = {id(storage) for tensor in sources for storage in storages_in(tensor)}
        changed: list[Tensor] = []
        if name not in RESHAPING:
            for at, argument in written_arguments(func):
                changed += tensors_in_values(args[at] if at < len(args) else kwargs.get(argument))
        content = self.content_after(func, args, kwargs) if changed else EMPTY
        result = func(*args, **kwargs)
        if self.tape is not None:
            self.tape.record(func, args, kwargs, result, changed)
        for tensor in changed:
            self.write(tensor, content, func, args, kwargs)
        for tensor in tensors_in_values(result):
            for storage in storages_in(tensor):
                fresh = name == "lift_fresh" and storage not in self.memories
                if fresh or id(storage) not in given:
                    content = self.content_after(func, args, kwargs)
                    self.create(storage, content, func, args, () if fresh else sources, tensor)
        return result

    def memory_of(self, storage: UntypedStorage) -> Memory:
        """Return what is known of a storage; one that no operation has made was there before."""
        memory = self.memories.get(storage)
        if memory is None:
            memory = self.memories[storage] = Memory(GIVEN)
        return memory

    def read(self, tensor: Tensor) -> Content:
        """Return what a tensor holds."""
        storage = next(storages_in(tensor), None)
        return GIVEN if storage is None else self.memory_of(storage).read(tensor)

    def content_after(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        read: Callable[[Tensor], Content] | None = None,
    ) -> Content:
        """Return what an operation leaves behind; the code that is watched never fails for it."""
        try:
            return result_of(func, args, kwargs, read or self.read)
        except Exception:  # an operation of arguments that are not thought of
            return CODE

    def create(
        self,
        storage: UntypedStorage,
        content: Content,
        func: Any,
        args: Sequence[Any],
        sources: Sequence[Tensor],
        made: Tensor | None = None,
    ) -> None:
        """Note that an operation has made a tensor, of others perhaps."""
        call = find_call(storage)
        layout = None if made is None else extent_of(made)
        memory = self.memories[storage] = Memory(content, layout, born=call)
        if func.overloadpacket.__name__ in COPIES and made is not None:
            self.adopt(memory, args[0], made)
        if content is not EMPTY:
            memory.writes = self.origins(sources)
            write = Write(call, operation_text(func, args), content, None)
            memory.writes.append(self.numbered(write))

    def numbered(self, write: Write) -> Write:
        """Give a write its number."""
        self.count += 1
        write.number = self.count
        return write

    def origins(self, sources: Iterable[Tensor]) -> list[Write]:
        """Return copies of the writes that tensors come from, the last of them."""
        memories = [self.memory_of(s) for tensor in sources for s in storages_in(tensor)]
        found = [write for memory in memories for write in memory.writes[-MOST_WRITES:]]
        return [replace(write) for write in found[-MOST_WRITES:]]

    def write(
        self,
        tensor: Tensor,
        content: Content,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Note that an operation has changed a tensor."""
        for storage in storages_in(tensor):
            call = find_call(storage)
            if call.law is not None and call.tensor is not None:
                content, tensor = Content(Kind.LAW, call.law), call.tensor
            elif call.loads:
                content = LOADED
            memory, text = self.memory_of(storage), operation_text(func, args)
            copies = func.overloadpacket.__name__ == "copy_" and call.frame is None
            inherited: Sequence[Write] = ()
            if isinstance(content.law, Constant) and func.overloadpacket.__name__ in SETTING:
                text = f"fill_({content.law.value:.4g})"  # an assignment, of whatever form
            elif copies and not call.loads:
                inherited = self.origins(tensors_in_values(args[1:2]))
            fresh = overwrites(func) or call.law is not None
            if not fresh and memory.parts and covers_storage(tensor):
                self.change_parts(memory, tensor, func, args, kwargs)
            write = Write(call, call.text or text, content, None)
            self.note(memory, tensor, write, fresh, inherited)
            if copies and not call.loads:
                self.adopt(memory, args[1], tensor)

    def change_parts(
        self,
        memory: Memory,
        tensor: Tensor,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Note what an operation on a whole storage makes of each of its parts."""

        def after(content: Content) -> Content:
            def read(source: Tensor) -> Content:
                return content if source is tensor else self.read(source)

            return self.content_after(func, args, kwargs, read)

        memory.whole = after(memory.whole)
        memory.parts = [Part(part.extent, after(part.content)) for part in memory.parts]

    def adopt(self, memory: Memory, source: Tensor, copied: Tensor) -> None:
        """Let the memory of a copy know the parts of its source, if both lie alike."""
        for storage in storages_in(source):
            alike = extent_of(source) == extent_of(copied)
            if alike and covers_storage(source) and covers_storage(copied):
                memory.adopt(self.memory_of(storage))

    def note(
        self,
        memory: Memory,
        tensor: Tensor,
        write: Write,
        fresh: bool,
        inherited: Sequence[Write] = (),
    ) -> None:
        """Note a write of a tensor in the memory of its storage.

        Args:
            memory: what is known of the storage.
            tensor: what of it was written.
            write: the write; it goes on with the last one if both are of one call of a function.
            fresh: whether nothing is left of what the tensor was before.
            inherited: the writes of what was copied.
        """
        write.extent = None if covers_storage(tensor) else extent_of(tensor)
        if write.extent is None:
            if fresh or not memory.parts:
                memory.whole, memory.layout = write.content, extent_of(tensor)
                memory.parts.clear()
        else:
            memory.parts = [part for part in memory.parts if part.extent != write.extent]
            memory.parts.append(Part(write.extent, write.content))
        last = memory.writes[-1] if memory.writes else None
        frame = write.call.frame
        same_call = last is not None and last is self.last and last.call.frame is frame
        if same_call and last is not None and frame is not None:
            last.content = write.content
            last.extent = write.extent if last.extent == write.extent else None
            return
        if fresh:
            for earlier in memory.writes:
                if write.extent is None or earlier.extent == write.extent:
                    earlier.stands = False
        memory.writes.extend(inherited)
        memory.writes.append(self.numbered(write))
        self.last = write


class SkipWatch(TorchFunctionMode):
    """Sees what torch.nn.init leaves undone (truncated normal, orthogonal) for want of memory."""

    def __init__(self, watch: WriteWatch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what is asked; where torch.nn.init asks whether a tensor has memory, note it.

        Of a tensor without memory, numbers that were computed without a draw can be read.
        """
        if func in READING and self.watch.tape is not None and args[0].is_meta:
            value = self.watch.tape.play(args[0])
            args = args if value is None else (value, *args[1:])
        found = func(*args, **(kwargs or {}))
        if func == IS_META and found:
            if asking_module() == nn.init.__name__:
                tensor = args[0]
                for storage in storages_in(tensor):
                    call = find_call(storage)
                    if call.law is not None:
                        write = Write(call, call.text, Content(Kind.LAW, call.law), None)
                        self.watch.note(self.watch.memory_of(storage), tensor, write, fresh=True)
                        if self.watch.tape is not None:
                            self.watch.tape.record_law(call.law, tensor)
        elif func == Tensor.__deepcopy__:
            self.copy(args[0], found)
        elif func in GIVING and isinstance(found, Tensor) and found.is_meta:
            self.give(func, args, kwargs or {}, found)
        return found

    def give(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Tensor
    ) -> None:
        """Note numbers that Python gives, which go to the meta device without an operation."""
        storage = found.untyped_storage()
        if storage in self.watch.memories:
            return
        number = args[-1] if args else kwargs.get("data")
        single = isinstance(number, (bool, int, float))
        content = Content(Kind.LAW, Constant(float(number))) if single else VALUES
        call = find_call(storage)
        write = Write(call, f"{func.__name__}(…)", content, None)
        self.watch.memories[storage] = Memory(
            content, extent_of(found), writes=[self.watch.numbered(write)], born=call
        )
        if self.watch.tape is not None:
            self.watch.tape.record(func, args, {**kwargs, "device": META}, found)

    def copy(self, source: Tensor, copied: Tensor) -> None:
        """Note what a deep copy holds, which is made without an operation."""
        for old, new in zip(storages_in(source), storages_in(copied), strict=False):
            if old is not new and new not in self.watch.memories:
                memory = self.watch.memory_of(old)
                call = find_call(new)
                found = Memory(GIVEN, writes=self.watch.origins([source]), born=call)
                found.adopt(memory)
                self.watch.memories[new] = found


def asking_module() -> str:
    """Return the module that asks: modes entered later, as ``torch.device``, are on the way."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "") in MODE_MODULES:
        frame = frame.f_back
    return "" if frame is None else frame.f_globals.get("__name__", "")


@contextmanager
def watched(tape: Tape | None = None) -> Iterator[WriteWatch]:
    """See what is written in the block, in this thread; keep the operations on a tape, if any."""
    with WriteWatch(tape) as watch, SkipWatch(watch):
        try:
            yield watch
        finally:
            watch.last = None


def operation_text(func: Any, args: Sequence[Any]) -> str:
    """Return an operation as code: its name, and the numbers among its arguments."""
    shown = [
        f"{value:.4g}" if isinstance(value, float) else repr(value)
        for value in args
        if isinstance(value, (bool, int, float))
    ]
    return f"{func.overloadpacket.__name__}({', '.join(shown)})"
