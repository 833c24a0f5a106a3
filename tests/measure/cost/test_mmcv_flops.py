"""mmcv's count: the frozen reference numbers and texts, and the defects that are mended."""

import io

import pytest
import torch
from peers import import_peer
from torch import nn

from brickbook import ConfigError, ConvModule, ResNet, get_model_complexity_info
from brickbook.bricks.conv import build_conv_layer
from brickbook.measure.cost.mmcv_flops import flops_to_string, params_to_string

LINE, PICTURE, VOLUME = (3, 16), (3, 16, 16), (3, 3, 16, 16)
POOLS = [
    (getattr(nn, f"{kind}{axes}d")(2), shape, count, 0)
    for kind in ("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool")
    for axes, shape, count in ((1, LINE, 48), (2, PICTURE, 768), (3, VOLUME, 2304))
]
NORMS = [
    (getattr(nn, f"{kind}{axes}d")(3, affine=True), shape, count, 6)
    for kind in ("BatchNorm", "InstanceNorm")
    for axes, shape, count in ((1, LINE, 96), (2, PICTURE, 1536), (3, VOLUME, 4608))
]
REFERENCE = [
    (nn.Conv1d(3, 8, 3), LINE, 1120, 80),
    (nn.Conv2d(3, 8, 3), PICTURE, 43904, 224),
    (nn.Conv3d(3, 8, 3), VOLUME, 128576, 656),
    (nn.ConvTranspose2d(3, 8, 3), PICTURE, 57888, 224),
    (nn.Linear(1024, 2), (1024,), 2048, 2050),
    (nn.Upsample((32, 32)), PICTURE, 3072, 0),
    *((kind(), PICTURE, 768, 0) for kind in (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6)),
    (nn.PReLU(), PICTURE, 768, 1),
    *POOLS,
    *NORMS,
    (nn.GroupNorm(2, 6), (6, 16, 16), 3072, 12),
    (nn.LayerNorm(PICTURE), PICTURE, 1536, 1536),
    (nn.LayerNorm(PICTURE, elementwise_affine=False), PICTURE, 768, 0),
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(1568, 2)), PICTURE, 47040, 3362),
]


def counted(model, shape, **how):
    return get_model_complexity_info(
        model, shape, **{"print_per_layer_stat": False, "as_strings": False, **how}
    )


NAMES = [f"{type(model).__name__}-{len(shape)}" for model, shape, _, _ in REFERENCE]


@pytest.mark.parametrize("model, shape, flops, params", REFERENCE, ids=NAMES)
def test_reference_numbers(model, shape, flops, params):
    assert counted(model, shape) == (flops, params)


def test_an_input_of_ones_own():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv2d = nn.Conv2d(3, 8, 3)

        def forward(self, imgs):
            return self.conv2d(imgs)

    def make(shape):
        return dict(imgs=torch.ones(()).new_empty((1, *shape)))

    assert counted(Model(), PICTURE, input_constructor=make) == (43904, 224)


def test_strings():
    found = counted(nn.Conv3d(3, 8, 3), (3, 3, 512, 512), as_strings=True)
    assert found == ("0.17 GFLOPs", "656")


def printed(model, shape):
    stream = io.StringIO()
    get_model_complexity_info(model, shape, ost=stream)
    return stream.getvalue()


def test_one_layer_prints_one_line():
    assert printed(nn.Conv1d(3, 8, 3), LINE) == (
        "Conv1d(0.0 M, 100.000% Params, 0.0 GFLOPs, 100.000% FLOPs, 3, 8, kernel_size=(3,), "
        "stride=(1,))\n"
    )
    assert printed(nn.ReLU(), LINE) == (
        "ReLU(0.0 M, 0.000% Params, 0.0 GFLOPs, 100.000% FLOPs, )\n"
    )


def test_the_standard_output_of_the_moment(capsys):
    get_model_complexity_info(nn.Conv1d(3, 8, 3), LINE)
    assert capsys.readouterr().out.startswith("Conv1d(")


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 256, 3)
        self.rest = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        return self.fc(self.rest(self.conv(x)))


@pytest.mark.parametrize("make, shape", [
    (Small, PICTURE),
    (lambda: ConvModule(3, 8, 3, norm_cfg=dict(type="GN", num_groups=2)), PICTURE),
    (lambda: ResNet(18), (3, 64, 64)),
    (lambda: ResNet(50, out_indices=(1,)), (3, 64, 64)),
])  # fmt: skip
def test_the_same_as_mmcv(make, shape):
    theirs = import_peer().get_model_complexity_info
    torch.manual_seed(0)
    model = make()
    stream = io.StringIO()
    peer = theirs(model, shape, as_strings=False, ost=stream)
    assert counted(make(), shape) == peer
    if not isinstance(model, ResNet):
        assert printed(make(), shape) == stream.getvalue()


class Mine(nn.Conv2d):
    pass


MENDED = [
    ("a derived class", Mine(3, 8, 3), PICTURE, (43904, 224)),
    ("a derived brick", build_conv_layer(dict(type="ConvWS"), 3, 8, 3), PICTURE, (43904, 224)),
    ("GELU", nn.GELU(), PICTURE, (768, 0)),
    ("SiLU", nn.SiLU(), PICTURE, (768, 0)),
    ("transposed 1d", nn.ConvTranspose1d(3, 8, 3, bias=False), LINE, (16 * 72, 72)),
    ("groups", nn.ConvTranspose2d(4, 8, 3, groups=2, bias=False), (4, 5, 5), (25 * 144, 144)),
    ("frozen", nn.Conv2d(3, 8, 3).requires_grad_(False), PICTURE, (43904, 224)),
    ("recurrence", nn.LSTM(8, 4, batch_first=True), (5, 8), (5 * 16 * 12, 224)),
    ("attention", nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8),
     # projections, products, two linears, ReLU as a function, two norms
     (4 * 5 * 64 + 2 * 25 * 8 + 2 * 5 * 8 * 16 + 2 * 2 * 40, 600)),
]  # fmt: skip


@pytest.mark.parametrize("name, model, shape, expected", MENDED, ids=[row[0] for row in MENDED])
def test_what_mmcv_leaves_out(name, model, shape, expected):
    assert counted(model, shape) == expected


def test_the_model_is_given_back():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attributes, state = [set(vars(part)) for part in model.modules()], torch.get_rng_state()
    text = repr(model)
    printed(model, PICTURE)
    assert all(before[key].equal(value) for key, value in model.state_dict().items())
    assert [set(vars(part)) for part in model.modules()] == attributes and repr(model) == text
    assert all(part.training and not part._forward_hooks for part in model.modules())
    assert torch.equal(state, torch.get_rng_state())


FLOPS = [
    ((6.54321e9,), "6.54 GFLOPs"), ((6.54321e9, "MFLOPs"), "6543.21 MFLOPs"),
    ((6.54321e9, "KFLOPs"), "6543210.0 KFLOPs"), ((6.54321e9, "FLOPs"), "6543210000.0 FLOPs"),
    ((6.54321e9, "GFLOPs", 4), "6.5432 GFLOPs"), ((6.54321e9, None), "6.54 GFLOPs"),
    ((3.21e7, None), "32.1 MFLOPs"), ((5.4e3, None), "5.4 KFLOPs"), ((987, None), "987 FLOPs"),
    ((3e-9, None), "3e-09 FLOPs"),
]  # fmt: skip
PARAMS = [
    ((3.21e7,), "32.1 M"), ((4.56e5,), "456.0 k"), ((7.89e2,), "789.0"),
    ((6.54321e7, "M"), "65.43 M"), ((6.54321e7, "K"), "65432.1 K"),
    ((6.54321e7, ""), "65432100.0"), ((6.54321e7, "M", 4), "65.4321 M"), ((3e-9,), "3e-09"),
]  # fmt: skip


@pytest.mark.parametrize("args, text", FLOPS)
def test_flops_to_string(args, text):
    assert flops_to_string(*args) == text


@pytest.mark.parametrize("args, text", PARAMS)
def test_params_to_string(args, text):
    assert params_to_string(*args) == text


BAD = [
    (lambda: counted(nn.ReLU(), [3, 16]), AssertionError,
     "input_shape: expected a tuple without the batch, got [3, 16]."),
    (lambda: counted(nn.ReLU(), ()), AssertionError,
     "input_shape: expected one size at least, got ()."),
    (lambda: counted(3, (3,)), AssertionError, "model: expected a module, got 3."),
    (lambda: counted(nn.ReLU(), (3,), input_constructor=lambda _: [1]), TypeError,
     "input_constructor: expected a dict of keyword arguments from it, got list."),
    (lambda: counted(nn.Conv2d(3, 4, 3), (4, 8, 8)), ValueError,
     "model: Conv2d got (1, 4, 8, 8): Given groups=1, weight of size [4, 3, 3, 3], expected "
     "input[1, 4, 8, 8] to have 3 channels, but got 4 channels instead."),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", BAD, ids=[row[2][:30] for row in BAD])
def test_messages(call, kind, message):
    with pytest.raises(ConfigError) as caught:
        call()
    assert isinstance(caught.value, kind) and str(caught.value) == message
