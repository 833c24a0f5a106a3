"""The scripts of the search box, the picture and the words of a field: what every page gets."""

from __future__ import annotations

import re

import pytest

from brickbook import Blueprint
from brickbook.lab import Builder
from brickbook.lab.builder.picture import NetworkPicture
from brickbook.lab.builder.search import SearchBox
from brickbook.lab.form import FieldDoc

WIDGETS = (SearchBox, NetworkPicture, FieldDoc)
FORBIDDEN = ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import ", "url(")


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_script_writes_no_markup_and_fetches_nothing(widget):
    script, style = str(widget._esm), str(widget._css)
    assert [word for word in FORBIDDEN if word in script or word in style] == []
    assert "CHECKSUM" not in script and script.count("export default") == 1
    assert script.isascii()


def test_every_word_of_the_search_box_is_sent_to_it():
    box = Builder(Blueprint(), name="scripts_test").controls.search
    assert set(re.findall(r"words\.(\w+)", str(SearchBox._esm))) == set(box.words)


def test_the_words_of_the_fields_go_to_the_page():
    panel = Builder(name="scripts_test")
    docs = panel.form_pane.doc.docs
    assert docs["kernel_size"] == "Of the convolution, in pixels."
    assert docs["momentum"]  # of the batch norm inside
    panel.go(panel.state.select((5,)))
    assert panel.form_pane.doc.docs["out_features"] == "size of each output sample"
