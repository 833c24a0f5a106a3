"""Every registered layer, and the bundles, under the tools of torch.

Copies, pickles, tracers, exporters, compilers, other dtypes, empty batches, memory formats.
"""

import copy
import pickle

import pytest
import torch
from bricks_support import (
    ACTIVATIONS,
    CONVS,
    FAMILIES,
    PADDINGS,
    ROWS_OF_ALL,
    UPSAMPLES,
    config_of,
    input_for,
)  # fmt: skip
from torch import fx, nn

from brickbook import fuse_conv_bn
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.depthwise_separable_conv_module import DepthwiseSeparableConvModule
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.norm.channel import ChannelLayerNorm
from brickbook.bricks.norm.grn import GRN
from brickbook.bricks.scale import Scale
from brickbook.bricks.wrappers import (
    Conv2d,
    Conv3d,
    ConvTranspose2d,
    ConvTranspose3d,
    Linear,
    MaxPool2d,
    MaxPool3d,
)

BN = dict(type="BN")
OTHERS = {
    "ConvModule": lambda: ConvModule(16, 8, 3, norm_cfg=BN),
    "depthwise": lambda: DepthwiseSeparableConvModule(16, 8, 3, norm_cfg=BN),
    "GRN last": lambda: GRN(6, data_format="channels_last"),
    "LayerScale": lambda: LayerScale(6),
    "LayerScale first": lambda: LayerScale(16, data_format="channels_first", inplace=True),
    "Scale": lambda: Scale(2),
}


def chosen_rows():
    """Return every row with a class of this package, and of torch's own classes one a family."""
    rows, seen = [], set()
    for family, name in ROWS_OF_ALL:
        if FAMILIES[family][1][name].__module__.startswith("torch."):
            if family in seen:
                continue
            seen.add(family)
        rows.append((family, name))
    return rows


EVERY = [*chosen_rows(), *(("", name) for name in OTHERS)]
each = pytest.mark.parametrize(("family", "name"), EVERY, ids=lambda word: word or "other")

# Torch's own classes ask about the input's values or axes: torch.fx takes them inside a model only.
NO_ROOTS = {
    *(name for name in FAMILIES["norm"][1] if name.startswith(("BN", "IN", "Sync"))),
    *(name for name in PADDINGS if name.startswith("circular")),
    "Softmax2d",
}
# TorchScript knows no super(), no sizes that may be symbols; SyncBatchNorm is torch's own trouble.
NO_SCRIPT = {
    "SyncBN", "Conv2dAdaptivePadding",
    *(name for name in (*CONVS, *UPSAMPLES) if name.startswith(("deconv", "ConvTranspose"))),
}  # fmt: skip
DRAWS = {"RReLU", "DropPath", "Dropout"}  # while training


def made(family, name):
    """Build a layer in evaluation."""
    torch.manual_seed(0)
    layer = FAMILIES[family][2](config_of(name)) if family else OTHERS[name]()
    return layer.eval()


def taken(family, name, batch=2):
    """Return what it takes."""
    return input_for(family, name, batch) if family else torch.rand(batch, 16, 6, 6)


def same(one, other, x):
    """Compare two layers on an input that they may change."""
    torch.testing.assert_close(one(x.clone()), other(x.clone()))


@each
def test_copies_and_pickles(family, name):
    layer, x = made(family, name), taken(family, name)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        same(twin, layer, x)
        assert repr(twin) == repr(layer)
        assert not {*map(id, twin.parameters())} & {*map(id, layer.parameters())}


@each
def test_backward_and_empty_batches(family, name):
    layer, x = made(family, name).train(), taken(family, name)
    y = layer(x.requires_grad_() * 1)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad is not None for p in layer.parameters())
    assert torch.isfinite(y).all()
    empty = made(family, name)(taken(family, name, batch=0))
    assert empty.shape == (0, *y.shape[1:])


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(family, name, dtype):
    layer = made(family, name).to(dtype)
    assert layer(taken(family, name).to(dtype)).dtype is dtype


@each
def test_channels_last_keeps_the_numbers(family, name):
    layer, x = made(family, name), taken(family, name)
    if x.dim() != 4:
        pytest.skip("two spatial axes only")
    expected = layer(x.clone())
    layer = layer.to(memory_format=torch.channels_last)
    y = layer(x.clone(memory_format=torch.channels_last))
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.compile
@each
def test_compiled_and_exported_whole(family, name):
    layer, x = made(family, name), taken(family, name)
    torch._dynamo.reset()
    same(torch.compile(layer, fullgraph=True, backend="eager"), layer, x)
    same(torch.export.export(layer, (x,)).module(), layer, x)
    if name not in DRAWS:
        layer.train()
        same(torch.compile(layer, fullgraph=True, backend="eager"), layer, x)


@each
def test_traced_by_fx(family, name):
    layer, x = made(family, name), taken(family, name)
    same(fx.symbolic_trace(nn.Sequential(layer)), layer, x)
    if name not in NO_ROOTS:
        same(fx.symbolic_trace(layer), layer, x)
    layer.train()
    traced = fx.symbolic_trace(nn.Sequential(layer))
    torch.manual_seed(1)
    expected = copy.deepcopy(layer)(x.clone())
    torch.manual_seed(1)
    torch.testing.assert_close(traced(x.clone()), expected)


@each
def test_torchscript(family, name):
    if name in NO_SCRIPT:
        pytest.skip("not for TorchScript")
    layer, x = made(family, name), taken(family, name)
    same(torch.jit.script(copy.deepcopy(layer)), layer, x)


@pytest.mark.compile
def test_export_with_any_batch_and_size():
    batch, height, width = (torch.export.Dim(word, min=4, max=64) for word in "bhw")
    for name in ("Conv2dAdaptivePadding", "ConvWS", "GRN", "LN2d", "DropPath", "reflect"):
        family = next(word for word, (_, rows, _) in FAMILIES.items() if name in rows)
        layer = made(family, name)
        shapes = ({0: batch, 2: height, 3: width},)
        program = torch.export.export(layer, (torch.rand(5, 16, 9, 12),), dynamic_shapes=shapes)
        same(program.module(), layer, torch.rand(4, 16, 13, 8))


@pytest.mark.parametrize("name", ["Mish", "GELU", "Softplus", "HSigmoid", "Clamp"])
def test_activations_of_bundles_in_torchscript(name):
    for order in (("conv", "norm", "act"), ("norm", "conv", "act"), ("act", "norm", "conv")):
        module = ConvModule(
            4, 8, 3, norm_cfg=dict(type="LN"), act_cfg=dict(type=name), order=order,
            padding=1, padding_mode="replicate",
        ).eval()  # fmt: skip
        scripted, x = torch.jit.script(module), torch.randn(2, 4, 6, 6)
        for flags in ((True, True), (False, True), (True, False), (False, False)):
            torch.testing.assert_close(scripted(x.clone(), *flags), module(x.clone(), *flags))


WRAPPERS = {
    Conv2d: (nn.Conv2d, (3, 5, 3), 2), Conv3d: (nn.Conv3d, (3, 5, 3), 3),
    ConvTranspose2d: (nn.ConvTranspose2d, (3, 5, 3), 2),
    ConvTranspose3d: (nn.ConvTranspose3d, (3, 5, 3), 3),
    MaxPool2d: (nn.MaxPool2d, (3,), 2), MaxPool3d: (nn.MaxPool3d, (3,), 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRAPPERS)
@pytest.mark.parametrize(
    "more", [dict(stride=1, padding=0, dilation=1), dict(stride=2, padding=1, dilation=2)]
)
def test_wrappers(kind, more):
    base, args, axes = WRAPPERS[kind]
    assert issubclass(kind, base)
    torch.manual_seed(0)
    layer = kind(*args, **more)
    torch.manual_seed(0)
    plain = base(*args, **more)
    x = torch.randn(2, 3, *[11] * axes)
    assert torch.equal(layer(x), plain(x))
    empty = layer(x[:0])
    assert empty.shape == (0, *plain(x).shape[1:])
    if hasattr(layer, "weight"):
        empty.sum().backward()
        assert layer.weight.grad.shape == layer.weight.shape
    assert layer.eval()(x[:0]).shape == empty.shape
    torch.testing.assert_close(fx.symbolic_trace(layer)(x), plain(x))


def test_the_wrapper_of_linear():
    torch.manual_seed(0)
    layer = Linear(7, 3)
    torch.manual_seed(0)
    plain, x = nn.Linear(7, 3), torch.randn(4, 7)
    assert issubclass(Linear, nn.Linear) and torch.equal(layer(x), plain(x))
    assert layer(x[:0]).shape == (0, 3)
    torch.testing.assert_close(fx.symbolic_trace(layer)(x), plain(x))


@pytest.mark.parametrize("kind", [*WRAPPERS, Linear])
def test_the_forward_of_torch_is_what_runs(kind, monkeypatch):
    base, args, axes = WRAPPERS.get(kind, (nn.Linear, (7, 3), 1))
    calls = []
    monkeypatch.setattr(base, "forward", lambda self, *args, **kwargs: calls.append((args, kwargs)))
    layer = kind(*args)
    for batch in (2, 0):
        x = torch.randn(batch, 3, *[7] * axes)
        layer(x)
        assert len(calls[-1][0]) == 1 and calls[-1][0][0] is x and calls[-1][1] == {}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_torchs_where_torch_has_them(name):
    layer = FAMILIES["activation"][2](config_of(name))
    theirs = getattr(nn, name, None)
    assert theirs is None or type(layer) is theirs


def test_layer_norm_2d_is_layer_norm_over_channels():
    layer = FAMILIES["norm"][2](dict(type="LN2d"))
    assert type(layer) is ChannelLayerNorm and layer.eps == 1e-5


@pytest.mark.parametrize("conv", CONVS)
def test_a_norm_is_absorbed_where_the_weight_is_what_computes(conv):
    axes = next((axes for axes in (1, 3) if CONVS[conv].__name__.endswith(f"{axes}d")), 2)
    module = ConvModule(
        4, 6, 3, conv_cfg=dict(type=conv), norm_cfg=dict(type=f"BN{axes}d"), act_cfg=None
    )
    x = torch.randn(3, 4, *[7] * axes)
    module(x), module.eval()
    expected = module(x)
    fuse_conv_bn(module)
    assert isinstance(module.bn, nn.Identity) is (conv not in ("ConvWS", "ConvAWS"))
    torch.testing.assert_close(module(x), expected, atol=1e-5, rtol=1e-5)
