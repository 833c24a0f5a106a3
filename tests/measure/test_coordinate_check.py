"""The coordinate check: flat under muP, growing in standard parametrisation with Adam."""

import json
import math

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initializers import MuPInit, Target, base_shapes, mup_learning_rates
from brickbook.measure import CoordinateCheck, coordinate_check
from brickbook.measure.coordinate_check import Coordinate

WIDTHS = (64, 128, 256, 512)
KAIMING = {"type": "Kaiming", "mode": "fan_in", "nonlinearity": "relu"}
X = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
Y = torch.sin(3 * X[:, :4])


def mlp(width):
    return nn.Sequential(
        nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4),
    )  # fmt: skip


def loss(output):
    return (output - Y).square().mean()


BASE = base_shapes(mlp(64))


def mup_start(model, width):
    init = MuPInit(KAIMING, BASE)
    for name, part in model.named_modules():
        if isinstance(part, nn.Linear):
            shape = tuple(part.weight.shape)
            target = Target(f"{name}.weight", shape, "weight", part, model)
            init.law(target).fill(part.weight)
            nn.init.zeros_(part.bias)


def check(mup, optimizer="adam", lr=0.01):
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]

    def groups(model):
        return make(
            mup_learning_rates(model, BASE, lr, optimizer) if mup else model.parameters(), lr=lr
        )

    start = mup_start if mup else [{**KAIMING, "layer": "Linear"}]
    return coordinate_check(mlp, WIDTHS, X, loss=loss, optimizer=groups, start=start, steps=3)


@pytest.mark.parametrize("optimizer, lr", [("adam", 0.01), ("sgd", 0.05)])
def test_with_mup_the_sizes_do_not_grow_with_the_width(optimizer, lr):
    found = check(True, optimizer, lr)
    for layer in ("0", "2", "4"):
        for step in (0, 1, 2, 3):
            assert abs(found.slope(layer, step)) < 0.1, (layer, step)
    assert found.slope("6", 0) < -0.3  # it starts with variance 1/fan_in², so smaller if wider
    assert abs(found.slope("6", 3)) < 0.1


# By Adam's first step each weight moves by lr, however many there are to sum over.
@pytest.mark.parametrize(
    "optimizer, lr, step, slopes",
    [("adam", 0.01, 1, (0.3, 0.6, 1.0)), ("sgd", 0.05, 3, (0.6, 1.0, 2.0))],
)
def test_in_standard_parametrisation_the_sizes_grow_with_the_width(optimizer, lr, step, slopes):
    found = check(False, optimizer, lr)
    for layer, slope in zip(("2", "4", "6"), slopes, strict=True):
        assert abs(found.slope(layer, 0)) < 0.1
        assert found.slope(layer, step) > slope


ROWS = tuple(
    Coordinate(width, step, layer, float(size))
    for width in (4, 2)
    for step in (0, 1)
    for layer, size in (("b", 3 * width**step), ("a", 0.0))
)


def test_the_record_says_its_slopes_and_comes_back_from_json():
    found = CoordinateCheck(ROWS)
    assert (found.widths, found.steps, found.layers) == ((2, 4), (0, 1), ("b", "a"))
    assert found.sizes("b", 1) == {2: 6.0, 4: 12.0}
    assert [found.slope("b", step) for step in (0, 1)] == pytest.approx([0, 1])
    assert math.isnan(found.slope("a", 0))
    assert CoordinateCheck.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    frame = found.frame()
    assert list(frame.columns) == ["width", "step", "layer", "size"] and len(frame) == 8
    assert repr(found) == "CoordinateCheck(2 layers, widths (2, 4))"


def run(make=mlp, widths=(2, 4), **more):
    more = {"loss": loss, "optimizer": lambda model: torch.optim.SGD(model.parameters()), **more}
    return coordinate_check(make, widths, more.pop("batch", X), **more)


def test_the_same_seed_gives_the_same_check_and_torchs_generator_is_kept():
    state = torch.get_rng_state()
    assert run(seed=1) == run(seed=1) != run(seed=2)
    assert torch.equal(torch.get_rng_state(), state)


class Twice(nn.Module):
    """Calls a layer twice, returns a tuple, and has a parameter of its own."""

    def __init__(self, width):
        super().__init__()
        self.fc, self.out = nn.Linear(16, 16), nn.Linear(16, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.seen = []

    def forward(self, x, factor=1.0):
        first = self.fc(x)
        self.seen.append(first.detach().abs().mean().item())
        return self.out(self.fc(first)) * self.scale * factor, None


def test_modules_with_parameters_are_recorded_by_their_first_output():
    models = []

    def make(width):
        models.append(Twice(width))
        return models[-1]

    found = run(make, batch=(X, 2.0), loss=lambda output: output[0].mean(), steps=1)
    assert found.layers == ("fc", "out", "output")
    assert list(found.sizes("fc", 1).values()) == pytest.approx([m.seen[1] for m in models])
    again = run(make, batch={"x": X, "factor": 2.0}, loss=lambda output: output[0].mean(), steps=1)
    assert again == found
    assert not any(part._forward_hooks for part in models[0].modules())


def growing(width):
    return nn.Sequential(nn.Linear(16, 4), *[nn.Linear(4, 4)] * (width > 2))


REFUSED = {
    "one width": (dict(widths=(4,)), "widths: expected two or more, all different, got (4,)."),
    "twice": (
        dict(widths=(4, 4, 2)),
        "widths: expected two or more, all different, got (4, 4, 2).",
    ),
    "no count": (dict(widths=(4, 0.5)), "widths: expected an int, got 0.5 (float)."),
    "zero": (dict(widths=(4, 0)), "widths: expected 1 or more, got 0."),
    "steps": (dict(steps=-1), "steps: expected 0 or more, got -1."),
    "layers": (dict(make=growing), "make: not every width has these layers: 1."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_gives_no_slope_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        run(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "layer, step, message",
    [
        ("c", 0, "layer: no layer 'c'. Known: a, b."),
        ("b", 2, "step: expected one of (0, 1), got 2."),
    ],
)
def test_a_slope_that_is_not_there_is_refused(layer, step, message):
    with pytest.raises(ConfigError) as caught:
        CoordinateCheck(ROWS).slope(layer, step)
    assert str(caught.value) == message
