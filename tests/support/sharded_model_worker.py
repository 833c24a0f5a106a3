"""One rank of the tests of measuring models that are spread over two: under FSDP2, as DTensors.

``answers`` is what one rank found; see ranks.py.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import Partial

from brickbook import compare, diagnose, initialize, plan, probe, snapshot
from brickbook.measure.snapshot import snapshot_sampled

CFG = dict(type="Normal", layer="Linear", std=0.001)


class Scaled(nn.Linear):
    """A layer of a user's class, which a probe copies before it runs."""


def net() -> nn.Sequential:
    """Return layers whose rows do not divide by two, with a class of one's own between them."""
    torch.manual_seed(0)
    parts = (nn.Linear(7, 9), nn.Tanh(), Scaled(9, 9), nn.ReLU(), nn.BatchNorm1d(9))
    return nn.Sequential(*parts, nn.Linear(9, 3))


def fsdp(mesh: DeviceMesh) -> nn.Sequential:
    model = net()
    for at in (0, 2):
        fully_shard(model[at], mesh=mesh)
    return fully_shard(model, mesh=mesh)


def same(ours: object, wanted: object) -> str:
    """Return "equal", or both."""
    return "equal" if ours == wanted else f"{ours} instead of {wanted}"


def placed(mesh: DeviceMesh) -> dict[str, str]:
    """Snapshots of DTensors of every placement against those of the whole tensor."""
    whole, found = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), {}
    tensors = {
        str(place): distribute_tensor(whole, mesh, [place], src_data_rank=None)
        for place in (Shard(0), Shard(1), Replicate())
    }
    half = whole / 2
    tensors["Partial"] = DTensor.from_local(half, mesh, [Partial()])
    for name, tensor in tensors.items():
        found[name] = same(snapshot({"w": tensor}), snapshot({"w": whole}))
    alone = DeviceMesh("cpu", [0])
    elsewhere = distribute_tensor(whole, alone, [Shard(0)], src_data_rank=None)
    found["rank 0 alone"] = snapshot({"w": elsewhere})["w"].missing
    return found


def probed(mesh: DeviceMesh) -> dict[str, str]:
    """Signals under FSDP2 against those of one process, and what a probe leaves behind."""
    bare, model = net(), fsdp(mesh)
    batch = torch.randn(2, 16, 7, generator=torch.Generator().manual_seed(2))[dist.get_rank()]
    before = snapshot(model)
    found = {}
    for name, options in (("train", {}), ("eval", {"mode": "eval", "gradients": False})):
        ours, wanted = probe(model, batch, **options), probe(bare, batch, **options)
        found[name] = same(ours.rows, wanted.rows)
        found[f"{name}, the record"] = repr(ours)
        kinds = {type(parameter).__name__ for parameter in model.parameters()}
        found[f"{name}, the parameters afterwards"] = " ".join(kinds)
    found["changed"] = " ".join(compare(before, snapshot(model)).changed)
    for each in (bare, model):
        each(batch).square().sum().backward()
    near = []
    for ours, whole in zip(model.parameters(), bare.parameters(), strict=True):
        dist.all_reduce(whole.grad, dist.ReduceOp.AVG)
        near.append(torch.allclose(ours.grad.full_tensor(), whole.grad, atol=1e-6))
    return found | {"a step afterwards": "equal" if all(near) else str(near)}


def measured(mesh: DeviceMesh) -> dict[str, object]:
    """Snapshots, comparisons and findings under FSDP2 against those of one process."""
    model, bare = fsdp(mesh), net()
    plans = [plan(each, CFG) for each in (model, bare)]
    found: dict[str, object] = {
        "snapshot": same(snapshot(model), snapshot(bare)),
        "sample": same(snapshot_sampled(model, limit=10), snapshot_sampled(bare, limit=10)),
        "diagnose": same(diagnose(model), diagnose(bare)),
        "diagnose a plan": same(diagnose(model, plan=plans[0]), diagnose(bare, plan=plans[1])),
    }
    compared, texts = [], []
    for each in (model, bare):
        before, report = snapshot(each), initialize(each, CFG, seed=3)
        with torch.no_grad():
            each.get_parameter("2.weight").mul_(3)
            each.get_parameter("5.weight").fill_(float("nan"))
        compared.append(compare(before, snapshot(each)))
        texts.append([str(item) for item in diagnose(each, report=report)])
    found |= {"compare": same(*compared), "diagnose a report": same(*texts), "findings": texts[1]}
    return found


def tensor_parallel(mesh: DeviceMesh) -> list[str]:
    """Signals of layers whose outputs are spread over the ranks."""
    places = {"0": ColwiseParallel(use_local_output=False), "2": RowwiseParallel()}
    signals = probe(parallelize_module(net()[:3], mesh, places), torch.ones(4, 7))
    return [repr(signals), *(str(row.shape) for row in signals)]


def answers(_: str) -> dict[str, object]:
    """Return what this rank found."""
    mesh = DeviceMesh("cpu", [0, 1])
    return {
        "placed": placed(mesh),
        "measured": measured(mesh),
        "probed": probed(mesh),
        "tensor parallel": tensor_parallel(mesh),
    }
