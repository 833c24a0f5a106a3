"""muP: starts and learning rates that suit every width once they suit a base model's.

Of each tensor two numbers count: by how much its fan_in and its fan_out exceed those of the tensor
of the same name in the base model, ``m_in`` and ``m_out``. Source: Yang et al. 2022, Tensor
Programs V, Table 3, https://arxiv.org/abs/2203.03466; relative to a base model, Appendix B.1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from brickbook.errors import BadValueError, nearest
from brickbook.init.base import Shapes, read_shapes
from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.init.laws import Law, Recipe, Target
from brickbook.init.nested import read_inner
from brickbook.init.recipes import check_choice
from brickbook.init.scaled import met
from brickbook.init.targets import role_of
from brickbook.init.walking import plain_module_name

__all__ = ["AtBase", "MuP", "MuPInit", "growth", "mup_learning_rates"]

Base = nn.Module | Mapping[str, Sequence[int]] | str | os.PathLike[str]
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
VECTORS = ("bias", "scale")


def growth(
    shape: tuple[int, ...], base: tuple[int, ...], role: str, module: nn.Module
) -> tuple[float, float]:
    """Return (m_in, m_out): by how much fan_in and fan_out grew from the base shape.

    Nothing is summed over in biases, scales and embeddings: their m_in is 1. The m_out of an
    embedding is that of its last dimension.

    >>> growth((512, 128), (64, 64), "weight", nn.Linear(1, 1))
    (2.0, 8.0)
    """
    ratios = [size / was if was else 1.0 for size, was in zip(shape, base, strict=True)]
    if role == "embedding" and ratios:
        return 1.0, ratios[-1]
    if role in VECTORS or len(ratios) < 2:
        return 1.0, math.prod(ratios)
    first, second, *kernel = ratios
    if isinstance(module, _ConvTransposeNd):  # torch keeps these as (in, out, *kernel)
        first, second = second, first
    return second * math.prod(kernel), first


@dataclass(frozen=True)
class AtBase:
    """The law of a base shape, times a factor; for a tensor of any shape."""

    inner: Recipe
    base: tuple[int, ...]
    factor: float

    @property
    def least_dims(self) -> int:
        """What the other recipe needs."""
        return self.inner.least_dims

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the other law at the base shape, scaled.

        A law that draws a tensor as a whole (Orthogonal) must be the one for ``shape``: it is
        scaled to the std meant.
        """
        meant = self.inner.at(self.base).times(self.factor)
        if meant.independent:
            return meant
        own = self.inner.at(shape)
        return own.times(meant.std / own.std) if own.std else own


@dataclass(frozen=True)
class MuP:
    """Another recipe's law at the base shape, times what its growth asks for.

    Hidden weights, of which both fans grow: ``1/√m_in`` (variance ∝ 1/fan_in). Output weights, of
    which only fan_in grows: ``1/m_in`` (variance ∝ 1/fan_in²). Input weights, embeddings, biases
    and scales: 1. Source: Yang et al. 2022, Table 3, first row.

    A weight that an embedding shares with an output layer starts as the embedding; the model must
    then multiply the output by ``1/m_in`` itself (Table 8).
    """

    inner: Recipe
    base: Shapes = field(hash=False)

    @property
    def least_dims(self) -> int:
        """What the other recipe needs."""
        return self.inner.least_dims

    def at(self, shape: tuple[int, ...]) -> Law:
        """Raise ValueError: a base shape is found by name."""
        raise BadValueError("base", "which base shape is meant is known only for a tensor's name.")

    def meet(self, target: Target) -> Recipe:
        """Return the recipe for one tensor.

        Raises ValueError if the base model has no such tensor, or one of other dimensions.
        """
        tensor = target.module._parameters.get(target.name.rpartition(".")[2])
        whole = target.shape if tensor is None else tuple(tensor.shape)
        shape = base_shape(self.base, target.name, whole)
        if whole != target.shape:  # one part of several that are packed along dim 0
            shape = (shape[0] * target.shape[0] // whole[0], *shape[1:])
        m_in, m_out = growth(target.shape, shape, target.role, target.module)
        factor = 1 / math.sqrt(m_in)
        if m_out == 1 and m_in != 1:
            factor = 1.0 if is_embedding(tensor, target.model) else 1 / m_in
        return AtBase(met(self.inner, target), shape, factor)


@INITIALIZERS.register_module(name="MuP")
@dataclass
class MuPInit(BaseInit):
    """Yang et al. 2022, Table 3: the law ``init`` at a base model's shapes, scaled by the growth.

    ``base`` is the base model, a dict from names to shapes (`base_shapes`) or a JSON file of one.
    """

    init: Mapping[str, Any] | BaseInit
    base: Base = field(repr=False)

    def check(self) -> None:
        """Refuse what is no law or no shapes."""
        self.inner = read_inner(self.init)
        self.base = self.shapes = read_shapes(self.base)

    def recipe(self) -> Recipe:
        """Return MuP(init, base)."""
        return MuP(self.inner.recipe(), self.shapes)


def mup_learning_rates(
    model: nn.Module, base: Base, lr: float, optimizer: Literal["adam", "sgd"] = "adam"
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser, one for each learning rate.

    'adam' (and others that normalise the gradient): ``lr / m_in``. 'sgd': ``lr · m_out / m_in``.
    Source: Yang et al. 2022, Table 3, rows 2 and 3; where the two fans of a hidden weight grow
    alike its SGD rate is ``lr``, as there. A tied tensor stands in one group, once; as an
    embedding if it is one.

    Raises ValueError if the base model has no tensor of a name, or one of other dimensions.

    >>> wide, base = nn.Linear(128, 10), nn.Linear(64, 10)
    >>> [(len(group["params"]), group["lr"]) for group in mup_learning_rates(wide, base, 0.5)]
    [(1, 0.25), (1, 0.5)]
    """
    check_choice("optimizer", optimizer, ("adam", "sgd"), BadValueError)
    shapes = read_shapes(base)
    groups: dict[float, list[Tensor]] = {}
    for name, tensor, role, module in owners(model):
        shape = base_shape(shapes, name, tuple(tensor.shape))
        m_in, m_out = growth(tuple(tensor.shape), shape, role, module)
        factor = (m_out if optimizer == "sgd" else 1) / m_in
        groups.setdefault(factor, []).append(tensor)
    return [{"params": group, "lr": lr * factor} for factor, group in groups.items()]


def owners(model: nn.Module) -> list[tuple[str, Tensor, str, nn.Module]]:
    """Return (plain name, tensor, role, layer) of each parameter once; as an embedding if it is."""
    found: dict[int, tuple[str, Tensor, str, nn.Module]] = {}
    for name, part in model.named_modules():
        for key, tensor in part._parameters.items():
            if tensor is None:
                continue
            full = f"{plain_module_name(name)}.{key}".lstrip(".")
            role = role_of(part, key)
            first = found.setdefault(id(tensor), (full, tensor, role, part))
            if role == "embedding":
                found[id(tensor)] = (first[0], tensor, role, part)
    return list(found.values())


def base_shape(shapes: Shapes, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the base shape of a tensor; one that is parametrised has the shape of its original."""
    layer, _, key = name.rpartition(".")
    chain = f"{layer}.parametrizations.{key}".lstrip(".")
    base = next(
        (shapes[x] for x in (name, f"{chain}.original", f"{chain}.original1") if x in shapes), None
    )
    if base is None:
        raise BadValueError("base", f"it has no shape for {name}.", nearest(name, shapes))
    if len(base) != len(shape):
        raise BadValueError(
            "base",
            f"{name} has {len(base)} dimensions there and {len(shape)} in the model: "
            f"{base} and {shape}.",
        )
    return base


def is_embedding(tensor: Tensor | None, model: nn.Module) -> bool:
    """Whether the weight of an output layer is that of an embedding, too."""
    return tensor is not None and any(
        isinstance(part, EMBEDDINGS) and part.weight is tensor for part in model.modules()
    )
