"""The table of presets, and how one is found, written as code, and held against a model."""

from __future__ import annotations

import inspect
import pprint
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from brickbook.config import call
from brickbook.errors import ConfigError, UnknownNameError, nearest
from brickbook.init.planning import plan
from brickbook.init.presets import configs
from brickbook.introspect import class_names
from brickbook.records import Column, Records, check_keys, refusing_damage

__all__ = ["Preset", "Presets", "find_preset", "preset", "presets"]

Rules = list[dict[str, Any]]


@dataclass(frozen=True)
class Preset:
    """How models of one kind start.

    Attributes:
        name: what it is called.
        make: returns the config; its arguments are what the shapes of a model do not tell.
        library: where it can be seen: the library, the file and the function in it.
        paper: who has published it, and where it stands there.
        left: what it leaves as the library's layers start it themselves, in words; "" for nothing.
    """

    name: str
    make: Callable[..., Rules]
    library: str
    paper: str
    left: str = ""

    def config(self, **arguments: Any) -> Rules:
        """Return the ``init_cfg``, a new one each time.

        Raises:
            BadArgumentError: it takes no such argument.
        """
        return call(self.make, (), arguments, "preset")

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return (inspect.getdoc(self.make) or "").split("\n\n")[0].replace("\n", " ")

    @property
    def arguments(self) -> str:
        """Its arguments with their defaults, as code."""
        given = inspect.signature(self.make).parameters.values()
        return ", ".join(f"{each.name}={each.default!r}" for each in given)

    def to_python(self, **arguments: Any) -> str:
        """Return the config as Python code, with what is known of it above."""
        left = f"\n# Left as the layers start themselves: {self.left}." if self.left else ""
        taken = f"\n# Takes {self.arguments}." if self.arguments else ""
        head = f"# {self.name}: {self.about}\n# {self.paper}\n# {self.library}{left}{taken}"
        config = pprint.pformat(self.config(**arguments), width=96, sort_dicts=False)
        return f"{head}\ninit_cfg = {config}\n"

    def fits(self, model: nn.Module) -> bool:
        """Whether each rule names something in a model, with the arguments' defaults."""
        config = self.config()
        known = {
            name for kind in {type(part) for part in model.modules()} for name in class_names(kind)
        }
        if not all(names_one_of(rule["layer"], known) for rule in config):
            return False
        try:
            return not plan(model, config).unmatched
        except ConfigError:
            return False


def names_one_of(layers: str | list[str], known: set[str]) -> bool:
    """Whether a rule may name a layer: a class that is known, or a pattern of names."""
    words = [layers] if isinstance(layers, str) else layers
    return any("*" in word or word.partition(":")[0] in known or word.islower() for word in words)


TRANSFORMERS = "transformers/models"
PRESETS = (
    Preset(
        "GPT-2", configs.gpt2,
        f"{TRANSFORMERS}/gpt2/modeling_gpt2.py, GPT2PreTrainedModel._init_weights",
        "Radford et al. 2019, Language Models are Unsupervised Multitask Learners, §2.3",
    ),
    Preset(
        "BERT", configs.bert,
        "transformers/modeling_utils.py, PreTrainedModel._init_weights",
        "Devlin et al. 2018, BERT; the authors' modeling.py, create_initializer, which cuts the "
        "law at two standard deviations",
    ),
    Preset(
        "T5", configs.t5,
        f"{TRANSFORMERS}/t5/modeling_t5.py, T5PreTrainedModel._init_weights",
        "Raffel et al. 2019, Exploring the Limits of Transfer Learning, §2.1; Shazeer & Stern "
        "2018, Adafactor, for Mesh TensorFlow's start",
    ),
    Preset(
        "Llama", configs.llama,
        "transformers/modeling_utils.py, PreTrainedModel._init_weights",
        "Touvron et al. 2023, LLaMA; the paper names no start: it is the library's",
    ),
    Preset(
        "Whisper", configs.whisper,
        "transformers/modeling_utils.py, PreTrainedModel._init_weights",
        "Radford et al. 2022, Robust Speech Recognition; the paper names no start: it is the "
        "library's",
        "the encoder's positions, a table of sines",
    ),
    Preset(
        "ViT (timm)", configs.vit_timm,
        "timm/models/vision_transformer.py, init_weights_vit_timm",
        "Dosovitskiy et al. 2020, An Image is Worth 16x16 Words; std 0.02 as Touvron et al. 2020, "
        "DeiT",
        "the patch layer: U(±1/√fan_in) as torch starts it",
    ),
    Preset(
        "ViT (JAX)", configs.vit_jax,
        "timm/models/vision_transformer.py, init_weights_vit_jax",
        "Dosovitskiy et al. 2020, An Image is Worth 16x16 Words; the authors' JAX code",
    ),
    Preset(
        "ConvNeXt (timm)", configs.convnext_timm,
        "timm/models/convnext.py, _init_weights",
        "Liu et al. 2022, A ConvNet for the 2020s, table 5 (appendix A.1)",
    ),
    Preset(
        "ConvNeXt (torchvision)", configs.convnext_torchvision,
        "torchvision/models/convnext.py, ConvNeXt.__init__",
        "Liu et al. 2022, A ConvNet for the 2020s, table 5 (appendix A.1)",
    ),
    Preset(
        "Swin (timm)", configs.swin_timm,
        "timm/models/vision_transformer.py, init_weights_vit_timm",
        "Liu et al. 2021, Swin Transformer; the authors' swin_transformer.py, _init_weights",
        "the patch layer: U(±1/√fan_in) as torch starts it",
    ),
    Preset(
        "Swin (torchvision)", configs.swin_torchvision,
        "torchvision/models/swin_transformer.py, SwinTransformer.__init__",
        "Liu et al. 2021, Swin Transformer; the authors' swin_transformer.py, _init_weights",
        "the patch layer: U(±1/√fan_in) as torch starts it",
    ),
    Preset(
        "ResNet", configs.resnet,
        "torchvision/models/resnet.py, ResNet.__init__",
        "He et al. 2015, Delving Deep into Rectifiers, eq. 14; He et al. 2015, Deep Residual "
        "Learning, §3.4",
        "the head: U(±1/√fan_in) as torch starts it",
    ),
    Preset(
        "ResNet (zero gamma)", configs.resnet_zero_gamma,
        "torchvision/models/resnet.py, ResNet.__init__ with zero_init_residual; "
        "timm/models/resnet.py, ResNet.init_weights",
        "Goyal et al. 2017, Accurate, Large Minibatch SGD, §5.1",
        "the head: U(±1/√fan_in) as torch starts it",
    ),
    Preset(
        "EfficientNet (timm)", configs.efficientnet_timm,
        "timm/models/_efficientnet_builder.py, _init_weight_goog",
        "Tan & Le 2019, EfficientNet; the authors' efficientnet_model.py, conv_kernel_initializer",
    ),
    Preset(
        "EfficientNet (torchvision)", configs.efficientnet_torchvision,
        "torchvision/models/efficientnet.py, EfficientNet.__init__",
        "Tan & Le 2019, EfficientNet; the authors' efficientnet_model.py, conv_kernel_initializer",
    ),
    Preset(
        "DCGAN", configs.dcgan,
        "pytorch/examples, dcgan/main.py, weights_init",
        "Radford et al. 2015, Unsupervised Representation Learning with DCGANs, §4",
    ),
)  # fmt: skip
COLUMNS = (
    Column("name", "preset", dtype="str"),
    Column("about", "start", dtype="str"),
    Column("paper", "paper", dtype="str"),
    Column("library", "seen in", dtype="str"),
    Column("left", dtype="str"),
)


@dataclass(frozen=True)
class Presets(Records[Preset]):
    """The presets, by name."""

    rows: tuple[Preset, ...] = PRESETS

    _missing_message = "there is no preset"

    @cached_property
    def by_name(self) -> Mapping[str, Preset]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The presets by name."""
        return {row.name: row for row in self.rows}

    def __repr__(self) -> str:
        return f"Presets: {', '.join(self.by_name)}"

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Iterable[Preset]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return names and configs as JSON-able values."""
        return {"presets": {row.name: row.config() for row in self.rows}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "presets") -> Presets:
        """Undo ``to_dict``: the presets of these names, as this version has them.

        Raises:
            ConfigError: A key is missing, or a name is not known.
        """
        with refusing_damage(path):
            check_keys(data, path, "presets")
            known = cls()
            return cls(tuple(known[name] for name in data["presets"]))


def presets(model: nn.Module | None = None) -> Presets:
    """Return how models of the literature start: a table of configs, with paper and library.

    Each was held against the library's own model (``make parity``): planned on it, it gives every
    parameter the law that a trace of the library's construction shows; what it leaves to the
    layers themselves is said.

    Args:
        model: only those whose rules all name something in this model.

    >>> list(presets(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))))
    ['ResNet', 'DCGAN']
    """
    if model is None:
        return Presets()
    return Presets(tuple(row for row in PRESETS if row.fits(model)))


def preset(name: str, **arguments: Any) -> Rules:
    """Return the ``init_cfg`` of a preset.

    Args:
        name: as in the table of `presets`; upper and lower case are one.
        **arguments: what the shapes of a model do not tell, such as T5's ``d_kv``.

    Raises:
        UnknownNameError: there is no such preset; a KeyError.
        BadArgumentError: it takes no such argument.

    >>> preset("Llama")[0]
    {'type': 'Constant', 'val': 1, 'layer': 'LlamaRMSNorm'}
    """
    return find_preset(name).config(**arguments)


def find_preset(name: str) -> Preset:
    """Return a preset by its name; UnknownNameError if there is none."""
    for row in PRESETS:
        if isinstance(name, str) and row.name.casefold() == name.casefold():
            return row
    known = [row.name for row in PRESETS]
    raise UnknownNameError("preset", f"there is no preset {name!r}.", nearest(name, known))
