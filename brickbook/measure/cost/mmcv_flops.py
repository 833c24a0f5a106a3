"""mmcv's count of a model's work, by a formula a class of layer, with its numbers and its texts.

What it calls FLOPs are multiply-adds, and of a bias, an activation, a pooling or a norm one a
number. `complexity` counts by operation instead.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Any, TextIO

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy

from brickbook.bricks.registry import ACTIVATION_LAYERS
from brickbook.errors import BadArgumentError, CheckError
from brickbook.measure.cost.meter import CostCounter, CountedCall, watch_run
from brickbook.measure.probe import Batch
from brickbook.printable import escape_controls

__all__ = ["flops_to_string", "get_model_complexity_info", "params_to_string"]

Formula = Callable[[Any, Tensor, Tensor], int]
MULTIPLES = {"GFLOPs": 9, "MFLOPs": 6, "KFLOPs": 3}


def convolution(layer: Any, input: Tensor, output: Tensor) -> int:
    """One a weight and place of the output (of the input, if transposed), and one a bias there."""
    places = input.numel() // layer.in_channels if layer.transposed else (
        output.numel() // layer.out_channels
    )  # fmt: skip
    weights = layer.in_channels * layer.out_channels // layer.groups * math.prod(layer.kernel_size)
    return weights * places + (output.numel() if layer.bias is not None else 0)


def linear(layer: Any, input: Tensor, output: Tensor) -> int:
    """Count one operation for each weight and input vector."""
    return input.numel() * output.shape[-1]


def each_input(layer: Any, input: Tensor, output: Tensor) -> int:
    """Count one operation for each input element."""
    return input.numel()


def each_output(layer: Any, input: Tensor, output: Tensor) -> int:
    """Count one operation for each output element."""
    return output.numel()


def norm(layer: Any, input: Tensor, output: Tensor) -> int:
    """Count one operation for each input element, two if the norm has a scale."""
    affine = getattr(layer, "affine", False) or getattr(layer, "elementwise_affine", False)
    return input.numel() * (2 if affine else 1)


POOLS = [
    getattr(nn, f"{kind}{axes}d")
    for kind in ("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool")
    for axes in (1, 2, 3)
]

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)

FORMULAS: Mapping[type, Formula] = {
    _ConvNd: convolution,
    nn.Linear: linear,
    nn.Upsample: each_output,
    **dict.fromkeys(POOLS, each_input),
    **dict.fromkeys(NORMS, norm),
}


def find_formula(kind: type) -> Formula | None:
    """Return the formula of a class: its own, or that of the nearest class it derives from."""
    activations = [
        make for make in list(ACTIVATION_LAYERS.module_dict.values()) if make is not None
    ]
    for base in kind.__mro__:
        if base in FORMULAS:
            return FORMULAS[base]
        if base in activations:
            return each_output
    return None


class FormulaCounter(CostCounter):
    """Counts a layer that has a formula by that, everything else by its operations."""

    def adjust(self, call: CountedCall, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Replace what the operations of a layer were counted as."""
        formula = find_formula(type(call.part))
        if formula is not None and inputs and outputs:
            self.total = call.total_before + formula(call.part, inputs[0], outputs[0])
            call.counted_inside = 0


def get_model_complexity_info(
    model: nn.Module,
    input_shape: tuple[int, ...],
    print_per_layer_stat: bool = True,
    as_strings: bool = True,
    input_constructor: Callable[[tuple[int, ...]], Mapping[str, Any]] | None = None,
    flush: bool = False,
    ost: TextIO | None = None,
) -> tuple[Any, Any]:
    """Return mmcv's FLOPs, which are multiply-adds, and the number of parameters of a model.

    The numbers differ from mmcv's on purpose in these:

    * Classes derived from the known layers count as these do; mmcv counts them as nothing.
    * Every activation of the registry counts one an output; mmcv knows ReLU, ReLU6, PReLU, ELU and
      LeakyReLU.
    * Matrix products, convolutions, attention and recurrence that no known layer makes count by
      their multiply-adds; mmcv does not see them.
    * Frozen parameters count; mmcv leaves out those without ``requires_grad``.

    The model is given back as it was.

    Args:
        model: The model.
        input_shape: The shape of the input, without the batch size.
        print_per_layer_stat: Print the model to ``ost`` with the share of each module.
        as_strings: Return ``("4.12 GFLOPs", "25.56 M")`` instead of numbers.
        input_constructor: Makes the keyword arguments of the model's call from ``input_shape``.
        flush: Whether to flush ``ost`` after each print.
        ost: Where to print; by default the standard output.

    Raises:
        AssertionError: ``model`` is no module, or ``input_shape`` no tuple with a size.
        ValueError: The input does not fit.
    """
    if not isinstance(input_shape, tuple):
        raise CheckError("input_shape", f"expected a tuple without the batch, got {input_shape!r}.")
    if not input_shape:
        raise CheckError("input_shape", "expected one size at least, got ().")
    if not isinstance(model, nn.Module):
        raise CheckError("model", f"expected a module, got {model!r}.")
    if input_constructor:
        batch = Batch(kwargs=construct_input(input_constructor, input_shape))
    else:
        batch = Batch((make_ones(model, input_shape),))
    counter = watch_run(model, batch, False, FormulaCounter)
    flops, params = counter.total, count_params(model)
    if print_per_layer_stat:
        text = format_module(counter, counter.model, flops, count_params(counter.model))
        print(escape_controls(text, kept="\n"), file=ost or sys.stdout, flush=flush)
    return (flops_to_string(flops), params_to_string(params)) if as_strings else (flops, params)


def construct_input(make: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...]) -> Any:
    """Return what a user's function makes of a shape; it must be keyword arguments."""
    found = make(shape)
    if not isinstance(found, Mapping):
        problem = f"expected a dict of keyword arguments from it, got {type(found).__name__}."
        raise BadArgumentError("input_constructor", problem)
    return found


def make_ones(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Return a batch of one on the device and of the dtype of the model's parameters."""
    like = next(model.parameters(), torch.empty(0))
    return torch.ones((1, *shape), dtype=like.dtype, device=like.device)


def count_params(module: nn.Module) -> int:
    """Count the elements of a module's parameters, each once."""
    return sum(p.numel() for p in module.parameters() if not is_lazy(p))


def format_module(counter: CostCounter, module: nn.Module, flops: int, params: int) -> str:
    """Write a module as torch does, with its counts and shares before its arguments."""
    own_params = count_params(module)
    own_flops = sum(counter.macs[id(part)] for part in module.modules())
    extra = ", ".join((
        params_to_string(own_params, units="M", precision=3),
        f"{own_params / params if params else 0:.3%} Params",
        flops_to_string(own_flops, units="GFLOPs", precision=3),
        f"{own_flops / flops if flops else 0:.3%} FLOPs",
        module.extra_repr(),
    ))  # fmt: skip
    children = [
        f"({name}): {format_module(counter, child, flops, params)}"
        for name, child in module._modules.items()
        if child is not None
    ]
    if not children and "\n" not in extra:
        return f"{type(module).__name__}({extra})"
    inside = indent("\n".join((extra, *children)), "  ")
    return f"{type(module).__name__}(\n{inside}\n)"


def flops_to_string(flops: float, units: str | None = "GFLOPs", precision: int = 2) -> str:
    """Write mmcv's FLOPs, which are multiply-adds; ``units=None`` picks the unit.

    >>> flops_to_string(6.54321e9), flops_to_string(5.4e3, None), flops_to_string(987, None)
    ('6.54 GFLOPs', '5.4 KFLOPs', '987 FLOPs')
    """
    if units is None:
        units = next((unit for unit, power in MULTIPLES.items() if flops >= 10**power), "FLOPs")
    if units not in MULTIPLES:
        return f"{flops} FLOPs"
    return f"{round(flops / 10 ** MULTIPLES[units], precision)} {units}"


def params_to_string(num_params: float, units: str | None = None, precision: int = 2) -> str:
    """Write a number of parameters in units of "M", "K" or ""; None picks one.

    >>> params_to_string(3.21e7), params_to_string(4.56e5), params_to_string(65432100, "K")
    ('32.1 M', '456.0 k', '65432.1 K')
    """
    if units is None:
        picked = next(((u, p) for u, p in (("M", 6), ("k", 3)) if num_params >= 10**p), ("", 0))
    else:
        picked = (units, {"M": 6, "K": 3}.get(units, 0))
    unit, power = picked
    return f"{round(num_params / 10**power, precision)} {unit}" if power else str(num_params)
