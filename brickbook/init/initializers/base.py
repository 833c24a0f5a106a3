"""From an initialiser to a law: `BaseInit`, and `law_for`, the one way from a shape to numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from numbers import Real
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from brickbook.config import require_number
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    ConfigError,
    Sentence,
    one_of,
    wrong_type,
    wrong_value,
)
from brickbook.init.initializers.fans import FanAxes
from brickbook.init.laws import Constant, Law, Stacked
from brickbook.introspect import (
    ModuleIndex,
    ModuleMatch,
    find_slots,
    is_packed_class,
    layer_slots,
    merge_matches,
    parse_selector,
    plain_name,
    resolve_selector,
    role_of_weight,
)
from brickbook.registry import Registry

__all__ = [
    "INITIALIZERS", "BaseInit", "FannedInit", "Target", "bias_init_with_prob", "check_choice",
    "fill_tensor", "initialize_module", "law_for",
]  # fmt: skip

INITIALIZERS = Registry("initializer")
T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A tensor that gets a law, and where it stands.

    ``name`` is the qualified name without the prefixes of wrappers, ``role`` one of "weight",
    "bias", "scale", "embedding", "buffer" and "other". Of a tensor that packs ``packed`` equal
    ones along its first axis (query, key and value; the gates of an LSTM), ``shape`` is that of
    one. ``module`` is the layer, ``model`` what it is part of; None where only a shape is known.
    """

    name: str
    shape: tuple[int, ...]
    role: str = "weight"
    module: nn.Module | None = None
    model: nn.Module | None = None
    packed: int = 1
    memo: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The last word of the name: the layer's attribute."""
        return self.name.rpartition(".")[2]

    def remember(self, key: object, find: Callable[[], T]) -> T:
        """Return what ``find`` says of the model; asked once for all targets that share a memo."""
        if key not in self.memo:
            self.memo[key] = find()
        return self.memo[key]


@dataclass
class BaseInit:
    """What all initialisers of a law share.

    A subclass gives the `law` of a weight; what is filled by it, and what biases get, is the same
    for all. Called with a module it fills the layers meant one after the other; `initialize` is
    what checks everything first.

    Args:
        bias: What every ``bias`` beside a weight is filled with.
        bias_prob: Gives ``bias`` as a prior probability instead, see `bias_init_with_prob`.
        layer: The layers meant: a class or its name, a dotted name or a pattern, or a list of
            these (`brickbook.introspect.selectors.parse_selector`).

    Attributes:
        roles: Which parameters of a layer are filled: "weight", "embedding", "scale" and "bias";
            None is all of them.
        number_args: The arguments that must be finite numbers.
        non_negative_args: Those of them that must be 0 or more.
        wholemodule: Whether a call fills every layer below the module, whatever ``layer`` says.

    Raises:
        ConfigError: An argument is no number, no probability or no layer.
    """

    number_args: ClassVar[tuple[str, ...]] = ()
    non_negative_args: ClassVar[tuple[str, ...]] = ()
    roles: ClassVar[frozenset[str] | None] = None

    _: KW_ONLY
    bias: float = 0
    bias_prob: float | None = None
    layer: str | type | Sequence[str | type] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number, no probability or no layer."""
        if not isinstance(self.bias, bool):
            self.bias = require_number("bias", self.bias)
        if self.bias_prob is not None:
            if not isinstance(self.bias_prob, float):
                raise BadArgumentError("bias_prob", wrong_type("a float", self.bias_prob))
            if not 0 < self.bias_prob < 1:
                raise BadValueError("bias_prob", wrong_value("0 < p < 1", self.bias_prob))
            self.bias = bias_init_with_prob(self.bias_prob)
        layers = [self.layer] if isinstance(self.layer, (str, type)) else self.layer
        if layers is None:
            layers = []
        if not isinstance(layers, list) or not all(isinstance(x, (str, type)) for x in layers):
            wanted = "a str, a class or a list of them"
            raise BadArgumentError("layer", wrong_value(wanted, self.layer))
        self.layer = layers
        if self.roles is not None and "bias" not in self.roles and self.bias != 0:
            key = "bias" if self.bias_prob is None else "bias_prob"
            problem = Sentence("{name} writes no bias.", name=type(self).__name__)
            raise BadArgumentError(key, problem)
        self.wholemodule = False
        for key in self.number_args:
            least = 0.0 if key in self.non_negative_args else -math.inf
            setattr(self, key, require_number(key, getattr(self, key), least=least))
        self.check()

    def check(self) -> None:
        """Refuse arguments that do not go together."""

    @property
    def layers(self) -> tuple[str | type, ...]:
        """The layers meant, as a tuple."""
        return tuple(self.layer or ())  # pyright: ignore[reportArgumentType]

    @property
    def type_name(self) -> str:
        """What a config calls it."""
        return type(self).__name__.removesuffix("Init")

    @property
    def min_dims(self) -> int:
        """The fewest dimensions a weight must have."""
        return 0

    @property
    def model_arguments(self) -> frozenset[str]:
        """The arguments that only the model answers: its laws depend on more than a shape."""
        return frozenset()

    def law(self, target: Target) -> Law:
        """Return the law of a weight, its numbers filled in.

        Raises:
            ConfigError: There is none for this shape, or none at this place in the model.
        """
        raise NotImplementedError

    def bias_law(self, target: Target) -> Law:
        """Return the law of a bias beside a weight: Constant(bias).

        Raises:
            ConfigError: There is none for this layer.
        """
        return Constant(float(self.bias))

    def modules_to_fill(self, part: nn.Module) -> Iterator[nn.Module] | None:
        """Return the layers that are meant when ``part`` matches; None is ``part`` itself.

        Of an override, ``part`` is the module it names, and None all layers below.
        """
        return None

    def __call__(self, module: nn.Module) -> None:
        """Fill the layers meant in ``module`` and below (every layer if ``wholemodule``)."""
        index = ModuleIndex(module)
        if not self.wholemodule:
            selectors = (resolve_selector(parse_selector(word), index) for word in self.layers)
            matches = merge_matches(selectors)
        elif self.modules_to_fill(module) is None:
            matches = [ModuleMatch(position) for position in range(len(index.named_modules))]
        else:
            matches = [ModuleMatch(index.positions[id(module)])]
        memo: dict[object, Any] = {}
        for match in matches:
            name, part = index.named_modules[match.position]
            chosen = self.modules_to_fill(part)
            if chosen is not None:
                for inner in chosen:
                    initialize_module(inner, self, self.bias, self.roles)
            elif match.direct or match.param_pattern or role_of_weight(type(part)) != "scale":
                self.initialize_layer(module, name, part, match, memo)

    def initialize_layer(
        self,
        model: nn.Module,
        name: str,
        part: nn.Module,
        match: ModuleMatch,
        memo: dict[object, Any],
    ) -> None:
        """Fill one layer, or the parameters that a selector names of it."""
        pattern, dot = match.param_pattern, f"{name}." if name else ""
        if not pattern and not is_packed_class(type(part)):
            target = Target(plain_name(dot), (), "", part, model, memo=memo)
            initialize_module(part, self, self.bias, self.roles, target)
            return
        slots = find_slots(part, pattern, alone=match.direct) if pattern else layer_slots(part)
        for slot in slots:
            if not pattern and self.roles is not None and slot.role not in self.roles:
                continue
            shape = tuple(slot.tensor.shape)
            if slot.packed > 1:
                shape = (shape[0] // slot.packed, *shape[1:])
            full = plain_name(f"{dot}{slot.key}")
            target = Target(full, shape, slot.role, part, model, slot.packed, memo)
            fill_tensor(part, slot.key, slot.tensor, law_for(self, target, explicit=bool(pattern)))


@dataclass
class FannedInit(BaseInit):
    """What initialisers share whose std comes from a weight's fans.

    Args:
        in_axis: The axis (or axes) of a weight that are its inputs.
        out_axis: Those that are its outputs.
        batch_axis: Those that are neither: one weight for each. The other axes are the receptive
            field (`fans`). The defaults stand for what each layer says of its weight: see
            `brickbook.init.initializers.fans.fans_of_weight`.

    Raises:
        ConfigError: An axis is none, or is named twice.
    """

    _: KW_ONLY
    in_axis: int | list[int] | tuple[int, ...] = 1
    out_axis: int | list[int] | tuple[int, ...] = 0
    batch_axis: int | list[int] | tuple[int, ...] = ()

    def check(self) -> None:
        """Refuse axes that cannot be."""
        _ = self.axes

    @property
    def axes(self) -> FanAxes:
        """The axes, checked."""
        return FanAxes(self.in_axis, self.out_axis, self.batch_axis)

    @property
    def min_dims(self) -> int:
        """As many dimensions as the axes ask for; 2 by default."""
        return self.axes.min_dims

    def fans(self, target: Target) -> tuple[int, int]:
        """Return (fan_in, fan_out) of a weight."""
        return self.axes.fans(target.shape, target.module, target.key)


def law_for(init: BaseInit, target: Target, *, explicit: bool = False) -> Law:
    """Return the law by which an initialiser fills a tensor.

    That is the law of a weight, or for a bias the number beside it; a tensor that is named
    (``explicit``) gets the law of a weight whatever it is. Of a tensor that packs several, each
    gets a law of its own where the law is one of a whole matrix.

    Raises:
        ConfigError: The tensor has too few dimensions, or there is no law for it.
    """
    if target.role == "bias" and not explicit:
        return init.bias_law(target)
    if len(target.shape) < init.min_dims:
        raise BadValueError(
            target.key,
            Sentence(
                "{name} needs {n} or more dimensions, {weight} has shape {shape}.",
                name=init.type_name,
                n=init.min_dims,
                weight=f"{type(target.module).__name__}.{target.key}",
                shape=target.shape,
            ),
        )
    law = init.law(target)
    return law if target.packed == 1 or law.elementwise else Stacked(law, target.packed)


def initialize_module(
    module: nn.Module,
    init: BaseInit | Law,
    bias: float,
    roles: frozenset[str] | None = None,
    target: Target | None = None,
) -> None:
    """Fill ``module.weight`` by a law and ``module.bias`` with a number, where they are tensors.

    Args:
        module: The layer.
        init: The law of the weight, or what gives it.
        bias: What the bias is filled with.
        roles: Which of them: "bias", and for the weight "scale" of a norm layer, "embedding" or
            "weight"; None is both.
        target: Where the layer stands; its name ends in a dot, or is "" for the model itself.
    """
    weight, role = getattr(module, "weight", None), role_of_weight(type(module))
    if isinstance(weight, Tensor) and (roles is None or role in roles):
        if isinstance(init, BaseInit):
            place = target or Target("", (), role, module, module)
            init = law_for(
                init,
                replace(place, name=f"{place.name}weight", shape=tuple(weight.shape), role=role),
            )
        fill_tensor(module, "weight", weight, init)
    offset = getattr(module, "bias", None)
    if isinstance(offset, Tensor) and (roles is None or "bias" in roles):
        with torch.no_grad():
            offset.fill_(bias)


def fill_tensor(module: nn.Module, key: str, tensor: Tensor, law: Law) -> None:
    """Fill one tensor of a module, a parametrised one through its right inverse."""
    if key in getattr(module, "parametrizations", ()):
        fresh = torch.empty_like(tensor)
        law.fill(fresh)
        with torch.no_grad():
            setattr(module, key, fresh)
    else:
        law.fill(tensor)


def bias_init_with_prob(prior_prob: float) -> float:
    """Return the bias whose sigmoid is ``prior_prob``: ``-ln((1 - p) / p)``.

    Source: Lin et al. 2017 (Focal Loss), §4.1, https://arxiv.org/abs/1708.02002.

    Args:
        prior_prob: p, a number between 0 and 1.

    Raises:
        BadArgumentError: p is no number.
        BadValueError: p is not between 0 and 1.

    >>> bias_init_with_prob(0.01)
    -4.59511985013459
    """
    if not isinstance(prior_prob, Real):
        raise BadArgumentError("prior_prob", wrong_value("a float", prior_prob))
    if not 0 < prior_prob < 1:
        raise BadValueError("prior_prob", wrong_value("0 < p < 1", prior_prob))
    return float(-math.log((1 - prior_prob) / prior_prob))


def check_choice(
    key: str, value: object, choices: tuple[str, ...], error: type[ConfigError] = CheckError
) -> None:
    """Raise ``error`` (an AssertionError, as in mmcv) if ``value`` is none of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise error(key, wrong_value(one_of(map(repr, choices)), value))
