"""mmcv's import paths with ``brickbook`` for ``mmcv``: at any depth, and the very same objects."""

import importlib
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

import brickbook
from brickbook import ConfigError
from brickbook.utils.weight_init import _get_bases_name, trunc_normal_

INITIALIZERS = (
    "INITIALIZERS BaseInit Caffe2XavierInit ConstantInit KaimingInit NormalInit PretrainedInit "
    "TruncNormalInit UniformInit XavierInit bias_init_with_prob caffe2_xavier_init constant_init "
    "initialize kaiming_init normal_init trunc_normal_init uniform_init xavier_init"
)
TRANSFORMER = (
    "ATTENTION FEEDFORWARD_NETWORK FFN POSITIONAL_ENCODING TRANSFORMER_LAYER AdaptivePadding "
    "TRANSFORMER_LAYER_SEQUENCE BaseTransformerLayer MultiheadAttention PatchEmbed PatchMerging "
    "TransformerLayerSequence build_attention build_dropout build_feedforward_network "
    "build_positional_encoding build_transformer_layer build_transformer_layer_sequence"
)
# What mmcv 1.7.2 has at these paths below mmcv.cnn.bricks, as far as others import it.
BRICKS = {
    "activation": "Clamp build_activation_layer",
    "context_block": "ContextBlock",
    "conv": "build_conv_layer",
    "conv2d_adaptive_padding": "Conv2dAdaptivePadding",
    "conv_module": "ConvModule",
    "conv_ws": "ConvAWS2d ConvWS2d conv_ws_2d",
    "depthwise_separable_conv_module": "DepthwiseSeparableConvModule",
    "drop": "DropPath Dropout build_dropout drop_path",
    "generalized_attention": "GeneralizedAttention",
    "hsigmoid": "HSigmoid",
    "hswish": "HSwish",
    "non_local": "NonLocal1d NonLocal2d NonLocal3d _NonLocalNd",
    "norm": "build_norm_layer infer_abbr is_norm",
    "padding": "build_padding_layer",
    "plugin": "build_plugin_layer infer_abbr",
    "registry": "ACTIVATION_LAYERS ATTENTION CONV_LAYERS DROPOUT_LAYERS FEEDFORWARD_NETWORK "
    "NORM_LAYERS PADDING_LAYERS PLUGIN_LAYERS POSITIONAL_ENCODING TRANSFORMER_LAYER "
    "TRANSFORMER_LAYER_SEQUENCE UPSAMPLE_LAYERS",
    "scale": "LayerScale Scale",
    "swish": "Swish",
    "transformer": TRANSFORMER,
    "upsample": "PixelShufflePack build_upsample_layer",
    "wrappers": "Conv2d Conv3d ConvTranspose2d ConvTranspose3d Linear MaxPool2d MaxPool3d",
}
UTILS = {
    "flops_counter": "flops_to_string get_model_complexity_info params_to_string",
    "fuse_conv_bn": "fuse_conv_bn",
    "sync_bn": "revert_sync_batchnorm",
    "weight_init": f"{INITIALIZERS} _get_bases_name trunc_normal_ update_init_info",
}
CHECKPOINTS = (
    "CheckpointLoader _load_checkpoint _load_checkpoint_with_prefix get_state_dict load_checkpoint "
    "load_state_dict save_checkpoint weights_to_cpu"
)
PATHS = {
    "cnn.alexnet": "AlexNet",
    "cnn.builder": "MODELS build_model_from_cfg",
    "cnn.resnet": "BasicBlock Bottleneck ResNet make_res_layer",
    "cnn.vgg": "VGG make_vgg_layer",
    "resnet": "BasicBlock Bottleneck ResNet make_res_layer",
    "cnn.utils": f"{INITIALIZERS} fuse_conv_bn get_model_complexity_info revert_sync_batchnorm",
    "utils": f"{INITIALIZERS} Registry build_from_cfg fuse_conv_bn revert_sync_batchnorm",
    "utils.registry": "Registry build_from_cfg",
    "utils.parrots_wrapper": "SyncBatchNorm _BatchNorm _InstanceNorm",
    "runner": f"{CHECKPOINTS} BaseModule ModuleDict ModuleList Sequential find_latest_checkpoint",
    "runner.base_module": "BaseModule ModuleDict ModuleList Sequential",
    "runner.checkpoint": CHECKPOINTS,
    **{
        f"{prefix}bricks.{name}": names for name, names in BRICKS.items() for prefix in ("cnn.", "")
    },
    **{f"{prefix}utils.{name}": names for name, names in UTILS.items() for prefix in ("cnn.", "")},
}
REGISTRIES = {
    "CONV_LAYERS": "conv layer", "NORM_LAYERS": "norm layer",
    "ACTIVATION_LAYERS": "activation layer", "PADDING_LAYERS": "padding layer",
    "UPSAMPLE_LAYERS": "upsample layer", "PLUGIN_LAYERS": "plugin layer",
    "DROPOUT_LAYERS": "drop out layers", "POSITIONAL_ENCODING": "position encoding",
    "ATTENTION": "attention", "FEEDFORWARD_NETWORK": "feed-forward Network",
    "TRANSFORMER_LAYER": "transformerLayer",
    "TRANSFORMER_LAYER_SEQUENCE": "transformer-layers sequence", "MODELS": "model",
}  # fmt: skip


@pytest.mark.parametrize(("path", "names"), PATHS.items(), ids=list(PATHS))
def test_a_path_has_its_names(path, names):
    module = importlib.import_module(f"brickbook.{path}")
    for name in names.split():
        value = getattr(module, name)
        if name in brickbook.__all__:
            assert value is getattr(brickbook, name)


def test_all_of_mmcv_cnn():
    from brickbook import cnn

    assert len(cnn.__all__) == 61 and set(cnn.__all__) <= set(brickbook.__all__)
    assert all(getattr(cnn, name) is getattr(brickbook, name) for name in cnn.__all__)


def test_a_module_by_two_names_is_one():
    import brickbook.cnn.bricks.transforms.fuse as by_cnn
    from brickbook.bricks.transforms import fuse

    assert by_cnn is fuse and sys.modules["brickbook.cnn.bricks.cbam"] is brickbook.bricks.cbam


@pytest.mark.processes
def test_the_first_import_of_a_process_may_be_a_deep_one():
    code = (
        "from brickbook.cnn.bricks.transformer import FFN\n"
        "from brickbook.cnn.utils.fuse_conv_bn import fuse_conv_bn\n"
        "import brickbook.runner.checkpoint as checkpoint\n"
        "import brickbook\n"
        "assert FFN is brickbook.FFN and fuse_conv_bn is brickbook.fuse_conv_bn\n"
        "assert checkpoint.load_checkpoint is brickbook.load_checkpoint"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pickles_of_an_old_path():
    data = pickle.dumps(brickbook.ConvModule, protocol=0)
    old = data.replace(b"brickbook.bricks.conv_module", b"brickbook.cnn.bricks.conv_module")
    assert old != data and pickle.loads(old) is brickbook.ConvModule


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("cnn", "Conv2dRFSearchOp",
         "mmcv's Conv2dRFSearchOp (receptive-field search) is out of brickbook's scope."),
        ("runner", "auto_fp16", "mmcv's auto_fp16 is not in brickbook."),
        ("runner", "build_optimizer", "mmcv's build_optimizer is not in brickbook."),
        ("utils", "get_logger", "mmcv's get_logger is not in brickbook."),
    ],
)  # fmt: skip
def test_names_that_are_not_here_say_so(path, name, message):
    module = importlib.import_module(f"brickbook.{path}")
    with pytest.raises(ImportError) as caught:
        getattr(module, name)
    assert str(caught.value) == message and caught.value.name == name
    with pytest.raises(AttributeError) as nonsense:
        _ = module.nonsense
    assert str(nonsense.value) == f"module 'brickbook.{path}' has no attribute 'nonsense'"


@pytest.mark.parametrize("path", ["runner", "utils"])
def test_what_is_absent_is_not_here(path):
    module = importlib.import_module(f"brickbook.{path}")
    absent = module.ABSENT.split()
    assert absent == sorted(set(absent)) and not set(absent) & {*vars(module), *brickbook.__all__}


@pytest.mark.parametrize(("name", "word"), REGISTRIES.items(), ids=list(REGISTRIES))
def test_registries_have_mmcvs_names(name, word):
    assert getattr(brickbook, name).name == word


def test_trunc_normal_fills_a_tensor():
    weight = nn.Parameter(torch.empty(64, 1000))
    assert trunc_normal_(weight, mean=1.0, std=0.5, a=0.5, b=1.5) is weight
    assert weight.min() >= 0.5 and weight.max() <= 1.5 and weight.requires_grad
    assert float(weight.detach().mean()) == pytest.approx(1.0, abs=0.01)
    # of N(0, 1) cut at ±1, times 0.5
    assert float(weight.detach().std()) == pytest.approx(0.5 * 0.53956, abs=0.005)
    with pytest.raises(ConfigError) as caught:
        trunc_normal_(weight, a=2, b=1)
    assert str(caught.value) == "b: expected a or more (a=2), got 1."


def test_the_names_of_bases():
    assert _get_bases_name(nn.Conv2d(3, 3, 1)) == ["_ConvNd"]
