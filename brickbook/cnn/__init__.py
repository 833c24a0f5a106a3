"""mmcv's path ``mmcv.cnn``: its names and the modules below it; nothing lives here."""
# The names are brickbook's, by `__getattr__`.
# pyright: reportUnsupportedDunderAll=false

from typing import Any

import brickbook
from brickbook import bricks, utils
from brickbook.backbones import alexnet, resnet, vgg
from brickbook.blueprint import build
from brickbook.old_paths import alias_modules

# mmcv 1.7.2's, without its search over receptive fields.
__all__ = [
    "ACTIVATION_LAYERS", "CONV_LAYERS", "INITIALIZERS", "MODELS", "NORM_LAYERS", "PADDING_LAYERS",
    "PLUGIN_LAYERS", "UPSAMPLE_LAYERS", "VGG", "AlexNet", "Caffe2XavierInit", "ConstantInit",
    "ContextBlock", "Conv2d", "Conv3d", "ConvAWS2d", "ConvModule", "ConvTranspose2d",
    "ConvTranspose3d", "ConvWS2d", "DepthwiseSeparableConvModule", "GeneralizedAttention",
    "HSigmoid", "HSwish", "KaimingInit", "Linear", "MaxPool2d", "MaxPool3d", "NonLocal1d",
    "NonLocal2d", "NonLocal3d", "NormalInit", "PretrainedInit", "ResNet", "Scale", "Swish",
    "TruncNormalInit", "UniformInit", "XavierInit", "bias_init_with_prob",
    "build_activation_layer", "build_conv_layer", "build_model_from_cfg", "build_norm_layer",
    "build_padding_layer", "build_plugin_layer", "build_upsample_layer", "caffe2_xavier_init",
    "constant_init", "conv_ws_2d", "fuse_conv_bn", "get_model_complexity_info", "initialize",
    "is_norm", "kaiming_init", "make_res_layer", "make_vgg_layer", "normal_init",
    "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__ or name in brickbook.OUT_OF_SCOPE:
        return getattr(brickbook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


alias_modules(__name__, {
    "alexnet": alexnet, "bricks": bricks, "builder": build, "resnet": resnet, "utils": utils,
    "vgg": vgg,
})  # fmt: skip
