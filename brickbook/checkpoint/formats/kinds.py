"""Files that take the place of checkpoints: pages, pointers, packed files, other formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from brickbook.errors import Sentence

__all__ = ["FileKind", "find_kind"]

READ = 4096  # bytes of a file that are looked at
TEXT_SHOWN = 60
SAFETENSORS = ".safetensors"
TORCH_ZIP, TORCH_PICKLE = b"PK\x03\x04", b"\x80"
# What torch's own tar archives begin with; a long name stands behind a note of its own.
TORCH_TAR = frozenset({"storages", "tensors", "pickle", "sys_info", "././@PaxHeader"})

PAGE_HINT = (
    "Its address gives a page, not the file: on Hugging Face say /resolve/ in place of /blob/, on "
    "GitHub /raw/."
)
UNPACK_HINT = "Unpack it first: {command}."


class FileKind(NamedTuple):
    """What a file is, and what to do about it."""

    fact: str
    hint: str = ""


# What a file begins with.
SIGNS = {
    b"\x1f\x8b": FileKind("it is packed by gzip", Sentence(UNPACK_HINT, command="gunzip")),
    b"BZh": FileKind("it is packed by bzip2", Sentence(UNPACK_HINT, command="bunzip2")),
    b"\xfd7zXZ\x00": FileKind("it is packed by xz", Sentence(UNPACK_HINT, command="unxz")),
    b"\x28\xb5\x2f\xfd": FileKind("it is packed by zstd", Sentence(UNPACK_HINT, command="unzstd")),
    b"\x04\x22\x4d\x18": FileKind("it is packed by lz4", Sentence(UNPACK_HINT, command="unlz4")),
    b"7z\xbc\xaf\x27\x1c": FileKind("it is a 7z archive", Sentence(UNPACK_HINT, command="7z x")),
    b"Rar!\x1a\x07": FileKind("it is a RAR archive", Sentence(UNPACK_HINT, command="unrar x")),
    b"\x89HDF\r\n\x1a\n": FileKind("it is an HDF5 file, as Keras writes them"),
    b"GGUF": FileKind("it is a GGUF file, as llama.cpp reads them"),
    b"\x93NUMPY": FileKind("it is an array of NumPy"),
    b"PK\x05\x06": FileKind("it is an empty zip archive"),
    b"\x89PNG": FileKind("it is a PNG picture"),
    b"\xff\xd8\xff": FileKind("it is a JPEG picture"),
    b"%PDF": FileKind("it is a PDF document"),
    b"/annex/objects/": FileKind(
        "it is a pointer of git-annex: the file itself was not fetched", "git annex get fetches it."
    ),
}


def find_kind(file: Path, *, json: bool = False, name: str = "") -> FileKind | None:
    """Return what a file is that is no checkpoint by its beginning; None for what may be one.

    With ``json`` it is to be JSON, as the index of several files is; ``name`` is what the file will
    be called.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as opened:
        head = opened.read(READ)
    if not head:
        return FileKind("it is empty")
    if not head.strip(b"\0"):
        return FileKind("it is filled with zeros", "A download or a copy broke off.")
    for sign, kind in SIGNS.items():
        if head.startswith(sign):
            return kind
    return (
        archive_kind(head) or tensors_kind(head, Path(name or file).suffix) or text_kind(head, json)
    )


def archive_kind(head: bytes) -> FileKind | None:
    """Tell a tar archive of any files from one that torch wrote until 2017."""
    if head[257:262] != b"ustar":
        return None
    first = head[:100].partition(b"\0")[0].decode(errors="replace")
    if first in TORCH_TAR:
        return None
    return FileKind(
        Sentence("it is a tar archive, of {name} first", name=repr(first)),
        Sentence(UNPACK_HINT, command="tar xf"),
    )


def tensors_kind(head: bytes, suffix: str) -> FileKind | None:
    """Tell a format that stands under the name of another, and other formats of tensors."""
    if suffix == SAFETENSORS and head.startswith((TORCH_ZIP, TORCH_PICKLE)):
        return FileKind("it is a zip archive or a pickle, as torch.save writes", "Name it .pth.")
    # A header begins behind its length of eight bytes.
    if suffix != SAFETENSORS and head[5:9] == b"\0\0\0{" and not head.startswith(TORCH_ZIP):
        return FileKind("it is a safetensors file", "Name it .safetensors.")
    if re.match(rb"\x08[\x01-\x20]\x12.pytorch", head, re.DOTALL):
        return FileKind("it is an ONNX model")
    return None


def text_kind(head: bytes, json: bool) -> FileKind | None:
    """Tell web pages, error messages and Git LFS pointers."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().decode("utf-8", "replace")
    lower = text.lower()
    if text.startswith("version https://") and "\noid " in text:
        size = re.search(r"\nsize (\d{1,18})", text)
        fact = Sentence("it is a pointer of Git LFS, which was not fetched")
        if size:
            template = "it is a pointer of Git LFS to a file of {size} bytes, which was not fetched"
            fact = Sentence(template, size=f"{int(size[1]):,}")
        return FileKind(fact, "git lfs pull fetches it.")
    if lower.startswith("<") and (
        "<html" in lower or "<!doctype html" in lower or "<head" in lower
    ):
        return FileKind(
            Sentence("it is an HTML page{title}", title=element(text, "title")), PAGE_HINT
        )
    if re.match(r"<[a-z?!]", lower):
        message = element(text, "Code") + element(text, "Message")
        return FileKind(Sentence("it is an XML document{message}", message=message))
    if not json and re.match(r"\{\s*[\"}]|\[\s*[\"{\]]", text):
        shown = text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}…"
        return FileKind(Sentence("it is JSON: {text}", text=shown.rstrip()))
    return None


def element(text: str, name: str) -> str:
    """Return what stands in an element of HTML or XML, for a message."""
    found = re.search(rf"<{name}[^>]{{0,200}}>([^<]+)", text, re.IGNORECASE)
    return f": {' '.join(found[1].split())[:TEXT_SHOWN]}" if found else ""
