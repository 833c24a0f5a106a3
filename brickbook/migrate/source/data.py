"""JSON and YAML configs: written anew as data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from brickbook.migrate.notes import Note
from brickbook.migrate.reader import BASE, DEPRECATION, Config, merge, parse_data
from brickbook.migrate.source.files import OldFile
from brickbook.migrate.source.targets import difference
from brickbook.migrate.source.values import plain_value

__all__ = ["write_data"]


def write_data(
    file: OldFile, target: Config, base: Config, names: Mapping[str, str]
) -> tuple[str, Config, tuple[Note, ...]]:
    """Return the new text of a JSON or YAML file, what it says with its bases, and notes."""
    from pathlib import Path

    said = parse_data(file.text, Path(file.path))
    own = as_data(difference(base, target))
    head: Config = {}
    if BASE in said:
        links = said[BASE]
        head[BASE] = (
            names.get(links, links)
            if isinstance(links, str)
            else [names.get(link, link) for link in links]
        )
    if DEPRECATION in said:
        head[DEPRECATION] = said[DEPRECATION]
    whole = merge(own, base, file.path)
    if file.path.endswith(".json"):
        indent = re.search(r"\n([ \t]+)\S", file.text)
        layout: Any = indent[1] if indent else None
        text = json.dumps({**head, **own}, indent=layout, ensure_ascii=False)
        notes: tuple[Note, ...] = ()
    else:
        import yaml

        text = yaml.safe_dump({**head, **own}, sort_keys=False, allow_unicode=True)
        comments = re.findall(r"(?:^|\s)#.*", file.text)
        lost = {"count": len(comments)}
        notes = (Note("source.comments_lost", "", lost, 1, 1, 1),) if comments else ()
    ending = "\n" if file.text.endswith("\n") else ""
    return text.rstrip("\n") + ending, whole, notes


def as_data(value: Any) -> Any:
    """Return a value with lists instead of tuples, and without marks."""
    value = plain_value(value)
    if isinstance(value, dict):
        return {key: as_data(part) for key, part in value.items()}
    return [as_data(part) for part in value] if isinstance(value, (list, tuple)) else value
