"""Numbers and histograms as texts."""

from __future__ import annotations

import pytest
import torch

from brickbook.measure.snapshot import compare, rebin_common, snapshot
from brickbook.measure.snapshot.snapshot import sparkline


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ((), ""),
        ((0, 0), ""),
        ((3,), "█"),
        ((1, 1000), "▂█"),
        ((0, 4, 8), "▁▅█"),
        (tuple(range(64)), "▂▂▂▃▃▃▄▄▅▅▆▆▇▇██"),
    ],
)
def test_a_histogram_as_blocks(counts, drawn):
    assert sparkline(counts) == drawn


def test_a_change_has_a_sign_and_a_word():
    before = snapshot({"a": torch.zeros(4), "b": torch.zeros(4), "gone": torch.ones(1)})
    after = snapshot({"a": torch.ones(4), "b": torch.zeros(4), "new": torch.ones(1)})
    found = compare(before, after)
    html = found._repr_html_()
    for name, word in (
        ("a", "● changed"), ("b", "untouched"), ("new", "+ added"), ("gone", "− removed"),
    ):  # fmt: skip
        assert f"{name}</td><td" in html and word.replace(" ", "\u00a0") in html
    bundle = found._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {"text/plain": "Comparison(4 tensors, 3 changed)", "text/html": html}


def test_a_record_is_shown_alike_each_time():
    tensors = {"w": torch.randn(1000)}
    one, other = snapshot(tensors), snapshot(tensors)
    assert one._repr_mimebundle_() == other._repr_mimebundle_()
    assert one._repr_mimebundle_()["text/plain"] == "Snapshot(1 tensors, 1,000 values)"


def test_any_number_of_histograms_over_common_bins():
    tensors = {"a": torch.randn(500), "b": torch.randn(300) * 4, "c": torch.full((7,), 9.0)}
    found = snapshot(tensors)
    low, width, counts = rebin_common([found["a"], None, found["b"], found["c"]], 32)
    assert [sum(side) for side in counts] == [500, 0, 300, 7]
    assert {len(side) for side in counts} == {len(counts[0])} and len(counts[0]) <= 32
    at = int((9.0 - low) / width)
    assert counts[3][at] == 7
    assert rebin_common([None, None]) == (0.0, 1.0, ((), ()))
