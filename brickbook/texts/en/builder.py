"""What the builder says, in English."""

from __future__ import annotations

__all__ = ["BUILDER"]

BUILDER: dict[str, str] = {
    # the sum of all
    "builder.empty": "No bricks yet: choose a type and press Add.",
    "builder.bricks": "{n} bricks",
    "builder.bricks.one": "1 brick",
    "builder.sum": "{bricks}, {params} parameters, {macs} MACs; {input} becomes {output}.",
    "builder.needs": "{bricks}, {params} parameters; brick {brick} needs a value.",
    "builder.misfit": "{bricks}, {params} parameters; brick {brick} does not fit.",
    # the list
    "builder.list": "Bricks of the model",
    "builder.no bricks": "No bricks yet.",
    "builder.head.brick": "Brick",
    "builder.head.output": "Output",
    "builder.head.params": "Parameters",
    "builder.head.macs": "MACs",
    "builder.branch": "branch {number}",
    "builder.through": "passes on what it gets",
    "builder.inside": "a brick inside does not fit",
    "builder.keys": "Arrow keys choose and fold, Shift chooses several, Alt+arrows move, "
    "Delete, Ctrl+D, Ctrl+Z and Ctrl+Y edit.",
    # controls
    "builder.kind": "Kind",
    "builder.type": "Type",
    "builder.place": "Place",
    "builder.place.after": "after the chosen",
    "builder.place.before": "before the chosen",
    "builder.place.inside": "inside the chosen",
    "builder.change": "Change to",
    "builder.shape": "Input shape",
    "builder.name": "Name",
    "builder.code": "Code",
    "builder.layers": "layers",
    "builder.Add": "Add",
    "builder.Duplicate": "Duplicate",
    "builder.Up": "Up",
    "builder.Down": "Down",
    "builder.Delete": "Delete",
    "builder.Undo": "Undo",
    "builder.Redo": "Redo",
    "builder.Out": "Out",
    "builder.Into": "Into",
    "builder.wrap in": "Wrap in",
    "builder.Wrap": "Wrap",
    "builder.Unwrap": "Unwrap",
    "builder.Branch": "Add branch",
    "builder.Copy Python": "Copy Python",
    "builder.Copy JSON": "Copy JSON",
    "builder.use": "Use as `{name}`",
    # messages
    "builder.taken": "`{name}` is something else in this notebook: choose another name.",
    "builder.refused.used": "Brick {brick}, {path}: {problem} Nothing was used.",
    "builder.refused.copied": "Brick {brick}, {path}: {problem} Nothing was copied.",
    "builder.needs value": "needs a value.",
    "builder.not built": "Not built. {error}",
    "builder.built": "Built. It is the attribute `model` of this builder.",
    "builder.new model": "`{name}` is the new model. See how it starts: %brickbook show {name}",
    "builder.cannot run": "It cannot run yet: {summary}",
    "builder.below": "The text is below.",
    "builder.copied": "Copied to the clipboard; the text is also below.",
}
