"""What patches, attention and feed-forward networks say of old names and of mistakes."""

import pytest
import torch

from brickbook import (
    FFN,
    AdaptivePadding,
    MultiheadAttention,
    PatchEmbed,
    PatchMerging,
    build_attention,
    build_feedforward_network,
    build_positional_encoding,
)
from brickbook.errors import ConfigError

QUERY, OTHER = torch.rand(3, 5, 8), torch.rand(3, 5, 8)

OLD = [
    (lambda: MultiheadAttention(8, 2, dropout=0.3),
     "MultiheadAttention has no dropout any more: write attn_drop, proj_drop and dropout_layer."),
    (lambda: FFN(8, dropout=0.3), "FFN has no dropout any more: write ffn_drop."),
    (lambda: FFN(8, add_residual=False), "FFN has no add_residual any more: write add_identity."),
    (lambda: MultiheadAttention(8, 2)(QUERY, residual=OTHER),
     "MultiheadAttention has no residual any more: write identity."),
    (lambda: FFN(8)(QUERY, residual=OTHER), "FFN has no residual any more: write identity."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), OLD)
def test_old_names_warn(call, message):
    with pytest.warns(DeprecationWarning) as caught:
        call()
    assert [str(each.message) for each in caught] == [message]


@pytest.mark.filterwarnings("ignore:.*any more:DeprecationWarning")
def test_old_names_work_and_change_no_default():
    old = MultiheadAttention(8, 2, dropout=0.3)
    assert old.attn.dropout == old.dropout_layer.p == 0.3 and old.proj_drop.p == 0
    given = dict(type="DropPath", drop_prob=0.1)
    assert MultiheadAttention(8, 2, dropout_layer=given, dropout=0.4).dropout_layer.drop_prob == 0.4
    assert given == dict(type="DropPath", drop_prob=0.1)
    new = MultiheadAttention(8, 2)
    assert new.attn.dropout == new.dropout_layer.p == 0
    ffn = FFN(8, dropout=0.3, add_residual=False)
    assert ffn.layers[-1].p == 0.3 and not ffn.add_identity and FFN(8).add_identity
    for layer in (FFN(8), MultiheadAttention(8, 2)):
        assert torch.equal(layer(QUERY, residual=OTHER), layer(QUERY, identity=OTHER))


MESSAGES = [
    (lambda: AdaptivePadding(padding=1), AssertionError,
     "padding: expected 'same' or 'corner', got 1."),
    (lambda: PatchEmbed(padding="valid"), AssertionError,
     "padding: expected 'same' or 'corner', got 'valid'."),
    (lambda: PatchEmbed(kernel_size=(1, 2, 3)), ValueError,
     "kernel_size: expected one number or two, got (1, 2, 3)."),
    (lambda: PatchEmbed(conv_type="Conv2D"), KeyError,
     "conv_cfg.type: Conv2D is not in the conv layer registry. Did you mean 'Conv2d'?"),
    (lambda: PatchMerging(4, 4)(torch.rand(1, 6, 4), 6), AssertionError,
     "input_size: expected (height, width), got 6."),
    (lambda: PatchMerging(4, 4)(torch.rand(1, 6, 4), (2, 2)), AssertionError,
     "input_size: (2, 2) does not fit an input of 6 patches."),
    (lambda: FFN(num_fcs=1), AssertionError, "num_fcs: expected 2 or more, got 1."),
    (lambda: FFN(ffn_drop=0.1, dropout=0.2), AssertionError,
     "dropout: FFN has it as ffn_drop, which is given too: 0.1."),
    (lambda: FFN(8)(QUERY, OTHER, residual=OTHER), AssertionError,
     "residual: FFN has it as identity, which is given too."),
    (lambda: MultiheadAttention(8, 2)(QUERY, attn_mask=torch.zeros(1, 3)), ValueError,
     "attn_mask: expected the shape (3, 3) or (10, 3, 3), got (1, 3)."),
    (lambda: MultiheadAttention(8, 2)(QUERY, key_padding_mask=torch.zeros(1, 3)), AssertionError,
     "key_padding_mask: expected the shape (5, 3), got (1, 3)."),
    (lambda: build_attention(dict(type="MultiheadAttention", embed_dims=8)), TypeError,
     "attn_cfg: MultiheadAttention also needs num_heads."),
    (lambda: build_attention(dict(type="FFN")), KeyError,
     "attn_cfg.type: FFN is not in the attention registry. "
     "FFN is a feed-forward network: use build_feedforward_network."),
    (lambda: build_feedforward_network(dict(embed_dim=8), dict(type="FFN")), TypeError,
     "ffn_cfg.embed_dim: FFN has no such argument. Did you mean 'embed_dims'?"),
    (lambda: build_feedforward_network([]), TypeError,
     "ffn_cfg: cfg must be a dict, but got <class 'list'>."),
    (lambda: build_positional_encoding(dict(type="Sine")), KeyError,
     "positional_encoding_cfg.type: Sine is not in the position encoding registry."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, ConfigError) and str(caught.value) == message
