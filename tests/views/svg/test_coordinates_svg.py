"""The picture of a coordinate check."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from brickbook.measure import CoordinateCheck
from brickbook.measure.coordinate_check import Coordinate
from brickbook.views.svg.coordinates import coordinates_picture, coordinates_svg

EVIL = "<img src=x onerror=alert(1)>"


def check(slopes, steps=(0, 3), widths=(32, 64, 128)):
    return CoordinateCheck(tuple(
        Coordinate(width, step, layer, 0.5 * (width / 32) ** (slope if step else 0))
        for step in steps for width in widths for layer, slope in slopes.items()
    ))  # fmt: skip


def parts_of(svg, tag):
    return [part for part in ET.fromstring(svg).iter() if part.tag.endswith(tag)]


def test_a_layer_that_keeps_its_size_is_flat_and_the_slopes_are_said():
    svg = coordinates_svg(check({"hidden": 0.0, "head": 1.0, "shrinks": -0.5}))
    words = [part.text for part in parts_of(svg, "text")]
    for word in ("mean |x| after 0 updates", "mean |x| after 3 updates",
                 "32", "128", "hidden  0.00", "head  +1.00",
                 "shrinks  −0.50"):  # fmt: skip
        assert word in words
    flat = [
        len({point.split()[1] for point in part.get("d")[1:].split("L")}) == 1
        for part in parts_of(svg, "path")
        if "L" in part.get("d")
    ]
    assert flat == [True, True, True, True, False, False]  # three layers, two steps


def test_sizes_that_have_no_logarithm_are_left_out():
    found = CoordinateCheck(tuple(
        Coordinate(width, 0, EVIL, size) for width, size in ((8, 0.0), (16, math.inf), (32, 1.0))
    ))  # fmt: skip
    svg = coordinates_svg(found)
    assert EVIL not in svg and any(
        (part.text or "").endswith("–") for part in parts_of(svg, "text")
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_of_many_layers_the_first_are_named(language):
    found = check({f"layer{at}": 0.0 for at in range(30)})
    words = [part.text for part in parts_of(coordinates_svg(found, language=language), "text")]
    assert sum(word.startswith("layer") and "0.00" in word for word in words) == 20


def test_words_for_those_who_do_not_see_it():
    said = coordinates_picture(check({"a": 1.0})).description
    assert said == (
        "Size of activations over the width, after the last update: a: from 0.5 to 2, slope +1.00"
    )
    assert "<img " in check({"a": 1.0})._repr_html_()


def test_checks_that_have_no_slope_are_drawn_too():
    late = Coordinate(8, 0, "early", 1.0), Coordinate(8, 3, "late", 1.0)
    for found in (CoordinateCheck(), CoordinateCheck(late), check({"a": 1.0}, widths=(8,))):
        assert "<img " in found._repr_html_()
    assert math.isnan(check({"a": 1.0}, widths=(8,)).slope("a", 0))
