"""A checkpoint file -> what it holds. Nothing in a file runs, unless the caller trusts it."""

from __future__ import annotations

import logging
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from brickbook.checkpoint.allowed import allowed, settled
from brickbook.checkpoint.errors import CheckpointError, MissingPackageError
from brickbook.checkpoint.tar_format import read_tar
from brickbook.errors import BadArgumentError, BadValueError

__all__ = ["beside", "place_for", "read_file"]

ZIP = b"PK\x03\x04"  # where torch, too, looks for it: at the start
PICKLE = b"\x80"
TAR = (b"storages", b"tensors", b"pickle")
# The first torch whose restricted reader has no known hole (CVE-2026-24747).
MENDED = "2.10"
# The number that a file of torch before 1.6 begins with, after a word on pickle's protocol.
MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What torch says, in part, of files that look like its own, and what it means.
MEANINGS = {
    "finding central directory": "it ends too early",
    "not in a subdirectory": "it is a zip archive that torch.save has not written",
    "TorchScript": "it is a TorchScript archive, of which torch.jit.load gives the model",
}
NEWER = range(140, 153)  # the operands that came with protocols 4 and 5
TRUST = "Only if you trust whoever made it, say trust=True."
PLAIN = "Only if you trust whoever made it, unpickle it yourself and torch.save its tensors."

log = logging.getLogger(__name__)


def read_file(
    file: Path,
    place: Any,
    *,
    mapped: bool = False,
    trust: bool = False,
    shown: str = "",
    path: str = "checkpoint",
) -> Any:
    """Return what a checkpoint file holds, as it is.

    ``place`` is a ``map_location`` that `place_for` has passed, ``shown`` what the user calls the
    file. A file ending in ``.safetensors`` goes to the device that ``place`` is, if it is one. With
    ``mapped`` the system reads a tensor from the file when it is first used, so that nobody may
    write into the file (a new one under its name does no harm) while the tensors are in use.

    Raises RuntimeError for a file that is damaged, and for one that holds objects other than
    tensors, plain values and what ``allowed`` lists: with ``trust`` these are made, and may do
    anything while they are.
    """
    shown = shown or str(file)
    try:
        with file.open("rb") as opened:
            head = opened.read(32)
    except OSError as error:
        raise CheckpointError(path, f"{shown} can not be read: {error.strerror}.") from error
    if file.suffix == ".safetensors":
        return read_safetensors(file, place, mapped, shown, path)
    if head.startswith(PICKLE) and MAGIC not in head:  # torch would run it, and then refuse it
        raise CheckpointError(path, f"{shown} is a pickle that torch.save has not written.", PLAIN)
    if trust:
        log.warning("trust=True: whatever %s says is run while it is read", shown)
    try:
        return unpickled(file, place, mapped and head.startswith(ZIP), trust)
    except UnpicklingError as error:
        raise refused(error, head, shown, path) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(path, f"{shown} is no checkpoint: {reason(error, head)}.") from error


def unpickled(file: Path, place: Any, mapped: bool, trust: bool) -> Any:
    """Return what a file of torch's own formats holds; only the zip format can be mapped."""
    how = {"map_location": place, "mmap": mapped}
    if trust:
        return torch.load(file, weights_only=False, **how)
    if torch.__version__ < MENDED:
        log.info("torch %s can be harmed by a crafted file; %s mends it", torch.__version__, MENDED)
    with file.open("rb") as opened:
        zipped = opened.read(len(ZIP)) == ZIP
    if not zipped and tarfile.is_tarfile(file):
        # torch before 2.6 runs what stands in such a file whatever it is told (CVE-2025-32434).
        return moved(read_tar(file), place)
    with allowed():
        return settled(torch.load(file, weights_only=True, **how))


def beside(path: str, key: str) -> str:
    """Return the path of another key of the same config.

    >>> beside("init_cfg[1].checkpoint", "prefix"), beside("filename", "prefix")
    ('init_cfg[1].prefix', 'prefix')
    """
    outer, dot, _ = path.rpartition(".")
    return f"{outer}{dot}{key}"


def moved(content: Any, place: Any) -> Any:
    """Return what was read to the CPU with its tensors on the device of a ``map_location``."""
    if isinstance(content, dict):
        return type(content)((key, moved(value, place)) for key, value in content.items())
    if isinstance(content, (list, tuple)):
        return type(content)(moved(value, place) for value in content)
    on_device = isinstance(content, Tensor) and isinstance(place, torch.device)
    return content.to(place) if on_device else content


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
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingPackageError(
            path,
            f"{shown} needs safetensors, which cannot be imported: {error}.",
            "Install it: pip install safetensors.",
        ) from error
    try:
        device = str(place) if isinstance(place, torch.device) else "cpu"
        with safe_open(file, framework="pt", device=device) as opened:
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            told = opened.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(path, f"{shown} is no safetensors file: {error}.") from error
    if not mapped:
        state = {name: tensor.clone() for name, tensor in state.items()}
    # The format has each tensor once; of one with several names the header says them.
    state.update({name: state[first] for name, first in told.items() if first in state})
    return state


def refused(error: UnpicklingError, head: bytes, shown: str, path: str) -> CheckpointError:
    """Tell a file that asks for more than tensors from one that is damaged."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    operand = re.search(r"Unsupported operand (\d+)", str(error))
    if operand is not None and int(operand[1]) in NEWER:
        return CheckpointError(
            path,
            f"{shown} is pickled with protocol 4 or 5, of which torch reads nothing without "
            "running what the file says.",
            f"Ask for a .safetensors file, or for one of torch.save's own protocol, 2. {TRUST}",
        )
    if asked is None:
        return CheckpointError(path, f"{shown} is no checkpoint: {reason(error, head)}.")
    return CheckpointError(
        path,
        f"{shown} asks for {asked[1]}, and is not read: to make such an object is to run what the "
        "file says.",
        f"Ask for a .safetensors file, or for one that holds a state_dict and nothing else. {TRUST}",
    )


def reason(error: Exception, head: bytes) -> str:
    """Say what is wrong with a file by its first bytes, or else by what torch says of it."""
    if not head:
        return "it is empty"
    if not head.startswith((ZIP[:2], PICKLE, *TAR)):
        return f"it begins with {head!r}"
    text = str(error)
    for part, meaning in MEANINGS.items():
        if part in text:
            return meaning
    told = re.search(r"Unsupported [^\n]+", text)  # torch's reason, after a page of advice
    first = told[0] if told else text.partition("\n")[0].partition(". ")[0]
    return first.rstrip(".") or type(error).__name__
