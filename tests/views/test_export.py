"""Records as files: each format of each record, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import alternatives, compare, snapshot
from brickbook.views import png as screenshot
from brickbook.views.export import (
    SUFFIXES,
    export,
    from_json,
    to_bins_csv,
    to_csv,
    to_html,
    to_json,
    to_png,
    to_svg,
)

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
RULES = [dict(type="Normal", std=0.5, layer="Linear"), dict(type="Ones", layer="BatchNorm1d")]
SVG = "{http://www.w3.org/2000/svg}"


def records():
    """One record of each kind; parameters have names that are markup and formulas."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    for name in (EVIL, "=1+1"):
        net.register_parameter(name, nn.Parameter(torch.zeros(3)))
    before = snapshot(net)
    found = alternatives(net, {"a": RULES, "b<i>": RULES[:1]})
    todo = plan(net, RULES)
    report = initialize(net, RULES, seed=0)
    comparison = compare(before, snapshot(net))
    lab = SimpleNamespace(comparison=comparison, plan=todo, report=report)
    return dict(
        plan=todo, report=report, snapshot=before, comparison=comparison, alternatives=found,
        model=net, lab=lab,
    )  # fmt: skip


RECORDS = records()
BINNED = ("snapshot", "comparison", "alternatives", "model", "lab")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_is_self_contained_and_every_name_is_text(name):
    text = to_html(RECORDS[name], "A & B")
    assert text.startswith("<!DOCTYPE html>") and "<title>A &amp; B</title>" in text
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text
    assert not re.search(r"(src|href)=[\"']?http", text) and "@import" not in text
    assert "<img" not in text and "alert(2)</script>" not in text
    if name in ("plan", "report", "alternatives"):
        assert "<script" not in text and "<svg" in text and "=1+1</td>" in text


@pytest.mark.parametrize("name", RECORDS)
def test_a_picture_is_valid_and_has_every_parameter(name):
    root = ET.fromstring(to_svg(RECORDS[name], "T < U"))
    messages = [one.text for one in root.iter(f"{SVG}text")]
    assert {"0.weight", "0.bias", "1.weight", "1.bias", "=1+1"} <= set(messages)
    assert "T < U" in messages and root.find(f"{SVG}title").text == "T < U"
    style = root.find(f"{SVG}style").text
    assert "prefers-color-scheme:dark" in style and "var(--bb-page-ink,#1f1f1f)" in style
    assert not list(root.iter(f"{SVG}script")) and not list(root.iter(f"{SVG}img"))


def test_a_picture_has_the_law_where_it_is_known():
    dashed = 'stroke-dasharray="4 2"'
    known, unknown = to_svg(RECORDS["lab"]), to_svg(RECORDS["comparison"])
    assert known.count(dashed) > unknown.count(dashed)
    # Numbers at one moment have no before to explain.
    assert ">before<" in unknown and ">before<" not in to_svg(RECORDS["snapshot"])


@pytest.mark.parametrize("name", RECORDS)
def test_a_table_has_a_line_for_every_parameter(name):
    found = {row["name"]: row for row in rows(to_csv(RECORDS[name]))}
    assert {"0.weight", "1.bias", EVIL, "'=1+1"} <= set(found)
    assert "=1+1" not in found


def test_numbers_are_written_in_full():
    stats = RECORDS["snapshot"]["0.weight"]
    (row,) = (r for r in rows(to_csv(RECORDS["snapshot"])) if r["name"] == "0.weight")
    assert float(row["std"]) == stats.std and row["shape"] == "8x8" and int(row["count"]) == 64
    (row,) = (r for r in rows(to_csv(RECORDS["lab"])) if r["name"] == "0.weight")
    assert row["law"] == "Normal(0, 0.5)" and float(row["std_expected"]) == 0.5
    assert float(row["std_ratio"]) == pytest.approx(float(row["std_after"]) / 0.5)
    (row,) = (r for r in rows(to_csv(RECORDS["alternatives"])) if r["name"] == "1.weight")
    assert (row["law_a"], row["law_b<i>"], row["differs"]) == ("Constant(1)", "", "True")


@pytest.mark.parametrize("name", BINNED)
def test_the_bins_add_up(name):
    totals: dict[tuple[str, str], int] = {}
    for row in rows(to_bins_csv(RECORDS[name])):
        key = (row["name"], row["of"])
        totals[key] = totals.get(key, 0) + int(row["count"])
        assert float(row["low"]) < float(row["high"])
    sides = {of for key, of in totals if key == "0.weight"}
    assert {totals["0.weight", of] for of in sides} == {64}
    expected = {
        "snapshot": {"values"}, "model": {"values"}, "alternatives": {"now", "a", "b<i>"}
    }  # fmt: skip
    assert sides == expected.get(name, {"before", "after"})


@pytest.mark.parametrize("name", RECORDS)
def test_json_comes_back(name):
    text = to_json(RECORDS[name])
    back = from_json(text)
    assert to_json(back) == text
    if name not in ("model", "lab"):
        assert back == RECORDS[name]


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".png"])
def test_a_file_by_its_ending(tmp_path, suffix):
    file = export(RECORDS["lab"], tmp_path / f"OUT{suffix.upper()}", title="T")
    assert file.read_text(encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        export(RECORDS["lab"], file)
    assert str(caught.value) == (
        f"file: {file} is there already. Add force=True, or --force, to replace it."
    )
    export(RECORDS["snapshot"], file, force=True)


@pytest.mark.parametrize(
    ("value", "name", "kind", "message"),
    [
        (RECORDS["plan"], "a.pdf", ValueError,
         "file: a.pdf has no ending that names a format. "
         "Known: .html, .svg, .png, .csv, .bins.csv, .json."),
        (RECORDS["plan"], ".svg", ValueError, "file: .svg has no ending that names a format. "
         "Known: .html, .svg, .png, .csv, .bins.csv, .json."),
        (RECORDS["plan"], "a.bins.csv", ValueError, "value: InitPlan has no histograms."),
        (RECORDS["plan"], "no/a.svg", FileNotFoundError, "file: the folder no does not exist."),
        (3, "a.svg", TypeError,
         "value: expected a plan, a report, a snapshot, a comparison, alternatives, a model or "
         "the init lab, got int."),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, monkeypatch, value, name, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        export(value, name)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "json: is no JSON: Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1)."),
        ("[]", "json: holds no plan, report, snapshot, comparison or alternatives."),
        (json.dumps({"bins": 3}),
         "json: holds no plan, report, snapshot, comparison or alternatives."),
        (json.dumps({"bins": 3, "tensors": [], "more": 1}),
         "snapshot.more: Snapshot has no such field. Known: bins, tensors."),
    ],
)  # fmt: skip
def test_json_that_is_no_record(text, message):
    with pytest.raises(ValueError) if "more" not in text else pytest.raises(TypeError) as caught:
        from_json(text)
    assert str(caught.value) == message


def test_a_png_wants_a_browser(monkeypatch):
    monkeypatch.setattr(screenshot, "BROWSERS", ("no-such-browser",))
    with pytest.raises(RuntimeError) as caught:
        to_png(RECORDS["comparison"])
    assert str(caught.value) == (
        "file: a PNG is drawn by a browser, and there is none. "
        "Install chromium or google-chrome, or export it as .svg or .html."
    )
    with pytest.raises(ValueError) as caught:
        screenshot.svg_to_png("<svg/>", 20_000, 10)
    assert str(caught.value) == (
        "file: 20000 × 10 are too many pixels for a PNG. Export it as .svg or .html."
    )


def test_a_browser_that_draws_nothing(monkeypatch):
    monkeypatch.setattr(screenshot, "BROWSERS", ("true",))
    with pytest.raises(RuntimeError) as caught:
        to_png(RECORDS["comparison"])
    assert str(caught.value).endswith("true drew no picture. Export it as .svg or .html.")


def test_records_without_anything():
    empty = snapshot({})
    for value in (empty, compare(empty, empty), plan(nn.ReLU(), [])):
        ET.fromstring(to_svg(value))
        assert "<!DOCTYPE html>" in to_html(value)
        assert len(to_csv(value).splitlines()) == 1
        assert from_json(to_json(value)) == value
