"""Where random numbers come from: torch's generator, or a stream of its own for every parameter.

With a seed, the numbers of a parameter depend on (seed, its qualified name, the number of the
block) and on nothing else: not on the order of writing, other parameters or wrappers around the
model.
"""

from __future__ import annotations

import hashlib
import re

import torch
from torch import Tensor

from brickbook.errors import BadArgumentError
from brickbook.init.laws import Law

__all__ = ["BLOCK", "block_generator", "check_seed", "fill", "plain_name"]

BLOCK = 1 << 20
WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


def plain_name(name: str) -> str:
    """Return a parameter's name without the prefixes that wrappers add.

    >>> plain_name("module._orig_mod.backbone._fsdp_wrapped_module.conv1.weight")
    'backbone.conv1.weight'
    """
    return WRAPPERS.sub("", name)


def check_seed(seed: object) -> None:
    """Raise TypeError unless ``seed`` is None or an int."""
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise BadArgumentError("seed", f"expected an int or None, got {seed!r}.")


def block_generator(
    seed: int, name: str, block: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the generator of one block of one parameter: BLAKE2b of seed, name and number."""
    text = f"{seed}\0{plain_name(name)}\0{block}".encode()
    state = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)
    return torch.Generator(device).manual_seed(state)


@torch.no_grad()
def fill(tensor: Tensor, law: Law, name: str, seed: int | None = None) -> None:
    """Write one tensor: from torch's generator, or with a seed block by block from its stream."""
    if seed is None:
        law.fill(tensor)
        return
    flat = tensor.view(-1) if tensor.is_contiguous() else tensor.new_empty(tensor.numel())
    for block, part in enumerate(flat.split(BLOCK)):
        law.fill(part, block_generator(seed, name, block, tensor.device))
    if not tensor.is_contiguous():
        tensor.copy_(flat.view(tensor.shape))
