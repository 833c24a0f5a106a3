"""The model under construction, as a value: bricks from configs, a tree of them, its shapes."""

from brickbook.blueprint.building import MODELS, build_model_from_cfg, kinds, resolve
from brickbook.blueprint.slots import slots_of, takes_bricks
from brickbook.blueprint.value import Blueprint

__all__ = [
    "MODELS",
    "Blueprint",
    "build_model_from_cfg",
    "kinds",
    "resolve",
    "slots_of",
    "takes_bricks",
]
