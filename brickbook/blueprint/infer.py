"""Arguments that say what comes in: they may be left out where the input's shape says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brickbook.config import matches_type, signature_of

__all__ = [
    "ARGUMENT_AXES",
    "AUTO",
    "CHANNEL_ARGUMENTS",
    "FEATURE_ARGUMENTS",
    "drop_open_arguments",
    "infer_arguments",
    "open_arguments",
]

AUTO = "auto"

# Which axis of a sample an argument says: the first is that of the channels.
ARGUMENT_AXES: Mapping[str, int] = {
    "in_channels": 0,
    "num_features": 0,
    "num_channels": 0,
    "in_features": -1,
    "normalized_shape": -1,
}

# Arguments that usually say one of them, in classes of anybody.
CHANNEL_ARGUMENTS = (
    "in_channels", "num_features", "num_channels", "channels", "inplanes", "in_planes",
    "in_chans", "planes",
)  # fmt: skip

FEATURE_ARGUMENTS = (
    "in_features", "normalized_shape", "embed_dims", "embed_dim", "dim", "d_model", "input_size",
)  # fmt: skip


def open_arguments(cfg: Mapping[str, Any], make: Callable[..., Any]) -> tuple[str, ...]:
    """Return the arguments of ``make`` that ``cfg`` leaves to be found.

    They are left out, None where None is no value for them, or ``"auto"``.
    """
    takes = signature_of(make)
    found = []
    for name in ARGUMENT_AXES:
        if name not in takes.named:
            continue
        needed = name in takes.required
        if name not in cfg:
            is_open = needed
        elif cfg[name] is None:
            is_open = needed and not (name in takes.hints and matches_type(takes.hints[name], None))
        else:
            is_open = isinstance(cfg[name], str) and cfg[name] == AUTO
        if is_open:
            found.append(name)
    return tuple(found)


def drop_open_arguments(cfg: Mapping[str, Any], make: Callable[..., Any]) -> dict[str, Any]:
    """Return a config without the arguments that are to be found."""
    missing = open_arguments(cfg, make)
    return {name: value for name, value in cfg.items() if name not in missing}


def infer_arguments(
    cfg: Mapping[str, Any], make: Callable[..., Any], shape: tuple[int, ...] | None
) -> dict[str, int]:
    """Return what can be found of these for a sample of ``shape`` (without the batch).

    >>> from torch import nn
    >>> infer_arguments({"out_features": 2}, nn.Linear, (7, 5))
    {'in_features': 5}
    """
    if not shape:
        return {}
    return {name: shape[ARGUMENT_AXES[name]] for name in open_arguments(cfg, make)}
