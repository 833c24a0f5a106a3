"""What a checkpoint may ask for: what reading it costs is bounded by the size of its file."""

from __future__ import annotations

from pickle import UnpicklingError

from brickbook.errors import Sentence

__all__ = ["MAX_DEPTH", "LimitError", "Limits", "RefusedNameError"]

MAX_DEPTH = 200  # of lists in lists, and so on
MAX_TUPLE_KEYS = 10_000  # of dicts: numbers in tuples can be chosen to collide
# A file may become so many times as large as it is, and small ones may always become so large.
RATIO = 16
FREE_BYTES = 1 << 26
FREE_VALUES = 1 << 20


class LimitError(UnpicklingError):
    """A file that asks for more than its size explains."""


class RefusedNameError(UnpicklingError):
    """A file that asks for an object which is not made; its argument is the object's name."""


class Limits:
    """What has been spent on a file, and how much may be.

    Args:
        file_size: The bytes that the file has.
    """

    def __init__(self, file_size: int) -> None:
        self.file_size = file_size
        self.spent = self.stored = self.tuple_keys = 0

    def spend(self, size: int) -> None:
        """Count bytes, or members, that are copied out of what has been read."""
        self.spent += size
        if self.spent > (most := FREE_BYTES + RATIO * self.file_size):
            raise LimitError(
                Sentence(
                    "its {size} bytes ask for more than {most} in memory",
                    size=f"{self.file_size:,}",
                    most=f"{most:,}",
                )
            )

    def store(self, size: int) -> None:
        """Count the bytes of a storage: all together are in the file."""
        self.stored += size
        if self.stored > self.file_size:
            raise UnpicklingError(
                Sentence(
                    "its tensors have at least {stored} bytes, and it has {size}",
                    stored=f"{self.stored:,}",
                    size=f"{self.file_size:,}",
                )
            )

    def check_view(self, size: int) -> None:
        """Check the bytes of a tensor, which may repeat what is stored once."""
        if size > FREE_BYTES + RATIO * self.file_size:
            raise LimitError(
                Sentence(
                    "a tensor in it has {bytes} bytes when it is copied, and the file {size}",
                    bytes=f"{size:,}",
                    size=f"{self.file_size:,}",
                )
            )

    def check_values(self, count: int) -> None:
        """Check the number of values in lists and dicts, those that are there twice counted so."""
        if count > (most := FREE_VALUES + RATIO * self.file_size):
            raise LimitError(
                Sentence(
                    "its {size} bytes unfold to more than {most} values",
                    size=f"{self.file_size:,}",
                    most=f"{most:,}",
                )
            )

    def check_depth(self, depth: int) -> None:
        """Check how deep a value is nested."""
        if depth > MAX_DEPTH:
            raise LimitError(Sentence("it is nested more than {most} deep", most=MAX_DEPTH))

    def check_key(self, key: object) -> None:
        """Check a key of a dict or a member of a set, which is hashed in bounded time."""
        if type(key) is tuple:
            self.tuple_keys += 1
            self.spend(len(key))
            if any(isinstance(part, tuple) for part in key) or self.tuple_keys > MAX_TUPLE_KEYS:
                raise LimitError("it has tuples of tuples, or very many of them, as keys")
        # Whole numbers beyond 64 bits and complex ones can be chosen so that all hashes are equal.
        elif isinstance(key, complex) or (isinstance(key, int) and key.bit_length() > 64):
            raise LimitError("it has keys that are complex, or whole numbers of more than 64 bits")
