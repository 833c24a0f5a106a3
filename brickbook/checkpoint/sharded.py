"""A checkpoint in several files: the ``.index.json`` beside them says which tensor is where."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from brickbook.checkpoint.errors import CheckpointError
from brickbook.errors import first_line

__all__ = ["INDEX", "read_sharded", "sibling"]

INDEX = ".index.json"
BASE = re.compile(r"[^/\\]+\.index\.json")


def sibling(name: str, shard: str) -> str:
    """Return the name of a file beside an index, spelt as that is.

    >>> sibling("hf://org/repo/model.safetensors.index.json@main", "a-1.safetensors")
    'hf://org/repo/a-1.safetensors@main'
    """
    *_, last = BASE.finditer(name)
    return f"{name[: last.start()]}{shard}{name[last.end() :]}"


def read_sharded(
    file: Path, read: Callable[[str], Any], shown: str, path: str
) -> OrderedDict[str, Any]:
    """Return the tensors that an index lists, from the files beside it, which ``read`` reads.

    Raises RuntimeError if the index is none or lists a tensor that its file does not hold.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        where = found["weight_map"]
        entries = [(str(name), str(shard)) for name, shard in where.items()]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        why = first_line(error) if isinstance(error, (OSError, ValueError)) else "no weight_map"
        raise CheckpointError(path, f"{shown} is no index of a checkpoint: {why}.") from error
    state: OrderedDict[str, Any] = OrderedDict()
    parts: dict[str, Any] = {}
    for name, shard in entries:
        if "/" in shard or "\\" in shard or shard in ("", ".", ".."):
            raise CheckpointError(path, f"{shown} lists {shard!r}, which is no file beside it.")
        if shard not in parts:
            parts[shard] = read(shard)
        held = parts[shard]
        if not isinstance(held, Mapping) or name not in held:
            raise CheckpointError(path, f"{shown} looks for {name} in {shard}, which has it not.")
        state[name] = held[name]
    return state
