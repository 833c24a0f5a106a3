"""``evaluation`` becomes ``val_evaluator``, ``test_evaluator`` and arguments of the checkpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from brickbook.migrate.rules.context import Config, Context
from brickbook.migrate.rules.datasets import innermost

__all__ = ["best_checkpoint", "migrate_evaluation"]

# Metrics of 0.x: the items of SingleLabelMetric, and of MultiLabelMetric by class or over all.
SINGLE_LABEL = {"precision": "precision", "recall": "recall", "f1_score": "f1-score",
                "f1-score": "f1-score", "support": "support"}  # fmt: skip
BY_CLASS = {"CP": "precision", "CR": "recall", "CF1": "f1-score"}
OVER_ALL = {"OP": "precision", "OR": "recall", "OF1": "f1-score"}
MULTI_LABEL_DATASETS = ("VOC", "MultiLabelDataset")
# Datasets whose official configs count only the first guess.
FIRST_GUESS = ("CIFAR10", "CIFAR100", "CUB")
# Of evaluation: what only served the hook.
HOOK_ARGUMENTS = ("interval", "start", "by_epoch", "save_best", "rule", "greater_keys", "less_keys",
                  "metric", "metric_options", "topk", "type")  # fmt: skip
HARMLESS = ("gpu_collect", "tmpdir", "broadcast_bn_buffer", "out_dir", "file_client_args",
            "pre_eval", "test_fn", "priority")  # fmt: skip
# The names of results that `save_best` may name.
RESULTS = {
    r"accuracy_top-(\d+)(_thr_[\d.]+)?": r"accuracy/top\1\2",
    r"top(\d+)": r"accuracy/top\1",
    "accuracy": "accuracy/top1",
    "mAP": "multi-label/mAP",
    **{name: f"single-label/{item}" for name, item in SINGLE_LABEL.items()},
    **{name: f"multi-label/{item}" for name, item in BY_CLASS.items()},
    **{name: f"multi-label/{item}_micro" for name, item in OVER_ALL.items()},
}


def migrate_evaluation(context: Context) -> Config:
    """``evaluation=dict(metric='accuracy')`` → ``val_evaluator=dict(type='Accuracy')``."""
    data, evaluation = context.old.get("data") or {}, context.old.get("evaluation") or {}
    if not data.get("val") and not data.get("test"):
        return {}
    metrics = evaluators(evaluation, data.get("val") or data.get("test"), context)
    for key in evaluation:
        if key not in HOOK_ARGUMENTS:
            rule = "argument_dropped" if key in HARMLESS else "option_lost"
            context.note(f"evaluation.{rule}", f"evaluation.{key}", key=key)
    value: Any = metrics[0] if len(metrics) == 1 else metrics
    new: Config = {"val_evaluator": value} if data.get("val") else {}
    return {**new, "test_evaluator": deepcopy(value)}


def evaluators(evaluation: Config, dataset: Any, context: Context) -> list[Config]:
    """Return the metrics of 1.x."""
    dataset = innermost(dataset)
    multi_label = dataset.get("type") in MULTI_LABEL_DATASETS
    usual = "mAP" if multi_label else "accuracy"
    names = evaluation.get("metric", usual)
    names = [names] if isinstance(names, str) else list(names)
    options = dict(evaluation.get("metric_options") or {})
    if "topk" in evaluation:  # MMSelfSup's
        options["topk"] = evaluation["topk"]
    path = "evaluation.metric"
    context.note("evaluation.moved" if "metric" in evaluation or options
                 else "evaluation.default_metric", path, names=", ".join(names))  # fmt: skip
    for name in names:
        if name not in ("accuracy", "mAP", *SINGLE_LABEL, *BY_CLASS, *OVER_ALL):
            context.note("evaluation.metric_unknown", path, name=name)

    found: list[Config] = []
    if "accuracy" in names:
        found.append(accuracy(options, dataset))
    if items := [SINGLE_LABEL[name] for name in names if name in SINGLE_LABEL]:
        found.append({"type": "SingleLabelMetric", "items": items, **thresholds(options),
                      **average(options)})  # fmt: skip
    voc = "VOC" if dataset.get("type") == "VOC" else ""
    difficult = {}
    if voc and "difficult_as_postive" in dataset:
        difficult = {"difficult_as_positive": dataset["difficult_as_postive"]}
    if "mAP" in names:
        found.append({"type": f"{voc or ''}AveragePrecision", **difficult})
    by_class = [BY_CLASS[name] for name in names if name in BY_CLASS]
    over_all = [OVER_ALL[name] for name in names if name in OVER_ALL]
    decision = {"thr": "thr", "k": "topk"}
    chosen = {new: options[old] for old, new in decision.items() if options.get(old) is not None}
    label = {"type": f"{voc}MultiLabelMetric", **difficult}
    if by_class:
        found.append({**label, "items": by_class, **chosen})
    if over_all:
        found.append({**label, "items": over_all, "average": "micro", **chosen})
    if by_class and over_all:
        context.note("evaluation.both", path)
    for key in options:
        if key not in ("topk", "thrs", "thr", "k", "average_mode"):
            context.note("evaluation.option_lost", f"evaluation.metric_options.{key}", key=key)
    return found


def accuracy(options: Config, dataset: Config) -> Config:
    """Return the metric of the right guesses; 0.x counts one and five where nothing is said."""
    usual = (1,) if dataset.get("type") in FIRST_GUESS else (1, 5)
    metric: Config = {"type": "Accuracy", "topk": options.get("topk", usual)}
    return {**metric, **thresholds(options)}


def thresholds(options: Config) -> Config:
    """``thrs`` stays."""
    return {"thrs": options["thrs"]} if options.get("thrs") is not None else {}


def average(options: Config) -> Config:
    """``average_mode`` → ``average``."""
    if "average_mode" not in options:
        return {}
    mode = options["average_mode"]
    return {"average": None if mode == "none" else mode}


def best_checkpoint(context: Context) -> Config:
    """``evaluation.save_best`` and its rules → arguments of the CheckpointHook."""
    evaluation = context.old.get("evaluation") or {}
    new: Config = {}
    if evaluation.get("save_best") is not None:
        context.note("evaluation.save_best", "evaluation.save_best")
        new["save_best"] = result_name(evaluation["save_best"], context)
    for key in ("rule", "greater_keys", "less_keys"):
        if evaluation.get(key) is not None:
            value = evaluation[key]
            names = isinstance(value, Sequence) and not isinstance(value, str)
            new[key] = [result_name(name, context) for name in value] if names else value
    return new


def result_name(name: str, context: Context) -> str:
    """``accuracy_top-1`` → ``accuracy/top1``."""
    if name in ("auto", "loss"):
        return name
    for old, new in RESULTS.items():
        if re.fullmatch(old, name):
            return re.sub(old, new, name)
    context.note("evaluation.save_best_unknown", "evaluation.save_best", name=name)
    return name
