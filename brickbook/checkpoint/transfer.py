"""One file on its way: what has arrived, its hash, and how to go on after a break."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from brickbook.checkpoint.places import Progress

__all__ = ["BrokenOffError", "Transfer"]

BLOCK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
GZIP = 47  # zlib's word for: with the header of gzip or of zlib
UNSATISFIABLE = 416


class BrokenOffError(OSError):
    """An answer that ended before it was complete."""


class Transfer:
    """A file that arrives, in one go or in several.

    A ``lasting`` one, of which the hash is known, outlives the process if it breaks. Any other is
    gone on with only while the server says that the file is still the same one.
    """

    def __init__(self, part: Path, lasting: bool, progress: Progress | None = None) -> None:
        self.part, self.lasting, self.progress = part, lasting, progress
        self.received = 0
        self.digest = hashlib.sha256()
        self.mark = ""  # what the server calls this state of the file

    def begin(self) -> None:
        """Take over what an earlier process has left."""
        if not self.lasting or not self.part.is_file():
            self.restart()
            return
        with self.part.open("rb") as file:
            while block := file.read(BLOCK):
                self.digest.update(block)
                self.received += len(block)

    def restart(self) -> None:
        """Forget what has arrived."""
        self.part.unlink(missing_ok=True)
        self.received, self.digest, self.mark = 0, hashlib.sha256(), ""

    def end(self) -> None:
        """Remove what nobody can go on with."""
        if not (self.lasting and self.received):
            self.part.unlink(missing_ok=True)

    def left(self) -> str:
        """Say what is left of a transfer that is given up."""
        if self.lasting and self.received:
            return f"The first {self.received} bytes are kept, and the next call goes on there."
        return "Nothing was kept."

    def attempt(self, url: str) -> str:
        """Fetch what is still to come, and return the SHA-256 of the whole; OSError if it breaks.

        Raises HTTPError, and ValueError or HTTPException for what is no URL.
        """
        if self.received and not (self.lasting or self.mark):
            self.restart()
        with self.asked(url) as response:
            if self.received and not self.goes_on(response):
                self.restart()
            self.mark = self.mark or mark_of(response)
            self.take(response)
        return self.digest.hexdigest()

    def asked(self, url: str) -> HTTPResponse:
        """Return the server's answer."""
        try:
            return urlopen(self.request(url), timeout=TIMEOUT)
        except HTTPError as error:
            if error.code != UNSATISFIABLE or not self.received:
                raise
            error.close()
            self.restart()  # what was kept is longer than the file
            return urlopen(self.request(url), timeout=TIMEOUT)

    def request(self, url: str) -> Request:
        """Ask for what is still to come, as it is stored and not packed for the way."""
        request = Request(url, headers={"User-Agent": "brickbook", "Accept-Encoding": "identity"})
        if self.received:
            request.add_header("Range", f"bytes={self.received}-")
            if self.mark:
                request.add_header("If-Range", self.mark)
        return request

    def goes_on(self, response: HTTPResponse) -> bool:
        """Whether an answer begins where the last one ended."""
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
        return response.status == 206 and start is not None and int(start[1]) == self.received

    def take(self, response: HTTPResponse) -> None:
        """Write the body of an answer to the file."""
        packed = (response.headers.get("Content-Encoding") or "identity").casefold()
        left = response.length if packed == "identity" else None
        total = None if left is None else self.received + left
        try:
            with self.part.open("ab") as file:
                for block in (
                    plain(response) if packed == "identity" else unpacked(response, packed)
                ):
                    file.write(block)
                    self.digest.update(block)
                    self.received += len(block)
                    if self.progress is not None:
                        self.progress(self.received, total)
            # http.client ends a body that breaks off like one that is complete, and only counts
            if response.length:
                told = f"{self.received} of {total}"
                raise BrokenOffError(f"the connection ended after {told} bytes")
        except BaseException:
            if packed != "identity":  # there is no going on within a packed body
                self.restart()
            raise


def mark_of(response: HTTPResponse) -> str:
    """Return what tells this state of a file from another, if the server says it."""
    tag = response.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified") or ""


def plain(response: HTTPResponse) -> Iterator[memoryview]:
    """Yield a body in blocks; each is overwritten by the next."""
    room = memoryview(bytearray(BLOCK))
    while count := response.readinto(room):
        yield room[:count]


def unpacked(response: HTTPResponse, packed: str) -> Iterator[bytes]:
    """Yield a body that the server has packed although it was asked not to."""
    if packed not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the server has packed it with {packed}, which was not asked for")
    unpacker = zlib.decompressobj(GZIP)
    while block := response.read(BLOCK):
        try:
            yield unpacker.decompress(block)
        except zlib.error as error:
            raise BrokenOffError(f"what arrived cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise BrokenOffError("the connection ended within the packed file")
    yield unpacker.flush()
