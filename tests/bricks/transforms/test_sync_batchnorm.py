"""Batch norms made synchronised ones and turned back: the same tensors, the same outputs."""

import logging
import sys
import types

import pytest
import torch
from peers import import_peer
from torch import nn

from brickbook import ConfigError, ConvModule
from brickbook.bricks.transforms.sync_batchnorm import (
    BatchNormXd,
    convert_sync_batchnorm,
    revert_sync_batchnorm,
)

STATE = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def stirred(norm):
    if norm.running_mean is not None:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    if norm.affine:
        nn.init.normal_(norm.weight)
    return norm


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_everything_is_carried_over(affine, track, training):
    how = dict(eps=1e-3, momentum=0.2, affine=affine, track_running_stats=track)
    sync = stirred(nn.SyncBatchNorm(8, **how)).train(training)
    sync.qconfig = "q"
    plain = revert_sync_batchnorm(sync)
    again = convert_sync_batchnorm(plain)
    assert type(plain) is BatchNormXd and type(again) is nn.SyncBatchNorm
    for made in (plain, again):
        assert all(getattr(made, name) is getattr(sync, name) for name in STATE)
        assert {key: getattr(made, key) for key in how} == how
        assert made.training is training and made.qconfig == "q"


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 8), (2, 3, 8, 10), (2, 3, 4, 4, 4)])
def test_any_number_of_dimensions(shape):
    plain = revert_sync_batchnorm(stirred(nn.SyncBatchNorm(3)).eval())
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    peer = kinds[len(shape)](3).eval()
    peer.load_state_dict(plain.state_dict())
    x = torch.randn(shape)
    assert plain(x).equal(peer(x))


def test_a_bundle_runs_on_the_cpu():
    conv = ConvModule(3, 8, 2, norm_cfg=dict(type="SyncBN"))
    keys = list(conv.state_dict())
    assert revert_sync_batchnorm(conv) is conv
    assert type(conv.norm) is BatchNormXd and list(conv.state_dict()) == keys
    assert conv(torch.randn(1, 3, 10, 10)).shape == (1, 8, 9, 9)
    convert_sync_batchnorm(conv)
    assert type(conv.norm) is nn.SyncBatchNorm


def test_what_is_shared_stays_shared():
    norm = nn.BatchNorm2d(3)
    model = nn.Sequential(norm, nn.Sequential(norm), nn.ReLU())
    convert_sync_batchnorm(model)
    assert type(model[0]) is nn.SyncBatchNorm and model[1][0] is model[0]
    revert_sync_batchnorm(model)
    assert type(model[0]) is BatchNormXd and model[1][0] is model[0]
    pair = nn.ModuleDict({"a": norm, "b": norm})
    convert_sync_batchnorm(pair)
    assert pair["a"] is pair["b"] and type(pair["b"]) is nn.SyncBatchNorm


def test_what_stays():
    sync, lazy = nn.SyncBatchNorm(3, process_group="mine"), nn.LazyBatchNorm2d()
    model = nn.Sequential(sync, lazy, nn.InstanceNorm2d(3), nn.GroupNorm(1, 3))
    parts = list(model)
    assert all(a is b for a, b in zip(convert_sync_batchnorm(model), parts, strict=True))
    plain = nn.Sequential(nn.BatchNorm2d(3))
    kept = plain[0]
    assert revert_sync_batchnorm(plain)[0] is kept


class Refusing(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.SyncBatchNorm(3)

    def add_module(self, name, module):
        raise ValueError("no")


def test_a_child_that_its_parent_keeps_is_told(caplog):
    model = nn.Sequential(Refusing(), nn.SyncBatchNorm(3))
    with caplog.at_level(logging.WARNING):
        revert_sync_batchnorm(model)
    assert [record.getMessage() for record in caplog.records] == [
        "norm of Refusing stays a SyncBatchNorm: no"
    ]
    assert type(model[0].norm) is nn.SyncBatchNorm and type(model[1]) is BatchNormXd


def test_those_of_mmcv(monkeypatch):
    class SyncBatchNorm(nn.Module):
        def __init__(self, num_features, eps, momentum, affine, track_running_stats):
            super().__init__()
            norm = nn.BatchNorm1d(num_features, eps, momentum, affine, track_running_stats)
            self.__dict__.update(norm.__dict__)

    SyncBatchNorm.__module__ = "mmcv.ops.sync_bn"
    ops = types.ModuleType("mmcv.ops")
    ops.SyncBatchNorm = SyncBatchNorm
    monkeypatch.setitem(sys.modules, "mmcv.ops", ops)
    monkeypatch.setitem(sys.modules, "mmcv", types.ModuleType("mmcv"))
    model = nn.Sequential(stirred(nn.BatchNorm2d(3)))
    weight = model[0].weight
    convert_sync_batchnorm(model, implementation="mmcv")
    assert type(model[0]) is SyncBatchNorm and model[0].weight is weight
    revert_sync_batchnorm(model)
    assert type(model[0]) is BatchNormXd and model[0].weight is weight


def without_operators(monkeypatch):
    monkeypatch.setitem(sys.modules, "mmcv.ops", None)
    convert_sync_batchnorm(nn.BatchNorm2d(3), implementation="mmcv")


BAD = [
    (lambda _: revert_sync_batchnorm(3), TypeError, "module: expected a module, got 3."),
    (lambda _: convert_sync_batchnorm(3), TypeError, "module: expected a module, got 3."),
    (lambda _: convert_sync_batchnorm(nn.ReLU(), "apex"), ValueError,
     "implementation: should be \"torch\" or \"mmcv\", but got 'apex'."),
    (without_operators, ImportError, "implementation: 'mmcv' needs mmcv's compiled operators, "
     "which are not installed. Use 'torch'."),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", BAD, ids=[row[2][:30] for row in BAD])
def test_messages(call, kind, message, monkeypatch):
    with pytest.raises(ConfigError) as caught:
        call(monkeypatch)
    assert isinstance(caught.value, kind) and str(caught.value) == message


def test_the_same_as_mmengine():
    theirs = import_peer("mmengine.model").revert_sync_batchnorm
    sync = nn.Sequential(nn.Conv2d(3, 3, 1), stirred(nn.SyncBatchNorm(3))).eval()
    x = torch.randn(2, 3, 4, 4)
    peer = theirs(sync)(x)
    model = nn.Sequential(sync[0], convert_sync_batchnorm(sync[1])).eval()
    assert revert_sync_batchnorm(model)(x).equal(peer)
