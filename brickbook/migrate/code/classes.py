"""The classes of a file: which of them are parts of the old packages, and their methods.

A class is of a kind when one of its bases is a class of that kind, there or in the same file, or
when it is registered as one. ``facts/methods.json`` says what became of the methods of each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import libcst as cst

from brickbook.migrate.code.bindings import Use, Variable, dotted
from brickbook.migrate.code.moves import read_facts
from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile

__all__ = ["rewrite_classes"]

# Methods whose names tell of an old class, wherever they stand.
TELLING = {"forward_train": "loss", "load_annotations": "load_data_list", "simple_test": "predict"}


@cache
def kinds() -> dict[str, str]:
    """Return the kind of every known class, by package and name."""
    facts = read_facts("methods")["kinds"]
    return {name: kind for kind, names in facts.items() for name in names.split()}


def rewrite_classes(
    file: SourceFile, variables: list[Variable], edits: Edits, remarks: Remarks
) -> None:
    """Rename the methods of every class that is of a known kind, and say what is left to do."""
    finder = ClassFinder()
    file.module.visit(finder)
    olds = OldNames(variables)
    by_name = {node.name.value: node for node in finder.classes}
    for node in finder.classes:
        kind = kind_of(node, olds, by_name)
        if kind:
            ClassRewriter(file, node, kind, edits, remarks).run()
    for node in finder.telling:
        if all(node is not known for known, _ in remarks.made):
            name = file.of(node)
            remarks.note("code.maybe", node, name, old=name, new=TELLING[name])


class ClassFinder(cst.CSTVisitor):
    """Collects the classes of a file, and the methods that tell of old ones."""

    def __init__(self) -> None:
        self.classes: list[cst.ClassDef] = []
        self.telling: list[cst.Name] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        if node.name.value in TELLING:
            self.telling.append(node.name)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if node.attr.value in TELLING:
            self.telling.append(node.attr)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.classes.append(node)


class OldNames:
    """What the names at the places of a file stand for in the old packages."""

    def __init__(self, variables: list[Variable]) -> None:
        self.at: dict[cst.CSTNode, tuple[Variable, Use]] = {
            use.node: (variable, use) for variable in variables for use in variable.uses
        }

    def of(self, node: cst.CSTNode) -> str:
        """Return the package and the last word of what a node stands for, "" for others."""
        if node not in self.at:
            return ""
        variable, use = self.at[node]
        old = ".".join([variable.bindings[0].old, *use.parts[1:]])
        return f"{old.partition('.')[0]}.{old.rpartition('.')[2]}"


def kind_of(node: cst.ClassDef, olds: OldNames, by_name: Mapping[str, cst.ClassDef]) -> str:
    """Return the kind of a class, "" for a class of none."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop(0)
        seen.add(current)
        for base in current.bases:
            if kind := kinds().get(olds.of(base.value), ""):
                return kind
            parent = by_name.get(dotted(base.value))
            if parent is not None and parent not in seen and olds.of(base.value) == "":
                waiting.append(parent)
    for decorator in node.decorators:
        call = decorator.decorator
        func = call.func if isinstance(call, cst.Call) else call
        if isinstance(func, cst.Attribute) and func.attr.value == "register_module":
            for at, (variable, use) in olds.at.items():
                if at is func and use.parts[-1] == "register_module":
                    old = ".".join([variable.bindings[0].old, *use.parts[1:-1]])
                    name = f"{old.partition('.')[0]}.{old.rpartition('.')[2]}"
                    return read_facts("methods")["registries"].get(name, "")
    return ""


class ClassRewriter:
    """Renames the methods of one class, and what it calls of them.

    Args:
        file: the file.
        node: the class.
        kind: its kind.
        edits: takes the edits.
        remarks: takes the notes.
    """

    def __init__(
        self, file: SourceFile, node: cst.ClassDef, kind: str, edits: Edits, remarks: Remarks
    ) -> None:
        self.file = file
        self.node = node
        self.kind = kind
        self.edits = edits
        self.remarks = remarks
        facts = read_facts("methods")
        self.renamed: dict[str, str] = facts["renamed"].get(kind, {})
        self.alike: dict[str, str] = facts["renamed_alike"].get(kind, {})
        self.changed: dict[str, str] = facts["changed"].get(kind, {})
        self.gone: dict[str, str] = facts["gone"].get(kind, {})
        self.of_head: dict[str, str] = (
            facts["renamed"]["head"] if kind in ("classifier", "algorithm") else {}
        )
        self.facts: Any = facts

    def run(self) -> None:
        """Rename methods, calls and attributes."""
        methods = {method.name.value: method for method in self.methods()}
        calls = AttributeFinder()
        self.node.visit(calls)
        own = calls.assigned | {name for name in self.values()}
        names = {**self.renamed, **self.alike}
        new_names = {old: signature.partition("(")[0] for old, signature in names.items()}
        taken = set(methods) - {name for name in new_names if name not in own}
        blocked = {old for old, new in new_names.items() if old in methods and new in taken}
        for name, method in methods.items():
            self.rewrite_method(name, method, blocked, new_names)
        for attribute in calls.found:
            self.rewrite_attribute(attribute, own - set(methods), blocked, methods)
        if self.kind == "dataset":
            self.rewrite_class_names()

    def methods(self) -> Iterator[cst.FunctionDef]:
        """Yield the methods."""
        for statement in self.node.body.body:
            if isinstance(statement, cst.FunctionDef):
                yield statement

    def values(self) -> Iterator[str]:
        """Yield the names that the body of the class assigns."""
        for target, _ in self.class_values():
            yield target.value

    def class_values(self) -> Iterator[tuple[cst.Name, cst.BaseExpression]]:
        """Yield the simple assignments of the body of the class."""
        for line in self.node.body.body:
            for statement in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
                    target = statement.targets[0].target
                    if isinstance(target, cst.Name):
                        yield target, statement.value

    def rewrite_method(
        self,
        name: str,
        method: cst.FunctionDef,
        blocked: set[str],
        new_names: Mapping[str, str],
    ) -> None:
        """Rename a method, and say what its body must do now."""
        old = f"{self.node.name.value}.{name}"
        if name in blocked:
            new = new_names[name]
            self.remarks.note("code.method_clash", method.name, old, old=name, new=new)
            return
        more = self.kind == "hook" and name in self.facts["more_arguments"]
        if name in new_names:
            signature = {**self.renamed, **self.alike}[name]
            self.edits.replace(self.file.span(method.name), new_names[name])
            if not more:
                alike = name in self.alike
                self.remarks.note(
                    "code.method_alike" if alike else "code.method",
                    method.name, old, old=name, new=signature,
                )  # fmt: skip
        elif name in self.changed:
            signature = self.changed[name]
            self.remarks.note("code.signature", method.name, old, old=name, new=signature)
        elif name in self.gone:
            instead = self.gone[name]
            self.remarks.note("code.method_gone", method.name, old, old=name, new=instead)
        if more:
            self.add_arguments(name, new_names.get(name, name), method)

    def add_arguments(self, name: str, new_name: str, method: cst.FunctionDef) -> None:
        """Give a method of a hook the arguments that it is called with now."""
        more = self.facts["more_arguments"][name]
        words = re.findall(r"(\w+)(?:=[^,]+)?(?:, |$)", more)
        old, new = f"{self.node.name.value}.{name}", f"{new_name}(self, runner, {more})"
        params = method.params
        plain = len(params.params) == 2 and all(param.default is None for param in params.params)
        others = params.kwonly_params or params.posonly_params or params.star_kwarg
        star = isinstance(params.star_arg, cst.Param)
        known = AttributeFinder()
        method.visit(known)
        if not plain or others or star or known.names & set(words):
            self.remarks.note("code.signature", method.name, old, old=name, new=new)
            return
        end = self.file.span(params.params[1])[1]
        self.edits.replace((end, end), f", {more}")
        self.remarks.note("code.more_arguments", method.name, old, old=name, new=new)
        for call in known.calls:
            if is_super(call.func, name) and len(call.args) == 1:
                at = self.file.span(call.args[0].value)[1]
                self.edits.replace((at, at), f", {', '.join(words)}")

    def rewrite_attribute(
        self,
        node: cst.Attribute,
        own: set[str],
        blocked: set[str],
        methods: Mapping[str, cst.FunctionDef],
    ) -> None:
        """Rename what is read of the object itself, of its parent, or of its head."""
        name = node.attr.value
        value = dotted(node.value)
        mine = value == "self" or is_super(node, name)
        names = {**self.renamed, **self.alike} if mine else {}
        if value == "self.head":
            names = {key: self.of_head[key] for key in self.of_head if key != "loss"}
        if self.kind == "hook" and value == "runner" and name in self.facts["runner"]:
            new = self.facts["runner"][name]
            self.remarks.note("code.runner", node, f"runner.{name}", old=f"runner.{name}", new=new)
        if not (names or mine) or name in own or (mine and name in blocked):
            return
        written = f"{value or 'super()'}.{name}"
        if name in names and (name != "__call__" or is_super(node, name)):
            new = names[name]
            self.edits.replace(self.file.span(node.attr), new.partition("(")[0])
            more = self.kind == "hook" and name in self.facts["more_arguments"]
            if not more:
                alike = mine and name in self.alike
                self.remarks.note(
                    "code.method_alike" if alike else "code.call",
                    node.attr, written, old=written, new=new,
                )  # fmt: skip
        elif mine and name not in methods and name in self.gone:
            self.remarks.note("code.method_gone", node, written, old=written, new=self.gone[name])
        elif mine and self.kind == "hook" and name in self.changed:
            self.remarks.note("code.call", node, written, old=written, new=self.changed[name])

    def rewrite_class_names(self) -> None:
        """Turn ``CLASSES = …`` of a dataset into ``METAINFO``."""
        if "METAINFO" in set(self.values()):
            return
        for target, value in self.class_values():
            if target.value == "CLASSES" and dotted(value) != "None":
                start, end = self.file.span(value)
                text = self.file.text
                if text[start:end].count("(") != text[start:end].count(")"):
                    continue
                if getattr(value, "lpar", ()):
                    start = text.rindex("(", 0, start) if text[start] != "(" else start
                    end = text.index(")", end) + 1 if text[end - 1] != ")" else end
                self.edits.replace(self.file.span(target), "METAINFO")
                self.edits.replace((start, start), "{'classes': ")
                self.edits.replace((end, end), "}")
                old = f"{self.node.name.value}.CLASSES"
                self.remarks.note("code.classes", target, old)


class AttributeFinder(cst.CSTVisitor):
    """Collects what a class reads and assigns; nested classes are others."""

    def __init__(self) -> None:
        self.found: list[cst.Attribute] = []
        self.assigned: set[str] = set()
        self.attributes: set[cst.Name] = set()
        self.names: set[str] = set()
        self.calls: list[cst.Call] = []
        self.depth = 0

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        self.depth += 1
        return self.depth == 1

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self.found.append(node)
        self.attributes.add(node.attr)

    def visit_Call(self, node: cst.Call) -> None:
        self.calls.append(node)

    def visit_Name(self, node: cst.Name) -> None:
        if node not in self.attributes:
            self.names.add(node.value)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        target = node.target
        if isinstance(target, cst.Attribute) and dotted(target.value) == "self":
            self.assigned.add(target.attr.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if isinstance(node.target, cst.Attribute) and dotted(node.target.value) == "self":
            self.assigned.add(node.target.attr.value)


def is_super(node: cst.CSTNode, name: str) -> bool:
    """Return whether a node is ``super().name``, with or without arguments."""
    return (
        isinstance(node, cst.Attribute)
        and node.attr.value == name
        and isinstance(node.value, cst.Call)
        and dotted(node.value.func) == "super"
    )
