"""Depth-scaled residuals: the branches of a deep residual net start smaller.

With N residual branches of equal variance the stream's variance grows with N; a factor ``1/√N`` on
the last weight of each branch makes up for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.init.laws import Law, Recipe, Target
from brickbook.init.nested import read_inner
from brickbook.init.recipes import check_choice
from brickbook.init.scaled import Times, met
from brickbook.init.walking import block_of, blocks

__all__ = ["DepthMode", "DepthScaled", "DepthScaledInit"]

DepthMode = Literal["total", "layer"]


@dataclass(frozen=True)
class DepthScaled:
    """Another recipe's law times ``1/√(per_block · d)``.

    ``mode='total'``: d is the number of blocks; with two branches a block the factor is GPT-2's
    ``1/√(2L)``. Source: Radford et al. 2019, Language Models are Unsupervised Multitask Learners,
    §2.3. ``mode='layer'``: d = i + 1 for the weights of block i, counted from 0, so that each
    branch is held against the branches before it alone; as torchtitan's ``depth_init`` does.
    """

    inner: Recipe
    depth: int | str
    per_block: int = 2
    mode: DepthMode = "total"
    known: list[tuple[nn.Module, dict[str, int]]] = field(
        default_factory=list, init=False, compare=False, repr=False
    )

    @property
    def least_dims(self) -> int:
        """What the other recipe needs."""
        return self.inner.least_dims

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the scaled law; raises ValueError where a model must be asked for the depth."""
        if isinstance(self.depth, str):
            raise BadValueError("depth", f"what {self.depth!r} names is known only in a model.")
        return Times(self.inner, self.factor(self.depth)).at(shape)

    def meet(self, target: Target) -> Recipe:
        """Return the scaled recipe for one tensor, its depth read from the model.

        Raises RuntimeError if the model has no blocks of that name, ValueError if the tensor
        stands in none of them and ``mode`` is 'layer'.
        """
        inner = met(self.inner, target)
        if isinstance(self.depth, int):
            return Times(inner, self.factor(self.depth))
        places = self.places(target.model, self.depth)
        if self.mode == "total":
            return Times(inner, self.factor(len(places)))
        at = block_of(target.name, places)
        if at is None:
            raise BadValueError(
                "depth", f"{target.name} stands in none of the blocks that {self.depth!r} names."
            )
        return Times(inner, self.factor(at + 1))

    def places(self, model: nn.Module, depth: str) -> dict[str, int]:
        """Return the blocks of a model by name; looked for once, not for every tensor."""
        if not self.known or self.known[0][0] is not model:
            names = blocks(model, depth, "depth")
            self.known[:] = [(model, {name: at for at, name in enumerate(names)})]
        return self.known[0][1]

    def factor(self, depth: int) -> float:
        """Return ``1/√(per_block · depth)``."""
        return 1 / math.sqrt(self.per_block * depth)


@INITIALIZERS.register_module(name="DepthScaled")
@dataclass
class DepthScaledInit(BaseInit):
    """Radford et al. 2019, §2.3: the law ``init``, times `1/√(per_block · depth)`.

    ``depth`` is the number of blocks, or names them in the model: a ModuleList or Sequential
    ('h'), or a glob whose words stand for one level each ('stages.*.blocks.*'). ``per_block`` is
    the number of residual branches a block has. ``mode='layer'`` takes, in place of the depth, the
    block's own place from 1 up.
    """

    init: Mapping[str, Any] | BaseInit
    depth: int | str
    per_block: int = 2
    mode: DepthMode = "total"

    def check(self) -> None:
        """Refuse what is no law, no depth or no mode."""
        self.inner = read_inner(self.init)
        check_choice("mode", self.mode, ("total", "layer"))
        check_count("per_block", self.per_block)
        if not isinstance(self.depth, str):
            check_count("depth", self.depth, "an int or the name of the blocks")
            if self.mode == "layer":
                raise BadValueError(
                    "depth", f"mode='layer' needs the name of the blocks, got {self.depth!r}."
                )
        elif not self.depth:
            raise BadValueError("depth", "an empty name means nothing.")

    def recipe(self) -> Recipe:
        """Return DepthScaled(init, depth, per_block, mode)."""
        return DepthScaled(self.inner.recipe(), self.depth, self.per_block, self.mode)


def check_count(key: str, value: object, wanted: str = "an int") -> None:
    """Raise unless ``value`` is a whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadArgumentError(key, f"expected {wanted}, got {value!r} ({type(value).__name__}).")
    if value < 1:
        raise BadValueError(key, f"expected 1 or more, got {value!r}.")
