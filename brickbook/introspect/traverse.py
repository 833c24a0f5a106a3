"""Walks over the modules and tensors of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError, NoSuchModuleError, Sentence, format_value, nearest
from brickbook.introspect.names import plain_module_name, unwrap

__all__ = [
    "block_of",
    "find_blocks",
    "find_parents",
    "meta_attributes",
    "post_order",
    "tensors_in",
    "walk",
]


def post_order(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) children first, as ``nn.Module.apply`` visits them, each module once."""
    seen = {module}
    stack = [(prefix, module, iter(module._modules.items()))]
    while stack:
        name, part, children = stack[-1]
        for key, child in children:
            if child is None or child in seen:
                continue
            seen.add(child)
            below = f"{name}.{key}" if name else key
            if child._modules:
                stack.append((below, child, iter(child._modules.items())))
                break
            yield below, child
        else:
            stack.pop()
            yield name, part


MAX_NAME_LENGTH = 10_000  # letters of a name; recursion ends far sooner
CONTAINERS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) as ``named_modules`` does, shared modules once under each name.

    Raises:
        ValueError: A module contains itself: it has names without end.
    """
    stack = [("", model)]
    while stack:
        name, part = stack.pop()
        if len(name) > MAX_NAME_LENGTH:
            raise BadValueError("model", f"{type(part).__name__} contains itself: {name[:40]}...")
        yield name, part
        if part._modules:
            below = [(k, m) for k, m in part._modules.items() if m is not None]
            stack += [(f"{name}.{key}" if name else key, child) for key, child in reversed(below)]


def find_parents(model: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Return (module, key of the next one) from the model down to the part of a plain name.

    Raises:
        KeyError: There is no such part.
    """
    found: list[tuple[nn.Module, str]] = []
    part = unwrap(model)
    for key in name.split(".") if name else ():
        found.append((part, key))
        child = part._modules[key]
        if child is None:
            raise KeyError(name)
        part = unwrap(child)
    return found


def find_blocks(model: nn.Module, pattern: str, path: str) -> list[str]:
    """Return the plain names of the blocks that ``pattern`` means, in the model's order.

    Args:
        model: any module.
        pattern: the name of a ModuleList, Sequential or ModuleDict, for its children; or a glob
            with ``*``, ``?`` or ``[...]``, for the modules it matches. Each key between dots is
            one level: ``stages.*.blocks.*`` is every block of every stage and nothing inside.
        path: the key of the config that errors name.

    Raises:
        NoSuchModuleError: there is no such module.
        BadValueError: it contains no blocks.
    """
    if len(pattern) > MAX_NAME_LENGTH:
        problem = Sentence("{name} is longer than any name.", name=format_value(pattern))
        raise BadValueError(path, problem)
    pattern = plain_module_name(pattern)
    found = match_levels(model, pattern)
    kind = type(unwrap(model)).__name__
    if not found:
        known = {plain_module_name(name) for name, _ in model.named_modules()} - {""}
        head = re.split(r"\.?[*?[]", pattern)[0]
        problem = Sentence("{model} has no module {name}.", model=kind, name=repr(pattern))
        raise NoSuchModuleError(path, problem, nearest(head, known))
    if any(sign in pattern for sign in "*?["):
        return [name for name, _ in found]
    name, part = found[0]
    if not isinstance(part, CONTAINERS):
        raise BadValueError(
            path,
            Sentence(
                "{name} is a {type}, not a list of blocks.",
                name=repr(name),
                type=type(part).__name__,
            ),
            Sentence(
                "Give a ModuleList or Sequential, or a glob such as {glob}.", glob=f"'{name}.*'"
            ),
        )
    if not len(part):
        raise BadValueError(path, Sentence("{name} has no blocks.", name=repr(name)))
    return [f"{name}.{key}" for key in part._modules]


def match_levels(model: nn.Module, pattern: str) -> list[tuple[str, nn.Module]]:
    """Return (plain name, module) of what a pattern matches, level by level."""
    level = [("", unwrap(model))]
    for key_pattern in pattern.split("."):
        level = [
            (f"{name}.{key}" if name else key, unwrap(child))
            for name, part in level
            for key, child in part._modules.items()
            if child is not None and fnmatchcase(key, key_pattern)
        ]
    return level


def block_of(name: str, positions: Mapping[str, int]) -> int | None:
    """Return the position of the block that contains a tensor; None if none does.

    >>> block_of("h.1.mlp.c_proj.weight", {"h.0": 0, "h.1": 1, "h.10": 2})
    1
    """
    keys = name.split(".")
    around = (".".join(keys[:end]) for end in range(1, len(keys)))
    return next((positions[block] for block in around if block in positions), None)


def tensors_in(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module and below, under all of their names."""
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def meta_attributes(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield (module, key, tensor) of meta tensors that are neither parameter nor buffer."""
    for part in model.modules():
        for key, value in vars(part).items():
            if isinstance(value, Tensor) and value.is_meta and not is_lazy(value):
                yield part, key, value
