"""Every type of the builder's menus fits an input when it is added with its suggested arguments."""

from __future__ import annotations

import pytest
import torch

from brickbook.blueprint import Blueprint, kinds
from brickbook.bricks.transformer import BaseTransformerLayer
from brickbook.lab.builder.state import BuilderState
from brickbook.lab.form import Form
from brickbook.lab.history import History

SHAPES = ((8, 16, 16), (3, 32, 32), (16,), (10, 16), (4, 8, 8, 8))
PICTURE = (3, 224, 224)
TYPES = [
    (kind, name)
    for kind, registry in kinds().items()
    for name, made in registry.module_dict.items()
    if getattr(made, "func", made).__module__.startswith(("brickbook.", "torch."))  # no test's own
]


def added(kind: str, name: str, shape: tuple[int, ...]) -> BuilderState:
    return BuilderState(History(Blueprint()), input_shape=shape).add(kind, name)


@pytest.mark.parametrize(("kind", "name"), TYPES)
def test_a_brick_with_its_suggested_arguments_fits(kind, name):
    shapes = (PICTURE,) if kind == "model" and name == "AlexNet" else SHAPES
    problems = {}
    for shape in shapes:
        state = added(kind, name, shape)
        found = state.preview()
        problems[shape] = [row.error for row in found.rows if row.error]
        if found.fits:
            break
    else:
        raise AssertionError(problems)
    assert not any(row.missing for row in found.rows)
    if name != "AlexNet" and found.params < 1e7:  # what the meta device says holds
        model = state.build().eval()
        with torch.no_grad():
            output = model(torch.ones(1, *shape, dtype=torch.long if name == "Embedding" else None))
        first = output[0] if isinstance(output, (tuple, list)) else output
        assert found.output is None or tuple(first.shape[1:]) == found.output


@pytest.mark.parametrize(
    "name", ["MultiheadAttention", "FFN", "GatedFFN", "GEGLU", "SwiGLU", "BaseTransformerLayer",
             "TransformerLayerSequence"],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(10, 16), (7, 24)])
def test_parts_of_transformers_take_what_is_typed(name, shape):
    [kind] = [kind for kind, other in TYPES if other == name]
    state = added(kind, name, shape)
    found = state.preview()
    assert found.fits and found.output == shape
    cfg = state.blueprint.bricks[0]
    if "batch_first" in cfg:
        assert cfg["batch_first"] is True
    model, x = state.build().eval(), torch.randn(3, *shape)
    if name != "FFN":
        with torch.no_grad():  # samples do not see each other
            assert torch.allclose(model(x)[:1], model(x[:1]), atol=1e-5)


@pytest.mark.parametrize(
    ("cfg", "said"),
    [
        ({"type": "MultiheadAttention", "embed_dims": 16, "num_heads": 2}, True),
        ({"type": "FFN", "embed_dims": 16}, True),
        ({"type": "SwiGLU", "embed_dims": 16, "feedforward_channels": 8}, True),
        ({"type": "FFN", "embed_dims": 16, "add_identity": False}, False),
        ({"type": "Linear", "out_features": 4}, False),
    ],
)
def test_the_list_says_which_bricks_add_their_input(cfg, said):
    [row] = BuilderState(History(Blueprint((cfg,))), input_shape=(10, 16)).preview().rows
    assert row.arguments.endswith(", adds its input") is said


def test_a_nested_part_shows_the_argument_in_force():
    state = added("transformer_layer", "BaseTransformerLayer", (10, 16))
    cfg = dict(state.blueprint.bricks[0])
    network = {key: value for key, value in cfg["ffn_cfgs"].items() if key != "embed_dims"}
    form = Form(BaseTransformerLayer, {**without_type(cfg), "ffn_cfgs": network})
    width = form["ffn_cfgs"].nested["embed_dims"]
    assert (width.control.value, width.field.default) == ("16", 16)
    assert form.value == {**without_type(cfg), "ffn_cfgs": network}

    def attend(width: int) -> None:
        text = f"dict(type='MultiheadAttention', embed_dims={width}, num_heads=1)"
        form["attn_cfgs"].control.value = text

    attend(24)
    assert form["ffn_cfgs"].nested["embed_dims"].control.value == "24"
    assert "embed_dims" not in form.value["ffn_cfgs"]
    form["ffn_cfgs"].nested["embed_dims"].control.value = "32"
    assert form.value["ffn_cfgs"]["embed_dims"] == 32
    attend(48)
    assert form.value["ffn_cfgs"]["embed_dims"] == 32  # what is given stays
    form["ffn_cfgs"].nested["embed_dims"].control.value = "48"
    assert "embed_dims" not in form.value["ffn_cfgs"] and not form.errors
    form.close()


def without_type(cfg: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in cfg.items() if key != "type"}
