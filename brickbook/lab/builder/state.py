"""The builder without its controls: a tree of bricks, what is selected in it, and the history."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from brickbook.blueprint import (
    ARGUMENT_AXES,
    Blueprint,
    Path,
    as_chain,
    as_path,
    check_sizes,
    format_path,
    kinds,
    resolve,
    slots_in,
)
from brickbook.bricks.plain_torch import to_module_source
from brickbook.config import parse_shape
from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.lab.builder import tree_edits
from brickbook.lab.builder.preview import BrickRow, Preview, preview
from brickbook.lab.builder.shortcuts import add_shortcut, shortcut_of
from brickbook.lab.builder.templates import TEMPLATES
from brickbook.lab.builder.tree_edits import EditedTree, Position, Siblings, chain_at
from brickbook.lab.form import suggest
from brickbook.lab.history import History
from brickbook.modules import Sequential

__all__ = ["EDITS", "BuilderState"]


@dataclass(frozen=True)
class BuilderState:
    """What the builder shows; every edit returns a new state.

    ``selected`` is the path of the selected brick, or of a slot for bricks such as a branch; ()
    if there is nothing. A path that leads nowhere becomes that of something near. ``anchor`` is
    the other end of a selection of several neighbours. ``folded`` are the bricks whose insides are
    not shown. ``input_shape`` is that of one sample, without the batch.

    >>> state = BuilderState().add("model", "Flatten").add("model", "Linear")
    >>> state.blueprint.bricks
    ({'type': 'Flatten'}, {'type': 'Linear', 'out_features': 10})
    >>> state.apply("undo").blueprint.bricks
    ({'type': 'Flatten'},)
    """

    history: History[Blueprint] = field(default_factory=lambda: History(Blueprint()))
    selected: Path = (0,)
    anchor: int | None = None
    folded: frozenset[Path] = frozenset()
    input_shape: tuple[int, ...] = (3, 32, 32)
    name: str = "model"

    def __post_init__(self) -> None:
        """Keep ``selected`` among the bricks, and in sight."""
        at = tree_edits.nearest_path(self.blueprint, self.selected)
        hidden = {path for path in self.folded if len(path) < len(at) and at[: len(path)] == path}
        object.__setattr__(self, "selected", at)
        object.__setattr__(self, "folded", self.folded - hidden)
        if self.anchor is not None and not (
            self.selected_config is not None and self.has_sibling(self.anchor)
        ):
            object.__setattr__(self, "anchor", None)

    @property
    def blueprint(self) -> Blueprint:
        """The bricks as they are now."""
        return self.history.present

    @property
    def selected_config(self) -> Mapping[str, Any] | None:
        """The config of the selected brick; None for a slot."""
        found = self.blueprint[self.selected] if self.selected else None
        return found if isinstance(found, Mapping) else None

    @property
    def siblings(self) -> Siblings:
        """The selected bricks: neighbours in one chain; of a slot, all in it."""
        *chain, last = self.selected
        if isinstance(last, str):
            return Siblings(self.selected, 0, len(chain_at(self.blueprint, self.selected)))
        first, last = sorted((last, last if self.anchor is None else self.anchor))
        return Siblings(tuple(chain), first, last - first + 1)

    def has_sibling(self, index: int) -> bool:
        """Whether the chain of the selected brick has that many bricks."""
        return 0 <= index < len(chain_at(self.blueprint, self.selected[:-1]))

    # What is selected and folded.

    def select(self, path: int | Path) -> BuilderState:
        """Select a brick, or a slot."""
        return replace(self, selected=as_path(path) if path != () else (), anchor=None)

    def extend(self, path: Path) -> BuilderState:
        """Select all neighbours from the selected brick to another one of the same chain."""
        last = path[-1] if path else None
        if self.selected_config is None or path[:-1] != self.selected[:-1]:
            return self
        if not isinstance(last, int):
            return self
        anchor = self.selected[-1] if self.anchor is None else self.anchor
        return replace(self, selected=path, anchor=None if last == anchor else anchor)  # pyright: ignore[reportArgumentType]

    def fold(self, path: Path) -> BuilderState:
        """Hide what is in a brick, or show it again."""
        if path in self.folded:
            return replace(self, folded=self.folded - {path})
        inside = len(self.selected) > len(path) and self.selected[: len(path)] == path
        selected = path if inside else self.selected
        return replace(self, selected=selected, folded=self.folded | {path})

    def visible_rows(self, full: Preview) -> list[BrickRow]:
        """Return the rows of a preview that are in no folded brick."""
        return [
            row
            for row in full.rows
            if not any(row.path[: len(at)] == at and row.path != at for at in self.folded)
        ]

    # The history.

    def undo(self) -> BuilderState:
        """Take the last edit of the blueprint back, and select the brick it was about."""
        return self.show_step(self.history.undo())

    def redo(self) -> BuilderState:
        """Make the edit again that `undo` took back."""
        return self.show_step(self.history.redo())

    def show_step(self, history: History[Blueprint]) -> BuilderState:
        """Go to another step of the history, if it is another."""
        if history is self.history:
            return self
        return replace(
            self,
            history=history,
            selected=tree_edits.first_change(self.blueprint, history.present),
            anchor=None,
            folded=tree_edits.remap_folded(self.folded, self.blueprint, history.present),
        )

    def record(
        self, blueprint: Blueprint, selected: Path, anchor: int | None = None
    ) -> BuilderState:
        """Go to another blueprint; `undo` comes back to this one."""
        if blueprint == self.blueprint:
            return self.select(selected)
        return replace(
            self,
            history=self.history.record(blueprint),
            selected=selected,
            anchor=anchor,
            folded=tree_edits.remap_folded(self.folded, self.blueprint, blueprint),
        )

    # Edits of the tree.

    def apply(self, edit: str, *args: Any) -> BuilderState:
        """Make an edit by its name, one of `EDITS`.

        Raises:
            KeyError: The edit is unknown.
        """
        if edit not in EDITS:
            raise UnknownNameError("edit", f"there is no edit {edit!r}.", nearest(edit, EDITS))
        return EDITS[edit](self, *args)

    def insertion_path(self, position: Position = "after") -> Path:
        """Return where a new brick goes."""
        if not self.selected:
            return (0,)
        if self.selected_config is None:
            chain = as_chain(self.blueprint[self.selected])
            return (*self.selected, 0 if position == "before" else len(chain))
        above, first, count = self.siblings
        inside = (
            tree_edits.append_path(self.blueprint, self.selected) if position == "inside" else None
        )
        return inside or (*above, first if position == "before" else first + count)

    def add(
        self,
        kind: str,
        name: str,
        position: Position = "after",
        arguments: Mapping[str, Any] | None = None,
    ) -> BuilderState:
        """Put a new brick after the selected one, before it or in it, with arguments that fit.

        ``arguments`` go before those that are suggested.

        Raises:
            UnknownNameError: The registry of that kind does not know the name.
        """
        registry = kinds()[kind]
        make = registry.get(name)
        if make is None:
            raise UnknownNameError(
                "type", f"{name} is not in the {registry.name} registry.",
                nearest(name, list(registry.module_dict)),
            )  # fmt: skip
        at = self.insertion_path(position)
        suggested = suggest(make, self.preview().shape_before(at))
        if arguments and "kernel_size" in arguments and "padding" in suggested:
            suggested["padding"] = same_padding(arguments["kernel_size"])  # not that of another
        cfg = {"type": qualified_type(kind, name), **suggested, **(arguments or {})}
        return self.record(self.blueprint.insert(at, cfg), at)

    def set_arguments(self, arguments: Mapping[str, Any]) -> BuilderState:
        """Give the selected brick other arguments; the bricks in it stay."""
        old = self.selected_config
        if old is None:
            return self
        inside = {key: old[key] for key in slots_in(old) if key in old}
        cfg = {"type": old["type"], **arguments, **inside}
        return self.record(self.blueprint.put(self.selected, [cfg]), self.selected)

    def change_type(self, kind: str, name: str) -> BuilderState:
        """Give the selected brick another type, with the arguments that fit it."""
        if self.selected_config is None:
            return self
        word = qualified_type(kind, name) if kind != "class" else self.selected_config["type"]
        make = resolve(word)[1]
        cfg = tree_edits.change_type(
            self.selected_config, word, make, self.preview().shape_before(self.selected)
        )
        return self.record(self.blueprint.put(self.selected, [cfg]), self.selected)

    def accept(self, edited: EditedTree | None) -> BuilderState:
        """Go to an edited tree; None, an edit that cannot be made, changes nothing."""
        return self if edited is None else self.record(*edited)

    def edit_bricks(self, edit: Callable[..., EditedTree | None], *args: Any) -> BuilderState:
        """Edit the selected bricks; while a slot is selected there are none."""
        if self.selected_config is None:
            return self
        return self.accept(edit(self.blueprint, self.siblings, *args))

    def duplicate(self) -> BuilderState:
        """Put a copy of the selected bricks, or of a branch, after them."""
        if not self.selected or isinstance(self.selected[-1], str):
            return self
        return self.accept(tree_edits.duplicate(self.blueprint, self.siblings))

    def up(self) -> BuilderState:
        """Move the selected bricks one place to the front; at the front of a chain, out of it."""
        return self.edit_bricks(tree_edits.move_by, -1)

    def down(self) -> BuilderState:
        """Move the selected bricks one place to the end; at the end of a chain, out of it."""
        return self.edit_bricks(tree_edits.move_by, 1)

    def out(self) -> BuilderState:
        """Move the selected bricks behind the brick that contains them."""
        return self.edit_bricks(tree_edits.move_out)

    def into(self) -> BuilderState:
        """Move the selected bricks into the one before them."""
        return self.edit_bricks(tree_edits.move_into)

    def move(self, path: Path, position: Position = "before") -> BuilderState:
        """Move the selected bricks before, after or into what is at another path."""
        if path == self.selected:
            return self
        target = replace(self, selected=path, anchor=None).insertion_path(position)
        return self.edit_bricks(tree_edits.move_to, target)

    def delete(self) -> BuilderState:
        """Take the selected bricks out; of a slot, all that is in it."""
        if not self.selected:
            return self
        return self.accept(tree_edits.delete(self.blueprint, self.selected, self.siblings))

    def wrap(self, kind: str = "Sequential") -> BuilderState:
        """Put the selected bricks into a new one: Sequential, Residual, Repeat, Concat, Add."""
        return self.edit_bricks(tree_edits.wrap, kind)

    def unwrap(self) -> BuilderState:
        """Put the bricks that the selected one contains in its place."""
        if self.selected_config is None:
            return self
        return self.accept(tree_edits.unwrap(self.blueprint, self.selected))

    def branch(self) -> BuilderState:
        """Give the selected brick, or the one around it, one more branch."""
        if not self.selected:
            return self
        return self.accept(tree_edits.add_branch(self.blueprint, self.selected))

    def shortcut(self) -> list[dict[str, Any]] | None:
        """Return the shortcut that fits around the selected bricks; None if there is none."""
        if self.selected_config is None:
            return None
        return shortcut_of(self.blueprint, self.siblings, self.preview())

    def add_shortcut(self) -> BuilderState:
        """Put the selected bricks into a Residual with the shortcut that fits."""
        found = self.shortcut()
        return self if found is None else self.edit_bricks(add_shortcut, found)

    def make_auto(self, path: Path, key: str) -> BuilderState:
        """Leave an argument out of a brick that its input tells."""
        cfg = self.blueprint[path]
        if key not in ARGUMENT_AXES or key not in cfg:
            return self
        left = {name: value for name, value in cfg.items() if name != key}
        return self.record(self.blueprint.put(path, [left]), path)

    def use_template(self, name: str) -> BuilderState:
        """Begin anew with a template and its input shape; undo brings the bricks back.

        Raises:
            UnknownNameError: There is no such template.
        """
        if name not in TEMPLATES:
            raise UnknownNameError("template", f"there is none called {name!r}.",
                                   nearest(name, TEMPLATES))  # fmt: skip
        template = TEMPLATES[name]
        return replace(self.record(template.blueprint, (0,)), input_shape=template.input_shape)

    # The model.

    def with_input(self, text: str) -> BuilderState:
        """Take another input shape, as typed: ``"3, 32, 32"``."""
        return replace(self, input_shape=parse_shape(text))

    def rename(self, name: str) -> BuilderState:
        """Take another name for the model.

        Raises:
            BadValueError: It is no variable's name.
        """
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BadValueError("name", f"expected a name for a variable, got {name!r}.")
        return replace(self, name=name)

    def preview(self) -> Preview:
        """Return the shapes and costs of the model, and what does not fit."""
        return preview(self.blueprint, self.input_shape)

    def build(self) -> Sequential:
        """Build the model.

        Raises:
            ConfigError: A brick cannot be meant.
        """
        for path, cfg in self.blueprint.walk():
            check_sizes(cfg, format_path(path))
        return self.blueprint.build(self.input_shape if self.blueprint.open else None)

    def to_python(self) -> str:
        """Return Python that builds the model under its name, with every size said."""
        full = self.blueprint.filled(self.input_shape)
        return full.to_python(self.name, self.input_shape if full.open else None)

    def to_config(self) -> str:
        """Return Python that says the bricks as a list of dicts, with every size said."""
        return self.blueprint.filled(self.input_shape).to_config_source(f"{self.name}_cfg")

    def to_module_source(self) -> str:
        """Return a class of plain torch, called as the model with a capital letter.

        Raises:
            ConfigError: A layer has no exact form in plain torch.
        """
        words = re.findall(r"[^_]+", self.name)
        name = "".join(word[0].upper() + word[1:] for word in words) or "Model"
        return to_module_source(self.blueprint, self.input_shape, name)

    def to_json(self) -> str:
        """Return the bricks as JSON text, with every size said."""
        return self.blueprint.filled(self.input_shape).to_json()


# The edits by name, as buttons and the page ask for them.
EDITS: Mapping[str, Callable[..., BuilderState]] = {
    edit.__name__: edit
    for edit in (
        BuilderState.duplicate,
        BuilderState.up,
        BuilderState.down,
        BuilderState.out,
        BuilderState.into,
        BuilderState.delete,
        BuilderState.undo,
        BuilderState.redo,
        BuilderState.wrap,
        BuilderState.unwrap,
        BuilderState.branch,
        BuilderState.add_shortcut,
        BuilderState.make_auto,
        BuilderState.use_template,
        BuilderState.add,
        BuilderState.set_arguments,
        BuilderState.change_type,
        BuilderState.move,
        BuilderState.select,
        BuilderState.extend,
        BuilderState.fold,
        BuilderState.with_input,
        BuilderState.rename,
    )
}


def same_padding(kernel: Any) -> Any:
    """Return the padding with which a kernel of odd length keeps a length."""
    if isinstance(kernel, tuple):
        return tuple(same_padding(length) for length in kernel)
    return kernel // 2 if isinstance(kernel, int) else 0


def qualified_type(kind: str, name: str) -> str:
    """Return the type that means ``name`` of this kind: with its scope where the name is no other.

    The same word may mean another brick elsewhere: "deconv" is a conv and an upsample.
    """
    found, make = resolve(name)
    return name if found == kind or make is kinds()[kind].get(name) else f"{kind}.{name}"
