"""What takes the place of every old import, and of every use of what it bound."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from brickbook.migrate.code.bindings import Binding, Names, Use, Variable
from brickbook.migrate.code.moves import Fate, Move, Moves
from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile

__all__ = ["Item", "Planner"]


@dataclass(frozen=True)
class Item:
    """One thing that a new import statement brings, or a name given after it.

    Attributes:
        module: what is imported, or what ``name`` is imported from.
        name: the name of ``from module import name``; "" for ``import module``.
        local: the name after ``as``; "" for none. With ``value``, the name that is assigned.
        value: the right side of an assignment; "" for an import.
        alias: the old entry that stays as it is, in the old statement.
    """

    module: str
    name: str = ""
    local: str = ""
    value: str = ""
    alias: cst.ImportAlias | None = None

    @property
    def entry(self) -> str:
        """What stands for it in an import statement."""
        written = self.name or self.module
        given = self.local if self.local != written else ""
        return f"{written} as {given}" if given else written


class Planner:
    """Decides, variable by variable, and edits the uses.

    Args:
        file: the file.
        moves: the table.
        names: the names of the file.
        edits: takes the edits of the uses.
        remarks: takes the notes.
        dropped: nodes whose uses go away otherwise.
    """

    def __init__(
        self,
        file: SourceFile,
        moves: Moves,
        names: Names,
        edits: Edits,
        remarks: Remarks,
        dropped: set[cst.CSTNode],
    ) -> None:
        self.file = file
        self.moves = moves
        self.names = names
        self.edits = edits
        self.remarks = remarks
        self.dropped = dropped
        self.items: dict[cst.ImportAlias, list[Item]] = {}
        self.stands_for: dict[tuple[str, str], set[tuple[str, object]]] = {}

    def plan(self, variables: list[Variable]) -> dict[cst.ImportAlias, list[Item]]:
        """Return the new items of every old entry, and edit all uses."""
        for variable in variables:
            for move in map(self.move_of, variable.bindings):
                head = move.name.partition(".")[0]
                same = self.stands_for.setdefault((move.module, head), set())
                same.add((variable.name, variable.scope))
        for variable in variables:
            if any(self.binds_object(binding) for binding in variable.bindings):
                self.plan_object(variable)
            elif not variable.others and all(map(is_plain, variable.bindings)):
                self.plan_plain(variable)
            else:
                self.plan_named(variable)
        return self.items

    def binds_object(self, binding: Binding) -> bool:
        """Return whether a binding is of an object, not of a module."""
        from_module = isinstance(binding.statement, cst.ImportFrom)
        return from_module and not self.moves.is_module(binding.old)

    def move_of(self, binding: Binding) -> Move:
        """Look up what a binding stands for."""
        if isinstance(binding.statement, cst.Import):
            return self.moves.module(binding.old)
        return self.moves.name(binding.old)

    # Names of objects: from package import name.

    def plan_object(self, variable: Variable) -> None:
        """Plan a variable whose bindings are objects; a few of them may have to stay."""
        moves = [self.move_of(binding) for binding in variable.bindings]
        uses = [use for use in variable.uses if use.node not in self.dropped]
        if variable.uses and not uses and variable.name not in self.names.exported:
            self.items.update((binding.alias, []) for binding in variable.bindings)
            return
        one = len({(move.fate, move.module, move.name) for move in moves}) == 1
        may = one and moves[0].fate is Fate.MOVED and self.may_rename(variable, moves[0])
        renamed = moves[0].name if may else ""
        for binding, move in zip(variable.bindings, moves, strict=True):
            self.items[binding.alias] = self.object_items(binding, move, renamed)
            self.note_move(binding.alias, move)
        left = [move for move in moves if move.fate is not Fate.MOVED]
        for use in uses:
            if renamed and self.items[variable.bindings[0].alias][0].local == "":
                self.rename_use(use, variable.name, moves[0])
            elif left:
                self.note_move(use.nodes[0], left[0])
            if not left and len(use.nodes) == 1:
                self.tell_arguments(use.node, moves[0])

    def rename_use(self, use: Use, old_name: str, move: Move) -> None:
        """Put the new name where an object is used."""
        if move.name != old_name:
            self.edits.replace(self.file.span(use.nodes[0]), move.name)
            self.remarks.note("code.moved", use.nodes[0], move.old, old=move.old, new=move.new)

    def object_items(self, binding: Binding, move: Move, renamed: str) -> list[Item]:
        """Return what is imported for an object."""
        local = binding.alias.evaluated_alias or binding.alias.evaluated_name
        if move.fate is not Fate.MOVED:
            return [Item("", alias=binding.alias)]
        head, _, rest = move.name.partition(".")
        if renamed:
            given = local if binding.named and not rest else ""
            return [Item(move.module, head, given)]
        if not rest:
            return [Item(move.module, head, local)]
        return [Item(move.module, head), Item(move.module, local=local, value=move.name)]

    def may_rename(self, variable: Variable, move: Move) -> bool:
        """Return whether all uses may get the new name.

        Where they may not, the import keeps the old name by ``as``: what the file exports, what it
        does not use itself and may be there for others, what something else binds too.
        """
        head, _, rest = move.name.partition(".")
        named = [binding.named for binding in variable.bindings]
        if not rest and (all(named) or variable.name == head):
            return not variable.others or variable.name == head
        return not (
            variable.others
            or any(named) != all(named)
            or not variable.uses
            or variable.name in self.names.exported
            or variable.name in self.names.declared
            or any(use.quoted or not use.alone for use in variable.uses)
            or not self.is_free(head, move.module)
        )

    def is_free(self, name: str, module: str) -> bool:
        """Return whether a name of a module can be imported under its own name."""
        same = self.stands_for.get((module, name), set())
        return self.names.is_free(name, module, same)  # type: ignore[arg-type]

    # Names of modules: import package.module, from package import module.

    def plan_plain(self, variable: Variable) -> None:
        """Plan ``import package.module``: every use gets the whole new name."""
        needed: list[str] = []
        stays = False
        for use in variable.uses:
            move = self.use_move(use, variable.name)
            if use.node in self.dropped:
                continue
            if move.fate is Fate.MOVED and self.rewrite(use, move, move.new):
                needed.append(move.module)
            else:
                stays = True
                self.note_left(use.node, move)
        for binding in variable.bindings:
            move = self.moves.module(binding.imported)
            items = [Item(module) for module in dict.fromkeys(needed)]
            if stays or (not items and move.fate is not Fate.MOVED):
                items.insert(0, Item("", alias=binding.alias))
                self.tell_module(binding.alias, move, stays)
            else:
                items = items or [Item(move.module)]
                self.tell_module(binding.alias, move, stays)
            self.items[binding.alias] = items

    def plan_named(self, variable: Variable) -> None:
        """Plan a variable with a name of its own: uses stay relative to it where they can."""
        old = variable.bindings[0].old
        one = all(binding.old == old for binding in variable.bindings)
        module = self.moves.name(old).module if one else ""
        moves = {use: self.use_move(use, old) for use in variable.uses}
        stays = not one or any(
            move.fate is not Fate.MOVED and use.node not in self.dropped
            for use, move in moves.items()
        )
        stays = stays or not (variable.uses or module)
        local = self.module_name(variable, module)
        needed: list[str] = []
        relative = not variable.uses
        for use, move in moves.items():
            if use.node in self.dropped:
                continue
            if move.fate is not Fate.MOVED:
                self.note_left(use.node, move)
            elif move.module == module and not stays:
                relative = True
                self.rewrite(use, move, f"{local}.{move.name}" if move.name else local)
            elif self.rewrite(use, move, move.new):
                needed.append(move.module)
        for binding in variable.bindings:
            move = self.moves.name(binding.old)
            items = [Item(needed_module) for needed_module in dict.fromkeys(needed)]
            if stays:
                items.insert(0, Item("", alias=binding.alias))
                self.tell_module(binding.alias, move, stays)
            else:
                if relative:
                    items.insert(0, self.module_item(binding, module, local))
                self.tell_module(binding.alias, move, stays)
            self.items[binding.alias] = items

    def module_item(self, binding: Binding, module: str, local: str) -> Item:
        """Return the import of a module under a name, in the form of the old statement."""
        around, _, name = module.rpartition(".")
        if isinstance(binding.statement, cst.Import) or not around:
            return Item(module, local=local)
        return Item(around, name, local)

    def module_name(self, variable: Variable, module: str) -> str:
        """Return the name of a variable that will stand for another module."""
        around, _, name = module.rpartition(".")
        given = any(b.named or isinstance(b.statement, cst.Import) for b in variable.bindings)
        hidden = variable.name in self.names.exported | self.names.declared
        if given or hidden or variable.others or not variable.uses or not around:
            return variable.name
        if any(use.quoted or not use.alone for use in variable.uses):
            return variable.name
        return name if self.is_free(name, around) or name == variable.name else variable.name

    def use_move(self, use: Use, old: str) -> Move:
        """Look up what a use of a module stands for."""
        if use.quoted:
            return Move(Fate.UNKNOWN, old)
        return self.moves.name(".".join([old, *use.parts[1:]]))

    def rewrite(self, use: Use, move: Move, new: str) -> bool:
        """Put the new name where a use is; return False where another variable hides it."""
        root = new.partition(".")[0]
        whole = root != use.parts[0] and root == move.module.partition(".")[0]
        if whole and not all(imports_root(bound, root) for bound in self.names.bound_by(root)):
            self.remarks.note("code.hidden", use.node, move.old, old=move.old, new=move.new)
            return False
        words, old_words = new.split("."), list(use.parts)
        nodes = list(use.nodes)
        while len(words) > 1 and len(nodes) > 1 and words[-1] == old_words[-1]:
            del words[-1], old_words[-1], nodes[-1]
        if words != old_words:
            self.edits.replace(self.file.span(nodes[-1]), ".".join(words))
            self.remarks.note("code.moved", use.node, move.old, old=move.old, new=move.new)
        self.tell_arguments(use.node, move)
        return True

    def tell_arguments(self, node: cst.CSTNode, move: Move) -> None:
        """Add a note for a call with arguments of what takes others now."""
        call = self.file.parents[node]
        signature = self.moves.signature(move)
        if isinstance(call, cst.Call) and call.func is node and call.args and signature:
            values = {"old": move.old, "new": f"{move.name}{signature}"}
            self.remarks.note("code.arguments", node, move.old, **values)

    def tell_module(self, node: cst.CSTNode, move: Move, stays: bool) -> None:
        """Add the note for the import of a module."""
        if move.fate is Fate.KEPT:
            return
        if stays:
            self.note_left(node, move)
        else:
            self.note_move(node, move)

    def keeps(self, move: Move) -> bool:
        """Return whether a name stays although everything that is there goes to brickbook."""
        kept = move.fate is Fate.KEPT and self.moves.to_brickbook
        return kept and not self.moves.is_module(move.old)

    def note_move(self, node: cst.CSTNode, move: Move) -> None:
        """Add the note for a move."""
        if move.fate is Fate.MOVED and move.new != move.old:
            self.remarks.note("code.moved", node, move.old, old=move.old, new=move.new)
        else:
            self.note_left(node, move)

    def note_left(self, node: cst.CSTNode, move: Move) -> None:
        """Add the note for a name that stays because nothing takes its place."""
        if move.fate is Fate.REMOVED and move.instead:
            self.remarks.note("code.use_instead", node, move.old, old=move.old, new=move.instead)
        elif move.fate is Fate.REMOVED:
            self.remarks.note("code.removed", node, move.old, old=move.old)
        elif move.fate is Fate.UNKNOWN:
            self.remarks.note("code.unknown", node, move.old, old=move.old)
        elif self.keeps(move):
            self.remarks.note("code.not_in_brickbook", node, move.old, old=move.old)


def is_plain(binding: Binding) -> bool:
    """Return whether a binding is an ``import package.module`` without ``as``."""
    return isinstance(binding.statement, cst.Import) and not binding.named


def imports_root(assignment: object, root: str) -> bool:
    """Return whether an assignment is an ``import root.…`` that binds the root."""
    statement = getattr(assignment, "node", None)
    return isinstance(statement, cst.Import) and any(
        alias.evaluated_name.partition(".")[0] == root and not alias.evaluated_alias
        for alias in statement.names
    )
