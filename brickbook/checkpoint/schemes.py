"""Schemes: the beginning of a checkpoint's name -> the function that finds its file.

A new scheme is a function that finds the file, one that reads it, and a row in `SCHEMES`.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from torch import Tensor

from brickbook.checkpoint.cache import SCHEME
from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.formats import (
    INDEX_SUFFIX,
    check_map_location,
    read_file,
    read_sharded,
    sibling_file,
    sibling_key,
)
from brickbook.checkpoint.http import download
from brickbook.checkpoint.remote import hub_file, remote_file
from brickbook.checkpoint.zoo import Weights, find_weights
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    ConfigError,
    MissingFileError,
    NameTakenError,
    Sentence,
    nearest,
)
from brickbook.introspect import check_pattern

__all__ = [
    "CheckpointLoader",
    "_process_mmcls_checkpoint",
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

# The name as it was given, and the path of the config's key -> the file.
FileFinder = Callable[[str, str], Path]
# (filename, map_location) -> what the checkpoint holds, or the path of a file that holds it.
Loader = Callable[..., Any]
SUFFIXES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth", ".safetensors", ".tar"})
DCP_CONVERTER = "torch.distributed.checkpoint.format_utils"
LOCAL_HOSTS = ("", "localhost")

log = logging.getLogger(__name__)


def plain_file(name: str, path: str) -> Path:
    """Return the file of a path, of a ``file://`` URL, or of one that fsspec knows."""
    found = SCHEME.match(name)
    if found is None:
        return local_file(name, path)
    if found.group().casefold() != "file://":
        return remote_file(name, path)
    url = urlsplit(name)
    if url.netloc not in LOCAL_HOSTS:
        raise BadValueError(
            path,
            Sentence(
                "{name} names a file of the machine {machine}.", name=name, machine=url.netloc
            ),
            "A file of this machine is file:///path.",
        )
    return local_file(url2pathname(url.path), path)


def local_file(name: str, path: str) -> Path:
    """Return an existing file; ``~`` is the home folder."""
    try:
        file = Path(name).expanduser()
    except RuntimeError:  # the home of a user that this machine does not have
        file = Path(name)
    shown = str(file) if name else "''"
    problem = Sentence("{file} can not be found.", file=shown)
    try:
        if file.is_file():
            return file
        if name and file.is_dir():
            problem = Sentence("{file} is a folder; a checkpoint is a file.", file=shown)
            hint = suggest_files(file, "")
            if (file / ".metadata").is_file():
                problem = Sentence(
                    "{file} is a folder of torch.distributed.checkpoint, not a file.", file=shown
                )
                hint = Sentence(
                    "One of it: python -m {converter} dcp_to_torch {file} FILE.",
                    converter=DCP_CONVERTER,
                    file=shown,
                )
        else:
            hint = suggest_files(file.parent, file.name)
    except OSError as error:  # a folder that may not be read, a name that is too long
        hint = Sentence("{why}.", why=error.strerror)
    raise MissingFileError(path, problem, hint)


def suggest_files(folder: Path, name: str) -> str:
    """Hint at the checkpoint of the most similar name in a folder, else list them."""
    if not folder.is_dir():
        return Sentence("There is no folder {folder}.", folder=folder)
    suffixes = SUFFIXES | {Path(name).suffix}
    files = (each for each in folder.iterdir() if each.suffix in suffixes and each.is_file())
    return nearest(name, (each.name for each in files))


def split_scheme(name: str) -> tuple[str, str]:
    """Return a name's scheme and the rest.

    >>> split_scheme("open-mmlab://resnet50_v1c")
    ('open-mmlab', 'resnet50_v1c')
    """
    scheme, _, rest = name.partition("://")
    return scheme, rest


def torchvision_file(name: str, path: str) -> Path:
    """``torchvision://resnet50``: what torchvision publishes; ``modelzoo://`` warns."""
    scheme, rest = split_scheme(name)
    if scheme.casefold() == "modelzoo":
        warnings.warn(
            "modelzoo:// is the old spelling of torchvision://.", DeprecationWarning, stacklevel=2
        )
    return published_file(find_weights("torchvision", rest, path), path)


def openmmlab_file(name: str, path: str) -> Path:
    """``open-mmlab://resnet50_v1c``: what OpenMMLab publishes, and the user's own names."""
    scheme, rest = split_scheme(name)
    return published_file(find_weights("open-mmlab", rest, path, written_scheme=scheme), path)


def mmcls_file(name: str, path: str) -> Path:
    """``mmcls://resnet50``: a classifier of OpenMMLab."""
    return published_file(find_weights("mmcls", split_scheme(name)[1], path), path)


def published_file(weights: Weights, path: str) -> Path:
    """Return the file of published weights; a path in a user's table begins in the home folder."""
    url = weights.url
    if url.startswith(("http://", "https://")):
        return download(url, path, sha256=weights.sha256, mirrors=weights.mirrors)
    own = weights.own_file
    return plain_file(url, path) if own is None else local_file(os.fspath(own), path)


def ceph_file(name: str, path: str) -> Path:
    """``s3://bucket/file``: as fsspec reads it; the name of a cluster before it is passed over."""
    return remote_file(f"s3://{split_scheme(name)[1]}", path, shown=name)


def pavi_file(name: str, path: str) -> Path:
    """``pavi://``: a service that no longer is."""
    if not name.startswith("pavi://"):
        raise CheckError(
            path, Sentence("expected a name that begins with pavi://, got {name}.", name=repr(name))
        )
    raise MissingFileError(
        path,
        Sentence("{name} can not be found: the service pavi:// stood for is gone.", name=name),
        "Ask who trained the model for the file, and give its path.",
    )


def read_from_source(
    checkpoint: str | os.PathLike[str],
    source: FileFinder,
    map_location: Any = None,
    *,
    mapped: bool = False,
    trust: bool = False,
    path: str = "filename",
) -> Any:
    """Return what the file that ``source`` finds holds, as it is.

    The ``.index.json`` of a checkpoint in several files stands for them all; of a classifier of
    ``mmcls://`` it is the backbone.
    """
    name = checkpoint_name(checkpoint, path)
    place = check_map_location(map_location, sibling_key(path, "map_location"))
    file = source(name, path)
    shown = str(file) if name == str(file) else f"{name} ({file})"
    read = partial(read_file, place=place, mapped=mapped, trust=trust, path=path)
    if file.name.endswith(INDEX_SUFFIX):
        # What was fetched stands alone in the cache: the files beside it are asked for by name.
        near, find = (name, source) if INDEX_SUFFIX in name else (str(file), local_file)

        def part(shard: str) -> Any:
            other = sibling_file(near, shard)
            found = find(other, path)
            return read(found, shown=other if other == str(found) else f"{other} ({found})")

        return read_sharded(file, part, shown, path)
    content = read(file, shown=shown)
    return _process_mmcls_checkpoint(content, shown, path) if source is mmcls_file else content


def checkpoint_name(checkpoint: Any, path: str) -> str:
    """Return the name of a checkpoint; TypeError if it is none."""
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise BadArgumentError(
            path, Sentence("expected a path or a URL, got {value}.", value=repr(checkpoint))
        )
    return str(os.fspath(checkpoint))


def _process_mmcls_checkpoint(
    checkpoint: Any, shown: object = "the checkpoint", path: str = "checkpoint"
) -> dict[str, Any]:
    """Return the backbone of a classifier: what is under ``backbone.``, without it."""
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    found: OrderedDict[str, Tensor] = OrderedDict()
    for name, value in state.items():
        if str(name).startswith("backbone."):
            found[name.removeprefix("backbone.")] = value
    if not found:
        raise CheckpointError(
            path, Sentence("{file} holds no name that begins with backbone.", file=shown)
        )
    return {"state_dict": found}


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a path (``~`` is the home folder), a ``file://`` URL, or a URL that fsspec knows."""
    return read_from_source(filename, plain_file, map_location)


def load_from_http(
    filename: str, map_location: Any = None, model_dir: str | os.PathLike[str] | None = None
) -> Any:
    """Read a URL of HTTP, of which the file is kept in the cache, or in ``model_dir``."""
    folder = None if model_dir is None else Path(model_dir).expanduser()
    source = download if folder is None else partial(download, folder=folder)
    return read_from_source(filename, source, map_location)


def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Read ``torchvision://`` and one of torchvision's names, which need not be installed."""
    return read_from_source(filename, torchvision_file, map_location)


def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """Read ``open-mmlab://`` and one of OpenMMLab's names or the user's."""
    return read_from_source(filename, openmmlab_file, map_location)


def load_from_mmcls(filename: str, map_location: Any = None) -> Any:
    """Read ``mmcls://`` and the name of a classifier: the backbone of it."""
    return read_from_source(filename, mmcls_file, map_location)


def load_from_hub(filename: str, map_location: Any = None) -> Any:
    """Read ``hf://org/repo/file@revision`` from Hugging Face's hub."""
    return read_from_source(filename, hub_file, map_location)


def load_from_ceph(filename: str, map_location: Any = None) -> Any:
    """Read ``s3://bucket/file``, with fsspec."""
    return read_from_source(filename, ceph_file, map_location)


def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """Say that the service is gone: FileNotFoundError."""
    return read_from_source(filename, pavi_file, map_location)


class Scheme(NamedTuple):
    """What finds the file of a name, and what reads such a name, as mmcv calls it."""

    find: FileFinder
    load: Loader


# By the regular expression with which a name begins.
SCHEMES: dict[str, Scheme] = {
    "": Scheme(plain_file, load_from_local),
    "http://": Scheme(download, load_from_http),
    "https://": Scheme(download, load_from_http),
    "modelzoo://": Scheme(torchvision_file, load_from_torchvision),
    "torchvision://": Scheme(torchvision_file, load_from_torchvision),
    "open-mmlab://": Scheme(openmmlab_file, load_from_openmmlab),
    "openmmlab://": Scheme(openmmlab_file, load_from_openmmlab),
    "mmcls://": Scheme(mmcls_file, load_from_mmcls),
    "hf://": Scheme(hub_file, load_from_hub),
    r"(\S+\:)?s3://": Scheme(ceph_file, load_from_ceph),
    r"(\S+\:)?petrel://": Scheme(ceph_file, load_from_ceph),
    "pavi://": Scheme(pavi_file, load_from_pavi),
}
FINDERS = {scheme.load: scheme.find for scheme in SCHEMES.values()}


class CheckpointLoader:
    """The table of schemes, with the names that mmcv's has."""

    _schemes: ClassVar[dict[str, Loader]] = {
        prefix: SCHEMES[prefix].load for prefix in sorted(SCHEMES, reverse=True)
    }

    @classmethod
    def register_scheme(
        cls, prefixes: str | Iterable[str], loader: Loader | None = None, force: bool = False
    ) -> Any:
        """Add a scheme: ``loader`` reads every checkpoint whose name begins with a prefix.

        Args:
            prefixes: One or several regular expressions; of several that fit the last in
                alphabetical order is taken: ``a/b/c`` before ``a/b``.
            loader: Is called with the name and a ``map_location``, and returns what the checkpoint
                holds, or the path of a local file, which is then read as all are. Without it this
                is a decorator.
            force: Replace the loader of a prefix that is taken.

        Raises:
            KeyError: A prefix is taken, and ``force`` does not replace it.

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
            raise BadArgumentError(
                "loader", Sentence("expected a function, got {value}.", value=repr(loader))
            )
        prefixes = [prefixes] if isinstance(prefixes, str) else list(prefixes)
        for prefix in prefixes:
            if not isinstance(prefix, str):
                raise BadArgumentError(
                    "prefixes", Sentence("expected a str, got {value}.", value=repr(prefix))
                )
            check_pattern(prefix, "prefixes", called="pattern")
            if prefix in cls._schemes and not force:
                problem = Sentence("{value} is a scheme already.", value=prefix)
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
        logger = logging.getLogger(logger) if isinstance(logger, str) else logger or log
        logger.info("reading checkpoint %s", filename)
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

    Args:
        checkpoint: A path, a URL or the name of published weights.
        map_location: As in ``torch.load``; None is the CPU.
        mapped: Whether tensors are read from the file when they are first used, see `read_file`.
        trust: Whether the file may hold anything, see `read_file`.
        path: Where the config names the checkpoint, for errors.

    Raises:
        ConfigError: What `locate` and `read_file` raise.
    """
    name = checkpoint_name(checkpoint, path)
    loader = find_loader(name)
    options: dict[str, Any] = {"mapped": mapped, "trust": trust, "path": path}
    if loader in FINDERS:
        return read_from_source(name, FINDERS[loader], map_location, **options)
    found = loader(name, map_location)
    if isinstance(found, (str, os.PathLike)):
        return read_from_source(found, local_file, map_location, **options)
    return found


def locate(checkpoint: str | os.PathLike[str], path: str = "checkpoint") -> Path:
    """Return the local file that a path, URL or name of published weights means.

    Raises:
        FileNotFoundError: There is none.
        TypeError: ``checkpoint`` is no str.
        Exception: What its scheme's function raises.
    """
    name = checkpoint_name(checkpoint, path)
    loader = find_loader(name)
    if loader in FINDERS:
        return FINDERS[loader](name, path)
    found = loader(name, "cpu")
    if not isinstance(found, (str, os.PathLike)):
        raise ConfigError(
            path, Sentence("{name} is no file: its scheme gives what it holds.", name=name)
        )
    return local_file(os.fspath(found), path)


def find_loader(name: str) -> Loader:
    """Return the loader of a name, in whatever case its scheme is written."""
    loader = CheckpointLoader._get_checkpoint_loader(name)
    found = SCHEME.match(name)
    if loader is load_from_local and found:
        lower = f"{found.group().lower()}{name[found.end() :]}"
        return CheckpointLoader._get_checkpoint_loader(lower)
    return loader
