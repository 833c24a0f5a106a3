"""Whole models of timm, torchvision, transformers: each parameter has an event, a law, a rule."""

from __future__ import annotations

import inspect
import random
import warnings

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook.init.laws import same_law
from brickbook.init.planning import Why, plan
from brickbook.init.tracing import trace

SMALL = ("tiny", "nano", "atto", "pico", "small", "_s", "_xs", "18", "b0", "050")
LARGEST = 8e6  # parameters of a model that is built with memory

# What has no law, by design: tables of sines, roots of arange, norms of what was drawn.
COMPUTED = {
    "convit": "pos_proj.weight",
    "whisper": "embed_positions",
    "pegasus": "embed_positions",
    "roformer": "embed_positions",
    "mamba": "A_log",
    "rwkv": "time_",
}
OWN_CODE = {"wav2vec2": "original0", "hubert": "original0", "mamba": "dt_proj.bias"}

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4,
    "n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 120, "encoder_layers": 2,
    "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "dim": 32, "n_layers": 2, "n_heads": 4,
    "hidden_dim": 64, "embedding_size": 32, "head_dim": 8, "max_position_embeddings": 64,
    "pad_token_id": 0, "image_size": 32, "patch_size": 8, "embed_dim": 32, "ffn_dim": 64,
}  # fmt: skip
ARCHITECTURES = [
    "bert", "gpt2", "llama", "mistral", "t5", "whisper", "roberta", "distilbert", "albert",
    "electra", "deberta-v2", "xlnet", "opt", "bloom", "gpt_neox", "gptj", "bart",
    "mbart", "pegasus", "vit", "deit", "beit", "clip", "wav2vec2", "hubert", "mamba", "falcon",
    "phi", "gemma", "gemma2", "qwen2", "mixtral", "mpnet", "longformer", "dinov2", "resnet",
    "olmo", "cohere", "starcoder2", "stablelm", "codegen", "ctrl", "rwkv", "fnet", "roformer",
    "rembert", "switch_transformers", "mt5", "layoutlm",
]  # fmt: skip


def timm_names():
    """Return a small model of every family of timm, where it is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_torchvision()
            import timm
    except ImportError:
        return []
    families: dict[str, list[str]] = {}
    for name in timm.list_models():
        families.setdefault(timm.models._registry._model_to_module[name], []).append(name)
    for family, names in sorted(families.items()):
        small = [name for name in names if any(word in name for word in SMALL)] or names
        yield family, min(small, key=len)


def torchvision_names():
    """Return the smallest model of every family of torchvision's classifiers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models = import_torchvision().models
    except ImportError:
        return []
    families: dict[str, list[str]] = {}
    for name in models.list_models(models):
        if not name.startswith("regnet"):  # its widths are the values of a tensor
            families.setdefault(models.get_model_builder(name).__module__, []).append(name)
    return [min(names, key=len) for _, names in sorted(families.items())]


def check(history, name):
    """Every parameter has an event and, but for what is known, a law that its values follow."""
    rows = [row for row in history.rows if row.kind == "parameter" and not row.tied_to]
    assert [row.name for row in rows if not row.events] == []
    for row in rows:
        if row.law is None and row.why.kind is Why.COMPUTED:
            assert COMPUTED[name] in row.name
        elif row.law is None:
            assert row.why.kind is Why.OWN_CODE and OWN_CODE[name] in row.name, repr(row)
    compare_with_rules(history, rows)
    return {row.name: row.law for row in rows}


def compare_with_rules(history, rows):
    """Plan the rules that a history gives: the same laws, and none where there is none."""
    planned = plan(history.layers, history.to_init_cfg())
    assert not planned.unmatched
    assert [row.name for row in rows if not same_law(planned[row.name].law, row.law)] == []


def compare_with_meta(build, name):
    """Trace a model without memory, and with it where it is small: the same laws."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            history = trace(build)
        expected = check(history, name)
        if sum(torch.Size(row.shape).numel() for row in history.rows) > LARGEST:
            return
        found = check(trace(build), name)
    assert [n for n in expected if not same_law(expected[n], found[n])] == []


@pytest.mark.parametrize(("family", "name"), list(timm_names()))
def test_timm(family, name):
    timm = import_peer("timm")
    compare_with_meta(lambda: timm.create_model(name), family)


def test_there_are_enough_families():
    import_peer("timm")
    assert len(list(timm_names())) >= 60


@pytest.mark.parametrize("name", torchvision_names())
def test_torchvision(name):
    models = import_torchvision().models
    compare_with_meta(lambda: models.get_model(name), name)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_transformers(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = import_peer("transformers")
    kind = type(transformers.AutoConfig.for_model(name))
    known = set(inspect.signature(kind).parameters) | set(kind.attribute_map) | set(vars(kind()))
    config = kind(**{key: value for key, value in SIZES.items() if key in known})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(trace(lambda: transformers.AutoModel.from_config(config)), name)


def test_the_numbers_are_timms():
    timm = import_peer("timm")
    torch.manual_seed(5)
    random.seed(5)
    plain = timm.create_model("vit_tiny_patch16_224", depth=2)
    torch.manual_seed(5)
    random.seed(5)
    made = []
    trace(lambda: made.append(timm.create_model("vit_tiny_patch16_224", depth=2)) or made[0])
    for key, tensor in plain.state_dict().items():
        assert torch.equal(tensor, made[0].state_dict()[key])


def test_the_line_that_writes():
    timm = import_peer("timm")
    history = trace(lambda: timm.create_model("vit_tiny_patch16_224", depth=1))
    first, second = history["blocks.0.attn.qkv.weight"].events
    assert (first.file, first.code) == ("torch/nn/modules/linear.py", "Linear.reset_parameters")
    assert (second.file, second.call) == (
        "timm/models/vision_transformer.py", "trunc_normal_(std=0.02)",
    )  # fmt: skip
    lines = inspect.getsource(timm.models.vision_transformer).splitlines()
    assert "trunc_normal_" in lines[second.line - 1]
