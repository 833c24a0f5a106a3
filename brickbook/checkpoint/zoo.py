"""Names of published weights -> URLs."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from brickbook.checkpoint.errors import MissingPackageError
from brickbook.errors import UnknownNameError, nearest

__all__ = ["torchvision_url"]


def torchvision_url(name: str, path: str = "checkpoint") -> str:
    """Return the URL of weights that torchvision publishes, asking torchvision itself.

    ``resnet50`` are the weights that the model was first published with; ``resnet50.default`` the
    best ones; ``resnet50.imagenet1k_v1`` and ``ResNet50_Weights.IMAGENET1K_V1`` certain ones.
    Upper and lower case are the same. Raises ImportError without torchvision, KeyError for a name
    it does not list.
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
