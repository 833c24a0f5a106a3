"""Running a model to count its work: on the meta device, where that costs neither time nor memory.

Matrix products, convolutions and attention are counted, wherever they are called from, by the
formulas of ``torch.utils.flop_counter``; additions, activations and norms are not.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from brickbook.blueprint import MacCounter, to_meta
from brickbook.introspect import unwrap_model
from brickbook.measure.probe import (
    Batch,
    Shape,
    collect_tensors,
    grad_mode,
    map_tensors,
    preserved_state,
    run_forward,
    seeded_rng,
    without_compile,
)

__all__ = ["CostCounter", "CountedCall", "RunWatcher", "watch_run"]

W = TypeVar("W", bound="RunWatcher")
RECURRENT = (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)


class RunWatcher(AbstractContextManager[Any], Protocol):
    """What watches a run: ``stack`` are the modules that are running, see `run_forward`."""

    stack: list[Any]


@dataclass
class CountedCall:
    """A module that is running, with the count when it began and the share of its inner modules."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]
    total_before: int
    counted_inside: int = 0


class CostCounter(MacCounter):
    """Counts what each module of a model does itself, apart from what the modules in it do.

    ``macs`` are multiply-adds, ``bytes`` the memory of the tensors that modules return: each piece
    of memory counts once, for the innermost module that returns it, and what goes in not at all.
    """

    def __init__(self, model: nn.Module, given: Batch) -> None:
        super().__init__()
        self.model = model
        self.stack: list[CountedCall] = []
        self.macs: Counter[int] = Counter()
        self.bytes: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        self.outputs: dict[int, Shape] = {}
        self.handles: list[Any] = []
        # Weak references, so that no address is taken for a piece of memory that has gone.
        self.counted_storages: dict[int, StorageWeakRef] = {}
        for tensor in (*model.parameters(), *model.buffers(), *collect_tensors(list(given.args)),
                       *collect_tensors(dict(given.kwargs or {}))):  # fmt: skip
            self.count_new_bytes(tensor)

    def __enter__(self) -> CostCounter:
        for name, module in self.model.named_modules():
            entering = module.register_forward_pre_hook(self.on_enter(name), with_kwargs=True)
            leaving = module.register_forward_hook(self.on_exit, with_kwargs=True)
            self.handles += [entering, leaving]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def on_enter(self, name: str) -> Callable[..., None]:
        """Return a hook for the time before a module runs."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            shapes = tuple(tuple(x.shape) for x in collect_tensors((args, kwargs)))
            self.stack.append(CountedCall(module, name, shapes, self.total))

        return hook

    def on_exit(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Credit a module with what was counted since it began, but for its parts' share."""
        call = self.stack.pop()
        while call.part is not module:  # the model has caught an error of its own
            call = self.stack.pop()
        made = collect_tensors(output)
        self.adjust(call, collect_tensors((args, kwargs)), made)
        me, whole = id(module), self.total - call.total_before
        self.macs[me] += whole - call.counted_inside
        self.calls[me] += 1
        self.bytes[me] += sum(map(self.count_new_bytes, made))
        if made:
            self.outputs[me] = tuple(made[0].shape)
        if self.stack:
            self.stack[-1].counted_inside += whole

    def adjust(self, call: CountedCall, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Change ``total`` where a module is counted otherwise than by its operations."""

    def count_new_bytes(self, tensor: Tensor) -> int:
        """Return the size of a tensor's memory the first time it is counted, then 0."""
        if is_lazy(tensor) or tensor.layout != torch.strided:
            return 0
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:  # a subclass that has none
            return 0
        mark = StorageWeakRef(storage)
        if mark.cdata in self.counted_storages:
            return 0
        self.counted_storages[mark.cdata] = mark
        return storage.nbytes()


class RecurrentSteps(TorchFunctionMode):
    """Runs recurrent layers on the meta device for one step, and counts it as often as they do.

    There torch would take every step by itself, at a thousand times the price of one on the CPU.
    """

    def __init__(self, counter: MacCounter) -> None:
        super().__init__()
        self.counter = counter

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function, a recurrent layer on the first step alone."""
        # A packed sequence has the weights, a list, in the fourth place.
        whole = func in RECURRENT and len(args) == 9 and isinstance(args[3], bool) and not kwargs
        if not whole or not args[0].is_meta:
            return func(*args, **(kwargs or {}))
        axis = 1 if args[8] else 0
        steps = args[0].shape[axis]
        if steps < 2:
            return func(*args)
        before = self.counter.total
        output, *states = func(args[0].narrow(axis, 0, 1), *args[1:])
        self.counter.total += (steps - 1) * (self.counter.total - before)
        shape = list(output.shape)
        shape[axis] = steps
        return (output.new_empty(shape), *states)


def watch_run(
    model: nn.Module, batch: Batch, training: bool, make_watcher: Callable[[nn.Module, Batch], W]
) -> W:
    """Run a model with a watcher of its own.

    A twin on the meta device runs. Where that cannot, because the ``forward`` asks for values or
    calls what knows no such device, the model itself does, and is given back as it was.

    Raises:
        ValueError: That fails too; with the layer and the shapes it got.
    """
    inner = unwrap_model(model)
    tensors = (*inner.parameters(), *inner.buffers())
    try:
        with torch.device("meta"):
            return run_watched(
                to_meta(inner, force_copy=True), batch_to_meta(batch), training, make_watcher
            )
    except Exception:
        if any(is_lazy(tensor) or tensor.is_meta for tensor in tensors):
            raise  # the model itself has no values, or must not be given its shapes
    inference = any(tensor.is_inference() for tensor in tensors)
    devices = {tensor.device for tensor in tensors}
    with (
        seeded_rng(0, devices),
        preserved_state(inner),
        without_compile(inner),
        without_fused_kernels(),
    ):
        return run_watched(inner, batch.copy_tensors(False)[0], training, make_watcher, inference)


def run_watched(
    model: nn.Module,
    batch: Batch,
    training: bool,
    make_watcher: Callable[[nn.Module, Batch], W],
    inference: bool = False,
) -> W:
    """Run a model and watch."""
    for part in model.modules():  # not by train(), which may do more
        part.training = training
    watcher = make_watcher(model, batch)
    counter = watcher if isinstance(watcher, MacCounter) else MacCounter()
    with grad_mode(False, inference), watcher, RecurrentSteps(counter):
        run_forward(model, batch, watcher.stack)
    return watcher


def batch_to_meta(batch: Batch) -> Batch:
    """Return a batch of the same shapes without values."""
    args, kwargs = map_tensors(
        (batch.args, dict(batch.kwargs or {})), lambda tensor: tensor.to("meta")
    )
    return Batch(args, kwargs, batch.source)


@contextmanager
def without_fused_kernels() -> Iterator[None]:
    """Keep torch from running attention and recurrent layers as one operation of unknown cost."""
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        with warnings.catch_warnings():
            # Not of the model's making: torch sets all flags of that library together.
            warnings.filterwarnings("ignore", "TF32 acceleration")
            with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
