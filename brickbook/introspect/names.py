"""Modules that hold a model (DDP, compile, FSDP, checkpointing), and names without them."""

from __future__ import annotations

import re

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from brickbook.registry import Registry

__all__ = [
    "MODULE_WRAPPERS",
    "class_name",
    "gathers_parameters",
    "has_module_part",
    "is_module_wrapper",
    "plain_module_name",
    "plain_name",
    "unwrap",
    "unwrap_model",
]

# The word that a wrapper puts into names is its attribute that holds the model. By class name where
# the class is slow to import; the wrappers of `MODULE_WRAPPERS` say "module".
MODULE_WORD = "module"
WORD_OF_CLASS = {
    "OptimizedModule": "_orig_mod",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
ALL_WORDS = (MODULE_WORD, *WORD_OF_CLASS.values())


def prefix_pattern(*words: str) -> re.Pattern[str]:
    """Return what finds these words, as parts of a dotted name that has more behind them."""
    return re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(words)})\.")


ANY_WRAPPER = prefix_pattern(*ALL_WORDS)
MODULE_PREFIX = prefix_pattern(MODULE_WORD)
# No module of a model has a child of such a name, whereas "module" may be a name of its own.
SURE_WRAPPER = prefix_pattern(*WORD_OF_CLASS.values())

MODULE_WRAPPERS = Registry("module wrapper")
MODULE_WRAPPERS.register_module(module=DataParallel)
MODULE_WRAPPERS.register_module(module=DistributedDataParallel)


def plain_name(name: str, *, keep_module: bool = False) -> str:
    """Return a parameter's name without the prefixes that wrappers add.

    Args:
        name: The dotted name.
        keep_module: Leave "module", where a model has a part of that name.

    >>> plain_name("module._orig_mod.backbone._fsdp_wrapped_module.conv1.weight")
    'backbone.conv1.weight'
    >>> plain_name("module._orig_mod.weight", keep_module=True)
    'module.weight'
    """
    return (SURE_WRAPPER if keep_module else ANY_WRAPPER).sub("", name)


def has_module_part(name: str) -> bool:
    """Whether a part of a dotted name is "module", and more stands behind it."""
    return MODULE_PREFIX.search(name) is not None


def plain_module_name(name: str) -> str:
    """Return a module's name without the names of wrappers, also where it is one.

    >>> plain_module_name("module.layer1._orig_mod")
    'layer1'
    """
    return plain_name(f"{name}.").rstrip(".")


def gathers_parameters(module: nn.Module) -> bool:
    """Whether FSDP2 (``fully_shard``) gathers the parameters of a module when it runs."""
    return any(base.__name__ == "FSDPModule" for base in type(module).__mro__)


def class_name(module: nn.Module) -> str:
    """Return the name of a module's class: "Linear" too where FSDP2 has made it FSDPLinear."""
    bases = type(module).__bases__
    if len(bases) == 2 and bases[0].__name__ == "FSDPModule":
        return bases[1].__name__
    return type(module).__name__


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside of wrappers, or the module itself, as names tell it.

    A module whose only child has a wrapper's word for a name is one, whatever its class: names
    leave that word out. `unwrap_model` asks for the class instead.
    """
    while len(module._modules) == 1:
        key, child = next(iter(module._modules.items()))
        if key not in ALL_WORDS or child is None:
            break
        module = child
    return module


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the model inside of wrappers, or the model itself, as classes tell it.

    Known are compiled modules, checkpoint wrappers and what is in `MODULE_WRAPPERS`, but not FSDP:
    its model does not run, and has no whole weights, without it. A user's model that has a single
    child called ``module`` is no wrapper: it runs, and is saved, as a whole.
    """
    while True:
        word = wrapper_word(model)
        inner = getattr(model, word, None) if word else None
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def wrapper_word(module: nn.Module) -> str | None:
    """Return the attribute of a wrapper that holds the model; None for another module."""
    if is_module_wrapper(module):
        return MODULE_WORD
    name = type(module).__name__
    return None if name == "FullyShardedDataParallel" else WORD_OF_CLASS.get(name)


def is_module_wrapper(module: nn.Module) -> bool:
    """Whether a module holds the model in its ``module``: DataParallel, or a registered class."""
    return isinstance(module, tuple(MODULE_WRAPPERS.module_dict.values()))
