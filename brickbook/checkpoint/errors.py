"""What can be wrong with a checkpoint, beside its not being there."""

from __future__ import annotations

from brickbook.errors import ConfigError, MissingPackageError, WriteError

__all__ = ["CheckpointError", "DownloadError", "MissingPackageError", "WriteError"]


class CheckpointError(ConfigError, RuntimeError):
    """A checkpoint that is damaged, unsafe to read, not what its name promises, or a misfit."""


class DownloadError(ConfigError, OSError):
    """A checkpoint that could not be fetched."""
