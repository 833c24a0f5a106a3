"""The arguments of a callable as form fields: from its signature, type hints and docstring."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, getdoc
from typing import Any, Literal, Union, get_args, get_origin

from brickbook.blueprint import kinds
from brickbook.config import (
    is_plain_word,
    matches_type,
    parse_literal,
    signature_of,
    to_literal,
    type_text,
)
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    Sentence,
    nearest,
    wrong_type,
    wrong_value,
)
from brickbook.init.initializers import INITIALIZERS
from brickbook.registry import Registry

__all__ = [
    "Field",
    "fields_of",
    "is_same_value",
    "nested_fields",
    "parse_field",
    "registry_of",
    "registry_scope",
    "strip_markup",
]


# ``name (type): text``, of ``*args`` and ``**kwargs`` too.
ARGUMENT = r"[ \t]+[*\\]*(\w+)\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:\s+(.*)"


def argument_docs(make: Callable[..., Any]) -> dict[str, str]:
    """Read ``name (type): text`` lines under ``Args:`` of a class's or its constructor's docs."""
    found: dict[str, str] = {}
    texts = [getattr(make, "__doc__", None)]
    if isinstance(make, type):
        texts.append(getdoc(make.__init__))
    for text in filter(None, texts):
        section = re.search(r"^([ \t]*)(?:Args|Arguments|Parameters):[ \t]*\n", text, re.MULTILINE)
        if section is None:
            continue
        name = ""
        inside = section.group(1)
        for line in text[section.end() :].splitlines():
            if line.strip() and not re.match(rf"{inside}[ \t]+\S", line):
                break  # back at the margin: the next section
            entry = re.match(ARGUMENT, line)
            if entry:
                name = entry.group(1)
                found.setdefault(name, entry.group(2).strip())
            elif name and line.strip():
                found[name] = f"{found[name]} {line.strip()}"
    return {name: strip_markup(text) for name, text in found.items()}


def strip_markup(text: str) -> str:
    """Take the markup out: roles and backquotes.

    >>> strip_markup("an alias of :attr:`kernel_size`, or ``None``")
    'an alias of kernel_size, or None'
    """
    return re.sub(r"(?::\w+:)?`+([^`]*)`+", r"\1", text)


ControlKind = Literal["int", "float", "bool", "choice", "config", "text"]

# Arguments about where tensors lie, not what a layer is.
SKIPPED = frozenset({"self", "device", "dtype"})

# The last word before "_cfg" -> the scope of the registry whose types it takes.
REGISTRY_SCOPES: Mapping[str, str] = {
    "conv": "conv",
    "norm": "norm",
    "act": "activation",
    "activation": "activation",
    "padding": "padding",
    "upsample": "upsample",
    "plugin": "plugin",
}

# Arguments that the owner of a sub-config passes to the layer itself, by scope.
OWNER_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "conv": frozenset({
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
        "bias", "padding_mode",
    }),
    "norm": frozenset({"num_features", "num_channels", "normalized_shape"}),
    "padding": frozenset({"padding"}),
}  # fmt: skip

# Lists of words that a ``str`` argument takes; the list with the default is the right one.
WORD_CHOICES: Mapping[str, tuple[tuple[str, ...], ...]] = {
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
SIZE_ARGUMENTS = frozenset({
    "kernel_size", "stride", "padding", "dilation", "output_size", "size", "scale_factor",
    "normalized_shape",
})  # fmt: skip

# For hints that cannot be resolved as a whole.
NAMED_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Field:
    """One argument as a form shows it.

    ``kind`` chooses the control. ``choices`` are the values of a "choice", and the plain words that
    a "config" takes beside a dict and None. With ``auto`` an empty field is inferred.
    """

    name: str
    kind: ControlKind
    default: Any = None
    required: bool = False
    choices: tuple[Any, ...] = ()
    doc: str = ""
    annotation: Any = None
    auto: bool = False


def fields_of(make: Callable[..., Any]) -> tuple[Field, ...]:
    """Return a field for every named argument, in the order of the signature.

    Arguments fixed by a ``functools.partial`` are left out, as are ``device`` and ``dtype``.
    """
    inner, fixed = make, set(SKIPPED)
    while isinstance(inner, partial):
        fixed |= set(inner.keywords)
        inner = inner.func
    signature = signature_of(make)
    hints = signature.hints or signature_of(inner).hints
    docs = argument_docs(inner)
    return tuple(
        make_field(name, parameter, hints.get(name), docs.get(name, ""))
        for name, parameter in signature.named.items()
        if name not in fixed
    )


def nested_fields(name: str, make: Callable[..., Any]) -> tuple[Field, ...]:
    """Return the fields of a type inside the sub-config ``name`` (``"norm_cfg"``).

    Arguments that the owner passes itself are left out; a norm has ``requires_grad``, which its
    builder reads.
    """
    scope = registry_scope(name)
    found = tuple(f for f in fields_of(make) if f.name not in OWNER_ARGUMENTS.get(scope, ()))
    if scope == "norm" and "requires_grad" not in signature_of(make).named:
        doc = "Whether the parameters of the norm are trained."
        found = (*found, Field("requires_grad", "bool", True, doc=doc, annotation=bool))
    return found


def registry_scope(name: str) -> str:
    """Return the scope that a config argument takes its types from, ``""`` if none is known.

    >>> registry_scope("dw_norm_cfg"), registry_scope("act_cfg"), registry_scope("channels")
    ('norm', 'activation', '')
    """
    stem = re.fullmatch(r"(?:\w*_)?([a-z]+)_cfgs?", name)
    word = stem.group(1) if stem else ""
    return REGISTRY_SCOPES.get(word) or (word if word in kinds() else "")


def registry_of(name: str) -> Registry | None:
    """Return the registry whose types the argument ``name`` takes, None if it is no sub-config."""
    if name == "init_cfg":
        return INITIALIZERS
    return kinds().get(registry_scope(name))


def make_field(name: str, parameter: Parameter, annotation: Any, doc: str) -> Field:
    """Make the field of one parameter."""
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    if annotation is None and isinstance(parameter.annotation, str):
        annotation = NAMED_TYPES.get(parameter.annotation)
    kind, choices = control_kind(name, annotation, default, required)
    return Field(name, kind, default, required, choices, doc, annotation)


def control_kind(
    name: str, annotation: Any, default: Any, required: bool
) -> tuple[ControlKind, tuple[Any, ...]]:
    """Choose the control for an argument, and its choices."""
    if registry_of(name) is not None:
        return "config", (default,) if isinstance(default, str) else ()
    if closed := finite_choices(annotation, default):
        return "choice", closed
    if isinstance(default, str):
        for words in WORD_CHOICES.get(name, ()):
            if default in words:
                return "choice", words
        if set(union_members(annotation)) == {bool, str}:
            return "choice", (default, True, False)
    kind = annotation if annotation is not None or required else type(default)
    if kind is bool:
        return "bool", ()
    number = required or isinstance(default, (int, float))  # not ``x: float = None``
    if kind in (int, float) and number and (annotation is not None or name not in SIZE_ARGUMENTS):
        return ("int" if kind is int else "float"), ()
    return "text", ()


def union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,)


def finite_choices(annotation: Any, default: Any) -> tuple[Any, ...]:
    """Return all values of a union of Literal, bool and None; () of any other, and of bool.

    >>> finite_choices(Literal["auto"] | bool, "auto"), finite_choices(int | None, None)
    (('auto', True, False), ())
    """
    found: list[Any] = []
    for part in union_members(annotation):
        if get_origin(part) is Literal:
            found += get_args(part)
        elif part is bool:
            found += (True, False)
        elif part is type(None):
            found.append(None)
        else:
            return ()
    if annotation is bool or found == [None]:
        return ()
    if not any(is_same_value(default, choice) for choice in found) and default is not None:
        found.insert(0, default)
    return tuple(found)


def is_same_value(left: Any, right: Any) -> bool:
    """Whether two values are equal, where True is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def parse_field(field: Field, text: str) -> Any:
    """Read what was typed into a field.

    Raises:
        BadArgumentError: The text is no literal or has a wrong type; the path is the field's name.
        BadValueError: The word is no choice; the path is the field's name.
    """
    text = text.strip()
    if field.kind == "choice":
        for choice in field.choices:
            if text in (to_literal(choice), repr(choice)):
                return choice
        words = [to_literal(choice) for choice in field.choices]
        problem = Sentence("{text} is no choice.", text=repr(text))
        raise BadValueError(field.name, problem, nearest(text, words))
    hint = {"int": int, "float": float, "bool": bool}.get(field.kind, field.annotation)
    value = read_literal(field, text, hint)
    meant_none = value is None and field.default is None and not field.required
    if hint is not None and not matches_type(hint, value) and not meant_none:
        wanted = type_text(hint)
        typed = field.kind in NAMED_TYPES
        problem = wrong_value(wanted, text) if typed else wrong_type(wanted, value)
        raise BadArgumentError(field.name, problem)
    if field.kind == "config" and not (
        value is None or isinstance(value, (dict, list)) or value in field.choices
    ):
        raise BadArgumentError(field.name, wrong_value("a dict with a 'type'", value))
    return value


def read_literal(field: Field, text: str, annotation: Any) -> Any:
    """Return the literal that ``text`` is, or the word, where a word may stand."""
    if not text:
        raise BadArgumentError(field.name, "needs a value.")
    words_only = set(union_members(annotation)) <= {str, type(None)} and annotation is not None
    try:
        found = parse_literal(text)
        return text if words_only and not isinstance(found, (str, type(None))) else found
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        if words_only or (
            is_plain_word(text) and (annotation is None or matches_type(annotation, text))
        ):
            return text
    if field.kind == "float" and re.fullmatch(r"[+-]?(?:nan|inf|infinity)", text, re.IGNORECASE):
        return float(text)  # the owner judges what is not finite
    expected = type_text(annotation) if annotation is not None else "a Python literal or a word"
    raise BadArgumentError(field.name, wrong_value(expected, text))
