"""A URL -> a file in the cache: whole and with the hash that its name promises, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from brickbook.checkpoint.errors import CheckpointError, DownloadError
from brickbook.errors import BadValueError, MissingFileError

__all__ = ["cache_folder", "download", "promised_hash"]

BLOCK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
GONE = (404, 410)
BY_HAND = "Nothing was kept. Download it by other means and give the file's path."
# A UUID's last group and a date (...-20200130.pth) are written like a hash, and are none.
HASH = re.compile(
    r"(?<![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4})"
    r"-(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\.)"
    r"([0-9a-f]{8,64})\."
)

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return where brickbook keeps what it downloads; the folder need not exist.

    The first that is set: ``BRICKBOOK_HOME``, ``MMCV_HOME``, ``XDG_CACHE_HOME``/brickbook; else
    ``~/.cache/brickbook``.
    """
    for variable, inner in (
        ("BRICKBOOK_HOME", ""),
        ("MMCV_HOME", ""),
        ("XDG_CACHE_HOME", "brickbook"),
    ):
        if value := os.environ.get(variable):
            return Path(value).expanduser() / inner
    return Path("~/.cache/brickbook").expanduser()


def promised_hash(name: str) -> str | None:
    """Return the first digits of a file's SHA-256, if its name ends in them.

    >>> promised_hash("resnet50-0676ba61.pth"), promised_hash("resnet50-20200130.pth")
    ('0676ba61', None)
    """
    found = HASH.findall(name)
    return found[-1] if found else None


def download(url: str, path: str = "checkpoint") -> Path:
    """Return the file of a URL from the cache, fetching it first if it is not there.

    The bytes go to a temporary file beside the place they end in, are held against the SHA-256
    digits in the file's name (``resnet50-0676ba61.pth``), if it has any, and are then moved into
    place in one step. What is in the cache has passed this and is not hashed again. A file without
    a hash in its name gets a folder for its URL, as equal names need not mean equal files.

    Raises FileNotFoundError if the server has no such file, OSError if it cannot be fetched,
    RuntimeError if its hash is another.
    """
    name = file_name(url, path)
    promised = promised_hash(name)
    folder = cache_folder() / "checkpoints"
    if promised is None:
        folder /= hashlib.sha256(url.encode(errors="replace")).hexdigest()[:16]
    file = folder / name
    if file.is_file():
        return file
    with temporary(file, path) as part:
        log.info("downloading %s to %s", url, file)
        found = fetch(url, part, path)
        if promised is not None and not found.startswith(promised):
            raise CheckpointError(
                path,
                f"{url} is not what its name promises: its SHA-256 should begin with {promised}, "
                f"and is {found}.",
                "Nothing was kept.",
            )
        part.replace(file)
    return file


def file_name(url: str, path: str) -> str:
    """Return the last part of a URL as a file name that is safe in any folder."""
    try:
        last = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError as error:
        raise BadValueError(path, f"{url} is no URL: {error}.") from error
    name = re.sub(r"[^\w.+-]", "_", last)
    if not name.strip("."):
        raise BadValueError(path, f"{url} names no file.")
    return name


@contextmanager
def temporary(file: Path, path: str) -> Iterator[Path]:
    """Give a path beside ``file`` to write to; whatever is left there afterwards is removed."""
    part = file.with_name(f"{file.name}.{uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # open() rather than tempfile: the file gets the permissions that the user's umask says
        part.open("xb").close()
    except OSError as error:
        raise DownloadError(
            path,
            f"the cache folder {file.parent} cannot be written to: {error.strerror}.",
            "Set BRICKBOOK_HOME to a folder that can.",
        ) from error
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def fetch(url: str, part: Path, path: str) -> str:
    """Write the bytes of a URL to a file and return their SHA-256."""
    try:
        return copy(url, part)
    except HTTPError as error:
        error.close()
        answer = f"HTTP {error.code} {error.reason}"
        if error.code in GONE:
            raise MissingFileError(path, f"{url} can not be found: {answer}.") from error
        why = answer
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        why = str(reason) or type(reason).__name__
    raise DownloadError(path, f"{url} could not be downloaded: {why.rstrip('.')}.", BY_HAND)


def copy(url: str, part: Path) -> str:
    """Copy an HTTP answer's body to a file and return its SHA-256; OSError if it breaks off."""
    digest, received = hashlib.sha256(), 0
    request = Request(url, headers={"User-Agent": "brickbook"})
    with urlopen(request, timeout=TIMEOUT) as response, part.open("wb") as out:
        while block := response.read(BLOCK):
            out.write(block)
            digest.update(block)
            received += len(block)
        # http.client ends a body that breaks off like one that is complete, and only counts
        if left := response.length:
            raise OSError(f"the connection ended after {received} of {received + left} bytes")
    return digest.hexdigest()
