"""What was measured as files: each format of each record, and its picture in a notebook."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.measure import (
    CoordinateCheck,
    Race,
    Recorder,
    Signals,
    mean_field,
    network,
    probe,
    spectra,
    triple,
)
from brickbook.measure.coordinate_check import Coordinate
from brickbook.measure.race import Run
from brickbook.views.export import export, from_json, to_csv, to_html, to_json, to_svg

EVIL = "<img src=x onerror=alert(1)>"


def records():
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module(EVIL, nn.Linear(8, 8))
    net.add_module("act", nn.ReLU())
    with Recorder(net) as recorder:
        net(torch.randn(4, 8))
    return dict(
        signals=probe(net, torch.randn(4, 8)),
        race=Race((Run(EVIL, 0, losses=(2.0, 1.0)),), 2, ("note <b>",)),
        history=recorder.history,
        spectra=spectra(net),
        network=network(net, torch.randn(4, 8)),
        triple=triple(net, torch.randn(4, 8)),
        field=mean_field("Tanh", 1.5, depth=3),
        coordinates=CoordinateCheck((Coordinate(8, 0, "a", 1.0), Coordinate(16, 0, "a", 1.0))),
    )


RECORDS = records()
DRAWN = ("signals", "race", "history", "spectra", "network", "triple", "coordinates")


@pytest.mark.parametrize("name", RECORDS)
def test_json_is_read_back(name):
    assert from_json(to_json(RECORDS[name])) == RECORDS[name]


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_is_one_file_without_any_script(name):
    page = to_html(RECORDS[name], "a title")
    assert "<title>a title</title>" in page and "<script" not in page and EVIL not in page
    assert ("<svg" in page) == (name in DRAWN)
    assert "note &lt;b&gt;" in page or name != "race"


@pytest.mark.parametrize("name", RECORDS)
def test_a_table_has_the_rows_of_the_frame(name):
    found = list(csv.reader(io.StringIO(to_csv(RECORDS[name]))))
    assert len(found) == len(RECORDS[name].frame()) + 1


@pytest.mark.parametrize("name", RECORDS)
def test_a_picture_is_the_one_of_a_notebook(name, tmp_path):
    record = RECORDS[name]
    if name in DRAWN:
        assert ET.fromstring(to_svg(record)).tag.endswith("svg")
        assert record._repr_html_().startswith('<img alt="')
        assert export(record, tmp_path / "a.svg").read_text() == to_svg(record)
    else:
        with pytest.raises(ConfigError) as caught:
            to_svg(record)
        assert str(caught.value) == f"value: {type(record).__name__} has no picture."


def test_signals_of_nothing_are_drawn_too():
    empty = Signals(())
    assert "<img " in empty._repr_html_() and "<svg" in to_svg(empty)
