"""The flow of a run: which call gave each tensor, by the tensors themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from brickbook.blueprint import running_fault
from brickbook.measure.network.calls import Call, CallLog, shapes_of, shapes_of_tensors
from brickbook.measure.network.families import (
    JOINS_NOTHING,
    family_of_function,
    is_leaf,
    plain_function_name,
)
from brickbook.measure.network.records import Shape
from brickbook.measure.probe import Batch, collect_tensors

__all__ = ["FlowRecorder", "fault_text"]


class RunningCall(NamedTuple):
    """A module that is running."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]


def batch_norm_fits(given: Tensor, *tensors: Any, **options: Any) -> bool:
    """Whether the tensors of a batch norm are as long as its input has channels."""
    values = (*tensors, *options.values())
    sizes = {value.numel() for value in values if isinstance(value, Tensor)}
    return given.dim() > 1 and sizes <= {given.shape[1]}


def layer_norm_fits(given: Tensor, shape: Sequence[int], *_: object, **__: object) -> bool:
    """Whether the input of a layer norm ends as it does."""
    return tuple(given.shape[-len(shape) :]) == tuple(shape)


# Norms give what they take. On the meta device torch computes each by a dozen operations in Python.
NORM_FITS: Mapping[Any, Callable[..., bool]] = {
    nn.functional.batch_norm: batch_norm_fits,
    nn.functional.layer_norm: layer_norm_fits,
}


def run_function(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run a function; of a norm on the meta device what it gives is known."""
    fits = NORM_FITS.get(func)
    if fits is not None and args and args[0].is_meta and fits(*args, **kwargs):
        return torch.empty_like(args[0])
    return func(*args, **kwargs)


class FlowRecorder(TorchFunctionMode):
    """Records the calls of a model's modules, and the functions between them that matter.

    ``made`` has the places of the calls that each tensor comes from: several where a function that
    is not drawn has joined them. What neither a module nor a function of torch makes, as a custom
    ``autograd.Function`` in a module's own ``forward``, comes from nowhere.
    """

    def __init__(self, model: nn.Module, batch: Batch) -> None:
        super().__init__()
        self.model, self.log = model, CallLog()
        self.stack: list[RunningCall] = []
        self.handles: list[Any] = []
        self.made: Any = WeakTensorKeyDictionary()
        self.leaf_depth = self.entered = 0
        for tensor in collect_tensors((list(batch.args), dict(batch.kwargs or {}))):
            at = self.log.add(Call("", "input", "input", "input"))
            self.log.calls[at].output = shapes_of_tensors([tensor])
            self.made[tensor] = frozenset({at})

    def __enter__(self) -> FlowRecorder:
        self.entered += 1
        for name, module in self.model.named_modules():
            entering = module.register_forward_pre_hook(self.on_enter(name), with_kwargs=True)
            leaving = module.register_forward_hook(self.on_exit, with_kwargs=True)
            self.handles += [entering, leaving]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        self.entered -= 1
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def on_enter(self, name: str) -> Callable[..., None]:
        """Return a hook for the time before a module runs."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            while self.leaf_depth and not self.runs_within(module):
                self.leave()  # it has failed, and the model has caught that
            tensors = collect_tensors((args, kwargs))
            self.stack.append(RunningCall(module, name, shapes_of_tensors(tensors)))
            if not self.leaf_depth:
                at = self.log.add_module(name, module)
                call = self.log.calls[at]
                call.input = shapes_of_tensors(tensors)
                if call.part == "module":
                    call.sources = set().union(*map(self.sources_of, tensors))
                self.log.running.append(at)
            self.leaf_depth += is_leaf(module)

        return hook

    def on_exit(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        """Note what a module returns."""
        at, ended = self.leave()
        while ended is not module:  # as above
            at, ended = self.leave()
        if self.leaf_depth:
            return None
        self.log.calls[at].output = shapes_of(output)
        if not is_leaf(module):
            return None
        taken, replaced = collect_tensors((args, kwargs)), None
        unchanged = isinstance(output, Tensor) and not getattr(module, "inplace", False)
        if unchanged and any(output is one for one in taken):
            # The same tensor, as of an Identity: others may take what went in.
            output = replaced = output.detach()
        for tensor in collect_tensors(output):
            self.made[tensor] = frozenset({at})
        return replaced

    def runs_within(self, module: nn.Module) -> bool:
        """Whether a module belongs to the layer that runs."""
        layer = next(call.part for call in self.stack if is_leaf(call.part))
        return any(part is module for part in layer.modules())

    def leave(self) -> tuple[int, nn.Module]:
        """Take the innermost module off the stack; return the place of its call, and itself."""
        ended = self.stack.pop().part
        self.leaf_depth -= is_leaf(ended)
        return -1 if self.leaf_depth else self.log.running.pop(), ended

    def sources_of(self, tensor: Tensor) -> frozenset[int]:
        """Return the places of the calls that a tensor comes from."""
        return self.made.get(tensor, frozenset())

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function, and note where its tensors come from."""
        kwargs = kwargs or {}
        if not self.entered or self.leaf_depth:
            return run_function(func, args, kwargs)
        name = plain_function_name(func)
        taken = collect_tensors((list(args), dict(kwargs)))
        found = list(dict.fromkeys(filter(None, map(self.sources_of, taken))))
        if name in JOINS_NOTHING:
            found = found[:1]
        sources: set[int] = set().union(*found)
        try:
            output = run_function(func, args, kwargs)
        except Exception:
            if sources and name != "get":
                call = self.log.calls[self.log.add_function(name, sources)]
                call.input, call.state = shapes_of_tensors(taken), "error"
            raise
        if not sources:
            return output
        made = collect_tensors(output)
        if name == "setitem":
            made = collect_tensors(list(args[:1]))
        drawn = family_of_function(name) is not None or (len(found) > 1 and bool(made))
        if drawn:
            at = self.log.add_function(name, sources)
            call = self.log.calls[at]
            call.input, call.output = shapes_of_tensors(taken), shapes_of_tensors(made)
            sources = {at}
        for tensor in made:
            self.made[tensor] = frozenset(sources)
        return output

    def fail(self, error: Exception) -> None:
        """Note where the run has stopped: in a function, a layer, or a module's own ``forward``."""
        calls = self.log.calls
        at = len(calls) - 1
        if not (calls and calls[at].state == "error"):
            at = self.log.running[-1] if self.log.running else 0
        if at < len(calls):
            calls[at].state, calls[at].error = "error", fault_text(error, calls[at])

    def succeed(self) -> None:
        """Forget errors that the model has caught."""
        for call in self.log.calls:
            call.state = "ok"


def fault_text(error: Exception, call: Call) -> str:
    """Say what a layer takes and what it gets, or what the error says."""
    shape = call.input[0] if call.input else ()
    own = vars(call.module) if call.module is not None and call.part == "module" else {}
    return str(running_fault(error, own, shape[1:]).text)
