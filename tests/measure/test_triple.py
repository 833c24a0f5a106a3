"""The triple: its numbers against what torch itself computes, and models of every kind."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from brickbook import Triple, probe, triple
from brickbook.errors import ConfigError

SGD = partial(torch.optim.SGD, lr=0.1)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.block(self.embed(ids)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 16, 2), nn.Linear(16, 4)

    def forward(self, x):
        return self.out(self.lstm(x)[0])


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))


def loops():
    shared = nn.Linear(8, 8)
    return nn.Sequential(shared, nn.Tanh(), shared)


def test_the_numbers_are_those_of_torch():
    model, x = mlp(), torch.randn(16, 8)
    found = triple(model, x, optimizer=SGD)
    output = model[0](x)
    output.retain_grad()
    model[2](output.relu()).square().mean().backward()
    row, weight = found["0"], model[0].weight.detach()
    grad, output_grad = model[0].weight.grad, output.grad
    output = output.detach()
    assert row.weight.std == pytest.approx(float(weight.std(correction=0)))
    assert row.output.std == pytest.approx(float(output.std(correction=0)), rel=1e-4)
    assert row.gradient.std == pytest.approx(float(grad.std(correction=0)), rel=1e-4)
    assert row.output_gradient.std == pytest.approx(float(output_grad.std(correction=0)), rel=1e-4)
    assert row.update == pytest.approx(float(0.1 * grad.norm() / weight.norm()), rel=1e-4)
    assert row.weight.histogram.count == weight.numel() == row.gradient.histogram.count
    assert row.inactive == probe(model, x)["1"].dead and row.inactive_reason == "dead"


@pytest.mark.parametrize(
    ("make", "shape", "layers", "weights"),
    [
        (mlp, (4, 8), ("0", "2"), {"0": ("0.weight",)}),
        (loops, (4, 8), ("0", "0 (call 2)"), {"0 (call 2)": ("0.weight",)}),
        (
            Tied,
            (3, 5),
            ("embed", "block.self_attn", "block.linear1", "block.linear2", "head"),
            {
                "head": ("embed.weight",),
                "block.self_attn": (
                    "block.self_attn.in_proj_weight",
                    "block.self_attn.out_proj.weight",
                ),
            },
        ),
        (
            Recurrent,
            (5, 3, 8),
            ("lstm", "out"),
            {"lstm": tuple(f"lstm.weight_{k}h_l{at}" for at in range(2) for k in "ih")},
        ),
        (lambda: nn.Linear(4, 8), (3, 4), ("Linear",), {"Linear": ("weight",)}),
        (nn.ReLU, (3, 4), (), {}),
    ],
    ids=["mlp", "loop", "tied", "lstm", "one layer", "no layer"],
)
def test_models_of_every_kind(make, shape, layers, weights):
    model = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    found = triple(model, input_shape=shape, optimizer=partial(torch.optim.Adam, lr=1e-3))
    assert found.layers == layers
    assert {name: found[name].weights for name in weights} == weights
    for row in found.rows:
        assert row.weight.histogram and row.output.histogram and row.gradient.histogram
        assert row.update > 0
        assert row.weight.count == sum(model.get_parameter(name).numel() for name in row.weights)
    assert Triple.from_json(found.to_json()) == found
    assert len(found.frame()) == len(layers)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_weight_of_another_layer_is_said():
    found = triple(Tied(), input_shape=(3, 5))
    assert [row.shares for row in found.rows] == ["", "", "", "", "embed"]
    assert repr(found) == "Triple(5 layers on token ids (3, 5), train)"


def test_several_weights_are_one_distribution():
    model = Recurrent()
    found = triple(model, input_shape=(5, 3, 8))["lstm"]
    every = torch.cat([model.get_parameter(name).detach().flatten() for name in found.weights])
    assert found.weight.std == pytest.approx(float(every.std(correction=0)))
    assert found.weight.mean == pytest.approx(float(every.mean()), abs=1e-6)
    assert found.weight.histogram.count == len(every)


def test_frozen_layers_have_neither_gradient_nor_update():
    model = mlp()
    model[0].requires_grad_(False)
    found = triple(model, input_shape=(4, 8), optimizer=SGD)
    assert found["0"].gradient is None and found["0"].update is None and found["2"].update > 0


class Uncopyable(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("only one")


@pytest.mark.parametrize(
    ("make", "optimizer", "message"),
    [
        (mlp, 0.1, "optimizer: expected a function of the parameters, got 0.1 (float)."),
        (mlp, list, "optimizer: expected one that returns an optimizer, got"),
        (mlp, torch.optim.LBFGS, "optimizer: its step failed: LBFGS.step() missing 1 required"),
        (lambda: Uncopyable(8, 8), SGD,
         "model: it cannot be copied: only one Pass optimizer=None."),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_made_is_refused(make, optimizer, message):
    with pytest.raises(ConfigError) as caught:
        triple(make(), input_shape=(4, 8), optimizer=optimizer)
    assert str(caught.value).startswith(message)


def test_a_layer_that_has_not_run_is_refused():
    with pytest.raises(ConfigError) as caught:
        triple(mlp(), input_shape=(4, 8))["3"]
    assert str(caught.value) == "name: no layer '3' has run. Known: 0, 2."
