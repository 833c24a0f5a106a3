"""Plugins and transformers under the tools of torch: tracers, exporters, compilers, dtypes."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, fx, nn

from brickbook import (
    CBAM,
    FFN,
    AdaptivePadding,
    BaseTransformerLayer,
    ContextBlock,
    GatedFFN,
    GeneralizedAttention,
    MultiheadAttention,
    NonLocal1d,
    NonLocal2d,
    NonLocal3d,
    PatchEmbed,
    PatchMerging,
    SqueezeExcite,
    TransformerLayerSequence,
)

ATTN = dict(type="MultiheadAttention", embed_dims=16, num_heads=4)
ORDER = ("norm", "self_attn", "norm", "ffn")
IMAGE, TOKENS = (16, 8, 6), (5, 16)
BOTH = ("channel_add", "channel_mul")

BRICKS = {
    "context": (lambda: ContextBlock(16, 0.25, fusion_types=BOTH), IMAGE),
    "context avg": (lambda: ContextBlock(16, 0.25, "avg"), IMAGE),
    "generalized": (lambda: GeneralizedAttention(16, num_heads=4, q_stride=2), IMAGE),
    "with a range": (lambda: GeneralizedAttention(16, 1, 4, attention_type="1010"), IMAGE),
    **{
        f"non-local {mode}": (lambda mode=mode: NonLocal2d(16, True, mode=mode), IMAGE)
        for mode in ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
    },
    "non-local 1d": (lambda: NonLocal1d(16), (16, 8)),
    "non-local 3d": (lambda: NonLocal3d(16), (16, 2, 4, 4)),
    "squeeze-excite": (lambda: SqueezeExcite(16, 4), IMAGE),
    "CBAM": (lambda: CBAM(16, 4, norm_cfg=dict(type="BN")), IMAGE),
    "padding": (lambda: AdaptivePadding(3, 5), IMAGE),
    "embed": (lambda: PatchEmbed(16, 8, kernel_size=4, stride=4, padding="same"), IMAGE),
    "merging": (lambda: PatchMerging(16, 8), (15, 16)),
    "attention": (lambda: MultiheadAttention(16, 4, batch_first=True), TOKENS),
    "FFN": (lambda: FFN(16, 24, layer_scale_init_value=0.1), TOKENS),
    "GatedFFN": (lambda: GatedFFN(16, 24), TOKENS),
    "layer": (
        lambda: BaseTransformerLayer(ATTN, operation_order=ORDER, batch_first=True),
        TOKENS,
    ),
    "layers": (
        lambda: TransformerLayerSequence(
            dict(
                type=BaseTransformerLayer, attn_cfgs=ATTN, operation_order=ORDER, batch_first=True
            ),
            2,
        ),
        TOKENS,
    ),
}  # fmt: skip
each = pytest.mark.parametrize("name", BRICKS)
# What a layer hands on to its attentions has any name: no graph can have such an input.
NO_ROOTS = {"layer", "layers"}
MORE = {"merging": ((3, 5),), "layers": (None, None)}


def made(name):
    layer = BRICKS[name][0]()
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3)
    return layer.eval()


def inputs(name, batch=2, **kwargs):
    return torch.rand(batch, *BRICKS[name][1], **kwargs), *MORE.get(name, ())


def output(made: Tensor | tuple[Tensor, object]) -> Tensor:
    return made[0] if isinstance(made, tuple) else made


def assert_same(other, layer, given):
    torch.testing.assert_close(output(other(*given)), output(layer(*given)))


@each
def test_copies_and_pickles(name):
    layer = made(name)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert_same(twin, layer, inputs(name))
        assert repr(twin) == repr(layer)


@each
def test_backward_and_empty_batches(name):
    layer = made(name).train()
    x, *more = inputs(name)
    y = output(layer(x.requires_grad_(), *more))
    y.sum().backward()
    assert x.grad is not None and all(p.grad is not None for p in layer.parameters())
    assert output(made(name)(*inputs(name, batch=0))).shape == (0, *y.shape[1:])


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(name, dtype):
    layer = made(name)
    expected = output(layer(*inputs(name)))
    torch.manual_seed(7)
    x, *more = inputs(name)
    expected = output(layer(x, *more))
    got = output(layer.to(dtype)(x.to(dtype), *more))
    assert got.dtype is dtype
    torch.testing.assert_close(got.float(), expected, rtol=0.05, atol=0.05)


@each
def test_on_the_meta_device(name):
    shape = output(made(name)(*inputs(name))).shape
    x, *more = inputs(name, device="meta")
    assert output(made(name).to("meta")(x, *more)).shape == shape


@each
def test_channels_last_keeps_the_numbers(name):
    if len(BRICKS[name][1]) != 3:
        pytest.skip("two spatial axes only")
    layer, (x, *more) = made(name), inputs(name)
    expected = output(layer(x, *more))
    layer.to(memory_format=torch.channels_last)
    got = output(layer(x.contiguous(memory_format=torch.channels_last), *more))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


class Below(nn.Module):
    def __init__(self, inner, more):
        super().__init__()
        self.inner, self.more = inner, more

    def forward(self, x):
        return self.inner(x, *self.more)


@each
def test_tracing(name):
    layer, given = made(name), inputs(name)
    if name not in NO_ROOTS:
        assert_same(fx.symbolic_trace(layer), layer, given)
    inside = fx.symbolic_trace(Below(layer, given[1:]))
    torch.testing.assert_close(output(inside(given[0])), output(layer(*given)))


@pytest.mark.compile
@each
def test_export(name):
    layer, given = made(name), inputs(name)
    sizes = ({0: torch.export.Dim("n", min=1, max=9)},)
    below = Below(layer, given[1:])
    exported = torch.export.export(below, given[:1], dynamic_shapes=sizes).module()
    for batch in (2, 5):
        given = inputs(name, batch)
        torch.testing.assert_close(output(exported(given[0])), output(layer(*given)))


@pytest.mark.compile
@each
def test_compile(name):
    layer, given = made(name).train(), inputs(name)
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about itself
        graph = torch.compile(layer, fullgraph=True, backend="aot_eager")
        got = output(graph(*given))
    torch.testing.assert_close(got, output(layer(*given)))
    if got.requires_grad:
        got.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
