"""What follows each layer, and the gains that come of it; what is unknown is refused by name."""

import math

import pytest
import torch
import torch.nn.functional as F
from laws_support import law_of
from torch import nn
from torch.nn.utils import parametrizations

from brickbook import ConvModule
from brickbook.errors import ConfigError
from brickbook.init.initializers import (
    KaimingInit,
    Target,
    XavierInit,
    gain_of_activation,
    gain_of_module,
)
from brickbook.init.laws import Normal, Uniform
from brickbook.introspect import UnknownActivationError, activation_after, following

NONE = {"act_cfg": None}


def conv(**cfg):
    return ConvModule(4, 4, 1, **cfg)


def chain(*parts):
    return nn.Sequential(*parts)


class Custom(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        for at, part in enumerate(parts):
            setattr(self, f"part{at}", part)


class Tells(Custom):
    def activation_after(self, child_name):
        return {"part0": torch.tanh, "part1": nn.Identity()}.get(child_name)


class Reversed(nn.Sequential):
    def forward(self, x):
        for part in reversed(list(self)):
            x = part(x)
        return x


LINEAR = nn.Linear(4, 4)
BN, ORDER = {"type": "BN"}, ("act", "conv", "norm")
# the model: what follows each layer, by class name ("" for nothing)
MODELS = {
    "a chain": (chain(LINEAR, nn.ReLU(), LINEAR, nn.Tanh(), LINEAR), ["ReLU", "Tanh", ""]),
    "alone": (nn.Linear(4, 4), [""]),
    "a layer comes first": (chain(LINEAR, nn.Linear(4, 4), nn.ReLU()), ["", "ReLU"]),
    "what does not count": (
        chain(
            nn.Conv2d(4, 4, 1),
            nn.BatchNorm2d(4),
            nn.Dropout(),
            nn.MaxPool2d(2),
            nn.ZeroPad2d(1),
            nn.Identity(),
            nn.Upsample(4),
            nn.Flatten(),
            nn.GELU(),
        ),
        ["GELU"],
    ),
    "nested chains": (
        chain(chain(LINEAR, nn.Dropout()), chain(), chain(nn.SiLU(), LINEAR), nn.ELU()),
        ["SiLU", "ELU"],
    ),
    "an activation with a weight": (chain(LINEAR, nn.PReLU(4)), ["PReLU"]),
    "logits": (chain(LINEAR, nn.Softmax(-1)), [""]),
    "one's own activation": (chain(LINEAR, nn.Hardswish()), ["Hardswish"]),
    "parametrised": (chain(parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU()), ["ReLU"]),
    "lazy": (chain(nn.LazyLinear(4), nn.ReLU()), ["ReLU"]),
    "ConvModule": (conv(act_cfg={"type": "Tanh"}), ["Tanh"]),
    "ConvModule with a norm": (conv(norm_cfg=BN), ["ReLU"]),
    "ConvModule without": (chain(conv(**NONE), nn.ELU()), ["ELU"]),
    "ConvModules": (chain(conv(**NONE), conv()), ["", "ReLU"]),
    "activation first": (chain(conv(order=ORDER), conv(order=ORDER)), ["ReLU", ""]),
    "norm first": (
        chain(conv(**NONE), conv(norm_cfg=BN, order=("norm", "act", "conv"))),
        ["ReLU", ""],
    ),
    "bundle's own word": (
        chain(Tells(*[nn.Linear(4, 4) for _ in "abc"]), nn.ELU()),
        ["tanh", "", "ELU"],
    ),
    "transformer": (nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"), ["", "", "gelu", ""]),
    "decoder": (nn.TransformerDecoderLayer(4, 2, 8), ["", "", "", "", "relu", ""]),
    "into a transformer": (
        chain(LINEAR, nn.TransformerEncoderLayer(4, 2, 8)),
        ["", "", "", "relu", ""],
    ),
    "recurrent": (chain(nn.RNN(4, 4), nn.RNNCell(4, 4, nonlinearity="relu")), ["Tanh", "ReLU"]),
    "wrapped": (nn.DataParallel(chain(nn.Linear(4, 4), nn.ReLU())), ["ReLU"]),
    "embedding": (chain(nn.Embedding(4, 4), nn.LayerNorm(4), nn.ReLU()), ["ReLU"]),
}


def name(activation):
    if activation is None:
        return ""
    return type(activation).__name__ if isinstance(activation, nn.Module) else activation.__name__


@pytest.mark.parametrize("case", MODELS)
def test_what_follows_is_what_the_signal_meets_first(case):
    model, names = MODELS[case]
    assert [name(found) for found in following(model).values()] == names


@pytest.mark.compile
def test_what_is_compiled_is_looked_into():
    model = nn.DataParallel(chain(torch.compile(nn.Linear(4, 4)), nn.ReLU()))
    assert [name(found) for found in following(model).values()] == ["ReLU"]


def test_it_is_the_module_itself_that_is_found():
    model = chain(nn.Linear(4, 4), nn.ELU())
    assert following(model) == {"0": model[1]}


UNKNOWN = {
    "custom parent": (
        Custom(nn.Linear(4, 4), nn.ReLU()), "part0",
        "Custom does not say in which order its parts run",
    ),
    "list": (
        nn.ModuleList([nn.Linear(4, 4), nn.ReLU()]), "0",
        "ModuleList does not say in which order its parts run",
    ),
    "own forward": (
        Reversed(nn.Linear(4, 4), nn.ReLU()), "0",
        "Reversed does not say in which order its parts run",
    ),
    "custom next": (
        chain(nn.Linear(4, 4), Custom(nn.ReLU())), "0",
        "Custom follows, which does not say what it does first",
    ),
    "not elementwise": (
        chain(nn.Linear(4, 4), nn.GLU()), "0", "GLU follows, which is not elementwise",
    ),
    "gates": (nn.LSTM(4, 4), "", "LSTM has gates of several kinds"),
    "no module": (chain(), "fc", "the model has no module 'fc'"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_cannot_be_known_is_not_guessed(case):
    model, layer, why = UNKNOWN[case]
    with pytest.raises(UnknownActivationError) as caught:
        activation_after(model, layer)
    assert str(caught.value) == why
    assert layer not in following(model)


def silu_gain():
    return gain_of_module(nn.SiLU())


GAINS = {
    "none": (None, 1),
    "module": (nn.ReLU(), math.sqrt(2)),
    "slope": (nn.LeakyReLU(1.0), 1),
    "meta": (nn.PReLU(device="meta"), math.sqrt(2 / (1 + 0.25**2))),
    "channels": (nn.PReLU(4), math.sqrt(2 / (1 + 0.25**2))),
    "function": (F.relu, math.sqrt(2)),
    "tanh": (torch.tanh, 5 / 3),
    "measured": (F.silu, silu_gain()),
    "own": (lambda x: 2 * x, 0.5),
}


@pytest.mark.parametrize("case", GAINS)
def test_a_gain_is_that_of_the_activation(case):
    activation, gain = GAINS[case]
    assert gain_of_activation(activation) == pytest.approx(gain, rel=1e-6)


def law(init, model, layer):
    part = model.get_submodule(layer)
    target = Target(f"{layer}.weight", tuple(part.weight.shape), "weight", part, model)
    assert init.model_arguments and init.min_dims == 2
    return init.law(target)


def test_kaiming_and_xavier_with_the_gain_of_what_follows():
    model = chain(nn.Linear(16, 8), nn.SiLU(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    kaiming = KaimingInit(mode="fan_in", nonlinearity="auto")
    stds = [law(kaiming, model, layer).std for layer in "024"]
    assert stds == pytest.approx([silu_gain() / 4, math.sqrt(2 / 8), 1 / 4])
    assert law(kaiming, model, "2") == law_of(KaimingInit(0.0, "fan_in", "relu", "normal"), (16, 8))
    assert isinstance(law(XavierInit("auto", "uniform"), model, "0"), Uniform)


def test_a_function_gives_the_gain_by_name_and_layer():
    model = chain(nn.Linear(4, 4), chain(nn.Linear(4, 4)))
    init = XavierInit(lambda name, part: len(name) * part.in_features)
    assert [law(init, model, layer) for layer in ("0", "1.0")] == [Normal(0, 2), Normal(0, 6)]


REFUSED = {
    "unknown": (
        KaimingInit(nonlinearity="auto"),
        "nonlinearity: cannot tell which activation follows part0: Custom does not say in which "
        "order its parts run. Give nonlinearity for it in a rule of its own.",
    ),
    "no number": (
        XavierInit(lambda name, part: None),
        "gain: expected a finite number of 0 or more for part0, got None.",
    ),
    "infinite": (
        XavierInit(lambda name, part: math.inf),
        "gain: expected a finite number of 0 or more for part0, got inf.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_gain_that_is_not_known_is_refused_by_name(case):
    init, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        law(init, Custom(nn.Linear(4, 4), nn.ReLU()), "part0")
    assert str(caught.value) == message


def test_more_refusals():
    model = nn.TransformerEncoderLayer(4, 2, 8, activation=lambda x: x.softmax(-1))
    with pytest.raises(ConfigError) as caught:
        law(XavierInit("auto"), model, "linear1")
    assert str(caught.value) == (
        "gain: cannot tell which activation follows linear1: <lambda> follows, which is not "
        "elementwise. Give gain for it in a rule of its own."
    )
    with pytest.raises(ConfigError) as caught:
        law_of(XavierInit("auto"), (4, 4))
    assert str(caught.value) == "gain: which activation follows is known only in a model."
