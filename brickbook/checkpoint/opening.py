"""A name and what finds its file -> what the checkpoint holds, in one file or in several."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.reading import beside, place_for, read_file
from brickbook.checkpoint.sharded import INDEX, read_sharded, sibling
from brickbook.checkpoint.sources import Source, local_file, mmcls_file
from brickbook.errors import BadArgumentError

__all__ = ["_process_mmcls_checkpoint", "name_of", "opened"]


def opened(
    checkpoint: str | os.PathLike[str],
    source: Source,
    map_location: Any = None,
    *,
    mapped: bool = False,
    trust: bool = False,
    path: str = "filename",
) -> Any:
    """Return what the file that ``source`` finds holds, as it is.

    The ``.index.json`` of a checkpoint in several files stands for them all; of a classifier of
    ``mmcls://`` it is the backbone.
    """
    name = name_of(checkpoint, path)
    place = place_for(map_location, beside(path, "map_location"))
    file = source(name, path)
    shown = str(file) if name == str(file) else f"{name} ({file})"
    read = partial(read_file, place=place, mapped=mapped, trust=trust, path=path)
    if file.name.endswith(INDEX):
        # What was fetched stands alone in the cache: the files beside it are asked for by name.
        near, find = (name, source) if INDEX in name else (str(file), local_file)

        def part(shard: str) -> Any:
            other = sibling(near, shard)
            found = find(other, path)
            return read(found, shown=other if other == str(found) else f"{other} ({found})")

        return read_sharded(file, part, shown, path)
    content = read(file, shown=shown)
    return _process_mmcls_checkpoint(content, shown, path) if source is mmcls_file else content


def name_of(checkpoint: Any, path: str) -> str:
    """Return the name of a checkpoint; TypeError if it is none."""
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise BadArgumentError(path, f"expected a path or a URL, got {checkpoint!r}.")
    return str(os.fspath(checkpoint))


def _process_mmcls_checkpoint(
    checkpoint: Any, shown: object = "the checkpoint", path: str = "checkpoint"
) -> dict[str, Any]:
    """Return the backbone of a classifier: what is under ``backbone.``, without it."""
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    found: OrderedDict[str, Tensor] = OrderedDict()
    for name, value in state.items():
        if str(name).startswith("backbone."):
            found[name.removeprefix("backbone.")] = value
    if not found:
        raise CheckpointError(path, f"{shown} holds no name that begins with backbone.")
    return {"state_dict": found}
