"""Running a model to count its work: on the meta device, where that costs neither time nor memory.

Matrix products, convolutions and attention are counted, wherever they are called from, by the
formulas of ``torch.utils.flop_counter``; additions, activations and norms are not.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy

from brickbook.blueprint.meta import Macs, on_meta
from brickbook.measure.batches import Batch, each_tensor, with_tensors
from brickbook.measure.probing import eagerly, forward, opened
from brickbook.measure.restoring import grad_mode, kept, seeded_rng
from brickbook.measure.tracing import Shape

__all__ = ["Call", "Meter", "metered"]

M = TypeVar("M", bound="Meter")


@dataclass
class Call:
    """A module that is running: ``start`` is what was counted before, ``inner`` by its parts."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]
    start: int
    inner: int = 0


class Meter(Macs):
    """Counts what each module of a model does itself, apart from what the modules in it do.

    ``macs`` are multiply-adds, ``bytes`` the memory of the tensors that modules return: each piece
    of memory counts once, for the innermost module that returns it, and what goes in not at all.
    """

    def __init__(self, model: nn.Module, given: Batch) -> None:
        super().__init__()
        self.model = model
        self.stack: list[Call] = []
        self.macs: Counter[int] = Counter()
        self.bytes: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        self.outputs: dict[int, Shape] = {}
        self.handles: list[Any] = []
        # Weak references, so that no address is taken for a piece of memory that has gone.
        self.memory: dict[int, StorageWeakRef] = {}
        for tensor in (*model.parameters(), *model.buffers(), *each_tensor(list(given.args)),
                       *each_tensor(dict(given.kwargs or {}))):  # fmt: skip
            self.new_bytes(tensor)

    def __enter__(self) -> Meter:
        for name, module in self.model.named_modules():
            entering = module.register_forward_pre_hook(self.entering(name), with_kwargs=True)
            leaving = module.register_forward_hook(self.leaving, with_kwargs=True)
            self.handles += [entering, leaving]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def entering(self, name: str) -> Callable[..., None]:
        """Return a hook for the time before a module runs."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            shapes = tuple(tuple(x.shape) for x in each_tensor((args, kwargs)))
            self.stack.append(Call(module, name, shapes, self.total))

        return hook

    def leaving(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Credit a module with what was counted since it began, but for its parts' share."""
        call = self.stack.pop()
        while call.part is not module:  # the model has caught an error of its own
            call = self.stack.pop()
        made = each_tensor(output)
        self.settle(call, each_tensor((args, kwargs)), made)
        me, whole = id(module), self.total - call.start
        self.macs[me] += whole - call.inner
        self.calls[me] += 1
        self.bytes[me] += sum(map(self.new_bytes, made))
        if made:
            self.outputs[me] = tuple(made[0].shape)
        if self.stack:
            self.stack[-1].inner += whole

    def settle(self, call: Call, given: list[Tensor], made: list[Tensor]) -> None:
        """Change ``total`` where a module is counted otherwise than by its operations."""

    def new_bytes(self, tensor: Tensor) -> int:
        """Return the size of a tensor's memory the first time it is met, then 0."""
        if is_lazy(tensor) or tensor.layout != torch.strided:
            return 0
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:  # a subclass that has none
            return 0
        mark = StorageWeakRef(storage)
        if mark.cdata in self.memory:
            return 0
        self.memory[mark.cdata] = mark
        return storage.nbytes()


def metered(
    model: nn.Module, given: Batch, training: bool, make: Callable[[nn.Module, Batch], M]
) -> M:
    """Run a model with a meter of its own.

    A twin on the meta device runs. Where that cannot, because the ``forward`` asks for values or
    calls what knows no such device, the model itself does, and is given back as it was.

    Raises ValueError with the layer and the shapes it got if that fails too.
    """
    inner = opened(model)
    tensors = (*inner.parameters(), *inner.buffers())
    try:
        with torch.device("meta"):
            return run(on_meta(inner, twin=True), to_meta(given), training, make)
    except Exception:
        if any(is_lazy(tensor) or tensor.is_meta for tensor in tensors):
            raise  # the model itself has no values, or must not be given its shapes
    inference = any(tensor.is_inference() for tensor in tensors)
    devices = {tensor.device for tensor in tensors}
    with seeded_rng(0, devices), kept(inner), eagerly(inner), step_by_step():
        return run(inner, given.own(False)[0], training, make, inference)


def run(
    model: nn.Module,
    given: Batch,
    training: bool,
    make: Callable[[nn.Module, Batch], M],
    inference: bool = False,
) -> M:
    """Run a model and count."""
    for part in model.modules():  # not by train(), which may do more
        part.training = training
    meter = make(model, given)
    with grad_mode(False, inference), meter:
        forward(model, given, meter.stack)
    return meter


def to_meta(given: Batch) -> Batch:
    """Return a batch of the same shapes without values."""
    args, kwargs = with_tensors(
        (given.args, dict(given.kwargs or {})), lambda tensor: tensor.to("meta")
    )
    return Batch(args, kwargs, given.source)


@contextmanager
def step_by_step() -> Iterator[None]:
    """Keep torch from running attention and recurrent layers as one operation of unknown cost."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            # Not of the model's making: torch sets all flags of that library together.
            warnings.filterwarnings("ignore", "TF32 acceleration")
            with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
