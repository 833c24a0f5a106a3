from __future__ import annotations

import math
import random
import warnings

import pytest
from migrate_support import read_shared
from peers import import_peer

from brickbook.errors import ConfigError
from brickbook.migrate import Length, policy_curve, scheduler_curve
from brickbook.migrate.curves import POLICIES, SCHEDULERS

EPOCHS = Length.of_epochs(10, epoch_length=10)


def at(values, *moments):
    return [values[moment] for moment in moments]


@pytest.mark.parametrize(
    ("lr_config", "moments", "expected"),
    [
        (None, (0, 99), [1.0, 1.0]),
        ({"policy": "fixed"}, (0, 99), [1.0, 1.0]),
        ({"policy": "step", "step": [3, 6]}, (29, 30, 59, 60), [1.0, 0.1, 0.1, 0.01]),
        ({"policy": "step", "step": 4, "gamma": 0.5}, (39, 40, 80), [1.0, 0.5, 0.25]),
        ({"policy": "step", "step": [3, 6], "min_lr": 0.05}, (30, 60), [0.1, 0.05]),
        ({"policy": "step", "step": 40, "by_epoch": False}, (39, 40, 80), [1.0, 0.1, 0.01]),
        ({"policy": "exp", "gamma": 0.5}, (9, 10, 20), [1.0, 0.5, 0.25]),
        ({"policy": "poly", "power": 2, "min_lr": 0.2}, (0, 50, 99), [1.0, 0.4, 0.208]),
        ({"policy": "inv", "gamma": 1.0}, (0, 10, 90), [1.0, 0.5, 0.1]),
        ({"policy": "CosineAnnealing", "min_lr": 0}, (0, 50), [1.0, 0.5]),
        ({"policy": "CosineAnnealing", "min_lr_ratio": 0.2}, (0, 50), [1.0, 0.6]),
        ({"type": "CosineAnnealingLrUpdaterHook", "min_lr": 0, "by_epoch": False}, (50,), [0.5]),
        (
            {"policy": "FlatCosineAnnealing", "start_percent": 0.5, "min_lr": 0.0},
            (0, 50, 80),
            [1.0, 1.0, (1 + math.cos(0.6 * math.pi)) / 2],
        ),
        (
            {"policy": "CosineRestart", "periods": [4, 6], "restart_weights": [1, 0.5],
             "min_lr": 0},
            (0, 20, 40, 70),
            [1.0, 0.5, 0.5, 0.25],
        ),
        ({"policy": "LinearAnnealing", "min_lr_ratio": 0.5}, (0, 50), [1.0, 0.75]),
        (
            {"policy": "cyclic", "target_ratio": (10, 0.1), "anneal_strategy": "linear"},
            (0, 20, 40, 70),
            [1.0, 5.5, 10.0, 5.05],
        ),
        (
            {"policy": "OneCycle", "max_lr": 5.0, "div_factor": 5, "anneal_strategy": "linear"},
            (0, 29, 99),
            [1.0, 5.0, 1e-4],
        ),
        (
            {"policy": "CosineAnnealingCooldown", "min_lr": 0.5, "cool_down_time": 5},
            (0, 50, 60),
            [1.0, 0.5, 0.05],
        ),
        # The cosine begins after the warm-up.
        (
            {"policy": "StepFixCosineAnnealing", "min_lr": 0, "by_epoch": False,
             "warmup": "linear", "warmup_iters": 2, "warmup_ratio": 0.5, "warmup_by_epoch": True},
            (20, 60),
            [1.0, 0.5],
        ),
        # A warm-up multiplies the policy's own value.
        (
            {"policy": "step", "step": [1], "warmup": "linear", "warmup_iters": 20,
             "warmup_ratio": 0.2},
            (0, 10, 19, 20),
            [0.2, 0.06, 0.096, 0.1],
        ),
        (
            {"policy": "fixed", "warmup": "constant", "warmup_iters": 1, "warmup_by_epoch": True},
            (0, 9, 10),
            [0.1, 0.1, 1.0],
        ),
        (
            {"policy": "fixed", "warmup": "exp", "warmup_iters": 10, "warmup_ratio": 0.01},
            (0, 5, 10),
            [0.01, 0.1, 1.0],
        ),
    ],
)  # fmt: skip
def test_policies(lr_config, moments, expected):
    values = policy_curve(lr_config, 1.0, EPOCHS)
    assert len(values) == 100
    assert at(values, *moments) == pytest.approx(expected)


def test_a_training_of_iterations_moves_on_with_iterations():
    length = Length(iterations=100, epoch_length=25)
    values = policy_curve({"policy": "CosineAnnealing", "min_lr": 0}, 1.0, length)
    assert values[50] == pytest.approx(0.5)
    assert scheduler_curve({"type": "CosineAnnealingLR", "by_epoch": False}, 1.0, length)[
        50
    ] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: policy_curve({"policy": "CosineAnealing"}, 1.0, EPOCHS),
            "lr_config.policy: unknown policy 'CosineAnealing'. Did you mean 'CosineAnnealing'?",
        ),
        (
            lambda: policy_curve({"step": [1]}, 1.0, EPOCHS),
            f"lr_config.policy: a schedule needs it. Known: {', '.join(sorted(POLICIES)[:12])},"
            " and 1 more.",
        ),
        (
            lambda: policy_curve({"policy": "step"}, 1.0, EPOCHS),
            "lr_config.step: Step needs it.",
        ),
        (
            lambda: policy_curve({"policy": 3}, 1.0, EPOCHS),
            "lr_config.policy: expected a name, got 3.",
        ),
        (
            lambda: policy_curve(
                {"policy": "fixed", "warmup": "liner", "warmup_iters": 1}, 1.0, EPOCHS
            ),
            "lr_config.warmup: unknown warm-up 'liner'. Did you mean 'linear'?",
        ),
        (
            lambda: policy_curve(
                {"policy": "CosineRestart", "periods": [5], "min_lr": 0}, 1.0, EPOCHS
            ),
            "lr_config.periods: they end before 5, the training does not.",
        ),
        (
            lambda: scheduler_curve([{"type": "LinearLr"}], 1.0, EPOCHS),
            "param_scheduler[0].type: no scheduler 'LinearLr' whose values are known beforehand."
            " Did you mean 'LinearLR'?",
        ),
        (
            lambda: scheduler_curve([{"type": "ReduceOnPlateauLR"}], 1.0, EPOCHS),
            "param_scheduler[0].type: no scheduler 'ReduceOnPlateauLR' whose values are known"
            f" beforehand. Known: {', '.join(sorted(SCHEDULERS))}.",
        ),
        (
            lambda: scheduler_curve({"type": "StepLR"}, 1.0, EPOCHS),
            "param_scheduler[0].step_size: StepLR needs it.",
        ),
        (
            lambda: scheduler_curve({"type": "PolyLR", "begin": 12}, 1.0, EPOCHS),
            "param_scheduler[0].end: it ends at 10, before it begins at 12.",
        ),
        (
            lambda: scheduler_curve({"type": "LinearLR", "start_factor": 0}, 1.0, EPOCHS),
            "param_scheduler[0].start_factor: expected a share above 0, up to 1, got 0.",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value) == message


def test_golden_values():
    """Values of MMEngine for official schedules, two parameter groups each."""
    for case in read_shared("data", "recipes", "curves.json"):
        length = Length.of_epochs(case["max_epochs"], epoch_length=case["iterations_per_epoch"])
        for g, group in enumerate(case["groups"]):
            for column, param in enumerate(("lr", "weight_decay")):
                values = scheduler_curve(case["param_scheduler"], group[param], length, param=param)
                expected = {moment: rows[g][column] for moment, *rows in case["values"]}
                assert {moment: values[moment] for moment in expected} == expected, case["recipes"]


def random_schedulers(draw: random.Random, epochs: int) -> list[dict[str, object]]:
    """Return one to three schedulers that act one on the other."""
    settings = {
        "ConstantLR": lambda: {"factor": draw.uniform(0.1, 1)},
        "CosineAnnealingLR": lambda: draw.choice(
            [{}, {"eta_min": 1e-3}, {"eta_min_ratio": 0.1}, {"T_max": draw.randint(1, epochs)}]
        ),
        "CosineRestartLR": lambda: {
            "periods": [2, epochs], "restart_weights": [1, 0.5], "eta_min": 1e-4,
        },
        "ExponentialLR": lambda: {"gamma": draw.uniform(0.8, 1)},
        "LinearLR": lambda: {"start_factor": draw.uniform(0.01, 1)},
        "MultiStepLR": lambda: {"milestones": sorted(draw.choices(range(1, epochs), k=3))},
        "OneCycleLR": lambda: {
            "eta_max": 0.5, "three_phase": draw.random() < 0.5,
            "anneal_strategy": draw.choice(["cos", "linear"]),
        },
        "PolyLR": lambda: {"power": draw.uniform(0.5, 2), "eta_min": draw.choice([0, 1e-4])},
        "StepLR": lambda: {"step_size": draw.randint(1, 4), "gamma": 0.5},
    }  # fmt: skip
    assert set(settings) == set(SCHEDULERS)
    schedulers = []
    for name in draw.choices(sorted(settings), k=draw.randint(1, 3)):
        begin = draw.randint(0, epochs // 2)
        cfg = {"type": name, "begin": begin, **settings[name]()}
        if draw.random() < 0.5:
            cfg["end"] = draw.randint(begin + 1, epochs + 1)
        if draw.random() < 0.5:
            cfg["convert_to_iter_based"] = True
        schedulers.append(cfg)
    return schedulers


def mmengine_curve(schedulers, value: float, epochs: int, epoch_length: int) -> list[float]:
    torch = import_peer("torch")
    import_peer("mmengine.optim")
    registry = import_peer("mmengine.registry").PARAM_SCHEDULERS
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=value)
    running = [
        registry.build(
            {"end": epochs if cfg.get("by_epoch", True) else epochs * epoch_length, **cfg},
            default_args={"optimizer": optimizer, "epoch_length": epoch_length},
        )
        for cfg in schedulers
    ]
    values = []
    for i in range(1, epochs * epoch_length + 1):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        # After the iteration those of iterations, after the epoch those of epochs.
        for scheduler in running:
            if not scheduler.by_epoch:
                scheduler.step()
        for scheduler in running:
            if scheduler.by_epoch and i % epoch_length == 0:
                scheduler.step()
    return values


@pytest.mark.parametrize("seed", range(60))
def test_schedulers_as_mmengine_has_them(seed):
    import_peer("mmengine.optim")
    draw = random.Random(seed)
    epochs, epoch_length = draw.randint(4, 12), draw.randint(2, 7)
    schedulers = random_schedulers(draw, epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mmengine's own
        expected = mmengine_curve(schedulers, 0.1, epochs, epoch_length)
    length = Length.of_epochs(epochs, epoch_length=epoch_length)
    assert scheduler_curve(schedulers, 0.1, length) == expected, schedulers
