"""Every brick that mmcv-lite has too: the same keys, the same numbers, the same start.

A new brick is a new row of `mmcv_rows.ROWS`.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from mmcv_rows import ROWS, Row
from peers import import_peer
from torch import nn

each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def make(row: Row, package: str, seed: int = 0) -> Any:
    """Build what the row names, ours or theirs; a builder's name of the layer comes first."""
    name = row.ours if row.ours and package == "brickbook" else row.name
    module, _, attribute = name.partition(":")
    if package == "brickbook":
        found = importlib.import_module(f"brickbook.{module}" if module else "brickbook")
    else:
        found = import_peer(f"mmcv.cnn.{module}" if module else "mmcv.cnn")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs about themselves
        made = getattr(found, attribute)(*copy.deepcopy(row.args), **copy.deepcopy(row.kwargs))
    return made if isinstance(made, tuple) else ("", made)


def stir(layer: nn.Module) -> nn.Module:
    """Give every parameter and every statistic numbers that no start gives."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in layer.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if name.endswith("running_var") else noise - 0.4)
    return layer


def in_dtype(value: Any, dtype: torch.dtype) -> Any:
    """Return a tensor of numbers in a dtype, and all else as it is."""
    floats = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.to(dtype) if floats else value


def run(layer: nn.Module, row: Row, train: bool) -> list[torch.Tensor]:
    """Return outputs, and the gradients of their sum of squares."""
    torch.manual_seed(3)
    inputs = [torch.randn(shape, dtype=row.dtype, requires_grad=True) for shape in row.shapes]
    layer.train(train).to(row.dtype)
    call = {key: in_dtype(value, row.dtype) for key, value in row.call.items()}
    out = layer(*[each * 1 for each in inputs], **call)
    several = out if isinstance(out, Sequence) else [out]
    outs = [each for each in several if isinstance(each, torch.Tensor)]
    layer.zero_grad()
    sum(each.square().sum() for each in outs).backward()
    grads = [each.grad for each in (*inputs, *layer.parameters()) if each.grad is not None]
    return [*(each.detach() for each in outs), *grads]


def assert_close(mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> None:
    """Compare to 1e-6, relative to the largest number of all.

    A gradient that is 0 but for rounding (of a bias before a softmax) has the error of its terms.
    """
    assert len(mine) == len(theirs)
    scale = max([1.0, *(each.abs().max().item() for each in theirs if each.numel())])
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6 * scale)


@each_row
def test_the_keys_are_mmcvs(row):
    name, mine = make(row, "brickbook")
    their_name, theirs = make(row, "mmcv")
    assert name == their_name
    assert [(key, value.shape, value.dtype) for key, value in mine.state_dict().items()] == [
        (key, value.shape, value.dtype) for key, value in theirs.state_dict().items()
    ]
    assert [(key, value.requires_grad) for key, value in mine.named_parameters()] == [
        (key, value.requires_grad) for key, value in theirs.named_parameters()
    ]


@each_row
@pytest.mark.parametrize("train", [True, False])
def test_the_same_state_gives_the_same_numbers(row, train):
    theirs = stir(make(row, "mmcv")[1])
    mine = make(row, "brickbook", seed=9)[1]
    mine.load_state_dict(theirs.state_dict())
    assert_close(run(mine, row, train), run(theirs, row, train))
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


@each_row
def test_the_same_seed_gives_the_same_start(row):
    if row.other_start:
        pytest.skip(row.other_start)
    mine, theirs = make(row, "brickbook")[1], make(row, "mmcv")[1]
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


def test_a_checkpoint_of_a_plain_convolution_in_conv_aws():
    plain = stir(nn.Conv2d(8, 6, 3))
    theirs = import_peer("mmcv.cnn.bricks").ConvAWS2d(8, 6, 3)
    theirs.load_state_dict(plain.state_dict(), strict=False)
    mine = make(Row("bricks:ConvAWS2d", (8, 6, 3)), "brickbook")[1]
    mine.load_state_dict(plain.state_dict())
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


def test_conv_ws_2d():
    torch.manual_seed(0)
    args = torch.randn(2, 4, 9, 9), torch.randn(6, 2, 3, 3), torch.randn(6), 2, 1, 2, 2, 1e-2
    ours = importlib.import_module("brickbook.bricks.conv_ws").conv_ws_2d
    assert_close([ours(*args)], [import_peer("mmcv.cnn.bricks.conv_ws").conv_ws_2d(*args)])
