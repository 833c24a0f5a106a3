"""What stands at mmcv's deep import paths and nowhere else in brickbook."""

import pytest
import torch
from torch import nn

from brickbook import ConfigError
from brickbook.utils.weight_init import _get_bases_name, trunc_normal_


def test_trunc_normal_fills_a_tensor():
    weight = nn.Parameter(torch.empty(64, 1000))
    assert trunc_normal_(weight, mean=1.0, std=0.5, a=0.5, b=1.5) is weight
    assert weight.min() >= 0.5 and weight.max() <= 1.5 and weight.requires_grad
    assert float(weight.detach().mean()) == pytest.approx(1.0, abs=0.01)
    # of N(0, 1) cut at ±1, times 0.5
    assert float(weight.detach().std()) == pytest.approx(0.5 * 0.53956, abs=0.005)
    with pytest.raises(ConfigError) as caught:
        trunc_normal_(weight, a=2, b=1)
    assert str(caught.value) == "b: expected a or more (a=2), got 1."


def test_the_names_of_bases():
    assert _get_bases_name(nn.Conv2d(3, 3, 1)) == ["_ConvNd"]
