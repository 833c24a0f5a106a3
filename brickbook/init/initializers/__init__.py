"""Initialisers: what a config's ``type`` names. A class, its row of `INITIALIZERS`, its formula.

To add one, write the dataclass in the file of its kind (and its law in `brickbook.init.laws`, if
no law there draws it); a class of one's own needs only to be callable with a module.
"""

from brickbook.init.initializers.base import (
    INITIALIZERS,
    BaseInit,
    FannedInit,
    Target,
    bias_init_with_prob,
    law_for,
)
from brickbook.init.initializers.fans import fans, fans_as_computed, fans_of_weight, stored_axes
from brickbook.init.initializers.gains import gain_of_activation, gain_of_module

# In the order in which menus and the README list them.
# isort: split
from brickbook.init.initializers.variance import (
    Caffe2XavierInit,
    ConstantInit,
    KaimingInit,
    LeCunInit,
    NormalInit,
    OnesInit,
    TruncNormalInit,
    UniformInit,
    VarianceScalingInit,
    XavierInit,
    ZerosInit,
)

# isort: split
from brickbook.init.initializers.structured import (
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    OrthogonalInit,
    SparseInit,
    ZerOInit,
)

# isort: split
from brickbook.init.initializers.bias import GateBiasInit, PriorBiasInit, ZeroGammaInit

# isort: split
from brickbook.init.initializers.pretrained import PretrainedInit

# isort: split
from brickbook.init.initializers.depth_scaled import DepthScaledInit

# isort: split
from brickbook.init.initializers.lsuv import LSUVInit, call_with_batch, lsuv

# isort: split
from brickbook.init.initializers.mup import MuPInit, base_shapes, mup_learning_rates

# isort: split
from brickbook.init.initializers.functions import (
    caffe2_xavier_init,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)

__all__ = [
    "INITIALIZERS",
    "BaseInit",
    "Caffe2XavierInit",
    "ConstantInit",
    "DeltaOrthogonalInit",
    "DepthScaledInit",
    "DiracInit",
    "FannedInit",
    "GateBiasInit",
    "IdentityInit",
    "KaimingInit",
    "LSUVInit",
    "LeCunInit",
    "MuPInit",
    "NormalInit",
    "OnesInit",
    "OrthogonalInit",
    "PretrainedInit",
    "PriorBiasInit",
    "SparseInit",
    "Target",
    "TruncNormalInit",
    "UniformInit",
    "VarianceScalingInit",
    "XavierInit",
    "ZerOInit",
    "ZeroGammaInit",
    "ZerosInit",
    "base_shapes",
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "call_with_batch",
    "constant_init",
    "fans",
    "fans_as_computed",
    "fans_of_weight",
    "gain_of_activation",
    "gain_of_module",
    "kaiming_init",
    "law_for",
    "lsuv",
    "mup_learning_rates",
    "normal_init",
    "stored_axes",
    "trunc_normal_",
    "trunc_normal_init",
    "uniform_init",
    "xavier_init",
]

# What mmcv 1.7.2 registers; users may take the other names for initialisers of their own.
_MMCV_NAMES = (
    "Constant", "Xavier", "Normal", "TruncNormal", "Uniform", "Kaiming", "Caffe2Xavier",
    "Pretrained",
)  # fmt: skip
INITIALIZERS.let_replace(set(INITIALIZERS.module_dict).difference(_MMCV_NAMES))
