"""Checkpoints: a name or URL -> a verified local file -> its state dict -> a model."""

from __future__ import annotations

from brickbook.checkpoint.adapt import adapt_state
from brickbook.checkpoint.cache import Progress, _get_mmcv_home, cache_folder, transfers
from brickbook.checkpoint.errors import (
    CheckpointError,
    DownloadError,
    MissingPackageError,
    WriteError,
)
from brickbook.checkpoint.formats import check_map_location
from brickbook.checkpoint.load import (
    _load_checkpoint,
    _load_checkpoint_with_prefix,
    check_load_options,
    fill_model,
    load_checkpoint,
    load_state_dict,
    load_weights,
    log_match,
)
from brickbook.checkpoint.match import Adapted, Match, Reshaped, match, named_tensors
from brickbook.checkpoint.save import (
    convert,
    find_latest_checkpoint,
    get_state_dict,
    read_meta,
    save_checkpoint,
    weights_to_cpu,
)
from brickbook.checkpoint.schemes import (
    CheckpointLoader,
    _process_mmcls_checkpoint,
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
from brickbook.checkpoint.state_dict import (
    REVISE_KEYS,
    ReviseKeys,
    State,
    read_state,
    rename_keys,
    strip_wrapper_names,
)
from brickbook.checkpoint.zoo import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)
from brickbook.introspect import MODULE_WRAPPERS, is_module_wrapper

__all__ = [
    "MODULE_WRAPPERS",
    "REVISE_KEYS",
    "Adapted",
    "CheckpointError",
    "CheckpointLoader",
    "DownloadError",
    "Match",
    "MissingPackageError",
    "Progress",
    "Reshaped",
    "ReviseKeys",
    "State",
    "WriteError",
    "_get_mmcv_home",
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "_process_mmcls_checkpoint",
    "adapt_state",
    "cache_folder",
    "check_load_options",
    "check_map_location",
    "convert",
    "fill_model",
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
    "log_match",
    "match",
    "named_tensors",
    "read_meta",
    "read_state",
    "rename_keys",
    "save_checkpoint",
    "strip_wrapper_names",
    "transfers",
    "weights_to_cpu",
]
