"""Every law in every dtype and memory layout: moments, Kolmogorov-Smirnov, rounding once."""

import json
import math

import pytest
import torch
from laws_support import law_of
from scipy import stats
from torch import nn

from brickbook.init.initializers import (
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    SparseInit,
    ZerOInit,
)
from brickbook.init.laws import (
    Constant,
    Law,
    Normal,
    OrthogonalMatrix,
    SparseNormal,
    Stacked,
    TruncNormal,
    Uniform,
    law_from_dict,
    law_to_dict,
)

SHAPE = (25, 16, 5, 7)
MATRIX = (300, 140)
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def contiguous(shape, dtype):
    return torch.full(shape, math.nan, dtype=dtype)


def transposed(shape, dtype):
    return torch.full((shape[1], shape[0], *shape[2:]), math.nan, dtype=dtype).transpose(0, 1)


def channels_last(shape, dtype):
    return torch.full(shape, math.nan, dtype=dtype).to(memory_format=torch.channels_last)


def part(shape, dtype):
    """Every second row and the later columns of something larger."""
    wide = (2 * shape[0], shape[1] + 3, *shape[2:])
    return torch.full(wide, math.nan, dtype=dtype)[::2, 3:]


LAYOUTS = [contiguous, transposed, channels_last, part]


def normal(law):
    return stats.norm(law.mean, law.std)


def truncated(law):
    return stats.truncnorm(*law.standardized_bounds, law.loc, law.scale)


def uniform(law):
    return stats.uniform(law.low, law.high - law.low)


INDEPENDENT = {
    "normal": (Normal(0.0, 0.02), normal),
    "normal off zero": (Normal(0.5, 0.02), normal),
    "uniform": (Uniform(-1.0, 3.0), uniform),
    "truncated": (TruncNormal(0.0, 0.02, -0.04, 0.04), truncated),
    "wide cut": (TruncNormal(0.0, 0.02, -2.0, 2.0), truncated),
    "right tail": (TruncNormal(0.0, 1.0, 4.0, 5.0), truncated),
    "left tail": (TruncNormal(0.0, 1.0, -9.0, -8.0), truncated),
}


def above(values):
    """Return what rounds to the next number a dtype has: half-way up from each value."""
    if values.dtype == torch.float64:
        return values
    if values.dtype == torch.float32:
        up = torch.nextafter(values, torch.full_like(values, math.inf))
    else:
        bits = (values + 0.0).view(torch.int16)
        up = torch.where(bits >= 0, bits + 1, bits - 1).view(values.dtype)
    return (values.double() + up.double()) / 2


def distance(sample, cdf):
    """Return the Kolmogorov-Smirnov statistic times √n of draws that were rounded once."""
    values, counts = sample.flatten().unique(sorted=True, return_counts=True)
    found = counts.double().cumsum(0) / sample.numel()
    wanted = torch.from_numpy(cdf(above(values).numpy()))
    below = torch.cat([torch.zeros(1), found[:-1]])
    last = (found - wanted).abs().max()
    if sample.dtype == torch.float64:  # a continuous law: the step below counts as well
        last = max(last, (wanted - below).abs().max())
    return float(last) * math.sqrt(sample.numel())


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_laws(name, dtype, layout):
    law, theory = INDEPENDENT[name]
    tensor = layout(SHAPE, dtype)
    law.fill(tensor, torch.Generator().manual_seed(3))
    wide, n = tensor.double(), tensor.numel()
    step = torch.finfo(dtype).eps * max(abs(law.mean), 3 * law.std)  # what rounding may shift
    assert wide.mean().item() == pytest.approx(law.mean, abs=5 * law.std / math.sqrt(n) + step)
    assert wide.std().item() == pytest.approx(law.std, rel=0.02, abs=step)
    assert distance(tensor, theory(law).cdf) < 1.95  # p = 0.001


def test_the_distance_sees_a_wrong_scale_and_numbers_rounded_twice():
    sample = torch.empty(42_000, dtype=torch.bfloat16)
    Normal(0.0, 1.0).fill(sample, torch.Generator().manual_seed(3))
    assert distance(sample, stats.norm(0, 1).cdf) < 1.95
    assert distance(sample, stats.norm(0, 1.03).cdf) > 1.95
    assert distance(sample.to(torch.float8_e5m2).bfloat16(), stats.norm(0, 1).cdf) > 1.95


LARGE = [Normal(0.0, 0.02), Uniform(-1.0, 1.0), TruncNormal(0.0, 1.0, -2.0, 2.0)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("law", LARGE, ids=str)
def test_pieces_of_a_large_tensor_follow_on_from_another(law, dtype):
    tensor = torch.empty(3, 1 << 20, dtype=dtype)
    law.fill(tensor, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    for row in tensor:
        wide = torch.empty(1 << 20)
        law.fill(wide, generator)
        assert torch.equal(row, wide.to(dtype))


@pytest.mark.parametrize("shape", [(3, 1 << 19), (1 << 19, 3), (2, 3, 1 << 18)])
@pytest.mark.parametrize("law", LARGE, ids=str)
def test_large_tensors_of_any_strides(law, shape):
    for dtype in (torch.bfloat16, torch.float32):
        tensor = transposed(shape, dtype)
        law.fill(tensor, torch.Generator().manual_seed(5))
        assert tensor.double().std().item() == pytest.approx(law.std, rel=0.01)
        assert tensor.unique().numel() > 200
        assert not tensor.isnan().any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_empty_tensors(dtype):
    for law in (*LARGE, Constant(1.0)):
        empty = torch.empty(0, 3, dtype=dtype)
        law.fill(empty)
        assert empty.shape == (0, 3) and empty.dtype is dtype


@pytest.mark.parametrize("law", LARGE[:2], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_without_a_seed_strides_are_filled_as_torch_fills_them(law, dtype):
    ours, theirs = channels_last(SHAPE, dtype), channels_last(SHAPE, dtype)
    torch.manual_seed(1)
    law.fill(ours)
    torch.manual_seed(1)
    if isinstance(law, Normal):
        nn.init.normal_(theirs, law.mean, law.std)
    else:
        nn.init.uniform_(theirs, *law.support)
    assert torch.equal(ours, theirs)


WHOLE = {
    "orthogonal": (OrthogonalMatrix(1.5, 25, 16 * 35), SHAPE),
    "orthogonal matrix": (OrthogonalMatrix(1.5, *MATRIX), MATRIX),
    "delta orthogonal": (law_of(DeltaOrthogonalInit(1.5), SHAPE), SHAPE),
    "dirac": (law_of(DiracInit(5), SHAPE), SHAPE),
    "identity": (law_of(IdentityInit(0.1), MATRIX), MATRIX),
    "sparse": (law_of(SparseInit(0.3, 0.5), MATRIX), MATRIX),
    "zero": (law_of(ZerOInit(), SHAPE), SHAPE),
    "hadamard": (law_of(ZerOInit(), MATRIX), MATRIX),
    "stacked": (Stacked(OrthogonalMatrix(1.5, 100, 140), 3), MATRIX),
    "stacked hadamard": (Stacked(law_of(ZerOInit(), (8, 6, 3)), 4), (32, 6, 3)),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_a_law_of_a_whole_tensor_is_the_same_in_every_layout(name, dtype):
    law, shape = WHOLE[name]
    tensors = []
    for layout in LAYOUTS:
        if layout is channels_last and len(shape) != 4:
            continue
        tensors.append(layout(shape, dtype))
        law.fill(tensors[-1], torch.Generator().manual_seed(3))
        if dtype in (torch.bfloat16, torch.float16):
            wide = torch.empty(shape)
            law.fill(wide, torch.Generator().manual_seed(3))
            assert torch.equal(tensors[-1], wide.to(dtype))
    assert all(torch.equal(tensor, tensors[0]) for tensor in tensors)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_the_moments_of_a_law_of_a_whole_tensor(name, dtype):
    law, shape = WHOLE[name]
    tensor = torch.empty(shape, dtype=dtype)
    law.fill(tensor, torch.Generator().manual_seed(3))
    wide, n = tensor.double(), tensor.numel()
    drawn = law.std if sum(share for _, share in law.atoms) < 1 - 1e-9 else 0.0
    eps = torch.finfo(dtype).eps
    assert wide.mean().item() == pytest.approx(law.mean, rel=4 * eps, abs=5 * drawn / math.sqrt(n))
    rel = 0.03 if drawn else 4 * eps
    assert wide.std(correction=0).item() == pytest.approx(law.std, rel=rel)
    low, high = law.support
    assert low * (1 + eps) <= wide.min() and wide.max() <= high * (1 + eps)
    for value, share in law.atoms:
        exact = torch.tensor(value, dtype=dtype)
        assert (tensor == exact).double().mean().item() == pytest.approx(share, abs=1e-12)


ALL: list[Law] = [
    *(law for law, _ in INDEPENDENT.values()),
    *(law for law, _ in WHOLE.values()),
    Constant(0.25), Normal(2.0, 0.0), Uniform(0.5, 0.5), OrthogonalMatrix(2.0, 1, 1),
    SparseNormal(0.1, 4, 0), TruncNormal(0.0, 1.0, 0.5, math.inf),
]  # fmt: skip


@pytest.mark.parametrize("law", ALL, ids=str)
def test_density_and_atoms_make_one(law):
    rest = 1 - sum(share for _, share in law.atoms)
    low, high = law.support
    width = 14 * law.std / math.sqrt(rest) if rest > 1e-9 else 1.0
    x = torch.linspace(
        max(low, law.mean - width), min(high, law.mean + width), 200_001, dtype=torch.float64
    )
    pdf = law.pdf(x)
    assert pdf.dtype == torch.float64 and pdf.shape == x.shape
    assert torch.trapezoid(pdf, x).item() == pytest.approx(rest, abs=1e-3)
    mean = torch.trapezoid(pdf * x, x).item() + sum(v * share for v, share in law.atoms)
    assert mean == pytest.approx(law.mean, abs=1e-3 * (law.std + abs(law.mean)))
    second = torch.trapezoid(pdf * x * x, x).item() + sum(v * v * p for v, p in law.atoms)
    assert math.sqrt(max(0.0, second - mean**2)) == pytest.approx(law.std, rel=1e-2, abs=1e-6)
    values = [value for value, _ in law.atoms]
    assert values == sorted(set(values)) and all(low <= value <= high for value in values)


@pytest.mark.parametrize("law", ALL, ids=str)
def test_a_law_scaled_by_a_number(law):
    twice = law.scale_by(2.0)
    assert type(twice) is type(law)
    assert twice.mean == pytest.approx(2 * law.mean)
    assert twice.std == pytest.approx(2 * law.std)
    assert twice.support == tuple(2 * end for end in law.support)
    assert twice.atoms == tuple((2 * value, share) for value, share in law.atoms)
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(twice.pdf(2 * x), law.pdf(x) / 2)
    nothing = law.scale_by(0.0)
    assert (nothing.mean, nothing.std, nothing.atoms) == (0.0, 0.0, ((0.0, 1.0),))


@pytest.mark.parametrize("law", ALL, ids=str)
def test_a_law_survives_json(law):
    text = json.dumps(law_to_dict(law), allow_nan=False)
    assert law_from_dict(json.loads(text)) == law
