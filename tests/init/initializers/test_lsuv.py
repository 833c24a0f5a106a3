"""LSUV: unit variances on the batch, nothing else changed, and what cannot be scaled is named."""

import math

import pytest
import torch
from laws_support import law_of
from torch import nn
from torch.nn.utils import parametrizations

from brickbook.errors import BadValueError, ConfigError
from brickbook.init.execution import initialize
from brickbook.init.execution.materialize import materialize
from brickbook.init.initializers import (
    INITIALIZERS,
    DepthScaledInit,
    LSUVInit,
    OrthogonalInit,
    lsuv,
)
from brickbook.init.initializers.lsuv import unit_variances
from brickbook.init.laws import Constant
from brickbook.modules import BaseModule
from brickbook.registry import build_from_cfg


def deep(width=16, depth=6):
    parts = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 4, 3),
        nn.Flatten(), nn.Linear(4 * 4 * 4, 5),
    )  # fmt: skip


class Swapped(nn.Module):
    """Runs its layers in another order than they stand in, one of them twice, one never."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(8, 8)
        self.never = nn.Linear(8, 8)
        self.first = nn.Linear(8, 8)

    def forward(self, x, scale=1.0):
        return self.last(self.first(self.first(x * scale).relu()).relu())


def outputs(model, batch):
    """Return the variance of each layer's first output, in the order of the pass."""
    found = {}

    def look(name):
        def hook(module, args, output):
            output = output[0] if isinstance(output, tuple) else output
            found.setdefault(f"{name}.weight", output.var(correction=0).item())

        return hook

    handles = [
        part.register_forward_hook(look(name))
        for name, part in model.named_modules()
        if isinstance(part, (nn.Linear, nn.Conv2d))
    ]
    with torch.no_grad(), torch.random.fork_rng():
        model(batch)
    for handle in handles:
        handle.remove()
    return found


def test_every_output_has_variance_one_and_the_rows_stay_orthogonal():
    model, x = deep(), torch.randn(512, 16)
    found = lsuv(model, x, tol=0.01)
    assert list(found) == [f"{at}.weight" for at in range(0, 11, 2)]
    assert all(abs(value - 1) < 0.01 for value in found.values())
    assert outputs(model, x) == pytest.approx(found, rel=1e-4)
    for part in model[::2]:
        gram = part.weight @ part.weight.T
        torch.testing.assert_close(gram, gram[0, 0] * torch.eye(16), atol=1e-5, rtol=0)
        assert not part.bias.any()


def test_the_scale_of_an_input_is_taken_away():
    x = torch.randn(512, 16)
    models = [deep(depth=2), deep(depth=2)]
    for model, scale in zip(models, (1, 1000), strict=True):
        torch.manual_seed(1)
        lsuv(model, scale * x)
    ratio = models[0][0].weight / models[1][0].weight
    torch.testing.assert_close(ratio, torch.full_like(ratio, 1000), rtol=0.06, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_but_the_named_weights_changes(training):
    model, x = convolutional().train(training), torch.randn(32, 3, 8, 8)
    model[2].eval()
    names = ["0.weight", "4.weight", "6.weight"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    state = torch.get_rng_state()
    found = unit_variances(model, names, x)
    assert list(found) == names and all(abs(value - 1) < 0.1 for value in found.values())
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in model.modules()] == modes
    assert not any(part._forward_hooks for part in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in names), name


def test_layers_are_taken_in_the_order_of_the_pass_and_shared_ones_by_their_first_output():
    model, x = Swapped(), torch.randn(256, 8)
    names = ["last.weight", "first.weight"]
    found = unit_variances(model, names, x)
    assert list(found) == ["first.weight", "last.weight"]
    assert outputs(model, x) == pytest.approx(found, rel=1e-4)


BATCHES = {
    "a tensor": lambda x: x,
    "arguments": lambda x: (x, 2.0),
    "keywords": lambda x: {"x": x, "scale": 2.0},
}


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_is_what_the_model_is_called_with(kind):
    found = unit_variances(Swapped(), ["first.weight"], BATCHES[kind](torch.randn(256, 8)))
    assert abs(found["first.weight"] - 1) < 0.1


@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_has_its_layers_scaled_on_the_way_it_really_takes(training):
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), torch.randn(8, 10, 16)
    model.train(training)
    names = [f"layers.{at}.{key}.weight" for at in "01" for key in ("linear1", "linear2")]
    names += ["layers.0.self_attn.out_proj.weight"]
    found = unit_variances(model, names, x)
    assert sorted(found) == sorted(names) and all(abs(v - 1) < 0.1 for v in found.values())
    assert next(iter(found)) == "layers.0.self_attn.out_proj.weight"
    assert torch.backends.mha.get_fastpath_enabled()
    assert list(lsuv(model, x)) == sorted(names[:4])


def test_wrappers_do_not_matter_and_a_named_layer_can_be_the_model():
    model, x = deep(depth=1), torch.randn(64, 16)
    wrapped = nn.DataParallel(torch.compile(model))
    assert list(unit_variances(wrapped, ["0.weight"], x)) == ["0.weight"]
    assert list(lsuv(nn.Linear(16, 4), x)) == ["weight"]


def test_no_more_than_max_iter_divisions_are_made():
    class Odd(nn.Linear):
        """Its output does not follow its weight."""

        calls = 0

        def forward(self, x):
            self.calls += 1
            return x

    model = nn.Sequential(Odd(4, 4))
    found = unit_variances(model, ["0.weight"], 3 * torch.randn(64, 4), max_iter=3)
    assert model[0].calls == 4 and found["0.weight"] > 2
    assert unit_variances(deep(depth=1), ["0.weight"], torch.randn(9, 16), max_iter=0).keys()


def test_the_first_law_can_be_another_or_none():
    model, x = deep(depth=2), torch.randn(64, 16)
    before = model[0].weight.clone()
    lsuv(model, x, "Linear", start=None)
    ratio = (model[0].weight / before).detach()
    assert ratio.std() < 1e-5 and model[0].bias.any()
    lsuv(model, x, [nn.Linear], start=Constant(1.0))
    assert model[0].weight.unique().numel() == 1


def test_half_precision_and_tied_weights():
    model = deep(depth=2).to(torch.bfloat16)
    model[2].weight = model[0].weight
    found = lsuv(model, torch.randn(256, 16, dtype=torch.bfloat16), start=OrthogonalInit())
    assert abs(found["0.weight"] - 1) < 0.1


def test_the_initialiser_is_orthogonal_and_then_adjusts():
    init = build_from_cfg(
        {"type": "LSUV", "layer": "Linear", "tol": 0.02, "max_iter": 5}, INITIALIZERS
    )
    assert isinstance(init, LSUVInit)
    assert law_of(init, (4, 9)) == law_of(OrthogonalInit(), (4, 9))
    model, x = deep(), torch.randn(256, 16)
    assert init.adjust(model, ["0.weight", "0.bias", "2.weight"], x) is None
    found = outputs(model, x)
    assert abs(found["0.weight"] - 1) < 0.02 and abs(found["2.weight"] - 1) < 0.02


CONFIGS = {
    "tolerance": ({"tol": -1}, "cfg.tol: expected a finite number of 0 or more, got -1."),
    "a word": ({"tol": "0.1"}, "cfg.tol: expected float, got '0.1' (str)."),
    "negative": ({"max_iter": -1}, "cfg.max_iter: expected a finite number of 0 or more, got -1."),
    "half": ({"max_iter": 1.5}, "cfg.max_iter: expected int, got 1.5 (float)."),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_bad_config_is_refused_by_its_key(case):
    cfg, message = CONFIGS[case]
    with pytest.raises(ConfigError) as caught:
        build_from_cfg({"type": "LSUV", **cfg}, INITIALIZERS)
    assert str(caught.value) == message


def test_it_is_no_law_for_another_initialiser():
    with pytest.raises(ConfigError) as caught:
        DepthScaledInit({"type": "LSUV"}, depth=2)
    assert str(caught.value) == (
        "init.type: LSUVInit gives no law that is known before the weights are."
    )


def dead():
    model = deep(depth=2)
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    return model


def with_norm():
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(16, 16)))


X = torch.ones(4, 16).cumsum(0)
REFUSED = {
    "no batch": (
        deep(), ["0.weight"], None,
        "batch: LSUV needs a batch to run through the model. Give batch=...",
    ),
    "never reached": (
        Swapped(), ["never.weight"], X[:, :8],
        "never.weight: the forward pass does not reach its layer.",
    ),
    "variance 0": (
        dead(), ["0.weight", "2.weight"], X,
        "2.weight: its layer's output has variance 0 on this batch: no scale makes that 1.",
    ),
    "infinite": (
        deep(), ["0.weight"], X * math.inf,
        "0.weight: its layer's output has variance nan on this batch: no scale makes that 1.",
    ),
    "empty": (
        deep(), ["0.weight"], X[:0],
        "0.weight: its layer's output has variance nan on this batch: no scale makes that 1.",
    ),
    "no such weight": (
        deep(), ["90.weight"], X, "90.weight: Sequential has no such parameter.",
    ),
    "old spectral_norm": (
        nn.Sequential(nn.utils.spectral_norm(nn.Linear(16, 16))), ["0.weight_orig"], X,
        "0.weight_orig: it is not the one weight of its layer, Linear: LSUV needs that.",
    ),
    "packed": (
        nn.Sequential(nn.LSTM(16, 4)), ["0.weight_ih_l0"], X,
        "0.weight_ih_l0: it is not the one weight of its layer, LSTM: LSUV needs that.",
    ),
    "parametrised": (
        with_norm(), ["0.weight"], X,
        "0.weight: it is computed by a parametrisation: LSUV cannot scale it.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_scaled_is_refused_by_name_and_hooks_are_gone(case):
    model, names, batch, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        unit_variances(model, names, batch)
    assert str(caught.value) == message
    assert not any(part._forward_hooks for part in model.modules())


def test_on_an_error_lsuv_leaves_the_model_as_it_was():
    model, x = Swapped(), torch.randn(64, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        lsuv(model, x)
    assert str(caught.value) == "never.weight: the forward pass does not reach its layer."
    with pytest.raises(BadValueError, match="shapes"):
        lsuv(model, x[:, :3])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_layer_that_returns_no_tensor_is_refused():
    class Pair(nn.Linear):
        def forward(self, x):
            return x, x

    with pytest.raises(ConfigError) as caught:
        lsuv(Pair(4, 4), torch.randn(8, 4))
    assert str(caught.value) == "weight: Pair returns tuple: LSUV needs one tensor."


@pytest.mark.parametrize("how", ["initialize", "materialize"])
def test_what_comes_after_is_not_scaled(tmp_path, how):
    """A checkpoint and custom init code are the last to write, after LSUV too."""

    class Own(BaseModule):
        def __init__(self):
            super().__init__(dict(type="LSUV", layer="Linear"))
            self.first, self.second, self.third = nn.Linear(8, 8), nn.Linear(8, 8), Half()

        def forward(self, x):
            return self.third(self.second(self.first(x)))

    class Half(nn.Linear):
        def __init__(self):
            super().__init__(8, 8)

        def init_weights(self):
            nn.init.eye_(self.weight)

    kept = 5 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    torch.save({"weight": kept}, tmp_path / "second.pth")
    with torch.device("meta" if how == "materialize" else "cpu"):
        model = Own()
    model.second = Loaded(str(tmp_path / "second.pth"))
    batch = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    begin = initialize if how == "initialize" else materialize
    report = begin(model, seed=0, batch=batch)
    assert torch.equal(model.second.weight, kept)
    assert torch.equal(model.third.weight, torch.eye(8))
    assert abs(model.first(batch).var(correction=0) - 1) < 0.1
    assert [report[f"{name}.weight"].action for name in ("first", "second", "third")] == [
        "written", "loaded", "called",
    ]  # fmt: skip
    assert report["first.weight"].reason == "then scaled to data"
    assert report["first.bias"].reason == ""


class Loaded(BaseModule, nn.Linear):
    def __init__(self, checkpoint):
        nn.Linear.__init__(self, 8, 8)
        self._is_init = False
        self.init_cfg = dict(type="Pretrained", checkpoint=checkpoint)
