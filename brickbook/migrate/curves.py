"""The value of each iteration under a schedule: 0.x's ``lr_config``, 1.x's ``param_scheduler``.

Pure functions of a config: no optimizer, no runner. A policy of 0.x has a formula for any moment;
a scheduler of 1.x changes the value that it finds, so several of them act one on the other, and
theirs are computed step by step, in MMEngine's order and with its roundings.

A policy or a scheduler is one function and one row of its table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    MissingKeyError,
    UnknownNameError,
    format_value,
    nearest,
)

__all__ = ["Length", "policy_curve", "policy_name", "scheduler_curve", "two_ratios"]

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Length:
    """How long a training is, in iterations and, where it counts them, in epochs.

    ``epochs`` is None for a training that is told its iterations.

    >>> Length.of_epochs(3, epoch_length=100)
    Length(iterations=300, epoch_length=100, epochs=3)
    """

    iterations: int
    epoch_length: int
    epochs: int | None = None

    @classmethod
    def of_epochs(cls, epochs: int, *, epoch_length: int) -> Length:
        """Return the length of a number of epochs."""
        return cls(epochs * epoch_length, epoch_length, epochs)


# ---------------------------------------------------------------------------------- 1.x schedulers

# (settings, steps of this scheduler so far, the value found, the value at the start) → the new one
Step = Callable[[Settings, int, float, float], float]


@dataclass(frozen=True)
class SchedulerKind:
    """A row: the step, the defaults, and what is counted in steps besides ``begin`` and ``end``."""

    step: Step
    defaults: Settings = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    lengths: tuple[str, ...] = ()
    divisor: str | None = None  # a factor that the next step divides by


def lowest(settings: Settings, base: float) -> float:
    """Return ``eta_min``, or the share ``eta_min_ratio`` of the value at the start."""
    ratio = settings["eta_min_ratio"]
    return settings["eta_min"] or 0.0 if ratio is None else base * ratio


def cosine_ratio(step: int, period: float) -> float:
    """Return how much nearer the lowest value a cosine comes within one step."""
    before = 1 + math.cos(math.pi * (step - 1) / period)
    return (1 + math.cos(math.pi * step / period)) / before


def cosine_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Anneal along a cosine."""
    period, low = settings["T_max"] or settings["end"] - settings["begin"], lowest(settings, base)
    if step == 0:
        return value
    if (step - 1 - period) % (2 * period) == 0:
        return value + (base - low) * (1 - math.cos(math.pi / period)) / 2
    return cosine_ratio(step, period) * (value - low) + low


def cosine_restart_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Anneal along a cosine in each period, from that period's share of the start."""
    periods, low, begin = settings["periods"], lowest(settings, base), 0
    for period, weight in zip(periods, settings["restart_weights"], strict=True):
        if step < begin + period:
            if step == begin:
                return base * weight
            return cosine_ratio(step - begin, period) * (value - low) + low
        begin += period
    return value


def linear_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Multiply by a factor that grows from ``start_factor`` to ``end_factor``."""
    start, total = settings["start_factor"], settings["end"] - settings["begin"] - 1
    if step == 0:
        return value * start
    growth = settings["end_factor"] - start
    return value * (1.0 + growth / (total * start + (step - 1) * growth))


def constant_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Multiply by ``factor``, and take it back in the last step."""
    if step == 0:
        value = value * settings["factor"]
    elif step == settings["end"] - settings["begin"] - 1:
        value = value * (1.0 / settings["factor"])
    return value


def poly_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Fall to ``eta_min`` along a power of what is left of the way."""
    if step == 0:
        return value
    total, low = settings["end"] - settings["begin"] - 1, settings["eta_min"]
    return (value - low) * (1 - 1 / (total - step + 1)) ** settings["power"] + low


def exponential_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Multiply by ``gamma`` in every step but the first."""
    return value if step == 0 else value * settings["gamma"]


def fixed_steps_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Multiply by ``gamma`` every ``step_size`` steps."""
    if step == 0 or step % settings["step_size"] != 0:
        return value
    return value * settings["gamma"]


def milestones_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Multiply by ``gamma`` at each milestone."""
    times = list(settings["milestones"]).count(step)
    return value * settings["gamma"] ** times if times else value


def one_cycle_step(settings: Settings, step: int, value: float, base: float) -> float:
    """Rise to ``eta_max`` and fall below the start."""
    high = settings["eta_max"]
    start = high / settings["div_factor"]
    low = start / settings["final_div_factor"]
    total = settings["total_steps"] or settings["end"] - settings["begin"]
    return one_cycle(settings, step, total, start=start, high=high, low=low)


SCHEDULERS: Mapping[str, SchedulerKind] = {
    "ConstantLR": SchedulerKind(constant_step, {"factor": 1 / 3}, divisor="factor"),
    "CosineAnnealingLR": SchedulerKind(
        cosine_step, {"T_max": None, "eta_min": None, "eta_min_ratio": None}, lengths=("T_max",)
    ),
    "CosineRestartLR": SchedulerKind(
        cosine_restart_step,
        {"restart_weights": (1,), "eta_min": None, "eta_min_ratio": None},
        needs=("periods",),
        lengths=("periods",),
    ),
    "ExponentialLR": SchedulerKind(exponential_step, needs=("gamma",)),
    "LinearLR": SchedulerKind(
        linear_step, {"start_factor": 1 / 3, "end_factor": 1.0}, divisor="start_factor"
    ),
    "MultiStepLR": SchedulerKind(
        milestones_step, {"gamma": 0.1}, needs=("milestones",), lengths=("milestones",)
    ),
    "OneCycleLR": SchedulerKind(
        one_cycle_step,
        {
            "total_steps": None,
            "pct_start": 0.3,
            "anneal_strategy": "cos",
            "div_factor": 25.0,
            "final_div_factor": 1e4,
            "three_phase": False,
        },
        needs=("eta_max",),
        lengths=("total_steps",),
    ),
    "PolyLR": SchedulerKind(poly_step, {"eta_min": 0.0, "power": 1.0}),
    "StepLR": SchedulerKind(
        fixed_steps_step, {"gamma": 0.1}, needs=("step_size",), lengths=("step_size",)
    ),
}

# How a scheduler's name ends, and which value of a parameter group it changes.
SUFFIXES: Mapping[str, str | None] = {
    "LR": "lr",
    "Momentum": "momentum",
    "WeightDecay": "weight_decay",
    "ParamScheduler": None,  # its param_name says
}


@dataclass
class RunningScheduler:
    """A scheduler on its way."""

    step: Step
    settings: Settings
    by_epoch: bool
    base: float
    clock: int = -1
    steps: int = -1

    @property
    def ended(self) -> bool:
        """Whether it changes nothing any more."""
        return self.clock + 1 >= self.settings["end"]

    def advance(self, value: float) -> float:
        """Return the value after one more epoch, or iteration, of training."""
        self.clock += 1
        if self.settings["begin"] <= self.clock < self.settings["end"]:
            self.steps += 1
            value = self.step(self.settings, self.steps, value, self.base)
        return value


def start_scheduler(
    cfg: Settings, base: float, length: Length, param: str, path: str
) -> RunningScheduler | None:
    """Return a scheduler as it stands before the first iteration; None if it changes another value.

    Args:
        cfg: one entry of ``param_scheduler``.
        base: the value before the training.
        length: what fills ``end`` where it is not given.
        param: "lr", "momentum" or "weight_decay".
        path: where the entry stands, for messages.
    """
    name = str(cfg.get("type"))
    stem = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
    kind = SCHEDULERS.get(f"{stem}LR")
    if kind is None:
        problem = f"no scheduler {format_value(cfg.get('type'))} whose values are known beforehand."
        raise UnknownNameError(f"{path}.type", problem, nearest(name, SCHEDULERS))
    if (SUFFIXES[name.removeprefix(stem)] or cfg.get("param_name")) != param:
        return None
    for key in kind.needs:
        if key not in cfg:
            raise MissingKeyError(f"{path}.{key}", f"{name} needs it.")

    by_epoch, convert = cfg.get("by_epoch", True), cfg.get("convert_to_iter_based", False)
    whole = (length.epochs or 1) if by_epoch else length.iterations
    settings = {"begin": 0, "end": whole, **kind.defaults, **cfg}
    if by_epoch and convert:
        for key in ("begin", "end", *kind.lengths):
            settings[key] = times(settings[key], length.epoch_length)
        by_epoch = False
    if settings["end"] <= settings["begin"]:
        problem = f"it ends at {settings['end']}, before it begins at {settings['begin']}."
        raise BadValueError(f"{path}.end", problem)
    if kind.divisor and not 0 < settings[kind.divisor] <= 1:
        problem = f"expected a share above 0, up to 1, got {format_value(settings[kind.divisor])}."
        raise BadValueError(f"{path}.{kind.divisor}", problem)
    if kind.step is one_cycle_step:
        base = settings["eta_max"] / settings["div_factor"]
    return RunningScheduler(kind.step, settings, by_epoch, base)


def times(steps: Any, epoch_length: int) -> Any:
    """Return epochs in iterations: of a number, of a list of numbers, of None."""
    if steps is None:
        return None
    if isinstance(steps, Sequence):
        return [step * epoch_length for step in steps]
    return int(steps * epoch_length)


def scheduler_curve(
    schedulers: Sequence[Settings] | Settings | None,
    value: float,
    length: Length,
    *,
    param: str = "lr",
    path: str = "param_scheduler",
) -> list[float]:
    """Return the value of each iteration under the schedulers of a 1.x config.

    Args:
        schedulers: ``param_scheduler``: a list of entries, one entry, or nothing.
        value: the value of a parameter group before the training.
        length: of the training; fills ``end`` where it is not given.
        param: which value of the group: "lr", "momentum" or "weight_decay".
        path: where ``schedulers`` stands, for messages.

    Raises:
        UnknownNameError: a scheduler that does not exist, or that looks at results.
        MissingKeyError: an argument that a scheduler must have.
        BadValueError: a scheduler that ends before it begins.

    >>> warm = {"type": "LinearLR", "start_factor": 0.5, "by_epoch": False, "end": 3}
    >>> scheduler_curve([warm], 0.1, Length(iterations=5, epoch_length=5))
    [0.05, 0.07500000000000001, 0.1, 0.1, 0.1]
    """
    entries = [schedulers] if isinstance(schedulers, Mapping) else list(schedulers or ())
    running: list[RunningScheduler] = []
    base, now = value, value
    for i, cfg in enumerate(entries):
        scheduler = start_scheduler(cfg, base, length, param, f"{path}[{i}]")
        if scheduler is not None:
            running.append(scheduler)
            # A one-cycle schedule writes its own start into the group, for all that follow.
            base, now = scheduler.base, scheduler.advance(now)
    of_iterations = [scheduler for scheduler in running if not scheduler.by_epoch]
    of_epochs = [scheduler for scheduler in running if scheduler.by_epoch]
    values: list[float] = []
    while len(values) < length.iterations:
        left = length.epoch_length - len(values) % length.epoch_length
        steps_of_epoch = min(left, length.iterations - len(values))
        if of_iterations:
            for _ in range(steps_of_epoch):
                values.append(now)
                for scheduler in of_iterations:
                    now = scheduler.advance(now)
            of_iterations = [scheduler for scheduler in of_iterations if not scheduler.ended]
        else:
            values += [now] * steps_of_epoch
        if length.epochs is not None and len(values) % length.epoch_length == 0:
            for scheduler in of_epochs:
                now = scheduler.advance(now)
    return values


# ------------------------------------------------------------------------------------ 0.x policies

# (settings, how far, of how much, learning rate at the start) → learning rate
Policy = Callable[[Settings, float, float, float], float]


def annealed(start: float, end: float, share: float) -> float:
    """Return the value at a share of the way along a half cosine."""
    return end + 0.5 * (start - end) * (math.cos(math.pi * share) + 1)


def straight(start: float, end: float, share: float) -> float:
    """Return the value at a share of the way along a straight line."""
    return start + (end - start) * share


SHAPES = {"cos": annealed, "linear": straight}


def target(settings: Settings, base: float) -> float:
    """Return the lowest learning rate: ``min_lr``, or the share ``min_lr_ratio``."""
    ratio = settings.get("min_lr_ratio")
    return settings.get("min_lr") or 0.0 if ratio is None else base * ratio


def fixed(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Keep the learning rate."""
    return base


def steps(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Multiply by ``gamma`` every so many epochs, or at given ones."""
    step = settings["step"]
    if isinstance(step, Sequence):
        times_passed = sum(progress >= milestone for milestone in step)
    else:
        times_passed = progress // step
    value = base * settings.get("gamma", 0.1) ** times_passed
    return max(value, settings.get("min_lr") or value)


def exponential(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Multiply by ``gamma`` in every epoch."""
    return base * settings["gamma"] ** progress


def poly(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Fall to ``min_lr`` along a power of what is left of the way."""
    low = settings.get("min_lr", 0.0)
    return (base - low) * (1 - progress / whole) ** settings.get("power", 1.0) + low


def inverse(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Fall with a power of the time."""
    return base * (1 + settings["gamma"] * progress) ** -settings.get("power", 1.0)


def cosine(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Anneal along a cosine over the whole training."""
    return annealed(base, target(settings, base), progress / whole)


def flat_cosine(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Keep the learning rate for a share of the training, then anneal along a cosine."""
    start = round(whole * settings.get("start_percent", 0.75))
    if progress < start:
        return base
    return annealed(base, target(settings, base), (progress - start) / (whole - start))


def cosine_restart(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Anneal along a cosine in each period."""
    begin, periods = 0, settings["periods"]
    for period, weight in zip(periods, settings.get("restart_weights", [1]), strict=True):
        if progress < begin + period:
            low = target(settings, base)
            share = (progress - begin) / period
            return low + 0.5 * weight * (base - low) * (math.cos(math.pi * share) + 1)
        begin += period
    raise BadValueError("lr_config.periods", f"they end before {progress}, the training does not.")


def linear(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Fall along a straight line over the whole training."""
    return straight(base, target(settings, base), progress / whole)


def cyclic(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Rise and fall once a cycle."""
    highest, last = two_ratios(settings.get("target_ratio", (10, 1e-4)))
    cycle = int(whole // settings.get("cyclic_times", 1))
    up = int(settings.get("step_ratio_up", 0.4) * cycle)
    shape = SHAPES[settings.get("anneal_strategy", "cos")]
    scale = settings.get("gamma", 1) ** (progress // cycle)
    highest, within = 1 - scale + highest * scale, progress % cycle
    if within < up:
        return shape(base, base * highest, within / up)
    return shape(base * highest, base * last, (within - up) / (cycle - up))


def two_ratios(ratio: float | Sequence[float]) -> tuple[float, float]:
    """Return the highest and the last ratio of a cycle."""
    if isinstance(ratio, Sequence):
        return (ratio[0], ratio[1]) if len(ratio) > 1 else (ratio[0], ratio[0] / 1e5)
    return ratio, ratio / 1e5


def one_cycle_policy(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Rise to ``max_lr`` and fall below the start."""
    high, total = settings["max_lr"], settings.get("total_steps") or whole
    start = high / settings.get("div_factor", 25)
    low = start / settings.get("final_div_factor", 1e4)
    return one_cycle(settings, progress, total, start=start, high=high, low=low)


def one_cycle(
    settings: Settings, step: float, total: float, *, start: float, high: float, low: float
) -> float:
    """Return the learning rate of one step of a cycle over ``total`` steps."""
    shape = SHAPES[settings.get("anneal_strategy", "cos")]
    risen = float(settings.get("pct_start", 0.3) * total)
    phases = [(risen - 1, start, high), (total - 1, high, low)]
    if settings.get("three_phase"):
        phases = [(risen - 1, start, high), (2 * risen - 2, high, start), (total - 1, start, low)]
    begin = 0.0
    for end, first, last in phases:
        if step <= end or end == total - 1:
            return shape(first, last, (step - begin) / (end - begin))
        begin = end
    raise AssertionError("the last phase ends with the training")


def cosine_cooldown(settings: Settings, progress: float, whole: float, base: float) -> float:
    """Anneal along a cosine, then keep a share of the lowest learning rate."""
    whole -= settings.get("cool_down_time", 10)
    if whole == 0:
        raise BadValueError("lr_config.cool_down_time", "it is as long as the training.")
    low = target(settings, base)
    if progress > whole:
        return low * settings.get("cool_down_ratio", 0.1)
    return annealed(base, low, progress / whole)


POLICIES: Mapping[str, Policy] = {
    "CosineAnnealing": cosine,
    "CosineAnnealingCooldown": cosine_cooldown,
    "CosineRestart": cosine_restart,
    "Cyclic": cyclic,
    "Exp": exponential,
    "Fixed": fixed,
    "FlatCosineAnnealing": flat_cosine,
    "Inv": inverse,
    "LinearAnnealing": linear,
    "OneCycle": one_cycle_policy,
    "Poly": poly,
    "Step": steps,
    "StepFixCosineAnnealing": cosine,
}
BY_ITERATION_UNLESS_TOLD = ("Cyclic", "OneCycle")


def policy_name(lr_config: Settings, path: str = "lr_config") -> str:
    """Return the name of a policy as `POLICIES` has it.

    Raises:
        MissingKeyError: there is none.
        UnknownNameError: there is none of that name.

    >>> policy_name({"policy": "step"}), policy_name({"type": "CosineAnnealingLrUpdaterHook"})
    ('Step', 'CosineAnnealing')
    """
    key = "policy" if "policy" in lr_config else "type"
    if key not in lr_config:
        raise MissingKeyError(f"{path}.policy", "a schedule needs it.", nearest("", POLICIES))
    name = lr_config[key]
    if not isinstance(name, str):
        raise BadArgumentError(f"{path}.{key}", f"expected a name, got {format_value(name)}.")
    found = name.removesuffix("LrUpdaterHook")
    found = found.title() if found == found.lower() else found
    if found not in POLICIES:
        raise UnknownNameError(
            f"{path}.{key}", f"unknown policy {name!r}.", nearest(name, POLICIES)
        )
    return found


def counts_epochs(lr_config: Settings, length: Length) -> bool:
    """Whether a policy moves on with epochs, not iterations."""
    # IterBasedRunner sets by_epoch=False where nothing is given.
    usual = length.epochs is not None and policy_name(lr_config) not in BY_ITERATION_UNLESS_TOLD
    return lr_config.get("by_epoch", usual)


def warmup_length(lr_config: Settings, epoch_length: int) -> int:
    """Return the number of iterations of the warm-up; 0 without one."""
    if lr_config.get("warmup") is None:
        return 0
    count = lr_config.get("warmup_iters", 0)
    return count * epoch_length if lr_config.get("warmup_by_epoch") else count


def policy_curve(
    lr_config: Settings | None, lr: float, length: Length, *, path: str = "lr_config"
) -> list[float]:
    """Return the learning rate of each iteration under the ``lr_config`` of a 0.x config.

    As MMCV 1.x's hooks set it: the warm-up multiplies what the policy gives at that moment.

    Args:
        lr_config: a policy, with its warm-up; None keeps the learning rate.
        lr: the optimizer's learning rate.
        length: of the training.
        path: where ``lr_config`` stands, for messages.

    Raises:
        MissingKeyError: without a policy, or without an argument that it needs.
        UnknownNameError: a policy that does not exist.

    >>> poly = {"policy": "poly", "warmup": "constant", "warmup_iters": 1, "warmup_ratio": 0.5}
    >>> policy_curve(poly, 1.0, Length.of_epochs(2, epoch_length=2))
    [0.5, 1.0, 0.5, 0.5]
    """
    if lr_config is None:
        return [lr] * length.iterations
    name = policy_name(lr_config, path)
    policy, by_epoch = POLICIES[name], counts_epochs(lr_config, length)
    warm = warmup_length(lr_config, length.epoch_length)
    skipped = 0
    if name == "StepFixCosineAnnealing":
        skipped = warm // length.epoch_length if by_epoch else warm
    whole = (length.epochs or 0 if by_epoch else length.iterations) - skipped

    values, held = [], length.epoch_length if by_epoch else 1
    try:
        for progress in range(math.ceil(length.iterations / held)):
            values += [policy(lr_config, progress - skipped, whole, lr)] * held
    except KeyError as error:
        raise MissingKeyError(f"{path}.{error.args[0]}", f"{name} needs it.") from None
    values = values[: length.iterations]
    for i in range(min(warm, len(values))):
        values[i] *= warmup_factor(lr_config, i / warm, path)
    return values


def warmup_factor(lr_config: Settings, share: float, path: str = "lr_config") -> float:
    """Return what the warm-up multiplies with at a share of its way."""
    kind, ratio = lr_config["warmup"], lr_config.get("warmup_ratio", 0.1)
    if kind == "constant":
        return ratio
    if kind == "linear":
        return 1 - (1 - share) * (1 - ratio)
    if kind == "exp":
        return ratio ** (1 - share)
    known = ("constant", "linear", "exp")
    problem = f"unknown warm-up {format_value(kind)}."
    raise UnknownNameError(f"{path}.warmup", problem, nearest(kind, known))
