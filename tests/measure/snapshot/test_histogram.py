from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brickbook.measure.snapshot import bin_edges, compare, snapshot
from brickbook.measure.snapshot.histogram import (
    cell_index,
    finest_level,
    level_of,
    merge_counts,
    width_of,
)

NUMBERS = st.floats(-(2.0**1000), 2.0**1000)
LISTS = st.lists(NUMBERS, min_size=1, max_size=40)
UNHURRIED = settings(deadline=None)  # the machine may be busy
BINS = st.integers(2, 128)


@UNHURRIED
@given(low=NUMBERS, high=NUMBERS, bins=BINS)
def test_the_finest_level_touches_at_most_so_many_cells(low, high, bins):
    low, high = sorted((low, high))
    level = finest_level(low, high, bins)
    assert 1 <= cell_index(high, level) - cell_index(low, level) + 1 <= bins


@UNHURRIED
@given(a=NUMBERS, b=NUMBERS, c=NUMBERS, bins=BINS)
def test_a_wider_range_has_no_finer_level(a, b, c, bins):
    low, middle, high = sorted((a, b, c))
    assert finest_level(low, middle, bins) <= finest_level(low, high, bins)
    assert finest_level(middle, high, bins) <= finest_level(low, high, bins)


@UNHURRIED
@given(value=NUMBERS, level=st.integers(-300, 300), up=st.integers(0, 40))
def test_a_cell_lies_in_the_cell_of_a_higher_level(value, level, up):
    assume(abs(value) < 1e200)
    assert cell_index(value, level + up) == cell_index(value, level) >> up


@UNHURRIED
@given(values=LISTS, bins=BINS)
def test_a_histogram_agrees_with_its_edges(values, bins):
    stats = snapshot({"w": torch.tensor(values, dtype=torch.float64)}, bins)["w"]
    assert len(stats.counts) <= bins
    found = [
        sum(low <= value < high for value in values)
        for low, high in zip(stats.edges, stats.edges[1:], strict=False)
    ]
    assert list(stats.counts) == found
    assert sum(stats.counts) == len(values)


@UNHURRIED
@given(values=LISTS, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_fine_counts_merge_into_the_coarse_ones(values, dtype):
    tensor = torch.tensor(values, dtype=dtype)
    assume(torch.isfinite(tensor).all() and len(tensor.unique()) > 1)
    fine, coarse = (snapshot({"w": tensor}, bins)["w"] for bins in (64, 8))
    shift = level_of(coarse.width) - level_of(fine.width)
    first, start = int(fine.low / fine.width), int(coarse.low / coarse.width)
    assert merge_counts(fine.counts, first, shift, start, len(coarse.counts)) == list(coarse.counts)


@UNHURRIED
@given(before=LISTS, after=LISTS, bins=BINS)
def test_any_two_snapshots_meet_on_common_edges(before, after, bins):
    sides = [torch.tensor(side, dtype=torch.float64) for side in (before, after)]
    item = compare(*(snapshot({"w": side}, bins) for side in sides))["w"]
    for values, counts in zip(
        (before, after), (item.counts_before, item.counts_after), strict=True
    ):
        assert len(counts) <= bins
        assert list(counts) == [
            sum(low <= value < high for value in values)
            for low, high in zip(item.edges, item.edges[1:], strict=False)
        ]


@pytest.mark.parametrize(
    ("low", "high", "bins", "width"),
    [
        (-1.0, 1.0, 64, 2.0**-4),
        (-1.0, 0.999, 64, 2.0**-5),
        (0.0, 63.0, 64, 1.0),
        (0.0, 64.0, 64, 2.0),
        (1.0, math.nextafter(1.0, 2.0), 64, 2.0**-52),
        (-1e300, 1e300, 64, 2.0**992),
        (0.0, 5e-324, 64, 2.0**-1022),
    ],
)
def test_widths(low, high, bins, width):
    assert width_of(finest_level(low, high, bins)) == width


def test_edges_are_multiples_of_the_width():
    assert bin_edges(-0.5, 0.25, 3) == (-0.5, -0.25, 0.0, 0.25)
    assert bin_edges(0.0, 1.0, 0) == ()
