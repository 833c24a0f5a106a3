from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from brickbook.lab import InitLab
from brickbook.lab.init.verdict import findings_html
from brickbook.live_panels import MODEL_LOCK, PANEL_LOCK

SMALL = [{"type": "Normal", "std": 0.01, "layer": ["Linear"]}]


def net() -> nn.Module:
    return nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(32, 32), nn.ReLU())))


def open_it(lab: InitLab) -> None:
    lab.diagnosis.disclosure.unfolded = True
    wait_for(lab)


def run(lab: InitLab, shape: str | None = None) -> None:
    if shape is not None:
        lab.diagnosis.shape.value = shape
    lab.diagnosis.run.click()
    wait_for(lab)


def wait_for(lab: InitLab) -> None:
    lab.diagnosis.progress.worker.wait(20)
    lab.runs.progress.worker.wait(20)
    lab.diagnosis.progress.worker.wait(20)
    assert not lab.diagnosis.batch_running


def test_it_looks_only_when_it_is_open():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    found = lab.diagnosis
    assert found.findings == () and found.disclosure.children == (found.disclosure.header,)
    open_it(lab)
    assert [item.rule for item in found.findings] == ["gain"]
    assert found.title == "Diagnosis: 1 found"
    assert "<summary" in found.words.value and found.findings[0].about.title in found.words.value
    lab.rules.presets.value = "kaiming_fan_in"
    wait_for(lab)
    assert found.findings == () and "Nothing was found that" in found.words.value
    assert found.title == "Diagnosis: nothing found"
    lab.close()


def test_a_batch_shows_what_vanishes_and_leaves_the_model():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    lab.toolbar.initialize.click()
    before = {name: value.clone() for name, value in lab.model.state_dict().items()}
    open_it(lab)
    run(lab, "64, 32")
    assert "depth" in {item.rule for item in lab.diagnosis.findings}
    assert lab.tabs.section("signals").picture.svg.startswith("<svg")
    assert all(torch.equal(v, before[k]) for k, v in lab.model.state_dict().items())
    lab.rules.presets.value = "kaiming_fan_in"
    lab.toolbar.initialize.click()
    wait_for(lab)
    assert lab.diagnosis.signals is None
    lab.close()


def test_a_batch_that_does_not_fit_is_refused():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    open_it(lab)
    for text, message in (
        ("3, 8", "0: Linear got (3, 8): mat1 and mat2 shapes cannot be multiplied (3x8 and 32x32). "
         "(kept in last_error)"),
        ("3, x", "expected whole numbers such as 3, 32, 32, got '3, x'."),
        ("many", "there is no variable 'many'. No variable holds a batch yet."),
    ):  # fmt: skip
        run(lab, text)
        assert lab.diagnosis.message == message
    assert lab.diagnosis.signals is None
    lab.close()


def test_a_given_batch_is_used():
    lab = InitLab(net(), init_cfg=SMALL, seed=0, batch=torch.randn(8, 32))
    open_it(lab)
    assert lab.diagnosis.shape.placeholder == "given: 8 × 32"
    run(lab)
    assert lab.diagnosis.signals is not None and lab.last_error is None
    lab.close()


def test_a_batch_is_found_by_its_name():
    names = {"x": torch.randn(8, 32), "n": 3, "_y": torch.randn(8, 32)}
    lab = InitLab(net(), init_cfg=SMALL, seed=0, namespace=names)
    open_it(lab)
    assert lab.diagnosis.shape.options == ("x",)
    run(lab, "x")
    assert lab.diagnosis.signals is not None and lab.diagnosis.signals.source == "given"
    for text, message in (
        ("n", "n holds no tensor: it is of the type int."),
        ("X", "there is no variable 'X'. Did you mean 'x'?"),
    ):
        run(lab, text)
        assert lab.diagnosis.message == message
    assert lab.last_error is None
    lab.close()


def test_an_empty_field_is_the_shape_that_fits():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    open_it(lab)
    assert lab.diagnosis.shape.placeholder == "64, 32"
    run(lab)
    assert lab.diagnosis.signals is not None
    assert lab.diagnosis.signals.input == ((64, 32),) and lab.last_error is None
    lab.close()


def test_a_shape_can_be_given_with_the_panel():
    lab = InitLab(net(), init_cfg=SMALL, seed=0, input_shape=(32,))
    open_it(lab)
    assert lab.diagnosis.shape.value == "16, 32"
    lab.close()


class Gate(nn.Module):
    """A layer that waits, and may fail."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.reached, self.opened, self.error = threading.Event(), threading.Event(), error

    def forward(self, given):
        self.reached.set()
        assert self.opened.wait(20)
        if self.error is not None:
            raise self.error
        return given

    def __deepcopy__(self, memo):
        made = Gate()  # locks cannot be copied; and a copy, which is run to see what it does,
        made.opened.set()  # has nobody to open it
        return made


def gated(error: BaseException | None = None) -> tuple[InitLab, Gate]:
    gate = Gate(error)
    model = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), gate, nn.Linear(32, 32))
    lab = InitLab(model, init_cfg=SMALL, seed=0)
    open_it(lab)
    lab.diagnosis.run.click()
    assert gate.reached.wait(20) and lab.diagnosis.batch_running
    return lab, gate


def test_the_panel_lives_while_a_batch_runs():
    lab, gate = gated()
    line = lab.diagnosis.progress
    assert line.children == (line.line,)
    assert line.label.value == "Running the batch forward and back …"
    lab.grid.selected = "0.weight"  # needs the panel, not the model
    lab.rules.presets.value = "kaiming_fan_in"
    assert lab.plan is not None and lab.detail.figure is not None
    assert lab.diagnosis.batch_running
    gate.opened.set()
    wait_for(lab)
    assert lab.diagnosis.signals is not None and line.children == ()
    assert lab.last_error is None
    lab.close()


def test_cancel_stops_after_the_layer_that_runs():
    lab, gate = gated()
    before = {name: value.clone() for name, value in lab.model.state_dict().items()}
    ran = []
    lab.model.get_submodule("3").register_forward_hook(lambda *_: ran.append(1))
    line = lab.diagnosis.progress
    line.cancel.click()
    assert lab.diagnosis.message == "Stopped: nothing is known of this batch."
    assert line.children == ()
    gate.opened.set()
    wait_for(lab)
    assert ran == [] and lab.diagnosis.signals is None and lab.last_error is None
    with MODEL_LOCK:  # it is free, and the model as it was
        after = lab.model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items() if name[0] != "1")
    assert after["1.running_mean"].eq(0).all() and after["1.num_batches_tracked"] == 0
    run(lab)
    assert lab.diagnosis.signals is not None and ran == [1]
    lab.close()


PRESSES = {
    "initialize": lambda lab: lab.toolbar.initialize.click(),
    "keep": lambda lab: lab.variants.keep.click(),
    "close": lambda lab: lab.close(),
    "open another": lambda lab: InitLab(lab.model, init_cfg=SMALL).close(),
}


@pytest.mark.parametrize("press", PRESSES)
def test_who_needs_the_model_stops_the_batch(press):
    lab, gate = gated()
    worker = lab.diagnosis.progress.worker
    thread = threading.Thread(target=PRESSES[press], args=[lab])
    thread.start()
    while not worker.cancelled.wait(0.01):
        assert thread.is_alive()
    gate.opened.set()
    thread.join(20)
    worker.wait(20)
    assert not thread.is_alive() and lab.diagnosis.signals is None and lab.last_error is None
    assert (lab.report is not None) == (press == "initialize")
    assert list(lab.variants.previews) == (["A"] if press == "keep" else [])
    lab.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("not today"), "2: Gate got (64, 32): not today. (kept in last_error)"),
        (SystemExit(3), "RuntimeError: SystemExit was raised: 3 (kept in last_error)"),
    ],
)
def test_an_exception_in_a_layer_is_shown_and_kept(error, message):
    lab, gate = gated(error)
    gate.opened.set()
    wait_for(lab)
    assert lab.diagnosis.message == message
    assert lab.last_error is not None and lab.last_error.__cause__ is error
    assert [item.rule for item in lab.diagnosis.findings] == ["hidden"]  # a norm follows
    gate.error = None
    run(lab)
    assert lab.diagnosis.signals is not None and lab.diagnosis.message == ""
    lab.close()


def test_a_long_look_shows_how_to_stop_it(monkeypatch):
    monkeypatch.setattr("brickbook.lab.init.diagnosis.CANCEL_DELAY", 1e-9)
    monkeypatch.setattr("brickbook.lab.widgets.jobs.REPORT_INTERVAL", 0.0)
    gate, reached = threading.Event(), threading.Event()

    def diagnose(model, **_):
        _ = model[0].weight + 1
        reached.set()
        gate.wait(20)
        return model[0].weight + 1  # stopped here

    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    monkeypatch.setattr("brickbook.lab.init.diagnosis.diagnose", diagnose)
    lab.diagnosis.disclosure.unfolded = True
    assert reached.wait(20)
    line = lab.diagnosis.progress
    assert line.label.value == "Looking at all weights …" and line.children == (line.line,)
    assert lab.diagnosis.title == "Diagnosis: looking …"
    line.cancel.click()
    gate.set()
    wait_for(lab)
    assert lab.diagnosis.message == "Stopped: not all weights were looked at."
    assert line.children == ()
    assert lab.diagnosis.title == "Diagnosis" and lab.diagnosis.words.value == ""
    assert lab.last_error is None
    lab.close()


def test_a_failure_while_looking_is_shown(monkeypatch):
    def diagnose(model, **_):
        raise MemoryError("no room")

    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    monkeypatch.setattr("brickbook.lab.init.diagnosis.diagnose", diagnose)
    open_it(lab)
    assert lab.diagnosis.message == "MemoryError: no room"
    assert isinstance(lab.last_error, MemoryError) and lab.diagnosis.title == "Diagnosis"
    lab.close()


def test_the_locks_are_free_afterwards():
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    open_it(lab)
    run(lab)
    taken = []

    def acquire() -> None:
        for lock in (PANEL_LOCK, MODEL_LOCK):
            taken.append(lock.acquire(timeout=5))
            lock.release()

    thread = threading.Thread(target=acquire)
    thread.start()
    thread.join(20)
    assert taken == [True, True]
    lab.close()


def test_names_are_text():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model.add_module("<img src=x>", nn.Linear(4, 4))
    lab = InitLab(model, init_cfg=[{"type": "Zeros", "layer": ["Linear"]}], seed=0)
    open_it(lab)
    assert lab.diagnosis.findings and "<img" not in findings_html(lab.diagnosis.findings, lab.texts)
    lab.close()


def test_static_and_export(tmp_path):
    lab = InitLab(net(), init_cfg=SMALL, seed=0)
    lab.toolbar.initialize.click()
    assert "0.weight" in lab.static()._repr_html_()
    assert lab.export(tmp_path / "lab.csv").read_text().startswith("name,")
    lab.close()


def test_the_loss_at_the_start_stands_beside_that_of_guessing():
    model = nn.Sequential(nn.Linear(32, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 10))
    lab = InitLab(model)
    lab.toolbar.initialize.click()
    open_it(lab)
    assert "start at a loss" not in lab.diagnosis.words.value
    run(lab)
    words = "the outputs start at a loss of 2.30; that of a model that prefers no class is ln(10) ="
    assert f"<div>Read as logits of 10 classes, {words} 2.30.</div>" in lab.diagnosis.words.value
    title = "nothing found in weights and signals; start loss 2.30, chance 2.30"
    assert lab.diagnosis.title == title
    lab.rules.presets.value = "normal_large"
    lab.toolbar.initialize.click()
    run(lab)
    assert {item.rule for item in lab.diagnosis.findings} == {"loss"}
    lab.close()
