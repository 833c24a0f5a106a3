"""Names that users of mmcv.cnn import from deep inside: the same path under ``brickbook``."""

import importlib

import pytest

import brickbook

# mmcv.cnn.bricks.X is brickbook.bricks.X
DEEP = {
    "activation": ("Clamp", "build_activation_layer"),
    "conv": ("build_conv_layer",),
    "conv2d_adaptive_padding": ("Conv2dAdaptivePadding",),
    "conv_module": ("ConvModule",),
    "conv_ws": ("ConvAWS2d", "ConvWS2d", "conv_ws_2d"),
    "depthwise_separable_conv_module": ("DepthwiseSeparableConvModule",),
    "drop": ("DropPath", "Dropout", "build_dropout", "drop_path"),
    "hsigmoid": ("HSigmoid",),
    "hswish": ("HSwish",),
    "norm": ("build_norm_layer", "infer_abbr", "is_norm"),
    "padding": ("build_padding_layer",),
    "registry": (
        "ACTIVATION_LAYERS", "ATTENTION", "CONV_LAYERS", "DROPOUT_LAYERS", "FEEDFORWARD_NETWORK",
        "NORM_LAYERS", "PADDING_LAYERS", "PLUGIN_LAYERS", "POSITIONAL_ENCODING",
        "TRANSFORMER_LAYER", "TRANSFORMER_LAYER_SEQUENCE", "UPSAMPLE_LAYERS",
    ),
    "scale": ("LayerScale", "Scale"),
    "swish": ("Swish",),
    "upsample": ("PixelShufflePack", "build_upsample_layer"),
    "wrappers": (
        "Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d", "Linear", "MaxPool2d",
        "MaxPool3d",
    ),
}  # fmt: skip
REGISTRIES = {
    "CONV_LAYERS": "conv layer", "NORM_LAYERS": "norm layer",
    "ACTIVATION_LAYERS": "activation layer", "PADDING_LAYERS": "padding layer",
    "UPSAMPLE_LAYERS": "upsample layer", "PLUGIN_LAYERS": "plugin layer",
    "DROPOUT_LAYERS": "drop out layers", "POSITIONAL_ENCODING": "position encoding",
    "ATTENTION": "attention", "FEEDFORWARD_NETWORK": "feed-forward Network",
    "TRANSFORMER_LAYER": "transformerLayer",
    "TRANSFORMER_LAYER_SEQUENCE": "transformer-layers sequence", "MODELS": "model",
}  # fmt: skip


@pytest.mark.parametrize(("module", "names"), DEEP.items(), ids=list(DEEP))
def test_deep_names(module, names):
    found = importlib.import_module(f"brickbook.bricks.{module}")
    for name in names:
        assert name in found.__all__
        public = getattr(brickbook, name, None)
        assert public is None or public is getattr(found, name)


@pytest.mark.parametrize(("name", "word"), REGISTRIES.items(), ids=list(REGISTRIES))
def test_registries_have_mmcvs_names(name, word):
    assert getattr(brickbook, name).name == word
