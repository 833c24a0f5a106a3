"""The pipelines, transform by transform.

A transform is one function, from its config to those that take its place, and one row of
`TRANSFORMS` (MMClassification) or `VIEW_TRANSFORMS` (MMSelfSup, whose own are torchvision's).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from brickbook.errors import format_value
from brickbook.migrate.rules.context import Config, Context, Pixels, expect_dicts

__all__ = ["migrate_pipeline", "migrate_views"]


@dataclass
class Place:
    """Where a transform stands, and what the pipeline has done to the pixels so far."""

    path: str
    context: Context
    pixels: Pixels

    def note(self, rule: str, at: str = "", /, **values: Any) -> None:
        """Add a note about this transform or one of its arguments."""
        self.context.note(f"pipeline.{rule}", f"{self.path}.{at}" if at else self.path, **values)


Transform = Callable[[Config, Place], list[Config]]


def rename(cfg: Config, place: Place, names: Mapping[str, str]) -> Config:
    """Return a transform with other names of arguments."""
    for old in names:
        if old in cfg:
            place.note("renamed", old, old=f"{cfg['type']}.{old}", new=names[old])
    return {names.get(key, key): value for key, value in cfg.items()}


def write_default(cfg: Config, place: Place, key: str, value: Any) -> None:
    """Write what 0.x takes where nothing is given, and 1.x does not."""
    if key not in cfg:
        cfg[key] = value
        place.note("default_written", key, key=key, value=value)


def drop(cfg: Config, place: Place, *keys: str) -> None:
    """Leave out arguments that have no meaning any more."""
    for key in keys:
        if key in cfg:
            del cfg[key]
            place.note("argument_dropped", key, key=key)


def width_height(size: Any, place: Place, key: str) -> Any:
    """Return a pair the other way round: 0.x has (height, width), MMCV 2 (width, height)."""
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        return size
    if size[0] != size[1]:
        place.note("height_width", key)
    return (size[1], size[0])


# ------------------------------------------------------------------------------ MMClassification


def load(cfg: Config, place: Place) -> list[Config]:
    """LoadImageFromFile is MMCV's; ``to_float32`` and ``color_type`` stay."""
    if cfg.get("file_client_args") == {"backend": "disk"}:
        drop(cfg, place, "file_client_args")
    return [cfg]


def random_flip(cfg: Config, place: Place) -> list[Config]:
    """``RandomFlip(flip_prob=p)`` → ``RandomFlip(prob=p)``; the default of 0.5 is gone."""
    write_default(cfg, place, "flip_prob", 0.5)
    return [rename(cfg, place, {"flip_prob": "prob"})]


def random_crop(cfg: Config, place: Place) -> list[Config]:
    """``RandomCrop(size=s)`` → ``RandomCrop(crop_size=s)``; both are (height, width)."""
    return [rename(cfg, place, {"size": "crop_size"})]


def random_resized_crop(cfg: Config, place: Place) -> list[Config]:
    """``size`` → ``scale``, ``scale`` → ``crop_ratio_range``, ``ratio`` → ``aspect_ratio_range``.

    ``efficientnet_style=True`` is EfficientNetRandomCrop.
    """
    efficientnet = cfg.pop("efficientnet_style", False)
    names = {"size": "scale", "scale": "crop_ratio_range", "ratio": "aspect_ratio_range"}
    cfg = rename(cfg, place, names)
    if not efficientnet:
        drop(cfg, place, "min_covered", "crop_padding")
        return [cfg]
    place.note("efficientnet", "efficientnet_style", new="EfficientNetRandomCrop")
    write_default(cfg, place, "interpolation", "bilinear")
    return [{**cfg, "type": "EfficientNetRandomCrop"}]


def center_crop(cfg: Config, place: Place) -> list[Config]:
    """``CenterCrop(efficientnet_style=True)`` → ``EfficientNetCenterCrop``."""
    if cfg.pop("efficientnet_style", False):
        place.note("efficientnet", "efficientnet_style", new="EfficientNetCenterCrop")
        write_default(cfg, place, "interpolation", "bilinear")
        return [{**cfg, "type": "EfficientNetCenterCrop"}]
    drop(cfg, place, "crop_padding", "interpolation", "backend")
    cfg["crop_size"] = width_height(cfg.get("crop_size"), place, "crop_size")
    return [cfg]


def resize(cfg: Config, place: Place) -> list[Config]:
    """``Resize(size=n)`` → ``Resize(scale=n)``; ``size=(n, -1)`` → ``ResizeEdge(scale=n)``."""
    size, side = cfg.pop("size", None), cfg.pop("adaptive_side", "short")
    rest = {key: value for key, value in cfg.items() if key != "type"}
    if isinstance(size, Sequence) and len(size) == 2 and size[1] == -1:
        place.note("resize_edge", "size")
        return [{"type": "ResizeEdge", "scale": size[0], "edge": side, **rest}]
    place.note("renamed", "size", old="Resize.size", new="scale")
    return [{"type": "Resize", "scale": width_height(size, place, "size"), **rest}]


def pad(cfg: Config, place: Place) -> list[Config]:
    """``Pad(size=(height, width))`` → ``Pad(size=(width, height))``."""
    if "size" in cfg:
        cfg["size"] = width_height(cfg["size"], place, "size")
    return [cfg]


def random_grayscale(cfg: Config, place: Place) -> list[Config]:
    """``RandomGrayscale(gray_prob=p)`` → ``RandomGrayscale(prob=p, keep_channels=True)``."""
    write_default(cfg, place, "gray_prob", 0.1)
    return [{**rename(cfg, place, {"gray_prob": "prob"}), "keep_channels": True}]


def lighting(cfg: Config, place: Place) -> list[Config]:
    """``Lighting(to_rgb=True)`` → ``to_rgb=False`` with the rows of ``eigvec`` the other way round.

    In 0.x it turns BGR into RGB, the preprocessor of 1.x does that at the end.
    """
    if cfg.pop("to_rgb", True):
        place.pixels.rgb = not place.pixels.rgb
    if place.pixels.rgb:
        place.note("lighting", "to_rgb")
        cfg["eigvec"] = list(reversed(cfg.get("eigvec", ())))
    return [{**cfg, "to_rgb": False}]


def normalize(cfg: Config, place: Place) -> list[Config]:
    """Normalize → ``data_preprocessor``."""
    if cfg.get("to_rgb", True):
        place.pixels.rgb = not place.pixels.rgb
    place.pixels.mean, place.pixels.std = cfg.get("mean"), cfg.get("std")
    place.note("normalize")
    return []


def named_policies(cfg: Config, place: Place) -> list[Config]:
    """Lists of policies that 1.x knows by name → the name."""
    for name, policies in shipped_policies().items():
        if as_lists(cfg.get("policies")) == policies:
            place.note("named_policies", "policies", name=name)
            cfg["policies"] = name
    return [cfg]


def rand_augment(cfg: Config, place: Place) -> list[Config]:
    """RandAugment; the default of ``total_level`` was 30 and is 10."""
    write_default(cfg, place, "total_level", 30)
    return named_policies(cfg, place)


@cache
def shipped_policies() -> Mapping[str, Any]:
    """Return the lists of policies that 1.x knows by name."""
    file = Path(__file__).parent.parent / "facts" / "policies.json"
    return json.loads(file.read_text(encoding="utf-8"))


def as_lists(value: Any) -> Any:
    """Return a value with lists instead of tuples."""
    if isinstance(value, Mapping):
        return {key: as_lists(part) for key, part in value.items()}
    return [as_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


# What Collect gives of an image, and how PackInputs names it; "" for what is gone.
META_KEYS = {"filename": "img_path", "ori_filename": "", "img_norm_cfg": "", "pad_shape": ""}
USUAL_META_KEYS = ("sample_idx", "img_path", "ori_shape", "img_shape", "scale_factor", "flip",
                   "flip_direction")  # fmt: skip


def collect(cfg: Config, place: Place) -> list[Config]:
    """ToTensor, ImageToTensor and Collect → one PackInputs."""
    place.note("packed")
    packed: Config = {"type": "PackInputs"}
    others = [key for key in cfg.get("keys", ()) if key not in ("img", "gt_label")]
    if others:
        packed["algorithm_keys"] = others
    if cfg.get("meta_keys") is not None:
        place.note("meta_keys", "meta_keys")
        renamed = (META_KEYS.get(key, key) for key in cfg["meta_keys"])
        packed["meta_keys"] = tuple(dict.fromkeys(filter(None, renamed)))
    return [packed]


def to_tensor(cfg: Config, place: Place) -> list[Config]:
    """PackInputs does it."""
    return []


def gone(cfg: Config, place: Place) -> list[Config]:
    """Nothing takes its place."""
    place.note("gone", kind=cfg["type"])
    return []


def as_it_is(cfg: Config, place: Place) -> list[Config]:
    """Nothing changes."""
    return [cfg]


def renamed_as(name: str, cfg: Config, place: Place) -> list[Config]:
    """Only the name changes."""
    place.note("renamed", "type", old=cfg["type"], new=name)
    return [{**cfg, "type": name}]


TRANSFORMS: Mapping[str, Transform] = {
    "Albu": partial(renamed_as, "Albumentations"),
    "AutoAugment": named_policies,
    "CenterCrop": center_crop,
    "Collect": collect,
    "ImageToTensor": to_tensor,
    "Lighting": lighting,
    "LoadImageFromFile": load,
    "Normalize": normalize,
    "Pad": pad,
    "RandAugment": rand_augment,
    "RandomCrop": random_crop,
    "RandomFlip": random_flip,
    "RandomGrayscale": random_grayscale,
    "RandomResizedCrop": random_resized_crop,
    "Resize": resize,
    "ToHalf": gone,
    "ToNumpy": partial(renamed_as, "PILToNumpy"),
    "ToPIL": partial(renamed_as, "NumpyToPIL"),
    "ToTensor": to_tensor,
    "WrapFieldsToLists": gone,
    **dict.fromkeys(
        ("AutoContrast", "Brightness", "ColorJitter", "ColorTransform", "Contrast", "Cutout",
         "Equalize", "Invert", "Posterize", "RandomErasing", "Rotate", "Sharpness", "Shear",
         "Solarize", "SolarizeAdd", "Translate"),
        as_it_is,
    ),
}  # fmt: skip

# ------------------------------------------------------------------------------------- MMSelfSup

# Codes of PIL's filters, which torchvision takes, and their names.
INTERPOLATIONS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
# What torchvision's grey is made of; MMCV loads BGR.
GREY_WEIGHTS = (0.114, 0.587, 0.2989)


def of_pillow(cfg: Config, place: Place) -> Config:
    """Return a transform that interpolates as PIL does."""
    place.note("pillow")
    cfg["backend"] = "pillow"
    if "interpolation" in cfg:
        code = cfg["interpolation"]
        cfg["interpolation"] = INTERPOLATIONS.get(code, code)
    return cfg


def view_resized_crop(cfg: Config, place: Place) -> list[Config]:
    """RandomResizedCrop of torchvision → MMPretrain's with ``backend='pillow'``."""
    return random_resized_crop(of_pillow(cfg, place), place)


def view_resize(cfg: Config, place: Place) -> list[Config]:
    """Resize of torchvision → ``ResizeEdge`` for a number: it resizes the shorter side."""
    cfg = of_pillow(cfg, place)
    if isinstance(cfg.get("size"), int):
        cfg["size"] = (cfg["size"], -1)
    return resize(cfg, place)


def view_center_crop(cfg: Config, place: Place) -> list[Config]:
    """``CenterCrop(size=n)`` → ``CenterCrop(crop_size=n)``."""
    return center_crop(rename(cfg, place, {"size": "crop_size"}), place)


def view_flip(direction: str, cfg: Config, place: Place) -> list[Config]:
    """``RandomHorizontalFlip(p)`` → ``RandomFlip(prob, direction='horizontal')``."""
    cfg = with_probability(cfg, place, 0.5)
    place.note("renamed", "type", old=cfg["type"], new="RandomFlip")
    return [{**cfg, "type": "RandomFlip", "direction": direction}]


def with_probability(cfg: Config, place: Place, usual: float) -> Config:
    """``p`` → ``prob``."""
    write_default(cfg, place, "p", usual)
    return rename(cfg, place, {"p": "prob"})


def random_apply(cfg: Config, place: Place) -> list[Config]:
    """``RandomAppliedTrans(transforms, p)`` → ``RandomApply(transforms, prob)``."""
    cfg = with_probability(cfg, place, 0.5)
    cfg["transforms"] = steps(cfg.get("transforms", ()), f"{place.path}.transforms", place)
    return [{**cfg, "type": "RandomApply"}]


def view_grayscale(cfg: Config, place: Place) -> list[Config]:
    """``RandomGrayscale(p)`` → with torchvision's weights, for BGR."""
    cfg = with_probability(cfg, place, 0.1)
    return [{**cfg, "keep_channels": True, "channel_weights": GREY_WEIGHTS}]


def view_blur(cfg: Config, place: Place) -> list[Config]:
    """``GaussianBlur(sigma_min, sigma_max, p)`` → ``magnitude_range``, drawn uniformly."""
    cfg = with_probability(cfg, place, 0.5)
    drawn = {"magnitude_range": (cfg.pop("sigma_min", None), cfg.pop("sigma_max", None))}
    return [{**cfg, **drawn, "magnitude_std": "inf"}]


def view_solarize(cfg: Config, place: Place) -> list[Config]:
    """``Solarization(threshold, p)`` → ``Solarize(thr, prob)``."""
    cfg = with_probability(cfg, place, 0.5)
    place.note("renamed", "type", old="Solarization", new="Solarize")
    return [{"type": "Solarize", "thr": cfg.pop("threshold", 128), **without_type(cfg)}]


def without_type(cfg: Config) -> Config:
    """Return the arguments of a transform."""
    return {key: value for key, value in cfg.items() if key != "type"}


def view_normalize(cfg: Config, place: Place) -> list[Config]:
    """Normalize of values up to 1 → ``data_preprocessor`` of values up to 255."""
    place.pixels.mean, place.pixels.std = times_255(cfg.get("mean")), times_255(cfg.get("std"))
    place.note("normalize")
    return []


# The directions in which the colours of ImageNet vary, of red, green and blue, and how much, in
# units of 1: MMSelfSup has them within.
PCA_VALUES = (0.2175, 0.0188, 0.0045)
PCA_VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.814), (-0.5836, -0.6948, 0.4203))


def view_lighting(cfg: Config, place: Place) -> list[Config]:
    """``Lighting(alphastd)`` → with MMSelfSup's own directions, for BGR up to 255."""
    write_default(cfg, place, "eigval", times_255(PCA_VALUES))
    write_default(cfg, place, "eigvec", [list(row) for row in reversed(PCA_VECTORS)])
    return [{**cfg, "to_rgb": False}]


def times_255(values: Any) -> list[float] | None:
    """Return numbers for pixels up to 255, without the noise of the multiplication."""
    return None if values is None else [round(value * 255, 6) for value in values]


def mask_feat(cfg: Config, place: Place) -> list[Config]:
    """``MaskFeatMaskGenerator`` → ``BEiTMaskGenerator`` of as many patches."""
    size, ratio = cfg.pop("mask_window_size", 14), cfg.pop("mask_ratio", 0.4)
    place.note("renamed", "type", old=cfg["type"], new="BEiTMaskGenerator")
    masked = {"input_size": size, "num_masking_patches": round(size * size * ratio)}
    write_default(cfg, place, "min_num_patches", 15)
    return [{"type": "BEiTMaskGenerator", **masked, **without_type(cfg)}]


TIMM_POLICY = re.compile(r"rand-m(\d+)(?:-n(\d+))?-mstd([\d.]+)-inc1")


def random_aug(cfg: Config, place: Place) -> list[Config]:
    """RandomAug, the training transform of timm → crop, flip, RandAugment and RandomErasing."""
    policy = TIMM_POLICY.fullmatch(str(cfg.get("auto_augment")))
    if policy is None:
        place.note("unknown", kind=format_value(cfg.get("auto_augment")))
        return [cfg]
    place.note("random_aug")
    place.pixels.mean, place.pixels.std = times_255(cfg.get("mean")), times_255(cfg.get("std"))
    mean, std = (list(reversed(values or ())) for values in (place.pixels.mean, place.pixels.std))
    interpolation = cfg.get("interpolation") or "bilinear"
    crop = {"scale": cfg.get("input_size"), "backend": "pillow", "interpolation": interpolation}
    drawn = {"num_policies": int(policy[2] or 2), "total_level": 10,
             "magnitude_level": int(policy[1]), "magnitude_std": float(policy[3])}  # fmt: skip
    # Halves are rounded up, as the official configs have it.
    hparams = {"pad_val": [int(value + 0.5) for value in mean], "interpolation": interpolation}
    erase = {"erase_prob": cfg.get("re_prob") or 0.0, "min_area_ratio": 0.02,
             "max_area_ratio": 1 / 3, "fill_color": mean, "fill_std": std}  # fmt: skip
    mode = "rand" if cfg.get("re_mode") == "pixel" else "const"
    return [
        {"type": "RandomResizedCrop", **crop},
        {"type": "RandomFlip", "prob": 0.5, "direction": "horizontal"},
        {"type": "RandAugment", "policies": "timm_increasing", **drawn, "hparams": hparams},
        {"type": "RandomErasing", "mode": mode, **erase},
    ]


# Transforms of torchvision that have other arguments than those of the same name in TRANSFORMS.
OF_TORCHVISION = ("AutoAugment", "Pad", "RandAugment", "RandomErasing")
VIEW_TRANSFORMS: Mapping[str, Transform] = {
    **{name: rule for name, rule in TRANSFORMS.items() if name not in OF_TORCHVISION},
    "BEiTMaskGenerator": as_it_is,
    "CenterCrop": view_center_crop,
    "GaussianBlur": view_blur,
    "Lighting": view_lighting,
    "MaskFeatMaskGenerator": mask_feat,
    "Normalize": view_normalize,
    "RandomAppliedTrans": random_apply,
    "RandomAug": random_aug,
    "RandomGrayscale": view_grayscale,
    "RandomHorizontalFlip": partial(view_flip, "horizontal"),
    "RandomResizedCrop": view_resized_crop,
    "RandomResizedCropAndInterpolationWithTwoPic": as_it_is,
    "RandomVerticalFlip": partial(view_flip, "vertical"),
    "Resize": view_resize,
    "SimMIMMaskGenerator": as_it_is,
    "Solarization": view_solarize,
}


# ------------------------------------------------------------------------------------- a pipeline


def steps(pipeline: Sequence[Config], path: str, place: Place) -> list[Config]:
    """Return what takes the place of each transform, one after the other."""
    table = VIEW_TRANSFORMS if place.context.selfsup else TRANSFORMS
    new: list[Config] = []
    for i, transform in enumerate(expect_dicts(pipeline, path)):
        cfg = deepcopy(transform)
        here = Place(f"{path}[{i}]", place.context, place.pixels)
        name = cfg.get("type")
        if isinstance(name, str) and name.startswith(("mmcls.", "mmselfsup.")):
            name = cfg["type"] = name.partition(".")[2]
        rule = table.get(name) if isinstance(name, str) else None
        if rule is None:
            here.note("unknown", "type", kind=format_value(name))
            new.append(cfg)
        else:
            new += rule(cfg, here)
    return new


def migrate_pipeline(
    pipeline: Sequence[Config], path: str, split: str, context: Context
) -> list[Config]:
    """Return a pipeline of 1.x, and keep what it does to the pixels in ``context.pixels``."""
    pixels = Pixels(rgb=context.selfsup)  # MMSelfSup loads with PIL
    new = steps(pipeline, path, Place(path, context, pixels))
    context.pixels.setdefault(split, pixels)
    if context.selfsup and not any(cfg.get("type") == "LoadImageFromFile" for cfg in new):
        new.insert(0, {"type": "LoadImageFromFile"})
    tensors = any(cfg.get("type") in ("ToTensor", "ImageToTensor") for cfg in pipeline)
    if (context.selfsup or tensors) and not any(cfg.get("type") == "PackInputs" for cfg in new):
        new.append({"type": "PackInputs"})
    if difficult(context) and split != "train" and new and new[-1].get("type") == "PackInputs":
        keys = new[-1].get("meta_keys", USUAL_META_KEYS)
        new[-1] = {**new[-1], "meta_keys": (*keys, "gt_label_difficult")}
    return new


def difficult(context: Context) -> bool:
    """Whether VOC's metrics ask for the labels of difficult objects."""
    data = context.old.get("data") or {}
    return any((data.get(split) or {}).get("type") == "VOC" for split in ("val", "test")
               if isinstance(data.get(split), Mapping))  # fmt: skip


def migrate_views(
    pipelines: Sequence[Sequence[Config]], views: Any, path: str, split: str, context: Context
) -> list[Config]:
    """``num_views=[2], pipelines=[p]`` → ``MultiView(num_views=2, transforms=[p])``."""
    new = []
    for i, pipeline in enumerate(pipelines):
        pixels = Pixels(rgb=True)
        new.append(steps(pipeline, f"{path}[{i}]", Place(path, context, pixels)))
        context.pixels.setdefault(split, pixels)
    count = views[0] if isinstance(views, Sequence) and len(views) == 1 else views
    view = {"type": "MultiView", "num_views": count, "transforms": new}
    return [{"type": "LoadImageFromFile"}, view, {"type": "PackInputs"}]
