"""Ways out of long work in a thread: between two layers of a model, between two steps of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brickbook.lab.worker import GoOn, Stopped
from brickbook.measure.batches import each_tensor

__all__ = ["between_layers", "between_steps"]


class Beats:
    """Counts the layers that have run, forward and back, and ends the work that is not wanted."""

    def __init__(self, go_on: GoOn, total: int) -> None:
        self.go_on, self.total, self.done = go_on, total, 0

    def __call__(self, count: int = 1) -> None:
        """Count; raise Stopped if nobody waits for the result any more."""
        self.done += count
        if not self.go_on(min(self.done, self.total), self.total):
            raise Stopped


@contextmanager
def between_layers(model: nn.Module, go_on: GoOn) -> Iterator[None]:
    """Ask ``go_on(done, total)`` around every layer that the model runs inside, forward and back.

    Where it returns False, `Stopped` is raised out of the run. One layer is not interrupted. The
    hooks are gone afterwards; what a model compiled to TorchScript runs is not seen.
    """
    parts = [part for part in model.modules() if not isinstance(part, torch.jit.ScriptModule)]
    leaves = [part for part in parts if next(part.children(), None) is None]
    beat = Beats(go_on, 2 * len(leaves))

    def before(_part: nn.Module, _given: object) -> None:
        beat(0)

    def after(_part: nn.Module, _given: object, output: Any) -> None:
        beat()
        for value in each_tensor(output)[:1]:
            if isinstance(value, Tensor) and value.requires_grad:
                value.register_hook(lambda _: beat())

    handles = [part.register_forward_pre_hook(before) for part in parts]
    handles += [part.register_forward_hook(after) for part in leaves]
    try:
        beat(0)
        yield
    finally:
        for handle in handles:
            handle.remove()


class Asking(TorchFunctionMode):
    """Calls ``ask`` before every function of torch that is called with a tensor in this thread."""

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__()
        self.ask = ask

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        """Ask, then do what was called."""
        if args and isinstance(args[0], Tensor):  # what sets a mode back must not be left out
            self.ask()
        return func(*args, **(kwargs or {}))


@contextmanager
def between_steps(go_on: GoOn) -> Iterator[None]:
    """Ask ``go_on(0, 0)`` before every function of torch that is called inside.

    Where it returns False, `Stopped` is raised. For code of our own that reads many tensors.
    """
    with Asking(Beats(go_on, 0)):
        yield
