"""Where random numbers come from: torch's generator, or a stream of its own for every parameter.

With a seed, the numbers of a parameter depend on (seed, its qualified name, the number of the
block) and on nothing else: not on the order of writing, other parameters or wrappers around the
model.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from brickbook.errors import BadArgumentError
from brickbook.init.laws import Constant, Law
from brickbook.init.matching import plain_name
from brickbook.init.parts import Part
from brickbook.init.shards import check_shards, held, is_sharded, local
from brickbook.init.threads import Job, Kind, Scratch, serial, share

__all__ = ["BLOCK", "Stream", "block_generator", "fill"]

BLOCK = 1 << 20


@dataclass(frozen=True)
class Stream:
    """A seed, and where in a larger model the names begin that it is used with."""

    seed: int | None = None
    prefix: str = ""

    @classmethod
    def of(cls, seed: object) -> Stream:
        """Return the stream of a seed; without one, that of the call this one is inside of.

        Raises TypeError unless ``seed`` is None or an int.
        """
        if seed is None:
            return OUTER.get()
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise BadArgumentError("seed", f"expected an int or None, got {seed!r}.")
        return cls(int(seed))

    def generator(
        self, name: str, block: int, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """Return the generator of one block of a parameter; the stream must have a seed."""
        return block_generator(self.seed or 0, f"{self.prefix}{name}", block, device)

    @contextmanager
    def inside(self, name: str, path: str) -> Iterator[None]:
        """Let code that is called for the module ``name`` draw from this stream.

        Modules that start themselves in the block use the seed with their full names; torch's
        generator is set from the seed and ``path``, and put back afterwards.
        """
        below = Stream(self.seed, f"{self.prefix}{name}." if name else self.prefix)
        token = OUTER.set(below)
        try:
            with torch.random.fork_rng(enabled=self.seed is not None):
                if self.seed is not None:
                    torch.manual_seed(self.generator(path, 0).initial_seed())
                yield
        finally:
            OUTER.reset(token)


OUTER: ContextVar[Stream] = ContextVar("brickbook_stream", default=Stream())  # noqa: B039 - frozen


def block_generator(
    seed: int, name: str, block: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the generator of one block of one parameter: BLAKE2b of seed, name and number."""
    text = f"{seed}\0{plain_name(name)}\0{block}".encode()
    state = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)
    return torch.Generator(device).manual_seed(state)


Write = tuple[Tensor, Law, str]
TINY = 1 << 14  # less is drawn in less time than threads spend on handing Python's lock over
WHOLE = threading.Lock()  # held while a copy of a whole tensor is in memory


class Draw(NamedTuple):
    """A tensor's part that is here, what it is filled with, and its name."""

    part: Part
    law: Law
    name: str


@torch.no_grad()
def fill(writes: Iterable[Write], stream: Stream, threads: int | None = None) -> None:
    """Write tensors by their laws; each of ``writes`` is a tensor, its law and its name.

    Without a seed one after the other from torch's generator. With a seed block by block, each
    from its own stream, in ``threads`` threads (default: as many as torch uses); the numbers do
    not depend on how many there are, nor on the ranks that a DTensor is sharded over, of which
    each fills its part. 16-bit tensors get the numbers of float32, rounded.

    Raises BadValueError for DTensors that cannot be written, see `check_shards`. An exception or
    an interrupt stops all threads at their next block, and arrives here.
    """
    writes = list(writes)
    check_shards(writes, stream)
    if stream.seed is None:
        for tensor, law, _ in writes:
            law.fill(local(tensor))
        return
    tiny, jobs, room = cut(writes, stream)
    count = max(1, min(threads or torch.get_num_threads(), len(jobs)))
    # Zeroed, because memory may be handed out at the first touch only: if there is too little of
    # it, that is found out before the first write.
    scratches = [
        {kind: torch.zeros(size, device=kind[0], dtype=kind[1]) for kind, size in room.items()}
        for _ in range(count)
    ]
    with serial():
        fill_small(tiny, stream, scratches[0])
        share(jobs, scratches)


def cut(writes: Iterable[Write], stream: Stream) -> tuple[list[Write], list[Job], dict[Kind, int]]:
    """Cut the work into jobs of about one block: small tensors together, or a block of a large one.

    Returns the tensors that are too small to share, the jobs, and the scratch that each thread
    needs, in elements.
    """
    jobs: list[Job] = []
    room: dict[Kind, int] = {}
    tiny: list[Write] = []
    small: list[Write] = []
    size = 0
    for write in writes:
        tensor, law, name = write
        count = tensor.numel()
        if count > BLOCK or is_sharded(tensor) or not simple(tensor):
            draw = Draw(held(tensor), law, name)
            blocks = blocks_of(draw)
            for low, high in blocks:
                if not in_place(draw.part, low, high):
                    kind = tensor.device, wide(tensor.dtype)
                    room[kind] = max(room.get(kind, 0), high - low)
            if blocks and count > BLOCK:
                jobs += (partial(fill_block, draw, *ends, stream) for ends in blocks)
                continue
        if count < TINY:
            tiny.append(write)
            continue
        small.append(write)
        size += count
        if size >= BLOCK:
            jobs.append(partial(fill_small, tuple(small), stream))
            small, size = [], 0
    if small:
        jobs.append(partial(fill_small, tuple(small), stream))
    return tiny, jobs, room


def simple(tensor: Tensor) -> bool:
    """Return whether a tensor that is all here can be drawn in place."""
    return tensor.is_contiguous() and wide(tensor.dtype) is tensor.dtype


def blocks_of(draw: Draw) -> list[tuple[int, int]]:
    """Return where the blocks begin and end that are drawn here; none, if it is done at once."""
    part, law, _ = draw
    if isinstance(law, Constant) or not law.independent or not part.local.numel():
        return []
    size = part.size
    if size <= BLOCK:
        return [(0, size)]
    ends = ((low, min(low + BLOCK, size)) for low in range(0, size, BLOCK))
    return [each for each in ends if part.meets(*each)]


def in_place(part: Part, low: int, high: int) -> bool:
    """Return whether a block can be drawn where it belongs."""
    return part.holds(low, high) and wide(part.local.dtype) is part.local.dtype


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to draw in: float32 for what has fewer bits."""
    return torch.float32 if dtype.is_floating_point and dtype.itemsize < 4 else dtype


def fill_block(draw: Draw, low: int, high: int, stream: Stream, scratch: Scratch) -> None:
    """Write what is here of one block: the elements ``low`` to ``high`` of the whole."""
    part, law, name = draw
    memory = part.local
    generator = stream.generator(name, low // BLOCK, memory.device)
    if in_place(part, low, high):
        start = low - (part.first or 0)
        law.fill(memory.view(-1)[start : start + high - low], generator)
        return
    drawn = scratch[memory.device, wide(memory.dtype)][: high - low]
    law.fill(drawn, generator)
    part.put(drawn, low)


def fill_small(writes: Iterable[Write], stream: Stream, scratch: Scratch) -> None:
    """Write tensors of one block at most, constants, and by laws of the tensor as a whole."""
    for tensor, law, name in writes:
        memory = local(tensor)
        if isinstance(law, Constant):
            law.fill(memory)
        elif not memory.numel():
            continue
        elif not law.independent:
            fill_whole(held(tensor), law, stream.generator(name, 0, memory.device))
        elif memory is tensor and simple(tensor):
            law.fill(tensor.view(-1), stream.generator(name, 0, tensor.device))
        else:
            fill_block(Draw(held(tensor), law, name), 0, tensor.numel(), stream, scratch)


def fill_whole(part: Part, law: Law, generator: torch.Generator) -> None:
    """Write by a law of the tensor as a whole; a shard is cut from it, one tensor at a time."""
    memory = part.local
    if part.holds(0, part.size):
        law.fill(memory.view(part.shape), generator)
        return
    with WHOLE:
        drawn = torch.empty(part.shape, dtype=wide(memory.dtype), device=memory.device)
        law.fill(drawn, generator)
        part.put(drawn.view(-1), 0)
