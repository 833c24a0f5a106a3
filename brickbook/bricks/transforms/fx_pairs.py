"""Which module takes which one's output: ``forward`` followed by torch.fx, as far as it goes."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import fx, nn

__all__ = ["ModulePair", "find_pairs"]

ModuleTest = Callable[[nn.Module], bool]
CONCRETE_TYPES = (bool, int, float, str, type(None))


class ModulePair(NamedTuple):
    """Two modules, the second of which alone takes what the first gives, in all their calls.

    All their calls are seen that the ``forward`` of ``scope`` makes.
    """

    scope: nn.Module
    first: nn.Module
    second: nn.Module


class CallTracer(fx.Tracer):
    """Records the calls of chosen modules, or of all that a ``forward`` calls itself."""

    def __init__(self, leaf_test: ModuleTest | None) -> None:
        super().__init__()
        self.leaf_test = leaf_test

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a call is recorded as one."""
        if self.leaf_test is None or self.leaf_test(m):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def find_pairs(
    module: nn.Module,
    first: ModuleTest,
    second: ModuleTest,
    pairs: list[ModulePair],
    untraceable: list[str],
    name: str = "",
) -> None:
    """Find the pairs of a first and a second module; ``lost`` gets the names of what hides some.

    The whole is followed where it can be, else what it calls itself, and then its parts.
    """
    graph, deep = None, True
    if is_traceable(module) and contains(module, second):
        graph = trace_calls(module, lambda part: first(part) or second(part))
        if graph is None:
            graph, deep = trace_calls(module, None), False
        own = tuple(module.children())
        if graph is None and any(map(first, own)) and any(map(second, own)):
            untraceable.append(name)
    called = set()
    if graph is not None:
        called = {str(node.target) for node in graph.nodes if node.op == "call_module"}
        pairs += pairs_in(module, graph, first, second)
    for key, child in module.named_children():
        hidden = deep and any(f"{path}.".startswith(f"{key}.") for path in called)
        if not hidden:
            find_pairs(child, first, second, pairs, untraceable, f"{name}.{key}" if name else key)


def is_traceable(module: nn.Module) -> bool:
    """Whether a module can be called, and followed."""
    scripted = isinstance(module, torch.jit.ScriptModule)
    return not scripted and type(module).forward is not nn.Module.forward


def contains(module: nn.Module, test: ModuleTest) -> bool:
    """Whether some part of a module passes a test."""
    return any(part is not module and test(part) for part in module.modules())


def trace_calls(module: nn.Module, leaf_test: ModuleTest | None) -> fx.Graph | None:
    """Return the calls that a module's ``forward`` makes in evaluation, None if it hides them."""
    try:
        flags = {
            key: item.default
            for key, item in signature(module.forward).parameters.items()
            if item.default is not item.empty and isinstance(item.default, CONCRETE_TYPES)
        }
        with temporarily_evaluating(module), torch.no_grad():
            return CallTracer(leaf_test).trace(module, concrete_args=flags)
    except Exception:  # whatever somebody's code says to a value that stands for any tensor
        return None


@contextmanager
def temporarily_evaluating(module: nn.Module) -> Iterator[None]:
    """Put a model in evaluation for a while; keep what its ``forward`` writes on it away."""
    parts = list(module.modules())
    kept = [dict(vars(part)) for part in parts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for part in parts:
                part.training = False
                if "efficient_conv_bn_eval" in vars(part):  # computes without a call of the norm
                    vars(part)["efficient_conv_bn_eval"] = False
            yield
        finally:
            for part, own in zip(parts, kept, strict=True):
                vars(part).clear()
                vars(part).update(own)


def pairs_in(
    scope: nn.Module, graph: fx.Graph, first: ModuleTest, second: ModuleTest
) -> Iterator[ModulePair]:
    """Yield the pairs of a graph."""
    parts = dict(scope.named_modules())
    calls: dict[str, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.op == "call_module":
            calls[str(node.target)].append(node)
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    for name, made in calls.items():
        takers = {sole_consumer(call) for call in made}
        taker = takers.pop()
        if takers or taker is None or len(calls[taker]) != len(made):
            continue
        here = (name, taker)
        apart = not any(is_inside_called(path, calls) or path in read for path in here)
        if apart and first(parts[name]) and second(parts[taker]):
            yield ModulePair(scope, parts[name], parts[taker])


def sole_consumer(call: fx.Node) -> str | None:
    """Return the module that alone takes a call's output, and nothing else."""
    if len(call.users) != 1:
        return None
    (user,) = call.users
    alone = user.op == "call_module" and user.args == (call,) and not user.kwargs
    return str(user.target) if alone else None


def is_inside_called(path: str, calls: Any) -> bool:
    """Whether a module stands in one that is called as a whole, and may call it too."""
    return any(path.startswith(f"{name}.") for name in calls)
