"""A whole project in mmdetection's image runs: it is built, planned, initialised, strictly."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from ported_detector import build_detector, detector_config, register_norm
from torch import nn

from brickbook import NORM_LAYERS, plan


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    monkeypatch.setattr(NORM_LAYERS, "_module_dict", dict(NORM_LAYERS._module_dict))
    monkeypatch.setattr(NORM_LAYERS, "_replaceable", set(NORM_LAYERS._replaceable))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("stacked", [0, 2])
def test_the_detector_starts_as_its_configs_say(stacked):
    model = build_detector(detector_config(stacked=stacked))
    found = plan(model, strict=True)
    assert not found.unmatched and len(found.planned) == sum(
        not row.tied_to for row in found.rows
    )  # fmt: skip
    model.init_weights(seed=0, strict=True)
    for layer in (model.backbone.layer1, model.backbone.layer2):
        assert layer[0].norm3.weight.eq(0).all() and layer[0].bn3.bias.eq(0).all()
        assert layer[0].norm2.weight.eq(1).all()
    head = model.bbox_head
    assert head.conv_reg.weight.eq(0.5).all() and head.conv_shared is head.conv_reg
    prior = torch.full((3,), -math.log(99))
    assert torch.allclose(head.conv_cls.bias, prior) and model.prior == pytest.approx(-math.log(99))
    for conv, std in [(conv, 0.01) for conv in head.cls_convs] + [
        (conv, 0.02) for conv in head.reg_convs
    ]:
        assert conv.conv.weight.std().item() == pytest.approx(std, rel=0.2)
    bound = math.sqrt(6 / (8 * 9 + 8 * 9))
    assert model.neck.fpn_convs[0].conv.weight.abs().max() <= bound
    outs = model(torch.ones(1, 3, 16, 16))
    assert [tuple(out.shape) for out in outs] == [(1, 3, 8, 8)] * 2


def test_a_norm_of_the_projects_own():
    kind = register_norm()
    cfg = detector_config()
    cfg["backbone"] = dict(type="ResNet", norm_cfg=dict(type="LN2d"))
    model = build_detector(cfg)
    assert type(model.backbone.layer1[0].norm3) is kind
    rows = plan(model)
    row = rows["backbone.layer1.0.ln3.weight"]
    assert row.rule == "Constant" and row.law.mean == 0
    assert nn.Module.state_dict(model)["backbone.layer1.0.ln3.weight"].shape == (16,)


def test_both_names_of_a_shared_predictor_are_protected():
    model = build_detector(detector_config())
    before = model.bbox_head.conv_reg.weight.clone()
    model.init_weights(seed=0, protect="bbox_head.conv_shared")
    assert torch.equal(model.bbox_head.conv_reg.weight, before)
