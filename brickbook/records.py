"""Records: frozen values with a table, that go through JSON and say what they are in a notebook.

A record's columns stand once, beside its class, as `Column`s: its HTML, its text, its CSV file and
its pandas frame are made of them.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, TypeVar, get_type_hints

from brickbook.config import matches_type, type_text
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    MissingKeyError,
    UnknownNameError,
    first_line,
    format_value,
    nearest,
)
from brickbook.html import collapsible, html_table

__all__ = [
    "Column",
    "Record",
    "Records",
    "TextTable",
    "build_frame",
    "check_keys",
    "check_types",
    "plain_rows",
    "read_fields",
    "record_table",
    "record_values",
    "refusing_damage",
    "text_table",
]

T = TypeVar("T")
R = TypeVar("R", bound="Record")


@dataclass(frozen=True)
class Column:
    """A column of a record's table: plain values for frames and CSV, texts for reading.

    Args:
        key: The name in frames and CSV files; "" for a column that is only read.
        heading: What stands above the texts; None for a column that is in frames and CSV only.
        value: Takes the plain value of a row; by default the attribute ``key``.
        dtype: The type in a frame, as pandas names it.
        text: Writes a value for reading.
        right: Whether the texts are aligned right, as numbers are.
    """

    key: str
    heading: str | None = None
    value: Callable[[Any], Any] | None = None
    dtype: str = "object"
    text: Callable[[Any], str] = str
    right: bool = False

    def value_of(self, row: Any) -> Any:
        """Return the plain value of a row."""
        return getattr(row, self.key) if self.value is None else self.value(row)


class TextTable(NamedTuple):
    """A table for reading.

    ``right_aligned`` are the places of columns of numbers, ``warnings`` stand above or below it.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    right_aligned: Sequence[int] = ()
    warnings: Sequence[str] = ()


def text_table(columns: Iterable[Column], rows: Iterable[Any]) -> TextTable:
    """Return the columns that have a heading, as texts."""
    shown = [column for column in columns if column.heading is not None]
    return TextTable(
        tuple(column.heading or "" for column in shown),
        [tuple(column.text(column.value_of(row)) for column in shown) for row in rows],
        tuple(at for at, column in enumerate(shown) if column.right),
    )


def plain_rows(columns: Iterable[Column], rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the columns that have a key, as plain values."""
    keyed = [column for column in columns if column.key]
    for row in rows:
        yield {column.key: column.value_of(row) for column in keyed}


def build_frame(columns: Iterable[Column], rows: Iterable[Any], index: str = "") -> Any:
    """Return a pandas DataFrame of the columns that have a key, even without rows.

    ``index`` is the column that becomes the index, "" for none.
    """
    import pandas as pd  # an optional package: only frames need it

    keyed = [column for column in columns if column.key]
    frame = pd.DataFrame(list(plain_rows(keyed, rows)), columns=[item.key for item in keyed])
    frame = frame.astype({item.key: item.dtype for item in keyed})
    return frame.set_index(index) if index else frame


class Record:
    """What every record can: to a dict or JSON and back, a pandas frame, a table in a notebook.

    A subclass gives ``to_dict`` and ``from_dict``, and for its table ``_columns`` and ``_rows``.
    """

    _index: ClassVar[str] = "name"
    # Where the function stands that draws the record for a notebook: views are above records.
    _drawn_by: ClassVar[str] = ""

    @abstractmethod
    def _columns(self) -> Sequence[Column]: ...

    @abstractmethod
    def _rows(self) -> Iterable[Any]: ...

    def _warnings(self) -> Iterable[str]:
        return ()

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""

    @classmethod
    @abstractmethod
    def from_dict(cls: type[R], data: Mapping[str, Any], path: str = "") -> R:
        """Undo ``to_dict``, JSON included.

        Args:
            data: What ``to_dict`` returned.
            path: The name of ``data`` in errors; by default what kind of record it is.

        Raises:
            ConfigError: A key is missing or unknown.
        """

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls: type[R], text: str) -> R:
        """Read what `to_json` wrote.

        Raises:
            ValueError: ``text`` is no JSON.
            ConfigError: A key is missing or unknown.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadValueError("json", f"is no JSON: {error}.") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise BadValueError("json", f"cannot be read: {first_line(error)}.") from None
        return cls.from_dict(data)

    def frame(self) -> Any:
        """Return the record as a pandas DataFrame, one row an entry; needs pandas."""
        return build_frame(self._columns(), self._rows(), self._index)

    def _repr_html_(self) -> str:
        table = record_table(self)
        body = html_table(table.headings, table.rows, right_aligned=table.right_aligned)
        return self._picture() + collapsible(repr(self), table.warnings, body)

    def _draw(self) -> Any:
        """Return the picture, with ``svg`` and ``description``; None if the record has none."""
        module, _, name = self._drawn_by.rpartition(".")
        return getattr(import_module(module), name)(self) if module else None

    def _picture(self) -> str:
        """Return the picture of the record as HTML, "" for none."""
        picture = self._draw()
        return "" if picture is None else picture._repr_html_()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def record_table(record: Record) -> TextTable:
    """Return a record's table for reading, with its warnings."""
    table = text_table(record._columns(), record._rows())
    return table._replace(warnings=tuple(record._warnings()))


def record_values(record: Record) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the keys of a record's columns and its rows of plain values, as in its frame."""
    columns = record._columns()
    return [column.key for column in columns if column.key], plain_rows(columns, record._rows())


class Records(Record, Mapping[str, T]):
    """Records by name; ``table[name]`` says which name is nearest if there is none.

    A subclass gives ``by_name`` and, in ``_missing_message``, what a missing name is told.
    """

    _missing_message: ClassVar[str]

    @property
    @abstractmethod
    def by_name(self) -> Mapping[str, T]:
        """The records by name."""

    def _rows(self) -> Iterable[Any]:
        return self.by_name.values()

    def __getitem__(self, name: str) -> T:
        try:
            return self.by_name[name]
        except KeyError:
            problem = f"{self._missing_message} {format_value(name)}."
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


def read_fields(cls: type, data: object, path: str) -> dict[str, Any]:
    """Return the arguments of a dataclass as ``data`` gives them; ``path`` names it in errors.

    Raises:
        BadArgumentError: ``data`` is no mapping, or has a key that is no field.
        MissingKeyError: a field is missing.
    """
    if not isinstance(data, Mapping):
        raise BadArgumentError(path, f"expected a mapping, got {format_value(data)}.")
    names = [field.name for field in fields(cls) if field.init]
    for key in data:
        if key not in names:
            word = key if isinstance(key, str) else format_value(key)
            raise BadArgumentError(
                f"{path}.{word}", f"{cls.__name__} has no such field.", nearest(key, names)
            )
    for name in names:
        if name not in data:
            raise MissingKeyError(f"{path}.{name}", f"{cls.__name__} needs it.")
    found = {name: freeze(data[name]) for name in names}
    check_types(cls, found, path)
    return found


@contextmanager
def refusing_damage(path: str) -> Iterator[None]:
    """Raise BadValueError for whatever reading a damaged record raises; ``path`` names it."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # what is damaged may be anything
        why = f"{type(error).__name__}: {first_line(error).rstrip('.')}"
        raise BadValueError(path, f"it is damaged: {why}.") from error


@lru_cache(maxsize=64)
def field_types(make: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's or a named tuple's fields, those that can be told here."""
    try:
        return get_type_hints(make)
    except NameError:  # imported for type checkers only
        return {}


def check_types(make: type, values: Mapping[str, Any], path: str) -> None:
    """Raise BadArgumentError for a value that cannot be of its field's type."""
    hints = field_types(make)
    for name, value in values.items():
        if name in hints and not matches_type(hints[name], value):
            problem = f"expected {type_text(hints[name])}, got {format_value(value)}."
            raise BadArgumentError(f"{path}.{name}", problem)


def check_keys(data: object, path: str, *keys: str) -> None:
    """Raise unless ``data`` is a mapping that has these keys; ``path`` names it in errors.

    Raises:
        BadArgumentError: ``data`` is no mapping.
        MissingKeyError: A key is missing.
    """
    if not isinstance(data, Mapping):
        raise BadArgumentError(path, f"expected a mapping, got {format_value(data)}.")
    for key in keys:
        if key not in data:
            raise MissingKeyError(f"{path}.{key}", "is missing.")


def freeze(value: Any) -> Any:
    """The value with lists turned into tuples, at every depth."""
    return tuple(freeze(item) for item in value) if isinstance(value, list) else value
