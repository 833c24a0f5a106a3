"""Memory for models on the meta device: taken for all tensors, given back if what follows fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.skeleton import like
from brickbook.keeping import put_back, uninterrupted

__all__ = ["allocated", "plain_attributes", "tensors_in"]


@contextmanager
def allocated(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Give every meta tensor of a model memory on ``device``; move there what has values.

    Parameters keep their dtype, strides, ``requires_grad``, class and attributes; tied ones stay
    one object. DTensors, and what modules do in their own ``_apply`` (FSDP, LSTM), are left to
    torch. If the block raises, the model is as it was: its own tensors on the meta device. The
    memory is not filled.
    """
    taken = Allocation(model, device)
    try:
        taken.take()
        yield
    except BaseException:
        with uninterrupted():
            taken.give_back()
        raise


class Allocation:
    """What a model had before it got memory."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.kept = [
            (part, dict(part._parameters), dict(part._buffers)) for part in model.modules()
        ]
        self.extras = list(plain_attributes(model))
        self.made: dict[int, Tensor] = {}  # by the id of what was there before
        self.notes: dict[int, tuple[Tensor, dict[str, object]]] = {}
        self.values: list[tuple[nn.Parameter, Tensor]] = []

    def take(self) -> None:
        """Allocate; a tensor that stands in several places is one again."""
        for part, parameters, buffers in self.kept:
            each: list[Any] = [(part._parameters, parameters), (part._buffers, buffers)]
            for own, before in each:
                own.update(
                    (key, self.memory(old)) for key, old in before.items() if old is not None
                )
        for part, key, tensor in self.extras:
            if id(tensor) in self.made:
                vars(part)[key] = self.made[id(tensor)]
        self.settle()

    def memory(self, old: Tensor) -> Tensor:
        """Return what comes into a tensor's place: memory of its kind, or itself on the device."""
        if is_lazy(old):
            return old
        if id(old) in self.made:
            return self.made[id(old)]
        with torch.no_grad():
            if not old.is_meta:
                new = self.moved(old)
            else:
                new = torch.empty_like(old, device=self.device)
                if isinstance(old, nn.Parameter):
                    new = nn.Parameter(new, old.requires_grad)
                new = like(new, old)
        self.made[id(old)] = new
        self.notes[id(new)] = new, dict(vars(new))
        return new

    def moved(self, old: Tensor) -> Tensor:
        """Return a tensor with values on the device; a parameter remains the object it is."""
        new = old.to(self.device)
        if new is old or not isinstance(old, nn.Parameter):
            return new
        self.values.append((old, old.data))
        old.data = new
        return old

    def settle(self) -> None:
        """Let modules see to what they keep beside their parameters, as after ``.to()``.

        On the way torch gives DTensors a new dict of attributes.
        """
        self.model._apply(lambda tensor: tensor)
        for tensor, notes in self.notes.values():
            vars(tensor).update(notes)

    def give_back(self) -> None:
        """Put everything where it was."""
        for part, parameters, buffers in self.kept:
            put_back(part._parameters, parameters)  # pyright: ignore[reportArgumentType]
            put_back(part._buffers, buffers)  # pyright: ignore[reportArgumentType]
        for part, key, tensor in self.extras:
            vars(part)[key] = tensor
        for parameter, value in self.values:
            parameter.data = value
        self.settle()


def tensors_in(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module and below, under all of their names."""
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def plain_attributes(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield (module, key, tensor) of meta tensors that are neither parameter nor buffer."""
    for part in model.modules():
        for key, value in vars(part).items():
            if isinstance(value, Tensor) and value.is_meta and not is_lazy(value):
                yield part, key, value
