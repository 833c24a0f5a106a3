"""A checkpoint's name or URL -> a verified local file. A new scheme is one function and its row."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

from brickbook.checkpoint.download import download
from brickbook.checkpoint.zoo import torchvision_url
from brickbook.errors import BadArgumentError, ConfigError, MissingFileError, nearest

__all__ = ["SOURCES", "Source", "locate"]

Source = Callable[[str, str], Path]

# Two characters at least: "C://" begins a path on Windows.
SCHEME = re.compile(r"[A-Za-z][\w+.:-]+://")
SUFFIXES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth", ".safetensors", ".tar"})


def locate(checkpoint: str | os.PathLike[str], path: str = "checkpoint") -> Path:
    """Return the local file that a path, URL or name of published weights means.

    Raises FileNotFoundError if there is none, TypeError if ``checkpoint`` is no str, and what its
    scheme's function raises.
    """
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise BadArgumentError(path, f"expected a path or a URL, got {checkpoint!r}.")
    name = os.fspath(checkpoint)
    found = SCHEME.match(name)
    if found is None:
        return local_file(name, path)
    scheme = found.group().lower()
    if scheme in SOURCES:
        return SOURCES[scheme](name, path)
    if scheme in LATER or scheme.endswith(":s3://"):
        raise ConfigError(
            path,
            f"{name} can not be read: this version does not know {scheme} yet.",
            "Download the file and give its path.",
        )
    word, known = scheme.partition("://")[0], (each.partition("://")[0] for each in SOURCES)
    raise MissingFileError(
        path, f"{name} can not be found: {scheme} is no known scheme.", nearest(word, known)
    )


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


def torchvision_file(name: str, path: str) -> Path:
    """``torchvision://resnet50``: weights that torchvision publishes."""
    return download(torchvision_url(name.partition("://")[2], path), path)


def modelzoo_file(name: str, path: str) -> Path:
    """``modelzoo://resnet50``: the old spelling of ``torchvision://``; warns."""
    warnings.warn(
        "modelzoo:// is the old spelling of torchvision://.", DeprecationWarning, stacklevel=2
    )
    return torchvision_file(name, path)


SOURCES: dict[str, Source] = {
    "http://": download,
    "https://": download,
    "modelzoo://": modelzoo_file,
    "torchvision://": torchvision_file,
}
# Schemes of mmcv that have no row yet.
LATER = frozenset({"mmcls://", "open-mmlab://", "openmmlab://", "pavi://", "s3://"})
