from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import comm
import ipywidgets as w
import pytest
import torch
from lab_support import conv_net, copy_state, same_state
from torch import nn

from brickbook import lab as lab_package
from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.initializers import INITIALIZERS
from brickbook.lab import InitLab
from brickbook.live_panels import MODEL_LOCK
from brickbook.modules import BaseModule

KAIMING = {"type": "Kaiming", "layer": ["Conv2d", "Linear"]}
BY_KIND = {
    **KAIMING, "mode": "fan_in", "nonlinearity": "auto",
    "override": {"type": "VarianceScaling", "scale": 0.01, "name": "2"},
}  # fmt: skip
ONE = {"type": "Constant", "val": 1, "layer": ["BatchNorm2d"]}
KAIMING_PRESET = "kaiming_fan_out"


def panel(init_cfg: object = None, model: nn.Module | None = None, **kwargs) -> InitLab:
    made = InitLab(conv_net() if model is None else model, init_cfg=init_cfg, **kwargs)
    assert made.last_error is None
    return made


def cell(lab: InitLab, name: str) -> dict:
    [found] = [item for item in lab.grid.meta["cells"] if item["name"] == name]
    meta, texts = lab.grid.meta, {"status": found.get("status", "untouched")}
    if "law" in found:
        texts["law"] = meta["laws"][found["law"]]["text"]
    if "reason" in found:
        texts["reason"] = meta["reasons"][found["reason"]]
    return {**found, **texts}


def widgets(part: w.Widget) -> list[w.Widget]:
    inner = getattr(part, "children", ())
    return [part, *(found for child in inner for found in widgets(child))]


def test_the_panel_opens_with_a_plan_and_the_weights_as_they_are():
    model = conv_net()
    before = copy_state(model)
    lab = panel(model=model)
    assert lab.state.to_init_cfg() == [BY_KIND, ONE] and lab.state.seed == 0
    assert lab.title.value == "model: Sequential, 6 parameters, 276 values"
    assert lab.plan_view.summary.text == (
        "Initialize would write 6 of 6 parameters by a law. "
        "Expected std 0.03536 to 0.1925; constants 0, 1."
    )
    assert lab.plan_view.problems.text == "" and lab.report is None
    assert lab.grid.rev == 1 and cell(lab, "0.weight")["status"] == "untouched"
    assert cell(lab, "0.weight")["law"] == "Normal(0, 0.1925)"
    assert lab.toolbar.undo.disabled and lab.toolbar.undo.tooltip == "Nothing to undo yet."
    assert same_state(model, before)


def test_initialize_writes_what_initialize_would():
    lab, model = panel([KAIMING, ONE], seed=5), conv_net()
    lab.toolbar.initialize.click()
    initialize(model, [KAIMING, ONE], seed=5)
    assert all(map(torch.equal, lab.model.parameters(), model.parameters()))
    assert lab.toolbar.status.text == "Initialized with seed 5: 6 written by a law."
    assert lab.report is not None and lab.report.plan is lab.plan
    assert cell(lab, "0.weight")["status"] == "changed"
    assert cell(lab, "1.weight")["status"] == "untouched"  # ones before and after
    assert lab.comparison["0.weight"].after.std == pytest.approx(model[0].weight.std().item(), 0.01)
    assert not lab.toolbar.undo.disabled and lab.last_error is None


def test_undo_is_bit_equal():
    lab = panel()
    before = copy_state(lab.model)
    lab.toolbar.initialize.click()
    assert not same_state(lab.model, before)
    lab.toolbar.undo.click()
    assert same_state(lab.model, before)
    assert lab.toolbar.status.text == "Undone: the weights are what they were before."
    assert lab.toolbar.undo.disabled and lab.report is None
    assert cell(lab, "0.weight")["status"] == "untouched"


def test_methods_do_what_buttons_do():
    lab = panel()
    before = copy_state(lab.model)
    report = lab.apply()
    assert report is lab.report and len(report.written) == 6
    lab.undo()
    assert same_state(lab.model, before)
    with pytest.raises(ConfigError) as caught:
        lab.undo()
    assert str(caught.value) == "undo: Nothing to undo yet."


def test_without_a_seed_torchs_generator_draws():
    lab, model = panel([KAIMING]), conv_net()
    lab.rules.seed.value = ""
    torch.manual_seed(4)
    lab.apply()
    torch.manual_seed(4)
    initialize(model, [KAIMING])
    assert all(map(torch.equal, lab.model.parameters(), model.parameters()))
    assert lab.toolbar.status.text == (
        "Initialized with torch's generator: 4 written by a law, 2 left as they were."
    )


def test_every_edit_is_forecast_and_writes_nothing():
    lab = panel([KAIMING, ONE])
    before = copy_state(lab.model)
    lab.rules.presets.value = "normal_large"
    assert lab.plan_view.summary.text == (
        "Initialize would write 6 of 6 parameters by a law. Expected std 1; constants 0, 1."
    )
    assert cell(lab, "2.weight")["law"] == "Normal(0, 1)"
    lab.rules.cards[0].picker.boxes["Linear"].value = False
    assert lab.plan_view.summary.text == (
        "Initialize would write 4 of 6 parameters by a law and leave 2 as they are. "
        "Expected std 1; constants 0, 1."
    )
    assert cell(lab, "2.weight")["reason"] == "no rule matches Linear"
    assert same_state(lab.model, before)


def test_a_rule_that_matches_nothing_is_shown_without_a_warning():
    lab = panel([{**KAIMING, "layer": "Conv2D"}])
    assert lab.plan_view.problems.text == (
        "Rule 1, layer: Conv2D matches nothing. Did you mean 'Conv2d'?"
    )
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == "Initialized with seed 0: 6 left as they were."
    assert lab.last_error is None and lab.toolbar.undo.disabled


BAD = [
    ({**ONE, "val": float("nan")}, "init_cfg[0].val", "expected a finite number, got nan."),
    ({"type": "Normal", "layer": "Linear", "std": -1}, "init_cfg[0].std",
     "expected a finite number of 0 or more, got -1."),
    ({"type": "Kaimin", "layer": "Linear"}, "init_cfg[0].type",
     "Kaimin is not in the initializer registry. Did you mean 'Kaiming'?"),
    ({**KAIMING, "override": {"type": "Xavier"}}, "init_cfg[0].override.name",
     "an override needs the key 'name', an attribute of the model. Add name='...'."),
    ({**KAIMING, "override": {"name": "head"}}, "init_cfg[0].override.name",
     "Sequential has no module 'head'. Known: 0, 1, 2."),
    ({**KAIMING, "a": "x"}, "init_cfg[0].a", "expected float, got 'x' (str)."),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "path", "message"), BAD, ids=[case[1] for case in BAD])
def test_bad_input_is_shown_at_its_field_and_changes_nothing(cfg, path, message):
    lab = panel([cfg])
    before = copy_state(lab.model)
    assert lab.rules.errors == {path: message}
    assert lab.plan is None and lab.toolbar.initialize.disabled
    assert lab.plan_view.summary.text == "Nothing can be initialized until this is mended:"
    assert lab.plan_view.problems.text.endswith(message)
    with pytest.raises(ConfigError) as caught:
        lab.apply()
    assert str(caught.value).endswith(f": {message}")
    lab.toolbar.initialize.click()
    assert same_state(lab.model, before) and lab.last_error is None
    lab.rules.presets.value = KAIMING_PRESET
    assert not lab.rules.errors and not lab.toolbar.initialize.disabled
    lab.toolbar.initialize.click()
    assert not same_state(lab.model, before)


def test_a_text_that_is_no_number_stops_initialize():
    lab = panel()
    before = copy_state(lab.model)
    card = lab.rules.cards[0].initializer
    card.arrange(expanded=True)
    lab.rules.cards[0].initializer.form["bias_prob"].control.value = "much"
    assert lab.toolbar.initialize.disabled
    assert lab.plan_view.problems.text == ("Rule 1, bias_prob: expected float or None, got 'much'.")
    with pytest.raises(ConfigError) as caught:
        lab.apply()
    assert str(caught.value) == "init_cfg[0].bias_prob: expected float or None, got 'much'."
    assert same_state(lab.model, before)


def test_a_missing_checkpoint_is_named_before_and_after_pressing(tmp_path):
    lab = panel([{"type": "Pretrained", "checkpoint": str(tmp_path / "none.pth")}])
    before = copy_state(lab.model)
    assert lab.plan_view.summary.text == (
        f"Initialize would load what fits of {tmp_path / 'none.pth'}."
    )
    text = f"there is no file {str(tmp_path / 'none.pth')!r}."
    assert lab.rules.errors == {"init_cfg[0].checkpoint": text}
    assert lab.plan_view.problems.text == f"Rule 1, checkpoint: {text}"
    lab.toolbar.initialize.click()
    assert list(lab.rules.errors) == ["init_cfg[0].checkpoint"]
    assert lab.toolbar.status.text.startswith("Nothing was changed. Rule 1, checkpoint: ")
    assert same_state(lab.model, before) and lab.last_error is None
    torch.save(conv_net().state_dict(), tmp_path / "none.pth")
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == "Initialized with seed 0: 6 loaded from a checkpoint."
    assert not lab.rules.errors and not lab.plan_view.problems.text
    assert "law" not in cell(lab, "0.weight")


def test_any_other_exception_is_shown_and_kept():
    @INITIALIZERS.register_module(name="FailingInit")
    class FailingInit:
        def __call__(self, module: nn.Module) -> None:
            raise ZeroDivisionError("no luck")

    try:
        lab = panel([{"type": "FailingInit"}])
        before = copy_state(lab.model)
        lab.toolbar.initialize.click()
        assert lab.toolbar.status.text == "Nothing was changed. ZeroDivisionError: no luck"
        assert isinstance(lab.last_error, ZeroDivisionError)
        assert same_state(lab.model, before)
    finally:
        del INITIALIZERS.module_dict["FailingInit"]
    lab.rules.presets.value = KAIMING_PRESET
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == "Initialized with seed 0: 6 written by a law."


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model: expected an nn.Module, got int."),
        (conv_net(), "init_cfg: init_cfg must be a dict or a list of dict, but got <class 'int'>."),
    ],
)
def test_what_is_no_model_and_no_config_is_refused(model, message):
    with pytest.raises(ConfigError) as caught:
        InitLab(model, init_cfg=3)
    assert str(caught.value) == message


def test_the_old_weights_have_a_budget():
    lab = panel(undo_budget=1000)
    reason = (
        "There will be no Undo: the old weights take 1.1 kB, "
        "more than the budget of 1.0 kB (undo_budget)."
    )
    assert lab.plan_view.problems.text == reason
    lab.toolbar.initialize.click()
    assert lab.toolbar.undo.disabled and lab.toolbar.undo.tooltip == reason


def test_copy_config_is_python_that_runs():
    lab = panel(name="net")
    assert lab.toolbar.code is None
    lab.toolbar.copy.click()
    assert lab.toolbar.code is not None and lab.toolbar.code in widgets(lab)
    assert lab.toolbar.code.value == lab.state.to_python("net")
    lab.rules.seed.value = "8"
    assert "seed=8" in lab.toolbar.code.value
    lab.apply()
    model = conv_net()
    exec(lab.toolbar.code.value, {"net": model})
    assert all(map(torch.equal, lab.model.parameters(), model.parameters()))
    lab.toolbar.copy.click()
    assert lab.toolbar.code is None and not [
        w for w in widgets(lab) if type(w).__name__ == "Textarea"
    ]


def test_the_plan_is_a_table_that_is_filled_when_it_is_unfolded():
    lab = panel([KAIMING, {**KAIMING, "layer": ["Linear"], "type": "Xavier"}])
    assert "table" not in vars(lab.plan_view)
    lab.plan_view.disclosure.unfolded = True
    assert lab.plan_view.table.value.count("<tr>") == 7
    assert ">Normal(0, 0.4082)<" in lab.plan_view.table.value
    assert ">init_cfg[0]<" in lab.plan_view.table.value  # the loser
    lab.rules.cards[1].initializer.menu.value = "Normal"
    assert ">Normal(0, 1)<" in lab.plan_view.table.value


@pytest.mark.parametrize(
    ("language", "closed", "opened"),
    [
        ("en", "Closed: press to open", "Open: press to close"),
        ("zh", "已收起：按下展开", "已展开：按下收起"),  # noqa: RUF001
    ],
)
def test_a_disclosure_is_a_button_that_shows_whether_it_is_open(language, closed, opened):
    lab = InitLab(conv_net(), init_cfg=[KAIMING], language=language)
    for disclosure in (lab.plan_view.disclosure, lab.diagnosis.disclosure):
        head = disclosure.header
        assert isinstance(head, w.Button) and head.description == disclosure.title != ""
        assert (head.icon, head.tooltip) == ("caret-right", closed)
        assert disclosure.children == (head,)
        head.click()
        assert (head.icon, head.tooltip) == ("caret-down", opened)
        assert disclosure.children == (head, disclosure.body) and len(disclosure.body.children) > 0
        assert disclosure.body.layout.display is None
        head.click()
        assert (head.icon, head.tooltip) == ("caret-right", closed)
        assert not disclosure.unfolded and disclosure.body.layout.display == "none"
    assert lab.last_error is None
    lab.close()


def test_choosing_a_parameter_draws_one_figure_and_keeps_it():
    lab = panel()
    lab.tabs.open_tab("weights")
    assert lab.detail.figure is None
    lab.grid.selected = "0.weight"
    figure = lab.detail.figure
    assert lab.detail.heading.value == "0.weight: 8 × 3 × 3 × 3, 216 values, float32"
    assert lab.detail.explanation.text == "Kaiming by Rule 1: Normal(0, 0.1925)."
    assert sum(figure.data[0].y) == 216
    lab.grid.selected = "2.bias"
    assert lab.detail.figure is figure and sum(figure.data[0].y) == 4
    lab.grid.log_counts = True
    assert figure.layout.yaxis.type == "log"
    lab.toolbar.initialize.click()
    assert lab.detail.explanation.text == (
        "VarianceScaling by Rule 1, override: Constant(0). It wins over Rule 1."
    )
    assert ">expected<" in lab.detail.table.value and ">after<" in lab.detail.table.value
    lab.grid.selected = "gone"
    assert lab.detail.heading.value.startswith("2.bias: ")
    kinds = [type(part).__name__ for part in widgets(lab)]
    assert kinds.count("FigureWidget") == 1 and lab.last_error is None


def test_callbacks_work_in_a_thread_of_their_own():
    lab = panel()
    before = copy_state(lab.model)
    modes: list[object] = []

    def work() -> None:
        modes.append(torch.is_grad_enabled())
        lab.rules.presets.value = "trunc_normal"
        lab.toolbar.initialize.click()
        lab.grid.selected = "0.weight"
        modes.append(torch.is_grad_enabled())

    def run() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    state = torch.random.get_rng_state()
    with torch.no_grad():
        run()
    assert modes == [True, True] and lab.last_error is None and not lab.notice.text
    assert torch.equal(torch.random.get_rng_state(), state)
    assert lab.report is not None and lab.detail.figure is not None
    assert all(p.is_leaf and p.grad_fn is None for p in lab.model.parameters())
    lab.undo()
    assert same_state(lab.model, before)


def test_a_callback_waits_for_whoever_holds_the_model():
    lab = panel()
    thread = threading.Thread(target=lab.toolbar.initialize.click)
    with MODEL_LOCK:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive() and lab.report is None
    thread.join()
    assert lab.report is not None


def test_a_second_panel_closes_the_first():
    model = conv_net()
    first, other = panel(model=model), panel()
    first.apply()
    second = panel(model=model)
    assert first.comm is None and first.session.history.done == []
    assert other.comm is not None and second.comm is not None


def test_closing_leaves_nothing_open():
    before = set(w.widget._instances)
    lab = panel([{**KAIMING, "override": {"type": "Xavier", "name": "2"}}, ONE])
    lab.rules.presets.value = "xavier_uniform"
    lab.rules.add.click()
    lab.grid.selected = "0.weight"
    lab.close()
    assert set(w.widget._instances) <= before


def test_the_fallback_of_a_large_model_is_small():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(500)))
    html = panel([{**KAIMING, "layer": ["Linear"]}], model).fallback_html()
    assert len(html) < 10_000 and html.endswith("and 988 more</div>")


def test_the_page_gets_the_plan_where_it_has_no_widgets():
    lab = panel(name="a<b")
    bundle = lab._repr_mimebundle_()
    assert bundle["text/plain"] == "InitLab(a<b: 6 parameters)"
    assert bundle["text/html"].startswith(
        "<p>a&lt;b: Sequential, 6 parameters, 276 values</p>"
        "<p>This is a live panel: run its cell again to work with it. A cell that ends with its "
        "static() keeps the whole picture in the notebook.</p><table "
    )
    assert bundle["text/html"].count("<tr>") == 7 and "0.weight" in bundle["text/html"]
    assert (
        bundle["text/html"] == panel(name="a<b")._repr_mimebundle_()["text/html"]
    )  # other weights
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_names_from_outside_are_never_html():
    evil = "<img src=x onerror=alert(1)>"

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("part", nn.Linear(2, 2))
            self._parameters[evil] = nn.Parameter(torch.ones(2))

    lab = panel([{"type": evil, "layer": [evil], "override": {"name": evil}}], Odd(), name=evil)
    lab.plan_view.disclosure.unfolded = True
    lab.grid.selected = evil
    lab.rules.presets.value = KAIMING_PRESET
    lab.rules.cards[0].picker.other_class.value = evil
    assert lab.detail.heading.value.startswith(evil)  # a Label shows text only
    for part in widgets(lab):
        if isinstance(part, w.HTML):
            assert "<img" not in part.value


def test_a_model_that_carries_rules_opens_with_them():
    class Own(BaseModule):
        def __init__(self) -> None:
            super().__init__(init_cfg={"type": "Xavier", "layer": "Linear"})
            self.fc = nn.Linear(2, 2)

    assert panel(model=Own()).state.to_init_cfg() == [{"type": "Xavier", "layer": "Linear"}]


def test_an_empty_model_has_nothing_to_initialize():
    lab = panel(model=nn.ReLU())
    assert lab.plan_view.summary.text == (
        "The model has no parameters: there is nothing to initialize."
    )
    lab.toolbar.initialize.click()
    assert lab.last_error is None and repr(lab) == "InitLab(model: 0 parameters)"


def test_no_output_widget_is_used():
    for path in Path(lab_package.__file__).parent.glob("*.py"):
        assert "Output(" not in path.read_text("utf-8")


def test_an_exception_in_a_part_is_the_panels_too(monkeypatch):
    lab = panel()
    lab.rules.lines[0].click()
    monkeypatch.setattr(lab.rules.cards[0].picker, "on_change", lambda: 1 / 0)
    lab.rules.cards[0].picker.boxes["Linear"].value = False
    assert isinstance(lab.last_error, ZeroDivisionError)
    assert lab.rules.cards[0].picker.message == "ZeroDivisionError: division by zero"


def test_a_panel_costs_the_page_little(monkeypatch):
    sizes: list[int] = []

    class Counting(comm.base_comm.BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            sizes.append(len(json.dumps(data)) + sum(map(len, buffers or ())))

    monkeypatch.setattr(comm, "create_comm", lambda *args, **kwargs: Counting(*args, **kwargs))
    panel()
    assert len(sizes) < 160 and sum(sizes) < 150_000


def test_all_that_is_wrong_is_shown_at_once():
    lab = panel([{**KAIMING, "override": {"name": "head"}}, {"type": "Pretrained"}])
    lab.rules.seed.value = "1.5"
    assert lab.rules.errors == {
        "init_cfg[1].checkpoint": "needs a value.",
        "seed": "expected a whole number or nothing, got '1.5'.",
    }
    assert lab.plan_view.problems.text == (
        "Rule 2, checkpoint: needs a value.\nseed: expected a whole number or nothing, got '1.5'."
    )
    lab.rules.cards[1].initializer.form["checkpoint"].control.value = "w.pth"
    assert list(lab.rules.errors) == ["init_cfg[0].override.name", "seed"]
    lab.rules.seed.value = "1"
    assert lab.plan_view.problems.text == (
        "Rule 1, override, name: Sequential has no module 'head'. Known: 0, 1, 2."
    )


def test_the_figure_takes_the_width_of_the_page_once_it_is_there():
    lab = panel()
    lab.grid.selected = "0.weight"
    figure = lab.detail.figure
    assert not figure.layout.autosize
    figure._js2py_traceDeltas = {"trace_deltas": [], "trace_edit_id": 0}
    assert figure.layout.autosize and lab.last_error is None
    lab.grid.selected = "2.weight"
    assert figure.layout.autosize


def test_every_control_is_on_the_page():
    lab = panel([{**KAIMING, "override": {"type": "Constant", "val": 0, "name": "2"}}, ONE])
    on_the_page = widgets(lab)
    assert lab.tabs.section("signals").picture in on_the_page
    lab.select("0.weight")
    lab.rules.lines[0].click()
    card = lab.rules.cards[0]
    wanted = [
        lab.title, lab.notice, lab.plan_view.summary, lab.plan_view.problems, lab.plan_view.table,
        lab.toolbar.initialize, lab.toolbar.undo, lab.toolbar.copy, lab.toolbar.status,
        lab.rules.presets, lab.rules.add, lab.rules.seed, lab.grid, lab.detail.heading,
        lab.detail.table,
        lab.detail.figure, lab.detail.explanation, card.initializer.menu, card.initializer.body,
        card.add, card.picker.other_class, *card.picker.boxes.values(), card.overrides[0].name,
        card.overrides[0].initializer.form, *lab.rules.lines,
    ]  # fmt: skip
    assert {id(part) for part in wanted} <= {id(part) for part in widgets(lab)}


@pytest.mark.parametrize("name", ["model", "trainer.model"])
def test_what_is_no_longer_the_notebooks_model_is_not_written(name):
    model, other = conv_net(), conv_net()
    namespace: dict[str, object] = {"model": model, "trainer": SimpleNamespace(model=model)}
    lab = panel(model=model, name=name, namespace=namespace)
    lab.toolbar.initialize.click()
    before = copy_state(model), copy_state(other)
    namespace.update(model=other, trainer=SimpleNamespace(model=other))
    text = (
        f"`{name}` is another model now; this panel still shows the one before. Take the new one, "
        "or run the cell again."
    )
    for button in (lab.toolbar.initialize, lab.toolbar.undo):
        lab.toolbar.status.clear()
        button.click()
        assert lab.toolbar.status.text == text and not lab.notice.text
    for method in (lab.apply, lab.undo):
        with pytest.raises(ValueError) as caught:
            method()
        assert str(caught.value) == f"{name}: {text}"
    assert same_state(model, before[0]) and same_state(other, before[1])
    namespace.clear()  # a name for nothing: the panel still has its model
    lab.toolbar.undo.click()
    assert not same_state(model, before[0])


def test_an_edit_after_initialize_makes_the_laws_the_next_ones():
    lab = panel([KAIMING, ONE])
    lab.grid.selected = "0.weight"
    lab.toolbar.initialize.click()
    assert "next" not in cell(lab, "0.weight") and ">expected<" in lab.detail.table.value
    lab.rules.cards[0].initializer.menu.value = "Normal"
    assert lab.toolbar.status.text == ""
    assert cell(lab, "0.weight")["next"] and "next" not in cell(lab, "1.weight")
    assert ">next<" in lab.detail.table.value and ">expected<" not in lab.detail.table.value
    lab.toolbar.initialize.click()
    assert "next" not in cell(lab, "0.weight")
    lab.toolbar.undo.click()  # what is there now is the first one's, which the rules differ from
    assert cell(lab, "0.weight")["next"]
    lab.toolbar.undo.click()
    lab.rules.seed.value = "2"
    assert lab.toolbar.status.text == "" and "next" not in cell(lab, "0.weight")
    lab.toolbar.redo.click()
    lab.toolbar.redo.click()
    assert lab.toolbar.redo.disabled and lab.toolbar.redo.tooltip == "Nothing to redo."
    assert "next" not in cell(lab, "0.weight") and lab.last_error is None


def test_a_parameter_that_was_written_with_its_own_values_is_known():
    lab = panel([KAIMING, ONE])
    assert "same" not in cell(lab, "1.weight")
    lab.toolbar.initialize.click()
    assert cell(lab, "1.weight")["same"] and cell(lab, "1.weight")["status"] == "untouched"
    assert "same" not in cell(lab, "0.weight")
    lab.rules.presets.value = "xavier_uniform"
    assert cell(lab, "1.weight")["same"]
    lab.toolbar.undo.click()
    lab.toolbar.undo.click()
    assert "same" not in cell(lab, "1.weight")


def test_an_override_that_has_no_part_yet_changes_no_forecast():
    lab = panel([KAIMING, ONE])
    words = lab.plan_view.summary.text
    lab.rules.cards[0].add.click()
    assert lab.plan_view.summary.text == words and not lab.plan_view.problems.text
    assert not lab.toolbar.initialize.disabled and "override" not in lab.python()


def tied() -> nn.Module:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9))
    model[1].weight = model[0].weight
    return model


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def parametrised(parametrization) -> nn.Module:
    return nn.Sequential(parametrization(nn.Linear(4, 4)), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("model", "count", "left"),
    [
        (conv_net(), 6, 0),
        (tied(), 2, 0),
        (shared(), 2, 0),
        (parametrised(torch.nn.utils.parametrizations.weight_norm), 5, 0),
        (parametrised(torch.nn.utils.parametrizations.spectral_norm), 4, 0),
        (nn.Sequential(nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 4)), 5, 1),
    ],
)
def test_counts_agree_everywhere(model, count, left):
    lab = panel(model=model)
    assert len(list(model.parameters())) == count
    assert lab.title.value.split(", ")[1] == f"{count} parameters"
    more = f" and leave {left} as it is" if left else ""
    wanted = f"Initialize would write {count - left} of {count} parameters by a law{more}. "
    assert lab.plan_view.summary.text.startswith(wanted)
    assert lab.plan_view.problems.text == "" and lab.notice.text == lab.toolbar.status.text == ""
    lab.toolbar.initialize.click()
    more = f", {left} left as they were" if left else ""
    assert lab.toolbar.status.text == (
        f"Initialized with seed 0: {count - left} written by a law{more}."
    )
    lab.close()


@pytest.mark.parametrize(
    ("layer", "labels", "problem"),
    [
        (["Conv2d", "Conv3d"], ["Conv2d × 1", "Conv3d × 0"],
         "Rule 1, layer: Conv3d matches nothing in this model."),
        (["Conv3d"], ["Conv3d × 0"], "Rule 1, layer: Conv3d matches nothing. Did you mean "
         "'Conv2d'?"),
        (["0"], ["0 × 1"], ""),
        (["*"], ["* × 3"], ""),
        (["Conv2d:bias"], ["Conv2d:bias × 1"], ""),
        (["_ConvNd"], ["_ConvNd × 1"], ""),
    ],
)  # fmt: skip
def test_what_a_rule_names_is_counted_and_nothing_is_a_warning(layer, labels, problem):
    lab = panel({"type": "Normal", "layer": layer})
    boxes = lab.rules.cards[0].picker.boxes.values()
    assert [box.description for box in boxes if box.value] == labels
    assert lab.plan_view.problems.text == problem
    assert not lab.toolbar.initialize.disabled
    lab.close()


def test_one_pair_of_undo_and_redo_names_what_it_takes_back():
    lab = panel([KAIMING, ONE])
    undo, redo, before = lab.toolbar.undo, lab.toolbar.redo, copy_state(lab.model)
    lab.rules.seed.value = "4"
    assert undo.tooltip == "Undo: seed" and redo.disabled
    lab.toolbar.initialize.click()
    after = copy_state(lab.model)
    assert undo.tooltip == "Undo: Initialize"
    lab.rules.add.click()
    assert undo.tooltip == "Undo: add rule"
    undo.click()
    assert len(lab.rules.lines) == 2 and same_state(lab.model, after)
    assert (undo.tooltip, redo.tooltip) == ("Undo: Initialize", "Redo: add rule")
    undo.click()
    assert same_state(lab.model, before) and lab.rules.seed.value == "4"
    assert (undo.tooltip, redo.tooltip) == ("Undo: seed", "Redo: Initialize")
    undo.click()
    assert lab.rules.seed.value == "0" and undo.disabled
    assert undo.tooltip == "Nothing to undo yet."
    for _ in range(3):
        redo.click()
    assert redo.disabled and len(lab.rules.lines) == 3 and same_state(lab.model, after)
    assert lab.last_error is None


def test_taking_a_variant_is_an_edit_that_can_be_undone():
    lab = panel([KAIMING])
    lab.variants.keep.click()
    lab.rules.seed.value = "4"
    lab.variants.apply_buttons["A"].click()
    assert lab.rules.seed.value == "0" and lab.toolbar.undo.tooltip == "Undo: Take the rules of A"
    lab.toolbar.undo.click()
    assert lab.rules.seed.value == "4"
