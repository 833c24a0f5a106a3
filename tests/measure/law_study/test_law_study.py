"""What a law looks like on one layer: formula, moments, singular values, signals."""

from __future__ import annotations

import math

import pytest
import torch

from brickbook import INITIALIZERS
from brickbook.errors import ConfigError
from brickbook.init.initializers import NormalInit, OrthogonalInit
from brickbook.init.laws import Normal, OrthogonalMatrix, TruncNormal, Uniform
from brickbook.measure.law_study import LawStudy, LayerSize, study_law
from brickbook.measure.law_study.kurtosis import kurtosis

LINEAR, CONV = LayerSize("Linear", 512, 256), LayerSize("Conv2d", 32, 64, (3, 3))
INNER = {"type": "Normal", "std": 0.02}
FAN_IN = {"type": "Kaiming", "mode": "fan_in"}

FORMULAS = [
    (FAN_IN, LINEAR, "std = gain / √fan_in = √2 / √512 = 0.0625"),
    ({"type": "Kaiming"}, CONV, "std = gain / √fan_out = √2 / √576 = 0.05893"),
    ({**FAN_IN, "distribution": "uniform", "nonlinearity": "linear"}, LINEAR,
     "b = gain · √(3 / fan_in) = 1 · √(3 / 512) = 0.07655; std = b / √3 = 0.04419"),
    ({**FAN_IN, "a": 0.2, "nonlinearity": "leaky_relu"}, LINEAR,
     "std = gain / √fan_in = √(2 / (1 + 0.2²)) / √512 = 0.06129"),
    ({**FAN_IN, "nonlinearity": "auto"}, LINEAR, "std = gain / √fan_in = 1.414 / √512 = 0.0625"),
    ({"type": "Xavier", "gain": "auto"}, LINEAR,
     "std = gain · √(2 / (fan_in + fan_out)) = 1.414 · √(2 / (512 + 256)) = 0.07217"),
    ({"type": "Xavier", "distribution": "uniform"}, LINEAR,
     "a = gain · √(6 / (fan_in + fan_out)) = 1 · √(6 / (512 + 256)) = 0.08839; "
     "std = a / √3 = 0.05103"),
    ({"type": "Caffe2Xavier"}, LINEAR,
     "b = √(3 / fan_in) = √(3 / 512) = 0.07655; std = b / √3 = 0.04419"),
    ({"type": "LeCun", "distribution": "truncated_normal"}, LINEAR,
     "std = √(1 / fan_in) = √(1 / 512) = 0.04419; -0.1005 ≤ W ≤ 0.1005"),
    ({"type": "VarianceScaling", "scale": 2, "mode": "fan_avg"}, LINEAR,
     "std = √(scale / ((fan_in + fan_out) / 2)) = √(2 / ((512 + 256) / 2)) = 0.07217"),
    ({"type": "Normal", "std": 0.05}, LINEAR, "W ~ N(0, 0.05²)"),
    ({"type": "TruncNormal"}, LINEAR, "W ~ N(0, 1²), -2 ≤ W ≤ 2; std = 0.8796"),
    ({"type": "Uniform", "a": -1}, LINEAR, "std = (b - a) / √12 = (1 - (-1)) / √12 = 0.5774"),
    ({"type": "Constant", "val": 0.5}, LINEAR, "W = 0.5"),
    ({"type": "Zeros"}, LINEAR, "W = 0"),
    ({"type": "Ones"}, LINEAR, "W = 1"),
    ({"type": "Orthogonal", "gain": 2}, LINEAR,
     "W Wᵀ = gain² · I, gain = 2; std = 2 / √512 = 0.08839"),
    ({"type": "DeltaOrthogonal"}, CONV,
     "W[:, :, centre] = gain · Q, Qᵀ Q = I, gain = 1; std = 1 / √(64 · 9) = 0.04167"),
    ({"type": "Dirac"}, CONV, "W[d, d, centre] = 1, else 0; std = 0.04163"),
    ({"type": "Identity"}, LINEAR, "W[i, i] = 1, else 0; std = 0.04415"),
    ({"type": "Sparse", "sparsity": 0.9}, LINEAR,
     "zeros = ⌈0.9 · 256⌉ = 231 / 256; std = 0.01 · √(25 / 256) = 0.003125"),
    ({"type": "ZerO"}, LayerSize("Linear", 100, 300), "W = 2^(-9 / 2) · H_9; std = 0.04419"),
    ({"type": "PriorBias"}, LINEAR, "b = -ln((1 - π) / π) = -ln(0.99 / 0.01) = -4.595"),
    ({"type": "GateBias"}, LayerSize("LSTM", 8, 8),
     "b_input = 0, b_forget = 1, b_cell = 0, b_output = 0"),
    ({"type": "ZeroGamma"}, LayerSize("BatchNorm2d", 8, 8), "γ = 0"),
    ({"type": "DepthScaled", "init": INNER, "depth": 12}, LINEAR,
     "W ~ N(0, 0.02²); × 1 / √(per_block · depth) = 1 / √(2 · 12) = 0.2041; std = 0.004082"),
    ({"type": "MuP", "init": FAN_IN, "base": {"layer.weight": [64, 64]}}, LINEAR,
     "64 × 64: std = gain / √fan_in = √2 / √64 = 0.1768; × 1 / √m_in = 1 / √8 = 0.3536; "
     "std = 0.0625"),
    ({"type": "MuP", "init": FAN_IN, "base": {"layer.weight": [256, 64]}}, LINEAR,
     "256 × 64: std = gain / √fan_in = √2 / √64 = 0.1768; × 1 / m_in = 1 / 8 = 0.125; "
     "std = 0.0221"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "layer", "formula"), FORMULAS)
def test_formula_with_its_numbers_and_a_sample_that_agrees(cfg, layer, formula):
    study = study_law(cfg, layer)
    assert study.formula == formula
    assert LawStudy.from_json(study.to_json()) == study
    assert sum(study.counts) == study.size
    std, mean = study.moment("std"), study.moment("mean")
    assert std.sample == pytest.approx(std.theory, rel=0.05, abs=1e-6)
    assert mean.sample == pytest.approx(mean.theory, abs=0.02 * (std.theory or 1))
    assert study.moment("zeros").sample == pytest.approx(study.moment("zeros").theory, abs=1e-9)


def test_every_initialiser_has_a_formula_or_says_why_not():
    named = {cfg["type"] for cfg, _, _ in FORMULAS}
    assert set(INITIALIZERS.module_dict) - named == {"LSUV", "Pretrained"}


@pytest.mark.parametrize(
    ("cfg", "layer", "message"),
    [
        ("LSUV", None, "init_cfg.type: LSUV scales weights by what a batch makes of a model: "
         "no law tells by how much."),
        ({"type": "Pretrained", "checkpoint": "x.pth"}, None,
         "init_cfg.type: Pretrained copies a checkpoint: it has no law."),
        ("Kaimin", None, "init_cfg.type: Kaimin is not in the initializer registry. "
         "Did you mean 'Kaiming'?"),
        ("ZeroGamma", LINEAR, "layer: ZeroGamma fills nothing of a Linear."),
        ("Dirac", LINEAR, "weight: Dirac needs 3 or more dimensions, Linear.weight has shape "
         "(256, 512)."),
    ],
)  # fmt: skip
def test_what_has_no_law_says_so_by_name(cfg, layer, message):
    with pytest.raises(ConfigError) as caught:
        study_law(cfg, layer)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerSize("Liner"), "layer: unknown layer 'Liner'. Did you mean 'Linear'?"),
        (lambda: LayerSize("Linear", 0), "inputs: expected 1 to 65,536, got 0."),
        (lambda: LayerSize("Conv2d", 3, 4, (3,)), "kernel: Conv2d has a kernel of 2 axes, got 1."),
        (lambda: LayerSize.of_weight((3,)), "shape: expected 2 to 5 sizes, got (3,)."),
    ],
)
def test_a_layer_that_cannot_be(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == message


def test_sizes_from_the_shape_of_a_weight():
    assert LayerSize.of_weight((64, 3, 7, 5)) == LayerSize("Conv2d", 3, 64, (7, 5))
    assert LayerSize.of_weight((8, 4)) == LayerSize("Linear", 4, 8)
    turned = LayerSize.of_weight((3, 64, 2, 2), "ConvTranspose2d")
    assert turned == LayerSize("ConvTranspose2d", 3, 64, (2, 2))
    assert tuple(turned.make().weight.shape) == (3, 64, 2, 2)


@pytest.mark.parametrize("law", [
    Normal(0.3, 2.0), Uniform(-1.0, 3.0), TruncNormal(0.0, 1.0, -2.0, 2.0),
    TruncNormal(0.5, 2.0, -1.0, 6.0), OrthogonalMatrix(2.0, 7, 5),
])  # fmt: skip
def test_kurtosis_is_that_of_the_density(law):
    low, high = law.support
    ends = (max(low, law.mean - 12 * law.std), min(high, law.mean + 12 * law.std))
    x = torch.linspace(*ends, 200_001, dtype=torch.float64)
    fourth = torch.trapezoid(law.pdf(x) * (x - law.mean) ** 4, x)
    assert kurtosis(law) == pytest.approx(float(fourth) / law.std**4, rel=1e-4)


@pytest.mark.parametrize("cfg", [FAN_IN, "Orthogonal", {"type": "LeCun"}, "Xavier",
                                 {"type": "LeCun", "distribution": "truncated_normal"},
                                 {"type": "Sparse", "sparsity": 0.5, "std": 0.06}])  # fmt: skip
@pytest.mark.parametrize("activation", ["linear", "ReLU", "Tanh"])
def test_drawn_layers_follow_the_theory(cfg, activation):
    signals = study_law(cfg, LayerSize("Linear", 512, 512), activation=activation).signals
    assert len(signals.expected) == 20
    for net in signals.drawn:
        assert net[0] == pytest.approx(signals.expected[0], rel=0.05)
        # The logarithm of a std scatters by the root of depth over width, about.
        assert abs(math.log(net[-1] / signals.expected[-1])) < 0.7


def test_known_factors():
    critical = study_law(FAN_IN, LayerSize("Linear", 512, 512)).signals
    assert critical.expected == pytest.approx([math.sqrt(2)] * 20)
    assert critical.chi == pytest.approx(1.0)
    one = study_law({"type": "Normal", "std": 0.01}, LayerSize("Linear", 100, 100),
                    activation="linear").signals  # fmt: skip
    assert one.expected == pytest.approx([0.1 ** (at + 1) for at in range(20)])


@pytest.mark.parametrize(
    ("cfg", "layer", "reason"),
    [
        ({"type": "Constant", "val": 0.1}, None, "fixed"),
        ({"type": "Normal", "mean": 0.1}, None, "mean"),
        ({"type": "Normal", "std": 0.1, "bias": 0.5}, None, "bias"),
        ("PriorBias", None, "role"),
        ("Normal", LayerSize("ConvTranspose2d", 4, 4, (2, 2)), "layer"),
        ("Zeros", None, ""),
    ],
)
def test_where_theory_says_nothing(cfg, layer, reason):
    signals = study_law(cfg, layer or LayerSize("Linear", 64, 64)).signals
    assert signals.not_expected == reason
    assert bool(signals.expected) == (reason == "")


def test_what_explodes_ends_at_infinity():
    signals = study_law("Ones").signals
    assert signals.drawn[0][-1] == math.inf
    assert LawStudy.from_json(study_law("Ones").to_json()).signals == signals


def test_singular_values_of_a_matrix_drawn_as_a_whole():
    study = study_law({"type": "Orthogonal", "gain": 3}, LayerSize("Linear", 64, 32))
    assert study.singular_values == pytest.approx([3.0] * 32, rel=1e-4)
    assert study.matrix == (32, 64)
    large = study_law("Orthogonal", LayerSize("Linear", 4096, 8192))
    assert large.singular_values == pytest.approx([1.0] * 64, rel=1e-4)
    assert large.signals.width == (128, 256)
    assert study_law("Kaiming").singular_values == ()


def test_a_seed_gives_the_same_numbers_and_torchs_generator_is_left():
    before = torch.get_rng_state()
    assert study_law(OrthogonalInit(), seed=3) == study_law(OrthogonalInit(), seed=3)
    assert study_law(NormalInit(), seed=3).counts != study_law(NormalInit(), seed=4).counts
    assert torch.equal(before, torch.get_rng_state())
