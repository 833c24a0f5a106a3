"""What the numbers of one tensor say of how they came about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from brickbook.init.laws import (
    BlockConstants,
    Centred,
    Constant,
    IdentityMatrix,
    Law,
    Normal,
    OrthogonalMatrix,
    RowSections,
    Stacked,
    TruncNormal,
    Uniform,
)
from brickbook.init.tracing import follows
from brickbook.measure.identify.candidates import (
    Candidate,
    normal_candidates,
    uniform_candidates,
)
from brickbook.measure.identify.distribution import (
    cdf_of,
    is_discrete,
    ks,
    without_outliers,
)
from brickbook.measure.identify.draws import may_reach, on_inverse_cdf, on_normal, on_uniform
from brickbook.measure.identify.evidence import UNKNOWN, Evidence, Verdict
from brickbook.measure.identify.grid import (
    GridCount,
)

__all__ = ["examine"]

KS_SAMPLE = 1 << 16
KS_LIMIT = 3.0  # of D √n: 2 exp(-2 · 3²), one fresh tensor in 3 · 10⁷ is refused
FEW = 8  # elements below which a distribution says nothing
ORTHOGONAL = 2e-5  # by how much a matrix in float32 may fail to be orthogonal
MOST_BLOCKS = 4  # equal parts of the rows that may have laws of their own


def examine(tensor: Tensor, fans: Sequence[int] = (), known: Sequence[Candidate] = ()) -> Evidence:
    """Say how the numbers of a tensor came about; it is on the CPU, of a floating dtype.

    Args:
        tensor: the numbers.
        fans: inputs of the layer that the shape does not tell, as of a bias.
        known: starts that the layer is known to have.
    """
    if not tensor.numel():
        return Evidence("cannot tell", reason="few elements")
    if not tensor.isfinite().all():
        return UNKNOWN
    fixed = find_fixed(tensor)
    if fixed is not None:
        return fixed
    padding = zero_row(tensor)
    if padding is not None:
        rest = torch.cat((tensor[:padding], tensor[padding + 1 :]))
        whole = find_drawn(tensor, rest, fans, known)
        return whole._replace(padding=padding) if whole.law is not None else whole
    found = find_drawn(tensor, tensor, fans, known)
    if found.law is None and (parts := find_parts(tensor, fans)) is not None:
        return parts
    return found


def find_fixed(tensor: Tensor) -> Evidence | None:
    """Return what is known of a tensor that no generator has drawn: constants and identities."""
    first = float(tensor.flatten()[0])
    if bool((tensor == first).all()):
        if tensor.numel() == 1 and first not in (0.0, 1.0):
            return Evidence("cannot tell", reason="few elements")
        return Evidence("constant", Constant(first), f"constant_({first:g})", "values", 1.0)
    if tensor.dim() == 1:
        for parts in range(2, MOST_BLOCKS + 1):
            blocks = tensor.view(parts, -1) if not len(tensor) % parts else tensor[None]
            if (
                len(blocks) == parts
                and blocks.shape[1] > 1
                and bool((blocks == blocks[:, :1]).all())
            ):
                law = BlockConstants(tuple(blocks[:, 0].tolist()))
                return Evidence("constant", law, "constants by block", "values", 1.0)
        return None
    law = identity_law(tensor)
    return law and Evidence("constant", law, "identity", "values", 1.0)


def identity_law(tensor: Tensor) -> Law | None:
    """Return the law of an identity matrix, or of a kernel with one at its centre."""
    rows, columns = tensor.shape[:2]
    if int(torch.count_nonzero(tensor)) != min(rows, columns) or not rows * columns:
        return None
    gain = float(tensor.max()) or float(tensor.min())
    matrix = IdentityMatrix(gain, rows, columns)
    law: Law = matrix if tensor.dim() == 2 else Centred(matrix, math.prod(tensor.shape[2:]))
    expected = torch.empty_like(tensor)
    law.fill(expected)
    return law if torch.equal(expected, tensor) else None


def zero_row(tensor: Tensor) -> int | None:
    """Return the one row of a table that is 0, if there is one."""
    if tensor.dim() != 2 or len(tensor) < 3 or tensor.shape[1] < 2:
        return None
    empty = (tensor == 0).all(dim=1).nonzero().flatten()
    return int(empty[0]) if len(empty) == 1 else None


def find_drawn(
    tensor: Tensor, rest: Tensor, fans: Sequence[int], known: Sequence[Candidate]
) -> Evidence:
    """Say what a tensor was drawn from; ``rest`` is what of it a law speaks of."""
    if rest.numel() < FEW:
        return Evidence("cannot tell", reason="few elements")
    orthogonal = find_orthogonal(rest)
    if orthogonal is not None:
        return orthogonal
    values = without_outliers(rest.reshape(-1))
    if values.dtype.itemsize >= 4 and is_discrete(values):
        return UNKNOWN
    plain = values.float()
    as_drawn = tensor.reshape(-1).float()
    tests_grid = tensor.dtype.itemsize >= 4 and torch.equal(plain.to(values.dtype), values)
    seen: list[bool] = [False]
    if tests_grid:
        for find in (on_uniform, on_normal, on_inverse_cdf):
            found = find(as_drawn, plain, tensor.shape, fans, known)
            if isinstance(found, Evidence):
                return found
            seen.append(found)
    law = find_compatible(plain, tensor.shape, fans, known)
    if law is None:
        return UNKNOWN
    reason = no_power_reason(law.law, tensor, tests_grid)
    if reason == "few elements" and law not in known:
        return Evidence("cannot tell", reason=reason)  # too many laws would do
    verdict: Verdict = "cannot tell" if reason else "compatible"
    return Evidence(verdict, law.law, law.call, "distribution", None if reason else 0.0, reason)


def no_power_reason(law: Law, tensor: Tensor, tests_grid: bool) -> str:
    """Say why the grid tells nothing of a tensor that follows a law; "" if it would."""
    if tensor.dtype.itemsize < 4:
        return "16 bits"
    if not tests_grid:
        return "dtype"
    if isinstance(law, (Normal, TruncNormal)) and law.mean:
        return "mean"
    if not isinstance(law, (Uniform, Normal, TruncNormal)):
        return "law"
    drawn = tensor.numel() if isinstance(law, Uniform) else tensor.numel() // 2
    rates = (1.0, 0.5, 0.5) if isinstance(law, Uniform) else (0.87, 0.53, 0.1)
    return "" if GridCount(drawn, 0, 0, rates).has_power else "few elements"


def find_orthogonal(tensor: Tensor) -> Evidence | None:
    """Return the law of a matrix whose rows, or columns, are orthonormal to the last digits.

    Of a weight packed from equal square parts each part is one.
    """
    if tensor.dim() < 2:
        return None
    matrix = tensor.reshape(len(tensor), -1)
    rows, columns = matrix.shape
    for parts in (3, 4, 1):
        if rows % parts or (parts > 1 and rows != parts * columns):
            continue
        gains = [orthogonal_gain(part) for part in matrix.chunk(parts)]
        gain = gains[0]
        if gain is None or any(each is None or abs(each / gain - 1) > 1e-5 for each in gains):
            continue
        gain = round(gain) if abs(gain - round(gain)) < 1e-5 and round(gain) else gain
        law: Law = OrthogonalMatrix(float(gain), rows // parts, columns)
        call = "orthogonal_()" if gain == 1 else f"orthogonal_(gain={gain:.4g})"
        if parts > 1:
            law = Stacked(law, parts)
        return Evidence("untouched", law, call, "orthogonal", 1.0)
    return None


def orthogonal_gain(matrix: Tensor) -> float | None:
    """Return the gain of an orthogonal matrix, None if it is none: lengths, then one product."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.t()
    if len(matrix) < 2:
        return None
    lengths = torch.linalg.vector_norm(matrix.float(), dim=1)
    gain = float(lengths.mean())
    if gain == 0 or float((lengths - gain).abs().max()) > ORTHOGONAL * gain:
        return None
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(len(matrix), generator=generator, dtype=torch.float64)
    matrix = matrix.double()
    off = matrix @ (matrix.t() @ probe) / gain**2 - probe
    return gain if float(off.norm() / probe.norm()) <= ORTHOGONAL else None


def find_compatible(
    values: Tensor, shape: Sequence[int], fans: Sequence[int], known: Sequence[Candidate]
) -> Candidate | None:
    """Return the likeliest known start whose law the numbers follow, None if there is none."""
    sample = values[:: max(1, len(values) // KS_SAMPLE)].double().sort().values
    n = len(sample)
    low, high = float(sample[0]), float(sample[-1])
    for each in known:
        cdf = cdf_of(each.law)
        if ks(sample, cdf) <= KS_LIMIT if cdf else follows(values, each.law):
            return each
    std = float(sample.square().mean().sqrt())
    error = 5 * math.sqrt(1 / (2 * n))
    bound = max(-low, high)
    found = [
        *uniform_candidates(shape, fans, bound * (1 - 1e-3), bound * (1 + 16 / n)),
        *normal_candidates(shape, fans, std * (1 - error), std * (1 + error)),
    ]
    fits: list[tuple[float, Candidate]] = []
    for each in found:
        cdf = cdf_of(each.law)
        if each.usual and cdf and fits_support(each.law, bound, n):
            fits.append((ks(sample, cdf), each))
    best = min(fits, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] <= KS_LIMIT else None


def fits_support(law: Law, most: float, size: int) -> bool:
    """Whether the largest number fits a law, with some room for rounding to 16 bits."""
    return isinstance(law, Uniform) or may_reach(law, most * (1 - 4e-3), size)


def find_parts(tensor: Tensor, fans: Sequence[int]) -> Evidence | None:
    """Return the laws of equal parts of the rows, if each is known to stand as it was drawn."""
    for parts in range(2, MOST_BLOCKS + 1):
        if len(tensor) % parts or len(tensor) < 2 * parts:
            continue
        found = list(iter_untouched(tensor.chunk(parts), fans))
        if len(found) == parts and all(each.law is not None for each in found):
            laws = tuple(each.law for each in found if each.law is not None)
            law = RowSections(laws, (len(tensor) // parts,) * parts)
            call = "; ".join(dict.fromkeys(each.call for each in found))
            return Evidence("untouched", law, call, "grid", 1.0)
    return None


def iter_untouched(parts: Sequence[Tensor], fans: Sequence[int]) -> Iterator[Evidence]:
    """Yield what is known of parts, up to the first that does not stand as it was drawn."""
    for part in parts:
        found = find_fixed(part) or find_drawn(part, part, fans, ())
        if found.verdict not in ("untouched", "constant"):
            return
        yield found
