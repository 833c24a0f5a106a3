"""A test that leaves the process changed is told what it left, and the next test is not hit."""

import gc
import os
import signal
import sys
from functools import partial

import pytest
import torch
from process_state import SETTINGS, kept_process_state

from brickbook import INITIALIZERS, MODELS


class Left:
    """What a test might register and leave."""


CASES = {
    "grad mode: True is now False": partial(torch.set_grad_enabled, False),
    "default dtype: torch.float32 is now torch.float64": partial(
        torch.set_default_dtype, torch.float64
    ),
    "default device: cpu is now meta": partial(torch.set_default_device, "meta"),
    "deterministic algorithms: False is now True": partial(
        torch.use_deterministic_algorithms, True
    ),
    "garbage collection: True is now False": gc.disable,
    "environment: BRICKBOOK_LANGUAGE": partial(os.environ.update, BRICKBOOK_LANGUAGE="zh"),
    "environment: LANG, LC_ALL": partial(os.environ.update, LANG="xx", LC_ALL="xx"),
    "registry of each model: Left": partial(MODELS.register_module, module=Left),
    "registry of each initializer: Normal": partial(
        INITIALIZERS.register_module, "Normal", force=True, module=Left
    ),
}


@pytest.mark.parametrize("leak", CASES)
def test_what_is_left_changed_is_said_and_put_back(leak):
    before = [setting.read() for setting in SETTINGS]
    with pytest.raises(AssertionError) as caught, kept_process_state():
        CASES[leak]()
    assert str(caught.value).splitlines()[0] == f"left changed: {leak}"
    assert [setting.read() for setting in SETTINGS] == before


def test_threads_handlers_and_folder_too(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    with pytest.raises(AssertionError) as caught, kept_process_state():
        torch.set_num_threads(threads + 1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.chdir(tmp_path)
        torch.serialization.add_safe_globals([Left])
        sys.settrace(lambda *_: None)
    found = str(caught.value)
    names = "number of threads", "safe globals", "signal handlers", "trace function", "current fold"
    assert all(name in found for name in names)
    assert torch.get_num_threads() == threads and sys.gettrace() is None


def test_what_is_as_before_is_no_leak():
    with kept_process_state(), torch.no_grad(), torch.device("meta"):
        torch.ones(1)
