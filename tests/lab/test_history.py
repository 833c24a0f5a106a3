from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brickbook.lab.history import MAX_UNDO, History


def test_a_step_can_be_undone_and_redone():
    history = History("a").record("b").record("c")
    assert history.past == ("a", "b") and history.future == ()
    back = history.undo()
    assert (back.present, back.past, back.future) == ("b", ("a",), ("c",))
    assert back.redo() == history


def test_an_end_of_the_history_stays_as_it_is():
    history = History("a")
    assert history.undo() is history and history.redo() is history
    assert history.record("a") is history


def test_a_new_value_forgets_what_was_undone():
    history = History("a").record("b").undo()
    assert history.record("c") == History("c", ("a",))
    assert history.record("a") is history  # no step


def test_a_history_is_bounded():
    history = History(0)
    for value in range(1, MAX_UNDO + 100):
        history = history.record(value)
    assert len(history.past) == MAX_UNDO and history.past[-1] == MAX_UNDO + 98


@given(values=st.lists(st.integers(), max_size=8), steps=st.integers(0, 8))
def test_redo_after_undo_is_where_one_was(values, steps):
    history = History(0)
    for value in values:
        history = history.record(value)
    other = history
    taken = 0
    while taken < steps and other.past:
        other, taken = other.undo(), taken + 1
    for _ in range(taken):
        other = other.redo()
    assert other == history
