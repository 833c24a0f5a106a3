"""The two learning-rate curves of a config: the same numbers as its note tells."""

import pytest

from brickbook.migrate import learning_rates, migrate_config

COSINE = {
    "policy": "CosineAnnealing", "min_lr": 0, "warmup": "linear", "warmup_iters": 5,
    "warmup_ratio": 0.1, "warmup_by_epoch": True,
}  # fmt: skip
STEP = {"policy": "step", "step": [30, 60, 90]}
EPOCHS = {"type": "EpochBasedRunner", "max_epochs": 100}


def config(lr_config, runner=EPOCHS, **more):
    return {
        "lr_config": lr_config,
        "runner": runner,
        "optimizer": {"type": "SGD", "lr": 0.8},
    } | more


@pytest.mark.parametrize("schedule", ["guide", "faithful"])
@pytest.mark.parametrize(
    "cfg",
    [
        config(COSINE),
        config(COSINE | {"min_lr": 0.08}),
        config(STEP),
        config({"policy": "poly", "power": 0.9, "by_epoch": False}, {"max_iters": 5000}),
        config(COSINE, model={"type": "SimCLR"}),
    ],
)
def test_the_distance_is_that_of_the_note(cfg, schedule):
    found = learning_rates(cfg, schedule=schedule)
    notes = migrate_config(cfg, schedule=schedule).notes
    note = next(
        note for note in notes if note.rule in ("schedule.deviation", "schedule.same_curve")
    )
    assert float(note.values["percent"]) == pytest.approx(100 * found.distance, rel=0.06, abs=1e-6)
    apart = [abs(a - b) for a, b in zip(found.before, found.after, strict=True)]
    assert max(apart) == pytest.approx(found.distance)
    assert apart.index(max(apart)) / len(apart) == found.moment
    assert max(found.before) == pytest.approx(1, rel=0.06)
    assert len(found.before) == found.length.iterations


def test_the_curves_are_in_units_of_the_base_learning_rate():
    a, b = (config(STEP, optimizer={"lr": lr}) for lr in (0.1, 3))
    assert learning_rates(a).before == pytest.approx(learning_rates(b).before)
    alone = learning_rates({"lr_config": STEP, "total_epochs": 100})  # a part of a config
    assert alone.after[0] == 1 and alone.after[-1] == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "cfg",
    [
        {},
        config(None),
        {"lr_config": STEP},
        config({"policy": "poly"}, {"max_iters": 600_000}),
    ],
)
def test_no_curves(cfg):
    assert learning_rates(cfg) is None
