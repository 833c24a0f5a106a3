"""``optimizer``, ``optimizer_config`` and ``fp16`` become ``optim_wrapper``."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from brickbook.migrate.rules.context import Config, Context

__all__ = ["migrate_optimizer"]

# Of optimizer_config: no target in 1.x, and nothing is lost for the numbers.
HARMLESS = ("detect_anomalous_params", "coalesce", "bucket_size_mb", "use_fp16", "_delete_", "type")
HOOKS_WITH_FP16 = (
    "Fp16OptimizerHook",
    "GradientCumulativeFp16OptimizerHook",
    "GradAccumFp16OptimizerHook",
)
# What Fp16OptimizerHook of MMCV 1.x takes where nothing is given; AmpOptimWrapper takes "dynamic".
FP16_SCALE = 512.0
ACCUMULATION = ("cumulative_iters", "update_interval")

# Options of a parameter that both generations have; SimSiamHook reads fix_lr.
KEPT_OPTIONS = ("bias_decay_mult", "decay_mult", "fix_lr", "lars_exclude", "lr_mult")
# The regular expression of MMSelfSup's LARS configs, and the substrings that 1.x's configs have.
NORM_PATTERN = r"(bn|gn)(\d+)?.(weight|bias)"
NORM_SUBSTRINGS = ("bn", "downsample.1")
# A name from its beginning, such as r"\Ahead.".
ANCHORED = re.compile(r"(?:\\A|\^)((?:\w|\\?\.)+)")


def migrate_optimizer(context: Context) -> Config:
    """``optimizer=dict(**x, paramwise_cfg=p)`` → ``optim_wrapper=dict(optimizer=x, …)``."""
    old = context.old
    if "optimizer" not in old and not old.get("fp16") and not old.get("optimizer_config"):
        return {}
    wrapper: Config = {}
    optimizer = deepcopy(old.get("optimizer")) or {}
    if optimizer and all(isinstance(part, dict) and "type" in part for part in optimizer.values()):
        context.note("optimizer.several", "optimizer", names=", ".join(map(str, optimizer)))
    constructor = optimizer.pop("constructor", None)
    paramwise = optimizer.pop("paramwise_cfg", None)
    options = optimizer.pop("paramwise_options", None)
    if optimizer:
        context.note("optimizer.moved", "optimizer")
    if paramwise:
        context.note("optimizer.paramwise_moved", "optimizer.paramwise_cfg")
        if paramwise.pop("_delete", None) is not None:
            context.note("optimizer.stray_delete", "optimizer.paramwise_cfg._delete")
    if options:
        keys = custom_keys(options, optimizer, context)
        paramwise = {**(paramwise or {}), "custom_keys": keys}
        neck = (old.get("model") or {}).get("neck")
        if isinstance(neck, dict) and neck.get("type") == "SwAVNeck":
            # Its norm is registered under two names; 0.x takes each parameter once.
            context.note("optimizer.twice", "model.neck", kind="SwAVNeck")
            paramwise["bypass_duplicate"] = True
    wrapper.update(amp(context))
    if optimizer:
        wrapper["optimizer"] = optimizer
    if constructor is not None:
        constructor, paramwise = migrate_constructor(constructor, optimizer, paramwise, context)
    if paramwise:
        wrapper["paramwise_cfg"] = paramwise
    if constructor is not None:
        wrapper["constructor"] = constructor
    wrapper.update(optimizer_config(context))
    return {"optim_wrapper": wrapper} if wrapper else {}


def custom_keys(options: Config, optimizer: Config, context: Context) -> Config:
    """``{key: dict(weight_decay=0.)}`` → ``{key: dict(decay_mult=0.)}``."""
    context.note("optimizer.paramwise_options", "optimizer.paramwise_options")
    keys: Config = {}
    for pattern, option in options.items():
        path = f"optimizer.paramwise_options[{pattern!r}]"
        if not isinstance(option, dict):
            # 0.x fails as soon as such a pattern meets a name, so it meets none.
            context.note("optimizer.option_dead", path, key=pattern)
            continue
        new = {}
        for key, value in option.items():
            new.update(multiplier(key, value, optimizer, f"{path}.{key}", context))
        for key in substrings(pattern, path, context):
            keys.setdefault(key, dict(new))
    return keys


def multiplier(key: str, value: Any, optimizer: Config, path: str, context: Context) -> Config:
    """Return an option of a parameter in 1.x's words: a share of the optimizer's own value."""
    shares = {"weight_decay": "decay_mult", "lr": "lr_mult"}
    if key in KEPT_OPTIONS:
        return {key: value}
    if key not in shares:
        context.note("optimizer.option_lost", path, key=key, value=value)
        return {}
    base = optimizer.get(key) or 0
    if value and not base:
        context.note("optimizer.option_lost", path, key=key, value=value)
        return {}
    return {shares[key]: value / base if value else value}


def substrings(pattern: str, path: str, context: Context) -> tuple[str, ...]:
    """Return the substrings that stand for a regular expression; 1.x knows no expressions."""
    if pattern == NORM_PATTERN:
        group_norm = ("gn",) if "'GN'" in repr(context.old.get("model")) else ()
        found = (*NORM_SUBSTRINGS, *group_norm)
        context.note("optimizer.pattern", path, pattern=pattern, found=", ".join(found))
        return found
    anchored = ANCHORED.fullmatch(pattern)
    if anchored:
        found = anchored[1].replace("\\.", ".")
        context.note("optimizer.pattern_anchored", path, pattern=pattern, found=found)
        return (found,)
    if re.search(r"[\\()\[\]{}|*+?^$]", pattern):
        context.note("optimizer.pattern_lost", path, pattern=pattern)
    return (pattern,)


def migrate_constructor(
    constructor: str, optimizer: Config, paramwise: Config | None, context: Context
) -> tuple[str | None, Config | None]:
    """``TransformerFinetuneConstructor`` → ``LearningRateDecayOptimWrapperConstructor``."""
    path = "optimizer.constructor"
    if constructor in ("DefaultOptimizerConstructor", "DefaultOptimWrapperConstructor"):
        return None, paramwise
    if constructor != "TransformerFinetuneConstructor":
        context.note("optimizer.constructor", path, constructor=constructor)
        return constructor, paramwise
    optimizer.pop("model_type", None)
    new = dict(paramwise or {})
    decay = optimizer.pop("layer_decay", None)
    if decay is not None:
        new["layer_decay_rate"] = decay
    if "custom_keys" in new:
        dotted = {f".{key.lstrip('.')}": value for key, value in new["custom_keys"].items()}
        new["custom_keys"] = dotted
    context.note("optimizer.layer_decay", path, rate=decay)
    return "LearningRateDecayOptimWrapperConstructor", new


def amp(context: Context) -> Config:
    """``fp16=dict(loss_scale=X)`` → ``type='AmpOptimWrapper', loss_scale=X``."""
    hook = context.old.get("optimizer_config") or {}
    fp16 = context.old.get("fp16")
    if fp16 is None and hook.get("type") not in HOOKS_WITH_FP16:
        return {}
    path = "optimizer_config" if fp16 is None else "fp16"
    source = hook if fp16 is None else fp16
    if "loss_scale" not in source:
        context.note("optimizer.amp_default_scale", path, scale=FP16_SCALE)
    for key in source if fp16 is not None else ():
        if key not in ("loss_scale", "distributed"):
            context.note("runtime.argument_lost", f"fp16.{key}", key=key)
    context.note("optimizer.amp", path)
    scale = deepcopy(source.get("loss_scale", FP16_SCALE))
    return {"type": "AmpOptimWrapper", "loss_scale": scale}


def optimizer_config(context: Context) -> Config:
    """``grad_clip`` → ``clip_grad``, ``cumulative_iters`` → ``accumulative_counts``."""
    new: Config = {}
    for key, value in (context.old.get("optimizer_config") or {}).items():
        path = f"optimizer_config.{key}"
        if key == "grad_clip":
            if value:
                context.note("optimizer.clip_grad", path)
                new["clip_grad"] = deepcopy(value)
        elif key in ACCUMULATION:
            if value != 1:
                context.note("optimizer.accumulative_counts", path, count=value)
                new["accumulative_counts"] = value
        elif key in ("loss_scale", "frozen_layers_cfg", "distributed"):
            pass  # `amp` and the hooks see to them
        elif key in HARMLESS:
            if key not in ("type", "_delete_"):
                context.note("optimizer.config_dropped", path, key=key)
        else:
            context.note("optimizer.config_lost", path, key=key)
    return new
