"""Non-local blocks: shapes, formulas, sub-sampling, starts."""

import pytest
import torch
from torch import nn

from brickbook import NonLocal1d, NonLocal2d, NonLocal3d, initialize, plan
from brickbook.bricks.non_local import _NonLocalNd
from brickbook.errors import ConfigError
from brickbook.modules import Sequential

KINDS = {1: NonLocal1d, 2: NonLocal2d, 3: NonLocal3d}
MODES = ["gaussian", "embedded_gaussian", "dot_product", "concatenation"]
each_mode = pytest.mark.parametrize("mode", MODES)
each_axes = pytest.mark.parametrize("axes", KINDS)


def block_for(axes, mode="embedded_gaussian", **kwargs):
    return KINDS[axes](8, mode=mode, **kwargs)


def input_for(axes, batch=2):
    return torch.rand(batch, 8, *[4, 6, 2][:axes])


def test_an_unknown_mode():
    with pytest.raises(ValueError) as caught:
        NonLocal2d(8, mode="unsupported")
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        "mode: expected one of 'gaussian', 'embedded_gaussian', 'dot_product', 'concatenation', "
        "got 'unsupported'."
    )


@each_axes
@each_mode
@pytest.mark.parametrize("sub_sample", [False, True])
def test_shapes(axes, mode, sub_sample):
    block = block_for(axes, mode, sub_sample=sub_sample)
    x = input_for(axes)
    assert torch.equal(block(x), x)  # zeros_init: the identity
    assert block(input_for(axes, batch=0)).shape == (0, *x.shape[1:])
    assert hasattr(block, "phi") == (mode != "gaussian" or sub_sample)
    assert hasattr(block, "concat_project") == (mode == "concatenation")
    conv = getattr(nn, f"Conv{axes}d")
    assert isinstance(block.conv_out.conv, conv)
    assert type(block.conv_out.conv) is type(KINDS[axes](8, conv_cfg=None).conv_out.conv)
    out = block_for(axes, mode, zeros_init=False, std=0.5)(x).sum()
    out.backward()


@each_axes
def test_sub_sampling(axes):
    pool = getattr(nn, f"MaxPool{axes}d")
    size = {1: 2, 2: (2, 2), 3: (1, 2, 2)}[axes]
    block = block_for(axes, "dot_product", sub_sample=True)
    for part in (block.g, block.phi):
        assert isinstance(part, nn.Sequential) and len(part) == 2
        assert isinstance(part[1], pool) and part[1].kernel_size == size
    assert block_for(axes, "gaussian", sub_sample=True).phi.kernel_size == size
    assert "g.0.conv.weight" in block.state_dict()


@each_mode
@pytest.mark.parametrize("sub_sample", [False, True])
def test_the_formulas(mode, sub_sample):
    block = block_for(2, mode, sub_sample=sub_sample, zeros_init=False, std=0.4)
    for module in (block.g, getattr(block, "theta", None), getattr(block, "phi", None)):
        for parameter in module.parameters() if module else ():
            nn.init.normal_(parameter)
    x = input_for(2)
    theta = (x if mode == "gaussian" else block.theta(x)).flatten(2)
    phi = (block.phi(x) if hasattr(block, "phi") else x).flatten(2)
    g = block.g(x).flatten(2)
    if mode == "concatenation":
        weight = block.concat_project.conv.weight.flatten()
        left, right = weight[:4] @ theta, weight[4:] @ phi
        pairs = (left[:, :, None] + right[:, None, :]).relu() / phi.shape[-1]
    else:
        pairs = torch.einsum("ncp,ncq->npq", theta, phi)
        if mode == "dot_product":
            pairs = pairs / phi.shape[-1]
        else:
            pairs = (pairs / (2 if mode == "embedded_gaussian" else 1)).softmax(-1)
    seen = torch.einsum("npq,ncq->ncp", pairs, g).view(2, 4, 4, 6)
    torch.testing.assert_close(block(x), x + block.conv_out(seen), rtol=1e-4, atol=1e-5)
    if mode == "embedded_gaussian":
        block.use_scale = False
        pairs = torch.einsum("ncp,ncq->npq", theta, phi).softmax(-1)
        seen = torch.einsum("npq,ncq->ncp", pairs, g).view(2, 4, 4, 6)
        torch.testing.assert_close(block(x), x + block.conv_out(seen), rtol=1e-4, atol=1e-5)


def test_widths():
    assert NonLocal2d(16, reduction=4).inter_channels == 4
    assert NonLocal2d(1).inter_channels == 1
    assert isinstance(NonLocal1d(4), _NonLocalNd)
    base = _NonLocalNd(4, 2, False, None, dict(type="BN"), "gaussian", std=0.2)
    assert base(torch.rand(2, 4, 3, 3)).shape == (2, 4, 3, 3)
    with pytest.raises(TypeError, match="sub_samples"):
        NonLocal2d(4, sub_samples=True)


BN = dict(type="BN")


@pytest.mark.parametrize("norm_cfg", [None, BN])
@pytest.mark.parametrize("zeros_init", [True, False])
@pytest.mark.parametrize("sub_sample", [True, False])
@each_mode
def test_starts(mode, sub_sample, zeros_init, norm_cfg):
    kwargs = dict(sub_sample=sub_sample, zeros_init=zeros_init, norm_cfg=norm_cfg, std=0.3)
    torch.manual_seed(3)
    block = NonLocal2d(64, mode=mode, **kwargs)
    g = block.g[0] if sub_sample else block.g
    assert g.conv.weight.std().item() == pytest.approx(0.3, rel=0.1)
    assert g.conv.bias.abs().max() == 0
    last = block.conv_out.bn if norm_cfg else block.conv_out.conv
    assert (last.weight.abs().max() == 0) == zeros_init
    torch.manual_seed(5)
    block.init_weights()
    expected = {key: value.clone() for key, value in block.state_dict().items()}
    laws = {rule["override"]["name"] for rule in block.default_init_cfg()}
    for name in laws:
        nn.init.normal_(block.get_submodule(name).weight)
    torch.manual_seed(5)
    initialize(block, block.default_init_cfg())
    assert all(torch.equal(expected[key], value) for key, value in block.state_dict().items())


def test_the_plan_of_a_model_with_a_block():
    block = NonLocal2d(8, norm_cfg=BN)
    todo = plan(Sequential(nn.Conv2d(3, 8, 1), block))
    laws = {key: row.law for key, row in todo.items() if key.startswith("1.")}
    assert all(laws[f"1.{key}.conv.weight"].std == 0.01 for key in ("g", "theta", "phi"))
    assert laws["1.conv_out.bn.weight"].mean == 0
    assert laws["1.conv_out.conv.weight"].std == pytest.approx((2 / 8) ** 0.5)  # its own


def test_what_init_weights_is_told():
    block = NonLocal2d(64, sub_sample=True)
    block.init_weights(std=0.5, zeros_init=False)
    assert block.conv_out.conv.weight.std().item() == pytest.approx(0.5, rel=0.1)
    block.init_weights()
    assert block.conv_out.conv.weight.abs().max() == 0
    assert block.phi[0].conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
