"""mmcv's initialiser classes: what a config's ``type`` names, and the registry of them.

An initialiser holds a recipe for weights, a number for biases and the layers it speaks of. Called
with a module it fills them one after the other; `initialize` is what checks everything first. To
add one for a new law, write the dataclass here beside its law and register it; a class of one's
own needs only to be callable with a module. They stand in one file, however long, side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from brickbook.arguments import checked_number
from brickbook.checkpoint.loading import load_state_dict
from brickbook.checkpoint.state import read_state
from brickbook.errors import BadArgumentError, BadValueError, nearest
from brickbook.init.auto_gain import AutoGain
from brickbook.init.fans import AXES
from brickbook.init.functions import bias_init_with_prob, start, write
from brickbook.init.gains import NONLINEARITIES, named_gain
from brickbook.init.laws import Constant, Contextual, Normal, Recipe, Target, Uniform
from brickbook.init.matching import Index, is_norm_layer, plain_name, read_selector
from brickbook.init.matrix_recipes import DeltaOrthogonal, Dirac, Identity, Sparse, ZerO
from brickbook.init.meeting import Hit, in_order, meet
from brickbook.init.recipes import (
    Caffe2Xavier,
    Distribution,
    Kaiming,
    Orthogonal,
    Units,
    VarianceScaling,
    Xavier,
    truncated,
)
from brickbook.init.targets import packs, role_of_weight, slots, slots_named
from brickbook.registry import Registry

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "DeltaOrthogonalInit",
    "DiracInit", "FannedInit", "IdentityInit", "KaimingInit", "LeCunInit", "NormalInit", "OnesInit",
    "OrthogonalInit", "PretrainedInit", "PriorBiasInit", "SparseInit", "TruncNormalInit",
    "UniformInit", "VarianceScalingInit", "XavierInit", "ZerOInit", "ZeroGammaInit", "ZerosInit",
]  # fmt: skip

INITIALIZERS = Registry("initializer")
Shape = Literal["normal", "uniform", "truncated_normal"]
SHORTCUTS = frozenset({"downsample", "shortcut"})  # as torchvision, mmcv and timm call them


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
        index = Index(module)
        if self.wholemodule:
            reached = self.reach(module)
            hits = [Hit(at) for at in range(len(index.parts))] if reached is None else []
            parts = list(reached or ())
        else:
            hits = in_order(meet(read_selector(word), index) for word in self.layers)
            parts = []
        for hit in hits:
            name, part = index.parts[hit.place]
            below = None if self.wholemodule else self.reach(part)
            if below is not None:
                parts += below
            elif hit.direct or hit.keys or role_of_weight(type(part)) != "scale":
                self.start(module, name, part, hit)
        for part in parts:
            start(part, self.recipe(), self.bias, self.roles)

    def start(self, model: nn.Module, name: str, part: nn.Module, hit: Hit) -> None:
        """Start one layer, or the parameters that a word names of it."""
        recipe, dot = self.recipe(), f"{name}." if name else ""
        if not hit.keys and not packs(type(part)):
            weight = getattr(part, "weight", None)
            if isinstance(recipe, Contextual) and isinstance(weight, Tensor):
                role = role_of_weight(type(part))
                shape = tuple(weight.shape)
                recipe = recipe.meet(Target(plain_name(f"{dot}weight"), shape, role, part, model))
            start(part, recipe, self.bias, self.roles)
            return
        for slot in slots_named(part, hit.keys, alone=hit.direct) if hit.keys else slots(part):
            if not hit.keys and self.roles is not None and slot.role not in self.roles:
                continue
            recipe = self.recipe() if hit.keys or slot.role != "bias" else Constant(self.bias)
            if isinstance(recipe, Contextual):
                full = plain_name(f"{dot}{slot.key}")
                shape = (slot.tensor.shape[0] // slot.parts, *slot.tensor.shape[1:])
                recipe = recipe.meet(Target(full, shape, slot.role, part, model))
            write(part, slot.key, slot.tensor, recipe, slot.parts)


@dataclass
class FannedInit(BaseInit):
    """What initialisers share whose std comes from a weight's fans.

    ``in_axis``, ``out_axis`` and ``batch_axis`` say which axes of a weight are its inputs, its
    outputs and neither; the others are the receptive field (see `fans`). The defaults are those of
    torch's layers.
    """

    _: KW_ONLY
    in_axis: int | list[int] | tuple[int, ...] = 1
    out_axis: int | list[int] | tuple[int, ...] = 0
    batch_axis: int | list[int] | tuple[int, ...] = ()

    def check(self) -> None:
        """Refuse unknown words, and axes that cannot be."""
        self.recipe()

    @property
    def axes(self) -> dict[str, Any]:
        """The axes, as the recipes take them."""
        return {key: getattr(self, key) for key in AXES}


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
class XavierInit(FannedInit):
    """Glorot & Bengio 2010, eq. 12 ('normal') and 16 ('uniform').

    ``gain`` is a number, the name of a nonlinearity for its gain ('relu': the root of 2), 'auto'
    for that of the activation which follows each layer, or a function of a layer's name and the
    layer.
    """

    gain: float | str | Callable[[str, nn.Module], float] = 1
    distribution: Distribution = "normal"

    def check(self) -> None:
        """Refuse a gain that is none of these."""
        if isinstance(self.gain, str) and self.gain != "auto":
            if self.gain not in NONLINEARITIES:
                problem = f"expected a number, 'auto' or a nonlinearity, got {self.gain!r}."
                raise BadValueError("gain", problem, nearest(self.gain, ("auto", *NONLINEARITIES)))
            self.gain = named_gain(self.gain)
        if not isinstance(self.gain, str) and not callable(self.gain):
            self.gain = checked_number("gain", self.gain, least=0.0)
        super().check()

    def recipe(self) -> Recipe:
        """Return Xavier(gain)."""
        if not isinstance(self.gain, (int, float)):
            inner = Xavier(self.distribution, 1.0, **self.axes)
            return AutoGain(inner, "auto" if isinstance(self.gain, str) else self.gain)
        return Xavier(self.distribution, self.gain, **self.axes)


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
    """N(mean, std²) cut at ``a`` and ``b``: absolute numbers, as in mmcv.

    With ``units='std'`` the cut points are ``mean + a · std`` and ``mean + b · std``. Either way
    ``std`` is that before the cut.
    """

    numbers = ("mean", "std", "a", "b")
    not_negative = ("std",)
    mean: float = 0
    std: float = 1
    a: float = -2
    b: float = 2
    _: KW_ONLY
    units: Units = "absolute"

    def check(self) -> None:
        """Refuse cut points with nothing between them that can be drawn."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return TruncNormal(mean, std, low, high)."""
        return truncated(self.mean, self.std, self.a, self.b, self.units)


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
class KaimingInit(FannedInit):
    """He et al. 2015, eq. 10, 14 and 15.

    ``nonlinearity='auto'`` takes the gain of the activation that follows each layer.
    """

    numbers = ("a",)
    a: float = 0
    mode: str = "fan_out"
    nonlinearity: str = "relu"
    distribution: Distribution = "normal"

    def recipe(self) -> Recipe:
        """Return Kaiming(a, mode, nonlinearity)."""
        if self.nonlinearity == "auto":
            inner = Kaiming(self.distribution, 0.0, self.mode, "linear", **self.axes)
            return AutoGain(inner, key="nonlinearity")
        return Kaiming(self.distribution, self.a, self.mode, self.nonlinearity, **self.axes)


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
class LeCunInit(FannedInit):
    """LeCun et al. 1998, Efficient BackProp, eq. 16: std `√(1/fan_in)`."""

    distribution: Shape = "normal"

    def recipe(self) -> Recipe:
        """Return VarianceScaling(1, fan_in)."""
        return VarianceScaling(1.0, "fan_in", self.distribution, **self.axes)


@INITIALIZERS.register_module(name="VarianceScaling")
@dataclass
class VarianceScalingInit(FannedInit):
    """Std `√(scale/n)`, with n one of the fans or a mean of both."""

    numbers = ("scale",)
    not_negative = ("scale",)
    scale: float = 1
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = "fan_in"
    distribution: Shape = "normal"

    def recipe(self) -> Recipe:
        """Return VarianceScaling(scale, mode, distribution)."""
        return VarianceScaling(self.scale, self.mode, self.distribution, **self.axes)


@INITIALIZERS.register_module(name="Orthogonal")
@dataclass
class OrthogonalInit(BaseInit):
    """Saxe et al. 2013: orthonormal rows or columns, times `gain`."""

    numbers = ("gain",)
    gain: float = 1

    def recipe(self) -> Recipe:
        """Return Orthogonal(gain)."""
        return Orthogonal(self.gain)


@INITIALIZERS.register_module(name="DeltaOrthogonal")
@dataclass
class DeltaOrthogonalInit(BaseInit):
    """Xiao et al. 2018, algorithm 1: an orthogonal matrix at the centre of a kernel, else 0.

    For the weights of convolutions with as many outputs as inputs or more. The centre of an even
    kernel is the later of the two taps in the middle.
    """

    numbers = ("gain",)
    gain: float = 1

    def recipe(self) -> Recipe:
        """Return DeltaOrthogonal(gain)."""
        return DeltaOrthogonal(self.gain)


@INITIALIZERS.register_module(name="Dirac")
@dataclass
class DiracInit(BaseInit):
    """`torch.nn.init.dirac_`: ones that pass each group's inputs on through a convolution."""

    groups: int = 1

    def check(self) -> None:
        """Refuse what is no number of groups."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return Dirac(groups)."""
        return Dirac(self.groups)


@INITIALIZERS.register_module(name="Identity")
@dataclass
class IdentityInit(BaseInit):
    """`gain` on the main diagonal of a matrix, else 0 (Le, Jaitly & Hinton 2015, §2)."""

    numbers = ("gain",)
    gain: float = 1

    def recipe(self) -> Recipe:
        """Return Identity(gain)."""
        return Identity(self.gain)


@INITIALIZERS.register_module(name="Sparse")
@dataclass
class SparseInit(BaseInit):
    """Martens 2010, §5: N(0, std²), with the share `sparsity` of every column at 0."""

    numbers = ("sparsity", "std")
    not_negative = ("std",)
    sparsity: float
    std: float = 0.01

    def check(self) -> None:
        """Refuse what is no share."""
        self.recipe()

    def recipe(self) -> Recipe:
        """Return Sparse(sparsity, std)."""
        return Sparse(self.sparsity, self.std)


@INITIALIZERS.register_module(name="ZerO")
@dataclass
class ZerOInit(BaseInit):
    """Zhao et al. 2022, algorithms 1 and 2: partial identities, Hadamard where out > in."""

    def recipe(self) -> Recipe:
        """Return ZerO()."""
        return ZerO()


@INITIALIZERS.register_module(name="PriorBias")
@dataclass
class PriorBiasInit(BaseInit):
    """Lin et al. 2017 (Focal Loss), §4.1: the bias `-ln((1 - π) / π)`; the weight is left alone.

    For the last layer of a classifier: every class starts with the probability π = `prior_prob`.
    """

    roles = frozenset({"bias"})
    prior_prob: float = 0.01

    def check(self) -> None:
        """Compute the bias; refuse another one."""
        for key, given in (("bias_prob", self.bias_prob is not None), ("bias", self.bias != 0)):
            if given:
                raise BadArgumentError(key, "PriorBias computes the bias from prior_prob.")
        self.bias = bias_init_with_prob(self.prior_prob)

    def recipe(self) -> Recipe:
        """Return Constant(bias); no weight is filled by it."""
        return Constant(self.bias)


@INITIALIZERS.register_module(name="ZeroGamma")
@dataclass
class ZeroGammaInit(BaseInit):
    """Goyal et al. 2017, §5.1: 0 for the scale of the last norm layer of every block.

    ``layer`` names the blocks: each one starts as what its shortcut is. Only the scale is written.
    Source: https://arxiv.org/abs/1706.02677.
    """

    roles = frozenset({"scale"})

    def recipe(self) -> Recipe:
        """Return Constant(0)."""
        return Constant(0.0)

    def reach(self, part: nn.Module) -> Iterator[nn.Module]:
        """Yield the last norm layer among a block's children, else the last one anywhere in it.

        In the order of registration, without what is called downsample or shortcut.
        """
        children = [child for name, child in part.named_children() if name not in SHORTCUTS]
        found = [child for child in children if is_norm_layer(child)] or list(norms_in(part))
        yield from found[-1:]


def norms_in(part: nn.Module) -> Iterator[nn.Module]:
    """Yield the norm layers inside a module, but for those of its shortcuts."""
    for name, child in part.named_children():
        if name not in SHORTCUTS:
            if is_norm_layer(child):
                yield child
            yield from norms_in(child)


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
