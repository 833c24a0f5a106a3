"""A page forgets what is closed: what it is told, and what its script does with that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import ipywidgets as w
import pytest

from brickbook.lab.widgets import Panel, close_tree, frontend_cleanup

SCRIPT = Path(frontend_cleanup.__file__).with_suffix(".js")
JS = Path(__file__).parents[2] / "js"


@pytest.fixture
def messages(monkeypatch) -> list[list[str]]:
    """What the page is told in a notebook; every entry a message."""
    sent: list[list[str]] = []
    monkeypatch.setattr(frontend_cleanup, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(frontend_cleanup, "CLEANUPS", [])
    monkeypatch.setattr(
        frontend_cleanup.FrontendCleanup, "send", lambda _, content: sent.append(content["closing"])
    )
    return sent


def test_the_page_hears_of_all_that_is_closed_before_it_is(messages, monkeypatch):
    shared = w.Layout()
    texts = [w.Text(layout=shared), w.Text(layout=shared)]
    box = w.VBox([w.HBox(texts)])
    parts = [box, box.layout, box.children[0], box.children[0].layout, shared, *texts]
    parts += [text.style for text in texts]
    ids = {part.model_id for part in parts}
    order: list[str] = []
    close = w.Widget.close
    monkeypatch.setattr(w.Widget, "close", lambda one: (order.append(messages != []), close(one)))
    close_tree(box)
    assert order == [True] * len(parts)
    assert [set(message) for message in messages] == [ids] and len(messages[0]) == len(ids)
    assert all(part.comm is None for part in parts)


def test_a_panel_inside_is_closed_as_it_wants(messages):
    class Other(Panel):
        def close(self):
            order.append(self.comm is not None)
            super().close()

    order: list[bool] = []
    inner = Other(children=[w.Label("a")])
    box = w.VBox([inner])
    label, name = inner.children[0], inner.model_id
    close_tree(box)
    assert order == [True] and label.comm is None
    assert [name in message for message in messages] == [False, True]


def test_one_cleanup_is_enough_and_another_comes_for_a_closed_one(messages):
    for _ in range(2):
        close_tree(w.Label())
    (first,) = frontend_cleanup.CLEANUPS
    first.close()
    close_tree(w.Label())
    assert [first] != frontend_cleanup.CLEANUPS and frontend_cleanup.CLEANUPS[0].comm is not None
    assert len(messages) == 3


def test_without_a_notebook_nothing_is_made():
    before = list(frontend_cleanup.CLEANUPS)
    label = w.Label()
    close_tree(label)
    assert label.comm is None and before == frontend_cleanup.CLEANUPS == []


ENDINGS = {
    "init lab": "panel = InitLab(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))",
    "builder": "panel = Builder()",
}


@pytest.mark.processes
@pytest.mark.parametrize("line", ENDINGS.values(), ids=ENDINGS)
def test_a_script_ends_in_silence_with_a_panel_open(line):
    script = f"from torch import nn\nfrom brickbook.lab import Builder, InitLab\n{line}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.processes
def test_the_script():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the test of the script in tests/js needs it")
    done = subprocess.run(
        [node, "--test", JS / "frontend_cleanup.test.mjs"],
        env=os.environ | {"CLEANUP_MODULE": address(SCRIPT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def address(script: Path) -> str:
    """Return a script as an address that node imports as a module."""
    return f"data:text/javascript;base64,{b64encode(script.read_bytes()).decode()}"
