"""Batches in an order that a seed decides, and what is done with a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from brickbook.errors import BadArgumentError, BadValueError, wrong_value
from brickbook.measure.probe import map_tensors
from brickbook.measure.race.tasks import Task

__all__ = ["accuracy", "batches", "check_data", "default_loss", "default_metrics"]

Batch = tuple[Any, Any]


def check_data(data: Any) -> None:
    """Raise for data that give no batches, or give them once only."""
    if isinstance(data, Task) or is_function(data):
        return
    if is_pair(data):
        inputs, targets = data
        if len(inputs) != len(targets) or not len(inputs):
            problem = f"there are {len(inputs):,} inputs and {len(targets):,} targets."
            raise BadValueError("data", problem)
        return
    if isinstance(data, Iterator):
        raise BadValueError(
            "data",
            "it gives its batches once only, and every run needs them.",
            "Pass a list, a DataLoader, or a function that makes the iterator.",
        )
    if not isinstance(data, Iterable) or isinstance(data, Tensor):
        wanted = "a pair of tensors (inputs, targets), an iterable of such pairs or a task"
        raise BadArgumentError("data", wrong_value(wanted, data))


def is_pair(data: Any) -> bool:
    """Whether data are inputs and targets as two tensors with as many samples."""
    return type(data) in (tuple, list) and len(data) == 2 and all(
        isinstance(each, Tensor) and each.dim() for each in data
    )  # fmt: skip


def is_function(data: Any) -> bool:
    """Whether data are made by a call: of a function, not of a loader that can be called."""
    return callable(data) and not isinstance(data, Iterable)


def batches(data: Any, batch_size: int, seed: int) -> Iterator[Batch]:
    """Yield batches (inputs, targets) without end; a seed always gives the same ones.

    Two tensors are shuffled anew for each pass, by a generator of their own; the samples that make
    no whole batch wait for another pass. Other data are gone through as they are, again and again;
    a function is called for every pass.

    Raises:
        BadValueError: There are no batches, or one is no pair.
    """
    if isinstance(data, Task):
        data = data.inputs, data.targets
    found = data() if is_function(data) else data
    if is_pair(found):
        inputs, targets = found
        check_data(found)
        yield from shuffled(inputs, targets, batch_size, seed)
    while True:
        empty = True
        for batch in found:
            if type(batch) not in (tuple, list) or len(batch) != 2:
                raise BadValueError("data", wrong_value("pairs (input, target)", batch))
            empty = False
            # A model may overwrite what it gets.
            yield tuple(map_tensors(part, Tensor.clone) for part in batch)  # pyright: ignore[reportReturnType] - two
        if empty:
            raise BadValueError("data", "there are no batches in it.")
        found = data() if is_function(data) else data


def shuffled(inputs: Tensor, targets: Tensor, batch_size: int, seed: int) -> Iterator[Batch]:
    """Yield batches of two tensors, shuffled for every pass."""
    own = torch.Generator().manual_seed(seed)
    size = min(batch_size, len(inputs))
    while True:
        order = torch.randperm(len(inputs), generator=own)
        for begin in range(0, len(inputs) - size + 1, size):
            chosen = order[begin : begin + size]
            yield (
                inputs[chosen.to(inputs.device)].detach(),
                targets[chosen.to(targets.device)].detach(),
            )


def default_loss(target: Any) -> Callable[[Any, Any], Tensor]:
    """Return the loss for a target: cross entropy for classes, mean square for numbers.

    Raises:
        BadArgumentError: The target is no tensor, or complex.
    """
    if isinstance(target, Tensor) and target.is_floating_point():
        return F.mse_loss
    if isinstance(target, Tensor) and not target.is_complex():
        return class_loss
    problem = wrong_value("a tensor of classes or of numbers as target", target)
    raise BadArgumentError("loss", problem, "Pass loss=..., which takes output and target.")


def default_metrics(target: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Return what is measured beside the loss: the accuracy where targets are classes."""
    classes = isinstance(target, Tensor) and not target.is_floating_point()
    return {"accuracy": accuracy} if classes and not target.is_complex() else {}


def class_loss(output: Tensor, target: Tensor) -> Tensor:
    """The mean cross entropy; the classes are on the axis that the target does not have."""
    return F.cross_entropy(classes_second(output, target), target.long())


@torch.no_grad()
def accuracy(output: Tensor, target: Tensor) -> float:
    """The share of targets that have the largest output; a target of -100 is not counted."""
    right = classes_second(output, target).argmax(min(1, output.dim() - 1)) == target
    counted = target != -100
    return float(right[counted].float().mean()) if not bool(counted.all()) else float(
        right.float().mean()
    )  # fmt: skip


def classes_second(output: Tensor, target: Tensor) -> Tensor:
    """Return an output with its classes where torch has them: (samples, classes, places...).

    Outputs of a language model have them last.
    """
    second = output.shape[:1] + output.shape[2:] == target.shape
    last = output.dim() > 2 and output.shape[:-1] == target.shape
    return output.movedim(-1, 1) if last and not second else output
