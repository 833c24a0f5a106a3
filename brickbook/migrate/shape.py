"""What a config of 0.x must look like for the rules to speak of it: types by path, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from brickbook.errors import BadArgumentError, format_value

__all__ = ["check_shape"]

NUMBER, WHOLE, NAME, DICT, LIST = (int, float), (int,), (str,), (dict,), (list, tuple)
WORDS: Mapping[type, str] = {
    int: "a number",
    float: "a number",
    str: "a name",
    dict: "a dict",
    list: "a list",
    tuple: "a list",
    type(None): "None",
}
NOTHING = (type(None),)

# "*" is any key, "[]" any entry of a list. A dict of one of the first four may be left out: None.
SHAPES: tuple[tuple[str, tuple[type, ...]], ...] = (
    *((field, (*DICT, *NOTHING)) for field in (
        "checkpoint_config", "data", "dist_params", "evaluation", "fp16", "log_config",
        "lr_config", "model", "optimizer", "optimizer_config", "runner", "custom_imports",
        "sampler", "data.train_dataloader", "data.val_dataloader", "data.test_dataloader",
        "model.backbone", "model.train_cfg", "optimizer.paramwise_cfg",
        "optimizer.paramwise_options", "optimizer.paramwise_cfg.custom_keys",
        "evaluation.metric_options", "model.hog_para")),
    *((field, (*LIST, *NOTHING)) for field in (
        "custom_hooks", "log_config.hooks", "workflow", "evaluation.greater_keys",
        "evaluation.less_keys")),
    *((field, DICT) for field in ("custom_hooks.[]", "log_config.hooks.[]")),
    ("optimizer.paramwise_options.*", (*DICT, *NUMBER)),
    *((field, (*NUMBER, *NOTHING)) for field in (
        "optimizer.lr", "optimizer.weight_decay", "optimizer.paramwise_options.*.weight_decay",
        "optimizer.paramwise_options.*.lr", "lr_config.min_lr", "lr_config.min_lr_ratio")),
    *((field, NUMBER) for field in (
        "lr_config.cool_down_ratio", "lr_config.gamma", "lr_config.power", "lr_config.step.[]",
        "lr_config.warmup_ratio", "lr_config.start_percent", "lr_config.max_lr",
        "lr_config.step_ratio_up", "lr_config.periods.[]", "lr_config.restart_weights.[]",
        "model.train_cfg.augments.[].prob", "model.train_cfg.augments.prob", "model.momentum",
        "model.base_momentum")),
    *((field, WHOLE) for field in (
        "lr_config.warmup_iters", "lr_config.cool_down_time", "lr_config.cyclic_times",
        "runner.max_epochs", "runner.max_iters", "total_epochs", "data.samples_per_gpu",
        "data.workers_per_gpu")),
    *((field, (*NAME, *NOTHING)) for field in (
        "resume_from", "load_from", "lr_config.warmup", "evaluation.save_best", "evaluation.rule",
        "optimizer.constructor")),
    ("evaluation.metric", (*NAME, *LIST)),
    ("evaluation.metric.[]", NAME),
    ("evaluation.greater_keys.[]", NAME),
    ("evaluation.less_keys.[]", NAME),
    ("custom_imports.imports", (*NAME, *LIST)),
    ("custom_imports.imports.[]", NAME),
    ("lr_config.periods", LIST),
    ("model.head", (*DICT, *LIST, *NOTHING)),
    ("model.head.[]", DICT),
    ("model.neck", (*DICT, *LIST, *NOTHING)),
    ("model.type", NAME),
    ("lr_config.restart_weights", LIST),
    ("lr_config.step", (*WHOLE, *LIST)),
)  # fmt: skip

NORMALISATION = {"mean": LIST, "std": LIST}
PATH = (*NAME, *LIST, *NOTHING)
# Of a dataset, a transform or a layer, wherever it stands; under "" of all of them.
ARGUMENTS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "": {
        "type": NAME,
        "data_prefix": PATH,
        "ann_file": PATH,
        "num_views": LIST,
        "pipelines": LIST,
        "datasets": LIST,
        "interpolation": (*NAME, int, *NOTHING),
    },
    "CUB": {"image_class_labels_file": NAME, "train_test_split_file": NAME},
    "Collect": {"keys": LIST, "meta_keys": (*LIST, *NOTHING)},
    "Lighting": {"eigvec": LIST},
    "MaskFeatMaskGenerator": {"mask_window_size": WHOLE, "mask_ratio": NUMBER},
    "MoCoV3Head": {"temperature": NUMBER},
    "Normalize": NORMALISATION,
    "RandomAug": NORMALISATION,
    "ResNet": {"out_indices": (*LIST, int), "frozen_stages": WHOLE},
}
# Of the lists among them.
ENTRIES = {
    "ann_file": NAME,
    "data_prefix": NAME,
    "mean": NUMBER,
    "out_indices": NUMBER,
    "std": NUMBER,
}


def check_shape(old: Mapping[str, Any]) -> None:
    """Raise an error for the first value of a type that 0.x could not use either.

    Raises:
        BadArgumentError: by the path of the value.
    """
    for pattern, types in SHAPES:
        for path, value in values_at(old, pattern.split("."), ""):
            check(value, types, path)
    for field in ("data", "model", "optimizer", "runner", "custom_hooks", "log_config"):
        check_everywhere(old.get(field), field)


def values_at(value: Any, steps: list[str], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values that a pattern points at, and their paths."""
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        if isinstance(value, (list, tuple)):
            for i, part in enumerate(value):
                yield from values_at(part, rest, f"{path}[{i}]")
    elif isinstance(value, Mapping):
        for key in value if step == "*" else [step] * (step in value):
            yield from values_at(value[key], rest, f"{path}.{key}" if path else str(key))


def check_everywhere(value: Any, path: str) -> None:
    """Check what the parts of a config hold, wherever they stand."""
    if isinstance(value, Mapping):
        kind = value.get("type")
        own = ARGUMENTS.get(kind.rpartition(".")[2], {}) if isinstance(kind, str) else {}
        for key, types in {**ARGUMENTS[""], **own}.items():
            if key in value:
                check(value[key], types, f"{path}.{key}")
            entries = ENTRIES.get(key)
            if entries and isinstance(value.get(key), (list, tuple)):
                for i, entry in enumerate(value[key]):
                    check(entry, entries, f"{path}.{key}[{i}]")
        for key, part in value.items():
            check_everywhere(part, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            check_everywhere(part, f"{path}[{i}]")


def check(value: Any, types: tuple[type, ...], path: str) -> None:
    """Raise an error if a value is of none of the types; True, inf and nan are no numbers."""
    no_number = isinstance(value, bool) or (isinstance(value, float) and not isfinite(value))
    if isinstance(value, types) and not no_number:
        return
    words = list(dict.fromkeys(WORDS[kind] for kind in types))
    raise BadArgumentError(path, f"expected {' or '.join(words)}, got {format_value(value)}.")
