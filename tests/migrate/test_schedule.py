from __future__ import annotations

import math

import pytest

from brickbook.errors import ConfigError
from brickbook.migrate import Length, migrate_config, policy_curve, scheduler_curve
from brickbook.migrate.curves import POLICIES
from brickbook.migrate.rules.schedule import POLICY_RULES

WARM = {"warmup": "linear", "warmup_iters": 2, "warmup_ratio": 0.1, "warmup_by_epoch": True}
LINEAR = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": True, "end": 2,
          "convert_to_iter_based": True}  # fmt: skip


def migrate(lr_config, schedule="guide", **rest):
    old = {"optimizer": {"type": "SGD", "lr": 1.0}, "lr_config": lr_config,
           "runner": {"type": "EpochBasedRunner", "max_epochs": 10}, **rest}  # fmt: skip
    return migrate_config(old, schedule=schedule)


# lr_config, the guide's form, the faithful form where it is another
CASES = [
    (
        {"policy": "CosineAnnealing", "min_lr_ratio": 0.1, **WARM},
        [LINEAR, {"type": "CosineAnnealingLR", "eta_min": 0.1, "by_epoch": True, "begin": 2}],
        [LINEAR, {"type": "CosineAnnealingLR", "eta_min_ratio": 0.1, "by_epoch": True}],
    ),
    (
        {"policy": "CosineAnnealing", "min_lr": 0, "by_epoch": False},
        [{"type": "CosineAnnealingLR", "by_epoch": True}],
        [{"type": "CosineAnnealingLR", "by_epoch": True, "convert_to_iter_based": True}],
    ),
    (
        {"policy": "step", "step": [3, 6], "warmup": "linear", "warmup_iters": 500},
        [
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 500},
            {"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1, "by_epoch": True},
        ],
        [
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 501},
            {"type": "MultiStepLR", "milestones": [3, 6], "gamma": 0.1, "by_epoch": True},
        ],
    ),
    (
        {"policy": "step", "step": 3, "gamma": 0.5},
        [{"type": "StepLR", "step_size": 3, "gamma": 0.5, "by_epoch": True}],
        None,
    ),
    (
        {"policy": "step", "step": 300, "by_epoch": False},
        [{"type": "StepLR", "step_size": 300, "gamma": 0.1, "by_epoch": False}],
        None,
    ),
    (
        {"policy": "poly", "by_epoch": False, "warmup": "constant", "warmup_iters": 500},
        [
            {"type": "ConstantLR", "factor": 0.1, "by_epoch": False, "end": 500},
            {"type": "PolyLR", "power": 1.0, "by_epoch": False, "begin": 500},
        ],
        [
            {"type": "ConstantLR", "factor": 0.1, "by_epoch": False, "end": 501},
            {"type": "PolyLR", "power": 1.0, "by_epoch": True, "convert_to_iter_based": True},
        ],
    ),
    (
        {"policy": "poly", "power": 0.9, "min_lr": 0.01},
        [{"type": "PolyLR", "power": 0.9, "eta_min": 0.01, "by_epoch": True}],
        [{"type": "PolyLR", "power": 0.9, "eta_min": 0.01, "by_epoch": True, "end": 11}],
    ),
    (
        {"policy": "exp", "gamma": 0.9},
        [{"type": "ExponentialLR", "gamma": 0.9, "by_epoch": True}],
        None,
    ),
    ({"policy": "fixed", **WARM}, [LINEAR], None),
    ({"policy": "inv", "gamma": 0.1}, None, None),
    (
        {"policy": "FlatCosineAnnealing", "min_lr": 0.01},
        [{"type": "CosineAnnealingLR", "begin": 8, "eta_min": 0.01, "by_epoch": True}],
        None,
    ),
    (
        {"policy": "CosineRestart", "periods": [4, 6], "restart_weights": [1, 0.5], "min_lr": 0},
        [{"type": "CosineRestartLR", "periods": [4, 6], "restart_weights": [1, 0.5],
          "eta_min": 0.0, "by_epoch": True}],
        None,
    ),
    (
        {"policy": "LinearAnnealing", "min_lr_ratio": 0.1},
        [{"type": "PolyLR", "power": 1.0, "eta_min": 0.1, "end": 11, "by_epoch": True}],
        None,
    ),
    (
        {"policy": "cyclic", "target_ratio": (10, 0.1)},
        [
            {"type": "CosineAnnealingLR", "eta_min": 10.0, "T_max": 4, "end": 4,
             "by_epoch": True, "convert_to_iter_based": True},
            {"type": "CosineAnnealingLR", "T_max": 6, "begin": 4, "eta_min": 0.1,
             "by_epoch": True, "convert_to_iter_based": True},
        ],
        None,
    ),
    (
        {"policy": "cyclic", "target_ratio": (10,), "step_ratio_up": 0.5},
        [
            {"type": "CosineAnnealingLR", "eta_min": 10.0, "T_max": 5, "end": 5,
             "by_epoch": True, "convert_to_iter_based": True},
            {"type": "CosineAnnealingLR", "T_max": 5, "begin": 5, "eta_min": 1e-4,
             "by_epoch": True, "convert_to_iter_based": True},
        ],
        None,
    ),
    ({"policy": "cyclic", "cyclic_times": 2}, None, None),
    (
        {"policy": "OneCycle", "max_lr": 1.0, "three_phase": True},
        [{"type": "OneCycleLR", "eta_max": 1.0, "three_phase": True, "by_epoch": True,
          "convert_to_iter_based": True}],
        None,
    ),
    (
        {"policy": "CosineAnnealingCooldown", "min_lr": 0.1, "cool_down_time": 2},
        [
            {"type": "CosineAnnealingLR", "eta_min": 0.1, "end": 8, "by_epoch": True},
            {"type": "ConstantLR", "factor": 0.1, "begin": 8, "end": 10, "by_epoch": True},
        ],
        [
            {"type": "CosineAnnealingLR", "eta_min": 0.1, "T_max": 8, "end": 9, "by_epoch": True},
            {"type": "ConstantLR", "factor": 0.1, "begin": 9, "end": 11, "by_epoch": True},
        ],
    ),
    (
        # What the warm-up is multiplied with rises from (1 + cos(2π/8)) / 2 to 1.
        {"policy": "StepFixCosineAnnealing", "min_lr": 0, **WARM},
        [LINEAR, {"type": "CosineAnnealingLR", "by_epoch": True, "begin": 2}],
        [LINEAR, {**LINEAR, "start_factor": (3 + math.cos(math.pi / 4)) / 4},
         {"type": "CosineAnnealingLR", "by_epoch": True, "begin": 2}],
    ),
    (
        {"policy": "fixed", "warmup": "exp", "warmup_iters": 2, "warmup_ratio": 0.25},
        [{"type": "LinearLR", "start_factor": 0.25, "by_epoch": False, "end": 2}],
        [
            {"type": "ConstantLR", "factor": 0.25, "by_epoch": False, "end": 10**9},
            {"type": "ExponentialLR", "gamma": 2.0, "by_epoch": False, "end": 3},
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lr_config", "guide", "faithful"), CASES)
def test_each_policy(lr_config, guide, faithful):
    assert migrate(lr_config).cfg.get("param_scheduler") == guide
    assert migrate(lr_config, "faithful").cfg.get("param_scheduler") == (faithful or guide)


def test_every_policy_has_a_case_and_a_rule():
    assert set(POLICY_RULES) == set(POLICIES)
    covered = {str(lr_config["policy"]) for lr_config, *_ in CASES}
    assert {name for name in POLICIES if not {name, name.lower()} & covered} == set()


EXACT = [
    "CosineAnnealing",
    "Step",
    "Poly",
    "Exp",
    "Fixed",
    "LinearAnnealing",
    "FlatCosineAnnealing",
]


@pytest.mark.parametrize("policy", EXACT)
@pytest.mark.parametrize("kind", ["linear", "constant", "exp", None])
def test_the_faithful_form_repeats_the_curve(policy, kind):
    """With a warm-up of iterations, to the last digits."""
    lr_config = {"policy": policy, "step": [3, 6], "gamma": 0.9, "min_lr": 0}
    if kind:
        lr_config.update(warmup=kind, warmup_iters=25, warmup_ratio=0.1)
    length = Length.of_epochs(10, epoch_length=20)
    schedulers = migrate(lr_config, "faithful").cfg.get("param_scheduler", [])
    new = scheduler_curve(schedulers, 1.0, length)
    assert new == pytest.approx(policy_curve(lr_config, 1.0, length), abs=1e-9)


def test_the_faithful_form_with_a_warmup_of_epochs():
    """A scheduler arrives one iteration early: one part in 2 * 500."""
    lr_config = {"policy": "CosineAnnealing", "min_lr": 0, "by_epoch": False, **WARM}
    length = Length.of_epochs(10, epoch_length=500)
    new = scheduler_curve(migrate(lr_config, "faithful").cfg["param_scheduler"], 1.0, length)
    old = policy_curve(lr_config, 1.0, length)
    assert max(abs(a - b) for a, b in zip(old, new, strict=True)) < 0.001


@pytest.mark.parametrize("low", [0.0, 0.3])
def test_the_faithful_form_of_a_cosine_after_the_warmup(low):
    """MAE's schedule: 40 of 400 epochs are warm-up."""
    lr_config = {"policy": "StepFixCosineAnnealing", "min_lr": low, "by_epoch": False, **WARM,
                 "warmup_iters": 40, "warmup_ratio": 1e-4}  # fmt: skip
    length = Length.of_epochs(400, epoch_length=100)
    old = policy_curve(lr_config, 1.0, length)
    far = []
    for schedule in ("guide", "faithful"):
        runner = {"type": "EpochBasedRunner", "max_epochs": 400}
        new = migrate(lr_config, schedule, runner=runner).cfg["param_scheduler"]
        curve = scheduler_curve(new, 1.0, length)
        far.append(max(abs(a - b) for a, b in zip(old, curve, strict=True)))
    assert far[1] < 0.002 < 0.003 < far[0]


@pytest.mark.parametrize(
    ("schedule", "rule", "text"),
    [
        (
            "guide",
            "schedule.deviation",
            "The new learning rate is up to 18 % of the base learning rate away from 0.x's,"
            " most at 40 % of the training.",
        ),
        (
            "faithful",
            "schedule.deviation",
            "The new learning rate is up to 0.22 % of the base learning rate away from 0.x's,"
            " most at 20 % of the training.",
        ),
    ],
)
def test_the_notes_say_how_far_the_curve_is(schedule, rule, text):
    lr_config = {"policy": "CosineAnnealing", "min_lr": 0, **WARM}
    notes = {note.rule: note for note in migrate(lr_config, schedule).notes}
    if schedule == "guide":
        lr_config = {**lr_config, "min_lr_ratio": 0.1}
        notes = {note.rule: note for note in migrate(lr_config).notes}
    assert notes[rule].text("en") == text


def test_a_training_of_iterations():
    runner = {"type": "IterBasedRunner", "max_iters": 1000}
    lr_config = {"policy": "CosineAnnealing", "min_lr": 0, "warmup": "linear", "warmup_iters": 100}
    cfg = migrate(lr_config, runner=runner).cfg
    assert cfg["param_scheduler"] == [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 100},
        {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 100},
    ]
    assert cfg["train_cfg"] == {"by_epoch": False, "max_iters": 1000}


@pytest.mark.parametrize(
    ("lr_config", "message"),
    [
        (
            {"policy": "CosineAnealing"},
            "lr_config.policy: unknown policy 'CosineAnealing'. Did you mean 'CosineAnnealing'?",
        ),
        (
            {"policy": "fixed", "warmup": "linear", "warmup_iters": 5, "warmup_ratio": 0},
            "lr_config.warmup_ratio: expected a share above 0, up to 1, got 0.",
        ),
        (
            {"policy": "fixed", "warmup": "liner", "warmup_iters": 5},
            "lr_config.warmup: unknown warm-up 'liner'. Did you mean 'linear'?",
        ),
    ],
)
def test_messages(lr_config, message):
    with pytest.raises(ConfigError) as caught:
        migrate(lr_config)
    assert str(caught.value) == message
