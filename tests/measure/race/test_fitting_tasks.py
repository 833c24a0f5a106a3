"""Built-in tasks that fit a model, and those made without scikit-learn."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from brickbook.errors import BadValueError
from brickbook.measure.race import TASKS, fitting_tasks, race
from brickbook.measure.race.tasks import class_patterns, segment_digits


class Tokens(nn.Module):
    """Logits of each place, or of the sequence."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.embed, self.head, self.whole = nn.Embedding(12, 8), nn.Linear(8, 12), whole

    def forward(self, x):
        found = self.head(self.embed(x))
        return found.mean(1) if self.whole else found


def pictures(classes=10):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(classes))


def image_net():
    model = pictures()
    model(torch.zeros(1, 3, 12, 12))
    return model


@pytest.mark.parametrize(
    ("make", "shape", "names"),
    [
        (lambda: nn.Linear(2, 3), (64, 2), {"spirals", "class patterns"}),
        (lambda: nn.Linear(6, 6), (64, 6), {"deep linear", "class patterns"}),
        (lambda: nn.Linear(64, 10), (64, 64), {"digits", "class patterns"}),
        (image_net, (16, 3, 12, 12), {"digits", "class patterns"}),
        (lambda: nn.Conv2d(2, 2, 3, padding=1), (4, 2, 8, 8), {"reproduce"}),
        (lambda: Tokens(whole=False), (16, 8), {"copying tokens"}),
        (lambda: Tokens(whole=True), (16, 8), {"first token"}),
    ],
)
def test_tasks_that_fit_a_model_train_it(make, shape, names):
    model = make()
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    before = torch.get_rng_state()
    found = fitting_tasks(model, shape)
    assert torch.equal(before, torch.get_rng_state())
    assert {name.replace("segment ", "") for name in found} == names
    for make_task in found.values():
        task = make_task()
        result = race(model, {"a": None}, task, steps=3, seeds=1,
                      optimizer=partial(torch.optim.SGD, lr=0.01), batch_size=8)  # fmt: skip
        assert result.runs[0].status == "finished"
    assert all(torch.equal(kept[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (nn.Linear(3, 1), (8, 3), "task: no built-in task is for inputs of shape (8, 3) and "
         "outputs of shape (8, 1). Give data of your own: (inputs, targets) or a DataLoader, and "
         "a loss."),
        (nn.LSTM(3, 4), (8, 5, 3), "task: the model returns a tuple, and the built-in tasks are "
         "for a tensor. Give data of your own: (inputs, targets) or a DataLoader, and a loss."),
    ],
)  # fmt: skip
def test_where_no_task_fits_it_says_what_to_give(model, shape, message):
    with pytest.raises(BadValueError) as caught:
        fitting_tasks(model, shape)
    assert str(caught.value) == message


def test_a_model_that_fails_is_said_with_its_error():
    with pytest.raises(BadValueError, match=r"fails on an input of shape \(8, 4\): Runti"):
        fitting_tasks(nn.Linear(3, 2), (8, 4))


def test_digits_of_segments_can_be_learnt():
    task = segment_digits()
    assert task.inputs.shape == (1500, 64)
    assert set(task.targets.tolist()) == set(range(10))
    assert abs(task.inputs.std() - 1) < 1e-5
    result = race(task.model_fn, {"a": {"type": "Kaiming", "layer": "Linear"}}, task, steps=60,
                  seeds=1, optimizer=partial(torch.optim.SGD, lr=0.1))  # fmt: skip
    assert result.runs[0].metrics["accuracy"][-1] > 0.5


def test_every_task_is_the_same_each_time():
    for name in ("segment digits", "class patterns", "spirals"):
        first, second = TASKS[name](), TASKS[name]()
        assert torch.equal(first.inputs, second.inputs)
    assert class_patterns((3, 4, 4), 2).inputs.shape == (1024, 3, 4, 4)
