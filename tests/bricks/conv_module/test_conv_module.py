"""ConvModule: what it is made of, in which order, with which padding, and what it refuses."""

import copy
import itertools
import warnings
from functools import partial

import pytest
import torch
from bricks_support import ACTIVATIONS, EXTRA
from torch import nn

from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.registry import ACTIVATION_LAYERS, CONV_LAYERS
from brickbook.errors import ConfigError

BN = dict(type="BN")
ORDERS = list(itertools.permutations(("conv", "norm", "act")))


@pytest.fixture
def registered():
    """Register a convolution for one test."""
    names = []

    def register(kind):
        CONV_LAYERS.register_module(module=kind)
        names.append(kind.__name__)

    yield register
    for name in names:
        del CONV_LAYERS.module_dict[name]


@pytest.mark.parametrize(
    ("kwargs", "parts"),
    [
        (dict(norm_cfg=BN), ["conv", "bn", "activate"]),
        (dict(norm_cfg=dict(type="GN", num_groups=2)), ["conv", "gn", "activate"]),
        (dict(norm_cfg=dict(type="SyncBN")), ["conv", "bn", "activate"]),
        (dict(norm_cfg=dict(type="LN")), ["conv", "ln", "activate"]),
        (dict(), ["conv", "activate"]),
        (dict(act_cfg=None), ["conv"]),
        (dict(norm_cfg=BN, act_cfg=None), ["conv", "bn"]),
        (dict(padding_mode="reflect", padding=1), ["padding_layer", "conv", "activate"]),
    ],
)
def test_parts(kwargs, parts):
    module = ConvModule(3, 8, 2, **kwargs)
    assert [name for name, _ in module.named_children()] == parts
    assert module.with_norm is ("norm_cfg" in kwargs)
    assert module.with_activation is ("activate" in parts)
    assert hasattr(module, "activate") is ("activate" in parts)
    assert module.with_explicit_padding is ("padding_layer" in parts)
    norms = [name for name in parts if name in ("bn", "gn", "ln")]
    assert (module.norm_name, module.norm) == (
        (norms[0], getattr(module, norms[0])) if norms else (None, None)
    )
    size = 256 + 2 * (module.padding == 1) - 1
    assert module(torch.rand(1, 3, 256, 256)).shape == (1, 8, size, size)


def test_state_dict_keys():
    keys = list(ConvModule(3, 8, 2, norm_cfg=BN).state_dict())
    statistics = ["running_mean", "running_var", "num_batches_tracked"]
    assert keys == ["conv.weight", *(f"bn.{k}" for k in ("weight", "bias", *statistics))]
    assert list(ConvModule(3, 8, 2).state_dict()) == ["conv.weight", "conv.bias"]


def test_attributes():
    conv_cfg, act_cfg = dict(type="Conv1d"), dict(type="LeakyReLU", negative_slope=0.2)
    kept = copy.deepcopy((conv_cfg, act_cfg))
    module = ConvModule(
        4, 8, 3, stride=2, padding=1, dilation=2, groups=2, conv_cfg=conv_cfg, act_cfg=act_cfg,
        inplace=False,
    )  # fmt: skip
    got = {name: getattr(module, name) for name in (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "transposed",
        "output_padding", "groups", "conv_cfg", "norm_cfg", "act_cfg", "inplace", "order",
        "with_bias", "with_spectral_norm",
    )}  # fmt: skip
    assert got == dict(
        in_channels=4, out_channels=8, kernel_size=(3,), stride=(2,), padding=1, dilation=(2,),
        transposed=False, output_padding=(0,), groups=2, conv_cfg=conv_cfg, norm_cfg=None,
        act_cfg=act_cfg, inplace=False, order=("conv", "norm", "act"), with_bias=True,
        with_spectral_norm=False,
    )  # fmt: skip
    assert (conv_cfg, act_cfg) == kept
    assert module.activate.inplace is False and module.activate.negative_slope == 0.2


def test_the_default_activation_is_nobodys():
    ConvModule(3, 8, 2).act_cfg["type"] = "Tanh"
    assert type(ConvModule(3, 8, 2).activate) is nn.ReLU


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, inplace):
    channels = 4 if name == "GLU" else 8
    kwargs = EXTRA.get(name, {})
    for kind in (name, ACTIVATION_LAYERS.get(name), partial(ACTIVATION_LAYERS.get(name))):
        act_cfg = dict(type=kind, **kwargs)
        module = ConvModule(3, 8, 3, padding=1, act_cfg=act_cfg, inplace=inplace)
        assert type(module.activate) is ACTIVATION_LAYERS.get(name)
        assert getattr(module.activate, "inplace", inplace) is inplace
        assert module(torch.rand(1, 3, 6, 6)).shape == (1, channels, 6, 6)
    with torch.device("meta"):
        assert ConvModule(3, 8, 3, act_cfg=act_cfg).conv.weight.is_meta


def test_inplace_of_the_config_wins():
    assert ConvModule(3, 8, 2, act_cfg=dict(type="ReLU", inplace=False)).activate.inplace is False


@pytest.mark.parametrize(
    ("norm_cfg", "order", "bias", "expected"),
    [
        (None, ORDERS[0], "auto", True),
        (BN, ORDERS[0], "auto", False),
        (BN, ("norm", "conv", "act"), "auto", True),
        (BN, ("act", "norm", "conv"), "auto", True),
        (BN, ("act", "conv", "norm"), "auto", False),
        (None, ORDERS[0], False, False),
        (None, ORDERS[0], True, True),
        (BN, ("norm", "conv", "act"), False, False),
    ],
)
def test_bias(norm_cfg, order, bias, expected):
    module = ConvModule(3, 8, 2, norm_cfg=norm_cfg, order=order, bias=bias)
    assert module.with_bias is expected
    assert (module.conv.bias is not None) is expected


@pytest.mark.parametrize(
    ("norm", "order", "warned"),
    [
        ("BN", ORDERS[0], True),
        ("SyncBN", ORDERS[0], True),
        ("IN", ORDERS[0], True),
        ("GN", ORDERS[0], False),
        ("LN", ORDERS[0], False),
        ("BN", ("norm", "conv", "act"), False),
    ],
)
def test_a_bias_that_a_norm_undoes(norm, order, warned):
    cfg = dict(type=norm, num_groups=1) if norm == "GN" else dict(type=norm)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        ConvModule(3, 8, 2, bias=True, norm_cfg=cfg, order=order)
    messages = [(w.category, str(w.message), w.filename) for w in record]
    text = "Unnecessary conv bias before batch/instance norm"
    assert messages == ([(UserWarning, text, __file__)] if warned else [])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("activate", "norm"), [(True, True), (False, True), (True, False)])
def test_order(order, activate, norm, monkeypatch):
    for kind, word in ((nn.Conv2d, "conv"), (nn.BatchNorm2d, "norm"), (nn.ReLU, "act")):
        monkeypatch.setattr(kind, "forward", lambda _, x, word=word: f"{x}_{word}")
    module = ConvModule(3, 8, 2, norm_cfg=BN, order=order)
    left = {"conv", *["act"] * activate, *["norm"] * norm}
    assert module("x", activate=activate, norm=norm) == "_".join(
        ["x", *(step for step in order if step in left)]
    )
    channels = 8 if order.index("norm") > order.index("conv") else 3
    assert module.bn.num_features == channels


@pytest.mark.parametrize("off", [False, 0, None])
def test_steps_are_left_out_by_any_false_value(off):
    x = torch.rand(2, 3, 6, 6)
    module = ConvModule(3, 8, 2, norm_cfg=BN)
    assert torch.equal(module(x, off, off), module.conv(x))


CLASSES = {
    ("zero", 1): nn.ZeroPad1d, ("zero", 2): nn.ZeroPad2d, ("zero", 3): nn.ZeroPad3d,
    ("reflect", 1): nn.ReflectionPad1d, ("reflect", 2): nn.ReflectionPad2d,
    ("reflect", 3): nn.ReflectionPad3d, ("replicate", 1): nn.ReplicationPad1d,
    ("replicate", 2): nn.ReplicationPad2d, ("replicate", 3): nn.ReplicationPad3d,
}  # fmt: skip
TORCH_NAMES = {"zero": "zeros"}


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "zero", "circular", "reflect", "replicate"])
def test_padding_is_torchs_own(mode, axes, each):
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
    padding = tuple(range(1, axes + 1)) if each else 2
    module = ConvModule(
        3, 4, 3, padding=padding, conv_cfg=dict(type=f"Conv{axes}d"), padding_mode=mode,
        act_cfg=None,
    )  # fmt: skip
    same = conv(3, 4, 3, padding=padding, padding_mode=TORCH_NAMES.get(mode, mode))
    same.load_state_dict(module.conv.state_dict())
    x = torch.rand(2, 3, *[7, 6, 5][:axes])
    torch.testing.assert_close(module(x), same(x))
    assert type(getattr(module, "padding_layer", None)) is CLASSES.get((mode, axes), type(None))
    assert module.padding == padding


def test_reflection_keeps_the_size():
    module = ConvModule(3, 8, 3, padding=1, padding_mode="reflect")
    assert type(module.padding_layer) is nn.ReflectionPad2d
    assert module(torch.rand(1, 3, 16, 16)).shape == (1, 8, 16, 16)


def test_a_convolution_without_a_padding_mode_gets_a_circular_layer(registered):
    class PlainConv(nn.Conv2d):
        def __init__(self, in_channels, out_channels, kernel_size, **kwargs):
            super().__init__(in_channels, out_channels, kernel_size, **kwargs)

    registered(PlainConv)
    module = ConvModule(
        3, 4, 3, padding=1, padding_mode="circular", conv_cfg=dict(type="PlainConv"), act_cfg=None
    )
    same = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
    same.load_state_dict(module.conv.state_dict())
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(module(x), same(x))
    assert type(module.padding_layer) is nn.CircularPad2d


@pytest.mark.parametrize("name", list(CONV_LAYERS.module_dict))
def test_every_convolution(name):
    axes = next((int(digit) for digit in "13" if digit in name), 2)
    module = ConvModule(4, 8, 3, padding=1, conv_cfg=dict(type=name))
    assert module(torch.rand(1, 4, *[6] * axes)).shape == (1, 8, *[6] * axes)


@pytest.mark.parametrize("order", [ORDERS[0], ("norm", "conv", "act")])
@pytest.mark.parametrize("kind", ["LN", nn.LayerNorm, partial(nn.LayerNorm, eps=1e-5)])
def test_layer_norm_is_over_the_channels(kind, order):
    module = ConvModule(4, 8, 3, padding=1, norm_cfg=dict(type=kind), order=order, act_cfg=None)
    x = torch.rand(2, 4, 6, 5)
    y = module(x)
    assert y.shape == (2, 8, 6, 5)
    if order == ORDERS[0]:
        torch.testing.assert_close(y.mean(1), torch.zeros(2, 6, 5), atol=1e-5, rtol=0)
    assert [key for key in module.state_dict() if "ln" in key] == ["ln.weight", "ln.bias"]


def test_a_minimal_convolution(registered):
    class Bare(nn.Module):
        """Only what ConvModule reads; ``bias`` is a flag here, as in some libraries."""

        def __init__(self, in_channels, out_channels, kernel_size, **kwargs):
            super().__init__()
            self.in_channels, self.out_channels = in_channels, out_channels
            self.kernel_size = kernel_size
            for key in ("stride", "padding", "dilation", "groups", "bias"):
                setattr(self, key, kwargs[key])
            self.output_padding, self.transposed = (0, 0), False

        def forward(self, x):
            return x[:, :1].repeat(1, self.out_channels, 1, 1)

    registered(Bare)
    for norm_cfg in (None, BN):
        module = ConvModule(3, 8, 2, conv_cfg=dict(type="Bare"), norm_cfg=norm_cfg)
        assert module(torch.rand(2, 3, 4, 4)).shape == (2, 8, 4, 4)
        assert module.conv.bias is (norm_cfg is None)
    module = ConvModule(3, 8, 2, conv_cfg=dict(type="Bare"), padding=1, padding_mode="reflect")
    assert module(torch.rand(1, 3, 4, 4)).shape == (1, 8, 6, 6)


def test_spectral_norm():
    module = ConvModule(3, 8, 3, padding=1, with_spectral_norm=True)
    assert hasattr(module.conv, "weight_orig")
    x = torch.rand(1, 3, 16, 16)
    assert module(x).shape == (1, 8, 16, 16)
    before = module.conv.weight_orig.detach().clone()
    module.init_weights()  # after a forward too
    assert not torch.equal(module.conv.weight_orig, before)
    assert module.conv.weight_orig.std().item() == pytest.approx((2 / 72) ** 0.5, rel=0.2)


MESSAGES = [
    (dict(conv_cfg="Conv2d"), AssertionError, "conv_cfg: expected a dict or None, got 'Conv2d'."),
    (dict(norm_cfg=["BN"]), AssertionError, "norm_cfg: expected a dict or None, got ['BN']."),
    (dict(act_cfg="ReLU"), AssertionError, "act_cfg: expected a dict or None, got 'ReLU'."),
    (dict(order=["conv", "norm", "act"]), AssertionError,
     "order: expected a tuple of 'conv', 'norm' and 'act', each once, "
     "got ['conv', 'norm', 'act']."),
    (dict(order=("conv", "norm")), AssertionError,
     "order: expected a tuple of 'conv', 'norm' and 'act', each once, got ('conv', 'norm')."),
    (dict(order=("conv", "norm", "norm")), AssertionError,
     "order: expected a tuple of 'conv', 'norm' and 'act', each once, "
     "got ('conv', 'norm', 'norm')."),
    (dict(order=("conv", "norm", "something")), AssertionError,
     "order: expected a tuple of 'conv', 'norm' and 'act', each once, "
     "got ('conv', 'norm', 'something')."),
    (dict(act_cfg=dict(type="softmax")), KeyError,
     "act_cfg.type: softmax is not in the activation layer registry. Did you mean 'Softmax'?"),
    (dict(act_cfg=BN), KeyError,
     "act_cfg.type: BN is not in the activation layer registry. "
     "BN is a norm layer: use build_norm_layer."),
    (dict(norm_cfg=dict(type="Bn2d")), KeyError,
     "norm_cfg.type: Bn2d is not in the norm layer registry. Did you mean 'BN2d'?"),
    (dict(conv_cfg=dict(kind="Conv2d")), KeyError,
     "conv_cfg: the cfg dict must contain the key \"type\", but got {'kind': 'Conv2d'}."),
    (dict(norm_cfg=dict(type="GN")), AssertionError, "norm_cfg: GroupNorm also needs num_groups."),
    (dict(norm_cfg=dict(type="BN", epss=1)), TypeError,
     "norm_cfg.epss: BatchNorm2d has no such argument. Did you mean 'eps'?"),
    (dict(padding_mode="reflection"), KeyError,
     "padding_mode: reflection is not in the padding layer registry. Did you mean 'reflect'?"),
    (dict(padding_mode="zeross"), KeyError,
     "padding_mode: zeross is not in the padding layer registry. Did you mean 'zeros'?"),
    (dict(padding_mode="constant"), ValueError,
     "padding_mode: constant needs a value, which can be said in a padding layer only."),
    (dict(padding_mode="reflect3d"), ValueError,
     "padding_mode: reflect3d pads 3 axes, the convolution has 2. "
     "A name without a digit fits any."),
    (dict(padding_mode="Replicate"), KeyError,
     "padding_mode: Replicate is not in the padding layer registry. Did you mean 'replicate'?"),
    (dict(padding_mode=None), TypeError, "padding_mode: expected str, got None."),
    (dict(padding_mode="circular", conv_cfg=dict(type="deconv")), ValueError,
     "padding_mode: ConvTranspose2d pads with zeros only, got 'circular'."),
    (dict(padding="same", padding_mode="reflect"), ValueError,
     "padding: expected one number, 2 or 4 with padding_mode='reflect', got 'same'."),
    (dict(padding=(1, 2, 3), padding_mode="replicate"), ValueError,
     "padding: expected one number, 2 or 4 with padding_mode='replicate', got (1, 2, 3)."),
    (dict(bias="atuo"), ValueError, "bias: expected True, False or 'auto', got 'atuo'."),
    (dict(stride="2"), TypeError, "stride: expected int or tuple[int, int], got '2' (str)."),
    (dict(conv_cfg=dict(type="Conv2d", stride=2)), TypeError,
     "conv_cfg.stride: Conv2d gets multiple values for it: 2 here, 1 in the call."),
]  # fmt: skip


@pytest.mark.parametrize(("kwargs", "builtin", "message"), MESSAGES, ids=[m for *_, m in MESSAGES])
def test_messages(kwargs, builtin, message):
    with pytest.raises(builtin) as caught:
        ConvModule(3, 8, 2, **kwargs)
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == message
