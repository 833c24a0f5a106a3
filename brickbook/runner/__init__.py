"""mmcv's path ``mmcv.runner``: its modules and checkpoint functions; nothing lives here."""

import sys
from typing import NoReturn

from brickbook import checkpoint, modules
from brickbook.checkpoint import (
    CheckpointLoader,
    _load_checkpoint,
    _load_checkpoint_with_prefix,
    find_latest_checkpoint,
    get_state_dict,
    load_checkpoint,
    load_state_dict,
    save_checkpoint,
    weights_to_cpu,
)
from brickbook.modules import BaseModule, ModuleDict, ModuleList, Sequential
from brickbook.old_paths import alias_modules, refuse

__all__ = [
    "BaseModule", "CheckpointLoader", "ModuleDict", "ModuleList", "Sequential",
    "_load_checkpoint", "_load_checkpoint_with_prefix", "find_latest_checkpoint",
    "get_state_dict", "load_checkpoint", "load_state_dict", "save_checkpoint", "weights_to_cpu",
]  # fmt: skip

# The rest of mmcv 1.7.2's, which trains: loops, hooks, optimizers, processes, half precision.
ABSENT = """
    BaseRunner CheckpointHook ClearMLLoggerHook ClosureHook CosineAnnealingLrUpdaterHook
    CosineAnnealingMomentumUpdaterHook CosineRestartLrUpdaterHook CyclicLrUpdaterHook
    CyclicMomentumUpdaterHook DefaultOptimizerConstructor DefaultRunnerConstructor DistEvalHook
    DistSamplerSeedHook DvcliveLoggerHook EMAHook EpochBasedRunner EvalHook ExpLrUpdaterHook
    FixedLrUpdaterHook FlatCosineAnnealingLrUpdaterHook Fp16OptimizerHook
    GradientCumulativeFp16OptimizerHook GradientCumulativeOptimizerHook HOOKS Hook InvLrUpdaterHook
    IterBasedRunner IterLoader IterTimerHook LinearAnnealingLrUpdaterHook
    LinearAnnealingMomentumUpdaterHook LogBuffer LoggerHook LossScaler LrUpdaterHook
    MlflowLoggerHook NeptuneLoggerHook OPTIMIZERS OPTIMIZER_BUILDERS OneCycleLrUpdaterHook
    OneCycleMomentumUpdaterHook OptimizerHook PaviLoggerHook PolyLrUpdaterHook Priority ProfilerHook
    RUNNERS Runner SegmindLoggerHook StepLrUpdaterHook StepMomentumUpdaterHook SyncBuffersHook
    TensorboardLoggerHook TextLoggerHook WandbLoggerHook allreduce_grads allreduce_params auto_fp16
    build_optimizer build_optimizer_constructor build_runner force_fp32 get_dist_info get_host_info
    get_priority get_time_str init_dist load_url master_only obj_from_dict set_random_seed
    wrap_fp16_model
"""


def __getattr__(name: str) -> NoReturn:
    refuse(sys.modules[__name__], name, ABSENT)


alias_modules(__name__, {"base_module": modules, "checkpoint": checkpoint})
