"""The public names of brickbook, where each lives: what ``import brickbook`` loads at first use.

``brickbook.X`` and ``brickbook.api.X`` are the same objects for every name of `__all__`.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

from brickbook import __version__, load_ipython_extension

# What an import makes stays: a collection meanwhile would walk all objects of torch for nothing.
_collecting = gc.isenabled()
try:
    gc.disable()
    from brickbook.backbones import (
        VGG,
        AlexNet,
        BasicBlock,
        Bottleneck,
        ResNet,
        make_res_layer,
        make_vgg_layer,
    )
    from brickbook.blueprint import MODELS, Blueprint, build_model_from_cfg, takes_bricks
    from brickbook.bricks import (
        ACTIVATION_LAYERS,
        ATTENTION,
        CBAM,
        CONV_LAYERS,
        DROPOUT_LAYERS,
        FEEDFORWARD_NETWORK,
        FFN,
        GRN,
        NORM_LAYERS,
        PADDING_LAYERS,
        PLUGIN_LAYERS,
        POSITIONAL_ENCODING,
        TRANSFORMER_LAYER,
        TRANSFORMER_LAYER_SEQUENCE,
        UPSAMPLE_LAYERS,
        AdaptivePadding,
        Add,
        BaseTransformerLayer,
        ChannelLayerNorm,
        Clamp,
        Concat,
        ContextBlock,
        Conv2d,
        Conv2dAdaptivePadding,
        Conv3d,
        ConvAWS2d,
        ConvModule,
        ConvTranspose2d,
        ConvTranspose3d,
        ConvWS2d,
        DepthwiseSeparableConvModule,
        Dropout,
        DropPath,
        GatedFFN,
        GeneralizedAttention,
        HSigmoid,
        HSwish,
        LayerNorm2d,
        LayerScale,
        Linear,
        MaxPool2d,
        MaxPool3d,
        MultiheadAttention,
        NonLocal1d,
        NonLocal2d,
        NonLocal3d,
        PatchEmbed,
        PatchMerging,
        PixelShufflePack,
        Repeat,
        Residual,
        Scale,
        SqueezeExcite,
        Swish,
        TransformerLayerSequence,
        build_activation_layer,
        build_attention,
        build_conv_layer,
        build_dropout,
        build_feedforward_network,
        build_norm_layer,
        build_padding_layer,
        build_plugin_layer,
        build_positional_encoding,
        build_transformer_layer,
        build_transformer_layer_sequence,
        build_upsample_layer,
        conv_ws_2d,
        is_norm,
    )
    from brickbook.checkpoint import (
        CheckpointLoader,
        _load_checkpoint,
        _load_checkpoint_with_prefix,
        find_latest_checkpoint,
        get_state_dict,
        load_checkpoint,
        load_state_dict,
        load_weights,
        save_checkpoint,
        weights_to_cpu,
    )
    from brickbook.errors import ConfigError, UnmatchedRuleWarning
    from brickbook.init import (
        INITIALIZERS,
        BaseInit,
        Caffe2XavierInit,
        ConstantInit,
        InitPlan,
        InitReport,
        KaimingInit,
        NormalInit,
        PretrainedInit,
        TruncNormalInit,
        UniformInit,
        XavierInit,
        base_shapes,
        bias_init_with_prob,
        caffe2_xavier_init,
        constant_init,
        initialize,
        kaiming_init,
        lsuv,
        mup_learning_rates,
        normal_init,
        plan,
        trunc_normal_init,
        uniform_init,
        xavier_init,
    )
    from brickbook.introspect import following
    from brickbook.modules import BaseModule, ModuleDict, ModuleList, Sequential
    from brickbook.registry import Registry, build_from_cfg
finally:
    if _collecting:
        gc.enable()

if TYPE_CHECKING:
    from brickbook.bricks.plain_torch import to_module_source
    from brickbook.bricks.transforms.fuse import fuse_conv_bn
    from brickbook.bricks.transforms.sync_batchnorm import (
        convert_sync_batchnorm,
        revert_sync_batchnorm,
    )
    from brickbook.init.execution.materialize import materialize, skeleton
    from brickbook.init.lockfile import assert_starts_as
    from brickbook.init.presets import Presets, preset, presets
    from brickbook.init.tracing import History, trace
    from brickbook.measure import CoordinateCheck, coordinate_check
    from brickbook.measure.cost import Complexity, complexity
    from brickbook.measure.cost.mmcv_flops import get_model_complexity_info
    from brickbook.measure.diagnosis import Finding, diagnose
    from brickbook.measure.expected import expected_signals
    from brickbook.measure.identify import Identification, identify
    from brickbook.measure.mean_field import MeanField, mean_field
    from brickbook.measure.network import Network, network
    from brickbook.measure.probe import Signals, probe
    from brickbook.measure.race import Race, race
    from brickbook.measure.recorder import ActivationHistory, Recorder
    from brickbook.measure.snapshot import Comparison, Snapshot, compare, snapshot
    from brickbook.measure.spectra import Spectra, jacobian_spectrum, spectra
    from brickbook.measure.triple import Triple, triple
    from brickbook.utils.weight_init import update_init_info

__all__ = [
    "ACTIVATION_LAYERS",
    "ATTENTION",
    "CBAM",
    "CONV_LAYERS",
    "DROPOUT_LAYERS",
    "FEEDFORWARD_NETWORK",
    "FFN",
    "GRN",
    "INITIALIZERS",
    "MODELS",
    "NORM_LAYERS",
    "PADDING_LAYERS",
    "PLUGIN_LAYERS",
    "POSITIONAL_ENCODING",
    "TRANSFORMER_LAYER",
    "TRANSFORMER_LAYER_SEQUENCE",
    "UPSAMPLE_LAYERS",
    "VGG",
    "ActivationHistory",
    "AdaptivePadding",
    "Add",
    "AlexNet",
    "BaseInit",
    "BaseModule",
    "BaseTransformerLayer",
    "BasicBlock",
    "Blueprint",
    "Bottleneck",
    "Caffe2XavierInit",
    "ChannelLayerNorm",
    "CheckpointLoader",
    "Clamp",
    "Comparison",
    "Complexity",
    "Concat",
    "ConfigError",
    "ConstantInit",
    "ContextBlock",
    "Conv2d",
    "Conv2dAdaptivePadding",
    "Conv3d",
    "ConvAWS2d",
    "ConvModule",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "ConvWS2d",
    "CoordinateCheck",
    "DepthwiseSeparableConvModule",
    "DropPath",
    "Dropout",
    "Finding",
    "GatedFFN",
    "GeneralizedAttention",
    "HSigmoid",
    "HSwish",
    "History",
    "Identification",
    "InitPlan",
    "InitReport",
    "KaimingInit",
    "LayerNorm2d",
    "LayerScale",
    "Linear",
    "MaxPool2d",
    "MaxPool3d",
    "MeanField",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "Network",
    "NonLocal1d",
    "NonLocal2d",
    "NonLocal3d",
    "NormalInit",
    "PatchEmbed",
    "PatchMerging",
    "PixelShufflePack",
    "Presets",
    "PretrainedInit",
    "Race",
    "Recorder",
    "Registry",
    "Repeat",
    "ResNet",
    "Residual",
    "Scale",
    "Sequential",
    "Signals",
    "Snapshot",
    "Spectra",
    "SqueezeExcite",
    "Swish",
    "TransformerLayerSequence",
    "Triple",
    "TruncNormalInit",
    "UniformInit",
    "UnmatchedRuleWarning",
    "XavierInit",
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "assert_starts_as",
    "base_shapes",
    "bias_init_with_prob",
    "build_activation_layer",
    "build_attention",
    "build_conv_layer",
    "build_dropout",
    "build_feedforward_network",
    "build_from_cfg",
    "build_model_from_cfg",
    "build_norm_layer",
    "build_padding_layer",
    "build_plugin_layer",
    "build_positional_encoding",
    "build_transformer_layer",
    "build_transformer_layer_sequence",
    "build_upsample_layer",
    "caffe2_xavier_init",
    "compare",
    "complexity",
    "constant_init",
    "conv_ws_2d",
    "convert_sync_batchnorm",
    "coordinate_check",
    "diagnose",
    "expected_signals",
    "find_latest_checkpoint",
    "following",
    "fuse_conv_bn",
    "get_model_complexity_info",
    "get_state_dict",
    "identify",
    "initialize",
    "is_norm",
    "jacobian_spectrum",
    "kaiming_init",
    "load_checkpoint",
    "load_ipython_extension",
    "load_state_dict",
    "load_weights",
    "lsuv",
    "make_res_layer",
    "make_vgg_layer",
    "materialize",
    "mean_field",
    "mup_learning_rates",
    "network",
    "normal_init",
    "plan",
    "preset",
    "presets",
    "probe",
    "race",
    "revert_sync_batchnorm",
    "save_checkpoint",
    "skeleton",
    "snapshot",
    "spectra",
    "takes_bricks",
    "to_module_source",
    "trace",
    "triple",
    "trunc_normal_init",
    "uniform_init",
    "update_init_info",
    "weights_to_cpu",
    "xavier_init",
]


# Public names of mmcv.cnn and mmcv.runner that this version does not have.
LATER = frozenset(("auto_fp16", "force_fp32"))
# A search over dilations that needs mmcv's runner: it is no part of a library of layers.
OUT_OF_SCOPE = frozenset(("Conv2dRFSearchOp", "RFSearchHook"))

# Loaded at first use: who only builds models need not wait for them.
MEASURES = (
    "ActivationHistory", "Comparison", "Complexity", "CoordinateCheck", "Finding", "Identification",
    "MeanField", "Network",
    "Race", "Recorder", "Signals", "Snapshot", "Spectra", "Triple", "compare", "complexity",
    "coordinate_check", "diagnose", "expected_signals", "identify", "jacobian_spectrum",
    "mean_field", "network", "probe",
    "race", "snapshot", "spectra", "triple",
)  # fmt: skip
AT_FIRST_USE = {
    **dict.fromkeys(MEASURES, "brickbook.measure"),
    "assert_starts_as": "brickbook.init.lockfile",
    "convert_sync_batchnorm": "brickbook.bricks.transforms.sync_batchnorm",
    "fuse_conv_bn": "brickbook.bricks.transforms.fuse",
    "get_model_complexity_info": "brickbook.measure.cost.mmcv_flops",
    "History": "brickbook.init.tracing",
    "materialize": "brickbook.init.execution.materialize",
    "Presets": "brickbook.init.presets",
    "preset": "brickbook.init.presets",
    "presets": "brickbook.init.presets",
    "revert_sync_batchnorm": "brickbook.bricks.transforms.sync_batchnorm",
    "skeleton": "brickbook.init.execution.materialize",
    "to_module_source": "brickbook.bricks.plain_torch",
    "trace": "brickbook.init.tracing",
    "update_init_info": "brickbook.utils.weight_init",
}


def __getattr__(name: str) -> Any:
    if name in AT_FIRST_USE:
        return getattr(import_module(AT_FIRST_USE[name]), name)
    if name in OUT_OF_SCOPE:
        problem = f"mmcv's {name} (receptive-field search) is out of brickbook's scope."
        raise ImportError(problem, name=name)
    if name in LATER:
        raise ImportError(f"mmcv's {name} is not in brickbook {__version__}.", name=name)
    raise AttributeError(f"module 'brickbook' has no attribute {name!r}")
