"""The init lab beside other code that writes the same weights."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from lab_support import copy_state, same_state
from torch import nn

from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.lab import InitLab
from brickbook.lab.init.session import InitSession
from brickbook.lab.init.state import RuleSet
from brickbook.lab.init.weight_undo import StaleWeightsError
from brickbook.live_panels import MODEL_LOCK, live_model_panel, refresh_live_panels

RULES = [{"type": "Normal", "std": 1.0, "layer": ["Linear"]}]
SMALL = {"type": "Normal", "std": 0.01, "layer": ["Linear"]}


def net() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Linear(30, 2))


def status(lab: InitLab, name: str) -> str:
    [found] = [cell for cell in lab.grid.meta["cells"] if cell["name"] == name]
    return found.get("status", "untouched")


@pytest.fixture
def lab():
    made = InitLab(net(), name="net", init_cfg=RULES, seed=0)
    yield made
    assert made.last_error is None
    made.close()


def run_line(lab: InitLab, line: str, cell: str | None = None):
    return run(
        NotebookFrontend({"net": lab.model, "small": SMALL}, has_widgets=True), line.split(), cell
    )


def test_refresh_shows_what_initialize_has_done(lab):
    initialize(lab.model, SMALL, seed=0)
    rev = lab.grid.rev
    lab.refresh()
    assert lab.grid.rev > rev and status(lab, "0.weight") == "changed"
    assert lab.comparison["0.weight"].after.std == pytest.approx(0.01, rel=0.1)
    assert lab.toolbar.status.text == (
        "4 tensors were changed by something else than this panel: 0.weight, 0.bias, 2.weight, …."
    )
    assert lab.toolbar.undo.disabled and lab.report is None  # there are no copies
    lab.refresh()
    assert lab.toolbar.status.text == ""


def test_an_edit_of_the_rules_notices_too(lab):
    lab.toolbar.initialize.click()
    with torch.no_grad():
        lab.model[0].bias.fill_(3)
    lab.rules.presets.value = "kaiming_fan_in"
    assert lab.report is None  # it is about values that are not there any more
    assert lab.toolbar.status.text == (
        "1 tensor was changed by something else than this panel: 0.bias."
    )
    assert status(lab, "0.bias") == "changed" and status(lab, "0.weight") == "untouched"


def test_buffers_of_a_forward_pass_change_without_a_message(lab):
    lab.toolbar.initialize.click()
    lab.model(torch.randn(8, 20))
    refresh_live_panels()
    assert lab.comparison["1.running_mean"].after.std > 0
    assert lab.report is not None and lab.toolbar.status.text.startswith("Initialized with seed 0")
    assert status(lab, "0.weight") == "changed"
    before = copy_state(lab.model)
    lab.toolbar.undo.click()
    assert lab.report is None and torch.equal(lab.model[1].running_mean, before["1.running_mean"])


@pytest.mark.parametrize("cell", [None, "dict(type='Normal', std=0.01, layer='Linear')"])
def test_the_verb_init_is_shown_and_undone(lab, cell):
    before = copy_state(lab.model)
    other = net()
    report = run_line(lab, "init net --seed 3" + ("" if cell else " --cfg small"), cell)
    initialize(other, SMALL, seed=3)
    assert same_state(lab.model, other.state_dict()) and report is lab.report
    assert (
        lab.toolbar.status.text
        == "Initialized with seed 3: 4 written by a law, 2 left as they were."
    )
    assert status(lab, "0.weight") == "changed" and not lab.toolbar.undo.disabled
    assert lab.state.to_init_cfg() == RULES  # its own rules stay
    lab.toolbar.undo.click()
    assert same_state(lab.model, before) and lab.toolbar.undo.disabled
    lab.toolbar.redo.click()
    assert same_state(lab.model, other.state_dict()) and lab.report is report


def test_the_verb_warns_as_ever(lab):
    with pytest.warns(UserWarning, match="Linaer matches nothing"):
        run_line(lab, "init net --init Normal --layer Linaer,Linear")


def test_the_verb_for_a_part_is_noticed(lab):
    run_line(lab, "init net.2 --init Ones --layer Linear")
    assert status(lab, "2.weight") == "changed" and status(lab, "0.weight") == "untouched"
    assert lab.toolbar.status.text.startswith("2 tensors were changed by something else")


def test_a_dry_run_and_a_failure_change_nothing(lab):
    before, rev = copy_state(lab.model), lab.grid.rev
    run_line(lab, "init net --cfg small --dry-run")
    with pytest.raises(ConfigError):
        run_line(lab, "init net --init Kaimin --layer Linear")
    assert same_state(lab.model, before) and lab.grid.rev == rev


def test_a_closed_panel_is_asked_nothing(lab):
    lab.close()
    assert live_model_panel(lab.model) is None
    run_line(lab, "init net --cfg small")
    assert lab.model[0].weight.std() < 0.02


def test_a_panel_closes_those_of_a_model_that_had_its_name_before():
    first, second = net(), net()
    namespace: dict[str, Any] = {"net": first, "kept": first, "head": net()}
    shown = [run(NotebookFrontend(namespace, has_widgets=True), ["show", "net"], None)]
    shown += [InitLab(namespace["head"], name="head", namespace=namespace)]
    shown += [InitLab(net(), name="net")]  # of no notebook: its name means nothing here
    shown[0].diagnosis.disclosure.unfolded = True
    namespace["net"] = second
    again = run(NotebookFrontend(namespace, has_widgets=True), ["show", "net"], None)
    assert [panel.comm is None for panel in (*shown, again)] == [True, False, False, False]
    assert live_model_panel(first) is None
    for panel in (*shown, again):
        assert panel.last_error is None
        panel.close()


def test_undo_over_what_others_wrote_asks_first(lab):
    first = copy_state(lab.model)
    lab.toolbar.initialize.click()
    with torch.no_grad():
        lab.model[2].weight.mul_(2)
    theirs = copy_state(lab.model)
    lab.toolbar.undo.click()
    assert same_state(lab.model, theirs) and status(lab, "2.weight") == "changed"
    assert lab.toolbar.status.text == (
        "1 tensor was changed since by something else: 2.weight. Press Undo again to write over it."
    )
    lab.toolbar.undo.click()
    assert same_state(lab.model, first)
    assert lab.toolbar.status.text == "Undone: the weights are what they were before."
    lab.toolbar.redo.click()
    assert same_state(lab.model, theirs)  # nothing is lost


def test_another_change_between_two_presses_asks_again(lab):
    lab.toolbar.initialize.click()
    for value in (2.0, 3.0):
        with torch.no_grad():
            lab.model[2].weight.fill_(value)
        theirs = copy_state(lab.model)
        lab.toolbar.undo.click()
        assert same_state(lab.model, theirs) and "Press Undo again" in lab.toolbar.status.text
    lab.toolbar.undo.click()
    assert not same_state(lab.model, theirs)


def test_another_button_between_two_presses_asks_again(lab):
    lab.toolbar.initialize.click()
    lab.toolbar.initialize.click()
    lab.toolbar.undo.click()
    with torch.no_grad():
        lab.model[2].weight.fill_(2)
    theirs = copy_state(lab.model)
    for button, name in (
        (lab.toolbar.undo, "Undo"),
        (lab.toolbar.redo, "Redo"),
        (lab.toolbar.undo, "Undo"),
    ):
        button.click()
        assert same_state(lab.model, theirs) and f"Press {name} again" in lab.toolbar.status.text


def test_the_methods_raise_and_go_on_anyway(lab):
    first = copy_state(lab.model)
    lab.apply()
    with torch.no_grad():
        lab.model[2].weight.zero_()
    with pytest.raises(StaleWeightsError) as caught:
        lab.undo()
    assert str(caught.value) == (
        "undo: 1 tensor was changed since by something else: 2.weight. "
        "Pass anyway=True to write over that."
    )
    lab.undo(anyway=True)
    assert same_state(lab.model, first)
    initialize(lab.model, SMALL, seed=0)
    with pytest.raises(StaleWeightsError) as caught:
        lab.redo()
    assert str(caught.value).startswith("redo: 4 tensors were changed since by something else: ")


def test_the_panels_own_steps_are_no_change(lab):
    for _ in range(3):
        lab.toolbar.initialize.click()
    for button in [lab.toolbar.undo] * 3 + [lab.toolbar.redo] * 3 + [lab.toolbar.undo] * 2:
        button.click()
        assert lab.toolbar.status.text.startswith(("Undone", "Done again"))


def test_what_was_not_written_may_change(lab):
    lab.toolbar.initialize.click()
    lab.model(torch.randn(8, 20))
    with torch.no_grad():
        lab.model[1].weight.fill_(5)
    lab.toolbar.undo.click()
    assert lab.toolbar.status.text == "Undone: the weights are what they were before."
    assert lab.model.get_parameter("1.weight").eq(5).all()


def test_a_model_that_has_grown_is_shown(lab):
    lab.model.append(nn.Linear(2, 2))
    refresh_live_panels()
    assert lab.title.value == "net: Sequential, 8 parameters, 758 values"
    assert status(lab, "3.weight") and lab.plan is not None and "3.weight" in lab.plan


def test_a_large_model_is_noticed_by_its_writes():
    session = InitSession(net(), exact_up_to=10)
    session.apply(RuleSet.from_cfg(RULES, 0))
    session.apply(RuleSet.from_cfg(RULES, 1))
    assert session.look_again() == ()
    with torch.no_grad():
        session.model.get_parameter("0.bias").add_(0)
    assert session.look_again() == ("0.bias",)
    session.undo()
    session.undo()


def test_while_a_batch_runs_no_weights_are_read(lab):
    with torch.no_grad():
        lab.model[0].bias.fill_(3)
    running, done = threading.Event(), threading.Event()

    def run_a_batch() -> None:
        with MODEL_LOCK:
            running.set()
            done.wait(20)

    thread = threading.Thread(target=run_a_batch)
    thread.start()
    assert running.wait(20)
    lab.rules.presets.value = "kaiming_fan_in"  # does not wait
    assert lab.toolbar.status.text == ""
    done.set()
    thread.join()
    lab.refresh()
    assert "0.bias" in lab.toolbar.status.text


def test_variants_follow_what_others_do(lab):
    lab.variants.keep.click()
    lab.toolbar.initialize.click()
    assert not lab.variants.previews["A"].comparison["0.weight"].changed
    initialize(lab.model, SMALL, seed=0)
    refresh_live_panels()
    assert lab.variants.previews["A"].comparison["0.weight"].changed


def test_a_file_is_written_from_the_panel(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab.toolbar.initialize.click()
    lab.toolbar.export.click()
    assert lab.toolbar.exports is not None
    assert lab.toolbar.children[-1] is lab.toolbar.exports
    lab.toolbar.exports.buttons["html"].click()
    lab.toolbar.exports.progress.worker.wait(20)
    text = (tmp_path / "net_init.html").read_text()
    assert "net: Sequential, 6 parameters, 752 values" in text and "0.weight" in text
