"""Which calls wrote which tensor: laws, places, parts, and that nothing changes for it."""

from __future__ import annotations

import copy
import inspect
import math
import threading
import warnings
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.compilerop import CachingCompiler
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initializers import kaiming_init
from brickbook.init.laws import (
    BlockConstants,
    Constant,
    IdentityMatrix,
    Normal,
    OrthogonalMatrix,
    RowSections,
    TruncNormal,
    Uniform,
    same_law,
)
from brickbook.init.planning import Why, plan
from brickbook.init.tracing import History, trace
from brickbook.introspect import modes_are_active


def tensor_made_by(code, shape=(6, 4), device="cpu", **names):
    """Return a function that builds a module whose parameter ``w`` was made by a piece of code."""

    def build():
        module = nn.Module()
        space = {"torch": torch, "nn": nn, "math": math, "shape": shape, "device": device, **names}
        with torch.no_grad():
            exec(code, space)
        module.w = nn.Parameter(space["w"], requires_grad=False)
        return module

    return build


EMPTY = "w = torch.empty(shape)\n"
LAWS = [
    ("w = torch.ones(shape)", Constant(1.0)),
    ("w = torch.zeros(shape) + 2", Constant(2.0)),
    ("w = torch.full(shape, 0.5) * 4 - 1", Constant(1.0)),
    ("w = 1 - torch.ones(shape) / 4", Constant(0.75)),
    ("w = torch.full(shape, 4.0).sqrt()", Constant(2.0)),
    ("w = torch.log(torch.full(shape, 1.0))", Constant(0.0)),
    ("w = torch.randn(shape)", Normal(0.0, 1.0)),
    ("w = torch.randn(shape) * 0.02 + 3", Normal(3.0, 0.02)),
    ("w = torch.randn(shape) / -2", Normal(0.0, 0.5)),
    ("w = 3 - torch.randn(shape)", Normal(3.0, 1.0)),
    ("w = torch.normal(1.0, 2.0, shape, device=device)", Normal(1.0, 2.0)),
    ("w = torch.normal(torch.zeros(shape), 2.0)", Normal(0.0, 2.0)),
    ("w = torch.rand(shape)", Uniform(0.0, 1.0)),
    ("w = torch.rand(shape) * 2 - 1", Uniform(-1.0, 1.0)),
    ("w = -torch.rand(shape)", Uniform(-1.0, 0.0)),
    ("w = torch.add(torch.rand(shape), 1, alpha=3)", Uniform(3.0, 4.0)),
    ("w = torch.rand_like(torch.empty(shape))", Uniform(0.0, 1.0)),
    (EMPTY + "w.uniform_(-2, 2).mul_(0.5)", Uniform(-1.0, 1.0)),
    (EMPTY + "w.normal_()", Normal(0.0, 1.0)),
    (EMPTY + "w.data.normal_(0, 0.5).add_(1)", Normal(1.0, 0.5)),
    (EMPTY + "w.copy_(torch.randn(shape))", Normal(0.0, 1.0)),
    (EMPTY + "w[:] = 3", Constant(3.0)),
    (EMPTY + "w.view(-1).fill_(3)", Constant(3.0)),
    (EMPTY + "w.t().uniform_(0, 2)", Uniform(0.0, 2.0)),
    ("w = torch.randn(shape).to(torch.float64).float()", Normal(0.0, 1.0)),
    ("w = torch.randn(shape).clamp_(-100, 100)", TruncNormal(0.0, 1.0, -100.0, 100.0)),
    (EMPTY + "nn.init.kaiming_uniform_(w, a=math.sqrt(5))", Uniform(-0.5, 0.5)),
    (EMPTY + "nn.init.xavier_normal_(w)", Normal(0.0, math.sqrt(2 / 10))),
    (EMPTY + "nn.init.trunc_normal_(w, std=0.5, a=-1, b=1)", TruncNormal(0.0, 0.5, -1, 1)),
    (EMPTY + "nn.init.orthogonal_(w, gain=2)", OrthogonalMatrix(2, 6, 4)),
    (EMPTY + "nn.init.eye_(w)", IdentityMatrix(1.0, 6, 4)),
    (EMPTY + "nn.init.orthogonal_(w).mul_(0.5)", OrthogonalMatrix(0.5, 6, 4)),
    # part by part
    (EMPTY + "for part in w.chunk(3): part.normal_()", Normal(0.0, 1.0)),
    (EMPTY + "w[:3].zero_(); w[3:].fill_(1)", RowSections((Constant(0), Constant(1)), (3, 3))),
    (
        EMPTY + "w.normal_(); w[2:4] = 1",
        RowSections((Normal(0.0, 1.0), Constant(1.0), Normal(0.0, 1.0)), (2, 2, 2)),
    ),
    (
        EMPTY + "w[:3].normal_(); w[3:].uniform_(); w.mul_(2)",
        RowSections((Normal(0.0, 2.0), Uniform(0.0, 2.0)), (3, 3)),
    ),
    (
        EMPTY + "for part in w.split(3): nn.init.orthogonal_(part)",
        RowSections((OrthogonalMatrix(1, 3, 4),) * 2, (3, 3)),
    ),
    (EMPTY + "w[1].normal_(); w.zero_()", Constant(0.0)),
    (EMPTY + "w[:, :2].normal_(); w[:, 2:].normal_()", Normal(0.0, 1.0)),
]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("code", "law"), LAWS, ids=[code for code, _ in LAWS])
def test_laws(code, law, device):
    with torch.device(device):
        found = trace(tensor_made_by(code, device=device))["w"]
    assert same_law(found.law, law)
    assert found.why is None
    assert found.checked == (device == "cpu")
    assert found.events


NO_LAWS = [
    ("w = torch.arange(24.0).view(shape)", Why.COMPUTED),
    ("w = torch.tensor([[1.0, 2.0]])", Why.COMPUTED),
    ("w = torch.exp(torch.arange(4.0))", Why.COMPUTED),
    (EMPTY + "w.normal_(); w[:, 1] = 0", Why.OWN_CODE),
    (EMPTY + "w.normal_(); w[w > 0] = 0", Why.OWN_CODE),
    ("w = torch.randn(shape) * torch.randn(shape)", Why.OWN_CODE),
    ("w = torch.randn(shape).abs()", Why.OWN_CODE),
    ("w = torch.randn(shape).clamp_(-1, 1)", Why.OWN_CODE),
    ("w = torch.rand(shape).round()", Why.OWN_CODE),
    ("w = torch.empty(shape).exponential_()", Why.OWN_CODE),
    ("w = nn.init.orthogonal_(torch.empty(8, 4))[:6]", Why.OWN_CODE),
    ("w = torch.cat([torch.randn(3, 4), torch.zeros(3, 4)])", Why.OWN_CODE),
    ("w = torch.empty(shape)", Why.LEFT_EMPTY),
    (EMPTY + "w[:2].zero_()", Why.LEFT_EMPTY),
    ("w = given", Why.NOT_SEEN),
]


@pytest.mark.parametrize(("code", "why"), NO_LAWS, ids=[code for code, _ in NO_LAWS])
def test_never_a_guess(code, why):
    found = trace(tensor_made_by(code, given=torch.randn(6, 4)))["w"]
    assert found.law is None
    assert found.why.kind is why


STEPS = [
    "w.normal_(0.5, 2)", "w.uniform_(-1, 3)", "w.fill_(2)", "w.mul_(0.5)", "w.div_(-4)",
    "w.add_(1, alpha=2)", "w.sub_(0.25)", "w.neg_()", "w.clamp_(-1e6, 1e6)", "w.clamp_(-1, 1)",
    "w[:20].normal_()", "w[20:50].uniform_()", "w[7].zero_()", "w[:, 3] = 1", "w[5:9].mul_(3)",
    "w = w.clone()", "w = 2 * w", "w = w.t().contiguous().t()", "w = w.double().float()",
    "w.copy_(torch.randn(shape))", "w[:30] = w[30:60]", "for part in w.chunk(4): part.normal_()",
    "w = copy.deepcopy(w)", "w.erfinv_()", "w = 1 - w", "w.data.add_(3)", "w.t().mul_(2)",
    "nn.init.trunc_normal_(w[:10], std=0.1, a=-0.2, b=0.1)", "nn.init.orthogonal_(w)",
    "nn.init.kaiming_normal_(w.view(shape))", "w = torch.stack([w, w])[1]", "w.abs_()", "w.exp_()",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=6), seed=st.integers(0, 2**32))
def test_no_law_is_wrong(steps, seed):
    torch.manual_seed(seed)
    code = "\n".join(["w = torch.empty(shape)", "w.normal_()", *steps])
    found = trace(tensor_made_by(code, shape=(64, 32), copy=copy))["w"]
    assert found.law is not None or found.why.kind is not Why.CONTRADICTED, found


def shifted_(tensor, std, shift=0.0, twice=False):
    """Fill as a user's own function does."""
    std = 2 * std if twice else std
    return tensor.normal_(0, std).add_(shift)


class Started(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.table = nn.Embedding(5, 3, padding_idx=1)
        self.init_weights()

    def init_weights(self):
        with torch.no_grad():
            shifted_(self.layer.weight, 0.25, shift=1.0)
        nn.init.zeros_(self.layer.bias)


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(at for at, line in enumerate(lines) if text in line)


def test_places_and_calls():
    history = trace(Started)
    weight, bias = history["layer.weight"].events, history["layer.bias"].events
    assert [(e.code, e.call, str(e.law), e.fate, e.by_torch) for e in (*weight, *bias)] == [
        ("Linear.reset_parameters", "kaiming_uniform_(a=2.236)", "Uniform(-0.5774, 0.5774)",
         "overwritten", True),
        ("Started.init_weights", "shifted_(std=…, shift=1)", "Normal(1, 0.25)", "stands", False),
        ("Linear.reset_parameters", "uniform_(a=-0.5774, b=0.5774)", "Uniform(-0.5774, 0.5774)",
         "overwritten", True),
        ("Started.init_weights", "zeros_()", "Constant(0)", "stands", False),
    ]  # fmt: skip
    assert weight[0].file == "torch/nn/modules/linear.py"
    assert weight[1].file.endswith("test_trace.py")
    assert weight[1].line == line_of(Started.init_weights, "shifted_(")
    assert bias[1].line == line_of(Started.init_weights, "zeros_")


def test_the_padding_row():
    found = trace(Started)["table.weight"]
    assert (found.law, found.padding) == (Normal(0.0, 1.0), 1)
    assert [(event.call, event.part) for event in found.events] == [
        ("normal_()", ""), ("fill_(0)", "[1]"),
    ]  # fmt: skip


def test_calls_on_a_model_that_exists():
    model = Started()
    history = trace(model, model.init_weights)
    assert [len(row.events) for row in history.rows] == [1, 1, 0]
    assert history["table.weight"].why.kind is Why.NOT_SEEN


def test_a_state_dict_is_loaded():
    state = Started().state_dict()

    def build():
        model = Started()
        model.load_state_dict(state)
        return model

    found = trace(build)["layer.bias"]
    line = line_of(build, "load_state_dict")
    assert found.why.kind is Why.LOADED
    assert str(found.why) == f"it was loaded from copy_() at {found.events[-1].file}:{line}"


def test_copies_remember_where_they_come_from():
    history = trace(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
    )
    events = history["layers.1.linear1.weight"].events
    assert events[0].code == "Linear.reset_parameters"
    assert same_law(history["layers.1.linear1.weight"].law, Uniform(-0.5, 0.5))


def test_a_copy_and_its_original_part():
    def build():
        model = nn.ModuleList([nn.Linear(2, 2)])
        model.append(copy.deepcopy(model[0]))
        nn.init.ones_(model[1].weight)
        return model

    history = trace(build)
    assert history["0.weight"].events[0].stands
    assert not history["1.weight"].events[0].stands


def test_tied_weights():
    def build():
        model = nn.ModuleList([nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)])
        model[1].weight = model[0].weight
        return model

    history = trace(build)
    assert history["1.weight"].tied_to == "0.weight"
    assert history.plan["1.weight"].law is None
    assert history["1.weight"].events == history["0.weight"].events


def test_own_laws_of_brickbook():
    def build():
        layer = nn.Linear(8, 8)
        kaiming_init(layer)
        return layer

    found = trace(build)["weight"]
    assert found.law == Normal(0.0, 0.5)
    assert found.events[-1].call.startswith("kaiming_init(")
    assert found.events[-1].line == line_of(build, "kaiming_init(")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_as_a_plan(device):
    with torch.device(device):
        history = trace(lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
        rules = plan(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), [
            {"type": "Uniform", "layer": "Linear", "a": -0.5, "b": 0.5},
            {"type": "Constant", "layer": "BatchNorm1d", "val": 2},
        ])  # fmt: skip
    assert [str(change) for change in history.plan.diff(rules)] == [
        "0.bias: Uniform(-0.5, 0.5) → Constant(0)",
        "1.weight: Constant(1) → Constant(2)",
    ]
    row = history.plan["0.weight"]
    assert row.rule == "kaiming_uniform_(a=2.236)"
    assert row.source.startswith("torch/nn/modules/linear.py:")


def test_json_frame_and_text():
    history = trace(Started)
    assert History.from_json(history.to_json()) == history
    frame = history.frame()
    assert list(frame["state"]) == ["overwritten", "stands"] * 2 + ["stands"] * 2
    assert repr(history) == "History: 3 of 3 parameters by a law, 2 written more than once"
    place = history["layer.bias"].events[1].place
    assert repr(history["layer.bias"]).splitlines()[::2] == [
        "layer.bias (Linear, 2, float32): Constant(0)",
        f"  2  {place} Started.init_weights  zeros_()  Constant(0)  stands",
    ]
    assert "Started.init_weights" in history._repr_html_()
    with pytest.raises(KeyError, match=r"layer\.bias"):
        history["layer.bia"]


def test_the_numbers_are_those_of_the_untraced_code():
    torch.manual_seed(3)
    plain, after = Started(), torch.rand(1)
    torch.manual_seed(3)
    seen = []
    trace(lambda: seen.append(Started()) or seen[0])
    assert torch.equal(torch.rand(1), after)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, seen[0].state_dict()[name])


def test_nothing_stays_behind_when_the_constructor_fails():
    def build():
        nn.Linear(2, 2)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        trace(build)
    assert not modes_are_active()


def test_other_modes_are_left_alone():
    class Counting(torch.overrides.TorchFunctionMode):
        calls = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            Counting.calls += 1
            return func(*args, **(kwargs or {}))

    def build():
        with Counting():
            return nn.Linear(4, 2)

    assert trace(build)["bias"].law == Uniform(-0.5, 0.5)
    assert Counting.calls


def test_another_thread_is_out_of_sight():
    def build():
        made = []
        thread = threading.Thread(target=lambda: made.append(nn.Linear(4, 2)))
        thread.start()
        thread.join()
        return made[0]

    assert {row.why.kind for row in trace(build).rows} == {Why.NOT_SEEN}


def test_writes_that_no_operation_makes_are_held_against_the_law():
    def build():
        layer = nn.Linear(64, 64, bias=False)
        layer.weight.detach().numpy()[:] = 7
        return layer

    found = trace(build)["weight"]
    assert found.law is None
    assert str(found.why) == (
        "its values do not follow Uniform(-0.125, 0.125), which the calls say"
    )


def test_lazy_layers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert trace(lambda: nn.LazyLinear(3))["weight"].why.kind is Why.LEFT_EMPTY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nn.Linear(1, 1),), "start: a model that exists needs what is to be traced. Give "
         "model.init_weights, say, or a function that builds the model in its place."),
        ((lambda: nn.Linear(1, 1), print), "start: it is for a model that exists."),
        ((3,), "model: 3 cannot be called."),
        ((lambda: 3,), "model: what builds the model returned 3, which is no nn.Module."),
    ],
)  # fmt: skip
def test_what_cannot_be_traced(arguments, message):
    with pytest.raises(ConfigError) as error:
        trace(*arguments)
    assert str(error.value) == message


def test_gates_of_an_lstm():
    class Gated(nn.LSTM):
        def reset_parameters(self):
            super().reset_parameters()
            nn.init.zeros_(self.bias_ih_l0)
            self.bias_ih_l0.data[4:8].fill_(1)

    found = trace(lambda: Gated(3, 4))["bias_ih_l0"].law
    assert found == RowSections((Constant(0), Constant(1), Constant(0)), (4, 4, 8))
    assert found.mean == BlockConstants((0.0, 1.0, 0.0, 0.0)).mean


@pytest.mark.parametrize("fill", [nn.init.trunc_normal_, nn.init.orthogonal_])
def test_a_model_that_goes_to_the_meta_device_by_itself(fill):
    def build():
        with torch.device("meta"):
            layer = nn.Linear(8, 4)
            fill(layer.weight)
            return layer

    with torch.device("meta"):
        outer = trace(build)
    assert same_law(trace(build)["weight"].law, outer["weight"].law)
    assert type(outer["weight"].law).__name__ in ("TruncNormal", "OrthogonalMatrix")


def test_a_cell_of_a_notebook_is_named_by_its_number(monkeypatch):
    compiler = CachingCompiler()
    lines = "def make():", "  net = nn.Linear(2, 2)", "  nn.init.ones_(net.weight)", "  return net"
    source = "\n".join(lines)
    file = compiler.cache(source, 3)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(compile=compiler))
    space = {"nn": nn}
    exec(compile(source, file, "exec"), space)
    first, last = trace(space["make"])["weight"].events
    assert last.place == "In[3]:3"
    assert first.place.startswith("torch/nn/modules/linear.py:")
