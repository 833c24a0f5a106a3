"""New values in the words of an old file: its expressions, its names, its layout, its comments."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brickbook.migrate.source.places import Locator, Site
from brickbook.migrate.source.text import COMMENT, Display, Item, Source, shift
from brickbook.migrate.source.values import (
    Marked,
    Origins,
    Path,
    Unread,
    at,
    leaves,
    plain_value,
    same,
)

__all__ = ["WIDTH", "Writer", "loaded_names", "used_paths"]

WIDTH = 79  # of the old projects' lines
ANY = 10**6  # room for a line of any length
FLAT = 10**9  # room that asks for one line, or for any text of several if that cannot be
SECOND_TRIES = 200  # of a file's layout


def literal(value: Any) -> str:
    """Write a value that is no container."""
    value = plain_value(value)
    if isinstance(value, Unread):
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return f"float('{value}')"
    return repr(value)


def is_word(key: Any) -> bool:
    """Whether a key can be written as ``dict(key=…)``."""
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)


class Writer:
    """Writes values for one file.

    Args:
        source: the old file.
        old: its own values.
        locator: finds them in the file.
        inline: names that keep their old value: where another is needed it is written out.
        keeps: whether an expression may stay, looking at the names in it.
        reads_same: whether an expression is a ``{{_base_.x}}`` that gives a value.
        used: the paths whose values are in the new config, and all above them.
    """

    def __init__(
        self,
        source: Source,
        old: dict[str, Any],
        locator: Locator,
        inline: set[str],
        keeps: Callable[[ast.expr], bool],
        reads_same: Callable[[ast.expr, Any], bool],
        used: set[Path],
    ) -> None:
        self.source, self.old, self.locator = source, old, locator
        self.definitions = locator.definitions
        self.inline, self.keeps, self.reads_same, self.used = inline, keeps, reads_same, used
        self.origins = Origins(old)
        self.step = "\t" if "\n\t" in source.text and "\n    " not in source.text else "    "
        self.names: set[str] = set()  # that stay, with their old value
        self.wanted: dict[str, tuple[Any, Path]] = {}  # names that get a new one
        self.disagreeing: set[str] = set()
        self.second_tries = SECOND_TRIES
        self.spent: set[Item] = set()  # items whose comments are written

    # ------------------------------------------------------------------------------------- writing

    def write(self, value: Any, indent: str, room: int, hint: Path | None = None) -> str:
        """Return the code of a value.

        Args:
            value: marked.
            indent: the spaces at the beginning of the line on which it will stand.
            room: signs that are left on that line.
            hint: its place in the old config, if the value itself does not know it.
        """
        path = self.origins.find(value) or hint
        site = self.locator.site(path)
        if site is not None and path is not None:
            whole = not self.locator.more.get(id(site.node))
            if whole and same(value, at(self.old, path)) and self.keeps(site.node):
                return self.keep(site, indent)
            if self.reads_same(site.node, value):
                return self.keep(site, indent)
            if isinstance(site.node, ast.Name) and isinstance(value, (dict, list, tuple)):
                name = site.node.id
                if self.rewrite(name, value, path):
                    return name
                site = self.locator.definition(name)
        if not isinstance(value, (dict, list, tuple)):
            return literal(value)
        if site is not None and path is not None:
            display = self.source.display(site.node)
            kinds = {dict: ("call", "dict"), list: ("list",), tuple: ("tuple",)}
            kind = next(kind for kind in kinds if isinstance(value, kind))
            if display is not None and display.kind in kinds[kind]:
                text = self.edit(value, path, display, indent, room)
                if text is not None:
                    return text
        return self.new(value, path, indent, room)

    def keep(self, site: Site, indent: str) -> str:
        """Return an old expression as it stands."""
        self.names |= loaded_names(site.node)
        text = self.source.piece(site.span)
        return shift(text, self.source.indent(site.span.start), indent)

    def rewrite(self, name: str, value: Any, path: Path) -> bool:
        """Ask for a new value of a name; False if it cannot have that."""
        found = self.definitions.get(name)
        if found is None or not found.clean or name in self.inline:
            return False
        if name in self.wanted:
            if same(self.wanted[name][0], value):
                return True
            self.disagreeing.add(name)
            return False
        self.wanted[name] = value, path
        return True

    def define(self, name: str) -> str:
        """Return what a name that gets a new value is assigned."""
        value, path = self.wanted[name]
        found = self.definitions.get(name)
        room = WIDTH - len(name) - 3
        if found is None or not found.clean:
            return self.write(plain_value(value), "", room)
        display = self.source.display(found.node)
        indent = self.source.indent(self.source.start(found.statement))
        if display is not None:
            text = self.edit(value, path, display, indent, room - len(indent), found.more)
            if text is not None:
                return text
        return self.write(value, indent, room - len(indent))

    # ----------------------------------------------------------------------------- new containers

    def new(self, value: Any, path: Path | None, indent: str, room: int) -> str:
        """Write a container anew: on one line if there is room."""
        is_dict = isinstance(value, dict)
        words = is_dict and all(is_word(key) for key in value)
        opened, closed = "dict(" if words else "{", ")" if words else "}"
        if not is_dict:
            opened, closed = ("[", "]") if isinstance(value, list) else ("(", ")")
        pairs = list(value.items()) if is_dict else list(enumerate(value))

        def entries(inner: str, left: Callable[[str], int]) -> list[str]:
            made = []
            for key, part in pairs:
                head = "" if not is_dict else f"{key}=" if words else f"{literal(key)}: "
                hint = (*path, key) if path and is_dict else None
                if hint and not same(at(self.old, hint), part):
                    hint = None
                made.append(head + self.write(part, inner, left(head), hint))
            return made

        spent, comma = set(self.spent), "," * (isinstance(value, tuple) and len(pairs) == 1)
        texts = entries(indent, lambda head: FLAT)
        line = opened + ", ".join(texts) + comma + closed
        if room == FLAT or not pairs or ("\n" not in line and len(line) <= room):
            return line
        self.spent = spent
        inner = indent + self.step
        texts = entries(inner, lambda head: WIDTH - len(inner) - len(head) - 1)
        body = f",\n{inner}".join(texts) + comma
        end = closed if is_dict else f"\n{indent}{closed}"
        return f"{opened}\n{inner}{body}{end}"

    # ------------------------------------------------------------------------------------- editing

    def edit(
        self,
        value: Any,
        path: Path,
        display: Display,
        indent: str,
        room: int,
        more: list[ast.expr] | None = None,
    ) -> str | None:
        """Write a container into the place of an old one, None where that is not possible."""
        if display.kind == "call" and not all(is_word(key) for key in value):
            return None
        if display.kind in ("list", "tuple") and display.spreads:
            return None
        if display.kind in ("list", "tuple"):
            entries = self.entries_of_list(value, path, display)
        else:
            entries = self.entries_of_dict(value, path, display)
        base = self.source.indent(self.source.start(display.node))
        spent = set(self.spent)
        reused = sum(entry.item is not None for entry in entries)
        before = self.source.text[self.source.start(display.node) : self.source.end(display.node)]
        if room == FLAT:
            return "\n" if "#" in before else self.new(value, path, indent, FLAT)
        if 2 * reused <= len(display.items) and "\n" in before and "#" not in before:
            line = self.new(value, path, indent, FLAT)  # little of it is left
            if "\n" not in line and len(line) <= room:
                return line
            self.spent = set(spent)
        text = self.join(entries, display, path, base)
        moved = shift(text, base, indent)
        first = len(moved.partition("\n")[0])
        line = self.source.lines[self.source.line_of(self.source.start(display.node)) - 1]
        grown = len(line) <= WIDTH  # else the old file has no such limit
        if "\n" not in moved and first > room and entries and grown:
            self.spent = spent
            return self.explode(entries, display, indent)
        wide = longest(moved) > max(WIDTH, longest(before))
        if grown and wide and len(entries) > 1 and "#" not in before and self.second_tries:
            self.second_tries -= 1
            self.spent = spent
            return self.explode(entries, display, indent)
        return moved

    def entries_of_list(self, value: Any, path: Path, display: Display) -> list[Entry]:
        """Match the entries of a list with the old ones."""
        taken: set[int] = set()
        entries = []
        for part in value:
            found = self.origins.find(part)
            place = found[-1] if found and found[:-1] == path else None
            item = None
            if isinstance(place, int) and place not in taken and place < len(display.items):
                taken.add(place)
                item = display.items[place]
            entries.append(Entry(None, part, item, found))
        return entries

    def entries_of_dict(self, value: dict[str, Any], path: Path, display: Display) -> list[Entry]:
        """Match the entries of a dict with the old ones, in the old order."""
        by_key = {item.key: item for item in display.items if not item.spread}
        old = at(self.old, path)
        old = old if isinstance(old, dict) else {}
        found: dict[str, Item] = {}
        for exact in (True, False):
            for key, part in value.items():
                place = self.origins.find(part)
                if exact:
                    before = place[-1] if place and place[:-1] == path else None
                else:
                    before = key if key not in found else None
                item = by_key.get(before)
                if item is not None and item not in found.values() and key not in found:
                    found[key] = item
        entries: list[Entry] = []
        covered: set[str] = set()
        for item in display.items:
            if item.spread:
                keys = self.spread_keys(item)
                explicit = {key for key in by_key if key in old}
                kept = keys - explicit if keys is not None else set()
                if keys and kept and all(
                    key in value and same(value[key], old.get(key)) for key in kept
                ) and keys & explicit <= set(value) and self.keeps(item.node):  # fmt: skip
                    entries.append(Entry(None, None, item, None))
                    covered |= kept
            else:
                key = next((key for key, one in found.items() if one is item), None)
                if key is not None:
                    entries.append(Entry(key, value[key], item, (*path, item.key)))
        previous: str | None = None
        for key, part in value.items():
            if key not in found and key not in covered:
                at_place = next(
                    (i + 1 for i, entry in enumerate(entries) if entry.key == previous), 0
                )
                if previous in covered or (previous is None and key != "type" and entries):
                    at_place = len(entries) if previous in covered else 0
                hint = (*path, key) if key in old else None
                entries.insert(at_place, Entry(key, part, None, hint))
            previous = key
        return entries

    def spread_keys(self, item: Item) -> set[str] | None:
        """Return the keys that a ``**x`` gives, None if they are not known."""
        node = item.node
        if isinstance(node, ast.Name) and isinstance(self.old.get(node.id), dict):
            return set(self.old[node.id])
        display = self.source.display(node)
        if display is not None and not any(one.spread for one in display.items):
            return {one.key for one in display.items if one.key is not None}
        return None

    def text_of(self, entry: Entry, display: Display, indent: str, room: int) -> str:
        """Return an entry with its key."""
        if entry.spread and entry.item is not None:
            self.names |= loaded_names(entry.item.node)
            return self.source.piece(entry.item.whole)
        head = ""
        if display.kind in ("call", "dict"):
            head = f"{entry.key}=" if display.kind == "call" else f"{literal(entry.key)}: "
            if entry.item is not None:
                whole, value = entry.item.whole, entry.item.value
                head = self.source.text[whole.start : value.start]
                if entry.key != entry.item.key:
                    mark = "=" if display.kind == "call" else ":"
                    name = entry.key if display.kind == "call" else literal(entry.key)
                    head = f"{name}{head[head.rindex(mark) :]}"
        return head + self.write(entry.value, indent, room - len(head), entry.hint)

    def join(self, entries: list[Entry], display: Display, path: Path, base: str) -> str:
        """Put entries where the old ones stood, with the spaces and comments between them."""
        leads = [blank(item.lead) for item in display.items]
        first = leads[0] if leads else ""
        own_lines = any("\n" in lead for lead in leads)
        usual = next((lead for lead in leads[1:]), first if own_lines else " ")
        usual = usual or " "
        text, comments, broken = display.opened, "", False
        pending = self.pending(entries, display, path)
        for i, entry in enumerate(entries):
            item = entry.item if entry.item not in self.spent else None
            dropped = pending.get(entry.item, []) if entry.item is not None else []
            lead = first if i == 0 else usual
            if item is not None and (COMMENT.search(item.lead) or item is not display.items[0]):
                lead = item.lead if i or COMMENT.search(item.lead) else first
            if (broken or dropped) and "\n" not in lead:
                lead = f"\n{base}{self.step}"
            if dropped:
                inner = lead.rpartition("\n")[2]
                lead = "".join(f"\n{inner}{comment}" for comment in dropped) + (
                    lead if lead.startswith("\n") else f"\n{inner}"
                )
            inner = lead.rpartition("\n")[2] if "\n" in lead else base
            column = len(lead.rpartition("\n")[2]) if "\n" in lead else 0
            if item is not None:
                self.spent.add(item)
            code = self.text_of(entry, display, inner, WIDTH - column - 1 if column else ANY)
            last = i == len(entries) - 1
            single = display.kind == "tuple" and len(entries) == 1
            trail = item.trail if item is not None else ""
            text += lead + code + ("," if not last or display.comma or single else "") + trail
            broken = bool(trail.strip())
        tail = display.tail if entries or COMMENT.search(display.tail) else ""
        left = pending.get(None, [])
        if (broken or left) and "\n" not in tail:
            tail = f"\n{base}"
        if left:
            inner = usual.rpartition("\n")[2] if "\n" in usual else base + self.step
            tail = "".join(f"\n{inner}{comment}" for comment in left) + tail
        return text + comments + tail + display.closed

    def pending(
        self, entries: list[Entry], display: Display, path: Path
    ) -> dict[Item | None, list[str]]:
        """Return the comments of entries that go away, by the entry that follows."""
        kept = [entry.item for entry in entries if entry.item is not None]
        found: dict[Item | None, list[str]] = {}
        comments: list[str] = []
        for i, item in enumerate(display.items):
            if item in kept:
                if comments:
                    found[item] = comments
                comments = []
                continue
            key = item.key if display.kind in ("call", "dict") else i
            elsewhere = display.kind in ("call", "dict") and (*path, key) in self.used
            if item in self.spent or (not item.spread and elsewhere):
                continue  # it stands elsewhere
            lines = COMMENT.findall(item.lead) + COMMENT.findall(item.trail)
            if lines:
                comments += [line.rstrip() for line in lines]
                self.spent.add(item)
        if comments:
            found[None] = comments
        return found

    def explode(self, entries: list[Entry], display: Display, indent: str) -> str:
        """Write the entries of an old line on lines of their own."""
        inner = indent + self.step
        texts = []
        for entry in entries:
            head = len(entry.key or "") + 2
            texts.append(self.text_of(entry, display, inner, WIDTH - len(inner) - head + 1))
        body = f",\n{inner}".join(texts)
        single = "," if display.kind == "tuple" and len(entries) == 1 else ""
        end = display.closed
        if display.kind in ("list", "tuple"):
            end = f"\n{indent}{end}"
        return f"{display.opened}\n{inner}{body}{single}{end}"


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry of a new container, and the old one whose place it takes."""

    key: str | None
    value: Any
    item: Item | None
    hint: Path | None

    @property
    def spread(self) -> bool:
        """Whether this is a ``**x`` that stays."""
        return self.item is not None and self.item.spread


def longest(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.split("\n")))


def blank(lead: str) -> str:
    """Return the spaces of a lead without its comments."""
    if not COMMENT.search(lead):
        return lead
    return "\n" + lead.rpartition("\n")[2]


def loaded_names(node: ast.AST) -> set[str]:
    """Return the names that an expression reads."""
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }


def used_paths(value: Any) -> set[Path]:
    """Return the places of all values, and those above them."""
    found: set[Path] = set()
    for leaf in leaves(value):
        if isinstance(leaf, Marked) and leaf.own:
            path = leaf.path
            while path and path not in found:
                found.add(path)
                path = path[:-1]
    return found
