"""The configs: one function a start, with what a shape does not tell as its arguments."""

from __future__ import annotations

from typing import Any

from brickbook.errors import BadValueError

__all__ = [
    "bert", "convnext_timm", "convnext_torchvision", "dcgan", "efficientnet_timm",
    "efficientnet_torchvision", "gpt2", "llama", "resnet", "resnet_zero_gamma", "swin_timm",
    "swin_torchvision", "t5", "vit_jax", "vit_timm", "whisper",
]  # fmt: skip

Rules = list[dict[str, Any]]


def norms(layer: str = "LayerNorm") -> dict[str, Any]:
    """Return the rule for norms: scale 1, shift 0."""
    return {"type": "Constant", "val": 1, "layer": layer}


def small_normal(*layers: str) -> dict[str, Any]:
    """Return N(0, 0.02²) for layers, biases 0."""
    return {"type": "Normal", "std": 0.02, "layer": layers[0] if len(layers) == 1 else list(layers)}


def small_trunc_normal(*layers: str) -> dict[str, Any]:
    """Return N(0, 0.02²), cut at ±2, which is 100 standard deviations; biases 0."""
    return {
        "type": "TruncNormal",
        "std": 0.02,
        "layer": layers[0] if len(layers) == 1 else list(layers),
    }


def gpt2(blocks: str = "transformer.h") -> Rules:
    """N(0, 0.02²), and what ends a residual branch by 1/√(2L); ``blocks`` names the L blocks."""
    scaled = {"type": "Normal", "std": 0.02}
    return [
        norms(),
        small_normal("Conv1D"),
        small_normal("Embedding"),
        {"type": "DepthScaled", "init": scaled, "depth": blocks, "layer": "*.c_proj"},
    ]


def bert() -> Rules:
    """N(0, 0.02²) for all that is linear and for embeddings."""
    return [norms(), small_normal("Linear"), small_normal("Embedding")]


def t5(d_model: int = 512, d_kv: int = 64) -> Rules:
    """LeCun's law but for queries, which take the attention's 1/√d_kv into theirs."""
    for key, value in (("d_model", d_model), ("d_kv", d_kv)):
        if value < 1:
            raise BadValueError(key, f"expected 1 or more, got {value}.")
    return [
        norms("T5LayerNorm"),
        {"type": "LeCun", "layer": "Linear"},
        {"type": "Normal", "std": (d_model * d_kv) ** -0.5, "layer": "*.q"},
        {"type": "Normal", "std": 1, "layer": "shared"},
        {"type": "Normal", "std": d_model**-0.5, "layer": "*.relative_attention_bias"},
    ]


def llama() -> Rules:
    """N(0, 0.02²) for all that is linear and for embeddings."""
    return [norms("LlamaRMSNorm"), small_normal("Linear"), small_normal("Embedding")]


def whisper() -> Rules:
    """N(0, 0.02²); the encoder's table of sines is left alone."""
    layers = ("Linear", "Conv1d", "WhisperPositionalEmbedding", "*.embed_tokens")
    return [norms(), small_normal(*layers)]


def vit_timm() -> Rules:
    """N(0, 0.02²), cut, for all that is linear and the positions; the class token nearly 0."""
    return [
        norms(),
        small_trunc_normal("Linear"),
        small_trunc_normal("VisionTransformer:pos_embed"),
        {"type": "Normal", "std": 1e-6, "layer": "VisionTransformer:cls_token"},
    ]


def vit_jax() -> Rules:
    """Glorot's uniform law, biases of the MLPs nearly 0, a head of 0, a patch layer by LeCun."""
    return [
        norms(),
        {"type": "TruncNormal", "std": 0.02, "layer": "VisionTransformer:pos_embed"},
        {"type": "Normal", "std": 1e-6, "layer": "VisionTransformer:cls_token"},
        {"type": "LeCun", "distribution": "truncated_normal", "layer": "Conv2d"},
        {"type": "Xavier", "distribution": "uniform", "layer": "Linear"},
        {"type": "Normal", "std": 1e-6, "layer": ["*.mlp.fc1:bias", "*.mlp.fc2:bias"]},
        {"type": "Constant", "val": 0, "layer": "head"},
    ]


def convnext(scale: str) -> Rules:
    """Return ConvNeXt's start; ``scale`` selects the scales of the residual branches."""
    return [
        norms(),
        small_trunc_normal("Conv2d", "Linear"),
        {"type": "Constant", "val": 1e-6, "layer": scale},
    ]


def convnext_timm() -> Rules:
    """N(0, 0.02²), cut, everywhere; the scale of each residual branch 10⁻⁶."""
    return convnext("ConvNeXtBlock:gamma")


def convnext_torchvision() -> Rules:
    """N(0, 0.02²), cut, everywhere; the scale of each residual branch 10⁻⁶."""
    return convnext("CNBlock:layer_scale")


def swin_timm() -> Rules:
    """N(0, 0.02²), cut, for all that is linear and the tables of relative positions."""
    table = "WindowAttention:relative_position_bias_table"
    return [norms(), small_trunc_normal("Linear"), small_trunc_normal(table)]


def swin_torchvision() -> Rules:
    """N(0, 0.02²), cut, for all that is linear and the tables of relative positions."""
    table = "ShiftedWindowAttention:relative_position_bias_table"
    return [norms(), small_trunc_normal("Linear"), small_trunc_normal(table)]


def resnet() -> Rules:
    """He's normal law by fan_out for convolutions, 1 and 0 for norms."""
    return [norms("BatchNorm2d"), {"type": "Kaiming", "layer": "Conv2d"}]


def resnet_zero_gamma() -> Rules:
    """As ResNet, but the last norm of each residual branch begins with 0."""
    return [*resnet(), {"type": "ZeroGamma", "layer": ["BasicBlock", "Bottleneck"]}]


def efficientnet_torchvision() -> Rules:
    """He's normal law by fan_out, and U(±1/√classes) for the head."""
    return [
        norms("BatchNorm2d"),
        {"type": "Kaiming", "layer": "Conv2d"},
        {
            "type": "VarianceScaling", "scale": 1 / 3, "mode": "fan_out",
            "distribution": "uniform", "layer": "Linear",
        },
    ]  # fmt: skip


def efficientnet_timm() -> Rules:
    """As torchvision's, but the fan of a depthwise convolution is that of one group."""
    depthwise = {"type": "Kaiming", "mode": "fan_in", "layer": "*.conv_dw"}
    return [*efficientnet_torchvision(), depthwise]


def dcgan() -> Rules:
    """N(0, 0.02²) for convolutions, N(1, 0.02²) for the scales of norms."""
    return [
        small_normal("Conv2d", "ConvTranspose2d"),
        {"type": "Normal", "mean": 1, "std": 0.02, "layer": "BatchNorm2d"},
    ]
