"""Names that attack: terminals, pictures, pages, spreadsheets."""

import csv
import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import brickbook
from brickbook.checkpoint import load_weights
from brickbook.cli import main
from brickbook.errors import ConfigError
from brickbook.html import escape
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.cost import complexity
from brickbook.measure.snapshot import alternatives, compare, snapshot
from brickbook.printable import escape_controls
from brickbook.views.diff import differences
from brickbook.views.export import csv_text, export, to_csv, to_html, to_svg
from brickbook.views.page import static_report
from brickbook.views.svg.histograms import comparison_picture
from brickbook.views.text import comparison_text, text

CLEAR = "a\x1b[2J"  # clears the terminal
NAMES = (
    CLEAR, "\x9b31mb", "c\x00\x08\x7f", "d\nforged  row", "e\r\n", "f\ud800", "g\udc9b",
    "h\ufffe\uffff", "i\u202eevil", "\tj", "=1+1",
)  # fmt: skip
RULES = [dict(type="Normal", std=0.5, layer="Linear")]
SVG = "{http://www.w3.org/2000/svg}"


def attacked():
    """A model whose parameters have such names."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4))
    for name in NAMES:
        net.register_parameter(name, nn.Parameter(torch.zeros(2)))
        net.add_module(f"m{name.replace('.', '')}", nn.Linear(4, 4))
    return net


def records():
    net = attacked()
    before = snapshot(net)
    found = alternatives(net, {CLEAR: RULES, "b\ud800": []})
    todo = plan(net, RULES)
    report = initialize(net, RULES, seed=0)
    comparison = compare(before, snapshot(net))
    lab = SimpleNamespace(comparison=comparison, plan=todo, report=report)
    return dict(
        plan=todo,
        report=report,
        snapshot=before,
        comparison=comparison,
        alternatives=found,
        lab=lab,
    )


RECORDS = records()


def assert_printable(shown, kept="\n"):
    """Nothing in a text commands a terminal, and any file can hold it."""
    found = {c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in kept}
    assert not found and "\u202e" not in shown
    shown.encode("utf-8")


def test_what_is_escaped():
    assert escape_controls("".join(NAMES[:9])) == (
        r"a\x1b[2J\x9b31mbc\x00\x08\x7fd\nforged  rowe\r\nf\ud800g\udc9bh\ufffe\uffffi\u202eevil"
    )
    assert escape_controls("a\tb\nc\r", kept="\n\t") == "a\tb\nc\\r"
    whole = "é 漢字 🧱 عربي e\u0301 a\u200db ⚠\u00a0"
    assert escape_controls(whole) == whole and escape(whole) == whole


@pytest.mark.parametrize("name", [key for key in RECORDS if key != "lab"])
def test_a_table_in_a_terminal(name):
    shown = text(RECORDS[name])
    assert_printable(shown)
    assert r"a\x1b[2J" in shown and r"d\nforged  row" in shown
    assert not re.search(r"^forged", shown, re.MULTILINE)


def test_other_texts_in_a_terminal():
    net = attacked()
    assert_printable(comparison_text(RECORDS["comparison"]))
    assert_printable(text(complexity(nn.Sequential(net[0]), (1, 4))))
    assert_printable(text(differences(snapshot(net), RECORDS["snapshot"], (CLEAR, "b"))))
    assert_printable(text(net), "\n\t")


@pytest.mark.parametrize("name", RECORDS)
def test_a_picture_is_valid_xml(name):
    root = ET.fromstring(to_svg(RECORDS[name], "".join(NAMES)).encode())
    told = {one.text for one in root.iter(f"{SVG}text")}
    assert {r"a\x1b[2J", r"f\ud800", r"h\ufffe\uffff"} <= told


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_has_no_control_signs(name):
    page = to_html(RECORDS[name], "".join(NAMES))
    page.encode("utf-8")
    heading = page[page.index("<h1>") : page.index("</h1>")]
    assert_printable(heading, "\n\t")


def test_a_notebook_gets_what_can_be_sent():
    found = RECORDS["comparison"]
    comparison_picture(found)._repr_html_().encode("utf-8")
    static_report(found, RECORDS["plan"], title=CLEAR)._repr_html_().encode("utf-8")
    for value in RECORDS.values():
        if hasattr(value, "_repr_html_"):
            value._repr_html_().encode("utf-8")


@pytest.mark.parametrize("suffix", [".html", ".svg", ".csv", ".bins.csv", ".json"])
@pytest.mark.parametrize("name", ["lab", "alternatives", "snapshot"])
def test_every_file_is_written(tmp_path, name, suffix):
    export(RECORDS[name], tmp_path / f"a{suffix}").read_text(encoding="utf-8")


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)",
    "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a"
]  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(name):
    (line,) = csv.DictReader(io.StringIO(csv_text(["n"], [{"n": name}]), newline=""))
    assert line["n"] == f"'{name}"
    head, _ = csv.reader(io.StringIO(csv_text([name], [{name: 1}]), newline=""))
    assert head == [f"'{name}"]


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "a;b", "a\tb", " a", ""])
def test_a_cell_comes_back(name):
    line = csv_text(["n", "m"], [{"n": name, "m": -0.5}])
    assert list(csv.reader(io.StringIO(line, newline=""))) == [["n", "m"], [name, "-0.5"]]


def test_a_cell_shows_what_csv_cannot_hold():
    assert csv_text(["n"], [{"n": "é\0"}]) == "n\né\\x00\n"


def test_a_line_for_every_parameter():
    found = list(csv.DictReader(io.StringIO(to_csv(RECORDS["snapshot"]), newline="")))
    names = {row["name"] for row in found}
    assert len(found) == len(RECORDS["snapshot"]) == len(names)
    assert {CLEAR, "d\nforged  row", "e\r\n", r"f\ud800", "'\tj", "'=1+1"} <= names


def test_errors_and_warnings():
    with pytest.raises(ConfigError) as caught:
        initialize(attacked(), dict(type="Normal", layer=f"Q{CLEAR}"), strict=True)
    assert_printable(str(caught.value))
    assert str(caught.value).startswith(r"init_cfg.layer: Qa\x1b[2J matches nothing.")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        initialize(attacked(), dict(type="Normal", layer=f"Q{CLEAR}"))
    (one,) = told
    assert_printable(str(one.message))


def test_what_a_file_holds_beyond_the_model(tmp_path):
    state = {"weight": torch.ones(2, 2), "bias": torch.ones(2), CLEAR: torch.ones(1)}
    torch.save(state, tmp_path / "a.pth")
    found = load_weights(nn.Linear(2, 2), tmp_path / "a.pth", logger="silent")
    assert_printable(str(found))
    assert r"unexpected: a\x1b[2J" in str(found)
    with pytest.raises(ConfigError) as caught:
        load_weights(nn.Linear(2, 2), tmp_path / "a.pth", strict=True)
    assert_printable(str(caught.value))
    assert r"a\x1b[2J" in str(caught.value)


def test_the_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({name: torch.ones(2) for name in NAMES}, "a.pth")
    torch.save({name: torch.zeros(2) for name in NAMES}, "b.pth")
    assert main(["diff", "a.pth", "b.pth"]) == 0
    assert_printable(capsys.readouterr().out)
    assert main(["show", CLEAR]) == 2
    told = capsys.readouterr().err
    assert_printable(told)
    assert told == (
        "brickbook: model: expected module:callable or file.py:callable, got 'a\\x1b[2J'.\n"
    )
    assert main(["show", "no\x1b[2J.py:make"]) == 2
    assert capsys.readouterr().err == "brickbook: model: no\\x1b[2J.py can not be found.\n"
    assert main([CLEAR]) == 2
    assert_printable(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_names_of_a_saved_model(tmp_path, name):
    net = attacked()
    if name.endswith(".pth"):
        brickbook.save_checkpoint(net, tmp_path / name)
        assert load_weights(attacked(), tmp_path / name).exact
        return
    with pytest.raises(ValueError) as caught:
        brickbook.save_checkpoint(net, tmp_path / name)
    assert_printable(str(caught.value))
    assert str(caught.value) == (
        f"filename: {tmp_path}/a.safetensors holds names in UTF-8 only, not f\\ud800, g\\udc9b, "
        "mf\\ud800.weight, mf\\ud800.bias, mg\\udc9b.weight, mg\\udc9b.bias. Write to a .pth file."
    )
    assert list(tmp_path.iterdir()) == []
