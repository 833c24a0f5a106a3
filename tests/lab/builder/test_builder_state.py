from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from brickbook import Blueprint
from brickbook.blueprint import kinds
from brickbook.config import parse_shape
from brickbook.errors import ConfigError
from brickbook.lab import Builder
from brickbook.lab.builder.preview import preview
from brickbook.lab.builder.state import BuilderState
from brickbook.lab.form import default_blueprint, suggest
from brickbook.lab.history import History

LINEAR = {"type": "Linear", "in_features": 4, "out_features": 2}
CONV = {"type": "ConvModule", "in_channels": 3, "out_channels": 8, "kernel_size": 3}


def state(*bricks: dict[str, Any], shape: tuple[int, ...] = (3, 8, 8), at: int = 0) -> BuilderState:
    return BuilderState(History(Blueprint(bricks)), selected=(at,), input_shape=shape)


def types(of: BuilderState) -> list[Any]:
    return [brick["type"] for brick in of.blueprint.bricks]


EDITS = [
    ("duplicate", ["A", "A", "B", "C"], 1),
    ("down", ["B", "A", "C"], 1),
    ("up", ["A", "B", "C"], 0),
    ("delete", ["B", "C"], 0),
]


@pytest.mark.parametrize("edit, after, selected", EDITS)
def test_edits_undo_and_redo(edit, after, selected):
    start = state({"type": "A"}, {"type": "B"}, {"type": "C"})
    edited = getattr(start, edit)()
    assert (types(edited), edited.selected) == (after, (selected,))
    if edited.blueprint != start.blueprint:
        assert edited.undo().blueprint == start.blueprint
        assert edited.undo().redo().blueprint == edited.blueprint
        assert (
            edited.undo().history.future == (edited.blueprint,) and edited.undo().history.past == ()
        )
    assert types(start) == ["A", "B", "C"]


@pytest.mark.parametrize("edit", ["duplicate", "up", "down", "delete", "undo", "redo"])
def test_edits_of_nothing_do_nothing(edit):
    assert getattr(state(), edit)() == state()
    assert state().set_arguments({"a": 1}) == state() and state().selected == ()


def test_the_last_brick_moves_up_and_is_deleted():
    start = state({"type": "A"}, {"type": "B"}, at=1)
    assert types(start.up()) == ["B", "A"] and start.up().selected == (0,)
    assert start.down() == start
    assert types(start.delete()) == ["A"] and start.delete().selected == (0,)
    assert start.delete().delete().selected == ()


def test_an_edit_forgets_what_was_undone():
    start = state(LINEAR).set_arguments({"in_features": 5, "out_features": 2}).undo()
    assert start.history.future != () and start.duplicate().history.future == ()
    assert start.set_arguments({"in_features": 4, "out_features": 2}) == start  # no change, no step


def test_undo_chooses_the_brick_it_was_about():
    start = state({"type": "A"}, {"type": "B"}, {"type": "C"}, at=2)
    assert start.duplicate().select(0).undo().selected == (2,)
    assert start.set_arguments({"x": 1}).select(0).undo().selected == (2,)


def test_history_is_long_but_not_endless():
    it = state(LINEAR)
    for width in range(300):
        it = it.set_arguments({"in_features": width})
    assert len(it.history.past) == 200


@pytest.mark.parametrize(
    "kind, name, shape, cfg",
    [
        ("model", "ConvModule", (3, 8, 8),
         {"out_channels": 16, "kernel_size": 3, "padding": 1}),
        ("model", "Linear", (7,), {"out_features": 10}),
        ("model", "MaxPool2d", (3, 8, 8), {"kernel_size": 2}),
        ("model", "AdaptiveAvgPool2d", (3, 8, 8), {"output_size": 1}),
        ("model", "Flatten", (3, 8, 8), {}),
        ("norm", "BN", (12, 8, 8), {}),
        ("norm", "GN", (12, 8, 8), {"num_groups": 4}),
        ("norm", "LN", (12,), {}),
        ("padding", "zero", (3, 8, 8), {"padding": 1}),
        ("upsample", "bilinear", (3, 8, 8), {"scale_factor": 2}),
        ("activation", "ReLU", (3, 8, 8), {}),
    ],
)  # fmt: skip
def test_a_new_brick_fits_the_shape_before_it(kind, name, shape, cfg):
    added = state(shape=shape).add(kind, name)
    assert added.selected_config == {"type": name, **cfg}
    assert added.preview().fits


@pytest.mark.parametrize("shape", [(3, 16, 16), (16, 16), (16,), (4, 3, 16, 16)])
def test_every_brick_of_every_kind_can_be_added_and_shown(shape):
    panel = Builder(Blueprint(()), name="all", input_shape=shape)
    for kind, registry in kinds().items():
        for name in registry.module_dict:
            added = state(shape=shape).add(kind, name)
            row = added.preview().rows[0]
            assert row.output or row.error
            panel.go(added)
            assert sum(row["brick"] for row in panel.controls.bricks.rows) == 1


def test_a_name_that_two_kinds_have_is_added_with_its_scope():
    assert state().add("conv", "deconv").selected_config["type"] == "deconv"  # pyright: ignore[reportOptionalSubscript]
    added = state().add("upsample", "deconv")
    assert (
        added.selected_config is not None and added.selected_config["type"] == "deconv"
    )  # the same class
    assert state().add("plugin", "ConvModule").selected_config["type"] == "ConvModule"  # pyright: ignore[reportOptionalSubscript]
    with pytest.raises(ConfigError) as caught:
        state().add("norm", "BN2")
    assert str(caught.value) == "type: BN2 is not in the norm layer registry. Did you mean 'BN2d'?"


def test_a_new_brick_is_suggested_from_the_chosen_ones_output():
    start = BuilderState(History(default_blueprint((3, 32, 32))), selected=(3,))
    assert start.add("norm", "GN").selected_config == {"type": "GN", "num_groups": 32}
    assert start.add("norm", "GN").preview().row_at((4,)).inferred == {"num_channels": 32}
    assert suggest(nn.Linear, None) == {"out_features": 10}


@pytest.mark.parametrize(
    "text, shape",
    [
        ("3, 32, 32", (3, 32, 32)), ("(3, 4)", (3, 4)), ("3x8x8", (3, 8, 8)), ("3 × 8", (3, 8)),
        ("[5]", (5,)), ("3,", (3,)),
    ],
)  # fmt: skip
def test_shapes_as_typed(text, shape):
    assert parse_shape(text) == shape
    assert state().with_input(text).input_shape == shape


@pytest.mark.parametrize("text", ["", "3, 0", "-1", "3.5", "many", "()", "True", "3, 'a'"])
def test_what_is_no_shape(text):
    with pytest.raises(ConfigError) as caught:
        parse_shape(text)
    assert str(caught.value) == (
        f"input_shape: expected whole numbers such as 3, 32, 32, got {text!r}."
    )


@pytest.mark.parametrize("name", ["", "2nd", "my model", "class", "a.b"])
def test_what_is_no_name(name):
    with pytest.raises(ConfigError) as caught:
        state().rename(name)
    assert str(caught.value) == f"name: expected a name for a variable, got {name!r}."


def test_the_starter_fits():
    found = preview(default_blueprint((1, 28, 28)), (1, 28, 28))
    assert found.fits and [row.output for row in found.rows] == [
        (16, 28, 28), (16, 14, 14), (32, 14, 14), (32, 7, 7), (1568,), (10,),
    ]  # fmt: skip
    assert found.params == sum(
        p.numel() for p in default_blueprint((1, 28, 28)).build((1, 28, 28)).parameters()
    )
    assert default_blueprint((7,)) == Blueprint() == default_blueprint((3, 2, 2))


MISFITS = [
    ([CONV], (1, 8, 8), 0, "in_channels", "takes 3 × 8 × 8, gets 1 × 8 × 8."),
    ([CONV, {"type": "BN", "num_features": 9}], (3, 8, 8), 1, "num_features",
     "takes 9 × 6 × 6, gets 8 × 6 × 6."),
    ([LINEAR], (5,), 0, "in_features", "takes 4, gets 5."),
    ([{**CONV, "norm_cfg": {"type": "BNN"}}], (3, 8, 8), 0, "norm_cfg.type",
     "BNN is not in the norm layer registry. Did you mean 'BN'?"),
    ([{**CONV, "groups": 2}], (3, 8, 8), 0, "in_channels",
     "in_channels must be divisible by groups"),
    ([{"type": "Linear", "in_features": 4}], (4,), 0, "", "Linear also needs out_features."),
    ([{"type": "Linear", "in_features": "4", "out_features": 1}], (4,), 0, "in_features",
     "expected int, got '4' (str)."),
]  # fmt: skip


@pytest.mark.parametrize("bricks, shape, at, key, message", MISFITS)
def test_a_brick_that_does_not_fit_says_where_and_both_shapes(bricks, shape, at, key, message):
    row = preview(Blueprint((*bricks, {"type": "ReLU"})), shape).rows[at]
    assert (row.key, row.error) == (key, message)


def test_after_a_misfit_the_parameters_are_known_still():
    found = preview(Blueprint((LINEAR, CONV, LINEAR)), (5,))
    assert [row.params for row in found.rows] == [10, 224, 10]
    assert [row.output for row in found.rows] == [None, None, None]
    assert found.summary() == "3 bricks, 244 parameters; brick 1 does not fit."


def test_torch_says_it_where_the_number_of_axes_is_wrong():
    row = preview(Blueprint((CONV,)), (5,)).rows[0]
    assert row.key == "" and row.error.startswith("gets 5: Expected 3D")


def test_rows_are_short():
    bricks = ({**CONV, "norm_cfg": {"type": "GN", "num_groups": 2}}, {"type": nn.Mish})
    first, second = preview(Blueprint(bricks), (3, 8, 8)).rows
    assert (first.kind, first.arguments) == ("ConvModule", "3, 8, 3, norm_cfg=GN")
    assert (second.kind, second.arguments) == ("Mish", "")


class ReadsItsWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3))
        self.top = self.weight.max().item()  # fails on the meta device

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


@pytest.mark.parametrize("kind", [nn.LazyLinear, ReadsItsWeights, nn.Embedding])
def test_a_preview_draws_nothing_from_the_global_generator(kind):
    bricks = {
        nn.LazyLinear: {"out_features": 2}, ReadsItsWeights: {},
        nn.Embedding: {"num_embeddings": 4, "embedding_dim": 3},
    }  # fmt: skip
    torch.manual_seed(1)
    before = torch.get_rng_state()
    found = preview(Blueprint(({"type": kind, **bricks[kind]}, dict(CONV))), (3,))
    assert not found.rows[0].error
    assert torch.equal(before, torch.get_rng_state())
