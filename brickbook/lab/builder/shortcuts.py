"""A shortcut around bricks: the projection that brings what goes in to the shape that comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.blueprint import Blueprint, Path, as_chain, resolve
from brickbook.bricks import Residual
from brickbook.config import signature_of, unwrap_partial
from brickbook.errors import ConfigError
from brickbook.lab.builder.preview import Preview
from brickbook.lab.builder.tree_edits import EditedTree, Siblings

__all__ = ["add_shortcut", "find_projection", "shortcut_of"]

Shape = Sequence[int]


def find_projection(before: Shape, after: Shape, bricks: Sequence[Any]) -> list[dict[str, Any]]:
    """Return bricks that bring one shape to the other: none, a 1×1 convolution, or a Linear.

    Where the first axis is that of channels the convolution has the stride that fits; where all
    but the last axis stay and the bricks look at the last (a Linear, an attention), it is a Linear.

    Raises:
        ValueError: No projection of this kind fits.

    >>> find_projection((16, 32, 32), (32, 16, 16), [])
    [{'type': 'Conv2d', 'out_channels': 32, 'kernel_size': 1, 'stride': 2}]
    """
    before, after = tuple(before), tuple(after)
    if before == after:
        return []
    if len(before) == len(after):
        if before[:-1] == after[:-1] and (len(after) == 1 or looks_at_last(bricks)):
            return [{"type": "Linear", "out_features": after[-1]}]
        strides = [find_stride(old, new) for old, new in zip(before[1:], after[1:], strict=True)]
        if 2 <= len(after) <= 4 and all(strides):
            cfg: dict[str, Any] = {
                "type": f"Conv{len(after) - 1}d", "out_channels": after[0], "kernel_size": 1,
            }  # fmt: skip
            if set(strides) != {1}:
                cfg["stride"] = strides[0] if len(set(strides)) == 1 else tuple(strides)
            return [cfg]
    raise ValueError("no 1×1 convolution and no Linear brings one shape to the other")


def find_stride(size: int, wanted: int) -> int:
    """Return the least stride with which a kernel of 1 makes one length of another; 0 for none."""
    if not 0 < wanted <= size:
        return 0
    stride = (size - 1) // wanted + 1
    return stride if (size - 1) // stride + 1 == wanted else 0


def looks_at_last(bricks: Sequence[Any]) -> bool:
    """Whether a brick says the length of the last axis."""
    for cfg in bricks:
        try:
            named = signature_of(resolve(cfg.get("type"))[1]).named
        except ConfigError:
            continue
        if {"in_features", "normalized_shape", "embed_dims"} & set(named):
            return True
    return False


def is_residual(cfg: object) -> bool:
    """Whether a config is that of a `Residual`."""
    if not isinstance(cfg, Mapping):
        return False
    try:
        return unwrap_partial(resolve(cfg.get("type"))[1]) is Residual
    except ConfigError:
        return False


def shortcut_of(
    blueprint: Blueprint, siblings: Siblings, preview: Preview
) -> list[dict[str, Any]] | None:
    """Return the shortcut that fits around bricks, or into a `Residual`; None if none does."""
    first, last = siblings.path_at(siblings.first), siblings.path_at(siblings.end - 1)
    chosen: Any = blueprint[first]
    indices = range(siblings.first, siblings.end)
    bricks: Sequence[Any] = [blueprint[siblings.path_at(at)] for at in indices]
    if siblings.length == 1 and is_residual(chosen):
        bricks = as_chain(chosen.get("body"))
        if not bricks:
            return None
        last = (*first, "body", len(bricks) - 1)
    before, after = preview.row_at(first).input, preview.row_at(last).output
    if before is None or after is None:
        return None
    try:
        return find_projection(before, after, bricks)
    except ValueError:
        return None


def add_shortcut(
    blueprint: Blueprint, siblings: Siblings, projection: Sequence[Mapping[str, Any]]
) -> EditedTree:
    """Put bricks into a `Residual` with this shortcut, or give a `Residual` this one."""
    at: Path = siblings.path_at(siblings.first)
    if siblings.length != 1 or not is_residual(blueprint[at]):
        blueprint = blueprint.wrap(at, "Residual", siblings.length)
    cfg = {key: value for key, value in blueprint[at].items() if key != "shortcut"}
    if projection:
        cfg["shortcut"] = [dict(part) for part in projection]
    return EditedTree(blueprint.put(at, [cfg]), at)
