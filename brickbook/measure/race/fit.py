"""Which of the built-in tasks a model can be trained on, by what it takes and what it returns."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.errors import BadValueError, Sentence, first_line
from brickbook.measure.probe import first_layer, seeded_rng
from brickbook.measure.race.tasks import (
    Task,
    class_patterns,
    copying_tokens,
    deep_linear,
    digits,
    segment_digits,
    spirals,
)

__all__ = ["fitting_tasks"]

MAX_VALUES = 1 << 22  # of all inputs of a task
MOST, FEWEST = 1024, 64  # samples
HINT = "Give data of your own: (inputs, targets) or a DataLoader, and a loss."

MakesTask = Callable[[], Task]


def fitting_tasks(model: nn.Module, shape: Sequence[int]) -> Mapping[str, MakesTask]:
    """Return the built-in tasks that a model can be trained on, by name.

    A copy of the model runs once on two samples; the model, and the generators, are left.

    Args:
        model: The model.
        shape: That of its input, batch size first.

    Raises:
        BadValueError: The model fails on such an input, or no task fits what it returns.
    """
    sample, output = run_once(model, shape)
    size = tuple(sample.shape[1:])
    if not sample.is_floating_point():
        found = token_tasks(model, size, output)
    elif output.dim() == 2 and output.shape[1] > 1:
        found = class_tasks(size, output.shape[1])
    else:
        found = {}
    if sample.is_floating_point() and output.shape == sample.shape:
        found = {**map_tasks(size), **found}
    if not found:
        problem = "no built-in task is for inputs of shape {shape} and outputs of shape {output}."
        words = {"shape": (*shape[:1], *size), "output": (*shape[:1], *output.shape[1:])}
        raise BadValueError("task", Sentence(problem, **words), HINT)
    return {name: partial(with_model, make, model) for name, make in found.items()}


def with_model(make: MakesTask, model: nn.Module) -> Task:
    """Return a task with copies of a model in the place of its own."""
    return replace(make(), model_fn=partial(copy.deepcopy, model))


@torch.no_grad()
def run_once(model: nn.Module, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return two samples of a shape, and what a copy of the model makes of them."""
    parameter = next(model.parameters(), torch.empty(0))
    if isinstance(first_layer(model)[1], (nn.Embedding, nn.EmbeddingBag)):
        sample = torch.zeros(2, *shape[1:], dtype=torch.long, device=parameter.device)
    else:
        sample = torch.zeros(2, *shape[1:], dtype=parameter.dtype, device=parameter.device)
    try:
        with seeded_rng(0, {parameter.device}):
            output: Any = copy.deepcopy(model).eval()(sample)
    except Exception as error:
        problem = "the model fails on an input of shape {shape}: {error}"
        words = f"{type(error).__name__}: {first_line(error)}"
        shown = Sentence(problem, shape=tuple(shape), error=words)
        raise BadValueError("task", shown, HINT) from error
    if not isinstance(output, Tensor):
        problem = "the model returns a {type}, and the built-in tasks are for a tensor."
        raise BadValueError("task", Sentence(problem, type=type(output).__name__), HINT)
    return sample, output


def class_tasks(size: tuple[int, ...], classes: int) -> dict[str, MakesTask]:
    """Return tasks of classes for inputs of a size."""
    found: dict[str, MakesTask] = {}
    if classes >= 10 and (size == (64,) or len(size) == 3):
        name = "digits" if find_spec("sklearn") else "segment digits"
        found[name] = partial(pictures, digits if name == "digits" else segment_digits, size)
    if size == (2,):
        found["spirals"] = partial(spirals, classes=classes, samples=max(600, 50 * classes))
    samples = max(FEWEST, min(MOST, MAX_VALUES // max(1, math.prod(size))))
    found["class patterns"] = partial(class_patterns, size, classes, samples)
    return found


def pictures(make: MakesTask, size: tuple[int, ...]) -> Task:
    """Return digits as pictures (channels, height, width), each channel the same."""
    task = make()
    if len(size) != 3:
        return task
    channels, *sides = size
    most = max(FEWEST, min(len(task.inputs), MAX_VALUES // math.prod(size)))
    small = task.inputs[:most].reshape(-1, 1, 8, 8)
    large = F.interpolate(small, tuple(sides), mode="bilinear", align_corners=False)
    inputs = large.expand(-1, channels, -1, -1).contiguous()
    return replace(task, inputs=inputs, targets=task.targets[:most])


def map_tasks(size: tuple[int, ...]) -> dict[str, MakesTask]:
    """Return tasks of numbers for a model that returns what is of the size of its input."""
    if len(size) == 1 and size[0] <= MOST:
        return {"deep linear": partial(deep_linear, size[0], 1)}
    samples = max(FEWEST, min(MOST, MAX_VALUES // max(1, math.prod(size))))
    return {"reproduce": partial(reproduce, size, samples)}


def reproduce(size: tuple[int, ...], samples: int) -> Task:
    """Inputs N(0, 1), which are the targets too."""
    inputs = torch.randn(samples, *size, generator=torch.Generator().manual_seed(0))
    return Task("reproduce", inputs, inputs.clone(), nn.Identity)


def token_tasks(model: nn.Module, size: tuple[int, ...], output: Tensor) -> dict[str, MakesTask]:
    """Return tasks for a model of tokens."""
    rows = getattr(first_layer(model)[1], "num_embeddings", 0)
    if len(size) != 1 or size[0] < 2:
        return {}
    if output.dim() == 3 and output.shape[1] == size[0] and size[0] % 2 == 0:
        vocabulary = min(rows, output.shape[2])
        if vocabulary >= 2:
            samples = max(FEWEST, min(2 * MOST, MAX_VALUES // size[0]))
            make = partial(copying_tokens, size[0] // 2, vocabulary, samples)
            return {"copying tokens": make}
    if output.dim() == 2 and output.shape[1] > 1 and rows > 1:
        return {"first token": partial(first_token, rows, size[0], output.shape[1])}
    return {}


def first_token(vocabulary: int, length: int, classes: int) -> Task:
    """Sequences of tokens; the target is the first one, counted in a circle of the classes."""
    own = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (MOST, length), generator=own)
    return Task("first token", tokens, tokens[:, 0] % classes, nn.Identity)
