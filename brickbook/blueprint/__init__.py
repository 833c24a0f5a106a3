"""The model under construction, as a value: bricks from configs, a tree of them, its shapes."""

from brickbook.blueprint.blueprint import Blueprint
from brickbook.blueprint.build import (
    FAMILIES,
    MODELS,
    build_model_from_cfg,
    check_sizes,
    has_open_arguments,
    kinds,
    resolve,
    slots_in,
)
from brickbook.blueprint.faults import Fault, format_shape, running_fault
from brickbook.blueprint.infer import ARGUMENT_AXES, AUTO, CHANNEL_ARGUMENTS, FEATURE_ARGUMENTS
from brickbook.blueprint.meta import MacCounter, first_shape, to_meta
from brickbook.blueprint.tree import (
    Path,
    as_chain,
    as_path,
    chains_in,
    format_path,
    remove_at,
    slots_of,
    takes_bricks,
)

__all__ = [
    "ARGUMENT_AXES",
    "AUTO",
    "CHANNEL_ARGUMENTS",
    "FAMILIES",
    "FEATURE_ARGUMENTS",
    "MODELS",
    "Blueprint",
    "Fault",
    "MacCounter",
    "Path",
    "as_chain",
    "as_path",
    "build_model_from_cfg",
    "chains_in",
    "check_sizes",
    "first_shape",
    "format_path",
    "format_shape",
    "has_open_arguments",
    "kinds",
    "remove_at",
    "resolve",
    "running_fault",
    "slots_in",
    "slots_of",
    "takes_bricks",
    "to_meta",
]
