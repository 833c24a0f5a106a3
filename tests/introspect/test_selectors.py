"""What the selectors of ``layer`` and of overrides match: classes, names, patterns, parameters."""

import gc
import weakref

import pytest
import torch
from torch import nn

from brickbook import Sequential, UnmatchedRuleWarning, initialize, plan
from brickbook.introspect import parse_selector


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2)
        self.norm1 = nn.LayerNorm(8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({
            "layer1": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
            "layer2": nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)),
        })  # fmt: skip
        self.layers = nn.ModuleList([Attention(), Attention()])
        self.embed = nn.Embedding(10, 8, padding_idx=0)
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 8))
        self.gamma = nn.Parameter(torch.ones(8))
        self.head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.PReLU())
        self.bilinear = nn.Bilinear(2, 3, 4)
        self.lstm = nn.LSTM(8, 6)


CONVS = {"backbone.layer1.0.weight", "backbone.layer2.0.weight"}
CONV_BIASES = {"backbone.layer1.0.bias", "backbone.layer2.0.bias"}
IN_PROJ = {f"layers.{at}.attn.in_proj_weight" for at in (0, 1)}
OUT_PROJ = {f"layers.{at}.attn.out_proj.weight" for at in (0, 1)}
ATTENTION = {f"layers.{at}.attn.{key}" for at in (0, 1) for key in
             ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")}  # fmt: skip

SELECTORS = {
    "Conv2d": CONVS | CONV_BIASES,
    "_ConvNd": CONVS | CONV_BIASES,
    "backbone.layer*.0": CONVS | CONV_BIASES,
    "backbone.layer?.0": CONVS | CONV_BIASES,
    "backbone.layer[2-9].0": {"backbone.layer2.0.weight", "backbone.layer2.0.bias"},
    "backbone.layer1": {"backbone.layer1.0.weight", "backbone.layer1.0.bias"},
    "backbone.*": CONVS | CONV_BIASES,
    "backbone": CONVS | CONV_BIASES,
    r"re:backbone\.layer\d\.0": CONVS | CONV_BIASES,
    "layers.*.attn:in_proj_weight": IN_PROJ,
    "layers.*.attn:in_proj_*": IN_PROJ | {name.replace("weight", "bias") for name in IN_PROJ},
    r"re:layers\.\d\.attn:weight": IN_PROJ,
    "layers:weight": IN_PROJ | OUT_PROJ,
    "MultiheadAttention": ATTENTION,
    "layers.0": {name for name in ATTENTION if name.startswith("layers.0")},
    "*.norm1": {f"layers.{at}.norm1.{key}" for at in (0, 1) for key in ("weight", "bias")},
    "Conv2d:bias": CONV_BIASES,
    "head:bias": {"head.0.bias", "head.1.bias"},
    "head:scale": {"head.1.weight", "head.2.weight"},
    "head:weight": {"head.0.weight"},
    "head.*:weight": {"head.0.weight"},
    "head.1:weight": {"head.1.weight"},
    "head": {"head.0.weight", "head.0.bias"},
    ":embedding": {"embed.weight", "pos_embed"},
    "*:pos_embed": {"pos_embed"},
    "pos_embed": {"pos_embed"},
    "Net:pos_embed": {"pos_embed"},
    "head.0.weight": {"head.0.weight"},
    "head.*.weight": {"head.0.weight", "head.1.weight", "head.2.weight"},
    "Embedding": {"embed.weight"},
    "PReLU": {"head.2.weight"},
    "Bilinear": {"bilinear.weight", "bilinear.bias"},
    "LSTM": {f"lstm.{key}_l0" for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    "lstm:weight": {"lstm.weight_ih_l0", "lstm.weight_hh_l0"},
    "lstm:bias_hh_l0": {"lstm.bias_hh_l0"},
    "head.1:running_var": {"head.1.running_var"},
    "BatchNorm1d:running_*": {"head.1.running_mean", "head.1.running_var"},
}  # fmt: skip


def written(todo):
    return {row.name for row in todo.rows if row.law is not None}


@pytest.mark.parametrize("selector", SELECTORS)
def test_what_a_selector_matches(selector):
    rule = {"type": "Constant", "val": 7.0, "bias": 7, "layer": selector}
    model = Net()
    todo = plan(model, rule, strict=True)
    assert written(todo) == SELECTORS[selector]
    initialize(model, rule, strict=True)
    for name in SELECTORS[selector]:
        value = model.get_parameter(name) if name in dict(model.named_parameters()) else (
            model.get_buffer(name))  # fmt: skip
        free = value[1:] if name == "embed.weight" else value
        assert free.unique().tolist() == [7]


IN_OVERRIDES = sorted(SELECTORS.keys() - {"head", "backbone", "backbone.layer1", "layers.0"})


@pytest.mark.parametrize("selector", IN_OVERRIDES)
def test_an_override_takes_the_same_selectors(selector):
    rule = {"type": "Constant", "val": 7.0, "bias": 7, "override": {"name": selector}}
    assert written(plan(Net(), rule, strict=True)) == SELECTORS[selector]


def test_an_override_by_a_plain_name_fills_norms_too_as_in_mmcv():
    rule = {"type": "Normal", "override": {"name": "head"}}
    assert written(plan(Net(), rule)) == {
        f"head.{at}" for at in ("0.weight", "0.bias", "1.weight", "1.bias", "2.weight")
    }


def test_a_norm_met_with_others_keeps_its_own():
    row = plan(Net(), {"type": "Kaiming", "layer": "backbone.*"})["backbone.layer1.1.weight"]
    assert row.explain() == (
        "backbone.layer1.1.weight (BatchNorm2d, 4, float32): left as it is, "
        "a norm met along with other layers keeps its own."
    )


UNMATCHED = {
    "backbone.layer9": "matches nothing. Did you mean 'backbone.layer2'?",
    "backbone.leyer*": "matches nothing. Did you mean 'backbone.layer2'?",
    "Conv2D": "matches nothing. Did you mean 'Conv2d'?",
    "re:haed": "matches nothing. Did you mean 'head'?",
    "head:wieght": "matches no parameter. Known: bias, weight.",
    "Linear:in_proj_weight": "matches no parameter. Known: bias, weight.",
    "hed:bias": "matches nothing. Did you mean 'head'?",
    "head.1:num_batches": "matches no parameter. Known: bias, weight.",
}


@pytest.mark.parametrize("selector", UNMATCHED)
def test_a_selector_that_matches_nothing(selector):
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(Net(), {"type": "Zeros", "layer": selector})
    assert [str(item.message) for item in caught] == [
        f"init_cfg.layer: {selector} {UNMATCHED[selector]}"
    ]


ERRORS = [
    ({"type": "Xavier", "layer": "re:(("}, ValueError,
     "init_cfg.layer: 're:((' is no regular expression: "
     "missing ), unterminated subpattern at position 1."),
    ({"type": "Xavier", "layer": "*.norm1"}, ValueError,
     "init_cfg.type: Xavier needs a weight of 2 or more dimensions, "
     "layers.0.norm1.weight of LayerNorm has shape (8,)."),
    ({"type": "Xavier", "layer": "Conv2d:bias"}, ValueError,
     "init_cfg.type: Xavier needs a weight of 2 or more dimensions, "
     "backbone.layer1.0.bias of Conv2d has shape (4,)."),
    ({"type": "Zeros", "override": {"name": "backbone.leyer*"}}, RuntimeError,
     "init_cfg.override.name: Net has no module 'backbone.leyer*'. "
     "Did you mean 'backbone.layer2'?"),
]  # fmt: skip


@pytest.mark.parametrize("cfg, kind, message", ERRORS)
def test_words_that_cannot_be(cfg, kind, message):
    with pytest.raises(kind) as caught:
        plan(Net(), cfg)
    assert str(caught.value) == message


def test_names_are_relative_to_the_config_and_without_wrappers():
    inner = Sequential(nn.Linear(2, 2), nn.Linear(2, 2),
                       init_cfg={"type": "Ones", "layer": "1"})  # fmt: skip
    outer = Sequential(nn.Linear(2, 2), inner, init_cfg={"type": "Zeros", "layer": "0"})
    rows = plan(outer)
    assert rows["1.1.weight"].source == "1.init_cfg"
    assert rows["0.weight"].source == "init_cfg"
    wrapped = nn.Module()
    wrapped.module = outer
    todo = plan(wrapped, {"type": "Ones", "layer": "1.0", "override": {"name": "0"}})
    assert written(todo) == {"module.1.0.weight", "module.1.0.bias",
                             "module.0.weight", "module.0.bias"}  # fmt: skip


def test_a_class_comes_before_a_name():
    model = nn.ModuleDict({"Linear": nn.Conv1d(1, 1, 1), "fc": nn.Linear(1, 1)})
    assert written(plan(model, {"type": "Ones", "layer": "Linear"})) == {"fc.weight", "fc.bias"}


SHAPES = {  # the fans of one part: (layer, key, std of Xavier)
    "attention": (nn.MultiheadAttention(8, 2), "in_proj_weight", (2 / 16) ** 0.5),
    "attention with other keys": (
        nn.MultiheadAttention(8, 2, kdim=4),
        "k_proj_weight",
        (2 / 12) ** 0.5,
    ),
    "LSTM input": (nn.LSTM(4, 6), "weight_ih_l0", (2 / 10) ** 0.5),
    "LSTM state": (nn.LSTM(4, 6), "weight_hh_l0", (2 / 12) ** 0.5),
    "LSTM projection": (nn.LSTM(4, 6, proj_size=3), "weight_hr_l0", (2 / 9) ** 0.5),
    "GRU": (nn.GRU(4, 6, bidirectional=True), "weight_ih_l0_reverse", (2 / 10) ** 0.5),
    "RNN": (nn.RNN(4, 6), "weight_ih_l0", (2 / 10) ** 0.5),
    "LSTM cell": (nn.LSTMCell(4, 6), "weight_ih", (2 / 10) ** 0.5),
    "GRU cell": (nn.GRUCell(4, 6), "weight_hh", (2 / 12) ** 0.5),
    "RNN cell": (nn.RNNCell(4, 6), "weight_ih", (2 / 10) ** 0.5),
    "bilinear": (nn.Bilinear(2, 3, 4), "weight", (2 / (2 * 3 + 4 * 3)) ** 0.5),
}


@pytest.mark.parametrize("case", SHAPES)
def test_packed_weights_have_the_fans_of_a_part(case):
    layer, key, std = SHAPES[case]
    todo = plan(layer, {"type": "Xavier", "layer": type(layer).__name__})
    assert todo[key].law.std == pytest.approx(std)
    biases = [row for row in todo.rows if "bias" in row.name]
    assert all(str(row.law) == "Constant(0)" for row in biases)


def test_the_parts_of_a_packed_weight_are_orthogonal_each():
    layer = nn.LSTM(6, 6)
    todo = plan(layer, {"type": "Orthogonal", "layer": "LSTM"})
    assert str(todo["weight_hh_l0"].law) == "4 × OrthogonalMatrix(1, 6, 6)"
    for seed in (None, 3):
        initialize(layer, {"type": "Orthogonal", "layer": "LSTM"}, seed=seed)
        for part in layer.weight_hh_l0.detach().chunk(4):
            assert torch.allclose(part @ part.T, torch.eye(6), atol=1e-5)


@pytest.mark.parametrize("kind", [nn.Transformer, nn.TransformerEncoder])
def test_torch_s_transformers_are_layers(kind):
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = (
        nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        if kind is nn.Transformer
        else kind(block, 2)
    )
    todo = plan(model, {"type": "Xavier", "distribution": "uniform", "layer": kind.__name__})
    for row in todo.rows:
        assert (row.law is None) == (row.module == "LayerNorm"), row.explain()


def test_the_padding_row_of_an_embedding_stays_zero():
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=2), nn.Embedding(5, 3))
    for seed in (None, 0):
        report = initialize(model, {"type": "Normal", "layer": "Embedding"}, seed=seed)
        assert model[0].weight[2].tolist() == [0, 0, 0] and model[0].weight[1].all()
        assert report.plan["0.weight"].padding == 2 and report.plan["1.weight"].padding is None


def test_words_are_read():
    assert (
        parse_selector("re:abc").param_pattern == ""
        and parse_selector("re:abc:bias").param_pattern == "bias"
    )
    assert parse_selector("re:(?:a|b)").param_pattern == ""
    assert parse_selector(nn.Linear).kind == "class"


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("a[0]", {"a[0].weight", "a[0].bias"}),
        ("a[0]:bias", {"a[0].bias"}),
        ("a[0].weight", {"a[0].weight"}),
        ("a*", {"a*.weight", "a*.bias"}),
        ("?[[]0]", {"a[0].weight", "a[0].bias"}),
        ("a[05]", {"a0.weight", "a0.bias"}),
    ],
)
def test_a_name_with_the_signs_of_globs_is_meant_to_the_letter(selector, names):
    model = nn.Module()
    for name in ("a[0]", "a0", "a*", "a[05].no"):
        model._modules[name] = nn.Linear(2, 2)
    assert written(plan(model, dict(type="Constant", val=1, layer=selector), strict=True)) == names
    if ":" not in selector and not selector.endswith("weight"):
        override = dict(type="Constant", val=1, override=dict(name=selector))
        assert written(plan(model, override, strict=True)) == names


def test_a_class_that_a_cell_defines_anew_is_not_kept_alive():
    class Mine(nn.Linear):
        pass

    layers = [dict(type="Kaiming", layer="Mine"), dict(type="Zeros", layer=Mine)]
    assert all(plan(nn.Sequential(Mine(2, 2)), rule)["0.weight"].law for rule in layers)
    kind = weakref.ref(Mine)
    del Mine, layers
    gc.collect()
    assert kind() is None
