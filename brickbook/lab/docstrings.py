"""What a docstring says about each argument."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import getdoc
from typing import Any

__all__ = ["argument_docs", "plain"]


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
            entry = re.match(r"[ \t]+(\w+)\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:\s+(.*)", line)
            if entry:
                name = entry.group(1)
                found.setdefault(name, entry.group(2).strip())
            elif name and line.strip():
                found[name] = f"{found[name]} {line.strip()}"
    return {name: plain(text) for name, text in found.items()}


def plain(text: str) -> str:
    """Take the markup out: roles and backquotes.

    >>> plain("an alias of :attr:`kernel_size`, or ``None``")
    'an alias of kernel_size, or None'
    """
    return re.sub(r"(?::\w+:)?`+([^`]*)`+", r"\1", text)
