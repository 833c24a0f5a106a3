"""Calls checked against a signature before they are made, so that an error names its key."""

from __future__ import annotations

import copy
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import nn

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    Sentence,
    first_line,
    format_value,
    missing_arguments,
    nearest,
    one_of,
    shorten,
    wrong_type,
    wrong_value,
)

__all__ = [
    "call",
    "callable_without_args",
    "check_call",
    "check_parts",
    "copy_config",
    "matches_type",
    "name_of",
    "registry_key",
    "require_number",
    "required_arguments",
    "signature_of",
    "source_location",
    "type_text",
    "unwrap_partial",
]


T = TypeVar("T")
LARGEST_FLOAT = sys.float_info.max
LARGEST_EXACT_INT = 1 << 53  # torch takes no int of more than 64 bits, but every float
MAX_DEPTH = 100  # of a config
MAX_PARTS = 100_000
MAX_BITS = 14_000  # 4,214 digits; Python writes 4,300
VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class CallSignature:
    """What a callable takes: its named parameters, their types, and whether it takes any more."""

    named: Mapping[str, Parameter]
    positional: tuple[str, ...]
    required: tuple[str, ...]
    hints: Mapping[str, Any]
    any_positional: bool
    any_keyword: bool


def signature_of(make: Callable[..., Any]) -> CallSignature:
    """Return what a callable takes; each signature is read once.

    A module class without an ``__init__`` of its own (``nn.Tanh``) takes nothing, whatever the
    ``*args, **kwargs`` of ``nn.Module`` promise.
    """
    try:
        return _read_signature(make)
    except TypeError:  # it cannot be hashed
        return _read_signature.__wrapped__(make)


def annotated_part(make: Callable[..., Any]) -> Any:
    """Return what holds the annotations: a dataclass itself, of another class its constructor.

    The annotations of a dataclass are resolved in the module of the base that wrote them.
    """
    if isinstance(make, type) and "__dataclass_params__" in vars(make):
        return make
    return make.__init__ if isinstance(make, type) else make


@lru_cache(maxsize=1024)
def _read_signature(make: Callable[..., Any]) -> CallSignature:
    """Read a signature; without the cache for what cannot be hashed."""
    if isinstance(make, type) and make.__init__ is nn.Module.__init__:
        return CallSignature({}, (), (), {}, False, False)
    try:
        found = signature(make).parameters
    except (TypeError, ValueError):  # a C callable that tells nothing
        return CallSignature({}, (), (), {}, True, True)
    named = {name: p for name, p in found.items() if p.kind not in VARIADIC}
    try:
        # In Python 3.10 a dataclass's ``_: KW_ONLY`` is no type.
        hints = get_type_hints(annotated_part(make), localns={"KW_ONLY": Any})
    except Exception:  # an annotation that cannot be resolved here is no reason to refuse
        hints = {}
    kinds = {p.kind for p in found.values()}
    return CallSignature(
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
    """Raise BadArgumentError if ``make(*args, **kwargs)`` would fail for its arguments."""
    takes = signature_of(make)
    by_place = takes.positional[: len(args)]
    if len(args) > len(takes.positional) and not takes.any_positional:
        raise BadArgumentError(
            path,
            Sentence(
                "{name} takes {n} positional arguments, got {given}.",
                name=name_of(make),
                n=len(takes.positional),
                given=len(args),
            ),
        )
    for key in kwargs:
        if key in by_place:
            problem = Sentence("{name} gets multiple values for it.", name=name_of(make))
            raise BadArgumentError(f"{path}.{key}", problem)
        if key not in takes.named and not (takes.any_keyword and isinstance(key, str)):
            raise BadArgumentError(
                join_path(path, key),
                Sentence("{name} has no such argument.", name=name_of(make)),
                nearest(key, takes.named) or "It takes none.",
            )
    missing = [name for name in takes.required if name not in kwargs and name not in by_place]
    if missing:
        raise BadArgumentError(path, missing_arguments(name_of(make), missing))
    for key, value in (*zip(by_place, args, strict=False), *kwargs.items()):
        hint = takes.hints.get(key)
        if hint is None or matches_type(hint, value):
            continue
        if value is None and takes.named[key].default is None:
            continue
        raise BadArgumentError(f"{path}.{key}", wrong_type(type_text(hint), value))


def call(
    make: Callable[..., T], args: Sequence[Any], kwargs: Mapping[str, Any], path: str = "cfg"
) -> T:
    """Call ``make(*args, **kwargs)`` after a check of the arguments against its signature.

    Args:
        make: A class or function.
        args: Positional arguments.
        kwargs: Arguments by name.
        path: Where the arguments stand in a config, for errors.

    Raises:
        BadArgumentError: For an unknown, missing, doubled or wrongly typed argument.
        ConfigError: Of ``make`` itself, with ``path`` before its own.
        Exception: Any other of ``make``, unchanged but for a note of the path (Python 3.11).
    """
    check_call(make, args, kwargs, path)
    try:
        return make(*args, **kwargs)
    except ConfigError as error:
        error.rebase(path)
        raise
    except Exception as error:
        add_note = getattr(error, "add_note", None)  # Python 3.11
        if add_note:
            add_note(f"while building {name_of(make)} from {path}")
        raise


def require_number(key: str, value: Any, *, least: float = -math.inf) -> float:
    """Return a number as Python's own int or float.

    Args:
        key: The argument that it is, for errors.
        value: An int or float, numpy's too.
        least: The smallest that is accepted.

    Raises:
        BadArgumentError: If it is no number.
        BadValueError: If it is not finite, or less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadArgumentError(key, wrong_type("a number", value))
    number = int(value) if isinstance(value, Integral) else float(value)
    if not -LARGEST_FLOAT <= number <= LARGEST_FLOAT or number < least:
        wanted = "a finite number"
        if least != -math.inf:
            wanted = Sentence("a finite number of {least} or more", least=f"{least:g}")
        raise BadValueError(key, wrong_value(wanted, value))
    return float(number) if abs(number) > LARGEST_EXACT_INT else number


def copy_config(value: Any, path: str = "cfg") -> Any:
    """Return a config of one's own: dicts, lists and tuples at any depth, and what they hold.

    A module in a config (muP's base model) is handed on as it is.

    Args:
        value: The config.
        path: Its key, for errors.

    Raises:
        BadArgumentError: Something in it cannot be copied.
        BadValueError: It contains itself, is deeper than any config or larger, or holds a whole
            number that Python does not write.

    >>> cfg = {"type": "Constant", "override": [{"name": "a"}]}
    >>> copy_config(cfg) == cfg, copy_config(cfg)["override"] is cfg["override"]
    (True, False)
    """
    check_parts(value, path)
    return copy_parts(value, path)


def check_parts(value: Any, path: str = "cfg") -> None:
    """Raise BadValueError for a config that contains itself, or is deeper or larger than any."""
    if count_parts(value, path, (), {}) > MAX_PARTS:
        raise BadValueError(path, Sentence("it has more than {n} parts.", n=f"{MAX_PARTS:,}"))


def is_holder(value: object) -> bool:
    """Whether a value holds other parts of a config."""
    return isinstance(value, Mapping) or type(value) in (list, tuple)


def count_parts(value: Any, path: str, around: tuple[int, ...], counts: dict[int, int]) -> int:
    """Count the parts of a config, each as often as it stands in there.

    Args:
        value: The config, or a part of it.
        path: Its key, for errors.
        around: The ids of what it stands in.
        counts: What is counted already, by id.
    """
    if not is_holder(value):
        check_digits(value, path)
        return 1
    if id(value) in counts:
        return counts[id(value)]
    if id(value) in around:
        raise BadValueError(path, "it contains itself.")
    if len(around) == MAX_DEPTH:
        raise BadValueError(path, Sentence("it is nested more than {n} deep.", n=MAX_DEPTH))
    around, total = (*around, id(value)), 1
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_digits(key, path)
            total += count_parts(part, join_path(path, key), around, counts)
    else:
        for at, part in enumerate(value):
            total += count_parts(part, f"{path}[{at}]", around, counts)
    counts[id(value)] = total
    return total


def copy_parts(value: Any, path: str) -> Any:
    """Copy a config whose parts were counted."""
    if isinstance(value, Mapping):
        return {key: copy_parts(part, join_path(path, key)) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copy_parts(part, f"{path}[{at}]") for at, part in enumerate(value))
    return copy_leaf(value, path)


def join_path(path: str, key: object) -> str:
    """Return the path of a key in the config at ``path``."""
    return f"{path}.{shorten(key) if isinstance(key, str) else format_value(key)}"


def copy_leaf(value: Any, path: str) -> Any:
    """Copy what holds no other parts of a config."""
    if value is None or isinstance(value, (str, int, float, type, nn.Module)):
        return value
    try:
        return copy.deepcopy(value)
    except Exception as error:
        problem = Sentence(
            "{value} cannot be copied: {why}.", value=format_value(value), why=first_line(error)
        )
        raise BadArgumentError(path, problem) from error


def check_digits(value: object, path: str) -> None:
    """Refuse a whole number that Python does not write: no message could name it."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        problem = Sentence("{value} is more than any config means.", value=format_value(value))
        raise BadValueError(path, problem)


def matches_type(hint: Any, value: Any) -> bool:
    """False only where the value cannot be meant: a str for a number, None for an int.

    >>> matches_type(int, "3"), matches_type(float, 1), matches_type(tuple[int, int], [3, 3])
    (False, True, True)
    """
    if hint in TYPE_CHECKS:
        return TYPE_CHECKS[hint](value)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(matches_type(part, value) for part in inner)
    if origin is Literal:
        return type(value) in {type(choice) for choice in inner}
    if origin in (tuple, list):
        parts = [part for part in inner if part is not ...]
        same = len(set(parts)) <= 1
        return isinstance(value, (tuple, list)) and (
            not same or all(matches_type(part, item) for part in parts[:1] for item in value)
        )
    return True


def is_scalar(value: Any) -> bool:
    """Return whether a value may stand for a number: no text, no collection, not None."""
    return not isinstance(value, (str, bytes, Mapping, tuple, list)) and value is not None


TYPE_CHECKS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: is_scalar(value) and not isinstance(value, float) and not callable(value),
    float: lambda value: is_scalar(value) and not callable(value),
    bool: lambda value: is_scalar(value) and not callable(value),
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}


def type_text(hint: Any) -> str:
    """Write a type as its users would.

    >>> type_text(Union[int, tuple[int, int], None])
    'int or tuple[int, int] or None'
    """
    if get_origin(hint) in (Union, types.UnionType):
        return one_of(type_text(part) for part in get_args(hint))
    if hint is type(None):
        return "None"
    if get_origin(hint) is Literal:
        return one_of(repr(choice) for choice in get_args(hint))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def unwrap_partial(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return the class or function under any ``functools.partial``."""
    while isinstance(make, partial):
        make = make.func
    return make


def name_of(make: Any) -> str:
    """Return the name of a class or function, that of a partial's function for a partial."""
    bare = unwrap_partial(make)
    return getattr(bare, "__name__", None) or repr(bare)


def registry_key(item: Any) -> tuple[str, str] | int:
    """Return what two definitions of one object share: module and qualified name.

    A lambda, and what has no name, is only equal to itself.
    """
    if isinstance(item, partial):
        return (str(registry_key(item.func)), repr((item.args, item.keywords)))
    name = getattr(item, "__qualname__", "<lambda>")
    return id(item) if "<lambda>" in name else (item.__module__, name)


def source_location(item: Any) -> str:
    """Return where an object was defined, with file and line where they are known."""
    if isinstance(item, partial):
        return f"a partial of {source_location(item.func)}"
    name = f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', repr(item))}"
    try:
        file = inspect.getsourcefile(item)
        line = inspect.getsourcelines(item)[1]
    except (TypeError, OSError):
        return name
    return f"{name} ({file}:{line})"


def callable_without_args(method: Any) -> bool:
    """Return whether a function of a class can be called as a method without an argument."""
    return not any(map(needs_value, list(inspect.signature(method).parameters.values())[1:]))


def required_arguments(function: Any) -> tuple[str, ...]:
    """Return the names of the arguments that a function, or a bound method, cannot do without."""
    return tuple(each.name for each in signature(function).parameters.values() if needs_value(each))


def needs_value(argument: Parameter) -> bool:
    """Whether an argument has no default."""
    return argument.default is argument.empty and argument.kind not in VARIADIC
