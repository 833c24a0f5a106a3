"""Which initialisers give a law: configs to choose from, the shortest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.init.laws import (
    Centred,
    Constant,
    IdentityMatrix,
    Law,
    Normal,
    OrthogonalMatrix,
    SparseNormal,
    Stacked,
    TruncNormal,
    Uniform,
)
from brickbook.registry import build_from_cfg

__all__ = ["Spec", "build", "config_of", "effort", "is_fitted", "possible_specs"]

Spec = tuple[tuple[str, Any], ...]  # an initialiser's config without its layers, as a value

FANS = ("fan_in", "fan_out")
DIGITS = 13  # of a number: laws are the same in which it differs by less

TORCH_DEFAULT = {
    "type": "Kaiming", "a": math.sqrt(5), "mode": "fan_in", "nonlinearity": "leaky_relu",
    "distribution": "uniform",
}  # fmt: skip
LONGEST = 9  # characters of a number that is read as what somebody wrote
# Laws of fans that the literature names; anything of a fan is VarianceScaling.
NAMED: Mapping[type[Law], tuple[Mapping[str, Any], ...]] = {
    Normal: (
        {"type": "LeCun"},
        {"type": "Xavier"},
        {"type": "Kaiming"},
        {"type": "Kaiming", "mode": "fan_in"},
    ),
    Uniform: (
        {"type": "Caffe2Xavier"},
        {"type": "Xavier", "distribution": "uniform"},
        {"type": "Kaiming", "distribution": "uniform"},
        {"type": "Kaiming", "mode": "fan_in", "distribution": "uniform"},
        TORCH_DEFAULT,
    ),
    TruncNormal: ({"type": "LeCun", "distribution": "truncated_normal"},),
}
DISTRIBUTIONS = {Normal: "normal", Uniform: "uniform", TruncNormal: "truncated_normal"}


def possible_specs(law: Law, fans: tuple[int, int] | None) -> list[Spec]:
    """Return configs that may give a law to a tensor with these fans, the shortest first."""
    found = [*given_numbers(law), *(scaled_by_fans(law, *fans) if fans else ())]
    specs = dict.fromkeys(tuple(cfg.items()) for cfg in found)
    return sorted(specs, key=effort)


def effort(spec: Spec) -> tuple[bool, bool, int]:
    """Return how hard a spec is to read: fitted scales last, before them numbers of many digits."""
    long = any(isinstance(value, float) and len(repr(value)) > LONGEST for _, value in spec)
    return is_fitted(spec), long, len(repr(spec))


def is_fitted(spec: Spec) -> bool:
    """Whether a spec has a scale of the fans that nobody names: any weight has one."""
    numbers = dict(spec)
    return numbers.get("scale", 1) not in (1, 2) or (
        numbers["type"] == "Xavier" and "gain" in numbers
    )


def given_numbers(law: Law) -> Iterator[Mapping[str, Any]]:
    """Yield the configs that give a law by its own numbers."""
    if isinstance(law, Constant):
        yield {"type": "Constant", "val": round_off(law.value)}
    elif type(law) is Normal:
        yield cfg_of("Normal", mean=(law.mean, 0), std=(law.std, 1))
    elif type(law) is Uniform:
        yield cfg_of("Uniform", a=(law.low, 0), b=(law.high, 1))
    elif isinstance(law, TruncNormal):
        centre = {"mean": (law.loc, 0), "std": (law.scale, 1)}
        yield cfg_of("TruncNormal", **centre, a=(law.low, -2), b=(law.high, 2))
        low, high = (round_off((end - law.loc) / law.scale) for end in law.support)
        yield {**cfg_of("TruncNormal", **centre, a=(low, -2), b=(high, 2)), "units": "std"}
    elif isinstance(law, OrthogonalMatrix):
        yield cfg_of("Orthogonal", gain=(law.gain, 1))
    elif isinstance(law, IdentityMatrix) and law.groups == 1:
        yield cfg_of("Identity", gain=(law.gain, 1))
    elif isinstance(law, SparseNormal):
        yield cfg_of("Sparse", sparsity=(law.zeros / law.rows, None), std=(law.scale, 0.01))
    elif isinstance(law, Centred) and isinstance(law.law, IdentityMatrix) and law.law.gain == 1:
        yield cfg_of("Dirac", groups=(law.law.groups, 1))
    elif isinstance(law, Centred) and isinstance(law.law, OrthogonalMatrix):
        yield cfg_of("DeltaOrthogonal", gain=(law.law.gain, 1))
    elif isinstance(law, Stacked):
        yield from given_numbers(law.law)


def scaled_by_fans(law: Law, fan_in: int, fan_out: int) -> Iterator[Mapping[str, Any]]:
    """Yield the configs that give a zero-mean law by the fans of a weight."""
    if type(law) not in DISTRIBUTIONS or not law.std or abs(law.mean) > 1e-9 * law.std:
        return
    yield from NAMED[type(law)]
    distribution = DISTRIBUTIONS[type(law)]
    tail = {} if distribution == "normal" else {"distribution": distribution}
    counts = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    for mode, count in counts.items():
        if not count:
            continue
        scale = round_off(law.std**2 * count)
        where = {} if mode == "fan_in" else {"mode": mode}
        yield {"type": "VarianceScaling", "scale": scale, **where, **tail}
    if isinstance(law, Normal | Uniform) and fan_in + fan_out:
        gain = round_off(law.std * math.sqrt((fan_in + fan_out) / 2))
        yield {"type": "Xavier", "gain": gain, **tail}


def cfg_of(kind: str, **numbers: tuple[float, float | None]) -> dict[str, Any]:
    """Return a config without the numbers that are their defaults."""
    given = {key: (round_off(value), default) for key, (value, default) in numbers.items()}
    return {"type": kind, **{key: v for key, (v, default) in given.items() if v != default}}


def plain(value: float) -> float:
    """Return a number as a config has it: whole ones without a point."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e9
    return int(value) if whole else value


def round_off(value: float) -> float:
    """Round a number to `DIGITS` significant digits: the rest are rounding errors."""
    return plain(float(f"{value:.{DIGITS}g}")) if math.isfinite(value) else value


@lru_cache(maxsize=4096)
def build(spec: Spec) -> BaseInit | None:
    """Return the initialiser of a spec; None where it takes no such number."""
    try:
        return build_from_cfg(dict(spec), INITIALIZERS)
    except Exception:  # a number that no config may have: infinite cut points
        return None


def config_of(spec: Spec, layers: list[str], bias: float | None) -> dict[str, Any]:
    """Return the entry of an ``init_cfg``; a bias of 0 is the default."""
    (_, kind), *numbers = spec
    layer = layers[0] if len(layers) == 1 else layers
    rule = {"type": kind, "layer": layer, **dict(numbers)}
    return {**rule, "bias": round_off(bias)} if bias else rule
