"""Batch norms whose statistics span all processes, made from plain ones and turned back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.lazy import LazyModuleMixin

from brickbook.errors import BadArgumentError, BadValueError, MissingOperatorError

__all__ = ["BatchNormXd", "convert_sync_batchnorm", "revert_sync_batchnorm"]

LOG = logging.getLogger(__name__)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
MMCV = "mmcv.ops"
Replacement = Callable[[Any], nn.Module | None]


class BatchNormXd(_BatchNorm):
    """A batch norm for any number of dimensions: (N, C, ...), shape kept."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept all: a synchronised batch norm does not say which it had."""


def revert_sync_batchnorm(module: nn.Module) -> nn.Module:
    """Replace synchronised batch norms, mmcv's too, by `BatchNormXd`; return the module.

    Parameters and statistics are carried over as the same objects, the mode as it is. A child that
    its parent refuses to exchange stays, with a warning of the logger. A module that is
    itself a synchronised batch norm is not changed: what replaces it is returned.

    Raises:
        TypeError: ``module`` is no module.
    """
    return replace_modules(
        module, lambda part: rebuild_as(part, BatchNormXd) if is_sync(part) else None, LOG
    )


def convert_sync_batchnorm(
    module: nn.Module, implementation: Literal["torch", "mmcv"] = "torch"
) -> nn.Module:
    """Replace batch norms by synchronised ones, torch's or mmcv's; return the module.

    Parameters and statistics are carried over as the same objects, the mode as it is; what is
    synchronised so already stays, and so does a lazy one. A module that is itself a batch norm is
    not changed: what replaces it is returned.

    Args:
        module: The module; what is inside is replaced in place.
        implementation: 'torch' or 'mmcv'.

    Raises:
        TypeError: ``module`` is no module.
        ValueError: ``implementation`` is neither word.
        ImportError: mmcv's compiled operators are not installed, for ``"mmcv"``.
    """
    if implementation not in ("torch", "mmcv"):
        problem = f'should be "torch" or "mmcv", but got {implementation!r}.'
        raise BadValueError("implementation", problem)
    make = nn.SyncBatchNorm if implementation == "torch" else mmcv_sync_batchnorm()

    def change(part: nn.Module) -> nn.Module | None:
        plain = isinstance(part, _BatchNorm) and not isinstance(part, (make, LazyModuleMixin))
        return rebuild_as(part, make) if plain else None

    return replace_modules(module, change)


def mmcv_sync_batchnorm() -> type[nn.Module]:
    """Return mmcv's class, which needs its compiled operators."""
    try:
        return import_module(MMCV).SyncBatchNorm
    except (ImportError, AttributeError) as error:
        raise MissingOperatorError(
            "implementation",
            "'mmcv' needs mmcv's compiled operators, which are not installed.",
            "Use 'torch'.",
        ) from error


def is_sync(part: nn.Module) -> bool:
    """Whether a module is a synchronised batch norm; mmcv's is known by the place of its class."""
    return isinstance(part, nn.SyncBatchNorm) or any(
        kind.__name__ == "SyncBatchNorm" and kind.__module__.startswith(MMCV)
        for kind in type(part).__mro__
    )


def rebuild_as(old: Any, make: Callable[..., Any]) -> nn.Module:
    """Build another kind of batch norm around the tensors of one."""
    new = make(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    for name in ("weight", "bias"):
        new._parameters[name] = old._parameters[name]
    for name in STATISTICS:
        new._buffers[name] = old._buffers[name]
    if hasattr(old, "qconfig"):  # of a model that is to be quantised
        new.qconfig = old.qconfig
    return new.train(old.training)


def replace_modules(
    module: nn.Module, replacement: Replacement, log: logging.Logger | None = None
) -> nn.Module:
    """Replace what ``change`` gives another module for, at every depth; shared ones stay shared.

    With ``log`` the error of a parent that refuses is logged there instead of raised.
    """
    if not isinstance(module, nn.Module):
        raise BadArgumentError("module", f"expected a module, got {module!r}.")
    made: dict[nn.Module, nn.Module] = {}

    def visit(part: nn.Module) -> nn.Module:
        if part in made:
            return made[part]
        new = replacement(part)
        made[part] = part if new is None else new
        for name, child in list(part._modules.items()):
            other = visit(child) if child is not None else None
            if other is child and new is None:
                continue
            try:
                made[part].add_module(name, other)
            except Exception as error:
                if log is None:
                    raise
                text = "%s of %s stays a %s: %s"
                log.warning(text, name, type(part).__name__, type(child).__name__, error)
        return made[part]

    return visit(module)
