"""Which modules a rule speaks of: by class, through every ancestor below ``nn.Module``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["class_names", "is_norm_layer", "known_classes", "matches", "post_order"]

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@lru_cache(maxsize=4096)
def class_names(kind: type) -> tuple[str, ...]:
    """Return the names a module class answers to: its own and its ancestors' below ``nn.Module``.

    mmcv knows the direct bases only, so ``layer='_BatchNorm'`` meets ``nn.SyncBatchNorm`` and
    classes derived from ``nn.BatchNorm2d`` here as well.

    >>> class_names(nn.Conv2d)
    ('Conv2d', '_ConvNd')
    """
    if not issubclass(kind, nn.Module):  # a duck-typed part
        return (kind.__name__,)
    own = kind.__mro__[: kind.__mro__.index(nn.Module)]
    return tuple(base.__name__ for base in own)


@lru_cache(maxsize=65536)
def matches_class(kind: type, layers: tuple[str | type, ...]) -> bool:
    """Whether modules of a class are meant by one of ``layers``."""
    names = class_names(kind)
    return any(
        layer in names if isinstance(layer, str) else issubclass(kind, layer) for layer in layers
    )


def matches(module: nn.Module, layers: Sequence[str | type]) -> bool:
    """Whether a module is meant by one of ``layers``: class names or classes."""
    return matches_class(type(module), tuple(layers))


def is_norm_layer(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer: its weight is a scale, not a projection."""
    return isinstance(module, NORMS)


def post_order(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) children first, as ``nn.Module.apply`` visits them, each module once."""
    seen: set[nn.Module] = set()
    stack = [(prefix, module, False)]
    while stack:
        name, part, done = stack.pop()
        if done:
            yield name, part
            continue
        if part in seen:
            continue
        seen.add(part)
        stack.append((name, part, True))
        stack.extend(
            (f"{name}.{key}" if name else key, child, False)
            for key, child in reversed(part._modules.items())
            if child is not None
        )


def known_classes(modules: Iterable[nn.Module]) -> set[str]:
    """Return every class name that a ``layer`` of these modules could be."""
    return {name for kind in {type(part) for part in modules} for name in class_names(kind)}
