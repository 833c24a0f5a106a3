"""What of FSDP1 (``FullyShardedDataParallel``) is on this rank: parts without a place, or all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from brickbook.introspect.traverse import walk

__all__ = ["first_flat_shard", "summoned_ranks"]


FSDP1 = "torch.distributed.fsdp._flat_param"  # without it nobody has made a flat parameter


def is_flattened(tensor: Tensor) -> bool:
    """Whether a tensor is a flat parameter of FSDP1, or was made part of one."""
    return getattr(tensor, "_fsdp_flattened", False) is True


def flat_handles(model: nn.Module) -> Iterator[Any]:
    """Yield what the FSDP1 wrappers of a model know about their flat parameters."""
    for _, module in walk(model) if FSDP1 in sys.modules else ():
        handle = vars(module).get("_handle")
        if type(handle).__name__ == "FlatParamHandle":
            yield handle


def is_summoned(handle: Any) -> bool:
    """Whether ``summon_full_params`` shows whole parameters, on this rank, in place of a flat one.

    With ``rank0_only`` the other ranks have the state, but not the parameters.
    """
    summoned = handle._training_state.name == "SUMMON_FULL_PARAMS"
    flat = handle.flat_param
    kept = flat._params or ()  # None without use_orig_params
    return summoned and all(
        tensor.shape == shape for tensor, shape in zip(kept, flat._shapes, strict=False)
    )


def first_flat_shard(model: nn.Module) -> str | None:
    """Return the first parameter that FSDP1 keeps as a shard without a place; None without any.

    FSDP1 makes the parameters of a wrapper one flat one, and cuts that: with ``use_orig_params``
    too each rank has one-dimensional pieces, and only inside of ``summon_full_params`` the whole.
    """
    if FSDP1 not in sys.modules:
        return None
    flattened = [
        (f"{prefix}.{key}" if prefix else key, tensor)
        for prefix, module in walk(model)
        for key, tensor in module._parameters.items()
        if tensor is not None and is_flattened(tensor)
    ]
    if not flattened:
        return None
    handles = list(flat_handles(model))
    owners = {id(each): handle for handle in handles for each in handle.flat_param._params or ()}
    # All others are of one wrapper, around the model. A shard is one-dimensional.
    outer_is_whole = any(tensor.dim() > 1 for _, tensor in flattened if id(tensor) not in owners)
    for name, tensor in flattened:
        owner = owners.get(id(tensor))
        whole = is_summoned(owner) if owner is not None else outer_is_whole
        if not whole or getattr(tensor, "_is_flat_param", False):
            return name
    return None


def summoned_ranks(model: nn.Module) -> int:
    """Return over how many ranks FSDP1 spreads a model again after ``summon_full_params``.

    It is 1 where there is no FSDP1; with a part of a model alone, without the wrapper, too.
    """
    return max((handle.world_size for handle in flat_handles(model)), default=1)
