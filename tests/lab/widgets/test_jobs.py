from __future__ import annotations

import threading

import pytest

from brickbook.lab.widgets import jobs
from brickbook.lab.widgets.jobs import Worker


def work(count: int, gate: threading.Event | None = None):
    def task(go_on):
        for step in range(count):
            if not go_on(step, count):
                return None
            if gate is not None:
                gate.wait(5)
        return "done"

    return task


def test_the_result_arrives():
    told, heard = [], []
    found = Worker(lambda done, total: told.append((done, total)))
    found.start(work(3), lambda *result: heard.append(result))
    found.wait(5)
    assert heard == [("done", None)] and told[0] == (0, 3) and not found.busy


def test_an_exception_arrives():
    heard = []
    found = Worker(lambda done, total: None)
    found.start(lambda go_on: 1 / 0, lambda *result: heard.append(result))
    found.wait(5)
    assert heard[0][0] is None and isinstance(heard[0][1], ZeroDivisionError)


def test_what_is_no_exception_arrives_as_one():
    def leaves(go_on):
        raise SystemExit(3)

    heard = []
    found = Worker(lambda done, total: None)
    found.start(leaves, lambda *result: heard.append(result))
    found.wait(5)
    [(result, error)] = heard
    assert result is None and str(error) == "SystemExit was raised: 3"
    assert isinstance(error.__cause__, SystemExit)


def test_what_is_cancelled_is_heard_of_no_more():
    heard, gate = [], threading.Event()
    found = Worker(lambda done, total: None)
    found.start(work(1000, gate), lambda *result: heard.append(result))
    assert found.busy
    found.cancel()
    assert not found.busy
    gate.set()
    found.wait(5)
    assert heard == []


def test_a_new_task_stops_the_old_one():
    heard, gate = [], threading.Event()
    found = Worker(lambda done, total: None)
    found.start(work(1000, gate), lambda *result: heard.append("old"))
    old = found.thread
    found.start(work(1), lambda *result: heard.append("new"))
    gate.set()
    found.wait(5)
    old.join(5)
    assert heard == ["new"]


@pytest.mark.parametrize("pause, least", [(0.0, 1000), (1000.0, 1)])
def test_progress_is_told_at_most_so_often(monkeypatch, pause, least):
    monkeypatch.setattr(jobs, "REPORT_INTERVAL", pause)
    told = []
    found = Worker(lambda done, total: told.append(done))
    found.start(work(1000), lambda *result: None)
    found.wait(5)
    assert len(told) == least


def test_who_cancels_under_the_lock_hears_nothing_afterwards():
    heard, ready, lock = [], threading.Event(), threading.RLock()
    found = Worker(lambda done, total: None, lock)
    with lock:
        found.start(lambda go_on: ready.set(), lambda *result: heard.append(result))
        assert ready.wait(5)
        found.thread.join(0.05)  # it has its result, and waits
        found.cancel()
    found.wait(5)
    assert heard == []


def test_who_waits_while_a_task_is_started_waits_for_it(monkeypatch):
    heard, chosen, start = [], threading.Event(), threading.Thread.start

    def slowly(thread):
        if thread.name == "brickbook-worker":
            chosen.set()
            threading.Event().wait(0.05)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    found = Worker(lambda done, total: None)
    threading.Thread(target=found.start, args=(work(1), lambda *result: heard.append(1))).start()
    assert chosen.wait(5)
    found.wait(5)
    assert heard == [1]
