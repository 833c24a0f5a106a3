"""How long work in a thread is cancelled: between two layers, between two calls of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brickbook.measure.probe import collect_tensors

__all__ = ["Cancelled", "ProgressCallback", "cancel_between_calls", "cancel_between_layers"]

# Gets what is done, of how much; False says that the work is cancelled.
ProgressCallback = Callable[[int, int], bool]


class Cancelled(BaseException):
    """Raised inside of a cancelled task; code that catches errors lets it pass."""


class CancellationHooks:
    """Counts the layers that have run, forward and back, and raises once the work is cancelled."""

    def __init__(self, report_progress: ProgressCallback, total: int) -> None:
        self.report_progress, self.total, self.done = report_progress, total, 0

    def __call__(self, count: int = 1) -> None:
        """Count; raise Cancelled if the result is not needed any more."""
        self.done += count
        if not self.report_progress(min(self.done, self.total), self.total):
            raise Cancelled


@contextmanager
def cancel_between_layers(model: nn.Module, report_progress: ProgressCallback) -> Iterator[None]:
    """Report progress around every layer that a model runs inside the block, forward and back.

    A layer that runs is not interrupted. The hooks are gone afterwards; layers of a model compiled
    to TorchScript are not seen.

    Args:
        model: The model that runs inside the block.
        report_progress: Called with the layers that have run and their number. Where it returns
            False, `Cancelled` is raised out of the run.
    """
    parts = [part for part in model.modules() if not isinstance(part, torch.jit.ScriptModule)]
    leaves = [part for part in parts if next(part.children(), None) is None]
    count = CancellationHooks(report_progress, 2 * len(leaves))

    def before(_part: nn.Module, _args: object) -> None:
        count(0)

    def after(_part: nn.Module, _args: object, output: Any) -> None:
        count()
        for value in collect_tensors(output)[:1]:
            if isinstance(value, Tensor) and value.requires_grad:
                value.register_hook(lambda _: count())

    handles = [part.register_forward_pre_hook(before) for part in parts]
    handles += [part.register_forward_hook(after) for part in leaves]
    try:
        count(0)
        yield
    finally:
        for handle in handles:
            handle.remove()


class CancellationMode(TorchFunctionMode):
    """Calls ``check`` before every function of torch with a tensor, in this thread."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        """Check, then call the function."""
        if args and isinstance(args[0], Tensor):  # the end of the mode itself must not raise
            self.check()
        return func(*args, **(kwargs or {}))


@contextmanager
def cancel_between_calls(report_progress: ProgressCallback) -> Iterator[None]:
    """Call ``report_progress(0, 0)`` before every function of torch inside the block.

    Where it returns False, `Cancelled` is raised. This is for code that reads many tensors.
    """
    with CancellationMode(CancellationHooks(report_progress, 0)):
        yield
