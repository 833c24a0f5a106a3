from __future__ import annotations

import threading

import ipywidgets as w
import torch
from torch import nn

from brickbook.lab import InitLab
from brickbook.lab.init.session import InitSession
from brickbook.lab.init.state import RuleSet
from brickbook.measure.snapshot import snapshot

RULES = [{"type": "Kaiming", "layer": ["Linear"]}]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(500, 400), nn.LayerNorm(400))


def test_a_session_shows_a_sample_until_all_is_counted():
    session = InitSession(net(), exact_up_to=1000)
    assert session.sampled and session.comparison["0.weight"].latest.count < 200_000
    session.apply(RuleSet.from_cfg(RULES, 0))
    before = session.comparison["0.weight"].before
    counted = session.count_exact(lambda done, total: True)
    session.adopt_exact(counted)
    assert not session.sampled and counted == snapshot(session.model)
    pair = session.comparison["0.weight"]
    assert pair.after == counted["0.weight"] and pair.before == before and pair.changed
    assert session.comparison["1.weight"].before == counted["1.weight"]
    assert session.comparison.changed == ("0.weight", "0.bias")
    session.undo()
    assert session.sampled


def test_the_lab_counts_beside_and_shows_the_exact_numbers():
    lab = InitLab(net(), init_cfg=RULES, exact_up_to=1000)
    lab.counting.worker.wait(10)
    assert not lab.session.sampled and lab.counting.children == ()
    lab.toolbar.initialize.click()
    lab.counting.worker.wait(10)
    assert lab.comparison["0.weight"].after == snapshot(lab.model)["0.weight"]
    assert lab.last_error is None
    lab.close()


def test_cancel_keeps_the_sample(monkeypatch):
    gate = threading.Event()
    real = InitSession.count_exact

    def slow(self, report_progress):
        gate.wait(10)
        return real(self, report_progress)

    monkeypatch.setattr(InitSession, "count_exact", slow)
    lab = InitLab(net(), init_cfg=RULES, exact_up_to=1000)
    assert lab.counting.label.value == (
        "Shown is a sample: at most 65,536 values of every tensor. Counting all of them …"
    )
    lab.counting.cancel.click()
    gate.set()
    lab.counting.worker.wait(10)
    assert lab.session.sampled and lab.last_error is None
    assert lab.counting.label.value == ("Shown is a sample: at most 65,536 values of every tensor.")
    assert lab.counting.cancel.layout.display == "none"
    lab.toolbar.initialize.click()  # counts anew
    lab.counting.worker.wait(10)
    assert not lab.session.sampled
    lab.close()


def test_a_failure_while_counting_is_shown_and_the_panel_lives_on(monkeypatch):
    def fails(self, report_progress):
        raise MemoryError("no room")

    monkeypatch.setattr(InitSession, "count_exact", fails)
    lab = InitLab(net(), init_cfg=RULES, exact_up_to=1000)
    lab.counting.worker.wait(10)
    assert lab.counting.message == "MemoryError: no room"
    assert isinstance(lab.last_error, MemoryError)
    monkeypatch.undo()
    with torch.no_grad():
        lab.toolbar.undo.click()
    lab.toolbar.initialize.click()
    lab.counting.worker.wait(10)
    assert not lab.session.sampled
    lab.close()


def test_counting_goes_on_after_a_failure(monkeypatch):
    gate = threading.Event()
    real = InitSession.count_exact
    monkeypatch.setattr(InitSession, "count_exact", lambda *args: (gate.wait(10), real(*args))[1])
    lab = InitLab(net(), init_cfg=RULES, exact_up_to=1000)
    lab.toolbar.undo.disabled = False
    lab.toolbar.undo.click()
    assert lab.notice.text == "BadValueError: undo: Nothing to undo yet."
    gate.set()
    lab.counting.worker.wait(10)
    assert not lab.session.sampled
    lab.close()


def test_closing_closes_what_counting_has_shown():
    before = set(w.widget._instances)
    lab = InitLab(net(), init_cfg=RULES, exact_up_to=1000)
    lab.counting.worker.wait(10)
    assert lab.counting.children == ()
    lab.close()
    assert set(w.widget._instances) <= before
