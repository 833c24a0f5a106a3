"""The builder with bricks that hold bricks: edits as values, and the panel that mirrors them."""

from __future__ import annotations

from typing import Any

import pytest
from ipywidgets.widgets import widget as widget_module
from torch import nn

from brickbook import Blueprint
from brickbook.lab import Builder
from brickbook.lab.builder.state import BuilderState
from brickbook.lab.builder.tree_edits import change_type
from brickbook.lab.history import History

A, B, C, D = ({"type": kind} for kind in ("ReLU", "GELU", "Tanh", "Sigmoid"))
WORDS = {"ReLU": "A", "GELU": "B", "Tanh": "C", "Sigmoid": "D"}


def residual(*body: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Residual", "body": list(body), **more}


def concat(*branches: list[Any]) -> dict[str, Any]:
    return {"type": "Concat", "branches": list(branches)}


def drawn(bricks: Any) -> str:
    """Write a tree in a line: ``A R[B|C] D``."""
    words = []
    for cfg in bricks:
        word = WORDS.get(cfg["type"], cfg["type"][0])
        chains = [cfg[key] for key in ("bricks", "body", "shortcut") if key in cfg]
        chains += cfg.get("branches", [])
        inside = "|".join(drawn(chain) for chain in chains)
        words.append(f"{word}[{inside}]" if chains else word)
    return " ".join(words)


def state(*bricks: dict[str, Any], at: Any = (0,), to: int | None = None) -> BuilderState:
    return BuilderState(History(Blueprint(bricks)), at, anchor=to, input_shape=(3, 8, 8))


NESTED = (A, residual(B, C), D)
WIDE = (A, concat([B], [C]), D)

EDITS = [
    (NESTED, (1, "body", 0), "up", "A B R[C] D", (1,)),
    (NESTED, (1, "body", 1), "up", "A R[C B] D", (1, "body", 0)),
    (NESTED, (1, "body", 0), "out", "A R[C] B D", (2,)),
    (NESTED, (2,), "into", "A R[B C D]", (1, "body", 2)),
    (NESTED, (1,), "into", "A R[B C] D", (1,)),
    (NESTED, (0,), "down", "R[B C] A D", (1,)),
    (NESTED, (2,), "down", "A R[B C] D", (2,)),
    (NESTED, (1, "body", 0), "delete", "A R[C] D", (1, "body", 0)),
    (NESTED, (1, "body"), "delete", "A R[] D", (1, "body")),
    (NESTED, (1,), "unwrap", "A B C D", (2,)),
    (NESTED, (0,), "unwrap", "A R[B C] D", (0,)),
    (NESTED, (1, "body", 0), "duplicate", "A R[B B C] D", (1, "body", 1)),
    (WIDE, (1, "branches", 0, 0), "down", "A C[|B C] D", (1, "branches", 1, 0)),
    (WIDE, (1, "branches", 1, 0), "up", "A C[B C|] D", (1, "branches", 0, 1)),
    (WIDE, (1, "branches", 1, 0), "down", "A C[B|] C D", (2,)),
    (WIDE, (2,), "into", "A C[B|C D]", (1, "branches", 1, 1)),
    (WIDE, (1, "branches", 0), "duplicate", "A C[B|B|C] D", (1, "branches", 1)),
    (WIDE, (1, "branches", 0), "delete", "A C[C] D", (1, "branches", 0)),
    (WIDE, (1, "branches", 0, 0), "branch", "A C[B|C|] D", (1, "branches", 2)),
    (WIDE, (0,), "branch", "A C[B|C] D", (0,)),
    (WIDE, (1,), "unwrap", "A B C D", (2,)),
]


@pytest.mark.parametrize(("bricks", "at", "edit", "after", "selected"), EDITS)
def test_edits_of_a_tree(bricks, at, edit, after, selected):
    start = state(*bricks, at=at)
    done = start.apply(edit)
    assert (drawn(done.blueprint.bricks), done.selected) == (after, selected)
    if done.blueprint != start.blueprint:
        assert done.undo().blueprint == start.blueprint
        assert done.undo().redo().blueprint == done.blueprint
    else:
        assert done.history.past == ()


WRAPS = [
    ((0,), None, "Residual", "R[A] B C D"),
    ((1,), 2, "Residual", "A R[B C] D"),
    ((2,), 1, "Sequential", "A S[B C] D"),
    ((3,), 0, "Concat", "C[A B C D|]"),
    ((1,), None, "Repeat", "A R[B] C D"),
]


@pytest.mark.parametrize(("at", "to", "kind", "after"), WRAPS)
def test_wrapping_several(at, to, kind, after):
    done = state(A, B, C, D, at=at, to=to).wrap(kind)
    assert drawn(done.blueprint.bricks) == after
    assert done.unwrap().blueprint.bricks == (A, B, C, D)
    assert done.undo().blueprint.bricks == (A, B, C, D)


SEVERAL = [
    ("up", (1,), 2, "B C A D", (1,), 0),
    ("down", (1,), 2, "A D B C", (3,), 2),
    ("delete", (1,), 2, "A D", (1,), None),
    ("duplicate", (1,), 2, "A B C B C D", (4,), 3),
]


@pytest.mark.parametrize(("edit", "at", "to", "after", "selected", "anchor"), SEVERAL)
def test_edits_of_several(edit, at, to, after, selected, anchor):
    done = state(A, B, C, D, at=at, to=to).apply(edit)
    assert (drawn(done.blueprint.bricks), done.selected, done.anchor) == (after, selected, anchor)


MOVES = [
    ((0,), (3,), "after", "B C D A"),
    ((0,), (3,), "before", "B C A D"),
    ((3,), (0,), "before", "D A B C"),
    ((0,), (1,), "before", "A B C D"),
    ((0,), (0,), "before", "A B C D"),
]


@pytest.mark.parametrize(("at", "to", "where", "after"), MOVES)
def test_moving_to_a_place(at, to, where, after):
    assert drawn(state(A, B, C, D, at=at).move(to, where).blueprint.bricks) == after


def test_moving_in_and_out_of_what_holds_bricks():
    start = state(*NESTED, at=(0,))
    assert drawn(start.move((1,), "inside").blueprint.bricks) == "R[B C A] D"
    assert drawn(start.move((1, "body", 0), "after").blueprint.bricks) == "R[B A C] D"
    assert drawn(start.move((1, "shortcut"), "inside").blueprint.bricks) == "R[B C|A] D"
    assert start.select((1,)).move((1, "body", 0)) == start.select((1,))  # not into itself
    inner = start.select((1, "body", 1))
    assert drawn(inner.move((0,), "before").blueprint.bricks) == "C A R[B] D"
    moved = inner.move((2,), "after")
    assert moved.selected_config is NESTED[1]["body"][1]  # the very brick: a wrong text in it stays


def test_adding_before_after_and_inside():
    start = state(*NESTED, at=(1,))
    for where, after in (
        ("before", "A I R[B C] D"), ("after", "A R[B C] I D"), ("inside", "A R[B C I] D"),
    ):  # fmt: skip
        added = start.add("model", "Identity", where)  # pyright: ignore[reportArgumentType]
        assert drawn(added.blueprint.bricks) == after
        assert added.selected_config == {"type": "Identity"}
    place = start.select((1, "shortcut"))
    assert place.selected_config is None
    assert drawn(place.add("model", "Identity").blueprint.bricks) == "A R[B C|I] D"
    wide = state(*WIDE, at=(1,)).branch().add("model", "Identity", "inside")
    assert drawn(wide.blueprint.bricks) == "A C[B|C|I] D"


def test_a_new_brick_is_begun_for_the_place_it_goes_to():
    pool = {"type": "MaxPool2d", "kernel_size": 2}
    conv = {"type": "Conv2d", "out_channels": 8, "kernel_size": 1}
    start = state(conv, residual(pool), at=(1, "body", 0))
    assert start.add("norm", "GN", "before").selected_config == {"type": "GN", "num_groups": 8}
    row = start.add("norm", "GN", "before").preview().row_at((1, "body", 0))
    assert row.inferred == {"num_channels": 8} and row.output == (8, 8, 8)


def test_folding_follows_the_brick():
    start = state(*NESTED, at=(1, "body", 0)).fold((1,))
    assert start.selected == (1,) and start.folded == {(1,)}
    shown = [row.path for row in start.visible_rows(start.preview())]
    assert shown == [(0,), (1,), (2,)]
    moved = start.up()
    assert moved.folded == {(0,)} and moved.undo().folded == {(1,)}
    assert moved.select((0, "body", 0)).folded == frozenset()  # what is chosen is in sight
    assert moved.fold((0,)).folded == frozenset()


def test_choosing_several_neighbours():
    start = state(A, B, C, D, at=(1,))
    several = start.extend((3,))
    assert several.siblings.first == 1 and several.siblings.length == 3
    assert several.extend((0,)).siblings == ((), 0, 2)
    assert several.extend((1,)).anchor is None
    assert several.select((2,)).siblings.length == 1
    assert state(*NESTED, at=(0,)).extend((1, "body", 0)).siblings.length == 1  # not of this chain


def test_python_and_json_say_every_size():
    start = state({"type": "Conv2d", "out_channels": 4, "kernel_size": 1}, residual({"type": "BN"}))
    assert start.to_python() == (
        "from brickbook import Blueprint\n\n"
        "model = Blueprint((\n"
        "    dict(type='Conv2d', in_channels=3, out_channels=4, kernel_size=1),\n"
        "    dict(\n"
        "        type='Residual',\n"
        "        body=[dict(type='BN', num_features=4)],\n"
        "    ),\n"
        ")).build()\n"
    )
    assert Blueprint.from_json(start.to_json()).build()[1].body[0].num_features == 4
    again = state({"type": "Repeat", "times": 2, "body": [start.blueprint[0]]})
    assert again.to_python().endswith(")).build(input_shape=(3, 8, 8))\n")


RETYPES = [
    ({"type": "Conv2d", "out_channels": 8, "kernel_size": 5}, "ConvModule",
     {"type": "ConvModule", "out_channels": 8, "kernel_size": 5}),
    ({"type": "ConvModule", "out_channels": 8, "kernel_size": 5, "act_cfg": None}, "Conv2d",
     {"type": "Conv2d", "out_channels": 8, "kernel_size": 5}),
    ({"type": "Conv2d", "out_channels": 8, "kernel_size": 5}, "Linear",
     {"type": "Linear", "out_features": 8}),
    ({"type": "ReLU"}, "Conv2d",
     {"type": "Conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}),
    ({"type": "BN", "num_features": 6, "eps": 0.1}, "GN",
     {"type": "GN", "num_groups": 4, "eps": 0.1}),
    (residual(A, B), "Sequential", {"type": "Sequential", "bricks": [A, B]}),
    (residual(A, shortcut=[B]), "Concat", {"type": "Concat", "branches": [[A], [B]]}),
    (concat([A], [B]), "Residual", residual(A, shortcut=[B])),
    (concat([A], [B], [C]), "Repeat", {"type": "Repeat", "times": 2, "body": [A, B, C]}),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "kind", "after"), RETYPES)
def test_another_type_keeps_what_fits(cfg, kind, after):
    from brickbook.blueprint import resolve

    assert change_type(cfg, kind, resolve(kind)[1], (4, 8, 8)) == after


def panel(*bricks: dict[str, Any]) -> Builder:
    return Builder(Blueprint(bricks), input_shape=(3, 8, 8), name="tree_test")


def test_the_list_shows_the_tree():
    shown = panel(*WIDE, residual(A)).controls.bricks.rows
    assert [(row["number"], row["level"], row["kind"], row["open"]) for row in shown] == [
        ("1", 1, "ReLU", None),
        ("2", 1, "Concat", True),
        ("", 2, "branch 1", None),
        ("2.1.1", 3, "GELU", None),
        ("", 2, "branch 2", None),
        ("2.2.1", 3, "Tanh", None),
        ("3", 1, "Sigmoid", None),
        ("4", 1, "Residual", True),
        ("", 2, "body", None),
        ("4.1", 3, "ReLU", None),
        ("", 2, "shortcut", None),
    ]
    assert shown[-1]["arguments"] == "passes on what it gets"


def test_a_fault_inside_is_shown_at_its_place_and_when_folded():
    it = panel(residual({"type": "BN", "num_features": 4}), A)
    assert [row["error"] for row in it.controls.bricks.rows] == [
        "", "", "takes 4 × 8 × 8, gets 3 × 8 × 8.", "", "",
    ]  # fmt: skip
    assert it.controls.summary.text == "3 bricks, 8 parameters; brick 1.1 does not fit."
    it.on_list_message(None, {"do": "fold", "path": [0]}, None)
    assert [row["error"] for row in it.controls.bricks.rows] == ["a brick inside does not fit", ""]
    assert it.controls.bricks.rows[0]["open"] is False


def test_what_the_page_asks_for():
    it = panel(A, B, C, D)
    for content, after in (
        ({"do": "down"}, "B A C D"),
        ({"do": "move", "path": [3], "where": "after"}, "B C D A"),
        ({"do": "undo"}, "B A C D"),
        ({"do": "extend", "path": [2]}, "B A C D"),
        ({"do": "delete"}, "B D"),
        ({"do": "nonsense"}, "B D"),
    ):
        it.on_list_message(None, content, None)
        assert drawn(it.state.blueprint.bricks) == after, content
    assert it.last_error is None


def test_several_are_marked_and_wrapped_by_the_button():
    it = panel(A, B, C)
    it.on_list_message(None, {"do": "extend", "path": [1]}, None)
    assert it.controls.bricks.marked == [0, 1] and it.controls.bricks.selected == 1
    it.controls.container_menu.value = "Repeat"
    it.controls.buttons["Wrap"].click()
    assert drawn(it.state.blueprint.bricks) == "R[A B] C"
    assert it.form_pane.title.value == "1. Repeat" and list(it.form_pane.form.rows) == [
        "times",
        "init_cfg",
    ]  # pyright: ignore[reportOptionalMemberAccess]
    it.form_pane.form.control("times").value = "3"  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    assert it.state.selected_config == {"type": "Repeat", "times": 3, "body": [A, B]}
    it.controls.buttons["Unwrap"].click()
    assert drawn(it.state.blueprint.bricks) == "A B C" and it.controls.buttons["Unwrap"].disabled


def test_the_form_of_a_holder_does_not_bring_back_what_it_held():
    it = panel({"type": "Repeat", "times": 2, "body": [A, B]})
    it.controls.bricks.selected = 1
    it.controls.buttons["Delete"].click()
    it.controls.bricks.selected = 0
    it.form_pane.form.control("times").value = "4"  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    assert it.state.selected_config == {"type": "Repeat", "times": 4, "body": [B]}


def test_a_place_has_no_form_and_takes_bricks():
    it = panel(residual(A))
    it.controls.bricks.selected = 3
    assert (
        it.form_pane.title.value == "1. Residual, shortcut" and it.form_pane.form_box.children == ()
    )
    assert it.form_pane.retype_menu.layout.display == "none"
    it.on_add("relu", "")
    assert (
        it.state.selected == (0, "shortcut", 0) and it.form_pane.retype_menu.layout.display is None
    )


def test_the_type_is_changed_in_place():
    it = panel({"type": "Conv2d", "out_channels": 4, "kernel_size": 3}, {"type": "ReLU"})
    assert it.form_pane.retype_menu.value == "conv Conv2d" and it.form_pane.retype_menu.options[
        0
    ] == (
        "Conv1d",
        "conv Conv1d",
    )
    it.form_pane.retype_menu.value = "model ConvModule"
    assert it.state.selected_config == {"type": "ConvModule", "out_channels": 4, "kernel_size": 3}
    assert (
        it.form_pane.title.value == "1. ConvModule"
        and it.form_pane.retype_menu.value == "model ConvModule"
    )
    assert list(it.form_pane.form.rows)[:2] == ["in_channels", "out_channels"]  # pyright: ignore[reportOptionalMemberAccess]
    it.controls.buttons["Undo"].click()
    assert it.form_pane.retype_menu.value == "conv Conv2d" and len(it.state.history.past) == 0
    it.controls.bricks.selected = 1
    assert it.form_pane.retype_menu.value == "activation ReLU" and len(it.state.history.past) == 0


@pytest.mark.parametrize("kind", ["Nope", nn.Mish])
def test_a_type_of_no_registry_can_be_changed_too(kind):
    it = panel({"type": kind})
    assert it.form_pane.retype_menu.value == ""
    it.form_pane.retype_menu.value = "activation ReLU"
    assert it.state.selected_config == {"type": "ReLU"} and it.last_error is None


def test_a_size_that_is_found_says_so():
    it = panel({"type": "Conv2d", "out_channels": 4, "kernel_size": 3}, {"type": "BN"})
    row = it.form_pane.form["in_channels"]  # pyright: ignore[reportOptionalSubscript]
    assert (row.control.value, row.control.placeholder) == ("", "auto")  # pyright: ignore[reportAttributeAccessIssue]
    assert row.default_label.value == "auto: 3"
    it.controls.shape.value = "5, 8, 8"
    assert row.default_label.value == "auto: 5"
    row.control.value = "2"  # pyright: ignore[reportAttributeAccessIssue]
    assert row.errors == {"in_channels": "takes 2 × 8 × 8, gets 5 × 8 × 8."}
    assert row.default_label.value == "empty: auto"
    row.control.value = "auto"  # pyright: ignore[reportAttributeAccessIssue]
    assert it.state.selected_config == {"type": "Conv2d", "out_channels": 4, "kernel_size": 3}
    row.control.value = "many"  # pyright: ignore[reportAttributeAccessIssue]
    assert row.errors == {"in_channels": "expected int, got 'many'."}


def test_a_long_session_leaves_few_widgets():
    it = panel(A)
    for at in range(40):
        it.state = it.state.select((0,))
        it.on_add(("BN", "GN", "LN")[at % 3], "")
        it.controls.buttons["Wrap"].click()
        it.form_pane.retype_menu.value = "model Residual"
        it.controls.buttons["Undo"].click()
        if at % 2:
            it.controls.buttons["Delete"].click()
        if at == 10:
            early = len(widget_module._instances)
    assert len(widget_module._instances) <= early + 150  # six forms at most, whatever was done
    it.close()
    assert it.last_error is None


def test_a_chinese_reader_gets_chinese(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "zh")
    it = panel(A)
    assert it.controls.summary.text == "1 个积木，0 个参数，0 次乘加；3 × 8 × 8 变为 3 × 8 × 8。"  # noqa: RUF001
    assert it.controls.buttons["Undo"].description == "撤销"
