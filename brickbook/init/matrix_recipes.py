"""Recipes for weights that are made as a whole: identities, and orthogonal or sparse matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.laws import (
    Centred,
    Constant,
    HadamardMatrix,
    IdentityMatrix,
    Law,
    OrthogonalMatrix,
    SparseNormal,
)

__all__ = ["DeltaOrthogonal", "Dirac", "Identity", "Sparse", "ZerO"]


@dataclass(frozen=True)
class DeltaOrthogonal:
    """An orthogonal matrix (out, in) at the centre of a convolution's kernel, 0 elsewhere.

    Keeps the norm of every signal through a convolution of stride 1 whose padding wraps around,
    if out >= in. The centre of an even kernel is the later of the two taps in the middle. Source:
    Xiao et al. 2018, §4.3 and algorithm 1, https://arxiv.org/abs/1806.05393.
    """

    gain: float = 1.0

    @property
    def least_dims(self) -> int:
        """A kernel of one axis."""
        return 3

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of a convolution's weight; raises BadValueError for any other."""
        check_dims("DeltaOrthogonal", shape, (3, 4, 5))
        if shape[0] < shape[1]:
            raise BadValueError(
                "type",
                "DeltaOrthogonal needs as many outputs as inputs or more, "
                f"got a weight of shape {shape}.",
            )
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return Centred(OrthogonalMatrix(self.gain, shape[0], shape[1]), math.prod(shape[2:]))


@dataclass(frozen=True)
class Dirac:
    """Ones where a convolution passes its input on: output d of each group is input d, else 0.

    The centre of an even kernel is the later of the two taps in the middle. Source:
    ``torch.nn.init.dirac_``; used by Zagoruyko & Komodakis 2017, eq. 2,
    https://arxiv.org/abs/1706.00388.
    """

    groups: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no number of groups."""
        if isinstance(self.groups, bool) or not isinstance(self.groups, Integral):
            raise BadArgumentError("groups", f"expected an int, got {self.groups!r}.")
        if self.groups < 1:
            raise BadValueError("groups", f"expected 1 or more, got {self.groups!r}.")

    @property
    def least_dims(self) -> int:
        """A kernel of one axis."""
        return 3

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of a convolution's weight; raises BadValueError for any other."""
        check_dims("Dirac", shape, (3, 4, 5))
        if shape[0] % self.groups:
            raise BadValueError(
                "groups",
                f"{self.groups} does not divide the outputs of a weight of shape {shape}.",
            )
        if 0 in shape:
            return Constant(0.0)
        matrix = IdentityMatrix(1.0, shape[0], shape[1], int(self.groups))
        return Centred(matrix, math.prod(shape[2:]))


@dataclass(frozen=True)
class Identity:
    """``gain`` on the main diagonal of a matrix, 0 elsewhere: a linear layer passes its input on.

    Source: Le, Jaitly & Hinton 2015, §2, https://arxiv.org/abs/1504.00941, for recurrent weights;
    ``torch.nn.init.eye_``.
    """

    gain: float = 1.0

    @property
    def least_dims(self) -> int:
        """A matrix."""
        return 2

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of a matrix; raises BadValueError for any other shape."""
        check_dims("Identity", shape, (2,))
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return IdentityMatrix(self.gain, shape[0], shape[1])


@dataclass(frozen=True)
class Sparse:
    """N(0, std²), but the share ``sparsity`` of every column, rounded up, is 0.

    Source: Martens 2010, Deep learning via Hessian-free optimization, §5; the share is of a
    column, what one input gives to all outputs, as in ``torch.nn.init.sparse_``.
    """

    sparsity: float
    std: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.sparsity <= 1:
            raise BadValueError("sparsity", f"expected 0 to 1, got {self.sparsity!r}.")

    @property
    def least_dims(self) -> int:
        """A matrix."""
        return 2

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of a matrix; raises BadValueError for any other shape."""
        check_dims("Sparse", shape, (2,))
        zeros = math.ceil(self.sparsity * shape[0])
        if 0 in shape or self.std == 0 or zeros == shape[0]:
            return Constant(0.0)
        return SparseNormal(self.std, shape[0], zeros)


@dataclass(frozen=True)
class ZerO:
    """Nothing is drawn: an identity as far as it goes, or a Hadamard matrix if out > in.

    In a convolution at the centre of the kernel, the later of the two taps in the middle if the
    kernel is even. Source: Zhao, Schäfer & Anandkumar 2022, algorithms 1 and 2,
    https://arxiv.org/abs/2110.12661; for the scale see `HadamardMatrix`.
    """

    @property
    def least_dims(self) -> int:
        """A matrix."""
        return 2

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of a linear layer's or a convolution's weight."""
        check_dims("ZerO", shape, (2, 3, 4, 5))
        if 0 in shape:
            return Constant(0.0)
        kind = HadamardMatrix if shape[0] > shape[1] else IdentityMatrix
        matrix = kind(1.0, shape[0], shape[1])
        return matrix if len(shape) == 2 else Centred(matrix, math.prod(shape[2:]))


def check_dims(name: str, shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    """Raise BadValueError if a weight has another number of dimensions."""
    if len(shape) not in dims:
        wanted = str(dims[0]) if len(dims) == 1 else f"{dims[0]} to {dims[-1]}"
        raise BadValueError(
            "type", f"{name} needs a weight of {wanted} dimensions, got one of shape {shape}."
        )
