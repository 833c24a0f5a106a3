"""Downloads: locked, resumed, verified."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path
from socket import EAI_AGAIN, gaierror
from ssl import SSLCertVerificationError, SSLError
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from zipfile import is_zipfile

from brickbook.checkpoint.cache import (
    Progress,
    cache_folder,
    current_progress,
    hash_in_name,
    is_offline,
    unwritable_folder,
)
from brickbook.checkpoint.errors import CheckpointError, DownloadError
from brickbook.checkpoint.formats.kinds import FileKind, find_kind
from brickbook.errors import (
    BadValueError,
    ConfigError,
    MissingFileError,
    Sentence,
    as_sentence,
    reason_of,
    with_hint,
)

__all__ = ["cache_path", "check_online", "download", "file_lock", "is_cached"]

BLOCK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 120.0  # seconds that a transfer may take, and one more for each SLOWEST bytes
SLOWEST = 4096
# Of what a server has packed: it may become so many times as large, or so large.
PACKED_RATIO = 16
PACKED_FREE = 1 << 26
ZLIB_AUTO = 47  # zlib's word for: with the header of gzip or of zlib
UNSATISFIABLE = 416
# Seconds before the next try; as many tries without one more byte are the last.
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0)
LONGEST_WAIT = 30.0  # that a server may ask for
ZIP_SIGN = b"PK\x03\x04"
GONE_STATUS = (404, 410)
UNREACHABLE_ERRNOS = (errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH)
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
MANUAL_HINT = "Download it by other means and give the file's path."
log = logging.getLogger(__name__)


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
    mean equal files.

    Of any number of processes that ask for one file one fetches it, and the others wait: a lock
    beside the cache, not a collective call, so that one rank may ask alone. A transfer that breaks
    is tried again after a pause. Where the hash is known it resumes where it broke off, also in a
    later call; where not, it begins anew.

    Args:
        url: Where the file is.
        path: Where the config names it, for errors.
        sha256: The first digits of its hash, if its name does not end in them.
        mirrors: URLs to ask if the first fails, in turn.
        folder: What takes the place of the cache's folder.

    Raises:
        MissingFileError: If no server has such a file.
        DownloadError: If it cannot be fetched, or ``BRICKBOOK_OFFLINE`` forbids it.
        CheckpointError: If its hash is another.
    """
    file = cache_path(url, path, sha256, folder)
    if is_cached(file, path):
        return file
    check_online(url, file, path)
    expected_hash = (sha256 or hash_in_name(file.name) or "").casefold() or None
    fetch_to_cache((url, *mirrors), file, expected_hash, path)
    return file


def is_cached(file: Path, path: str) -> bool:
    """Whether a file is in the cache; OSError if its folder cannot be used."""
    try:
        return file.is_file()
    except OSError as error:  # the path is too long
        raise unwritable_error(file, error, path) from error


def check_online(url: str, file: object, path: str) -> None:
    """Raise OSError if what is not in the cache is not to be fetched either."""
    if is_offline():
        raise DownloadError(
            path,
            Sentence(
                "{url} is not in the cache ({file}), and the network is not to be used.",
                url=url,
                file=file,
            ),
            "Fetch it without --offline and BRICKBOOK_OFFLINE, or put the file there.",
        )


def cache_path(
    url: str, path: str = "checkpoint", sha256: str | None = None, folder: Path | None = None
) -> Path:
    """Return the place in the cache of what a URL gives, whether it is there or not."""
    name = safe_file_name(url, path)
    place = folder or cache_folder() / "checkpoints"
    if hash_in_name(name) is None:
        whose = f"{url} {sha256}" if sha256 else url
        place /= hashlib.sha256(whose.encode(errors="replace")).hexdigest()[:16]
    return place / name


def safe_file_name(url: str, path: str) -> str:
    """Return the last part of a URL as a file name that is safe in any folder."""
    try:
        last = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError as error:
        raise BadValueError(
            path, Sentence("{url} is no URL: {why}.", url=url, why=reason_of(error))
        ) from error
    name = re.sub(r"[^\w.+-]", "_", last)
    if not name.strip("."):
        raise BadValueError(path, Sentence("{url} names no file.", url=url))
    return name


def fetch_to_cache(urls: Sequence[str], file: Path, expected_hash: str | None, path: str) -> None:
    """Put what the first URL that answers gives at ``file``, unless another process has done so.

    ``expected_hash`` are the first digits of its SHA-256.
    """
    with file_lock(file, path):
        if file.is_file():
            return
        part = file.with_name(f"{file.name}.part")
        transfer = Transfer(
            part, keep_partial=expected_hash is not None, progress=current_progress()
        )
        if part.is_dir():
            raise DownloadError(
                path, Sentence("{part} is a folder, where a part of a file belongs.", part=part)
            )
        try:
            transfer.resume()
            found = fetch_from_any(urls, transfer, expected_hash, path)
            if expected_hash is None:
                check_format(part, file.name, urls[0], path)
            log.info("%s is at %s, SHA-256 %s", urls[0], file, found)
            part.replace(file)
        finally:
            transfer.discard_partial()


@contextmanager
def file_lock(file: Path, path: str) -> Iterator[None]:
    """Let one process at a time into a file's place; make the folders that it needs."""
    from filelock import FileLock, Timeout  # a tenth of the time that importing brickbook takes

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
        raise unwritable_error(file, error, path) from error
    try:
        yield
    finally:
        lock.release()


def check_format(part: Path, name: str, url: str, path: str) -> None:
    """Raise CheckpointError for what has come in place of a file of which no hash is known."""
    kind = find_kind(part, json=name.endswith(".json"), name=name)
    if kind is None:
        with part.open("rb") as opened:
            zipped = opened.read(len(ZIP_SIGN)) == ZIP_SIGN
        if zipped and not is_zipfile(part):
            kind = FileKind("it ends too early")
    if kind is not None:
        hint = with_hint("Nothing was kept.", kind.hint)
        raise CheckpointError(
            path,
            Sentence("{url} gives no checkpoint: {fact}.", url=url, fact=as_sentence(kind.fact)),
            hint,
        )


def unwritable_error(file: Path, error: OSError, path: str) -> DownloadError:
    """Return the error that says that the cache takes no file."""
    return unwritable_folder(file.parent, error, path)


def fetch_from_any(
    urls: Sequence[str], transfer: Transfer, expected_hash: str | None, path: str
) -> str:
    """Return the hash of what the first of several URLs gives; without one, say why of each."""
    failures: list[ConfigError] = []
    for url in urls:
        try:
            return fetch_verified(url, transfer, expected_hash, path)
        except (CheckpointError, DownloadError, MissingFileError) as error:
            failures.append(error)
    first = failures[0]
    if len(failures) == 1:
        raise first
    problems = " ".join(error.problem for error in failures)
    raise type(first)(path, problems, failures[-1].hint) from failures[-1]


def fetch_verified(url: str, transfer: Transfer, expected_hash: str | None, path: str) -> str:
    """Fetch a URL, and once more from its start if what was resumed has a wrong hash."""
    resumed = transfer.received > 0
    if resumed and expected_hash and transfer.digest.hexdigest().startswith(expected_hash):
        return transfer.digest.hexdigest()  # ended between the last byte and the last step
    log.info("downloading %s", url)
    found = with_retries(url, transfer, path)
    if expected_hash is None or found.startswith(expected_hash):
        return found
    transfer.restart()
    if resumed:
        return fetch_verified(url, transfer, expected_hash, path)
    raise CheckpointError(
        path,
        Sentence(
            "{url} is not what was promised: its SHA-256 should begin with {promised}, and is "
            "{found}.",
            url=url,
            promised=expected_hash,
            found=found,
        ),
        "Nothing was kept.",
    )


def with_retries(url: str, transfer: Transfer, path: str) -> str:
    """Return the hash of what a URL gives, trying again as long as that may help."""
    tries, most = 0, transfer.received
    while True:
        try:
            return transfer.attempt(url)
        except HTTPError as error:
            error.close()
            why, wait = f"HTTP {error.code} {error.reason}", retry_after(error)
            if error.code in GONE_STATUS:
                raise MissingFileError(
                    path, Sentence("{url} can not be found: {why}.", url=url, why=why)
                ) from error
            again = error.code in TRANSIENT_STATUS
        except (OSError, HTTPException, ValueError) as error:
            if str(getattr(error, "filename", None)) == str(transfer.part):
                raise unwritable_error(transfer.part, error, path) from error  # pyright: ignore
            reason = error.reason if isinstance(error, URLError) else error
            why, wait, again = reason_of(reason), 0.0, is_transient(reason)
        if transfer.received > most:
            tries, most = 0, transfer.received
        if not again or tries == len(RETRY_WAITS):
            raise DownloadError(
                path,
                Sentence("{url} could not be downloaded: {why}.", url=url, why=why),
                with_hint(transfer.partial_message(), MANUAL_HINT),
            )
        log.info("%s: %s; trying again", url, why)
        sleep(max(RETRY_WAITS[tries], wait))
        tries += 1


def is_transient(reason: object) -> bool:
    """Whether a failure may be gone at the next try."""
    if isinstance(reason, gaierror):
        return reason.errno == EAI_AGAIN
    if isinstance(reason, (SSLCertVerificationError, InvalidURL)):
        return False
    if isinstance(
        reason, (ConnectionError, TimeoutError, IncompleteTransferError, HTTPException, SSLError)
    ):
        return True
    return isinstance(reason, OSError) and reason.errno in UNREACHABLE_ERRNOS


def retry_after(error: HTTPError) -> float:
    """Return the seconds that a busy server asks for, within bounds."""
    seconds = error.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_WAIT) if seconds.isdecimal() else 0.0


class IncompleteTransferError(OSError):
    """An answer that ended before it was complete."""


class SlowTransferError(OSError):
    """An answer that comes too slowly."""


class Transfer:
    """A file that arrives, in one go or, if its hash is known, in several.

    Args:
        part: Where the bytes go.
        keep_partial: Whether the hash is known: a later attempt then resumes where the file broke
            off, also in another process. Otherwise every attempt begins anew.
        progress: Called with the bytes that have arrived and how many there will be.
    """

    def __init__(self, part: Path, keep_partial: bool, progress: Progress | None = None) -> None:
        self.part, self.keep_partial, self.progress = part, keep_partial, progress
        self.received = 0
        self.digest = hashlib.sha256()

    def resume(self) -> None:
        """Take over what an earlier process has left."""
        if not self.keep_partial or self.part.is_symlink() or not self.part.is_file():
            self.restart()
            return
        with self.part.open("rb") as file:
            while block := file.read(BLOCK):
                self.digest.update(block)
                self.received += len(block)

    def restart(self) -> None:
        """Forget what has arrived."""
        self.part.unlink(missing_ok=True)
        self.received, self.digest = 0, hashlib.sha256()

    def discard_partial(self) -> None:
        """Remove what no later attempt can resume."""
        if not (self.keep_partial and self.received):
            self.part.unlink(missing_ok=True)

    def partial_message(self) -> str:
        """Return what is kept of a transfer that is given up, in words."""
        if self.keep_partial and self.received:
            kept = "The first {n} bytes are kept, and the next call goes on there."
            return Sentence(kept, n=self.received)
        return "Nothing was kept."

    def attempt(self, url: str) -> str:
        """Fetch what is still to come, and return the SHA-256 of the whole.

        Raises:
            HTTPError: The server refuses.
            ValueError: It is no URL, or the answer is not the file.
            HTTPException: It is no URL that can be asked for.
            OSError: The transfer breaks.
        """
        if not self.keep_partial:
            self.restart()
        with self.open_response(url) as response:
            if self.received and not self.is_continuation(response):
                self.restart()
            if not self.received and response.status != 200:
                status = f"{response.status} {response.reason}"
                what = Sentence("HTTP {status} is not the file", status=status)
                # A wrong part may be the whole when it is asked for anew.
                raise IncompleteTransferError(what) if response.status == 206 else ValueError(what)
            self.write_body(response)
        if not self.received:
            raise IncompleteTransferError("the file is empty")
        return self.digest.hexdigest()

    def open_response(self, url: str) -> HTTPResponse:
        """Return the server's answer."""
        try:
            return open_url(self.build_request(url))
        except HTTPError as error:
            if error.code != UNSATISFIABLE or not self.received:
                raise
            error.close()
            self.restart()  # what was kept is longer than the file
            return open_url(self.build_request(url))

    def build_request(self, url: str) -> Request:
        """Ask for what is still to come, as it is stored and not packed for the way."""
        request = Request(url, headers={"User-Agent": "brickbook", "Accept-Encoding": "identity"})
        if self.received:
            request.add_header("Range", f"bytes={self.received}-")
        return request

    def is_continuation(self, response: HTTPResponse) -> bool:
        """Whether an answer begins where the last one ended."""
        found = re.fullmatch(
            r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)",
            response.headers.get("Content-Range") or "",
        )
        if response.status != 206 or found is None or response.headers.get("Content-Encoding"):
            return False
        first, last = int(found[1]), int(found[2])
        whole = found[3] in ("*", str(last + 1))
        return whole and first == self.received and response.length in (None, last + 1 - first)

    def write_body(self, response: HTTPResponse) -> None:
        """Write the body of an answer to the file."""
        packed = (response.headers.get("Content-Encoding") or "identity").casefold()
        left = response.length if packed == "identity" else None
        total = None if left is None else self.received + left
        blocks = read_blocks(response)
        if packed != "identity":
            blocks = decompress_blocks(blocks, packed)
        try:
            # A link that somebody has put there is not followed.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(self.part, flags, 0o666), "ab") as file:
                for block in blocks:
                    file.write(block)
                    self.digest.update(block)
                    self.received += len(block)
                    if self.progress is not None:
                        self.progress(self.received, total)
            if total is not None and self.received != total:
                ended = "the connection ended after {n} of {total} bytes"
                raise IncompleteTransferError(Sentence(ended, n=self.received, total=total))
        except BaseException:
            if packed != "identity":  # there is no going on within a packed body
                self.restart()
            raise


class HttpRedirects(HTTPRedirectHandler):
    """Follows what leads to HTTP, and nothing else: urllib would go to ``ftp://`` too."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request for the new place."""
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            fp.close()
            raise ValueError(
                Sentence("it leads to {scheme}://, where no file is taken from", scheme=scheme)
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(request: Request) -> HTTPResponse:
    """Return a server's answer."""
    return build_opener(HttpRedirects).open(request, timeout=TIMEOUT)


def read_blocks(response: HTTPResponse) -> Iterator[bytes]:
    """Yield a body as it arrives.

    A server that sends now and then a byte is given up: the longer it takes, the more must have
    come. http.client ends a body that breaks off like one that is complete.
    """
    start, received, length = monotonic(), 0, response.length
    while length is None or received < length:
        block = response.read1(BLOCK if length is None else min(BLOCK, length - received))
        if not block:
            return
        yield block
        received += len(block)
        seconds = monotonic() - start
        if seconds > PATIENCE + received / SLOWEST:
            slow = "the server is too slow: {n} bytes in {seconds} seconds"
            raise SlowTransferError(Sentence(slow, n=received, seconds=f"{seconds:.0f}"))


def decompress_blocks(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body that the server has packed although it was asked not to."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        packed_with = "the server has packed it with {encoding}, which was not asked for"
        raise ValueError(Sentence(packed_with, encoding=encoding))
    unpacker = zlib.decompressobj(ZLIB_AUTO)
    packed, unpacked = 0, 0
    for block in blocks:
        packed += len(block)
        while block:
            try:
                found = unpacker.decompress(block, BLOCK)
            except zlib.error as error:
                raise IncompleteTransferError(
                    Sentence("what arrived cannot be unpacked: {why}", why=reason_of(error))
                ) from error
            yield found
            unpacked += len(found)
            if unpacked > PACKED_FREE + PACKED_RATIO * packed:
                raise ValueError("what is packed grows to more than its size explains")
            block = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise IncompleteTransferError("the connection ended within the packed file")
