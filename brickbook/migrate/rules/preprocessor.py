"""What the pipelines did to the pixels becomes ``data_preprocessor``."""

from __future__ import annotations

from typing import Any

from brickbook.migrate.rules.context import Config, Context
from brickbook.migrate.rules.datasets import innermost

__all__ = ["migrate_preprocessor"]

CLASSES = {
    "CIFAR10": 10,
    "CIFAR100": 100,
    "CUB": 200,
    "FashionMNIST": 10,
    "ImageNet": 1000,
    "ImageNet21k": 21842,
    "MNIST": 10,
    "StanfordCars": 196,
    "VOC": 20,
}
MULTI_LABEL_DATASETS = ("VOC", "MultiLabelDataset")
CLASSIFIERS = ("ImageClassifier", "Classification", "MMClsImageClassifierWrapper")
# CAE gives its target generator 0.8 x / 255 + 0.1 of every pixel x.
# Of the pixels themselves its model of 0.x does what the pipelines of others do.
CAE_NORMALISATION = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
SECOND_NORMALISATION = {"second_mean": [-31.875] * 3, "second_std": [318.75] * 3}


def migrate_preprocessor(context: Context) -> Config:
    """``Normalize(mean, std, to_rgb)`` → ``data_preprocessor=dict(num_classes, mean, …)``."""
    model = context.old.get("model") or {}
    if not context.pixels:
        return {}
    pixels = next(iter(context.pixels.values()))
    for split, other in context.pixels.items():
        if (other.mean, other.std, other.rgb) != (pixels.mean, pixels.std, pixels.rgb):
            context.note("preprocessor.differs", f"data.{split}.pipeline", split=split)
    new: Config = {}
    if model.get("type", "ImageClassifier") in CLASSIFIERS:
        new.update(labels(model, context))
    else:
        new["type"] = "SelfSupDataPreprocessor"
        if model.get("type") == "CAE":
            new = {"type": "TwoNormDataPreprocessor", **SECOND_NORMALISATION}
    if pixels.mean is None and model.get("type") == "CAE":
        new.update(CAE_NORMALISATION)
    elif pixels.mean is None:
        context.note("preprocessor.none", "data.train.pipeline")
    else:
        new.update(mean=pixels.mean, std=pixels.std)
    if pixels.mean is None or len(pixels.mean) > 1:
        new["to_rgb"] = pixels.rgb
    return {"data_preprocessor": new}


def labels(model: Config, context: Context) -> Config:
    """Return the number of classes, and whether labels become one-hot vectors."""
    data = context.old.get("data") or {}
    dataset = innermost(data.get("train") or data.get("val") or {})
    head = first(model.get("head")) or {}
    counts = (head.get("num_classes"), (model.get("backbone") or {}).get("num_classes"),
              CLASSES.get(dataset.get("type", "")))  # fmt: skip
    count = next((count for count in counts if isinstance(count, int) and count > 0), None)
    if count is None:
        context.note("preprocessor.no_classes", "model.head.num_classes")
        return {}
    context.note("preprocessor.num_classes", "model.head.num_classes", count=count)
    if dataset.get("type") in MULTI_LABEL_DATASETS:
        context.note("preprocessor.onehot", "data.train.type")
        return {"num_classes": count, "to_onehot": True}
    return {"num_classes": count}


def first(value: Any) -> Any:
    """Return the first of several heads, or the head."""
    return value[0] if isinstance(value, (list, tuple)) and value else value
