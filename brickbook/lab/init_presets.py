"""Common ways to start a model, as rules for the classes that are really in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.init.matching import class_names, is_norm_layer
from brickbook.registry import Config

__all__ = ["DEFAULT", "PRESETS", "Preset", "start"]

ONE: Config = {"type": "Constant", "val": 1}


@dataclass(frozen=True)
class Preset:
    """One start: norm scales become 1, and projections get ``weights``.

    Projections are the classes whose weight has two or more dimensions, embeddings excepted; the
    last one that has a bias gets ``last`` on top, as an override. With ``zero_gamma`` the last norm
    of every residual block starts at 0.
    """

    weights: Config
    last: Config | None = None
    zero_gamma: bool = False

    def rules(self, model: nn.Module) -> tuple[dict[str, Any], ...]:
        """Return the rules for this model; classes it lacks are not named."""
        last = last_projection(model) if self.last else ""
        override = {"override": {**(self.last or {}), "name": last}} if last else {}
        projections = [part for _, part in model.named_modules() if is_projection(part)]
        norms = [part for part in model.modules() if is_norm_layer(part) and has_weight(part)]
        return tuple(
            {**law, "layer": layers, **extra}
            for law, layers, extra in (
                (self.weights, names(projections), override),
                (ONE, names(norms), {}),
                ({"type": "ZeroGamma"}, names(blocks(model)) if self.zero_gamma else [], {}),
            )
            if layers
        )


# What the menu calls them stands with the texts, under "preset.".
PRESETS: Mapping[str, Preset] = {
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
        last={"type": "Normal", "std": 0.01, "bias_prob": 0.01},
    ),
}
DEFAULT = PRESETS["kaiming_fan_out"]


def start(model: nn.Module) -> Any:
    """Return the ``init_cfg`` a panel opens with: the model's own, or the usual preset."""
    return getattr(model, "init_cfg", None) or list(DEFAULT.rules(model))


def has_weight(part: nn.Module) -> bool:
    """Whether a module has a weight parameter of its own."""
    return part._parameters.get("weight") is not None


def is_projection(part: nn.Module) -> bool:
    """Whether a module's weight mixes inputs: two or more dimensions, and no table of vectors."""
    weight = part._parameters.get("weight")
    if weight is None or isinstance(part, (nn.Embedding, nn.EmbeddingBag)) or is_norm_layer(part):
        return False
    return is_lazy(weight) or weight.dim() > 1


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the residual blocks of a model, as far as they can be told: two norms and a sum.

    That is: modules, no plain containers, with two or more norms with weights among their children.
    """
    return [
        part
        for part in model.modules()
        if not isinstance(part, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
        and part is not model
        and sum(is_norm_layer(child) and has_weight(child) for child in part.children()) > 1
    ]


def names(parts: list[nn.Module]) -> list[str]:
    """Return the classes of some modules by name, without those that another one covers."""
    kinds = dict.fromkeys(type(part) for part in parts)
    known = {kind.__name__ for kind in kinds}
    return list(
        dict.fromkeys(
            kind.__name__ for kind in kinds if not known.intersection(class_names(kind)[1:])
        )
    )


def last_projection(model: nn.Module) -> str:
    """Return the name of the last projection that has a bias, "" if there is none."""
    found = [
        name
        for name, part in model.named_modules()
        if name and is_projection(part) and part._parameters.get("bias") is not None
    ]
    return found[-1] if found else ""
