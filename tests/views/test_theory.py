from __future__ import annotations

import numpy as np
import pytest
import torch

from brickbook.init.laws import Normal, TruncNormal, Uniform
from brickbook.views.theory import body, curve, expected

LAWS = [
    Normal(0.0, 1.0), Normal(5.0, 1e-4), Normal(0.0, 1e4), Uniform(-1.0, 3.0),
    TruncNormal(0.0, 1.0, -2.0, 2.0), TruncNormal(0.0, 1.0, 3.0, 4.0),
]  # fmt: skip


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_all_elements_are_expected_somewhere(law):
    low, high = body(law, 8.0)
    room = high - low
    for bins in (1, 7, 64):
        edges = np.linspace(low - room, high + room, bins + 1)
        assert sum(expected(law, edges, 1000)) == pytest.approx(1000, rel=1e-3)


def test_expected_counts_of_a_normal_law():
    found = expected(Normal(0.0, 2.0), [-2.0, 0.0, 2.0, 4.0], 10_000)
    assert found == pytest.approx([3413.4, 3413.4, 1359.1], rel=1e-3)


@pytest.mark.parametrize("width", [1e-6, 1.0, 1e6])
def test_a_law_of_any_width_beside_the_bins(width):
    found = expected(Normal(0.0, width), [-1.0, 0.0, 1.0], 100)
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert sum(found) <= 100 + 1e-9


@pytest.mark.parametrize(
    ("law", "ends"),
    [(Normal(1.0, 2.0), (-7.0, 9.0)), (Uniform(-1.0, 3.0), (-1.0, 3.0))],
    ids=str,
)
def test_a_curve_spans_the_law(law, ends):
    x, y = curve(law, 1.0)
    assert (x[0], x[-1]) == ends
    assert len(x) == len(y) and min(y) >= 0


def test_the_area_under_a_curve_is_its_scale():
    x, y = curve(TruncNormal(0.0, 1.0, -1.0, 2.0), 50.0)
    area = torch.trapezoid(torch.tensor(y), torch.tensor(x))
    assert area.item() == pytest.approx(50, rel=1e-3)
