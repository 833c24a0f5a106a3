"""A checkpoint's name or URL -> a verified local file. A new scheme is one function and its row.

The rows are in ``loaders.py``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from brickbook.checkpoint.download import download
from brickbook.checkpoint.places import SCHEME
from brickbook.checkpoint.remote import remote_file
from brickbook.checkpoint.zoo import Weights, find
from brickbook.errors import BadValueError, CheckError, MissingFileError, nearest

__all__ = [
    "Source",
    "ceph_file",
    "local_file",
    "mmcls_file",
    "openmmlab_file",
    "pavi_file",
    "plain_file",
    "torchvision_file",
]

# The name as it was given, and the path of the config's key -> the file.
Source = Callable[[str, str], Path]

SUFFIXES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth", ".safetensors", ".tar"})
HERE = ("", "localhost")


def plain_file(name: str, path: str) -> Path:
    """Return the file of a path, of a ``file://`` URL, or of one that fsspec knows."""
    found = SCHEME.match(name)
    if found is None:
        return local_file(name, path)
    if found.group().casefold() != "file://":
        return remote_file(name, path)
    told = urlsplit(name)
    if told.netloc not in HERE:
        raise BadValueError(
            path,
            f"{name} names a file of the machine {told.netloc}.",
            "A file of this machine is file:///path.",
        )
    return local_file(url2pathname(told.path), path)


def local_file(name: str, path: str) -> Path:
    """Return an existing file; ``~`` is the home folder."""
    try:
        file = Path(name).expanduser()
    except RuntimeError:  # the home of a user that this machine does not have
        file = Path(name)
    shown = str(file) if name else "''"
    problem = f"{shown} can not be found."
    try:
        if file.is_file():
            return file
        if name and file.is_dir():
            problem = f"{shown} is a folder; a checkpoint is a file."
            hint = near_files(file, "")
        else:
            hint = near_files(file.parent, file.name)
    except OSError as error:  # a folder that may not be read, a name that is too long
        hint = f"{error.strerror}."
    raise MissingFileError(path, problem, hint)


def near_files(folder: Path, name: str) -> str:
    """Hint at the checkpoint of the most similar name in a folder, else list them."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    suffixes = SUFFIXES | {Path(name).suffix}
    files = (each for each in folder.iterdir() if each.suffix in suffixes and each.is_file())
    return nearest(name, (each.name for each in files))


def split(name: str) -> tuple[str, str]:
    """Return a name's scheme and the rest.

    >>> split("open-mmlab://resnet50_v1c")
    ('open-mmlab', 'resnet50_v1c')
    """
    scheme, _, rest = name.partition("://")
    return scheme, rest


def torchvision_file(name: str, path: str) -> Path:
    """``torchvision://resnet50``: what torchvision publishes; ``modelzoo://`` warns."""
    scheme, rest = split(name)
    if scheme.casefold() == "modelzoo":
        warnings.warn(
            "modelzoo:// is the old spelling of torchvision://.", DeprecationWarning, stacklevel=2
        )
    return published(find("torchvision", rest, path), path)


def openmmlab_file(name: str, path: str) -> Path:
    """``open-mmlab://resnet50_v1c``: what OpenMMLab publishes, and the user's own names."""
    scheme, rest = split(name)
    return published(find("open-mmlab", rest, path, spelt=scheme), path)


def mmcls_file(name: str, path: str) -> Path:
    """``mmcls://resnet50``: a classifier of OpenMMLab."""
    return published(find("mmcls", split(name)[1], path), path)


def published(weights: Weights, path: str) -> Path:
    """Return the file of published weights; a path in a user's table begins in the home folder."""
    url = weights.url
    if url.startswith(("http://", "https://")):
        return download(url, path, sha256=weights.sha256, mirrors=weights.mirrors)
    own = weights.own_file
    return plain_file(url, path) if own is None else local_file(os.fspath(own), path)


def ceph_file(name: str, path: str) -> Path:
    """``s3://bucket/file``: as fsspec reads it; the name of a cluster before it is passed over."""
    return remote_file(f"s3://{split(name)[1]}", path, shown=name)


def pavi_file(name: str, path: str) -> Path:
    """``pavi://``: a service that no longer is."""
    if not name.startswith("pavi://"):
        raise CheckError(path, f"expected a name that begins with pavi://, got {name!r}.")
    raise MissingFileError(
        path,
        f"{name} can not be found: the service pavi:// stood for is gone.",
        "Ask who trained the model for the file, and give its path.",
    )
