"""Modules that hold a model and add a word to its names: taken off, in models and in files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from brickbook.checkpoint.state import State, renamed
from brickbook.registry import Registry

__all__ = ["MODULE_WRAPPERS", "is_module_wrapper", "plain_names", "unwrapped"]

MODULE_WRAPPERS = Registry("module wrapper")
MODULE_WRAPPERS.register_module(module=DataParallel)
MODULE_WRAPPERS.register_module(module=DistributedDataParallel)
# By name, as these classes are slow to import, and the attribute with the model.
KNOWN = {"OptimizedModule": "_orig_mod", "CheckpointWrapper": "_checkpoint_wrapped_module"}
# No module has a child of such a name but for a wrapper; "module" may be a name of the model's own.
ODD = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.")
MODULE = re.compile(r"(?:^|(?<=\.))module\.")


def is_module_wrapper(module: nn.Module) -> bool:
    """Whether a module holds the model in its ``module``: DataParallel, or a registered class."""
    return isinstance(module, tuple(MODULE_WRAPPERS.module_dict.values()))


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the model in a DataParallel, a compiled module, or what is in ``MODULE_WRAPPERS``."""
    while True:
        key = "module" if is_module_wrapper(module) else KNOWN.get(type(module).__name__)
        inner = getattr(module, key, None) if key else None
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def plain_names(state: State, wanted: Collection[str]) -> State:
    """Return a state dict without the words that wrappers put into its names.

    ``wanted`` are the names of the model: one that has a part called ``module`` keeps that word.

    >>> from collections import OrderedDict
    >>> list(plain_names(OrderedDict({"module.a._orig_mod.b": 1}), {"a.b"}))
    ['a.b']
    """
    words = (ODD,) if any(MODULE.search(name) for name in wanted) else (ODD, MODULE)
    names: dict[str, str] = {}
    taken = set(state)
    for name in state:
        bare = without(words, name)
        if bare != name and bare not in taken:
            taken.add(bare)
            names[name] = bare
    if not names:
        return state
    # Of modules, of which the metadata has the names, there is none in the state itself.
    kept = taken.difference(names)
    return renamed(state, lambda name: name if name in kept else without(words, name), "state_dict")


def without(words: Iterable[re.Pattern[str]], name: str) -> str:
    """Return a name without words."""
    for word in words:
        name = word.sub("", name)
    return name
