"""One brick on the meta device: its output, its parameters and its multiply-adds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from brickbook.blueprint.build import check_sizes, kinds, make_brick
from brickbook.blueprint.faults import Fault, Shape, building_fault, drop_batch_axis, running_fault
from brickbook.config import unwrap_partial
from brickbook.errors import ConfigError
from brickbook.registry import Config

__all__ = [
    "ERROR_ROOT",
    "BrickRun",
    "CallInput",
    "MacCounter",
    "count_params",
    "first_shape",
    "run_brick",
    "to_meta",
]

ERROR_ROOT = "brick"
LIBRARY_PACKAGES = ("torch", "brickbook")


class MacCounter(TorchDispatchMode):
    """Counts the multiply-adds of matrix products, convolutions and attention, in this thread.

    Half the FLOPs of torch's formulas. `FlopCounterMode` would hook every module call of the
    process, those of a cell that trains in another thread as well.
    """

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry  # torch itself does not import it

        super().__init__()
        self.total, self.formulas = 0, flop_registry

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and add what it costs."""
        out = func(*args, **(kwargs or {}))
        formula = self.formulas.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out) // 2
        return out


class CallInput(NamedTuple):
    """What a brick is called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class BrickRun:
    """The output of a brick on the meta device, or the fault that kept it from one."""

    value: Any = None
    params: int = 0
    macs: int = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class RunKey:
    """A brick of torch or of this package and its input: equal ones have one run."""

    key: Hashable
    shape: Shape | None
    dtype: torch.dtype | None
    cfg: Config = field(compare=False)


def run_brick(cfg: Config, make: Callable[..., Any], call_input: CallInput | None) -> BrickRun:
    """Build a brick without memory and run it; without ``given`` only build it."""
    value = call_input.args[0] if call_input and call_input.args else None
    if call_input is not None and not (
        len(call_input.args) == 1
        and not call_input.kwargs
        and type(value) is Tensor
        and value.is_contiguous()
    ):
        return build_and_run(cfg, call_input)
    key = cache_key(cfg, make)
    if key is None:
        return build_and_run(cfg, call_input)
    shape, dtype = (None, None) if value is None else (tuple(value.shape), value.dtype)
    found = cached_run(RunKey(key, shape, dtype, cfg))
    if isinstance(found.value, Tensor):  # the next brick may change it in place
        return BrickRun(found.value.detach(), found.params, found.macs)
    return found


@lru_cache(maxsize=1024)
def cached_run(run_key: RunKey) -> BrickRun:
    """Return the run of a brick of torch or of this package: each is made once."""
    if run_key.shape is None:
        return build_and_run(run_key.cfg, None)
    value = torch.empty(run_key.shape, dtype=run_key.dtype, device="meta")
    return build_and_run(run_key.cfg, CallInput((value,), {}))


def build_and_run(cfg: Config, call_input: CallInput | None) -> BrickRun:
    """Build and run a brick; whatever it raises is its fault."""
    with torch.no_grad(), torch.device("meta"):
        try:
            check_sizes(cfg, ERROR_ROOT)
            module = to_meta(build_without_draws(cfg)).eval()
            check_transposed_inputs(module)
        except Exception as error:  # a constructor may raise anything, and the list shows it
            return BrickRun(fault=building_fault(error, cfg, ERROR_ROOT))
        if call_input is None:
            return BrickRun(params=count_params(module))
        try:
            with MacCounter() as macs:
                value = module(*call_input.args, **call_input.kwargs)
        except Exception as error:
            got = drop_batch_axis(first_shape(call_input.args)) or ()
            return BrickRun(params=count_params(module), fault=running_fault(error, cfg, got))
        return BrickRun(value, count_params(module), macs.total)


def check_transposed_inputs(module: nn.Module) -> None:
    """Let transposed convolutions check their input: on the meta device torch does not."""

    def check(part: Any, args: tuple[Any, ...]) -> None:
        shape = tuple(args[0].shape) if args and isinstance(args[0], Tensor) else ()
        axes = len(part.kernel_size) + 2
        if shape and len(shape) != axes:
            raise ValueError(f"expected {axes - 1} axes, got {len(shape) - 1}")
        if shape and shape[1] != part.in_channels:
            raise ValueError(f"expected {part.in_channels} channels, got {shape[1]}")

    for part in module.modules():
        if isinstance(part, _ConvTransposeNd):
            part.register_forward_pre_hook(check)


def build_without_draws(cfg: Config) -> nn.Module:
    """Build a brick without memory, and without a draw from the global generator.

    A constructor that reads values it has just made fails on the meta device: it runs on the
    CPU, and the generator's state is put back.
    """
    try:
        return make_brick(cfg, ERROR_ROOT)
    except ConfigError:
        raise
    except Exception:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            return make_brick(cfg, ERROR_ROOT)


def to_meta(module: nn.Module, *, force_copy: bool = False) -> nn.Module:
    """Return a module whose parameters and buffers are on the meta device; no data is copied.

    One that is there already stays the very same, unless ``force_copy`` asks for another.
    """
    tensors = (*module.parameters(), *module.buffers())
    if not force_copy and all(tensor.is_meta for tensor in tensors):
        return module
    memo: dict[int, Any] = {}
    for tensor in tensors:
        if is_lazy(tensor):
            lazy: Any = type(tensor)  # a parameter or a buffer without a shape yet
            memo[id(tensor)] = lazy(device="meta", dtype=tensor.dtype)
        else:
            empty = torch.empty_like(tensor, device="meta")
            is_parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return copy.deepcopy(module, memo)


def count_params(module: nn.Module) -> int:
    """Count the elements of the parameters whose size is known already."""
    return sum(p.numel() for p in module.parameters() if not is_lazy(p))


def first_shape(value: Any) -> Shape | None:
    """Return the shape of the first tensor in a value, or None."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        value = list(value.values())
    found = map(first_shape, value) if isinstance(value, list | tuple) else ()
    return next((shape for shape in found if shape is not None), None)


def cache_key(cfg: Config, make: Callable[..., Any]) -> Hashable | None:
    """Return what tells bricks apart, None where a brick may behave otherwise the next time.

    Of a user's class nothing is remembered: it may be defined anew, or read what has changed.
    """
    try:
        return (make, hashable_config(cfg)) if is_library_object(make) else None
    except TypeError:
        return None


def is_library_object(make: Any) -> bool:
    """Whether a class or function is of torch or of this package."""
    module = getattr(unwrap_partial(make), "__module__", None) or ""
    return module.partition(".")[0] in LIBRARY_PACKAGES


def hashable_config(value: Any) -> Hashable:
    """Return a hashable stand-in for a value of a config; TypeError for what has none."""
    if isinstance(value, Mapping):
        kind = value.get("type")
        meanings = [family.get(kind) for family in kinds().values()] if type(kind) is str else []
        if not all(is_library_object(make) for make in meanings if make is not None):
            raise TypeError("a class of the user's")
        return (dict, *((key, hashable_config(part)) for key, part in value.items()))
    if type(value) in (list, tuple):
        return (type(value), *map(hashable_config, value))
    if value is None or type(value) in (bool, int, float, str, torch.dtype):
        return (type(value), value)
    if isinstance(value, type) and is_library_object(value):
        return value
    raise TypeError("a value that may change")
