"""Old import path: ``mmcv.cnn.utils.flops_counter``; nothing lives here."""

from brickbook.measure.flops_counter import (
    flops_to_string,
    get_model_complexity_info,
    params_to_string,
)

__all__ = ["flops_to_string", "get_model_complexity_info", "params_to_string"]
