"""``runner`` and ``evaluation.interval`` become ``train_cfg``, ``val_cfg`` and ``test_cfg``."""

from __future__ import annotations

from brickbook.errors import format_value
from brickbook.migrate.rules.context import Config, Context

__all__ = ["migrate_loops", "training_length"]

RUNNERS = {"EpochBasedRunner": "max_epochs", "IterBasedRunner": "max_iters"}


def training_length(old: Config) -> Config:
    """Return ``max_epochs`` or ``max_iters`` of a 0.x config, or nothing.

    >>> training_length({"total_epochs": 100})
    {'max_epochs': 100}
    """
    runner = old.get("runner") or {}
    if runner.get("max_iters") is not None:
        return {"max_iters": runner["max_iters"]}
    epochs = runner.get("max_epochs", old.get("total_epochs"))
    return {} if epochs is None else {"max_epochs": epochs}


def migrate_loops(context: Context) -> Config:
    """``runner=dict(max_epochs=n)`` → ``train_cfg=dict(by_epoch=True, max_epochs=n, …)``."""
    old, new = context.old, {}
    length = training_length(old)
    runner = old.get("runner") or {}
    evaluation = old.get("evaluation") or {}
    data = old.get("data") or {}
    if runner.get("type", "EpochBasedRunner") not in RUNNERS:
        context.note("loops.runner", "runner.type", name=format_value(runner["type"]))
    for key in runner:
        if key not in ("type", *RUNNERS.values()):
            context.note("loops.runner_argument", f"runner.{key}", key=key)
    if length:
        by_epoch = "max_epochs" in length
        train: Config = {"by_epoch": by_epoch, **length}
        if isinstance(evaluation.get("interval"), int):
            context.note("evaluation.interval", "evaluation.interval")
            train["val_interval"] = evaluation["interval"]
        elif data.get("val"):
            train["val_interval"] = 1
        if evaluation.get("start") is not None:
            context.note("evaluation.start", "evaluation.start")
            train["val_begin"] = max(evaluation["start"], 1)
        if evaluation.get("by_epoch", by_epoch) is not by_epoch:
            context.note("evaluation.by_iteration", "evaluation.by_epoch")
        context.note("loops.moved", "runner" if runner else "total_epochs")
        new["train_cfg"] = train
    if data.get("val"):
        new["val_cfg"] = {}
    if data.get("test") or data.get("val"):
        new["test_cfg"] = {}
    for step in old.get("workflow") or ():
        validates = isinstance(step, (list, tuple)) and step and step[0] != "train"
        context.note("loops.workflow_val" if validates else "loops.workflow", "workflow")
    for key in ("train_cfg", "test_cfg"):
        if key in old:
            context.note("loops.dead", key, key=key)
    return new
