"""``lr_config`` becomes ``param_scheduler``.

MMCV 1.x lets a policy run over the whole training and multiplies the warm-up on top. The guide, and
with it the official configs, begins the main scheduler after the warm-up. ``schedule="guide"``
writes the guide's form, ``schedule="faithful"`` the one that repeats 0.x's curve.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import sub
from typing import Any

from brickbook.errors import BadValueError, UnknownNameError, format_value, nearest
from brickbook.migrate.curves import (
    Length,
    policy_curve,
    policy_name,
    scheduler_curve,
    two_ratios,
)
from brickbook.migrate.notes import Notes
from brickbook.migrate.rules.context import Config, Context
from brickbook.migrate.rules.loops import training_length

__all__ = [
    "MOST_COMPARED",
    "Plan",
    "compared",
    "compared_length",
    "curves",
    "deviation",
    "farthest",
    "migrate_schedule",
    "plan_of",
]

# Above this share of the base learning rate, two curves are not the same.
SAME_CURVE = 0.002
NEVER = 10**9  # iterations
# The curves are compared at so many iterations an epoch, fewer in a long training, with warm-ups of
# iterations in proportion: the forms of the curves do not depend on it.
MOST_COMPARED = 500_000
MOST_PER_EPOCH, FEWEST_PER_EPOCH, ABOUT_IN_ALL = 200, 50, 60_000
# Images of an epoch, for warm-ups that are counted in iterations.
IMAGES = {
    "ImageNet": 1281167,
    "ImageNet21k": 13153500,
    "CIFAR10": 50000,
    "CIFAR100": 50000,
    "MNIST": 60000,
    "FashionMNIST": 60000,
    "CUB": 5994,
    "StanfordCars": 8144,
    "VOC": 5011,
}


@dataclass(frozen=True)
class Plan:
    """What a policy's rule may look at."""

    lr_config: Config
    lr: float
    length: Mapping[str, Any]  # max_epochs or max_iters
    faithful: bool
    context: Context

    @property
    def by_epoch(self) -> bool:
        """Whether the training counts epochs."""
        return "max_iters" not in self.length

    @property
    def moves_by_epoch(self) -> bool:
        """Whether the policy moves on with epochs, not iterations."""
        usual = self.by_epoch and not POLICY_RULES[policy_name(self.lr_config)].by_iteration
        return self.lr_config.get("by_epoch", usual)

    @property
    def whole(self) -> int | None:
        """Length of the training in its own unit, if it is known."""
        return self.length.get("max_epochs" if self.by_epoch else "max_iters")

    def lowest(self) -> Config:
        """``min_lr`` → ``eta_min``; ``min_lr_ratio`` → its number, or exactly ``eta_min_ratio``."""
        ratio = self.lr_config.get("min_lr_ratio")
        if ratio is not None:
            return {"eta_min_ratio": ratio} if self.faithful else {"eta_min": self.lr * ratio}
        return {"eta_min": self.lr_config["min_lr"]} if self.lr_config.get("min_lr") else {}

    def lowest_number(self) -> Config:
        """Return `lowest` for a scheduler that takes no share."""
        low = self.lowest()
        if "eta_min_ratio" in low:
            return {"eta_min": self.lr * low["eta_min_ratio"]}
        return low


def cosine(plan: Plan) -> list[Config]:
    """CosineAnnealing → CosineAnnealingLR."""
    return [{"type": "CosineAnnealingLR", **plan.lowest()}]


def step(plan: Plan) -> list[Config]:
    """Step → MultiStepLR for a list, StepLR for a number."""
    steps, gamma = plan.lr_config.get("step"), plan.lr_config.get("gamma", 0.1)
    if plan.lr_config.get("min_lr"):
        plan.context.note(
            "schedule.step_min_lr", "lr_config.min_lr", value=plan.lr_config["min_lr"]
        )
    if isinstance(steps, int):
        return [{"type": "StepLR", "step_size": steps, "gamma": gamma}]
    return [{"type": "MultiStepLR", "milestones": list(steps or ()), "gamma": gamma}]


def poly(plan: Plan) -> list[Config]:
    """Poly → PolyLR."""
    power = plan.lr_config.get("power", 1.0)
    scheduler = {"type": "PolyLR", "power": power, **plan.lowest_number()}
    return [arriving_late(scheduler, plan) if plan.faithful else scheduler]


def arriving_late(scheduler: Config, plan: Plan) -> Config:
    """Return a PolyLR that arrives with the training: by itself it does so one step before."""
    counts = plan.by_epoch == plan.moves_by_epoch
    return {**scheduler, "end": plan.whole + 1} if counts and plan.whole else scheduler


def exponential(plan: Plan) -> list[Config]:
    """Exp → ExponentialLR."""
    return [{"type": "ExponentialLR", "gamma": plan.lr_config.get("gamma")}]


def fixed(plan: Plan) -> list[Config]:
    """Fixed → nothing."""
    return []


def flat_cosine(plan: Plan) -> list[Config]:
    """FlatCosineAnnealing → CosineAnnealingLR with a later beginning."""
    if not plan.whole:
        return no_scheduler(plan)
    begin = round(plan.whole * plan.lr_config.get("start_percent", 0.75))
    return [{"type": "CosineAnnealingLR", "begin": begin, **plan.lowest()}]


def cosine_restart(plan: Plan) -> list[Config]:
    """CosineRestart → CosineRestartLR; the number where a period ends must be told."""
    weights = plan.lr_config.get("restart_weights", [1])
    periods = plan.lr_config.get("periods")
    new = {"periods": list(periods or ()), "restart_weights": list(weights)}
    return [{"type": "CosineRestartLR", **new, **(plan.lowest() or {"eta_min": 0.0})}]


def linear(plan: Plan) -> list[Config]:
    """LinearAnnealing → PolyLR of power 1."""
    return [arriving_late({"type": "PolyLR", "power": 1.0, **plan.lowest_number()}, plan)]


def cyclic(plan: Plan) -> list[Config]:
    """One cycle → a rise and a fall; more of them have no scheduler."""
    high, last = two_ratios(plan.lr_config.get("target_ratio", (10, 1e-4)))
    cosine_shape = plan.lr_config.get("anneal_strategy", "cos") == "cos"
    if plan.lr_config.get("cyclic_times", 1) != 1 or not plan.whole or not cosine_shape:
        return no_scheduler(plan)
    up = int(plan.lr_config.get("step_ratio_up", 0.4) * plan.whole)
    rise = {"type": "CosineAnnealingLR", "eta_min": plan.lr * high, "T_max": up, "end": up}
    down = {"T_max": plan.whole - up, "begin": up, "eta_min": plan.lr * last}
    fall = {"type": "CosineAnnealingLR", **down}
    return no_scheduler(plan) if up < 1 else [rise, fall]


def one_cycle(plan: Plan) -> list[Config]:
    """OneCycle → OneCycleLR."""
    same = ("pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase")
    new = {key: plan.lr_config[key] for key in same if key in plan.lr_config}
    total = plan.lr_config.get("total_steps")
    steps = {} if total is None else {"total_steps": total}
    return [{"type": "OneCycleLR", "eta_max": plan.lr_config.get("max_lr"), **steps, **new}]


def cooldown(plan: Plan) -> list[Config]:
    """CosineAnnealingCooldown → CosineAnnealingLR, then ConstantLR."""
    time = plan.lr_config.get("cool_down_time", 10)
    ratio = plan.lr_config.get("cool_down_ratio", 0.1)
    if not plan.whole or plan.by_epoch != plan.moves_by_epoch:
        return no_scheduler(plan)
    turn = plan.whole - time
    plan.context.note("schedule.cooldown", "lr_config.policy")
    cosine_part = {"type": "CosineAnnealingLR", **plan.lowest()}
    constant_part = {"type": "ConstantLR", "factor": ratio}
    if plan.faithful:
        # 0.x turns one step later, and ConstantLR takes its factor back in its last step.
        return [
            {**cosine_part, "T_max": turn, "end": turn + 1},
            {**constant_part, "begin": turn + 1, "end": plan.whole + 1},
        ]
    return [{**cosine_part, "end": turn}, {**constant_part, "begin": turn, "end": plan.whole}]


def no_scheduler(plan: Plan) -> list[Config]:
    """Say that nothing in 1.x repeats this policy."""
    policy = policy_name(plan.lr_config)
    plan.context.note("schedule.no_scheduler", "lr_config.policy", policy=policy)
    return []


@dataclass(frozen=True)
class PolicyRule:
    """A row: the schedulers of a policy, and when they act.

    ``waits``: in the guide's form they begin after the warm-up, ``always_waits``: in 0.x too.
    ``counts``: their numbers are epochs or iterations, not shares of the training.
    ``by_iteration``: 0.x moves on with iterations unless told otherwise.
    """

    schedulers: Callable[[Plan], list[Config]]
    waits: bool = False
    always_waits: bool = False
    counts: bool = False
    by_iteration: bool = False


POLICY_RULES: Mapping[str, PolicyRule] = {
    "CosineAnnealing": PolicyRule(cosine, waits=True),
    "CosineAnnealingCooldown": PolicyRule(cooldown, waits=True),
    "CosineRestart": PolicyRule(cosine_restart, counts=True),
    "Cyclic": PolicyRule(cyclic, by_iteration=True),
    "Exp": PolicyRule(exponential, counts=True),
    "Fixed": PolicyRule(fixed),
    "FlatCosineAnnealing": PolicyRule(flat_cosine),
    "Inv": PolicyRule(no_scheduler),
    "LinearAnnealing": PolicyRule(linear),
    "OneCycle": PolicyRule(one_cycle, by_iteration=True),
    "Poly": PolicyRule(poly, waits=True),
    "Step": PolicyRule(step, counts=True),
    "StepFixCosineAnnealing": PolicyRule(cosine, waits=True, always_waits=True),
}


def migrate_schedule(context: Context) -> Config:
    """``lr_config=dict(policy=…, warmup=…)`` → ``param_scheduler=[warm-up, main]``."""
    if context.old.get("momentum_config"):
        context.note("schedule.momentum", "momentum_config")
    lr_config = context.old.get("lr_config")
    if not lr_config:
        return {}
    context.note("schedule.moved", "lr_config")
    plan = plan_of(lr_config, context)
    lr, schedulers = plan.lr, schedulers_of(plan)
    whole = compared_length(plan) if plan.whole else None
    if whole is not None and whole.iterations > MOST_COMPARED:
        context.note("schedule.not_compared", "lr_config", iterations=whole.iterations)
    elif whole is not None and lr > 0:
        share, moment = deviation(plan, whole)
        values = {"percent": two_digits(100 * share), "at": two_digits(100 * moment)}
        rule = "schedule.deviation" if share > SAME_CURVE else "schedule.same_curve"
        context.note(rule, "lr_config", **values)
    return {"param_scheduler": schedulers} if schedulers else {}


def plan_of(lr_config: Config, context: Context) -> Plan:
    """Return what a policy's rule may look at."""
    lr = (context.old.get("optimizer") or {}).get("lr") or 0.0
    faithful = context.schedule == "faithful"
    return Plan(lr_config, lr, training_length(context.old), faithful, context)


def two_digits(value: float) -> str:
    """Write a number with two digits, without the noise of rounding.

    >>> two_digits(123.4), two_digits(0.0567), two_digits(1e-12)
    ('120', '0.057', '0')
    """
    return f"{float(f'{value:.2g}'):g}" if value > 1e-6 else "0"


def schedulers_of(plan: Plan) -> list[Config]:
    """Return the schedulers of a policy with its warm-up."""
    rule = POLICY_RULES[policy_name(plan.lr_config)]
    warm, main = warmup(plan), rule.schedulers(plan)
    moves, begin = clock(plan, rule), 0
    # In the guide's form a main scheduler that counts as the warm-up does begins after it.
    waits = rule.always_waits or (rule.waits and not plan.faithful)
    if warm and waits and warm[0]["by_epoch"] == moves["by_epoch"]:
        begin = plan.lr_config["warmup_iters"]
    if begin and rule.always_waits and plan.faithful:
        warm += before_the_top(plan, warm[0], begin)
    for scheduler in main:
        scheduler.update(moves)
        if begin or "begin" in scheduler:
            scheduler["begin"] = max(begin, scheduler.get("begin", 0))
    return [*warm, *main]


def before_the_top(plan: Plan, warm: Config, count: int) -> list[Config]:
    """Return what a cosine that begins after the warm-up adds to it, if that can be seen.

    0.x multiplies the warm-up with the cosine before its top, which still rises. Half of that rise
    on a straight line leaves a twentieth of it as the largest difference, nothing leaves 4/27.
    """
    after = (plan.whole or 0) - count
    if after <= count:
        return []
    low = plan.lowest_number().get("eta_min", 0.0)
    rise = (plan.lr - low) * (1 - math.cos(math.pi * count / after)) / 2
    if rise * 4 / 27 <= SAME_CURVE * plan.lr:
        return []
    steps = {key: value for key, value in warm.items() if not key.endswith("factor")}
    return [{**steps, "type": "LinearLR", "start_factor": 1 - rise / plan.lr / 2}]


def clock(plan: Plan, rule: PolicyRule) -> Config:
    """Return what a main scheduler moves on with."""
    if plan.moves_by_epoch:
        return {"by_epoch": True}
    counted = rule.counts or plan.lr_config.get("total_steps") is not None
    if counted or not plan.by_epoch:
        return {"by_epoch": False}
    if rule.waits and not plan.faithful and warmup_counts_iterations(plan):
        return {"by_epoch": False}
    if plan.faithful or plan.context.selfsup or rule.by_iteration:
        return {"by_epoch": True, "convert_to_iter_based": True}
    # The official configs of MMPretrain do so where 0.x moved on with iterations.
    plan.context.note("schedule.per_epoch", "lr_config.by_epoch")
    return {"by_epoch": True}


def warmup_counts_iterations(plan: Plan) -> bool:
    """Whether there is a warm-up of a number of iterations."""
    return bool(plan.lr_config.get("warmup")) and not plan.lr_config.get("warmup_by_epoch")


def warmup(plan: Plan) -> list[Config]:
    """``warmup='linear'`` → LinearLR, ``'constant'`` → ConstantLR."""
    kind = plan.lr_config.get("warmup")
    count = plan.lr_config.get("warmup_iters", 0)
    if kind is None or not count:
        return []
    ratio = plan.lr_config.get("warmup_ratio", 0.1)
    by_epoch = bool(plan.lr_config.get("warmup_by_epoch"))
    if not 0 < ratio <= 1:
        problem = f"expected a share above 0, up to 1, got {format_value(ratio)}."
        raise BadValueError("lr_config.warmup_ratio", problem)
    if kind not in ("constant", "linear", "exp"):
        problem = f"unknown warm-up {format_value(kind)}."
        raise UnknownNameError(
            "lr_config.warmup", problem, nearest(kind, ("constant", "linear", "exp"))
        )
    plan.context.note("schedule.warmup", "lr_config.warmup", kind=kind)
    steps: Config = {"by_epoch": True, "end": count, "convert_to_iter_based": True}
    if not by_epoch:
        # LinearLR and ConstantLR arrive one step before their end.
        steps = {"by_epoch": False, "end": count + 1 if plan.faithful else count}
    if kind == "constant":
        return [{"type": "ConstantLR", "factor": ratio, **steps}]
    if kind == "exp" and plan.faithful and not by_epoch:
        # The constant factor stays; the growth takes it back.
        growth = {"type": "ExponentialLR", "gamma": ratio ** (-1 / count), **steps}
        return [{"type": "ConstantLR", "factor": ratio, "by_epoch": False, "end": NEVER}, growth]
    if kind == "exp":
        plan.context.note("schedule.exp_warmup", "lr_config.warmup")
    return [{"type": "LinearLR", "start_factor": ratio, **steps}]


def iterations_per_epoch(old: Config) -> int:
    """Return how many iterations an epoch takes, on 8 GPUs; a guess if the data are not known."""
    data = old.get("data") or {}
    dataset = data.get("train") or {}
    while isinstance(dataset, dict) and isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    source = dataset.get("data_source", dataset) if isinstance(dataset, dict) else {}
    images = IMAGES.get(source.get("type", ""), IMAGES["ImageNet"])
    return max(images // (8 * (data.get("samples_per_gpu") or 32)), 1)


def deviation(plan: Plan, whole: Length) -> tuple[float, float]:
    """Return the largest distance of the new learning-rate curve from the old one.

    Args:
        plan: the policy.
        whole: the length of training to compare them for.

    Returns:
        The distance in units of the base learning rate, and where it is: a share of the training.
    """
    return distance(*compared(plan, whole), plan.lr, whole)


def compared(plan: Plan, whole: Length) -> tuple[str, str]:
    """Return the policy and its schedulers, as JSON, for a length of training."""
    lr_config = in_proportion(plan, whole)
    quiet = replace(plan.context, notes=Notes())
    schedulers = schedulers_of(replace(plan, lr_config=lr_config, context=quiet))
    before, after = (
        json.dumps(part, default=repr, skipkeys=True) for part in (lr_config, schedulers)
    )
    return before, after


@lru_cache(maxsize=256)  # the files of a project share their schedules
def distance(lr_config: str, schedulers: str, lr: float, whole: Length) -> tuple[float, float]:
    """Return `deviation` for a policy and schedulers as JSON."""
    return farthest(*curves(lr_config, schedulers, lr, whole), lr)


def curves(
    lr_config: str, schedulers: str, lr: float, whole: Length
) -> tuple[list[float], list[float]]:
    """Return the learning rate of each iteration before and after, for what JSON says."""
    before = policy_curve(json.loads(lr_config), lr, whole)
    return before, scheduler_curve(json.loads(schedulers), lr, whole)


def farthest(before: list[float], after: list[float], lr: float) -> tuple[float, float]:
    """Return the largest distance of two curves in units of ``lr``, and where: a share of them."""
    distances = list(map(abs, map(sub, before, after)))
    largest = max(distances)
    return largest / lr, distances.index(largest) / len(distances)


def compared_length(plan: Plan) -> Length:
    """Return the length of training for which the curves are compared."""
    whole = max(plan.whole or 1, 1)
    if not plan.by_epoch:
        return Length(whole, whole)
    fitting = min(max(ABOUT_IN_ALL // whole, FEWEST_PER_EPOCH), MOST_PER_EPOCH)
    return Length.of_epochs(whole, epoch_length=fitting)


def in_proportion(plan: Plan, whole: Length) -> Config:
    """Return the policy for epochs of another length: what counts iterations changes with it."""
    new = dict(plan.lr_config)
    if plan.by_epoch and warmup_counts_iterations(plan) and new.get("warmup_iters"):
        scale = whole.epoch_length / iterations_per_epoch(plan.context.old)
        new["warmup_iters"] = max(round(new["warmup_iters"] * scale), 1)
    return new
