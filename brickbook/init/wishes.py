"""What one rule wants of tensors: the law for each, found and checked once per shape."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.init.initializers import BaseInit
from brickbook.init.laws import Constant, Contextual, Law, Recipe, Stacked, Target
from brickbook.init.matching import plain_name
from brickbook.init.rules import Rule
from brickbook.init.targets import Slot, out_of_range

__all__ = ["Kind", "Wish"]

Kind = Literal["default", "layer", "override", "after load"]
Known = tuple[bool, torch.Size, torch.dtype, int]


class Wish:
    """What a rule wants of every tensor it speaks of.

    ``after`` is the checkpoint's entry that it stands in, if it does, ``depth`` how deep in the
    model its config stands.
    """

    def __init__(
        self, rule: Rule, init: BaseInit, kind: Kind, after: str = "", depth: int = 0
    ) -> None:
        self.rule, self.init, self.kind, self.after, self.depth = rule, init, kind, after, depth
        self.recipe: Recipe = init.recipe()
        self.bias = Constant(float(init.bias))
        self.contextual = isinstance(self.recipe, Contextual)
        self.laws: dict[Known, Law] = {}
        self.usual: dict[tuple[type, str, torch.Size, torch.dtype], Law] = {}

    @property
    def simple(self) -> bool:
        """Whether the law of a tensor depends on its layer's class, its name and its shape only."""
        return not self.contextual and self.init.roles is None

    def law(
        self,
        model: nn.Module,
        part: nn.Module,
        slot: Slot,
        full: str,
        *,
        by_key: bool = False,
        may_keep: bool = False,
    ) -> Law | None:
        """Return the law for a tensor, checked: the recipe's, or for a bias the number beside it.

        A tensor that a rule names itself (``by_key``) gets the recipe's law whatever its role.
        None if it has too few dimensions and ``may_keep`` allows it to be left alone.
        """
        tensor = slot.tensor
        weight = by_key or slot.role != "bias"
        known = weight, tensor.shape, tensor.dtype, slot.parts
        law = self.laws.get(known)
        if law is not None:
            return law
        recipe: Recipe = self.recipe if weight else self.bias
        shape = tuple(tensor.shape)
        if slot.parts > 1:
            shape = (shape[0] // slot.parts, *shape[1:])
        try:
            if weight and self.contextual and isinstance(recipe, Contextual):
                recipe = recipe.meet(Target(plain_name(full), shape, slot.role, part, model))
            if tensor.dim() < recipe.least_dims:
                if may_keep:
                    return None
                raise too_flat(recipe.least_dims, self.rule, full, part, shape)
            law = law_at(recipe, shape, full)
        except ConfigError as error:
            if not error.path.startswith(self.rule.path):
                error.under(self.rule.path)
            raise
        if slot.parts > 1 and not law.independent:
            law = Stacked(law, slot.parts)
        problem = out_of_range(law, tensor.dtype)
        if problem:
            raise BadValueError(self.rule.path, f"for {full}: {problem}.")
        if not (weight and self.contextual):
            self.laws[known] = law
        return law


def law_at(recipe: Recipe, shape: tuple[int, ...], full: str) -> Law:
    """Return a recipe's law for a shape; its errors name the tensor."""
    try:
        return recipe.at(shape)
    except ConfigError as error:
        error.problem = f"for {full}: {error.problem}"
        error.args = (error.path, error.problem, error.hint)
        raise


def too_flat(
    least: int, rule: Rule, full: str, part: nn.Module, shape: tuple[int, ...]
) -> BadValueError:
    """Return the error for a law that needs more dimensions than a weight has."""
    return BadValueError(
        f"{rule.path}.type",
        f"{rule.kind} needs a weight of {least} or more dimensions, "
        f"{full} of {type(part).__name__} has shape {shape}.",
    )
