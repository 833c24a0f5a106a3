"""What ``torch.save`` writes beside plain values: tensors, a few classes of torch and Python."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable
from math import prod
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from brickbook.checkpoint.formats.limits import Limits, RefusedNameError
from brickbook.checkpoint.formats.stand_ins import PLAIN_VALUES, StandInKind

__all__ = ["Storage", "StorageKind", "TorchObjects"]

MAX_DIMS = 64
STAND_IN_NAME = 200  # bytes, beside its letters
MAX_SIZE = 1 << 63

STORAGE_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "QInt32Storage": torch.qint32,
    "QInt8Storage": torch.qint8,
    "QUInt2x4Storage": torch.quint2x4,
    "QUInt4x2Storage": torch.quint4x2,
    "QUInt8Storage": torch.quint8,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
    "_UntypedStorage": torch.uint8,
}

# Classes that a file only names, to say what a tensor with attributes is.
PLAIN_TENSORS = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Buffer")
PARAMETER = "torch.nn.parameter.Parameter"
COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


class StorageKind(NamedTuple):
    """What a file calls a storage's class."""

    dtype: torch.dtype


class Storage(NamedTuple):
    """The memory of tensors and what it holds."""

    memory: torch.UntypedStorage
    dtype: torch.dtype


class TorchObjects:
    """Makes what a file asks for, once sizes are known to fit.

    The functions are those of ``torch._utils`` whose names stand in files, with their arguments.

    Args:
        limits: What the file may ask for.
        others: More names that a file may use, and what they stand for.
    """

    def __init__(self, limits: Limits, others: dict[str, Any]) -> None:
        self.limits = limits
        self.sparse: list[Tensor] = []
        self.builders: dict[str, Callable[..., Tensor]] = {
            "torch._utils._rebuild_tensor": self.strided,
            "torch._utils._rebuild_tensor_v2": self.strided,
            "torch._utils._rebuild_tensor_v3": self.strided_of_dtype,
            "torch._utils._rebuild_parameter": self.parameter,
            "torch._utils._rebuild_parameter_with_state": self.parameter,
            "torch._utils._rebuild_qtensor": self.quantized,
            "torch._utils._rebuild_sparse_tensor": self.sparse_tensor,
            "torch._utils._rebuild_meta_tensor_no_storage": meta_tensor,
            "torch._utils._rebuild_device_tensor_from_cpu_tensor": device_tensor,
        }
        self.names: dict[str, Any] = {
            **self.builders,
            "torch._tensor._rebuild_from_type_v2": self.with_attributes,
            "torch.Size": make_size,
            "torch.device": make_device,
            "torch.serialization._get_layout": make_layout,
            "collections.OrderedDict": self.ordered_dict,
            "collections.Counter": self.counter,
            "builtins.set": self.make_set,
            "builtins.bytearray": make_bytearray,
            "builtins.bytes": make_bytes,
            "builtins.complex": make_complex,
            "builtins.frozenset": self.make_frozenset,
            "_codecs.encode": encode_bytes,
            **PLAIN_VALUES,
            **{name: name for name in (*PLAIN_TENSORS, PARAMETER)},
            **others,
        }

    def find(self, module: str, name: str) -> Any:
        """Return what a name stands for; one that is unknown stands for itself."""
        if (module, name) in NAME_MAPPING:  # of Python 2, which protocol 2 writes
            module, name = NAME_MAPPING[module, name]
        module = IMPORT_MAPPING.get(module, module)
        if module == "torch.tensor":  # until torch 1.8
            module = "torch._tensor"
        full = f"{module}.{name}"
        if full in self.names:
            return self.names[full]
        if module.partition(".")[0] == "torch" and name in STORAGE_DTYPES:
            return StorageKind(STORAGE_DTYPES[name])
        found = vars(torch).get(name) if module == "torch" else None
        if isinstance(found, (torch.dtype, torch.qscheme)):
            return found
        self.limits.spend(STAND_IN_NAME + len(full))
        return self.names.setdefault(full, StandInKind(full))

    def check_sparse(self) -> None:
        """Check the sparse tensors, once what they hold has been read."""
        for tensor in self.sparse:
            if tensor.layout is torch.sparse_coo:
                parts = tensor._indices(), tensor._values(), tensor.shape
                torch.sparse_coo_tensor(
                    *parts, is_coalesced=tensor.is_coalesced(), check_invariants=True
                )
                continue
            by_row = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
            outer = tensor.crow_indices() if by_row else tensor.ccol_indices()
            inner = tensor.col_indices() if by_row else tensor.row_indices()
            torch.sparse_compressed_tensor(
                outer,
                inner,
                tensor.values(),
                tensor.shape,
                layout=tensor.layout,
                check_invariants=True,
            )

    # Tensors

    def strided(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        """Make a tensor of a storage's dtype."""
        return self.strided_of_dtype(
            storage, offset, size, stride, requires_grad, hooks, None, metadata
        )

    def strided_of_dtype(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        """Make a tensor of any dtype on a storage."""
        dtype = dtype or storage.dtype
        self.check_view(storage, dtype, offset, size, stride)
        tensor = torch.empty(0, dtype=dtype, device=storage.memory.device)
        tensor.set_(storage.memory, offset, size, stride)
        if isinstance(metadata, dict):
            if metadata.get("conj") and tensor.is_complex():
                tensor = tensor.conj()
            if metadata.get("neg"):
                tensor = torch._neg_view(tensor)  # pyright: ignore[reportPrivateImportUsage]
        return tensor.requires_grad_() if requires_grad else tensor

    def check_view(self, storage: Any, dtype: Any, offset: Any, size: Any, stride: Any) -> int:
        """Return the bytes of a tensor on a storage, which it must fit into."""
        if not isinstance(storage, Storage) or not isinstance(dtype, torch.dtype):
            raise UnpicklingError("a tensor has no storage")
        check_sizes((offset,))
        check_sizes(size)
        check_sizes(stride)
        if len(size) != len(stride):
            raise UnpicklingError("a tensor has other strides than sizes")
        held = prod(size) * dtype.itemsize
        end = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if prod(n for n in size if n) >= MAX_SIZE:
            raise UnpicklingError("a tensor has sizes that are none")
        if held and end * dtype.itemsize > storage.memory.nbytes():
            raise UnpicklingError("a tensor is larger than its storage")
        self.limits.check_view(held)
        return held

    def quantized(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        quantizer: Any,
        requires_grad: Any,
        hooks: Any,
    ) -> Tensor:
        """Make a quantized tensor."""
        self.limits.spend(self.check_view(storage, storage.dtype, offset, size, stride))
        kind: dict[str, Any] = {"dtype": storage.dtype, "device": storage.memory.device}
        if quantizer[0] is torch.per_tensor_affine:
            _, scale, zero = quantizer
            tensor = torch._empty_affine_quantized(size, scale=scale, zero_point=zero, **kind)  # pyright: ignore[reportPrivateImportUsage]
        else:
            scheme, scales, zeros, axis = quantizer
            if axis not in range(len(size)) or not len(scales) == len(zeros) == size[axis]:
                raise UnpicklingError("a quantized tensor has other scales than channels")
            exact = scheme is torch.per_channel_affine
            tensor = torch._empty_per_channel_affine_quantized(  # pyright: ignore[reportPrivateImportUsage]
                size,
                scales=torch.as_tensor(scales, dtype=torch.double if exact else torch.float),
                zero_points=torch.as_tensor(zeros, dtype=torch.long if exact else torch.float),
                axis=axis,
                **kind,
            )
        tensor.set_(storage.memory, offset, size, stride)
        return tensor

    def parameter(
        self, data: Any, requires_grad: Any = True, hooks: Any = None, state: Any = None
    ) -> Tensor:
        """Make a parameter; what somebody has attached to it is left out."""
        if not isinstance(data, Tensor):
            raise UnpicklingError("a parameter is no tensor")
        return nn.Parameter(data, bool(requires_grad))

    def with_attributes(self, build: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
        """Make a tensor, and leave out what somebody has attached to it."""
        if build not in self.builders.values() or kind not in (*PLAIN_TENSORS, PARAMETER):
            raise RefusedNameError(getattr(kind, "name", "a class of tensors"))
        tensor = build(*arguments)
        return self.parameter(tensor, tensor.requires_grad) if kind == PARAMETER else tensor

    def sparse_tensor(self, layout: Any, data: Any) -> Tensor:
        """Make a sparse tensor, which `check_sparse` checks when it has its values."""
        count = 2 if layout is torch.sparse_coo else 3
        parts, size, known = data[:count], data[count], data[count + 1 :]
        check_sizes(size)
        if len(parts) != count or not all(isinstance(part, Tensor) for part in parts):
            raise UnpicklingError("a sparse tensor is of no tensors")
        if layout is torch.sparse_coo:
            indices, values = parts
            coalesced = known[0] if known else None
            tensor = torch.sparse_coo_tensor(
                indices, values, size, is_coalesced=coalesced, check_invariants=False
            )
        elif layout in COMPRESSED:
            outer, inner, values = parts
            tensor = torch.sparse_compressed_tensor(
                outer, inner, values, size, layout=layout, check_invariants=False
            )
        else:
            raise UnpicklingError("a sparse tensor has no layout")
        self.sparse.append(tensor)
        return tensor

    # What is hashed

    def ordered_dict(self, pairs: Any = ()) -> OrderedDict[Any, Any]:
        """Make an OrderedDict, which Python 2 wrote with its pairs."""
        found: OrderedDict[Any, Any] = OrderedDict()
        for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
            self.limits.check_key(key)
            found[key] = value
        return found

    def counter(self, counts: Any = ()) -> Counter[Any]:
        """Make a Counter."""
        for key in counts:
            self.limits.check_key(key)
        return Counter(counts)

    def make_set(self, members: Any = ()) -> set[Any]:
        """Make a set."""
        for member in members:
            self.limits.check_key(member)
        return set(members)

    def make_frozenset(self, members: Any = ()) -> frozenset[Any]:
        """Make a frozenset."""
        return frozenset(self.make_set(members))


def check_sizes(sizes: Any) -> None:
    """Raise UnpicklingError for what are no sizes, strides or offsets."""
    if (
        type(sizes) not in (tuple, list, torch.Size)
        or len(sizes) > MAX_DIMS
        or not all(type(size) is int and 0 <= size < MAX_SIZE for size in sizes)
    ):
        raise UnpicklingError("a tensor has sizes that are none")


def meta_tensor(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """Make a tensor without memory."""
    check_sizes(size)
    check_sizes(stride)
    return torch.empty_strided(
        size, stride, dtype=dtype, device="meta", requires_grad=bool(requires_grad)
    )


def device_tensor(data: Any, dtype: Any, device: Any, requires_grad: Any) -> Tensor:
    """Make the tensor of a device that has no storages, where it is stored."""
    if not isinstance(data, Tensor):
        raise UnpicklingError("a tensor is none")
    return data.to(dtype).requires_grad_(bool(requires_grad))


def make_size(sizes: Any = ()) -> torch.Size:
    """Make the sizes of a tensor."""
    check_sizes(sizes)
    return torch.Size(sizes)


def make_device(kind: Any, index: Any = None) -> torch.device:
    """Make the name of a device."""
    return torch.device(kind) if index is None else torch.device(kind, index)


def make_layout(name: Any) -> torch.layout:
    """Make a layout from its name, ``torch.sparse_coo``."""
    found = vars(torch).get(str(name).removeprefix("torch."))
    if not isinstance(found, torch.layout):
        raise UnpicklingError("a layout is none")
    return found


def make_bytearray(content: Any = b"", encoding: Any = "latin1") -> bytearray:
    """Make a bytearray of bytes; from a number it would be as long as that says."""
    return bytearray(content if isinstance(content, bytes) else encode_bytes(content, encoding))


def make_bytes() -> bytes:
    """Make no bytes: others are written as text."""
    return b""


def make_complex(real: Any, imaginary: Any) -> complex:
    """Make a complex number."""
    return complex(float(real), float(imaginary))


def encode_bytes(text: Any, encoding: Any) -> bytes:
    """Make bytes of the text as which protocol 2 writes them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnpicklingError("bytes are written in another way")
    return text.encode("latin1")
