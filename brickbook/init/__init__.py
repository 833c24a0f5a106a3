"""How parameters start: laws, rules, plan, apply."""

from brickbook.init.apply import initialize
from brickbook.init.base import base_shapes
from brickbook.init.depth import DepthScaledInit
from brickbook.init.following import following
from brickbook.init.functions import (
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)
from brickbook.init.initializers import (
    INITIALIZERS,
    BaseInit,
    Caffe2XavierInit,
    ConstantInit,
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    KaimingInit,
    LeCunInit,
    NormalInit,
    OnesInit,
    OrthogonalInit,
    PretrainedInit,
    PriorBiasInit,
    SparseInit,
    TruncNormalInit,
    UniformInit,
    VarianceScalingInit,
    XavierInit,
    ZeroGammaInit,
    ZerOInit,
    ZerosInit,
)
from brickbook.init.initplan import InitPlan
from brickbook.init.lsuv import LSUVInit, lsuv
from brickbook.init.mup import MuPInit, mup_learning_rates
from brickbook.init.plan import plan
from brickbook.init.report import InitReport

__all__ = [
    "INITIALIZERS",
    "BaseInit",
    "Caffe2XavierInit",
    "ConstantInit",
    "DeltaOrthogonalInit",
    "DepthScaledInit",
    "DiracInit",
    "IdentityInit",
    "InitPlan",
    "InitReport",
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
    "constant_init",
    "following",
    "initialize",
    "kaiming_init",
    "lsuv",
    "mup_learning_rates",
    "normal_init",
    "plan",
    "trunc_normal_init",
    "uniform_init",
    "xavier_init",
]
