"""Arguments held against a signature before the call, so that a mistake is named by its key."""

from __future__ import annotations

import copy
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import nn

from brickbook.callables import name_of
from brickbook.errors import BadArgumentError, BadValueError, ConfigError, nearest

__all__ = ["Parameters", "call", "check_call", "checked_number", "copied", "parameters"]

T = TypeVar("T")
MOST = sys.float_info.max

VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Parameters:
    """What a callable takes: its named parameters, their types, and whether it takes any more."""

    named: Mapping[str, Parameter]
    positional: tuple[str, ...]
    required: tuple[str, ...]
    hints: Mapping[str, Any]
    any_positional: bool
    any_keyword: bool


def parameters(make: Callable[..., Any]) -> Parameters:
    """Read a signature once.

    A module class without an ``__init__`` of its own (``nn.Tanh``) takes nothing, whatever the
    ``*args, **kwargs`` of ``nn.Module`` promise.
    """
    try:
        return _parameters(make)
    except TypeError:  # it cannot be hashed
        return _parameters.__wrapped__(make)


@lru_cache(maxsize=1024)
def _parameters(make: Callable[..., Any]) -> Parameters:
    """Read a signature."""
    if isinstance(make, type) and make.__init__ is nn.Module.__init__:
        return Parameters({}, (), (), {}, False, False)
    try:
        found = signature(make).parameters
    except (TypeError, ValueError):  # a C callable that tells nothing
        return Parameters({}, (), (), {}, True, True)
    named = {name: p for name, p in found.items() if p.kind not in VARIADIC}
    try:
        hints = get_type_hints(make.__init__ if isinstance(make, type) else make)
    except Exception:  # an annotation that cannot be resolved here is no reason to refuse
        hints = {}
    kinds = {p.kind for p in found.values()}
    return Parameters(
        named,
        tuple(name for name, p in named.items() if p.kind in POSITIONAL),
        tuple(name for name, p in named.items() if p.default is p.empty),
        hints,
        Parameter.VAR_POSITIONAL in kinds,
        Parameter.VAR_KEYWORD in kinds,
    )


def check_call(
    make: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], path: str
) -> None:
    """Raise BadArgumentError if ``make(*args, **kwargs)`` cannot be meant."""
    takes = parameters(make)
    by_place = takes.positional[: len(args)]
    if len(args) > len(takes.positional) and not takes.any_positional:
        raise BadArgumentError(
            path,
            f"{name_of(make)} takes {len(takes.positional)} positional arguments, got {len(args)}.",
        )
    for key in kwargs:
        if key in by_place:
            raise BadArgumentError(f"{path}.{key}", f"{name_of(make)} gets multiple values for it.")
        if key not in takes.named and not takes.any_keyword:
            raise BadArgumentError(
                f"{path}.{key}",
                f"{name_of(make)} has no such argument.",
                nearest(key, takes.named) or "It takes none.",
            )
    missing = [name for name in takes.required if name not in kwargs and name not in by_place]
    if missing:
        raise BadArgumentError(path, f"{name_of(make)} also needs {', '.join(missing)}.")
    for key, value in (*zip(by_place, args, strict=False), *kwargs.items()):
        hint = takes.hints.get(key)
        if hint is None or fits(hint, value):
            continue
        if value is None and takes.named[key].default is None:
            continue
        raise BadArgumentError(
            f"{path}.{key}",
            f"expected {spell(hint)}, got {value!r} ({type(value).__name__}).",
        )


def call(
    make: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any], path: str = "cfg"
) -> T:
    """Call ``make(*args, **kwargs)`` after holding the arguments against its signature.

    Raises TypeError for an unknown, missing, doubled or wrongly typed argument, naming its path.
    A ConfigError of ``make`` gets ``path`` before its own; any other exception passes unchanged,
    with a note of the path (Python 3.11).
    """
    check_call(make, args, kwargs, path)
    try:
        return make(*args, **kwargs)
    except ConfigError as error:
        error.under(path)
        raise
    except Exception as error:
        add_note = getattr(error, "add_note", None)  # Python 3.11
        if add_note:
            add_note(f"while building {name_of(make)} from {path}")
        raise


def checked_number(key: str, value: Any, *, least: float = -math.inf) -> float:
    """Return a number as Python's own int or float.

    Raises TypeError unless ``value`` is a number, ValueError unless it is finite and enough.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadArgumentError(key, f"expected a number, got {value!r} ({type(value).__name__}).")
    number = int(value) if isinstance(value, Integral) else float(value)
    if not -MOST <= number <= MOST or number < least:
        wanted = (
            "a finite number" if least == -math.inf else f"a finite number of {least:g} or more"
        )
        raise BadValueError(key, f"expected {wanted}, got {value!r}.")
    return number


def copied(value: Any) -> Any:
    """Return a config of one's own: dicts, lists and tuples at any depth, and what they hold.

    A module in a config (muP's base model) is handed on as it is.

    >>> cfg = {"type": "Constant", "override": [{"name": "a"}]}
    >>> copied(cfg) == cfg, copied(cfg)["override"] is cfg["override"]
    (True, False)
    """
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(part) for part in value)
    return value if isinstance(value, nn.Module) else copy.deepcopy(value)


def fits(hint: Any, value: Any) -> bool:
    """False only where the value cannot be meant: a str for a number, None for an int.

    >>> fits(int, "3"), fits(float, 1), fits(Union[int, tuple[int, int]], [3, 3])
    (False, True, True)
    """
    if hint in PLAIN:
        return PLAIN[hint](value)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(part, value) for part in inner)
    if origin is Literal:
        return type(value) in {type(choice) for choice in inner}
    if origin in (tuple, list):
        parts = [part for part in inner if part is not ...]
        same = len(set(parts)) <= 1
        return isinstance(value, (tuple, list)) and (
            not same or all(fits(part, item) for part in parts[:1] for item in value)
        )
    return True


def is_plain(value: Any) -> bool:
    return not isinstance(value, (str, bytes, Mapping, tuple, list)) and value is not None


PLAIN: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: is_plain(value) and not isinstance(value, float) and not callable(value),
    float: lambda value: is_plain(value) and not callable(value),
    bool: lambda value: is_plain(value) and not callable(value),
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}


def spell(hint: Any) -> str:
    """Write a type as its users would.

    >>> spell(Union[int, tuple[int, int], None])
    'int or tuple[int, int] or None'
    """
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(spell(part) for part in get_args(hint))
    if hint is type(None):
        return "None"
    if get_origin(hint) is Literal:
        return " or ".join(repr(choice) for choice in get_args(hint))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
