"""Files that other packages bring: Hugging Face's hub, and every scheme that fsspec knows."""

from __future__ import annotations

import hashlib
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from brickbook.checkpoint.download import cached, refuse_offline
from brickbook.checkpoint.errors import CheckpointError, DownloadError, MissingPackageError
from brickbook.checkpoint.places import is_offline, progress, promised_hash
from brickbook.errors import BadValueError, ConfigError, MissingFileError, first_line, nearest

__all__ = ["hub_file", "needed", "remote_file"]

BLOCK = 1 << 20  # bytes
HUB = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+|[^/@]+(?=/[^/]+$))/(?P<file>[^@]+)(?:@(?P<at>.+))?")
OWN = ("file", "hf", "http", "https", "mmcls", "modelzoo", "open-mmlab", "s3", "torchvision")


def needed(package: str, name: str, path: str) -> ModuleType:
    """Import a package that only some names need."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingPackageError(
            path,
            f"{name} needs {package}, which cannot be imported: {error}.",
            f"Install it: pip install {package.partition('.')[0]}.",
        ) from error


def hub_file(name: str, path: str) -> Path:
    """``hf://org/repo/file@revision``: a file of Hugging Face's hub, in that hub's own cache."""
    found = HUB.fullmatch(name)
    if found is None:
        raise BadValueError(path, f"{name} names no file: expected hf://org/repo/file[@revision].")
    hub = needed("huggingface_hub", name, path)
    errors = import_module("huggingface_hub.errors")
    try:
        return Path(
            hub.hf_hub_download(
                found["repo"],
                found["file"],
                revision=found["at"],
                local_files_only=is_offline(),
            )
        )
    except (errors.LocalEntryNotFoundError, errors.GatedRepoError) as error:
        refuse_offline(name, "that of Hugging Face", path)
        raise DownloadError(path, f"{name} could not be downloaded: {told(error)}.") from error
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
    ) as error:
        raise MissingFileError(path, f"{name} can not be found: {told(error)}.") from error
    except (OSError, ValueError) as error:
        raise DownloadError(path, f"{name} could not be downloaded: {told(error)}.") from error


def told(error: Exception) -> str:
    """Return what an error says first, without its full stop."""
    return first_line(error).rstrip(".:")


def remote_file(name: str, path: str, *, shown: str = "") -> Path:
    """Return what a scheme of fsspec names, from the cache while the original is the same.

    ``shown`` is the name as the user wrote it. Raises FileNotFoundError for a scheme that nobody
    knows and a file that is not there, ImportError if the scheme's package is not, OSError if it
    cannot be fetched.
    """
    shown = shown or name
    scheme = name.partition("://")[0].casefold()
    try:
        known = import_module("fsspec").available_protocols()
    except ImportError:
        known = []
    if scheme not in known:
        raise MissingFileError(
            path,
            f"{shown} can not be found: {scheme}:// is no known scheme.",
            nearest(scheme, OWN),
        )
    file = cached(name, path)
    if promised_hash(file.name) is not None and file.is_file():
        return file
    refuse_offline(shown, "or may be of another day", path)
    try:
        system, place = import_module("fsspec.core").url_to_fs(name)
        # What stands under one name changes here, as it does not under a URL.
        file = cached(name, path, str(system.ukey(place)))
        if not file.is_file():
            copy(system, place, file, shown, path)
    except ConfigError:
        raise
    except ImportError as error:
        problem = f"{shown} needs another package: {told(error)}."
        raise MissingPackageError(path, problem) from error
    except FileNotFoundError as error:
        raise MissingFileError(path, f"{shown} can not be found.") from error
    except Exception as error:  # each of those packages has errors of its own
        raise DownloadError(path, f"{shown} could not be fetched: {told(error)}.") from error
    return file


def copy(system: Any, place: str, file: Path, shown: str, path: str) -> None:
    """Copy a file of a file system into the cache, held against the hash in its name."""
    fetching = import_module("brickbook.checkpoint.fetching")
    promised, tell = promised_hash(file.name), progress()
    with fetching.locked(file, path):
        if file.is_file():
            return
        part = file.with_name(f"{file.name}.part")
        digest, received = hashlib.sha256(), 0
        try:
            total = system.size(place)
            with system.open(place, "rb") as source, part.open("wb") as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    digest.update(block)
                    received += len(block)
                    if tell is not None:
                        tell(received, total)
            if promised is not None and not digest.hexdigest().startswith(promised):
                raise CheckpointError(
                    path,
                    f"{shown} is not what was promised: its SHA-256 should begin with {promised}, "
                    f"and is {digest.hexdigest()}.",
                    "Nothing was kept.",
                )
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
