"""A file's new text: its statements one after the other, each in the words of 1.x."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from brickbook.errors import BadValueError, ConfigError
from brickbook.migrate.reader import BASE, DELETE, DEPRECATION, Config, dotted, merge
from brickbook.migrate.rules.runtime import TAKEN, UNREAD
from brickbook.migrate.source.files import OldFile
from brickbook.migrate.source.places import Locator, find_definitions
from brickbook.migrate.source.reading import PartialEvaluation, bound_names
from brickbook.migrate.source.targets import ANCHORS, difference
from brickbook.migrate.source.text import HELD, Source
from brickbook.migrate.source.values import NO_VALUE, at, plain_value, same
from brickbook.migrate.source.writer import WIDTH, Writer, loaded_names, used_paths

__all__ = ["Rewrite", "Rewritten"]

BASE_VARIABLE = re.compile(r"\{\{\s*\$?_base_\.([\w.]+)\s*\}\}")
# Fields that only the old form has: no expression that reads them may stay.
OLD_ONLY = (*TAKEN, *UNREAD)
# Where fields stand in a file that has none of their `ANCHORS`.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "data_preprocessor": ("model",),
    "train_dataloader": ("sampler", "persistent_workers"),
    "param_scheduler": ("optimizer", "runner", "total_epochs", "optimizer_config"),
    "train_cfg": ("evaluation", "lr_config"),
    "default_hooks": ("evaluation",),
}
SCOPE = "default_scope"
NewLine = tuple[str, str]  # a new name, and its statement
TESTED_AS_VAL = {"test_dataloader": "val_dataloader", "test_evaluator": "val_evaluator"}


@dataclass(frozen=True)
class Rewritten:
    """A new text.

    Attributes:
        text: with line ends of one sign.
        whole: what it and its bases say.
        fields: what it says itself, with marks.
        source: its code.
        locator: finds values in it.
        kept: old names that stay.
    """

    text: str
    whole: Config
    fields: Config
    source: Source
    locator: Locator
    kept: set[str]


class Rewrite:
    """The rewriting of one Python file.

    Args:
        file: the old file.
        target: what it and its bases must say, with marks.
        base: what its bases say after their own migration.
        asked: names that other files read by ``{{_base_.name}}``.
        names: new names of ``_base_`` files by their old ones.
    """

    def __init__(
        self,
        file: OldFile,
        target: Config,
        base: Config,
        asked: set[str],
        names: Mapping[str, str],
    ) -> None:
        assert file.source is not None and file.evaluation is not None
        self.file, self.target, self.base = file, target, base
        self.source, self.asked, self.names = file.source, asked, names
        self.definitions = find_definitions(file.evaluation.executed)
        self.locator = Locator(self.source, self.definitions)
        self.unknown = file.evaluation.unknown
        body = self.source.module.body
        self.bound = {id(statement): bound_names(statement) for statement in body}
        self.loaded = {id(statement): loaded_names(statement) for statement in body}
        self.binders: dict[str, list[ast.stmt]] = {}  # the statements that change a name
        for statement in body:
            for name in self.bound[id(statement)]:
                self.binders.setdefault(name, []).append(statement)
        self.read = set().union(*self.loaded.values())
        self.as_text: set[str] = set()  # fields that are written without the old words

    # --------------------------------------------------------------------------------- attempts

    def run(self) -> Rewritten:
        """Return the new text, which says exactly what it must.

        Raises:
            BadValueError: it does not, which is an error of this program.
        """
        for _ in range(4):
            text, fields, kept = self.attempt()
            wrong, result = self.check(text, fields, kept)
            if not wrong and result is not None:
                return result
            if wrong <= self.as_text:
                break
            self.as_text |= wrong
        problem = "the new text would not say what it must."
        raise BadValueError(self.file.path, problem, "Please report this config.")

    def check(self, text: str, fields: Config, kept: set[str]) -> tuple[set[str], Rewritten | None]:
        """Evaluate a new text; returns the fields that it gets wrong."""
        try:
            source = Source(text, FilePath(self.file.path))
            evaluation = PartialEvaluation(FilePath(self.file.path), self.base)
            own = evaluation.run(source.module)
            own.pop(BASE, None)
            own.pop(DEPRECATION, None)
            whole = merge(own, self.base, self.file.path)
        except ConfigError:
            return set(self.target), None
        wrong = {
            key
            for key, value in self.target.items()
            if not same(whole.get(key, NO_VALUE), value) and key not in evaluation.unknown
        }
        if len(evaluation.problems) > len(self.file.evaluation.problems):  # type: ignore[union-attr]
            wrong |= set(fields)
        locator = Locator(source, find_definitions(evaluation.executed))
        return wrong, Rewritten(text, whole, fields, source, locator, kept)

    # ------------------------------------------------------------------------------------- fields

    def attempt(self) -> tuple[str, Config, set[str]]:
        """Return a new text, its own new fields, and the old names that stay."""
        fields = difference(self.base, self.target)
        for key in self.base:
            if key not in self.target and key in self.provided_by_base:
                fields[key] = [] if isinstance(self.base[key], list) else None
        inline: set[str] = set()
        while True:
            made = Attempt(self, fields, inline)
            again = made.conflicts() - inline
            if not again:
                return made.text(), made.fields, made.kept | set(made.defined)
            inline |= again

    @property
    def provided_by_base(self) -> set[str]:
        """Fields of the bases that this config must not have."""
        return set(ANCHORS) - {"auto_scale_lr"}


class Attempt:
    """One way of writing it, with names in ``inline`` that keep their old value."""

    def __init__(self, rewrite: Rewrite, fields: Config, inline: set[str]) -> None:
        self.rewrite, self.file, self.source = rewrite, rewrite.file, rewrite.source
        self.definitions = rewrite.definitions
        self.own = rewrite.file.own
        self.as_they_are: set[str] = set()
        self.fields = self.without_unchanged(fields)
        used, inline = used_paths(self.fields), inline | self.as_they_are
        self.writer = Writer(
            self.source, self.own, rewrite.locator, inline, self.keeps, self.reads_same, used
        )
        self.lines: dict[str, str] = {}
        for key, value in self.fields.items():
            self.lines[key] = self.write_field(key, value)
        self.defined: dict[str, str] = {}
        self.given = Counter[str]()  # comments that new statements have, of those looked for
        self.flatten()
        self.kept = self.kept_names()

    def without_unchanged(self, fields: Config) -> Config:
        """Leave out fields whose old statement says the right thing already."""
        rest = dict(fields)
        for name in self.own:
            if name not in self.rewrite.target or name in self.rewrite.as_text:
                continue
            merged = merge_one(name, self.own[name], self.rewrite.base)
            if same(merged, self.rewrite.target[name]) and self.stays(name):
                rest.pop(name, None)
                self.as_they_are.add(name)
        return rest

    def stays(self, name: str) -> bool:
        """Whether all statements that give a name its value may stay as they are."""
        return all(
            self.keeps(node, {name})
            for statement in self.rewrite.binders.get(name, ())
            for node in ast.iter_child_nodes(statement)
        )

    def keeps(self, node: ast.AST, but: set[str] | None = None) -> bool:
        """Whether an expression means the same in the new file."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                name = part.id
                if name == BASE or name in (but or ()):
                    continue
                gone = name in OLD_ONLY and name not in self.as_they_are and name != "prefetch"
                if name in self.own and (gone or name in self.fields_changed()):
                    return False
        return all(self.same_in_base(keys) for keys in base_reads(node))

    def fields_changed(self) -> set[str]:
        """Return old names that are fields of the new form, with another value."""
        fields = getattr(self, "fields", {})
        return {name for name in fields if name in self.own}

    def same_in_base(self, keys: list[str]) -> bool:
        """Whether ``{{_base_.a.b}}`` gives the same after the migration of the bases."""
        steps = tuple(int(key) if key.isdigit() else key for key in keys)
        old = at(self.file.base, steps)
        return old is NO_VALUE or same(old, at(self.rewrite.base, steps))

    def reads_same(self, node: ast.expr, value: Any) -> bool:
        """Whether an expression is a ``{{_base_.x}}`` that gives a value in the new file."""
        if not (isinstance(node, ast.Set) and len(node.elts) == 1):
            return False
        found = base_reads(node)
        steps = [tuple(int(key) if key.isdigit() else key for key in keys) for keys in found]
        return len(steps) == 1 and same(at(self.rewrite.base, steps[0]), value)

    def write_field(self, key: str, value: Any) -> str:
        """Return the statement of a new field."""
        if key in self.rewrite.as_text:
            value = plain_value(value)
            return f"{key} = {self.writer.write(value, '', WIDTH - len(key) - 3)}"
        other = TESTED_AS_VAL.get(key)
        if other in self.fields and same(value, self.fields[other]) and not deletes(value):
            return f"{key} = {other}"
        hint = (key,) if key in self.own else None
        return f"{key} = {self.writer.write(value, '', WIDTH - len(key) - 3, hint)}"

    # -------------------------------------------------------------------------------------- names

    def conflicts(self) -> set[str]:
        """Return names that would need their old and a new value."""
        changed = {
            name
            for name, (value, _) in self.writer.wanted.items()
            if not same(value, self.own.get(name))
        }
        return self.writer.disagreeing | (changed & (self.writer.names | self.read_by_kept))

    def flatten(self) -> None:
        """Write the names that get a new value, and those changed in the same statements."""
        done: set[str] = set()
        gone = {name for name in self.own if not self.is_variable(name)} - self.as_they_are
        while True:
            # A statement that changes two names either stays or goes.
            for statement in self.source.module.body:
                bound = self.rewrite.bound[id(statement)]
                if len(bound) < 2:
                    continue
                going = set(self.writer.wanted) | set(self.fields) | gone
                if bound & going:
                    for name in bound & set(self.own):
                        if self.is_variable(name) and name not in self.writer.wanted:
                            self.writer.wanted[name] = self.own[name], (name,)
            names = [name for name in self.writer.wanted if name not in done]
            if not names:
                return
            for name in names:
                done.add(name)
                self.defined[name] = f"{name} = {self.writer.define(name)}"

    def is_variable(self, name: str) -> bool:
        """Whether a name is no field that a rule takes."""
        taken = name in OLD_ONLY and name != "prefetch"
        return not taken or (name in self.rewrite.read and name not in ANCHORS)

    def kept_names(self) -> set[str]:
        """Return the old names that stay with their old value."""
        gone = {name for name in OLD_ONLY if name != "prefetch" and name not in self.as_they_are}
        asked = set(self.writer.names) | (self.rewrite.asked - gone - set(self.fields))
        kept = set(self.as_they_are)
        for name in self.own:
            unread = name not in self.rewrite.read
            if unread and name not in OLD_ONLY and name not in self.fields:
                kept.add(name)
        for name in self.rewrite.unknown:
            kept.add(name)
        todo = list((asked | kept) & (set(self.own) | self.rewrite.unknown))
        kept = set()
        self.read_by_kept: set[str] = set()
        while todo:
            name = todo.pop()
            if name in kept or name in self.defined:
                continue
            kept.add(name)
            for statement in self.rewrite.binders.get(name, ()):
                read = self.rewrite.loaded[id(statement)] & self.own.keys()
                self.read_by_kept |= read - {name}
                todo += read - kept
        return kept

    # --------------------------------------------------------------------------------------- text

    def text(self) -> str:
        """Return the new text."""
        groups = self.groups()
        placed = self.place(groups)
        out, here = "", 0
        text = self.source.text
        for i, (start, end, statements) in enumerate(groups):
            lines = placed.get(i, [])
            gap = text[here:start]
            if lines and lines[0][0] == SCOPE and SCOPE not in self.own:
                gap, lines = before_comments(gap, lines[0][1]), lines[1:]
            out += gap
            piece = self.replacement(start, end, statements, lines)
            if any(BASE in self.rewrite.bound[id(one)] for one in statements):
                piece = self.rename_bases(piece)
            here = end
            if piece:
                out += piece
            else:  # nothing stays on these lines
                here = end + 1 if end < len(text) else end
                if not out.strip() or out.endswith("\n\n"):
                    while text[here : here + 1] == "\n":
                        here += 1
        out += text[here:]
        if last := placed.get(-1):
            ending = "\n" if text.endswith("\n") or not text else ""
            body = out.rstrip("\n")
            lines = "\n".join(line for _, line in last)
            out = (f"{body}\n\n" if body.strip() else "") + lines + ending
        return out.replace(HELD, "\n")

    def groups(self) -> list[tuple[int, int, list[ast.stmt]]]:
        """Return the statements by their lines: start, end of the last line, statements."""
        found: list[tuple[int, int, list[ast.stmt]]] = []
        for statement in self.source.module.body:
            start, end = self.source.start(statement), self.source.end(statement)
            stop = self.source.text.find("\n", end)
            stop = len(self.source.text) if stop < 0 else stop
            if found and start < found[-1][1]:
                before = found[-1]
                found[-1] = before[0], stop, [*before[2], statement]
            else:
                found.append((start, stop, [statement]))
        return found

    def place(self, groups: list[tuple[int, int, list[ast.stmt]]]) -> dict[int, list[NewLine]]:
        """Return the new statements by the group in whose place they stand, -1 for the end."""
        where: dict[str, int] = {}
        for i, (_, _, statements) in enumerate(groups):
            for statement in statements:
                for name in self.rewrite.bound[id(statement)]:
                    where.setdefault(name, i)
        placed: dict[int, list[NewLine]] = {}
        for name, line in self.defined.items():
            placed.setdefault(where[name], []).append((name, line))
        anchors = {key: self.anchor(key, where) for key in self.lines}
        ordered = sorted(self.lines, key=lambda key: (key != SCOPE, key == "auto_scale_lr"))
        for key in ordered:
            line, group = self.lines[key], anchors[key]
            code = ast.parse(line.replace(HELD, "\n"))
            needs = [where[name] for name in loaded_names(code) if name in where]
            if line == f"{key} = {TESTED_AS_VAL.get(key)}":
                group = anchors[key] = anchors[TESTED_AS_VAL[key]]
            elif group >= 0 and needs:
                group = anchors[key] = max(group, *needs)
            placed.setdefault(group, []).append((key, line))
        return placed

    def anchor(self, key: str, where: Mapping[str, int]) -> int:
        """Return the group of statements in whose place a field stands."""
        if key == "data_preprocessor":
            for name, value in self.own.items():
                if isinstance(value, dict) and {"mean", "std"} <= set(value) and name in where:
                    return where[name]
        names = (key, *ANCHORS.get(key, ()), *BESIDE.get(key, ()))
        return next((where[name] for name in names if name in where), -1)

    def replacement(
        self, start: int, end: int, statements: list[ast.stmt], lines: list[NewLine]
    ) -> str:
        """Return what stands in place of the statements of some lines."""
        text = self.source.text
        stay = [self.statement_stays(statement) for statement in statements]
        if all(stay):
            return "\n".join([text[start:end], *(line for _, line in lines)])
        kept = [
            ("", text[self.source.start(one) : self.source.end(one)])
            for one, stays in zip(statements, stay, strict=True)
            if stays
        ]
        lines = [*kept, *lines]
        lost = self.lost_comments(start, end, lines)
        tail = text[self.source.end(statements[-1]) : end]
        if lost and tail.strip() == lost[-1][1] and lines:  # a comment behind the last line
            key, line = lines[-1]
            if len(line.rpartition("\n")[2]) + len(tail) <= WIDTH:
                lost, lines[-1] = lost[:-1], (key, line + tail.rstrip())
        above: dict[int, list[str]] = {}
        for place, comment in lost:
            above.setdefault(self.line_of_comment(place, statements, lines), []).append(comment)
        parts = [part for i, (_, line) in enumerate(lines) for part in (*above.get(i, ()), line)]
        return "\n".join(parts if lines else [comment for _, comment in lost])

    def line_of_comment(self, place: int, statements: list[ast.stmt], lines: list[NewLine]) -> int:
        """Return the number of the new line that a comment within old statements speaks of."""
        for statement in statements:
            if self.source.start(statement) <= place <= self.source.end(statement):
                for name in self.rewrite.bound[id(statement)] & self.definitions.keys():
                    path = self.rewrite.locator.path_at(name, place)
                    for length in range(len(path), 1, -1):
                        for i, (key, _) in enumerate(lines):
                            if path[:length] in used_paths(self.fields.get(key)):
                                return i
        return 0

    def statement_stays(self, statement: ast.stmt) -> bool:
        """Whether a statement of the old file is one of the new file."""
        names = self.rewrite.bound[id(statement)] & self.own.keys()
        if not names:
            return True
        return any(name in self.kept for name in names) and not names & set(self.defined)

    def lost_comments(self, start: int, end: int, lines: list[NewLine]) -> list[tuple[int, str]]:
        """Return comments within statements that are in none of the new ones."""
        inside = [pair for pair in self.source.comments if start <= pair[0] < end]
        if not inside:
            return []
        have = Counter[str]()
        for line in (*self.lines.values(), *self.defined.values()):
            if "#" in line:
                have.update(comments_of(line))
        have -= self.given
        lost = []
        for place, comment in inside:
            if have[comment] > 0:
                have[comment] -= 1
                self.given[comment] += 1
            else:
                lost.append((place, comment))
        return lost

    def rename_bases(self, text: str) -> str:
        """Write the new names of ``_base_`` files."""
        for old, new in self.rewrite.names.items():
            for quote in "'\"":
                text = text.replace(f"{quote}{old}{quote}", f"{quote}{new}{quote}", 1)
        return text


def base_reads(node: ast.AST) -> list[list[str]]:
    """Return the keys of every ``_base_.a.b`` in an expression, in texts too."""
    keys = dotted(node)
    if keys[:1] == [BASE]:
        return [keys[1:]]
    if isinstance(node, ast.Constant):
        found = BASE_VARIABLE.finditer(node.value) if isinstance(node.value, str) else ()
        return [match[1].split(".") for match in found]
    return [keys for child in ast.iter_child_nodes(node) for keys in base_reads(child)]


def before_comments(gap: str, line: str) -> str:
    """Put a statement before the comments of the next one."""
    comments = re.search(r"(?:^|(?<=\n))(?:[ \t]*#[^\n]*\n)+$", gap)
    if comments is None or "copyright" in comments[0].lower():
        return f"{gap}{line}\n"
    return f"{gap[: comments.start()]}{line}\n\n{comments[0]}"


def merge_one(name: str, value: Any, base: Config) -> Any:
    """Return what a field is after merging; `NO_VALUE` if it cannot be merged."""
    try:
        return merge({name: value}, base, "").get(name)
    except ConfigError:
        return NO_VALUE


def deletes(value: Any) -> bool:
    """Whether ``_delete_`` stands anywhere within a value."""
    if isinstance(value, dict):
        return DELETE in value or any(deletes(part) for part in value.values())
    return isinstance(value, (list, tuple)) and any(deletes(part) for part in value)


def comments_of(code: str) -> list[str]:
    """Return the comments of a statement."""
    source = Source(code.replace(HELD, "\n"), FilePath("a statement"))
    return [comment for _, comment in source.comments]
