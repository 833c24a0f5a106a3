"""A checkpoint file -> what it holds. Nothing in a file ever runs."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from brickbook.checkpoint.errors import CheckpointError, MissingPackageError
from brickbook.checkpoint.sources import locate
from brickbook.errors import BadArgumentError, BadValueError

__all__ = ["beside", "read_checkpoint"]


def read_checkpoint(
    checkpoint: str | os.PathLike[str],
    map_location: Any = None,
    *,
    mapped: bool = False,
    path: str = "checkpoint",
) -> Any:
    """Return what a checkpoint file holds, as it is.

    ``map_location`` is that of ``torch.load``; None is the CPU. A file ending in ``.safetensors``
    goes to the device that ``map_location`` names, if it names one. With ``mapped`` the system
    reads a tensor from the file when it is first used: for a caller that is done with the tensors
    before anyone can write to the file.

    Raises what ``locate`` raises, and RuntimeError for a file that is damaged or that holds objects
    other than tensors and plain values: they are never made, as that would be to run the file.
    """
    place = place_for(map_location, beside(path, "map_location"))
    file = locate(checkpoint, path)
    shown = str(file) if str(checkpoint) == str(file) else f"{checkpoint} ({file})"
    try:
        with file.open("rb") as opened:
            head = opened.read(12)
    except OSError as error:
        raise CheckpointError(path, f"{shown} can not be read: {error.strerror}.") from error
    if file.suffix == ".safetensors":
        return read_safetensors(file, place, mapped, shown, path)
    try:
        # Only the zip format, torch's own since 1.6, can be mapped.
        mmap = mapped and zipfile.is_zipfile(file)
        return torch.load(file, map_location=place, weights_only=True, mmap=mmap)
    except UnpicklingError as error:
        raise refused(error, head, shown, path) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(path, f"{shown} is no checkpoint: {reason(error, head)}.") from error


def beside(path: str, key: str) -> str:
    """Return the path of another key of the same config.

    >>> beside("init_cfg[1].checkpoint", "prefix"), beside("filename", "prefix")
    ('init_cfg[1].prefix', 'prefix')
    """
    outer, dot, _ = path.rpartition(".")
    return f"{outer}{dot}{key}"


def place_for(map_location: Any, path: str) -> Any:
    """Check a ``map_location`` before any file is fetched for it."""
    if map_location is None:
        return torch.device("cpu")
    if isinstance(map_location, (str, int, torch.device)):
        try:
            return torch.empty(0, device=map_location).device
        except (RuntimeError, AssertionError) as error:  # no such device, here or anywhere
            why = str(error).partition("\n")[0].rstrip(".")
            raise BadValueError(path, f"{map_location!r} can not be used: {why}.") from error
    if callable(map_location) or isinstance(map_location, Mapping):
        return map_location
    raise BadArgumentError(path, f"expected a device, a dict or a function, got {map_location!r}.")


def read_safetensors(
    file: Path, place: Any, mapped: bool, shown: str, path: str
) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, which cannot hold anything else."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingPackageError(
            path,
            f"{shown} needs safetensors, which cannot be imported: {error}.",
            "Install it: pip install safetensors.",
        ) from error
    try:
        state = load_file(file, device=str(place) if isinstance(place, torch.device) else "cpu")
    except SafetensorError as error:
        raise CheckpointError(path, f"{shown} is no safetensors file: {error}.") from error
    return state if mapped else {name: tensor.clone() for name, tensor in state.items()}


def refused(error: UnpicklingError, head: bytes, shown: str, path: str) -> CheckpointError:
    """Tell a file that asks for more than tensors from one that is damaged."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked is None:
        return CheckpointError(path, f"{shown} is no checkpoint: {reason(error, head)}.")
    return CheckpointError(
        path,
        f"{shown} asks for {asked[1]}, and is not read: to make such an object is to run what the "
        "file says.",
        "Ask for a .safetensors file, or for one that holds a state_dict and nothing else.",
    )


def reason(error: Exception, head: bytes) -> str:
    """Say what is wrong with a file by its first bytes, or else by what torch says of it."""
    if not head:
        return "it is empty"
    if not head.startswith((b"PK", b"\x80")):  # neither a zip archive nor a pickle
        return f"it begins with {head!r}"
    text = str(error)
    told = re.search(r"Unsupported [^\n]+", text)  # torch's reason, after a page of advice
    first = told[0] if told else text.partition("\n")[0].partition(". ")[0]
    return first.rstrip(".") or type(error).__name__
