"""Before and after of each rule: a part of an old config, and what becomes of it."""

from __future__ import annotations

import pytest

from brickbook.migrate import Severity, migrate_config

SGD = {"type": "SGD", "lr": 0.1}
LOAD, PACK = {"type": "LoadImageFromFile"}, {"type": "PackInputs"}


def imagenet(pipeline=(), split="train", **more):
    return {"type": "ImageNet", "data_prefix": f"data/imagenet/{split}",
            "pipeline": list(pipeline), **more}  # fmt: skip


def check(old, expected, rules=(), **options):
    """Check the named fields of the new config, and the rules of the notes."""
    migration = migrate_config(old, **options)
    assert {key: migration.cfg.get(key) for key in expected} == expected
    assert set(rules) <= {note.rule for note in migration.notes}
    for note in migration.notes:
        assert note.text("en") and note.text("zh")


# old, new fields, rules of the notes
OPTIMIZER = [
    (
        # The guide's own example.
        {"optimizer": {"type": "AdamW", "lr": 0.0015, "weight_decay": 0.3,
                       "paramwise_cfg": {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0}},
         "optimizer_config": {"grad_clip": {"max_norm": 1.0}}},
        {"optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.0015, "weight_decay": 0.3},
                           "paramwise_cfg": {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0},
                           "clip_grad": {"max_norm": 1.0}}},
        ["optimizer.moved", "optimizer.paramwise_moved", "optimizer.clip_grad"],
    ),
    (
        {"optimizer": SGD, "optimizer_config": {"grad_clip": None}},
        {"optim_wrapper": {"optimizer": SGD}},
        [],
    ),
    (
        {"optimizer": SGD, "optimizer_config": {"type": "GradientCumulativeOptimizerHook",
                                                "cumulative_iters": 4, "coalesce": True}},
        {"optim_wrapper": {"optimizer": SGD, "accumulative_counts": 4}},
        ["optimizer.accumulative_counts", "optimizer.config_dropped"],
    ),
    (
        {"optimizer": SGD, "optimizer_config": {"update_interval": 1}},
        {"optim_wrapper": {"optimizer": SGD}},
        [],
    ),
    (
        {"optimizer": SGD, "fp16": {"loss_scale": "dynamic"}},
        {"optim_wrapper": {"type": "AmpOptimWrapper", "loss_scale": "dynamic", "optimizer": SGD}},
        ["optimizer.amp"],
    ),
    (
        {"optimizer": SGD, "optimizer_config": {"type": "Fp16OptimizerHook"}},
        {"optim_wrapper": {"type": "AmpOptimWrapper", "loss_scale": 512.0, "optimizer": SGD}},
        ["optimizer.amp", "optimizer.amp_default_scale"],
    ),
    (
        {"optimizer": {**SGD, "paramwise_cfg": {"_delete": True, "norm_decay_mult": 0.0}}},
        {"optim_wrapper": {"optimizer": SGD, "paramwise_cfg": {"norm_decay_mult": 0.0}}},
        ["optimizer.stray_delete"],
    ),
    (
        {"optimizer": {**SGD, "constructor": "MyConstructor"}},
        {"optim_wrapper": {"optimizer": SGD, "constructor": "MyConstructor"}},
        ["optimizer.constructor"],
    ),
    (
        {"optimizer": {"generator": SGD, "discriminator": SGD}},
        {"optim_wrapper": {"optimizer": {"generator": SGD, "discriminator": SGD}}},
        ["optimizer.several"],
    ),
    (
        {"optimizer": {**SGD, "weight_decay": 0.2, "paramwise_options": {
            r"(bn|gn)(\d+)?.(weight|bias)": {"weight_decay": 0.0, "lars_exclude": True},
            "bias": {"weight_decay": 0.05, "lr_mult": 0.5}, "head": {"lr": 0.01, "fix_lr": True}}}},
        {"optim_wrapper": {
            "optimizer": {**SGD, "weight_decay": 0.2},
            "paramwise_cfg": {"custom_keys": {
                "bn": {"decay_mult": 0.0, "lars_exclude": True},
                "downsample.1": {"decay_mult": 0.0, "lars_exclude": True},
                "bias": {"decay_mult": 0.25, "lr_mult": 0.5},
                "head": {"lr_mult": 0.01 / 0.1, "fix_lr": True}}}}},
        ["optimizer.paramwise_options", "optimizer.pattern"],
    ),
    (
        {"optimizer": {**SGD, "paramwise_options": {r"layer\d": {"weight_decay": 0.1}}}},
        {"optim_wrapper": {"optimizer": SGD, "paramwise_cfg": {"custom_keys": {r"layer\d": {}}}}},
        ["optimizer.pattern_lost", "optimizer.option_lost"],
    ),
    (
        {"optimizer": {**SGD, "paramwise_options": {
            r"\Ahead.": {"lr_mult": 100}, r"^neck\.fc": {"lr_mult": 2}, "norm_decay_mult": 0.0}}},
        {"optim_wrapper": {"optimizer": SGD, "paramwise_cfg": {"custom_keys": {
            "head.": {"lr_mult": 100}, "neck.fc": {"lr_mult": 2}}}}},
        ["optimizer.pattern_anchored", "optimizer.option_dead"],
    ),
    (
        {"model": {"type": "SwAV", "neck": {"type": "SwAVNeck"}},
         "optimizer": {**SGD, "paramwise_options": {"bias": {"lr_mult": 2}}}},
        {"optim_wrapper": {"optimizer": SGD, "paramwise_cfg": {
            "custom_keys": {"bias": {"lr_mult": 2}}, "bypass_duplicate": True}}},
        ["optimizer.twice"],
    ),
    (
        {"optimizer": {**SGD, "weight_decay": 0.05, "constructor": "TransformerFinetuneConstructor",
                       "model_type": "vit", "layer_decay": 0.65,
                       "paramwise_options": {"ln": {"weight_decay": 0.0}}}},
        {"optim_wrapper": {
            "optimizer": {**SGD, "weight_decay": 0.05},
            "paramwise_cfg": {"custom_keys": {".ln": {"decay_mult": 0.0}},
                              "layer_decay_rate": 0.65},
            "constructor": "LearningRateDecayOptimWrapperConstructor"}},
        ["optimizer.layer_decay"],
    ),
]  # fmt: skip

LOOPS = [
    (
        {"runner": {"type": "EpochBasedRunner", "max_epochs": 100},
         "data": {"val": imagenet(split="val")}, "evaluation": {"interval": 5}},
        {"train_cfg": {"by_epoch": True, "max_epochs": 100, "val_interval": 5}, "val_cfg": {},
         "test_cfg": {}},
        ["loops.moved", "evaluation.interval"],
    ),
    (
        {"total_epochs": 7, "workflow": [("train", 1), ("val", 1)], "train_cfg": {"mixup": {}}},
        {"train_cfg": {"by_epoch": True, "max_epochs": 7}, "val_cfg": None, "workflow": None},
        ["loops.workflow", "loops.workflow_val", "loops.dead"],
    ),
    (
        {"runner": {"type": "IterBasedRunner", "max_iters": 10, "ipu_model_cfg": {}},
         "evaluation": {"interval": 2, "start": 4}, "checkpoint_config": {"interval": 5}},
        {"train_cfg": {"by_epoch": False, "max_iters": 10, "val_interval": 2, "val_begin": 4}},
        ["loops.runner_argument", "evaluation.start"],
    ),
    (
        {"runner": {"type": "MyRunner", "max_epochs": 1}},
        {"train_cfg": {"by_epoch": True, "max_epochs": 1}},
        ["loops.runner"],
    ),
]  # fmt: skip

VAL = {"data": {"val": imagenet(split="val")}}
EVALUATION = [
    (
        {**VAL, "evaluation": {"metric": "accuracy", "metric_options": {"topk": (1, 5)}}},
        {"val_evaluator": {"type": "Accuracy", "topk": (1, 5)},
         "test_evaluator": {"type": "Accuracy", "topk": (1, 5)}},
        ["evaluation.moved"],
    ),
    (VAL, {"val_evaluator": {"type": "Accuracy", "topk": (1, 5)}}, ["evaluation.default_metric"]),
    (
        {**VAL, "evaluation": {
            "metric": ["precision", "recall", "f1_score", "support", "accuracy"],
            "metric_options": {"average_mode": "none", "thrs": 0.2}, "gpu_collect": True}},
        {"val_evaluator": [
            {"type": "Accuracy", "topk": (1, 5), "thrs": 0.2},
            {"type": "SingleLabelMetric", "items": ["precision", "recall", "f1-score", "support"],
             "thrs": 0.2, "average": None}]},
        ["evaluation.argument_dropped"],
    ),
    (
        # The guide writes average='both', which MMPretrain 1.2 refuses.
        {**VAL, "evaluation": {"metric": ["mAP", "CP", "OP", "CR", "OR", "CF1", "OF1"],
                               "metric_options": {"thr": 0.5, "unknown": 1}}},
        {"val_evaluator": [
            {"type": "AveragePrecision"},
            {"type": "MultiLabelMetric", "items": ["precision", "recall", "f1-score"], "thr": 0.5},
            {"type": "MultiLabelMetric", "items": ["precision", "recall", "f1-score"],
             "average": "micro", "thr": 0.5}]},
        ["evaluation.both", "evaluation.option_lost"],
    ),
    (
        {**VAL, "evaluation": {"metric": "my_metric"}},
        {"val_evaluator": []},
        ["evaluation.metric_unknown"],
    ),
    (
        {**VAL, "checkpoint_config": {"interval": 1, "create_symlink": True, "out_dir": ""},
         "evaluation": {"save_best": "accuracy_top-1", "greater_keys": ["CP", "OF1", "mAP"]}},
        {"default_hooks": {
            "timer": {"type": "IterTimerHook"},
            "logger": {"type": "LoggerHook"},
            "param_scheduler": {"type": "ParamSchedulerHook"},
            "checkpoint": {
                "type": "CheckpointHook", "interval": 1, "save_best": "accuracy/top1",
                "greater_keys": ["multi-label/precision", "multi-label/f1-score_micro",
                                 "multi-label/mAP"]},
            "sampler_seed": {"type": "DistSamplerSeedHook"},
            "visualization": {"type": "VisualizationHook", "enable": False}}},
        ["evaluation.save_best", "runtime.checkpoint", "runtime.checkpoint_argument"],
    ),
    (
        {**VAL, "checkpoint_config": {}, "evaluation": {"save_best": "my_score"}},
        {},
        ["evaluation.save_best_unknown"],
    ),
    (
        {**VAL, "runner": {"max_epochs": 1}, "evaluation": {"by_epoch": False}},
        {},
        ["evaluation.by_iteration"],
    ),
]  # fmt: skip

RUNTIME = [
    (
        {"log_config": {"interval": 50, "hooks": [
            {"type": "TextLoggerHook"}, {"type": "TensorboardLoggerHook"},
            {"type": "MMClsWandbHook", "init_kwargs": {"project": "p"}, "num_eval_images": 9},
            {"type": "PaviLoggerHook"}]}},
        {"visualizer": {"type": "UniversalVisualizer", "vis_backends": [
            {"type": "LocalVisBackend"}, {"type": "TensorboardVisBackend"},
            {"type": "WandbVisBackend", "init_kwargs": {"project": "p"}}]}},
        ["runtime.logger", "runtime.visualizer", "runtime.no_visualizer", "runtime.argument_lost"],
    ),
    (
        {"runner": {"type": "IterBasedRunner", "max_iters": 9}, "log_config": {}},
        {"log_processor": {"by_epoch": False}},
        [],
    ),
    (
        {"dist_params": {"backend": "gloo"}, "cudnn_benchmark": True, "omp_num_threads": 1},
        {"env_cfg": {"cudnn_benchmark": True,
                     "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
                     "dist_cfg": {"backend": "gloo"}}},
        ["runtime.env", "runtime.threads"],
    ),
    (
        {"load_from": None, "resume_from": "a.pth"},
        {"load_from": "a.pth", "resume": True},
        ["runtime.resume"],
    ),
    ({"load_from": "a.pth", "resume_from": None}, {"load_from": "a.pth", "resume": False}, []),
    ({"optimizer": SGD, "auto_resume": True}, {"load_from": None, "resume": True}, []),
    (
        {"optimizer": SGD, "seed": 1, "deterministic": True, "gpu_ids": [0], "work_dir": "w"},
        {"randomness": {"seed": 1, "deterministic": True}, "work_dir": "w", "gpu_ids": None,
         "default_scope": "mmpretrain"},
        ["runtime.seed", "runtime.unread", "runtime.scope"],
    ),
    (
        {"optimizer": SGD, "img_norm_cfg": {}, "train_pipeline": [], "my_switch": True},
        {"img_norm_cfg": None, "train_pipeline": None, "my_switch": True},
        ["runtime.variable", "runtime.own_key"],
    ),
    (
        {"optimizer": SGD, "custom_imports": {"imports": ["mmcls.models", "mine"]}},
        {"custom_imports": {"imports": ["mine"]}},
        ["runtime.imports", "runtime.imports_dropped"],
    ),
    (
        {"optimizer": SGD,
         "custom_hooks": [{"type": "EMAHook", "momentum": 4e-5, "priority": "ABOVE_NORMAL"},
                          {"type": "PreciseBNHook", "num_samples": 8192},
                          {"type": "BYOLHook", "update_interval": 2},
                          {"type": "ODCHook"}, {"type": "MyHook"},
                          {"type": "SwAVHook", "batch_size": 32}],
         "optimizer_config": {"frozen_layers_cfg": {"prototypes": 5005}}},
        {"custom_hooks": [
            {"type": "EMAHook", "momentum": 4e-5, "priority": "ABOVE_NORMAL"},
            {"type": "PreciseBNHook", "num_samples": 8192}, {"type": "MyHook"},
            {"type": "SwAVHook", "batch_size": 32, "frozen_layers_cfg": {"prototypes": 5005}}]},
        ["runtime.hook_absorbed", "runtime.hook_gone", "runtime.hook_unknown",
         "runtime.hook_argument", "runtime.frozen_layers"],
    ),
]  # fmt: skip


def loader(dataset, shuffle, **more):
    return {**more, "sampler": {"type": "DefaultSampler", "shuffle": shuffle}, "dataset": dataset}


TRAIN = {"type": "ImageNet", "data_root": "data/imagenet", "split": "train", "pipeline": []}
TEST = {**TRAIN, "split": "val"}
DATA = [
    (
        {"data": {"samples_per_gpu": 32, "workers_per_gpu": 2, "drop_last": True,
                  "train": imagenet(), "val": imagenet(split="val"), "test": imagenet(split="val"),
                  "val_dataloader": {"samples_per_gpu": 4}}},
        {"train_dataloader": loader(TRAIN, True, batch_size=32, num_workers=2, drop_last=True),
         "val_dataloader": loader(TEST, False, batch_size=4, num_workers=2),
         "test_dataloader": loader(TEST, False, batch_size=32, num_workers=2)},
        ["data.moved", "data.injected", "dataset.root"],
    ),
    (
        {"data": {"val": imagenet(split="val")}},
        {"test_dataloader": loader(TEST, False)},
        ["data.test_is_val"],
    ),
    (
        {"data": {"train": imagenet(), "train_dataloader": {"shuffle": False, "mode": "async"}}},
        {"train_dataloader": loader(TRAIN, False)},
        ["data.loader_argument"],
    ),
    (
        {"data": {"train": imagenet()},
         "sampler": {"type": "RepeatAugSampler", "num_repeats": 3, "selected_round": 256}},
        {"train_dataloader": {"sampler": {"shuffle": True, "type": "RepeatAugSampler",
                                          "num_repeats": 3}, "dataset": TRAIN}},
        ["data.sampler", "data.sampler_argument"],
    ),
]  # fmt: skip

# A dataset of 0.x, as training or test data, and the one of 1.x.
DATASETS = [
    ("train", imagenet(), TRAIN, ["dataset.root"]),
    ("train", imagenet(ann_file="data/imagenet/meta/train.txt"), TRAIN, ["dataset.root"]),
    (
        "train", imagenet(ann_file="other.txt"),
        {"type": "ImageNet", "data_prefix": "data/imagenet/train", "ann_file": "other.txt",
         "pipeline": []}, [],
    ),
    (
        # ImageNet(split='test') has no labels.
        "test", imagenet(split="test"),
        {"type": "ImageNet", "data_prefix": "data/imagenet/test", "pipeline": []}, [],
    ),
    (
        "train",
        {"type": "CustomDataset", "data_prefix": "d", "classes": ["a", "b"],
         "file_client_args": {"backend": "disk"}},
        {"type": "CustomDataset", "data_prefix": "d", "metainfo": {"classes": ["a", "b"]}},
        ["dataset.classes", "dataset.argument_dropped"],
    ),
    ("train", {"type": "CIFAR10", "data_prefix": "data/cifar10"},
     {"type": "CIFAR10", "data_root": "data/cifar10", "split": "train"}, ["dataset.test_mode"]),
    ("test", {"type": "MNIST", "data_prefix": "d"},
     {"type": "MNIST", "data_root": "d", "split": "test", "test_mode": True}, []),
    (
        "test",
        {"type": "CUB", "data_prefix": "c/images", "ann_file": "c/images.txt", "test_mode": True,
         "image_class_labels_file": "c/image_class_labels.txt",
         "train_test_split_file": "c/train_test_split.txt"},
        {"type": "CUB", "data_root": "c", "split": "test", "test_mode": True},
        ["dataset.test_mode"],
    ),
    ("train", {"type": "CUB", "data_prefix": "elsewhere"},
     {"type": "CUB", "data_root": "elsewhere", "split": "train"}, ["dataset.paths_kept"]),
    (
        "train",
        {"type": "VOC", "data_prefix": "data/VOC2007/", "difficult_as_postive": False,
         "ann_file": "data/VOC2007/ImageSets/Main/trainval.txt"},
        {"type": "VOC", "data_root": "data/VOC2007", "split": "trainval"},
        ["dataset.difficult"],
    ),
    ("test", {"type": "StanfordCars", "data_prefix": "cars", "test_mode": True},
     {"type": "StanfordCars", "data_root": "cars", "split": "test"}, []),
    (
        "train", {"type": "RepeatDataset", "times": 3, "dataset": imagenet()},
        {"type": "RepeatDataset", "times": 3, "dataset": TRAIN}, ["dataset.wrapper"],
    ),
    (
        "train", {"type": "ClassBalancedDataset", "oversample_thr": 0.1, "dataset": imagenet()},
        {"type": "ClassBalancedDataset", "oversample_thr": 0.1, "dataset": TRAIN}, [],
    ),
    (
        "test", {"type": "KFoldDataset", "fold": 0, "num_splits": 5,
                 "dataset": imagenet(split="val")},
        {"type": "KFoldDataset", "fold": 0, "num_splits": 5, "test_mode": True, "dataset": TEST},
        [],
    ),
    (
        "test", {"type": "ConcatDataset", "datasets": [imagenet(split="val")],
                 "separate_eval": True},
        {"type": "ConcatDataset", "datasets": [TEST]}, ["dataset.separate_eval"],
    ),
    (
        "train", [imagenet(), imagenet()],
        {"type": "ConcatDataset", "datasets": [TRAIN, TRAIN]}, ["dataset.concat"],
    ),
    (
        "train", {"type": "CustomDataset", "data_prefix": "d", "ann_file": ["a", "b"]},
        {"type": "ConcatDataset", "datasets": [
            {"type": "CustomDataset", "data_prefix": "d", "ann_file": "a"},
            {"type": "CustomDataset", "data_prefix": "d", "ann_file": "b"}]}, ["dataset.concat"],
    ),
    (
        "test", {"type": "ImageNet21k", "data_prefix": "d/val", "ann_file": "d/meta/val.txt",
                 "recursion_subdir": True},
        {"type": "ImageNet21k", "data_prefix": "d/val", "ann_file": "d/meta/val.txt"}, [],
    ),
    ("train", {"type": "ImageNet21k", "data_prefix": "d/train"},
     {"type": "ImageNet21k", "data_root": "d", "split": "train"}, []),
    ("train", {"type": "Mine", "x": 1}, {"type": "Mine", "x": 1}, ["dataset.custom"]),
    (
        "train",
        {"type": "SingleViewDataset", "prefetch": False, "pipeline": [],
         "data_source": {"type": "ImageNet", "data_prefix": "data/imagenet/train",
                         "ann_file": "data/imagenet/meta/train.txt"}},
        {**TRAIN, "pipeline": [LOAD, PACK]},
        ["dataset.data_source", "dataset.prefetch"],
    ),
    (
        "train",
        {"type": "MultiViewDataset", "num_views": [2], "pipelines": [[{"type": "Solarization"}]],
         "data_source": {"type": "ImageList", "data_prefix": "d"}},
        {"type": "CustomDataset", "data_prefix": "d", "pipeline": [
            LOAD, {"type": "MultiView", "num_views": 2,
                   "transforms": [[{"type": "Solarize", "thr": 128, "prob": 0.5}]]}, PACK]}, [],
    ),
    (
        "train", {"type": "RotationPredDataset", "data_source": {"type": "ImageNet"}},
        {"type": "RotationPredDataset", "data_source": {"type": "ImageNet"}}, ["dataset.gone"],
    ),
]  # fmt: skip

INCREASING = [
    {"type": "AutoContrast"}, {"type": "Equalize"}, {"type": "Invert"},
    {"type": "Rotate", "magnitude_key": "angle", "magnitude_range": (0, 30)},
    {"type": "Posterize", "magnitude_key": "bits", "magnitude_range": (4, 0)},
    {"type": "Solarize", "magnitude_key": "thr", "magnitude_range": (256, 0)},
    {"type": "SolarizeAdd", "magnitude_key": "magnitude", "magnitude_range": (0, 110)},
    *({"type": name, "magnitude_key": "magnitude", "magnitude_range": (0, 0.9)}
      for name in ("ColorTransform", "Contrast", "Brightness", "Sharpness")),
    *({"type": name, "magnitude_key": "magnitude", "magnitude_range": (0, most),
       "direction": direction}
      for name, most in (("Shear", 0.3), ("Translate", 0.45))
      for direction in ("horizontal", "vertical")),
]  # fmt: skip

# A transform of MMClassification, and what takes its place.
TRANSFORMS = [
    ({"type": "LoadImageFromFile", "file_client_args": {"backend": "disk"}}, [LOAD]),
    ({"type": "RandomFlip", "flip_prob": 0.3, "direction": "vertical"},
     [{"type": "RandomFlip", "prob": 0.3, "direction": "vertical"}]),
    ({"type": "RandomFlip"}, [{"type": "RandomFlip", "prob": 0.5}]),
    ({"type": "RandomCrop", "size": (3, 4), "padding": 4},
     [{"type": "RandomCrop", "crop_size": (3, 4), "padding": 4}]),
    ({"type": "RandomResizedCrop", "size": 9, "scale": (0.2, 1.0), "ratio": (1, 1)},
     [{"type": "RandomResizedCrop", "scale": 9, "crop_ratio_range": (0.2, 1.0),
       "aspect_ratio_range": (1, 1)}]),
    ({"type": "RandomResizedCrop", "size": 9, "efficientnet_style": True, "min_covered": 0.1},
     [{"type": "EfficientNetRandomCrop", "scale": 9, "min_covered": 0.1,
       "interpolation": "bilinear"}]),
    ({"type": "CenterCrop", "crop_size": 9, "backend": "pillow"},
     [{"type": "CenterCrop", "crop_size": 9}]),
    ({"type": "CenterCrop", "crop_size": (3, 4)}, [{"type": "CenterCrop", "crop_size": (4, 3)}]),
    ({"type": "CenterCrop", "crop_size": 9, "efficientnet_style": True,
      "interpolation": "bicubic"},
     [{"type": "EfficientNetCenterCrop", "crop_size": 9, "interpolation": "bicubic"}]),
    ({"type": "Resize", "size": (256, -1), "backend": "pillow"},
     [{"type": "ResizeEdge", "scale": 256, "edge": "short", "backend": "pillow"}]),
    ({"type": "Resize", "size": (256, -1), "adaptive_side": "long"},
     [{"type": "ResizeEdge", "scale": 256, "edge": "long"}]),
    ({"type": "Resize", "size": (3, 4)}, [{"type": "Resize", "scale": (4, 3)}]),
    ({"type": "Resize", "size": 32}, [{"type": "Resize", "scale": 32}]),
    ({"type": "Pad", "size": (3, 4)}, [{"type": "Pad", "size": (4, 3)}]),
    ({"type": "RandomGrayscale", "gray_prob": 0.2},
     [{"type": "RandomGrayscale", "prob": 0.2, "keep_channels": True}]),
    ({"type": "RandAugment", "policies": INCREASING, "num_policies": 2},
     [{"type": "RandAugment", "policies": "timm_increasing", "num_policies": 2,
       "total_level": 30}]),
    ({"type": "AutoAugment", "policies": [[{"type": "Invert"}]]},
     [{"type": "AutoAugment", "policies": [[{"type": "Invert"}]]}]),
    ({"type": "Lighting", "eigval": [1], "eigvec": [[1], [2], [3]]},
     [{"type": "Lighting", "eigval": [1], "eigvec": [[3], [2], [1]], "to_rgb": False}]),
    ({"type": "Lighting", "eigval": [1], "eigvec": [[1], [2]], "to_rgb": False},
     [{"type": "Lighting", "eigval": [1], "eigvec": [[1], [2]], "to_rgb": False}]),
    ({"type": "Albu", "transforms": []}, [{"type": "Albumentations", "transforms": []}]),
    ({"type": "ToPIL"}, [{"type": "NumpyToPIL"}]),
    ({"type": "ToHalf", "keys": ["img"]}, []),
    ({"type": "Normalize", "mean": [0], "std": [1]}, []),
    ({"type": "ColorJitter", "brightness": 0.4}, [{"type": "ColorJitter", "brightness": 0.4}]),
    ({"type": "Collect", "keys": ["img", "gt_label"]}, [PACK]),
    ({"type": "Collect", "keys": ["img", "extra"], "meta_keys": ["filename", "img_norm_cfg",
                                                                 "img_shape"]},
     [{"type": "PackInputs", "algorithm_keys": ["extra"],
       "meta_keys": ("img_path", "img_shape")}]),
    ({"type": "Mine"}, [{"type": "Mine"}]),
]  # fmt: skip

# A transform of MMSelfSup, and what takes its place.
VIEWS = [
    ({"type": "RandomResizedCrop", "size": 9, "scale": (0.2, 1.0), "interpolation": 3},
     [{"type": "RandomResizedCrop", "scale": 9, "crop_ratio_range": (0.2, 1.0),
       "interpolation": "bicubic", "backend": "pillow"}]),
    ({"type": "RandomHorizontalFlip"},
     [{"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"}]),
    ({"type": "RandomAppliedTrans", "p": 0.8, "transforms": [{"type": "RandomGrayscale"}]},
     [{"type": "RandomApply", "prob": 0.8, "transforms": [
         {"type": "RandomGrayscale", "prob": 0.1, "keep_channels": True,
          "channel_weights": (0.114, 0.587, 0.2989)}]}]),
    ({"type": "GaussianBlur", "sigma_min": 0.1, "sigma_max": 2.0, "p": 0.1},
     [{"type": "GaussianBlur", "prob": 0.1, "magnitude_range": (0.1, 2.0),
       "magnitude_std": "inf"}]),
    ({"type": "Solarization", "p": 0.2}, [{"type": "Solarize", "thr": 128, "prob": 0.2}]),
    ({"type": "Lighting", "alphastd": 0.2},
     [{"type": "Lighting", "alphastd": 0.2, "eigval": [55.4625, 4.794, 1.1475], "to_rgb": False,
       "eigvec": [[-0.5836, -0.6948, 0.4203], [-0.5808, -0.0045, -0.814],
                  [-0.5675, 0.7192, 0.4009]]}]),
    ({"type": "CenterCrop", "size": 9}, [{"type": "CenterCrop", "crop_size": 9}]),
    ({"type": "Resize", "size": 256, "interpolation": 3},
     [{"type": "ResizeEdge", "scale": 256, "edge": "short", "interpolation": "bicubic",
       "backend": "pillow"}]),
    ({"type": "MaskFeatMaskGenerator", "mask_window_size": 14, "mask_ratio": 0.4},
     [{"type": "BEiTMaskGenerator", "input_size": 14, "num_masking_patches": 78,
       "min_num_patches": 15}]),
    ({"type": "SimMIMMaskGenerator", "input_size": 192},
     [{"type": "SimMIMMaskGenerator", "input_size": 192}]),
    ({"type": "RandomAug", "input_size": 9, "auto_augment": "rand-m9-mstd0.5-inc1",
      "interpolation": "bicubic", "re_prob": 0.25, "re_mode": "pixel", "mean": [0.5, 0.5, 0.5],
      "std": [0.2, 0.2, 0.2]},
     [{"type": "RandomResizedCrop", "scale": 9, "backend": "pillow", "interpolation": "bicubic"},
      {"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"},
      {"type": "RandAugment", "policies": "timm_increasing", "num_policies": 2,
       "total_level": 10, "magnitude_level": 9, "magnitude_std": 0.5,
       "hparams": {"pad_val": [128, 128, 128], "interpolation": "bicubic"}},
      {"type": "RandomErasing", "mode": "rand", "erase_prob": 0.25, "min_area_ratio": 0.02,
       "max_area_ratio": 1 / 3, "fill_color": [127.5] * 3, "fill_std": [51.0] * 3}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "expected", "rules"), [*OPTIMIZER, *LOOPS, *EVALUATION, *RUNTIME, *DATA]
)
def test_fields(old, expected, rules):
    check(old, expected, rules)


@pytest.mark.parametrize(("split", "old", "expected", "rules"), DATASETS)
def test_datasets(split, old, expected, rules):
    migration = migrate_config({"data": {split: old}})
    assert migration.cfg[f"{split}_dataloader"]["dataset"] == expected
    assert set(rules) <= {note.rule for note in migration.notes}


@pytest.mark.parametrize(("old", "expected"), TRANSFORMS)
def test_transforms(old, expected):
    cfg = migrate_config({"data": {"train": imagenet([old])}}).cfg
    assert cfg["train_dataloader"]["dataset"]["pipeline"] == expected


@pytest.mark.parametrize(("old", "expected"), VIEWS)
def test_transforms_of_selfsup(old, expected):
    source = {"type": "ImageNet", "data_prefix": "d/train"}
    dataset = {"type": "SingleViewDataset", "data_source": source, "pipeline": [old]}
    cfg = migrate_config({"data": {"train": dataset}}).cfg
    assert cfg["train_dataloader"]["dataset"]["pipeline"] == [LOAD, *expected, PACK]


@pytest.mark.parametrize("name", ["AutoAugment", "Pad", "RandAugment", "RandomErasing"])
def test_a_transform_of_torchvision_is_not_taken_for_another_of_its_name(name):
    source = {"type": "ImageNet", "data_prefix": "d/train"}
    pipeline = [{"type": name, "p": 0.1}]
    dataset = {"type": "SingleViewDataset", "data_source": source, "pipeline": pipeline}
    migration = migrate_config({"data": {"train": dataset}})
    assert migration.cfg["train_dataloader"]["dataset"]["pipeline"] == [LOAD, *pipeline, PACK]
    (note,) = [note for note in migration.notes if note.rule == "pipeline.unknown"]
    assert note.text("en") == f"No rule knows the transform {name!r}; it stays as it is."


def test_the_test_data_of_voc_keep_the_labels_of_difficult_objects():
    voc = {"type": "VOC", "data_prefix": "v", "ann_file": "v/ImageSets/Main/test.txt",
           "difficult_as_postive": True,
           "pipeline": [LOAD, {"type": "Collect", "keys": ["img"]}]}  # fmt: skip
    cfg = migrate_config({"data": {"val": voc}, "evaluation": {"metric": ["mAP", "CP"]}}).cfg
    assert cfg["val_dataloader"]["dataset"] == {
        "type": "VOC", "data_root": "v", "split": "test", "test_mode": True,
        "pipeline": [LOAD, {"type": "PackInputs", "meta_keys": (
            "sample_idx", "img_path", "ori_shape", "img_shape", "scale_factor", "flip",
            "flip_direction", "gt_label_difficult")}]}  # fmt: skip
    assert cfg["val_evaluator"] == [
        {"type": "VOCAveragePrecision", "difficult_as_positive": True},
        {"type": "VOCMultiLabelMetric", "difficult_as_positive": True, "items": ["precision"]},
    ]


def preprocessor(pipeline, test=None, head=None):
    data = {"train": imagenet(pipeline)}
    if test is not None:
        data["val"] = imagenet(test, split="val")
    model = {"type": "ImageClassifier", "head": head or {"num_classes": 7}}
    return migrate_config({"data": data, "model": model})


MEAN = {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
FLIPS = {"type": "Lighting", "eigval": [1], "eigvec": [[1]]}


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ([{"type": "Normalize", **MEAN, "to_rgb": True}], {**MEAN, "to_rgb": True}),
        ([{"type": "Normalize", **MEAN}], {**MEAN, "to_rgb": True}),
        ([{"type": "Normalize", **MEAN, "to_rgb": False}], {**MEAN, "to_rgb": False}),
        # Each to_rgb turns the channels round.
        ([FLIPS, {"type": "Normalize", **MEAN, "to_rgb": False}], {**MEAN, "to_rgb": True}),
        ([FLIPS, {"type": "Normalize", **MEAN, "to_rgb": True}], {**MEAN, "to_rgb": False}),
        ([{"type": "Normalize", "mean": [1.0], "std": [2.0]}], {"mean": [1.0], "std": [2.0]}),
        ([], {"to_rgb": False}),
    ],
)
def test_the_preprocessor_has_the_order_of_the_channels(pipeline, expected):
    assert preprocessor(pipeline).cfg["data_preprocessor"] == {"num_classes": 7, **expected}


def test_one_preprocessor_serves_both_pipelines():
    other = [{"type": "Normalize", **MEAN, "to_rgb": False}]
    migration = preprocessor([{"type": "Normalize", **MEAN}], other)
    note = next(note for note in migration.notes if note.rule == "preprocessor.differs")
    assert note.path == "data.val.pipeline"
    assert note.text("en") == (
        "The val pipeline normalises in another way than the training's; one preprocessor serves"
        " both."
    )


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        ({"head": {"num_classes": 7}}, "ImageNet", {"num_classes": 7}),
        ({"backbone": {"type": "LeNet5", "num_classes": 10}}, "MNIST", {"num_classes": 10}),
        ({}, "CIFAR100", {"num_classes": 100}),
        ({"head": {"num_classes": 20}}, "VOC", {"num_classes": 20, "to_onehot": True}),
        ({}, "Mine", {}),
    ],
)
def test_the_number_of_classes(model, dataset, expected):
    train = {"type": dataset, "data_prefix": "d", "pipeline": [{"type": "Normalize", **MEAN}]}
    cfg = migrate_config({"model": {"type": "ImageClassifier", **model}, "data": {"train": train}})
    assert cfg.cfg["data_preprocessor"] == {**expected, **MEAN, "to_rgb": True}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet/resnet50_8xb32_in1k.py", {"base_batch_size": 256}),
        ("swin-large_16xb64_in1k-384px", {"base_batch_size": 1024}),
        ("vit-base-p16_ft-4xb544-ipu_in1k", {"base_batch_size": 2176}),
        ("lenet5_mnist", None),
        ("", None),
    ],
)
def test_the_whole_batch_is_in_the_files_name(name, expected):
    cfg = migrate_config({"data": {"train": imagenet()}}, name=name).cfg
    assert cfg.get("auto_scale_lr") == expected


def test_a_part_of_an_optimizer_is_not_several():
    migration = migrate_config({"optimizer": {"lr": 0.1}})
    assert [note.rule for note in migration.notes if note.severity is Severity.BY_HAND] == []
