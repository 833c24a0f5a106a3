"""mmcv's paths ``mmcv.utils`` and ``mmcv.cnn.utils``, as far as brickbook has their names."""

import sys
from typing import NoReturn

from brickbook import registry
from brickbook.bricks.transforms import fuse, sync_batchnorm
from brickbook.bricks.transforms.fuse import fuse_conv_bn
from brickbook.bricks.transforms.sync_batchnorm import revert_sync_batchnorm
from brickbook.measure.cost import mmcv_flops
from brickbook.measure.cost.mmcv_flops import get_model_complexity_info
from brickbook.old_paths import alias_modules, refuse
from brickbook.registry import Registry, build_from_cfg
from brickbook.utils.parrots_wrapper import SyncBatchNorm, _BatchNorm, _InstanceNorm
from brickbook.utils.weight_init import (
    INITIALIZERS,
    BaseInit,
    Caffe2XavierInit,
    ConstantInit,
    KaimingInit,
    NormalInit,
    PretrainedInit,
    TruncNormalInit,
    UniformInit,
    XavierInit,
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    initialize,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)

__all__ = [
    "INITIALIZERS", "BaseInit", "Caffe2XavierInit", "ConstantInit", "KaimingInit", "NormalInit",
    "PretrainedInit", "Registry", "SyncBatchNorm", "TruncNormalInit", "UniformInit", "XavierInit",
    "_BatchNorm", "_InstanceNorm", "bias_init_with_prob", "build_from_cfg", "caffe2_xavier_init",
    "constant_init", "fuse_conv_bn", "get_model_complexity_info", "initialize", "kaiming_init",
    "normal_init", "revert_sync_batchnorm", "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip

# The rest of mmcv 1.7.2's: files, logs, progress bars, compilers of its operators.
ABSENT = """
    BuildExtension CUDAExtension Config ConfigDict CppExtension DataLoader DictAction PoolDataLoader
    ProgressBar TORCH_VERSION Timer TimerError assert_attrs_equal assert_dict_contains_subset
    assert_dict_has_keys assert_is_norm_layer assert_keys_equal assert_params_all_zeros
    check_file_exist check_prerequisites check_python_script check_time collect_env concat_list
    deprecated_api_warning digit_version fopen get_git_hash get_logger has_method
    import_modules_from_strings is_filepath is_jit_tracing is_list_of is_method_overridden
    is_rocm_pytorch is_seq_of is_str is_tuple_of iter_cast list_cast load_url mkdir_or_exist
    print_log requires_executable requires_package scandir slice_list symlink to_1tuple to_2tuple
    to_3tuple to_4tuple to_ntuple track_iter_progress track_parallel_progress track_progress
    tuple_cast
"""


def __getattr__(name: str) -> NoReturn:
    refuse(sys.modules[__name__], name, ABSENT)


alias_modules(__name__, {
    "flops_counter": mmcv_flops, "fuse_conv_bn": fuse, "registry": registry,
    "sync_bn": sync_batchnorm,
})  # fmt: skip
