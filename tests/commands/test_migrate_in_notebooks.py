"""``%brickbook migrate`` and ``%%brickbook migrate``: a panel, or text where there is none."""

from __future__ import annotations

import pytest
from migration_example import NEW, OLD

from brickbook.commands import CommandUsageError, Message, NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.lab import Migrator

NOTEBOOK, TERMINAL = NotebookFrontend({}, has_widgets=True), NotebookFrontend({})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "en")
    (tmp_path / "old.py").write_text(OLD)
    return tmp_path


def test_a_cell_is_shown_in_a_panel():
    words = ["migrate", "--name", "net_8xb32.py", "--schedule", "faithful", "--language", "zh"]
    panel = run(NOTEBOOK, words, OLD)
    assert isinstance(panel, Migrator)
    assert (panel.path, panel.schedule, panel.page.language) == ("net_8xb32.py", "faithful", "zh")
    panel.close()


def test_a_file_is_shown_in_a_panel(folder):
    (folder / "mine.py").write_text("_base_ = 'old.py'\noptimizer = dict(lr=0.2)\n")
    panel = run(NOTEBOOK, ["migrate", "mine.py"])
    assert panel.migration.text.startswith(
        "_base_ = 'old.py'\noptim_wrapper = dict(optimizer=dict(lr=0.2))\n"
    )
    assert panel.rates is not None  # of the schedule in the _base_
    panel.close()


def test_without_widgets_it_is_a_diff():
    shown = run(TERMINAL, ["migrate", "--notes", "serious"], OLD)
    assert isinstance(shown, Message)
    assert "24:1  must be edited by hand" in shown.text
    assert "\n-workflow = [('train', 1)]\n" in shown.text
    assert run(TERMINAL, ["migrate", "old.py"]).text.startswith("old.py\n")


@pytest.mark.parametrize("door", [NOTEBOOK, TERMINAL])
def test_files_are_written_from_a_notebook_too(folder, door):
    shown = run(door, ["migrate", "old.py", "--out", "new.py"])
    assert shown.text.endswith("Written to new.py.")
    assert "optim_wrapper" in (folder / "new.py").read_text()
    shown = run(door, ["migrate", "--code"], "from mmcls.models import build_backbone\n")
    assert shown.text == "from mmpretrain.models import build_backbone\n"


def test_a_config_of_today():
    for door in (NOTEBOOK, TERMINAL):
        shown = run(door, ["migrate"], NEW)
        assert isinstance(shown, Message) and "already 1.x" in f"{shown.text}{shown.notes}"


@pytest.mark.parametrize(
    ("words", "cell", "message"),
    [
        ([], None, "there is nothing to migrate: name a file."),
        (["old.py"], OLD, "the config is in the cell; old.py is another."),
        (["--in-place"], OLD, "--in-place is for files."),
        ([], "model = dict(\n", "config.py:1:13: this is no Python: '(' was never closed."),
    ],
)
def test_refusals(words, cell, message):
    with pytest.raises((CommandUsageError, ConfigError)) as caught:
        run(NOTEBOOK, ["migrate", *words], cell)
    assert str(caught.value) == message
