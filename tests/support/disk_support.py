"""A disk that is full, without a disk."""

import resource
from contextlib import contextmanager


@contextmanager
def disk_of(size):
    """Let no file grow beyond so many bytes: the write is an OSError, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
