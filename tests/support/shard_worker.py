"""One rank of the sharded tests: fills DTensors and compares them with what one process draws.

``answers`` is what one rank found; see ranks.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.distributed as dist
from laws_support import law_of
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import Partial, _StridedShard

from brickbook import BaseModule, Sequential, initialize
from brickbook.init.execution import SeededRng
from brickbook.init.execution.rng import fill_tensors
from brickbook.init.execution.shards import local_row
from brickbook.init.initializers import OrthogonalInit
from brickbook.init.laws import Constant, Law, Normal, TruncNormal

NORMAL = Normal(0.5, 2.0)
CUT = TruncNormal(0.0, 1.0, -1.0, 2.0)
R = Replicate()


class Case(NamedTuple):
    """A tensor, its law, and how it is spread over the first ranks."""

    shape: tuple[int, ...]
    placements: tuple
    law: Law = NORMAL
    dtype: torch.dtype = torch.float32
    mesh: tuple[int, ...] = ()


LINE = {
    "rows": Case((1500, 1400), (Shard(0),)),
    "columns": Case((1500, 1400), (Shard(1),)),
    "replicas": Case((1500, 1400), (R,)),
    "uneven rows": Case((10, 7), (Shard(0),)),
    "uneven columns": Case((10, 7), (Shard(1),)),
    "uneven blocks": Case((2_100_001,), (Shard(0),)),
    "empty shards": Case((2, 5), (Shard(0),)),
    "empty columns": Case((5, 1), (Shard(1),)),
    "no elements": Case((0, 5), (Shard(0),)),
    "a scalar": Case((), (R,)),
    "output channels": Case((64, 3, 7, 7), (Shard(0),), CUT),
    "input channels": Case((130, 17, 31, 17), (Shard(1),), CUT),
    "kernel": Case((64, 30, 7, 5), (Shard(2),)),
    "kernel's last": Case((130, 17, 31, 17), (Shard(-1),)),
    "bfloat16": Case((1500, 1400), (Shard(0),), CUT, torch.bfloat16),
    "float16 columns": Case((1500, 1400), (Shard(1),), NORMAL, torch.float16),
    "float64": Case((1500, 701), (Shard(0),), NORMAL, torch.float64),
    "complex": Case((30, 20), (Shard(1),), Normal(0.0, 1.0), torch.complex64),
    "constant": Case((10, 7), (Shard(1),), Constant(3.0)),
    "orthogonal rows": Case((90, 70), (Shard(0),), law_of(OrthogonalInit(), (90, 70))),
    "orthogonal columns": Case(
        (200, 70), (Shard(1),), law_of(OrthogonalInit(), (200, 70)), torch.bfloat16
    ),
    "orthogonal replicas": Case((90, 70), (R,), law_of(OrthogonalInit(), (90, 70))),
}
SQUARE = {
    "hybrid": Case((1500, 1400), (R, Shard(0))),
    "hybrid, the other way": Case((1500, 1401), (Shard(0), R)),
    "rows and columns": Case((1501, 1401), (Shard(0), Shard(1))),
    "columns and rows": Case((1501, 1401), (Shard(1), Shard(0)), CUT, torch.bfloat16),
    "rows twice": Case((1501, 1401), (Shard(0), Shard(0))),
    "rows twice, uneven": Case((9, 3), (Shard(0), Shard(0))),
    "tensor parallel rows": Case((1500, 1401), (_StridedShard(0, split_factor=2), Shard(0))),
    "strided alone": Case((1502, 1401), (_StridedShard(0, split_factor=2), Shard(1))),
    "strided orthogonal": Case(
        (44, 30), (_StridedShard(0, split_factor=2), Shard(0)), law_of(OrthogonalInit(), (44, 30))
    ),
}
DIGESTS = ("rows", "bfloat16", "orthogonal rows")
SIZES = {2: (1, 2), 4: (3, 4)}  # started ranks: how many of them are used
MESHES = {1: [(1, 1)], 2: [(1, 2), (2, 1)], 3: [(1, 3), (3, 1)], 4: [(2, 2), (1, 4)]}


def cases(ranks: int) -> dict[str, Case]:
    """Return all cases of a number of ranks by name."""
    return {
        **{name: case._replace(mesh=(ranks,)) for name, case in LINE.items()},
        **{
            f"{name} on {mesh}": case._replace(mesh=mesh)
            for mesh in MESHES[ranks]
            for name, case in SQUARE.items()
            if mesh == (2, 2) or not any(isinstance(each, _StridedShard) for each in case[1])
        },
    }


@cache
def alone(shape: tuple[int, ...], law: Law, dtype: torch.dtype, threads: int = 2) -> Tensor:
    """Return what one process draws."""
    tensor = torch.empty(shape, dtype=dtype)
    fill_tensors([(tensor, law, "layer.weight")], SeededRng(7), threads)
    return tensor


@cache  # every mesh has process groups of its own
def mesh_of(*sizes: int, names: tuple[str, ...] | None = None) -> DeviceMesh:
    """Arrange as many of the ranks as are needed."""
    ranks = torch.arange(math.prod(sizes)).view(sizes)
    return DeviceMesh("cpu", ranks, mesh_dim_names=names)


def spread(case: Case) -> str:
    """Fill a DTensor and say whether all ranks together have what one process draws."""
    mesh = mesh_of(*case.mesh)
    zeros = torch.zeros(case.shape, dtype=case.dtype)
    tensor = distribute_tensor(zeros, mesh, case.placements, src_data_rank=None)
    fill_tensors([(tensor, case.law, "module.layer.weight")], SeededRng(7), 2)
    if mesh.get_coordinate() is None:
        return "equal"  # this rank has nothing of it
    return same(tensor.full_tensor(), alone(case.shape, case.law, case.dtype))


def same(ours: Tensor, whole: Tensor) -> str:
    """Return "equal", or how many elements are not."""
    if ours.shape != whole.shape or ours.dtype != whole.dtype:
        return f"{ours.dtype} {tuple(ours.shape)}"
    wrong = int((ours != whole).sum())
    return f"{wrong} of {ours.numel()} differ" if wrong else "equal"


class Net(nn.Module):
    """A small transformer with words and a convolution in front."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 12)
        self.stem = nn.Conv2d(3, 10, 3)
        layer = nn.TransformerEncoderLayer(12, 2, 21, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(12, 5)


CFG = [
    dict(type="Normal", layer="Embedding"),
    dict(type="Kaiming", layer="Conv2d"),
    dict(type="TruncNormal", layer="Linear", std=0.02, bias=0.5),
    dict(type="Constant", layer="LayerNorm", val=1.0),
    dict(type="Orthogonal", layer="NonDynamicallyQuantizableLinear"),
]


def net() -> nn.Module:
    """Return a model whose weights are all zero: what is left is seen."""
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def fsdp(ranks: int) -> nn.Module:
    model, mesh = net(), mesh_of(ranks)
    for layer in model.body.layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def hsdp(ranks: int) -> nn.Module:
    return fully_shard(net(), mesh=mesh_of(2, ranks // 2, names=("replicas", "shards")))


def fsdp_and_tensor_parallel(ranks: int) -> nn.Module:
    model, mesh = net(), mesh_of(ranks // 2, 2, names=("data", "tensor"))
    for layer in model.body.layers:
        plan = {"linear1": ColwiseParallel(), "linear2": RowwiseParallel()}
        parallelize_module(layer, mesh["tensor"], plan)
    return fully_shard(model, mesh=mesh["data"])


def ddp(ranks: int) -> nn.Module:
    return nn.parallel.DistributedDataParallel(net())


WRAPPED: dict[str, tuple[Callable[[int], nn.Module], tuple[int, ...]]] = {
    "fully_shard": (fsdp, (1, 2, 3, 4)),
    "fully_shard with replicas": (hsdp, (2, 4)),
    "fully_shard and tensor parallel": (fsdp_and_tensor_parallel, (2, 4)),
    "DistributedDataParallel": (ddp, (2, 4)),
}


def wrapped(name: str, ranks: int) -> str:
    """Start a wrapped model and say whether it has the weights of a bare one."""
    bare = net()
    initialize(bare, CFG, seed=3)
    if dist.get_rank() >= ranks:
        mesh_of(ranks)
        return "equal"
    model = WRAPPED[name][0](ranks)
    initialize(model, CFG, seed=3)
    for (at, whole), ours in zip(bare.named_parameters(), model.parameters(), strict=True):
        full = ours.full_tensor() if isinstance(ours, DTensor) else ours
        if (answer := same(full, whole)) != "equal":
            return f"{at}: {answer}"
    return "equal"


def refused(world: int) -> dict[str, str]:
    """Return what is said where nothing can be drawn, and whether something was written."""
    mesh = mesh_of(world)
    plain = torch.zeros(3)
    found = {}
    for name, placement, seed in (
        ("sharded without a seed", Shard(0), None),
        ("replicated without a seed", R, None),
        ("partial", Partial(), 1),
    ):
        tensor = DTensor.from_local(torch.zeros(2, 2), mesh, [placement])
        try:
            fill_tensors([(plain, NORMAL, "plain"), (tensor, NORMAL, "weight")], SeededRng(seed))
            found[name] = "written"
        except ValueError as error:
            found[name] = str(error) + (" And written." if plain.any() else "")
        plain.zero_()
    tensor = distribute_tensor(torch.zeros(5, 3), mesh, [Shard(0)])
    fill_tensors([(tensor, Constant(2.0), "weight")], SeededRng())
    found["constant without a seed"] = same(tensor.full_tensor(), torch.full((5, 3), 2.0))
    return found


class Drawn(nn.Linear):
    """Starts its weight itself."""

    def init_weights(self) -> None:
        nn.init.normal_(self.weight)


class Mixed(BaseModule):
    """A layer by a rule, one by custom init code, one from a file."""

    def __init__(self, file: str) -> None:
        super().__init__(dict(type="Normal", layer="Linear"))
        self.ruled, self.drawn = nn.Linear(3, 5), Drawn(3, 5)
        self.loaded = Sequential(nn.Linear(3, 5), init_cfg=dict(type="Pretrained", checkpoint=file))


def other_hands(world: int, file: str) -> dict[str, str]:
    """Start a sharded model by custom init code, a checkpoint and data."""
    if dist.get_rank() == 0:
        torch.save({"0.weight": torch.arange(15.0).view(5, 3), "0.bias": torch.ones(5)}, file)
    dist.barrier()
    bare, model = Mixed(file), fully_shard(Mixed(file), mesh=mesh_of(world))
    found = {}
    try:
        model.init_weights()
    except ValueError as error:
        found["without a seed"] = str(error)
    bare.init_weights(seed=3)
    report = model.init_weights(seed=3)
    ours = {name: tensor.full_tensor() for name, tensor in model.named_parameters()}
    found |= {name: same(ours[name], whole) for name, whole in bare.named_parameters()}
    found["actions"] = " ".join(item.action for item in report.records)
    line = fully_shard(nn.Sequential(nn.Linear(3, 3)), mesh=mesh_of(world))
    try:
        initialize(line, dict(type="LSUV", layer="Linear"), seed=1, batch=torch.randn(9, 3))
    except ValueError as error:
        found["LSUV"] = str(error)
    return found


def digest(tensor: Tensor) -> str:
    """Return a hash of the bits of a tensor."""
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()


@torch.no_grad()
def row(ranks: int) -> str:
    """Clear a row of a tensor, whoever holds it."""
    whole, answers = torch.ones(5, 3), set()
    whole[3] = 0
    for placement in (Shard(0), Shard(1), R):
        tensor = distribute_tensor(torch.ones(5, 3), mesh_of(ranks), [placement])
        if (here := local_row(tensor, 3)) is not None:
            here.zero_()
        if dist.get_rank() < ranks:
            answers.add(same(tensor.full_tensor(), whole))
    return " ".join(answers - {"equal"}) or "equal"


def answers_with(ranks: int) -> dict[str, str]:
    """Return what came out for one number of ranks."""
    found = {name: spread(case) for name, case in cases(ranks).items()}
    found["a row"] = row(ranks)
    return found | {name: wrapped(name, ranks) for name in WRAPPED if ranks in WRAPPED[name][1]}


def answers(file: str) -> dict[str, dict[str, str]]:
    """Run all cases on some and on all ranks."""
    world = dist.get_world_size()
    found = {str(ranks): answers_with(ranks) for ranks in SIZES[world]}
    found["refused"] = refused(world)
    found["other hands"] = other_hands(world, f"{file}.pth")
    found["one process"] = {
        name: digest(alone(case.shape, case.law, case.dtype, 1))
        for name, case in LINE.items()
        if name in DIGESTS
    }
    return found
