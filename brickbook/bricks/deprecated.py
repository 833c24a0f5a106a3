"""Arguments under their old names."""

from __future__ import annotations

import warnings
from typing import Any

from brickbook.errors import CheckError

__all__ = ["resolve_identity", "resolve_renamed"]


def resolve_renamed(owner: str, old: str, new: str, value: Any, given: Any, default: Any) -> Any:
    """Return what an argument is, which may have come under its old name; warn if it has.

    Args:
        owner: The class or function, for the messages.
        old: The old name.
        new: The new name.
        value: What came under the old name, None for nothing.
        given: What came under the new name.
        default: The default under the new name.

    Raises:
        AssertionError: Something but the default came under the new name as well.
    """
    if value is None:
        return given
    if given != default:
        raise CheckError(old, f"{owner} has it as {new}, which is given too: {given!r}.")
    warnings.warn(f"{owner} has no {old} any more: write {new}.", DeprecationWarning, stacklevel=3)
    return value


def resolve_identity(owner: str, x: Any, identity: Any, residual: Any) -> Any:
    """Return what a block adds its result to: ``identity``, which was ``residual``, else ``x``.

    Raises:
        AssertionError: Both are given.
    """
    if residual is not None:
        if identity is not None:
            raise CheckError("residual", f"{owner} has it as identity, which is given too.")
        warnings.warn(
            f"{owner} has no residual any more: write identity.", DeprecationWarning, stacklevel=3
        )
        return residual
    return x if identity is None else identity
