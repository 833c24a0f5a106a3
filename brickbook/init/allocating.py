"""Memory for models on the meta device: taken for all tensors, given back if what follows fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.keeping import put_back, uninterrupted
from brickbook.init.skeleton import like

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
        self.before: dict[int, Tensor] = {}  # by id: what the tensor was
        self.made: dict[int, Tensor] = {}
        self.notes: dict[int, dict[str, object]] = {}
        for _, parameters, buffers in self.kept:
            for tensor in (*parameters.values(), *buffers.values()):
                if tensor is not None and not is_lazy(tensor):
                    self.before[id(tensor)] = tensor if tensor.is_meta else tensor.data
                    self.notes[id(tensor)] = dict(tensor.__dict__)
        self.blank = {me for me, tensor in self.before.items() if tensor.is_meta}

    def take(self) -> None:
        """Allocate, then make one again what is tied."""
        self.model._apply(self.memory)
        first: dict[int, Tensor] = {}
        for part, parameters, buffers in self.kept:
            for key, old in parameters.items():
                new = part._parameters[key]
                if old is None or new is None or is_lazy(old):
                    continue
                one = first.setdefault(id(old), new)
                if new is old:
                    vars(new).update(self.notes[id(old)])  # DTensors are changed in place
                elif one is new:
                    like(new, old)
                else:
                    setattr(part, key, one)
            for key, old in buffers.items():
                if old is not None:
                    first.setdefault(id(old), part._buffers[key])  # pyright: ignore
        for part, key, tensor in self.extras:
            if id(tensor) in first:
                vars(part)[key] = first[id(tensor)]

    def memory(self, tensor: Tensor) -> Tensor:
        """Return a tensor's new self; the same one for a tensor that is asked for twice."""
        if is_lazy(tensor):
            return tensor
        made = self.made.get(id(tensor))
        if made is None:
            meta = tensor.is_meta
            made = torch.empty_like(tensor, device=self.device) if meta else tensor.to(self.device)
            self.made[id(tensor)] = made
        return made

    def give_back(self) -> None:
        """Put everything where it was."""
        for part, parameters, buffers in self.kept:
            put_back(part._parameters, parameters)  # pyright: ignore[reportArgumentType]
            put_back(part._buffers, buffers)  # pyright: ignore[reportArgumentType]
        for part, key, tensor in self.extras:
            vars(part)[key] = tensor
        self.made.clear()
        self.model._apply(self.former)
        for part, parameters, buffers in self.kept:
            put_back(part._buffers, buffers)  # pyright: ignore[reportArgumentType]
            for tensor in parameters.values():
                if tensor is not None and not is_lazy(tensor):
                    vars(tensor).update(self.notes[id(tensor)])

    def former(self, tensor: Tensor) -> Tensor:
        """Return what a tensor was: of its kind on the meta device, or with its own values."""
        before = self.before.get(id(tensor), tensor)
        if id(tensor) in self.blank and not tensor.is_meta:  # a DTensor: it was changed in place
            return torch.empty_like(tensor, device="meta")
        return before


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
