"""The kinds of layers that presets tell apart: projections, embeddings, norms, blocks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.introspect import class_names, is_norm_layer

__all__ = [
    "covering_class_names",
    "has_weight",
    "is_embedding",
    "is_projection",
    "last_biased_projection",
    "residual_blocks",
]


def has_weight(module: nn.Module) -> bool:
    """Whether a module has a weight parameter of its own."""
    return module._parameters.get("weight") is not None


def is_embedding(module: nn.Module) -> bool:
    """Whether a module's weight is a table of vectors."""
    return isinstance(module, (nn.Embedding, nn.EmbeddingBag))


def is_projection(module: nn.Module) -> bool:
    """Whether a module's weight mixes inputs: two or more dimensions, and no table of vectors."""
    weight = module._parameters.get("weight")
    if weight is None or is_embedding(module) or is_norm_layer(module):
        return False
    return is_lazy(weight) or weight.dim() > 1


def residual_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the residual blocks of a model, as far as they can be recognised: two norms and a sum.

    That is: modules, no plain containers, with two or more norms with weights among their children.
    """
    return [
        part
        for part in model.modules()
        if not isinstance(part, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
        and part is not model
        and sum(is_norm_layer(child) and has_weight(child) for child in part.children()) > 1
    ]


def covering_class_names(modules: Sequence[nn.Module]) -> list[str]:
    """Return the classes of some modules by name, without those that another one covers."""
    kinds = dict.fromkeys(type(part) for part in modules)
    known = {kind.__name__ for kind in kinds}
    return list(
        dict.fromkeys(
            kind.__name__ for kind in kinds if not known.intersection(class_names(kind)[1:])
        )
    )


def last_biased_projection(model: nn.Module) -> str:
    """Return the name of the last projection that has a bias, "" if there is none."""
    found = [
        name
        for name, part in model.named_modules()
        if name and is_projection(part) and part._parameters.get("bias") is not None
    ]
    return found[-1] if found else ""
