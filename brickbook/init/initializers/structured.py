"""Initialisers of a weight as a whole: orthogonal, identity, sparse and Hadamard matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from brickbook.errors import BadArgumentError, BadValueError, Sentence, wrong_value
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target
from brickbook.init.laws import (
    Centred,
    Constant,
    HadamardMatrix,
    IdentityMatrix,
    Law,
    OrthogonalMatrix,
    SparseNormal,
)

__all__ = [
    "DeltaOrthogonalInit", "DiracInit", "IdentityInit", "OrthogonalInit", "SparseInit", "ZerOInit",
]  # fmt: skip


@INITIALIZERS.register_module(name="Orthogonal")
@dataclass
class OrthogonalInit(BaseInit):
    """Saxe et al. 2013: orthonormal rows or columns, times `gain`.

    The weight is taken as a matrix (out, in · kernel): ``W Wᵀ = gain² · I``, or ``Wᵀ W`` if it is
    tall. If square with gain 1, it keeps the length of every signal. A weight needs 2 dimensions or
    more; an empty one becomes 0. Source: §3, https://arxiv.org/abs/1312.6120.

    Args:
        gain: Any finite number.

    Raises:
        ConfigError: ``gain`` is no finite number, or a weight has too few dimensions.
    """

    number_args = ("gain",)
    gain: float = 1

    @property
    def min_dims(self) -> int:
        """2: a matrix."""
        return 2

    def law(self, target: Target) -> Law:
        """Return the law of the matrix (out, in · kernel); 0 for an empty weight."""
        shape = target.shape
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return OrthogonalMatrix(self.gain, shape[0], math.prod(shape[1:]))


@INITIALIZERS.register_module(name="DeltaOrthogonal")
@dataclass
class DeltaOrthogonalInit(BaseInit):
    """Xiao et al. 2018, algorithm 1: an orthogonal matrix at the centre of a kernel, else 0.

    ``W[:, :, centre] = gain · Q`` with ``Qᵀ Q = I``. The weight of a convolution has the shape
    (out, in, *kernel), 3 to 5 dimensions, and as many outputs as inputs or more; an empty one
    becomes 0. The centre of an even kernel is the later of the two taps in the middle. With gain 1
    it keeps the norm of every signal through a convolution of stride 1 whose padding wraps around.
    Source: §4.3 and algorithm 1, https://arxiv.org/abs/1806.05393.

    Args:
        gain: Any finite number.

    Raises:
        ConfigError: ``gain`` is no finite number; a weight has other dimensions, or more inputs
            than outputs.
    """

    number_args = ("gain",)
    gain: float = 1

    @property
    def min_dims(self) -> int:
        """3: a kernel of one axis."""
        return 3

    def law(self, target: Target) -> Law:
        """Return the law of a convolution's weight; 0 for an empty one."""
        shape = target.shape
        check_dims(self, shape, (3, 4, 5))
        if shape[0] < shape[1]:
            raise BadValueError(
                "type",
                Sentence(
                    "DeltaOrthogonal needs as many outputs as inputs or more, "
                    "got a weight of shape {shape}.",
                    shape=shape,
                ),
            )
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return Centred(OrthogonalMatrix(self.gain, shape[0], shape[1]), math.prod(shape[2:]))


@INITIALIZERS.register_module(name="Dirac")
@dataclass
class DiracInit(BaseInit):
    """`torch.nn.init.dirac_`: ones that pass each group's inputs on through a convolution.

    ``W[d, d, centre] = 1`` for the outputs and inputs d of each group, all else is 0. A weight has
    the shape (out, in, *kernel), 3 to 5 dimensions. The centre of an even kernel is the later of
    the two taps in the middle. Used by Zagoruyko & Komodakis 2017, eq. 2,
    https://arxiv.org/abs/1706.00388.

    Args:
        groups: A divisor of the outputs, 1 or more.

    Raises:
        ConfigError: ``groups`` is no number of groups, or does not divide the outputs; a weight
            has other dimensions.
    """

    groups: int = 1

    def check(self) -> None:
        """Raise for ``groups`` that is no int of 1 or more."""
        if isinstance(self.groups, bool) or not isinstance(self.groups, Integral):
            raise BadArgumentError("groups", wrong_value("an int", self.groups))
        if self.groups < 1:
            raise BadValueError("groups", wrong_value("1 or more", self.groups))

    @property
    def min_dims(self) -> int:
        """3: a kernel of one axis."""
        return 3

    def law(self, target: Target) -> Law:
        """Return the law of a convolution's weight; 0 for an empty one."""
        shape = target.shape
        check_dims(self, shape, (3, 4, 5))
        if shape[0] % self.groups:
            raise BadValueError(
                "groups",
                Sentence(
                    "{n} does not divide the outputs of a weight of shape {shape}.",
                    n=self.groups,
                    shape=shape,
                ),
            )
        if 0 in shape:
            return Constant(0.0)
        matrix = IdentityMatrix(1.0, shape[0], shape[1], int(self.groups))
        return Centred(matrix, math.prod(shape[2:]))


@INITIALIZERS.register_module(name="Identity")
@dataclass
class IdentityInit(BaseInit):
    """`gain` on the main diagonal of a matrix, else 0 (Le, Jaitly & Hinton 2015, §2).

    ``W[i, i] = gain``: with gain 1 a square linear layer passes its input on. A weight has 2
    dimensions, (out, in). Source: https://arxiv.org/abs/1504.00941, for recurrent weights;
    ``torch.nn.init.eye_``.

    Args:
        gain: Any finite number.

    Raises:
        ConfigError: ``gain`` is no finite number, or a weight has other dimensions.
    """

    number_args = ("gain",)
    gain: float = 1

    @property
    def min_dims(self) -> int:
        """2: a matrix."""
        return 2

    def law(self, target: Target) -> Law:
        """Return the law of a matrix; 0 for an empty one."""
        shape = target.shape
        check_dims(self, shape, (2,))
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return IdentityMatrix(self.gain, shape[0], shape[1])


@INITIALIZERS.register_module(name="Sparse")
@dataclass
class SparseInit(BaseInit):
    """Martens 2010, §5: N(0, std²), with the share `sparsity` of every column at 0.

    A weight has 2 dimensions, (out, in). A column is what one input gives to all outputs;
    ``⌈sparsity · out⌉`` of it are 0, as in ``torch.nn.init.sparse_``. Source: Deep learning via
    Hessian-free optimization, §5.

    Args:
        sparsity: From 0 to 1.
        std: Of what is not 0; 0 or more.

    Raises:
        ConfigError: ``sparsity`` or ``std`` is none of these, or a weight has other dimensions.
    """

    number_args = ("sparsity", "std")
    non_negative_args = ("std",)
    sparsity: float
    std: float = 0.01

    def check(self) -> None:
        """Raise ValueError for a ``sparsity`` outside of 0 to 1."""
        if not 0 <= self.sparsity <= 1:
            raise BadValueError("sparsity", wrong_value("0 to 1", self.sparsity))

    @property
    def min_dims(self) -> int:
        """2: a matrix."""
        return 2

    def law(self, target: Target) -> Law:
        """Return the law of a matrix; 0 for an empty one."""
        shape = target.shape
        check_dims(self, shape, (2,))
        zeros = math.ceil(self.sparsity * shape[0])
        if 0 in shape or self.std == 0 or zeros == shape[0]:
            return Constant(0.0)
        return SparseNormal(self.std, shape[0], zeros)


@INITIALIZERS.register_module(name="ZerO")
@dataclass
class ZerOInit(BaseInit):
    """Zhao et al. 2022, algorithms 1 and 2: partial identities, Hadamard where out > in.

    ``W[i, i] = 1``, else 0; where out > in, the corner of ``2^(-m/2) · H_m`` with the smallest m of
    ``2^m >= out`` (`HadamardMatrix`). Nothing is drawn. In a convolution at the centre of the
    kernel, the later of the two taps in the middle if the kernel is even. A weight has the shape
    (out, in, *kernel), 2 to 5 dimensions. It takes the arguments of `BaseInit` only. Source:
    https://arxiv.org/abs/2110.12661.

    Raises:
        ConfigError: A weight has other dimensions.
    """

    @property
    def min_dims(self) -> int:
        """2: a matrix."""
        return 2

    def law(self, target: Target) -> Law:
        """Return the law of a linear layer's or a convolution's weight; 0 for an empty one."""
        shape = target.shape
        check_dims(self, shape, (2, 3, 4, 5))
        if 0 in shape:
            return Constant(0.0)
        kind = HadamardMatrix if shape[0] > shape[1] else IdentityMatrix
        matrix = kind(1.0, shape[0], shape[1])
        return matrix if len(shape) == 2 else Centred(matrix, math.prod(shape[2:]))


def check_dims(init: BaseInit, shape: tuple[int, ...], allowed: tuple[int, ...]) -> None:
    """Raise BadValueError if a weight has another number of dimensions."""
    if len(shape) not in allowed:
        wanted = str(allowed[0])
        if len(allowed) > 1:
            wanted = Sentence("{first} to {last}", first=allowed[0], last=allowed[-1])
        problem = "{name} needs a weight of {n} dimensions, got one of shape {shape}."
        found = Sentence(problem, name=init.type_name, n=wanted, shape=shape)
        raise BadValueError("type", found)
