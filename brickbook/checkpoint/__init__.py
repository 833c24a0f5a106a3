"""Checkpoints: a name or URL -> a verified local file -> its state dict -> a model."""

from __future__ import annotations

from brickbook.checkpoint.errors import (
    CheckpointError,
    DownloadError,
    MissingPackageError,
    WriteError,
)
from brickbook.checkpoint.loaders import (
    CheckpointLoader,
    load_from_ceph,
    load_from_http,
    load_from_hub,
    load_from_local,
    load_from_mmcls,
    load_from_openmmlab,
    load_from_pavi,
    load_from_torchvision,
    locate,
)
from brickbook.checkpoint.loading import (
    _load_checkpoint,
    _load_checkpoint_with_prefix,
    load_checkpoint,
    load_state_dict,
    load_weights,
)
from brickbook.checkpoint.matching import Adapted, Match, Reshaped, match, named_tensors
from brickbook.checkpoint.opening import _process_mmcls_checkpoint
from brickbook.checkpoint.places import _get_mmcv_home, cache_folder, transfers
from brickbook.checkpoint.saving import (
    find_latest_checkpoint,
    get_state_dict,
    read_meta,
    save_checkpoint,
    weights_to_cpu,
)
from brickbook.checkpoint.state import read_state
from brickbook.checkpoint.wrappers import MODULE_WRAPPERS, is_module_wrapper
from brickbook.checkpoint.zoo import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

__all__ = [
    "MODULE_WRAPPERS",
    "Adapted",
    "CheckpointError",
    "CheckpointLoader",
    "DownloadError",
    "Match",
    "MissingPackageError",
    "Reshaped",
    "WriteError",
    "_get_mmcv_home",
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "_process_mmcls_checkpoint",
    "cache_folder",
    "find_latest_checkpoint",
    "get_deprecated_model_names",
    "get_external_models",
    "get_mmcls_models",
    "get_state_dict",
    "get_torchvision_models",
    "is_module_wrapper",
    "load_checkpoint",
    "load_from_ceph",
    "load_from_http",
    "load_from_hub",
    "load_from_local",
    "load_from_mmcls",
    "load_from_openmmlab",
    "load_from_pavi",
    "load_from_torchvision",
    "load_state_dict",
    "load_weights",
    "locate",
    "match",
    "named_tensors",
    "read_meta",
    "read_state",
    "save_checkpoint",
    "transfers",
    "weights_to_cpu",
]
