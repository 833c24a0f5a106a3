"""Bytes from a server into the cache: one process at a time, tried again, held against a hash.

The lock is filelock's, which torch needs itself. HTTP is the standard library's: the libraries
that download with a hash (pooch, torch.hub) do not resume, those that speak HTTP (requests, httpx)
leave resuming to their caller, and all would be one more package for what stands in `Transfer`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, InvalidURL
from pathlib import Path
from socket import EAI_AGAIN, gaierror
from ssl import SSLCertVerificationError, SSLError
from time import sleep
from urllib.error import HTTPError, URLError

from filelock import FileLock, Timeout

from brickbook.checkpoint.errors import CheckpointError, DownloadError
from brickbook.checkpoint.places import cache_folder, progress
from brickbook.checkpoint.transfer import BrokenOffError, Transfer
from brickbook.errors import ConfigError, MissingFileError

__all__ = ["fetch", "locked"]

# Seconds before the next try; as many tries without one more byte are the last.
WAITS = (0.5, 1.0, 2.0, 4.0)
LONGEST_WAIT = 30.0  # that a server may ask for
GONE = (404, 410)
UNREACHED = (errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH)
PASSING = (408, 425, 429, 500, 502, 503, 504)
BY_HAND = "Download it by other means and give the file's path."

log = logging.getLogger(__name__)


def fetch(urls: Sequence[str], file: Path, promised: str | None, path: str) -> None:
    """Put what the first URL that answers gives at ``file``, unless another process has done so.

    ``promised`` are the first digits of its SHA-256.
    """
    with locked(file, path):
        if file.is_file():
            return
        part = file.with_name(f"{file.name}.part")
        transfer = Transfer(part, lasting=promised is not None, progress=progress())
        try:
            transfer.begin()
            found = from_any(urls, transfer, promised, path)
            log.info("%s is at %s, SHA-256 %s", urls[0], file, found)
            part.replace(file)
        finally:
            transfer.end()


@contextmanager
def locked(file: Path, path: str) -> Iterator[None]:
    """Let one process at a time into a file's place; make the folders that it needs."""
    mark = hashlib.sha256(str(file).encode(errors="replace")).hexdigest()[:16]
    place = cache_folder() / "locks" / f"{mark}.lock"
    try:
        for folder in (file.parent, place.parent):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("waiting for another process that fetches %s", file)
            lock.acquire()
    except OSError as error:
        raise unwritable(file, error, path) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(file: Path, error: OSError, path: str) -> DownloadError:
    """Return the error that says that the cache takes no file."""
    return DownloadError(
        path,
        f"the cache folder {file.parent} cannot be written to: {error.strerror or error}.",
        "Set BRICKBOOK_HOME to a folder that can.",
    )


def from_any(urls: Sequence[str], transfer: Transfer, promised: str | None, path: str) -> str:
    """Return the hash of what the first of several URLs gives; without one, say why of each."""
    failures: list[ConfigError] = []
    for url in urls:
        transfer.mark = ""  # another server's
        try:
            return verified(url, transfer, promised, path)
        except (CheckpointError, DownloadError, MissingFileError) as error:
            failures.append(error)
    first = failures[0]
    if len(failures) == 1:
        raise first
    told = " ".join(error.problem for error in failures)
    raise type(first)(path, told, failures[-1].hint) from failures[-1]


def verified(url: str, transfer: Transfer, promised: str | None, path: str) -> str:
    """Fetch a URL, and once more from its start if what was gone on with has a wrong hash."""
    resumed = transfer.received > 0
    if resumed and promised and transfer.digest.hexdigest().startswith(promised):
        return transfer.digest.hexdigest()  # ended between the last byte and the last step
    log.info("downloading %s", url)
    found = persevering(url, transfer, path)
    if promised is None or found.startswith(promised):
        return found
    transfer.restart()
    if resumed:
        return verified(url, transfer, promised, path)
    raise CheckpointError(
        path,
        f"{url} is not what was promised: its SHA-256 should begin with {promised}, and is "
        f"{found}.",
        "Nothing was kept.",
    )


def persevering(url: str, transfer: Transfer, path: str) -> str:
    """Return the hash of what a URL gives, trying again as long as that may help."""
    tries, most = 0, transfer.received
    while True:
        try:
            return transfer.attempt(url)
        except HTTPError as error:
            error.close()
            why, wait = f"HTTP {error.code} {error.reason}", asked_wait(error)
            if error.code in GONE:
                raise MissingFileError(path, f"{url} can not be found: {why}.") from error
            again = error.code in PASSING
        except (OSError, HTTPException, ValueError) as error:
            if str(getattr(error, "filename", None)) == str(transfer.part):
                raise unwritable(transfer.part, error, path) from error  # pyright: ignore
            reason = error.reason if isinstance(error, URLError) else error
            why, wait, again = str(reason) or type(reason).__name__, 0.0, passes(reason)
        if transfer.received > most:
            tries, most = 0, transfer.received
        if not again or tries == len(WAITS):
            raise DownloadError(
                path,
                f"{url} could not be downloaded: {why.rstrip('.')}.",
                f"{transfer.left()} {BY_HAND}",
            )
        log.info("%s: %s; trying again", url, why)
        sleep(max(WAITS[tries], wait))
        tries += 1


def passes(reason: object) -> bool:
    """Whether a failure may be gone at the next try."""
    if isinstance(reason, gaierror):
        return reason.errno == EAI_AGAIN
    if isinstance(reason, (SSLCertVerificationError, InvalidURL)):
        return False
    if isinstance(reason, (ConnectionError, TimeoutError, BrokenOffError, HTTPException, SSLError)):
        return True
    return isinstance(reason, OSError) and reason.errno in UNREACHED


def asked_wait(error: HTTPError) -> float:
    """Return the seconds that a busy server asks for, within bounds."""
    told = error.headers.get("Retry-After", "")
    return min(float(told), LONGEST_WAIT) if told.isdecimal() else 0.0
