"""Each preset, planned on its library's model: the laws that a trace of the construction shows."""

from __future__ import annotations

import fnmatch
import random
import warnings
from itertools import pairwise

import pytest
import torch
from peers import import_peer
from torch import nn
from torchvision_support import import_torchvision

from brickbook import plan, preset, presets, trace
from brickbook.init.laws import Constant, same_law


@pytest.fixture(autouse=True)
def torchvision_first():
    """Import torchvision with the operators it misses before a peer imports it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_torchvision()


def small(transformers, name, **sizes):
    """Return what builds a small model of transformers from its config."""
    sizes = {"vocab_size": 120, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **sizes}
    config = getattr(transformers, f"{name[0]}Config")(**sizes)
    return lambda: getattr(transformers, name[1])(config)


def of_transformers(name, **sizes):
    """Return a function that builds what `small` says."""
    return lambda: small(import_peer("transformers"), name, **sizes)()


def of_timm(name, **arguments):
    """Return a function that builds a model of timm, without memory."""

    def build():
        timm = import_peer("timm")
        with torch.device("meta"):
            return timm.create_model(name, **arguments)

    return build


def of_torchvision(name, **arguments):
    """Return a function that builds a model of torchvision, without memory."""

    def build():
        models = import_torchvision().models
        with torch.device("meta"):
            return models.get_model(name, **arguments)

    return build


def dcgan():
    """Return the generator and the discriminator of the paper, started as pytorch/examples does."""

    def start(module):
        name = type(module).__name__
        if "Conv" in name:
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif "BatchNorm" in name:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)

    widths = (100, 64, 32, 3)
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        layers += [nn.ConvTranspose2d(inner, outer, 4, 2, bias=False), nn.BatchNorm2d(outer)]
    judge = [
        nn.Conv2d(3, 32, 4, 2, bias=False),
        nn.BatchNorm2d(32),
        nn.Conv2d(32, 1, 4, bias=False),
    ]
    return nn.Sequential(*layers, *judge).apply(start)


BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
LLAMA = {**BERT, "num_key_value_heads": 2}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4}
T5 = {"d_model": 48, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 4}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "decoder_start_token_id": 1,
}  # fmt: skip
CASES = [
    ("GPT-2", {}, of_transformers(("GPT2", "GPT2LMHeadModel"), **GPT2), ()),
    ("GPT-2", {"blocks": "h"}, of_transformers(("GPT2", "GPT2Model"), **GPT2), ()),
    ("BERT", {}, of_transformers(("Bert", "BertModel"), **BERT), ()),
    ("BERT", {}, of_transformers(("Bert", "BertForMaskedLM"), **BERT), ()),
    ("T5", {"d_model": 48, "d_kv": 16},
     of_transformers(("T5", "T5ForConditionalGeneration"), **T5), ()),
    ("Llama", {}, of_transformers(("Llama", "LlamaForCausalLM"), **LLAMA), ()),
    ("Whisper", {}, of_transformers(("Whisper", "WhisperModel"), **BART),
     ("encoder.embed_positions.weight",)),
    ("ViT (timm)", {}, of_timm("vit_tiny_patch16_224", depth=2), ("patch_embed.proj.*",)),
    ("ViT (JAX)", {}, of_timm("vit_tiny_patch16_224", depth=2, weight_init="jax"), ()),
    ("ConvNeXt (timm)", {}, of_timm("convnext_atto"), ()),
    ("ConvNeXt (torchvision)", {}, of_torchvision("convnext_tiny"), ()),
    ("Swin (timm)", {}, of_timm("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)),
     ("patch_embed.proj.*",)),
    ("Swin (torchvision)", {}, of_torchvision("swin_t"), ("features.0.0.*",)),
    ("ResNet", {}, of_torchvision("resnet18"), ("fc.*",)),
    ("ResNet", {}, of_torchvision("resnet50"), ("fc.*",)),
    ("ResNet (zero gamma)", {}, of_torchvision("resnet18", zero_init_residual=True), ("fc.*",)),
    ("ResNet (zero gamma)", {}, of_timm("resnet18"), ("fc.*",)),
    ("ResNet (zero gamma)", {}, of_timm("resnet50"), ("fc.*",)),
    ("EfficientNet (timm)", {}, of_timm("efficientnet_b0"), ()),
    ("EfficientNet (torchvision)", {}, of_torchvision("efficientnet_b0"), ()),
    ("DCGAN", {}, dcgan, ()),
]  # fmt: skip


def is_zero(model, name, law):
    """Whether a parameter is 0, and its law says so."""
    return law == Constant(0.0) and not model.get_parameter(name).any()


@pytest.mark.parametrize(("name", "arguments", "build", "left"), CASES)
def test_the_laws_are_the_librarys(name, arguments, build, left, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    random.seed(0)
    torch.manual_seed(0)
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = trace(lambda: made.append(build()) or made[0])
        planned = plan(made[0], preset(name, **arguments))
    assert not planned.unmatched
    rows = [row for row in history.rows if row.kind == "parameter" and not row.tied_to]
    alone = [row.name for row in rows if planned[row.name].law is None]
    assert [key for key in alone if not any(fnmatch.fnmatch(key, each) for each in left)] == []
    assert bool(alone) == bool(left)
    wrong = [
        (row.name, str(row.law), str(planned[row.name].law))
        for row in rows
        if row.name not in alone
        and not (
            same_law(row.law, planned[row.name].law)
            or (row.law is None and is_zero(made[0], row.name, planned[row.name].law))
        )
    ]
    assert wrong == []
    if left:
        assert presets()[name].left


@pytest.mark.parametrize(("name", "arguments", "build", "left"), CASES)
def test_the_library_writes_there(name, arguments, build, left, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    library = presets()[name].library
    if "pytorch/examples" in library:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = trace(build)
    places = {
        (event.file, event.code)
        for row in history.rows
        for event in row.events
        if event.stands and not event.by_torch
    }
    named = [
        each.split(", ") for each in library.replace(" with zero_init_residual", "").split("; ")
    ]
    assert any((file, code) in places for file, code in named), places
