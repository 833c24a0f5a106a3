"""The notebooks of the course as files; what their cells do is checked by nbval."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from course_notebooks import CHINESE, FOLDER, translated

from brickbook.course import EXERCISES
from brickbook.course.exercise import load_topics

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [file for file in NOTEBOOKS if not file.name.startswith("00")]

# The instruments that a course on starts needs, and what shows each.
INSTRUMENTS = {
    "weight histogram": r"snapshot\(|comparison_picture",
    "activation histogram": "recorder.history",
    "gradients": r"\.grad\b|gradient",
    "std by depth": r"probe\(",
    "dead and saturated": r"\.dead|\.saturated",
    "update to weight": "update_ratio",
    "loss at the start": r"expected_loss|start_loss",
    "race": r"race\(",
    "symmetry": 'type="Constant", val=0.5',
    "deep linear product": "Twenty linear layers",
    "width": r"coordinate_check\(",
    "data-driven": "LSUV",
    "normalisation": "LayerNorm",
    "singular values": r"spectra\(|jacobian_spectrum\(",
    "derivation": r"\\mathrm\{Var\}",
    "live controls": "%brickbook show",
    "diagnosis in words": r"diagnose\(",
    "presets": "preset",
    "theory": r"mean_field\(",
}


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def source(cell: dict) -> str:
    return "".join(cell["source"])


def sources() -> str:
    return "\n".join(source(cell) for file in LESSONS for cell in read(file)["cells"])


def test_there_are_fourteen_in_order_and_an_index_of_them():
    assert [file.name[:2] for file in NOTEBOOKS] == [f"{n:02}" for n in range(15)]
    index = source(read(NOTEBOOKS[0])["cells"][0])
    assert re.findall(r"\((\d\d_\w+\.ipynb)\)", index) == [file.name for file in LESSONS]
    links = re.findall(r"\]\(([\w./]+)\)", index)
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_short_and_holds_nothing_of_the_machine_it_ran_on(file):
    text = file.read_text(encoding="utf-8")
    notebook = read(file)
    assert len(notebook["cells"]) <= 30
    assert file.stat().st_size <= 300_000
    assert "widgets" not in notebook["metadata"]
    assert re.findall(r"/(?:tmp|home|root|Users)/[^\"\\ ]*", text) == []
    outputs = [each for cell in notebook["cells"] for each in cell.get("outputs", [])]
    assert [each for each in outputs if each["output_type"] == "error"] == []
    assert [each for each in outputs if each.get("name") == "stderr"] == []


@pytest.mark.parametrize("file", LESSONS, ids=lambda file: file.stem)
def test_a_notebook_asks_its_exercises_once_and_leaves_them_open(file):
    load_topics()
    number = file.name[:2]
    cells = read(file)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    asked = [found for cell in code for found in re.findall(r'check\("([\d.]+)"', source(cell))]
    assert sorted(asked) == sorted(each for each in EXERCISES if each.startswith(f"{number}."))
    said = [
        "".join(each["data"]["text/plain"])
        for cell in code
        if "course.check(" in source(cell)
        for each in cell["outputs"]
    ]
    assert len(said) == len(asked)
    assert all(each.startswith("○ ") for each in said)
    solutions = sum("<summary>Solution" in source(cell) for cell in cells)
    assert solutions == len(asked)
    assert source(cells[-1]).endswith(f'course.report("{number}")')


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_instrument_is_shown(instrument):
    assert re.search(INSTRUMENTS[instrument], sources())


@pytest.mark.parametrize("file", sorted(CHINESE.glob("*.json")), ids=lambda file: file.stem)
def test_a_notebook_in_chinese_is_the_english_one_with_other_texts(file):
    english = nbformat.read(FOLDER / f"{file.stem}.ipynb", as_version=4)
    wanted = translated(english, json.loads(file.read_text(encoding="utf-8")))
    found = nbformat.read(CHINESE / f"{file.stem}.ipynb", as_version=4).cells
    assert [(cell.id, cell.source) for cell in found] == [(each.id, each.source) for each in wanted]
    text = (CHINESE / f"{file.stem}.ipynb").read_text(encoding="utf-8")
    assert re.findall(r"/(?:tmp|home|root|Users)/[^\"\\ ]*", text) == []
    assert "尚未作答" in text and len(text) < 300_000


def test_a_text_of_a_cell_that_has_changed_is_refused():
    english = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("a new text")])
    with pytest.raises(ValueError, match="The English text has changed: 'a new text'"):
        translated(english, [{"of": "0", "text": ["x"]}])
