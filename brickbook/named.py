"""Tables of records by name, which say the nearest name where there is none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, TypeVar

from brickbook.errors import UnknownNameError, nearest

__all__ = ["Named"]

T = TypeVar("T")


class Named(Mapping[str, T]):
    """A mapping of names to records; ``table[name]`` says which name is nearest if it has none.

    A subclass gives ``by_name`` and, in ``things``, the words for what it holds.
    """

    things: ClassVar[str]

    @property
    @abstractmethod
    def by_name(self) -> Mapping[str, T]:
        """The records by name."""

    def __getitem__(self, name: str) -> T:
        try:
            return self.by_name[name]
        except KeyError:
            problem = f"{self.things} {name!r}."
            raise UnknownNameError("name", problem, nearest(name, self.by_name)) from None

    # The mixins of Mapping would ask __getitem__, which looks for the nearest name first.
    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def get(self, name: str, default: T | None = None) -> T | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the record of a name, or ``default``."""
        return self.by_name.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.by_name)
