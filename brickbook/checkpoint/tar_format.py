"""The format that torch wrote until 0.1.9 in 2017, a tar archive: read without running anything.

Three members: ``storages`` (memory, then views into it), ``tensors`` (shapes and strides over the
storages), and ``pickle`` (what was saved, with numbers in place of tensors). torch itself reads it
with the unrestricted pickle only.
"""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

__all__ = ["read_tar"]

DTYPES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "Long": torch.int64,
    "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
}  # fmt: skip
KINDS = {
    f"{module}.{name}{kind}": dtype
    for module in ("torch", "torch.cuda")
    for name, dtype in DTYPES.items()
    for kind in ("Storage", "Tensor")
}


class Reader(pickle.Unpickler):
    """Makes plain values, OrderedDicts, and tensors that it is given; of their types the dtype."""

    def __init__(self, file: IO[bytes], tensors: dict[int, Tensor]) -> None:
        super().__init__(file)
        self.tensors = tensors

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, if it is one of a few."""
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return OrderedDict
        if full in KINDS:
            return KINDS[full]
        raise pickle.UnpicklingError(f"GLOBAL {full} is not allowed")

    def persistent_load(self, pid: Any) -> Any:
        """Return the tensor of a number."""
        return self.tensors[int(pid)]


def read_tar(file: Path) -> Any:
    """Return what a file holds, with its tensors on the CPU.

    Raises UnpicklingError for what it asks to be made beside them, and anything for a damaged file.
    """
    with tarfile.open(file, "r:") as tar:
        storages = read_storages(member(tar, "storages"))
        tensors = read_tensors(member(tar, "tensors"), storages)
        return Reader(member(tar, "pickle"), tensors).load()


def member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """Return one file of the archive; it is never unpacked to the disk."""
    opened = tar.extractfile(name)
    if opened is None:
        raise ValueError(f"{name} is no file")
    return io.BytesIO(opened.read())


def value(file: IO[bytes]) -> Any:
    """Read one pickled value, and leave the file behind it."""
    return Reader(file, {}).load()


def read_storages(file: IO[bytes]) -> dict[int, Tensor]:
    """Return the memory of each storage as a tensor with one dimension."""
    found: dict[int, Tensor] = {}
    for _ in range(value(file)):
        key, _location, dtype = value(file)
        (count,) = struct.unpack("<q", file.read(8))
        size = count * torch.empty(0, dtype=dtype).element_size()
        data = bytearray(file.read(size))
        if count < 0 or len(data) != size:
            raise ValueError("a storage ends too early")
        found[key] = torch.frombuffer(data, dtype=dtype) if size else torch.empty(0, dtype=dtype)
    for key, root, offset, count in value(file):
        found[key] = found[root][offset : offset + count]
    return found


def read_tensors(file: IO[bytes], storages: dict[int, Tensor]) -> dict[int, Tensor]:
    """Return each tensor as a view into its storage."""
    found: dict[int, Tensor] = {}
    for _ in range(value(file)):
        key, storage, _kind = value(file)
        dims, _unused = struct.unpack("<ii", file.read(8))
        *numbers, offset = struct.unpack(f"<{2 * dims + 1}q", file.read(8 * (2 * dims + 1)))
        shape, strides = numbers[:dims], numbers[dims:]
        if any(number < 0 for number in numbers):
            raise ValueError("a shape is negative")
        # as_strided begins in the storage, not in the view, and checks what it is asked for
        memory = storages[storage]
        start = memory.storage_offset() + offset
        found[key] = memory.as_strided(shape, strides, start)
    return found
