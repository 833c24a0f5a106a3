from __future__ import annotations

import json
import threading
from typing import Any

from ipywidgets.widgets import widget as widget_module
from torch import nn

from brickbook import MODELS, Blueprint
from brickbook.lab import Builder
from brickbook.lab.builder.state import BuilderState

LINEAR = {"type": "Linear", "in_features": 4, "out_features": 2}
CONV = {"type": "ConvModule", "in_channels": 3, "out_channels": 8, "kernel_size": 3}


def types(of: BuilderState) -> list[Any]:
    return [brick["type"] for brick in of.blueprint.bricks]


def builder(*bricks: dict[str, Any], shape: tuple[int, ...] = (3, 8, 8), **more: Any) -> Builder:
    return Builder(Blueprint(bricks), input_shape=shape, name="builder_test", **more)


def put(panel: Builder, path: str, value: Any) -> None:
    assert panel.form_pane.form is not None
    panel.form_pane.form.control(path).value = value if isinstance(value, bool) else str(value)  # pyright: ignore[reportAttributeAccessIssue]


def press(panel: Builder, *words: str) -> None:
    for word in words:
        panel.controls.buttons[word].click()


def add(panel: Builder, text: str) -> None:
    """Type a text into the search box and press Enter, as the page does."""
    panel.controls.search.text = text
    panel.controls.search.on_message(None, {"add": text}, None)


def copy(panel: Builder, form: str) -> str:
    panel.controls.form_menu.value = form
    press(panel, "Copy")
    return panel.code.value


def test_a_builder_starts_with_something_to_look_at():
    panel = Builder(name="builder_test")
    assert [row["kind"] for row in panel.controls.bricks.rows] == [
        "ConvModule", "MaxPool2d", "ConvModule", "MaxPool2d", "Flatten", "Linear",
    ]  # fmt: skip
    assert (
        panel.controls.summary.text
        == "6 bricks, 25,626 parameters, 1.64 M MACs; 3 × 32 × 32 becomes 10."
    )
    assert panel.form_pane.title.value == "1. ConvModule"
    assert repr(panel) == f"Builder(builder_test: {panel.controls.summary.text})"
    assert panel.controls.bricks.rows[0] == {
        "path": [0], "number": "1", "level": 1, "brick": True, "open": None,
        "kind": "ConvModule", "arguments": "16, 3, padding=1, norm_cfg=BN",
        "output": "16 × 32 × 32", "params": "464", "macs": "442 k", "error": "", "fix": "",
    }  # fmt: skip


def test_an_empty_builder_says_what_to_do():
    panel = builder()
    assert panel.controls.summary.text == (
        "No bricks yet: type a layer's name and press Enter, or take a template."
    )
    assert panel.form_pane.form is None and panel.controls.bricks.selected == -1
    press(panel, "Duplicate", "Up", "Down", "Delete", "Undo", "Redo")
    assert panel.last_error is None
    add(panel, "lin")
    assert panel.controls.bricks.selected == 0 and panel.form_pane.form is not None


def test_buttons_edit_and_say_what_they_cannot_do():
    panel = builder(CONV, {"type": "ReLU"})
    disabled = {word for word, button in panel.controls.buttons.items() if button.disabled}
    assert disabled == {"Up", "Out", "Into", "Unwrap", "Branch", "Undo", "Redo", "Shortcut"}
    press(panel, "Down", "Duplicate", "Delete", "Delete", "Undo", "Undo", "Redo")
    assert types(panel.state) == ["ReLU", "ConvModule"]
    panel.controls.bricks.selected = 1
    add(panel, "gn")
    assert panel.state.selected_config == {"type": "GN", "num_groups": 8}
    assert panel.form_pane.title.value == "3. GN"
    assert panel.form_pane.about.text == "Applies Group Normalization over a mini-batch of inputs."


def test_the_form_edits_the_chosen_brick():
    panel = builder(CONV, {"type": "Flatten"})
    form = panel.form_pane.form
    put(panel, "out_channels", 4)
    put(panel, "norm_cfg", "BN")
    assert panel.form_pane.form is form  # nobody loses the focus while typing
    assert panel.controls.bricks.rows[0]["arguments"] == "3, 4, 3, norm_cfg=BN"
    assert panel.controls.bricks.rows[1]["output"] == "144"
    press(panel, "Undo")
    assert panel.form_pane.form is not form and "norm_cfg" not in panel.form_pane.form.value  # pyright: ignore[reportOptionalMemberAccess]
    panel.controls.bricks.selected = 1
    assert list(panel.form_pane.form.rows) == ["start_dim", "end_dim"]  # pyright: ignore[reportOptionalMemberAccess]


def test_an_error_is_shown_at_its_field_and_in_the_list():
    panel = builder({**CONV, "norm_cfg": {"type": "BNN"}}, {"type": "Flatten"})
    message = "BNN is not in the norm layer registry. Did you mean 'BN'?"
    assert panel.form_pane.form is not None and panel.form_pane.form.errors == {"norm_cfg": message}
    assert panel.controls.bricks.rows[0]["error"] == message
    put(panel, "norm_cfg", "BN")
    assert panel.form_pane.form.errors == {} and panel.controls.bricks.rows[0]["error"] == ""
    put(panel, "kernel_size", "(3,")
    assert (
        list(panel.form_pane.form.errors) == ["kernel_size"]
        and panel.controls.bricks.rows[0]["error"] == ""
    )
    put(panel, "kernel_size", "3")
    put(panel, "in_channels", 5)
    assert panel.form_pane.form.errors == {"in_channels": "takes 5 × 8 × 8, gets 3 × 8 × 8."}
    put(panel, "in_channels", 3)
    assert panel.form_pane.form.errors == {}


def test_a_brick_of_an_unknown_type_can_be_seen_and_deleted():
    panel = builder({"type": "Nope", "width": 3}, LINEAR)
    assert panel.form_pane.form is not None and list(panel.form_pane.form.rows) == ["width"]
    assert panel.form_pane.form.errors[""].startswith("type: no brick is called 'Nope'.")
    press(panel, "Delete")
    assert types(panel.state) == ["Linear"]


def test_the_input_shape():
    panel = builder(CONV)
    panel.controls.shape.value = "3, 10, 10"
    assert panel.controls.bricks.rows[0]["output"] == "8 × 8 × 8"
    panel.controls.shape.value = "ten"
    assert (
        panel.controls.shape_notice.text == "expected whole numbers such as 3, 32, 32, got 'ten'."
    )
    assert panel.state.input_shape == (3, 10, 10)
    panel.controls.shape.value = "1, 10, 10"
    assert panel.controls.shape_notice.text == ""
    assert panel.controls.bricks.rows[0]["error"] == "takes 3 × 10 × 10, gets 1 × 10 × 10."


def test_a_registered_class_is_in_the_menu_with_its_own_fields():
    panel = builder()

    class BuilderTestNet(nn.Module):
        def __init__(self, channels, depth=2):
            super().__init__()
            self.parts = nn.Sequential(*(nn.Conv2d(channels, channels, 1) for _ in range(depth)))

        def forward(self, x):
            return self.parts(x)

    MODELS.register_module(module=BuilderTestNet)
    try:
        panel.controls.shape.value = "5, 8, 8"  # anything that happens brings the menus up to date
        add(panel, "buildertestnet")
        assert panel.state.selected_config == {"type": "BuilderTestNet", "channels": 5}
        assert panel.form_pane.form is not None and list(panel.form_pane.form.rows) == [
            "channels",
            "depth",
        ]
        assert panel.controls.bricks.rows[0]["params"] == "60"
        put(panel, "depth", 3)
        assert panel.controls.bricks.rows[0]["params"] == "90"
        put(panel, "depth", -1)
        assert panel.controls.bricks.rows[0]["error"] == ""
    finally:
        del MODELS.module_dict["BuilderTestNet"]


def test_use_puts_the_model_into_the_namespace():
    space: dict[str, Any] = {}
    panel = builder(CONV, namespace=space)
    assert panel.controls.buttons["Use"].description == "Use as `builder_test`"
    panel.controls.name.value = "net"
    assert panel.controls.buttons["Use"].description == "Use as `net`"
    press(panel, "Use")
    assert space["net"] is panel.model and isinstance(space["net"][0], nn.Module)
    assert next(space["net"].parameters()).device.type == "cpu"
    assert panel.notice.text == ("`net` is the new model. See how it starts: %brickbook show net")
    panel.controls.name.value = "2nd"
    assert panel.controls.name_notice.text == "expected a name for a variable, got '2nd'."
    assert panel.state.name == "net"


def test_use_says_why_there_is_no_model():
    space: dict[str, Any] = {}
    panel = builder(LINEAR, {**CONV, "norm_cfg": {"type": "BNN"}}, namespace=space)
    press(panel, "Use")
    assert space == {} and panel.model is None
    assert panel.notice.text == (
        "Not built. bricks[1].norm_cfg.type: BNN is not in the norm layer registry. "
        "Did you mean 'BN'?"
    )
    assert panel.state.selected == (1,)
    panel = builder(CONV, namespace=space, shape=(1, 8, 8))
    press(panel, "Use")
    assert "builder_test" in space
    assert panel.notice.text == (
        "`builder_test` is the new model. See how it starts: %brickbook show builder_test\n"
        "It cannot run yet: 1 brick, 224 parameters; brick 1 does not fit."
    )


def layout(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def test_python_and_json_give_the_same_model():
    panel = Builder(name="net_of_test")
    put(panel, "act_cfg", "LeakyReLU")
    put(panel, "kernel_size", "(3, 5)")
    space: dict[str, Any] = {}
    exec(copy(panel, "python"), space)
    assert panel.code.layout.display is None
    assert layout(space["net_of_test"]) == layout(panel.state.build())
    again = Blueprint.from_json(copy(panel, "json"))
    assert layout(again.build()) == layout(space["net_of_test"])
    assert json.loads(panel.code.value)[0]["act_cfg"] == {"type": "LeakyReLU"}


def test_what_json_cannot_say_is_said():
    panel = builder({"type": nn.Mish})
    copy(panel, "json")
    assert panel.notice.text != "" and panel.last_error is not None
    press(panel, "Duplicate")
    assert types(panel.state) == [nn.Mish, nn.Mish] and panel.notice.text == ""


def test_callbacks_may_come_from_another_thread():
    panel = builder(CONV)
    thread = threading.Thread(target=lambda: put(panel, "out_channels", 2))
    thread.start()
    thread.join(60)
    assert panel.controls.bricks.rows[0]["output"] == "2 × 6 × 6" and panel.last_error is None


def test_a_new_builder_of_the_same_name_closes_the_old_one_and_leaks_nothing():
    builder().close()
    before = set(widget_module._instances)
    first = builder(CONV)
    add(first, "ConvModule 4")
    press(first, "Duplicate", "Delete")
    put(first, "norm_cfg", "GN")
    put(first, "kernel_size", "(")
    press(first, "Undo")
    copy(first, "module")
    second = builder(CONV)
    assert first.comm is None and second.comm is not None
    second.close()
    assert set(widget_module._instances) <= before


def test_choosing_a_brick_again_shows_its_form_again():
    panel = builder(CONV, {"type": "Flatten"}, CONV)
    form = panel.form_pane.form
    panel.controls.bricks.selected = 1
    panel.controls.bricks.selected = 0
    assert panel.form_pane.form is form and panel.form_pane.form.comm is not None  # pyright: ignore[reportOptionalMemberAccess]
    put(panel, "kernel_size", "(")
    panel.controls.bricks.selected = 2  # the same config, but no wrong text in it
    assert panel.form_pane.form is not form and "kernel_size" not in panel.form_pane.form.errors  # pyright: ignore[reportOptionalMemberAccess]
    put(panel, "out_channels", 4)
    panel.controls.bricks.selected = 0
    assert panel.form_pane.form.value == {k: v for k, v in CONV.items() if k != "type"}  # pyright: ignore[reportOptionalMemberAccess]
    for width in range(5, 15):
        press(panel, "Duplicate")
        put(panel, "out_channels", width)
        panel.controls.bricks.selected = 0
    assert len(panel.form_pane.cache.forms) == 6
