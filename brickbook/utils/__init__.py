"""Old import paths: what ``mmcv.cnn.utils`` offered; nothing lives here."""

from brickbook.init import (
    INITIALIZERS,
    BaseInit,
    Caffe2XavierInit,
    ConstantInit,
    KaimingInit,
    NormalInit,
    PretrainedInit,
    TruncNormalInit,
    UniformInit,
    XavierInit,
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    initialize,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)
from brickbook.utils.flops_counter import get_model_complexity_info
from brickbook.utils.fuse_conv_bn import fuse_conv_bn
from brickbook.utils.sync_bn import revert_sync_batchnorm

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "KaimingInit", "NormalInit",
    "PretrainedInit", "TruncNormalInit", "UniformInit", "XavierInit", "bias_init_with_prob",
    "caffe2_xavier_init", "constant_init", "fuse_conv_bn", "get_model_complexity_info",
    "initialize", "kaiming_init", "normal_init", "revert_sync_batchnorm",
    "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip
