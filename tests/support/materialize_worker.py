"""What ranks do with a model that is sharded on the meta device; see ranks.py."""

import re
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution.materialize import materialize

FINE = "as it should be"
UNSEEDED = (
    "embedding.weight: it is sharded: without a seed every rank would draw numbers of its own. "
    "Pass seed=n."
)


class Own(nn.Module):
    """A layer that starts itself."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.empty(7, 3))
        self.register_buffer("t", torch.empty(3))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.normal_(self.w, std=0.5)
        self.t.copy_(torch.arange(3.0))

    def forward(self, inputs):
        return inputs @ self.w + self.t


class Net(nn.Module):
    """Ties, a padding row, gates, statistics, custom init code; sizes that no world divides."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6, padding_idx=2)
        self.rnn = nn.LSTM(6, 6, batch_first=True)
        self.block = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 7, bias=False))
        self.own = Own()
        self.back = nn.Linear(3, 6)
        self.out = nn.Linear(6, 11)
        self.out.weight = self.embedding.weight

    def forward(self, tokens):
        hidden = self.block(self.rnn(self.embedding(tokens))[0].flatten(0, 1))
        return self.out(self.back(self.own(hidden)))


CFG = [
    dict(type="Normal", layer="Embedding", std=0.1),
    dict(type="Orthogonal", layer="block.2"),
]


def on_meta(make):
    """Build a model without memory."""
    with torch.device("meta"):
        return make()


def sharded(make=Net):
    """Build the model on the meta device, and shard it over all ranks."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    model = on_meta(make)
    for part in (model.block, model.own, model):
        fully_shard(part, mesh=mesh)
    model.out.bias.note = "kept"
    return model


def equal():
    """The full tensors are those that one process draws."""
    one = on_meta(Net)
    materialize(one, CFG, seed=0)
    model = sharded()
    report = materialize(model, CFG, seed=0)
    assert report["own.w"].action == "called" and not report.untouched
    for name, tensor in model.named_parameters(remove_duplicate=False):
        assert torch.equal(tensor.full_tensor(), one.get_parameter(name)), name
    for name, tensor in model.named_buffers():
        assert torch.equal(tensor, one.get_buffer(name)), name
    assert model.out.weight is model.embedding.weight
    assert model.out.bias.note == "kept"


def trains():
    """The memory is the memory that FSDP computes with."""
    one = on_meta(Net)
    materialize(one, CFG, seed=0)
    model = sharded()
    materialize(model, CFG, seed=0)
    tokens = torch.tensor([[1, 3, 4], [5, 6, 2]])
    results = []
    for net in (one, model):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            loss = net(tokens).square().sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(loss.detach())
    assert torch.allclose(*results, rtol=1e-4), results


def put_back():
    """After a failure the parameters are the old ones, on the meta device; it can be done again."""
    model = sharded()
    before = dict(model.named_parameters())
    method = Own.reset_parameters
    Own.reset_parameters = lambda self: 1 / 0
    try:
        materialize(model, CFG, seed=0)
    except ZeroDivisionError:
        pass
    finally:
        Own.reset_parameters = method
    for name, tensor in model.named_parameters():
        assert tensor is before[name] and tensor.is_meta, name
    materialize(model, CFG, seed=0)
    assert not model.embedding.weight.is_meta


def loads():
    """Every rank takes its part of a checkpoint."""
    one = on_meta(Net)
    materialize(one, CFG, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.pth")
        torch.save(one.state_dict(), path)
        model = sharded()
        report = materialize(model, dict(type="Pretrained", checkpoint=str(path)), seed=1)
    assert {item.action for item in report.records} == {"loaded"}
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor.full_tensor(), one.get_parameter(name)), name


def refused():
    """Ranks that would draw different numbers are told so before there is any memory."""
    model = sharded()
    try:
        materialize(model, CFG)
    except ConfigError as error:
        assert dist.get_world_size() > 1 and str(error) == UNSEEDED
        assert model.embedding.weight.is_meta
    else:
        assert dist.get_world_size() == 1


class Started(Net):
    """It starts itself, with what no law describes too, and tables that are computed."""

    def __init__(self):
        super().__init__()
        nn.init.trunc_normal_(self.out.weight, std=0.02)
        nn.init.orthogonal_(self.block[2].weight)
        with torch.no_grad():
            self.back.weight.abs_()
        self.angles = nn.Parameter(torch.sin(torch.arange(33.0)).view(11, 3))
        self.register_buffer("positions", torch.arange(9)[None], persistent=False)


def traced():
    """A sharded model starts as what builds it does, with the numbers of one process."""
    one, report = materialize(Started, trace=True, seed=0)
    assert report["back.weight"].action == "called" and not report.untouched
    model = sharded(Started)
    materialize(model, trace=Started, seed=0)
    for name, tensor in model.named_parameters(remove_duplicate=False):
        assert torch.equal(tensor.full_tensor(), one.get_parameter(name)), name
    for name, tensor in model.named_buffers():
        assert torch.equal(tensor, one.get_buffer(name)), name


CHECKS = {check.__name__: check for check in (equal, trains, loads, put_back, refused, traced)}


def outcome(check):
    """Say what came of a check."""
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return FINE


def answers(_):
    """Carry out the checks on a rank."""
    torch.set_num_threads(1)
    return {name: outcome(check) for name, check in CHECKS.items()}


def peak():
    """Print the size of a model, and how much more memory it took at most, in MiB."""
    materialize(on_meta(Net), CFG, seed=0)  # what is loaded and built once is not counted
    model = on_meta(lambda: nn.Sequential(*(nn.Linear(2048, 4096) for _ in range(16))))
    before = resident("VmRSS")
    materialize(model, dict(type="TruncNormal", layer="Linear"), seed=0)
    size = sum(tensor.nbytes for tensor in model.parameters())
    print(size / 2**20, (resident("VmHWM") - before - size) / 2**20)


def resident(line):
    """Read a number of bytes about this process; what rusage says begins with its parent's peak."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024


if __name__ == "__main__":
    peak()
