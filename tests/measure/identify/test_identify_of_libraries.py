"""Fresh models of timm and transformers, without their code: every large tensor is recognised."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook import identify, trace

MODELS = ["convnext_atto", "efficientnet_lite0", "levit_128s", "regnetx_002", "mixer_s32_224"]


@pytest.mark.parametrize("name", MODELS)
def test_a_fresh_model_of_timm(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_torchvision()
        timm = import_peer("timm")
        torch.manual_seed(1)
        made = []
        history = trace(lambda: made.append(timm.create_model(name)) or made[0])
    found = identify(made[0].state_dict())
    rows = [row for row in history.rows if row.law is not None and row.kind == "parameter"]
    large = [row for row in rows if math.prod(row.shape) >= 1000 and not row.tied_to]
    assert len(large) > 10
    for row in large:
        start, size = found[row.name], math.prod(row.shape)
        assert start.verdict in ("untouched", "constant"), start
        assert start.law is not None and row.law is not None
        assert abs(start.law.mean - row.law.mean) <= 5 * row.law.std / math.sqrt(size)
        assert abs(start.law.std - row.law.std) <= 5 * row.law.std / math.sqrt(2 * size)
