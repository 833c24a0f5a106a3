"""Names of published weights -> where they are. The tables are the JSON files beside this file."""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from brickbook.checkpoint.errors import MissingPackageError
from brickbook.checkpoint.zoo.listing import ZooEntry, add_scheme, list_weights, sha256_of
from brickbook.checkpoint.zoo.tables import SCHEMES, Table, Weights, table
from brickbook.errors import UnknownNameError, nearest

__all__ = [
    "SCHEMES",
    "Table",
    "Weights",
    "ZooEntry",
    "add_scheme",
    "find_weights",
    "get_deprecated_model_names",
    "get_external_models",
    "get_mmcls_models",
    "get_torchvision_models",
    "list_weights",
    "sha256_of",
    "table",
    "torchvision_url",
]


def find_weights(
    scheme: str, name: str, path: str = "checkpoint", *, written_scheme: str = ""
) -> Weights:
    """Return the published weights of a name; a deprecated one warns.

    Args:
        scheme: The scheme.
        name: The name.
        path: Where an error stands.
        written_scheme: The scheme as it was written, if otherwise.

    Raises:
        KeyError: The scheme does not list the name; with the nearest that it does, or the schemes
            that list it.
    """
    known = table(scheme)
    key = torchvision_key(name, known) if scheme == "torchvision" else name
    if key not in known:
        hint = other_schemes_hint(name, known)
        if scheme == "torchvision" and not hint.startswith("There is"):
            # A torchvision that is there may be newer than the table.
            with suppress(MissingPackageError):
                return Weights(scheme, name, torchvision_url(name, path))
        raise UnknownNameError(path, f"{scheme}:// lists no {name!r}.", hint)
    if key not in known.weights and key in known.deprecated:
        written_scheme = written_scheme or scheme
        warnings.warn(
            f"{written_scheme}://{name} is deprecated in favor of {written_scheme}://{known.deprecated[key]}",
            UserWarning,
            stacklevel=2,
        )
    return known[key]


def other_schemes_hint(name: str, known: Table) -> str:
    """Hint at the schemes that list a name, or at the nearest name."""
    others = [f"{scheme}://{name}" for scheme in SCHEMES if name in table(scheme)]
    return f"There is {' and '.join(others)}." if others else nearest(name, known)


def torchvision_key(name: str, known: Table) -> str:
    """Return the name that the table has for any spelling of torchvision's.

    >>> torchvision_key("ResNet50_Weights.IMAGENET1K_V1", table("torchvision"))
    'resnet50.imagenet1k_v1'
    >>> torchvision_key("ResNet50_QuantizedWeights.DEFAULT", table("torchvision"))
    'quantized_resnet50.default'
    """
    key = name.casefold()
    if key in known:
        return key
    model, dot, choice = key.partition(".")
    if model.endswith("_quantizedweights"):
        model = f"quantized_{model.removesuffix('_quantizedweights')}"
    return f"{model.removesuffix('_weights')}{dot}{choice}"


def urls_of(scheme: str) -> dict[str, str]:
    """Return all names of a scheme with their URLs; a user's entry may be a path."""
    known = table(scheme)
    return {name: known[name].url for name in known}


def get_external_models() -> dict[str, str]:
    """Return the names of ``open-mmlab://`` with their URLs, the user's own among them."""
    return urls_of("open-mmlab")


def get_mmcls_models() -> dict[str, str]:
    """Return the names of ``mmcls://`` with their URLs."""
    return urls_of("mmcls")


def get_torchvision_models() -> dict[str, str]:
    """Return the names of ``torchvision://`` with their URLs; torchvision need not be there."""
    return urls_of("torchvision")


def get_deprecated_model_names() -> dict[str, str]:
    """Return the names of ``open-mmlab://`` that are given up, each with the one to use."""
    return dict(table("open-mmlab").deprecated)


def torchvision_url(name: str, path: str = "checkpoint") -> str:
    """Return the URL of weights that torchvision publishes, asking torchvision itself.

    ``resnet50`` are the weights that the model was first published with; ``resnet50.default`` the
    best ones; ``resnet50.imagenet1k_v1`` and ``ResNet50_Weights.IMAGENET1K_V1`` certain ones. Upper
    and lower case are the same.

    Raises:
        ImportError: There is no torchvision.
        KeyError: torchvision does not list the name.
    """
    models = torchvision_models(name, path)
    model, dot, choice = name.partition(".")
    key = model.casefold().removesuffix("_weights")
    known = models.list_models()
    if key not in known:
        raise UnknownNameError(path, f"torchvision has no model {model!r}.", nearest(key, known))
    weights = models.get_model_weights(key)
    # DEFAULT is an alias, which __members__ lists and iteration leaves out.
    members = {word.casefold(): member for word, member in weights.__members__.items()}
    chosen = members.get(choice.casefold()) if dot else next(iter(weights), None)
    if chosen is None:
        raise UnknownNameError(
            path, f"torchvision has no weights {choice!r} for {key}.", nearest(choice, members)
        )
    return chosen.url


def torchvision_models(name: str, path: str) -> ModuleType:
    """Import torchvision.models, which only these names need."""
    try:
        return import_module("torchvision.models")
    except (ImportError, OSError, RuntimeError) as error:  # the last two: built for another torch
        raise MissingPackageError(
            path,
            f"torchvision://{name} needs torchvision, which cannot be imported: {error}.",
            "Install the torchvision that goes with this torch, or download the file and give "
            "its path.",
        ) from error
