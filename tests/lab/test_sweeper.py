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

from brickbook.lab import sweeper
from brickbook.lab.panels import Panel, close_tree

SCRIPT = Path(sweeper.__file__).with_suffix(".js")
JS = Path(__file__).parent.parent / "js"


@pytest.fixture
def told(monkeypatch) -> list[list[str]]:
    """What the page is told in a notebook; every entry a message."""
    messages: list[list[str]] = []
    monkeypatch.setattr(sweeper, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(sweeper, "MADE", [])
    monkeypatch.setattr(sweeper.Sweeper, "send", lambda _, said: messages.append(said["closing"]))
    return messages


def test_the_page_hears_of_all_that_is_closed_before_it_is(told, monkeypatch):
    shared = w.Layout()
    texts = [w.Text(layout=shared), w.Text(layout=shared)]
    box = w.VBox([w.HBox(texts)])
    parts = [box, box.layout, box.children[0], box.children[0].layout, shared, *texts]
    parts += [text.style for text in texts]
    ids = {part.model_id for part in parts}
    order: list[str] = []
    close = w.Widget.close
    monkeypatch.setattr(w.Widget, "close", lambda one: (order.append(told != []), close(one)))
    close_tree(box)
    assert order == [True] * len(parts)
    assert [set(message) for message in told] == [ids] and len(told[0]) == len(ids)
    assert all(part.comm is None for part in parts)


def test_a_panel_inside_is_closed_as_it_wants(told):
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
    assert [name in message for message in told] == [False, True]


def test_one_sweeper_is_enough_and_another_comes_for_a_closed_one(told):
    for _ in range(2):
        close_tree(w.Label())
    (first,) = sweeper.MADE
    first.close()
    close_tree(w.Label())
    assert [first] != sweeper.MADE and sweeper.MADE[0].comm is not None
    assert len(told) == 3


def test_without_a_notebook_nothing_is_made():
    before = list(sweeper.MADE)
    label = w.Label()
    close_tree(label)
    assert label.comm is None and before == sweeper.MADE == []


ENDINGS = {
    "init lab": "panel = InitLab(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))",
    "builder": "panel = Builder()",
}


@pytest.mark.parametrize("line", ENDINGS.values(), ids=ENDINGS)
def test_a_script_ends_in_silence_with_a_panel_open(line):
    script = f"from torch import nn\nfrom brickbook.lab import Builder, InitLab\n{line}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_script():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the test of the sweeper's script in tests/js needs it")
    done = subprocess.run(
        [node, "--test", JS / "sweeper.test.mjs"],
        env=os.environ | {"SWEEPER_MODULE": address(SCRIPT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def address(script: Path) -> str:
    """Return a script as an address that node imports as a module."""
    return f"data:text/javascript;base64,{b64encode(script.read_bytes()).decode()}"
