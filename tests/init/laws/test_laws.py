"""Every law against its theory: moments, support, density, Kolmogorov-Smirnov."""

import math

import pytest
import torch
from laws_support import law_of
from scipy import stats
from torch import nn

from brickbook.errors import BadValueError, CheckError
from brickbook.init.initializers import (
    Caffe2XavierInit,
    KaimingInit,
    OrthogonalInit,
    VarianceScalingInit,
    XavierInit,
    fans,
    gain_of_module,
)
from brickbook.init.initializers.gains import gain_by_name
from brickbook.init.laws import (
    Constant,
    Law,
    Normal,
    OrthogonalMatrix,
    TruncNormal,
    Uniform,
    elementwise,
)

N = 200_000


def truncated(loc, scale, low, high):
    return stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)


LAWS = {
    "normal": (Normal(0.5, 0.02), stats.norm(0.5, 0.02)),
    "uniform": (Uniform(-1.0, 3.0), stats.uniform(-1, 4)),
    "truncated": (TruncNormal(0.0, 0.02, -0.04, 0.04), truncated(0, 0.02, -0.04, 0.04)),
    "lopsided": (TruncNormal(0.0, 1.0, -0.5, 2.0), truncated(0, 1, -0.5, 2)),
    "wide cut": (TruncNormal(0.0, 0.02, -2.0, 2.0), truncated(0, 0.02, -2, 2)),
    "right tail": (TruncNormal(0.0, 1.0, 4.0, 5.0), truncated(0, 1, 4, 5)),
    "left tail": (TruncNormal(0.0, 1.0, -9.0, -8.0), truncated(0, 1, -9, -8)),
    "widened": (
        law_of(VarianceScalingInit(2.0, "fan_avg", "truncated_normal"), (30, 20)),
        stats.truncnorm(-2, 2, 0, math.sqrt(2 / 25) / stats.truncnorm(-2, 2).std()),
    ),
    "narrow": (TruncNormal(100.0, 1e-5, 99.0, 101.0), truncated(100, 1e-5, 99, 101)),
}


@pytest.mark.parametrize("name", LAWS)
def test_a_law_draws_what_its_theory_says(name):
    law, theory = LAWS[name]
    assert law.mean == pytest.approx(theory.mean(), abs=1e-9, rel=1e-6)
    assert law.std == pytest.approx(theory.std(), rel=1e-5)
    sample = torch.empty(N, dtype=torch.float64)
    law.fill(sample, torch.Generator().manual_seed(1))
    low, high = law.support
    assert low <= sample.min() and sample.max() <= high
    assert sample.mean().item() == pytest.approx(law.mean, abs=5 * law.std / math.sqrt(N))
    assert sample.std().item() == pytest.approx(law.std, rel=0.01)
    assert stats.kstest(sample.numpy(), theory.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", [name for name in LAWS if name != "narrow"])
def test_a_density_is_that_of_the_theory_and_integrates_to_one(name):
    law, theory = LAWS[name]
    low, high = law.support
    low, high = max(low, law.mean - 12 * law.std), min(high, law.mean + 12 * law.std)
    x = torch.linspace(low, high, 20001, dtype=torch.float64)
    pdf = law.pdf(x)
    assert pdf.dtype == torch.float64
    torch.testing.assert_close(pdf, torch.tensor(theory.pdf(x.numpy())), rtol=1e-6, atol=1e-9)
    assert torch.trapezoid(pdf, x).item() == pytest.approx(1, abs=1e-3)
    assert law.pdf(torch.tensor([law.mean - 100 * law.std - 1])).item() == pytest.approx(0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_small_std_has_no_elements_on_far_cut_points(dtype):
    sample = torch.empty(2_000_000, dtype=dtype)
    TruncNormal(0.0, 0.02, -2.0, 2.0).fill(sample, torch.Generator().manual_seed(1))
    assert sample.abs().max() < 0.2  # mmcv's inverse CDF gives -2.0, a hundred std away


def test_constant():
    law = Constant(3.0)
    tensor = torch.empty(4)
    law.fill(tensor)
    assert tensor.tolist() == [3.0] * 4
    assert (law.mean, law.std, law.support) == (3.0, 0.0, (3.0, 3.0))
    assert law.atoms == ((3.0, 1.0),)
    assert law.pdf(torch.tensor([3.0, 2.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (Constant(1), "Constant(1)"),
        (Normal(0.0, 2 / 34), "Normal(0, 0.05882)"),
        (Uniform(-0.5, 0.5), "Uniform(-0.5, 0.5)"),
        (TruncNormal(0, 0.02, -2, 2), "TruncNormal(0, 0.02, -2, 2)"),
    ],
)
def test_a_law_as_words(law, text):
    assert str(law) == text


@pytest.mark.parametrize(
    ("init", "shape", "law"),
    [
        (XavierInit(), (8, 4), Normal(0.0, math.sqrt(2 / 12))),
        (XavierInit(2.0, "uniform"), (8, 4), Uniform(-math.sqrt(2), math.sqrt(2))),
        (KaimingInit(), (64, 3, 7, 7), Normal(0.0, math.sqrt(2 / (64 * 49)))),
        (KaimingInit(mode="fan_in"), (64, 3, 7, 7), Normal(0.0, math.sqrt(2 / (3 * 49)))),
        (KaimingInit(a=1.0, nonlinearity="leaky_relu"), (8, 4), Normal(0.0, math.sqrt(1 / 8))),
        (Caffe2XavierInit(), (8, 4), Uniform(-math.sqrt(3 / 4), math.sqrt(3 / 4))),
        (KaimingInit(), (0, 4), Constant(0.0)),
        (VarianceScalingInit(), (8, 4), Normal(0.0, 0.5)),
        (VarianceScalingInit(2.0, "fan_out"), (8, 4, 2), Normal(0.0, math.sqrt(2 / 16))),
        (VarianceScalingInit(1.0, "fan_avg"), (8, 4), Normal(0.0, math.sqrt(1 / 6))),
        (
            VarianceScalingInit(1.0, "fan_geo_avg", "uniform"),
            (8, 2),
            Uniform(-math.sqrt(3) / 2, math.sqrt(3) / 2),
        ),
        (VarianceScalingInit(0.0), (8, 4), Normal(0.0, 0.0)),
        (OrthogonalInit(2.0), (8, 4, 3), OrthogonalMatrix(2.0, 8, 12)),
        (OrthogonalInit(0.0), (8, 4), Constant(0.0)),
    ],
)
def test_a_shape_fills_in_the_numbers(init, shape, law):
    found = law_of(init, shape)
    assert type(found) is type(law)
    assert vars(found) == pytest.approx(vars(law))


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 2), (5, 3, 2, 4), (5, 3, 2, 4, 1)])
def test_fans_are_torchs(shape):
    found = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert fans(shape) == found


TORCH = {
    "orthogonal": (OrthogonalInit(1.5), lambda w: nn.init.orthogonal_(w, 1.5)),
    "xavier normal": (XavierInit(), lambda w: nn.init.xavier_normal_(w)),
    "xavier uniform": (XavierInit(3.0, "uniform"), lambda w: nn.init.xavier_uniform_(w, 3.0)),
    "kaiming normal": (
        KaimingInit(0.1, "fan_out", "leaky_relu", "normal"),
        lambda w: nn.init.kaiming_normal_(w, 0.1, "fan_out", "leaky_relu"),
    ),
    "kaiming uniform": (
        KaimingInit(0, "fan_in", "relu", "uniform"),
        lambda w: nn.init.kaiming_uniform_(w, 0, "fan_in", "relu"),
    ),
    "normal": (Normal(1.0, 2.0), lambda w: nn.init.normal_(w, 1.0, 2.0)),
    "uniform": (Uniform(1.0, 2.0), lambda w: nn.init.uniform_(w, 1.0, 2.0)),
}


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_the_same_seed_gives_torchs_numbers_drawn_in_float32_for_16_bits(name, dtype):
    init, reference = TORCH[name]
    ours = torch.empty(40, 30, 3, 3, dtype=dtype)
    theirs = torch.empty(40, 30, 3, 3, dtype=torch.promote_types(dtype, torch.float32))
    torch.manual_seed(7)
    (init if isinstance(init, Law) else law_of(init, ours.shape)).fill(ours)
    torch.manual_seed(7)
    reference(theirs)
    assert torch.equal(ours, theirs.to(dtype))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: XavierInit(distribution="student-t"),
            CheckError,
            "distribution: expected 'normal' or 'uniform', got 'student-t'.",
        ),
        (
            lambda: VarianceScalingInit(mode="fan"),
            BadValueError,
            "mode: expected 'fan_in' or 'fan_out' or 'fan_avg' or 'fan_geo_avg', got 'fan'.",
        ),
        (
            lambda: VarianceScalingInit(distribution="t"),
            CheckError,
            "distribution: expected 'normal' or 'uniform' or 'truncated_normal', got 't'.",
        ),
        (
            lambda: KaimingInit(mode="fan"),
            BadValueError,
            "mode: expected 'fan_in' or 'fan_out', got 'fan'.",
        ),
        (
            lambda: KaimingInit(nonlinearity="rellu"),
            BadValueError,
            "nonlinearity: unknown nonlinearity 'rellu'. Did you mean 'relu'?",
        ),
    ],
)
def test_unknown_words(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (64, 3, 5, 5), (1, 7), (7, 1)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_an_orthogonal_weight_has_orthonormal_rows_or_columns(shape, dtype):
    weight = torch.empty(shape, dtype=dtype)
    law = law_of(OrthogonalInit(2.0), shape)
    law.fill(weight, torch.Generator().manual_seed(1))
    matrix = weight.double().flatten(1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    loose = 0.1 if dtype == torch.bfloat16 else 1e-4
    eye = 4 * torch.eye(min(rows, columns), dtype=torch.float64)
    torch.testing.assert_close(product, eye, atol=loose, rtol=0)
    assert matrix.std(correction=0).item() == pytest.approx(law.std, rel=0.25, abs=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4, 20])
def test_an_element_of_an_orthogonal_matrix_follows_its_density(size):
    law = law_of(OrthogonalInit(1.5), (size, size))
    generator = torch.Generator().manual_seed(1)
    drawn = []
    for _ in range(1500):
        weight = torch.empty(size, size)
        law.fill(weight, generator)
        drawn.append(weight[0, 0].item() / 1.5)
    theory = stats.beta((size - 1) / 2, (size - 1) / 2, loc=-1, scale=2)
    assert stats.kstest(drawn, theory.cdf).pvalue > 1e-3
    x = torch.linspace(-1.49, 1.49, 101, dtype=torch.float64)
    expected = torch.tensor(theory.pdf(x.numpy() / 1.5) / 1.5)
    torch.testing.assert_close(law.pdf(x), expected, rtol=1e-6, atol=1e-12)
    assert law.std == pytest.approx(theory.std() * 1.5)


class Odd(nn.Module):
    def forward(self, x):
        raise RuntimeError("not elementwise")


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (None, 1.0),
        (nn.Identity(), 1.0),
        (nn.ReLU(), math.sqrt(2)),
        (nn.ReLU(inplace=True), math.sqrt(2)),
        (nn.LeakyReLU(0.2), math.sqrt(2 / 1.04)),
        (nn.PReLU(), math.sqrt(2 / (1 + 0.0625))),
        (nn.Tanh(), 5 / 3),
        (nn.Sigmoid(), 1.0),
        (nn.SELU(), 0.75),
        (Odd(), math.sqrt(2)),
    ],
)
def test_gain_of_an_activation(activation, gain):
    assert gain_of_module(activation) == pytest.approx(gain)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.ELU(), nn.Hardswish()])
def test_a_measured_gain_keeps_the_second_moment(activation):
    z = torch.randn(2_000_000, generator=torch.Generator().manual_seed(1))
    kept = (activation(z) * gain_of_module(activation)).square().mean().item()
    assert kept == pytest.approx(1, abs=0.01)


def test_a_gain_is_measured_on_the_cpu_and_without_draws():
    with torch.device("meta"):
        assert gain_of_module(nn.GELU()) == pytest.approx(1.534, abs=0.001)
        assert gain_of_module(nn.PReLU()) == pytest.approx(math.sqrt(2))
    assert gain_of_module(nn.RReLU()) == gain_of_module(nn.RReLU())


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu"])
def test_named_gains_are_torchs(name):
    assert gain_by_name(name) == nn.init.calculate_gain(name)


def test_a_cut_that_nothing_reaches_changes_no_number(monkeypatch):
    numbers = []
    for reached in (elementwise.LARGEST_NORMAL, math.inf):
        monkeypatch.setattr(elementwise, "LARGEST_NORMAL", reached)
        tensor = torch.empty(100_000)
        TruncNormal(0.0, 0.02, -2.0, 2.0).fill(tensor, torch.Generator().manual_seed(0))
        numbers.append(tensor)
    assert torch.equal(*numbers)
