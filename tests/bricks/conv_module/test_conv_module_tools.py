"""ConvModule under the tools of torch: copies, pickles, tracers, exporters, devices and dtypes."""

import copy
import pickle
from functools import partial

import pytest
import torch
from torch import fx, nn

from brickbook.bricks.conv_module import ConvModule

VARIANTS = {
    "plain": dict(),
    "norm": dict(norm_cfg=dict(type="BN")),
    "first": dict(norm_cfg=dict(type="GN", num_groups=2), order=("norm", "conv", "act")),
    "layer": dict(norm_cfg=dict(type="LN"), act_cfg=dict(type="GELU")),
    "reflect": dict(padding_mode="reflect", padding=1, act_cfg=dict(type="Clamp")),
    "circular": dict(padding_mode="circular", padding=1, act_cfg=None),
    "partial": dict(act_cfg=dict(type=partial(nn.LeakyReLU, 0.2))),
    "folded": dict(norm_cfg=dict(type="BN"), efficient_conv_bn_eval=True),
}


@pytest.fixture(params=VARIANTS)
def module(request):
    """A bundle in evaluation whose statistics are not the start's."""
    module = ConvModule(4, 8, 3, **VARIANTS[request.param])
    module(torch.randn(8, 4, 6, 6))
    return module.eval()


@pytest.fixture
def x():
    """Input for one bundle."""
    return torch.randn(2, 4, 6, 6)


def test_copies(module, x):
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))
        assert twin.conv is not module.conv
        assert repr(twin) == repr(module)


def test_symbolic_trace_of_a_root(module, x):
    traced = fx.symbolic_trace(module)
    assert torch.allclose(traced(x), module(x), atol=1e-6)
    assert set(traced.state_dict()) <= set(module.state_dict())


def test_symbolic_trace_inside_a_model(module, x):
    model = nn.Sequential(module, nn.Conv2d(8, 2, 1)).eval()
    assert torch.allclose(fx.symbolic_trace(model)(x), model(x), atol=1e-6)


def test_a_trace_of_a_folded_pair_reads_the_statistics(x):
    module = ConvModule(4, 8, 3, **VARIANTS["folded"]).eval()
    traced = fx.symbolic_trace(module)
    module.bn.running_mean.fill_(0.5)
    module.bn.running_var.fill_(4.0)
    assert torch.allclose(traced(x), module(x), atol=1e-6)
    assert not any(name.startswith("_tensor_constant") for name in vars(traced))


@pytest.mark.compile
def test_export(module, x):
    exported = torch.export.export(module, (x,))
    assert torch.allclose(exported.module()(x), module(x), atol=1e-6)


def test_functional_call_and_gradients(module, x):
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    def loss(parameters):
        return torch.func.functional_call(module, parameters, (x,)).sum()

    gradients = torch.func.grad(loss)(parameters)
    assert set(gradients) == set(parameters)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes(name, dtype, x):
    module = ConvModule(4, 8, 3, **VARIANTS[name]).to(dtype).eval()
    assert module(x.to(dtype)).dtype is dtype


@pytest.mark.parametrize("name", VARIANTS)
def test_the_meta_device(name):
    with torch.device("meta"):
        module = ConvModule(4, 8, 3, **VARIANTS[name])
    assert all(p.is_meta for p in module.parameters())
    assert module(torch.empty(2, 4, 6, 6, device="meta")).shape[1] == 8


def test_training_lowers_a_loss():
    model = nn.Sequential(
        ConvModule(3, 8, 3, norm_cfg=dict(type="BN")),
        ConvModule(8, 8, 3, norm_cfg=dict(type="LN"), act_cfg=dict(type="GELU")),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    y = torch.arange(16) % 2
    x = torch.randn(16, 3, 8, 8) + y.view(-1, 1, 1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
