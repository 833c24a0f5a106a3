"""The containers of ``torch.save``: a zip archive, or until torch 1.6 one pickle after another."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from struct import Struct
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import torch
from torch import UntypedStorage
from torch.serialization import default_restore_location

from brickbook.checkpoint.formats.limits import Limits
from brickbook.checkpoint.formats.pickle_reader import PickleReader
from brickbook.checkpoint.formats.safe_globals import SAFE_GLOBALS, resolve_placeholders
from brickbook.checkpoint.formats.torch_objects import Storage, StorageKind, TorchObjects
from brickbook.errors import Sentence

__all__ = ["MAGIC", "read_legacy", "read_zip"]

# The number that a file of torch before 1.6 begins with, after a word on pickle's protocol.
MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_VERSION = 1001
LOCAL_HEADER = Struct("<4s22xHH")  # of an entry: its sign, the lengths of its name and of the rest
LOCAL_SIGN = b"PK\x03\x04"
ENCRYPTED = 1
COUNT = Struct("<q")
MAX_COUNT = 1 << 60
NOT_TORCHS = "it is a zip archive that torch.save has not written"
TOO_SHORT = "it ends too early"


def read_zip(file: Path, place: Any, mapped: bool) -> Any:
    """Return what a zip archive of ``torch.save`` holds.

    Args:
        file: The file.
        place: A ``map_location`` that `check_map_location` has passed.
        mapped: Whether the system reads a tensor from the file when it is first used.
    """
    limits = Limits(file.stat().st_size)
    objects = TorchObjects(limits, SAFE_GLOBALS)
    with file.open("rb") as opened:
        storages = ZipStorages(file, opened, limits, place, mapped)
        data = storages.read_entry("data.pkl")
        content = PickleReader(data, limits, objects.find, storages.load).load()
    objects.check_sparse()
    return resolve_placeholders(content, limits)


def read_legacy(file: Path, place: Any) -> Any:
    """Return what a file of torch before 1.6 holds."""
    limits = Limits(file.stat().st_size)
    objects = TorchObjects(limits, SAFE_GLOBALS)
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        storages = LegacyStorages(opened, limits, place)
        reader = PickleReader(data, limits, objects.find, storages.load)
        _, version, _ = (reader.load() for _ in range(3))  # the magic number; of the machine
        if version != LEGACY_VERSION:
            raise UnpicklingError(Sentence("its version is not {version}", version=LEGACY_VERSION))
        content = reader.load()
        storages.fill(reader.load(), reader.at)
    objects.check_sparse()
    return resolve_placeholders(content, limits)


class StorageName(NamedTuple):
    """What a pickle says of a storage."""

    dtype: torch.dtype
    key: str
    location: str
    size: int  # in bytes
    view: Any = None

    @classmethod
    def parse(cls, found: Any) -> StorageName:
        """Return a persistent id; raises UnpicklingError if it is of no storage."""
        if type(found) is not tuple or len(found) not in (5, 6) or found[0] != "storage":
            raise UnpicklingError("a storage has no name")
        _, kind, key, location, count, *view = found
        if (
            not isinstance(kind, StorageKind)
            or not isinstance(key, str)
            or not isinstance(location, str)
            or type(count) is not int
            or not 0 <= count < MAX_COUNT
        ):
            raise UnpicklingError("a storage has no name")
        return cls(kind.dtype, key, location, count * kind.dtype.itemsize, *view)


class ZipStorages:
    """The entries of a zip archive, which are read from where they lie in the file.

    Args:
        file: The file.
        opened: The same.
        limits: What it may ask for.
        place: Where tensors go.
        mapped: Whether the system reads them when they are first used.
    """

    def __init__(
        self, file: Path, opened: BinaryIO, limits: Limits, place: Any, mapped: bool
    ) -> None:
        self.opened, self.limits, self.place = opened, limits, place
        try:
            self.archive = ZipFile(opened)
        except BadZipFile as error:
            raise UnpicklingError(TOO_SHORT) from error
        self.entries = {entry.filename: entry for entry in self.archive.infolist()}
        if len(self.entries) != len(self.archive.filelist):
            raise UnpicklingError("it is a zip archive with two entries of one name")
        first = next(iter(self.entries), "")
        self.root = first[: first.find("/") + 1]
        if f"{self.root}constants.pkl" in self.entries:
            raise UnpicklingError(
                "it is a TorchScript archive, of which torch.jit.load gives the model"
            )
        if not self.root or f"{self.root}data.pkl" not in self.entries:
            raise UnpicklingError(NOT_TORCHS)
        self.memory: dict[str, UntypedStorage] = {}
        self.whole = None
        if mapped:
            self.whole = UntypedStorage.from_file(str(file), False, limits.file_size)
        order = self.read_entry("byteorder") if f"{self.root}byteorder" in self.entries else b""
        if order not in (b"little", b"big", b""):
            raise UnpicklingError("its order of bytes is unknown")
        self.swapped = (order.decode() or "little") != sys.byteorder

    def entry(self, name: str) -> ZipInfo:
        """Return what the archive says of an entry; raises UnpicklingError if there is none."""
        found = self.entries.get(f"{self.root}{name}")
        if found is None:
            raise UnpicklingError(Sentence("it has no entry {name}", name=name[:100]))
        if found.flag_bits & ENCRYPTED or found.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise UnpicklingError(NOT_TORCHS)
        return found

    def read_entry(self, name: str) -> bytes:
        """Return the bytes of an entry, packed or not."""
        entry = self.entry(name)
        if entry.compress_type == ZIP_STORED:
            self.limits.store(entry.file_size)
        else:
            self.limits.spend(entry.file_size)
        return self.archive.read(entry)

    def load(self, found: Any) -> Storage:
        """Return the storage that a persistent id names."""
        name = StorageName.parse(found)
        if name.key not in self.memory:
            memory = self.read(name)
            self.memory[name.key] = put_memory(memory, name.location, self.place)
        memory = self.memory[name.key]
        if memory.nbytes() < name.size:
            raise UnpicklingError("a storage is larger than its data")
        return Storage(memory, name.dtype)

    def read(self, name: StorageName) -> UntypedStorage:
        """Return the bytes of a storage, or the place in the file where they are."""
        entry = self.entry(f"data/{name.key}")
        if entry.file_size < name.size:
            raise UnpicklingError("a storage is larger than its data")
        if entry.compress_type == ZIP_STORED:
            self.limits.store(name.size)
            start = self.start(entry)
            aligned = start % name.dtype.itemsize == 0
            if self.whole is not None and aligned and name.size and not self.swapped:
                return self.whole[start : start + name.size]  # pyright: ignore[reportReturnType]
            memory = read_memory(self.opened, start, name.size)
        else:
            self.limits.spend(entry.file_size)
            memory = UntypedStorage(name.size)
            as_bytes(memory)[:] = self.archive.read(entry)[: name.size]
        if self.swapped:
            memory.byteswap(name.dtype)
        return memory

    def start(self, entry: ZipInfo) -> int:
        """Return where the bytes of an entry begin in the file."""
        self.opened.seek(entry.header_offset)
        head = self.opened.read(LOCAL_HEADER.size)
        if len(head) != LOCAL_HEADER.size or not head.startswith(LOCAL_SIGN):
            raise UnpicklingError(TOO_SHORT)
        _, name_length, extra_length = LOCAL_HEADER.unpack(head)
        start = entry.header_offset + LOCAL_HEADER.size + name_length + extra_length
        if start + entry.file_size > self.limits.file_size:
            raise UnpicklingError(TOO_SHORT)
        return start


class LegacyStorages:
    """The storages of a file in which they follow the pickle that names them.

    Args:
        opened: The file.
        limits: What it may ask for.
        place: Where tensors go.
    """

    def __init__(self, opened: BinaryIO, limits: Limits, place: Any) -> None:
        self.opened, self.limits, self.place = opened, limits, place
        self.names: dict[str, StorageName] = {}
        # By key: what is filled from the file, and what tensors have: the same on the CPU.
        self.read: dict[str, UntypedStorage] = {}
        self.memory: dict[str, UntypedStorage] = {}

    def load(self, found: Any) -> Storage:
        """Return the storage that a persistent id names, not yet filled."""
        name = StorageName.parse(found)
        if name.key not in self.names:
            self.limits.store(name.size)
            self.names[name.key] = name
            self.read[name.key] = UntypedStorage(name.size)
            self.memory[name.key] = put_memory(self.read[name.key], name.location, self.place)
        memory = self.memory[name.key]
        if memory.nbytes() < name.size:
            raise UnpicklingError("a storage is larger than its data")
        if name.view is None:
            return Storage(memory, name.dtype)
        _, offset, count = name.view  # a part of it, by torch before 0.4
        if type(offset) is not int or type(count) is not int or offset < 0 or count < 0:
            raise UnpicklingError("a part of a storage has no place")
        start, end = offset * name.dtype.itemsize, (offset + count) * name.dtype.itemsize
        if end > name.size:
            raise UnpicklingError("a part of a storage is larger than that")
        return Storage(memory[start:end], name.dtype)

    def fill(self, keys: Any, at: int) -> None:
        """Read the storages, which lie from ``at`` on in the order of their keys."""
        if sorted(keys) != sorted(self.names):
            raise UnpicklingError("it has other storages than it lists")
        for key in keys:
            name, memory = self.names[key], self.read[key]
            self.opened.seek(at)
            head = self.opened.read(COUNT.size)
            if len(head) != COUNT.size:
                raise UnpicklingError(TOO_SHORT)
            if COUNT.unpack(head)[0] * name.dtype.itemsize != name.size:
                raise UnpicklingError("a storage has another size than its data")
            read_into(memory, self.opened, at + COUNT.size)
            at += COUNT.size + name.size
            if sys.byteorder == "big":
                memory.byteswap(name.dtype)
            if self.memory[key] is not memory:
                self.memory[key].copy_(memory, False)


def put_memory(memory: UntypedStorage, location: str, place: Any) -> UntypedStorage:
    """Return a storage where a ``map_location`` wants it."""
    found: Any = None
    if isinstance(place, torch.device):
        if place.type == "cpu":
            return memory
        location = str(place)
    elif isinstance(place, Mapping):
        location = place.get(location, location)
    else:
        found = place(memory, location)
    return default_restore_location(memory, location) if found is None else found  # pyright: ignore[reportReturnType]


def read_memory(opened: BinaryIO, start: int, size: int) -> UntypedStorage:
    """Return bytes of a file as a storage."""
    memory = UntypedStorage(size)
    read_into(memory, opened, start)
    return memory


def read_into(memory: UntypedStorage, opened: BinaryIO, start: int) -> None:
    """Fill a storage from a file."""
    opened.seek(start)
    if opened.readinto(as_bytes(memory)) != memory.nbytes():  # pyright: ignore
        raise UnpicklingError(TOO_SHORT)


def as_bytes(memory: UntypedStorage) -> memoryview:
    """Return the bytes of a storage of the CPU, to be written to."""
    return memoryview(torch.empty(0, dtype=torch.uint8).set_(memory).numpy())  # pyright: ignore
