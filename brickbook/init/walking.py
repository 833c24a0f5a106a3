"""Finding parts of a model by their plain names, through whatever wrappers stand in between."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from torch import nn

from brickbook.errors import BadValueError, NoSuchModuleError, nearest
from brickbook.init.matching import plain_name

__all__ = ["block_of", "blocks", "parents", "plain_module_name", "unwrapped", "walk"]

WRAPPER_KEYS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
LONGEST = 10_000  # letters of a name; recursion ends far sooner
CONTAINERS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) as ``named_modules`` does, shared modules once under each name.

    Raises ValueError for a module that contains itself: it has names without end.
    """
    stack = [("", model)]
    while stack:
        name, part = stack.pop()
        if len(name) > LONGEST:
            raise BadValueError("model", f"{type(part).__name__} contains itself: {name[:40]}...")
        yield name, part
        if part._modules:
            below = [(k, m) for k, m in part._modules.items() if m is not None]
            stack += [(f"{name}.{key}" if name else key, child) for key, child in reversed(below)]


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside of DDP, compile, FSDP and checkpointing, or the module itself."""
    while len(module._modules) == 1:
        key, child = next(iter(module._modules.items()))
        if key not in WRAPPER_KEYS or child is None:
            break
        module = child
    return module


def plain_module_name(name: str) -> str:
    """Return a module's name without the names of wrappers, also where it is one.

    >>> plain_module_name("module.layer1._orig_mod")
    'layer1'
    """
    return plain_name(f"{name}.").rstrip(".")


def parents(model: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Return (module, key of the next one) from the model down to the part of a plain name.

    Raises KeyError if there is no such part.
    """
    found: list[tuple[nn.Module, str]] = []
    part = unwrapped(model)
    for key in name.split(".") if name else ():
        found.append((part, key))
        child = part._modules[key]
        if child is None:
            raise KeyError(name)
        part = unwrapped(child)
    return found


def blocks(model: nn.Module, pattern: str, path: str) -> list[str]:
    """Return the plain names of the blocks that ``pattern`` means, in the model's order.

    A plain name is that of a ModuleList, Sequential or ModuleDict and means its children. With
    ``*``, ``?`` or ``[...]`` it means the modules it matches; each word between dots stands for
    one level, so that ``stages.*.blocks.*`` is every block of every stage and nothing inside.
    Raises RuntimeError if there is no such module, ValueError if it holds no blocks.
    """
    pattern = plain_module_name(pattern)
    found = matching(model, pattern)
    kind = type(unwrapped(model)).__name__
    if not found:
        known = {plain_module_name(name) for name, _ in model.named_modules()} - {""}
        head = re.split(r"\.?[*?[]", pattern)[0]
        raise NoSuchModuleError(path, f"{kind} has no module {pattern!r}.", nearest(head, known))
    if any(sign in pattern for sign in "*?["):
        return [name for name, _ in found]
    name, part = found[0]
    if not isinstance(part, CONTAINERS):
        raise BadValueError(
            path,
            f"{name!r} is a {type(part).__name__}, not a list of blocks.",
            f"Give a ModuleList or Sequential, or a glob such as '{name}.*'.",
        )
    if not len(part):
        raise BadValueError(path, f"{name!r} has no blocks.")
    return [f"{name}.{key}" for key in part._modules]


def matching(model: nn.Module, pattern: str) -> list[tuple[str, nn.Module]]:
    """Return (plain name, module) of what a pattern matches, level by level."""
    level = [("", unwrapped(model))]
    for word in pattern.split("."):
        level = [
            (f"{name}.{key}" if name else key, unwrapped(child))
            for name, part in level
            for key, child in part._modules.items()
            if child is not None and fnmatchcase(key, word)
        ]
    return level


def block_of(name: str, places: Mapping[str, int]) -> int | None:
    """Return the place of the block that a tensor stands in, None if it stands in none.

    >>> block_of("h.1.mlp.c_proj.weight", {"h.0": 0, "h.1": 1, "h.10": 2})
    1
    """
    words = name.split(".")
    around = (".".join(words[:end]) for end in range(1, len(words)))
    return next((places[block] for block in around if block in places), None)
