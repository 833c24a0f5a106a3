"""The names of a file that stand for something of an old package, and every place they are used.

A variable is a name in one scope. It may be bound by several imports, of which some may be old, and
by other statements too; all its uses are found by scope, so that a local variable of the same name
is another variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import BaseAssignment, ImportAssignment, Scope

from brickbook.migrate.code.moves import Moves
from brickbook.migrate.code.source import SourceFile

__all__ = ["Binding", "Names", "Use", "Variable", "dotted", "find_variables"]

ImportStatement = cst.Import | cst.ImportFrom


@dataclass(frozen=True, eq=False)
class Binding:
    """An old name in an import.

    Attributes:
        statement: the import.
        alias: the entry of the import.
        old: the dotted name that the variable stands for.
        imported: the dotted name that is written there; longer for ``import a.b``, which binds a.
        named: whether ``as`` gives the variable its name.
    """

    statement: ImportStatement
    alias: cst.ImportAlias
    old: str
    imported: str
    named: bool


@dataclass(frozen=True, eq=False)
class Use:
    """A place where a variable is read, with the attributes that follow it.

    Attributes:
        nodes: the name, the name with its first attribute, and so on.
        parts: the words of the longest of them.
        alone: whether nothing else than the imports of the variable can have bound it there.
        quoted: whether it stands in a text, as some annotations do.
    """

    nodes: tuple[cst.CSTNode, ...]
    parts: tuple[str, ...]
    alone: bool
    quoted: bool

    @property
    def node(self) -> cst.CSTNode:
        """The name with all attributes."""
        return self.nodes[-1]


@dataclass(eq=False)
class Variable:
    """A name in a scope, with the old imports that bind it.

    Attributes:
        name: the name.
        scope: where it is bound.
        bindings: the old imports.
        others: whether something else binds it too.
        uses: where it is read.
    """

    name: str
    scope: Scope
    bindings: list[Binding]
    others: bool
    uses: list[Use] = field(default_factory=list)


def dotted(node: cst.CSTNode | None) -> str:
    """Return a name with its attributes as one text, "" for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute) and (around := dotted(node.value)):
        return f"{around}.{node.attr.value}"
    return ""


def find_variables(file: SourceFile, moves: Moves) -> list[Variable]:
    """Find the variables that an old import binds, by scope."""
    found = []
    for scope in file.scopes():
        by_name: dict[str, list[BaseAssignment]] = {}
        for assignment in scope.assignments:
            by_name.setdefault(assignment.name.partition(".")[0], []).append(assignment)
        for name, assignments in by_name.items():
            bindings, others = [], False
            for assignment in assignments:
                old = old_bindings(assignment, moves)
                bindings += [new for new in old if all(new.alias is not b.alias for b in bindings)]
                others = others or not old
            if bindings:
                uses = find_uses(file, assignments)
                found.append(Variable(name, scope, bindings, others, uses))
    return found


def old_bindings(assignment: BaseAssignment, moves: Moves) -> list[Binding]:
    """Return the entries of an import that an assignment stands for, if they are old."""
    if not isinstance(assignment, ImportAssignment):
        return []
    statement = assignment.node
    if not isinstance(statement, (cst.Import, cst.ImportFrom)) or isinstance(
        statement.names, cst.ImportStar
    ):
        return []
    around = ""
    if isinstance(statement, cst.ImportFrom):
        if statement.relative or not statement.module:
            return []
        around = f"{dotted(statement.module)}."
    variable = assignment.name.partition(".")[0]
    found = []
    for alias in statement.names:
        written = f"{around}{alias.evaluated_name}"
        given = alias.evaluated_alias
        local = given or (alias.evaluated_name if around else written.partition(".")[0])
        if local == variable and moves.is_old(written):
            plain = isinstance(statement, cst.Import) and not given
            old = local if plain else written
            found.append(Binding(statement, alias, old, written, bool(given)))
    return found


def find_uses(file: SourceFile, assignments: list[BaseAssignment]) -> list[Use]:
    """Return the uses of a variable once each, in the order of the text."""
    found: dict[int, Use] = {}
    for assignment in assignments:
        for access in assignment.references:
            node = access.node
            alone = all(
                any(referent is known for known in assignments) for referent in access.referents
            )
            if not isinstance(node, (cst.Name, cst.Attribute)):
                name = assignment.name.partition(".")[0]
                found[id(node)] = Use((node,), (name,), alone, quoted=True)
                continue
            while isinstance(node, cst.Attribute):
                node = node.value
            nodes = [node]
            for parent in file.above(node):
                if not isinstance(parent, cst.Attribute) or parent.value is not nodes[-1]:
                    break
                nodes.append(parent)
            parts = tuple(dotted(nodes[-1]).split("."))
            found[id(node)] = Use(tuple(nodes), parts, alone, quoted=False)
    return sorted(found.values(), key=lambda use: file.span(use.node))


class Names:
    """What a file says about its names as a whole.

    Attributes:
        exported: the names in ``__all__``.
        declared: names in ``global`` and ``nonlocal`` statements.
    """

    def __init__(self, file: SourceFile) -> None:
        self.bound: dict[str, list[BaseAssignment]] = {}
        for scope in file.scopes():
            for assignment in scope.assignments:
                self.bound.setdefault(assignment.name.partition(".")[0], []).append(assignment)
        collector = NameCollector()
        file.module.visit(collector)
        self.exported = frozenset(collector.exported)
        self.declared = frozenset(collector.declared)

    def bound_by(self, name: str) -> Iterable[BaseAssignment]:
        """Return what binds a name, in any scope."""
        return self.bound.get(name, ())

    def is_free(self, name: str, module: str, variables: Iterable[tuple[str, Scope]]) -> bool:
        """Return whether a name of a module can be imported under that name.

        Args:
            name: the name.
            module: the module.
            variables: names and scopes of variables that will be that very import.
        """
        own = set(variables)
        for assignment in self.bound_by(name):
            if (name, assignment.scope) in own or is_import_of(assignment, module, name):
                continue
            return False
        return True


def is_import_of(assignment: BaseAssignment, module: str, name: str) -> bool:
    """Return whether an assignment is an import of a name of a module, under that name."""
    if not isinstance(assignment, ImportAssignment):
        return False
    statement = assignment.node
    return (
        isinstance(statement, cst.ImportFrom)
        and not statement.relative
        and dotted(statement.module) == module
        and not isinstance(statement.names, cst.ImportStar)
        and any(a.evaluated_name == name and not a.evaluated_alias for a in statement.names)
    )


class NameCollector(cst.CSTVisitor):
    """Reads ``__all__`` and the declared names."""

    def __init__(self) -> None:
        self.exported: set[str] = set()
        self.declared: set[str] = set()

    def visit_Assign(self, node: cst.Assign) -> None:
        if any(dotted(target.target) == "__all__" for target in node.targets):
            self.read(node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if dotted(node.target) == "__all__" and node.value:
            self.read(node.value)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        if dotted(node.target) == "__all__":
            self.read(node.value)

    def visit_Call(self, node: cst.Call) -> None:
        if dotted(node.func) in ("__all__.append", "__all__.extend"):
            for arg in node.args:
                self.read(arg.value)

    def visit_Global(self, node: cst.Global) -> None:
        self.declared.update(item.name.value for item in node.names)

    def visit_Nonlocal(self, node: cst.Nonlocal) -> None:
        self.declared.update(item.name.value for item in node.names)

    def read(self, value: cst.CSTNode) -> None:
        """Take every text of a value as a name."""
        texts = [value] if isinstance(value, cst.SimpleString) else []
        if isinstance(value, (cst.List, cst.Tuple, cst.Set)):
            texts = [e.value for e in value.elements if isinstance(e.value, cst.SimpleString)]
        self.exported.update(str(text.evaluated_value) for text in texts)
