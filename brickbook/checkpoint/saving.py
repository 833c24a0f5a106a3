"""A model -> a checkpoint file, whole or not at all; it says how its weights began."""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from brickbook.checkpoint.loaders import locate, read_checkpoint
from brickbook.checkpoint.matching import children
from brickbook.checkpoint.state import State, state_of, with_metadata
from brickbook.checkpoint.wrappers import unwrapped
from brickbook.checkpoint.writing import header, is_safetensors, write_file, write_safetensors
from brickbook.errors import BadArgumentError, BadValueError

__all__ = [
    "find_latest_checkpoint",
    "get_state_dict",
    "read_meta",
    "save_checkpoint",
    "weights_to_cpu",
]


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

    ``meta`` gets the version and the time, the ``CLASSES`` of the model if it has any, and under
    ``init`` the ``plan`` and ``report`` of its initialisation as JSON, which `read_meta` gives
    back. A name ending in ``.safetensors`` is written in that format, which has no place for an
    optimizer; a URL that fsspec knows (``s3://``) is written through it. The file is replaced in
    one step, so that there is never half of one. A dict in place of the model is written as it is.

    Raises TypeError for a ``meta`` that is no dict, ValueError for what the format cannot hold,
    OSError if the file cannot be written.
    """
    if not (meta is None or isinstance(meta, Mapping)):
        raise BadArgumentError("meta", f"expected a dict or None, got {type(meta)}.")
    check_client(file_client_args, str(filename))
    if isinstance(model, Mapping):
        content = dict(model)
    else:
        content = {"meta": meta_of(model, meta, plan, report)}
        content["state_dict"] = weights_to_cpu(get_state_dict(model))
    if optimizer is not None:
        if is_safetensors(filename):
            problem = f"{filename} holds tensors only."
            raise BadValueError("optimizer", problem, "Write to a .pth file.")
        content["optimizer"] = optimizer_state(optimizer)
    if is_safetensors(filename):
        state = state_of(content, filename, "model")
        write_safetensors(state, filename, content.get("meta", {}))
    else:
        write_file(filename, lambda file: torch.save(content, file))


def check_client(arguments: Mapping[str, Any] | None, filename: str) -> None:
    """Accept what mmcv calls file clients as far as the name of the file says the same."""
    backend = (arguments or {}).get("backend")
    if backend not in (None, "disk", "local") and "://" not in filename:
        raise BadValueError(
            "file_client_args.backend",
            f"{backend!r} is not asked: {filename} is a path.",
            "What is not on disk is written to a URL that fsspec knows, as s3://bucket/name.",
        )


def meta_of(
    model: nn.Module, meta: Mapping[str, Any] | None, plan: Any, report: Any
) -> dict[str, Any]:
    """Return what a file says about itself."""
    found = dict(meta or {})
    found["brickbook_version"] = import_module("brickbook").__version__
    found["time"] = time.asctime()
    classes = getattr(unwrapped(model), "CLASSES", None)
    if classes is not None:
        found["CLASSES"] = classes
    plan = getattr(report, "plan", None) if plan is None else plan
    init = {"plan": plan, "report": report}
    if texts := {key: as_json(key, value) for key, value in init.items() if value is not None}:
        found["init"] = texts
    return found


def as_json(key: str, value: Any) -> str:
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
    module = unwrapped(module)
    if destination is None:
        destination = with_metadata(OrderedDict(), {})
    metadata = getattr(destination, "_metadata", {})
    metadata[prefix[:-1]] = {"version": module._version}
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name in sorted(module._non_persistent_buffers_set):
        buffer = module._buffers.get(name)
        if buffer is not None:
            destination[f"{prefix}{name}"] = buffer if keep_vars else buffer.detach()
    for name, child in children(module):
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
        return header(locate(checkpoint))
    found = read_checkpoint(checkpoint, mapped=True, trust=trust)
    meta = found.get("meta") if isinstance(found, Mapping) else None
    return dict(meta) if isinstance(meta, Mapping) else {}


def find_latest_checkpoint(path: str | os.PathLike[str]) -> str | None:
    """Return the file that ``last_checkpoint`` in a folder names; None if there is no such note."""
    note = Path(path).expanduser() / "last_checkpoint"
    if not note.is_file():
        return None
    return note.read_text(encoding="utf-8").strip() or None
