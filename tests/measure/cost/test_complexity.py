"""What a model costs: the numbers, the records, and that the model is given back as it was."""

import copy
import json
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from brickbook import ConfigError, ResNet, complexity
from brickbook.measure.cost import Complexity, Cost


class Functional(nn.Module):
    """Work that no module does, and what runs twice."""

    def __init__(self):
        super().__init__()
        self.one, self.act = nn.Linear(8, 8), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.act(self.one(self.one(x)))
        return torch.cat((x, x @ x.mT), dim=-1)


class Asking(nn.Module):
    """A forward that asks for values, around parts that torch may run as one operation."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 8)
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x):
        if float(x.sum()) > 1e9:
            return x
        return self.messages(x)

    def messages(self, x):
        return self.lstm(self.attention(self.norm(self.body(x))))[0]


class Quiet(Asking):
    def forward(self, x):
        return self.messages(x)


def chain():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
                         nn.Flatten(), nn.Linear(8 * 36, 4))  # fmt: skip


def test_the_numbers_of_a_chain():
    found = complexity(chain(), (2, 3, 6, 6))
    conv, linear = 2 * 36 * 27 * 8, 2 * 288 * 4
    assert [row.macs for row in found.rows] == [conv + linear, conv, 0, 0, 0, linear]
    assert [row.flops for row in found.rows] == [2 * row.macs for row in found.rows]
    assert [row.params for row in found.rows] == [1396, 224, 16, 0, 0, 1156]
    picture = 2 * 8 * 36 * 4  # the ReLU works in place, Flatten gives a view
    assert [row.activations for row in found.rows] == [2 * picture + 32, picture, picture, 0, 0, 32]
    assert [row.output for row in found.rows] == [
        (2, 4), (2, 8, 6, 6), (2, 8, 6, 6), (2, 8, 6, 6), (2, 288), (2, 4),
    ]  # fmt: skip
    assert (found.macs, found.flops, found.params, found.activations) == (
        conv + linear, 2 * (conv + linear), 1396, 2 * picture + 32,
    )  # fmt: skip


def test_what_functions_do_is_the_modules_own():
    found = complexity(Functional(), torch.zeros(4, 8))
    whole, one, act = found[""], found["one"], found["act"]
    assert (one.calls, one.macs, one.activations) == (2, 2 * 4 * 64, 2 * 4 * 8 * 4)
    assert (act.calls, act.activations) == (1, 0)
    assert (whole.own_macs, whole.own_activations) == (4 * 4 * 8, 4 * 12 * 4)
    assert whole.macs == one.macs + whole.own_macs
    assert whole.activations == one.activations + whole.own_activations


def test_known_sizes():
    found = complexity(ResNet(50), (1, 3, 224, 224))
    assert found.macs == 4_087_136_256 and found.params == 23_508_032
    assert complexity(ResNet(50), (4, 3, 224, 224)).macs == 4 * found.macs
    assert sum(row.own_macs for row in found.rows) == found.macs
    assert sum(row.own_params for row in found.rows) == found.params
    assert sum(row.own_activations for row in found.rows) == found.activations
    stages = [found[f"layer{at}"].macs for at in range(1, 5)]
    assert found.macs == sum(stages) + found["conv1"].macs


def test_attention_and_recurrence():
    length, width = 5, 8
    found = complexity(nn.MultiheadAttention(width, 2, batch_first=True), dict.fromkeys(
        ("query", "key", "value"), torch.zeros(3, length, width)))  # fmt: skip
    projections, products = 4 * 3 * length * width**2, 2 * 3 * length**2 * width
    assert found.macs == projections + products
    assert complexity(nn.LSTM(8, 16), (5, 2, 8)).macs == 5 * 2 * 4 * 16 * (8 + 16)
    q = torch.zeros(2, 4, 6, 8)

    class Product(nn.Module):
        def forward(self, x):
            return F.scaled_dot_product_attention(x, x, x)

    assert complexity(Product(), q).macs == 2 * 2 * 4 * 6 * 6 * 8


RECURRENT = {
    "lstm": (lambda: nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True), (4, 6, 8)),
    "gru": (lambda: nn.GRU(8, 16), (12, 2, 8)),
    "no batch": (lambda: nn.RNN(8, 16, nonlinearity="relu"), (12, 8)),
    "one step": (lambda: nn.RNN(8, 16), (1, 3, 8)),
    "projected": (lambda: nn.LSTM(8, 16, 2, proj_size=4, dropout=0.1), (5, 2, 8)),
}


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("case", RECURRENT)
def test_recurrent_layers_cost_what_their_steps_do(case, mode):
    make, shape = RECURRENT[case]
    model = make().train(mode == "train")
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        output, state = copy.deepcopy(model).to("meta")(torch.zeros(shape))
    found = complexity(model, shape, mode=mode)
    made = [output, *(state if isinstance(state, tuple) else (state,))]
    assert (found.flops, found[""].output) == (counter.get_total_flops(), tuple(output.shape))
    assert found.activations == sum(4 * tensor.numel() for tensor in made)


def test_a_long_sequence_takes_no_longer():
    complexity(nn.Linear(2, 2), (2, 2))  # torch loads its meta kernels
    began = time.perf_counter()
    found = complexity(nn.LSTM(64, 128, batch_first=True), (1, 5000, 64))
    assert time.perf_counter() - began < 1
    assert found.macs == 5000 * 4 * 128 * (64 + 128)


class Sized(nn.Module):
    def forward(self, x, size):
        return x.new_zeros(size)


def test_a_shape_for_each_input():
    one = complexity(nn.Bilinear(4, 6, 8), ((2, 4), (2, 6)))
    assert (one.input, one.params) == (((2, 4), (2, 6)), 4 * 6 * 8 + 8)
    assert complexity(nn.Bilinear(4, 6, 8), [[2, 4], [2, 6]]) == one
    named = complexity(nn.Bilinear(4, 6, 8), {"input1": (2, 4), "input2": (2, 6)})
    assert named == one
    assert complexity(nn.Linear(8, 4), ((2, 8),)).macs == 2 * 8 * 4
    beside = complexity(Sized(), (torch.ones(2, 8), (7, 7)))
    assert (beside.input, beside[""].output) == (((2, 8),), (7, 7))
    with pytest.raises(ConfigError) as caught:
        complexity(nn.Bilinear(4, 6, 8), ((2, 4), (2, 0)))
    assert str(caught.value) == (
        "input[1]: expected whole numbers from 1 up, such as (1, 3, 224, 224), got (2, 0)."
    )


@pytest.mark.parametrize("input", [(3, 5, 8), torch.randn(3, 5, 8)], ids=["shape", "batch"])
def test_a_model_that_asks_for_values_runs_itself(input):
    torch.manual_seed(1)
    model, quiet = Asking().train(), Quiet()
    model.body.eval()
    found = complexity(model, input)
    assert [vars(row) for row in found.rows[1:]] == [
        vars(row) for row in complexity(quiet, (3, 5, 8)).rows[1:]
    ]
    assert found.macs > 0


def remembered(model):
    return (
        copy.deepcopy(model.state_dict()),
        [part.training for part in model.modules()],
        [(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in model.modules()],
        [set(vars(part)) for part in model.modules()],
        [p.grad for p in model.parameters()],
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.mkldnn.enabled,
    )


def equal(one, other):
    return all(one[0][key].equal(other[0][key]) for key in one[0]) and one[1:] == other[1:]


@pytest.mark.parametrize("make, good, bad", [
    (chain, (2, 3, 6, 6), (2, 4, 6, 6)),
    (Asking, (3, 5, 8), (3, 5, 9)),
    (Functional, (4, 8), (4, 9)),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_model_is_given_back(make, good, bad, mode):
    model = make().train()
    next(model.children()).eval()
    before = remembered(model)
    x = torch.randn(good)
    kept = x.clone()
    torch.set_rng_state(torch.tensor(before[5], dtype=torch.uint8))
    complexity(model, x, mode=mode)
    complexity(model, good, mode=mode)
    with pytest.raises(ConfigError):
        complexity(model, bad, mode=mode)
    assert equal(before, remembered(model)) and x.equal(kept)


@pytest.mark.parametrize("make, shape", [
    (lambda: ResNet(18), (2, 3, 64, 64)),
    (chain, (2, 3, 6, 6)),
    (Functional, (4, 8)),
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (1, 4, 5, 5)),
])  # fmt: skip
def test_the_same_as_torchs_counter(make, shape):
    model = make().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(shape))
    assert complexity(model, shape).flops == counter.get_total_flops()


def test_hooks_of_the_user_stay():
    model = chain()
    seen = []
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    complexity(model, (1, 3, 6, 6))
    assert list(model[0]._forward_hooks) == [handle.id]


def test_tied_and_shared_and_unused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.two.weight = self.one.weight
            self.again, self.unused = self.one, nn.Linear(2, 2)

        def forward(self, x):
            return self.again(self.two(self.one(x)))

    found = complexity(Tied(), (1, 4))
    assert list(found) == ["", "one", "two", "unused"]
    assert [row.params for row in found.rows] == [22, 16, 16, 6]
    assert [row.own_params for row in found.rows] == [0, 16, 0, 6]
    assert [row.calls for row in found.rows] == [1, 2, 1, 0]
    assert found["unused"].output is None and found.macs == 3 * 16


def test_meta_and_lazy_models():
    with torch.device("meta"):
        model = nn.Linear(8, 4)
    assert complexity(model, (2, 8)).macs == 64
    lazy = nn.Sequential(nn.LazyLinear(4))
    assert complexity(lazy, (2, 8)).params == 36
    assert isinstance(lazy[0], nn.LazyLinear)


def test_token_ids():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    for input in ((2, 5), torch.zeros(2, 5, dtype=torch.long)):
        assert complexity(model, input).macs == 2 * 5 * 8


def test_the_record():
    found = complexity(chain(), (1, 3, 6, 6))
    assert repr(found) == (
        "Complexity(Sequential on (1, 3, 6, 6): 8,928 MACs, 1,396 parameters, 2,320 B activations)"
    )
    assert Complexity.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == repr(found)
    assert "<td" in bundle["text/html"] and "BatchNorm2d" in bundle["text/html"]
    assert [row.name for row in found.modules_with_cost] == ["0", "1", "4"]
    assert list(complexity(ResNet(18), (1, 3, 64, 64)).down_to(1)) == [
        "", "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        found["7"]
    assert str(caught.value) == "name: the model has no module '7'. Known: , 0, 1, 2, 3, 4."


def test_the_frame():
    pd = pytest.importorskip("pandas")
    table = complexity(chain(), (1, 3, 6, 6)).frame()
    assert isinstance(table, pd.DataFrame) and table.index.name == "name"
    assert list(table.columns) == [
        "kind", "calls", "output", "params", "macs", "flops", "activations",
        "own_params", "own_macs", "own_activations",
    ]  # fmt: skip
    assert table.loc["", "macs"] == table["own_macs"].sum()
    assert table.loc["0", "flops"] == 2 * table.loc["0", "macs"]


BAD = [
    (lambda: complexity(3, (1, 3)), TypeError, "model: expected a module, got 3."),
    (lambda: complexity(nn.ReLU(), (1,), mode="test"), ValueError,
     "mode: expected 'train' or 'eval', got 'test'."),
    (lambda: complexity(nn.ReLU(), None), TypeError, "input: the model needs something to run on. "
     "Pass a batch, or a shape such as (1, 3, 224, 224)."),
    (lambda: complexity(nn.ReLU(), (1, 0)), ValueError, "input: expected whole numbers "
     "from 1 up, such as (1, 3, 224, 224), got (1, 0)."),
    (lambda: complexity(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 4, 8, 8)), ValueError,
     "0: Conv2d got (1, 4, 8, 8): Given groups=1, weight of size [4, 3, 3, 3], expected "
     "input[1, 4, 8, 8] to have 3 channels, but got 4 channels instead."),
    (lambda: Complexity.from_dict({"rows": [{"nam": "x"}], "input": [], "mode": "eval"}), TypeError,
     "complexity.rows[0].nam: Cost has no such field. Did you mean 'name'?"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", BAD, ids=[row[2][:24] for row in BAD])
def test_messages(call, kind, message):
    with pytest.raises(ConfigError) as caught:
        call()
    assert isinstance(caught.value, kind) and str(caught.value) == message


def test_costs_are_compared_by_value():
    assert Cost("a", "Linear", macs=3) == Cost("a", "Linear", macs=3)
    assert Cost("a", "Linear", macs=3).flops == 6
