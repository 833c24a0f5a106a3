"""Drawn numbers, bit for bit: hashes of what every law and every initialiser writes for a seed.

``python tests/init/test_drawn_hashes.py`` writes ``drawn_hashes.json`` anew; nothing but a bug in
the numbers themselves is a reason to. Torch draws other bits for normal numbers where the CPU has
other vector instructions, and LAPACK factors matrices in another order: what depends on that is
compared only where the CPU capability (and torch) are those of the file.
"""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import brickbook
from brickbook import init as functions
from brickbook import initialize
from brickbook.init import INITIALIZERS
from brickbook.init.laws import (
    Centred,
    Constant,
    HadamardMatrix,
    IdentityMatrix,
    Normal,
    OrthogonalMatrix,
    SparseNormal,
    Stacked,
    TruncNormal,
    Uniform,
)

FILE = Path(__file__).with_name("drawn_hashes.json")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
PORTABLE = ("constant", "uniform", "identity", "hadamard", "dirac", "zero", "ones")


def hash_of(*tensors):
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def state_hash(model):
    return hash_of(*(value.reshape(-1) for value in model.state_dict().values()))


LAWS = {
    "constant": (Constant(0.25), (5, 7)),
    "normal": (Normal(0.5, 0.02), (40, 33, 3)),
    "normal large": (Normal(0.0, 1.0), (1100, 1000)),
    "uniform": (Uniform(-1.0, 3.0), (40, 33, 3)),
    "uniform large": (Uniform(-0.1, 0.1), (1100, 1000)),
    "truncated": (TruncNormal(0.0, 0.02, -0.04, 0.04), (40, 33, 3)),
    "truncated tail": (TruncNormal(0.0, 1.0, 4.0, 5.0), (40, 33)),
    "truncated left tail": (TruncNormal(0.0, 1.0, -9.0, -8.0), (40, 33)),
    "truncated large": (TruncNormal(0.0, 1.0, -2.0, 2.0), (300, 1000)),
    "orthogonal wide": (OrthogonalMatrix(1.5, 12, 30), (12, 30)),
    "orthogonal tall": (OrthogonalMatrix(1.0, 30, 12), (30, 4, 3)),
    "identity": (IdentityMatrix(1.0, 8, 4, 2), (8, 4)),
    "hadamard": (HadamardMatrix(1.0, 9, 7), (9, 7)),
    "sparse": (SparseNormal(0.01, 40, 15), (40, 33)),
    "dirac": (Centred(IdentityMatrix(1.0, 8, 4), 9), (8, 4, 3, 3)),
    "delta orthogonal": (Centred(OrthogonalMatrix(1.0, 8, 4), 9), (8, 4, 3, 3)),
    "stacked orthogonal": (Stacked(OrthogonalMatrix(1.0, 8, 8), 3), (24, 8)),
    "hadamard stacked": (Stacked(HadamardMatrix(1.0, 8, 6), 4), (32, 6)),
}


def transposed(shape, dtype):
    return torch.empty((shape[1], shape[0], *shape[2:]), dtype=dtype).transpose(0, 1)


def sliced(shape, dtype):
    return torch.empty((2 * shape[0], shape[1] + 3, *shape[2:]), dtype=dtype)[::2, 3:]


LAYOUTS = {"contiguous": lambda shape, dtype: torch.empty(shape, dtype=dtype),
           "transposed": transposed, "sliced": sliced}  # fmt: skip


def law_hashes(name):
    law, shape = LAWS[name]
    found = {}
    for dtype in DTYPES:
        for layout, make in LAYOUTS.items():
            drawn = []
            for seed in (0, 1):
                tensor = make(shape, dtype)
                law.fill(tensor, torch.Generator().manual_seed(seed))
                drawn.append(tensor)
            found[f"{str(dtype)[6:]} {layout}"] = hash_of(*drawn)
    return found


def small(dtype=torch.float32):
    """Layers of every kind; each rule below fills those that it can."""
    return nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 2, groups=2),
        nn.ConvTranspose2d(8, 6, 3), nn.Flatten(), nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 30),
        nn.LayerNorm(30), nn.Embedding(11, 5, padding_idx=0), nn.LSTM(5, 6),
        nn.MultiheadAttention(8, 2), nn.Bilinear(3, 4, 5),
    ).to(dtype)  # fmt: skip


LINEAR, CONV = ["Linear"], ["Conv2d"]
WEIGHTS = ["Linear", "_ConvNd", "Embedding", "LSTM", "MultiheadAttention", "Bilinear"]
RULES = {
    "constant": dict(type="Constant", val=0.3, bias=0.1, layer=WEIGHTS),
    "zeros": dict(type="Zeros", bias=1, layer=WEIGHTS),
    "ones": dict(type="Ones", bias_prob=0.01, layer=WEIGHTS),
    "normal": dict(type="Normal", mean=0.1, std=0.01, layer=WEIGHTS),
    "truncnormal": dict(type="TruncNormal", std=0.02, layer=WEIGHTS),
    "truncnormal in std": dict(type="TruncNormal", std=0.02, units="std", layer=WEIGHTS),
    "uniform": dict(type="Uniform", a=-0.1, b=0.2, layer=WEIGHTS),
    "xavier": dict(type="Xavier", gain=2.0, layer=WEIGHTS),
    "uniform xavier": dict(type="Xavier", gain="relu", distribution="uniform", layer=WEIGHTS),
    "uniform xavier auto": dict(
        type="Xavier", gain="auto", distribution="uniform", layer=["Linear", "Conv2d"]
    ),
    "xavier axes": dict(type="Xavier", in_axis=0, out_axis=1, layer=WEIGHTS),
    "kaiming": dict(type="Kaiming", layer=WEIGHTS),
    "uniform kaiming": dict(
        type="Kaiming", a=0.3, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform",
        layer=WEIGHTS,
    ),
    "kaiming auto": dict(type="Kaiming", nonlinearity="auto", layer=["Linear", "Conv2d"]),
    "uniform caffe2": dict(type="Caffe2Xavier", layer=WEIGHTS),
    "lecun": dict(type="LeCun", layer=WEIGHTS),
    "lecun truncated": dict(type="LeCun", distribution="truncated_normal", layer=WEIGHTS),
    "scaling": dict(type="VarianceScaling", scale=1.7, mode="fan_geo_avg", layer=WEIGHTS),
    "uniform scaling": dict(
        type="VarianceScaling", scale=3, mode="fan_avg", distribution="uniform", layer=WEIGHTS
    ),
    "orthogonal": dict(type="Orthogonal", gain=1.2, layer=WEIGHTS),
    "delta orthogonal": dict(type="DeltaOrthogonal", layer=CONV),
    "dirac": dict(type="Dirac", groups=2, layer=CONV),
    "identity": dict(type="Identity", gain=0.5, layer=LINEAR),
    "sparse": dict(type="Sparse", sparsity=0.3, layer=LINEAR),
    "hadamard": dict(type="ZerO", layer=[*LINEAR, *CONV]),
    "ones prior": dict(type="PriorBias", prior_prob=0.02, layer=["Linear", "_ConvNd"]),
    "depth": dict(type="DepthScaled", init=dict(type="Kaiming"), depth=12, layer=WEIGHTS),
    "uniform depth": dict(
        type="DepthScaled", init=dict(type="Xavier", distribution="uniform"), depth=5, per_block=1,
        layer=WEIGHTS,
    ),
    "orthogonal depth": dict(
        type="DepthScaled", init=dict(type="Orthogonal"), depth=5, layer=LINEAR
    ),
}  # fmt: skip
MUP = {
    "mup": dict(type="Kaiming", mode="fan_in"),
    "uniform mup": dict(type="Xavier", distribution="uniform"),
    "orthogonal mup": dict(type="Orthogonal"),
    "hadamard mup": dict(type="ZerO"),
}
EVERY = {**RULES, **MUP}


def rule_model(name, dtype=torch.float32):
    if name in RULES:
        return small(dtype), RULES[name]
    base, model = (nn.Sequential(nn.Linear(6, n), nn.ReLU(), nn.Linear(n, n), nn.Linear(n, 5))
                   for n in (12, 52))  # fmt: skip
    layer = ["Linear"]
    return model.to(dtype), dict(type="MuP", init=MUP[name], base=base, layer=layer)


def filled(model, value=0.5):
    """Give a model known values: what a rule leaves alone is in the hash as well."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(value)
    return model


def rule_hashes(name):
    found = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        model, rule = rule_model(name, dtype)
        initialize(filled(model), rule, seed=5)
        found[f"seed {str(dtype)[6:]}"] = state_hash(model)
        torch.manual_seed(5)
        initialize(filled(model), rule)
        found[f"torch's generator {str(dtype)[6:]}"] = state_hash(model)
    if name not in MUP and "auto" not in name:
        torch.manual_seed(6)
        model, rule = rule_model(name)
        INITIALIZERS.build(rule)(filled(model))
        found["called"] = state_hash(model)
    return found


CALLS = {
    "constant_init": lambda part: functions.constant_init(part, 0.3, 0.1),
    "normal_init": lambda part: functions.normal_init(part, 0.1, 0.01, 0.5),
    "trunc_normal_init": lambda part: functions.trunc_normal_init(part, 0, 0.02, -0.03, 0.05),
    "uniform_init": lambda part: functions.uniform_init(part, -0.2, 0.1),
    "xavier_init": lambda part: functions.xavier_init(part, 1.3),
    "uniform xavier_init": lambda part: functions.xavier_init(part, 0.7, distribution="uniform"),
    "kaiming_init": lambda part: functions.kaiming_init(part),
    "uniform kaiming_init": lambda part: functions.kaiming_init(
        part, a=0.2, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform"
    ),
    "uniform caffe2_xavier_init": lambda part: functions.caffe2_xavier_init(part, 0.2),
}


def call_hashes(name):
    parts = {"Linear": nn.Linear(20, 30), "Conv2d": nn.Conv2d(6, 9, 3, groups=3),
             "ConvTranspose2d": nn.ConvTranspose2d(6, 9, 3, groups=3),
             "Conv1d": nn.Conv1d(4, 5, 3).bfloat16()}  # fmt: skip
    found = {}
    for key, part in parts.items():
        torch.manual_seed(8)
        CALLS[name](part)
        found[key] = state_hash(part)
    return found


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 4)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )


class ViT(nn.Module):
    def __init__(self, width=96, depth=4):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 10)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(2000, 64, padding_idx=0)
        self.lstm = nn.LSTM(64, 320, 2, bidirectional=True)
        self.out = nn.Linear(640, 9)


MODELS = {
    "ResNet-50": (
        lambda: brickbook.ResNet(50),
        [dict(type="Kaiming", layer="Conv2d"),
         dict(type="Constant", val=1, layer=["_BatchNorm", "GroupNorm"])],
    ),
    "ViT": (
        ViT,
        [dict(type="TruncNormal", std=0.02, layer=["Linear", "MultiheadAttention", ":pos_embed"],
              override=dict(type="PriorBias", name="head")),
         dict(type="LeCun", layer="Conv2d"),
         dict(type="DepthScaled", init=dict(type="Xavier", distribution="uniform"), depth="blocks",
              mode="layer", layer="blocks.*.mlp.2")],
    ),
    "LSTM": (
        Tagger,
        [dict(type="Orthogonal", layer=["*:weight_hh*"]), dict(type="Xavier", layer="*:weight_ih*"),
         dict(type="Uniform", a=-0.1, b=0.1, layer=["Embedding", "Linear"])],
    ),
}  # fmt: skip


def model_hashes(name, threads):
    make, rules = MODELS[name]
    before, found = torch.get_num_threads(), {}
    torch.set_num_threads(threads)
    try:
        model = filled(make())
        initialize(model, rules, seed=11)
        found["seed"] = state_hash(model)
        torch.manual_seed(11)
        initialize(filled(model), rules)
        # Without a seed LAPACK factors with all threads, which gives other bits.
        found["torch's generator"] = state_hash(model)
    finally:
        torch.set_num_threads(before)
    return found


def machine():
    return {"torch": torch.__version__.split("+")[0],
            "capability": torch.backends.cpu.get_cpu_capability()}  # fmt: skip


def check(group, name, found):
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    if kept["machine"] != machine() and not name.startswith(PORTABLE):
        pytest.skip(f"drawn on {kept['machine']}, this is {machine()}")
    assert found == kept[group][name]


@pytest.fixture
def one_thread():
    """LAPACK factors with all threads, which gives other bits; the table was made with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", LAWS)
def test_laws(name):
    check("laws", name, law_hashes(name))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", EVERY)
def test_initialisers(name):
    check("rules", name, rule_hashes(name))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", CALLS)
def test_functions_of_mmcv(name):
    check("calls", name, call_hashes(name))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_models(name, threads):
    check(f"models, threads {threads}", name, model_hashes(name, threads))


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_numbers_for_any_number_of_threads(name):
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    assert kept["models, threads 1"][name]["seed"] == kept["models, threads 2"][name]["seed"]


if __name__ == "__main__":
    FILE.write_text(json.dumps({
        "machine": machine(),
        "laws": {name: law_hashes(name) for name in LAWS},
        "rules": {name: rule_hashes(name) for name in EVERY},
        "calls": {name: call_hashes(name) for name in CALLS},
        "models, threads 1": {name: model_hashes(name, 1) for name in MODELS},
        "models, threads 2": {name: model_hashes(name, 2) for name in MODELS},
    }, indent=1) + "\n", encoding="utf-8")  # fmt: skip
