"""Images cut into patches, and patches merged: paddings, sizes, values."""

import pytest
import torch
from torch import nn

from brickbook import AdaptivePadding, PatchEmbed, PatchMerging

PADDINGS = [
    (dict(kernel_size=16, stride=16), (15, 17), (16, 32)),
    (dict(kernel_size=16, stride=16), (16, 17), (16, 32)),
    (dict(kernel_size=2, stride=2), (11, 13), (12, 14)),
    (dict(kernel_size=2, stride=10), (10, 13), (10, 13)),
    (dict(kernel_size=11, stride=10), (11, 13), (21, 21)),
    (dict(kernel_size=(4, 5), stride=(3, 4), dilation=(2, 2)), (11, 13), (16, 21)),
    (dict(kernel_size=(7, 9), stride=(3, 4)), (11, 13), (16, 21)),
]


@pytest.mark.parametrize("padding", ["same", "corner"])
@pytest.mark.parametrize(("kwargs", "shape", "padded"), PADDINGS)
def test_adaptive_padding(kwargs, shape, padded, padding):
    layer = AdaptivePadding(padding=padding, **kwargs)
    x = torch.rand(1, 1, *shape)
    y = layer(x)
    more = tuple(b - a for a, b in zip(shape, padded, strict=True))
    assert y.shape[2:] == padded and layer.get_pad_shape(shape) == more
    top, left = (n // 2 for n in more) if padding == "same" else (0, 0)
    assert torch.equal(y[..., top : top + shape[0], left : left + shape[1]], x)
    torch.testing.assert_close(y.sum(), x.sum())
    assert (y is x) == (shape == padded)


SIZES = [
    (dict(kernel_size=3, stride=1, padding=0), (3, 4), (1, 2)),
    (dict(kernel_size=5, stride=2, padding=0, dilation=2), (10, 10), (1, 1)),
    (dict(kernel_size=3, stride=3, padding=1), (10, 10), (4, 4)),
    (dict(kernel_size=6, stride=3, padding=2, dilation=2), (10, 10), (2, 2)),
    *((dict(padding=word, **kwargs), shape, out) for word in ("same", "corner")
      for kwargs, shape, out in [
          (dict(kernel_size=5, stride=1), (5, 5), (5, 5)),
          (dict(kernel_size=5, stride=5), (5, 5), (1, 1)),
          (dict(kernel_size=5, stride=5), (6, 5), (2, 1)),
          (dict(kernel_size=(6, 2), stride=(6, 2)), (6, 5), (1, 3)),
          (dict(kernel_size=2, stride=None), (7, 5), (4, 3)),
      ]),
]  # fmt: skip


@pytest.mark.parametrize(("kwargs", "shape", "out"), SIZES)
def test_patch_embed(kwargs, shape, out):
    layer = PatchEmbed(3, 10, norm_cfg=dict(type="LN"), input_size=shape, **kwargs)
    x = torch.rand(2, 3, *shape)
    y, size = layer(x)
    assert size == out == layer.init_out_size and y.shape == (2, out[0] * out[1], 10)
    assert layer.init_input_size == shape
    padded = x if layer.adaptive_padding is None else layer.adaptive_padding(x)
    torch.testing.assert_close(y, layer.norm(layer.projection(padded).flatten(2).mT))


@pytest.mark.parametrize(("kwargs", "shape", "out"), SIZES)
def test_patch_merging(kwargs, shape, out):
    layer = PatchMerging(4, 6, **kwargs)
    x = torch.rand(2, shape[0] * shape[1], 4)
    y, size = layer(x, shape)
    assert size == out and y.shape == (2, out[0] * out[1], 6)
    image = x.mT.reshape(2, 4, *shape)
    if layer.adaptive_padding is not None:
        image = layer.adaptive_padding(image)
    torch.testing.assert_close(y, layer.reduction(layer.norm(layer.sampler(image).mT)))


def test_patches_by_default():
    layer = PatchEmbed()
    assert (layer.init_input_size, layer.init_out_size, layer.norm) == (None, None, None)
    assert layer(torch.rand(0, 3, 32, 32))[0].shape == (0, 4, 768)
    assert PatchEmbed(conv_type=nn.Conv2d, kernel_size=4, stride=None).projection.stride == (4, 4)
    assert PatchMerging(4, 6, norm_cfg=None, bias=True).norm is None
    assert PatchMerging(4, 6)(torch.rand(0, 8, 4), [2, 4])[0].shape == (0, 2, 6)
