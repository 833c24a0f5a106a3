"""Faults raised at the n-th line, tensor operation or call of a hook, and all that a model is."""

from __future__ import annotations

import signal
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from brickbook.introspect import origin_of

KINDS = (RuntimeError, KeyboardInterrupt, MemoryError)


class Fault:
    """Raises at the n-th tick, once; with ``for_good`` at every later one too."""

    def __init__(self, at, for_good=False):
        self.at, self.count, self.for_good = at, 0, for_good

    @property
    def came(self):
        return self.count >= self.at

    def tick(self):
        self.count += 1
        if self.count == self.at or (self.for_good and self.came):
            raise KINDS[self.at % len(KINDS)]("injected")


class FunctionFault(TorchFunctionMode):
    """Every call of torch's functions and of tensors' methods and attributes is a tick."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.fault.tick()
        return function(*args, **(kwargs or {}))


class DispatchFault(TorchDispatchMode):
    """Every operation that reaches torch's dispatcher is a tick."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.fault.tick()
        return function(*args, **(kwargs or {}))


class Interrupter:
    """A trace function that sends Ctrl-C at the n-th line run of the files that are ``wanted``."""

    def __init__(self, at, wanted):
        self.at, self.wanted, self.count, self.where = at, wanted, 0, None

    def __call__(self, frame, event, arg):
        if not wants(self.wanted, frame.f_code.co_filename):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self


@cache
def wants(wanted, file):
    """Ask once for every file: this is called at every line."""
    return wanted(Path(file))


def add_hooks(model, fault):
    """Make every hook of every module a tick, and return what removes them."""

    def tick(*_):
        fault.tick()

    return [
        handle
        for part in model.modules()
        for handle in (
            part.register_load_state_dict_pre_hook(tick),
            part.register_load_state_dict_post_hook(tick),
            part.register_forward_pre_hook(tick),
            part.register_forward_hook(tick),
        )
    ]


def raw(tensor):
    """The bytes of a tensor's storage and how it stands there."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return str(tensor.layout), tensor.is_meta, tuple(tensor.shape), tensor.dtype
    storage = tensor.untyped_storage()
    memory = torch.empty(0, dtype=torch.uint8).set_(storage)
    return (
        memory.numpy().tobytes(), storage.data_ptr(), tuple(tensor.shape), tensor.stride(),
        tensor.storage_offset(), tensor.dtype,
    )  # fmt: skip


def tensor_state(tensor):
    return (
        id(tensor), type(tensor), tensor.requires_grad, id(tensor.grad), sorted(vars(tensor)),
        origin_of(tensor), raw(tensor),
    )  # fmt: skip


def module_state(part):
    """Whatever stands on a module: what containers hold, tensors and modules by identity."""
    found = {"class": type(part)}
    for key, value in vars(part).items():
        found[key] = id(value)
        if isinstance(value, (dict, set, list)):
            found[f"{key} holds"] = content(value)
        elif isinstance(value, (bool, int, str, float)):
            found[key] = value
    return found


def content(value):
    if isinstance(value, dict):
        return [(str(key), id(inner)) for key, inner in value.items()]
    return sorted(map(str, value)) if isinstance(value, set) else list(map(id, value))


def look(model):
    """Everything that has to be the same after a fault."""
    return {
        "modules": [(name, id(part), module_state(part)) for name, part in model.named_modules()],
        "parameters": [
            (name, tensor_state(each))
            for name, each in model.named_parameters(remove_duplicate=False)
        ],
        "buffers": [
            (name, tensor_state(each)) for name, each in model.named_buffers(remove_duplicate=False)
        ],
        "generator": torch.get_rng_state().numpy().tobytes(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "threads": torch.get_num_threads(),
    }


def difference(before, after, path=""):
    """Where two looks differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from difference(before.get(key), after.get(key), f"{path}/{key}")
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        if len(before) != len(after):
            yield f"{path}: {len(before)} and {len(after)}"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from difference(one, other, f"{path}/{number}")
    elif before != after:
        yield f"{path}: {before!r:.60} and {after!r:.60}"


class Extra(nn.Module):
    """A module with extra state: a number and a dict."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2))
        self.count, self.table = 1, {"a": 1}

    def get_extra_state(self):
        return {"count": self.count, "table": dict(self.table)}

    def set_extra_state(self, state):
        self.count = state["count"]
        self.table.update(state["table"])
        torch.zeros(1).add_(1)  # may fail when the half is done
        self.table["last"] = 1
