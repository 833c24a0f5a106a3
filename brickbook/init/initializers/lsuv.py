"""LSUV: orthonormal weights, scaled until every layer's output has variance 1 on a batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    Sentence,
    first_line,
    wrong_type,
)
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target, law_for
from brickbook.init.initializers.structured import OrthogonalInit
from brickbook.init.laws import Law
from brickbook.introspect import (
    find_parents,
    is_sharded,
    module_matches,
    plain_name,
    rollback_on_error,
    unwrap,
)

__all__ = ["LSUVInit", "call_with_batch", "lsuv", "unit_variances"]

SCALABLE_LAYERS = (_ConvNd, nn.Linear)
ORTHOGONAL = OrthogonalInit()


@INITIALIZERS.register_module(name="LSUV")
@dataclass
class LSUVInit(BaseInit):
    """Mishkin & Matas 2016, Algorithm 1: orthonormal, then every output scaled to variance 1.

    Needs a batch. A layer is left when its variance is within ``tol`` of 1, or after ``max_iter``
    divisions: ``W ← W / √Var(output)``. A weight needs 2 dimensions or more. Source:
    https://arxiv.org/abs/1511.06422.

    Args:
        tol: How far from 1 a variance may stay, 0 or more.
        max_iter: How often a weight is divided at most, 0 or more.

    Raises:
        ConfigError: An argument is none of these. `initialize` raises it without a batch, and for
            a weight that cannot be scaled (`unit_variances`).
    """

    number_args = ("tol", "max_iter")
    non_negative_args = ("tol", "max_iter")
    tol: float = 0.1
    max_iter: int = 10

    def check(self) -> None:
        """Raise TypeError for a ``max_iter`` that is no int."""
        if not isinstance(self.max_iter, int):
            raise BadArgumentError("max_iter", wrong_type("an int", self.max_iter))

    @property
    def min_dims(self) -> int:
        """2: a matrix."""
        return ORTHOGONAL.min_dims

    def law(self, target: Target) -> Law:
        """Return the law of Orthogonal with gain 1, before anything is scaled."""
        return ORTHOGONAL.law(target)

    def adjust(self, model: nn.Module, names: Sequence[str], batch: Any) -> None:
        """Scale the named weights; see `unit_variances`. Biases among the names are left."""
        weights = [name for name in names if "bias" not in name.rpartition(".")[2]]
        unit_variances(model, weights, batch, self.tol, self.max_iter)


def lsuv(
    model: nn.Module,
    batch: Any,
    layer: type | str | Sequence[type | str] = SCALABLE_LAYERS,
    *,
    tol: float = 0.1,
    max_iter: int = 10,
    start: BaseInit | Law | None = ORTHOGONAL,
) -> dict[str, float]:
    """Initialise the layers of some classes by LSUV; return each output's variance, by weight.

    ``W ← W / √Var(output)``, as in `unit_variances`. Source: Mishkin & Matas 2016, Algorithm 1,
    https://arxiv.org/abs/1511.06422.

    Args:
        model: The model.
        batch: What it is called with, as in `unit_variances`.
        layer: A class or its name, or several: by default every convolution and linear layer.
        tol: How far from 1 a variance may stay.
        max_iter: How often a weight is divided at most.
        start: The law that is drawn first, or the initialiser that gives it, and biases become 0;
            None for the values that the model has.

    Raises:
        ConfigError: As in `unit_variances`; on any error the model is as before.

    >>> x, model = torch.randn(256, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> {name: abs(variance - 1) < 0.1 for name, variance in lsuv(model, x).items()}
    {'0.weight': True, '2.weight': True}
    """
    layers = (layer,) if isinstance(layer, (str, type)) else tuple(layer)
    chosen = [
        (name, part)
        for name, part in model.named_modules()
        if module_matches(part, layers) and not is_attention_projection(part, layers)
    ]
    names = [f"{name}.weight".lstrip(".") for name, part in chosen if has_weight(part)]
    with rollback_on_error(model):
        if start is not None:
            draw_initial_weights(model, chosen, start)
        return unit_variances(model, names, batch, tol, max_iter)


def is_attention_projection(part: nn.Module, layers: tuple[str | type, ...]) -> bool:
    """Whether a layer is attention's output projection, matched only because it is a Linear."""
    return isinstance(part, NonDynamicallyQuantizableLinear) and layers == SCALABLE_LAYERS


def has_weight(part: nn.Module) -> bool:
    """Whether a layer has a weight, its own or a computed one."""
    return isinstance(getattr(part, "weight", None), Tensor)


@torch.no_grad()
def draw_initial_weights(
    model: nn.Module, chosen: Iterable[tuple[str, nn.Module]], init: BaseInit | Law
) -> None:
    """Draw the weights, each once, and put the biases to 0."""
    done: set[int] = set()
    memo: dict[object, Any] = {}
    for name, part in chosen:
        weight, bias = part._parameters.get("weight"), part._parameters.get("bias")
        if weight is not None and not is_lazy(weight) and id(weight) not in done:
            done.add(id(weight))
            full = plain_name(f"{name}.weight".lstrip("."))
            target = Target(full, tuple(weight.shape), "weight", part, model, memo=memo)
            law = init if isinstance(init, Law) else law_for(init, target)
            law.fill(weight)
        if bias is not None and not is_lazy(bias):
            bias.zero_()


@dataclass(frozen=True)
class ScaledWeight:
    """A weight and the module whose output it scales.

    Attention calls its output projection as a function: there it is attention's own output.
    """

    name: str
    weight: Tensor
    module: nn.Module

    def output_tensor(self, output: Any) -> Tensor:
        """Return the tensor of what the module returned that counts."""
        if isinstance(self.module, nn.MultiheadAttention):
            output = output[0]
        if not isinstance(output, Tensor):
            raise BadValueError(
                self.name,
                Sentence(
                    "{module} returns {type}: LSUV needs one tensor.",
                    module=type(self.module).__name__,
                    type=type(output).__name__,
                ),
            )
        return output

    def variance(self, output: Any) -> float:
        """Return the output's variance over all its elements, in float32 at least."""
        value = self.output_tensor(output).detach()
        value = value if value.dtype == torch.float64 else value.float()
        variance = float(value.var(correction=0)) if value.numel() else math.nan
        if not 0 < variance < math.inf:
            raise BadValueError(
                self.name,
                Sentence(
                    "its layer's output has variance {variance} on this batch: "
                    "no scale makes that 1.",
                    variance=f"{variance:g}",
                ),
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
    good init, Algorithm 1, https://arxiv.org/abs/1511.06422.

    The model runs in the mode it is in (``eval()`` it for no dropout), without gradients. Buffers,
    modes and torch's generators are as before afterwards; weights are not put back on an error
    (see `lsuv`).

    Args:
        model: The model.
        names: The weights, by name.
        batch: What the model is called with: a tuple is its arguments, a dict its keywords,
            anything else the only argument.
        tol: How far from 1 a variance may stay.
        max_iter: How often a weight is divided at most.

    Returns:
        The variances, by name.

    Raises:
        BadArgumentError: There is no batch.
        BadValueError: The model does not run on the batch; or a weight cannot be scaled: it is no
            layer's ``weight``, the forward pass does not reach it, or the variance is 0 or not
            finite.
    """
    if batch is None:
        raise BadArgumentError(
            "batch", "LSUV needs a batch to run through the model.", "Give batch=..."
        )
    inner = unwrap(model)  # compiled code does not see hooks
    weights = [find_weight(inner, plain_name(name)) for name in names]
    variances: dict[str, float] = {}
    handles = []
    with preserved_state(inner):
        try:
            handles += [add_scaling_hook(item, variances, tol, max_iter) for item in weights]
            call_with_batch(inner, batch)
        except ConfigError:
            raise
        except Exception as error:  # whatever the model raises
            why = f"{type(error).__name__}: {first_line(error).rstrip('.')}"
            problem = "{model} does not run on it: {why}."
            shown = Sentence(problem, model=type(inner).__name__, why=why)
            raise BadValueError("batch", shown) from error
        finally:
            for handle in handles:
                handle.remove()
    for item in weights:
        if item.name not in variances:
            raise BadValueError(item.name, "the forward pass does not reach its layer.")
    return variances


def find_weight(model: nn.Module, name: str) -> ScaledWeight:
    """Find a weight and the module whose output shows its scale."""
    layer, _, key = name.rpartition(".")
    try:
        chain = find_parents(model, layer)
        part = unwrap(chain[-1][0].get_submodule(chain[-1][1]) if chain else unwrap(model))
        weight = part._parameters.get(key)
    except KeyError:
        problem = Sentence("{model} has no such parameter.", model=type(model).__name__)
        raise BadValueError(name, problem) from None
    if "weight" in getattr(part, "parametrizations", ()) or f"{key}_v" in part._parameters:
        raise BadValueError(name, "it is computed by a parametrisation: LSUV cannot scale it.")
    if weight is None or key != "weight":
        problem = "it is not the one weight of its layer, {layer}: LSUV needs that."
        raise BadValueError(name, Sentence(problem, layer=type(part).__name__))
    if is_sharded(weight):
        raise BadValueError(
            name, "it is sharded: LSUV cannot scale it.", "Scale it before the model is sharded."
        )
    around = unwrap(chain[-1][0]) if chain else part
    return ScaledWeight(name, weight, around if isinstance(around, nn.MultiheadAttention) else part)


def add_scaling_hook(
    item: ScaledWeight, variances: dict[str, float], tol: float, max_iter: int
) -> Any:
    """Add a hook that scales a layer at its first forward call and returns the scaled output."""

    @torch.no_grad()
    def scale(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        if item.name in variances:
            return None
        variance = item.variance(output)
        for _ in range(max_iter):
            if abs(variance - 1) < tol:
                break
            item.weight.div_(math.sqrt(variance))
            output = module.forward(*args, **kwargs)
            variance = item.variance(output)
        variances[item.name] = variance
        return output

    # Before hooks of others, so that they see the output that goes on.
    return item.module.register_forward_hook(scale, with_kwargs=True, prepend=True)


def call_with_batch(model: nn.Module, batch: Any) -> Any:
    """Call a model with a batch: a tuple is its arguments, a dict its keywords."""
    if isinstance(batch, Mapping):
        return model(**batch)
    # A named tuple is a value of its own, such as a PackedSequence.
    return model(*batch) if type(batch) is tuple else model(batch)


@contextmanager
def preserved_state(model: nn.Module) -> Iterator[None]:
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
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it goes past the layers of a transformer
        with torch.random.fork_rng(devices=sorted(devices, key=str)):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, training in modes:
            part.training = training
        for part, key, value, copy in buffers:
            part._buffers[key] = value.copy_(copy)
