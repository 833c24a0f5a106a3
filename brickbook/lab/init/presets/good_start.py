"""The preset a panel opens with: a law for every kind of layer that a model has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from brickbook.init.initializers import gain_of_activation
from brickbook.introspect import (
    UnknownActivationError,
    activation_after,
    class_names,
    gate_names,
    is_norm_layer,
    plain_module_name,
)
from brickbook.lab.init.presets.layer_kinds import (
    covering_class_names,
    has_weight,
    is_embedding,
    is_projection,
)
from brickbook.registry import Config

__all__ = ["GoodStart", "find_heads"]

# A tenth of LeCun's std: the logits begin near 0, so the loss near ln(classes), at any fan_in.
NORM_SCALE_ONE: Config = {"type": "Constant", "val": 1}
HEAD: Config = {"type": "VarianceScaling", "scale": 0.01}
SMALL_EMBEDDING: Config = {"type": "Normal", "std": 0.02}
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
HEAD_NAME = re.compile(
    r"(?:^|_)(heads?(?:_\w+)?|classifier|fc|logits|score|predictor|predictions|out|outputs?|cls)$"
)


class GoodStart:
    """A law for every kind of layer, so that signals keep their size and the loss starts at chance.

    Projections by fan_in, with the gain of what follows them where that is known of all, of a ReLU
    where it is not, of none in a model with attention; the head, which makes the logits, a tenth
    of that. Embeddings are Normal(0, 0.02), an output that shares its weight with one too; those
    that only recurrent layers read are Normal(0, 1). Input weights of recurrent layers are
    Xavier's, their recurrent ones orthogonal, their biases 0 but for 1 at an LSTM's forget gate.
    Norm scales are 1.
    """

    def rules(self, model: nn.Module) -> tuple[dict[str, Any], ...]:
        """Return the rules for this model; classes it lacks are not named."""
        return tuple(rule for rule in iter_rules(model) if rule["layer"])


def iter_rules(model: nn.Module) -> Iterator[dict[str, Any]]:
    """Yield the rules; those for kinds of layers that the model lacks name none."""
    parts = list(model.modules())
    recurrent = [part for part in parts if isinstance(part, RECURRENT)]
    names = covering_class_names(recurrent)
    packed = [part for part in parts if isinstance(part, nn.MultiheadAttention)]
    yield {
        **projection_law(model),
        "layer": covering_class_names([*packed, *filter(is_projection, parts)]),
        **head_overrides(model),
    }
    yield {"type": "Xavier", "distribution": "uniform", "layer": names}
    yield {"type": "Orthogonal", "layer": [f"{name}:weight_hh*" for name in names]}
    gated = [part for part in recurrent if "forget" in gate_names(part)]
    yield {"type": "GateBias", "layer": covering_class_names(gated)}
    yield {**embedding_law(model), "layer": covering_class_names([*filter(is_embedding, parts)])}
    norms = [part for part in parts if is_norm_layer(part) and has_weight(part)]
    yield {**NORM_SCALE_ONE, "layer": covering_class_names(norms)}


def projection_law(model: nn.Module) -> Config:
    """Return the law of the projections."""
    if has_attention(model):
        return {"type": "LeCun"}
    names = [name for name, part in model.named_modules() if is_projection(part)]
    gain = {"nonlinearity": "auto"} if all(is_followed(model, name) for name in names) else {}
    return {"type": "Kaiming", "mode": "fan_in", **gain}


def embedding_law(model: nn.Module) -> Config:
    """Return the law of the embeddings."""
    is_read = any(isinstance(part, RECURRENT) for part in model.modules())
    if is_read and not has_attention(model) and not tied_outputs(model):
        return {"type": "Normal", "std": 1}
    return SMALL_EMBEDDING


def tied_outputs(model: nn.Module) -> list[str]:
    """Return the names of the projections that share their weight with an embedding."""
    tables = {id(part._parameters["weight"]) for part in model.modules() if is_embedding(part)}
    return [
        name
        for name, part in model.named_modules()
        if is_projection(part) and id(part._parameters["weight"]) in tables
    ]


def has_attention(model: nn.Module) -> bool:
    """Whether a model is built on attention, not a convolutional net that has some too."""
    names = {name.lower() for part in model.modules() for name in class_names(type(part))}
    if any(isinstance(part, _BatchNorm) for part in model.modules()):
        return False
    return any("attention" in name for name in names)


def is_followed(model: nn.Module, name: str) -> bool:
    """Whether it is known which activation follows a layer, and what its gain is."""
    try:
        gain_of_activation(activation_after(model, plain_module_name(name)))
    except UnknownActivationError:
        return False
    return True


def head_overrides(model: nn.Module) -> dict[str, Any]:
    """Return the ``override`` of the outputs: small, or as the embedding whose weight they have."""
    tied = tied_outputs(model)
    heads = [name for name in find_heads(model) if name and name not in tied]
    found = [
        *({**SMALL_EMBEDDING, "name": name} for name in tied),
        *({**HEAD, "name": name} for name in heads),
    ]
    if not found:
        return {}
    return {"override": found[0] if len(found) == 1 else found}


def find_heads(model: nn.Module) -> list[str]:
    """Return the names of the layers whose outputs are a model's logits, as far as it can be told.

    By what the model calls its children: all that are heads, else the last one with such a name;
    of each the last projection. Else it is the last projection of all, if it stands by itself or
    in an ``nn.Sequential``. None that a norm or an activation follows is meant.
    """
    children = {
        last_projection(part, name): name
        for name, part in model.named_children()
        if HEAD_NAME.search(name) and not has_attention(part)
    }
    normed = followed_by_norm(model)
    found = [last for last in children if last and last not in normed]
    found = [last for last in found if "head" in children[last]] or found[-1:]
    if not found and (last := last_projection(model, "")) and stands_alone(model, last):
        found = [last]
    return [name for name in found if has_no_activation(model, name)]


def followed_by_norm(model: nn.Module) -> set[str]:
    """Return the names of the layers behind which a norm is registered."""
    layers = [item for item in model.named_modules() if item[1]._parameters]
    return {name for (name, _), (_, after) in pairwise(layers) if is_norm_layer(after)}


def last_projection(part: nn.Module, prefix: str) -> str:
    """Return the name of the last layer in a part of a model, "" if it is no projection."""
    layers = [item for item in part.named_modules(prefix=prefix) if item[1]._parameters]
    return layers[-1][0] if layers and is_projection(layers[-1][1]) else ""


def stands_alone(model: nn.Module, name: str) -> bool:
    """Whether a layer is a child of the model, of Sequentials in it, or is called a head itself."""
    owner, _, key = name.rpartition(".")
    path = owner.split(".") if owner else []
    around = [model.get_submodule(".".join(path[:end])) for end in range(1, len(path) + 1)]
    return bool(HEAD_NAME.search(key)) or all(isinstance(part, nn.Sequential) for part in around)


def has_no_activation(model: nn.Module, name: str) -> bool:
    """Whether no activation is known to follow a layer."""
    try:
        return activation_after(model, plain_module_name(name)) is None
    except UnknownActivationError:
        return True
