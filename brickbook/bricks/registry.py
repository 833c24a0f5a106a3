"""The registries of the layers that a config can name, and the lookup that the builders share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brickbook.blueprint import FAMILIES, MODELS
from brickbook.config import call, signature_of, unwrap_partial
from brickbook.errors import BadArgumentError, ConfigError, UnknownNameError
from brickbook.registry import Config, Registry, find, split_type

__all__ = [
    "ACTIVATION_LAYERS",
    "ATTENTION",
    "CONV_LAYERS",
    "DROPOUT_LAYERS",
    "FEEDFORWARD_NETWORK",
    "NORM_LAYERS",
    "PADDING_LAYERS",
    "PLUGIN_LAYERS",
    "POSITIONAL_ENCODING",
    "TRANSFORMER_LAYER",
    "TRANSFORMER_LAYER_SEQUENCE",
    "UPSAMPLE_LAYERS",
    "build_from_family",
    "build_layer",
    "build_with_defaults",
    "find_layer",
    "let_replace_extras",
    "register_rows",
]

CONV_LAYERS = FAMILIES["conv"]
NORM_LAYERS = FAMILIES["norm"]
ACTIVATION_LAYERS = FAMILIES["activation"]
PADDING_LAYERS = FAMILIES["padding"]
UPSAMPLE_LAYERS = FAMILIES["upsample"]
PLUGIN_LAYERS = FAMILIES["plugin"]
DROPOUT_LAYERS = FAMILIES["drop"]
POSITIONAL_ENCODING = FAMILIES["position"]
ATTENTION = FAMILIES["attention"]
FEEDFORWARD_NETWORK = FAMILIES["ffn"]
TRANSFORMER_LAYER = FAMILIES["transformer_layer"]
TRANSFORMER_LAYER_SEQUENCE = FAMILIES["transformer"]

BUILDERS: tuple[tuple[Registry, str], ...] = (
    (CONV_LAYERS, "a conv layer: use build_conv_layer"),
    (NORM_LAYERS, "a norm layer: use build_norm_layer"),
    (ACTIVATION_LAYERS, "an activation layer: use build_activation_layer"),
    (PADDING_LAYERS, "a padding layer: use build_padding_layer"),
    (UPSAMPLE_LAYERS, "an upsample layer: use build_upsample_layer"),
    (PLUGIN_LAYERS, "a plugin layer: use build_plugin_layer"),
    (DROPOUT_LAYERS, "a dropout layer: use build_dropout"),
    (POSITIONAL_ENCODING, "a positional encoding: use build_positional_encoding"),
    (ATTENTION, "an attention: use build_attention"),
    (FEEDFORWARD_NETWORK, "a feed-forward network: use build_feedforward_network"),
    (TRANSFORMER_LAYER, "a transformer layer: use build_transformer_layer"),
    (
        TRANSFORMER_LAYER_SEQUENCE,
        "a sequence of transformer layers: use build_transformer_layer_sequence",
    ),
)

# What mmcv 1.7.2 registers, by scope. All other names a user may take for a class of his own.
MMCV_NAMES: Mapping[str, tuple[str, ...]] = {
    "conv": ("Conv1d", "Conv2d", "Conv3d", "Conv", "Conv2dAdaptivePadding", "ConvWS", "ConvAWS",
             "deconv", "ConvTranspose2d", "deconv3d", "ConvTranspose3d"),
    "norm": ("BN", "BN1d", "BN2d", "BN3d", "SyncBN", "GN", "LN", "IN", "IN1d", "IN2d", "IN3d"),
    "activation": ("ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU", "Sigmoid", "Tanh", "SiLU",
                   "Clamp", "Clip", "GELU", "HSigmoid", "HSwish", "Swish"),
    "padding": ("zero", "reflect", "replicate"),
    "upsample": ("nearest", "bilinear", "pixel_shuffle", "deconv", "deconv3d"),
    "plugin": ("ConvModule", "NonLocal2d", "ContextBlock", "GeneralizedAttention"),
    "drop": ("DropPath", "Dropout"),
    "attention": ("MultiheadAttention",),
    "ffn": ("FFN",),
    "transformer_layer": ("BaseTransformerLayer",),
    "transformer": ("TransformerLayerSequence",),
}  # fmt: skip

COMPILED_HINT = "It is one of mmcv's compiled operators, which brickbook does not have."

# A near name would be another layer: no guess for what mmcv's users may well have in a config.
MISSING_OPERATORS = dict.fromkeys((
    "CrissCrossAttention", "DCN", "DCNv2", "MMSyncBN", "MultiScaleDeformableAttention", "SAC",
    "SparseConv2d", "SparseConv3d", "SparseInverseConv2d", "SparseInverseConv3d", "SubMConv2d",
    "SubMConv3d", "carafe",
), COMPILED_HINT)  # fmt: skip


def let_replace_extras() -> None:
    """Let users take the layers' names that brickbook has registered and mmcv has not."""
    for scope, registry in FAMILIES.items():
        own = {name for name, make in registry.module_dict.items() if is_own(make)}
        registry.let_replace(own.difference(MMCV_NAMES.get(scope, ())))


def register_rows(registry: Registry, rows: Mapping[str, Callable[..., Any]]) -> None:
    """Register a table of names."""
    for name, make in rows.items():
        registry.register_module(name=name, module=make)


def find_layer(kind: object, registry: Registry, path: str) -> Callable[..., Any]:
    """Return what ``type`` means in one family of layers.

    A class, a function or a partial stands for itself; a name that a user has put into `MODELS`,
    mmcv 2's only registry, is known to every family, and wins over one that only brickbook has.

    Raises:
        KeyError: The family does not have the name, or it is the scoped name of another family
            (``"conv.Conv2d"`` for a norm).
    """
    if isinstance(kind, str) and (kind not in registry.module_dict or registry.may_replace(kind)):
        own = MODELS.module_dict.get(kind)
        if own is not None and not is_own(own):
            return own
    if isinstance(kind, str) and kind not in registry.module_dict:
        if kind in MISSING_OPERATORS:
            problem = f"{kind} is not in the {registry.name} registry."
            raise UnknownNameError(f"{path}.type", problem, MISSING_OPERATORS[kind])
        scope, name = Registry.split_scope_key(kind)
        for other, hint in BUILDERS:
            mine = other is registry or scope not in (None, other.scope)
            if not mine and name in other.module_dict:
                raise UnknownNameError(
                    f"{path}.type",
                    f"{kind} is not in the {registry.name} registry.",
                    f"{name} is {hint}.",
                )
    return find(kind, registry, path)


def is_own(make: Callable[..., Any]) -> bool:
    """Whether a row is of this package or of torch; one of `MODELS` is no layer of any family."""
    return unwrap_partial(make).__module__.partition(".")[0] in ("brickbook", "torch")


def build_layer(
    make: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Config,
    own: Config,
    path: str,
) -> Any:
    """Call ``make(*args, **kwargs, **own)``, where ``own`` are the keys of the config at ``path``.

    An error in an argument of the call has the bare name of the argument as its path, one in the
    config has ``path.key``.

    Raises:
        TypeError: The layer does not take an argument, one is missing, or one is both in the call
            and in the config.
    """
    for key in own:
        if key in kwargs:
            raise BadArgumentError(
                f"{path}.{key}",
                f"{unwrap_partial(make).__name__} gets multiple values for it: "
                f"{own[key]!r} here, {kwargs[key]!r} in the call.",
            )
    try:
        return call(make, args, {**kwargs, **own}, path)
    except ConfigError as error:
        key = error.path.removeprefix(f"{path}.")
        if key not in own and (key in kwargs or key in signature_of(make).named):
            error.path, error.args = key, (key, error.problem, error.hint)
        raise


def build_from_family(
    cfg: object, registry: Registry, args: Sequence[Any], kwargs: Config, path: str
) -> Any:
    """Build a layer of one family from its config and the arguments of the call."""
    kind, own = split_type(cfg, path)
    return build_layer(find_layer(kind, registry, path), args, kwargs, own, path)


def build_with_defaults(
    cfg: object, registry: Registry, default_args: Config | None, path: str
) -> Any:
    """Build a layer of one family from its config.

    Args:
        cfg: The layer's ``type`` and arguments.
        registry: The family.
        default_args: What stands where ``cfg`` has no such key.
        path: Where an error stands.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
    """
    if not (default_args is None or isinstance(default_args, Mapping)):
        raise BadArgumentError(
            "default_args", f"default_args must be a dict or None, but got {type(default_args)}."
        )
    if not isinstance(cfg, Mapping):
        raise BadArgumentError(path, f"cfg must be a dict, but got {type(cfg)}.")
    kind, own = split_type({**(default_args or {}), **cfg}, path)
    return build_layer(find_layer(kind, registry, path), (), {}, own, path)
