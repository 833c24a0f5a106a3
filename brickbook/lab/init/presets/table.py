"""Common initialisations, as rules for the classes that are really in a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from brickbook.introspect import is_norm_layer
from brickbook.lab.init.presets.good_start import NORM_SCALE_ONE, GoodStart
from brickbook.lab.init.presets.layer_kinds import (
    covering_class_names,
    has_weight,
    is_projection,
    last_biased_projection,
    residual_blocks,
)
from brickbook.registry import Config


@dataclass(frozen=True)
class Preset:
    """A common initialisation: norm scales become 1, and projections get ``weights``.

    Projections are the classes whose weight has two or more dimensions, embeddings excepted; the
    last one that has a bias gets ``last_layer`` on top, as an override. With ``zero_gamma`` the
    last norm of every residual block is 0 at first.
    """

    weights: Config
    last_layer: Config | None = None
    zero_gamma: bool = False

    def rules(self, model: nn.Module) -> tuple[dict[str, Any], ...]:
        """Return the rules for this model; classes it lacks are not named."""
        last = last_biased_projection(model) if self.last_layer else ""
        override = {"override": {**(self.last_layer or {}), "name": last}} if last else {}
        projections = [part for _, part in model.named_modules() if is_projection(part)]
        norms = [part for part in model.modules() if is_norm_layer(part) and has_weight(part)]
        blocks = residual_blocks(model) if self.zero_gamma else []
        return tuple(
            {**law, "layer": layers, **extra}
            for law, layers, extra in (
                (self.weights, covering_class_names(projections), override),
                (NORM_SCALE_ONE, covering_class_names(norms), {}),
                ({"type": "ZeroGamma"}, covering_class_names(blocks), {}),
            )
            if layers
        )


# What the menu calls them stands with the texts, under "preset.".
PRESETS: Mapping[str, Preset | GoodStart] = {
    "by_kind": GoodStart(),
    "kaiming_fan_out": Preset({"type": "Kaiming"}),
    "kaiming_fan_in": Preset({"type": "Kaiming", "mode": "fan_in"}),
    "xavier_normal": Preset({"type": "Xavier"}),
    "xavier_uniform": Preset({"type": "Xavier", "distribution": "uniform"}),
    "lecun": Preset({"type": "LeCun"}),
    "orthogonal": Preset({"type": "Orthogonal"}),
    "zero_gamma": Preset({"type": "Kaiming"}, zero_gamma=True),
    "caffe2": Preset({"type": "Caffe2Xavier"}),
    "trunc_normal": Preset({"type": "TruncNormal", "std": 0.02}),
    "normal_small": Preset({"type": "Normal", "std": 0.01}),
    "normal_large": Preset({"type": "Normal", "std": 1}),
    "uniform": Preset({"type": "Uniform", "a": -0.05, "b": 0.05}),
    "constant": Preset({"type": "Constant", "val": 0.5}),
    "zeros": Preset({"type": "Constant", "val": 0}),
    "focal": Preset(
        {"type": "Normal", "std": 0.01},
        last_layer={"type": "Normal", "std": 0.01, "bias_prob": 0.01},
    ),
}

DEFAULT_NAME = "by_kind"
DEFAULT_PRESET = PRESETS[DEFAULT_NAME]


def initial_init_cfg(model: nn.Module) -> Any:
    """Return the ``init_cfg`` a panel opens with: the model's own, or the default preset."""
    return getattr(model, "init_cfg", None) or list(DEFAULT_PRESET.rules(model))
