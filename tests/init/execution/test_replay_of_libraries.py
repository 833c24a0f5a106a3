"""Models of timm, torchvision and transformers start as they do: tables bit for bit, laws hold."""

from __future__ import annotations

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook.init.execution.materialize import materialize
from brickbook.init.tracing import trace
from brickbook.init.tracing.check import follows

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs

CONFIGS = {
    "GPT2Model": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "LlamaForCausalLM": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                         "num_key_value_heads": 2, "intermediate_size": 16},
    "BertModel": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    "WhisperModel": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
                     "encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "MambaModel": {"hidden_size": 16, "num_hidden_layers": 1},
    "Wav2Vec2Model": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "intermediate_size": 16, "num_conv_pos_embedding_groups": 2},
}  # fmt: skip
OWN_CODE = ("dt_proj.bias", "weight.original0")  # drawn: of the same law, with other numbers


def check(build):
    """Compare what is not drawn with the library's own, and hold the laws against the rest."""
    expected = build()
    model, report = materialize(build, trace=True, seed=7)
    buffers = dict(model.named_buffers())
    for name, buffer in expected.named_buffers():
        assert torch.equal(buffers[name], buffer) and buffers[name].dtype == buffer.dtype, name
    for row in report.plan.rows:
        if row.kind != "parameter" or row.tied_to:
            continue
        found = model.get_parameter(row.name)
        if row.law is not None:
            assert follows(found, row.law, row.padding), row.name
        elif not row.name.endswith(OWN_CODE):
            assert torch.equal(found, expected.get_parameter(row.name)), row.name
    assert not report.untouched


@pytest.mark.parametrize("name", CONFIGS)
def test_transformers(name):
    import_torchvision()  # transformers imports it
    transformers = import_peer("transformers")
    kind = getattr(transformers, name)
    check(lambda: kind(kind.config_class(vocab_size=50, pad_token_id=0, **CONFIGS[name])))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convit_tiny", "swinv2_cr_tiny_ns_224",
                                  "maxvit_pico_rw_256", "test_efficientnet"])  # fmt: skip
def test_timm(name):
    import_torchvision()
    timm = import_peer("timm")
    check(lambda: timm.create_model(name))


def test_a_model_that_reads_numbers_of_tensors():
    import_peer("torchvision")
    regnet = import_torchvision().models.regnet_y_400mf
    check(regnet)
    assert len(trace(regnet, meta=True).unexpressed) == 0
