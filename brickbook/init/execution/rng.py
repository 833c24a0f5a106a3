"""Random streams by seed, name and block, drawn by threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.init.execution.shards import check_shards
from brickbook.init.laws import Constant, Law
from brickbook.introspect import (
    LocalShard,
    call_and_restore,
    is_sharded,
    local_shard,
    local_tensor,
    plain_name,
)

__all__ = [
    "BLOCK",
    "DeviceDtype",
    "Job",
    "SeededRng",
    "Workspace",
    "block_generator",
    "fill_tensors",
    "run_parallel",
]

DeviceDtype = tuple[torch.device, torch.dtype]
Workspace = dict[DeviceDtype, Tensor]
Job = Callable[[Workspace], None]


def run_parallel(jobs: Iterable[Job], workspaces: Sequence[Workspace]) -> None:
    """Do the jobs in as many threads as there are workspaces; this thread is one of them."""
    waiting = iter(jobs)
    turn = threading.Lock()
    stop = threading.Event()

    @torch.no_grad()  # a thread begins with gradients on
    def work(scratch: Workspace) -> None:
        try:
            while not stop.is_set():
                with turn:
                    job = next(waiting, None)
                if job is None:
                    return
                job(scratch)
        except BaseException:
            stop.set()
            raise

    if len(workspaces) < 2:
        for scratch in workspaces:
            work(scratch)
        return
    with ThreadPoolExecutor(len(workspaces) - 1) as pool:
        try:
            working = [pool.submit(work, scratch) for scratch in workspaces[1:]]
            work(workspaces[0])
            for other in working:
                other.result()  # an exception of a thread is raised here
        except BaseException:
            stop.set()  # leaving the pool waits for its threads
            raise


BLOCK = 1 << 20
SEED_LIMIT = 10**4000  # Python writes no int of more than 4,300 digits, and a record holds the seed


@dataclass(frozen=True)
class SeededRng:
    """A seed, and where in a larger model the names begin that it is used with."""

    seed: int | None = None
    prefix: str = ""

    @classmethod
    def from_seed(cls, seed: object) -> SeededRng:
        """Return the stream of a seed; without one, that of the call this one is inside of.

        Raises:
            TypeError: ``seed`` is neither None nor an int.
        """
        if seed is None:
            return CURRENT_RNG.get()
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise BadArgumentError(
                "seed", Sentence("expected an int or None, got {value}.", value=repr(seed))
            )
        if abs(int(seed)) >= SEED_LIMIT:
            problem = "expected an int of at most 4,000 digits."
            raise BadValueError("seed", problem)
        return cls(int(seed))

    def generator(
        self, name: str, block: int, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """Return the generator of one block of a parameter; the stream must have a seed."""
        return block_generator(self.seed or 0, f"{self.prefix}{name}", block, device)

    @contextmanager
    def scoped(self, name: str, path: str) -> Iterator[None]:
        """Let code that is called for the module ``name`` draw from this stream.

        Modules that are initialised in the block use the seed with their full names; torch's
        generator is set from the seed and ``path``, and put back afterwards.
        """
        below = SeededRng(self.seed, f"{self.prefix}{name}." if name else self.prefix)
        token = CURRENT_RNG.set(below)
        try:
            with torch.random.fork_rng(enabled=self.seed is not None):
                if self.seed is not None:
                    torch.manual_seed(self.generator(path, 0).initial_seed())
                yield
        finally:
            CURRENT_RNG.reset(token)


CURRENT_RNG: ContextVar[SeededRng] = ContextVar("brickbook_stream", default=SeededRng())  # noqa: B039 - frozen


def block_generator(
    seed: int, name: str, block: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the generator of one block of one parameter: BLAKE2b of seed, name and number."""
    text = f"{seed}\0{plain_name(name)}\0{block}".encode(errors="surrogatepass")
    state = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)
    return torch.Generator(device).manual_seed(state)


WriteTask = tuple[Tensor, Law, str]

SERIAL_BELOW = (
    1 << 14
)  # less is drawn in less time than threads spend on handing Python's lock over

WHOLE_TENSOR_LOCK = threading.Lock()  # held while a copy of a whole tensor is in memory


class DrawTask(NamedTuple):
    """A tensor's part that is here, what it is filled with, and its name."""

    shard: LocalShard
    law: Law
    name: str


@torch.no_grad()
def fill_tensors(writes: Iterable[WriteTask], rng: SeededRng, threads: int | None = None) -> None:
    """Write tensors by their laws; each of ``writes`` is a tensor, its law and its name.

    Without a seed one after the other from torch's generator. With a seed block by block, each
    from its own stream, in ``threads`` threads (default: as many as torch uses); the numbers do
    not depend on how many there are, nor on the ranks that a DTensor is sharded over, of which
    each fills its part. 16-bit tensors get the numbers of float32, rounded.

    An exception or an interrupt stops all threads at their next block, and arrives here.

    Raises:
        BadValueError: A DTensor cannot be written, see `check_shards`.
    """
    writes = list(writes)
    check_shards(writes, rng)
    if rng.seed is None:
        for tensor, law, _ in writes:
            law.fill(local_tensor(tensor))
        return
    tiny, jobs, room = partition(writes, rng)
    count = max(1, min(threads or torch.get_num_threads(), len(jobs)))
    # Zeroed, because memory may be handed out at the first touch only: if there is too little of
    # it, that is found out before the first write.
    workspaces = [
        {kind: torch.zeros(size, device=kind[0], dtype=kind[1]) for kind, size in room.items()}
        for _ in range(count)
    ]

    def draw() -> None:
        # One thread an operation: the work is shared out already, and the last bits of a QR
        # decomposition depend on how many threads it has.
        torch.set_num_threads(1)
        fill_small(tiny, rng, workspaces[0])
        run_parallel(jobs, workspaces)

    call_and_restore(draw, partial(torch.set_num_threads, torch.get_num_threads()))


def partition(
    writes: Iterable[WriteTask], rng: SeededRng
) -> tuple[list[WriteTask], list[Job], dict[DeviceDtype, int]]:
    """Cut the work into jobs of about one block: small tensors together, or a block of a large one.

    Returns the tensors that are too small to share, the jobs, and the scratch that each thread
    needs, in elements.
    """
    jobs: list[Job] = []
    room: dict[DeviceDtype, int] = {}
    tiny: list[WriteTask] = []
    small: list[WriteTask] = []
    size = 0
    for write in writes:
        tensor, law, name = write
        count = tensor.numel()
        if count > BLOCK or is_sharded(tensor) or not is_drawable_in_place(tensor):
            draw = DrawTask(local_shard(tensor), law, name)
            blocks = blocks_to_draw(draw)
            for low, high in blocks:
                if not fits_in_place(draw.shard, low, high):
                    kind = tensor.device, draw_dtype(tensor.dtype)
                    room[kind] = max(room.get(kind, 0), high - low)
            if blocks and count > BLOCK:
                jobs += (partial(fill_block, draw, *ends, rng) for ends in blocks)
                continue
        if count < SERIAL_BELOW:
            tiny.append(write)
            continue
        small.append(write)
        size += count
        if size >= BLOCK:
            jobs.append(partial(fill_small, tuple(small), rng))
            small, size = [], 0
    if small:
        jobs.append(partial(fill_small, tuple(small), rng))
    return tiny, jobs, room


def is_drawable_in_place(tensor: Tensor) -> bool:
    """Return whether a tensor that is all here can be drawn in place."""
    return tensor.is_contiguous() and draw_dtype(tensor.dtype) is tensor.dtype


def blocks_to_draw(task: DrawTask) -> list[tuple[int, int]]:
    """Return (begin, end) of the blocks drawn here; [] for a tensor that is written at once."""
    part, law, _ = task
    if isinstance(law, Constant) or not law.elementwise or not part.local.numel():
        return []
    size = part.size
    if size <= BLOCK:
        return [(0, size)]
    ends = ((low, min(low + BLOCK, size)) for low in range(0, size, BLOCK))
    return [each for each in ends if part.overlaps(*each)]


def fits_in_place(shard: LocalShard, low: int, high: int) -> bool:
    """Return whether a block can be drawn where it belongs."""
    return shard.contains(low, high) and draw_dtype(shard.local.dtype) is shard.local.dtype


def draw_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to draw in: float32 for what has fewer bits."""
    return torch.float32 if dtype.is_floating_point and dtype.itemsize < 4 else dtype


def fill_block(task: DrawTask, low: int, high: int, rng: SeededRng, workspace: Workspace) -> None:
    """Write what is here of one block: the elements ``low`` to ``high`` of the whole."""
    part, law, name = task
    memory = part.local
    generator = rng.generator(name, low // BLOCK, memory.device)
    if fits_in_place(part, low, high):
        start = low - (part.offset or 0)
        law.fill(memory.view(-1)[start : start + high - low], generator)
        return
    drawn = workspace[memory.device, draw_dtype(memory.dtype)][: high - low]
    law.fill(drawn, generator)
    part.copy_from(drawn, low)


def fill_small(writes: Iterable[WriteTask], rng: SeededRng, workspace: Workspace) -> None:
    """Write tensors of one block at most, constants, and by laws of the tensor as a whole."""
    for tensor, law, name in writes:
        memory = local_tensor(tensor)
        if isinstance(law, Constant):
            law.fill(memory)
        elif not memory.numel():
            continue
        elif not law.elementwise:
            fill_whole_tensor(local_shard(tensor), law, rng.generator(name, 0, memory.device))
        elif memory is tensor and is_drawable_in_place(tensor):
            law.fill(tensor.view(-1), rng.generator(name, 0, tensor.device))
        else:
            fill_block(DrawTask(local_shard(tensor), law, name), 0, tensor.numel(), rng, workspace)


def fill_whole_tensor(shard: LocalShard, law: Law, generator: torch.Generator) -> None:
    """Write by a law of the tensor as a whole; a shard is cut from it, one tensor at a time."""
    memory = shard.local
    if shard.contains(0, shard.size):
        law.fill(memory.view(shard.shape), generator)
        return
    with WHOLE_TENSOR_LOCK:
        drawn = torch.empty(shard.shape, dtype=draw_dtype(memory.dtype), device=memory.device)
        law.fill(drawn, generator)
        shard.copy_from(drawn.view(-1), 0)
