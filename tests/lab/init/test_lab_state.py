from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brickbook.errors import ConfigError
from brickbook.lab.history import History
from brickbook.lab.init.state import RuleHistory, RuleSet

STATES = [RuleSet().add({"type": "Constant", "val": n, "layer": ["Linear"]}) for n in range(4)]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(["apply 0", "apply 1", "apply 2", "undo", "redo"]), max_size=30))
def test_the_history_is_a_line(moves):
    panel, line, at = RuleHistory(), [RuleSet()], 0
    for move in moves:
        word, _, number = move.partition(" ")
        if word == "apply":
            if STATES[int(number)] != line[at]:
                line, at = [*line[: at + 1], STATES[int(number)]], at + 1
            panel = panel.apply(STATES[int(number)])
        else:
            at = max(at - 1, 0) if word == "undo" else min(at + 1, len(line) - 1)
            panel = getattr(panel, word)()
        assert panel.rule_set == line[at]
        assert (len(panel.history.past), len(panel.history.future)) == (at, len(line) - 1 - at)


def test_variants():
    panel = RuleHistory(History(STATES[0]))
    for state in STATES[:3]:
        panel = panel.apply(state).keep_variant()
    assert dict(panel.variants) == dict(zip("ABC", STATES, strict=False))
    with pytest.raises(ConfigError) as caught:
        panel.keep_variant()
    assert str(caught.value) == "variants: 3 are kept already. Drop one of them first."
    panel = panel.apply(STATES[3]).drop_variant("B").keep_variant()
    assert dict(panel.variants) == {"A": STATES[0], "C": STATES[2], "B": STATES[3]}
    taken = panel.apply_variant("A")
    assert taken.rule_set == STATES[0] and taken.undo().rule_set == STATES[3]
    again = RuleHistory.from_json(taken.to_json())
    assert (again.rule_set, again.variants) == (taken.rule_set, taken.variants)
    assert again.to_python("net").splitlines()[-1] == "initialize(net, init_cfg=init_cfg)"
