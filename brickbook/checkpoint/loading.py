"""A checkpoint or a state dict into a model, with the signatures of mmcv's runner."""

from __future__ import annotations

import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from brickbook.checkpoint.filling import fill
from brickbook.checkpoint.loaders import read_checkpoint
from brickbook.checkpoint.matching import Match, named_tensors
from brickbook.checkpoint.state import (
    REVISE_KEYS,
    State,
    belongs,
    read_part,
    revised,
    state_of,
    with_metadata,
)
from brickbook.errors import BadArgumentError
from brickbook.origins import note_origin

__all__ = [
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "load_checkpoint",
    "load_state_dict",
]

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
) -> Any:
    """Load a checkpoint file, URL or published name into a model; return all that the file holds.

    Each (pattern, replacement) of ``revise_keys`` is applied to the names in the file; by default
    ``module.`` is cut off. Without ``map_location`` the file is read to the CPU. A match that is
    not exact is a warning of ``logger``: a Logger or the name of one, ``"silent"`` for none at all,
    None for brickbook's own.

    Raises FileNotFoundError for a file that is not there, OSError for a download that fails, and
    RuntimeError for a file without a state dict, if nothing in it fits the model and, with
    ``strict``, if the match is not exact. The model is then unchanged.
    """
    checkpoint = _load_checkpoint(filename, map_location, logger)
    state = revised(state_of(checkpoint, filename, "filename"), revise_keys)
    found = fill(model, state, strict, "filename", spell_revision)
    note(model, found, str(filename))
    report(found, logger)
    return checkpoint


def load_state_dict(
    module: nn.Module, state_dict: Mapping[str, Any], strict: bool = False, logger: Logger = None
) -> Match:
    """Load a state dict into a module, and return what of the module it filled.

    Unlike ``nn.Module.load_state_dict`` it reaches into wrapped modules, passes over tensors of
    another shape unless ``strict``, and leaves the module unchanged when it raises: as
    ``load_checkpoint`` does, whose ``logger`` it has too.
    """
    if not isinstance(state_dict, Mapping):
        raise BadArgumentError("state_dict", f"expected a dict, got {type(state_dict)}.")
    for name, value in state_dict.items():
        if not belongs(name, value):
            raise BadArgumentError(f"state_dict[{name!r}]", f"expected a Tensor, got {value!r}.")
    state = with_metadata(OrderedDict(state_dict), getattr(state_dict, "_metadata", {}))
    found = fill(module, state, strict, "state_dict", "the names without {!r}".format)
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


def voice(logger: Logger) -> logging.Logger:
    """Return the logger that mmcv's ``logger`` argument means."""
    if isinstance(logger, logging.Logger):
        return logger
    if logger is None:
        return log
    return silent if logger == "silent" else logging.getLogger(logger)


def spell_revision(prefix: str) -> str:
    """Write the ``revise_keys`` that cut off a prefix."""
    return f"revise_keys=[(r'^{re.escape(prefix)}', '')]"
