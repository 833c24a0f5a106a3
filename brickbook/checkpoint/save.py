"""Save checkpoints: atomic files, safetensors, conversion."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from brickbook.checkpoint.cache import SCHEME
from brickbook.checkpoint.errors import CheckpointError, MissingPackageError, WriteError
from brickbook.checkpoint.match import named_child_modules
from brickbook.checkpoint.remote import import_optional
from brickbook.checkpoint.schemes import locate, read_checkpoint
from brickbook.checkpoint.state_dict import (
    REVISE_KEYS,
    State,
    extract_state,
    select_part,
    with_metadata,
)
from brickbook.errors import BadArgumentError, BadValueError, first_line, join_limited
from brickbook.files import atomic_write
from brickbook.introspect import unwrap_model

__all__ = [
    "convert",
    "find_latest_checkpoint",
    "get_state_dict",
    "read_meta",
    "save_checkpoint",
    "weights_to_cpu",
]

SUFFIX = ".safetensors"


def is_safetensors(filename: str | os.PathLike[str]) -> bool:
    """Whether a name ends as that of a file in safetensors' format."""
    return str(filename).endswith(SUFFIX)


def write_file(filename: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file, and put that where the name says: a path, or a URL of fsspec."""
    name = os.fspath(filename)
    if SCHEME.match(name) is None:
        with atomic_write(Path(name).expanduser(), "filename") as part:
            write(part)
        return
    if name.startswith("pavi://"):
        raise BadValueError("filename", f"{name} cannot be written: the service is gone.")
    core = import_optional("fsspec.core", name, "filename")
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


def write_torch(content: Any, filename: str | os.PathLike[str]) -> None:
    """Write what ``torch.save`` writes; OSError if the file cannot be written."""

    def write(part: Path) -> None:
        with ErrorKeepingWriter(FileIO(part, "w")) as file:
            try:
                torch.save(content, file)
            except RuntimeError:
                if file.error is not None:
                    raise file.error from None
                raise

    write_file(filename, write)


class ErrorKeepingWriter(BufferedWriter):
    """A file that keeps why it could not be written: torch says only where it was then."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write some bytes."""
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_safetensors(
    state: State, filename: str | os.PathLike[str], meta: Mapping[str, Any]
) -> None:
    """Write a state dict in safetensors' format, with ``meta`` as JSON in its header.

    Of tensors that are one and the same the first is written, and the header says of the others
    which that is, as safetensors' own ``save_model`` does.

    Raises:
        ValueError: A value is no tensor, or a name no UTF-8.
    """
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise BadValueError(
            "filename",
            f"{filename} holds tensors only, not {join_limited(others)}.",
            "Write to a .pth file.",
        )
    if broken := [name for name in state if has_surrogates(name)]:
        problem = f"{filename} holds names in UTF-8 only, not {join_limited(broken)}."
        raise BadValueError("filename", problem, "Write to a .pth file.")
    safetensors = import_optional("safetensors.torch", str(filename), "filename")
    tensors: dict[str, Tensor] = {}
    metadata = {"format": "pt", "meta": json.dumps(dict(meta), default=str)}
    first: dict[tuple[Any, ...], str] = {}
    used: set[int] = set()
    for name, value in state.items():
        storage = value.untyped_storage().data_ptr()
        key = (storage, value.storage_offset(), value.shape, value.stride(), value.dtype)
        if storage and key in first:
            metadata[name] = first[key]
            continue
        first[key] = name
        value = value.detach()
        # Parts of one memory are written apart, as the format wants it.
        tensors[name] = value.clone() if storage in used else value.contiguous()
        used.add(storage)

    def write(part: Path) -> None:
        try:
            safetensors.save_file(tensors, part, metadata=metadata)
        except import_module("safetensors").SafetensorError as error:
            if found := OS_ERROR.search(str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
            raise

    write_file(filename, write)


def has_surrogates(name: str) -> bool:
    """Whether a name has half a surrogate pair, which UTF-8 cannot hold."""
    return name.encode("utf-8", "replace") != name.encode("utf-8", "surrogatepass")


def read_header(file: Path) -> dict[str, Any]:
    """Return what the header of a .safetensors file says: its ``meta``, and all else beside it."""
    safetensors = import_optional("safetensors", str(file), "filename")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
    except import_module("safetensors").SafetensorError as error:
        problem = f"{file} is no safetensors file: {error}."
        raise CheckpointError("filename", problem) from error
    metadata.pop("format", None)
    try:
        meta = json.loads(metadata.pop("meta", "{}"))
    except ValueError:
        meta = {}
    return {**metadata, **(meta if isinstance(meta, dict) else {})}


def save_checkpoint(
    model: nn.Module | Mapping[str, Any],
    filename: str | os.PathLike[str],
    optimizer: Optimizer | Mapping[str, Optimizer] | None = None,
    meta: Mapping[str, Any] | None = None,
    file_client_args: Mapping[str, Any] | None = None,
    *,
    plan: Any = None,
    report: Any = None,
) -> None:
    """Write a model's weights to a file: ``meta``, ``state_dict`` and, if given, ``optimizer``.

    Args:
        model: The model; a dict in its place is written as it is.
        filename: A name ending in ``.safetensors`` is written in that format, which has no place
            for an optimizer; a URL that fsspec knows (``s3://``) is written through it. A file is
            replaced in one step, so that there is never half of one.
        optimizer: An optimizer, or several by name, whose state is written.
        meta: Gets the version and the time, the ``CLASSES`` of the model if it has any, and under
            ``init`` the plan and the report, which `read_meta` gives back.
        file_client_args: As in mmcv: ``backend`` says where a file is; only one that fits
            ``filename`` is accepted.
        plan: The plan of the initialisation, written as JSON.
        report: Its report, written as JSON.

    Raises:
        TypeError: ``meta`` is no dict.
        ValueError: The format cannot hold what is given.
        OSError: The file cannot be written.
    """
    if not (meta is None or isinstance(meta, Mapping)):
        raise BadArgumentError("meta", f"expected a dict or None, got {type(meta)}.")
    check_file_client(file_client_args, str(filename))
    if isinstance(model, Mapping):
        content = dict(model)
    else:
        content = {"meta": build_meta(model, meta, plan, report)}
        content["state_dict"] = weights_to_cpu(get_state_dict(model))
    if optimizer is not None:
        if is_safetensors(filename):
            problem = f"{filename} holds tensors only."
            raise BadValueError("optimizer", problem, "Write to a .pth file.")
        content["optimizer"] = optimizer_state(optimizer)
    if is_safetensors(filename):
        state = extract_state(content, filename, "model", choose="Give that alone: model[{key}].")
        write_safetensors(state, filename, content.get("meta", {}))
    else:
        write_torch(content, filename)


def check_file_client(arguments: Mapping[str, Any] | None, filename: str) -> None:
    """Accept what mmcv calls file clients as far as the name of the file says the same."""
    backend = (arguments or {}).get("backend")
    if backend not in (None, "disk", "local") and "://" not in filename:
        raise BadValueError(
            "file_client_args.backend",
            f"{backend!r} is not asked: {filename} is a path.",
            "What is not on disk is written to a URL that fsspec knows, as s3://bucket/name.",
        )


def build_meta(
    model: nn.Module, meta: Mapping[str, Any] | None, plan: Any, report: Any
) -> dict[str, Any]:
    """Return what a file says about itself."""
    found = dict(meta or {})
    found["brickbook_version"] = import_module("brickbook").__version__
    found["time"] = time.asctime()
    classes = getattr(unwrap_model(model), "CLASSES", None)
    if classes is not None:
        found["CLASSES"] = classes
    plan = getattr(report, "plan", None) if plan is None else plan
    init = {"plan": plan, "report": report}
    if texts := {key: to_json_text(key, value) for key, value in init.items() if value is not None}:
        found["init"] = texts
    return found


def to_json_text(key: str, value: Any) -> str:
    """Return a plan or a report as JSON text."""
    if not callable(getattr(value, "to_dict", None)):
        raise BadArgumentError(key, f"expected what initialize or plan returns, got {value!r}.")
    return json.dumps(value.to_dict())


def optimizer_state(optimizer: Any) -> Any:
    """Return the state of an optimizer, or of each in a dict."""
    if isinstance(optimizer, Optimizer):
        return optimizer.state_dict()
    if isinstance(optimizer, Mapping):
        return {name: optimizer_state(each) for name, each in optimizer.items()}
    raise BadArgumentError("optimizer", f"expected an Optimizer or a dict, got {optimizer!r}.")


def get_state_dict(
    module: nn.Module,
    destination: State | None = None,
    prefix: str = "",
    keep_vars: bool = False,
) -> State:
    """Return a model's state dict under the names without wrappers, wherever these stand.

    As mmcv's it has all buffers, also those that the model says are not to be stored. Values are
    those of the model itself, and with ``keep_vars`` not detached either.
    """
    module = unwrap_model(module)
    if destination is None:
        destination = with_metadata(OrderedDict(), {})
    metadata = getattr(destination, "_metadata", {})
    metadata[prefix[:-1]] = {"version": module._version}
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name in sorted(module._non_persistent_buffers_set):
        buffer = module._buffers.get(name)
        if buffer is not None:
            destination[f"{prefix}{name}"] = buffer if keep_vars else buffer.detach()
    for name, child in named_child_modules(module):
        get_state_dict(child, destination, f"{prefix}{name}.", keep_vars)
    for hook in module._state_dict_hooks.values():
        hook(module, destination, prefix, metadata[prefix[:-1]])
    return destination


def weights_to_cpu(state_dict: Mapping[str, Any]) -> State:
    """Return a state dict with its tensors on the CPU, and its metadata."""
    found: State = OrderedDict(
        (name, value.cpu() if isinstance(value, Tensor) else value)
        for name, value in state_dict.items()
    )
    return with_metadata(found, getattr(state_dict, "_metadata", {}))


def read_meta(checkpoint: str | os.PathLike[str], *, trust: bool = False) -> dict[str, Any]:
    """Return what a checkpoint says about itself: its ``meta``, and nothing where it has none.

    Under ``init`` it has what `save_checkpoint` was given: ``InitPlan.from_json`` reads a plan.
    """
    if is_safetensors(checkpoint):
        return read_header(locate(checkpoint))
    found = read_checkpoint(checkpoint, mapped=True, trust=trust)
    meta = found.get("meta") if isinstance(found, Mapping) else None
    return dict(meta) if isinstance(meta, Mapping) else {}


def find_latest_checkpoint(path: str | os.PathLike[str]) -> str | None:
    """Return the file that ``last_checkpoint`` in a folder names; None if there is no such note."""
    note = Path(path).expanduser() / "last_checkpoint"
    if not note.is_file():
        return None
    return note.read_text(encoding="utf-8").strip() or None


@dataclass(frozen=True)
class Converted:
    """What a conversion has written, and the names of what it has left out."""

    file: Path
    tensors: int
    size: int
    left_out: tuple[str, ...]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    strip_prefix: str | None = None,
    trust: bool = False,
    force: bool = False,
    key: str | None = None,
) -> Converted:
    """Write the state dict of a checkpoint file, URL or published name to another file.

    ``module.`` is cut off the names.

    Args:
        source: The file, URL or name.
        target: The file to write; ``meta`` goes along, as JSON into a ``.safetensors`` file.
        strip_prefix: Only what begins with it is written, without it.
        trust: As in `load_weights`.
        force: Replace a file that is there.
        key: As in `load_weights`.

    Raises:
        ValueError: ``target`` is there already, without ``force``.
        Exception: What reading a checkpoint raises (`load_checkpoint`).
    """
    file = Path(target).expanduser()
    if file.exists() and not force:
        raise BadValueError("target", f"{target} is there already.", "force=True replaces it.")
    content = read_checkpoint(source, mapped=True, trust=trust, path="source")
    every = extract_state(content, source, "source", key)
    state = select_part(every, strip_prefix, REVISE_KEYS, "source")
    meta = content.get("meta", {}) if isinstance(content, Mapping) else {}
    meta = {**(meta if isinstance(meta, Mapping) else {}), "converted_from": str(source)}
    if is_safetensors(file):
        write_safetensors(state, file, meta)
    else:
        write_torch({"meta": meta, "state_dict": compact_storage(state)}, file)
    return Converted(file, len(state), file.stat().st_size, dropped_names(every, state))


def compact_storage(state: State) -> State:
    """Return a state dict of which each tensor is written without what else its memory holds."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.untyped_storage().nbytes() > value.nbytes:
            state[name] = value.clone()
    return state


def dropped_names(every: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a state dict of which nothing was kept."""
    values = {id(value) for value in kept.values()}
    return tuple(name for name, value in every.items() if id(value) not in values)
