"""Schemes: the beginning of a checkpoint's name -> what finds and reads it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from brickbook.checkpoint import sources
from brickbook.checkpoint.download import download
from brickbook.checkpoint.opening import name_of, opened
from brickbook.checkpoint.places import SCHEME
from brickbook.checkpoint.remote import hub_file
from brickbook.checkpoint.sources import Source
from brickbook.errors import BadArgumentError, BadValueError, ConfigError, NameTakenError

__all__ = [
    "CheckpointLoader",
    "Loader",
    "load_from_ceph",
    "load_from_http",
    "load_from_hub",
    "load_from_local",
    "load_from_mmcls",
    "load_from_openmmlab",
    "load_from_pavi",
    "load_from_torchvision",
    "locate",
    "read_checkpoint",
]

# (filename, map_location) -> what the checkpoint holds, or the path of a file that holds it.
Loader = Callable[..., Any]

log = logging.getLogger(__name__)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a path (``~`` is the home folder), a ``file://`` URL, or a URL that fsspec knows."""
    return opened(filename, sources.plain_file, map_location)


def load_from_http(
    filename: str, map_location: Any = None, model_dir: str | os.PathLike[str] | None = None
) -> Any:
    """Read a URL of HTTP, of which the file is kept in the cache, or in ``model_dir``."""
    folder = None if model_dir is None else Path(model_dir).expanduser()
    source = download if folder is None else partial(download, folder=folder)
    return opened(filename, source, map_location)


def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Read ``torchvision://`` and one of torchvision's names, which need not be installed."""
    return opened(filename, sources.torchvision_file, map_location)


def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """Read ``open-mmlab://`` and one of OpenMMLab's names or the user's."""
    return opened(filename, sources.openmmlab_file, map_location)


def load_from_mmcls(filename: str, map_location: Any = None) -> Any:
    """Read ``mmcls://`` and the name of a classifier: the backbone of it."""
    return opened(filename, sources.mmcls_file, map_location)


def load_from_hub(filename: str, map_location: Any = None) -> Any:
    """Read ``hf://org/repo/file@revision`` from Hugging Face's hub."""
    return opened(filename, hub_file, map_location)


def load_from_ceph(filename: str, map_location: Any = None) -> Any:
    """Read ``s3://bucket/file``, with fsspec."""
    return opened(filename, sources.ceph_file, map_location)


def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """Say that the service is gone: FileNotFoundError."""
    return opened(filename, sources.pavi_file, map_location)


# A new scheme of ours is a function above, its row here and one among the patterns below.
FILES: dict[Loader, Source] = {
    load_from_local: sources.plain_file,
    load_from_http: download,
    load_from_torchvision: sources.torchvision_file,
    load_from_openmmlab: sources.openmmlab_file,
    load_from_mmcls: sources.mmcls_file,
    load_from_hub: hub_file,
    load_from_ceph: sources.ceph_file,
    load_from_pavi: sources.pavi_file,
}
PATTERNS: dict[str, Loader] = {
    "": load_from_local,
    "http://": load_from_http,
    "https://": load_from_http,
    "modelzoo://": load_from_torchvision,
    "torchvision://": load_from_torchvision,
    "open-mmlab://": load_from_openmmlab,
    "openmmlab://": load_from_openmmlab,
    "mmcls://": load_from_mmcls,
    "hf://": load_from_hub,
    r"(\S+\:)?s3://": load_from_ceph,
    r"(\S+\:)?petrel://": load_from_ceph,
    "pavi://": load_from_pavi,
}


class CheckpointLoader:
    """The table of schemes, with the names that mmcv's has."""

    _schemes: ClassVar[dict[str, Loader]] = dict(sorted(PATTERNS.items(), reverse=True))

    @classmethod
    def register_scheme(
        cls, prefixes: str | Iterable[str], loader: Loader | None = None, force: bool = False
    ) -> Any:
        """Add a scheme: ``loader`` reads every checkpoint whose name begins with a prefix.

        A prefix is a regular expression, and of several that fit the last in alphabetical order is
        taken: ``a/b/c`` before ``a/b``. The loader is called with the name and a ``map_location``,
        and returns what the checkpoint holds, or the path of a local file, which is then read as
        all are. Without ``loader`` this is a decorator. Raises KeyError if a prefix is taken,
        unless ``force`` replaces it.

        >>> @CheckpointLoader.register_scheme("shelf://")
        ... def from_shelf(filename, map_location=None):
        ...     return Path("/mnt/shelf") / filename.removeprefix("shelf://")
        >>> _ = CheckpointLoader._schemes.pop("shelf://")
        """
        if loader is None:
            return partial(cls._register, prefixes, force)
        cls._register(prefixes, force, loader)
        return None

    @classmethod
    def _register(cls, prefixes: str | Iterable[str], force: bool, loader: Loader) -> Loader:
        if not callable(loader):
            raise BadArgumentError("loader", f"expected a function, got {loader!r}.")
        prefixes = [prefixes] if isinstance(prefixes, str) else list(prefixes)
        for prefix in prefixes:
            if not isinstance(prefix, str):
                raise BadArgumentError("prefixes", f"expected a str, got {prefix!r}.")
            try:
                re.compile(prefix)
            except re.error as error:
                raise BadValueError("prefixes", f"{prefix!r} is no pattern: {error}.") from error
            if prefix in cls._schemes and not force:
                problem = f"{prefix} is a scheme already."
                raise NameTakenError("prefixes", problem, "force=True replaces it.")
        added = {**cls._schemes, **dict.fromkeys(prefixes, loader)}
        cls._schemes = dict(sorted(added.items(), reverse=True))
        return loader

    @classmethod
    def _get_checkpoint_loader(cls, path: str) -> Loader:
        """Return the loader of a name."""
        return next(loader for prefix, loader in cls._schemes.items() if re.match(prefix, path))

    @classmethod
    def load_checkpoint(
        cls, filename: str | os.PathLike[str], map_location: Any = None, logger: Any = None
    ) -> Any:
        """Return what a checkpoint holds, as it is."""
        voice = logging.getLogger(logger) if isinstance(logger, str) else logger or log
        voice.info("reading checkpoint %s", filename)
        return read_checkpoint(filename, map_location, path="filename")


def read_checkpoint(
    checkpoint: str | os.PathLike[str],
    map_location: Any = None,
    *,
    mapped: bool = False,
    trust: bool = False,
    path: str = "checkpoint",
) -> Any:
    """Return what a checkpoint file holds, as it is.

    ``map_location`` is that of ``torch.load``; None is the CPU. ``mapped`` and ``trust`` are those
    of `read_file`, which says what a file may hold, and raises with `locate` what can be raised.
    """
    name = name_of(checkpoint, path)
    loader = loader_of(name)
    how: dict[str, Any] = {"mapped": mapped, "trust": trust, "path": path}
    if loader in FILES:
        return opened(name, FILES[loader], map_location, **how)
    found = loader(name, map_location)
    if isinstance(found, (str, os.PathLike)):
        return opened(found, sources.local_file, map_location, **how)
    return found


def locate(checkpoint: str | os.PathLike[str], path: str = "checkpoint") -> Path:
    """Return the local file that a path, URL or name of published weights means.

    Raises FileNotFoundError if there is none, TypeError if ``checkpoint`` is no str, and what its
    scheme's function raises.
    """
    name = name_of(checkpoint, path)
    loader = loader_of(name)
    if loader in FILES:
        return FILES[loader](name, path)
    found = loader(name, "cpu")
    if not isinstance(found, (str, os.PathLike)):
        raise ConfigError(path, f"{name} is no file: its scheme gives what it holds.")
    return sources.local_file(os.fspath(found), path)


def loader_of(name: str) -> Loader:
    """Return the loader of a name, in whatever case its scheme is written."""
    loader = CheckpointLoader._get_checkpoint_loader(name)
    found = SCHEME.match(name)
    if loader is load_from_local and found:
        lower = f"{found.group().lower()}{name[found.end() :]}"
        return CheckpointLoader._get_checkpoint_loader(lower)
    return loader
