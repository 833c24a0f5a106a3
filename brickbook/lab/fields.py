"""What a callable asks for, as form fields: read from its signature, type hints and docstring."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import Any, Literal, Union, get_args, get_origin

from brickbook.arguments import fits, parameters
from brickbook.arguments import spell as spell_hint
from brickbook.blueprint import kinds
from brickbook.errors import BadArgumentError, BadValueError, nearest
from brickbook.init.initializers import INITIALIZERS
from brickbook.lab.docstrings import argument_docs
from brickbook.literals import is_plain_word, literal, spell
from brickbook.registry import Registry

__all__ = [
    "Field", "Kind", "family_of", "fields_of", "fields_under", "parse", "registry_of", "same",
    "spell",
]  # fmt: skip

Kind = Literal["int", "float", "bool", "choice", "config", "text"]

# Arguments that say where tensors lie, not what a layer is.
SKIPPED = frozenset({"self", "device", "dtype"})

# The last word before "_cfg" -> the scope of the registry whose types it takes.
FAMILIES: Mapping[str, str] = {
    "conv": "conv",
    "norm": "norm",
    "act": "activation",
    "activation": "activation",
    "padding": "padding",
    "upsample": "upsample",
    "plugin": "plugin",
}

# What the owner of a sub-config passes to the layer itself, by family.
SUPPLIED: Mapping[str, frozenset[str]] = {
    "conv": frozenset({
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
        "bias", "padding_mode",
    }),
    "norm": frozenset({"num_features", "num_channels", "normalized_shape"}),
    "padding": frozenset({"padding"}),
}  # fmt: skip

# Lists of words that a ``str`` argument takes; the list that holds the default is meant.
WORDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "padding_mode": (("zeros", "reflect", "replicate", "circular"),),
    "distribution": (("normal", "uniform"),),
    "nonlinearity": (("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"),),
    "approximate": (("none", "tanh"),),
    "pooling_type": (("att", "avg"),),
    "style": (("pytorch", "caffe"),),
    "mode": (
        ("fan_in", "fan_out"),
        ("nearest", "linear", "bilinear", "bicubic", "trilinear", "nearest-exact"),
        ("embedded_gaussian", "gaussian", "dot_product", "concatenation"),
    ),
}

# Numbers that may also be a pair or a triple: a field for one number would refuse those.
SIZES = frozenset({
    "kernel_size", "stride", "padding", "dilation", "output_size", "size", "scale_factor",
    "normalized_shape",
})  # fmt: skip

# For hints that cannot be resolved as a whole.
PLAIN_HINTS: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Field:
    """One argument as a form shows it.

    ``kind`` chooses the control. ``choices`` are the values of a "choice", and the plain words that
    a "config" takes beside a dict and None. With ``auto`` an empty field is found elsewhere.
    """

    name: str
    kind: Kind
    default: Any = None
    required: bool = False
    choices: tuple[Any, ...] = ()
    doc: str = ""
    hint: Any = None
    auto: bool = False


def fields_of(make: Callable[..., Any]) -> tuple[Field, ...]:
    """Return a field for every named argument, in the order of the signature.

    Arguments fixed by a ``functools.partial`` are left out, as are ``device`` and ``dtype``.
    """
    made, fixed = make, set(SKIPPED)
    while isinstance(made, partial):
        fixed |= set(made.keywords)
        made = made.func
    takes = parameters(make)
    hints = takes.hints or parameters(made).hints
    docs = argument_docs(made)
    return tuple(
        field_from(name, parameter, hints.get(name), docs.get(name, ""))
        for name, parameter in takes.named.items()
        if name not in fixed
    )


def fields_under(name: str, make: Callable[..., Any]) -> tuple[Field, ...]:
    """Return the fields of a type inside the sub-config ``name`` (``"norm_cfg"``).

    Without what the owner passes itself; a norm has ``requires_grad``, which its builder reads.
    """
    family = family_of(name)
    found = tuple(f for f in fields_of(make) if f.name not in SUPPLIED.get(family, ()))
    if family == "norm" and "requires_grad" not in parameters(make).named:
        doc = "Whether the parameters of the norm are trained."
        found = (*found, Field("requires_grad", "bool", True, doc=doc, hint=bool))
    return found


def family_of(name: str) -> str:
    """Return the scope that a config argument takes its types from, ``""`` if none is known.

    >>> family_of("dw_norm_cfg"), family_of("act_cfg"), family_of("channels")
    ('norm', 'activation', '')
    """
    stem = re.fullmatch(r"(?:\w*_)?([a-z]+)_cfgs?", name)
    word = stem.group(1) if stem else ""
    return FAMILIES.get(word) or (word if word in kinds() else "")


def registry_of(name: str) -> Registry | None:
    """Return the registry whose types the argument ``name`` takes, None if it is no sub-config."""
    if name == "init_cfg":
        return INITIALIZERS
    return kinds().get(family_of(name))


def field_from(name: str, parameter: Parameter, hint: Any, doc: str) -> Field:
    """Make the field of one parameter."""
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    if hint is None and isinstance(parameter.annotation, str):
        hint = PLAIN_HINTS.get(parameter.annotation)
    kind, choices = kind_of(name, hint, default, required)
    return Field(name, kind, default, required, choices, doc, hint)


def kind_of(name: str, hint: Any, default: Any, required: bool) -> tuple[Kind, tuple[Any, ...]]:
    """Choose the control for an argument, and its choices."""
    if registry_of(name) is not None:
        return "config", (default,) if isinstance(default, str) else ()
    if closed := closed_choices(hint, default):
        return "choice", closed
    if isinstance(default, str):
        for words in WORDS.get(name, ()):
            if default in words:
                return "choice", words
        if type(None) not in parts_of(hint) and {bool, str} == set(parts_of(hint)):
            return "choice", (default, True, False)
    kind = hint if hint is not None or required else type(default)
    if kind is bool:
        return "bool", ()
    number = required or isinstance(default, (int, float))  # not ``x: float = None``
    if kind in (int, float) and number and (hint is not None or name not in SIZES):
        return ("int" if kind is int else "float"), ()
    return "text", ()


def parts_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the hint alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def closed_choices(hint: Any, default: Any) -> tuple[Any, ...]:
    """Return all values of a hint made of Literal, bool and None; () for any other, and for bool.

    >>> closed_choices(Literal["auto"] | bool, "auto"), closed_choices(int | None, None)
    (('auto', True, False), ())
    """
    found: list[Any] = []
    for part in parts_of(hint):
        if get_origin(part) is Literal:
            found += get_args(part)
        elif part is bool:
            found += (True, False)
        elif part is type(None):
            found.append(None)
        else:
            return ()
    if hint is bool or found == [None]:
        return ()
    if not any(same(default, choice) for choice in found) and default is not None:
        found.insert(0, default)
    return tuple(found)


def same(left: Any, right: Any) -> bool:
    """Equal, and True is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def parse(field: Field, text: str) -> Any:
    """Read what was typed into a field.

    Raises BadArgumentError for a text that is no literal or has a wrong type, BadValueError for a
    word that is no choice; the error's path is the field's name.
    """
    text = text.strip()
    if field.kind == "choice":
        for choice in field.choices:
            if text in (spell(choice), repr(choice)):
                return choice
        words = [spell(choice) for choice in field.choices]
        raise BadValueError(field.name, f"{text!r} is no choice.", nearest(text, words))
    hint = {"int": int, "float": float, "bool": bool}.get(field.kind, field.hint)
    value = value_of(field, text, hint)
    meant_none = value is None and field.default is None and not field.required
    if hint is not None and not fits(hint, value) and not meant_none:
        got = repr(text) if field.kind in PLAIN_HINTS else f"{value!r} ({type(value).__name__})"
        raise BadArgumentError(field.name, f"expected {spell_hint(hint)}, got {got}.")
    if field.kind == "config" and not (
        value is None or isinstance(value, (dict, list)) or value in field.choices
    ):
        raise BadArgumentError(field.name, f"expected a dict with a 'type', got {value!r}.")
    return value


def value_of(field: Field, text: str, hint: Any) -> Any:
    """Return the literal that ``text`` is, or the word, where a word may stand."""
    if not text:
        raise BadArgumentError(field.name, "needs a value.")
    words_only = set(parts_of(hint)) <= {str, type(None)} and hint is not None
    try:
        found = literal(text)
        return text if words_only and not isinstance(found, (str, type(None))) else found
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        if words_only or (is_plain_word(text) and (hint is None or fits(hint, text))):
            return text
    if field.kind == "float" and re.fullmatch(r"[+-]?(?:nan|inf|infinity)", text, re.IGNORECASE):
        return float(text)  # what is not finite is for its owner to judge
    wanted = spell_hint(hint) if hint is not None else "a Python literal or a word"
    raise BadArgumentError(field.name, f"expected {wanted}, got {text!r}.")
