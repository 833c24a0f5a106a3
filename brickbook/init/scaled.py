"""Recipes around recipes: asked where the tensor stands, and times a factor."""

from __future__ import annotations

from dataclasses import dataclass

from brickbook.init.laws import Contextual, Law, Recipe, Target

__all__ = ["Times", "met"]


def met(recipe: Recipe, target: Target) -> Recipe:
    """Return the recipe to use for one tensor: a recipe that must know more is asked for it."""
    while isinstance(recipe, Contextual):
        recipe = recipe.meet(target)
    return recipe


@dataclass(frozen=True)
class Times:
    """``factor`` times what another recipe draws; ``factor`` is 0 or more."""

    inner: Recipe
    factor: float

    @property
    def least_dims(self) -> int:
        """What the other recipe needs."""
        return self.inner.least_dims

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the other law for this shape, scaled."""
        return self.inner.at(shape).times(self.factor)
