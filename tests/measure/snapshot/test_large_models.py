from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook.measure.snapshot import count_values, snapshot, snapshot_exact, snapshot_sampled


def net() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Linear(400, 300))
    model[0].to(memory_format=torch.channels_last)
    model.register_parameter("meta", nn.Parameter(torch.empty(3, device="meta")))
    return model


def test_exact_is_the_snapshot():
    model, messages = net(), []
    found = snapshot_exact(model, lambda done, total: messages.append((done, total)) or True)
    assert found == snapshot(model)
    assert messages[0] == (0, count_values(model)) and messages[-1] == (
        count_values(model),
        count_values(model),
    )
    assert [done for done, _ in messages] == sorted(done for done, _ in messages)


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_it_ends_where_it_is_told_to(calls):
    messages = []

    def report_progress(done: int, total: int) -> bool:
        messages.append(done)
        return len(messages) <= calls

    assert snapshot_exact(net(), report_progress) is None
    assert len(messages) == calls + 1


def test_a_sample_is_close_and_says_how_many_it_looked_at():
    model = net()
    some, all_ = snapshot_sampled(model, limit=5000), snapshot(model)
    assert list(some) == list(all_)
    assert some["1.weight"] == all_["1.weight"] and some["meta"] == all_["meta"]
    linear = some["2.weight"]
    assert linear.count == 5000 and linear.shape == (300, 400) and sum(linear.counts) == 5000
    assert linear.std == pytest.approx(all_["2.weight"].std, rel=0.05)
    assert some["0.weight"].count == 1728
