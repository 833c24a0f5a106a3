from __future__ import annotations

from typing import Any

import ipywidgets as w
import pytest
from ipywidgets.widgets import widget as widget_module
from torch import nn
from traitlets import TraitError

from brickbook import ACTIVATION_LAYERS, ConvModule
from brickbook.init.initializers import ConstantInit
from brickbook.lab.form import Form
from brickbook.lab.widgets import Panel, reports_errors
from brickbook.live_panels import replace_live_panel

CONV = {"in_channels": 3, "out_channels": 8, "kernel_size": 3}
IMG = "<img src=x onerror=alert(1)>"


def conv() -> Form:
    return Form(ConvModule, CONV)


def put(form: Form, path: str, value: Any) -> None:
    form.control(path).value = value if isinstance(value, bool) else str(value)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_value_has_required_and_changed_arguments_only():
    form = conv()
    assert form.value == CONV
    put(form, "stride", "2")
    put(form, "padding", "0")
    put(form, "norm_cfg", "GN")
    put(form, "norm_cfg.num_groups", 4)
    put(form, "norm_cfg.requires_grad", False)
    put(form, "act_cfg", "none")
    put(form, "bias", "False")
    norm = {"type": "GN", "num_groups": 4, "requires_grad": False}
    assert form.value == {**CONV, "stride": 2, "norm_cfg": norm, "act_cfg": None, "bias": False}
    assert form.errors == {}
    put(form, "stride", "1")
    put(form, "norm_cfg", "none")
    put(form, "act_cfg", "ReLU")
    put(form, "bias", "auto")
    assert form.value == CONV


def test_owners_observe_the_value():
    form, seen = conv(), []
    form.observe(lambda change: seen.append(change["new"]), "value")
    put(form, "in_channels", 4)
    put(form, "in_channels", 4)
    put(form, "inplace", False)
    assert seen == [
        {**CONV, "in_channels": 4},
        {**CONV, "in_channels": 4, "inplace": False},
    ]
    with pytest.raises(TraitError):
        form.value = {}


@pytest.mark.parametrize(
    "path, control, mark",
    [
        ("in_channels", w.Text, "required"),
        ("kernel_size", w.Text, "required"),
        ("stride", w.Text, "default"),
        ("inplace", w.Checkbox, "default"),
        ("padding_mode", w.Dropdown, "default"),
        ("norm_cfg", w.Dropdown, "default"),
    ],
)
def test_every_control_has_a_label_and_says_whether_it_is_the_default(path, control, mark):
    form = conv()
    assert type(form.control(path)) is control
    assert form.control(path).description == path  # pyright: ignore[reportAttributeAccessIssue]
    assert form[path].default_label.value == mark


def test_a_changed_field_says_what_its_default_is():
    form = conv()
    put(form, "stride", "2")
    put(form, "act_cfg", "GELU")
    assert form["stride"].default_label.value == "default: 1"
    assert form["act_cfg"].default_label.value == "changed"
    assert form["act_cfg"].default_label.tooltip == "default: dict(type='ReLU')"
    put(form, "stride", "")
    assert form["stride"].value == 1 and form["stride"].default_label.value == "default"


def test_a_wrong_text_is_shown_and_the_last_good_value_stays():
    form = conv()
    put(form, "kernel_size", "(3,")
    wrong = "expected int or tuple[int, ...], got '(3,'."
    assert form.errors == {"kernel_size": wrong}
    assert form.value == CONV
    assert form["kernel_size"].notice.text == wrong
    assert 'role="alert"' in form["kernel_size"].notice.value
    assert form.control("kernel_size").tooltip == wrong  # pyright: ignore[reportAttributeAccessIssue]
    form.clear_errors()
    assert form.errors == {"kernel_size": wrong}  # it is still in the field
    put(form, "kernel_size", "(3, 5)")
    assert form.errors == {} and form.value["kernel_size"] == (3, 5)


@pytest.mark.parametrize("text", ["3.5", "1e3", "abc"])
def test_a_number_field_does_not_make_another_number_of_a_text(text):
    form = conv()
    put(form, "in_channels", text)
    assert form.errors == {"in_channels": f"expected int, got {text!r}."}
    assert form.control("in_channels").value == text  # pyright: ignore[reportAttributeAccessIssue]
    assert form.value == CONV
    put(form, "in_channels", "")
    assert form.errors == {"in_channels": "needs a value."}
    put(form, "in_channels", "4")
    assert form.errors == {} and form.value["in_channels"] == 4


def test_errors_go_to_their_field():
    form = Form(ConvModule, {**CONV, "norm_cfg": {"type": "BN", "momentumm": 0.1}})
    form.show_error("norm_cfg.type", "no such type.")
    form.show_error("norm_cfg.momentumm", "no such argument.")
    form.show_error("norm_cfg.nothing", "no such field.")
    form.show_error("order[1]", "no such part.")
    form.show_error("", "Does not fit.")
    assert form.errors == {
        "": "Does not fit.",
        "norm_cfg": "no such type.\nnothing: no such field.",
        "norm_cfg.momentumm": "no such argument.",
        "order": "no such part.",
    }
    nested = form["norm_cfg"].nested  # pyright: ignore[reportAttributeAccessIssue]
    assert nested["momentumm"].notice.text == "no such argument."
    form.clear_errors()
    assert form.errors == {}


def test_texts_are_escaped():
    form = Form(nn.Linear, {"in_features": 1, "out_features": 1, IMG: IMG})
    form.show_error(IMG, IMG)
    form.show_error("elsewhere", IMG)
    pages = [n.value for n in widget_module._instances.values() if isinstance(n, w.HTML)]
    assert any("&lt;img" in page for page in pages)
    assert not any("<img" in page for page in pages)


def test_a_required_argument_that_is_missing_says_so():
    form = Form(nn.Linear, {"in_features": 4})
    assert form.value == {"in_features": 4}
    assert form.errors == {"out_features": "needs a value."}
    put(form, "out_features", "x")
    assert form.errors == {"out_features": "expected int, got 'x'."}
    put(form, "out_features", "2")
    assert form.value == {"in_features": 4, "out_features": 2} and form.errors == {}


def test_a_fresh_form_starts_with_something_that_can_be_meant():
    assert Form(nn.Linear).value == {"in_features": 1, "out_features": 1}
    assert Form(ConstantInit).value == {"val": 0.0}


def test_unknown_keys_and_foreign_values_are_kept_and_shown():
    values = {"in_features": "many", "out_features": 2, "extra": [1, 2], "bias": None}
    form = Form(nn.Linear, values)
    assert form.value == values
    assert form.control("in_features").value == "many"  # pyright: ignore[reportAttributeAccessIssue]
    assert form.control("extra").value == "[1, 2]"  # pyright: ignore[reportAttributeAccessIssue]


def test_only_and_hidden():
    assert list(Form(ConvModule, CONV, only=("stride", "padding")).rows) == ["stride", "padding"]
    form = Form(nn.Linear, {"in_features": 1, "out_features": 2, "bias": False}, hidden=("bias",))
    assert list(form.rows) == ["in_features", "out_features"]
    assert form.value == {"in_features": 1, "out_features": 2, "bias": False}
    assert Form(ConvModule, CONV, only=("stride",)).value == CONV


def test_a_list_of_configs_is_a_text():
    def make(init_cfg: Any = None) -> None: ...

    listed = [{"type": "Constant", "val": 1.0}]
    form = Form(make, {"init_cfg": listed})
    assert isinstance(form.control("init_cfg"), w.Text)
    assert form.value == {"init_cfg": listed}
    put(form, "init_cfg", "dict(type='Xavier')")
    assert form.value == {"init_cfg": {"type": "Xavier"}}


def test_a_config_of_an_unknown_type_or_a_class_is_kept():
    values = {**CONV, "norm_cfg": {"type": "BNN", "eps": 1.0}, "act_cfg": {"type": nn.Mish}}
    form = Form(ConvModule, values)
    assert form.value == values
    assert form.control("act_cfg").value == "Mish"  # pyright: ignore[reportAttributeAccessIssue]
    put(form, "norm_cfg", "BN")
    put(form, "norm_cfg", "BNN")
    assert form.value["norm_cfg"] == {"type": "BNN"}
    put(form, "act_cfg", "none")
    put(form, "act_cfg", "Mish")
    assert form.value["act_cfg"] == {"type": nn.Mish}


def test_a_users_own_type_is_in_the_menu_with_its_own_fields():
    @ACTIVATION_LAYERS.register_module(name="FormTestAct")
    class Act(nn.Module):
        def __init__(self, slope=0.1, steps=3):
            super().__init__()

    try:
        form = conv()
        put(form, "act_cfg", "FormTestAct")
        assert list(form["act_cfg"].nested.rows) == ["slope", "steps"]  # pyright: ignore[reportAttributeAccessIssue]
        put(form, "act_cfg.steps", 5)
        assert form.value["act_cfg"] == {"type": "FormTestAct", "steps": 5}
    finally:
        del ACTIVATION_LAYERS.module_dict["FormTestAct"]


def test_what_the_owner_has_too_is_asked_for_once():
    form = conv()
    assert "inplace" in form.rows and form["act_cfg"].nested is None  # pyright: ignore[reportAttributeAccessIssue]
    put(form, "act_cfg", "LeakyReLU")
    assert list(form["act_cfg"].nested.rows) == ["negative_slope"]  # pyright: ignore[reportAttributeAccessIssue]
    given = {**CONV, "act_cfg": {"type": "ReLU", "inplace": False}}
    form = Form(ConvModule, given)
    assert list(form["act_cfg"].nested.rows) == ["inplace"]  # pyright: ignore[reportAttributeAccessIssue]

    def make(act_cfg: Any = None) -> None: ...

    form = Form(make, {"act_cfg": {"type": "ReLU"}})
    assert list(form["act_cfg"].nested.rows) == ["inplace"]  # pyright: ignore[reportAttributeAccessIssue]


def test_fill_starts_again():
    form = conv()
    put(form, "stride", "2")
    form.reset({**CONV, "dilation": 2})
    assert form.value == {**CONV, "dilation": 2}
    assert form.control("dilation").value == "2"  # pyright: ignore[reportAttributeAccessIssue]


def test_closing_a_form_leaves_no_widget():
    before = set(widget_module._instances)
    form = conv()
    put(form, "norm_cfg", "GN")
    put(form, "kernel_size", "(")
    form.show_error("stride", "no.")
    form.close()
    assert set(widget_module._instances) <= before


class Broken(Panel):
    @reports_errors
    def act(self, _change: object) -> None:
        raise RuntimeError(IMG)


def test_a_callback_that_raises_is_shown_and_the_panel_lives_on():
    panel = Broken()
    assert panel.act(None) is None
    assert isinstance(panel.last_error, RuntimeError)
    assert panel.notice.text == f"RuntimeError: {IMG}"
    assert "<img" not in panel.notice.value


def test_a_new_panel_closes_the_old_one_in_its_place():
    first, second, other = Broken(), Broken(), Broken()
    for key, panel in (("form test", first), ("another", other), ("form test", second)):
        replace_live_panel(key, panel)
    assert [panel.comm is None for panel in (first, second, other)] == [True, False, False]


def test_fields_with_their_defaults_are_folded_away_under_the_others():
    form = Form(ConvModule, {**CONV, "stride": 2}, fold_defaults=True)
    first = [row.field.name for row in form.children[1:-1]]
    assert first == ["in_channels", "out_channels", "kernel_size", "stride"]
    assert form.more is not None and form.more.title == "12 more, default"
    assert [row.field.name for row in form.folded][:3] == ["padding", "dilation", "groups"]
    assert form.more.body.layout.display == "none" and list(form.rows)[4] == "padding"
    put(form, "padding", 1)  # it stays where it is while it is typed
    assert form.value["padding"] == 1 and not form.more.unfolded
    form.show_error("groups", "does not divide 8.")
    assert form.more.unfolded and form.more.body.layout.display is None
    form.reset(form.value)
    assert [row.field.name for row in form.children[1:-1]][-1] == "padding"
    whole = Form(nn.Flatten, {}, fold_defaults=True)
    assert whole.more is None and len(whole.children) == 3
    before = set(widget_module._instances)
    Form(ConvModule, CONV, fold_defaults=True).close()
    assert set(widget_module._instances) <= before
