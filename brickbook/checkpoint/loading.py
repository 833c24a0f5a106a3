"""A checkpoint or a state dict into a model, with the signatures of mmcv's runner."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from torch import nn

from brickbook.checkpoint.filling import fill
from brickbook.checkpoint.loaders import read_checkpoint
from brickbook.checkpoint.matching import Match, named_tensors
from brickbook.checkpoint.state import (
    REVISE_KEYS,
    State,
    belongs,
    check_prefix,
    part_of,
    read_part,
    state_of,
    with_metadata,
)
from brickbook.errors import BadArgumentError, nearest
from brickbook.origins import note_origin

__all__ = [
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "load_checkpoint",
    "load_state_dict",
    "load_weights",
]

if TYPE_CHECKING:
    from typing_extensions import Unpack

Logger = logging.Logger | str | None

log = logging.getLogger(__name__)
silent = logging.getLogger(f"{__name__}.silent")
silent.disabled = True


def load_checkpoint(
    model: nn.Module,
    filename: str | os.PathLike[str],
    map_location: Any = None,
    strict: bool = False,
    logger: Logger = None,
    revise_keys: Sequence[tuple[str, str]] = REVISE_KEYS,
    **more: Unpack[How],
) -> Any:
    """Load a checkpoint file, URL or published name into a model; return all that the file holds.

    Each (pattern, replacement) of ``revise_keys`` is applied to the names in the file; by default
    ``module.`` is cut off. Without ``map_location`` the file is read to the CPU. A match that is
    not exact is a warning of ``logger``: a Logger or the name of one, ``"silent"`` for none at all,
    None for brickbook's own. ``more`` are the other arguments of `load_weights`, which returns the
    match. What is returned here is mapped from the file: put a new file in its place rather than
    write into it, or say ``mmap=False``.

    Raises FileNotFoundError for a file that is not there, OSError for a download that fails, and
    RuntimeError for a file without a state dict, if nothing in it fits the model and, with
    ``strict``, if the match is not exact. The model is then unchanged.
    """
    return load(model, filename, map_location, strict, logger, revise_keys, more)[0]


def load_weights(
    model: nn.Module,
    checkpoint: str | os.PathLike[str],
    *,
    strict: bool = False,
    revise_keys: Sequence[tuple[str, str]] = REVISE_KEYS,
    map_location: Any = None,
    logger: Logger = None,
    **more: Unpack[How],
) -> Match:
    """Load a checkpoint file, URL or published name into a model; return what of it was filled.

    As `load_checkpoint`, and: with ``prefix`` only names that begin so count, without it. ``adapt``
    names what may be changed to fit: ``"positions"``, ``"channels"``, ``"classes"``. ``assign``
    gives the model the file's tensors in place of its own: a model on the meta device needs that.
    ``trust`` unpickles whatever the file holds, which can run anything: for this call, and logged.
    ``mmap=False`` reads a file at once rather than piece by piece as tensors are filled.
    """
    return load(model, checkpoint, map_location, strict, logger, revise_keys, more)[1]


class How(TypedDict, total=False):
    """What mmcv's ``load_checkpoint`` does not take."""

    prefix: str | None
    adapt: str | Collection[str]
    assign: bool
    trust: bool
    mmap: bool


def load(
    model: nn.Module,
    filename: str | os.PathLike[str],
    map_location: Any,
    strict: bool,
    logger: Logger,
    revise_keys: Sequence[tuple[str, str]],
    how: How,
) -> tuple[Any, Match]:
    """Load a checkpoint into a model; return what the file holds, and what of the model is full."""
    if unknown := sorted(how.keys() - How.__annotations__.keys()):
        hint = nearest(unknown[0], How.__annotations__)
        raise BadArgumentError(unknown[0], "is no argument of load_checkpoint.", hint)
    prefix = how.get("prefix")
    check_prefix(prefix, "filename")
    voice(logger).info("reading checkpoint %s", filename)
    held = read_checkpoint(
        filename,
        map_location,
        mapped=how.get("mmap", True),
        trust=how.get("trust", False),
        path="filename",
    )
    state = part_of(state_of(held, filename, "filename"), prefix, revise_keys, "filename")
    adapt, assign = how.get("adapt", ()), how.get("assign", False)
    found = fill(model, state, strict, "filename", adapt=adapt, assign=assign)
    note(model, found, str(filename))
    report(found, logger)
    return held, found


def load_state_dict(
    module: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = False,
    logger: Logger = None,
    *,
    adapt: str | Collection[str] = (),
    assign: bool = False,
) -> Match:
    """Load a state dict into a module, and return what of the module it filled.

    Unlike ``nn.Module.load_state_dict`` it reaches into wrapped modules, passes over tensors of
    another shape unless ``strict``, and leaves the module unchanged when it raises: as
    ``load_checkpoint`` does, whose ``logger`` it has too. ``adapt`` and ``assign`` are those of
    `load_weights`.
    """
    if not isinstance(state_dict, Mapping):
        raise BadArgumentError("state_dict", f"expected a dict, got {type(state_dict)}.")
    for name, value in state_dict.items():
        if not belongs(name, value):
            raise BadArgumentError(f"state_dict[{name!r}]", f"expected a Tensor, got {value!r}.")
    state = with_metadata(OrderedDict(state_dict), getattr(state_dict, "_metadata", {}))
    spell = "the names without {!r}".format
    found = fill(module, state, strict, "state_dict", spell, adapt=adapt, assign=assign)
    note(module, found, "a state dict")
    report(found, logger)
    return found


def _load_checkpoint(
    filename: str | os.PathLike[str], map_location: Any = None, logger: Logger = None
) -> Any:
    """Return what a checkpoint file, URL or published name holds, as it is."""
    voice(logger).info("reading checkpoint %s", filename)
    return read_checkpoint(filename, map_location, path="filename")


def _load_checkpoint_with_prefix(
    prefix: str, filename: str | os.PathLike[str], map_location: Any = None
) -> State:
    """Return the part of a checkpoint's state dict whose names begin with a prefix, without it.

    A dot is added to the prefix where it has none. Raises AssertionError if no name begins so.
    """
    return read_part(filename, prefix, map_location, path="filename")


def note(model: nn.Module, found: Match, origin: str) -> None:
    """Note where the tensors that were filled come from: ``only_missing`` asks for it."""
    tensors = named_tensors(model)
    note_origin((tensors[name] for name in found.loaded), origin)


def report(found: Match, logger: Logger) -> None:
    """Warn of a match that is not exact."""
    if not found.exact:
        voice(logger).warning("%s", found)
    elif found.adapted:
        voice(logger).info("%s", found)


def voice(logger: Logger) -> logging.Logger:
    """Return the logger that mmcv's ``logger`` argument means."""
    if isinstance(logger, logging.Logger):
        return logger
    if logger is None:
        return log
    return silent if logger == "silent" else logging.getLogger(logger)
