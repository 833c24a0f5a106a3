from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook.lab.init.weight_undo import changed_tensors, fingerprint_tensors, named_tensors
from brickbook.measure.probe import probe


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(300, 400), nn.BatchNorm1d(400), nn.Linear(400, 2))


def one_value(model):
    with torch.no_grad():
        model[0].weight[7, 11] += 1


def by_data(model):
    model[0].bias.data.zero_()


def step(model):
    model[2](torch.ones(1, 400)).sum().backward()
    torch.optim.SGD(model[2].parameters(), lr=0.1).step()


def forward(model):
    model(torch.randn(8, 300))


def replaced(model):
    model[2] = nn.Linear(400, 2)


def grown(model):
    model.append(nn.Linear(2, 2, bias=False))


def smaller(model):
    del model[2]


CHANGES = [
    (one_value, {"0.weight"}),
    (by_data, {"0.bias"}),
    (step, {"2.weight", "2.bias"}),
    (forward, {"1.running_mean", "1.running_var", "1.num_batches_tracked"}),
    (replaced, {"2.weight", "2.bias"}),
    (grown, {"3.weight"}),
    (smaller, {"2.weight", "2.bias"}),
    (lambda model: model.to(torch.float64), {name for name, _ in named_tensors(net())}
     - {"1.num_batches_tracked"}),
    (lambda model: model.load_state_dict(net().state_dict()), set()),
    (lambda model: probe(model, input_shape=(8, 300)), set()),
    (lambda model: None, set()),
]  # fmt: skip


@pytest.mark.parametrize(("change", "names"), CHANGES)
def test_what_was_written_is_noticed(change, names):
    model = net()
    fingerprints = fingerprint_tensors(named_tensors(model))
    change(model)
    assert set(changed_tensors(fingerprints, named_tensors(model))) == names
    assert changed_tensors(fingerprint_tensors(named_tensors(model)), named_tensors(model)) == ()


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(3.0), torch.tensor(True), torch.ones(0), torch.ones(3, dtype=torch.bfloat16),
        torch.ones(3, dtype=torch.complex64), torch.ones(3, dtype=torch.complex128),
        torch.ones(2, 3).T, torch.ones(1).expand(4), torch.ones(3, device="meta"),
        torch.ones(2, 2).to_sparse(), torch.ones(4, dtype=torch.float64),
    ],
)  # fmt: skip
def test_every_kind_of_tensor_has_a_fingerprint(value):
    fingerprints = fingerprint_tensors([("x", value)])
    assert changed_tensors(fingerprints, [("x", value)]) == ()
    layer = nn.LazyLinear(3)
    assert (
        changed_tensors(fingerprint_tensors(layer.named_parameters()), layer.named_parameters())
        == ()
    )


def test_tensors_of_inference_have_no_version():
    with torch.inference_mode():
        value = torch.ones(3)
        fingerprints = fingerprint_tensors([("x", value)])
        value[1] = 2
        assert changed_tensors(fingerprints, [("x", value)]) == ("x",)
