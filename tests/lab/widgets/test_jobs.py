from __future__ import annotations

import threading

import pytest

from brickbook.lab.widgets import jobs
from brickbook.lab.widgets.jobs import Worker


def work(count: int, gate: threading.Event | None = None):
    def task(report_progress):
        for step in range(count):
            if not report_progress(step, count):
                return None
            if gate is not None:
                gate.wait(5)
        return "done"

    return task


def test_the_result_arrives():
    messages, received = [], []
    found = Worker(lambda done, total: messages.append((done, total)))
    found.start(work(3), lambda *result: received.append(result))
    found.wait(5)
    assert received == [("done", None)] and messages[0] == (0, 3) and not found.busy


def test_an_exception_arrives():
    received = []
    found = Worker(lambda done, total: None)
    found.start(lambda report_progress: 1 / 0, lambda *result: received.append(result))
    found.wait(5)
    assert received[0][0] is None and isinstance(received[0][1], ZeroDivisionError)


def test_what_is_no_exception_arrives_as_one():
    def leaves(report_progress):
        raise SystemExit(3)

    received = []
    found = Worker(lambda done, total: None)
    found.start(leaves, lambda *result: received.append(result))
    found.wait(5)
    [(result, error)] = received
    assert result is None and str(error) == "SystemExit was raised: 3"
    assert isinstance(error.__cause__, SystemExit)


def test_what_is_cancelled_is_heard_of_no_more():
    received, gate = [], threading.Event()
    found = Worker(lambda done, total: None)
    found.start(work(1000, gate), lambda *result: received.append(result))
    assert found.busy
    found.cancel()
    assert not found.busy
    gate.set()
    found.wait(5)
    assert received == []


def test_a_new_task_stops_the_old_one():
    received, gate = [], threading.Event()
    found = Worker(lambda done, total: None)
    found.start(work(1000, gate), lambda *result: received.append("old"))
    old = found.thread
    found.start(work(1), lambda *result: received.append("new"))
    gate.set()
    found.wait(5)
    old.join(5)
    assert received == ["new"]


@pytest.mark.parametrize("pause, least", [(0.0, 1000), (1000.0, 1)])
def test_progress_is_told_at_most_so_often(monkeypatch, pause, least):
    monkeypatch.setattr(jobs, "REPORT_INTERVAL", pause)
    messages = []
    found = Worker(lambda done, total: messages.append(done))
    found.start(work(1000), lambda *result: None)
    found.wait(5)
    assert len(messages) == least


def test_who_cancels_under_the_lock_hears_nothing_afterwards():
    received, ready, lock = [], threading.Event(), threading.RLock()
    found = Worker(lambda done, total: None, lock)
    with lock:
        found.start(lambda report_progress: ready.set(), lambda *result: received.append(result))
        assert ready.wait(5)
        found.thread.join(0.05)  # it has its result, and waits
        found.cancel()
    found.wait(5)
    assert received == []


def test_who_waits_while_a_task_is_started_waits_for_it(monkeypatch):
    received, chosen, start = [], threading.Event(), threading.Thread.start

    def slowly(thread):
        if thread.name == "brickbook-worker":
            chosen.set()
            threading.Event().wait(0.05)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    found = Worker(lambda done, total: None)
    threading.Thread(target=found.start, args=(work(1), lambda *result: received.append(1))).start()
    assert chosen.wait(5)
    found.wait(5)
    assert received == [1]
