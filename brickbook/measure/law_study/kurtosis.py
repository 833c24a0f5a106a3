"""The kurtosis of a law, where it has a closed form."""

from __future__ import annotations

import math

from brickbook.init.laws import (
    Centred,
    Law,
    Normal,
    OrthogonalMatrix,
    SparseNormal,
    TruncNormal,
    Uniform,
    normal_mass,
)

__all__ = ["kurtosis"]

NARROW = 1e-2  # of the standardized bounds' mass: below, the recursion loses its digits


def kurtosis(law: Law) -> float | None:
    """Return ``E[(x - mean)⁴] / std⁴``, 3 for a normal law; None where it is not known or std is 0.

    >>> from brickbook.init.laws import Normal, Uniform
    >>> kurtosis(Normal(0.0, 0.1)), kurtosis(Uniform(-1.0, 1.0))
    (3.0, 1.8)
    """
    if law.std == 0 or not math.isfinite(law.std):
        return None
    if isinstance(law, Normal):
        return 3.0
    if type(law) is Uniform:
        return 1.8
    if isinstance(law, TruncNormal):
        return truncated_kurtosis(*law.standardized_bounds)
    if isinstance(law, OrthogonalMatrix) and law.longer_side > 1:
        # Of a unit vector's element: E x⁴ = 3 / (n (n + 2)).
        return 3 * law.longer_side / (law.longer_side + 2)
    if isinstance(law, SparseNormal):
        return 3 / law.nonzero_fraction
    if isinstance(law, Centred) and law.mean == 0:
        inner = kurtosis(law.law)
        return None if inner is None else inner * law.taps
    if abs(sum(share for _, share in law.atoms) - 1) < 1e-9:
        fourth = math.fsum(share * (value - law.mean) ** 4 for value, share in law.atoms)
        return fourth / law.std**4
    return None


def truncated_kurtosis(low: float, high: float) -> float | None:
    """Return that of N(0, 1) cut at two points, by the recursion of its moments.

    ``m_k = (k - 1) m_{k-2} - [x^{k-1} φ(x)] / mass``, φ the density.
    """
    mass = normal_mass(low, high)
    if mass < NARROW:
        return None
    moments = [1.0]
    for k in range(1, 5):
        edge = sum(
            sign * x ** (k - 1) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
            for sign, x in ((1, high), (-1, low))
            if math.isfinite(x)
        )
        moments.append((k - 1) * (moments[k - 2] if k > 1 else 0.0) - edge / mass)
    _, m1, m2, m3, m4 = moments
    variance = m2 - m1**2
    return (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2
