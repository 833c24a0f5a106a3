"""What a forward does by functions: watched while a probe runs, for no module tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["FunctionCalls"]

SET_REQUIRES_GRAD = Tensor.requires_grad.__set__  # pyright: ignore[reportAttributeAccessIssue]


class FunctionCalls(TorchFunctionMode):
    """Watches torch's functions in a forward.

    The inputs that a probe hands on are no leaves. Where a model sets their ``requires_grad``,
    which torch allows of leaves alone, it gets what it would get in training.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function."""
        if func == SET_REQUIRES_GRAD and not args[0].is_leaf:
            return args[0].requires_grad_() if args[1] else args[0].detach_()
        return func(*args, **(kwargs or {}))
