"""Hooks, logs, checkpoints, the environment, and what is left at the top of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy

from brickbook.errors import format_value
from brickbook.migrate.rules.context import Config, Context, expect_dicts
from brickbook.migrate.rules.evaluation import best_checkpoint

__all__ = ["migrate_runtime"]

# Arguments of the CheckpointHook of both generations.
CHECKPOINT = ("interval", "by_epoch", "save_optimizer", "out_dir", "max_keep_ckpts", "save_last",
              "file_client_args")  # fmt: skip
# Hooks that write somewhere → what writes there in 1.x.
BACKENDS: Mapping[str, str | None] = {
    "TextLoggerHook": None,
    "TensorboardLoggerHook": "TensorboardVisBackend",
    "WandbLoggerHook": "WandbVisBackend",
    "MMClsWandbHook": "WandbVisBackend",
    "MlflowLoggerHook": "MLflowVisBackend",
    "ClearMLLoggerHook": "ClearMLVisBackend",
    "NeptuneLoggerHook": "NeptuneVisBackend",
    "DvcliveLoggerHook": "DVCLiveVisBackend",
}
BACKEND_ARGUMENTS = ("init_kwargs", "exp_name", "tags")

# custom_hooks: what 1.x has too, with the arguments that it does not take any more.
HOOKS: Mapping[str, tuple[str, ...]] = {
    "ClassNumCheckHook": (),
    "DenseCLHook": (),
    "EMAHook": ("warm_up", "resume_from"),
    "PreciseBNHook": (),
    "SimSiamHook": (),
    "SwAVHook": (),
    "SyncBuffersHook": (),
    "ProfilerHook": (),
    "EmptyCacheHook": (),
}
ABSORBED = ("BYOLHook", "MomentumUpdateHook")  # the models do it themselves
GONE_HOOKS = ("DeepClusterHook", "InterCLRHook", "ODCHook", "MMClsWandbHook")

# What a 0.x training reads at the top of a config, besides what other rules take.
TAKEN = (
    "data", "dist_params", "evaluation", "fp16", "log_config", "lr_config", "model",
    "momentum_config", "optimizer", "optimizer_config", "runner", "total_epochs", "workflow",
    "checkpoint_config", "custom_hooks", "custom_imports", "resume_from", "load_from",
    "auto_resume", "cudnn_benchmark", "mp_start_method", "opencv_num_threads", "omp_num_threads",
    "mkl_num_threads", "seed", "deterministic", "sampler", "persistent_workers", "prefetch",
    "train_cfg", "test_cfg", "default_scope",
)  # fmt: skip
KEPT = ("find_unused_parameters", "launcher", "log_level", "work_dir")
UNREAD = ("gpu_ids", "gpus", "device", "autoscale_lr")
# Variables of config files, which only their own file reads.
VARIABLE = re.compile(
    r"(dataset_type|data_source|data_root|prefetch|pretrained|checkpoint|num_classes|num_crops"
    r"|embed_dims|paramwise_cfg|paramwise_options|custom_keys|policies|policy_\w+|\w+_policies"
    r"|\w*_?pipeline\d*|\w+_norm_cfg|\w+_lighting_cfg|\w+_cfg|[A-Z_0-9]+|color_distort_strength)"
)


def migrate_runtime(context: Context) -> Config:
    """Return the fields of the runtime."""
    old = context.old
    new: Config = {"default_scope": "mmpretrain"}
    context.note("runtime.scope", "default_scope")
    if "checkpoint_config" in old or "log_config" in old:
        new["default_hooks"] = default_hooks(context)
    hooks = custom_hooks(context)
    if hooks:
        new["custom_hooks"] = hooks
    if "log_config" in old:
        new["visualizer"] = visualizer(context)
        if by_iteration(old):
            new["log_processor"] = {"by_epoch": False}
    new.update(environment(context))
    new.update(start(context))
    for key in KEPT:
        if key in old:
            new[key] = deepcopy(old[key])
    imports = custom_imports(context)
    if imports:
        new["custom_imports"] = imports
    new.update(leftovers(context))
    return new


def by_iteration(old: Config) -> bool:
    """Whether the training counts iterations."""
    return (old.get("runner") or {}).get("type") == "IterBasedRunner"


def default_hooks(context: Context) -> Config:
    """``checkpoint_config`` and ``log_config.interval`` → ``default_hooks``."""
    old = context.old
    checkpoint: Config = {"type": "CheckpointHook"}
    if "checkpoint_config" in old:
        context.note("runtime.checkpoint", "checkpoint_config")
    for key, value in (old.get("checkpoint_config") or {}).items():
        if key == "out_dir" and not value:
            continue
        if key in CHECKPOINT:
            checkpoint[key] = value
        elif key not in ("type", "_delete_"):
            context.note("runtime.checkpoint_argument", f"checkpoint_config.{key}", key=key)
    if by_iteration(old):
        checkpoint.setdefault("by_epoch", False)
    checkpoint.update(best_checkpoint(context))
    logger: Config = {"type": "LoggerHook"}
    log = old.get("log_config") or {}
    if "interval" in log:
        logger["interval"] = log["interval"]
        context.note("runtime.logger", "log_config.interval")
    if by_iteration(old):
        logger["log_metric_by_epoch"] = False
    return {
        "timer": {"type": "IterTimerHook"},
        "logger": logger,
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "checkpoint": checkpoint,
        "sampler_seed": {"type": "DistSamplerSeedHook"},
        "visualization": {"type": "VisualizationHook", "enable": False},
    }


def visualizer(context: Context) -> Config:
    """``log_config.hooks`` → ``visualizer.vis_backends``."""
    backends: list[Config] = [{"type": "LocalVisBackend"}]
    log_config = context.old["log_config"] or {}
    hooks = expect_dicts(log_config.get("hooks") or [], "log_config.hooks")
    for i, hook in enumerate(hooks):
        path, kind = f"log_config.hooks[{i}]", str(hook.get("type"))
        if kind not in BACKENDS:
            context.note("runtime.no_visualizer", path, kind=format_value(kind))
            continue
        name = BACKENDS[kind]
        if name is None:
            continue
        context.note("runtime.visualizer", path, old=kind, new=name)
        backends.append({"type": name, **{k: hook[k] for k in BACKEND_ARGUMENTS if k in hook}})
        for key in hook:
            if key not in ("type", "by_epoch", "interval", *BACKEND_ARGUMENTS):
                context.note("runtime.argument_lost", f"{path}.{key}", key=key)
    return {"type": "UniversalVisualizer", "vis_backends": backends}


def custom_hooks(context: Context) -> list[Config]:
    """Return the hooks that 1.x has too."""
    new: list[Config] = []
    frozen = (context.old.get("optimizer_config") or {}).get("frozen_layers_cfg")
    hooks = expect_dicts(context.old.get("custom_hooks") or [], "custom_hooks")
    for i, hook in enumerate(hooks):
        path, kind = f"custom_hooks[{i}]", str(hook.get("type")).removeprefix("mmcls.")
        if kind in ABSORBED:
            context.note("runtime.hook_absorbed", path, kind=kind)
            if hook.get("update_interval", 1) != 1:
                context.note("runtime.argument_lost", f"{path}.update_interval",
                             key="update_interval")  # fmt: skip
            continue
        if kind in GONE_HOOKS or kind.endswith("LrUpdaterHook"):
            context.note("runtime.hook_gone", path, kind=kind)
            continue
        cfg = {**deepcopy(hook), "type": kind}
        if kind not in HOOKS:
            context.note("runtime.hook_unknown", path, kind=kind)
        for key in HOOKS.get(kind, ()):
            if cfg.pop(key, None) is not None:
                context.note("runtime.hook_argument", f"{path}.{key}", kind=kind, key=key)
        if kind == "EMAHook" and "warm_up" not in hook:
            context.note("runtime.hook_argument", f"{path}.warm_up", kind=kind, key="warm_up")
        if kind == "SwAVHook" and frozen:
            context.note("runtime.frozen_layers", "optimizer_config.frozen_layers_cfg")
            cfg["frozen_layers_cfg"], frozen = deepcopy(frozen), None
        new.append(cfg)
    if frozen:
        context.note("runtime.argument_lost", "optimizer_config.frozen_layers_cfg",
                     key="frozen_layers_cfg")  # fmt: skip
    return new


def environment(context: Context) -> Config:
    """``dist_params``, ``cudnn_benchmark``, ``mp_start_method`` … → ``env_cfg``."""
    old = context.old
    asked = ("dist_params", "cudnn_benchmark", "mp_start_method", "opencv_num_threads")
    for key in ("omp_num_threads", "mkl_num_threads"):
        if key in old:
            context.note("runtime.threads", key, key=key)
    found = [key for key in asked if key in old]
    for key in found:
        context.note("runtime.env", key, key=key)
    if not found:
        return {}
    processes = {"mp_start_method": old.get("mp_start_method", "fork"),
                 "opencv_num_threads": old.get("opencv_num_threads", 0)}  # fmt: skip
    return {
        "env_cfg": {
            "cudnn_benchmark": old.get("cudnn_benchmark", False),
            "mp_cfg": processes,
            "dist_cfg": deepcopy(old.get("dist_params", {"backend": "nccl"})),
        }
    }


def start(context: Context) -> Config:
    """``resume_from=f`` → ``load_from=f, resume=True``; ``seed`` → ``randomness``."""
    old, new = context.old, {}
    if "load_from" in old or "resume_from" in old:
        new = {"load_from": old.get("load_from"), "resume": False}
    if old.get("resume_from"):
        context.note("runtime.resume", "resume_from")
        new = {"load_from": old["resume_from"], "resume": True}
    elif old.get("auto_resume"):
        context.note("runtime.resume", "auto_resume")
        new = {"load_from": None, "resume": True}
    if "seed" in old or "deterministic" in old:
        context.note("runtime.seed", "seed" if "seed" in old else "deterministic")
        given = {key: old[key] for key in ("seed", "deterministic") if key in old}
        new["randomness"] = given
    return new


def custom_imports(context: Context) -> Config:
    """Imports of the old packages go away, others stay."""
    old = context.old.get("custom_imports")
    if not old:
        return {}
    listed = old.get("imports") or ()
    names = [listed] if isinstance(listed, str) else list(listed)
    kept = []
    for name in names:
        own = name.split(".")[0] in ("mmcls", "mmselfsup")
        context.note("runtime.imports_dropped" if own else "runtime.imports", "custom_imports",
                     name=name)  # fmt: skip
        if not own:
            kept.append(name)
    return {**deepcopy(old), "imports": kept} if kept else {}


def leftovers(context: Context) -> Config:
    """Return what neither generation reads, but for variables that only their own file reads."""
    new: Config = {}
    for key, value in context.old.items():
        if key in TAKEN or key in KEPT:
            continue
        if key in UNREAD:
            context.note("runtime.unread", key, key=key)
        elif VARIABLE.fullmatch(key):
            context.note("runtime.variable", key, key=key)
        else:
            context.note("runtime.own_key", key, key=key)
            new[key] = deepcopy(value)
    return new
