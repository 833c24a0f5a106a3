from __future__ import annotations

import numpy as np
import pytest
import torch
from laws_support import law_of

from brickbook.init.initializers import (
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    SparseInit,
    ZerOInit,
)
from brickbook.init.laws import Constant, Law, Normal, OrthogonalMatrix, TruncNormal, Uniform
from brickbook.views.data.law_curves import (
    continuous_moments,
    density_curve,
    expected_counts,
    is_constant,
    mass_interval,
)

LAWS = [
    Normal(0.0, 1.0), Normal(5.0, 1e-4), Normal(0.0, 1e4), Uniform(-1.0, 3.0),
    TruncNormal(0.0, 1.0, -2.0, 2.0), TruncNormal(0.0, 1.0, 3.0, 4.0),
]  # fmt: skip
MIXED = [law_of(SparseInit(0.9, 0.02), (100, 30)), law_of(DeltaOrthogonalInit(), (64, 32, 3, 3))]
ATOMS = [
    Constant(2.0), Normal(3.0, 0.0), Uniform(1.0, 1.0), law_of(IdentityInit(0.5), (8, 8)),
    law_of(DiracInit(), (8, 4, 3)), law_of(ZerOInit(), (6, 4)), OrthogonalMatrix(2.0, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("law", [*LAWS, *MIXED, *ATOMS], ids=str)
def test_all_elements_are_expected_somewhere(law):
    low, high = mass_interval(law, 8.0)
    room = (high - low) or 1.0
    for bins in (1, 7, 64):
        edges = np.linspace(low - room, high + room, bins + 1)
        assert sum(expected_counts(law, edges, 1000)) == pytest.approx(1000, rel=1e-3)


def test_expected_counts_of_a_normal_law():
    found = expected_counts(Normal(0.0, 2.0), [-2.0, 0.0, 2.0, 4.0], 10_000)
    assert found == pytest.approx([3413.4, 3413.4, 1359.1], rel=1e-3)


@pytest.mark.parametrize("width", [1e-6, 1.0, 1e6])
def test_a_law_of_any_width_beside_the_bins(width):
    found = expected_counts(Normal(0.0, width), [-1.0, 0.0, 1.0], 100)
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert sum(found) <= 100 + 1e-9


@pytest.mark.parametrize(
    ("law", "ends"),
    [(Normal(1.0, 2.0), (-7.0, 9.0)), (Uniform(-1.0, 3.0), (-1.0, 3.0))],
    ids=str,
)
def test_a_curve_spans_the_law(law, ends):
    x, y = density_curve(law, 1.0)
    assert (x[0], x[-1]) == ends
    assert len(x) == len(y) and min(y) >= 0


def test_the_area_under_a_curve_is_its_scale():
    x, y = density_curve(TruncNormal(0.0, 1.0, -1.0, 2.0), 50.0)
    area = torch.trapezoid(torch.tensor(y), torch.tensor(x))
    assert area.item() == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize("law", ATOMS, ids=str)
def test_nothing_is_left_beside_the_atoms(law, monkeypatch):
    monkeypatch.setattr(type(law), "pdf", Law.pdf)  # which raises
    assert continuous_moments(law) is None and density_curve(law, 1.0) == ([], [])
    values = [value for value, _ in law.atoms]
    assert mass_interval(law, 3.0) == (values[0], values[-1])
    for value, share in law.atoms:
        assert expected_counts(law, [value - 1e-3, value + 1e-3], 1000) == pytest.approx(
            [1000 * share]
        )
    assert is_constant(law) == (law.std == 0)


def test_the_rest_of_a_sparse_law_is_as_wide_as_its_normal_law():
    law = law_of(SparseInit(0.9, 0.02), (100, 30))
    assert continuous_moments(law) == pytest.approx((0.0, 0.02))
    assert mass_interval(law, 3.0) == pytest.approx((-0.06, 0.06))
    _, y = density_curve(law, 1.0)
    assert max(y) == pytest.approx(0.1 / (0.02 * np.sqrt(2 * np.pi)))
    near, zero, _ = expected_counts(law, [-0.02, -1e-9, 1e-9, 0.02], 1000)
    assert (near, zero) == pytest.approx((34.13, 900), rel=1e-3)
    assert not is_constant(law) and is_constant(Constant(1.0))


def test_an_atom_at_the_last_edge_is_in_the_last_bin():
    assert expected_counts(Constant(1.0), [0.0, 0.5, 1.0], 10) == [0.0, 10.0]
    assert expected_counts(Constant(2.0), [0.0, 0.5, 1.0], 10) == [0.0, 0.0]


def test_poles_are_drawn_as_high_as_what_is_beside_them():
    _, y = density_curve(OrthogonalMatrix(1.0, 2, 2), 1.0)
    assert np.isfinite(y).all()
