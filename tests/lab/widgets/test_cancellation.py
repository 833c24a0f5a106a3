from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook.lab.widgets import Cancelled, cancel_between_calls, cancel_between_layers
from brickbook.measure.diagnosis import diagnose
from brickbook.measure.probe import probe


class Noting(nn.Linear):
    """A layer that notes when it runs."""

    def forward(self, input):
        RAN.append(self.out_features)
        return super().forward(input)


RAN: list[int] = []


def net() -> nn.Sequential:
    RAN.clear()
    return nn.Sequential(Noting(4, 3), nn.ReLU(), nn.Sequential(Noting(3, 2)))


def hooks(model: nn.Module) -> int:
    parts = model.modules()
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts)


def until(count: int, messages: list[tuple[int, int]]):
    def report_progress(done: int, total: int) -> bool:
        messages.append((done, total))
        return done < count

    return report_progress


def test_progress_counts_the_layers_forward_and_back():
    model, messages = net(), []
    with cancel_between_layers(model, until(100, messages)):
        probe(model, input_shape=(5, 4))
    assert [done for done, _ in messages if done] == sorted(done for done, _ in messages if done)
    assert {total for _, total in messages} == {6} and messages[-1] == (6, 6)
    assert hooks(model) == 0


@pytest.mark.parametrize(("count", "ran"), [(0, []), (1, [3]), (3, [3, 2]), (4, [3, 2])])
def test_it_ends_between_two_layers_and_the_model_is_as_it_was(count, ran):
    model, messages = net(), []
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(Cancelled), cancel_between_layers(model, until(count, messages)):
        probe(model, input_shape=(5, 4))
    assert ran == RAN and messages[-1][0] == count  # 4: in the backward pass
    assert hooks(model) == 0 and not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())


def test_code_that_catches_errors_does_not_catch_the_end():
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, given):
            try:
                return self.inner(given)
            except Exception:
                return given

    with pytest.raises(Cancelled), cancel_between_layers(model := Stubborn(), until(1, [])):
        model(torch.ones(1, 2))


def test_reading_weights_ends_between_two_steps():
    model, messages = net(), []
    with cancel_between_calls(lambda done, total: messages.append(done) is None):
        diagnose(model)
    assert len(messages) > 10
    steps = iter([True, True, False])
    with pytest.raises(Cancelled), cancel_between_calls(lambda done, total: next(steps)):
        diagnose(model)
    assert diagnose(model) == () and torch.is_grad_enabled()  # nothing is left of it
