"""Files of ``torch.save``, read without running what they say."""

from __future__ import annotations

import json
import logging
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from brickbook.checkpoint.errors import CheckpointError, MissingPackageError
from brickbook.checkpoint.formats.kinds import find_kind
from brickbook.checkpoint.formats.limits import LimitError, RefusedNameError
from brickbook.checkpoint.formats.pickle_reader import NewerProtocolError
from brickbook.checkpoint.formats.storages import LOCAL_SIGN, MAGIC, read_legacy, read_zip
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    Sentence,
    as_sentence,
    reason_of,
    with_hint,
)

__all__ = [
    "INDEX_SUFFIX",
    "TRUST_HINT",
    "check_map_location",
    "read_file",
    "read_sharded",
    "sibling_file",
    "sibling_key",
]

ZIP = LOCAL_SIGN  # where torch, too, looks for it: at the start
PICKLE = b"\x80"
TAR = slice(257, 262)  # where a tar archive says what it is

TRUST_HINT = "Only if you trust whoever made it, say trust=True."
TAR_HINT = (
    "Only if you trust whoever made it, save it anew: torch.save(torch.load(file, "
    "weights_only=False), new_file)."
)
PICKLE_HINT = "Only if you trust whoever made it, unpickle it yourself and torch.save its tensors."

# Of a checkpoint in several files: it says which tensor is where.
INDEX_SUFFIX = ".index.json"
MAX_HEADER = 32 << 20  # bytes of a safetensors header: about 100 for each tensor
INDEX_FILE = re.compile(r"[^/\\]+\.index\.json")

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

    Args:
        file: The file.
        place: A ``map_location`` that `check_map_location` has passed. A file ending in
            ``.safetensors`` goes to the device that it is, if it is one.
        mapped: Whether the system reads a tensor from the file when it is first used: nobody may
            then write into the file (a new one under its name does no harm) while the tensors are
            in use.
        trust: Whether to make whatever the file holds, which can run anything.
        shown: What the user calls the file.
        path: Where the config names it, for errors.

    Raises:
        CheckpointError: For a file that is damaged, and for one that calls functions other than
            `SAFE_GLOBALS`: with ``trust`` they are called, and may do anything. Objects of classes
            are made with ``trust`` too; without, they are read as data, see `StandIn`.
    """
    shown = shown or str(file)
    try:
        with file.open("rb") as opened:
            head = opened.read(512)
        kind = find_kind(file)
    except OSError as error:
        raise CheckpointError(
            path, Sentence("{file} can not be read: {why}.", file=shown, why=error.strerror)
        ) from error
    if kind is not None:
        raise CheckpointError(
            path,
            Sentence("{file} is no checkpoint: {fact}.", file=shown, fact=as_sentence(kind.fact)),
            kind.hint,
        )
    if file.suffix == ".safetensors":
        length = int.from_bytes(head[:8], "little")
        if MAX_HEADER < length < file.stat().st_size:
            raise CheckpointError(
                path,
                Sentence(
                    "{file} is not read: its header has {bytes} bytes, and {most} are the most "
                    "that is read.",
                    file=shown,
                    bytes=f"{length:,}",
                    most=f"{MAX_HEADER:,}",
                ),
            )
        return read_safetensors(file, place, mapped, shown, path)
    legacy = MAGIC in head[:32]
    if head.startswith(PICKLE) and not legacy:  # torch would run it, and then refuse it
        raise CheckpointError(
            path,
            Sentence("{file} is a pickle that torch.save has not written.", file=shown),
            PICKLE_HINT,
        )
    if head[TAR] == b"ustar" and not trust:
        raise CheckpointError(
            path,
            Sentence("{file} is a tar archive, which torch wrote until 0.1.9 in 2017.", file=shown),
            TAR_HINT,
        )
    if trust:
        log.warning("trust=True: whatever %s says is run while it is read", shown)
    try:
        if trust:
            mapped = mapped and head.startswith(ZIP)
            return torch.load(file, map_location=place, mmap=mapped, weights_only=False)
        if not head.startswith((ZIP, PICKLE)):
            raise UnpicklingError
        return read_legacy(file, place) if legacy else read_zip(file, place, mapped)
    except RefusedNameError as error:
        raise CheckpointError(
            path,
            Sentence(
                "{file} asks for {why}, and is not read: to make such an object is to run what "
                "the file says.",
                file=shown,
                why=reason_of(error),
            ),
            with_hint(
                "Ask for a .safetensors file, or for one that holds a state_dict and nothing else.",
                TRUST_HINT,
            ),
        ) from error
    except NewerProtocolError as error:
        raise CheckpointError(
            path,
            Sentence(
                "{file} is pickled with protocol 4 or 5, of which torch reads nothing without "
                "running what the file says.",
                file=shown,
            ),
            with_hint(
                "Ask for a .safetensors file, or for one of torch.save's own protocol, 2.",
                TRUST_HINT,
            ),
        ) from error
    except LimitError as error:
        raise CheckpointError(
            path, Sentence("{file} is not read: {why}.", file=shown, why=reason_of(error))
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(
            path,
            Sentence(
                "{file} is no checkpoint: {fact}.", file=shown, fact=describe_damage(error, head)
            ),
        ) from error


def sibling_key(path: str, key: str) -> str:
    """Return the path of another key of the same config.

    >>> sibling_key("init_cfg[1].checkpoint", "prefix"), sibling_key("filename", "prefix")
    ('init_cfg[1].prefix', 'prefix')
    """
    outer, dot, _ = path.rpartition(".")
    return f"{outer}{dot}{key}"


def check_map_location(map_location: Any, path: str, *, present: bool = True) -> Any:
    """Check a ``map_location`` before any file is fetched for it.

    Args:
        map_location: What is to be checked.
        path: Where the config names it, for errors.
        present: Whether this machine must have the device.
    """
    if map_location is None:
        return torch.device("cpu")
    if isinstance(map_location, (str, int, torch.device)):
        try:
            if not present:
                return torch.device(map_location)
            return torch.empty(0, device=map_location).device
        except (RuntimeError, AssertionError) as error:  # no such device, here or anywhere
            raise BadValueError(
                path,
                Sentence(
                    "{value} can not be used: {why}.",
                    value=repr(map_location),
                    why=reason_of(error),
                ),
            ) from error
    if callable(map_location) or isinstance(map_location, Mapping):
        return map_location
    raise BadArgumentError(
        path,
        Sentence("expected a device, a dict or a function, got {value}.", value=repr(map_location)),
    )


def read_safetensors(
    file: Path, place: Any, mapped: bool, shown: str, path: str
) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, which cannot hold anything else."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingPackageError(
            path,
            Sentence(
                "{file} needs safetensors, which cannot be imported: {why}.",
                file=shown,
                why=reason_of(error),
            ),
            "Install it: pip install safetensors.",
        ) from error
    try:
        device = str(place) if isinstance(place, torch.device) else "cpu"
        with safe_open(file, framework="pt", device=device) as opened:
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            header = opened.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(
            path,
            Sentence("{file} is no safetensors file: {why}.", file=shown, why=reason_of(error)),
        ) from error
    if not mapped:
        state = {name: tensor.clone() for name, tensor in state.items()}
    # The format has each tensor once; of one with several names the header says them.
    state.update({name: state[first] for name, first in header.items() if first in state})
    return state


def describe_damage(error: Exception, head: bytes) -> Sentence:
    """Say what is wrong with a file by its first bytes, or else by the error that it led to."""
    if not head.startswith((ZIP[:2], PICKLE)):
        return Sentence("it begins with {bytes}", bytes=repr(head[:32]))
    if isinstance(error, (IndexError, struct.error)):  # the end of a pickle, or of its stack
        return Sentence("it ends too early")
    return reason_of(error)


def sibling_file(name: str, shard: str) -> str:
    """Return the name of a file beside an index, spelt as that is.

    >>> sibling_file("hf://org/repo/model.safetensors.index.json@main", "a-1.safetensors")
    'hf://org/repo/a-1.safetensors@main'
    """
    *_, last = INDEX_FILE.finditer(name)
    return f"{name[: last.start()]}{shard}{name[last.end() :]}"


def read_sharded(
    file: Path, read: Callable[[str], Any], shown: str, path: str
) -> OrderedDict[str, Any]:
    """Return the tensors that an index lists, from the files beside it, which ``read`` reads.

    Raises:
        RuntimeError: The index is none, or lists a tensor that its file does not hold.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        where = found["weight_map"]
        entries = [(str(name), str(shard)) for name, shard in where.items()]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        known = isinstance(error, (OSError, ValueError))
        why = reason_of(error) if known else Sentence("no weight_map")
        kind = None if isinstance(error, OSError) else find_kind(file, json=True)
        why, hint = (why, "") if kind is None else (as_sentence(kind.fact), kind.hint)
        raise CheckpointError(
            path, Sentence("{file} is no index of a checkpoint: {why}.", file=shown, why=why), hint
        ) from error
    state: OrderedDict[str, Any] = OrderedDict()
    parts: dict[str, Any] = {}
    for name, shard in entries:
        if "/" in shard or "\\" in shard or shard in ("", ".", ".."):
            raise CheckpointError(
                path,
                Sentence(
                    "{file} lists {shard}, which is no file beside it.",
                    file=shown,
                    shard=repr(shard),
                ),
            )
        if shard not in parts:
            parts[shard] = read(shard)
        held = parts[shard]
        if not isinstance(held, Mapping) or name not in held:
            raise CheckpointError(
                path,
                Sentence(
                    "{file} looks for {name} in {shard}, which has it not.",
                    file=shown,
                    name=name,
                    shard=shard,
                ),
            )
        state[name] = held[name]
    return state
