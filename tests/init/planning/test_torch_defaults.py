"""What torch's constructors draw, as laws: against the layers that torch builds."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as old_spectral_norm

from brickbook.init.execution.materialize import materialize
from brickbook.init.laws import Constant, Normal, Uniform
from brickbook.init.planning import InitPlan, Phase, PlanRow, plan
from brickbook.init.planning.completion import add_default_rows
from brickbook.init.planning.torch_defaults import torch_default_laws

# Layers whose tensors torch draws in the order of their names.
IN_ORDER = {
    "Linear": lambda: nn.Linear(7, 5),
    "Linear without bias": lambda: nn.Linear(7, 5, bias=False),
    "Linear without inputs": lambda: nn.Linear(0, 5),
    "Linear in float64": lambda: nn.Linear(7, 5, dtype=torch.float64),
    "Bilinear": lambda: nn.Bilinear(4, 3, 5),
    "Conv1d": lambda: nn.Conv1d(4, 6, 3, groups=2),
    "Conv2d": lambda: nn.Conv2d(3, 8, (3, 5)),
    "Conv3d": lambda: nn.Conv3d(2, 4, 3),
    "ConvTranspose1d": lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(4, 6, 3),
    "ConvTranspose3d": lambda: nn.ConvTranspose3d(4, 6, 2),
    "Embedding": lambda: nn.Embedding(9, 4),
    "Embedding with padding": lambda: nn.Embedding(9, 4, padding_idx=-2),
    "EmbeddingBag": lambda: nn.EmbeddingBag(9, 4, padding_idx=1),
    "BatchNorm1d": lambda: nn.BatchNorm1d(4),
    "BatchNorm2d without statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "BatchNorm3d without scale": lambda: nn.BatchNorm3d(4, affine=False),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(4),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "LayerNorm": lambda: nn.LayerNorm([3, 4]),
    "RMSNorm": lambda: nn.RMSNorm(4),
    "PReLU": lambda: nn.PReLU(3, init=0.1),
    "RNN": lambda: nn.RNN(3, 4, 2, bidirectional=True),
    "LSTM": lambda: nn.LSTM(3, 4, 2, proj_size=2),
    "GRU": lambda: nn.GRU(3, 4),
    "RNNCell": lambda: nn.RNNCell(3, 4),
    "LSTMCell": lambda: nn.LSTMCell(3, 4),
    "GRUCell": lambda: nn.GRUCell(3, 4, bias=False),
}
# Layers that torch draws in another order: only the laws can be compared.
IN_ANOTHER = {
    "attention": lambda: nn.MultiheadAttention(16, 2),
    "attention of three sizes": lambda: nn.MultiheadAttention(16, 2, kdim=8, vdim=24),
    "attention with biases to keys": lambda: nn.MultiheadAttention(16, 2, add_bias_kv=True),
    "attention without bias": lambda: nn.MultiheadAttention(16, 2, bias=False),
    "encoder layer": lambda: nn.TransformerEncoderLayer(16, 2, 24, batch_first=True),
    "decoder layer": lambda: nn.TransformerDecoderLayer(16, 2, 24),
    "transformer": lambda: nn.Transformer(16, 2, 1, 1, 24, batch_first=True),
}


def on_meta(make):
    with torch.device("meta"):
        return make()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", IN_ORDER)
def test_the_laws_draw_torchs_numbers(name):
    torch.manual_seed(3)
    real = IN_ORDER[name]()
    layer = on_meta(IN_ORDER[name])
    torch.manual_seed(3)
    materialize(layer)
    assert {key: value.dtype for key, value in layer.state_dict().items()} == {
        key: value.dtype for key, value in real.state_dict().items()
    }
    for key, value in real.state_dict().items():
        assert torch.equal(layer.state_dict()[key], value), key


@pytest.mark.parametrize("name", IN_ANOTHER)
def test_the_laws_are_those_of_torchs_numbers(name):
    torch.manual_seed(3)
    drawn = [IN_ANOTHER[name]().state_dict() for _ in range(8)]
    made = on_meta(IN_ANOTHER[name])
    rows = add_default_rows(plan(made), made)
    assert list(rows) == list(drawn[0])
    for key, row in rows.items():
        values = torch.cat([state[key].flatten() for state in drawn]).double()
        if isinstance(row.law, Constant):
            assert (values == row.law.value).all(), key
            continue
        law = (
            stats.norm(row.law.mean, row.law.std)
            if isinstance(row.law, Normal)
            else stats.uniform(row.law.low, row.law.high - row.law.low)
        )
        assert stats.kstest(values.numpy(), law.cdf).pvalue > 1e-3, key


@pytest.mark.parametrize(
    ("layer", "key", "law"),
    [
        (nn.Linear(16, 4), "weight", Uniform(-0.25, 0.25)),
        (nn.Linear(16, 4), "bias", Uniform(-0.25, 0.25)),
        (nn.Conv2d(8, 6, 4, groups=2), "bias", Uniform(-0.125, 0.125)),
        (nn.ConvTranspose1d(5, 8, 8), "bias", Uniform(-0.125, 0.125)),
        (nn.Bilinear(4, 9, 2), "weight", Uniform(-0.5, 0.5)),
        (nn.LSTM(3, 16), "weight_ih_l0", Uniform(-0.25, 0.25)),
        (nn.Embedding(3, 4), "weight", Normal(0.0, 1.0)),
        (nn.MultiheadAttention(6, 2), "in_proj_weight", Uniform(-0.5, 0.5)),
        (nn.MultiheadAttention(4, 2, kdim=2), "k_proj_weight", Uniform(-1.0, 1.0)),
        (nn.MultiheadAttention(4, 2, add_bias_kv=True), "bias_k", Normal(0.0, 0.5)),
        (nn.MultiheadAttention(4, 2), "out_proj.bias", Constant(0.0)),
        (nn.GroupNorm(2, 4), "weight", Constant(1.0)),
        (nn.BatchNorm1d(4), "running_var", Constant(1.0)),
        (nn.PReLU(init=0.3), "weight", Constant(0.3)),
    ],
)
def test_the_numbers_of_the_laws(layer, key, law):
    found = torch_default_laws(layer)[key]
    assert type(found) is type(law)
    assert (found.mean, found.std) == pytest.approx((law.mean, law.std), rel=1e-12)


class Mine(nn.Linear):
    def reset_parameters(self):
        nn.init.ones_(self.weight)


class WithMore(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)
        self.low_rank = nn.Parameter(torch.zeros(4, 1))


class OtherStatistics(nn.BatchNorm1d):
    def reset_running_stats(self):
        self.running_mean.fill_(1.0)


def test_a_class_that_resets_itself_is_its_own_affair():
    assert torch_default_laws(Mine(4, 4)) == {}
    assert set(torch_default_laws(OtherStatistics(4))) == {"weight", "bias"}
    assert torch_default_laws(nn.ReLU()) == {}
    made = on_meta(WithMore)
    rows = add_default_rows(plan(made), made)
    assert [name for name, row in rows.items() if row.law is None] == ["low_rank"]
    assert rows["low_rank"].reason == "no rule matches WithMore"


def test_rows_of_a_default_come_first_and_say_so():
    made = on_meta(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)))
    before = plan(made, dict(type="Normal", layer="Linear"))
    rows = add_default_rows(before, made)
    assert list(rows) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias",
        "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    assert [row.name for row in rows.planned][-2:] == ["2.weight", "2.bias"]
    assert rows["2.weight"] == before["2.weight"]
    assert rows.explain("0.bias") == (
        "0.bias (Conv2d, 4, float32): Uniform(-0.1925, 0.1925), default by torch."
    )
    assert (rows["1.running_var"].kind, rows["1.running_var"].dtype) == ("buffer", "float32")
    assert add_default_rows(rows, made) == rows
    assert type(rows).from_json(rows.to_json()) == rows


def test_what_has_values_is_protected_or_frozen_by_wish_has_no_default():
    real = nn.Linear(3, 3)
    assert add_default_rows(plan(real), real) == plan(real)
    made = on_meta(lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.LazyLinear(2)))
    made[1].requires_grad_(False)
    rows = add_default_rows(plan(made, protect="0:bias", frozen="skip"), made)
    assert [name for name, row in rows.items() if row.law] == ["0.weight"]


def test_of_a_tied_tensor_the_first_name_has_the_say():
    made = on_meta(lambda: nn.ModuleList([nn.Embedding(5, 4), nn.Linear(4, 5)]))
    made[1].weight = made[0].weight
    rows = add_default_rows(plan(made), made)
    assert rows["0.weight"].law == Normal(0.0, 1.0)
    assert (rows["1.weight"].law, rows["1.weight"].tied_to) == (None, "0.weight")


def test_parametrised_weights_are_set_through():
    made = on_meta(lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(16, 3))))
    rows = add_default_rows(plan(made), made)
    assert rows["0.weight"].kind == "parametrised"
    assert rows["0.weight"].law.std == pytest.approx(0.5 / math.sqrt(12))
    assert {rows[f"0.parametrizations.weight.original{i}"].reason for i in range(2)} == {
        "it is set through 0.weight"
    }
    materialize(made, seed=0)
    assert made[0].weight.std().item() == pytest.approx(0.5 / math.sqrt(12), rel=0.25)


def test_the_old_spectral_norm_keeps_its_weight_elsewhere():
    made = on_meta(lambda: old_spectral_norm(nn.Linear(16, 3)))
    rows = add_default_rows(plan(made), made)
    assert rows["weight_orig"].law.std == pytest.approx(0.5 / math.sqrt(12))


def test_defaults_come_first_and_go_through_json():
    made = on_meta(lambda: nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    todo = add_default_rows(plan(made, dict(type="Zeros", layer="LayerNorm")), made)
    assert [(row.name, row.phase) for row in todo.planned] == [
        ("0.weight", Phase.TORCH_DEFAULTS),
        ("0.bias", Phase.TORCH_DEFAULTS),
        ("1.weight", Phase.RULES),
        ("1.bias", Phase.RULES),
    ]
    assert InitPlan.from_json(todo.to_json()) == todo
    old = [row.to_dict() for row in todo.rows]
    for at, row in enumerate(old):
        if row.pop("phase", None):  # before phases had names
            row["order"] = at - (1 << 40)
    again = InitPlan(tuple(map(PlanRow.from_dict, old)))
    assert [row.name for row in again.planned] == [row.name for row in todo.planned]
