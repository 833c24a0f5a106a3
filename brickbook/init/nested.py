"""A law inside another initialiser: how it is read, met and scaled."""

from __future__ import annotations

from typing import Any

from brickbook.errors import BadArgumentError
from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.registry import build_from_cfg

__all__ = ["read_inner"]

OUTER = ("layer", "override", "bias", "bias_prob")


def read_inner(init: Any, key: str = "init") -> BaseInit:
    """Build the initialiser that gives the law inside of another one.

    ``init`` is its config (or a `BaseInit`); what it would say of layers and biases stands outside.
    Raises KeyError for a missing or unknown ``type``, TypeError or ValueError for arguments; the
    path of each error starts with ``key``.
    """
    if not isinstance(init, BaseInit):
        for word in OUTER:
            if isinstance(init, dict) and word in init:
                raise BadArgumentError(
                    f"{key}.{word}", f"it belongs beside {key!r}, which gives only the law."
                )
        init = build_from_cfg(init, INITIALIZERS, path=key)
    kind = type(init)
    plain = isinstance(init, BaseInit) and kind.__call__ is BaseInit.__call__
    if not plain or hasattr(kind, "adjust"):
        raise BadArgumentError(
            f"{key}.type", f"{kind.__name__} gives no law that is known before the weights are."
        )
    if kind.roles is not None or kind.reach is not BaseInit.reach:
        raise BadArgumentError(
            f"{key}.type", f"{kind.__name__} chooses what it fills: it is no law for others."
        )
    for word, given in (("layer", init.layers), ("bias", init.bias)):
        if given:
            raise BadArgumentError(
                f"{key}.{word}", f"it belongs beside {key!r}, which gives only the law."
            )
    return init
