"""What the probe keeps on request: histograms, units, gradients of weights; and closed forms."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from brickbook import initialize
from brickbook.errors import ConfigError
from brickbook.measure.probe import Signals, probe
from brickbook.measure.probe.distribution import histogram

X = torch.randn(32, 8, generator=torch.Generator().manual_seed(1))


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 3))


def test_histograms_are_those_of_the_outputs_and_gradients():
    model = net()
    found = probe(model, X, histograms=True)
    hidden = model[0](X)
    hidden.retain_grad()
    model[1:](hidden).square().mean().backward()
    for row, values, lies in (
        (found["0"], hidden, found["0"].histogram),
        (found["0"], hidden.grad, found["0"].grad_histogram),
    ):
        edges = torch.tensor(lies.edges)
        counts, _ = torch.histogram(values.detach().float(), edges.float())
        assert lies.counts == tuple(counts.int().tolist()) and lies.count == row.count
        assert len(lies.counts) <= 64 and math.frexp(lies.width)[0] == 0.5
    assert all(row.histogram and row.grad_histogram for row in found)
    assert len(probe(model, X, histograms=8)["0"].histogram.counts) <= 8
    assert all(row.histogram is None and row.by_unit is None for row in probe(model, X))


@pytest.mark.parametrize("shape", [(7, 64, 30, 41), (1 << 20,), (3, 1 << 19), (2, 2, 300_000)])
def test_of_large_tensors_an_even_sample_is_counted(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = x + (torch.arange(shape[-1]) % 2) * 100  # columns of two kinds
    lies = histogram(x, 64)
    assert 10_000 < lies.count <= 1 << 15
    far = sum(n for n, low in zip(lies.counts, lies.edges, strict=False) if low > 50)
    assert far / lies.count == pytest.approx(0.5, abs=0.02)


def test_values_that_are_not_finite_are_in_no_bin():
    lies = histogram(torch.tensor([math.nan, math.inf, 1.0, 2.0]), 4)
    assert lies.count == 2 and histogram(torch.full((3,), math.nan), 4) is None


@pytest.mark.parametrize(
    "shape, layer", [((32, 8), nn.Linear(8, 5)), ((4, 3, 6, 6), nn.Conv2d(3, 5, 3))]
)
def test_units_have_their_own_numbers(shape, layer):
    x = torch.randn(shape)
    found = probe(nn.Sequential(layer), x, per_unit=True)[0].by_unit
    output = layer(x)
    output.retain_grad()
    output.square().mean().backward()
    others = [0, 2, 3][: output.dim() - 1]
    assert found.means == pytest.approx(output.mean(others).tolist(), abs=1e-6)
    assert found.stds == pytest.approx(output.std(others, correction=0).tolist(), rel=1e-5)
    assert found.grads == pytest.approx(output.grad.std(others, correction=0).tolist(), rel=1e-4)


def test_the_gradients_of_weights():
    model = net()
    model[3].bias.requires_grad_(False)
    found = probe(model, X, weight_gradients=True, histograms=True)
    model(X).square().mean().backward()
    assert [row.name for row in found.weights] == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
        "3.weight",
    ]
    for row in found.weights:
        weight = model.get_parameter(row.name)
        grad = weight.grad
        assert (row.shape, row.count) == (tuple(grad.shape), grad.numel())
        assert row.norm == pytest.approx(grad.norm().item(), rel=1e-4)
        assert row.std == pytest.approx(grad.std(correction=0).item(), rel=1e-4)
        size = weight.norm().item()
        assert row.ratio == (pytest.approx(row.norm / size, rel=1e-4) if size else None)
        assert row.histogram.count == row.count
    assert probe(net(), X).weights == ()
    frame = found.weight_frame()
    assert list(frame.columns) == ["shape", "count", "mean", "std", "norm", "ratio", "nan", "inf"]
    assert all(parameter.grad is None for parameter in net().parameters())


def test_a_sparse_gradient_is_measured_too():
    model = nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Linear(4, 2))
    found = probe(model, torch.tensor([1, 2, 3]), weight_gradients=True)
    assert found.weights[0].shape == (10, 4) and found.weights[0].norm > 0


def test_the_record_comes_back_from_json():
    found = probe(net(), X, histograms=True, per_unit=True, weight_gradients=True)
    assert Signals.from_json(found.to_json()) == found
    older = found.to_dict()
    older.pop("weights")
    for row in older["rows"]:
        del row["histogram"], row["grad_histogram"], row["by_unit"]
    assert Signals.from_dict(json.loads(json.dumps(older)))["0"].histogram is None
    broken = found.to_dict()
    broken["rows"][0]["histogram"] = {"low": 0.0}
    with pytest.raises(ConfigError) as caught:
        Signals.from_dict(broken)
    assert str(caught.value) == "signals.rows[0].histogram.width: SignalHistogram needs it."


@pytest.mark.parametrize("bins", [0, 1, "x", 2.5])
def test_numbers_of_bins_that_are_none_are_refused(bins):
    with pytest.raises(ConfigError) as caught:
        probe(net(), X, histograms=bins)
    assert str(caught.value) == f"histograms: expected True, False or 2 bins or more, got {bins!r}."


def test_the_model_is_as_it_was_with_everything_kept():
    model = net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    probe(model, X, histograms=True, per_unit=True, weight_gradients=True)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


# Closed forms: what theory says of deep and wide nets


def deep(act: type[nn.Module], depth: int = 50, width: int = 1000) -> nn.Sequential:
    layers = (part for _ in range(depth) for part in (nn.Linear(width, width, bias=False), act()))
    return nn.Sequential(*layers)


# The log of the variance at depth l has, over draws of the weights, about the variance c·l / width.
DEEP = {"linear": (nn.Identity, 1.0, 2.0), "ReLU": (nn.ReLU, 2.0, 5.0)}


@pytest.mark.parametrize("name", DEEP)
def test_a_deep_net_keeps_its_std_within_the_sampling_error(name):
    act, gain, spread = DEEP[name]
    model = deep(act)
    law = {"type": "Normal", "std": math.sqrt(gain / 1000), "layer": "Linear"}
    initialize(model, law, seed=3)
    x = torch.randn(16, 1000, generator=torch.Generator().manual_seed(2))
    found = probe(model, x, gradients=False).layers
    for depth, row in enumerate(found, 1):
        log_ratio = math.log((row.std**2 + row.mean**2) / gain)
        assert abs(log_ratio) < 3 * math.sqrt(spread * depth / 1000) + 0.05, row.label
    if act is nn.ReLU:
        shares = [row.zeros for row in probe(model, x, gradients=False) if row.kind == "ReLU"]
        assert shares[0] == pytest.approx(0.5, abs=0.02)


def test_all_units_behind_a_large_negative_bias_are_dead():
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 4))
    rules = [{"type": "Normal", "std": 0.1, "layer": "Linear"},
             {"type": "Constant", "val": -100.0, "layer": "0:bias"}]  # fmt: skip
    initialize(model, rules[:1], seed=0)
    nn.init.constant_(model[0].bias, -100.0)
    found = probe(model, torch.randn(64, 64))
    assert (found["1"].dead, found["1"].zeros, found["0"].grad) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 10.0, 1e4])
def test_the_std_is_that_of_float64_wherever_the_mean_is(shift):
    own = torch.Generator().manual_seed(0)
    x = torch.randn(64, 33_000, generator=own) + shift
    row = probe(nn.Sequential(nn.Tanh(), nn.Identity()), x, gradients=False)[0]
    assert row.std == pytest.approx(
        torch.tanh(x).double().std(correction=0).item(), rel=1e-5, abs=1e-9
    )
    layer = nn.Linear(1, 1)
    nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
    row = probe(nn.Sequential(layer), x.reshape(-1, 1), gradients=False)[0]
    exact = x.double()
    assert row.std == pytest.approx(exact.std(correction=0).item(), rel=1e-5)
    assert row.mean == pytest.approx(exact.mean().item(), abs=1e-5 * max(1, shift))
