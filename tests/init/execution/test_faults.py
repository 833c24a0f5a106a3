"""Whatever fails, at whatever operation: a model is changed wholly, or it is what it was."""

from itertools import count

import pytest
import torch
from fault_injection import DispatchFault, Extra, Fault, FunctionFault, add_hooks, difference, look
from seeds import seed_torch
from torch import nn
from torch.nn.utils import parametrizations

from brickbook import (
    BaseModule,
    Sequential,
    initialize,
    load_checkpoint,
    load_state_dict,
    materialize,
    plan,
)
from brickbook.checkpoint import load_weights
from brickbook.init.execution import execute

NORMAL = dict(type="Normal", std=0.5, bias=3, layer=["Linear", "BatchNorm1d"])


class Own(BaseModule):
    """Custom init code that draws, replaces and renames."""

    def __init__(self):
        super().__init__(dict(type="Normal", layer="Linear"))
        self.fc, self.notes, self.drawn = nn.Linear(2, 2), [1], False

    def init_weights(self):
        super().init_weights()
        self.notes.append(2)
        self.drawn = True
        nn.init.uniform_(self.fc.weight)
        self.fc.weight.requires_grad_(False)
        self.fc.bias = nn.Parameter(torch.full((2,), 7.0))
        self.eval()


def net(*parts):
    seed_torch(1)
    model = Sequential(
        nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2), Extra(), *parts, init_cfg=NORMAL
    )
    model[2].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    model[1].eval()
    return model


def weight_norm():
    return net(parametrizations.weight_norm(nn.Linear(2, 2)))


def spectral_norm():
    return net(parametrizations.spectral_norm(nn.Linear(2, 2)))


def chain():
    seed_torch(1)
    return Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3))


def on_meta():
    with torch.device("meta"):
        return Sequential(nn.Linear(2, 2), nn.LSTM(2, 2), nn.BatchNorm1d(2), init_cfg=NORMAL)


def saved(tmp_path, make):
    model = make()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    model[3].count, model[3].table = 5, {"b": 2}
    torch.save(model.state_dict(), tmp_path / "a.pth")
    return str(tmp_path / "a.pth")


LOADS = {
    "load_weights": (net, load_weights),
    "load_checkpoint": (net, load_checkpoint),
    "load_state_dict": (net, lambda model, file: load_state_dict(model, torch.load(file))),
    "strict": (net, lambda model, file: load_weights(model, file, strict=True)),
    "assign": (net, lambda model, file: load_weights(model, file, assign=True)),
    "weight norm": (weight_norm, load_weights),
    "spectral norm": (spectral_norm, load_weights),
    "Pretrained": (net, lambda model, file: initialize(
        model, [NORMAL, dict(type="Pretrained", checkpoint=file)])),
}  # fmt: skip
WRITES = {
    "initialize": (net, lambda model: initialize(model, NORMAL)),
    "with a seed": (net, lambda model: initialize(model, NORMAL, seed=3)),
    "atomic": (net, lambda model: initialize(model, NORMAL, atomic=True)),
    "execute": (net, lambda model: execute(plan(model, NORMAL), model)),
    "init_weights": (net, lambda model: model.init_weights()),
    "custom init code": (lambda: net(Own(), Own()), lambda model: model.init_weights()),
    "custom init code and a seed": (lambda: net(Own()), lambda model: model.init_weights(seed=3)),
    "weight norm": (weight_norm, lambda model: initialize(model, NORMAL)),
    "spectral norm": (spectral_norm, lambda model: initialize(model, NORMAL)),
    "orthogonal": (
        net, lambda model: initialize(model, dict(type="Orthogonal", layer="Linear"), seed=1)
    ),
    "LSUV": (chain, lambda model: initialize(
        model, dict(type="LSUV", layer="Linear"), batch=torch.arange(12.0).view(4, 3).sin())),
    "materialize": (on_meta, lambda model: materialize(model, seed=1)),
}  # fmt: skip


def check_every_fault(make, action, inject):
    """Inject a fault at 1, 2, … until none comes any more."""
    faults = 0
    for at in count(1):
        model, fault = make(), Fault(at, for_good=at % 5 == 0)
        keep = [*model.parameters(), *model.buffers()]  # ids stay theirs
        undo = inject(model, fault)
        before, raised = look(model), None
        try:
            with undo:
                action(model)
        except BaseException as error:
            raised = error
        if raised is not None:
            after = look(model)
            wrong = [] if after == before else list(difference(before, after))
            assert not wrong, (at, raised, wrong[:5])
            faults += 1
        if not fault.came:
            assert raised is None, raised
            break
        del keep
    return faults


class Hooks:
    def __init__(self, model, fault):
        self.handles = add_hooks(model, fault)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


INJECTED = {
    "functions": lambda model, fault: FunctionFault(fault),
    "operations": lambda model, fault: DispatchFault(fault),
    "hooks": Hooks,
}


@pytest.mark.parametrize("way", INJECTED)
@pytest.mark.parametrize("case", LOADS)
def test_a_fault_anywhere_in_loading(case, way, tmp_path):
    make, load = LOADS[case]
    file = saved(tmp_path, make)
    assert check_every_fault(make, lambda model: load(model, file), INJECTED[way]) >= 5


@pytest.mark.parametrize("way", INJECTED)
@pytest.mark.parametrize("case", WRITES)
def test_a_fault_anywhere_in_initialising(case, way):
    if way == "hooks" and case != "LSUV":
        pytest.skip("no hook is called")
    assert check_every_fault(*WRITES[case], INJECTED[way]) >= 5
