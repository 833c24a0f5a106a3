"""What belongs to the process is as it was, at whatever line an interrupt comes."""

import gc
import signal
import sys

import pytest
import torch
from fault_injection import Interrupter
from seeds import seed_torch
from torch import nn
from torch._C import _len_torch_function_stack
from torch.overrides import _pop_mode
from torch.serialization import get_safe_globals

from brickbook import BaseModule, Sequential, initialize, load_checkpoint
from brickbook.measure import probe

CFG = {"type": "Normal", "std": 0.02, "layer": "Linear"}
PARTS = {"execution", "probe"}
FILES = {"transaction.py", "contextlib.py", "grad_mode.py", "load.py"}


class Custom(BaseModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x)

    def init_weights(self):
        nn.init.constant_(self.fc.weight, 5)


def changes_settings(file):
    return file.name in FILES or not PARTS.isdisjoint(file.parts)


def settings():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    modes = gc.isenabled(), torch.is_grad_enabled(), torch.get_num_threads()
    generator = hash(torch.get_rng_state().numpy().tobytes())
    return *modes, generator, handlers, sorted(map(str, get_safe_globals()))


def hooks(model):
    return [
        hook
        for part in model.modules()
        for hook in (*part._forward_hooks, *part._forward_pre_hooks)
    ]


def model():
    return Sequential(nn.Linear(3, 3), nn.ReLU(), Custom(), init_cfg=CFG)


CASES = {
    "load_checkpoint": lambda model, file: load_checkpoint(model, file),
    "initialize": lambda model, file: initialize(model, seed=3),
    "probe": lambda model, file: probe(model, torch.ones(2, 3)),
}


STEPS = {"probe": 211}  # it runs tens of thousands of lines


# A generator that is interrupted as it is entered is finished by the collector, in no context.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or coverage traces lines too")
@pytest.mark.parametrize("name", CASES)
def test_an_interrupt_at_any_line_leaves_the_settings_of_the_process(name, tmp_path):
    file = tmp_path / "a.pth"
    torch.save(model().state_dict(), file)
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    CASES[name](model(), str(file))
    seed_torch(0)
    before, at, seen = settings(), 0, True
    wrong = []
    try:
        while seen:
            at += STEPS.get(name, 1)
            part, tracer = model(), Interrupter(at, changes_settings)
            seed_torch(0)
            sys.settrace(tracer)
            try:
                CASES[name](part, str(file))
            except (
                KeyboardInterrupt,
                RuntimeError,
            ):  # what torch makes of one while it swaps modes
                pass
            finally:
                sys.settrace(None)
            seen = tracer.where
            if settings() != before or not part.training or hooks(part):
                wrong.append(seen)
                torch.set_grad_enabled(True)
                signal.signal(signal.SIGINT, signal.default_int_handler)
        assert at > 100
        assert wrong == []
        nn.functional.relu(torch.empty(2, device="meta"))  # what looks at values is out of the way
    finally:
        signal.signal(signal.SIGINT, was)
        gc.collect()
        while _len_torch_function_stack():  # torch's own, of a call that was being handed on
            _pop_mode()
