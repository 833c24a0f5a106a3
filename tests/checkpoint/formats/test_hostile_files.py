"""Files that ask for more than their size explains: one clear error, soon, with little memory."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import threading
import time
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from brickbook.checkpoint import CheckpointError
from brickbook.checkpoint.formats.storages import MAGIC
from brickbook.checkpoint.schemes import read_checkpoint

SECONDS = 5  # of this process: what is refused takes a few milliseconds, but for the largest files
MEMORY = 400 << 20

START = b"\x80\x02"


def text(word: str) -> bytes:
    """Return the operation that makes a text."""
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value: int) -> bytes:
    """Return the operation that makes a whole number."""
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def numbers(*values: int) -> bytes:
    """Return the operations that make a tuple of whole numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(count: int, key: str = "0", view: bytes = b"") -> bytes:
    """Return the operations that make a storage."""
    name = text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count)
    return b"(" + name + view + b"tQ"


def tensor(made: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return the operations that make a tensor on a storage."""
    sizes = number(offset) + numbers(*size) + numbers(*stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + made + sizes + b"\x89}tR"


def state(*values: bytes) -> bytes:
    """Return a pickle of a dict with these values."""
    pairs = b"".join(text(str(at)) + value for at, value in enumerate(values))
    return START + b"}(" + pairs + b"u."


def doubled(levels: int, lists: bool = True) -> bytes:
    """Return the operations that make a list, or a tuple, of the one before twice, and so on."""
    found = b")"
    for level in range(levels):
        again = b"r" + struct.pack("<I", level) + b"j" + struct.pack("<I", level)
        found = b"](" + found + again + b"e" if lists else found + again + b"\x86"
    return found


def archive(pickled: bytes, data: bytes = b"", how: int = zipfile.ZIP_STORED, keys: int = 1):
    """Return a file of torch.save's zip format with one pickle and storages of the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as written:
        written.writestr("a/data.pkl", pickled)
        for key in range(keys):
            written.writestr(f"a/data/{key}", data)
    return content.getvalue()


def legacy(pickled: bytes, *rest: bytes) -> bytes:
    """Return a file of torch before 1.6."""
    head = [pickle.dumps(value, protocol=2) for value in (1001, {"little_endian": True})]
    return b"".join([START + MAGIC, *head, pickled, *rest])


def enlarged(content: bytes, size: int, *, local: bool = False) -> bytes:
    """Return an archive of which the last entry is said to have a size."""
    at = content.rindex(b"PK\x01\x02") + 20
    found = content[:at] + struct.pack("<II", size, size) + content[at + 8 :]
    if local:
        at = found.rindex(b"PK\x03\x04") + 18
        found = found[:at] + struct.pack("<II", size, size) + found[at + 8 :]
    return found


def overlapping() -> bytes:
    """Return an archive of which many entries are the same bytes of the file."""
    data = bytes(40_000)
    content = archive(state(*(tensor(storage(10_000, str(n)), 0, (2,), (1,)) for n in range(99))),
                      data, keys=99)  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        entries, at = opened.infolist(), opened.start_dir
    first = entries[1].header_offset
    directory = bytearray(content[at:])
    where = 0
    for entry in entries[:-1]:
        if entry.filename.startswith("a/data/"):
            struct.pack_into("<I", directory, where + 42, first)
        where += 46 + len(entry.filename)
    struct.pack_into("<I", directory, where + 42, first)
    end = directory.rindex(b"PK\x05\x06")
    kept = content[: first + 50_000]
    struct.pack_into("<I", directory, end + 16, len(kept))
    return kept + bytes(directory)


ONE = struct.pack("<f", 1)
BIG = 1 << 62
LATIN = b"c_codecs\nencode\n"
HISTORY = b"cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81}"

UNFOLDS = "is not read: its {size} bytes unfold to more than {count} values."
DEEP = "is not read: it is nested more than 200 deep."
CYCLE = "is not read: a list or a dict in it contains itself."
KEYS = "is not read: it has tuples of tuples, or very many of them, as keys."
NUMBERS = "is not read: it has keys that are complex, or whole numbers of more than 64 bits."
ASKS = "is not read: its {size} bytes ask for more than {most} in memory."
SIZES = "is no checkpoint: a tensor has sizes that are none."
NO_STORAGE = "is no checkpoint: a storage has no name."
TOO_SMALL = "is no checkpoint: a storage is larger than its data."
OUTSIDE = "is no checkpoint: a tensor is larger than its storage."
OTHER_BYTES = "is no checkpoint: bytes are written in another way."
SHORT = "is no checkpoint: it ends too early."

CASES = {
    "a list of the list before, twice": (archive(START + doubled(40) + b"."), UNFOLDS),
    "the same in the old format": (legacy(START + doubled(40) + b".", START + b"]."), UNFOLDS),
    "tuples of the same kind": (archive(START + doubled(40, False) + b"."), UNFOLDS),
    "dicts of the same kind": (
        archive(START + b"]" + b"".join(
            b"q" + bytes([n]) + b"}(K\0h" + bytes([n]) + b"K\1h" + bytes([n]) + b"u"
            for n in range(40)) + b"."),
        UNFOLDS,
    ),
    "the same within a HistoryBuffer": (
        archive(START + HISTORY + text("_log_history") + doubled(40) + b"sb."), UNFOLDS,
    ),
    "the same as metadata": (
        archive(START + b"ccollections\nOrderedDict\n)R}" + text("_metadata") + doubled(40)
                + b"sb."),
        UNFOLDS,
    ),
    "a long text many times": (
        archive(START + b"](" + text("x" * 100_000) + b"q\0" + b"h\0" * 99_999 + b"e."), UNFOLDS,
    ),
    "a tuple nested 200,000 deep": (archive(START + b")" + b"\x85" * 200_000 + b"."), DEEP),
    "a list nested 100,000 deep": (
        archive(START + b"]" * 100_000 + b"a" * 99_999 + b"."), DEEP,
    ),
    "a dict nested 100,000 deep": (
        archive(START + b"}K\0" * 100_000 + b"N" + b"s" * 100_000 + b"."), DEEP,
    ),
    "marks without end": (archive(START + b"(" * 100_000 + b"."), DEEP),
    "a list in itself": (archive(START + b"]q\0h\0a."), CYCLE),
    "a dict in a list in itself": (archive(START + b"}q\0K\0](h\0es."), CYCLE),
    "a tuple of tuples as key": (
        archive(START + b"}" + doubled(60, False) + b"Ns."), KEYS,
    ),
    "the same in a set": (
        archive(START + b"c__builtin__\nset\n](" + doubled(60, False) + b"e\x85R."), KEYS,
    ),
    "the same in pairs": (
        archive(START + b"ccollections\nOrderedDict\n](](" + doubled(60, False) + b"Nee\x85R."),
        KEYS,
    ),
    "very many tuples as keys": (
        archive(START + b"}(" + b"".join(b"J" + struct.pack("<i", n) + b"\x85N"
                                          for n in range(20_000)) + b"u."),
        KEYS,
    ),
    "keys with one hash": (
        archive(START + b"}(" + b"".join(number(n * ((1 << 61) - 1)) + b"N"
                                          for n in range(2000)) + b"u."),
        NUMBERS,
    ),
    "a bytearray of a number": (
        archive(START + b"c__builtin__\nbytearray\n" + number(3_000_000_000) + b"\x85R."),
        OTHER_BYTES,
    ),
    "a text encoded again and again": (
        archive(START + b"](" + text("x" * 100_000) + b"q\0" + b"".join(
            LATIN + b"h\0" + text("latin1") + b"\x86R" for _ in range(2000)) + b"e."),
        ASKS,
    ),
    "a set made again and again": (
        archive(START + b"](](" + b"N" * 100_000 + b"eq\0" + b"".join(
            b"c__builtin__\nset\nh\0\x85R" for _ in range(2000)) + b"e."),
        ASKS,
    ),
    "bytes in a packed codec": (
        archive(START + LATIN + text("x") + text("bz2") + b"\x86R."), OTHER_BYTES,
    ),
    "a text that ends too early": (archive(START + b"X\xff\xff\xff\xffabc."), SHORT),
    "an empty stack": (archive(START + b"."), SHORT),
    "an OrderedDict with a method": (
        archive(START + b"ccollections\nOrderedDict\n)R}" + text("items") + b"Nsb."),
        "is no checkpoint: an OrderedDict is given another method.",
    ),
    "a dict with a state": (
        archive(START + b"}}b."), "is no checkpoint: a dict is given a state.",
    ),
    "a call of a tensor's class": (
        archive(START + b"ctorch\nTensor\n" + number(BIG) + b"\x85R."),
        "is no checkpoint: something is called that is no function.",
    ),
    "a dtype of numpy with many parts": (
        archive(START + b"cnumpy\ndtype\n" + text("i4," * 9999) + b"\x85R."),
        "is no checkpoint: a dtype of numpy has no code.",
    ),
    "a tensor larger than its storage": (
        archive(state(tensor(storage(1), 0, (1 << 20,), (1,))), ONE), OUTSIDE,
    ),
    "a step beyond the storage": (
        archive(state(tensor(storage(1), 0, (2,), (1 << 40,))), ONE), OUTSIDE,
    ),
    "an offset beyond the storage": (
        archive(state(tensor(storage(1), 1 << 40, (1,), (1,))), ONE), OUTSIDE,
    ),
    "a negative size": (archive(state(tensor(storage(1), 0, (-1,), (1,))), ONE), SIZES),
    "a negative step": (archive(state(tensor(storage(1), 0, (1,), (-1,))), ONE), SIZES),
    "a negative offset": (archive(state(tensor(storage(1), -1, (1,), (1,))), ONE), SIZES),
    "sizes that overflow": (
        archive(state(tensor(storage(1), 0, (BIG, 8), (0, 0))), ONE), SIZES,
    ),
    "a size beyond 64 bits": (
        archive(state(tensor(storage(1), 0, (1 << 70,), (0,))), ONE), SIZES,
    ),
    "a product that is 0 in 64 bits": (
        archive(state(tensor(storage(1), 0, (1 << 32, 1 << 32), (0, 0))), ONE), SIZES,
    ),
    "other strides than sizes": (
        archive(state(tensor(storage(1), 0, (1, 1), (1,))), ONE),
        "is no checkpoint: a tensor has other strides than sizes.",
    ),
    "one number as very many": (
        archive(state(tensor(storage(1), 0, (1 << 40,), (0,))), ONE),
        "is not read: a tensor in it has 4,398,046,511,104 bytes when it is copied, and the file "
        "{size}.",
    ),
    "a storage larger than its data": (
        archive(state(tensor(storage(1 << 40), 0, (1 << 40,), (1,))), ONE), TOO_SMALL,
    ),
    "a storage without data": (
        archive(state(tensor(storage(1, "7"), 0, (1,), (1,))), ONE),
        "is no checkpoint: it has no entry data/7.",
    ),
    "a storage with another count later": (
        archive(state(tensor(storage(1), 0, (1,), (1,)), tensor(storage(9), 0, (9,), (1,))), ONE),
        TOO_SMALL,
    ),
    "a storage of a negative count": (
        archive(state(tensor(storage(-1), 0, (1,), (1,))), ONE), NO_STORAGE,
    ),
    "a storage of an endless count": (
        archive(state(tensor(storage(1 << 66), 0, (1,), (1,))), ONE), NO_STORAGE,
    ),
    "an entry that is said to be longer": (
        enlarged(archive(state(tensor(storage(1 << 28), 0, (1 << 28,), (1,))), ONE), 1 << 30,
                 local=True),
        "is no checkpoint: its tensors have at least 1,073,741,975 bytes, and it has {size}.",
    ),
    "entries that are the same bytes": (
        overlapping(),
        "is no checkpoint: its tensors have at least 94,539 bytes, and it has {size}.",
    ),
    "a packed pickle": (
        archive(START + b"](" + b"N" * (100 << 20) + b"e.", how=zipfile.ZIP_DEFLATED), ASKS,
    ),
    "a packed storage": (
        archive(state(tensor(storage(25 << 20), 0, (25 << 20,), (1,))), bytes(100 << 20),
                how=zipfile.ZIP_DEFLATED),
        ASKS,
    ),
    "two entries of one name": (
        archive(state()).replace(b"a/data/0", b"a/data.pkl"[:8]).replace(b"a/data.p", b"a/data/0"),
        "is no checkpoint: it is a zip archive that torch.save has not written.",
    ),
    "a storage of the old format larger than the file": (
        legacy(state(tensor(storage(1 << 40), 0, (1,), (1,))), START + b"]" + text("0") + b"a."),
        "is no checkpoint: its tensors have at least 4,398,046,511,104 bytes, and it has {size}.",
    ),
    "one of another size than its data": (
        legacy(state(tensor(storage(2), 0, (1,), (1,))), START + b"]" + text("0") + b"a.",
               struct.pack("<q", 1), ONE * 2),
        "is no checkpoint: a storage has another size than its data.",
    ),
    "one that is not listed": (
        legacy(state(tensor(storage(1), 0, (1,), (1,))), START + b"].", struct.pack("<q", 1), ONE),
        "is no checkpoint: it has other storages than it lists.",
    ),
    "one that is listed and not there": (
        legacy(state(), START + b"]" + text("0") + b"a.", struct.pack("<q", 1), ONE),
        "is no checkpoint: it has other storages than it lists.",
    ),
    "a part outside the storage": (
        legacy(state(tensor(storage(1, view=text("v") + number(1) + number(9) + b"\x87"), 0, (1,),
                            (1,))), START + b"]" + text("0") + b"a.", struct.pack("<q", 1), ONE),
        "is no checkpoint: a part of a storage is larger than that.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mapped", [False, True])
def test_a_hostile_file_is_refused_soon(name, mapped, tmp_path):
    content, message = CASES[name]
    file = tmp_path / "a.pth"
    file.write_bytes(content)
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file, mapped=mapped)
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < MEMORY
    size = len(content)
    shown = message.format(
        size=f"{size:,}",
        count=f"{(1 << 20) + 16 * size:,}",
        most=f"{(1 << 26) + 16 * size:,}",
    )
    assert str(caught.value) == f"checkpoint: {file} {shown}"


def test_a_memo_of_any_number_costs_nothing(tmp_path):
    file = tmp_path / "a.pth"
    file.write_bytes(archive(START + b"]r\xff\xff\xff\xffj\xff\xff\xff\xff\x86."))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_checkpoint(file) == ([], [])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_what_is_written_otherwise_is_read(tmp_path):
    """Packed archives, expanded tensors, shared storages, and what is beside tensors."""
    base = torch.arange(12.0)
    content = {
        "rows": base.view(3, 4),
        "turned": base.view(3, 4).t(),
        "part": base[5:7],
        "expanded": torch.ones(1).expand(1000, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "complex": torch.tensor([1 + 2j]).conj(),
        "sparse": torch.eye(3).to_sparse(),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(3),
        "plain": [None, True, -(1 << 90), 1 << 40, 2.5, "ä", b"\xff", b"", (1, (2, (3, 4, 5)))],
        "keys": {1: 2, (1, "a"): 3, None: 4, 2.5: 5},
        "set": {1, 2},
        "bytes": bytearray(b"abc"),
        "number": 1 + 2j,
        "device": torch.device("cuda", 1),
        "dtype": torch.bfloat16,
        "size": torch.Size([1, 2]),
        "shared": [base, base],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that quantized tensors go out of use
        content["quantized"] = torch.quantize_per_tensor(torch.ones(3), 0.5, 1, torch.qint8)
        content["by channel"] = torch.quantize_per_channel(
            torch.ones(2, 3), torch.tensor([0.5, 0.25]), torch.tensor([0, 1]), 0, torch.qint8
        )
    file, packed = tmp_path / "a.pth", tmp_path / "packed.pth"
    torch.save(content, file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    torch.save(content, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    for name in ("a.pth", "packed.pth", "legacy.pth"):
        for mapped in (False, True):
            found = read_checkpoint(tmp_path / name, mapped=mapped)
            assert list(found) == list(content)
            for key, value in content.items():
                assert type(found[key]) is type(value), key
                if isinstance(value, torch.Tensor):
                    assert found[key].stride() == value.stride() if key == "turned" else True
                    left, right = found[key], value
                    if value.is_sparse:
                        left, right = left.to_dense(), right.to_dense()
                    assert torch.equal(left, right), key
                    assert left.requires_grad == right.requires_grad
                elif key != "shared":
                    assert found[key] == value
            rows = found["rows"]
            assert rows.untyped_storage().data_ptr() == found["part"].untyped_storage().data_ptr()
            assert found["shared"][0] is found["shared"][1]


@pytest.mark.parametrize("name", ["a.pth", "legacy.pth"])
def test_places(name, tmp_path):
    file = tmp_path / name
    torch.save({"a": torch.ones(2)}, file, _use_new_zipfile_serialization=name == "a.pth")
    seen = []

    def place(storage, location):
        seen.append(location)
        return storage

    for where in ("cpu", {"cpu": "cpu"}, place, lambda storage, location: None):
        assert read_checkpoint(file, where)["a"].tolist() == [1, 1]
    assert seen == ["cpu"]
    assert read_checkpoint(file, "meta")["a"].is_meta


def test_a_file_of_the_other_order_of_bytes(tmp_path):
    file = tmp_path / "a.pth"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        written.writestr("a/data.pkl", state(tensor(storage(1), 0, (1,), (1,))))
        written.writestr("a/byteorder", "big")
        written.writestr("a/data/0", struct.pack(">f", 2.5))
    file.write_bytes(content.getvalue())
    for mapped in (False, True):
        assert read_checkpoint(file, mapped=mapped)["0"].item() == 2.5


def test_torchs_list_is_never_changed_for_other_threads(tmp_path):
    file = tmp_path / "a.pth"
    torch.save({"weight": torch.ones(3), "meta": OrderedDict(a=1)}, file)
    before, lost, done = get_safe_globals(), [], threading.Event()

    def watch():
        while not done.is_set():
            lost.extend(() if Path in get_safe_globals() else (1,))

    add_safe_globals([Path])
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(150):
            read_checkpoint(file)
    finally:
        done.set()
        watcher.join()
        clear_safe_globals()
        add_safe_globals(before)
    assert lost == []


def test_a_header_of_safetensors_that_is_too_long(tmp_path):
    file, size = tmp_path / "a.safetensors", 40 << 20
    head = json.dumps({"__metadata__": {"a": "x" * size}}).encode()
    file.write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value) == (
        f"checkpoint: {file} is not read: its header has {len(head):,} bytes, and 33,554,432 are "
        "the most that is read."
    )
