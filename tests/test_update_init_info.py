"""update_init_info: mmcv's table of who wrote which parameter, for code that keeps one."""

import pytest
import torch
from torch import nn

from brickbook import update_init_info


def tabled():
    model = nn.Linear(2, 2)
    model._params_init_info = {
        parameter: {"init_info": "at first", "tmp_mean_value": parameter.detach().mean()}
        for parameter in model.parameters()
    }
    return model


def test_what_has_changed_is_noted():
    model = tabled()
    nn.init.constant_(model.weight, 3)
    update_init_info(model, init_info="by hand")
    messages = model._params_init_info
    assert messages[model.weight] == {"init_info": "by hand", "tmp_mean_value": torch.tensor(3.0)}
    assert messages[model.bias]["init_info"] == "at first"


def test_a_parameter_from_later_is_named():
    model = tabled()
    model.scale = nn.Parameter(torch.ones(2))
    with pytest.raises(AssertionError) as caught:
        update_init_info(model, "by hand")
    assert str(caught.value) == (
        "scale: it was not there when the table was made. Make parameters in the constructor."
    )


def test_without_a_table_nothing_is_done():
    model = nn.Linear(2, 2)
    update_init_info(model, "by hand")
    assert not hasattr(model, "_params_init_info")
