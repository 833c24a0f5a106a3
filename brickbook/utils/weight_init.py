"""Old import path: ``mmcv.cnn.utils.weight_init``; nothing of brickbook's own lives here."""

from __future__ import annotations

from torch import nn

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
from brickbook.init.functions import trunc_normal_

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "KaimingInit", "NormalInit",
    "PretrainedInit", "TruncNormalInit", "UniformInit", "XavierInit", "_get_bases_name",
    "bias_init_with_prob", "caffe2_xavier_init", "constant_init", "initialize", "kaiming_init",
    "normal_init", "trunc_normal_", "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip


def _get_bases_name(m: nn.Module) -> list[str]:
    """Return the names of the classes that a module's class derives from at once."""
    return [base.__name__ for base in type(m).__bases__]
