"""What a model costs: multiply-adds, parameters and activation memory, module by module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init.walking import plain_module_name
from brickbook.measure.batches import Batch, batch_for
from brickbook.measure.costs import Complexity, Cost, Mode
from brickbook.measure.metering import Meter, metered

__all__ = ["complexity"]


def complexity(model: nn.Module, input: Any, *, mode: Mode = "eval", seed: int = 0) -> Complexity:
    """Say what a model costs on an input, module by module.

    ``input`` is what the model is called with: a tensor, a tuple of arguments or a dict of
    keywords; or a shape, batch size included, such as ``(1, 3, 224, 224)``.

    Nothing is computed: a twin of the model runs on the meta device. A model that asks for values
    on its way runs itself, once and without gradients (on numbers drawn with ``seed`` for a shape),
    and is given back as it was: modes, buffers, hooks and torch's random numbers.

    Raises:
        BadArgumentError: ``model`` is no module.
        BadValueError: the input does not fit; the layer and the shapes it got are named.

    >>> complexity(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 16, 16))
    Complexity(Sequential on (1, 3, 16, 16): 42.3 k MACs, 224 parameters, 12.5 kB activations)
    """
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a module, got {model!r}.")
    if mode not in ("train", "eval"):
        raise BadValueError("mode", f"expected 'train' or 'eval', got {mode!r}.")
    given = batch_of(model, input, seed)
    meter = metered(model, given, mode == "train", Meter)
    return Complexity(rows_of(meter), given.shapes, mode)


def batch_of(model: nn.Module, input: Any, seed: int) -> Batch:
    """Return what a model is called with; a ConfigError speaks of ``input``."""
    if input is None:
        hint = "Pass a batch, or a shape such as (1, 3, 224, 224)."
        raise BadArgumentError("input", "the model needs something to run on.", hint)
    if not is_shape(input):
        return batch_for(model, input, None, seed)
    try:
        return batch_for(model, None, input, seed)
    except ConfigError as error:
        error.path, error.args = "input", ("input", error.problem, error.hint)
        raise


def is_shape(value: object) -> bool:
    """Whether a value is a sequence of whole numbers."""
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(isinstance(size, int) and not isinstance(size, bool) for size in value)
    )


def rows_of(meter: Meter) -> tuple[Cost, ...]:
    """Return one row a module; what the modules inside cost is added up by their names."""
    parts = {plain_module_name(name): part for name, part in meter.model.named_modules()}
    macs = inclusive({name: meter.macs[id(part)] for name, part in parts.items()})
    activations = inclusive({name: meter.bytes[id(part)] for name, part in parts.items()})
    seen: set[int] = set()
    return tuple(
        Cost(
            name,
            type(part).__name__,
            meter.calls[id(part)],
            meter.outputs.get(id(part)),
            sum(p.numel() for p in part.parameters() if not is_lazy(p)),
            macs[name],
            activations[name],
            own_params(part, seen),
            meter.macs[id(part)],
            meter.bytes[id(part)],
        )
        for name, part in parts.items()
    )


def inclusive(own: Mapping[str, int]) -> dict[str, int]:
    """Add to each name what stands under it.

    >>> inclusive({"": 1, "a": 2, "a.b": 3})
    {'': 6, 'a': 5, 'a.b': 3}
    """
    found = dict.fromkeys(own, 0)
    for name, value in own.items():
        for holder in holders(name):
            if holder in found:
                found[holder] += value
    return found


def holders(name: str) -> Sequence[str]:
    """Return a module's name and those of the modules it stands in."""
    parts = name.split(".") if name else []
    return [".".join(parts[:at]) for at in range(len(parts), -1, -1)]


def own_params(part: nn.Module, seen: set[int]) -> int:
    """Count the elements of a module's own parameters that were not counted before."""
    found = [
        p for p in part._parameters.values()
        if p is not None and not is_lazy(p) and id(p) not in seen
    ]  # fmt: skip
    seen.update(map(id, found))
    return sum(p.numel() for p in {id(p): p for p in found}.values())
