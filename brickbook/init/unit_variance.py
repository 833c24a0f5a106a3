"""One forward pass that scales weights: every layer's output gets variance 1 on a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.matching import plain_name
from brickbook.init.shards import is_sharded
from brickbook.init.walking import parents, unwrapped

__all__ = ["unit_variances"]


@dataclass(frozen=True)
class Watched:
    """A weight and the module whose output it scales.

    Attention calls its output projection as a function: there it is attention's own output.
    """

    name: str
    weight: Tensor
    module: nn.Module

    def read(self, output: Any) -> Tensor:
        """Return the tensor of what the module returned that counts."""
        if isinstance(self.module, nn.MultiheadAttention):
            output = output[0]
        if not isinstance(output, Tensor):
            raise BadValueError(
                self.name,
                f"{type(self.module).__name__} returns {type(output).__name__}: "
                f"LSUV needs one tensor.",
            )
        return output

    def variance(self, output: Any) -> float:
        """Return the output's variance over all its elements, in float32 at least."""
        value = self.read(output).detach()
        value = value if value.dtype == torch.float64 else value.float()
        variance = float(value.var(correction=0)) if value.numel() else math.nan
        if not 0 < variance < math.inf:
            raise BadValueError(
                self.name,
                f"its layer's output has variance {variance:g} on this batch: "
                f"no scale makes that 1.",
            )
        return variance


@torch.no_grad()
def unit_variances(
    model: nn.Module, names: Sequence[str], batch: Any, tol: float = 0.1, max_iter: int = 10
) -> dict[str, float]:
    """Divide each named weight by its output's standard deviation until the variance is near 1.

    ``W ← W / √Var(output)`` while ``|Var(output) - 1| ≥ tol``, at most ``max_iter`` times, for the
    layers in the order in which the forward pass first reaches them; it runs once, and each layer
    passes on what it gives after its own scaling. Source: Mishkin & Matas 2016, All you need is a
    good init, Algorithm 1, https://arxiv.org/abs/1511.06422. Returns the variances, by name.

    ``batch`` is what the model is called with: a tuple is its arguments, a dict its keywords,
    anything else the only argument. The model runs in the mode it is in (``eval()`` it for no
    dropout), without gradients. Buffers, modes and torch's generators are as before afterwards;
    weights are not put back on an error (see `lsuv`).

    Raises TypeError without a batch, ValueError for a weight that cannot be scaled: it is no
    layer's ``weight``, the forward pass does not reach it, or the variance is 0 or not finite.
    """
    if batch is None:
        raise BadArgumentError(
            "batch", "LSUV needs a batch to run through the model.", "Give batch=..."
        )
    inner = unwrapped(model)  # compiled code does not see hooks
    watched = [watch(inner, plain_name(name)) for name in names]
    found: dict[str, float] = {}
    handles = []
    with as_found(inner):
        try:
            handles += [hook(item, found, tol, max_iter) for item in watched]
            run(inner, batch)
        finally:
            for handle in handles:
                handle.remove()
    for item in watched:
        if item.name not in found:
            raise BadValueError(item.name, "the forward pass does not reach its layer.")
    return found


def watch(model: nn.Module, name: str) -> Watched:
    """Find a weight and the module whose output shows its scale."""
    layer, _, key = name.rpartition(".")
    try:
        chain = parents(model, layer)
        part = unwrapped(chain[-1][0].get_submodule(chain[-1][1]) if chain else unwrapped(model))
        weight = part._parameters.get(key)
    except KeyError:
        raise BadValueError(name, f"{type(model).__name__} has no such parameter.") from None
    if "weight" in getattr(part, "parametrizations", ()) or f"{key}_v" in part._parameters:
        raise BadValueError(name, "it is computed by a parametrisation: LSUV cannot scale it.")
    if weight is None or key != "weight":
        raise BadValueError(
            name, f"it is not the one weight of its layer, {type(part).__name__}: LSUV needs that."
        )
    if is_sharded(weight):
        raise BadValueError(
            name, "it is sharded: LSUV cannot scale it.", "Scale it before the model is sharded."
        )
    around = unwrapped(chain[-1][0]) if chain else part
    return Watched(name, weight, around if isinstance(around, nn.MultiheadAttention) else part)


def hook(item: Watched, found: dict[str, float], tol: float, max_iter: int) -> Any:
    """Scale a layer when the forward pass first comes to it; it passes on what it gives then."""

    @torch.no_grad()
    def scale(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        if item.name in found:
            return None
        variance = item.variance(output)
        for _ in range(max_iter):
            if abs(variance - 1) < tol:
                break
            item.weight.div_(math.sqrt(variance))
            output = module.forward(*args, **kwargs)
            variance = item.variance(output)
        found[item.name] = variance
        return output

    # Before hooks of others, so that they see the output that goes on.
    return item.module.register_forward_hook(scale, with_kwargs=True, prepend=True)


def run(model: nn.Module, batch: Any) -> Any:
    """Call a model with a batch: a tuple is its arguments, a dict its keywords."""
    if isinstance(batch, Mapping):
        return model(**batch)
    # A named tuple is a value of its own, such as a PackedSequence.
    return model(*batch) if type(batch) is tuple else model(batch)


@contextmanager
def as_found(model: nn.Module) -> Iterator[None]:
    """Put buffers, training modes and torch's generators back after the block."""
    modes = [(part, part.training) for part in model.modules()]
    buffers = [
        (part, key, value, value.clone())
        for part in model.modules()
        for key, value in part._buffers.items()
        if value is not None and not is_lazy(value)
    ]
    devices = {tensor.device for tensor in model.parameters() if tensor.is_cuda}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it goes past the layers of a transformer
    try:
        with torch.random.fork_rng(devices=sorted(devices, key=str)):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, training in modes:
            part.training = training
        for part, key, value, kept in buffers:
            part._buffers[key] = value.copy_(kept)
