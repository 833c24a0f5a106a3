"""muP: initial weights and learning rates that suit every width once they suit a base model's.

Of each tensor two numbers count: by how much its fan_in and its fan_out exceed those of the tensor
of the same name in the base model, ``m_in`` and ``m_out``. Source: Yang et al. 2022, Tensor
Programs V, Table 3, https://arxiv.org/abs/2203.03466; relative to a base model, Appendix B.1.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    MissingFileError,
    Sentence,
    first_line,
    format_value,
    nearest,
    wrong_value,
)
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target, check_choice
from brickbook.init.initializers.depth_scaled import read_inner_initializer
from brickbook.init.initializers.fans import stored_axes
from brickbook.init.laws import Constant, Law
from brickbook.introspect import plain_module_name, plain_name, role_of

__all__ = ["MuPInit", "base_shapes", "mup_learning_rates", "width_multipliers"]

ShapesByName = Mapping[str, tuple[int, ...]]
BaseSpec = nn.Module | Mapping[str, Sequence[int]] | str | os.PathLike[str]
EMBEDDING_LAYERS = (nn.Embedding, nn.EmbeddingBag)
MAX_SIZE = 2**63 - 1  # of an axis
VECTOR_ROLES = ("bias", "scale")


def width_multipliers(
    shape: tuple[int, ...],
    base: tuple[int, ...],
    role: str,
    module: nn.Module,
    key: str = "weight",
) -> tuple[float, float]:
    """Return (m_in, m_out): by how much fan_in and fan_out grew from the base shape.

    Nothing is summed over in biases, scales and embeddings: their m_in is 1. The m_out of an
    embedding is that of its last dimension.

    >>> width_multipliers((512, 128), (64, 64), "weight", nn.Linear(1, 1))
    (2.0, 8.0)
    """
    ratios = [size / was if was else 1.0 for size, was in zip(shape, base, strict=True)]
    if role == "embedding" and ratios:
        return 1.0, ratios[-1]
    if role in VECTOR_ROLES or len(ratios) < 2:
        return 1.0, math.prod(ratios)
    ins, outs, batch = stored_axes(module, key)
    kernel = [ratio for axis, ratio in enumerate(ratios) if axis not in (ins, outs, batch)]
    return ratios[ins] * math.prod(kernel), ratios[outs]


@INITIALIZERS.register_module(name="MuP")
@dataclass
class MuPInit(BaseInit):
    """Yang et al. 2022, Table 3: the law ``init`` at a base model's shapes, scaled by the growth.

    ``base`` is the base model, a dict from names to shapes (`base_shapes`) or a JSON file of one.

    Hidden weights, of which both fans grow, get a factor ``1/√m_in`` (variance ∝ 1/fan_in); output
    weights, of which only fan_in grows, ``1/m_in`` (variance ∝ 1/fan_in²); input weights,
    embeddings, biases and scales 1. A weight that an embedding shares with an output layer is
    initialised as the embedding; the model must then multiply the output by ``1/m_in`` itself
    (Table 8). A weight needs the dimensions that ``init`` asks for, and as many as in the base
    model. Source: Tensor Programs V, https://arxiv.org/abs/2203.03466.

    Args:
        init: The config of the law, without ``layer`` and ``bias``, or a `BaseInit`.
        base: The base model, the shapes of its parameters by name, or a file of these.

    Raises:
        ConfigError: ``init`` is no law; ``base`` has no shapes, none for a tensor, or one of other
            dimensions.
    """

    init: Mapping[str, Any] | BaseInit
    base: BaseSpec = field(repr=False)

    def check(self) -> None:
        """Refuse what is no law or no shapes."""
        self.inner = read_inner_initializer(self.init)
        self.base = self.shapes = read_shapes(self.base)

    @property
    def min_dims(self) -> int:
        """What the inner law needs."""
        return self.inner.min_dims

    @property
    def model_arguments(self) -> frozenset[str]:
        """The base, whose shapes are found by name, and those of the inner law."""
        return frozenset({"base"}) | self.inner.model_arguments

    def law(self, target: Target) -> Law:
        """Return the inner law at the base shape, times muP's factor for the growth of the width.

        A law that draws a tensor as a whole (Orthogonal) must be the one for the real shape: it is
        scaled to the std meant.
        """
        if target.module is None or target.model is None:
            raise BadValueError(
                "base", "which base shape is meant is known only for a tensor's name."
            )
        tensor = target.module._parameters.get(target.key)
        whole = target.shape if tensor is None else tuple(tensor.shape)
        shape = find_base_shape(self.shapes, target.name, whole)
        if whole != target.shape:  # one of several that are packed along the first axis
            shape = (shape[0] * target.shape[0] // whole[0], *shape[1:])
        m_in, m_out = width_multipliers(target.shape, shape, target.role, target.module, target.key)
        if m_in == 0:  # a layer without inputs
            return Constant(0.0)
        factor = 1 / math.sqrt(m_in)
        if m_out == 1 and m_in != 1:
            factor = 1.0 if is_tied_to_embedding(tensor, target.model) else 1 / m_in
        at_base = self.inner.law(replace(target, shape=shape)).scale_by(factor)
        if at_base.elementwise:
            return at_base
        own = self.inner.law(target)
        return own.scale_by(at_base.std / own.std) if own.std else own


def mup_learning_rates(
    model: nn.Module, base: BaseSpec, lr: float, optimizer: Literal["adam", "sgd"] = "adam"
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser, one for each learning rate.

    'adam' (and others that normalise the gradient): ``lr / m_in``. 'sgd': ``lr · m_out / m_in``.
    Source: Yang et al. 2022, Table 3, rows 2 and 3; where the two fans of a hidden weight grow
    alike its SGD rate is ``lr``, as there. A tied tensor stands in one group, once; as an
    embedding if it is one.

    Args:
        model: The model that is trained.
        base: The base model, the shapes of its parameters by name, or a JSON file of these.
        lr: The learning rate that suits the base model.
        optimizer: 'adam' or 'sgd'.

    Raises:
        ConfigError: ``lr`` is no number, ``optimizer`` is neither word; ``base`` has no shapes,
            none for a parameter, or one of other dimensions.

    >>> wide, base = nn.Linear(128, 10), nn.Linear(64, 10)
    >>> [(len(group["params"]), group["lr"]) for group in mup_learning_rates(wide, base, 0.5)]
    [(1, 0.25), (1, 0.5)]
    """
    check_choice("optimizer", optimizer, ("adam", "sgd"), BadValueError)
    if not isinstance(lr, (Real, Tensor)):
        raise BadArgumentError("lr", wrong_value("a number", lr))
    shapes = read_shapes(base)
    groups: dict[float, list[Tensor]] = {}
    for name, tensor, role, module in collect_parameters(model):
        shape = find_base_shape(shapes, name, tuple(tensor.shape))
        key = name.rpartition(".")[2]
        m_in, m_out = width_multipliers(tuple(tensor.shape), shape, role, module, key)
        factor = (m_out if optimizer == "sgd" else 1) / (m_in or 1.0)  # 0: it has no inputs
        groups.setdefault(factor, []).append(tensor)
    return [{"params": group, "lr": lr * factor} for factor, group in groups.items()]


def collect_parameters(model: nn.Module) -> list[tuple[str, Tensor, str, nn.Module]]:
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


def find_base_shape(shapes: ShapesByName, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the base shape of a tensor; one that is parametrised has the shape of its original."""
    layer, _, key = name.rpartition(".")
    chain = f"{layer}.parametrizations.{key}".lstrip(".")
    base = next(
        (shapes[x] for x in (name, f"{chain}.original", f"{chain}.original1") if x in shapes), None
    )
    if base is None:
        problem = Sentence("it has no shape for {name}.", name=name)
        raise BadValueError("base", problem, nearest(name, shapes))
    if len(base) != len(shape):
        raise BadValueError(
            "base",
            Sentence(
                "{name} has {n} dimensions there and {m} in the model: {base} and {shape}.",
                name=name,
                n=len(base),
                m=len(shape),
                base=base,
                shape=shape,
            ),
        )
    return base


def is_tied_to_embedding(tensor: Tensor | None, model: nn.Module) -> bool:
    """Whether the weight of an output layer is that of an embedding, too."""
    return tensor is not None and any(
        isinstance(part, EMBEDDING_LAYERS) and part.weight is tensor for part in model.modules()
    )


def base_shapes(model: nn.Module) -> dict[str, list[int]]:
    """Return the shape of every parameter by name, ready for ``json.dump``.

    The model may be on the meta device. Names are without the prefixes of wrappers; a tied tensor
    stands under each of its names.

    Raises:
        BadValueError: A parameter has no shape yet.

    >>> base_shapes(nn.Linear(8, 2))
    {'weight': [2, 8], 'bias': [2]}
    """
    found: dict[str, list[int]] = {}
    for name, tensor in model.named_parameters(remove_duplicate=False):
        if is_lazy(tensor):
            raise BadValueError(
                name, "it has no shape yet.", "Run one batch through the lazy module."
            )
        found[plain_name(name)] = list(tensor.shape)
    return found


def read_shapes(
    base: nn.Module | Mapping[str, Sequence[int]] | str | os.PathLike[str], key: str = "base"
) -> ShapesByName:
    """Return base shapes from a model, a dict of them, or a JSON file that holds one.

    Args:
        base: Any of these.
        key: The argument, with which the path of each error begins.

    Raises:
        ConfigError: It is none of these (a TypeError), there is no such file (a
            FileNotFoundError), or the file holds no JSON (a ValueError).
    """
    if isinstance(base, nn.Module):
        base = base_shapes(base)
    elif isinstance(base, (str, os.PathLike)):
        base = read_json_shapes(Path(base), key)
    if not isinstance(base, Mapping):
        wanted = "a model, a dict from names to shapes or the path of a JSON file"
        raise BadArgumentError(key, wrong_value(wanted, base))
    for name in base:
        if not isinstance(name, str):
            raise BadArgumentError(key, wrong_value("the names of parameters", name))
    return {plain_name(name): check_shape(value, name, key) for name, value in base.items()}


def read_json_shapes(path: Path, key: str) -> Mapping[str, Sequence[int]]:
    """Read a JSON file of shapes."""
    name = format_value(str(path))
    try:
        shapes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(key, Sentence("there is no file {file}.", file=name)) from None
    except OSError as error:
        why = error.strerror or first_line(error)
        problem = Sentence("{file} cannot be read: {why}.", file=name, why=why)
        raise BadValueError(key, problem) from None
    except RecursionError:
        problem = Sentence("{file} holds JSON that is nested too deep.", file=name)
        raise BadValueError(key, problem) from None
    except ValueError as error:  # no JSON, or no text
        problem = Sentence("{file} holds no JSON: {why}.", file=name, why=error)
        raise BadValueError(key, problem) from None
    if not isinstance(shapes, Mapping):
        problem = Sentence("{file} holds no dict from names to shapes.", file=name)
        raise BadValueError(key, problem)
    return shapes


def check_shape(value: object, name: object, key: str) -> tuple[int, ...]:
    """Return one shape as a tuple."""
    if not isinstance(value, (list, tuple)) or not all(
        type(size) is int and 0 <= size <= MAX_SIZE for size in value
    ):
        problem = wrong_value("a list of sizes", value)
        raise BadArgumentError(f"{key}[{format_value(name)}]", problem)
    return tuple(value)
