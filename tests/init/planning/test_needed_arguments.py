"""An ``init_weights`` that needs arguments is named, not passed over; tuples are configs too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook import BaseModule, InitPlan, Sequential, initialize, plan
from brickbook.errors import UnmatchedRuleError, UnmatchedRuleWarning


class Needy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def init_weights(self, pretrained, *, scale):
        raise AssertionError("must not be called")


class Static(Needy):
    @staticmethod
    def init_weights(module):
        raise AssertionError("must not be called")


class NeedyBase(BaseModule):
    def __init__(self) -> None:
        super().__init__(dict(type="Constant", val=3.0, layer="Linear"))
        self.fc = nn.Linear(2, 2)

    def init_weights(self, pretrained):
        raise AssertionError("must not be called")


class Optional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def init_weights(self, pretrained=None, *args, **kwargs):
        nn.init.constant_(self.fc.weight, 5.0)


CASES = {
    "at the top": (Needy, "init_weights", "pretrained, scale", "fc.weight"),
    "inside": (lambda: Sequential(Needy()), "0.init_weights", "pretrained, scale", "0.fc.weight"),
    "through a container": (
        lambda: Sequential(nn.Sequential(Needy())), "0.0.init_weights", "pretrained, scale",
        "0.0.fc.weight",
    ),
    "a static method": (lambda: Sequential(Static()), "0.init_weights", "module", "0.fc.weight"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_named_with_its_arguments(case):
    make, path, needed, parameter = CASES[case]
    model = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    message = f"{path}: it needs {needed} and is not called. Call it yourself."
    found = plan(model)
    assert [str(each) for each in found.unmatched] == [message]
    assert found[parameter].reason == f"{path} needs {needed} and is not called"
    assert InitPlan.from_json(found.to_json())[parameter].why == found[parameter].why
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(model)
    assert [str(each.message) for each in caught] == [message]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(UnmatchedRuleError) as error:
        initialize(model, strict=True)
    assert str(error.value) == message


def test_its_config_and_the_rules_around_it_still_count():
    with pytest.warns(UnmatchedRuleWarning, match=r"^0\.init_weights: it needs pretrained and is"):
        model = Sequential(NeedyBase())
        model.init_weights()
    assert model[0].fc.weight.eq(3).all()
    with pytest.warns(UnmatchedRuleWarning, match="is not called"):
        model = Sequential(Needy(), init_cfg=dict(type="Constant", val=2.0, layer="Linear"))
        model.init_weights()
    assert model[0].fc.weight.eq(2).all()


def test_arguments_with_defaults_are_no_reason():
    model = Sequential(Optional())
    assert not plan(model).unmatched
    model.init_weights()
    assert model[0].fc.weight.eq(5).all()


def test_an_init_weights_that_is_running_is_not_named():
    class Outer(BaseModule):
        def init_weights(self, pretrained):
            super().init_weights(strict=True)

    model = Outer(dict(type="Constant", val=1.0, layer="Linear"))
    model.fc = nn.Linear(2, 2)
    model.init_weights("x")
    assert model.fc.weight.eq(1).all()


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_config_may_be_a_tuple(kind):
    part = dict(type="Constant", val=2.0, layer="Linear", override=kind([dict(name="0")]))
    model = nn.Sequential(nn.Linear(2, 2))
    initialize(model, kind([part]), strict=True)
    assert model[0].weight.eq(2).all()
    own = Sequential(nn.Linear(2, 2), init_cfg=kind([part]))
    own.init_weights(strict=True)
    assert own[0].weight.eq(2).all() and own.init_cfg == kind([part])
    assert not plan(model, kind()).planned
