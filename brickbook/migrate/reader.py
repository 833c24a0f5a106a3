"""Config files as values: Python, JSON and YAML, with ``_base_`` files, and none of it executed.

A Python config is parsed, and its statements are evaluated one after the other by the rules below:
literals, ``dict(…)``, names, ``{{_base_.x}}``, comprehensions, arithmetic, f-strings, ``if``, and a
few methods of lists, dicts and texts. Anything else is an error with file, line and column.
"""

from __future__ import annotations

import ast
import json
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    MissingFileError,
    MissingKeyError,
    UnknownNameError,
    first_line,
    format_value,
    nearest,
)

__all__ = ["read_config"]

Config = dict[str, Any]

LARGEST_FILE = 10 * 2**20  # bytes
# Entries and signs of a value, written out in full, and steps of all comprehensions of a file.
LARGEST_VALUE = 10**6
DEEPEST = 200  # _base_ files within each other

DELETE, BASE, DEPRECATION = "_delete_", "_base_", "_deprecation_"
VARIABLE = re.compile(r"\{\{\s*(?:\$)?(file\w+|_base_\.[\w.]+)\s*\}\}")


def read_config(
    path: str | os.PathLike[str], *, options: Mapping[str, Any] | None = None
) -> Config:
    r"""Read a config file as one dict, with what its ``_base_`` files give.

    Nothing of the file is executed. It reads what MMCV 1.x and MMEngine read of files of the
    ``_base_`` style, and gives what they give; lists and tuples stay what they are.

    Args:
        path: a ``.py``, ``.json``, ``.yaml`` or ``.yml`` file.
        options: values to set afterwards, by dotted key, as ``--cfg-options`` does:
            ``{"model.backbone.depth": 18, "data.train.pipeline.0.type": "Load"}``.

    Raises:
        MissingFileError: the file, or a ``_base_`` of it, is not there.
        BadValueError: a file that is no config, too large, or of a circle of ``_base_`` files; code
            that would have to be executed.
        ConfigError: by file, line and column.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "base.py").write_text("model = dict(depth=50, width=64)")
    >>> _ = (folder / "mine.py").write_text("_base_ = 'base.py'\nmodel = dict(depth=18)")
    >>> read_config(folder / "mine.py", options={"lr": 0.1})
    {'model': {'depth': 18, 'width': 64}, 'lr': 0.1}
    """
    try:
        cfg = Reader().read(Path(path), (), str(path))
    except RecursionError:
        raise BadValueError(str(path), "it is nested too deeply.") from None
    cfg = apart(cfg)
    for key, value in (options or {}).items():
        set_option(cfg, key, value)
    return cfg


class Reader:
    """Reads files, each of them once."""

    def __init__(self) -> None:
        self.known: dict[Path, Config] = {}

    def read(self, path: Path, within: tuple[Path, ...], asked_by: str) -> Config:
        """Return the value of a file, a copy for each who asks.

        Args:
            path: of the file.
            within: the files that are being read, from the outermost.
            asked_by: who asks, for messages.
        """
        try:
            real = path.resolve()
            size = real.stat().st_size
        except OSError:
            raise MissingFileError(asked_by, f"there is no file {str(path)!r}.") from None
        if real in within:
            circle = " → ".join(file.name for file in (*within[within.index(real) :], real))
            raise BadValueError(asked_by, f"the _base_ files go in a circle: {circle}.")
        if len(within) >= DEEPEST:
            raise BadValueError(asked_by, f"more than {DEEPEST} _base_ files within each other.")
        if size > LARGEST_FILE:
            raise BadValueError(str(path), f"{size:,} bytes are too many for a config.")
        if real not in self.known:
            self.known[real] = self.read_new(path, (*within, real))
        return deepcopy(self.known[real])

    def read_new(self, path: Path, within: tuple[Path, ...]) -> Config:
        """Read a file and its ``_base_`` files."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadValueError(str(path), f"it cannot be read: {first_line(error)}.") from None
        if path.suffix == ".py":
            module = parse(text, path)
            line, names = bases_of_module(module, path)
            base = self.read_bases(names, path, within, line)
            own = Evaluation(path, base).run(module)
        else:
            own = parse_data(text, path)
            base = self.read_bases(own.pop(BASE, ()), path, within, str(path))
        own.pop(BASE, None)
        own.pop(DEPRECATION, None)
        return merge(own, base, str(path))

    def read_bases(self, names: Any, path: Path, within: tuple[Path, ...], asked_by: str) -> Config:
        """Read the ``_base_`` files; two of them may not give the same key."""
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise BadArgumentError(asked_by, f"expected names of files, got {format_value(names)}.")
        found: Config = {}
        for name in names:
            if "::" in name:
                raise BadValueError(asked_by, f"{name!r} is a config of another package.")
            given = self.read(path.parent / name, within, asked_by)
            twice = [key for key in given if key in found]
            if twice:
                problem = f"two _base_ files give {', '.join(map(repr, twice))}."
                raise BadValueError(asked_by, problem)
            found.update(given)
        return found


def parse(text: str, path: Path) -> ast.Module:
    """Parse a Python file."""
    try:
        return ast.parse(text, filename=str(path))
    except SyntaxError as error:
        place = f"{path}:{error.lineno or 1}:{error.offset or 1}"
        raise BadValueError(place, f"this is no Python: {error.msg}.") from None
    except (ValueError, MemoryError, RecursionError):
        raise BadValueError(str(path), "this is no Python, or nested too deeply.") from None


def parse_data(text: str, path: Path) -> Config:
    """Parse a JSON or YAML file."""
    try:
        if path.suffix == ".json":
            value = json.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            try:
                import yaml
            except ImportError:
                problem = "a YAML file needs PyYAML (pip install pyyaml)."
                raise BadValueError(str(path), problem) from None
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(first_line(error)) from None
        else:
            problem = f"unknown kind of config file {path.suffix!r}."
            raise BadValueError(str(path), problem, "Known: .json, .py, .yaml, .yml.")
    except ConfigError:
        raise
    except ValueError as error:
        raise BadValueError(str(path), f"it cannot be parsed: {first_line(error)}.") from None
    if not isinstance(value, dict):
        raise BadArgumentError(str(path), f"expected a dict, got {format_value(value)}.")
    return value


def bases_of_module(module: ast.Module, path: Path) -> tuple[str, Any]:
    """Return where ``_base_`` is assigned, and its value."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == BASE for target in statement.targets
        ):
            place = f"{path}:{statement.lineno}:{statement.col_offset + 1}"
            return place, Evaluation(path, {}).value(statement.value)
    return str(path), ()


def merge(own: Config, base: Config, path: str) -> Config:
    """Put a config over its base: dicts are merged, unless ``_delete_=True`` stands in them."""
    merged = dict(base)
    for key, value in own.items():
        if not isinstance(value, dict):
            merged[key] = value
        elif key in merged and not value.get(DELETE, False):
            if not isinstance(merged[key], dict):
                problem = f"a dict cannot be merged into {format_value(merged[key])}."
                raise BadArgumentError(f"{path}: {key}", problem, "Write _delete_=True in it.")
            merged[key] = merge(without(value, DELETE), merged[key], f"{path}: {key}")
        elif key in merged:
            merged[key] = without(value, DELETE)
        else:
            merged[key] = value
    return merged


def without(value: Config, key: str) -> Config:
    """Return a dict without a key."""
    return {name: part for name, part in value.items() if name != key}


def apart(value: Any) -> Any:
    """Return a copy in which no list and no dict stands in two places."""
    if isinstance(value, dict):
        return {key: apart(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([apart(part) for part in value])
    return value


def set_option(cfg: Config, key: str, value: Any) -> None:
    """Set the value at a dotted key; whole numbers are places in a list."""
    place: Any = cfg
    steps = key.split(".")
    for i, step in enumerate(steps):
        last, path = i == len(steps) - 1, ".".join(steps[: i + 1])
        if isinstance(place, list):
            if not step.isdigit() or int(step) >= len(place):
                problem = f"the list has {len(place)} entries."
                raise MissingKeyError(f"options.{path}", problem)
            index: Any = int(step)
        elif isinstance(place, dict):
            index = step
            if not last and not isinstance(place.get(step), (dict, list)):
                place[step] = {}
        else:
            raise BadArgumentError(f"options.{path}", f"{format_value(place)} has no keys.")
        if last:
            place[index] = value
        else:
            place = place[index]


# ------------------------------------------------------------------------------------- evaluation

BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "bool": bool, "dict": dict, "enumerate": enumerate, "float": float, "int": int,
    "len": len, "list": list, "max": max, "min": min, "range": range, "reversed": reversed,
    "round": round, "set": set, "sorted": sorted, "str": str, "sum": sum, "tuple": tuple,
    "zip": zip,
}  # fmt: skip
# Methods of values; those of texts that fill something in are `formatted`.
METHODS: Mapping[type, tuple[str, ...]] = {
    dict: ("copy", "get", "items", "keys", "pop", "setdefault", "update", "values"),
    list: ("append", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse"),
    tuple: ("count", "index"),
    str: ("endswith", "format", "join", "lower", "lstrip", "replace", "rstrip", "split",
          "startswith", "strip", "upper"),
}  # fmt: skip
CONSTANTS = {"True": True, "False": False, "None": None, "__name__": "config"}
LONG_NUMBER = re.compile(r"\d{5}")


class Evaluation:
    """The statements of one file, one after the other."""

    def __init__(self, path: Path, base: Config) -> None:
        self.path, self.base = path, base
        self.names: Config = {}
        self.imported: dict[str, str] = {}
        self.steps = 0

    def run(self, module: ast.Module) -> Config:
        """Evaluate a file; returns its names, without those of Python."""
        self.block(module.body)
        return {key: value for key, value in self.names.items() if not key.startswith("__")}

    def refuse(self, node: ast.AST, problem: str, hint: str = "") -> BadValueError:
        """Return the error for a piece of code."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        return BadValueError(f"{self.path}:{line}:{column}", problem, hint)

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Evaluate statements."""
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Evaluate a statement."""
        if isinstance(node, ast.Assign):
            value = self.value(node.value)
            for target in node.targets:
                self.assign(target, value)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.assign(node.target, self.value(node.value))
        elif isinstance(node, ast.AugAssign):
            target = ast.copy_location(reading(node.target), node)
            self.assign(node.target, self.binary(node, node.op, self.value(target), node.value))
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, ast.If):
            self.block(node.body if self.value(node.test) else node.orelse)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                self.imported[name] = f"{origin}{alias.name}"
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self.delete(target)
        elif isinstance(node, ast.With) and "read_base" in ast.unparse(node.items[0]):
            raise self.refuse(node, "this is a config of the read_base style, which is not read.")
        elif not isinstance(node, ast.Pass):
            kind = type(node).__name__
            raise self.refuse(node, f"a statement of the kind {kind} is not evaluated.")

    def assign(self, target: ast.expr, value: Any) -> None:
        """Give a value to a name, an entry or an attribute."""
        self.weigh(target, value)
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Subscript):
            holder, key = self.value(target.value), self.value(target.slice)
            self.guard(target, lambda: operator.setitem(holder, key, value))
        elif isinstance(target, ast.Attribute) and isinstance(self.value(target.value), dict):
            self.value(target.value)[target.attr] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = self.guard(target, lambda: list(value))
            if len(parts) != len(target.elts):
                problem = f"{len(target.elts)} names, but {len(parts)} values."
                raise self.refuse(target, problem)
            for part, one in zip(target.elts, parts, strict=True):
                self.assign(part, one)
        else:
            raise self.refuse(target, f"nothing can be assigned to {ast.unparse(target)}.")

    def delete(self, target: ast.expr) -> None:
        """Delete a name or an entry."""
        if isinstance(target, ast.Name) and target.id in self.names:
            del self.names[target.id]
        elif isinstance(target, ast.Subscript):
            holder, key = self.value(target.value), self.value(target.slice)
            self.guard(target, lambda: operator.delitem(holder, key))
        else:
            raise self.refuse(target, f"{ast.unparse(target)} cannot be deleted.")

    def guard(self, node: ast.AST, make: Callable[[], Any]) -> Any:
        """Return a value, or the error that Python would raise, with its place."""
        try:
            return make()
        except ConfigError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            problem = f"{type(error).__name__}: {first_line(error)}."
            raise self.refuse(node, problem) from None

    def weigh(self, node: ast.AST, *values: Any) -> None:
        """Refuse values that are too large when written out."""
        if sum(weight(value, {}) for value in values) > LARGEST_VALUE:
            raise self.refuse(node, "the result would be too large.")

    # ------------------------------------------------------------------------------ expressions

    def value(self, node: ast.expr) -> Any:
        """Evaluate an expression."""
        find = getattr(self, f"value_of_{type(node).__name__.lower()}", None)
        if find is None:
            problem = f"{shown(node)} would have to be executed."
            raise self.refuse(node, problem)
        return find(node)

    def value_of_constant(self, node: ast.Constant) -> Any:
        """Literals; ``{{ fileDirname }}`` in a text is filled in."""
        return self.filled(node, node.value) if isinstance(node.value, str) else node.value

    def filled(self, node: ast.AST, text: str) -> str:
        """Fill in ``{{…}}`` in a text."""

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith(BASE):
                return str(self.from_base(node, name.split(".")[1:]))
            if name not in self.file_names():
                return match[0]
            return self.file_names()[name]

        return VARIABLE.sub(one, text)

    def file_names(self) -> dict[str, str]:
        """Return what a config may ask about its own file."""
        file = self.path.resolve()
        return {
            "fileDirname": file.parent.as_posix(),
            "fileBasename": file.name,
            "fileBasenameNoExtension": file.stem,
            "fileExtname": file.suffix,
        }

    def from_base(self, node: ast.AST, keys: list[str]) -> Any:
        """Return what ``_base_.a.b`` points at."""
        value: Any = self.base
        for i, key in enumerate(keys):
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                name = ".".join((BASE, *keys[: i + 1]))
                known = map(str, value) if isinstance(value, dict) else ()
                line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
                place = f"{self.path}:{line}:{column}"
                raise UnknownNameError(place, f"there is no {name}.", nearest(key, known))
        return deepcopy(value)

    def value_of_name(self, node: ast.Name) -> Any:
        """Names of the file."""
        if node.id in self.names:
            return self.names[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id in self.imported:
            problem = f"{self.imported[node.id]} is imported; imports are not executed."
            raise self.refuse(node, problem)
        raise self.refuse(node, f"unknown name {node.id!r}.", nearest(node.id, self.names))

    def value_of_list(self, node: ast.List) -> Any:
        """``[a, *b]``."""
        return list(self.entries(node.elts))

    def value_of_tuple(self, node: ast.Tuple) -> Any:
        """``(a, *b)``."""
        return tuple(self.entries(node.elts))

    def value_of_set(self, node: ast.Set) -> Any:
        """``{{_base_.x}}``, which is a set in a set, and sets."""
        inner = node.elts[0] if len(node.elts) == 1 else None
        if isinstance(inner, ast.Set) and len(inner.elts) == 1:
            keys = dotted(inner.elts[0])
            if keys and keys[0] == BASE:
                return self.from_base(node, keys[1:])
            if keys and keys[0] in self.file_names():
                return self.file_names()[keys[0]]
        return self.guard(node, lambda: set(self.entries(node.elts)))

    def entries(self, nodes: Iterable[ast.expr]) -> Iterator[Any]:
        """Yield the entries of a list."""
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.guard(node, lambda node=node: list(self.value(node.value)))
            else:
                yield self.value(node)

    def value_of_dict(self, node: ast.Dict) -> Any:
        """``{a: b, **c}``."""
        found: Config = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self.guard(node, lambda value=value: found.update(self.value(value)))
            else:
                name, entry = self.value(key), self.value(value)
                self.guard(key, lambda name=name, entry=entry: found.update({name: entry}))
        return found

    def value_of_attribute(self, node: ast.Attribute) -> Any:
        """``a.b`` of a dict, and ``_base_.x``."""
        keys = dotted(node)
        if keys[:1] == [BASE]:
            return self.from_base(node, keys[1:])
        holder = self.value(node.value)
        if isinstance(holder, dict) and node.attr in holder:
            return holder[node.attr]
        raise self.refuse(node, f"{shown(node)} would have to be executed.")

    def value_of_subscript(self, node: ast.Subscript) -> Any:
        """``a[b]`` and ``a[b:c:d]``."""
        holder, key = self.value(node.value), self.value(node.slice)
        return self.guard(node, lambda: holder[key])

    def value_of_slice(self, node: ast.Slice) -> Any:
        """``b:c:d``."""
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else self.value(part) for part in parts))

    def value_of_binop(self, node: ast.BinOp) -> Any:
        """Arithmetic, and what it means for texts and lists."""
        return self.binary(node, node.op, self.value(node.left), node.right)

    def binary(self, node: ast.AST, op: ast.operator, left: Any, right_node: ast.expr) -> Any:
        """Evaluate a binary operator, unless its result would be huge."""
        right, kind = self.value(right_node), type(op)
        if kind not in BINARY:
            raise self.refuse(node, f"the operator {kind.__name__} is not evaluated.")
        self.check_size(node, kind, left, right)
        return self.guard(node, lambda: BINARY[kind](left, right))

    def check_size(self, node: ast.AST, kind: type, left: Any, right: Any) -> None:
        """Refuse what Python would compute for very long."""
        if kind in (ast.Add, ast.Mod):
            self.weigh(node, left, right)
        sized = [value for value in (left, right) if isinstance(value, (str, list, tuple))]
        number = next((value for value in (left, right) if isinstance(value, int)), 1)
        repeats = kind is ast.Mult and sized and len(sized[0]) * abs(number) > LARGEST_VALUE
        powers = kind is ast.Pow and isinstance(right, int) and abs(right) > 1000
        large = kind in (ast.Mult, ast.Pow) and any(
            isinstance(value, int) and value.bit_length() > 4096 for value in (left, right)
        )
        fills = kind is ast.Mod and isinstance(left, str) and LONG_NUMBER.search(left)
        if repeats or powers or large or fills:
            raise self.refuse(node, "the result would be too large.")

    def value_of_unaryop(self, node: ast.UnaryOp) -> Any:
        """``-a``, ``not a``."""
        operand, kind = self.value(node.operand), type(node.op)
        if kind not in UNARY:
            raise self.refuse(node, f"the operator {kind.__name__} is not evaluated.")
        return self.guard(node, lambda: UNARY[kind](operand))

    def value_of_boolop(self, node: ast.BoolOp) -> Any:
        """``a and b``, ``a or b``."""
        value = self.value(node.values[0])
        for part in node.values[1:]:
            if bool(value) == isinstance(node.op, ast.Or):
                break
            value = self.value(part)
        return value

    def value_of_compare(self, node: ast.Compare) -> Any:
        """``a < b <= c``, ``a in b``."""
        left = self.value(node.left)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part)
            if not self.guard(node, lambda op=op, a=left, b=right: COMPARE[type(op)](a, b)):
                return False
            left = right
        return True

    def value_of_ifexp(self, node: ast.IfExp) -> Any:
        """``a if b else c``."""
        return self.value(node.body if self.value(node.test) else node.orelse)

    def value_of_joinedstr(self, node: ast.JoinedStr) -> Any:
        """f-strings."""
        text = ""
        for part in node.values:
            text += str(self.value(part))
            self.weigh(node, text)
        return text

    def value_of_formattedvalue(self, node: ast.FormattedValue) -> Any:
        """``{a!r:>3}`` of an f-string."""
        value = self.value(node.value)
        self.weigh(node, value)
        if node.conversion != -1:
            value = {"s": str, "r": repr, "a": ascii}[chr(node.conversion)](value)
        spec = "" if node.format_spec is None else str(self.value(node.format_spec))
        if LONG_NUMBER.search(spec):
            raise self.refuse(node, "the result would be too large.")
        return self.guard(node, lambda: format(value, spec))

    def value_of_listcomp(self, node: ast.ListComp) -> Any:
        """``[a for b in c if d]``."""
        return [self.value(node.elt) for _ in self.loop(node.generators)]

    def value_of_generatorexp(self, node: ast.GeneratorExp) -> Any:
        """``(a for b in c)``, as a list."""
        return [self.value(node.elt) for _ in self.loop(node.generators)]

    def value_of_dictcomp(self, node: ast.DictComp) -> Any:
        """``{a: b for c in d}``."""
        pairs = ((self.value(node.key), self.value(node.value)) for _ in self.loop(node.generators))
        return self.guard(node, lambda: dict(pairs))

    def loop(self, generators: list[ast.comprehension]) -> Iterator[None]:
        """Go through a comprehension; its names are gone afterwards."""
        outer = dict(self.names)
        try:
            yield from self.rounds(generators)
        finally:
            self.names.clear()
            self.names.update(outer)

    def rounds(self, generators: list[ast.comprehension]) -> Iterator[None]:
        """Go through the loops of a comprehension, from the outermost."""
        first, rest = generators[0], generators[1:]
        values = self.value(first.iter)
        for value in self.guard(first.iter, lambda: iter(values)):
            self.steps += 1
            if self.steps > LARGEST_VALUE:
                raise self.refuse(first.iter, "the comprehensions of this file are too long.")
            self.assign(first.target, value)
            if all(self.value(condition) for condition in first.ifs):
                if rest:
                    yield from self.rounds(rest)
                else:
                    yield

    def value_of_call(self, node: ast.Call) -> Any:
        """Calls of a few functions and methods."""
        arguments = list(self.entries(node.args))
        words: Config = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                self.guard(node, lambda k=keyword: words.update(self.value(k.value)))
            else:
                words[keyword.arg] = self.value(keyword.value)
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.names:
            name = self.imported.get(function.id, function.id)
            if name in ("copy.deepcopy", "copy.copy") and len(arguments) == 1:
                return deepcopy(arguments[0])
            if function.id in FUNCTIONS and function.id not in self.imported:
                return self.call(node, FUNCTIONS[function.id], arguments, words)
        elif isinstance(function, ast.Attribute):
            if ast.unparse(function) in ("copy.deepcopy", "copy.copy") and len(arguments) == 1:
                return deepcopy(arguments[0])
            holder = self.value(function.value)
            if function.attr in METHODS.get(type(holder), ()):
                self.check_format(node, holder, function.attr, arguments)
                return self.call(node, getattr(holder, function.attr), arguments, words)
        raise self.refuse(node, f"{shown(node)} would have to be executed.")

    def check_format(self, node: ast.AST, holder: Any, method: str, arguments: list[Any]) -> None:
        """Refuse methods whose result would be huge, or that reach into Python's inside."""
        if isinstance(holder, str) and method == "format":
            if re.search(r"\{[^{}]*[._]|\d{5}", holder):
                raise self.refuse(node, f"{shown(node)} would have to be executed.")
            self.weigh(node, *([arguments] * (holder.count("{") + 1)))
        if isinstance(holder, str) and method == "join":
            self.weigh(node, arguments, holder * min(weight(arguments, {}), LARGEST_VALUE))
        if isinstance(holder, str) and method == "replace" and len(arguments) > 1:
            parts = len(holder) + 1, len(str(arguments[1])) + 1
            if parts[0] * parts[1] > LARGEST_VALUE:
                raise self.refuse(node, "the result would be too large.")

    def call(self, node: ast.AST, make: Callable[..., Any], args: list[Any], words: Config) -> Any:
        """Call a function that is known to do no harm."""
        if any(isinstance(value, range) and len(value) > LARGEST_VALUE for value in args):
            raise self.refuse(node, "the result would be too large.")
        holder = getattr(make, "__self__", None)
        self.weigh(node, args, words, holder)
        value = self.guard(node, lambda: make(*args, **words))
        self.weigh(node, value, holder)
        return value


def weight(value: Any, known: dict[int, int]) -> int:
    """Return the number of entries and signs of a value, written out; ``known`` is by identity."""
    if isinstance(value, str):
        return len(value) + 1
    if not isinstance(value, (dict, list, tuple, set)):
        return 1
    if id(value) not in known:
        known[id(value)] = LARGEST_VALUE + 1  # for a value that contains itself
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(weight(part, known) for part in parts)
    return known[id(value)]


def reading(target: ast.expr) -> ast.expr:
    """Return the target of ``a += b`` as an expression."""
    return ast.parse(ast.unparse(target), mode="eval").body


def dotted(node: ast.AST) -> list[str]:
    """Return the names of ``a.b.c``, nothing for another expression."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        holder = dotted(node.value)
        return [*holder, node.attr] if holder else []
    return []


def shown(node: ast.AST) -> str:
    """Return a short piece of code."""
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) <= 80 else f"{text[:76]} …"
