"""The model: renamed classes and arguments, batch augmentations, defaults that changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from brickbook.migrate.rules.context import Config, Context, expect_dicts
from brickbook.migrate.rules.selfsup import migrate_selfsup_model

__all__ = ["migrate_model"]

AUGMENTS = {"BatchMixup": "Mixup", "BatchCutMix": "CutMix", "BatchResizeMix": "ResizeMix"}


def migrate_model(context: Context) -> Config:
    """Return ``model`` in the words of 1.x."""
    model = context.old.get("model")
    if not model:
        return {}
    new = deepcopy(model)
    strip_scope(new, "mmselfsup.", context)
    if context.selfsup:
        # Parts of MMClassification keep their prefix until then: their names are not MMSelfSup's.
        new = migrate_selfsup_model(new, context)
    strip_scope(new, "mmcls.", context)
    for path, part in parts(new, "model"):
        rule = ARGUMENTS.get(part["type"])
        if rule is not None:
            rule(part, path, context)
        for key, (before, after) in defaults(context.project).get(part["type"], {}).items():
            if key not in part:
                context.note("model.default_changed", f"{path}.{key}", kind=part["type"], key=key,
                             before=before, after=after)  # fmt: skip
    train_cfg = new.get("train_cfg")
    if isinstance(train_cfg, dict):
        new["train_cfg"] = migrate_augments(train_cfg, context)
        for key in [key for key in ("mixup", "cutmix") if key in train_cfg]:
            del new["train_cfg"][key]
            context.note("model.dead", f"model.train_cfg.{key}", key=key)
    return {"model": new}


def strip_scope(model: Config, scope: str, context: Context) -> None:
    """``type='mmcls.ResNet'`` → ``type='ResNet'``."""
    for path, part in parts(model, "model"):
        if part["type"].startswith(scope):
            part["type"] = part["type"].removeprefix(scope)
            context.note("model.scope", f"{path}.type", scope=scope)


def parts(value: Any, path: str) -> Iterator[tuple[str, Config]]:
    """Yield every dict with a ``type`` within a model, outer ones first, and where it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield path, value
        for key, part in list(value.items()):
            yield from parts(part, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from parts(part, f"{path}[{i}]")


@cache
def defaults(project: str) -> Mapping[str, Mapping[str, tuple[Any, Any]]]:
    """Return, by class and argument, defaults that changed and that no rule writes: old, new."""
    file = Path(__file__).parent.parent / "facts" / "defaults.json"
    return json.loads(file.read_text(encoding="utf-8"))[project]


def cls_token(part: Config, path: str, context: Context) -> None:
    """``output_cls_token=True`` → ``out_type='cls_token'``, False → ``'featmap'``."""
    if "output_cls_token" in part:
        part["out_type"] = "cls_token" if part.pop("output_cls_token") else "featmap"
        context.note("model.argument_renamed", f"{path}.output_cls_token", old="output_cls_token",
                     new=f"out_type={part['out_type']!r}")  # fmt: skip


VAN_ARCHS = {"b0": "tiny", "b1": "small", "b2": "base", "b3": "large"}


def van(part: Config, path: str, context: Context) -> None:
    """``arch='b0'`` … ``'b3'`` → ``'tiny'`` … ``'large'``; the larger ones are gone."""
    arch = part.get("arch")
    if not isinstance(arch, str):
        return
    if arch.lower() in VAN_ARCHS:
        part["arch"] = VAN_ARCHS[arch.lower()]
        context.note("model.arch", f"{path}.arch", old=arch, new=part["arch"])
    elif arch.lower() in ("b4", "b5", "b6"):
        context.note("model.gone", f"{path}.arch", kind=f"VAN {arch}")


ARGUMENTS: Mapping[str, Callable[[Config, str, Context], None]] = {
    "DistilledVisionTransformer": cls_token,
    "MAEViT": cls_token,
    "MaskFeatViT": cls_token,
    "T2T_ViT": cls_token,
    "VAN": van,
    "VisionTransformer": cls_token,
}


def migrate_augments(train_cfg: Config, context: Context) -> Config:
    """``BatchMixup(prob=p)`` → ``Mixup``, and ``probs`` where 1.x would not take equal shares."""
    augments = train_cfg.get("augments")
    if not augments:
        return train_cfg
    path = "model.train_cfg.augments"
    listed = [augments] if isinstance(augments, dict) else expect_dicts(augments, path)
    new, shares = [], []
    for augment in listed:
        cfg = {key: value for key, value in augment.items() if key not in ("prob", "num_classes")}
        if cfg.get("type") == "Identity":
            continue  # what is left of 1 is the identity
        cfg["type"] = AUGMENTS.get(str(cfg.get("type")), cfg.get("type"))
        new.append(cfg)
        shares.append(augment.get("prob", 1.0))
    context.note("model.augments", path)
    result = {**train_cfg, "augments": new}
    equal = all(abs(share - shares[0]) < 1e-9 for share in shares)
    if new and not (equal and abs(sum(shares) - 1) < 1e-9):
        result["probs"] = shares
    return result
