"""Files that other packages bring: Hugging Face's hub, and every scheme that fsspec knows."""

from __future__ import annotations

import hashlib
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from brickbook.checkpoint.cache import current_progress, hash_in_name, is_offline
from brickbook.checkpoint.errors import CheckpointError, DownloadError, MissingPackageError
from brickbook.checkpoint.http import cache_path, check_online, file_lock, is_cached
from brickbook.errors import (
    BadValueError,
    ConfigError,
    MissingFileError,
    Sentence,
    nearest,
    reason_of,
)

__all__ = ["hub_file", "import_optional", "remote_file"]

BLOCK = 1 << 20  # bytes

HUB_NAME = re.compile(
    r"hf://(?P<repo>[^/@]+/[^/@]+|[^/@]+(?=/[^/]+$))/(?P<file>[^@]+)(?:@(?P<at>.+))?"
)

OWN_SCHEMES = (
    "file",
    "hf",
    "http",
    "https",
    "mmcls",
    "modelzoo",
    "open-mmlab",
    "s3",
    "torchvision",
)


def import_optional(package: str, name: str, path: str) -> ModuleType:
    """Import a package that only some names need."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingPackageError(
            path,
            Sentence(
                "{name} needs {package}, which cannot be imported: {why}.",
                name=name,
                package=package,
                why=reason_of(error),
            ),
            Sentence("Install it: pip install {package}.", package=package.partition(".")[0]),
        ) from error


def hub_file(name: str, path: str) -> Path:
    """``hf://org/repo/file@revision``: a file of Hugging Face's hub, in that hub's own cache."""
    found = HUB_NAME.fullmatch(name)
    if found is None:
        raise BadValueError(
            path,
            Sentence("{name} names no file: expected hf://org/repo/file[@revision].", name=name),
        )
    hub = import_optional("huggingface_hub", name, path)
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
        check_online(name, "that of Hugging Face", path)
        raise DownloadError(
            path,
            Sentence("{name} could not be downloaded: {why}.", name=name, why=reason_of(error)),
        ) from error
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
    ) as error:
        raise MissingFileError(
            path, Sentence("{name} can not be found: {why}.", name=name, why=reason_of(error))
        ) from error
    except (OSError, ValueError) as error:
        raise DownloadError(
            path,
            Sentence("{name} could not be downloaded: {why}.", name=name, why=reason_of(error)),
        ) from error


def remote_file(name: str, path: str, *, shown: str = "") -> Path:
    """Return what a scheme of fsspec names, from the cache while the original is the same.

    ``shown`` is the name as the user wrote it.

    Raises:
        FileNotFoundError: Nobody knows the scheme, or the file is not there.
        ImportError: The scheme's package is not installed.
        OSError: The file cannot be fetched.
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
            Sentence(
                "{file} can not be found: {scheme}:// is no known scheme.",
                file=shown,
                scheme=scheme,
            ),
            nearest(scheme, OWN_SCHEMES),
        )
    file = cache_path(name, path)
    if hash_in_name(file.name) is not None and is_cached(file, path):
        return file
    check_online(shown, "or may be of another day", path)
    try:
        system, place = import_module("fsspec.core").url_to_fs(name)
        # What stands under one name changes here, as it does not under a URL.
        file = cache_path(name, path, str(system.ukey(place)))
        if not is_cached(file, path):
            copy_to_cache(system, place, file, shown, path)
    except ConfigError:
        raise
    except ImportError as error:
        problem = Sentence("{file} needs another package: {why}.", file=shown, why=reason_of(error))
        raise MissingPackageError(path, problem) from error
    except FileNotFoundError as error:
        raise MissingFileError(path, Sentence("{file} can not be found.", file=shown)) from error
    except Exception as error:  # each of those packages has errors of its own
        raise DownloadError(
            path, Sentence("{file} could not be fetched: {why}.", file=shown, why=reason_of(error))
        ) from error
    return file


def copy_to_cache(system: Any, place: str, file: Path, shown: str, path: str) -> None:
    """Copy a file of a file system into the cache, held against the hash in its name."""
    promised, on_progress = hash_in_name(file.name), current_progress()
    with file_lock(file, path):
        if file.is_file():
            return
        part = file.with_name(f"{file.name}.part")
        digest, received = hashlib.sha256(), 0
        try:
            total = system.size(place)
            part.unlink(missing_ok=True)  # it is made anew: a link in its place is not followed
            with system.open(place, "rb") as source, part.open("xb") as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    digest.update(block)
                    received += len(block)
                    if on_progress is not None:
                        on_progress(received, total)
            if promised is not None and not digest.hexdigest().startswith(promised):
                raise CheckpointError(
                    path,
                    Sentence(
                        "{file} is not what was promised: its SHA-256 should begin with "
                        "{promised}, and is {found}.",
                        file=shown,
                        promised=promised,
                        found=digest.hexdigest(),
                    ),
                    "Nothing was kept.",
                )
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
