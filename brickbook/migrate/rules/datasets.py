"""The datasets: where their files are, their wrappers, and MMSelfSup's data sources."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from brickbook.errors import format_value
from brickbook.migrate.rules.context import Config, Context, expect_dict, expect_dicts
from brickbook.migrate.rules.pipelines import migrate_pipeline, migrate_views

__all__ = ["innermost", "migrate_dataset"]


def innermost(dataset: Any) -> Config:
    """Return the dataset within its wrappers.

    >>> innermost({"type": "RepeatDataset", "times": 2, "dataset": {"type": "CUB"}})
    {'type': 'CUB'}
    """
    while isinstance(dataset, (list, tuple)) or (
        isinstance(dataset, dict) and ("dataset" in dataset or "datasets" in dataset)
    ):
        if isinstance(dataset, dict):
            dataset = dataset.get("dataset", dataset.get("datasets"))
        else:
            dataset = dataset[0] if dataset else {}
    if isinstance(dataset, dict) and isinstance(dataset.get("data_source"), dict):
        return dataset["data_source"]
    return dataset if isinstance(dataset, dict) else {}


def migrate_dataset(dataset: Any, split: str, path: str, context: Context) -> Config:
    """Return a dataset of 1.x.

    Args:
        dataset: a dataset of 0.x, a wrapper of one, or a list of several.
        split: "train", "val" or "test".
        path: where it stands.
        context: what else is known.
    """
    if isinstance(dataset, (list, tuple)):
        context.note("dataset.concat", path)
        found = [migrate_dataset(one, split, f"{path}[{i}]", context)
                 for i, one in enumerate(dataset)]  # fmt: skip
        return {"type": "ConcatDataset", "datasets": found}
    kind = expect_dict(dataset, path).get("type")
    if kind in WRAPPERS:
        return wrapper(dataset, split, path, context)
    if "data_source" in dataset:
        return from_data_source(dataset, split, path, context)
    parts = spread(dataset)
    if parts:
        context.note("dataset.concat", path)
        return {"type": "ConcatDataset", "datasets": [
            migrate_dataset(part, split, path, context) for part in parts
        ]}  # fmt: skip
    new = deepcopy(dataset)
    pipeline = new.pop("pipeline", None)
    new = relocate(new, split, path, context)
    if pipeline is not None:
        new["pipeline"] = migrate_pipeline(pipeline, f"{path}.pipeline", split, context)
    return new


def spread(dataset: Config) -> list[Config]:
    """Return the datasets that lists of ``ann_file`` or ``data_prefix`` stand for."""
    listed = {key: dataset[key] for key in ("ann_file", "data_prefix")
              if isinstance(dataset.get(key), (list, tuple))}  # fmt: skip
    if not listed:
        return []
    count = max(len(values) for values in listed.values())
    return [{**dataset, **{key: values[i] for key, values in listed.items()}} for i in range(count)]


WRAPPERS = ("RepeatDataset", "ConcatDataset", "ClassBalancedDataset", "KFoldDataset")


def wrapper(dataset: Config, split: str, path: str, context: Context) -> Config:
    """RepeatDataset, ClassBalancedDataset and ConcatDataset are MMEngine's now."""
    context.note("dataset.wrapper", path, kind=dataset["type"])
    new = deepcopy(dataset)
    if "separate_eval" in new:
        del new["separate_eval"]
        context.note("dataset.separate_eval", f"{path}.separate_eval")
    if "dataset" in new:
        new["dataset"] = migrate_dataset(dataset["dataset"], split, f"{path}.dataset", context)
    if "datasets" in new:
        listed = expect_dicts(dataset["datasets"], f"{path}.datasets")
        new["datasets"] = [
            migrate_dataset(one, split, f"{path}.datasets[{i}]", context)
            for i, one in enumerate(listed)
        ]
    if new["type"] == "KFoldDataset" and split != "train":
        new.setdefault("test_mode", True)
    return new


def normal(path: Any) -> str:
    """Return a path without a slash at its end."""
    return posixpath.normpath(path) if path else ""


def folder_of_split(new: Config, split: str, path: str, context: Context) -> Config:
    """``data_prefix='R/train', ann_file='R/meta/train.txt'`` → ``data_root='R', split='train'``."""
    new.pop("recursion_subdir", None)
    prefix, file = new.get("data_prefix"), new.get("ann_file")
    if not isinstance(prefix, str) or not isinstance(file, (str, type(None))):
        return new
    root, folder = posixpath.split(normal(prefix))
    usual = posixpath.join(root, "meta", f"{folder}.txt")
    # ImageNet21k of 1.x knows a split of training images only, and ImageNet takes the labels away
    # from a split that is called "test".
    splits = ("train",) if new.get("type") == "ImageNet21k" else ("train", "val")
    if folder in splits and (not file or normal(file) == usual):
        context.note("dataset.root", f"{path}.data_prefix", root=root, split=folder)
        rest = {key: value for key, value in new.items() if key not in ("data_prefix", "ann_file")}
        return {"type": rest.pop("type"), "data_root": root, "split": folder, **rest}
    return new


def one_root(new: Config, split: str, path: str, context: Context) -> Config:
    """``data_prefix='R'`` → ``data_root='R', split='train', test_mode=…``; 1.x reads either."""
    new = test_mode(new, split, path, context)
    prefix = new.pop("data_prefix", None)
    return at_root(new, normal(prefix) if prefix is not None else None)


def at_root(new: Config, root: str | None) -> Config:
    """Put ``data_root`` behind the type."""
    where = {} if root is None else {"data_root": root}
    return {"type": new["type"], **where, **{k: v for k, v in new.items() if k != "type"}}


def test_mode(new: Config, split: str, path: str, context: Context) -> Config:
    """Write ``split`` and ``test_mode``: some classes of 1.x read the one, some the other."""
    test = bool(new.pop("test_mode", False)) or split != "train"
    context.note("dataset.test_mode", path)
    return {**new, "split": "test" if test else "train", **({"test_mode": True} if test else {})}


def cub(new: Config, split: str, path: str, context: Context) -> Config:
    """``data_prefix='R/images', ann_file='R/images.txt'`` → ``data_root='R', split='train'``."""
    files = {"ann_file": "images.txt", "image_class_labels_file": "image_class_labels.txt",
             "train_test_split_file": "train_test_split.txt"}  # fmt: skip
    root, folder = posixpath.split(normal(new.get("data_prefix")))
    unusual = [key for key, name in files.items()
               if key in new and normal(new[key]) != posixpath.join(root, name)]  # fmt: skip
    if unusual or folder != "images":
        context.note("dataset.paths_kept", path, kind="CUB")
        root = normal(new.get("data_prefix"))
    for key in ("data_prefix", *files):
        new.pop(key, None)
    return at_root(test_mode(new, split, path, context), root)


def voc(new: Config, split: str, path: str, context: Context) -> Config:
    """``data_prefix='R', ann_file='R/ImageSets/Main/trainval.txt'`` → ``split='trainval'``."""
    file, root = normal(new.pop("ann_file", "")), normal(new.pop("data_prefix", ""))
    folder, name = posixpath.split(file)
    chosen = posixpath.splitext(name)[0]
    if folder != posixpath.join(root, "ImageSets/Main"):
        context.note("dataset.paths_kept", path, kind="VOC")
    if "difficult_as_postive" in new:
        del new["difficult_as_postive"]
        context.note("dataset.difficult", f"{path}.difficult_as_postive")
    new.pop("test_mode", None)
    new["split"] = chosen or ("trainval" if split == "train" else "test")
    if split != "train":
        new["test_mode"] = True
        context.note("dataset.test_mode", path)
    return at_root(new, root)


def stanford_cars(new: Config, split: str, path: str, context: Context) -> Config:
    """``data_prefix='R'`` → ``data_root='R', split='train'``; it sets its test mode itself."""
    test = bool(new.pop("test_mode", False)) or split != "train"
    new.pop("ann_file", None)
    new["split"] = "test" if test else "train"
    return at_root(new, normal(new.pop("data_prefix", "")))


def custom(new: Config, split: str, path: str, context: Context) -> Config:
    """``classes=c`` → ``metainfo=dict(classes=c)``; the paths stay."""
    return new


Relocation = Callable[[Config, str, str, Context], Config]

DATASETS: Mapping[str, Relocation] = {
    "CIFAR10": one_root,
    "CIFAR100": one_root,
    "CUB": cub,
    "CustomDataset": custom,
    "FashionMNIST": one_root,
    "ImageNet": folder_of_split,
    "ImageNet21k": folder_of_split,
    "MNIST": one_root,
    "StanfordCars": stanford_cars,
    "VOC": voc,
}


def relocate(new: Config, split: str, path: str, context: Context) -> Config:
    """Return a dataset, without its pipeline, in the words of 1.x."""
    kind = new.get("type")
    rule = DATASETS.get(kind) if isinstance(kind, str) else None
    if rule is None:
        context.note("dataset.custom", f"{path}.type", kind=format_value(kind))
        return new
    if "file_client_args" in new:
        del new["file_client_args"]
        context.note("dataset.argument_dropped", f"{path}.file_client_args", key="file_client_args")
    if new.get("classes") is not None:
        context.note("dataset.classes", f"{path}.classes")
        new["metainfo"] = {**new.get("metainfo", {}), "classes": new["classes"]}
    new.pop("classes", None)
    return rule(new, split, path, context)


# ------------------------------------------------------------------------------------ MMSelfSup

# Data sources that have another name as a dataset.
SOURCES = {"ImageList": "CustomDataset", "Places205": "Places205"}
GONE = ("DeepClusterDataset", "RelativeLocDataset", "RotationPredDataset")


def from_data_source(dataset: Config, split: str, path: str, context: Context) -> Config:
    """``type='SingleViewDataset', data_source=s, pipeline=p`` → s with the pipeline."""
    kind = dataset.get("type")
    if kind in GONE:
        context.note("dataset.gone", f"{path}.type", kind=kind)
        return deepcopy(dataset)
    context.note("dataset.data_source", f"{path}.data_source")
    if "prefetch" in dataset:
        context.note("dataset.prefetch", f"{path}.prefetch")
    source = deepcopy(expect_dict(dataset["data_source"], f"{path}.data_source"))
    if source.get("type") in SOURCES:
        source["type"] = SOURCES[source["type"]]
    new = relocate(source, split, f"{path}.data_source", context)
    if "pipelines" in dataset:
        new["pipeline"] = migrate_views(
            dataset["pipelines"], dataset.get("num_views"), f"{path}.pipelines", split, context
        )
    elif "pipeline" in dataset:
        new["pipeline"] = migrate_pipeline(dataset["pipeline"], f"{path}.pipeline", split, context)
    for key in dataset:
        if key not in ("type", "data_source", "pipeline", "pipelines", "num_views", "prefetch"):
            context.note("runtime.argument_lost", f"{path}.{key}", key=key)
    return new
