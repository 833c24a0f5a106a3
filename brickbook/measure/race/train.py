"""One run of a race: a model is built, initialised and trained for some steps."""

from __future__ import annotations

import copy
import math
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_all_start_methods, get_context, process
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, ConfigError, first_line, format_value
from brickbook.init.execution import initialize
from brickbook.init.initializers import call_with_batch
from brickbook.measure.probe import grad_mode, map_tensors, probe, seeded_rng
from brickbook.measure.probe.functions import FunctionCalls
from brickbook.measure.race.data import batches, default_loss, default_metrics
from brickbook.measure.race.records import Run, Status

__all__ = ["Log", "RunSpec", "build", "forked_with_threads", "run_or_report", "seeded"]

Loss = Callable[[Any, Any], Tensor]
RACE_LOCK = threading.RLock()  # held while torch's generator and number of threads are a run's


@dataclass(frozen=True)
class RunSpec:
    """All that a run is made of."""

    variant: str
    init: Any
    seed: int
    model_fn: Any
    data: Any
    steps: int
    optimizer: Callable[[Any], torch.optim.Optimizer]
    scheduler: Callable[[torch.optim.Optimizer], Any] | None
    loss: Loss | None
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None
    batch_size: int
    update_every: int
    signals_at: frozenset[int]
    threads: int


@dataclass
class Log:
    """What a run has found so far."""

    spec: RunSpec
    threads: int = 0
    losses: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    update_steps: list[int] = field(default_factory=list)
    updates: dict[str, list[float | None]] = field(default_factory=dict)
    signals: dict[int, Any] = field(default_factory=dict)
    expected_loss: float | None = None

    def close(self, status: Status, problem: str = "") -> Run:
        """Return the record of the run."""
        return Run(
            self.spec.variant,
            self.spec.seed,
            status,
            tuple(self.losses),
            {name: tuple(row) for name, row in self.metrics.items()},
            tuple(self.update_steps),
            {name: tuple(row) for name, row in self.updates.items()},
            dict(self.signals),
            self.expected_loss,
            self.threads,
            problem,
        )


def run_or_report(
    spec: RunSpec,
    on_step: Callable[[Log], None] = lambda log: None,
    cancelled: Callable[[], bool] = lambda: False,
    errors: list[Exception] | None = None,
) -> Run:
    """Train once; what is raised costs this run only, and is its ``problem``."""
    log = Log(spec)
    try:
        with RACE_LOCK, torch_threads(spec.threads) as log.threads:
            status = train(spec, log, on_step, cancelled)
    except Exception as error:
        if errors is not None:
            errors.append(error)
        return log.close("failed", describe_error(error))
    return log.close(status)


def describe_error(error: Exception) -> str:
    """Return one line about an error: the whole sentence of one of ours."""
    if isinstance(error, ConfigError):
        return first_line(error)
    return f"{type(error).__name__}: {first_line(error)}"


def train(
    spec: RunSpec,
    log: Log,
    on_step: Callable[[Log], None],
    cancelled: Callable[[], bool],
) -> Status:
    """Train a model, and write what is found in ``log``; return how it ended.

    What is drawn before the first step has no influence on what is drawn in the steps.
    """
    with seeded(spec.seed, set()), grad_mode(True):
        model = build(spec.model_fn).train()
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    with seeded_loader(spec.data, spec.seed):
        with seeded(spec.seed, {device}), grad_mode(True):
            given = batches(spec.data, spec.batch_size, spec.seed)
            first = next(given)
            inputs, target = on_device(first, device)
            if callable(spec.init):
                spec.init(model)
            elif spec.init is not None:
                initialize(model, spec.init, seed=spec.seed, batch=inputs)
            optimizer = spec.optimizer(model.parameters())
            if not isinstance(optimizer, torch.optim.Optimizer):
                problem = f"it returned {format_value(optimizer)}, no torch.optim.Optimizer."
                raise BadArgumentError("optimizer", problem)
            scheduler = spec.scheduler(optimizer) if spec.scheduler is not None else None
        loss_fn = spec.loss or default_loss(target)
        metrics = default_metrics(target) if spec.metrics is None else spec.metrics
        with seeded(spec.seed, {device}), grad_mode(True):
            for step, batch in zip(range(spec.steps), chain([first], given), strict=False):
                if cancelled():
                    return "cancelled"
                inputs, target = on_device(batch, device)
                if step in spec.signals_at:
                    record_signals(log, step, model, inputs, target, loss_fn)
                optimizer.zero_grad()
                output = call_with_batch(model, inputs)
                loss = loss_fn(output, target) if step else first_loss(log, loss_fn, output, target)
                value = float(loss.detach())
                for name, measure in metrics.items():
                    log.metrics.setdefault(name, []).append(float(measure(output, target)))
                log.losses.append(value)
                if not math.isfinite(value):
                    on_step(log)
                    return "diverged"
                loss.backward()
                if step % spec.update_every:
                    optimizer.step()
                else:
                    with recorded_update(log, step, model):
                        optimizer.step()
                if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                    scheduler.step(value)
                elif scheduler is not None:
                    scheduler.step()
                on_step(log)
            if spec.steps in spec.signals_at:
                record_signals(log, spec.steps, model, inputs, target, loss_fn)
    return "finished"


def first_loss(log: Log, loss_fn: Loss, output: Any, target: Any) -> Tensor:
    """Return the loss at the start, and note how many classes it tells apart."""
    with FunctionCalls() as functions:
        loss = loss_fn(output, target)
    if functions.cross_entropy is not None:
        log.expected_loss = math.log(functions.cross_entropy.classes)
    return loss


@contextmanager
def seeded_loader(data: Any, seed: int) -> Iterator[None]:
    """Seed the generator that a DataLoader has of its own; put its state back at the end."""
    holders = data, getattr(data, "sampler", None)
    found = {id(own): own for each in holders if (own := getattr(each, "generator", None))}
    kept = [(own, own.get_state()) for own in found.values() if isinstance(own, torch.Generator)]
    try:
        for own, _ in kept:
            own.manual_seed(seed)
        yield
    finally:
        for own, state in kept:
            own.set_state(state)


def build(model_fn: Any) -> nn.Module:
    """Return a new model: what a function makes, or a copy of a model."""
    if isinstance(model_fn, nn.Module):
        return copy.deepcopy(model_fn)
    model = model_fn()
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model_fn", f"it returned {format_value(model)}, no module.")
    return model


def on_device(batch: tuple[Any, Any], device: torch.device) -> tuple[Any, Any]:
    """Return a batch with its tensors on the model's device."""
    return tuple(map_tensors(part, lambda tensor: tensor.to(device)) for part in batch)  # pyright: ignore[reportReturnType] - two


def record_signals(
    log: Log, step: int, model: nn.Module, inputs: Any, target: Any, loss_fn: Loss
) -> None:
    """Probe the model as it is on a batch."""
    given = inputs if isinstance(inputs, (Tensor, tuple, dict)) else (inputs,)
    seed = log.spec.seed
    with seeded(seed, set()):  # a model may draw from Python's generator, or numpy's
        log.signals[step] = probe(
            model, given, seed=seed, loss=lambda output: loss_fn(output, target)
        )


@contextmanager
def recorded_update(log: Log, step: int, model: nn.Module) -> Iterator[None]:
    """Record ‖update‖ / ‖weight‖ of every weight (two axes or more) around an optimizer's step."""
    weights = {
        name: value
        for name, value in model.named_parameters()
        if value.dim() > 1 and value.requires_grad
    }
    with torch.no_grad():
        before = [value.clone() for value in weights.values()]
    yield
    with torch.no_grad():
        sizes = [
            torch.stack([torch.linalg.vector_norm(value - old), torch.linalg.vector_norm(old)])
            for value, old in zip(weights.values(), before, strict=True)
        ]
    log.update_steps.append(step)
    for name, size in zip(weights, sizes, strict=True):
        change, whole = size.tolist()
        log.updates.setdefault(name, []).append(change / whole if whole else None)


@contextmanager
def seeded(seed: int, devices: set[torch.device]) -> Iterator[None]:
    """Seed the generators of torch, Python and numpy in the block; put their states back after."""
    states = random.getstate(), np.random.get_state()
    try:
        with seeded_rng(seed, devices | cuda_in_use()):
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def cuda_in_use() -> set[torch.device]:
    """Return the current CUDA device, if any is in use."""
    if not torch.cuda.is_initialized():
        return set()
    return {torch.device("cuda", torch.cuda.current_device())}


@contextmanager
def torch_threads(count: int) -> Iterator[int]:
    """Let torch use so many threads in the block; one in a forked process. Yields how many."""
    before = torch.get_num_threads()
    count = 1 if forked_with_threads(count) else count
    try:
        if count != before:
            torch.set_num_threads(count)
        yield count
    finally:
        if count != before and not forked_with_threads(before):
            torch.set_num_threads(before)


def forked_with_threads(count: int) -> bool:
    """Whether this process was forked and more than one thread is asked for: OpenMP then hangs."""
    if count == 1 or "fork" not in get_all_start_methods():
        return False
    return isinstance(process.current_process(), get_context("fork").Process)
