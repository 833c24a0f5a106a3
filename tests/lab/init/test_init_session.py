from __future__ import annotations

import pytest
import torch
from lab_support import conv_net, copy_state, same_state
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.initializers import INITIALIZERS
from brickbook.lab.init.session import InitSession
from brickbook.lab.init.state import RuleSet

RULES = [
    {"type": "Kaiming", "layer": ["Conv2d", "Conv2D"]},
    {"type": "Constant", "val": 2, "layer": ["BatchNorm2d"]},
]


def test_apply_does_what_initialize_does_and_warns_of_nothing():
    session, model = InitSession(conv_net()), conv_net()
    with pytest.warns(UserWarning, match="Conv2D matches nothing"):
        initialize(model, RULES, seed=3)
    report = session.apply(RuleSet.from_cfg(RULES, 3))
    names = ["0.weight", "0.bias", "1.weight", "1.bias"]
    for name in names:
        assert torch.equal(session.model.get_parameter(name), model.get_parameter(name))
    assert list(report.written) == names and report is session.report
    assert [item.path for item in report.plan.unmatched] == ["init_cfg[0].layer"]


def test_the_comparison_is_around_the_last_initialize():
    session = InitSession(conv_net())
    assert session.comparison.changed == ()
    with torch.no_grad():
        session.model[2].weight.zero_()  # somebody else, in between
    session.apply(RuleSet.from_cfg(RULES, 3))
    assert session.comparison.changed == ("0.weight", "0.bias", "1.weight")
    assert session.comparison["2.weight"].before.zeros == 1
    session.undo()
    assert session.comparison.changed == () and session.report is None


def test_numbers_are_counted_once_where_nobody_else_writes(monkeypatch):
    session = InitSession(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(300, 400)))
    state, counted, count = RuleSet.from_cfg(RULES, 3), [], session.read_snapshot
    monkeypatch.setattr(session, "read_snapshot", lambda: counted.append(1) or count())
    session.apply(state)
    session.preview(state)
    assert len(counted) == 1  # after the writing
    flat = session.model[1].weight.data.view(-1)
    flat[1] = 100.0  # no count of writes knows of it, and no sample
    assert session.history.changed_names() == ()
    assert session.preview(state).comparison["1.weight"].before.max == 100.0
    session.apply(state)
    assert len(counted) == 4 and session.comparison["1.weight"].before.max == 100.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_undo_is_exact(dtype):
    session = InitSession(conv_net().to(dtype))
    with torch.no_grad():
        session.model[0].bias[0] = float("nan")
    before = copy_state(session.model)
    before_bits = session.model[0].bias.detach().clone().view(torch.uint8)
    session.apply(RuleSet.from_cfg(RULES, 3))
    assert session.history.why_no_undo == "" and not torch.equal(
        before["0.weight"], session.model[0].weight
    )
    session.undo()
    assert torch.equal(session.model[0].bias.detach().view(torch.uint8), before_bits)
    assert torch.equal(session.model[0].weight, before["0.weight"])


def test_undo_is_offered_once():
    session = InitSession(conv_net())
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            session.undo()
        assert str(caught.value) == "undo: Nothing to undo yet."
        session.apply(RuleSet.from_cfg(RULES, 3))
        session.undo()


def test_beyond_the_budget_there_is_no_undo_and_a_reason():
    state = RuleSet.from_cfg(RULES, 3)
    session = InitSession(conv_net(), undo_budget=100)
    reason = (
        "There will be no Undo: the old weights take 960B, "
        "more than the budget of 100B (undo_budget)."
    )
    assert session.why_not_undoable(session.plan(state)) == reason
    before = copy_state(session.model)
    session.apply(state)
    assert session.history.done == [] and session.history.why_no_undo == reason
    with pytest.raises(ConfigError) as caught:
        session.undo()
    assert str(caught.value) == f"undo: {reason}"
    assert not same_state(session.model, before)


def test_only_what_is_written_is_kept():
    session = InitSession(conv_net())
    session.apply(RuleSet.from_cfg(RULES[1]))
    assert list(session.history.done[-1].copies) == ["1.weight", "1.bias"]


def test_a_checkpoint_is_undone_with_its_buffers(tmp_path):
    other = conv_net()
    other[1].running_mean.fill_(7)
    torch.save(other.state_dict(), tmp_path / "weights.pth")
    session = InitSession(conv_net())
    before = copy_state(session.model)
    session.apply(
        RuleSet.from_cfg({"type": "Pretrained", "checkpoint": str(tmp_path / "weights.pth")})
    )
    assert same_state(session.model, copy_state(other))
    session.undo()
    assert same_state(session.model, before)


def test_undo_after_the_model_has_changed_writes_nothing():
    session = InitSession(conv_net())
    session.apply(RuleSet.from_cfg(RULES, 3))
    session.model[1] = nn.BatchNorm2d(4)
    before = copy_state(session.model)
    with pytest.raises(ConfigError) as caught:
        session.undo()
    assert str(caught.value) == "1.weight: the model has changed since: it cannot be put back."
    assert same_state(session.model, before)


def test_a_failure_in_the_middle_puts_everything_back():
    @INITIALIZERS.register_module(name="FailingInit")
    class FailingInit:
        def __call__(self, module: nn.Module) -> None:
            with torch.no_grad():
                module[1].running_mean.fill_(3)
            raise RuntimeError("no luck")

    try:
        session = InitSession(conv_net())
        before = copy_state(session.model)
        with pytest.raises(RuntimeError, match="no luck"):
            session.apply(RuleSet.from_cfg([*RULES, {"type": "FailingInit"}], 3))
    finally:
        del INITIALIZERS.module_dict["FailingInit"]
    assert same_state(session.model, before)
    assert session.report is None and session.history.why_no_undo == "Nothing to undo yet."


def test_a_model_without_memory_is_refused_and_can_be_shown():
    with torch.device("meta"):
        session = InitSession(conv_net())
    with pytest.raises(ConfigError) as caught:
        session.apply(RuleSet.from_cfg(RULES, 3))
    assert str(caught.value) == (
        "0.weight: it is on the meta device: there is no memory to write to. "
        "Call materialize(model, init_cfg, device=...) for such a model."
    )


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_lazy_parameters_are_left():
    session = InitSession(nn.Sequential(nn.LazyLinear(4), nn.BatchNorm2d(8)))
    report = session.apply(RuleSet.from_cfg(RULES, 3))
    assert report.untouched == ("0.weight", "0.bias")


def test_a_parametrised_weight_is_undone():
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    session = InitSession(nn.Sequential(layer))
    before = copy_state(session.model)
    session.apply(RuleSet.from_cfg([{"type": "Normal", "layer": ["Linear"]}], 0))
    assert not same_state(session.model, before)
    session.undo()
    assert same_state(session.model, before)


def test_undo_and_redo_go_through_several_steps():
    session = InitSession(conv_net())
    states = [copy_state(session.model)]
    for seed in (1, 2, 3):
        session.apply(RuleSet.from_cfg(RULES, seed))
        states.append(copy_state(session.model))
    for state in (states[2], states[1], states[0]):
        session.undo()
        assert same_state(session.model, state)
    assert session.report is None and session.history.why_no_undo == "Nothing to undo yet."
    for state, seed in zip(states[1:], (1, 2, 3), strict=True):
        session.redo()
        assert same_state(session.model, state) and session.report.seed == seed
    with pytest.raises(ConfigError) as caught:
        session.redo()
    assert str(caught.value) == "redo: Nothing to redo."
    session.undo()
    session.apply(RuleSet.from_cfg(RULES, 9))
    assert session.history.why_no_redo == "Nothing to redo."
    session.undo()
    assert same_state(session.model, states[2])


def test_the_oldest_steps_are_dropped_where_the_budget_ends():
    session = InitSession(conv_net(), undo_budget=2000)  # one step keeps 960 bytes
    for seed in (1, 2, 3):
        session.apply(RuleSet.from_cfg(RULES, seed))
    assert [step.report.seed for step in session.history.done] == [2, 3]


def test_a_step_that_writes_nothing_keeps_the_way_back():
    session = InitSession(conv_net())
    before = copy_state(session.model)
    session.apply(RuleSet.from_cfg(RULES, 1))
    session.apply(RuleSet())
    session.undo()
    assert same_state(session.model, before) and session.report is None
