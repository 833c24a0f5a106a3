"""mmcv's path ``mmcv.cnn.utils.weight_init``: its initialisers, and two helpers of its own."""

from __future__ import annotations

from torch import nn

from brickbook.errors import CheckError
from brickbook.init.execution import initialize
from brickbook.init.initializers import (
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
    kaiming_init,
    normal_init,
    trunc_normal_,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "KaimingInit", "NormalInit",
    "PretrainedInit", "TruncNormalInit", "UniformInit", "XavierInit", "_get_bases_name",
    "bias_init_with_prob", "caffe2_xavier_init", "constant_init", "initialize", "kaiming_init",
    "normal_init", "trunc_normal_", "trunc_normal_init", "uniform_init", "update_init_info",
    "xavier_init",
]  # fmt: skip


def _get_bases_name(m: nn.Module) -> list[str]:
    """Return the names of the classes that a module's class derives from at once."""
    return [base.__name__ for base in type(m).__bases__]


def update_init_info(module: nn.Module, init_info: str) -> None:
    """Note ``init_info`` in mmcv's table of a module, for the parameters whose mean has changed.

    The table is ``module._params_init_info``: by parameter a dict of ``init_info`` and
    ``tmp_mean_value``. brickbook makes none, its report knows what has been written; a module
    without one is left alone.

    Raises:
        AssertionError: The table does not hold a parameter.
    """
    table = getattr(module, "_params_init_info", None)
    if table is None:
        return
    for name, parameter in module.named_parameters():
        if parameter not in table:
            problem = "it was not there when the table was made."
            raise CheckError(name, problem, "Make parameters in the constructor.")
        mean, row = parameter.detach().mean(), table[parameter]
        if row["tmp_mean_value"] != mean:
            row.update(init_info=init_info, tmp_mean_value=mean)
