"""GateBias: the biases of LSTM and GRU, gate by gate, in torch's order."""

import json

import pytest
import torch
from torch import nn

from brickbook import InitPlan, initialize, plan
from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.initializers import GateBiasInit
from brickbook.init.laws import BlockConstants, Constant, law_from_dict, law_to_dict

H = 3
ALL = dict(input=1.0, forget=2.0, cell=3.0, output=4.0, reset=5.0, update=6.0, new=7.0)
LAYERS = {
    "LSTM": (nn.LSTM(2, H, num_layers=2, bidirectional=True), (1.0, 2.0, 3.0, 4.0)),
    "projected": (nn.LSTM(2, H, proj_size=2), (1.0, 2.0, 3.0, 4.0)),
    "LSTMCell": (nn.LSTMCell(2, H), (1.0, 2.0, 3.0, 4.0)),
    "GRU": (nn.GRU(2, H, num_layers=2), (5.0, 6.0, 7.0)),
    "GRUCell": (nn.GRUCell(2, H), (5.0, 6.0, 7.0)),
}


def expected(key, gates):
    if key.startswith("bias_hh"):
        return [0.0] * (H * len(gates))
    return [value for value in gates for _ in range(H)]


@pytest.mark.parametrize("layer, gates", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("direct", [False, True])
def test_every_gate_gets_its_number(layer, gates, direct):
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    for value in layer.parameters():
        value.data.add_(1)
    name = type(layer).__name__
    if direct:
        GateBiasInit(layer=name, **ALL)(layer)
    else:
        initialize(layer, dict(type="GateBias", layer=name, **ALL), seed=0)
    for key, value in layer.state_dict().items():
        if key.startswith("bias"):
            assert value.tolist() == expected(key, gates), key
        else:
            assert torch.equal(value, before[key] + 1), key


def test_the_order_of_the_gates_is_that_of_torchs_forward():
    """A forget gate that is open, and others that are closed, keep the cell as it is."""
    cell = nn.LSTMCell(2, H)
    rules = [
        dict(type="Zeros", layer="LSTMCell"),
        dict(type="GateBias", forget=50, input=-50, output=-50, layer="LSTMCell"),
    ]
    initialize(cell, rules)
    state = torch.randn(1, H)
    hidden, kept = cell(torch.randn(1, 2), (torch.zeros(1, H), state))
    assert torch.allclose(kept, state) and hidden.abs().max() < 1e-6
    gru = nn.GRUCell(2, H)
    rules = [dict(type="Zeros", layer="GRUCell"), dict(type="GateBias", update=50, layer="GRUCell")]
    initialize(gru, rules)
    assert torch.allclose(gru(torch.randn(1, 2), state), state)


def test_the_forget_gate_is_1_by_default_and_the_plan_shows_it():
    model = nn.Sequential(nn.LSTM(2, H), nn.Linear(H, 1))
    rules = [dict(type="Orthogonal", layer="LSTM"), dict(type="GateBias", forget=1.0, layer="LSTM")]
    todo = plan(model, rules)
    law = BlockConstants((0.0, 1.0, 0.0, 0.0))
    assert todo["0.bias_ih_l0"].law == law and todo["0.bias_hh_l0"].law == Constant(0.0)
    assert todo["0.weight_hh_l0"].rule == "Orthogonal"
    assert todo.explain("0.bias_ih_l0") == (
        "0.bias_ih_l0 (LSTM, 12, float32): BlockConstants(0, 1, 0, 0), GateBias by init_cfg[1]. "
        "It wins over init_cfg[0]."
    )
    assert InitPlan.from_dict(json.loads(json.dumps(todo.to_dict()))) == todo
    initialize(model, rules, seed=1)
    assert (model[0].bias_ih_l0 + model[0].bias_hh_l0).tolist() == [0] * H + [1] * H + [0] * 2 * H
    assert model[0].bias_ih_l0.var(correction=0).sqrt().item() == pytest.approx(law.std)


def test_its_law():
    law = BlockConstants((0.0, 1.0, 0.0, 0.0))
    assert (law.mean, law.std, law.support) == (0.25, pytest.approx(3**0.5 / 4), (0.0, 1.0))
    assert law.atoms == ((0.0, 0.75), (1.0, 0.25)) and not law.is_random()
    assert law.scale_by(2.0) == BlockConstants((0.0, 2.0, 0.0, 0.0))
    assert law_from_dict(json.loads(json.dumps(law_to_dict(law)))) == law
    half = torch.empty(8, dtype=torch.float16)
    law.fill(half)
    assert half.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_one_bias_alone_and_an_override():
    model = nn.ModuleDict(dict(rnn=nn.GRU(2, H), fc=nn.Linear(2, 2)))
    initialize(model, dict(type="GateBias", update=2, layer="rnn:bias_ih_l0"))
    assert model.rnn.bias_ih_l0.tolist() == [0] * H + [2] * H + [0] * H
    over = dict(type="GateBias", update=-1, name="rnn")
    report = initialize(model, dict(type="Zeros", layer="Linear", override=over))
    assert model.rnn.bias_ih_l0.tolist() == [0] * H + [-1] * H + [0] * H
    assert report.untouched == ("rnn.weight_ih_l0", "rnn.weight_hh_l0")


NO_GATES = "init_cfg.type: for {}: GateBias is for LSTM, GRU and their cells: {} has no gates."


@pytest.mark.parametrize("cfg, error, message", [
    (dict(layer="Linear"), BadValueError, NO_GATES.format("fc.bias", "Linear")),
    (dict(layer="RNN"), BadValueError, NO_GATES.format("rnn.bias_ih_l0", "RNN")),
    (dict(layer="lstm:weight_ih_l0"), BadValueError,
     "init_cfg.type: for lstm.weight_ih_l0: GateBias writes no weight."),
    (dict(layer="LSTM", bias=1), BadArgumentError,
     "init_cfg.bias: GateBias has a bias for every gate."),
    (dict(layer="LSTM", forget="1"), BadArgumentError,
     "init_cfg.forget: expected float, got '1' (str)."),
    (dict(layer="LSTM", forgot=1), BadArgumentError,
     "init_cfg.forgot: GateBiasInit has no such argument. Did you mean 'forget'?"),
])  # fmt: skip
def test_what_it_refuses(cfg, error, message):
    parts = dict(lstm=nn.LSTM(2, H), rnn=nn.RNN(2, H), fc=nn.Linear(2, 2))
    model = nn.ModuleDict(parts)
    before = [value.clone() for value in model.parameters()]
    with pytest.raises(error) as caught:
        initialize(model, {"type": "GateBias", **cfg})
    assert str(caught.value) == message
    assert all(map(torch.equal, before, model.parameters()))


def test_called_on_layers_without_gates():
    with pytest.raises(BadValueError) as caught:
        GateBiasInit(layer="Linear")(nn.Linear(2, 2))
    assert str(caught.value) == (
        "type: GateBias is for LSTM, GRU and their cells: Linear has no gates."
    )
