"""Activations over training: recorded in a loop of one's own, which goes on as without."""

from __future__ import annotations

import base64
import io
import json
import math
import re

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from brickbook.errors import ConfigError
from brickbook.measure.recorder import ActivationHistory, Recorder, magnitude_edges
from brickbook.views.svg.activation_history import history_svg

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3)
    )


def train(model: nn.Module, steps: int = 7, **options) -> tuple[list[float], ActivationHistory]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(1)
    losses = []
    with Recorder(model, **options) as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(X).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            with torch.no_grad():
                model.eval()(X)  # an evaluation is no step
            model.train()
    return losses, recorder.history


def test_the_training_is_as_without():
    plain, with_it = net(), net()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    torch.manual_seed(1)
    expected = []
    for _ in range(7):
        optimizer.zero_grad()
        loss = plain(X).square().mean()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    losses, _ = train(with_it, every=1)
    assert losses == expected
    assert all(map(torch.equal, plain.state_dict().values(), with_it.state_dict().values()))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in with_it.modules())


def test_what_is_recorded():
    model = net()
    seen = []
    model[2].register_forward_hook(
        lambda part, args, out: seen.append(out.detach().clone()) if part.training else None
    )
    _, found = train(model, every=3)
    assert (found.layers, found.steps) == (("0", "2", "4"), (0, 3, 6))
    for row in found.layer("2"):
        value = seen[row.step]
        assert (row.kind, row.sampled, sum(row.counts)) == ("ReLU", 2048, 2048)
        assert row.mean == pytest.approx(value.mean().item(), abs=1e-6)
        assert row.std == pytest.approx(value.std(correction=0).item(), rel=1e-5)
        assert row.zeros == (value == 0).double().mean().item()
        sizes, edges = value.abs(), magnitude_edges()
        for at in (0, 30, 40, 79):
            inside = (sizes >= (edges[at] if at else 0)) & (sizes < edges[at + 1])
            assert row.counts[at] == int(inside.sum())
    parts = train(net(), parts=("norm", "other"))[1]
    assert parts.layers == ("1", "3") and repr(found) == (
        "ActivationHistory(3 layers, 3 steps, steps 0 to 6)"
    )


def test_a_layer_that_runs_twice_is_recorded_by_its_first_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x):
            return self.fc(checkpoint(self.fc, x, use_reentrant=False))

    _, found = train(Twice(), steps=2, every=1)
    assert [(row.layer, row.step) for row in found.rows] == [("fc", 0), ("fc", 1)]


def test_a_model_that_is_a_layer_itself():
    assert train(nn.Linear(8, 8), steps=1)[1].layers == ("output",)


def test_numbers_that_are_not_finite_are_counted():
    model = nn.Sequential(nn.Linear(8, 2))
    with torch.no_grad():
        model[0].bias[0] = math.inf
    with Recorder(model) as recorder:
        model(X)
    (row,) = recorder.history.rows
    assert (row.nonfinite, row.mean, row.std, sum(row.counts)) == (64, None, None, 64)
    assert "NaN" not in recorder.history.to_json()


def test_after_an_error_the_hooks_are_gone():
    model = net()
    with pytest.raises(RuntimeError), Recorder(model):
        model(torch.zeros(2, 3))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


REFUSED = {
    "model: expected a module, got 3.": lambda: Recorder(3),
    "every: expected 1 or more, got 0.": lambda: Recorder(net(), every=0),
    "every: expected a whole number, got 1.5.": lambda: Recorder(net(), every=1.5),
    "parts: unknown part 'layers'. Did you mean 'layer'?": lambda: Recorder(
        net(), parts=["layers"]
    ),
    "name: no layer '3'.": lambda: train(net())[1].layer("3"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_recorded_is_said(message):
    with pytest.raises(ConfigError) as caught:
        REFUSED[message]()
    assert str(caught.value).startswith(message)


@pytest.mark.compile
def test_a_compiled_model_is_refused():
    with pytest.raises(ConfigError) as caught:
        Recorder(torch.compile(net()))
    assert str(caught.value) == (
        "model: torch.compile has compiled it: hooks that are added later do not run. "
        "Pass the model, and train it, before that."
    )


def test_the_record_and_its_picture():
    _, found = train(net(), every=1)
    assert ActivationHistory.from_json(json.dumps(found.to_dict())) == found
    frame = found.frame()
    assert list(frame.columns) == ["layer", "kind", "step", "mean", "std", "zeros", "nonfinite"]
    assert len(frame) == 21
    html = found._repr_html_()
    alt, data = re.match(
        r'<img alt="([^"]*)" src="data:image/svg.xml;base64,([^"]+)"', html
    ).groups()
    assert alt.startswith("Activations over the steps: 0: std from ")
    svg = base64.b64decode(data).decode()
    assert svg == history_svg(found) and svg.count("<image ") == 3 and "<script" not in svg
    assert "激活值随步数的变化" in history_svg(found, language="zh")
    assert history_svg(ActivationHistory()).startswith("<svg ")


def test_the_heat_map_is_a_png_of_steps_and_sizes():
    image = pytest.importorskip("PIL.Image")
    _, found = train(net(), every=1)
    svg = history_svg(found, layers=["2"])
    data = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", svg)[1])
    picture = image.open(io.BytesIO(data)).convert("RGBA")
    assert picture.width == 7
    alpha = [picture.getpixel((3, y))[3] for y in range(picture.height)]
    assert alpha[-1] > 200 and alpha[0] < alpha[-1]  # the zeros of a ReLU lie in the lowest row
