"""Files written in one step: there is the old one or the new one, never half of one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from torch import Tensor

from brickbook.checkpoint.errors import CheckpointError, MissingPackageError, WriteError
from brickbook.checkpoint.places import SCHEME
from brickbook.checkpoint.remote import needed
from brickbook.checkpoint.state import State, listed
from brickbook.errors import BadValueError, first_line

__all__ = ["header", "in_one_step", "is_safetensors", "write_file", "write_safetensors"]

SUFFIX = ".safetensors"


def is_safetensors(filename: str | os.PathLike[str]) -> bool:
    """Whether a name ends as that of a file in safetensors' format."""
    return str(filename).endswith(SUFFIX)


def write_file(filename: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file, and put that where the name says: a path, or a URL of fsspec."""
    name = os.fspath(filename)
    if SCHEME.match(name) is None:
        with in_one_step(Path(name).expanduser()) as part:
            write(part)
        return
    if name.startswith("pavi://"):
        raise BadValueError("filename", f"{name} cannot be written: the service is gone.")
    core = needed("fsspec.core", name, "filename")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "checkpoint"
        write(part)
        try:
            system, place = core.url_to_fs(name)
            system.makedirs(system._parent(place), exist_ok=True)
            system.put_file(str(part), place)
        except ImportError as error:
            problem = f"{name} needs another package: {first_line(error)}."
            raise MissingPackageError("filename", problem) from error
        except Exception as error:  # each of those packages has errors of its own
            problem = f"{name} cannot be written: {first_line(error)}."
            raise WriteError("filename", problem) from error


@contextmanager
def in_one_step(file: Path) -> Iterator[Path]:
    """Give a path beside a file to write to; it takes the file's place when all went well."""
    part = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())  # a crash must not leave an empty file there
        part.replace(file)
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror or error}."
        raise WriteError("filename", problem) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_safetensors(
    state: State, filename: str | os.PathLike[str], meta: Mapping[str, Any]
) -> None:
    """Write a state dict in safetensors' format, with ``meta`` as JSON in its header.

    Of tensors that are one and the same the first is written, and the header says of the others
    which that is, as safetensors' own ``save_model`` does. Raises ValueError for what is no tensor.
    """
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise BadValueError(
            "filename",
            f"{filename} holds tensors only, not {listed(others)}.",
            "Write to a .pth file.",
        )
    safetensors = needed("safetensors.torch", str(filename), "filename")
    tensors: dict[str, Tensor] = {}
    told = {"format": "pt", "meta": json.dumps(dict(meta), default=str)}
    first: dict[tuple[Any, ...], str] = {}
    used: set[int] = set()
    for name, value in state.items():
        storage = value.untyped_storage().data_ptr()
        key = (storage, value.storage_offset(), value.shape, value.stride(), value.dtype)
        if storage and key in first:
            told[name] = first[key]
            continue
        first[key] = name
        value = value.detach()
        # Parts of one memory are written apart, as the format wants it.
        tensors[name] = value.clone() if storage in used else value.contiguous()
        used.add(storage)
    write_file(filename, lambda file: safetensors.save_file(tensors, file, metadata=told))


def header(file: Path) -> dict[str, Any]:
    """Return what the header of a .safetensors file says: its ``meta``, and all else beside it."""
    safetensors = needed("safetensors", str(file), "filename")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            told = dict(opened.metadata() or {})
    except import_module("safetensors").SafetensorError as error:
        problem = f"{file} is no safetensors file: {error}."
        raise CheckpointError("filename", problem) from error
    told.pop("format", None)
    try:
        meta = json.loads(told.pop("meta", "{}"))
    except ValueError:
        meta = {}
    return {**told, **(meta if isinstance(meta, dict) else {})}
