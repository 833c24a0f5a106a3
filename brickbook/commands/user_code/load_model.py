"""A model by the name of what makes it: ``package.module:callable``, ``file.py:callable``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from brickbook.checkpoint import MissingPackageError
from brickbook.commands.user_code.user_traceback import is_in_user_file
from brickbook.config import call
from brickbook.errors import BadArgumentError, BadValueError, MissingFileError, nearest

__all__ = ["find_maker", "load_model"]

SHORT_NAMES = {"torchvision": "torchvision.models"}


def load_model(spec: str) -> nn.Module:
    """Return the model that ``module:callable``, ``file.py:callable`` or ``timm:name`` means."""
    make = find_maker(spec, or_model=True)
    model = make if isinstance(make, nn.Module) else call(make, (), {}, "model")
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"{spec} gives {type(model)}, no torch.nn.Module.")
    return model


def find_maker(spec: str, *, or_model: bool = False) -> Callable[[], Any]:
    """Return what builds the model that a name means, with ``or_model`` perhaps a model itself."""
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise BadValueError("model", f"expected module:callable or file.py:callable, got {spec!r}.")
    if place == "timm":
        make: Any = partial(import_named("timm").create_model, name)
    else:
        make = (
            import_file(place)
            if place.endswith(".py")
            else import_named(SHORT_NAMES.get(place, place))
        )
        for part in name.split("."):
            if not hasattr(make, part):
                known = [word for word in vars(make) if not word.startswith("_")]
                raise BadValueError("model", f"{place} has no {part!r}.", nearest(part, known))
            make = getattr(make, part)
    if not callable(make):
        raise BadArgumentError("model", f"{spec} is {make!r}, no model and nothing that makes one.")
    if isinstance(make, nn.Module) and not or_model:
        problem = f"{spec} is a model, built when its module was imported."
        raise BadArgumentError("model", problem, "Name the class or the function that builds it.")
    return make


def import_file(file: str) -> Any:
    """Import a Python file by its path."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise MissingFileError("model", f"{file} can not be found.")
    name = f"_{path.stem}" if path.stem in sys.modules else path.stem  # a file may be random.py
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"model: {file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))  # what stands beside it, as for `python file.py`
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def import_named(name: str) -> Any:
    """Import a module; a package that is there and broken is an ImportError with its reason."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:  # an extension that was built for another torch
        if is_in_user_file(error):
            raise
        package = name.partition(".")[0]
        raise MissingPackageError(
            "model",
            f"{package} cannot be imported: {str(error).rstrip('.')}.",
            f"Install the {package} that goes with this torch.",
        ) from error
