from __future__ import annotations

import numpy as np
import pytest

from brickbook.init.laws import Constant, Normal, SparseNormal, TruncNormal, Uniform
from brickbook.views.data.law_curves import cumulative_law, expected_counts

EDGES = np.linspace(-3, 3, 49).tolist()


@pytest.mark.parametrize(
    "law", [Normal(0.1, 0.7), Uniform(-1.0, 2.0), TruncNormal(0.0, 1.0, -2.0, 2.0)]
)
def test_it_is_what_the_theory_expects(law):
    found = cumulative_law(law)
    assert found is not None
    assert found.expected_counts(EDGES, 1000) == pytest.approx(
        expected_counts(law, EDGES, 1000), abs=1e-9
    )


def test_atoms_are_left_out():
    law = SparseNormal(0.5, rows=20, zeros=5)
    found = cumulative_law(law)
    assert found is not None
    rest = 1 - sum(share for _, share in law.atoms)
    assert sum(found.expected_counts(EDGES, 1000)) == pytest.approx(1000 * rest, rel=1e-6)


def test_what_is_all_atoms_has_none():
    assert cumulative_law(Constant(0.5)) is None
