"""What every rule may look at besides its own part of the config."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from brickbook.errors import BadArgumentError, format_value
from brickbook.migrate.notes import Notes

__all__ = ["Config", "Context", "Pixels", "expect_dict", "expect_dicts"]

Config = dict[str, Any]


def expect_dict(value: Any, path: str) -> Config:
    """Return a value that must be a dict.

    Raises:
        BadArgumentError: it is none.
    """
    if not isinstance(value, dict):
        raise BadArgumentError(path, f"expected a dict, got {format_value(value)}.")
    return value


def expect_dicts(value: Any, path: str) -> list[Config]:
    """Return a value that must be a list of dicts.

    Raises:
        BadArgumentError: it is none.
    """
    if not isinstance(value, (list, tuple)):
        raise BadArgumentError(path, f"expected a list, got {format_value(value)}.")
    return [expect_dict(part, f"{path}[{i}]") for i, part in enumerate(value)]


@dataclass
class Pixels:
    """What a pipeline of 0.x does to the values of a pixel, for the preprocessor of 1.x.

    ``rgb`` is the order of the channels at its end; MMCV loads BGR.
    """

    mean: list[float] | None = None
    std: list[float] | None = None
    rgb: bool = False


@dataclass
class Context:
    """The whole old config, and what is known about it.

    ``old`` is a copy that no rule changes. ``project`` is "mmcls" or "mmselfsup", ``name`` the
    file's name without folder and ending, "" if there is none.
    """

    old: Config
    project: Literal["mmcls", "mmselfsup"]
    schedule: Literal["guide", "faithful"] = "guide"
    name: str = ""
    notes: Notes = field(default_factory=Notes)
    pixels: dict[str, Pixels] = field(default_factory=dict)  # by split, once pipelines are done

    @property
    def selfsup(self) -> bool:
        """Whether this is a config of MMSelfSup."""
        return self.project == "mmselfsup"

    def note(self, rule: str, path: str, /, **values: Any) -> None:
        """Add a note."""
        self.notes.add(rule, path, **values)
