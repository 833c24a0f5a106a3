"""fuse_conv_bn: the same outputs with fewer layers, and nothing fused that must not be."""

import copy
import warnings

import pytest
import torch
from peers import import_peer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision_support import import_torchvision

from brickbook import ConfigError, ConvModule, ResNet, fuse_conv_bn
from brickbook.bricks.conv import build_conv_layer


def trained(model):
    """Statistics and affine parameters as after training."""
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            if part.running_mean is not None:
                part.running_mean.normal_()
                part.running_var.uniform_(0.3, 3)
            if part.affine:
                nn.init.uniform_(part.weight, -2, 2)
                nn.init.normal_(part.bias)
    return model.eval()


def norms(model):
    return sum(isinstance(part, _BatchNorm) for part in model.modules())


def check(model, x, left, **how):
    """Fuse; the outputs stay, and ``left`` batch norms."""
    trained(model)
    with torch.no_grad():
        before = model(x, **how)
        assert fuse_conv_bn(model) is model
        after = model(x, **how)
    assert torch.allclose(before, after, rtol=1e-5, atol=1e-5)
    assert norms(model) == left


class Crossed(nn.Module):
    """The batch norms stand in another order than they run, as in mmcv's Bottleneck."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))


class ReadTwice(nn.Module):
    """What the convolution gives is read before the norm too."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return y + self.bn(y)


class Tapped(nn.Module):
    """A chain that is not called as one."""

    def __init__(self):
        super().__init__()
        self.chain = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    def forward(self, x):
        y = self.chain[0](x)
        return self.chain[1](y) * y


class OneNormForTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(self.one(x)) + self.bn(self.two(x))


class TwoNormsForOne(nn.Module):
    """A head over two levels: the convolution is shared, the norms are not."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.bns = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def forward(self, x):
        return self.bns[0](self.conv(x)) + self.bns[1](self.conv(x * 2))


class SharedPair(nn.Module):
    """The same block twice, under two names."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.two = self.one

    def forward(self, x):
        return self.two(self.one(x))


class Branching(nn.Module):
    """A forward that asks for values: only its parts can be followed."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.heads = nn.ModuleDict({"a": Crossed(), "b": nn.Conv2d(4, 4, 1)})

    def forward(self, x):
        if x.mean() > 100:
            return x
        return self.heads["b"](self.body(self.heads["a"](x)))


class Flagged(nn.Module):
    """A flag whose truth is asked."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])
        self.bns = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

    def forward(self, x, norm=True):
        for conv, bn in zip(self.convs, self.bns, strict=True):
            x = bn(conv(x)) if norm else conv(x)
        return x


def pair(conv, bn):
    return nn.Sequential(conv, bn)


def tied():
    one, two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    two.weight = one.weight
    return nn.Sequential(one, nn.BatchNorm2d(3), two)


def hooked():
    model = pair(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    model[0].register_forward_hook(lambda _, args, out: out * 2)
    return model


PICTURE, LINE, VOLUME = (2, 3, 7, 7), (2, 3, 9), (2, 3, 5, 5, 5)
CASES = {
    "conv 1d": (lambda: pair(nn.Conv1d(3, 8, 3), nn.BatchNorm1d(8)), LINE, 0),
    "conv 2d": (lambda: pair(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)), PICTURE, 0),
    "conv 3d": (lambda: pair(nn.Conv3d(3, 6, 3, groups=3), nn.BatchNorm3d(6)), VOLUME, 0),
    "groups": (lambda: pair(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6)), PICTURE, 0),
    "reflected": (lambda: pair(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
                               nn.BatchNorm2d(4)), PICTURE, 0),
    "deconv 1d": (lambda: pair(nn.ConvTranspose1d(3, 5, 3), nn.BatchNorm1d(5)), LINE, 0),
    "deconv 2d": (lambda: pair(nn.ConvTranspose2d(3, 5, 3, stride=2, bias=False),
                               nn.BatchNorm2d(5)), PICTURE, 0),
    "deconv of groups": (lambda: pair(nn.ConvTranspose2d(3, 6, 3, groups=3),
                                      nn.BatchNorm2d(6)), PICTURE, 0),
    "deconv 3d": (lambda: pair(nn.ConvTranspose3d(3, 4, 2), nn.BatchNorm3d(4)), VOLUME, 0),
    "not affine": (lambda: pair(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False)), PICTURE, 0),
    "no statistics": (lambda: pair(nn.Conv2d(3, 8, 3),
                                   nn.BatchNorm2d(8, track_running_stats=False)), PICTURE, 1),
    "synchronised": (lambda: pair(nn.Conv2d(3, 8, 3), nn.SyncBatchNorm(8)), PICTURE, 0),
    "norm first": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), PICTURE, 1),
    "activation between": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(),
                                                 nn.BatchNorm2d(4)), PICTURE, 1),
    "mmcv's test": (lambda: nn.Sequential(
        nn.BatchNorm2d(3), ConvModule(3, 5, 3, norm_cfg=dict(type="BN")),
        ConvModule(5, 5, 3, norm_cfg=dict(type="BN"))), PICTURE, 1),
    "norm, conv, act": (lambda: ConvModule(3, 3, 1, norm_cfg=dict(type="BN"),
                                           order=("norm", "conv", "act")), PICTURE, 1),
    "conv, act, norm": (lambda: ConvModule(3, 3, 1, norm_cfg=dict(type="BN"),
                                           order=("conv", "act", "norm")), PICTURE, 1),
    "folded at each call": (lambda: ConvModule(3, 4, 1, norm_cfg=dict(type="BN"),
                                               efficient_conv_bn_eval=True), PICTURE, 0),
    "standardised": (lambda: pair(build_conv_layer(dict(type="ConvWS"), 3, 4, 3),
                                  nn.BatchNorm2d(4)), PICTURE, 1),
    "parametrised": (lambda: pair(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
                                  nn.BatchNorm2d(4)), PICTURE, 1),
    "hooked": (hooked, PICTURE, 1),
    "crossed": (Crossed, PICTURE, 0),
    "read twice": (ReadTwice, PICTURE, 1),
    "tapped": (Tapped, PICTURE, 1),
    "one norm for two": (OneNormForTwo, PICTURE, 1),
    "two norms for one": (TwoNormsForOne, PICTURE, 2),
    "a shared pair": (SharedPair, PICTURE, 0),
    "tied weights": (tied, PICTURE, 0),
    "branching": (Branching, PICTURE, 0),
    "flagged": (Flagged, PICTURE, 0),
    "resnet": (lambda: ResNet(18, out_indices=(3,)), (1, 3, 64, 64), 0),
    "bottlenecks": (lambda: ResNet(50, num_stages=1, strides=(1,), dilations=(1,),
                                   out_indices=(0,), with_cp=True), (1, 3, 32, 32), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_outputs_stay(name):
    make, shape, left = CASES[name]
    check(make(), torch.randn(shape), left)


@pytest.mark.parametrize("name, left", [("mobilenet_v3_small", 0), ("shufflenet_v2_x0_5", 0),
                                        ("densenet121", 62)])  # fmt: skip
def test_models_of_torchvision(name, left):
    try:
        models = import_torchvision().models
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    model = getattr(models, name)(num_classes=7)
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = model.eval()(x)
        after = fuse_conv_bn(model)(x)
    assert torch.allclose(before, after, rtol=1e-5, atol=1e-5 * float(before.abs().max()))
    assert norms(model) == left


def test_what_is_left_behind():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    model[0].weight.requires_grad = False
    twin = copy.deepcopy(trained(model))
    fuse_conv_bn(model.train())
    assert [type(part) for part in model] == [nn.Conv2d, nn.Identity, nn.ReLU]
    assert all(part.training for part in model.modules())
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert not model[0].weight.requires_grad and not model[0].bias.requires_grad
    x = torch.randn(2, 3, 5, 5)
    assert torch.allclose(model(x), twin(x), atol=1e-6)
    assert fuse_conv_bn(model)[0] is model[0]


def test_tied_weights_are_not_afterwards():
    model = trained(tied())
    kept = model[2].weight
    before = kept.detach().clone()
    fuse_conv_bn(model)
    assert model[2].weight is kept and kept.equal(before)
    assert model[0].weight is not kept


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes_stay(dtype):
    model = trained(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))).to(dtype)
    x = torch.randn(2, 3, 5, 5, dtype=dtype)
    before = model(x)
    after = fuse_conv_bn(model)(x)
    assert model[0].weight.dtype == model[0].bias.dtype == dtype
    assert torch.allclose(before, after, rtol=1e-12 if dtype == torch.float64 else 0.1, atol=0.1)


class Opaque(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        y = self.bn(self.conv(x))
        return y if y.mean() > 0 else -y


@pytest.mark.parametrize("make, names", [
    (Opaque, "Opaque"),
    (lambda: nn.Sequential(Opaque(), nn.ModuleList([Opaque()])[0]), "0, 1"),
])  # fmt: skip
def test_what_cannot_be_followed_is_named(make, names):
    model = trained(make())
    count = norms(model)
    with pytest.warns(UserWarning) as caught:
        fuse_conv_bn(model)
    assert [str(item.message) for item in caught] == [
        f"fuse_conv_bn leaves the batch norms of {names}: its forward cannot be followed."
    ]
    assert norms(model) == count
    assert not any(getattr(part, "calls", 0) for part in model.modules())


def test_following_leaves_no_trace_on_the_model():
    model = Branching().train()
    model.heads["a"].eval()
    modes = [part.training for part in model.modules()]
    state = torch.get_rng_state()
    fuse_conv_bn(model)
    assert norms(model) == 0
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(state, torch.get_rng_state())
    assert [set(vars(part)) for part in Branching().modules() if isinstance(part, Crossed)] == [
        set(vars(model.heads["a"]))
    ]


def test_no_module():
    with pytest.raises(ConfigError) as caught:
        fuse_conv_bn([nn.Conv2d(3, 3, 1)])
    assert isinstance(caught.value, TypeError)
    assert str(caught.value) == (
        "module: expected a module, got [Conv2d(3, 3, kernel_size=(1, 1), stride=(1, 1))]."
    )


def test_the_same_weights_as_mmcv():
    theirs = import_peer("mmcv.cnn.utils").fuse_conv_bn
    model = trained(
        nn.Sequential(
            *(ConvModule(3, 3, 3, norm_cfg=dict(type="BN")) for _ in range(2)),
        )
    )
    twin = theirs(copy.deepcopy(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuse_conv_bn(model)
    mine, other = model.state_dict(), twin.state_dict()
    assert list(mine) == list(other)
    assert all(torch.allclose(mine[key], other[key], atol=1e-6) for key in mine)
