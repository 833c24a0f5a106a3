from __future__ import annotations

import pytest

from brickbook.migrate import migrate_config

ARCH = {"type": "ResNet", "depth": 50}


def migrate(model):
    return migrate_config({"model": model})


@pytest.mark.parametrize(
    ("augments", "expected"),
    [
        # The guide's own example.
        (
            [{"type": "BatchMixup", "alpha": 0.8, "num_classes": 1000, "prob": 0.5},
             {"type": "BatchCutMix", "alpha": 1.0, "num_classes": 1000, "prob": 0.5}],
            {"augments": [{"type": "Mixup", "alpha": 0.8}, {"type": "CutMix", "alpha": 1.0}]},
        ),
        (
            {"type": "BatchResizeMix", "alpha": 1.0, "num_classes": 10, "prob": 1.0},
            {"augments": [{"type": "ResizeMix", "alpha": 1.0}]},
        ),
        (
            [{"type": "BatchMixup", "alpha": 0.8, "prob": 0.3},
             {"type": "BatchCutMix", "alpha": 1.0, "prob": 0.7}],
            {"augments": [{"type": "Mixup", "alpha": 0.8}, {"type": "CutMix", "alpha": 1.0}],
             "probs": [0.3, 0.7]},
        ),
        (
            [{"type": "BatchMixup", "alpha": 0.8, "prob": 0.5}, {"type": "Identity", "prob": 0.5}],
            {"augments": [{"type": "Mixup", "alpha": 0.8}], "probs": [0.5]},
        ),
    ],
)  # fmt: skip
def test_batch_augmentations(augments, expected):
    model = {"type": "ImageClassifier", "train_cfg": {"augments": augments, "mixup": {}}}
    migration = migrate(model)
    assert migration.cfg["model"]["train_cfg"] == expected
    assert {"model.augments", "model.dead"} <= {note.rule for note in migration.notes}


@pytest.mark.parametrize(
    ("backbone", "expected", "rule"),
    [
        ({"type": "VAN", "arch": "b0"}, {"type": "VAN", "arch": "tiny"}, "model.arch"),
        ({"type": "VAN", "arch": "b5"}, {"type": "VAN", "arch": "b5"}, "model.gone"),
        (
            {"type": "VisionTransformer", "output_cls_token": True},
            {"type": "VisionTransformer", "out_type": "cls_token"},
            "model.argument_renamed",
        ),
        (
            {"type": "T2T_ViT", "output_cls_token": False},
            {"type": "T2T_ViT", "out_type": "featmap"},
            "model.argument_renamed",
        ),
        ({"type": "mmcls.ResNet", "depth": 50}, ARCH, "model.scope"),
        ({"type": "ConvNeXt"}, {"type": "ConvNeXt"}, "model.default_changed"),
    ],
)
def test_backbones(backbone, expected, rule):
    migration = migrate({"type": "ImageClassifier", "backbone": backbone})
    assert migration.cfg["model"]["backbone"] == expected
    assert rule in {note.rule for note in migration.notes}


def test_a_default_that_changed_is_told_with_both_values():
    head = {"type": "ConformerHead", "num_classes": 10}
    migration = migrate({"type": "ImageClassifier", "head": head})
    (note,) = [note for note in migration.notes if note.rule == "model.default_changed"]
    assert note.path == "model.head.init_cfg"
    assert note.text("en") == (
        "ConformerHead starts with another `init_cfg`: {'type': 'Normal', 'layer': 'Linear',"
        " 'std': 0.01} in 0.x, {'type': 'TruncNormal', 'layer': 'Linear', 'std': 0.02} in 1.x."
        " Write it to keep the old."
    )


RESNET = {"type": "ResNet", "depth": 50, "out_indices": [4]}
NEW_RESNET = {"type": "ResNet", "depth": 50, "out_indices": [3], "zero_init_residual": False}
PREDICTOR = {"type": "NonLinearNeck", "in_channels": 4, "vit_backbone": True}
L1 = {"type": "PixelReconstructionLoss", "criterion": "L1", "channel": 3}
L2 = {"type": "PixelReconstructionLoss", "criterion": "L2"}
AVERAGED = "avg_featmap"
SMOOTH = {"type": "LabelSmoothLoss", "label_smooth_val": 0.1, "mode": "original"}

# A model of MMSelfSup, and what it is in 1.x.
MODELS = [
    (
        {"type": "MoCo", "momentum": 0.999, "backbone": RESNET,
         "head": {"type": "ContrastiveHead", "temperature": 0.2}},
        {"type": "MoCo", "momentum": 0.001, "backbone": NEW_RESNET,
         "head": {"type": "ContrastiveHead", "temperature": 0.2,
                  "loss": {"type": "CrossEntropyLoss"}}},
    ),
    (
        {"type": "BYOL", "base_momentum": 0.99, "backbone": RESNET,
         "head": {"type": "LatentPredictHead", "predictor": PREDICTOR}},
        {"type": "BYOL", "base_momentum": 0.01, "backbone": NEW_RESNET,
         "head": {"type": "LatentPredictHead", "loss": {"type": "CosineSimilarityLoss"},
                  "predictor": {"type": "NonLinearNeck", "in_channels": 4}}},
    ),
    (
        {"type": "BarlowTwins", "head": {"type": "LatentCrossCorrelationHead", "in_channels": 8,
                                         "lambd": 0.005}},
        {"type": "BarlowTwins", "head": {
            "type": "LatentCrossCorrelationHead", "in_channels": 8,
            "loss": {"type": "CrossCorrelationLoss", "lambd": 0.005}}},
    ),
    (
        {"type": "MAE", "backbone": {"type": "MAEViT", "arch": "b"},
         "head": {"type": "MAEPretrainHead", "norm_pix": True}},
        {"type": "MAE", "backbone": {"type": "MAEViT", "arch": "b"},
         "head": {"type": "MAEPretrainHead", "norm_pix": True, "loss": L2},
         "init_cfg": [{"type": "Xavier", "layer": "Linear", "distribution": "uniform"},
                      {"type": "Constant", "layer": "LayerNorm", "val": 1.0, "bias": 0.0}]},
    ),
    (
        {"type": "SimMIM", "backbone": {"type": "SimMIMSwinTransformer", "arch": "B"},
         "neck": {"type": "SimMIMNeck", "in_channels": 1024, "encoder_stride": 32},
         "head": {"type": "SimMIMHead", "patch_size": 4, "encoder_in_channels": 3}},
        {"type": "SimMIM", "backbone": {"type": "SimMIMSwinTransformer", "arch": "base"},
         "neck": {"type": "SimMIMLinearDecoder", "in_channels": 1024, "encoder_stride": 32},
         "head": {"type": "SimMIMHead", "patch_size": 4, "loss": L1}},
    ),
    (
        {"type": "SwAV", "head": {"type": "SwAVHead", "feat_dim": 128, "num_crops": [2, 6]}},
        {"type": "SwAV", "head": {"type": "SwAVHead", "loss": {
            "type": "SwAVLoss", "feat_dim": 128, "num_crops": [2, 6]}}},
    ),
    (
        {"type": "MoCoV3", "base_momentum": 0.99,
         "backbone": {"type": "VisionTransformer", "arch": "base", "stop_grad_conv1": True},
         "neck": PREDICTOR,
         "head": {"type": "MoCoV3Head", "temperature": 0.2, "predictor": PREDICTOR}},
        {"type": "MoCoV3", "base_momentum": 0.01,
         "backbone": {"type": "MoCoV3ViT", "arch": "base", "stop_grad_conv1": True},
         "neck": {"type": "NonLinearNeck", "in_channels": 4},
         "head": {"type": "MoCoV3Head", "temperature": 0.2,
                  "predictor": {"type": "NonLinearNeck", "in_channels": 4},
                  "loss": {"type": "CrossEntropyLoss", "loss_weight": 0.4}}},
    ),
    (
        {"type": "CAE", "backbone": {"type": "CAEViT", "arch": "b", "init_values": 0.1,
                                     "qkv_bias": False},
         "neck": {"type": "CAENeck", "patch_size": 16, "init_values": 0.1},
         "head": {"type": "CAEHead", "tokenizer_path": "dalle.pth", "lambd": 2}},
        {"type": "CAE", "backbone": {"type": "CAEPretrainViT", "arch": "b", "bias": "qv_bias",
                                     "layer_scale_init_value": 0.1},
         "neck": {"type": "CAENeck", "layer_scale_init_value": 0.1},
         "head": {"type": "CAEHead", "loss": {"type": "CAELoss", "lambd": 2}},
         "target_generator": {"type": "DALL-E", "init_cfg": {"type": "Pretrained",
                                                             "checkpoint": "dalle.pth"}}},
    ),
    (
        {"type": "MaskFeat", "hog_para": {"nbins": 9, "pool": 8, "gaussian_window": 16},
         "head": {"type": "MaskFeatPretrainHead", "hog_dim": 108}},
        {"type": "MaskFeat",
         "neck": {"type": "LinearNeck", "in_channels": 768, "out_channels": 108, "norm_cfg": None,
                  "init_cfg": {"type": "TruncNormal", "layer": "Linear", "std": 0.02, "bias": 0}},
         "head": {"type": "MIMHead", "loss": L2},
         "target_generator": {"type": "HOGGenerator", "nbins": 9, "pool": 8,
                              "gaussian_window": 16}},
    ),
    (
        {"type": "Classification", "backbone": {**RESNET, "frozen_stages": 4},
         "head": {"type": "ClsHead", "with_avg_pool": True, "in_channels": 2048,
                  "num_classes": 10}},
        {"type": "ImageClassifier",
         "backbone": {"type": "ResNet", "depth": 50, "out_indices": [3], "frozen_stages": 4},
         "neck": {"type": "GlobalAveragePooling"},
         "head": {"type": "LinearClsHead", "num_classes": 10, "in_channels": 2048,
                  "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0}, "topk": (1, 5)}},
    ),
    (
        {"type": "Classification", "head": {"type": "ClsHead", "in_channels": 384},
         "backbone": {"type": "VisionTransformer", "arch": "mocov3-small", "norm_eval": True}},
        {"type": "ImageClassifier",
         "backbone": {"type": "MoCoV3ViT", "arch": "mocov3-small", "norm_eval": True},
         "head": {"type": "LinearClsHead", "num_classes": 1000, "in_channels": 384,
                  "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0}, "topk": (1, 5)}},
    ),
    (
        {"type": "Classification", "backbone": {"type": "MIMVisionTransformer", "arch": "b"},
         "head": {"type": "MAEFinetuneHead", "embed_dim": 768, "num_classes": 10}},
        {"type": "ImageClassifier",
         "backbone": {"type": "VisionTransformer", "arch": "base", "out_type": AVERAGED},
         "neck": None,
         "head": {"type": "LinearClsHead", "num_classes": 10, "in_channels": 768, "loss": SMOOTH,
                  "init_cfg": [{"type": "TruncNormal", "layer": "Linear", "std": 2e-5}]}},
    ),
    (
        {"type": "Classification", "head": {"type": "MAELinprobeHead", "embed_dim": 768},
         "backbone": {"type": "MIMVisionTransformer", "arch": "l", "finetune": False}},
        {"type": "ImageClassifier",
         "backbone": {"type": "VisionTransformer", "arch": "large", "out_type": "cls_token",
                      "frozen_stages": 24},
         "neck": {"type": "ClsBatchNormNeck", "input_features": 768},
         "head": {"type": "VisionTransformerClsHead", "num_classes": 1000, "in_channels": 768,
                  "loss": {"type": "CrossEntropyLoss"},
                  "init_cfg": [{"type": "TruncNormal", "layer": "Linear", "std": 0.01}]}},
    ),
    (
        {"type": "Classification", "head": {"type": "MaskFeatFinetuneHead", "embed_dim": 768},
         "backbone": {"type": "MIMVisionTransformer", "use_window": True, "init_values": 0.1,
                      "qkv_bias": False}},
        {"type": "ImageClassifier",
         "backbone": {"type": "BEiTViT", "arch": "base", "layer_scale_init_value": 0.1,
                      "out_type": AVERAGED, "use_abs_pos_emb": True, "use_rel_pos_bias": True,
                      "use_shared_rel_pos_bias": False},
         "neck": None,
         "head": {"type": "LinearClsHead", "num_classes": 1000, "in_channels": 768, "loss": SMOOTH,
                  "init_cfg": [{"type": "TruncNormal", "layer": "Linear", "std": 2e-5,
                                "bias": 2e-5}]}},
    ),
    (
        # What is MMClassification's keeps its meaning.
        {"type": "MMClsImageClassifierWrapper",
         "backbone": {"type": "mmcls.ResNet", "depth": 50, "out_indices": [3]},
         "head": {"type": "mmcls.ClsHead"}},
        {"type": "ImageClassifier",
         "backbone": {"type": "ResNet", "depth": 50, "out_indices": [3]},
         "head": {"type": "ClsHead"}},
    ),
    (
        {"type": "SimSiam", "neck": {"type": "LinearNeck", "in_channels": 4, "out_channels": 4}},
        {"type": "SimSiam", "neck": {"type": "LinearNeck", "in_channels": 4, "out_channels": 4,
                                     "norm_cfg": None, "gap_dim": 2}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "expected"), MODELS, ids=[old["type"] for old, _ in MODELS])
def test_models_of_selfsup(model, expected):
    assert migrate(model).cfg["model"] == expected


@pytest.mark.parametrize(
    "model", [{"type": "ODC"}, {"type": "SimSiam", "neck": {"type": "ODCNeck"}}]
)
def test_what_has_no_successor_is_named(model):
    migration = migrate(model)
    assert migration.cfg["model"] == model and not migration.complete
    assert "model.gone" in {note.rule for note in migration.notes}


def test_cae_normalises_itself():
    source = {"type": "ImageNet", "data_prefix": "d/train"}
    dataset = {"type": "SingleViewDataset", "data_source": source, "pipeline": []}
    cfg = migrate_config({"model": {"type": "CAE"}, "data": {"train": dataset}}).cfg
    assert cfg["data_preprocessor"] == {
        "type": "TwoNormDataPreprocessor", "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375], "second_mean": [-31.875] * 3, "second_std": [318.75] * 3,
        "to_rgb": True,
    }  # fmt: skip


def test_the_preprocessor_of_a_pretraining():
    source = {"type": "ImageNet", "data_prefix": "d/train"}
    pipeline = [{"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]
    dataset = {"type": "SingleViewDataset", "data_source": source, "pipeline": pipeline}
    for kind, expected in (
        ("MAE", {"type": "SelfSupDataPreprocessor"}),
        ("CAE", {"type": "TwoNormDataPreprocessor", "second_mean": [-31.875] * 3,
                 "second_std": [318.75] * 3}),
        ("Classification", {"num_classes": 1000}),
    ):  # fmt: skip
        cfg = migrate_config({"model": {"type": kind}, "data": {"train": dataset}}).cfg
        assert cfg["data_preprocessor"] == {
            **expected, "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375],
            "to_rgb": True,
        }  # fmt: skip
        loader = cfg["train_dataloader"]
        pretrains = kind != "Classification"
        assert loader.get("collate_fn") == ({"type": "default_collate"} if pretrains else None)
