"""mmcv's initialiser classes: what a config's ``type`` names, and the registry of them.

An initialiser holds a recipe for weights, a number for biases and the layers it speaks of. Called
with a module it fills them one after the other; `initialize` is what checks everything first. To
add one for a new law, write the dataclass here beside its law and register it; a class of one's
own needs only to be callable with a module. They stand in one file, however long, side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from torch import nn

from brickbook.arguments import checked_number
from brickbook.checkpoint.loading import load_state_dict
from brickbook.checkpoint.state import read_state
from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.functions import bias_init_with_prob, start
from brickbook.init.laws import Constant, Normal, Recipe, TruncNormal, Uniform, mass
from brickbook.init.matching import matches, post_order
from brickbook.init.recipes import (
    Caffe2Xavier,
    Distribution,
    Kaiming,
    Orthogonal,
    VarianceScaling,
    Xavier,
)
from brickbook.registry import Registry

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "KaimingInit", "LeCunInit",
    "NormalInit", "OnesInit", "OrthogonalInit", "PretrainedInit", "TruncNormalInit", "UniformInit",
    "VarianceScalingInit", "XavierInit", "ZerosInit",
]  # fmt: skip

INITIALIZERS = Registry("initializer")
Shape = Literal["normal", "uniform", "truncated_normal"]


@dataclass
class BaseInit:
    """What all initialisers of a law share.

    ``bias`` is written to every ``bias`` beside a weight; ``bias_prob`` gives it as a prior
    probability instead (`bias_init_with_prob`). ``layer`` is a class or its name, or a list of
    them: the modules meant, through any ancestor class below ``nn.Module``.

    ``roles`` says which parameters of a layer an initialiser speaks of: "weight", "embedding",
    "scale" and "bias"; None is all of them. ``numbers`` are the arguments that must be numbers.
    """

    numbers: ClassVar[tuple[str, ...]] = ()
    not_negative: ClassVar[tuple[str, ...]] = ()
    roles: ClassVar[frozenset[str] | None] = None

    _: KW_ONLY
    bias: float = 0
    bias_prob: float | None = None
    layer: str | type | Sequence[str | type] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number, no probability or no layer."""
        if not isinstance(self.bias, bool):
            self.bias = checked_number("bias", self.bias)
        if self.bias_prob is not None:
            if not isinstance(self.bias_prob, float):
                raise BadArgumentError(
                    "bias_prob",
                    f"expected a float, got {self.bias_prob!r} ({type(self.bias_prob).__name__}).",
                )
            if not 0 < self.bias_prob < 1:
                raise BadValueError("bias_prob", f"expected 0 < p < 1, got {self.bias_prob!r}.")
            self.bias = bias_init_with_prob(self.bias_prob)
        layers = [self.layer] if isinstance(self.layer, (str, type)) else self.layer
        if layers is None:
            layers = []
        if not isinstance(layers, list) or not all(isinstance(x, (str, type)) for x in layers):
            raise BadArgumentError(
                "layer", f"expected a str, a class or a list of them, got {self.layer!r}."
            )
        self.layer = layers
        if self.roles is not None and "bias" not in self.roles and self.bias != 0:
            key = "bias" if self.bias_prob is None else "bias_prob"
            raise BadArgumentError(key, f"{type(self).__name__} writes no bias.")
        self.wholemodule = False
        for key in self.numbers:
            least = 0.0 if key in self.not_negative else -math.inf
            setattr(self, key, checked_number(key, getattr(self, key), least=least))
        self.check()

    def check(self) -> None:
        """Refuse arguments that do not go together."""

    @property
    def layers(self) -> tuple[str | type, ...]:
        """The layers meant, as a tuple."""
        return tuple(self.layer or ())  # pyright: ignore[reportArgumentType]

    def recipe(self) -> Recipe:
        """Return the law for weights, or what gives it for a shape."""
        raise NotImplementedError

    def reach(self, part: nn.Module) -> Iterator[nn.Module] | None:
        """Return the layers that are meant when ``part`` matches; None is ``part`` itself.

        Of an override, ``part`` is the module it names, and None all layers below.
        """
        return None

    def __call__(self, module: nn.Module) -> None:
        """Start the layers meant in ``module`` and below (every layer if ``wholemodule``)."""
        recipe = self.recipe()
        whole = self.reach(module) if self.wholemodule else None
        if whole is not None:
            for part in whole:
                start(part, recipe, self.bias, self.roles)
            return
        for _, met in post_order(module):
            if self.wholemodule or matches(met, self.layers):
                for part in self.reach(met) or (met,):
                    start(part, recipe, self.bias, self.roles)


@INITIALIZERS.register_module(name="Constant")
@dataclass
class ConstantInit(BaseInit):
    """Every weight is ``val``."""

    numbers = ("val",)
    val: float

    def recipe(self) -> Recipe:
        """Return Constant(val)."""
        return Constant(self.val)


@INITIALIZERS.register_module(name="Xavier")
@dataclass
class XavierInit(BaseInit):
    """Glorot & Bengio 2010, eq. 12 ('normal') and 16 ('uniform')."""

    numbers = ("gain",)
    not_negative = ("gain",)
    gain: float = 1
    distribution: Distribution = "normal"

    def check(self) -> None:
        """Refuse unknown words."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return Xavier(gain)."""
        return Xavier(self.distribution, self.gain)


@INITIALIZERS.register_module(name="Normal")
@dataclass
class NormalInit(BaseInit):
    """N(mean, std²)."""

    numbers = ("mean", "std")
    not_negative = ("std",)
    mean: float = 0
    std: float = 1

    def recipe(self) -> Recipe:
        """Return Normal(mean, std)."""
        return Normal(self.mean, self.std)


@INITIALIZERS.register_module(name="TruncNormal")
@dataclass
class TruncNormalInit(BaseInit):
    """N(mean, std²) cut at ``a`` and ``b``, which are absolute numbers as in mmcv."""

    numbers = ("mean", "std", "a", "b")
    not_negative = ("std",)
    mean: float = 0
    std: float = 1
    a: float = -2
    b: float = 2

    def check(self) -> None:
        """Refuse cut points with nothing between them that can be drawn."""
        if self.a > self.b:
            raise BadValueError("b", f"expected a or more (a={self.a!r}), got {self.b!r}.")
        recipe = self.recipe()
        if isinstance(recipe, TruncNormal) and not mass(*recipe.cuts) > 0:
            raise BadValueError(
                "a",
                f"N({self.mean!r}, {self.std!r}²) has no mass between {self.a!r} and {self.b!r}.",
            )

    def recipe(self) -> Recipe:
        """Return TruncNormal(mean, std, a, b)."""
        if self.std == 0:
            return Constant(min(max(self.mean, self.a), self.b))
        return TruncNormal(self.mean, self.std, self.a, self.b)


@INITIALIZERS.register_module(name="Uniform")
@dataclass
class UniformInit(BaseInit):
    """U(a, b)."""

    numbers = ("a", "b")
    a: float = 0
    b: float = 1

    def check(self) -> None:
        """Refuse bounds in the wrong order."""
        if self.a > self.b:
            raise BadValueError("b", f"expected a or more (a={self.a!r}), got {self.b!r}.")

    def recipe(self) -> Recipe:
        """Return Uniform(a, b)."""
        return Uniform(self.a, self.b)


@INITIALIZERS.register_module(name="Kaiming")
@dataclass
class KaimingInit(BaseInit):
    """He et al. 2015, eq. 10, 14 and 15."""

    numbers = ("a",)
    a: float = 0
    mode: str = "fan_out"
    nonlinearity: str = "relu"
    distribution: Distribution = "normal"

    def check(self) -> None:
        """Refuse unknown words."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return Kaiming(a, mode, nonlinearity)."""
        return Kaiming(self.distribution, self.a, self.mode, self.nonlinearity)


@INITIALIZERS.register_module(name="Caffe2Xavier")
@dataclass
class Caffe2XavierInit(BaseInit):
    """Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in))."""

    def recipe(self) -> Recipe:
        """Return the Kaiming law it equals."""
        return Caffe2Xavier()


@INITIALIZERS.register_module(name="Zeros")
@dataclass
class ZerosInit(BaseInit):
    """Every weight is 0."""

    def recipe(self) -> Recipe:
        """Return Constant(0)."""
        return Constant(0.0)


@INITIALIZERS.register_module(name="Ones")
@dataclass
class OnesInit(BaseInit):
    """Every weight is 1."""

    def recipe(self) -> Recipe:
        """Return Constant(1)."""
        return Constant(1.0)


@INITIALIZERS.register_module(name="LeCun")
@dataclass
class LeCunInit(BaseInit):
    """LeCun et al. 1998, Efficient BackProp, eq. 16: std `√(1/fan_in)`."""

    distribution: Shape = "normal"

    def check(self) -> None:
        """Refuse unknown words."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return VarianceScaling(1, fan_in)."""
        return VarianceScaling(1.0, "fan_in", self.distribution)


@INITIALIZERS.register_module(name="VarianceScaling")
@dataclass
class VarianceScalingInit(BaseInit):
    """Std `√(scale/n)`, with n one of the fans or a mean of both."""

    numbers = ("scale",)
    not_negative = ("scale",)
    scale: float = 1
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = "fan_in"
    distribution: Shape = "normal"

    def check(self) -> None:
        """Refuse unknown words."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return VarianceScaling(scale, mode, distribution)."""
        return VarianceScaling(self.scale, self.mode, self.distribution)


@INITIALIZERS.register_module(name="Orthogonal")
@dataclass
class OrthogonalInit(BaseInit):
    """Saxe et al. 2013: orthonormal rows or columns, times `gain`."""

    numbers = ("gain",)
    gain: float = 1

    def recipe(self) -> Recipe:
        """Return Orthogonal(gain)."""
        return Orthogonal(self.gain)


@INITIALIZERS.register_module(name="Pretrained")
@dataclass
class PretrainedInit:
    """Load a checkpoint: a file or URL, all of it or the part under ``prefix``."""

    checkpoint: str
    prefix: str | None = None
    map_location: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no name of a checkpoint."""
        if not isinstance(self.checkpoint, str) or not self.checkpoint:
            raise BadArgumentError("checkpoint", f"expected a str, got {self.checkpoint!r}.")

    def __call__(self, module: nn.Module) -> None:
        """Load what fits of the checkpoint into ``module``."""
        place = self.map_location or "cpu"
        load_state_dict(module, read_state(self.checkpoint, prefix=self.prefix, map_location=place))
