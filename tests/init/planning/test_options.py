"""What may keep a tensor from being written: frozen, protected, loaded, initialised; and atomic."""

import copy
import re

import pytest
import torch
from torch import nn

from brickbook import (
    BaseModule,
    ConfigError,
    Sequential,
    initialize,
    load_checkpoint,
    load_state_dict,
    materialize,
    plan,
)
from brickbook.errors import BadValueError

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
    assert initialize(model, ONES, only_missing=True, assume_loaded=()).untouched == ()


UNKNOWN = (
    "only_missing: nothing in the model carries a note of loading: torch's load_state_dict and "
    "from_pretrained leave none. Say what was loaded: assume_loaded=state_dict, or names or "
    "patterns, () for nothing."
)


def loaded_by_torch():
    """A model whose first layer torch has loaded, and the state dict it was loaded from."""
    model, state = net(), {"0.weight": torch.full((2, 2), 9.0), "0.bias": torch.full((2,), 9.0)}
    model.load_state_dict(state, strict=False)
    return model, state


@pytest.mark.parametrize("call", [initialize, plan, materialize])
def test_only_missing_is_refused_where_nothing_tells_what_was_loaded(call):
    model, _ = loaded_by_torch()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadValueError) as caught:
        call(model, ONES, only_missing=True)
    assert str(caught.value) == UNKNOWN
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_only_missing_of_a_base_module_and_of_a_copy_is_refused_as_well():
    model = Sequential(nn.Linear(2, 2), init_cfg=ONES)
    with pytest.raises(BadValueError) as caught:
        model.init_weights(only_missing=True)
    assert str(caught.value) == UNKNOWN
    load_state_dict(model, {"0.weight": torch.full((2, 2), 9.0)}, logger="silent")
    with pytest.raises(BadValueError):  # a copy has no notes
        copy.deepcopy(model).init_weights(only_missing=True)
    model.init_weights(only_missing=True)
    assert ones(model) == {"0.bias"}


def test_a_model_without_memory_has_nothing_that_was_loaded():
    with torch.device("meta"):
        model = net()
    materialize(model, ONES, only_missing=True)
    assert ones(model) == EVERY


ASSUMED = {
    "a state dict": (lambda state: state, {"0.weight", "0.bias"}),
    "with more than tensors": (lambda state: {**state, "_extra_state": 1}, {"0.weight", "0.bias"}),
    "its keys": (lambda state: state.keys(), {"0.weight", "0.bias"}),
    "a module": (lambda _: "0", {"0.weight", "0.bias"}),
    "a glob": (lambda _: ["1.*"], EVERY - {"0.weight", "0.bias"}),
    "a class": (lambda _: nn.Linear, EVERY),
    "nothing": (lambda _: (), set()),
}


@pytest.mark.parametrize("case", ASSUMED)
def test_assume_loaded(case):
    given, kept = ASSUMED[case]
    model, state = loaded_by_torch()
    report = initialize(model, ONES, only_missing=True, assume_loaded=given(state))
    assert ones(model) == EVERY - kept and set(report.untouched) == kept
    reasons = {report[name].reason for name in report.untouched}
    assert all(
        re.fullmatch(r"assume_loaded(\[\d\])? says that it was loaded", each) for each in reasons
    )


def test_assume_loaded_adds_to_what_is_noted():
    model, state = loaded_by_torch()
    state = {f"module.{name}": value for name, value in state.items()}  # as DDP has them
    load_state_dict(model, {"1.0.bias": torch.full((2,), 8.0)}, logger="silent")
    initialize(model, ONES, only_missing=True, assume_loaded=state)
    assert ones(model) == EVERY - {"0.weight", "0.bias", "1.0.bias"}


def test_buffers_that_are_assumed_loaded_are_named_and_kept():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    rules = [ONES, dict(type="Constant", val=5.0, layer="1:running_mean")]
    report = initialize(model, rules, only_missing=True, assume_loaded=model.state_dict())
    assert report.plan.unmatched == () and not model[1].running_mean.any()


WRONGLY_ASSUMED = [
    (dict(assume_loaded="0"), "assume_loaded: it says what only_missing=True leaves."),
    (
        dict(only_missing=True, assume_loaded=["0.wieght"]),
        "assume_loaded: nothing of it is in the model: 0.wieght matches nothing. "
        "Did you mean '0.weight'?",
    ),
    (
        dict(only_missing=True, assume_loaded={"net.0.weight": torch.ones(1)}),
        "assume_loaded: nothing of it is in the model: the model has no net.0.weight.",
    ),
    (
        dict(only_missing=True, assume_loaded=3),
        "assume_loaded: expected a str, a class or a list of them, got 3.",
    ),
    (
        dict(only_missing=True, assume_loaded=["0", 3]),
        "assume_loaded[1]: expected a str or a class, got 3.",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONGLY_ASSUMED)
def test_what_cannot_be_assumed(options, message):
    with pytest.raises(ConfigError) as caught:
        plan(net(), ONES, **options)
    assert str(caught.value) == message


def test_a_name_among_others_that_is_not_there_is_a_word():
    todo = plan(net(), ONES, only_missing=True, assume_loaded=["0", "head.weight"])
    assert [str(item) for item in todo.unmatched] == [
        "assume_loaded[1]: head.weight matches nothing. Did you mean '0.weight'?"
    ]
    state = {"0.weight": torch.ones(2, 2), "head.weight": torch.ones(1)}
    todo = plan(net(), ONES, only_missing=True, assume_loaded=state)
    assert [str(item) for item in todo.unmatched] == [
        "assume_loaded: the model has no head.weight."
    ]


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
