from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from brickbook.measure.snapshot import Comparison, compare, compare_stats, snapshot


def test_common_bins_of_a_narrow_and_a_wide_tensor():
    before, after = torch.tensor([0.1, 0.2, -0.1]), torch.tensor([-1.0, 0.25, 0.999])
    item = compare(snapshot({"w": before}, 8), snapshot({"w": after}, 8))["w"]
    assert (item.low, item.width) == (-1.0, 0.25)
    assert item.counts_before == (0, 0, 0, 1, 2, 0, 0, 0)
    assert item.counts_after == (1, 0, 0, 0, 0, 1, 0, 1)
    assert item.edges == (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "low", "width", "counts"),
    [
        ([1.0, 1.0], [1.0, 1.0], 1.0, 2**-5, ((2,), (2,))),
        ([0.0, 0.0], [1.0, 1.0], 0.0, 1.0, ((2, 0), (0, 2))),
        ([0.3, 0.3], [0.1, 1.9], 0.0, 1.0, ((2, 0), (1, 1))),
    ],
)
def test_constants_fit_any_bins(before, after, low, width, counts):
    sides = [snapshot({"w": torch.tensor(side)}, 2) for side in (before, after)]
    item = compare(*sides)["w"]
    assert (item.low, item.width) == (low, width)
    assert (item.counts_before, item.counts_after) == counts


def test_status():
    same, other = torch.zeros(3), torch.tensor([1.0, 2.0, 3.0])
    before = snapshot({"same": same, "other": other, "gone": same + 1})
    after = snapshot({"same": same.clone(), "other": other.flip(0), "new": same + 1})
    both = compare(before, after)
    assert {name: item.status for name, item in both.items()} == {
        "same": "untouched",
        "other": "changed",
        "new": "added",
        "gone": "removed",
    }
    assert both.changed == ("other", "new", "gone")
    assert repr(both) == "Comparison(4 tensors, 3 changed)"
    assert repr(both["other"]) == "TensorChange('other', changed)"


def test_a_finer_snapshot_of_the_same_tensor_is_no_change():
    weights = {"w": torch.randn(500, generator=torch.Generator().manual_seed(0))}
    assert compare(snapshot(weights, 16), snapshot(weights, 64)).changed == ()


def test_the_same_numbers_under_another_name():
    weights = torch.randn(500, generator=torch.Generator().manual_seed(0))
    first, second = snapshot({"a": weights})["a"], snapshot({"b": weights})["b"]
    assert not compare_stats(first, second).changed


def test_without_values():
    meta = snapshot(nn.Linear(2, 2, device="meta"))
    real = snapshot(nn.Linear(2, 2))
    assert compare(meta, meta).changed == ()
    item = compare(meta, real)["weight"]
    assert item.changed and item.counts_before == (0,) * len(item.counts_after)
    assert sum(item.counts_after) == 4
    assert compare(meta, meta)["weight"].edges == ()


def test_json_gives_the_comparison_back():
    sides = (snapshot({"w": torch.arange(5.0)}), snapshot({"w": torch.arange(3.0)}))
    both = compare(*sides)
    again = Comparison.from_dict(json.loads(json.dumps(both.to_dict())))
    assert again == both and again["w"] == both["w"]
