"""One brick on the meta device: what it gives, its parameters and its multiply-adds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from brickbook.blueprint.building import kinds, make_brick
from brickbook.blueprint.sizes import check_sizes
from brickbook.blueprint.slots import unwrapped
from brickbook.blueprint.wording import (
    Fault,
    Shape,
    building_fault,
    running_fault,
    sample,
)
from brickbook.errors import ConfigError
from brickbook.registry import Config

__all__ = ["ROOT", "Given", "Macs", "Outcome", "first_shape", "numel", "on_meta", "outcome_of"]

ROOT = "brick"
OURS = ("torch", "brickbook")


class Macs(TorchDispatchMode):
    """Counts the multiply-adds of matrix products, convolutions and attention, in this thread.

    Half the FLOPs of torch's formulas. `FlopCounterMode` would hook every module call of the
    process, those of a cell that trains in another thread as well.
    """

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and add what it costs."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out) // 2
        return out


class Given(NamedTuple):
    """What a brick is called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a brick gave, or why it did not; ``value`` is on the meta device."""

    value: Any = None
    params: int = 0
    macs: int = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class Question:
    """A brick of torch or of this package and its input: equal ones have one answer."""

    key: Hashable
    shape: Shape | None
    dtype: torch.dtype | None
    cfg: Config = field(compare=False)


def outcome_of(cfg: Config, make: Callable[..., Any], given: Given | None) -> Outcome:
    """Build a brick without memory and run it; without ``given`` only build it."""
    value = given.args[0] if given and given.args else None
    if given is not None and not (
        len(given.args) == 1
        and not given.kwargs
        and type(value) is Tensor
        and value.is_contiguous()
    ):
        return tried(cfg, given)
    key = key_of(cfg, make)
    if key is None:
        return tried(cfg, given)
    shape, dtype = (None, None) if value is None else (tuple(value.shape), value.dtype)
    found = remembered(Question(key, shape, dtype, cfg))
    if isinstance(found.value, Tensor):  # the next brick may change it in place
        return Outcome(found.value.detach(), found.params, found.macs)
    return found


@lru_cache(maxsize=1024)
def remembered(question: Question) -> Outcome:
    """Answer a question once."""
    if question.shape is None:
        return tried(question.cfg, None)
    value = torch.empty(question.shape, dtype=question.dtype, device="meta")
    return tried(question.cfg, Given((value,), {}))


def tried(cfg: Config, given: Given | None) -> Outcome:
    """Build and run a brick; whatever it raises is its fault."""
    with torch.no_grad(), torch.device("meta"):
        try:
            check_sizes(cfg, ROOT)
            module = on_meta(built_quietly(cfg)).eval()
        except Exception as error:  # a constructor may raise anything, and the list shows it
            return Outcome(fault=building_fault(error, cfg, ROOT))
        if given is None:
            return Outcome(params=numel(module))
        try:
            with Macs() as macs:
                value = module(*given.args, **given.kwargs)
        except Exception as error:
            got = sample(first_shape(given.args)) or ()
            return Outcome(params=numel(module), fault=running_fault(error, cfg, got))
        return Outcome(value, numel(module), macs.total)


def built_quietly(cfg: Config) -> nn.Module:
    """Build a brick without memory, and without a draw from the global generator.

    A constructor that reads values it has just made fails on the meta device: it runs on the
    CPU, and the generator's state is put back.
    """
    try:
        return make_brick(cfg, ROOT)
    except ConfigError:
        raise
    except Exception:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            return make_brick(cfg, ROOT)


def on_meta(module: nn.Module, *, twin: bool = False) -> nn.Module:
    """Return a module whose parameters and buffers are on the meta device; no data is copied.

    One that is there already stays the very same, unless a ``twin`` of it is wanted.
    """
    tensors = (*module.parameters(), *module.buffers())
    if not twin and all(tensor.is_meta for tensor in tensors):
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


def numel(module: nn.Module) -> int:
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


def key_of(cfg: Config, make: Callable[..., Any]) -> Hashable | None:
    """Return what tells bricks apart, None where a brick may behave otherwise the next time.

    Of a user's class nothing is remembered: it may be defined anew, or read what has changed.
    """
    try:
        return (make, frozen(cfg)) if is_ours(make) else None
    except TypeError:
        return None


def is_ours(make: Any) -> bool:
    """Whether a class or function is of torch or of this package."""
    module = getattr(unwrapped(make), "__module__", None) or ""
    return module.partition(".")[0] in OURS


def frozen(value: Any) -> Hashable:
    """Return a hashable stand-in for a value of a config; TypeError for what has none."""
    if isinstance(value, Mapping):
        kind = value.get("type")
        meanings = [family.get(kind) for family in kinds().values()] if type(kind) is str else []
        if not all(is_ours(make) for make in meanings if make is not None):
            raise TypeError("a class of the user's")
        return (dict, *((key, frozen(part)) for key, part in value.items()))
    if type(value) in (list, tuple):
        return (type(value), *map(frozen, value))
    if value is None or type(value) in (bool, int, float, str, torch.dtype):
        return (type(value), value)
    if isinstance(value, type) and is_ours(value):
        return value
    raise TypeError("a value that may change")
