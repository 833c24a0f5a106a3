"""Models of timm, transformers and torchvision: every parameter is planned, or left for a reason.

Random weights and tiny configs only, nothing is downloaded; skipped where a library is missing.
"""

import os
import re
import warnings

import pytest
import torch
from peers import import_peer
from torch import nn
from torchvision_support import import_torchvision

from brickbook import InitPlan, Sequential, initialize, plan

os.environ["HF_HUB_OFFLINE"] = "1"

RULES = [
    dict(type="TruncNormal", std=0.02, layer=["Linear", "_ConvNd", ":weight", ":embedding"]),
    dict(type="Ones", layer=":scale"),
    dict(type="Zeros", layer=":bias"),
]
REASONS = re.compile(r"it is \S+|it is set through \S+|no rule matches \w+")
SMALL = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=100
)

TIMM = {
    "vit_tiny_patch16_224": dict(img_size=32, patch_size=8),
    "resnet18": {},
    "convnextv2_atto": {},
    "swin_tiny_patch4_window7_224": dict(img_size=56),
    "mixer_s32_224": {},
    "efficientnet_b0": {},
    "deit3_small_patch16_224": {},
    "levit_128s": {},
    "coat_tiny": {},
}
TRANSFORMERS = {
    "GPT2": ("LMHeadModel", dict(n_embd=32, n_layer=3, n_head=4, vocab_size=100, n_positions=16,
                                 bos_token_id=0, eos_token_id=1)),
    "Bert": ("ForMaskedLM", SMALL),
    "Llama": ("ForCausalLM", dict(SMALL, num_key_value_heads=2)),
    "Mixtral": ("ForCausalLM", dict(SMALL, num_key_value_heads=2, num_local_experts=4)),
    "T5": ("ForConditionalGeneration", dict(vocab_size=100, d_model=32, d_kv=8, d_ff=64,
                                            num_layers=2, num_heads=4, decoder_start_token_id=0)),
    "ViT": ("ForImageClassification", dict(SMALL, image_size=32, patch_size=8)),
    "Wav2Vec2": ("Model", dict(SMALL, conv_dim=(32, 32), conv_stride=(5, 2), conv_kernel=(10, 3),
                               num_feat_extract_layers=2, num_conv_pos_embeddings=16,
                               num_conv_pos_embedding_groups=2)),
    "Mamba": ("ForCausalLM", dict(vocab_size=100, hidden_size=32, num_hidden_layers=2,
                                  state_size=4)),
}  # fmt: skip
TORCHVISION = {
    "resnet50": {},
    "vit_b_16": {},
    "swin_t": {},
    "maskrcnn_resnet50_fpn": dict(weights_backbone=None),
}
LEFT = {"Mamba": {"A_log", "D"}}  # what has no role: the state space is no layer's weight


def imported(name):
    """Import a library without its warnings, or skip."""
    if name == "transformers":
        return import_peer(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torchvision = import_torchvision()  # timm imports it, too
        except ModuleNotFoundError:
            pytest.skip("torchvision is not installed")
    return torchvision if name == "torchvision" else import_peer(name)


def made(library, name, device="meta"):
    """Build a model of random weights."""
    module = imported(library)
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        if library == "timm":
            return module.create_model(name, pretrained=False, **TIMM[name])
        if library == "torchvision":
            return module.models.get_model(name, weights=None, **TORCHVISION[name])
        head, config = TRANSFORMERS[name]
        return getattr(module, f"{name}{head}")(getattr(module, f"{name}Config")(**config))


MODELS = [
    *(("timm", name) for name in TIMM),
    *(("transformers", name) for name in TRANSFORMERS),
    *(("torchvision", name) for name in TORCHVISION),
]


@pytest.mark.parametrize(("library", "name"), MODELS)
def test_every_parameter_is_planned_or_left_for_a_reason(library, name):
    model = made(library, name)
    todo = plan(model, RULES)
    own = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert own == {row.name for row in todo.rows if row.kind == "parameter"}
    for row in todo.rows:
        assert (row.law is None) == bool(REASONS.fullmatch(row.reason)), row.explain()
        if row.reason.startswith("no rule"):
            assert row.name.rpartition(".")[2] in LEFT.get(name, ()), row.explain()
        if row.module.endswith(("Norm", "Norm2d")) and row.law:
            assert str(row.law) == f"Constant({int(row.name.endswith('weight'))})", row.explain()
    assert InitPlan.from_json(todo.to_json()) == todo
    assert plan(model).loads == ()


@pytest.mark.parametrize(("library", "name"), MODELS)
def test_a_law_for_all_leaves_every_norm(library, name):
    todo = plan(made(library, name), dict(type="Kaiming", layer="*"))
    for row in todo.rows:
        scale = re.search(r"[Nn]orm|\.bn\d|PReLU", f"{row.module} {row.name}")
        if row.law is None and not row.tied_to:
            why = r"a norm met along .*|it is set through .*|no rule matches .*"
            assert re.fullmatch(why, row.reason), row.explain()
        elif scale and len(row.shape) == 1 and not row.tied_to:
            assert row.name.endswith("bias"), row.explain()


TINY = [
    ("timm", "vit_tiny_patch16_224"),
    ("timm", "levit_128s"),
    *(("transformers", name) for name in TRANSFORMERS),
]


@pytest.mark.filterwarnings("ignore:.* matches no parameter")  # Llama has no biases
@pytest.mark.parametrize(("library", "name"), TINY)
def test_a_seed_fills_them(library, name):
    model, again = made(library, name, "cpu"), made(library, name, "cpu")
    report = initialize(model, RULES, seed=3)
    initialize(again, RULES, seed=3)
    other = dict(again.named_parameters())
    for key, value in model.named_parameters():
        assert torch.equal(value, other[key]) or report[key].action == "left", key
        law = report.plan[key].law
        if law is not None and law.std == 0:
            padding = report.plan[key].padding
            assert padding is not None or value.unique().tolist() == [law.mean]
        elif law is not None and value.numel() > 500:
            assert abs(value.std() - law.std) < 6 * law.std / value.numel() ** 0.5, key


def test_tied_embeddings_of_gpt2_are_drawn_once_and_projections_scaled():
    model = made("transformers", "GPT2", "cpu")
    normal = dict(type="Normal", std=0.02)
    rules = [
        dict(normal, layer=["Linear", "Embedding", "Conv1D"]),
        dict(type="DepthScaled", init=normal, depth="transformer.h", layer="*.c_proj"),
    ]
    todo = plan(model, rules, strict=True)
    assert todo["lm_head.weight"].tied_to == "transformer.wte.weight"
    scaled = [row.name for row in todo.rows if row.law and row.law.std not in (0, 0.02)]
    assert scaled == [
        f"transformer.h.{at}.{part}.c_proj.weight" for at in range(3) for part in ("attn", "mlp")
    ]
    assert todo[scaled[0]].law.std == pytest.approx(0.02 / 6**0.5)
    assert todo[scaled[0]].overridden == ("init_cfg[0]",)
    report = initialize(model, rules, seed=0)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert report["lm_head.weight"].action == "written"


def test_padding_rows_of_bert_stay_zero():
    model = made("transformers", "Bert", "cpu")
    initialize(model, RULES, seed=0)
    weight = model.bert.embeddings.word_embeddings.weight
    assert not weight[model.config.pad_token_id].any() and weight[1].all()


PATTERNS = {
    ("timm", "vit_tiny_patch16_224", "blocks.*.attn.qkv"): 12 * 2,
    ("timm", "vit_tiny_patch16_224", r"re:blocks\.\d\.mlp.*:weight"): 10 * 2,
    ("timm", "vit_tiny_patch16_224", ":embedding"): 2,
    ("timm", "swin_tiny_patch4_window7_224", "*:relative_position_bias_table"): 12,
    ("timm", "deit3_small_patch16_224", "*.ls?:gamma"): 24,
    ("transformers", "T5", "*.relative_attention_bias"): 2,
    ("transformers", "Mixtral", "*.experts:*_proj"): 4,
    ("torchvision", "vit_b_16", "encoder.layers.*.self_attention:in_proj_weight"): 12,
    ("torchvision", "swin_t", "features.[13].*.attn.qkv"): 2 * 2 * 2,
}


@pytest.mark.parametrize("case", PATTERNS)
def test_patterns_of_their_names(case):
    library, name, word = case
    todo = plan(made(library, name), dict(type="Zeros", layer=word), strict=True)
    assert len(todo.planned) == PATTERNS[case]


def test_timm_s_own_init_weights_is_called_where_it_is_asked_for():
    model = made("timm", "resnet18", "cpu")
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(7)
    todo = plan(model)
    assert [run.path for run in todo.runs] == ["init_weights"] and not todo.planned
    report = initialize(model)
    assert report["conv1.weight"].action == "called" and model.conv1.weight.std() > 0
    assert report["fc.weight"].action == "left" and model.fc.weight.unique().tolist() == [7]
    assert report["fc.weight"].reason == "init_weights left it as it was"
    assert not plan(nn.Sequential(model)).runs  # only a BaseModule starts its children


@pytest.mark.parametrize("how", ["protect", "is_init"])
def test_what_timm_has_loaded_can_be_kept(how):
    backbone = made("timm", "resnet18", "cpu")
    before = backbone.conv1.weight.detach().clone()
    model = Sequential(backbone, nn.Linear(2, 2), init_cfg=dict(type="Ones", layer="Linear"))
    if how == "is_init":
        backbone.is_init = True
    report = model.init_weights(protect=["0"] if how == "protect" else [])
    assert torch.equal(backbone.conv1.weight, before)
    assert report["0.conv1.weight"].action == "left"
    assert model[1].weight.unique().tolist() == [1]


def test_transformers_start_in_their_constructor_and_say_so():
    model = made("transformers", "GPT2", "cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = initialize(model, seed=3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    record = report["transformer.wte.weight"]
    assert (record.action, record.reason) == ("left", "init_weights left it as it was")
