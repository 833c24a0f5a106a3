"""Laws of whole matrices: against torch where it has them, and against what their papers prove."""

import json
import math

import pytest
import torch
from laws_support import law_of
from scipy import linalg, stats
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError
from brickbook.init.initializers import (
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    OrthogonalInit,
    SparseInit,
    ZerOInit,
)
from brickbook.init.laws import (
    Centred,
    Constant,
    HadamardMatrix,
    IdentityMatrix,
    Normal,
    OrthogonalMatrix,
    RowSections,
    SparseNormal,
    Stacked,
    TruncNormal,
    Uniform,
    law_from_dict,
    law_to_dict,
    same_law,
)

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def filled(init, shape, dtype=torch.float64, seed=1):
    tensor = torch.full(shape, math.nan, dtype=dtype)
    law_of(init, shape).fill(tensor, torch.Generator().manual_seed(seed))
    return tensor


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 4, 3, 3), (4, 8, 2, 4), (6, 5, 3, 1, 2)])
def test_dirac_is_torchs(shape, groups, dtype):
    expected = nn.init.dirac_(torch.empty(shape, dtype=dtype), groups)
    assert torch.equal(filled(DiracInit(groups), shape, dtype), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (1, 1)])
def test_identity_is_torchs(shape, dtype):
    expected = nn.init.eye_(torch.empty(shape, dtype=dtype))
    assert torch.equal(filled(IdentityInit(), shape, dtype), expected)
    assert torch.equal(filled(IdentityInit(0.5), shape, dtype), expected / 2)


def test_dirac_passes_its_input_on():
    conv = nn.Conv2d(4, 6, 3, padding=1, bias=False)
    law_of(DiracInit(), tuple(conv.weight.shape)).fill(conv.weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(conv(x), torch.cat([x, torch.zeros(2, 2, 5, 5)], 1))


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (1, 5), (5, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_sparse_has_torchs_numbers_for_a_seed(shape, dtype):
    torch.manual_seed(7)
    expected = nn.init.sparse_(torch.empty(shape, dtype=dtype), 0.35, 0.5)
    torch.manual_seed(7)
    ours = torch.empty(shape, dtype=dtype)
    law_of(SparseInit(0.35, 0.5), shape).fill(ours)
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_column_of_a_sparse_matrix_has_its_zeros_and_a_normal_rest(dtype):
    tensor = filled(SparseInit(0.35, 0.5), (50, 200), dtype)
    assert ((tensor == 0).sum(0) == 18).all()  # 17.5, rounded up
    assert stats.kstest(tensor[tensor != 0].double().numpy(), stats.norm(0, 0.5).cdf).pvalue > 1e-3
    assert ((tensor == 0).sum(1).double().mean() / 200).item() == pytest.approx(0.36)


def test_the_places_of_sparse_zeros_depend_on_the_generator_alone():
    torch.manual_seed(1)
    one = filled(SparseInit(0.5), (20, 10))
    torch.manual_seed(2)
    assert torch.equal(one, filled(SparseInit(0.5), (20, 10)))
    assert not torch.equal(one == 0, filled(SparseInit(0.5), (20, 10), seed=2) == 0)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 5, 3, 3), (6, 6, 5, 3), (4, 3, 3, 3, 3)])
def test_a_delta_orthogonal_convolution_keeps_the_norm(shape):
    weight = filled(DeltaOrthogonalInit(1.5), shape)
    dims = len(shape) - 2
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](
        shape[1], shape[0], shape[2:], padding="same", padding_mode="circular", bias=False
    ).double()
    conv.weight = nn.Parameter(weight)
    x = torch.randn(2, shape[1], *(7,) * dims, dtype=torch.float64)
    assert conv(x).norm().item() == pytest.approx(1.5 * x.norm().item())
    assert int((weight != 0).sum()) == shape[0] * shape[1]


@pytest.mark.parametrize(("size", "place"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize("init", [DeltaOrthogonalInit(), DiracInit(), ZerOInit()], ids=repr)
def test_the_centre_of_a_kernel(init, size, place):
    weight = filled(init, (3, 3, size))
    assert weight.abs().sum((0, 1)).nonzero().flatten().tolist() == [place]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (2, 1), (5, 3), (6, 5), (8, 4), (9, 8), (64, 63), (37, 37)]
)
def test_a_hadamard_matrix_is_scipys_corner(rows, columns, dtype):
    tensor = torch.full((rows, columns), math.nan, dtype=dtype)
    HadamardMatrix(1.0, rows, columns).fill(tensor)
    m = (rows - 1).bit_length()
    signs = torch.from_numpy(linalg.hadamard(2**m)[:rows, :columns]).double()
    assert torch.equal(tensor, (signs * 2 ** (-m / 2)).to(dtype))


@pytest.mark.parametrize("side", [1, 2, 8, 64])
def test_a_hadamard_matrix_of_a_power_of_two_is_orthogonal(side):
    matrix = torch.empty(side, side, dtype=torch.float64)
    HadamardMatrix(-2.0, side, side).fill(matrix)
    torch.testing.assert_close(matrix @ matrix.T, 4 * torch.eye(side, dtype=torch.float64))
    assert matrix[0, 0] < 0


@pytest.mark.parametrize(
    ("shape", "law"),
    [
        ((4, 4), IdentityMatrix(1.0, 4, 4)),
        ((3, 5), IdentityMatrix(1.0, 3, 5)),
        ((6, 4), HadamardMatrix(1.0, 6, 4)),
        ((4, 4, 3, 3), Centred(IdentityMatrix(1.0, 4, 4), 9)),
        ((6, 4, 1), Centred(HadamardMatrix(1.0, 6, 4), 1)),
        ((0, 4), Constant(0.0)),
    ],
)
def test_zero_chooses_by_the_sizes(shape, law):
    assert law_of(ZerOInit(), shape) == law


def test_zero_keeps_the_norm_of_a_signal_that_grows_to_a_power_of_two():
    x = torch.randn(5, 7, dtype=torch.float64)
    grown = x @ filled(ZerOInit(), (16, 7)).T
    torch.testing.assert_close(grown.norm(dim=1), x.norm(dim=1))


@pytest.mark.parametrize("shape", [(5, 5), (4, 9), (9, 4)])
def test_a_complex_weight_is_unitary(shape):
    weight = filled(OrthogonalInit(), shape, torch.complex128)
    matrix = weight if shape[0] <= shape[1] else weight.T
    eye = torch.eye(min(shape), dtype=torch.complex128)
    torch.testing.assert_close(matrix @ matrix.conj().T, eye)


def test_the_single_element_of_an_orthogonal_matrix_is_plus_or_minus_the_gain():
    law = OrthogonalMatrix(2.0, 1, 1)
    assert law.atoms == ((-2.0, 0.5), (2.0, 0.5)) and law.std == 2.0
    generator = torch.Generator().manual_seed(1)
    drawn = []
    for _ in range(200):
        tensor = torch.empty(1, 1)
        law.fill(tensor, generator)
        drawn.append(tensor.item())
    assert set(drawn) == {-2.0, 2.0} and 70 < drawn.count(2.0) < 130


def test_stacked_parts_are_each_orthogonal():
    law = Stacked(OrthogonalMatrix(1.0, 8, 8), 3)
    tensor = torch.empty(24, 8, dtype=torch.float64)
    law.fill(tensor, torch.Generator().manual_seed(1))
    for part in tensor.chunk(3):
        torch.testing.assert_close(part @ part.T, torch.eye(8, dtype=torch.float64))
    assert not torch.equal(tensor[:8], tensor[8:16])


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (Stacked(OrthogonalMatrix(1, 64, 64), 3), "3 × OrthogonalMatrix(1, 64, 64)"),
        (Centred(IdentityMatrix(1.0, 8, 4, 2), 9), "Centred(IdentityMatrix(1, 8, 4, 2), 9)"),
        (HadamardMatrix(1.0, 8, 4), "HadamardMatrix(1, 8, 4)"),
        (SparseNormal(0.01, 64, 32), "SparseNormal(0.01, 64, 32)"),
    ],
)
def test_a_law_as_words(law, text):
    assert str(law) == text


@pytest.mark.parametrize(
    ("law", "atoms"),
    [
        (law_of(DiracInit(), (4, 2, 5)), ((0.0, 0.95), (1.0, 0.05))),
        (law_of(IdentityInit(-3.0), (2, 2)), ((-3.0, 0.5), (0.0, 0.5))),
        (law_of(IdentityInit(), (1, 1)), ((1.0, 1.0),)),
        (law_of(SparseInit(0.9), (20, 3)), ((0.0, 0.9),)),
        (law_of(SparseInit(0.0), (20, 3)), ()),
        (law_of(DeltaOrthogonalInit(), (4, 2, 5)), ((0.0, 0.8),)),
        (law_of(DeltaOrthogonalInit(), (4, 2, 1, 1)), ()),
        (HadamardMatrix(2.0, 4, 2), ((-1.0, 0.25), (1.0, 0.75))),
        (Stacked(law_of(IdentityInit(), (2, 2)), 3), ((0.0, 0.5), (1.0, 0.5))),
        (Normal(0.0, 1.0), ()),
    ],
    ids=str,
)
def test_atoms(law, atoms):
    assert [value for value, _ in law.atoms] == [value for value, _ in atoms]
    assert [share for _, share in law.atoms] == pytest.approx([share for _, share in atoms])


@pytest.mark.parametrize(
    ("init", "shape", "law"),
    [
        (DeltaOrthogonalInit(2.0), (4, 3, 3, 5), Centred(OrthogonalMatrix(2.0, 4, 3), 15)),
        (DeltaOrthogonalInit(0.0), (4, 3, 3), Constant(0.0)),
        (DeltaOrthogonalInit(), (4, 0, 3), Constant(0.0)),
        (DiracInit(2), (4, 3, 3), Centred(IdentityMatrix(1.0, 4, 3, 2), 3)),
        (DiracInit(), (0, 3, 3), Constant(0.0)),
        (IdentityInit(0.0), (4, 3), Constant(0.0)),
        (SparseInit(0.1, 0.5), (4, 3), SparseNormal(0.5, 4, 1)),
        (SparseInit(1.0), (4, 3), Constant(0.0)),
        (SparseInit(0.5, 0.0), (4, 3), Constant(0.0)),
    ],
    ids=str,
)
def test_a_shape_fills_in_the_numbers(init, shape, law):
    assert law_of(init, shape) == law


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: law_of(DeltaOrthogonalInit(), (3, 8, 3, 3)),
            BadValueError,
            "type: DeltaOrthogonal needs as many outputs as inputs or more, "
            "got a weight of shape (3, 8, 3, 3).",
        ),
        (
            lambda: law_of(DeltaOrthogonalInit(), (8, 3)),
            BadValueError,
            "type: DeltaOrthogonal needs a weight of 3 to 5 dimensions, got one of shape (8, 3).",
        ),
        (
            lambda: law_of(DiracInit(), (8, 3)),
            BadValueError,
            "type: Dirac needs a weight of 3 to 5 dimensions, got one of shape (8, 3).",
        ),
        (
            lambda: law_of(DiracInit(3), (8, 3, 3)),
            BadValueError,
            "groups: 3 does not divide the outputs of a weight of shape (8, 3, 3).",
        ),
        (lambda: DiracInit(0), BadValueError, "groups: expected 1 or more, got 0."),
        (lambda: DiracInit(2.0), BadArgumentError, "groups: expected an int, got 2.0."),
        (
            lambda: law_of(IdentityInit(), (8, 3, 3)),
            BadValueError,
            "type: Identity needs a weight of 2 dimensions, got one of shape (8, 3, 3).",
        ),
        (
            lambda: law_of(SparseInit(0.5), (8, 3, 3)),
            BadValueError,
            "type: Sparse needs a weight of 2 dimensions, got one of shape (8, 3, 3).",
        ),
        (lambda: SparseInit(-0.1), BadValueError, "sparsity: expected 0 to 1, got -0.1."),
        (
            lambda: law_of(ZerOInit(), (8,)),
            BadValueError,
            "type: ZerO needs a weight of 2 to 5 dimensions, got one of shape (8,).",
        ),
        (
            lambda: law_from_dict({"type": "Norml", "mean": 0}),
            UnknownNameError,
            "law.type: unknown law 'Norml'. Did you mean 'Normal'?",
        ),
        (
            lambda: law_from_dict({"type": "Normal", "mean": 0, "sdt": 1, "std": 1}, "rows[0].law"),
            BadArgumentError,
            "rows[0].law.sdt: Normal has no such number. Did you mean 'std'?",
        ),
        (
            lambda: law_from_dict({"type": "Stacked", "law": {"type": "Normal"}, "parts": 3}),
            BadArgumentError,
            "law.law: Normal also needs mean, std.",
        ),
    ],
)
def test_messages(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_a_law_as_a_dict():
    law = Stacked(TruncNormal(0.0, 1.0, -math.inf, 2.0), 3)
    assert law_to_dict(law) == {
        "type": "Stacked",
        "law": {"type": "TruncNormal", "loc": 0.0, "scale": 1.0, "low": "-inf", "high": 2.0},
        "parts": 3,
    }
    assert law_from_dict({"type": "IdentityMatrix", "gain": 1, "rows": 2, "columns": 2}) == (
        IdentityMatrix(1, 2, 2)
    )


@pytest.mark.parametrize(
    "law", [Constant(2.5), IdentityMatrix(-3.0, 6, 4, 2), HadamardMatrix(2.0, 5, 3)], ids=str
)
def test_a_discrete_law_has_the_theory_of_its_atoms(law):
    mean = sum(value * share for value, share in law.atoms)
    variance = sum(share * (value - mean) ** 2 for value, share in law.atoms)
    assert (law.mean, law.std) == (pytest.approx(mean), pytest.approx(math.sqrt(variance)))
    assert law.support == (law.atoms[0][0], law.atoms[-1][0])
    assert not law.is_random() and not law.pdf(torch.linspace(-1, 1, 5)).any()


SECTIONS = RowSections((Normal(1.0, 0.5), Constant(0.0), Uniform(-1.0, 2.0)), (2, 1, 5))


def test_sections_are_a_mixture():
    tensor = torch.empty(8, 4096)
    SECTIONS.fill(tensor, torch.Generator().manual_seed(0))
    assert tensor[:2].mean().item() == pytest.approx(1.0, abs=0.03)
    assert not tensor[2].any() and tensor[3:].min() >= -1
    assert tensor.mean().item() == pytest.approx(SECTIONS.mean, abs=0.02)
    assert tensor.std().item() == pytest.approx(SECTIONS.std, rel=0.02)
    assert SECTIONS.support == (-math.inf, math.inf)
    assert SECTIONS.atoms == ((0.0, 0.125),)
    x = torch.linspace(-6, 8, 200_001, dtype=torch.float64)
    assert torch.trapezoid(SECTIONS.pdf(x), x).item() == pytest.approx(1 - 0.125, abs=1e-3)
    assert SECTIONS.mass_beyond(3.0) == pytest.approx(Normal(1.0, 0.5).mass_beyond(3.0) / 4)


def test_sections_in_json_and_in_words():
    assert law_from_dict(json.loads(json.dumps(law_to_dict(SECTIONS)))) == SECTIONS
    assert str(SECTIONS) == "RowSections(2 × Normal(1, 0.5), 1 × Constant(0), 5 × Uniform(-1, 2))"
    assert SECTIONS.scale_by(2.0).laws[2] == Uniform(-2.0, 4.0)
    assert SECTIONS.is_random() and not RowSections((Constant(0.0),), (3,)).is_random()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (Uniform(-0.5, 0.5), Uniform(-0.49999999999999994, 0.5), True),
        (Uniform(-0.5, 0.5), Uniform(-0.5000001, 0.5), False),
        (Normal(0.0, 1.0), Uniform(0.0, 1.0), False),
        (SECTIONS, SECTIONS.scale_by(1.0), True),
        (SECTIONS, RowSections(SECTIONS.laws, (2, 2, 4)), False),
        (SECTIONS, RowSections(SECTIONS.laws[:1], (8,)), False),
        (Stacked(Normal(0.0, 1.0), 2), Stacked(Normal(0.0, 1.0 + 1e-15), 2), True),
        (None, None, True),
        (None, Constant(0.0), False),
    ],
)
def test_laws_that_differ_by_rounding(first, second, same):
    assert same_law(first, second) is same
