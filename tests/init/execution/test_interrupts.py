"""Ctrl-C and SIGTERM while a model is started: it is started as planned, or what it was before."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest
import torch
from fault_injection import Interrupter
from seeds import seed_torch
from torch import nn

from brickbook import BaseModule, Sequential, initialize
from brickbook.init.laws import matrix as laws
from brickbook.introspect.model_state import KeptState

posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX does")

WORKER = r"""
import json, os, signal, sys
import torch
from torch import nn
from brickbook import BaseModule, Sequential, initialize
from brickbook.init import laws

(FOLDER,) = sys.argv[1:]
WANTED = {"SIGINT": KeyboardInterrupt, "SIGTERM": SystemExit}
CFG = dict(type="Normal", std=0.02, bias=1, layer="Linear")
COUNT, SIDE = 10, 2000  # 40 M numbers; 8 M where a copy is kept
DRAW, seen, at, name = laws.Normal.draw, 0, 0, ""


def draw(law, tensor, generator):  # sends the signal in the middle of the writing
    global seen
    seen += 1
    if seen == at:
        os.kill(os.getpid(), getattr(signal, name))
    DRAW(law, tensor, generator)


laws.Normal.draw = draw


class Own(BaseModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def init_weights(self):
        nn.init.constant_(self.fc.weight, 5)


def model(count, *parts):
    with torch.device("meta"):
        layers = [nn.Linear(SIDE, SIDE) for _ in range(count)]
    net = Sequential(*layers, *parts, init_cfg=CFG).to_empty(device="cpu")
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.fill_(7)
    return net


def ask(number, frame):
    raise SystemExit(3)


# A job in the background starts with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, ask)
torch.set_num_threads(2)
torch.save({"0.bias": torch.full((SIDE,), 9.0)}, f"{FOLDER}/some.pth")
pretrained = dict(type="Pretrained", checkpoint=f"{FOLDER}/some.pth")
told = {name: {} for name in WANTED}
for seed in (3, None):
    at, whole = 0, model(COUNT)
    torch.manual_seed(0)
    initialize(whole, seed=seed)
    for name in WANTED:
        for case, parts, options, more in (
            ("plain", (), {}, []),
            ("atomic", (), {"atomic": True}, []),
            ("custom init code", (Own(),), {}, []),
            ("checkpoint", (), {}, [pretrained]),
        ):
            count = COUNT if case == "plain" else 2
            net = model(count, *parts)
            net.init_cfg = [CFG, *more]
            torch.manual_seed(0)
            seen, at, raised = 0, count // 2 + 1 if seed is None else 2 * count + 1, None
            try:
                initialize(net, seed=seed, **options)
            except BaseException as error:
                raised = type(error) is WANTED[name]
            old = all((tensor == 7).all() for tensor in net.parameters())
            new = all(torch.equal(a, b) for a, b in zip(net.parameters(), whole.parameters()))
            back = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            back = back and signal.getsignal(signal.SIGTERM) is ask
            state = "new" if new else "old" if old else "half"
            told[name][f"{case}, seed {seed}"] = [raised, state, net.is_init, back]
            del net
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def signalled(tmp_path_factory):
    """What a process that both signals reach finds."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path_factory.mktemp("signalled"))],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.processes
@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_the_middle_of_forty_million_numbers(name, signalled):
    messages = dict(signalled[name])
    for seed in (3, None):
        assert messages.pop(f"plain, seed {seed}") == [True, "new", True, True]
        for case in ("atomic", "custom init code", "checkpoint"):
            assert messages.pop(f"{case}, seed {seed}") == [True, "old", False, True], case
    assert not messages


KILLED = r"""
import os, signal
import torch
from torch import nn
from brickbook import initialize
from brickbook.init import laws

def draw(law, tensor, generator):
    os.kill(os.getpid(), signal.SIGTERM)

laws.Normal.draw = draw
initialize(nn.Linear(2, 2), dict(type="Normal", layer="Linear"))
print("not killed")
"""


@pytest.mark.processes
@posix
def test_a_sigterm_that_nobody_handles_ends_the_process_at_once():
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


class Own(BaseModule):
    def __init__(self):
        super().__init__(dict(type="Normal", layer="Linear"))
        self.fc = nn.Linear(2, 2)

    def init_weights(self):
        super().init_weights()
        nn.init.constant_(self.fc.bias, 5)


def net(*parts):
    seed_torch(0)
    rule = dict(type="Normal", mean=100.0, bias=7, layer="Linear")
    return Sequential(nn.Linear(2, 2), *parts, nn.BatchNorm1d(2), init_cfg=rule)


def state(model):
    return [*(tensor.tolist() for tensor in model.parameters()), model.is_init,
            *(part.is_init for part in model if isinstance(part, BaseModule))]  # fmt: skip


@pytest.fixture
def interrupts():
    """Python's own handler: a job in the background starts with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def is_ours(file):
    return file.name == "contextlib.py" or not {"init", "introspect"}.isdisjoint(file.parts)


CASES = {
    "atomic": ((), {"atomic": True}),
    "custom init code": ((Own(),), {}),
    "custom init code and a seed": ((Own(),), {"seed": 3}),
    "nothing kept": ((), {"seed": 3}),
}


# A generator that is interrupted as it is entered is finished by the collector, in no context.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or coverage traces lines too")
@pytest.mark.parametrize("case", CASES)
def test_wherever_an_interrupt_comes(case, interrupts):
    parts, options = CASES[case]
    parts = len(parts)
    whole = net(*(Own() for _ in range(parts)))
    seed_torch(9)
    initialize(whole, **options)
    ends, at, seen = Counter(), 0, True
    while seen:
        at += 13
        model = net(*(Own() for _ in range(parts)))
        old = state(model)
        seed_torch(9)
        tracer = Interrupter(at, is_ours)
        sys.settrace(tracer)
        try:
            initialize(model, **options)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        seen = tracer.where
        assert state(model) in (old, state(whole)), tracer.where
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, tracer.where
        ends[state(model) == old] += 1
    assert ends[True] > 5 and ends[False] > 1


def test_an_interrupt_while_a_model_is_put_back_waits(interrupts, monkeypatch):
    model = net()
    old, put_back, sent = state(model), KeptState.restore, []

    def interrupted(kept):
        signal.raise_signal(signal.SIGINT)
        sent.append(True)
        put_back(kept)

    def fails(law, tensor, generator=None):
        raise RuntimeError("no luck")

    monkeypatch.setattr(KeptState, "restore", interrupted)
    monkeypatch.setattr(laws.Normal, "draw", fails)
    with pytest.raises(KeyboardInterrupt) as caught:
        initialize(model, atomic=True)
    assert sent and isinstance(caught.value.__context__, RuntimeError)
    assert state(model) == old


def test_a_handler_that_only_takes_a_note_is_called_and_nothing_stops(monkeypatch):
    notes, draw = [], laws.Normal.draw

    def noisy(law, tensor, generator):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        draw(law, tensor, generator)

    monkeypatch.setattr(laws.Normal, "draw", noisy)
    before = signal.signal(signal.SIGINT, lambda number, frame: notes.append(number))
    try:
        for atomic, calls in ((False, 1), (True, 2)):
            notes.clear()
            model = net()
            initialize(model, atomic=atomic)
            assert model.is_init and len(notes) == calls
    finally:
        signal.signal(signal.SIGINT, before)


@posix
def test_both_signals_are_delivered(interrupts, monkeypatch):
    notes, draw = [], laws.Normal.draw

    def noisy(law, tensor, generator):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        draw(law, tensor, generator)

    monkeypatch.setattr(laws.Normal, "draw", noisy)
    before = signal.signal(signal.SIGTERM, lambda number, frame: notes.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            initialize(net())
        assert notes == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("options", [{}, {"seed": 3}, {"seed": 3, "atomic": True}])
def test_another_thread_starts_models_too(options):
    here, there, errors = net(Own()), net(Own()), []
    seed_torch(4)
    initialize(here, **options)

    def work():
        try:
            seed_torch(4)
            initialize(there, **options)
        except BaseException as error:
            errors.append(error)

    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
    assert state(there) == state(here)
    assert signal.getsignal(signal.SIGINT) is handler


class Rebuilds(BaseModule):
    """Own code that changes about everything of a module, and fails."""

    def __init__(self):
        super().__init__()
        self.fc, self.other = nn.Linear(2, 2), nn.Linear(2, 2)

    def init_weights(self):
        self.fc.weight.requires_grad_(False)
        self.fc.weight.data = torch.ones(7)
        self.fc.bias.data = self.fc.bias.data.half()
        self.other, self.new = nn.Linear(3, 3), nn.Linear(1, 1)
        raise RuntimeError("no luck")


@pytest.mark.parametrize("atomic", [False, True])
def test_what_own_code_rebuilds_is_put_back(atomic):
    model = net(Rebuilds())
    before, parts = state(model), list(model.modules())
    with pytest.raises(RuntimeError, match="no luck"):
        initialize(model, atomic=atomic)
    assert state(model) == before and list(model.modules()) == parts
    assert all(tensor.requires_grad for tensor in model.parameters())
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


class Replaces(BaseModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def init_weights(self):
        self.fc.weight = nn.Parameter(torch.zeros(2, 2))
        self.fc.bias.data = torch.zeros(3)


def test_own_code_cannot_replace_what_is_protected():
    model = net(Replaces())
    before, weight = state(model), model[1].fc.weight
    report = model.init_weights(protect="1")
    assert model[1].fc.weight is weight and report["1.fc.weight"].action == "left"
    assert state(model)[2:4] == before[2:4]
