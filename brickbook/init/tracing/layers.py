"""The layers of a traced model, without memory: what rules are planned on."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["without_memory"]


def without_memory(model: nn.Module) -> nn.Module | None:
    """Return the same layers with other tensors, on the meta device; None where torch has no such.

    Only modules, parameters and buffers are copied, anything else is shared: it is planned on, and
    never run or changed.
    """
    if any(isinstance(part, torch.jit.ScriptModule) for part in model.modules()):
        return None
    try:
        with torch.no_grad():
            return copied(model, {})
    except Exception:  # a class that forbids it: a history is there all the same
        return None


def copied(module: nn.Module, made: dict[int, Any]) -> nn.Module:
    """Return a copy of a module and of those inside; what stands twice is one again."""
    if id(module) in made:
        return made[id(module)]
    twin = cast("nn.Module", object.__new__(type(module)))
    made[id(module)] = twin
    vars(twin).update(vars(module))
    own = vars(twin)
    for kind in ("_parameters", "_buffers"):
        tensors: dict[str, Tensor | None] = getattr(module, kind)
        own[kind] = {key: tensor_like(tensor, made) for key, tensor in tensors.items()}
    own["_modules"] = {
        key: None if child is None else copied(child, made)
        for key, child in module._modules.items()
    }
    for key, value in vars(module).items():
        if isinstance(value, Tensor):
            own[key] = tensor_like(value, made)
    return twin


def tensor_like(tensor: Tensor | None, made: dict[int, Any]) -> Tensor | None:
    """Return a tensor of the same shape, dtype and class without memory."""
    if tensor is None or is_lazy(tensor):
        return tensor
    if id(tensor) not in made:
        twin = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, nn.Parameter):
            twin = nn.Parameter(twin, tensor.requires_grad)
            if type(tensor) is not nn.Parameter:
                twin.__class__ = type(tensor)  # pyright: ignore[reportAttributeAccessIssue]
        made[id(tensor)] = twin
    return made[id(tensor)]
