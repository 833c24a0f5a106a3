"""Models of timm, transformers and torchvision: every tensor is filled, or listed as left."""

from importlib.util import find_spec

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook.init.execution.materialize import materialize, skeleton
from brickbook.init.planning import Why

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
STARTED = {  # classes that start themselves, each in a way of its own
    "efficientnet": (from_timm, "efficientnet_b0", {}),
    "nfnet": (from_timm, "nfnet_l0", {}),
    "gernet": (from_timm, "gernet_s", {}),
    "maxvit": (from_timm, "maxvit_rmlp_pico_rw_256", {}),
    "t5": (from_transformers, "T5ForConditionalGeneration", {"d_model": 64, "num_layers": 2}),
    "vit of torchvision": (from_torchvision, "vit_b_32", {}),
    "resnet of torchvision": (from_torchvision, "resnet18", {}),
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


OWN_STARTS = {Why.STARTED_BY, Why.REWRITTEN, Why.MAY_START, Why.BY_DEFAULTS, Why.GIVEN}


def spread(tensor):
    return tensor.std().item() if tensor.numel() > 1 else 0.0


@pytest.mark.parametrize("how", ["meta", "call"])
@pytest.mark.parametrize("name", MODELS | STARTED)
def test_another_law_than_the_classs_own_is_named(name, how):
    source, model_name, kwargs = (MODELS | STARTED)[name]
    make = source(model_name, **kwargs)
    torch.manual_seed(0)
    real = make()
    if how == "call":
        model, report = materialize(make, seed=0, allow_uninitialized=True)
    else:
        with torch.device("meta"):
            model = make()
        report = materialize(model, seed=0, allow_uninitialized=True)
    others = []
    for key, parameter in real.named_parameters():
        wanted, found = spread(parameter), spread(model.get_parameter(key))
        near = parameter.numel() < 500 or found == pytest.approx(wanted, rel=0.2)
        if key not in report.untouched and not (near and bool(wanted) == bool(found)):
            others.append(key)
            assert report.plan[key].is_left(*OWN_STARTS), (key, wanted, found)
    if source is from_transformers:
        assert not others and {item.action for item in report.records} == {"called"}
    if name in ("efficientnet", "resnet of torchvision"):
        assert others


def test_rules_of_a_config_are_enough_for_a_transformer():
    make = from_timm("vit_tiny_patch16_224", depth=2, img_size=32)
    cfg = dict(type="TruncNormal", layer=["Linear", "Conv2d", "VisionTransformer:*"], std=0.02)
    model, report = materialize(make, cfg, seed=0)
    assert {report[name].source for name in ("pos_embed", "cls_token", "head.weight")} == {
        "init_cfg"
    }
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)
