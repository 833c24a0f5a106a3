"""The race: several starts of one model, the same batches, and how their losses fall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError, ConfigError, wrong_type, wrong_value
from brickbook.init.execution.materialize import skeleton
from brickbook.init.planning import plan
from brickbook.introspect import keeps_grad_mode
from brickbook.measure.race.data import check_data
from brickbook.measure.race.records import Race, Run
from brickbook.measure.race.tasks import Task
from brickbook.measure.race.train import Log, RunSpec, build, run_or_report, seeded
from brickbook.measure.race.workers import run_in_workers

__all__ = ["race"]

RECORDED_UPDATES = 20  # of each run, by default


@keeps_grad_mode
def race(
    model_fn: Callable[[], nn.Module] | nn.Module,
    init_cfgs: Mapping[str, Any],
    data: Any,
    *,
    steps: int,
    seeds: int | Sequence[int],
    optimizer: Callable[[Any], torch.optim.Optimizer],
    scheduler: Callable[[torch.optim.Optimizer], Any] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
    batch_size: int = 32,
    update_every: int | None = None,
    signals_at: Sequence[int] = (),
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[Race, float], object] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Race:
    """Train a model for a few steps from each of several starts, with each of several seeds.

    All variants of a seed see the same batches in the same order. A run is this loop, bit by bit::

        torch.manual_seed(seed)
        model = model_fn().train()
        initialize(model, init_cfg, seed=seed)
        optimizer = make_optimizer(model.parameters())
        torch.manual_seed(seed)  # Python's and numpy's generators too
        for inputs, target in batches:
            optimizer.zero_grad()
            loss(model(inputs), target).backward()
            optimizer.step()

    Runs are the same in this process and in a worker where torch has the same number of threads
    (`Run.threads`), on a CPU; on a GPU as far as torch's kernels are deterministic. The model, the
    data and the generators' states are as before afterwards. A run whose loss is NaN or infinite
    stops there; what one raises costs that run alone. What other
    threads of the process draw meanwhile mixes with what the model draws, such as dropout; those of
    a dask worker draw from Python's generator.

    Args:
        model_fn: Makes a new model at each call; or a model, of which each run trains a copy.
        init_cfgs: The starts by name: an ``init_cfg``, a function that initialises a model, or None
            for the model as it was built.
        data: Two tensors ``(inputs, targets)``, which are shuffled; an iterable of such pairs, as a
            DataLoader, gone through again and again; a function that returns either, called in each
            run, or an iterator; or one of `brickbook.measure.race.TASKS`.
        steps: How many updates each run makes.
        seeds: How many seeds, or which.
        optimizer: Takes the parameters, as ``partial(torch.optim.SGD, lr=0.1)``.
        scheduler: Takes the optimizer; its ``step`` is called after each update.
        loss: Of output and target; by default cross entropy for targets that are whole numbers,
            the mean square for others.
        metrics: Of output and target, by name; by default the accuracy of classes.
        batch_size: Of two tensors.
        update_every: After how many steps the sizes of updates are recorded, which takes memory for
            a second copy of the weights; by default about 20 times a run.
        signals_at: Steps before which `brickbook.probe` looks at the model; ``steps`` is the end.
        threads: Of torch in each run, by default as many as now. In processes that were forked it
            is one, for more would hang.
        executor: Runs every run in another process or on another machine; any executor of
            ``concurrent.futures``, of dask's ``client.get_executor()``. None: here, one by one. In
            threads they take turns.
        progress: Called with what there is so far and the share of all steps that is done: about 20
            times a run, with an executor after each run.
        cancelled: Asked before each step; what there is is returned when it says True. With an
            executor, runs that have begun go on in their workers and are not waited for.

    Raises:
        BadArgumentError: An argument is of a wrong type.
        BadValueError: There is nothing to run, ``model_fn`` returns one model twice, a part cannot
            be sent to a worker, or every run has failed.
        ConfigError: An ``init_cfg`` cannot be used.
    """
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    check_numbers(steps, chosen, batch_size, update_every, signals_at, threads)
    check_starts(model_fn, init_cfgs)
    check_data(data)
    every = update_every or max(1, steps // RECORDED_UPDATES)
    shared = {
        "model_fn": model_fn,
        "data": (data.inputs, data.targets) if isinstance(data, Task) else data,
        "steps": steps,
        "optimizer": optimizer,
        "scheduler": scheduler,
        "loss": loss,
        "metrics": metrics,
        "batch_size": batch_size,
        "update_every": every,
        "signals_at": frozenset(signals_at),
        "threads": threads or torch.get_num_threads(),
    }
    keys = [(name, seed) for name in init_cfgs for seed in chosen]
    watch = Watch(steps, len(keys), every, progress)
    notes: list[str] = []
    errors: list[Exception] = []
    if executor is not None:
        runs, notes = run_in_workers(executor, shared, init_cfgs, keys, watch.on_end, cancelled)
    else:
        runs = []
        for name, seed in keys:
            spec = RunSpec(variant=name, init=init_cfgs[name], seed=seed, **shared)
            runs.append(run_or_report(spec, watch.on_step, cancelled, errors))
            watch.on_end(runs)
    if all(run.status in ("failed", "lost") for run in runs):
        cause = errors[0] if errors else None
        raise BadValueError("race", f"no run has come to its end. {runs[0].outcome}") from cause
    return Race(tuple(runs), steps, tuple(notes))


def check_numbers(
    steps: Any,
    seeds: tuple[Any, ...],
    batch_size: Any,
    update_every: Any,
    signals_at: Sequence[Any],
    threads: Any,
) -> None:
    """Raise for numbers that give no race."""
    check_whole("steps", steps, 1)
    check_whole("batch_size", batch_size, 1)
    for name, value in (("update_every", update_every), ("threads", threads)):
        if value is not None:
            check_whole(name, value, 1)
    for seed in seeds:
        check_whole("seeds", seed, 0)
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadValueError("seeds", wrong_value("one or more, all different", seeds))
    for step in signals_at:
        check_whole("signals_at", step, 0)
        if step > steps:
            raise BadValueError("signals_at", f"there are {steps:,} steps, got {step!r}.")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise unless a value is a whole number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadArgumentError(name, wrong_type("an int", value))
    if value < least:
        raise BadValueError(name, f"expected {least} or more, got {value!r}.")


def check_starts(model_fn: Any, init_cfgs: Any) -> None:
    """Raise for a model that is not made anew, and for what an ``init_cfg`` cannot do to it."""
    if not isinstance(init_cfgs, Mapping) or not init_cfgs:
        raise BadArgumentError("init_cfgs", wrong_value("a mapping of names to configs", init_cfgs))
    for name in init_cfgs:
        if not isinstance(name, str) or not name:
            raise BadArgumentError("init_cfgs", wrong_value("a name for each variant", name))
    if not callable(model_fn):
        raise BadArgumentError("model_fn", wrong_value("a function or a model", model_fn))
    with seeded(0, set()), skeleton():
        model, other = build(model_fn), build(model_fn)
    if {id(part) for part in model.modules()} & {id(part) for part in other.modules()}:
        problem = "it returned the same layers twice, and each run would train what the last left."
        raise BadValueError("model_fn", problem, "Build them in the function, or pass the model.")
    for name, config in init_cfgs.items():
        if config is None or callable(config):
            continue
        try:
            plan(model, config)
        except ConfigError as error:
            error.path = f"init_cfgs.{name}{error.path.removeprefix('init_cfg')}"
            error.args = (error.path, *error.args[1:])
            raise


class Watch:
    """Tells ``progress`` how far a race has come."""

    def __init__(
        self, steps: int, runs: int, every: int, progress: Callable[[Race, float], object] | None
    ) -> None:
        self.steps, self.total, self.every, self.progress = steps, runs * steps, every, progress
        self.ended: list[Run] = []

    def on_step(self, log: Log) -> None:
        """Take note of a step."""
        step = len(log.losses)
        if self.progress is not None and step % self.every == 0:
            self.report([*self.ended, log.close("running")], step)

    def on_end(self, runs: list[Run]) -> None:
        """Take note that runs have ended."""
        self.ended = list(runs)
        self.report(self.ended, 0)

    def report(self, runs: list[Run], steps: int) -> None:
        """Tell what there is."""
        if self.progress is not None:
            share = (len(self.ended) * self.steps + steps) / self.total
            self.progress(Race(tuple(runs), self.steps), share)
