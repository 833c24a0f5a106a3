"""Mean-field theory of wide random nets: what a start does to variances and gradients by depth.

Of a layer with weights of variance ``weight_var / fan_in`` and biases of variance ``bias_var``, the
variance q of what goes into the activation follows ``q -> weight_var·E[φ(√q z)²] + bias_var``, z
from N(0, 1), and a gradient's variance is multiplied by ``χ = weight_var·E[φ'(√q z)²]`` on its way
back. It is exact for fully connected layers as their width grows; for convolutions, whose fan_in is
channels times kernel, away from the zeros of a padding.

Sources: Poole et al. 2016, eq. 3 to 6, https://arxiv.org/abs/1606.05340; Schoenholz et al. 2017,
eq. 3 to 9, https://arxiv.org/abs/1611.01232; Xiao et al. 2018 (convolutions),
https://arxiv.org/abs/1806.05393.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from brickbook.bricks import build_activation_layer
from brickbook.config import name_of
from brickbook.errors import BadArgumentError, BadValueError, wrong_value
from brickbook.html import format_number
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["DepthRow", "MeanField", "find_activation", "mean_field", "slope_gain", "variance_map"]

Phase = Literal["ordered", "critical", "chaotic"]
ActivationLike = str | nn.Module | Callable[[Tensor], Tensor]

FARTHEST, PANELS, NODES = 12.0, 240, 20  # of the quadrature: where N(0, 1) ends, for us
PAIR_PANELS = 24  # of the one over two variables
SMALLEST, LARGEST = 1e-8, 1e12  # variances beyond are 0 and infinite
TOLERANCE = 1e-9  # relative: a variance that changes by less stays
CRITICAL = 1e-6  # so near to 1 is 1


class DepthRow(NamedTuple):
    """A depth: the variance of what goes into its activations, and of gradients against the end."""

    layer: int
    variance: float
    gradient: float


COLUMNS = (
    Column("layer", "layer", dtype="int64", right=True),
    Column("variance", "variance", dtype="float64", text=format_number, right=True),
    Column("gradient", "gradient", dtype="float64", text=format_number, right=True),
)


@dataclass(frozen=True, repr=False)
class MeanField(Record):
    """What theory says of a start: the variance that depth leads to, and what gradients do there.

    ``q_star`` is where the variance settles, 0 or infinite if it vanishes or explodes; ``chi`` the
    factor of a gradient's variance in each layer there; it also says whether two like inputs stay
    alike ("ordered", below 1) or part ("chaotic"). ``c_star`` is the correlation that two inputs
    come to have, None where the variance does not settle. A difference from ``q_star`` or
    ``c_star`` shrinks by e in ``depth_q`` and ``depth_c`` layers; infinite where it stays.

    ``variances`` begin with the first layer's.
    """

    activation: str
    weight_var: float
    bias_var: float
    variances: tuple[float, ...]
    slopes: tuple[float, ...]
    q_star: float
    chi: float
    c_star: float | None = None
    depth_q: float | None = None
    depth_c: float | None = None

    _index = "layer"

    @property
    def phase(self) -> Phase:
        """On which side of the edge between order and chaos the start is."""
        if abs(self.chi - 1) < CRITICAL:
            return "critical"
        return "ordered" if self.chi < 1 else "chaotic"

    @property
    def gradients(self) -> tuple[float, ...]:
        """The variance of the gradient by each layer's preactivations; the last one's is 1."""
        found = [1.0]
        for slope in reversed(self.slopes[:-1]):
            found.append(found[-1] * slope)
        return tuple(reversed(found))

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Iterator[DepthRow]:
        both = zip(self.variances, self.gradients, strict=True)
        return (DepthRow(at, *pair) for at, pair in enumerate(both, 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values: infinity as text."""
        return {key: encode(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "mean_field") -> MeanField:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            known = data
            if isinstance(data, Mapping):
                known = {k: v if k == "activation" else decode(v) for k, v in data.items()}
            return cls(**read_fields(cls, known, path))

    def __repr__(self) -> str:
        start = f"weight_var {self.weight_var:.4g}, bias_var {self.bias_var:.4g}"
        found = f"q* {self.q_star:.4g}, χ {self.chi:.4g}, {self.phase}"
        return f"MeanField({self.activation}, {start}: {found})"


def encode(value: Any) -> Any:
    """Return a value for JSON, which does not know infinity."""
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def decode(value: Any) -> Any:
    """Undo `encode`."""
    if isinstance(value, (list, tuple)):
        return tuple(decode(item) for item in value)
    return float(value) if isinstance(value, str) else value


def mean_field(
    activation: ActivationLike,
    weight_var: float,
    bias_var: float = 0.0,
    *,
    depth: int = 50,
    first: float | None = None,
) -> MeanField:
    """Return what theory says of the start of a deep chain of layers with one activation.

    >>> mean_field("ReLU", weight_var=2.0)
    MeanField(ReLU, weight_var 2, bias_var 0: q* 2, χ 1, critical)
    >>> mean_field(torch.tanh, weight_var=0.8).phase
    'ordered'

    Args:
        activation: A ``type`` of brickbook's activations, a module or a function of a tensor, that
            takes each element by itself; "linear" for none.
        weight_var: fan_in times the variance of a weight: 2 for Kaiming with ReLU, 1 for LeCun.
        bias_var: The variance of a bias.
        depth: How many layers ``variances`` has.
        first: The variance after the first layer; by default that of inputs with mean square 1.

    Raises:
        BadArgumentError: ``activation`` is no activation, or the depth no whole number.
        BadValueError: A variance is negative or not finite.
    """
    for key, value in (("weight_var", weight_var), ("bias_var", bias_var), ("first", first)):
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value < math.inf):
            raise BadValueError(key, wrong_value("a finite number from 0 up", value))
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise BadArgumentError("depth", wrong_value("a whole number from 1 up", depth))
    name, phi = find_activation(activation)
    q = float(weight_var + bias_var if first is None else first)
    step = partial(variance_map, phi, weight_var=weight_var, bias_var=bias_var)
    variances = [q]
    while len(variances) < depth:
        variances.append(step(variances[-1]) if variances[-1] < LARGEST else math.inf)
    slopes = [weight_var * slope_gain(phi, within(value)) for value in variances]
    q_star = settle(step, q)
    chi = weight_var * slope_gain(phi, within(q_star))
    rest: tuple[float | None, float | None, float | None] = (None, None, None)
    if 0 < q_star < math.inf:
        rest = describe_fixed_point(phi, weight_var, bias_var, q_star, chi)
    return MeanField(
        name,
        float(weight_var),
        float(bias_var),
        tuple(variances),
        tuple(slopes),
        q_star,
        chi,
        *rest,
    )


def find_activation(activation: ActivationLike) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Return the name of an activation and a function of float64 tensors."""
    if activation == "linear" or isinstance(activation, nn.Identity):
        return "linear", lambda x: x
    if isinstance(activation, str):
        activation = build_activation_layer({"type": activation})
    if isinstance(activation, nn.Module):
        activation = copy.deepcopy(activation).double()
        name = type(activation).__name__
    elif callable(activation):
        name = name_of(activation)
    else:
        raise BadArgumentError("activation", wrong_value("an activation", activation))
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    try:
        with torch.no_grad():
            seen = activation(x.clone())
            alone = activation(x[:2].clone())
    except Exception as error:
        problem = f"{name} does not take a tensor of numbers: {error}"
        raise BadArgumentError("activation", problem) from error
    if seen.shape != x.shape or not torch.allclose(seen[:2], alone):
        problem = f"{name} does not take each element by itself: the theory is of those that do."
        raise BadArgumentError("activation", problem)
    return name, activation


@lru_cache(maxsize=4)
def normal_nodes(panels: int) -> tuple[Tensor, Tensor]:
    """Return nodes and weights for the mean over N(0, 1).

    Gauss-Legendre in many panels, one of whose ends is 0: Gauss-Hermite needs a smooth function,
    and rectifiers are not.
    """
    x, w = legendre_nodes(NODES)
    half = FARTHEST / panels
    middles = torch.arange(-FARTHEST + half, FARTHEST, 2 * half, dtype=torch.float64)
    nodes = (middles[:, None] + half * x).flatten()
    weights = (half * w).repeat(panels) * torch.exp(-nodes.square() / 2) / math.sqrt(2 * math.pi)
    return nodes, weights / weights.sum()


def legendre_nodes(count: int) -> tuple[Tensor, Tensor]:
    """Return the nodes and weights of Gauss-Legendre on (-1, 1): of Jacobi's matrix.

    Source: Golub & Welsch 1969, https://doi.org/10.1090/S0025-5718-69-99647-1.
    """
    k = torch.arange(1, count, dtype=torch.float64)
    beside = k / torch.sqrt(4 * k.square() - 1)
    x, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return x, 2 * vectors[0].square()


@torch.no_grad()
def variance_map(
    phi: Callable[[Tensor], Tensor], q: float, weight_var: float = 1.0, bias_var: float = 0.0
) -> float:
    """Return the variance after the next layer: ``weight_var·E[φ(√q z)²] + bias_var``."""
    nodes, weights = normal_nodes(PANELS)
    return weight_var * float(weights @ phi(math.sqrt(q) * nodes).square()) + bias_var


def slope_gain(phi: Callable[[Tensor], Tensor], q: float) -> float:
    """Return ``E[φ'(√q z)²]``."""
    nodes, weights = normal_nodes(PANELS)
    return float(weights @ derivative(phi, math.sqrt(q) * nodes).square())


@torch.enable_grad()
def derivative(phi: Callable[[Tensor], Tensor], x: Tensor, order: int = 1) -> Tensor:
    """Return a derivative of an activation at some places."""
    x = x.detach().requires_grad_()
    value = phi(x * 1)  # an activation may write into its input
    for at in range(order):
        if not value.requires_grad:
            return torch.zeros_like(x)
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=at + 1 < order)
    return value.detach()


def within(q: float) -> float:
    """Return a variance at which the slopes can be taken for one that is 0 or infinite."""
    return min(max(q, SMALLEST**2), LARGEST)


def settle(step: Callable[[float], float], q: float) -> float:
    """Return the fixed point to which steps lead from q, 0 or infinite where there is none.

    The variance after a layer grows with the one before it, so steps never pass a fixed point.
    """

    def grows(x: float) -> float:
        change = step(x) - x
        return 0.0 if abs(change) <= TOLERANCE * x else change

    if q <= 0:
        q = step(0.0)
        if q <= 0:
            return 0.0
    way = grows(q)
    if way == 0:
        return q
    near, far = q, q
    while grows(far) * way > 0:
        near, far = far, far * (2.0 if way > 0 else 0.5)
        if far > LARGEST:
            return math.inf
        if far < SMALLEST:
            return 0.0
    for _ in range(80):
        middle = math.sqrt(near * far)
        near, far = (middle, far) if grows(middle) * way > 0 else (near, middle)
    return math.sqrt(near * far)


def describe_fixed_point(
    phi: Callable[[Tensor], Tensor], weight_var: float, bias_var: float, q: float, chi: float
) -> tuple[float, float, float]:
    """Return the correlation that inputs come to have, and over how many layers both settle."""
    nodes, weights = normal_nodes(PANELS)
    x = math.sqrt(q) * nodes
    # d/dq of the variance map, without a second derivative (Stein's lemma): a kink has none.
    with torch.no_grad():
        bent = (phi(x).square() * (nodes.square() - 1)) @ weights / (2 * q)
    depth_q = decay_depth(abs(weight_var * float(bent)))
    if chi <= 1 + CRITICAL:
        return 1.0, depth_q, decay_depth(min(chi, 1.0))
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        mapped = (weight_var * pair_mean(phi, q, middle) + bias_var) / q
        low, high = (middle, high) if mapped > middle else (low, middle)
    c = 0.0 if high < TOLERANCE else (low + high) / 2
    slope = weight_var * pair_mean(partial(derivative, phi), q, c)
    return c, depth_q, decay_depth(abs(slope))


@torch.no_grad()
def pair_mean(phi: Callable[[Tensor], Tensor], q: float, c: float) -> float:
    """Return ``E[φ(u)·φ(v)]`` for two normal variables of variance q and correlation c."""
    nodes, weights = normal_nodes(PAIR_PANELS)
    z, other = nodes[:, None], nodes[None]
    u = phi(math.sqrt(q) * nodes)
    v = phi(math.sqrt(q) * (c * z + math.sqrt(max(0.0, 1 - c * c)) * other))
    return float((weights * u) @ v @ weights)


def decay_depth(factor: float) -> float:
    """Return after how many layers a difference is 1/e of itself, if it shrinks by ``factor``."""
    if abs(factor - 1) < CRITICAL or factor >= 1:
        return math.inf
    return -1 / math.log(factor) if factor > 0 else 0.0
