"""The flow of a symbolic trace: ``torch.fx`` proxies instead of tensors, nothing runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, Node, Tracer

from brickbook.blueprint import to_meta
from brickbook.errors import BadValueError
from brickbook.measure.network.calls import Call, CallLog
from brickbook.measure.network.families import (
    JOINS_NOTHING,
    family_of_function,
    plain_function_name,
)

__all__ = ["trace_flow"]

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def trace_flow(model: nn.Module) -> CallLog:
    """Send proxies through a copy of a model on the meta device.

    Raises:
        Exception: Whatever a ``forward`` raises that asks a proxy for its values or its shape.
    """
    twin = to_meta(model, force_copy=True)
    for part in twin.modules():
        part.training = False
    with torch.device("meta"), torch.no_grad():
        return FlowTracer(twin).run()


class FlowTracer(Tracer):
    """A tracer that makes its calls within a copy of the model alone.

    `torch.fx.Tracer.trace` replaces ``nn.Module.__call__`` for the whole process meanwhile, so that
    a training in another thread would fail; here every module of the copy has its own ``forward``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.log = model, CallLog()
        self.root = model
        self.graph = Graph(tracer_cls=FlowTracer)
        self.tensor_attrs = {}
        self.made: dict[Node, frozenset[int]] = {}
        self.leaf_depth = 0

    def run(self) -> CallLog:
        """Trace, and return the calls."""
        names: dict[int, str] = {}
        for name, module in self.model.named_modules():
            names[id(module)] = name
        inputs = self.make_inputs()  # by the signature that the user's forward has
        for module in self.model.modules():
            forward = partial(self.run_module, names[id(module)], module, module.forward)
            vars(module)["forward"] = forward
        self.model(**inputs)
        return self.log

    def make_inputs(self) -> dict[str, Any]:
        """Return a proxy for each argument of ``forward`` that has no default."""
        signature = inspect.signature(self.model.forward)
        found = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind in VARIADIC:
                raise BadValueError(name, "forward takes any number of arguments.")
            if parameter.default is parameter.empty:
                found[name] = proxy = self.create_proxy("placeholder", name, (), {})
                at = self.log.add(Call(name, "input", "input", "input"))
                self.made[proxy.node] = frozenset({at})
        return found

    def run_module(
        self, name: str, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Record a module's call; a layer gives a proxy, others run as they are written."""
        at = self.log.add_module(name, module)
        if self.log.calls[at].part == "group":
            self.log.running.append(at)
            output = forward(*args, **kwargs)
            self.log.running.pop()
            return output
        proxy = self.create_proxy("call_module", name, args, kwargs)
        self.log.calls[at].sources = set().union(*self.sources_of(proxy.node))
        self.made[proxy.node] = frozenset({at})
        return proxy

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> Node:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Record a function's call."""
        node = super().create_node(kind, target, *args, **kwargs)
        if kind in ("call_function", "call_method"):
            name = plain_function_name(target)
            found = self.sources_of(node)
            if name in JOINS_NOTHING:
                found = found[:1]
            sources: frozenset[int] = frozenset().union(*found)
            if sources and (family_of_function(name) is not None or len(found) > 1):
                sources = frozenset({self.log.add_function(name, set(sources))})
            self.made[node] = sources
        return node

    def sources_of(self, node: Node) -> list[frozenset[int]]:
        """Return the places of the calls that a node takes, each set once."""
        found = (self.made.get(source, frozenset()) for source in node.all_input_nodes)
        return list(dict.fromkeys(filter(None, found)))
