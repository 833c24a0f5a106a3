"""Small configs of MMClassification 0.x and MMSelfSup 0.x, one for each kind that people have.

Their models are small enough to run; ``IMAGE`` is the side of their pictures.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

__all__ = ["IMAGE", "OLD_CONFIGS"]

Config = dict[str, Any]
IMAGE = 64
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
NORMALIZE = {"type": "Normalize", "mean": MEAN, "std": STD, "to_rgb": True}
UNIT_NORMALIZE = {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
POLICIES = [{"type": "Rotate", "magnitude_key": "angle", "magnitude_range": (0, 30)},
            {"type": "Invert"}, {"type": "AutoContrast"}]  # fmt: skip
AUTO = [[{"type": "Posterize", "bits": 4, "prob": 0.4}, {"type": "Rotate", "angle": 30.0}]]
RUNTIME: Config = {
    "checkpoint_config": {"interval": 1, "max_keep_ckpts": 2},
    "log_config": {"interval": 10, "hooks": [{"type": "TextLoggerHook"}]},
    "dist_params": {"backend": "nccl"},
    "log_level": "INFO",
    "load_from": None,
    "resume_from": None,
    "workflow": [("train", 1)],
}
EPOCHS: Config = {"runner": {"type": "EpochBasedRunner", "max_epochs": 10}}
SGD: Config = {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
ADAMW: Config = {"type": "AdamW", "lr": 5e-4, "weight_decay": 0.05}
COSINE: Config = {"policy": "CosineAnnealing", "min_lr": 0, "warmup": "linear", "warmup_iters": 2,
                  "warmup_ratio": 0.01, "warmup_by_epoch": True}  # fmt: skip
STEP: Config = {"policy": "step", "step": [6, 8]}

# ------------------------------------------------------------------------------ MMClassification

TRAIN = [
    {"type": "LoadImageFromFile"},
    {"type": "RandomResizedCrop", "size": IMAGE, "backend": "pillow"},
    {"type": "RandomFlip", "flip_prob": 0.5, "direction": "horizontal"},
    NORMALIZE,
    {"type": "ImageToTensor", "keys": ["img"]},
    {"type": "ToTensor", "keys": ["gt_label"]},
    {"type": "Collect", "keys": ["img", "gt_label"]},
]
TEST = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "size": (IMAGE + 8, -1)},
    {"type": "CenterCrop", "crop_size": IMAGE},
    NORMALIZE,
    {"type": "ImageToTensor", "keys": ["img"]},
    {"type": "Collect", "keys": ["img"]},
]


def with_steps(pipeline: list[Config], at: int, *steps: Config) -> list[Config]:
    """Return a pipeline with more steps in it."""
    return [*pipeline[:at], *steps, *pipeline[at:]]


def data(train: Config, test: Config, *, by_gpu: int = 4, **more: Any) -> Config:
    """Return ``data`` with datasets for all splits."""
    val = {**test, "test_mode": True}
    workers = {"samples_per_gpu": by_gpu, "workers_per_gpu": 1}
    return {"data": {**workers, "train": train, "val": val, "test": deepcopy(val), **more}}


def image_net(train: list[Config] = TRAIN, test: list[Config] = TEST) -> Config:
    """Return the ``data`` of an ImageNet training."""
    root = "data/imagenet"
    return data(
        {"type": "ImageNet", "data_prefix": f"{root}/train", "pipeline": train},
        {"type": "ImageNet", "data_prefix": f"{root}/val",
         "ann_file": f"{root}/meta/val.txt", "pipeline": test},
    )  # fmt: skip


def classifier(backbone: Config, channels: int, *, classes: int = 10, **more: Any) -> Config:
    """Return a classifier with a linear head."""
    head = {"type": "LinearClsHead", "num_classes": classes, "in_channels": channels,
            "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0}, "topk": (1, 5)}  # fmt: skip
    parts = {"backbone": backbone, "neck": {"type": "GlobalAveragePooling"}, "head": head}
    return {"model": {"type": "ImageClassifier", **parts, **more}}


def token_classifier(backbone: Config, channels: int, **more: Any) -> Config:
    """Return a vision transformer with its head."""
    head = {"type": "VisionTransformerClsHead", "num_classes": 10, "in_channels": channels,
            "loss": {"type": "LabelSmoothLoss", "label_smooth_val": 0.1,
                     "mode": "classy_vision"}}  # fmt: skip
    return {"model": {"type": "ImageClassifier", "backbone": backbone, "head": head, **more}}


RESNET: Config = {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8,
                  "num_stages": 4, "out_indices": (3,), "style": "pytorch"}  # fmt: skip
VIT_ARCH = {"embed_dims": 32, "num_layers": 2, "num_heads": 2, "feedforward_channels": 64}
VIT: Config = {"type": "VisionTransformer", "arch": VIT_ARCH, "img_size": IMAGE, "patch_size": 16}
SWIN_ARCH = {"embed_dims": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2]}
SWIN_STAGES = {"block_cfgs": {"window_size": 2}}
SWIN: Config = {"type": "SwinTransformer", "arch": SWIN_ARCH, "img_size": IMAGE,
                "stage_cfgs": SWIN_STAGES}  # fmt: skip
MIXED = {"augments": [
    {"type": "BatchMixup", "alpha": 0.8, "num_classes": 10, "prob": 0.5},
    {"type": "BatchCutMix", "alpha": 1.0, "num_classes": 10, "prob": 0.5}]}  # fmt: skip
NO_DECAY = {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0,
            "custom_keys": {".absolute_pos_embed": {"decay_mult": 0.0},
                            ".relative_position_bias_table": {"decay_mult": 0.0}}}  # fmt: skip
EFFICIENT = [
    {"type": "LoadImageFromFile"},
    {"type": "RandomResizedCrop", "size": IMAGE, "efficientnet_style": True,
     "interpolation": "bicubic"},
    {"type": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    {"type": "Lighting", "alphastd": 0.1, "eigval": [55.46, 4.79, 1.15], "to_rgb": True,
     "eigvec": [[-0.57, 0.72, 0.4], [-0.58, 0.0, -0.81], [-0.58, -0.69, 0.42]]},
    {**NORMALIZE, "to_rgb": False},
    *TRAIN[4:],
]  # fmt: skip
EFFICIENT_TEST = [
    TEST[0],
    {"type": "CenterCrop", "crop_size": IMAGE, "efficientnet_style": True,
     "interpolation": "bicubic", "backend": "pillow"},
    *TEST[3:],
]  # fmt: skip
CIFAR = [
    {"type": "RandomCrop", "size": 32, "padding": 4},
    {"type": "RandomFlip", "flip_prob": 0.5, "direction": "horizontal"},
    {"type": "Normalize", "mean": [125.3, 123.0, 113.9], "std": [51.6, 50.8, 51.3]},
    *TRAIN[4:],
]
CIFAR_FILES = {"type": "CIFAR10", "data_prefix": "data/cifar10"}
VOC_FILES = {"type": "VOC", "data_prefix": "data/VOC2007",
             "ann_file": "data/VOC2007/ImageSets/Main/trainval.txt"}  # fmt: skip
CUB_FILES = {"type": "CUB", "data_prefix": "data/cub/images", "ann_file": "data/cub/images.txt",
             "image_class_labels_file": "data/cub/image_class_labels.txt",
             "train_test_split_file": "data/cub/train_test_split.txt"}  # fmt: skip
MINE = {"type": "CustomDataset", "data_prefix": "data/mine", "classes": ["cat", "dog"],
        "pipeline": TRAIN}  # fmt: skip

CLASSIFICATION: dict[str, Config] = {
    "resnet": {
        **classifier(RESNET, 64), **image_net(), "optimizer": SGD,
        "optimizer_config": {"grad_clip": None}, "lr_config": STEP,
        "evaluation": {"interval": 1, "metric": "accuracy"},
    },
    "resnet-cifar-mixup": {
        **classifier({"type": "ResNet_CIFAR", "depth": 18, "stem_channels": 8, "base_channels": 8},
                     64, train_cfg={"augments": {"type": "BatchMixup", "alpha": 1.0, "prob": 0.6,
                                                 "num_classes": 10}}),
        **data({**CIFAR_FILES, "pipeline": CIFAR},
               {**CIFAR_FILES, "pipeline": CIFAR[2:4] + TEST[-1:]}),
        "optimizer": SGD, "lr_config": {**STEP, "gamma": 0.2},
    },
    "resnet-fp16-accumulated-ema": {
        **classifier(RESNET, 64), **image_net(), "optimizer": SGD, "fp16": {"loss_scale": 512.0},
        "optimizer_config": {"type": "GradientCumulativeOptimizerHook", "cumulative_iters": 4},
        "lr_config": {"policy": "poly", "power": 2, "min_lr": 1e-4, "by_epoch": False},
        "custom_hooks": [{"type": "EMAHook", "momentum": 1e-4, "priority": "ABOVE_NORMAL"}],
        "evaluation": {"metric": ["accuracy", "precision", "support"], "save_best": "auto"},
    },
    "vit": {
        **token_classifier(VIT, 32, train_cfg=MIXED),
        **image_net(with_steps(
            TRAIN, 3,
            {"type": "RandAugment", "policies": POLICIES, "num_policies": 2, "magnitude_level": 9,
             "magnitude_std": 0.5},
            {"type": "RandomErasing", "erase_prob": 0.25, "mode": "rand", "fill_color": MEAN,
             "fill_std": STD})),
        "optimizer": {**ADAMW, "paramwise_cfg": {"custom_keys": {".cls_token": {"decay_mult": 0}}}},
        "optimizer_config": {"grad_clip": {"max_norm": 1.0}},
        "lr_config": {**COSINE, "warmup_by_epoch": False, "warmup_iters": 100},
    },
    "swin": {
        **classifier(SWIN, 128, train_cfg=MIXED), **image_net(),
        "optimizer": {**ADAMW, "paramwise_cfg": NO_DECAY},
        "optimizer_config": {"grad_clip": {"max_norm": 5.0}},
        "lr_config": {**COSINE, "by_epoch": False, "min_lr": None, "min_lr_ratio": 1e-2},
    },
    "van": {
        **classifier({"type": "VAN", "arch": "b0"}, 256), **image_net(), "optimizer": ADAMW,
        "lr_config": {"policy": "CosineAnnealingCooldown", "min_lr": 1e-5, "cool_down_time": 2},
    },
    "efficientnet": {
        **classifier({"type": "EfficientNet", "arch": "b0"}, 1280),
        **image_net(EFFICIENT, EFFICIENT_TEST), "optimizer": SGD, "lr_config": COSINE,
        "custom_hooks": [{"type": "PreciseBNHook", "num_samples": 8, "interval": 1}],
    },
    "mobilenet": {
        **classifier({"type": "MobileNetV3", "arch": "small"}, 576),
        **image_net(with_steps(TRAIN, 3, {"type": "AutoAugment", "policies": AUTO})),
        "optimizer": {"type": "RMSprop", "lr": 0.064, "alpha": 0.9, "momentum": 0.9},
        "lr_config": {"policy": "step", "step": 2, "gamma": 0.973, "by_epoch": True},
    },
    "lenet": {
        "model": {"type": "ImageClassifier", "backbone": {"type": "LeNet5", "num_classes": 10},
                  "head": {"type": "ClsHead", "loss": {"type": "CrossEntropyLoss"}}},
        **data({"type": "MNIST", "data_prefix": "data/mnist",
                "pipeline": [{"type": "Resize", "size": 32}, {**NORMALIZE, "mean": [33.46],
                                                              "std": [78.87]}, *TRAIN[4:]]},
               {"type": "MNIST", "data_prefix": "data/mnist",
                "pipeline": [{"type": "Resize", "size": 32}, {**NORMALIZE, "mean": [33.46],
                                                              "std": [78.87]}, *TEST[4:]]}),
        "optimizer": SGD, "lr_config": STEP, "evaluation": {"interval": 5},
    },
    "voc": {
        "model": {"type": "ImageClassifier", "backbone": RESNET,
                  "neck": {"type": "GlobalAveragePooling"},
                  "head": {"type": "MultiLabelLinearClsHead", "num_classes": 20, "in_channels": 64,
                           "loss": {"type": "CrossEntropyLoss", "use_sigmoid": True}}},
        **data({**VOC_FILES, "difficult_as_postive": False, "pipeline": TRAIN},
               {**VOC_FILES, "ann_file": "data/VOC2007/ImageSets/Main/test.txt", "pipeline": TEST}),
        "optimizer": SGD, "lr_config": {"policy": "step", "step": 20, "gamma": 0.1},
        "evaluation": {"interval": 1, "metric_options": {"thr": 0.5},
                       "metric": ["mAP", "CP", "OP", "CR", "OR", "CF1", "OF1"]},
    },
    "cub": {
        **classifier(RESNET, 64, classes=200),
        **data({**CUB_FILES, "pipeline": TRAIN}, {**CUB_FILES, "pipeline": TEST}),
        "optimizer": SGD, "lr_config": {**COSINE, "by_epoch": False},
        "evaluation": {"interval": 1, "metric": "accuracy", "save_best": "auto"},
    },
    "wrapped": {
        **classifier(RESNET, 64, classes=2),
        **data({"type": "RepeatDataset", "times": 3,
                "dataset": {"type": "ClassBalancedDataset", "oversample_thr": 0.1,
                            "dataset": MINE}},
               {**MINE, "pipeline": TEST},
               train_dataloader={"drop_last": True, "shuffle": True}),
        "optimizer": SGD, "lr_config": {"policy": "exp", "gamma": 0.9},
        "evaluation": {"metric": "accuracy", "metric_options": {"topk": (1,), "thrs": (0.1, 0.5)}},
    },
    "kfold-cars": {
        **classifier(RESNET, 64, classes=196),
        **data({"type": "KFoldDataset", "fold": 0, "num_splits": 5,
                "dataset": {**MINE, "classes": None}},
               {"type": "StanfordCars", "data_prefix": "data/cars", "pipeline": TEST}),
        "optimizer": {**SGD, "nesterov": True}, "lr_config": {"policy": "fixed"},
    },
}  # fmt: skip

# ------------------------------------------------------------------------------------- MMSelfSup

VIEW = [
    {"type": "RandomResizedCrop", "size": IMAGE, "scale": (0.2, 1.0), "interpolation": 3},
    {"type": "RandomAppliedTrans", "p": 0.8, "transforms": [
        # No hue: what MMCV 2.2 does with it fails under NumPy 2.
        {"type": "ColorJitter", "brightness": 0.8, "contrast": 0.8, "saturation": 0.8}]},
    {"type": "RandomGrayscale", "p": 0.2},
    {"type": "GaussianBlur", "sigma_min": 0.1, "sigma_max": 2.0, "p": 0.5},
    {"type": "Solarization", "p": 0.2},
    {"type": "RandomHorizontalFlip", "p": 0.5},
    {"type": "ToTensor"},
    UNIT_NORMALIZE,
]  # fmt: skip
ONE_VIEW = [VIEW[0], VIEW[5], VIEW[6], {"type": "Lighting"}, UNIT_NORMALIZE]
TWICE = {"type": "RandomResizedCropAndInterpolationWithTwoPic", "size": IMAGE,
         "interpolation": "bicubic"}  # fmt: skip
EVALUATED = [{"type": "Resize", "size": IMAGE + 8}, {"type": "CenterCrop", "size": IMAGE},
             {"type": "ToTensor"}, UNIT_NORMALIZE]  # fmt: skip
FOLDER = {"type": "ImageNet", "data_prefix": "data/imagenet/train",
          "ann_file": "data/imagenet/meta/train.txt"}  # fmt: skip
SELFSUP_RESNET: Config = {**RESNET, "in_channels": 3, "out_indices": [4]}
NO_NORM_DECAY = {r"(bn|gn)(\d+)?.(weight|bias)": {"weight_decay": 0.0, "lars_exclude": True},
                 "bias": {"weight_decay": 0.0, "lars_exclude": True}}  # fmt: skip


def views(counts: list[int], *pipelines: list[Config]) -> Config:
    """Return the ``data`` of a training on several views of an image."""
    dataset = {"type": "MultiViewDataset", "data_source": FOLDER, "num_views": counts,
               "pipelines": list(pipelines), "prefetch": False}  # fmt: skip
    return {"data": {"samples_per_gpu": 4, "workers_per_gpu": 1, "drop_last": True,
                     "train": dataset}}  # fmt: skip


def view(pipeline: list[Config]) -> Config:
    """Return the ``data`` of a training on one view of an image."""
    dataset = {"type": "SingleViewDataset", "data_source": FOLDER, "pipeline": pipeline}
    return {"data": {"samples_per_gpu": 4, "workers_per_gpu": 1, "train": dataset}}


def evaluated(train: list[Config]) -> Config:
    """Return the ``data`` of a training with labels."""
    source = {"type": "ImageNet", "data_prefix": "data/imagenet/val",
              "ann_file": "data/imagenet/meta/val.txt"}  # fmt: skip
    val = {"type": "SingleViewDataset", "data_source": source, "pipeline": EVALUATED}
    both = {**view(train)["data"], "val": val}
    return {"data": both, "evaluation": {"interval": 10, "topk": (1, 5)}}


def projector(inner: int, width: int, **more: Any) -> Config:
    """Return a neck of two layers."""
    sizes = {"in_channels": inner, "hid_channels": 32, "out_channels": width, "num_layers": 2}
    return {"type": "NonLinearNeck", **sizes, **more}


PREDICTOR = projector(16, 16, with_avg_pool=False, with_last_bn=False)
LARS: Config = {"type": "LARS", "lr": 4.8, "weight_decay": 1e-6, "momentum": 0.9,
                "paramwise_options": NO_NORM_DECAY}  # fmt: skip
DECAYED: Config = {**ADAMW, "paramwise_options": {"ln": {"weight_decay": 0.0},
                                                  "bias": {"weight_decay": 0.0}}}  # fmt: skip
FIXED_COSINE = {**COSINE, "policy": "StepFixCosineAnnealing", "by_epoch": False}
CONTRAST = {"type": "ContrastiveHead", "temperature": 0.2}
FINE_TUNED: Config = {**ADAMW, "constructor": "TransformerFinetuneConstructor", "layer_decay": 0.65}
AUGMENTED = [{"type": "RandomAug", "input_size": IMAGE, "color_jitter": None,
              "auto_augment": "rand-m9-mstd0.5-inc1", "interpolation": "bicubic", "re_prob": 0.25,
              "re_mode": "pixel", "re_count": 1, "mean": UNIT_NORMALIZE["mean"],
              "std": UNIT_NORMALIZE["std"]}]  # fmt: skip

SELFSUP: dict[str, Config] = {
    "simclr": {
        "model": {"type": "SimCLR", "backbone": SELFSUP_RESNET, "neck": projector(64, 16),
                  "head": {"type": "ContrastiveHead", "temperature": 0.1}},
        **views([2], VIEW), "optimizer": LARS, "lr_config": COSINE,
    },
    "moco": {
        "model": {"type": "MoCo", "queue_len": 64, "feat_dim": 16, "momentum": 0.999,
                  "backbone": SELFSUP_RESNET, "head": CONTRAST,
                  "neck": {"type": "MoCoV2Neck", "in_channels": 64, "hid_channels": 32,
                           "out_channels": 16, "with_avg_pool": True}},
        **views([2], VIEW), "optimizer": SGD, "lr_config": COSINE,
        "fp16": {"loss_scale": "dynamic"},
    },
    "densecl": {
        "model": {"type": "DenseCL", "queue_len": 64, "feat_dim": 16, "momentum": 0.999,
                  "loss_lambda": 0.5, "backbone": SELFSUP_RESNET, "head": CONTRAST,
                  "neck": {"type": "DenseCLNeck", "in_channels": 64, "hid_channels": 32,
                           "out_channels": 16, "num_grid": None}},
        **views([2], VIEW), "optimizer": SGD, "lr_config": COSINE,
        "custom_hooks": [{"type": "DenseCLHook", "start_iters": 100}],
    },
    "byol": {
        "model": {"type": "BYOL", "base_momentum": 0.99, "backbone": SELFSUP_RESNET,
                  "neck": projector(64, 16, with_last_bn=False),
                  "head": {"type": "LatentPredictHead", "predictor": PREDICTOR}},
        **views([1, 1], VIEW, VIEW[:4] + VIEW[5:]), "optimizer": LARS, "lr_config": COSINE,
        "custom_hooks": [{"type": "BYOLHook", "end_momentum": 1.0}],
    },
    "simsiam": {
        "model": {"type": "SimSiam", "backbone": {**SELFSUP_RESNET, "zero_init_residual": True},
                  "neck": projector(64, 16, with_last_bn_affine=False),
                  "head": {"type": "LatentPredictHead", "predictor": PREDICTOR}},
        **views([2], VIEW), "lr_config": COSINE,
        "optimizer": {**SGD, "paramwise_options": {"predictor": {"fix_lr": True}}},
        "custom_hooks": [{"type": "SimSiamHook", "fix_pred_lr": True, "lr": 0.05}],
    },
    "barlowtwins": {
        "model": {"type": "BarlowTwins", "backbone": SELFSUP_RESNET, "neck": projector(64, 16),
                  "head": {"type": "LatentCrossCorrelationHead", "in_channels": 16}},
        **views([1, 1], VIEW, VIEW), "optimizer": LARS, "lr_config": {**COSINE, "by_epoch": False},
        "optimizer_config": {"update_interval": 8},
    },
    "swav": {
        "model": {"type": "SwAV", "backbone": SELFSUP_RESNET,
                  "neck": {"type": "SwAVNeck", "in_channels": 64, "hid_channels": 32,
                           "out_channels": 16, "with_avg_pool": True},
                  "head": {"type": "SwAVHead", "feat_dim": 16, "num_prototypes": 30,
                           "epsilon": 0.05, "temperature": 0.1, "num_crops": [2, 2]}},
        **views([2, 2], VIEW, [{**VIEW[0], "size": 32}, *VIEW[1:]]), "optimizer": LARS,
        "lr_config": COSINE, "optimizer_config": {"frozen_layers_cfg": {"prototypes": 5005}},
        "custom_hooks": [{"type": "SwAVHook", "priority": "VERY_HIGH", "batch_size": 4,
                          "epoch_queue_starts": 15, "crops_for_assign": [0, 1], "feat_dim": 16,
                          "queue_length": 64}],
    },
    "mae": {
        "model": {"type": "MAE", "backbone": {"type": "MAEViT", "arch": VIT_ARCH,
                                              "img_size": IMAGE, "patch_size": 16},
                  "neck": {"type": "MAEPretrainDecoder", "num_patches": (IMAGE // 16) ** 2,
                           "patch_size": 16, "embed_dim": 32, "decoder_embed_dim": 32,
                           "decoder_depth": 1, "decoder_num_heads": 2},
                  "head": {"type": "MAEPretrainHead", "norm_pix": True, "patch_size": 16}},
        **view(ONE_VIEW), "optimizer": {**DECAYED, "betas": (0.9, 0.95)}, "lr_config": FIXED_COSINE,
    },
    "simmim": {
        "model": {"type": "SimMIM", "backbone": {"type": "SimMIMSwinTransformer",
                                                 "arch": SWIN_ARCH, "img_size": IMAGE,
                                                 "stage_cfgs": SWIN_STAGES},
                  "neck": {"type": "SimMIMNeck", "in_channels": 128, "encoder_stride": 32},
                  "head": {"type": "SimMIMHead", "patch_size": 4, "encoder_in_channels": 3}},
        **view([*ONE_VIEW, {"type": "SimMIMMaskGenerator", "input_size": IMAGE,
                            "mask_patch_size": 32, "model_patch_size": 4, "mask_ratio": 0.6}]),
        "optimizer": DECAYED, "lr_config": {**COSINE, "by_epoch": False},
        "fp16": {"loss_scale": "dynamic"},
    },
    "maskfeat": {
        # The histograms are those of 14 × 14 patches.
        "model": {"type": "MaskFeat", "hog_para": {"nbins": 9, "pool": 8, "gaussian_window": 16},
                  "backbone": {"type": "MaskFeatViT", "arch": VIT_ARCH, "patch_size": 16},
                  "head": {"type": "MaskFeatPretrainHead", "embed_dim": 32, "hog_dim": 108}},
        **view([{**TWICE, "size": 224, "scale": (0.5, 1.0)}, VIEW[5], VIEW[6], UNIT_NORMALIZE,
                {"type": "MaskFeatMaskGenerator", "mask_ratio": 0.4}]),
        "optimizer": DECAYED, "lr_config": COSINE,
        "optimizer_config": {"grad_clip": {"max_norm": 0.02}},
    },
    "cae": {
        "model": {"type": "CAE", "base_momentum": 0.0,
                  "backbone": {"type": "CAEViT", "arch": "b", "patch_size": 16, "init_values": 0.1,
                               "qkv_bias": False},
                  "neck": {"type": "CAENeck", "patch_size": 16, "embed_dims": 768,
                           "num_heads": 12, "regressor_depth": 1, "decoder_depth": 1,
                           "mlp_ratio": 4, "init_values": 0.1},
                  "head": {"type": "CAEHead", "tokenizer_path": "dalle.pth", "lambd": 2}},
        **view([VIEW[5], {**TWICE, "size": 224, "second_size": 112,
                          "second_interpolation": "lanczos", "scale": (0.08, 1.0)}, VIEW[6],
                {"type": "BEiTMaskGenerator", "input_size": (14, 14), "num_masking_patches": 75,
                 "max_num_patches": None, "min_num_patches": 16}]),
        "optimizer": DECAYED, "lr_config": FIXED_COSINE,
    },
    "mocov3": {
        "model": {"type": "MoCoV3", "base_momentum": 0.99,
                  "backbone": {**VIT, "stop_grad_conv1": True},
                  "neck": projector(32, 16, with_avg_pool=False, vit_backbone=True),
                  "head": {"type": "MoCoV3Head", "temperature": 0.2, "predictor": PREDICTOR}},
        **views([1, 1], VIEW, VIEW), "optimizer": ADAMW, "lr_config": {**COSINE, "by_epoch": False},
        "custom_hooks": [{"type": "MomentumUpdateHook"}],
    },
    "linear-probe": {
        "model": {"type": "Classification", "backbone": {**SELFSUP_RESNET, "frozen_stages": 4},
                  "head": {"type": "ClsHead", "with_avg_pool": True, "in_channels": 64,
                           "num_classes": 10}},
        **evaluated(ONE_VIEW), "optimizer": SGD, "lr_config": STEP,
    },
    "fine-tuned-vit": {
        "model": {"type": "Classification", "train_cfg": MIXED,
                  "backbone": {"type": "MIMVisionTransformer", "arch": VIT_ARCH,
                               "img_size": IMAGE, "patch_size": 16, "final_norm": False},
                  "head": {"type": "MAEFinetuneHead", "num_classes": 10, "embed_dim": 32,
                           "label_smooth_val": 0.1}},
        **evaluated(AUGMENTED), "optimizer": {**FINE_TUNED, "model_type": "vit"},
        "lr_config": FIXED_COSINE,
    },
    "fine-tuned-swin": {
        "model": {"type": "MMClsImageClassifierWrapper", "train_cfg": MIXED,
                  "backbone": {**SWIN, "type": "mmcls.SwinTransformer"},
                  "neck": {"type": "mmcls.GlobalAveragePooling"},
                  "head": {"type": "mmcls.LinearClsHead", "num_classes": 10, "in_channels": 128,
                           "loss": {"type": "mmcls.LabelSmoothLoss", "label_smooth_val": 0.1,
                                    "mode": "original"}}},
        **evaluated(AUGMENTED), "optimizer": {**FINE_TUNED, "model_type": "swin"},
        "lr_config": {**COSINE, "by_epoch": False},
    },
}  # fmt: skip

OLD_CONFIGS: dict[str, Config] = {
    name: {**EPOCHS, **RUNTIME, **config} for name, config in {**CLASSIFICATION, **SELFSUP}.items()
}
