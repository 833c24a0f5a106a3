"""What a plan is asked for beside its rules: one value from the front doors to the planner."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from brickbook.errors import BadArgumentError, BadValueError, format_value
from brickbook.introspect import Selector, parse_selector

__all__ = ["FrozenPolicy", "InitOptions", "PrecedenceOrder"]

PrecedenceOrder = Literal["brickbook", "mmcv"]
FrozenPolicy = Literal["init", "skip"]


def check_truth(key: str, value: object) -> None:
    """Raise BadArgumentError for what is neither true nor false, as an array of many numbers."""
    try:
        bool(value)
    except Exception:  # each kind of array has its own
        raise BadArgumentError(key, f"expected a bool, got {format_value(value)}.") from None


@dataclass(frozen=True)
class InitOptions:
    """The options that `plan`, `initialize`, `materialize` and ``init_weights`` share.

    Attributes:
        strict: a rule without effect is an error, not a warning.
        order: "mmcv" lets an override win only over the rules that stand before it.
        frozen: "skip" leaves parameters that take no gradient.
        only_missing: leaves what was loaded: what brickbook noted, and ``assume_loaded``.
        protect: selectors of what nothing may write.
        reinitialize: initialises again the modules that are initialised already.
        assume_loaded: selectors of what was loaded without a note; None if nothing is said of it.
    """

    strict: bool = False
    order: PrecedenceOrder = "brickbook"
    frozen: FrozenPolicy = "init"
    only_missing: bool = False
    protect: Sequence[str | type] | str | type = ()
    reinitialize: bool = False
    assume_loaded: Collection[str | type] | str | type | None = None

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        for key, known in (
            ("order", get_args(PrecedenceOrder)),
            ("frozen", get_args(FrozenPolicy)),
        ):
            word = getattr(self, key)
            if not isinstance(word, str) or word not in known:
                words = " or ".join(map(repr, known))
                raise BadValueError(key, f"expected {words}, got {format_value(word)}.")
        for key in ("strict", "only_missing", "reinitialize"):
            check_truth(key, getattr(self, key))
        if self.assume_loaded is not None and not self.only_missing:
            raise BadArgumentError("assume_loaded", "it says what only_missing=True leaves.")

    @property
    def protect_selectors(self) -> Iterator[tuple[str, Selector]]:
        """The selectors of what nothing may write, each with its path."""
        return read_selectors(self.protect, "protect")

    @property
    def loaded_selectors(self) -> Iterator[tuple[str, Selector]]:
        """The selectors of what was loaded without a note, each with its path."""
        return read_selectors(self.assume_loaded, "assume_loaded")


def read_selectors(given: object, key: str) -> Iterator[tuple[str, Selector]]:
    """Yield the selectors that an option gives, each with its path."""
    sources = [given] if isinstance(given, (str, type)) else given
    if not isinstance(sources, Collection) or hasattr(sources, "ndim"):  # an array is no list
        problem = f"expected a str, a class or a list of them, got {format_value(given)}."
        raise BadArgumentError(key, problem)
    for at, source in enumerate(sources):
        path = f"{key}[{at}]"
        if not isinstance(source, (str, type)):
            raise BadArgumentError(path, f"expected a str or a class, got {format_value(source)}.")
        yield path, parse_selector(source, path)
