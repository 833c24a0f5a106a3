"""What may keep a tensor from being written: frozen, protected, loaded, initialised; and atomic."""

import copy

import pytest
import torch
from torch import nn

from brickbook import BaseModule, Sequential, initialize, load_checkpoint, load_state_dict, plan

ONES = {"type": "Constant", "val": 1.0, "bias": 1, "layer": "Linear"}


def net():
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))


def ones(model):
    return {name for name, value in model.named_parameters() if value.unique().tolist() == [1]}


EVERY = {"0.weight", "0.bias", "1.0.weight", "1.0.bias", "1.1.weight", "1.1.bias"}

PROTECTED = {
    "a module": ("1", {"0.weight", "0.bias"}),
    "a glob": ("1.*", {"0.weight", "0.bias"}),
    "a parameter": ("1.0.weight", EVERY - {"1.0.weight"}),
    "a role": (":bias", {name for name in EVERY if "weight" in name}),
    "a class": (nn.Linear, set()),
    "a list": (["0", "1.1:weight"], {"1.0.weight", "1.0.bias", "1.1.bias"}),
}


@pytest.mark.parametrize("case", PROTECTED)
def test_protect(case):
    words, written = PROTECTED[case]
    model = net()
    report = initialize(model, ONES, protect=words)
    assert ones(model) == written
    assert set(report.untouched) == EVERY - written
    reasons = {report[name].reason for name in report.untouched}
    assert all(reason.startswith("protect[") for reason in reasons)


def test_protection_holds_against_own_code_and_checkpoints(tmp_path):
    class Own(BaseModule):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def init_weights(self):
            nn.init.constant_(self.fc.weight, 5)
            nn.init.constant_(self.fc.bias, 5)

    torch.save({"0.weight": torch.full((2, 2), 9.0), "0.bias": torch.full((2,), 9.0)},
               tmp_path / "w.pth")  # fmt: skip
    pretrained = dict(type="Pretrained", checkpoint=str(tmp_path / "w.pth"))
    model = Sequential(nn.Linear(2, 2), Own(), init_cfg=pretrained)
    before = copy.deepcopy(model.state_dict())
    report = model.init_weights(protect=["0.weight", "1.fc.weight"])
    assert torch.equal(model[0].weight, before["0.weight"])
    assert torch.equal(model[1].fc.weight, before["1.fc.weight"])
    assert model[0].bias.unique().tolist() == [9] and model[1].fc.bias.unique().tolist() == [5]
    assert {name: record.action for name, record in report.items()} == {
        "0.weight": "left", "0.bias": "loaded", "1.fc.weight": "left", "1.fc.bias": "called",
    }  # fmt: skip


def test_a_protection_of_nothing_is_named():
    todo = plan(net(), ONES, protect="1.0.wieght")
    assert [str(item) for item in todo.unmatched] == [
        "protect[0]: 1.0.wieght matches nothing. Did you mean '1.0.weight'?"
    ]
    with pytest.raises(ValueError, match=r"^protect\[0\]: 1\.0\.wieght matches nothing"):
        plan(net(), ONES, protect="1.0.wieght", strict=True)


def test_frozen():
    model = net()
    model[0].requires_grad_(False)
    row = plan(model, ONES, frozen="skip")["0.weight"]
    assert row.explain() == (
        "0.weight (Linear, 2×2, float32): left as it is, it is frozen. It holds over init_cfg."
    )
    initialize(model, ONES, frozen="skip")
    assert ones(model) == EVERY - {"0.weight", "0.bias"}
    initialize(model, ONES)
    assert ones(model) == EVERY


def test_only_missing_leaves_what_was_loaded(tmp_path):
    torch.save({"0.weight": torch.full((2, 2), 9.0)}, tmp_path / "w.pth")
    model = net()
    load_checkpoint(model, tmp_path / "w.pth", logger="silent")
    load_state_dict(model, {"1.0.bias": torch.full((2,), 8.0)}, logger="silent")
    report = initialize(model, ONES, only_missing=True)
    assert ones(model) == EVERY - {"0.weight", "1.0.bias"}
    assert model[0].weight.unique().tolist() == [9]
    assert report["0.weight"].reason == f"it was loaded from {tmp_path / 'w.pth'}"
    assert report["1.0.bias"].reason == "it was loaded from a state dict"
    initialize(model, ONES)  # they are drawn anew, so nothing of them is loaded any more
    assert ones(model) == EVERY
    assert initialize(model, ONES, only_missing=True).untouched == ()


def test_only_missing_knows_what_a_rule_has_loaded(tmp_path):
    torch.save({"0.weight": torch.full((2, 2), 9.0)}, tmp_path / "w.pth")
    model = net()
    initialize(model, dict(type="Pretrained", checkpoint=str(tmp_path / "w.pth")))
    initialize(model, ONES, only_missing=True)
    assert ones(model) == EVERY - {"0.weight"}


def test_a_second_start_is_a_word_and_no_difference_unless_it_is_asked_for():
    model = Sequential(Sequential(nn.Linear(2, 2), init_cfg=dict(ONES, val=3.0)), init_cfg=ONES)
    model.init_weights()
    with torch.no_grad():
        model[0][0].weight.fill_(7)
    with pytest.warns(UserWarning) as caught:
        assert model.init_weights() is None
    assert [str(item.message) for item in caught] == [
        "init_weights of Sequential has been called more than once."
    ]
    assert model[0][0].weight.unique().tolist() == [7]
    model._is_init = False
    assert plan(model)["0.0.weight"].reason == "0 is already initialised"
    model.init_weights(reinitialize=True)
    assert model[0][0].weight.unique().tolist() == [3]
    model.init_weights(reinitialize=True)
    assert model.is_init and model[0].is_init


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)


def test_atomic_puts_everything_back(monkeypatch):
    model = net()
    before = copy.deepcopy(model.state_dict())
    from brickbook.init.execution import writer

    def fails(writes, rng):
        with torch.no_grad():
            next(iter(writes))[0].fill_(3)
        raise MemoryError("no more")

    monkeypatch.setattr(writer, "fill_tensors", fails)
    with pytest.raises(MemoryError):
        initialize(model, ONES, atomic=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


ORDERS = {
    "an override before a layer rule": (
        [dict(ONES, val=1.0, override=dict(type="Constant", name="0", val=2.0, bias=2)),
         dict(ONES, val=3.0)],
        2, 3),
    "an override after a layer rule": (
        [dict(ONES, val=3.0),
         dict(ONES, val=1.0, override=dict(type="Constant", name="0", val=2.0, bias=2))],
        2, 2),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDERS)
def test_order(case):
    cfg, ours, mmcv = ORDERS[case]
    for order, value in (("brickbook", ours), ("mmcv", mmcv)):
        model = net()
        initialize(model, cfg, order=order)
        assert model[0].weight.unique().tolist() == [value]


UNKNOWN_OPTIONS = [
    (dict(order="mmdet"), "order: expected 'brickbook' or 'mmcv', got 'mmdet'."),
    (dict(frozen="yes"), "frozen: expected 'init' or 'skip', got 'yes'."),
    (dict(protect=[3]), "protect[0]: expected a str or a class, got 3."),
]


@pytest.mark.parametrize("options, message", UNKNOWN_OPTIONS)
def test_unknown_options(options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        plan(net(), ONES, **options)
    assert str(caught.value) == message


def test_buffers_are_rows_when_a_rule_names_them():
    model = nn.Sequential(nn.BatchNorm1d(3))
    todo = plan(model, {"type": "Constant", "val": 4.0, "layer": "*:running_var"})
    assert [(row.name, row.kind) for row in todo.rows] == [
        ("0.weight", "parameter"), ("0.bias", "parameter"), ("0.running_var", "buffer"),
    ]  # fmt: skip
    report = initialize(model, {"type": "Constant", "val": 4.0, "layer": "*:running_var"})
    assert model[0].running_var.tolist() == [4, 4, 4]
    assert report["0.running_var"].action == "written"
    todo = plan(model, {"type": "Constant", "val": 4.0, "layer": "*:num_batches_tracked"})
    assert [str(item) for item in todo.unmatched] == [
        "init_cfg: cannot fill 0.num_batches_tracked: its dtype int64 takes no law."
    ]


def test_two_tensors_of_one_stream_are_refused():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 3))
            self.module = nn.Linear(3, 3)

    rule = {"type": "Normal", "layer": "*:weight"}
    with pytest.raises(ValueError) as caught:
        initialize(Hidden(), rule, seed=0)
    assert str(caught.value) == (
        "module.weight: with a seed it would get the numbers of weight: 'module' is taken for a "
        "wrapper. Give the submodule another name."
    )
    initialize(Hidden(), rule)
