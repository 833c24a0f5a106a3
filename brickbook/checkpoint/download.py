"""A URL -> a file in the cache: whole and with the hash that was promised, or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from brickbook.checkpoint.errors import DownloadError
from brickbook.checkpoint.places import cache_folder, is_offline, promised_hash
from brickbook.errors import BadValueError

__all__ = ["cached", "download", "refuse_offline"]


def download(
    url: str,
    path: str = "checkpoint",
    *,
    sha256: str | None = None,
    mirrors: Sequence[str] = (),
    folder: Path | None = None,
) -> Path:
    """Return the file of a URL from the cache, fetching it first if it is not there.

    The bytes go to a temporary file beside the place they end in, are held against the SHA-256
    digits that ``sha256`` or the file's name gives (``resnet50-0676ba61.pth``), if one does, and
    are then moved into place in one step. What is in the cache has passed this and is not hashed
    again. A file without a hash in its name gets a folder for its URL, as equal names need not
    mean equal files. ``folder`` takes the place of the cache's.

    Of any number of processes that ask for one file one fetches it, and the others wait: a lock
    beside the cache, not a collective call, so that one rank may ask alone. A transfer that breaks
    is gone on with, and tried again after a pause; where a hash is known also by the next call.

    Raises FileNotFoundError if no server has such a file, OSError if it cannot be fetched or
    ``BRICKBOOK_OFFLINE`` forbids it, RuntimeError if its hash is another.
    """
    file = cached(url, path, sha256, folder)
    if file.is_file():
        return file
    refuse_offline(url, file, path)
    # What speaks HTTP is loaded when there is something to say.
    fetching = import_module("brickbook.checkpoint.fetching")
    promised = (sha256 or promised_hash(file.name) or "").casefold() or None
    fetching.fetch((url, *mirrors), file, promised, path)
    return file


def refuse_offline(url: str, file: object, path: str) -> None:
    """Raise OSError if what is not in the cache is not to be fetched either."""
    if is_offline():
        raise DownloadError(
            path,
            f"{url} is not in the cache ({file}), and the network is not to be used.",
            "Fetch it without --offline and BRICKBOOK_OFFLINE, or put the file there.",
        )


def cached(
    url: str, path: str = "checkpoint", sha256: str | None = None, folder: Path | None = None
) -> Path:
    """Return the place in the cache of what a URL gives, whether it is there or not."""
    name = file_name(url, path)
    place = folder or cache_folder() / "checkpoints"
    if promised_hash(name) is None:
        whose = f"{url} {sha256}" if sha256 else url
        place /= hashlib.sha256(whose.encode(errors="replace")).hexdigest()[:16]
    return place / name


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
