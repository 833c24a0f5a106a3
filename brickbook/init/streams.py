"""Where random numbers come from: torch's generator, or a stream of its own for every parameter.

With a seed, the numbers of a parameter depend on (seed, its qualified name, the number of the
block) and on nothing else: not on the order of writing, other parameters or wrappers around the
model.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import torch
from torch import Tensor

from brickbook.errors import BadArgumentError
from brickbook.init.laws import Law

__all__ = ["BLOCK", "Stream", "block_generator", "fill", "plain_name"]

BLOCK = 1 << 20
WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


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


def plain_name(name: str) -> str:
    """Return a parameter's name without the prefixes that wrappers add.

    >>> plain_name("module._orig_mod.backbone._fsdp_wrapped_module.conv1.weight")
    'backbone.conv1.weight'
    """
    return WRAPPERS.sub("", name)


def block_generator(
    seed: int, name: str, block: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the generator of one block of one parameter: BLAKE2b of seed, name and number."""
    text = f"{seed}\0{plain_name(name)}\0{block}".encode()
    state = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)
    return torch.Generator(device).manual_seed(state)


Write = tuple[Tensor, Law, str]


def fill(writes: Iterable[Write], stream: Stream, threads: int | None = None) -> None:
    """Write tensors by their laws; each of ``writes`` is a tensor, its law and its name.

    Without a seed one after the other from torch's generator. With a seed block by block, each
    from its own stream, in ``threads`` threads (default: as many as torch uses); the numbers do
    not depend on how many there are.
    """
    if stream.seed is None:
        for tensor, law, _ in writes:
            law.fill(tensor)
        return
    parts = batches(writes, stream)
    turn = threading.Lock()

    def work() -> None:
        while True:
            with turn:
                part = next(parts, None)
            if part is None:
                return
            part()

    others = (threads or torch.get_num_threads()) - 1  # this thread works too
    if not others:
        work()
        return
    with ThreadPoolExecutor(others) as pool:
        working = [pool.submit(work) for _ in range(others)]
        work()
        for other in working:
            other.result()  # an exception of a thread is raised here


def batches(writes: Iterable[Write], stream: Stream) -> Iterator[Callable[[], None]]:
    """Cut the work into parts of about one block: whole small tensors, or a block of a large one.

    A tensor that is not contiguous is one part: it is drawn in logical order and copied. So is
    one whose law is of the tensor as a whole.
    """
    small: list[Write] = []
    size = 0
    for write in writes:
        tensor, law, _ = write
        if tensor.numel() > BLOCK and tensor.is_contiguous() and law.independent:
            for block in range(-(-tensor.numel() // BLOCK)):
                yield partial(fill_block, write, block, stream)
            continue
        small.append(write)
        size += tensor.numel()
        if size >= BLOCK:
            yield partial(fill_whole, tuple(small), stream)
            small, size = [], 0
    yield partial(fill_whole, tuple(small), stream)


@torch.no_grad()
def fill_block(write: Write, block: int, stream: Stream) -> None:
    """Write one block of a contiguous tensor."""
    tensor, law, name = write
    part = tensor.view(-1)[block * BLOCK : (block + 1) * BLOCK]
    law.fill(part, stream.generator(name, block, tensor.device))


@torch.no_grad()
def fill_whole(writes: Iterable[Write], stream: Stream) -> None:
    """Write tensors one after the other, block by block where the law allows it."""
    for tensor, law, name in writes:
        if not law.independent:
            law.fill(tensor, stream.generator(name, 0, tensor.device))
            continue
        flat = tensor.view(-1) if tensor.is_contiguous() else tensor.new_empty(tensor.numel())
        for block, part in enumerate(flat.split(BLOCK)):
            law.fill(part, stream.generator(name, block, tensor.device))
        if not tensor.is_contiguous():
            tensor.copy_(flat.view(tensor.shape))
