"""The models of MMSelfSup 0.x."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from brickbook.migrate.rules.context import Config, Context

__all__ = ["migrate_selfsup_model"]

CLASSIFIERS = ("Classification", "MMClsImageClassifierWrapper")
# Moving averages: 0.x says what share of the old stays, 1.x what share of the new comes.
MOMENTUM = {"MoCo": "momentum", "DenseCL": "momentum", "BYOL": "base_momentum",
            "MoCoV3": "base_momentum"}  # fmt: skip
GONE = (
    "AvgPool2dNeck", "DeepCluster", "InterCLRMemory", "InterCLRMoCo", "MultiClsHead", "NPID", "ODC",
    "ODCMemory", "ODCNeck", "RelativeLoc", "RelativeLocNeck", "RotationPred", "SimpleMemory",
)  # fmt: skip
ARCHS = {"b": "base", "l": "large", "s": "small", "t": "tiny", "h": "huge"}


def migrate_selfsup_model(model: Config, context: Context) -> Config:
    """Return a model of MMSelfSup in the words of 1.x."""
    kind = model.get("type")
    new = dict(model)
    if kind in GONE:
        context.note("model.gone", "model.type", kind=kind)
        return new
    if kind in CLASSIFIERS:
        new["type"] = "ImageClassifier"
        context.note("model.renamed", "model.type", old=kind, new="ImageClassifier")
    if new.pop("with_sobel", None):
        context.note("model.argument_gone", "model.with_sobel", key="with_sobel")
    key = MOMENTUM.get(str(kind))
    if key is not None and key in new:
        new[key] = round(1 - new[key], 12)
        context.note("model.momentum", f"model.{key}", key=key, old=model[key], new=new[key])
    for name in ("backbone", "neck", "head"):
        part = new.get(name)
        if isinstance(part, dict) and part.get("type") in GONE:
            context.note("model.gone", f"model.{name}.type", kind=part["type"])
        rule = PARTS.get((name, part.get("type"))) if isinstance(part, dict) else None
        if rule is not None and isinstance(part, dict):
            new.update(rule(dict(part), new, context))
    return order(new)


def order(model: Config) -> Config:
    """Return a model with its parts in the usual order."""
    parts = ("backbone", "neck", "head", "target_generator")
    rest = {key: value for key, value in model.items() if key not in parts}
    return {**rest, **{key: model[key] for key in parts if key in model}}


def renamed(part: Config, name: str, path: str, context: Context) -> Config:
    """Return a part under another name."""
    context.note("model.renamed", f"{path}.type", old=part["type"], new=name)
    return {**part, "type": name}


def default_written(part: Config, key: str, value: Any, path: str, context: Context) -> None:
    """Write what 0.x takes where nothing is given."""
    if key not in part:
        part[key] = value
        context.note("model.default_written", f"{path}.{key}", key=key, value=value)


Part = Callable[[Config, Config, Context], Config]


# ------------------------------------------------------------------------------------- backbones


def resnet(part: Config, model: Config, context: Context) -> Config:
    """``out_indices`` counted the stem; ``zero_init_residual`` was off."""
    path = "model.backbone"
    if "out_indices" in part:
        stages = part["out_indices"]
        stages = [stages] if isinstance(stages, int) else list(stages)
        shifted = [stage - 1 for stage in stages]
        names = {"old": f"out_indices={stages}", "new": f"out_indices={shifted}"}
        context.note("model.argument_renamed", f"{path}.out_indices", **names)
        if min(shifted, default=0) < 0:
            context.note("model.argument_gone", f"{path}.out_indices", key="out_indices=0")
        part["out_indices"] = shifted
    # Where every stage is frozen, its weights are loaded.
    if part.get("frozen_stages", -1) < 4:
        default_written(part, "zero_init_residual", False, path, context)
    return {"backbone": part}


def mim_vit(part: Config, model: Config, context: Context) -> Config:
    """MIMVisionTransformer → VisionTransformer, or BEiTViT for relative positions."""
    path = "model.backbone"
    part["arch"] = ARCHS.get(str(part.get("arch", "b")).lower(), part.get("arch"))
    window, scale = part.pop("use_window", False), part.pop("init_values", None)
    trained, bias = part.pop("finetune", True), part.pop("qkv_bias", True)
    part.pop("output_cls_token", None)
    if not window:
        new = renamed(part, "VisionTransformer", path, context)
        if scale:
            new["layer_scale_init_value"] = scale
        if not bias:
            new["qkv_bias"] = False
        new["out_type"] = "avg_featmap" if trained else "cls_token"
        if not trained:
            new["frozen_stages"] = {"base": 12, "large": 24}.get(str(part["arch"]), 12)
        return {"backbone": new}
    new = renamed(part, "BEiTViT", path, context)
    positions = {"use_abs_pos_emb": True, "use_rel_pos_bias": True,
                 "use_shared_rel_pos_bias": False}  # fmt: skip
    # In 0.x the query and the value have a bias where the three together have none.
    biases = {"bias": True} if bias else {}
    layer_scale = {"layer_scale_init_value": scale or 0.0}
    return {"backbone": {**new, **biases, **layer_scale, "out_type": "avg_featmap", **positions}}


def cae_vit(part: Config, model: Config, context: Context) -> Config:
    """``CAEViT(init_values, qkv_bias)`` → ``CAEPretrainViT(layer_scale_init_value, bias)``."""
    new = renamed(part, "CAEPretrainViT", "model.backbone", context)
    if "init_values" in new:
        new["layer_scale_init_value"] = new.pop("init_values")
    if not new.pop("qkv_bias", True):
        new["bias"] = "qv_bias"
    return {"backbone": new}


def vit(part: Config, model: Config, context: Context) -> Config:
    """MMSelfSup's own VisionTransformer, which is MoCo v3's → MoCoV3ViT."""
    return {"backbone": renamed(part, "MoCoV3ViT", "model.backbone", context)}


def swin(part: Config, model: Config, context: Context) -> Config:
    """``arch='B'`` → ``arch='base'``."""
    arch = part.get("arch")
    if isinstance(arch, str) and arch.lower() in ARCHS:
        part["arch"] = ARCHS[arch.lower()]
        context.note("model.arch", "model.backbone.arch", old=arch, new=part["arch"])
    return {"backbone": part}


# ----------------------------------------------------------------------------------------- necks


def cae_neck(part: Config, model: Config, context: Context) -> Config:
    """``init_values`` → ``layer_scale_init_value``; ``patch_size`` is gone."""
    part.pop("patch_size", None)
    if "init_values" in part:
        part["layer_scale_init_value"] = part.pop("init_values")
        context.note("model.argument_renamed", "model.neck.init_values", old="init_values",
                     new="layer_scale_init_value")  # fmt: skip
    return {"neck": part}


def linear_neck(part: Config, model: Config, context: Context) -> Config:
    """``with_avg_pool`` → ``gap_dim``; the normalisation that 1.x adds is left out."""
    pools = part.pop("with_avg_pool", True)
    default_written(part, "norm_cfg", None, "model.neck", context)
    return {"neck": {**part, "gap_dim": 2 if pools else 0}}


def nonlinear_neck(part: Config, model: Config, context: Context) -> Config:
    """``vit_backbone`` is gone."""
    part.pop("vit_backbone", None)
    return {"neck": part}


def simmim_neck(part: Config, model: Config, context: Context) -> Config:
    """SimMIMNeck → SimMIMLinearDecoder."""
    return {"neck": renamed(part, "SimMIMLinearDecoder", "model.neck", context)}


# ----------------------------------------------------------------------------------------- heads


def with_loss(part: Config, loss: Config, context: Context) -> Config:
    """Return a head with the loss that 0.x had within it."""
    context.note("model.loss", "model.head", loss=loss["type"])
    return {"head": {**part, "loss": loss}}


def contrastive(part: Config, model: Config, context: Context) -> Config:
    """ContrastiveHead → ``loss=dict(type='CrossEntropyLoss')``."""
    return with_loss(part, {"type": "CrossEntropyLoss"}, context)


def latent_predict(part: Config, model: Config, context: Context) -> Config:
    """LatentPredictHead → ``loss=dict(type='CosineSimilarityLoss')``."""
    predictor = part.get("predictor")
    if isinstance(predictor, dict):
        part["predictor"] = {k: v for k, v in predictor.items() if k != "vit_backbone"}
    return with_loss(part, {"type": "CosineSimilarityLoss"}, context)


def cross_correlation(part: Config, model: Config, context: Context) -> Config:
    """``LatentCrossCorrelationHead(lambd)`` → ``loss=dict(type='CrossCorrelationLoss', lambd)``."""
    loss = {"type": "CrossCorrelationLoss"}
    if "lambd" in part:
        loss["lambd"] = part.pop("lambd")
    return with_loss(part, loss, context)


# What MAE of 0.x starts its layers with; MAE of 1.x leaves it to the config.
MAE_START = [
    {"type": "Xavier", "layer": "Linear", "distribution": "uniform"},
    {"type": "Constant", "layer": "LayerNorm", "val": 1.0, "bias": 0.0},
]


def mae(part: Config, model: Config, context: Context) -> Config:
    """MAEPretrainHead → ``PixelReconstructionLoss(criterion='L2')``."""
    default_written(model, "init_cfg", deepcopy(MAE_START), "model", context)
    return with_loss(part, {"type": "PixelReconstructionLoss", "criterion": "L2"}, context)


def simmim(part: Config, model: Config, context: Context) -> Config:
    """``SimMIMHead(encoder_in_channels=c)`` → ``PixelReconstructionLoss('L1', channel=c)``."""
    channels = part.pop("encoder_in_channels", 3)
    loss = {"type": "PixelReconstructionLoss", "criterion": "L1", "channel": channels}
    return with_loss(part, loss, context)


def moco_v3(part: Config, model: Config, context: Context) -> Config:
    """MoCoV3Head → ``CrossEntropyLoss(loss_weight=2 * temperature)``, which 0.x computes itself."""
    predictor = part.get("predictor")
    if isinstance(predictor, dict):
        part["predictor"] = {k: v for k, v in predictor.items() if k != "vit_backbone"}
    weight = 2 * part.get("temperature", 1.0)
    return with_loss(part, {"type": "CrossEntropyLoss", "loss_weight": weight}, context)


def swav(part: Config, model: Config, context: Context) -> Config:
    """``SwAVHead(**x)`` → ``SwAVHead(loss=dict(type='SwAVLoss', **x))``."""
    arguments = {key: value for key, value in part.items() if key != "type"}
    return with_loss({"type": "SwAVHead"}, {"type": "SwAVLoss", **arguments}, context)


def cae(part: Config, model: Config, context: Context) -> Config:
    """``CAEHead(tokenizer_path, lambd)`` → ``CAELoss(lambd)`` and a target generator."""
    tokenizer = part.pop("tokenizer_path", None)
    loss = {"type": "CAELoss", "lambd": part.pop("lambd", 2)}
    generator: Config = {"type": "DALL-E"}
    if tokenizer:
        generator["init_cfg"] = {"type": "Pretrained", "checkpoint": tokenizer}
    return {**with_loss(part, loss, context), "target_generator": generator}


def mask_feat(part: Config, model: Config, context: Context) -> Config:
    """MaskFeatPretrainHead → LinearNeck, MIMHead and HOGGenerator."""
    hog = model.pop("hog_para", None) or {"nbins": 9, "pool": 8, "gaussian_window": 16}
    neck = {
        "type": "LinearNeck",
        "in_channels": part.get("embed_dim", 768),
        "out_channels": part.get("hog_dim", 108),
        "norm_cfg": None,
        "init_cfg": {"type": "TruncNormal", "layer": "Linear", "std": 0.02, "bias": 0},
    }
    loss = {"type": "PixelReconstructionLoss", "criterion": "L2"}
    context.note("model.renamed", "model.head.type", old="MaskFeatPretrainHead", new="MIMHead")
    head = with_loss({"type": "MIMHead"}, loss, context)
    return {"neck": neck, **head, "target_generator": {"type": "HOGGenerator", **hog}}


def finetune_head(bias: Config, part: Config, context: Context) -> Config:
    """``MAEFinetuneHead(embed_dim, label_smooth_val)`` → ``LinearClsHead`` with LabelSmoothLoss."""
    context.note("model.renamed", "model.head.type", old=part["type"], new="LinearClsHead")
    smooth = part.get("label_smooth_val", 0.1)
    head = {
        "type": "LinearClsHead",
        "num_classes": part.get("num_classes", 1000),
        "in_channels": part.get("embed_dim"),
        "loss": {"type": "LabelSmoothLoss", "label_smooth_val": smooth, "mode": "original"},
        "init_cfg": [{"type": "TruncNormal", "layer": "Linear", "std": 2e-5, **bias}],
    }
    return {"neck": None, "head": head}


def mae_finetune(part: Config, model: Config, context: Context) -> Config:
    """MAEFinetuneHead → LinearClsHead."""
    return finetune_head({}, part, context)


def mask_feat_finetune(part: Config, model: Config, context: Context) -> Config:
    """MaskFeatFinetuneHead → LinearClsHead."""
    return finetune_head({"bias": 2e-5}, part, context)


def mae_linear_probe(part: Config, model: Config, context: Context) -> Config:
    """MAELinprobeHead → ClsBatchNormNeck and VisionTransformerClsHead."""
    new = "VisionTransformerClsHead"
    context.note("model.renamed", "model.head.type", old=part["type"], new=new)
    width = part.get("embed_dim")
    head = {
        "type": new,
        "num_classes": part.get("num_classes", 1000),
        "in_channels": width,
        "loss": {"type": "CrossEntropyLoss"},
        "init_cfg": [{"type": "TruncNormal", "layer": "Linear", "std": 0.01}],
    }
    return {"neck": {"type": "ClsBatchNormNeck", "input_features": width}, "head": head}


def linear_probe(part: Config, model: Config, context: Context) -> Config:
    """``ClsHead(with_avg_pool=True)`` → GlobalAveragePooling and LinearClsHead."""
    context.note("model.renamed", "model.head.type", old=part["type"], new="LinearClsHead")
    head = {
        "type": "LinearClsHead",
        "num_classes": part.get("num_classes", 1000),
        "in_channels": part.get("in_channels", 2048),
        "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0},
        "topk": (1, 5),
    }
    if part.get("init_cfg") is not None:
        head["init_cfg"] = part["init_cfg"]
    neck = {"neck": {"type": "GlobalAveragePooling"}} if part.get("with_avg_pool") else {}
    return {**neck, "head": head}


PARTS: Mapping[tuple[str, Any], Part] = {
    ("backbone", "CAEViT"): cae_vit,
    ("backbone", "MIMVisionTransformer"): mim_vit,
    ("backbone", "ResNeXt"): resnet,
    ("backbone", "ResNet"): resnet,
    ("backbone", "ResNetV1d"): resnet,
    ("backbone", "SimMIMSwinTransformer"): swin,
    ("backbone", "SwinTransformer"): swin,
    ("backbone", "VisionTransformer"): vit,
    ("head", "CAEHead"): cae,
    ("head", "ClsHead"): linear_probe,
    ("head", "ContrastiveHead"): contrastive,
    ("head", "LatentCrossCorrelationHead"): cross_correlation,
    ("head", "LatentPredictHead"): latent_predict,
    ("head", "MAEFinetuneHead"): mae_finetune,
    ("head", "MAELinprobeHead"): mae_linear_probe,
    ("head", "MAEPretrainHead"): mae,
    ("head", "MaskFeatFinetuneHead"): mask_feat_finetune,
    ("head", "MaskFeatPretrainHead"): mask_feat,
    ("head", "MoCoV3Head"): moco_v3,
    ("head", "SimMIMHead"): simmim,
    ("head", "SwAVHead"): swav,
    ("neck", "CAENeck"): cae_neck,
    ("neck", "LinearNeck"): linear_neck,
    ("neck", "NonLinearNeck"): nonlinear_neck,
    ("neck", "SimMIMNeck"): simmim_neck,
}
