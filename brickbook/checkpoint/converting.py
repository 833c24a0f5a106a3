"""A checkpoint -> another file: another format, other names, nothing that can be run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brickbook.checkpoint.loaders import read_checkpoint
from brickbook.checkpoint.state import REVISE_KEYS, State, part_of, state_of
from brickbook.checkpoint.writing import is_safetensors, write_file, write_safetensors
from brickbook.errors import BadValueError

__all__ = ["Converted", "convert"]


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
) -> Converted:
    """Write the state dict of a checkpoint file, URL or published name to another file.

    ``module.`` is cut off the names; with ``strip_prefix`` only what begins with it is written,
    without it. The ``meta`` goes along, as JSON into a ``.safetensors`` file. Raises ValueError if
    ``target`` is there already, unless ``force`` replaces it, and what reading a checkpoint raises.
    """
    file = Path(target).expanduser()
    if file.exists() and not force:
        raise BadValueError("target", f"{target} is there already.", "force=True replaces it.")
    content = read_checkpoint(source, mapped=True, trust=trust, path="source")
    every = state_of(content, source, "source")
    state = part_of(every, strip_prefix, REVISE_KEYS, "source")
    meta = content.get("meta", {}) if isinstance(content, Mapping) else {}
    meta = {**(meta if isinstance(meta, Mapping) else {}), "converted_from": str(source)}
    if is_safetensors(file):
        write_safetensors(state, file, meta)
    else:
        whole = {"meta": meta, "state_dict": own(state)}
        write_file(file, lambda part: torch.save(whole, part))
    return Converted(file, len(state), file.stat().st_size, left_out(every, state))


def own(state: State) -> State:
    """Return a state dict of which each tensor is written without what else its memory holds."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.untyped_storage().nbytes() > value.nbytes:
            state[name] = value.clone()
    return state


def left_out(every: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a state dict of which nothing was kept."""
    values = {id(value) for value in kept.values()}
    return tuple(name for name, value in every.items() if id(value) not in values)
