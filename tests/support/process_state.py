"""What a test may change of the process, and must give back: it would change the tests after it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from brickbook import INITIALIZERS, MODELS
from brickbook.i18n import LANGUAGE_VARIABLES

SIGNALS = signal.SIGINT, signal.SIGTERM
VARIABLES = *LANGUAGE_VARIABLES, "BRICKBOOK_HOME"


@dataclass(frozen=True)
class Setting:
    """Something that belongs to the process, and how it is set."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def write_table(table: dict[str, Any], before: dict[str, Any]) -> None:
    table.clear()
    table.update(before)


def write_handlers(handlers: list[Any]) -> None:
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def read_safe_globals() -> set[Any]:
    """What others than torch allow: its modules add their own when they are imported."""
    return {one for one in get_safe_globals()
            if not str(getattr(one, "__module__", "")).startswith("torch.")}  # fmt: skip


def write_safe_globals(allowed: set[Any]) -> None:
    of_torch = set(get_safe_globals()) - read_safe_globals()
    clear_safe_globals()
    add_safe_globals([*of_torch, *allowed])


def read_variables() -> dict[str, str]:
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def write_variables(variables: dict[str, str]) -> None:
    for name in VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(variables)


SETTINGS = (
    Setting("grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("default device", torch.get_default_device, lambda _: torch.set_default_device(None)),
    Setting("number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("deterministic algorithms", torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms),
    Setting("safe globals", read_safe_globals, write_safe_globals),
    Setting("signal handlers", lambda: [*map(signal.getsignal, SIGNALS)], write_handlers),
    Setting("trace function", sys.gettrace, sys.settrace),
    Setting("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Setting("environment", read_variables, write_variables),
    Setting("current folder", Path.cwd, os.chdir),
    *(Setting(f"registry of each {registry.name}", registry.module_dict.copy,
              partial(write_table, registry.module_dict))
      for registry in (INITIALIZERS, MODELS, *MODELS.children.values())),
)  # fmt: skip


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Fail a block that leaves the process changed, and change it back for what comes after."""
    before = [setting.read() for setting in SETTINGS]
    yield
    leaks = []
    for setting, was in zip(SETTINGS, before, strict=True):
        now = setting.read()
        if now != was:
            setting.write(was)
            leaks.append(f"{setting.name}: {describe_change(was, now)}")
    assert not leaks, f"left changed: {'; '.join(leaks)}"


def describe_change(was: Any, now: Any) -> str:
    """Say what was and what is; of a table only the names that differ."""
    if isinstance(was, dict):
        return ", ".join(sorted(n for n in was | now if was.get(n) != now.get(n)))
    return f"{was} is now {now}"
