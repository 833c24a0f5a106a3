"""The formula of an initialiser with its numbers filled in, for one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from brickbook.html import format_number
from brickbook.init.initializers import (
    BaseInit,
    DepthScaledInit,
    FannedInit,
    MuPInit,
    Target,
    fans_of_weight,
)
from brickbook.init.laws import Law

__all__ = ["fans_for", "formula"]

GAINS: Mapping[str, str] = {"relu": "√2", "tanh": "5/3", "selu": "3/4"}  # of the other names 1


def fans_for(init: BaseInit, target: Target) -> tuple[int, int] | None:
    """Return (fan_in, fan_out) as the initialiser counts them; None for fewer than two axes."""
    if isinstance(init, FannedInit):
        return init.fans(target) if len(target.shape) >= init.min_dims else None
    if len(target.shape) < 2:
        return None
    return fans_of_weight(target.shape, target.module, target.key)


def formula(init: BaseInit, target: Target, law: Law) -> str:
    """Return the formula with its numbers; "" for an initialiser of somebody else's.

    >>> from brickbook.init import KaimingInit
    >>> from brickbook.init.laws import Normal
    >>> formula(KaimingInit(mode="fan_in"), Target("weight", (512, 512)), Normal(0.0, 0.0625))
    'std = gain / √fan_in = √2 / √512 = 0.0625'
    """
    if isinstance(init, DepthScaledInit):
        inner = init.inner.law(target)
        count = f"1 / √({init.per_block} · {init.depth_at(target)})"
        return scaled_formula(init.inner, target, inner, f"1 / √(per_block · depth) = {count}", law)
    if isinstance(init, MuPInit):
        return mup(init, target, law)
    write = FORMULAS.get(init.type_name)
    if write is None or (isinstance(init, FannedInit) and 0 in target.shape):
        return ""
    return write(init, target, law)


def scaled_formula(inner: BaseInit, target: Target, before: Law, words: str, law: Law) -> str:
    """Return the formula of a law that is scaled, and by what."""
    first = formula(inner, target, before)
    factor = law.std / before.std if before.std else 1.0
    return f"{first}; × {words} = {number(factor)}; std = {number(law.std)}"


def mup(init: MuPInit, target: Target, law: Law) -> str:
    """Write the law at the base shape, and the factor of Yang et al. 2022, Table 3."""
    base = replace(target, shape=tuple(init.shapes[target.name]))
    at_base = init.inner.law(base)
    (grown, _), (was, _) = fan_count(init.inner, target), fan_count(init.inner, base)
    factor = law.std / at_base.std if at_base.std else 1.0
    m_in = number(grown / was) if was else "0"
    words = f"1 / √m_in = 1 / √{m_in}"
    if was and math.isclose(factor * grown / was, 1):
        words = f"1 / m_in = 1 / {m_in}"
    size = " × ".join(map(str, base.shape))
    return f"{size}: {scaled_formula(init.inner, base, at_base, words, law)}"


def number(value: float) -> str:
    """Write a number with four digits."""
    return format_number(float(value))


def fan_count(init: Any, target: Target) -> tuple[int, int]:
    """Return both fans, of a tensor that has them."""
    return fans_for(init, target) or (0, 0)


def gain_text(init: Any, target: Target, law: Law) -> str:
    """Return the gain of Kaiming as it is usually written."""
    if init.nonlinearity == "leaky_relu":
        return f"√(2 / (1 + {number(init.a)}²))"
    if init.nonlinearity == "auto":
        fan_in, fan_out = fan_count(init, target)
        return number(law.std * math.sqrt(fan_in if init.mode == "fan_in" else fan_out))
    return GAINS.get(init.nonlinearity, "1")


def kaiming(init: Any, target: Target, law: Law) -> str:
    """Write He et al. 2015, eq. 10, 14 and 15."""
    fan = dict(zip(("fan_in", "fan_out"), fan_count(init, target), strict=True))[init.mode]
    gain = gain_text(init, target, law)
    if init.distribution == "normal":
        return f"std = gain / √{init.mode} = {gain} / √{fan} = {number(law.std)}"
    bound = number(law.support[1])
    return (
        f"b = gain · √(3 / {init.mode}) = {gain} · √(3 / {fan}) = {bound}; "
        f"std = b / √3 = {number(law.std)}"
    )


def xavier(init: Any, target: Target, law: Law) -> str:
    """Write Glorot & Bengio 2010, eq. 12 and 16."""
    fan_in, fan_out = fan_count(init, target)
    gain = law.std / math.sqrt(2 / (fan_in + fan_out))
    words = f"({fan_in} + {fan_out})"
    if init.distribution == "normal":
        begin = "std = gain · √(2 / (fan_in + fan_out))"
        return f"{begin} = {number(gain)} · √(2 / {words}) = {number(law.std)}"
    begin = "a = gain · √(6 / (fan_in + fan_out))"
    bound = number(law.support[1])
    return f"{begin} = {number(gain)} · √(6 / {words}) = {bound}; std = a / √3 = {number(law.std)}"


def scaled(init: Any, target: Target, law: Law) -> str:
    """Write the std of VarianceScaling and LeCun, and where its law ends."""
    fan_in, fan_out = fan_count(init, target)
    mode, scale = getattr(init, "mode", "fan_in"), getattr(init, "scale", 1)
    symbol, count = {
        "fan_in": ("fan_in", f"{fan_in}"),
        "fan_out": ("fan_out", f"{fan_out}"),
        "fan_avg": ("((fan_in + fan_out) / 2)", f"(({fan_in} + {fan_out}) / 2)"),
        "fan_geo_avg": ("√(fan_in · fan_out)", f"√({fan_in} · {fan_out})"),
    }[mode]
    top, value = ("scale", number(scale)) if hasattr(init, "scale") else ("1", "1")
    std = f"std = √({top} / {symbol}) = √({value} / {count}) = {number(law.std)}"
    low, high = law.support
    return std if math.isinf(high) or low == high else f"{std}; {interval(low, high)}"


def interval(low: float, high: float) -> str:
    """Write the values between two bounds."""
    return f"{number(low)} ≤ W ≤ {number(high)}"


def truncated(init: Any, target: Target, law: Law) -> str:
    """Write a normal law and its cut points."""
    parent = f"N({number(init.mean)}, {number(init.std)}²)"
    return f"W ~ {parent}, {interval(*law.support)}; std = {number(law.std)}"


def uniform(init: Any, target: Target, law: Law) -> str:
    """Write the std of U(a, b)."""
    a, b = number(init.a), number(init.b)
    a = f"({a})" if init.a < 0 else a
    return f"std = (b - a) / √12 = ({b} - {a}) / √12 = {number(law.std)}"


def caffe2(init: Any, target: Target, law: Law) -> str:
    """Write Caffe2's XavierFill."""
    fan_in, _ = fan_count(init, target)
    bound = number(law.support[1])
    begin = f"b = √(3 / fan_in) = √(3 / {fan_in}) = {bound}"
    return f"{begin}; std = b / √3 = {number(law.std)}"


def orthogonal(init: Any, target: Target, law: Law) -> str:
    """Write what is orthonormal, and the std of an element."""
    rows, columns = target.shape[0], math.prod(target.shape[1:])
    product = "W Wᵀ" if rows <= columns else "Wᵀ W"
    gain = number(init.gain)
    side = max(rows, columns)
    return f"{product} = gain² · I, gain = {gain}; std = {gain} / √{side} = {number(law.std)}"


def delta_orthogonal(init: Any, target: Target, law: Law) -> str:
    """Write the matrix at the centre of a kernel."""
    rows, taps = target.shape[0], math.prod(target.shape[2:])
    gain = number(init.gain)
    begin = f"W[:, :, centre] = gain · Q, Qᵀ Q = I, gain = {gain}"
    return f"{begin}; std = {gain} / √({rows} · {taps}) = {number(law.std)}"


def dirac(init: Any, target: Target, law: Law) -> str:
    """Write where the ones of a kernel stand."""
    groups = f" ({init.groups} groups)" if init.groups > 1 else ""
    return f"W[d, d, centre] = 1{groups}, else 0; std = {number(law.std)}"


def sparse(init: Any, target: Target, law: Law) -> str:
    """Write how many zeros a column has, and the std with them."""
    rows = target.shape[0]
    zeros = math.ceil(init.sparsity * rows)
    kept = f"{number(init.std)} · √({rows - zeros} / {rows})"
    begin = f"zeros = ⌈{number(init.sparsity)} · {rows}⌉ = {zeros} / {rows}"
    return f"{begin}; std = {kept} = {number(law.std)}"


def zero_init(init: Any, target: Target, law: Law) -> str:
    """Write which of its two matrices ZerO takes."""
    rows, columns = target.shape[:2]
    where = "" if len(target.shape) == 2 else ", centre"
    if rows <= columns:
        return f"W[i, i{where}] = 1, else 0; std = {number(law.std)}"
    m = (rows - 1).bit_length()
    return f"W = 2^(-{m} / 2) · H_{m}{where}; std = {number(law.std)}"


def prior(init: Any, target: Target, law: Law) -> str:
    """Write the bias whose sigmoid is a probability."""
    p = number(init.prior_prob)
    rest = number(1 - init.prior_prob)
    return f"b = -ln((1 - π) / π) = -ln({rest} / {p}) = {number(init.bias)}"


def gates(init: Any, target: Target, law: Law) -> str:
    """Write the bias of each gate of an LSTM."""
    names = ("input", "forget", "cell", "output")
    return ", ".join(f"b_{name} = {number(getattr(init, name))}" for name in names)


Write = Callable[[Any, Target, Law], str]
FORMULAS: Mapping[str, Write] = {
    "Constant": lambda init, _, __: f"W = {number(init.val)}",
    "Zeros": lambda *_: "W = 0",
    "Ones": lambda *_: "W = 1",
    "ZeroGamma": lambda *_: "γ = 0",
    "Normal": lambda init, *_: f"W ~ N({number(init.mean)}, {number(init.std)}²)",
    "TruncNormal": truncated,
    "Uniform": uniform,
    "Kaiming": kaiming,
    "Xavier": xavier,
    "Caffe2Xavier": caffe2,
    "LeCun": scaled,
    "VarianceScaling": scaled,
    "Orthogonal": orthogonal,
    "DeltaOrthogonal": delta_orthogonal,
    "Dirac": dirac,
    "Identity": lambda init, _, law: (
        f"W[i, i] = {number(init.gain)}, else 0; std = {number(law.std)}"
    ),
    "Sparse": sparse,
    "ZerO": zero_init,
    "PriorBias": prior,
    "GateBias": gates,
}
