"""Races in worker processes: the same bits, and what a worker that dies or cannot read costs."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
import torch
from race_support import (
    Deadly,
    ForbidsReading,
    Noisy,
    fail,
    make_deadly,
    mlp,
    no_update,
    samples,
)

from brickbook.errors import BadValueError
from brickbook.measure.race import race

KAIMING = {"type": "Kaiming", "layer": "Linear"}
ADAM = partial(torch.optim.Adam, lr=0.01)
HUGE = {"type": "Normal", "std": 1e37, "layer": "Linear"}
FORKS = pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked here")


def go(executor: Executor | None, model_fn=Noisy, inits=None, **options):
    options = {"steps": 8, "seeds": 2, "optimizer": ADAM, "batch_size": 16, "threads": 1} | options
    inits = {"kaiming": KAIMING, "huge": HUGE, "built": None} if inits is None else inits
    return race(model_fn, inits, samples(), executor=executor, **options)


@pytest.mark.processes
@pytest.mark.parametrize("kind", [pytest.param("fork", marks=FORKS), "spawn"])
def test_runs_in_processes_have_the_bits_of_runs_here(kind):
    told = []
    with ProcessPoolExecutor(1 + (kind == "fork"), get_context(kind)) as pool:
        found = go(pool, progress=lambda part, share: told.append((len(part.runs), share)),
                   signals_at=(0,))  # fmt: skip
    assert found == go(None, signals_at=(0,))
    assert told == [(count, count / 6) for count in sorted({count for count, _ in told})]
    assert {run.status for run in found.runs} == {"finished", "diverged"}


@FORKS
@pytest.mark.processes
def test_a_forked_process_has_one_thread_and_it_is_said():
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        found = go(pool, inits={"a": None}, threads=2, seeds=1)
    assert found.notes == ("Torch had one thread: more hang in a process that was forked.",)
    assert found.runs[0].threads == 1


def test_runs_in_threads_take_turns_and_have_the_same_bits():
    with ThreadPoolExecutor(4) as pool:
        assert go(pool) == go(None)


@FORKS
@pytest.mark.processes
def test_a_worker_that_is_killed_costs_its_run_only_and_is_reported():
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        found = go(pool, Deadly, {"a": KAIMING, "deadly": make_deadly, "b": None},
                   optimizer=no_update)  # fmt: skip
    lost = [run for run in found.runs if run.status == "lost"]
    assert [run.label for run in lost] == ["deadly, seed 0", "deadly, seed 1"]
    assert {run.status for run in found.runs if run not in lost} == {"finished"}
    assert lost[0].outcome.startswith(
        "deadly, seed 0: lost: its worker died (BrokenProcessPool: A process in the process pool "
    )
    assert found.notes and found.notes[0].startswith("A worker died; these were run again: ")
    assert lost[0].outcome in found._repr_html_()


@FORKS
@pytest.mark.processes
def test_a_worker_that_is_killed_once_costs_nothing(tmp_path):
    mark = str(tmp_path / "mark")
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        found = go(pool, partial(Deadly, mark), {"deadly": make_deadly, "b": None},
                   optimizer=no_update)  # fmt: skip
    assert {run.status for run in found.runs} == {"finished"} and found.notes


@FORKS
@pytest.mark.processes
def test_a_run_that_fails_in_a_worker_says_what_it_would_say_here():
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        found = go(pool, inits={"bad": fail, "a": None}, seeds=1)
    assert found == go(None, inits={"bad": fail, "a": None}, seeds=1)
    assert found.runs[0].outcome == ("bad, seed 0: failed at step 0: RuntimeError: no such start")


@FORKS
@pytest.mark.processes
def test_what_a_worker_cannot_read_is_named_before_anything_runs():
    began = []
    with (
        ProcessPoolExecutor(1, get_context("fork")) as pool,
        pytest.raises(BadValueError) as caught,
    ):
        go(pool, ForbidsReading(), {"a": None}, progress=lambda *_: began.append(1))
    assert not began and str(caught.value) == (
        "model_fn: a worker cannot read it: RuntimeError: not here. "
        "Define it in a module, or install cloudpickle."
    )


def test_what_cannot_be_sent_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    cases = {
        "model_fn": dict(model_fn=lambda: mlp()),
        "optimizer": dict(optimizer=lambda p: torch.optim.SGD(p)),
        "init_cfgs.odd": dict(inits={"a": None, "odd": lambda model: None}),
        "metrics": dict(metrics={"a": lambda output, target: 0}),
    }
    with ThreadPoolExecutor(1) as pool:
        for name, options in cases.items():
            with pytest.raises(BadValueError) as caught:
                go(pool, **options)
            assert str(caught.value).startswith(f"{name}: no other process can get it: ")
            assert str(caught.value).endswith(". Define it in a module, or install cloudpickle.")


@FORKS
@pytest.mark.processes
def test_cancel_waits_for_no_worker():
    began = time.monotonic()
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        found = go(pool, inits={"a": None}, steps=600, seeds=4,
                   cancelled=lambda: time.monotonic() > began + 0.3)  # fmt: skip
        assert found.runs[-1].status == "cancelled" and found.runs[-1].losses == ()


@pytest.mark.processes
def test_on_a_cluster_of_dask():
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        client.get_executor() as executor,
    ):
        # Other threads of dask's workers draw from Python's generator, as `Noisy` does.
        assert go(executor, mlp) == go(None, mlp)
