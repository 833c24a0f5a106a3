"""Models of timm, transformers and torchvision: every tensor is filled, or listed as left."""

from importlib.util import find_spec

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook.init.execution.materialize import materialize, skeleton

# They warn of their own, and of torch's, deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")


def torchvision():
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    return import_torchvision()


def from_timm(name, **kwargs):
    torchvision()
    timm = import_peer("timm")
    return lambda: timm.create_model(name, **kwargs)


def from_transformers(name, **kwargs):
    torchvision()  # transformers imports it
    transformers = import_peer("transformers")
    family = name.partition("For")[0].partition("LMHead")[0]
    config = getattr(transformers, f"{family}Config")(vocab_size=50, **kwargs)
    return lambda: getattr(transformers, name)(config)


def from_torchvision(name):
    models = torchvision().models
    return lambda: getattr(models, name)()


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
MODELS = {
    "vit": (from_timm, "vit_tiny_patch16_224", {"depth": 2, "img_size": 32}),
    "swin": (from_timm, "swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}),
    "convnext": (from_timm, "convnext_atto", {"depths": (1, 1, 1, 1)}),
    "resnet": (from_timm, "resnet10t", {}),
    "llama": (from_transformers, "LlamaForCausalLM", {**SMALL, "num_attention_heads": 4}),
    "bert": (from_transformers, "BertForMaskedLM", {**SMALL, "num_attention_heads": 4}),
    "gpt": (from_transformers, "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "mobilenet": (from_torchvision, "mobilenet_v3_small", {}),
}
ALL = {"vit", "swin", "resnet", "llama", "bert", "gpt", "mobilenet"}  # filled on the meta device


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@pytest.mark.parametrize("how", ["meta", "skeleton"])
@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_is_filled_or_listed(name, how):
    source, model_name, kwargs = MODELS[name]
    with torch.device("meta") if how == "meta" else skeleton():
        model = source(model_name, **kwargs)()
    report = materialize(model, seed=0, allow_uninitialized=True)
    empty = {
        key
        for key, tensor in tensors(model).items()
        if tensor.is_meta or (tensor.is_floating_point() and tensor.isnan().any())
    }
    assert empty <= set(report.untouched)
    if how == "meta" and name in ALL:
        assert not report.untouched
    for key, tensor in tensors(model).items():
        assert key in report or not tensor.is_meta, key


def test_rules_of_a_config_are_enough_for_a_transformer():
    make = from_timm("vit_tiny_patch16_224", depth=2, img_size=32)
    cfg = dict(type="TruncNormal", layer=["Linear", "Conv2d", "VisionTransformer:*"], std=0.02)
    model, report = materialize(make, cfg, seed=0)
    assert {report[name].source for name in ("pos_embed", "cls_token", "head.weight")} == {
        "init_cfg"
    }
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)
