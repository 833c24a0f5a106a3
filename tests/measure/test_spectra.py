"""Singular values against closed forms and torch's own, exact and estimated."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from brickbook import initialize
from brickbook.errors import ConfigError
from brickbook.measure.spectra import Spectra, jacobian_spectrum, spectra
from brickbook.views.svg.spectra import spectra_svg


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_they_are_those_of_the_weights():
    model = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Conv2d(3, 4, 3))
    found = spectra(model)
    assert [row.name for row in found] == ["0.weight", "2.weight"]
    for row, matrix in zip(found, (model[0].weight, model[2].weight.flatten(1)), strict=True):
        expected = torch.linalg.svdvals(matrix.detach())
        assert row.values == pytest.approx(expected.tolist(), rel=1e-5)
        assert (row.shape, row.exact, row.smallest) == (tuple(matrix.shape), True, row.values[-1])
        norm = matrix.norm().item()
        assert row.stable_rank == pytest.approx(norm**2 / row.largest**2, rel=1e-5)
        assert sum(value**2 for value in row.values) == pytest.approx(norm**2, rel=1e-5)


def test_with_groups_there_is_a_block_for_each():
    layer = nn.Conv1d(6, 4, 3, groups=2)
    whole = torch.zeros(4, 18)
    whole[:2, :9], whole[2:, 9:] = layer.weight[:2].flatten(1), layer.weight[2:].flatten(1)
    (row,) = spectra(nn.Sequential(layer))
    expected = torch.linalg.svdvals(whole.detach())
    assert row.values == pytest.approx(expected.tolist(), rel=1e-5) and row.shape == (4, 18)
    assert row.stable_rank == pytest.approx((whole.norm() ** 2).item() / row.largest**2, rel=1e-5)


def test_orthogonal_and_independent_weights():
    model = nn.Sequential(nn.Linear(400, 400), nn.Linear(400, 100))
    rules = [{"type": "Orthogonal", "layer": "0"}, {"type": "Normal", "std": 0.05, "layer": "1"}]
    initialize(model, rules, seed=0)
    turn, noise = spectra(model)
    assert turn.values == pytest.approx([1.0] * 400, abs=1e-5)
    assert turn.stable_rank == pytest.approx(400, rel=1e-4)
    low, high = noise.independent
    assert (low, high) == (pytest.approx(0.5, rel=0.03), pytest.approx(1.5, rel=0.03))
    assert (noise.smallest, noise.largest) == (
        pytest.approx(low, rel=0.1),
        pytest.approx(high, rel=0.05),
    )


def test_of_large_matrices_the_largest_are_estimated_from_below():
    model = nn.Sequential(nn.Linear(500, 400, bias=False))
    state = torch.get_rng_state()
    exact, found = spectra(model)["0.weight"], spectra(model, exact_cost=1)["0.weight"]
    assert (found.exact, len(found.values), found.smallest) == (False, 64, None)
    for estimate, value in zip(found.values, exact.values, strict=False):
        assert 0.9 * value < estimate < value * (1 + 1e-5)
    assert found == spectra(model, exact_cost=1)["0.weight"]
    assert torch.equal(torch.get_rng_state(), state)
    low = nn.Linear(300, 200, bias=False)
    with torch.no_grad():
        low.weight.copy_(drawn(200, 3) @ drawn(3, 300))
    assert spectra(low, exact_cost=1)["weight"].values[:3] == pytest.approx(
        spectra(low)["weight"].values[:3], rel=1e-4
    )


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_squares_that_are_no_float32_do_not_matter(size):
    layer = nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])) * size)
    (row,) = spectra(layer)
    assert row.values == pytest.approx([4 * size, 3 * size, 2 * size, size], rel=1e-5)
    assert row.rms == pytest.approx(math.sqrt(30 / 16) * size, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.complex64])
def test_other_dtypes(dtype):
    layer = nn.Linear(6, 4, bias=False, dtype=dtype)
    wide = layer.weight.detach().to(torch.complex128 if dtype.is_complex else torch.float64)
    (row,) = spectra(layer)
    assert row.values == pytest.approx(torch.linalg.svdvals(wide).tolist(), rel=1e-5)


def test_a_weight_that_is_not_finite_or_0_has_none_or_zeros():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
        model[1].weight.zero_()
    bad, zero = spectra(model)
    assert (bad.values, bad.largest, bad.stable_rank, bad.independent) == ((), None, None, None)
    assert (zero.values, zero.stable_rank) == ((0.0, 0.0), None)


def test_the_jacobian_of_linear_layers_is_their_product():
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    product = (model[1].weight @ model[0].weight).detach()
    found = jacobian_spectrum(model, drawn(3, 6), sample=2)
    assert found.values == pytest.approx(torch.linalg.svdvals(product).tolist(), rel=1e-5)
    assert found.shape == (4, 6)


def test_the_jacobian_of_a_net_is_torchs():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    x = drawn(2, 1, 4, 4)
    expected = torch.autograd.functional.jacobian(lambda v: model(v[None])[0], x[1]).flatten(1)
    found = jacobian_spectrum(model, x, sample=1)
    assert found.values == pytest.approx(torch.linalg.svdvals(expected).tolist(), rel=1e-4)


def test_a_deep_orthogonal_linear_net_is_an_isometry():
    model = nn.Sequential(*(nn.Linear(32, 32, bias=False) for _ in range(30)))
    initialize(model, {"type": "Orthogonal", "layer": "Linear"}, seed=0)
    assert jacobian_spectrum(model, input_shape=(2, 32)).values == pytest.approx(
        [1.0] * 32, abs=1e-4
    )
    initialize(model, {"type": "Normal", "std": math.sqrt(1 / 32), "layer": "Linear"}, seed=0)
    spread = jacobian_spectrum(model, input_shape=(2, 32))
    assert spread.largest > 1e3 * spread.smallest


def test_the_model_is_as_it_was():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, x = torch.get_rng_state(), drawn(5, 4)
    kept = x.clone()
    spectra(model), jacobian_spectrum(model, x)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(x, kept)
    assert all(parameter.grad is None for parameter in model.parameters()) and not x.requires_grad


REFUSED = {
    "model: expected a module, got 3.": lambda: spectra(3),
    "model: 0.weight is on the meta device and has no values.": lambda: spectra(
        nn.Sequential(nn.Linear(2, 2, device="meta"))
    ),
    "sample: the batch has 2 samples, got 2.": lambda: jacobian_spectrum(
        nn.Linear(4, 2), drawn(2, 4), sample=2
    ),
    "max_outputs: the output of a sample has 300 numbers, each a backward pass. "
    "Pass max_outputs=300, or a smaller input.": lambda: jacobian_spectrum(
        nn.Linear(4, 300), drawn(2, 4)
    ),
    "model: no derivative leads from its output to its input.": lambda: jacobian_spectrum(
        nn.Embedding(5, 3), torch.tensor([1, 2])
    ),
    "name: no matrix 'weigth'. Did you mean 'weight'?": lambda: spectra(nn.Linear(2, 2))["weigth"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_spectrum_is_said(message):
    with pytest.raises(ConfigError) as caught:
        REFUSED[message]()
    assert str(caught.value) == message


def test_the_record():
    found = spectra(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3)))
    assert Spectra.from_json(json.dumps(found.to_dict())) == found and len(found) == 2
    frame = found.frame()
    assert list(frame.columns) == [
        "kind", "shape", "largest", "smallest", "stable_rank", "independent_low",
        "independent_high", "exact",
    ]  # fmt: skip
    top = max(found, key=lambda row: row.largest)
    assert repr(found) == f"Spectra(2 matrices, largest {top.largest:.4g} in {top.name})"
    assert found._repr_html_().count("<tr>") == 3
    assert repr(Spectra(())) == "Spectra(0 matrices)"


def test_the_picture():
    model = nn.Sequential(nn.Linear(300, 200), nn.Linear(1, 1), nn.Linear(40, 30))
    with torch.no_grad():
        model[2].weight[0, 0] = math.nan
    found = spectra(model)
    svg = spectra_svg(found, language="en")
    first, one = found["0.weight"], found["1.weight"]
    low, high, only = (f"{x:.2g}" for x in (first.smallest, first.largest, one.largest))
    assert f"<title>Singular values: 0.weight: from {low} to {high}; " in svg
    assert "; 2.weight: no numbers</title>" in svg
    assert svg.count("stroke-dasharray") == 3  # of one element the lower edge is 0
    assert f"from {only} to {only}" in svg
    assert found._repr_html_().startswith('<img alt="Singular values: 0.weight: ')
    assert "奇异值" in spectra_svg(found, language="zh")
    assert "at most about" in spectra_svg(spectra(nn.Linear(200, 300), exact_cost=1))
    assert spectra_svg(Spectra(())).startswith("<svg ")
