"""``data`` becomes ``train_dataloader``, ``val_dataloader`` and ``test_dataloader``."""

from __future__ import annotations

import re
from copy import deepcopy

from brickbook.migrate.rules.context import Config, Context
from brickbook.migrate.rules.datasets import migrate_dataset

__all__ = ["auto_scale_lr", "migrate_loaders"]

SPLITS = ("train", "val", "test")
RENAMED = {"samples_per_gpu": "batch_size", "workers_per_gpu": "num_workers"}
# Arguments of torch's DataLoader, which both generations pass on.
KEPT = ("drop_last", "pin_memory", "persistent_workers", "prefetch_factor", "timeout")
SAMPLER_KEPT = {"RepeatAugSampler": ("num_repeats", "shuffle", "seed")}
GPU_BATCH = re.compile(r"(?:^|[_-])(\d+)xb(\d+)(?=[_-]|$)")


def migrate_loaders(context: Context) -> Config:
    """``data=dict(samples_per_gpu=n, train=d)`` → ``train_dataloader=dict(batch_size=n, …)``."""
    data = context.old.get("data") or {}
    own = [f"{split}_dataloader" for split in SPLITS]
    shared = {key: value for key, value in data.items() if key not in (*SPLITS, *own)}
    new: Config = {}
    if data:
        context.note("data.moved", "data")
        context.note("data.injected", "data")
    if data.get("val") and not data.get("test"):
        # The guide: ``test_dataloader = val_dataloader``.
        context.note("data.test_is_val", "data.val")
        data = {**data, "test": data["val"], "test_dataloader": data.get("val_dataloader") or {}}
    for split in SPLITS:
        if not data.get(split):
            continue
        settings = dict(shared)
        if split != "train":  # 0.x: only the training drops a last, smaller batch
            settings.pop("drop_last", None)
        overrides = data.get(f"{split}_dataloader") or {}
        loader = loader_arguments({**settings, **overrides}, split, overrides, context)
        dataset = migrate_dataset(data[split], split, f"data.{split}", context)
        new[f"{split}_dataloader"] = {**loader, "dataset": dataset}
    if new:
        new.update(auto_scale_lr(context))
    return new


def loader_arguments(settings: Config, split: str, overrides: Config, context: Context) -> Config:
    """Return a loader without its dataset."""
    loader: Config = {}
    sampler = {"type": "DefaultSampler", "shuffle": split == "train"}
    for key, value in settings.items():
        path = f"data.{split}_dataloader.{key}" if key in overrides else f"data.{key}"
        if key in RENAMED:
            loader[RENAMED[key]] = value
        elif key in KEPT:
            loader[key] = value
        elif key == "shuffle":
            sampler["shuffle"] = value
        elif key == "sampler_cfg" and value:
            sampler = migrate_sampler(value, path, context)
        elif key not in ("sampler_cfg", "round_up", "seed"):
            context.note("data.loader_argument", path, key=key)
    if split == "train" and context.old.get("sampler"):
        sampler = migrate_sampler(context.old["sampler"], "sampler", context)
    if context.selfsup:
        pretrains = split == "train" and pretraining(context)
        persistent = context.old.get("persistent_workers")
        # tools/train.py of 1.x writes True into every loader.
        if persistent is not None and (pretrains or not persistent):
            loader.setdefault("persistent_workers", persistent)
        if pretrains:
            loader["collate_fn"] = {"type": "default_collate"}
    return {**loader, "sampler": sampler}


def pretraining(context: Context) -> bool:
    """Whether this trains without labels."""
    model = context.old.get("model") or {}
    return model.get("type") not in ("Classification", "MMClsImageClassifierWrapper")


def migrate_sampler(sampler: Config, path: str, context: Context) -> Config:
    """Return a sampler of 1.x, which shuffles unless told otherwise."""
    context.note("data.sampler", path)
    new = deepcopy(sampler)
    if new.get("type") == "DistributedSampler":
        new["type"] = "DefaultSampler"
    kept = SAMPLER_KEPT.get(new.get("type", ""))
    for key in list(new):
        if kept and key not in ("type", *kept):
            context.note("data.sampler_argument", f"{path}.{key}", key=key)
            del new[key]
    return {"shuffle": True, **new} if "shuffle" not in new else new


def auto_scale_lr(context: Context) -> Config:
    """``…_8xb32_…`` in the file's name → ``auto_scale_lr=dict(base_batch_size=256)``."""
    found = GPU_BATCH.search(context.name)
    if not found:
        return {}
    size = int(found[1]) * int(found[2])
    context.note("data.auto_scale_lr", "data.samples_per_gpu", size=size)
    return {"auto_scale_lr": {"base_batch_size": size}}
