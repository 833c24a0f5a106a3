"""Running a model and giving it back as it was: modes, buffers, random numbers, grad mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError
from brickbook.introspect import gathers_parameters, is_sharded

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule

__all__ = ["grad_mode", "preserved_state", "reject_torchscript", "seeded_rng"]


def reject_torchscript(model: nn.Module) -> None:
    """Raise BadArgumentError for a part in TorchScript: it takes no hooks."""
    for name, part in model.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise BadArgumentError(
                f"model.{name}".rstrip("."),
                "it is TorchScript, which takes no hooks.",
                "Measure the model before torch.jit compiles it.",
            )


@contextmanager
def preserved_state(model: nn.Module) -> Iterator[None]:
    """Put back, at the end, every module's mode and buffers and what its forward writes.

    Buffers are copied before. Parameters are copied only while a module of a user's class runs that
    holds some directly, as a layer that initialises itself from its first batch: torch's own
    layers do not write theirs. What FSDP2 has gathered for the forward is cut up again.

    Raises:
        BadArgumentError: A part is in TorchScript.
    """
    reject_torchscript(model)
    parts = list(model.modules())
    cut = [(part, shard_flags(part)) for part in parts if gathers_parameters(part)]
    modes = [(part, part.training) for part in parts]
    buffers = [(part, dict(part._buffers), set(part._non_persistent_buffers_set)) for part in parts]
    copies = [
        (buffer, buffer.detach().clone())
        for _, own, _ in buffers
        for buffer in own.values()
        if buffer is not None
    ]
    guard = ParameterGuard()
    try:
        guard.watch(parts)
        yield
    finally:
        guard.restore()
        for part, flags in cut:
            if shard_flags(part) != flags:
                cast("FSDPModule", part).reshard()
        for part, training in modes:
            part.training = training
        for part, own, passing in buffers:
            if not same_objects(part._buffers, own):
                part._buffers.clear()
                part._buffers.update(own)
            part._non_persistent_buffers_set = passing
        for buffer, copy in copies:
            write_back(buffer, copy)


def shard_flags(part: nn.Module) -> list[bool]:
    """Return which parameters are DTensors: under FSDP2, those that are not gathered."""
    return [is_sharded(parameter) for parameter in part.parameters()]


class ParameterGuard:
    """Copies of the parameters that a forward may write, as long as it runs or if it did.

    What FSDP2 puts in their place while a module runs is not the model's, and is freed.
    """

    def __init__(self) -> None:
        self.known: dict[int, Tensor] = {}
        self.copies: dict[int, tuple[Tensor, Tensor]] = {}
        self.handles: list[Any] = []

    def watch(self, parts: list[nn.Module]) -> None:
        """Copy parameters before a module of a user's class runs; drop what it left alone."""
        for part in parts:
            own = type(part).__module__.startswith("torch.nn.")
            values = [value for value in part._parameters.values() if value is not None]
            if not own and values:
                self.known.update((id(value), value) for value in values)
                self.handles.append(part.register_forward_pre_hook(self.copy_parameters))
                self.handles.append(part.register_forward_hook(self.discard_unchanged))

    def copy_parameters(self, part: nn.Module, args: object) -> None:
        """Copy a module's own parameters."""
        for value in part._parameters.values():
            if value is not None and id(value) in self.known and not value.is_meta:
                self.copies.setdefault(id(value), (value, value.detach().clone()))

    def discard_unchanged(self, part: nn.Module, args: object, output: object) -> None:
        """Drop the copies of parameters that are unchanged."""
        for value in part._parameters.values():
            item = self.copies.get(id(value))
            if item is not None and (is_freed(item[0]) or is_unchanged(*item)):
                del self.copies[id(value)]

    def restore(self) -> None:
        """Write the copies back and stop watching."""
        for handle in self.handles:
            handle.remove()
        for item in self.copies.values():
            write_back(*item)
        self.copies.clear()


def is_unchanged(tensor: Tensor, copy: Tensor) -> bool:
    """Whether a tensor is as its copy; False where that cannot be told, as of sparse ones."""
    return tensor.layout == torch.strided and torch.equal(tensor, copy)


def same_objects(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the same objects stand under the same names, in the same order."""
    return list(now) == list(before) and all(now[key] is before[key] for key in before)


def write_back(tensor: Tensor, copy: Tensor) -> None:
    """Write a copy back.

    Always: torch's batch norms do not count the writes of their statistics as versions. By way of
    ``.data``, since this one should not count either.
    """
    if has_overlapping_elements(tensor) or is_freed(tensor):
        return
    if tensor.is_inference():
        with torch.inference_mode():
            tensor.copy_(copy)
    else:
        with torch.no_grad():
            tensor.data.copy_(copy)


def has_overlapping_elements(tensor: Tensor) -> bool:
    """Whether elements share memory, as after ``expand``: such a tensor cannot be written."""
    if tensor.layout != torch.strided:
        return False
    return any(
        not step and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)
    )


def is_freed(tensor: Tensor) -> bool:
    """Whether the memory of a tensor was given back, as FSDP2 does after a forward."""
    if tensor.layout != torch.strided or is_sharded(tensor) or not tensor.numel():
        return False
    try:
        return not tensor.untyped_storage().nbytes()
    except NotImplementedError:  # a subclass that has no memory of its own
        return False


@contextmanager
def grad_mode(gradients: bool, inference: bool = False) -> Iterator[None]:
    """Set grad mode for this thread, whatever the caller's is; ``inference`` for such tensors."""
    with torch.inference_mode(inference), torch.set_grad_enabled(gradients and not inference):
        yield


@contextmanager
def seeded_rng(seed: int, devices: set[torch.device]) -> Iterator[None]:
    """Seed torch's generators of the CPU and of some devices; put their states back at the end."""
    with ExitStack() as stack:
        stack.callback(torch.set_rng_state, torch.get_rng_state())
        for device in sorted(devices, key=str):
            module: Any = getattr(torch, device.type, None)
            if device.type in ("cpu", "meta") or not hasattr(module, "get_rng_state"):
                continue
            where = () if device.type == "mps" else (device,)
            stack.callback(module.set_rng_state, module.get_rng_state(*where), *where)
            if where:
                with module.device(device):
                    module.manual_seed(seed)
            else:
                module.manual_seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
