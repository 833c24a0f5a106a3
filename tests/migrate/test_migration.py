from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest

from brickbook.errors import ConfigError
from brickbook.migrate import Severity, migrate_config

NORMALISED = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
TRAIN_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "RandomResizedCrop", "size": 224},
    {"type": "RandomFlip", "flip_prob": 0.5, "direction": "horizontal"},
    {"type": "Normalize", **NORMALISED},
    {"type": "ImageToTensor", "keys": ["img"]},
    {"type": "ToTensor", "keys": ["gt_label"]},
    {"type": "Collect", "keys": ["img", "gt_label"]},
]
TEST_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "size": (256, -1)},
    {"type": "CenterCrop", "crop_size": 224},
    {"type": "Normalize", **NORMALISED},
    {"type": "ImageToTensor", "keys": ["img"]},
    {"type": "Collect", "keys": ["img"]},
]
TEST = {
    "type": "ImageNet",
    "data_prefix": "data/imagenet/val",
    "ann_file": "data/imagenet/meta/val.txt",
    "pipeline": TEST_PIPELINE,
}
OLD = {
    "model": {
        "type": "ImageClassifier",
        "backbone": {"type": "ResNet", "depth": 50, "out_indices": (3,)},
        "neck": {"type": "GlobalAveragePooling"},
        "head": {"type": "LinearClsHead", "num_classes": 1000, "in_channels": 2048},
        "init_cfg": [{"type": "Normal", "layer": "Linear", "mean": 0.0, "std": 0.01}],
    },
    "dataset_type": "ImageNet",
    "img_norm_cfg": NORMALISED,
    "train_pipeline": TRAIN_PIPELINE,
    "data": {
        "samples_per_gpu": 32,
        "workers_per_gpu": 2,
        "train": {
            "type": "ImageNet",
            "data_prefix": "data/imagenet/train",
            "pipeline": TRAIN_PIPELINE,
        },
        "val": TEST,
        "test": TEST,
    },
    "evaluation": {"interval": 1, "metric": "accuracy"},
    "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0001},
    "optimizer_config": {"grad_clip": None},
    "lr_config": {"policy": "step", "step": [30, 60, 90]},
    "runner": {"type": "EpochBasedRunner", "max_epochs": 100},
    "checkpoint_config": {"interval": 1},
    "log_config": {"interval": 100, "hooks": [{"type": "TextLoggerHook"}]},
    "dist_params": {"backend": "nccl"},
    "log_level": "INFO",
    "load_from": None,
    "resume_from": None,
    "workflow": [("train", 1)],
}


def loader(split, pipeline):
    return {
        "batch_size": 32,
        "num_workers": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": split == "train"},
        "dataset": {
            "type": "ImageNet",
            "data_root": "data/imagenet",
            "split": split,
            "pipeline": pipeline,
        },
    }


NEW_TEST_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "ResizeEdge", "scale": 256, "edge": "short"},
    {"type": "CenterCrop", "crop_size": 224},
    {"type": "PackInputs"},
]
NEW = {
    "model": OLD["model"],
    "data_preprocessor": {"num_classes": 1000, **NORMALISED},
    "train_dataloader": loader(
        "train",
        [
            {"type": "LoadImageFromFile"},
            {"type": "RandomResizedCrop", "scale": 224},
            {"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"},
            {"type": "PackInputs"},
        ],
    ),
    "val_dataloader": loader("val", NEW_TEST_PIPELINE),
    "test_dataloader": loader("val", NEW_TEST_PIPELINE),
    "auto_scale_lr": {"base_batch_size": 256},
    "val_evaluator": {"type": "Accuracy", "topk": (1, 5)},
    "test_evaluator": {"type": "Accuracy", "topk": (1, 5)},
    "optim_wrapper": {"optimizer": OLD["optimizer"]},
    "param_scheduler": [
        {"type": "MultiStepLR", "milestones": [30, 60, 90], "gamma": 0.1, "by_epoch": True}
    ],
    "train_cfg": {"by_epoch": True, "max_epochs": 100, "val_interval": 1},
    "val_cfg": {},
    "test_cfg": {},
    "default_scope": "mmpretrain",
    "default_hooks": {
        "timer": {"type": "IterTimerHook"},
        "logger": {"type": "LoggerHook", "interval": 100},
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "checkpoint": {"type": "CheckpointHook", "interval": 1},
        "sampler_seed": {"type": "DistSamplerSeedHook"},
        "visualization": {"type": "VisualizationHook", "enable": False},
    },
    "visualizer": {"type": "UniversalVisualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
    "env_cfg": {
        "cudnn_benchmark": False,
        "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
        "dist_cfg": {"backend": "nccl"},
    },
    "load_from": None,
    "resume": False,
    "log_level": "INFO",
}


def test_a_whole_config():
    old = copy.deepcopy(OLD)
    migration = migrate_config(old, name="configs/resnet/resnet50_8xb32_in1k.py")
    assert migration.cfg == NEW
    assert list(migration.cfg) == list(NEW)
    assert old == OLD
    assert migration.complete and not migration.already
    assert {note.severity for note in migration.notes} == {Severity.COSMETIC}
    json.dumps(migration.to_dict())


def test_what_is_of_1x_stays_as_it_is():
    again = migrate_config(NEW)
    assert again.cfg == NEW and again.already and again.complete
    (note,) = again.notes
    assert note.text("en") == (
        "This config is of 1.x already (default_hooks); nothing was changed."
    )


def test_the_parts_of_the_result_are_its_own():
    cfg = migrate_config(OLD).cfg
    cfg["val_dataloader"]["dataset"]["pipeline"].clear()
    cfg["val_evaluator"]["topk"] = ()
    assert cfg["test_dataloader"]["dataset"]["pipeline"] == NEW_TEST_PIPELINE
    assert cfg["test_evaluator"] == {"type": "Accuracy", "topk": (1, 5)}


def loop():
    cfg: dict[str, object] = {}
    cfg["model"] = cfg
    return cfg


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (
            {"model": {"type": "FasterRCNN", "roi_head": {}}, "data": {}},
            "model.roi_head: this is a config of MMDetection, which has a migration of its own."
            " Known: MMClassification 0.x, MMSelfSup 0.x.",
        ),
        (
            {"model": {"type": "EncoderDecoder", "decode_head": {}}},
            "model.decode_head: this is a config of MMSegmentation, which has a migration of its"
            " own. Known: MMClassification 0.x, MMSelfSup 0.x.",
        ),
        (
            {"model": {"type": "mmdet.RetinaNet"}},
            "model.type: this is a config of MMDetection, which has a migration of its own."
            " Known: MMClassification 0.x, MMSelfSup 0.x.",
        ),
        (
            {"optim_wrapper": {}, "lr_config": {}},
            "optim_wrapper: 'optim_wrapper' is a field of 1.x, 'lr_config' one of 0.x."
            " Migrate a config that is of 0.x as a whole.",
        ),
        ([], "cfg: expected a dict, got []."),
        (loop(), "cfg: it is nested too deeply, or contains itself."),
        ({"model": 3}, "model: expected a dict or None, got 3."),
        ({"data": {"train": 3}}, "data.train: expected a dict, got 3."),
        (
            {"data": {"train": {"type": "CUB", "pipeline": [3]}}},
            "data.train.pipeline[0]: expected a dict, got 3.",
        ),
        (
            {"data": {"train": {"type": "CUB", "pipeline": {"type": "Resize"}}}},
            "data.train.pipeline: expected a list, got {'type': 'Resize'}.",
        ),
        ({"optimizer": {"type": 3}}, "optimizer.type: expected a name, got 3."),
        ({3: {}}, "cfg: expected names as keys, got 3."),
        (
            {"data": {"train": {"type": "VOC", "ann_file": ["a.txt", 3]}}},
            "data.train.ann_file[1]: expected a name, got 3.",
        ),
        (
            {"model": {"type": "BYOL", "base_momentum": "0.99"}},
            "model.base_momentum: expected a number, got '0.99'.",
        ),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: expected a number or None, got nan."),
        (
            {"optimizer": {"lr": 0.1}, "runner": {"max_epochs": 10},
             "lr_config": {"policy": "CosineAnnealingCooldown", "min_lr": 0}},
            "lr_config.cool_down_time: it is as long as the training.",
        ),
        (
            {"model": {"type": "MaskFeat", "hog_para": 9}},
            "model.hog_para: expected a dict or None, got 9.",
        ),
        ({"optimizer": {"lr": "1e-3"}}, "optimizer.lr: expected a number or None, got '1e-3'."),
        ({"runner": {"max_epochs": True}}, "runner.max_epochs: expected a number, got True."),
        (
            {"custom_hooks": [{"type": "EMAHook"}, "PreciseBNHook"]},
            "custom_hooks[1]: expected a dict, got 'PreciseBNHook'.",
        ),
        (
            {"data": {"train": {"type": "CUB", "pipeline": [{"type": "Normalize", "mean": [None],
                                                            "std": [1]}]}}},
            "data.train.pipeline[0].mean[0]: expected a number, got None.",
        ),
    ],
)  # fmt: skip
def test_refusals(cfg, message):
    with pytest.raises(ConfigError) as caught:
        migrate_config(cfg)
    assert str(caught.value) == message


def test_an_unknown_style():
    with pytest.raises(ConfigError) as caught:
        migrate_config({}, schedule="guid")
    assert str(caught.value) == "schedule: unknown style 'guid'. Did you mean 'guide'?"


@pytest.mark.parametrize(
    "cfg",
    [
        {"optimizer": {"type": "SGD", "lr": 0.1}},
        {"model": {"type": "ImageClassifier"}},
        {"data": {"train": {"type": "MNIST", "data_prefix": "d"}}},
        {},
    ],
)
def test_a_part_of_a_config_is_migrated_alone(cfg):
    migration = migrate_config(cfg)
    assert migration.cfg["default_scope"] == "mmpretrain"
    assert migrate_config(migration.cfg).cfg == migration.cfg


def test_libcst_is_not_loaded():
    code = (
        "import sys, brickbook.migrate as m; m.migrate_config({}); print('libcst' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
