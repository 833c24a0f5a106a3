"""What is wrong with a brick, in words: what it takes and what it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brickbook.blueprint.infer import ARGUMENT_AXES, CHANNEL_ARGUMENTS, FEATURE_ARGUMENTS
from brickbook.errors import ConfigError, Sentence, first_line, missing_arguments, with_hint

__all__ = [
    "Fault",
    "Shape",
    "building_fault",
    "drop_batch_axis",
    "format_shape",
    "missing_arguments_fault",
    "missing_required",
    "running_fault",
]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Fault:
    """Why a brick cannot be built or does not fit.

    ``key`` is the argument that it is about (``"norm_cfg.type"``), ``""`` for the brick as a
    whole; ``missing`` are the arguments that it still needs.
    """

    text: str
    key: str = ""
    missing: tuple[str, ...] = ()


def missing_arguments_fault(name: str, missing: tuple[str, ...]) -> Fault:
    """Say which arguments a brick needs."""
    return Fault(missing_arguments(name, missing), missing=missing)


def building_fault(error: Exception, cfg: Mapping[str, Any], path: str) -> Fault:
    """Say what went wrong while the brick at ``path`` was built, and at which argument."""
    if isinstance(error, ConfigError):
        key = error.path.removeprefix(path).lstrip(".")
        return Fault(with_hint(error.problem, error.hint), key)
    first = first_line(error)
    words = re.findall(r"\w+", first)
    key = next((word for word in words if word in cfg and word != "type"), "")
    return Fault(first, key)


def running_fault(error: Exception, cfg: Mapping[str, Any], got: Shape) -> Fault:
    """Say why a brick did not take a sample of the shape ``got``."""
    if isinstance(error, ConfigError):  # it names its shapes itself
        return Fault(with_hint(drop_batch_in_text(error.problem), error.hint))
    words = first_line(error)
    other_axes = re.search(r"[Ee]xpected \d+D", words)  # torch counts axes: sizes say nothing
    key, expected = ("", "") if other_axes else find_mismatch(cfg, got)
    shape = format_shape(got)
    if key:
        return Fault(Sentence("takes {expected}, gets {got}.", expected=expected, got=shape), key)
    return Fault(Sentence("gets {got}: {problem}", got=shape, problem=words))


def find_mismatch(cfg: Mapping[str, Any], got: Shape) -> tuple[str, str]:
    """Return the argument that says another size than ``got`` has, and the shape it takes."""
    for names, axis in ((CHANNEL_ARGUMENTS, 0), (FEATURE_ARGUMENTS, -1)):
        for name in names:
            size = cfg.get(name)
            if isinstance(size, int) and got and size != got[axis]:
                expected = list(got)
                expected[axis] = size
                return name, format_shape(tuple(expected))
    return "", ""


def missing_required(cfg: Mapping[str, Any], required: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments that are missing and are said by no input."""
    return tuple(name for name in required if name not in cfg and name not in ARGUMENT_AXES)


def drop_batch_axis(shape: Shape | None) -> Shape | None:
    """Take the batch away, where it is there still."""
    return shape[1:] if shape and shape[0] == 1 else shape


def drop_batch_in_text(text: str) -> str:
    """Write the shapes of a text as those of one sample.

    >>> drop_batch_in_text("the body gives (1, 16, 8, 8), the shortcut (1,).")
    'the body gives 16 × 8 × 8, the shortcut one number.'
    """
    if isinstance(text, Sentence) and text.fields:
        parts = {key: drop_batch_in_text(part) for key, part in text.fields.items()}
        return Sentence(text.template, **parts)
    return re.sub(
        r"\(1,((?: \d+,?)*)\)",
        lambda found: format_shape(tuple(map(int, re.findall(r"\d+", found.group(1))))),
        text,
    )


def format_shape(shape: Shape | None) -> str:
    """Write a shape.

    >>> format_shape((3, 32, 32)), format_shape(()), format_shape(None)
    ('3 × 32 × 32', 'one number', '')
    """
    if shape is None:
        return ""
    return " × ".join(map(str, shape)) or Sentence("one number")
