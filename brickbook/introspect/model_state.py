"""What a model is, bit for bit: kept, and put back."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from copy import copy, deepcopy
from typing import Any, ClassVar, Protocol
from weakref import ref

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from brickbook.introspect.dtensor import is_sharded, local_tensor
from brickbook.introspect.provenance import clear_origins, origins_of, record_origin

__all__ = [
    "KeptState",
    "TensorState",
    "is_plain",
    "keep_model",
    "keep_plain_values",
    "modes_are_active",
]

LOG = logging.getLogger("brickbook")
PLAIN_TYPES = (nn.Parameter, Tensor)
CONTAINERS = (dict, OrderedDict, set, list)
find_overlap: Any = torch._debug_has_internal_overlap  # pyright: ignore[reportPrivateImportUsage]
NO_OVERLAP = 0  # torch's own word for it
SMALL = 1 << 24  # bytes that a copy may always take
PAGE = 1 << 12


def modes_are_active() -> bool:
    """Whether a function mode or dispatch mode sees torch's calls; one of devices does nothing."""
    seen = (type(mode) for mode in _get_current_function_mode_stack())
    dispatch = torch._C._len_torch_dispatch_stack() > 0  # pyright: ignore[reportAttributeAccessIssue]
    return dispatch or any(kind is not DeviceContext for kind in seen)


def is_plain(tensor: Tensor) -> bool:
    """Whether torch's kernels, and no other code, write to a tensor: such writes do not fail."""
    if type(tensor) not in PLAIN_TYPES:
        if not is_sharded(tensor):
            return False
        tensor = local_tensor(tensor)
    return (
        type(tensor) in PLAIN_TYPES
        and tensor.layout is torch.strided
        and not (tensor.is_meta or tensor.is_inference() or tensor.is_quantized)
        and (tensor.is_contiguous() or find_overlap(tensor) == NO_OVERLAP)
    )


class TensorState:
    """A tensor's class, attributes, place in memory and, if ``with_values``, what stands there.

    Values are kept as bytes, so that neither dtype nor strides nor the tensor's class matter.
    """

    def __init__(self, tensor: Tensor, with_values: bool) -> None:
        self.tensor, self.kind = tensor, type(tensor)
        self.parts: dict[str, TensorState] = {}
        self.values: Tensor | None = None
        if self.kind not in PLAIN_TYPES and is_traceable_wrapper_subclass(tensor):
            for key in tensor.__tensor_flatten__()[0]:
                if isinstance(part := getattr(tensor, key), Tensor):  # a mesh is none
                    self.parts[key] = TensorState(part, with_values)
        # Modes and the tensor's own class see nothing of this.
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            self.attributes = dict(vars(tensor))
            self.requires_grad = tensor.requires_grad
            self.grad = tensor.grad if tensor.is_leaf else None
            self.alias = tensor.detach()
            self.has_memory = not self.parts and has_memory(self.alias)
            if with_values and self.has_memory:
                self.values = memory_of(self.alias).clone()
        if with_values and not (self.parts or self.has_memory or has_no_values(tensor)):
            self.values = tensor.detach().clone()

    def restore(self) -> None:
        """Put everything back."""
        tensor = self.tensor
        self.restore_values()
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            if tensor.is_leaf and tensor.requires_grad != self.requires_grad:
                tensor.requires_grad_(self.requires_grad)
            if tensor.is_leaf and tensor.grad is not self.grad:
                tensor.grad = self.grad
            restore_mapping(vars(tensor), self.attributes)

    def restore_values(self) -> None:
        """Put the values back, and where they stand."""
        tensor = self.tensor
        for key, part in self.parts.items():
            part.restore_values()
            if getattr(tensor, key) is not part.tensor:
                setattr(tensor, key, part.tensor)
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch(), torch.no_grad():
            if self.has_memory and self.values is not None:
                write_bytes(self.alias, self.values)
            if type(tensor) is not self.kind:
                tensor.__class__ = self.kind
            if not self.parts and place_of(tensor) != place_of(self.alias):
                tensor.data = self.alias
        if self.values is not None and not self.has_memory:  # only its own code knows its memory
            with torch.no_grad():
                tensor.copy_(self.values)


def has_memory(tensor: Tensor) -> bool:
    """Whether a tensor's elements stand in memory of its own, at their strides."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_nested:
        return False
    try:
        return tensor.untyped_storage().data_ptr() != 0 or not tensor.numel()
    except (RuntimeError, NotImplementedError):  # it has no storage
        return False


def has_no_values(tensor: Tensor) -> bool:
    """Whether there is nothing to keep: on the meta device, or where memory was given back."""
    if tensor.is_meta or tensor.layout is not torch.strided:
        return tensor.is_meta
    try:
        return not tensor.untyped_storage().nbytes()
    except (RuntimeError, NotImplementedError):  # it has no storage
        return False


def memory_of(tensor: Tensor) -> Tensor:
    """Return the bytes from a tensor's first element to its last; they share its memory."""
    size = tensor.element_size()
    low, count = tensor.storage_offset() * size, tensor.numel() * size
    if count and not tensor.is_contiguous():
        steps = zip(tensor.shape, tensor.stride(), strict=True)
        count = (1 + sum((length - 1) * step for length, step in steps)) * size
    view = torch.empty(0, dtype=torch.uint8, device=tensor.device)
    return view.set_(tensor.untyped_storage(), low, (count,), (1,))


def write_bytes(alias: Tensor, values: Tensor) -> None:
    """Make a tensor's memory what it was: what nobody has written may be read-only."""
    storage = alias.untyped_storage()
    needed = int(alias.storage_offset() * alias.element_size() + values.numel())
    if storage.nbytes() < needed:
        storage.resize_(needed)
    memory = memory_of(alias)
    if not torch.equal(memory, values):
        memory.copy_(values)


def place_of(tensor: Tensor) -> tuple[object, ...]:
    """Return where and how the elements of a tensor stand in memory."""
    about = tensor.layout, tensor.dtype, tensor.device, tensor.shape
    if tensor.layout is not torch.strided or tensor.is_nested:
        return about
    return *about, tensor.stride(), tensor.storage_offset(), tensor.untyped_storage()._cdata


class ModuleState:
    """A module's class and attributes, what containers among these hold, and its extra state."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.kind = module, type(module)
        self.attributes = dict(vars(module))
        self.contents = [
            (value, copy(value) if value else kind())
            for value in self.attributes.values()
            if (kind := type(value)) in CONTAINERS
        ]
        self.extra: list[Any] = []
        own, base = self.kind, nn.Module
        if own.get_extra_state is not base.get_extra_state and (
            own.set_extra_state is not base.set_extra_state
        ):
            try:
                self.extra.append(deepcopy(module.get_extra_state()))
            except Exception as error:
                LOG.debug("the extra state of %s is not kept: %r", own.__name__, error)

    def restore(self) -> None:
        """Put everything back."""
        if type(self.module) is not self.kind:
            self.module.__class__ = self.kind
        try:
            for value in self.extra:
                self.module.set_extra_state(value)
        except BaseException as error:
            text = "the extra state of %s may not be as before: its set_extra_state raises %r"
            LOG.error(text, self.kind.__name__, error)
        finally:  # also what that has noted on the module, or left half done
            restore_mapping(vars(self.module), self.attributes)
            for now, before in self.contents:
                restore_container(now, before)


def restore_container(now: Any, before: Any) -> None:
    """Make a container what it was, in place."""
    if isinstance(now, dict):
        restore_mapping(now, before)
    elif isinstance(now, list):
        now[:] = before
    else:
        now.clear()
        now.update(before)


def restore_mapping(now: dict[Any, Any], before: Mapping[Any, Any]) -> None:
    """Make a dict what it was, in place, with its order."""
    if list(now) != list(before) or any(now[key] is not before[key] for key in before):
        now.clear()
        now.update(before)


class GeneratorState:
    """The states of torch's generators: of the CPU, and of the devices of some tensors.

    All threads share them. Where another thread has begun to change a model meanwhile they are not
    put back: it would draw the same numbers again.
    """

    opened: ClassVar[dict[int, ref[GeneratorState]]] = {}  # without a lock: interrupts leave it

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.thread, self.shared = threading.get_ident(), False
        indices = {each.device.index or 0 for each in tensors if each.device.type == "cuda"}
        cuda = [torch.cuda.default_generators[index] for index in sorted(indices)]
        self.states = [(each, each.get_state()) for each in (torch.default_generator, *cuda)]
        self.opened[id(self)] = ref(self)
        for key, reference in list(self.opened.items()):
            other = reference()
            if other is None:
                self.opened.pop(key, None)
            elif other.thread != self.thread:
                other.shared = self.shared = True

    def close(self) -> None:
        """Nothing is drawn any more."""
        self.opened.pop(id(self), None)

    def restore(self) -> None:
        """Put the states back."""
        for generator, state in () if self.shared else self.states:
            generator.set_state(state)


class OriginNotes:
    """What tensors were loaded from."""

    def __init__(self, tensors: Collection[Tensor]) -> None:
        self.tensors, self.origins = tensors, origins_of(tensors)

    def restore(self) -> None:
        """Put the notes back."""
        noted = origins_of(self.tensors)
        for tensor in self.tensors:
            origin = self.origins.get(id(tensor), "")
            if origin and origin != noted.get(id(tensor)):
                record_origin((tensor,), origin)
            elif id(tensor) in noted and not origin:
                clear_origins((tensor,))


class Restorable(Protocol):
    """A kept state: ``restore`` puts it back."""

    def restore(self) -> None: ...


class PlainValues:
    """The values of plain tensors."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        with torch.no_grad():
            self.values = [(tensor, tensor.clone()) for tensor in tensors]

    def restore(self) -> None:
        """Put the values back."""
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            for tensor, value in self.values:
                tensor.data.copy_(value)


class KeptState:
    """What is put back after an exception, part by part."""

    def __init__(self, parts: Iterable[Restorable], tensors: Collection[Tensor]) -> None:
        self.generators = GeneratorState(tensors)
        self.parts = [*parts, OriginNotes(tensors), self.generators]

    def close(self) -> None:
        """Nothing is to be put back any more."""
        self.generators.close()

    def restore(self) -> None:
        """Put everything back, whatever fails on the way."""
        for part in self.parts:
            try:
                part.restore()
            except BaseException as error:  # what has led here is raised afterwards
                LOG.error("%s: not put back as it was: %r", type(part).__name__, error)


def keep_model(model: nn.Module, tensors: Iterable[Tensor] | None = None) -> KeptState:
    """Keep what a model is: modules, parameters, buffers, torch's generators, notes of loading.

    The values of ``tensors`` are copied (default: of all parameters and buffers); of the others
    all else is kept.
    """
    own = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    wanted = own if tensors is None else {id(tensor): tensor for tensor in tensors}
    every = {**own, **wanted}
    parts = [TensorState(tensor, key in wanted) for key, tensor in every.items()]
    return KeptState([*parts, *map(ModuleState, model.modules())], every.values())


def keep_plain_values(tensors: Iterable[Tensor]) -> KeptState:
    """Keep the values of plain tensors that nothing but torch's kernels writes, if they are small.

    Larger ones are not copied: such writes do not fail.
    """
    local, size = [], 0
    for tensor in tensors:
        local.append(local_tensor(tensor))
        size += max(local[-1].nbytes, PAGE)
        if size > SMALL:
            return KeptState((), ())
    return KeptState([PlainValues(local)], local)
