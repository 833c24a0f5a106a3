"""How parameters start: laws, rules, plan, apply."""

from brickbook.init.apply import initialize
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
    KaimingInit,
    LeCunInit,
    NormalInit,
    OnesInit,
    OrthogonalInit,
    PretrainedInit,
    TruncNormalInit,
    UniformInit,
    VarianceScalingInit,
    XavierInit,
    ZerosInit,
)
from brickbook.init.initplan import InitPlan
from brickbook.init.plan import plan
from brickbook.init.report import InitReport

__all__ = [
    "INITIALIZERS",
    "BaseInit",
    "Caffe2XavierInit",
    "ConstantInit",
    "InitPlan",
    "InitReport",
    "KaimingInit",
    "LeCunInit",
    "NormalInit",
    "OnesInit",
    "OrthogonalInit",
    "PretrainedInit",
    "TruncNormalInit",
    "UniformInit",
    "VarianceScalingInit",
    "XavierInit",
    "ZerosInit",
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "constant_init",
    "initialize",
    "kaiming_init",
    "normal_init",
    "plan",
    "trunc_normal_init",
    "uniform_init",
    "xavier_init",
]
