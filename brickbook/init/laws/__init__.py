"""Laws: how the numbers of one tensor are drawn, and what theory says about them.

A law has all its numbers: ``Normal(0, 0.0589)``. An initialiser (`brickbook.init.initializers`)
gives the law for a tensor whose shape is known.
"""

from brickbook.init.laws.base import Atoms, DiscreteLaw, Law, law_from_dict, law_to_dict, same_law
from brickbook.init.laws.elementwise import (
    ComplexUniform,
    Constant,
    Normal,
    TruncNormal,
    Uniform,
    law_in_dtype,
    normal_mass,
    overflow_share,
    range_problem,
)
from brickbook.init.laws.matrix import (
    BlockConstants,
    Centred,
    HadamardMatrix,
    IdentityMatrix,
    OrthogonalMatrix,
    RowSections,
    SparseNormal,
    Stacked,
)

__all__ = [
    "Atoms", "BlockConstants", "Centred", "ComplexUniform", "Constant", "DiscreteLaw",
    "HadamardMatrix", "IdentityMatrix", "Law", "Normal", "OrthogonalMatrix", "RowSections",
    "SparseNormal", "Stacked", "TruncNormal", "Uniform", "law_from_dict", "law_in_dtype",
    "law_to_dict", "normal_mass", "overflow_share", "range_problem", "same_law",
]  # fmt: skip
