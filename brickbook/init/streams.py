"""Where random numbers come from: torch's generator, or a stream of its own for every parameter.

With a seed, the numbers of a parameter depend on (seed, its qualified name, the number of the
block) and on nothing else: not on the order of writing, other parameters or wrappers around the
model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
                    own = block_generator(self.seed, f"{self.prefix}{path}", 0)
                    torch.manual_seed(own.initial_seed())
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


@torch.no_grad()
def fill(tensor: Tensor, law: Law, name: str, stream: Stream | None = None) -> None:
    """Write one tensor: from torch's generator, or with a seed block by block from its stream."""
    if stream is None or stream.seed is None:
        law.fill(tensor)
        return
    full = f"{stream.prefix}{name}"
    flat = tensor.view(-1) if tensor.is_contiguous() else tensor.new_empty(tensor.numel())
    for block, part in enumerate(flat.split(BLOCK)):
        law.fill(part, block_generator(stream.seed, full, block, tensor.device))
    if not tensor.is_contiguous():
        tensor.copy_(flat.view(tensor.shape))
