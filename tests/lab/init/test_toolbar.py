from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from brickbook.init.execution import initialize
from brickbook.lab.init.toolbar import FORMATS, Exports, LabContents, free_path
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.export import from_json
from brickbook.views.png import NoBrowserError

KAIMING = {"type": "Kaiming", "layer": ["Linear"]}
NO_BROWSER = NoBrowserError("file", "a PNG is drawn by a browser, and there is none.", "Get one.")


@pytest.fixture
def shown() -> LabContents:
    model = nn.Sequential(nn.Linear(4, 3))
    before = snapshot(model)
    report = initialize(model, KAIMING, seed=0)
    return LabContents(compare(before, snapshot(model)), report.plan, report)


@pytest.fixture
def part(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickbook.lab.init.toolbar.find_browser", lambda: "chromium")
    made = Exports("net", lambda: (shown, "net: a title"))
    yield made
    made.close()
    assert made.last_error is None


def press(part: Exports, kind: str) -> Path:
    part.buttons[kind].click()
    part.progress.worker.wait(60)
    return part.last_file or Path("none")


def test_there_is_a_button_for_each_format(part):
    line = part.children[0]
    assert [button.description for button in line.children] == ["HTML", "CSV", "JSON", "SVG", "PNG"]
    part.toggle()
    assert part.layout.display == "none"
    part.toggle()
    assert part.layout.display is None


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "png"])
def test_each_writes_a_file_and_shows_where(part, shown, kind, tmp_path):
    file = press(part, kind)
    assert file == tmp_path / f"net_init.{kind}" and file.stat().st_size > 100
    size = file.stat().st_size
    written_size = f"{size / 1000:.1f} kB" if size >= 1000 else f"{size}B"
    assert part.status.text == f"Written: net_init.{kind} ({written_size}), at {file}"
    text = file.read_text()
    starts = {"html": "<!doctype html>", "csv": "name,", "json": "{", "svg": "<svg"}
    assert text.lower().startswith(starts[kind])
    assert kind not in ("html", "svg") or "net: a title" in text
    if kind == "json":
        assert from_json(text) == shown.comparison and json.loads(text)


def test_nothing_is_written_over(part, tmp_path):
    (tmp_path / "net_init.csv").write_text("mine")
    assert [press(part, "csv"), press(part, "csv")] == [
        tmp_path / "net_init_2.csv", tmp_path / "net_init_3.csv",
    ]  # fmt: skip
    assert (tmp_path / "net_init.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("net", "net_init.csv"), ("net.head", "net.head_init.csv"), ("模型", "模型_init.csv"),
        ("../../etc/x", "etc_x_init.csv"), ("<img src=x>", "img_src_x_init.csv"),
        ("...", "model_init.csv"), ("", "model_init.csv"),
    ],
)  # fmt: skip
def test_names_of_files_are_harmless(name, file, tmp_path):
    assert free_path(name, "csv", tmp_path) == tmp_path / file


def test_without_a_browser_the_tooltip_is_the_reason(shown, monkeypatch):
    def find_browser():
        raise NO_BROWSER

    monkeypatch.setattr("brickbook.lab.init.toolbar.find_browser", find_browser)
    part = Exports("net", lambda: (shown, "title"))
    assert part.buttons["png"].disabled and not part.buttons["svg"].disabled
    reason = "a PNG is drawn by a browser, and there is none. Get one."
    assert part.buttons["png"].tooltip == reason and part.status.text == f"PNG: {reason}"
    part.close()


def test_a_png_comes_from_the_browser(part, monkeypatch, tmp_path):
    monkeypatch.setattr("brickbook.views.export.svg_to_png", lambda *_: b"\x89PNG picture")
    file = press(part, "png")
    assert file == tmp_path / "net_init.png" and file.read_bytes() == b"\x89PNG picture"


def test_cancel_leaves_no_file(part, monkeypatch, tmp_path):
    reached, gate = threading.Event(), threading.Event()

    def png(*_):
        reached.set()
        gate.wait(20)
        return b"late"

    monkeypatch.setattr("brickbook.views.export.svg_to_png", png)
    part.buttons["png"].click()
    assert reached.wait(20) and part.progress.label.value == "Writing PNG …"
    part.progress.cancel.click()
    gate.set()
    part.progress.worker.wait(20)
    assert list(tmp_path.iterdir()) == [] and part.last_file is None
    assert part.progress.children == () and part.status.text == ""


def test_what_goes_wrong_is_shown(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = Exports("net", lambda: (shown, "title"))
    monkeypatch.setattr(
        "brickbook.lab.init.toolbar.export", lambda *_, **__: (_ for _ in ()).throw(NO_BROWSER)
    )
    press(part, "csv")
    assert part.status.text == "a PNG is drawn by a browser, and there is none. Get one."

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brickbook.lab.init.toolbar.export", full)
    press(part, "csv")
    assert part.message == "OSError: [Errno 28] No space left on device"
    assert isinstance(part.last_error, OSError)
    part.close()


def test_what_is_shown_at_the_press_is_written(part, tmp_path):
    file = press(part, "csv")
    assert file.read_text().count("\n") == 3
    assert torch.is_grad_enabled()
