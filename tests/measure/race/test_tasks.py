"""The built-in tasks: their data are drawn by a seed, and their models learn them."""

from functools import partial

import pytest
import torch

from brickbook.errors import BadValueError
from brickbook.measure.race import TASKS, race
from brickbook.measure.race.tasks import copying_tokens, deep_linear, spirals

DRAWN = {"spirals": spirals, "deep linear": deep_linear, "copying tokens": copying_tokens}


@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_gives_the_same_data(name):
    first, again, other = (DRAWN[name](seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs) and torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)
    assert repr(first).startswith(f"Task({name}: ")


LEARNT = {
    "spirals": (spirals, 60, 0.01, 0.7),
    "deep linear": (partial(deep_linear, 16, 2), 60, 0.01, 0.3),
    "copying tokens": (partial(copying_tokens, 4, 5), 60, 0.003, 0.7),
}


@pytest.mark.parametrize("name", LEARNT)
def test_what_a_task_asks_for_is_learnt(name):
    make, steps, lr, factor = LEARNT[name]
    task = make()
    found = race(
        task.model_fn, {"as built": None}, task, steps=steps, seeds=1, threads=1, update_every=60,
        optimizer=partial(torch.optim.Adam, lr=lr),
    )  # fmt: skip
    losses = found.runs[0].losses
    assert sum(losses[-5:]) / 5 < factor * losses[0]


def test_places_that_do_not_count_are_left_out_of_loss_and_accuracy():
    task = copying_tokens(4, 5)
    assert (task.inputs[:, 4:] == 0).all() and (task.targets[:, :4] == -100).all()
    assert torch.equal(task.inputs[:, :4], task.targets[:, 4:])
    found = race(task.model_fn, {"a": None}, task, steps=1, seeds=1, optimizer=torch.optim.SGD)
    assert 0 <= found.runs[0].metrics["accuracy"][0] < 0.6
    assert found.expected_loss == pytest.approx(1.609, abs=1e-3)


def test_digits_are_those_of_scikit_learn():
    pytest.importorskip("sklearn")
    task = TASKS["digits"]()
    assert task.inputs.shape == (1797, 64) and task.targets.max() == 9
    assert task.inputs.mean().abs() < 1e-5 and abs(task.inputs.std() - 1) < 1e-5


def test_without_scikit_learn_it_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(ImportError) as caught:
        TASKS["digits"]()
    assert str(caught.value) == "the digits are those of scikit-learn: pip install scikit-learn."


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: spirals(samples=2), "samples: expected a whole number from 3 up, got 2."),
        (lambda: deep_linear(depth=0), "depth: expected a whole number from 1 up, got 0."),
        (lambda: copying_tokens(vocabulary=1),
         "vocabulary: expected a whole number from 2 up, got 1."),
    ],
)  # fmt: skip
def test_a_size_that_gives_no_task_is_refused(make, message):
    with pytest.raises(BadValueError) as caught:
        make()
    assert str(caught.value) == message
