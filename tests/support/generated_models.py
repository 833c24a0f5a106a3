"""Models and init_cfgs for hypothesis, described by plain values: one can be built twice."""

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from brickbook import BaseModule, Sequential


class Raw(nn.Module):
    """Parameters that stand in no layer of torch's, and a buffer of whole numbers."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 3, 4))
        self.gamma = nn.Parameter(torch.ones(4))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("counts", torch.arange(3))


class Own(BaseModule):
    """Starts itself by code of its own."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def init_weights(self):
        nn.init.constant_(self.fc.weight, 5)


class TinyRMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))


def quantised():
    layer = nn.Linear(4, 4)
    layer.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    return layer


def spectral():
    return torch.nn.utils.spectral_norm(nn.Conv2d(2, 3, 3))


LEAVES = {
    "linear": lambda: nn.Linear(16, 16),
    "small": lambda: nn.Linear(4, 4),
    "no bias": lambda: nn.Linear(4, 5, bias=False),
    "half": lambda: nn.Linear(16, 16).half(),
    "bfloat16": lambda: nn.Linear(16, 16).bfloat16(),
    "double": lambda: nn.Linear(4, 4).double(),
    "empty": lambda: nn.Linear(4, 0),
    "conv1d": lambda: nn.Conv1d(4, 4, 3),
    "conv2d": lambda: nn.Conv2d(4, 8, 3, groups=2),
    "last": lambda: nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last),
    "turned": lambda: nn.ConvTranspose2d(4, 6, 2),
    "batch norm": lambda: nn.BatchNorm2d(4),
    "layer norm": lambda: nn.LayerNorm(4),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "foreign norm": TinyRMSNorm,
    "embedding": lambda: nn.Embedding(10, 4),
    "padded": lambda: nn.Embedding(10, 4, padding_idx=0),
    "bag": lambda: nn.EmbeddingBag(10, 4, padding_idx=-1),
    "lstm": lambda: nn.LSTM(4, 3, num_layers=2),
    "gru": lambda: nn.GRU(4, 3, bidirectional=True),
    "cell": lambda: nn.RNNCell(4, 3),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "cross attention": lambda: nn.MultiheadAttention(4, 2, kdim=6),
    "prelu": lambda: nn.PReLU(4),
    "bilinear": lambda: nn.Bilinear(2, 3, 4),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(4, 4)),
    "spectral norm": spectral,
    "lazy": lambda: nn.LazyLinear(4),
    "lazy conv": lambda: nn.LazyConv2d(4, 3),
    "raw": Raw,
    "own": Own,
    "quantised": quantised,
    "relu": nn.ReLU,
}

NUMBERS = st.sampled_from([1, 0.5, 0, 3, 2.5, 1e-3, 100, -1])
WRONG = st.sampled_from([float("nan"), float("inf"), -1, "x", None, True, [1], 1e39])
WORDS = [
    "Linear", "Conv2d", "_ConvNd", "ConvTranspose2d", "BatchNorm2d", "_BatchNorm", "LayerNorm",
    "Embedding", "EmbeddingBag", "LSTM", "RNNBase", "MultiheadAttention", "PReLU", "Bilinear",
    "LazyLinear", "Raw", "Own", "TinyRMSNorm", "*", "0", "1", "0.0", "1.*", "*.0", "?", "re:.*",
    r"re:\d", r"re:.*\.1", ":weight", ":bias", ":scale", ":embedding", "*:weight", "*.0:bias",
    "Linear:bias", "0:weight", "LSTM:weight_hh_*", "MultiheadAttention:in_proj_weight",
    "*.weight", "0.bias", "*:pos_embed", "*:logit_scale", "*:counts", "BatchNorm2d:running_*",
    "BatchNorm2d:num_batches_tracked", "Raw:*", "fc", "*.fc", "nonsense", "re:((", "", ":", "[",
]  # fmt: skip
AXES = st.sampled_from([0, 1, 2, -1, (0, 1), (), "x"])
ARGUMENTS = {
    "Constant": {"val": NUMBERS},
    "Zeros": {},
    "Ones": {},
    "Normal": {"mean": NUMBERS, "std": NUMBERS},
    "Uniform": {"a": NUMBERS, "b": NUMBERS},
    "TruncNormal": {"mean": NUMBERS, "std": NUMBERS, "a": NUMBERS, "b": NUMBERS,
                    "units": st.sampled_from(["absolute", "std", "cm"])},
    "Xavier": {"gain": st.one_of(NUMBERS, st.just("auto")), "in_axis": AXES,
               "distribution": st.sampled_from(["normal", "uniform", "cauchy"])},
    "Kaiming": {"a": NUMBERS, "mode": st.sampled_from(["fan_in", "fan_out", "fan"]),
                "nonlinearity": st.sampled_from(["relu", "tanh", "auto", "leaky_relu", "nope"]),
                "distribution": st.sampled_from(["normal", "uniform"])},
    "Caffe2Xavier": {},
    "LeCun": {"distribution": st.sampled_from(["normal", "truncated_normal"])},
    "VarianceScaling": {"scale": NUMBERS, "mode": st.sampled_from(["fan_avg", "fan_geo_avg"]),
                        "distribution": st.sampled_from(["normal", "uniform", "x"])},
    "Orthogonal": {"gain": NUMBERS},
    "DeltaOrthogonal": {"gain": NUMBERS},
    "Dirac": {"groups": st.sampled_from([1, 2, 0, 1.5])},
    "Identity": {"gain": NUMBERS},
    "Sparse": {"sparsity": st.sampled_from([0, 0.5, 1, 2]), "std": NUMBERS},
    "ZerO": {},
    "PriorBias": {"prior_prob": st.sampled_from([0.01, 0.5, 0, 1, 2])},
    "GateBias": {"forget": NUMBERS, "update": NUMBERS},
    "ZeroGamma": {},
    "DepthScaled": {"init": st.sampled_from([{"type": "Normal"}, {"type": "Nope"}, 3]),
                    "depth": st.sampled_from([2, 0, "0", "*", "nope"]),
                    "per_block": st.sampled_from([1, 2, 0]),
                    "mode": st.sampled_from(["total", "layer"])},
    "MuP": {"init": st.just({"type": "Normal"}),
            "base": st.sampled_from([{}, {"0.weight": [4, 4], "0.bias": [4]}, "none.json", 3])},
    "LSUV": {"tol": NUMBERS},
    "Pretrained": {"checkpoint": st.sampled_from(["/no/such/file.pth", "", 3])},
    "Nope": {},
}  # fmt: skip
NEEDED = {"val", "sparsity", "init", "depth", "base", "checkpoint"}
RELIABLE = ("Constant", "Zeros", "Normal", "Uniform", "TruncNormal", "Orthogonal")

COMMON = ["Linear", "*", "0", "*.0", ":weight", "*:weight", "re:.*", "Embedding", "Conv2d"]
words = st.one_of(
    st.sampled_from(COMMON), st.sampled_from(COMMON), st.sampled_from(WORDS), st.just(nn.Linear)
)
layers = st.one_of(words, st.lists(words, min_size=1, max_size=3))


@st.composite
def rule(draw, *, whole=True):
    """One entry of an init_cfg, or an override's own config."""
    kind = draw(st.sampled_from(RELIABLE if draw(st.integers(0, 2)) else tuple(ARGUMENTS)))
    cfg = {"type": kind}
    for key, value in ARGUMENTS[kind].items():
        if key in NEEDED or draw(st.integers(0, 3)) == 2:
            cfg[key] = draw(value)
    if draw(st.integers(0, 3)) == 0:
        cfg["bias"] = draw(NUMBERS)
    if cfg.keys() != {"type"} and draw(st.integers(0, 29)) == 17:
        key = draw(st.sampled_from(sorted(cfg.keys() - {"type"})))
        cfg[key] = draw(WRONG)
    if draw(st.integers(0, 49)) == 23:
        cfg["nonsense"] = 1
    if whole:
        if draw(st.integers(0, 9)) != 7:
            cfg["layer"] = draw(layers)
        if draw(st.integers(0, 4)) == 3:
            own = draw(rule(whole=False)) if draw(st.booleans()) else {}
            name = st.sampled_from(["0", "0", "0", "1", *COMMON, *WORDS])
            cfg["override"] = {**own, "name": draw(name)}
    return cfg


rules = st.one_of(rule(), st.lists(rule(), min_size=1, max_size=3))
asked = st.one_of(rules, rules, st.none())  # None: what the modules of the tree say


@st.composite
def trees(draw, cfgs=rules, depth=3, leaves=tuple(LEAVES)):
    """A container: (kind, init_cfg or None, children), each child a container or a leaf's name."""
    kind = draw(st.sampled_from(["plain", "list", "base", "base"]))
    cfg = draw(cfgs) if kind == "base" and draw(st.booleans()) else None
    leaf = st.sampled_from(leaves)
    inner = leaf if depth == 1 else st.one_of(leaf, leaf, trees(cfgs, depth - 1, leaves))
    return kind, cfg, draw(st.lists(inner, min_size=2, max_size=4))


def build(spec):
    """Make the modules that a description says."""
    if isinstance(spec, str):
        return LEAVES[spec]()
    kind, cfg, children = spec
    parts = [build(child) for child in children]
    if kind == "base":
        return Sequential(*parts, init_cfg=cfg)
    return nn.Sequential(*parts) if kind == "plain" else nn.ModuleList(parts)


# What is done to a model after it is built: (what, number, number), by places among its modules.
changes = st.lists(
    st.tuples(st.sampled_from(["share", "tie", "freeze", "init"]), st.integers(0, 30),
              st.integers(0, 30)),
    max_size=3,
)  # fmt: skip


def change(model, todo):
    """Share modules, tie weights, freeze parameters, start a part beforehand."""
    for what, first, second in todo:
        parts = [part for part in model.modules() if isinstance(part, nn.Sequential)]
        owners = [p for p in model.modules() if type(p._parameters.get("weight")) is nn.Parameter]
        if what == "share" and parts and model[0] is not model:
            place = parts[first % len(parts)]
            place.append(list(place)[second % len(place)])
        elif what == "tie" and owners:
            one, two = owners[first % len(owners)], owners[second % len(owners)]
            if one.weight.shape == two.weight.shape and one.weight.dtype == two.weight.dtype:
                two.weight = one.weight
        elif what == "freeze" and owners:
            owners[first % len(owners)].requires_grad_(False)
        elif what == "init":
            bases = [part for part in model.modules() if isinstance(part, BaseModule)]
            if bases:
                bases[first % len(bases)].is_init = True


options = st.fixed_dictionaries({}, optional={
    "order": st.sampled_from(["brickbook", "mmcv"]),
    "frozen": st.sampled_from(["init", "skip"]),
    "protect": st.sampled_from(["0", *COMMON]) | st.lists(st.sampled_from(WORDS), max_size=2),
    "reinitialize": st.booleans(),
    "only_missing": st.booleans(),
    "strict": st.just(False) | st.booleans(),
}).map(
    lambda more: {**more, "assume_loaded": ()} if more.get("only_missing") else more
)  # fmt: skip
