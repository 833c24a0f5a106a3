from __future__ import annotations

import pytest
import torch

from brickbook import to_module_source
from brickbook.lab.builder.templates import TEMPLATES

# Parameters: LeNet-5 as everybody counts it; an MLP by hand; the others by torch.
EXPECTED = {
    "MLP": (784 * 256 + 256 + 256 * 256 + 256 + 2570, (10,)),
    "LeNet": (61_706, (10,)),
    "ResNet": (175_258, (10,)),
    "encoder": (110_218, (10,)),
    "U-Net": (117_378, (2, 64, 64)),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_builds_runs_and_is_counted(name):
    template = TEMPLATES[name]
    found = template.blueprint.trace(template.input_shape)
    model = template.blueprint.build(template.input_shape).eval()
    x = torch.randn(2, *template.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = model(x)
    params = sum(value.numel() for value in model.parameters())
    assert (params, tuple(out.shape[1:])) == EXPECTED[name]
    assert (found.params, found.output, found.fault) == (*EXPECTED[name], None)
    space: dict[str, type[torch.nn.Module]] = {}
    exec(to_module_source(template.blueprint, template.input_shape), space)
    plain = space["Model"]().eval()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(plain(x), out)
