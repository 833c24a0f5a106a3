"""A seed for torch's generators, without the millisecond that torch.manual_seed takes."""

from __future__ import annotations

import torch

__all__ = ["seed_torch"]

ACCELERATED = torch.cuda.is_available() or torch.backends.mps.is_available()


def seed_torch(seed: int) -> None:
    """Do what torch.manual_seed does.

    For each kind of device that is not there it keeps the stack as text, which takes a millisecond
    and memory: a run of all tests asks for it more than ten thousand times.
    """
    if ACCELERATED:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
