"""Laws with point masses in every view: vertical lines, and a curve only where there is one."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from laws_support import law_of

from brickbook.init.initializers import DiracInit, IdentityInit, SparseInit
from brickbook.init.laws import Constant
from brickbook.init.planning import PlanRow
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.grid.payload import grid_payload
from brickbook.views.plotly.histogram import histogram
from brickbook.views.svg.histograms import comparison_picture

SVG = "{http://www.w3.org/2000/svg}"
IDENTITY = law_of(IdentityInit(2.0), (8, 4))
SPARSE = law_of(SparseInit(0.75, 0.5), (400, 50))


def drawn(law, shape):
    tensor = torch.empty(shape)
    law.fill(tensor, torch.Generator().manual_seed(1))
    return tensor


def compared(law, shape):
    before = torch.rand(shape, generator=torch.Generator().manual_seed(2))
    return compare(snapshot({"w": before}), snapshot({"w": drawn(law, shape)}))


def row(law):
    return PlanRow("w", "parameter", "Linear", (), "float32", law=law, rule="r", source="s")


def test_a_figure_has_a_line_as_high_as_an_atoms_elements():
    after = snapshot({"w": drawn(IDENTITY, (8, 4))})["w"]
    _, _, law = histogram(None, after, IDENTITY).data
    assert (list(law.x), list(law.y)) == ([0.0, 0.0, None, 2.0, 2.0], [0.0, 28.0, None, 0.0, 4.0])


def test_a_figure_has_the_curve_and_the_atom():
    after = snapshot({"w": drawn(SPARSE, (400, 50))})["w"]
    bars, _, law = histogram(None, after, SPARSE).data
    assert list(law.x[-3:]) == [None, 0.0, 0.0] and list(law.y[-2:]) == [0.0, 15_000.0]
    density = 0.25 / (0.5 * np.sqrt(2 * np.pi))
    assert max(law.y[:-3]) == pytest.approx(density * 20_000 * bars.width, rel=1e-3)


def test_a_law_alone_is_drawn_as_a_share():
    law = histogram(None, None, IDENTITY).data[2]
    assert list(law.y) == [0.0, 0.875, None, 0.0, 0.125]


@pytest.mark.parametrize(
    ("law", "shape", "lines", "curves"),
    [(IDENTITY, (8, 4), 2, 0), (SPARSE, (400, 50), 1, 1), (Constant(0.5), (8, 4), 1, 0)],
    ids=["identity", "sparse", "constant"],
)
def test_a_picture_has_a_line_for_every_atom(law, shape, lines, curves):
    svg = comparison_picture(compared(law, shape), {"w": row(law)}).svg  # pyright: ignore
    dashed = [
        path.get("d") for path in ET.fromstring(svg).iter(f"{SVG}path")
        if path.get("stroke-dasharray") and path.get("d") != "M142 9h18"
    ]  # fmt: skip
    assert len([d for d in dashed if "L" not in d]) == lines
    assert len([d for d in dashed if "L" in d]) == curves


@pytest.mark.parametrize(
    ("law", "shape", "atoms", "rest"),
    [
        (law_of(DiracInit(), (8, 4, 3)), (8, 4, 3), [[0.0, 0.958333], [1.0, 0.0416667]], None),
        (SPARSE, (400, 50), [[0.0, 0.75]], 5000),
    ],
    ids=["dirac", "sparse"],
)
def test_the_grid_has_atoms_apart_from_the_curve(law, shape, atoms, rest):
    payload = grid_payload(compared(law, shape), {"w": row(law)})  # pyright: ignore
    (cell,) = payload.meta["cells"]
    assert payload.meta["laws"][cell["law"]]["atoms"] == atoms
    assert ("law" in cell["at"]) == (rest is not None)
    if rest is not None:
        code, start, length = cell["at"]["law"]
        counts = np.frombuffer(payload.buffer, f"<{code}", length, start)
        assert counts.sum() == pytest.approx(rest, rel=2e-3)


def test_a_constant_needs_no_counts_in_the_grid():
    payload = grid_payload(compared(Constant(1.0), (8, 4)), {"w": row(Constant(1.0))})  # pyright: ignore
    assert "law" not in payload.meta["cells"][0]["at"]
