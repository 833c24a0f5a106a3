"""What a constructor does is done again: laws by name, tables bit for bit, own code seeded."""

from __future__ import annotations

import copy
import math

import numpy
import pytest
import torch
from materialize_worker import Started, on_meta
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.execution.materialize import materialize
from brickbook.init.laws import Constant, Normal, TruncNormal
from brickbook.init.planning import Reason, Why
from brickbook.init.tracing import trace
from brickbook.init.tracing.check import follows
from brickbook.introspect import modes_are_active


class Tables(nn.Module):
    """Everything that models compute without a draw: none of it has a law."""

    def __init__(self, size=16):
        super().__init__()
        steps = torch.arange(0, size, 2, dtype=torch.int64).float() / size
        self.register_buffer("inv_freq", 1.0 / (10000**steps), persistent=False)
        self.register_buffer("positions", torch.arange(5).expand((1, -1)))
        self.register_buffer("mask", torch.tril(torch.ones(4, 4, dtype=torch.bool))[None, None])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("one", torch.tensor(1.5))
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("zeros", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("from_numpy", torch.from_numpy(numpy.ones(2)) * 3)
        self.register_buffer("cut", torch.full((3, 3), float("-inf")).triu(1))
        grid = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij"))
        offsets = grid.flatten(1)[:, :, None] - grid.flatten(1)[:, None, :]
        offsets[0] += 2
        offsets[0] *= 5
        self.register_buffer("relative", offsets.sum(0))
        angles = torch.arange(12.0).view(6, 2)
        table = torch.empty(6, 4).normal_()
        table[:, 0::2], table[:, 1::2] = angles.sin(), angles.cos()
        self.table = nn.Parameter(table, requires_grad=False)
        decay = torch.arange(1, 5).repeat(3, 1).to(torch.float32)
        self.decay = nn.Parameter(torch.log(decay))
        self.plain = torch.linspace(0, 1, 7)
        self.tied = self.inv_freq
        self.norm = nn.BatchNorm2d(3)


def test_tables_are_those_of_the_constructor_bit_for_bit():
    expected = Tables()
    model, report = materialize(Tables, trace=True, seed=1)
    for name, tensor in (*expected.named_parameters(), *expected.named_buffers()):
        found = dict((*model.named_parameters(), *model.named_buffers()))[name]
        assert torch.equal(found, tensor) and found.dtype == tensor.dtype, name
        assert found.requires_grad == tensor.requires_grad
    assert torch.equal(model.plain, expected.plain)
    assert model.tied is model.inv_freq
    assert report["inv_freq"].action == report["plain"].action == "called"
    assert report["norm.weight"].law == "Constant(1)"
    assert not report.untouched


class Net(nn.Module):
    """It starts itself, by class and by name."""

    def __init__(self, scale=0.5):
        super().__init__()
        self.table = nn.Embedding(9, 4, padding_idx=1)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 4))
        self.head = nn.Linear(4, 9, bias=False)
        self.head.weight = self.table.weight
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.25)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.constant_(part.bias, 0.125)
        nn.init.normal_(self.table.weight, std=scale)
        with torch.no_grad():
            self.table.weight[1].zero_()


def test_numbers_are_those_of_rules_with_the_same_laws():
    """Streams go by seed and name: not by what the constructor has drawn before."""
    model, report = materialize(Net, trace=True, seed=7)
    rules = trace(Net).to_init_cfg(strict=True)
    expected = Net()
    initialize(expected, rules, seed=7)
    assert model.head.weight is model.table.weight
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, expected.get_parameter(name)), name
    row = report.plan["body.0.weight"]
    assert row.law == TruncNormal(0.0, 0.25, -2.0, 2.0)
    assert row.rule == "trunc_normal_(std=0.25)"
    assert row.source.split(":")[0].endswith("test_replay.py")


@pytest.mark.parametrize("make", [Net, Started])
def test_not_the_generator_nor_the_threads(make):
    models = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            torch.manual_seed(count)
            state = torch.get_rng_state()
            models.append(materialize(make, trace=True, seed=3)[0])
            assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)
    for name, tensor in models[0].state_dict().items():
        assert torch.equal(tensor, models[1].state_dict()[name]), name


class Deep(nn.Module):
    """Numbers that it reads from tensors say how it is built."""

    def __init__(self):
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.3, 4)]
        widths = (torch.arange(1, 4) * 2).tolist()
        size = int(torch.tensor(3.0)) + torch.ones(2).sum().numpy().astype(int)
        self.drops = nn.ModuleList(nn.Dropout(rate) for rate in rates)
        self.layers = nn.ModuleList(nn.Linear(width, int(size)) for width in widths)
        if torch.tensor(size) > 4:
            nn.init.constant_(self.layers[0].weight, torch.eye(2).sum())


def test_numbers_that_the_constructor_reads():
    model, report = materialize(Deep, trace=True, seed=0)
    expected = Deep()
    assert [each.p for each in model.drops] == [each.p for each in expected.drops]
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in expected.state_dict().items()
    }
    assert (model.layers[0].weight == 2).all()
    assert not report.untouched
    with pytest.raises(RuntimeError, match="meta"):
        materialize(lambda: nn.Linear(int(torch.rand(1).mul(9)), 2), trace=True)


class OwnCode(nn.Module):
    """Draws that no law describes."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.rand(4000).mul(2).exp().clamp(min=1.5))
        self.b = nn.Parameter(torch.rand(4000).mul(2).exp().clamp(min=1.5))
        self.weighted = weight_norm(nn.Linear(4, 3))
        self.spectral = spectral_norm(nn.Linear(4, 3))


def test_own_code_is_done_again():
    model, report = materialize(OwnCode, trace=True, seed=3)
    a, b = model.a.detach(), model.b.detach()
    assert not torch.equal(a, b)
    assert (a == 1.5).float().mean().item() == pytest.approx(math.log(1.5) / 2, abs=0.05)
    assert a.max() < math.exp(2) and a.min() == 1.5
    norms = model.weighted.parametrizations.weight
    expected = norms.original1.norm(dim=1, keepdim=True)
    assert torch.equal(norms.original0, expected)  # of the numbers that are there
    largest = torch.linalg.matrix_norm(model.eval().spectral.weight, 2)
    assert largest.item() == pytest.approx(1, abs=1e-3)
    assert report["a"].action == "called" and report["a"].source.startswith("a by clamp(1.5) at ")
    again, _ = materialize(OwnCode, trace=True, seed=3)
    other, _ = materialize(OwnCode, trace=True, seed=4)
    assert torch.equal(again.a, a) and not torch.equal(other.a, a)


def test_rules_win_over_what_was_traced():
    rules = dict(type="Constant", layer="Linear", val=2.0, bias=1.0)
    model, report = materialize(Net, rules, trace=True, seed=7)
    assert report.plan["body.0.weight"].law == Constant(2.0)
    assert report.plan["body.1.weight"].law == Constant(1.0)
    assert report.plan["table.weight"].law == Constant(2.0)  # the head is a Linear
    assert (model.body[0].bias == 1).all()


def test_a_model_that_exists():
    one, _ = materialize(Net, trace=True, seed=7)
    model = on_meta(Net)
    model.body[2].bias = nn.Parameter(torch.full((4,), 9.0))
    report = materialize(model, trace=Net, seed=7)
    assert torch.equal(model.table.weight, one.table.weight)
    assert (model.body[2].bias == 9).all()  # it had values
    assert report.plan["body.2.bias"].law is None


def test_init_weights_is_called_by_the_constructor_or_not_at_all():
    class Uncalled(nn.Linear):
        def init_weights(self):
            nn.init.ones_(self.weight)

    class Called(Uncalled):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.init_weights()

    for kind, law in ((Uncalled, "Uniform(-0.5, 0.5)"), (Called, "Constant(1)")):
        _, report = materialize(lambda kind=kind: kind(4, 4), trace=True, seed=0)
        assert str(report.plan["weight"].law) == law


class Config:
    """As the models of transformers: nothing is started on the meta device, unless it is asked."""


class PreTrainedModel(nn.Module):
    def initialize_weights(self):
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02)


class Inner(PreTrainedModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)


def test_models_of_transformers_are_started():
    make = lambda: nn.Sequential(Inner(), nn.Linear(4, 2))  # noqa: E731
    _, report = materialize(make, trace=True, seed=0)
    assert report.plan["0.layer.weight"].law == Normal(0.0, 0.02)
    assert str(report.plan["1.weight"].law) == "Uniform(-0.5, 0.5)"
    assert trace(make, meta=True)["0.layer.weight"].law == Normal(0.0, 0.02)


class Rare(nn.Module):
    """Draws and copies in forms that are not those of most models."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Parameter(nn.init.orthogonal_(torch.empty(6, 6))[:4])
        self.cut = nn.Parameter(nn.init.trunc_normal_(torch.empty(50), std=0.5).abs())
        self.order = nn.Parameter(torch.randperm(5).float())
        self.joined = nn.Parameter(torch.cat([torch.randn(2, 3), torch.zeros(1, 3)]))
        self.unit = nn.Parameter(torch.randn(4, 4))
        self.unit.data = self.unit.data / self.unit.data.norm()
        self.loaded = nn.Linear(2, 2)
        self.loaded.load_state_dict({"weight": torch.ones(2, 2) * 3, "bias": torch.zeros(2)})
        self.copied = copy.deepcopy(nn.ModuleList([Tables()]))
        self.narrow = nn.Linear(4, 4).half()


def test_rare_forms():
    model, report = materialize(Rare, trace=True, seed=0)
    assert torch.allclose(model.rows @ model.rows.T, torch.eye(4), atol=1e-6)
    assert (model.cut >= 0).all() and model.cut.std() > 0.1
    assert sorted(model.order.tolist()) == [0, 1, 2, 3, 4]
    assert (model.joined[2] == 0).all() and (model.joined[:2] != 0).all()
    assert model.unit.norm().item() == pytest.approx(1)
    assert (model.loaded.weight == 3).all()
    assert torch.equal(model.copied[0].inv_freq, Tables().inv_freq)
    assert model.narrow.weight.dtype is torch.float16
    assert not report.untouched


def test_a_model_that_is_there_already_keeps_its_numbers():
    old = nn.Linear(3, 3)
    before = old.weight.clone()
    model, report = materialize(lambda: old, trace=True, seed=0)
    assert model is old and torch.equal(old.weight, before)
    assert report.untouched == ("weight", "bias")


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        tensor = torch.sparse_coo_tensor([[0], [1]], [1.0], (2, 2))
        self.sparse = nn.Parameter(tensor, requires_grad=False)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("meta", [False, True])
def test_a_tensor_without_a_storage(meta):
    found = trace(Sparse, meta=meta)["sparse"]
    assert (found.law, found.why) == (None, Reason(Why.NOT_SEEN))
    with pytest.raises(ConfigError, match="model: nothing fills sparse"):
        materialize(Sparse, trace=True)


class Empty(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.w = nn.Parameter(torch.empty(3))


def test_what_nothing_writes_is_refused_by_name():
    with pytest.raises(ConfigError) as error:
        materialize(Empty, trace=True, seed=0)
    assert str(error.value) == (
        "model: nothing fills w: no call has written it. Name them in a rule: 'Empty:w'. "
        "Or pass allow_uninitialized=True."
    )
    model, report = materialize(Empty, trace=True, seed=0, allow_uninitialized=True)
    assert model.w.isnan().all() and report["w"].reason == "no call has written it; it is NaN"
    model, _ = materialize(Empty, dict(type="Ones", layer="Empty:w"), trace=True, seed=0)
    assert (model.w == 1).all()


def test_nothing_stays_behind_when_the_constructor_fails():
    def build():
        nn.Linear(2, 2)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        materialize(build, trace=True)
    assert not modes_are_active()
    assert torch.empty(1).device.type == "cpu"


def shape_of_another():
    model = Net()
    model.body[0] = nn.Linear(4, 5)
    return model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Net(), True), "trace: how a model that exists has started is not known. Give what "
         "builds one like it: trace=function."),
        ((Net, Net), f"trace: expected True or False, got {Net!r}. A function is for a model that "
         "exists."),
        ((Net, "yes"), "trace: expected True or False, got 'yes'. A function is for a model that "
         "exists."),
        ((Net(), shape_of_another), "trace: it builds another model: body.0.weight is (5, 4) "
         "there, here (8, 4)."),
        ((Net(), Empty), "trace: it builds another model: there is no table.weight in it."),
        ((lambda: nn.Linear(2, 2).to("cpu"), True), "model: what builds it moves a tensor off the "
         "meta device, where it has no numbers. Build it without a device: materialize(..., "
         "device=...) moves it."),
        ((lambda: nn.LazyLinear(3), True), "model: nothing fills weight, bias: it has no shape "
         "yet: run one batch through the lazy module. Or pass allow_uninitialized=True."),
        ((3, True), "model: 3 cannot be called."),
        ((lambda: 3, True), "model: what builds the model returned 3, which is no nn.Module."),
    ],
)  # fmt: skip
def test_mistakes(arguments, message):
    model, tracing = arguments
    with pytest.raises(ConfigError) as error:
        materialize(model, trace=tracing, seed=0)
    assert str(error.value) == message


def test_a_failure_leaves_the_model_without_memory(monkeypatch):
    model = on_meta(Net)
    before = copy.copy(dict(model.named_parameters()))
    monkeypatch.setattr(TruncNormal, "draw", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        materialize(model, trace=Net, seed=0)
    for name, tensor in model.named_parameters():
        assert tensor is before[name] and tensor.is_meta


def test_every_law_holds():
    model, report = materialize(Started, trace=True, seed=0)
    for row in report.plan.rows:
        if row.law is not None and row.kind == "parameter":
            assert follows(model.get_parameter(row.name), row.law, row.padding), row.name
