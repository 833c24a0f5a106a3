"""BaseModule and its containers: state, repeated calls, wrappers, what is kept."""

import copy
import pickle

import pytest
import torch
from torch import nn

from brickbook import BaseModule, ModuleDict, ModuleList, Sequential

CFG = dict(type="Constant", layer="Linear", val=1.0, bias=2.0)


class Leaf(BaseModule):
    def __init__(self, init_cfg=None, calls=None):
        super().__init__(init_cfg)
        self.fc = nn.Linear(2, 2)
        self.calls = calls

    def forward(self, x):
        return self.fc(x)


class Counting(Leaf):
    def init_weights(self):
        self.calls.append(self)
        super().init_weights()


class Wrapper(nn.Module):
    """Like DistributedDataParallel: one child called module."""

    def __init__(self, module):
        super().__init__()
        self.module = module


MAKE = {
    "BaseModule": lambda cfg: Leaf(cfg),
    "Sequential": lambda cfg: Sequential(nn.Linear(2, 2), nn.ReLU(), init_cfg=cfg),
    "ModuleList": lambda cfg: ModuleList([nn.Linear(2, 2)], init_cfg=cfg),
    "ModuleDict": lambda cfg: ModuleDict({"a": nn.Linear(2, 2)}, init_cfg=cfg),
}


@pytest.mark.parametrize("kind", MAKE)
def test_a_module_starts_itself_once(kind):
    cfg = copy.deepcopy(CFG)
    model = MAKE[kind](cfg)
    cfg["val"] = 5  # the module has a copy
    assert not model.is_init
    report = model.init_weights()
    assert model.is_init and len(report.written) == 2
    for name, value in model.named_parameters():
        assert value.unique().tolist() == [2.0 if name.endswith("bias") else 1.0]
    with torch.no_grad():
        next(model.parameters()).fill_(9)
    with pytest.warns(UserWarning) as caught:
        assert model.init_weights() is None
    assert str(caught[0].message) == (
        f"init_weights of {type(model).__name__} has been called more than once."
    )
    assert next(model.parameters()).unique().tolist() == [9]


@pytest.mark.parametrize("kind", MAKE)
def test_copies_pickles_and_repr(kind):
    model = MAKE[kind](CFG)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.init_cfg == CFG and list(again.state_dict()) == list(model.state_dict())
    assert repr(model).endswith(f"\ninit_cfg={CFG}")
    assert "init_cfg" not in repr(MAKE[kind](None))


@pytest.mark.parametrize("kind", MAKE)
def test_no_init_cfg_is_fine(kind):
    model = MAKE[kind](None)
    before = {name: value.clone() for name, value in model.named_parameters()}
    model.init_weights()
    assert model.is_init
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_containers_behave_like_torchs():
    assert len(Sequential(nn.ReLU(), nn.ReLU())) == 2
    assert Sequential(nn.Linear(2, 3))(torch.ones(1, 2)).shape == (1, 3)
    parts = ModuleList()
    parts.append(nn.ReLU())
    assert len(parts) == 1 and len(ModuleList([nn.ReLU()])) == 1
    assert list(ModuleDict({"a": nn.ReLU()})) == ["a"] and len(ModuleDict()) == 0
    assert isinstance(Sequential(), nn.Sequential) and isinstance(Sequential(), BaseModule)


def test_a_seed_and_strict():
    models = [Leaf(dict(type="Normal", layer="Linear")) for _ in range(2)]
    for model in models:
        model.init_weights(seed=4)
    assert torch.equal(models[0].fc.weight, models[1].fc.weight)
    with pytest.raises(ValueError, match=r"^init_cfg\.layer: Conv2d matches nothing\."):
        Leaf(dict(type="Normal", layer="Conv2d")).init_weights(strict=True)


def test_a_child_that_is_started_keeps_what_its_own_rules_speak_of():
    child = Leaf(CFG)
    child.init_weights()
    model = Sequential(child, Leaf(), init_cfg=dict(type="Constant", layer="Linear", val=7))
    report = model.init_weights()
    assert child.fc.weight.unique().tolist() == [1]
    assert model[1].fc.weight.unique().tolist() == [7]
    assert report["0.fc.weight"].reason == "0 is already initialised"


def test_is_init_can_be_set():
    calls = []
    model = Sequential(Counting(calls=calls), Counting(calls=calls), Counting(calls=calls))
    model[1].is_init = True
    model.init_weights()
    assert calls == [model[0], model[2]]
    protected = nn.Linear(2, 2)
    protected.is_init = True
    outer = Sequential(protected, nn.Linear(2, 2), init_cfg=CFG)
    before = protected.weight.clone()
    outer.init_weights()
    assert torch.equal(protected.weight, before)
    assert outer[1].weight.unique().tolist() == [1]


def test_children_inside_a_wrapper_are_started():
    leaf = Leaf(CFG)
    Sequential(Wrapper(leaf)).init_weights()
    assert leaf.fc.weight.unique().tolist() == [1] and leaf.is_init


def test_own_code_is_called_once_each_and_may_start_other_children():
    calls = []
    model = Sequential(Counting(CFG, calls), nn.Sequential(Counting(CFG, calls)))
    model.init_weights()
    assert calls == [model[0], model[1][0]]
    assert model[1][0].fc.weight.unique().tolist() == [1]


def test_a_root_with_own_code():
    calls = []
    model = Counting(CFG, calls)
    model.init_weights()
    assert calls == [model] and model.fc.weight.unique().tolist() == [1]
