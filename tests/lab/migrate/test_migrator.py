"""The panel of a migration without a browser: its traits, and what it is without widgets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from migration_example import NEW, OLD, PATH, example_migration, hostile_migration

from brickbook import migrate
from brickbook.errors import BadValueError
from brickbook.lab import Migrator
from brickbook.lab.migrate.page import MIGRATION_JS, PLAIN_WORDS, MigrationPage


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Put a migration written by hand in the place of the real one, and note what it is asked."""
    seen = []

    def one(text, *, path="config.py", base_lookup=None, schedule="guide"):
        seen.append((path, schedule))
        if text.startswith("a = '</script>"):
            return hostile_migration()
        if "fail" in text:
            raise BadValueError(f"{path}:1:1", "it cannot be read.")
        return example_migration(path, schedule)

    monkeypatch.setattr(migrate, "migrate_source", one, raising=False)
    return seen


@pytest.fixture
def panel():
    made = Migrator(OLD, path=PATH, language="en")
    yield made
    made.close()


def test_what_is_shown(panel):
    content = panel.page.content
    assert content["title"] == panel.static().text
    assert content["file"] == PATH and panel.page.text == panel.migration.text == NEW
    assert [note["place"] for note in content["notes"][:3]] == ["14:1", "15:24", "17:1"]
    first = content["notes"][0]
    assert first == {
        "place": "14:1", "severity": "cosmetic", "word": "· cosmetic",
        "text": "`optimizer` is `optim_wrapper.optimizer`.",
        "rule": "optimizer.moved; guide: Training strategy", "row": 13,
    }  # fmt: skip
    assert content["lines"][13]["before"].startswith("optimizer = ")
    assert [line.get("fold") for line in content["lines"]][:12] == [
        "⋯ 10 unchanged lines", *[""] * 9, None, None,
    ]  # fmt: skip
    assert json.loads(json.dumps(content)) == content
    assert repr(panel) == f"Migrator({content['title']})"
    assert panel.last_error is None


def test_another_schedule_is_another_text_and_another_picture(panel, asked):
    before = panel.page.content
    panel.page.schedule = "faithful"
    assert panel.page.text == panel.migration.text != NEW
    assert panel.page.content["picture"] != before["picture"]
    assert panel.rates.distance < 0.001
    assert len(panel.page.content["notes"]) == 10
    panel.page.schedule = "guide"
    assert panel.page.content == before
    assert asked == [(PATH, "guide"), (PATH, "faithful")]


def test_another_language(panel):
    panel.page.language = "zh"
    content = panel.page.content
    assert content["notes"][0]["text"] == "`optimizer` 移为 `optim_wrapper.optimizer`。"
    assert content["words"]["heads"] == ["旧（0.x）", "新（1.x）"]  # noqa: RUF001
    assert "学习率" in content["picture"]
    assert panel.page.text == NEW


def test_without_a_schedule_there_is_no_picture(monkeypatch):
    with_none = Migrator("model = dict(type='ImageClassifier')\n", language="en")
    assert with_none.rates is None and with_none.page.content["picture"] == ""
    assert "img" not in with_none.static().html
    with_none.close()


def test_a_config_that_cannot_be_read_is_no_panel():
    with pytest.raises(BadValueError) as caught:
        Migrator("fail", path="a.py")
    assert str(caught.value) == "a.py:1:1: it cannot be read."
    with pytest.raises(BadValueError) as caught:
        Migrator(OLD, schedule="guied")
    assert str(caught.value) == "schedule: unknown style 'guied'. Did you mean 'guide'?"
    with pytest.raises(BadValueError) as caught:
        Migrator(OLD, language="fr")
    assert str(caught.value) == "language: unknown language 'fr'. Known: en, zh."


def test_an_error_of_a_callback_is_shown(panel, monkeypatch):
    def fail(*_, **__):
        raise BadValueError("lr_config", "no way.")

    monkeypatch.setattr(migrate, "migrate_source", fail)
    panel.page.schedule = "faithful"
    assert panel.notice.text == "BadValueError: lr_config: no way."
    assert isinstance(panel.last_error, BadValueError)


def test_without_a_kernel_the_still_view_is_there(panel):
    bundle = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "Run the cell for the panel." in bundle["text/html"]
    assert "− runner = dict(" in bundle["text/html"]
    assert "Run the cell" not in panel.static().html


def test_a_panel_closes_the_one_of_the_same_text(panel):
    again, other = Migrator(OLD, path=PATH), Migrator(f"{OLD}# more\n", path=PATH)
    assert (panel.comm, panel.page.comm) == (None, None)
    assert again.comm is not None and other.comm is not None
    again.close()
    other.close()
    assert other.page.comm is None


def test_hostile_texts_cannot_command_a_page():
    hostile = Migrator("a = '</script>'\n", language="en")
    sent = json.dumps(hostile.page.content, ensure_ascii=False)
    assert not re.search("[\x00-\x1f\u202a-\u202e]", sent.replace("\n", ""))
    assert hostile.page.text == hostile_migration().text  # what is copied is the file
    assert hostile.page.content["file"].endswith(".py")
    hostile.close()


def test_300_lines_are_a_small_message():
    text = OLD * 12
    large = Migrator(text, path="large.py")
    assert len(json.dumps(large.page.content)) < 300_000
    large.close()


# The script.


def test_the_page_gets_all_files_as_one():
    folder = MIGRATION_JS.folder
    files = {file.name for file in folder.glob("*.js")}
    assert files | {"../../views/grid/grid_keys.js"} == set(MIGRATION_JS.names)
    assert MigrationPage()._esm == MIGRATION_JS.read_text()
    assert "CHECKSUM" not in MIGRATION_JS.read_text()


def test_the_script_never_writes_markup_and_fetches_nothing():
    words = (
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(",
        "import ", "import(", "Jupyter", "require",
    )  # fmt: skip
    assert [word for word in words if word in MIGRATION_JS.read_text()] == []


def test_every_word_of_the_script_is_sent_to_it(panel):
    asked_for = set(re.findall(r"words\.(\w+)", MIGRATION_JS.read_text()))
    sent = panel.page.content["words"]
    assert asked_for <= set(sent) and set(PLAIN_WORDS) <= asked_for


@pytest.mark.processes
def test_what_needs_no_page(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the tests of the panel's script in tests/js need it")
    module = tmp_path / "migration.mjs"
    module.write_text(f"{MIGRATION_JS.read_text()}export {{ isShown, moved }};\n")
    done = subprocess.run(
        [node, "--test", Path(__file__).parents[2] / "js" / "migration.test.mjs"],
        env=os.environ | {"MIGRATION_MODULE": module.as_uri()},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
