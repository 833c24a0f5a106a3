"""What the builder says, in one table a language; a new language is a new table."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

from collections.abc import Mapping

from brickbook.errors import UnknownNameError, nearest
from brickbook.views.texts import language_of

__all__ = ["TEXTS", "say"]

ENGLISH: Mapping[str, str] = {
    # the sum of all
    "empty": "No bricks yet: choose a type and press Add.",
    "bricks": "{count} bricks",
    "bricks.one": "1 brick",
    "sum": "{bricks}, {params} parameters, {macs} MACs; {input} becomes {output}.",
    "needs": "{bricks}, {params} parameters; brick {brick} needs a value.",
    "misfit": "{bricks}, {params} parameters; brick {brick} does not fit.",
    # the list
    "list": "Bricks of the model",
    "no bricks": "No bricks yet.",
    "head.brick": "Brick",
    "head.output": "Output",
    "head.params": "Parameters",
    "head.macs": "MACs",
    "branch": "branch {number}",
    "through": "passes on what it gets",
    "inside": "a brick inside does not fit",
    "keys": "Arrow keys choose and fold, Shift chooses several, Alt+arrows move, "
    "Delete, Ctrl+D, Ctrl+Z and Ctrl+Y edit.",
    # controls
    "kind": "Kind",
    "type": "Type",
    "place": "Place",
    "place.after": "after the chosen",
    "place.before": "before the chosen",
    "place.inside": "inside the chosen",
    "change": "Change to",
    "shape": "Input shape",
    "name": "Name",
    "code": "Code",
    "layers": "layers",
    "Add": "Add",
    "Duplicate": "Duplicate",
    "Up": "Up",
    "Down": "Down",
    "Delete": "Delete",
    "Undo": "Undo",
    "Redo": "Redo",
    "Out": "Out",
    "Into": "Into",
    "wrap in": "Wrap in",
    "Wrap": "Wrap",
    "Unwrap": "Unwrap",
    "Branch": "Add branch",
    "Copy Python": "Copy Python",
    "Copy JSON": "Copy JSON",
    "use": "Use as `{name}`",
    # messages
    "auto": "auto: {value}",
    "taken": "`{name}` is something else in this notebook: choose another name.",
    "refused.used": "Brick {brick}, {path}: {problem} Nothing was used.",
    "refused.copied": "Brick {brick}, {path}: {problem} Nothing was copied.",
    "needs value": "needs a value.",
    "not built": "Not built. {error}",
    "built": "Built. It is the attribute `model` of this builder.",
    "new model": "`{name}` is the new model. See how it starts: %brickbook show {name}",
    "cannot run": "It cannot run yet: {summary}",
    "below": "The text is below.",
    "copied": "Copied to the clipboard; the text is also below.",
}

CHINESE: Mapping[str, str] = {
    "empty": "还没有积木：选择一个类型，然后按“添加”。",
    "bricks": "{count} 个积木",
    "sum": "{bricks}，{params} 个参数，{macs} 次乘加；{input} 变为 {output}。",
    "needs": "{bricks}，{params} 个参数；积木 {brick} 缺少一个值。",
    "misfit": "{bricks}，{params} 个参数；积木 {brick} 不匹配。",
    "list": "模型的积木",
    "no bricks": "还没有积木。",
    "head.brick": "积木",
    "head.output": "输出",
    "head.params": "参数",
    "head.macs": "乘加",
    "branch": "分支 {number}",
    "through": "原样传递输入",
    "inside": "内部有积木不匹配",
    "keys": "方向键选择和折叠，Shift 多选，Alt+方向键移动，Delete、Ctrl+D、Ctrl+Z、Ctrl+Y 编辑。",
    "kind": "种类",
    "type": "类型",
    "place": "位置",
    "place.after": "在所选之后",
    "place.before": "在所选之前",
    "place.inside": "在所选之内",
    "change": "改为",
    "shape": "输入形状",
    "name": "名称",
    "code": "代码",
    "layers": "层",
    "Add": "添加",
    "Duplicate": "复制一份",
    "Up": "上移",
    "Down": "下移",
    "Delete": "删除",
    "Undo": "撤销",
    "Redo": "重做",
    "Out": "移出",
    "Into": "移入",
    "wrap in": "包入",
    "Wrap": "包起",
    "Unwrap": "拆开",
    "Branch": "添加分支",
    "Copy Python": "复制 Python",
    "Copy JSON": "复制 JSON",
    "use": "用作 `{name}`",
    "auto": "自动：{value}",
    "taken": "笔记本里的 `{name}` 是别的东西：请换一个名称。",
    "refused.used": "积木 {brick}，{path}：{problem} 没有使用任何内容。",
    "refused.copied": "积木 {brick}，{path}：{problem} 没有复制任何内容。",
    "needs value": "需要一个值。",
    "not built": "没有构建。{error}",
    "built": "已构建：它是这个构建器的属性 `model`。",
    "new model": "`{name}` 是新模型。查看它如何初始化：%brickbook show {name}",
    "cannot run": "它还不能运行：{summary}",
    "below": "文本在下方。",
    "copied": "已复制到剪贴板；文本也在下方。",
}

TEXTS: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}


def say(key: str, **words: object) -> str:
    """Return a text in the reader's language, English where that lacks it.

    Raises KeyError for an unknown key.

    >>> say("bricks", count=1), say("branch", number=2)
    ('1 brick', 'branch 2')
    """
    if key not in ENGLISH:
        raise UnknownNameError("key", f"there is no text {key!r}.", nearest(key, ENGLISH))
    table = TEXTS.get(language_of(), ENGLISH)
    if words.get("count") == 1 and f"{key}.one" in table:
        key = f"{key}.one"
    return table.get(key, ENGLISH[key]).format(**words)
