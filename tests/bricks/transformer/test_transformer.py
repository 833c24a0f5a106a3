"""Attention and feed-forward networks: formulas, keys, dropouts."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook import (
    FEEDFORWARD_NETWORK,
    FFN,
    GatedFFN,
    LayerScale,
    MultiheadAttention,
    build_attention,
    build_feedforward_network,
    plan,
)
from brickbook.bricks import transformer

QUERY, OTHER = torch.rand(3, 5, 8), torch.rand(3, 5, 8)
KEY, VALUE = torch.rand(3, 4, 8), torch.rand(3, 4, 8)
HIDDEN = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]]) == 1
PADS = torch.tensor([[False, False, False, True], [False] * 4, [True, False, False, False]])
CALLS = [
    dict(),
    dict(query_pos=OTHER),
    dict(key=KEY),
    dict(key=KEY, value=VALUE, key_pos=OTHER[:, 1:]),
    dict(key=KEY, query_pos=OTHER, key_pos=OTHER[:, :4]),
    dict(key=OTHER, query_pos=OTHER),
    dict(value=OTHER),
    dict(value=OTHER, query_pos=OTHER),
    dict(key=KEY, attn_mask=HIDDEN),
    dict(key=KEY, attn_mask=HIDDEN.byte(), key_padding_mask=PADS.byte()),
    dict(key=KEY, attn_mask=HIDDEN * -2.0),
    dict(key=KEY, attn_mask=HIDDEN.expand(6, 5, 4), key_padding_mask=PADS),
    dict(key=KEY, key_padding_mask=PADS),
    dict(identity=OTHER),
]


def by_the_formula(layer, query, key=None, value=None, identity=None, query_pos=None, key_pos=None,
                   attn_mask=None, key_padding_mask=None):  # fmt: skip
    key = query if key is None else key
    value = key if value is None else value
    if key_pos is None and query_pos is not None and query_pos.shape == key.shape:
        key_pos = query_pos
    q = query if query_pos is None else query + query_pos
    k = key if key_pos is None else key + key_pos
    attn = layer.attn
    parts = zip(
        (q, k, value), attn.in_proj_weight.chunk(3), attn.in_proj_bias.chunk(3), strict=True
    )
    q, k, v = (F.linear(x, w, b).unflatten(-1, (2, 4)).transpose(1, 2) for x, w, b in parts)
    energy = q @ k.mT / 2
    if attn_mask is not None:
        mask = attn_mask.unflatten(0, (3, 2)) if attn_mask.dim() == 3 else attn_mask
        energy = energy + (mask if mask.is_floating_point() else mask.float() * -1e9)
    if key_padding_mask is not None:
        energy = energy + key_padding_mask[:, None, None].float() * -1e9
    out = attn.out_proj((energy.softmax(-1) @ v).transpose(1, 2).flatten(2))
    return (query if identity is None else identity) + out


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call))
def test_attention_by_its_formula_batch_first_or_not(call):
    first = MultiheadAttention(8, 2, batch_first=True, dropout_layer=None)
    nn.init.normal_(first.attn.in_proj_bias)
    second = MultiheadAttention(8, 2)
    second.load_state_dict(first.state_dict())
    expected = by_the_formula(first, QUERY, **call)
    torch.testing.assert_close(first(QUERY, **call), expected)
    masks = ("attn_mask", "key_padding_mask")
    swapped = {key: x if key in masks else x.transpose(0, 1) for key, x in call.items()}
    torch.testing.assert_close(second(QUERY.transpose(0, 1), **swapped).transpose(0, 1), expected)


def test_keys_of_attention():
    layer = MultiheadAttention(8, 2)
    assert list(layer.state_dict()) == [
        "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias",
    ]  # fmt: skip
    assert not layer.batch_first and (layer.embed_dims, layer.num_heads) == (8, 2)
    todo = plan(layer, dict(type="Xavier", layer="MultiheadAttention"))
    assert todo["attn.in_proj_weight"].law.std == pytest.approx((2 / 16) ** 0.5)


class Derived(nn.MultiheadAttention):
    pass


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call))
def test_an_attention_that_is_not_torchs_own_is_called(call):
    plain = MultiheadAttention(8, 2, batch_first=True)
    hooked, other = copy.deepcopy(plain), copy.deepcopy(plain)
    seen = []
    hooked.attn.register_forward_hook(lambda *_: seen.append("hook"))
    other.attn = Derived(8, 2)
    other.load_state_dict(plain.state_dict())
    expected = plain(QUERY, **call)
    torch.testing.assert_close(hooked(QUERY, **call), expected)
    torch.testing.assert_close(other(QUERY, **call), expected)
    assert seen == ["hook"]


@pytest.mark.parametrize("own", [True, False])
def test_nobody_asks_for_the_weights(monkeypatch, own):
    calls = []
    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *a, **k: calls.append(a[4]) or fused(*a, **k)
    )
    layer = MultiheadAttention(8, 2, attn_drop=0.5, add_zero_attn=not own)
    layer(QUERY, KEY.repeat(1, 2, 1)[:, :5])
    layer.eval()(QUERY)
    assert calls == [0.5, 0]


def test_one_tensor_is_projected_once(monkeypatch):
    linear, widths = F.linear, []
    monkeypatch.setattr(F, "linear", lambda x, w, b: widths.append(len(w)) or linear(x, w, b))
    layer = MultiheadAttention(8, 2, batch_first=True)
    for call, expected in (
        (dict(), [24]),
        (dict(query_pos=OTHER), [16, 8]),
        (dict(key=KEY), [8, 16]),
        (dict(key=KEY, key_pos=KEY), [8, 8, 8]),
    ):
        widths.clear()
        layer(QUERY, **call)
        assert widths == [*expected, 8]


def test_one_tensor_stays_one_for_an_attention_that_is_called():
    seen = []
    layer = MultiheadAttention(8, 2, batch_first=True)
    layer.attn.register_forward_pre_hook(lambda module, args: seen.append(args))
    for call in (dict(), dict(query_pos=OTHER), dict(key=KEY)):
        layer(QUERY, **call)
    (q, k, v), (r, m, w), (_, n, u) = seen
    assert q is k is v and r is m and m is not w and n is u


@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sequence_without_a_batch(batch_first):
    layer = MultiheadAttention(8, 2, batch_first=batch_first)
    axis = 0 if batch_first else 1
    pads = torch.tensor([False, True, False, False])
    for call in (dict(), dict(key_padding_mask=pads), dict(attn_mask=HIDDEN.expand(2, 5, 4))):
        key = KEY[0] if call else QUERY[0]
        whole = {
            name: mask[None] if name == "key_padding_mask" else mask for name, mask in call.items()
        }
        expected = layer(QUERY[0].unsqueeze(axis), key.unsqueeze(axis), **whole).squeeze(axis)
        torch.testing.assert_close(layer(QUERY[0], key, **call), expected)


def test_a_query_that_may_see_nothing_is_no_nan():
    layer = MultiheadAttention(8, 2, batch_first=True)
    nothing = torch.ones(5, 5, dtype=torch.bool)
    out = layer(QUERY, attn_mask=nothing)
    torch.testing.assert_close(out, QUERY + layer.attn.out_proj.bias)


def test_dropouts_of_attention():
    layer = MultiheadAttention(8, 2, 0.1, 0.2, dict(type="DropPath", drop_prob=0.3))
    assert (layer.attn.dropout, layer.proj_drop.p, layer.dropout_layer.drop_prob) == (0.1, 0.2, 0.3)
    assert MultiheadAttention(8, 2).dropout_layer.p == 0
    assert isinstance(MultiheadAttention(8, 2, dropout_layer=None).dropout_layer, nn.Identity)
    dropped = MultiheadAttention(8, 2, dropout_layer=dict(type="DropPath", drop_prob=1.0))
    assert torch.equal(dropped(QUERY), QUERY)


def test_a_warning_where_the_key_gets_no_positions():
    layer = MultiheadAttention(8, 2, batch_first=True)
    with pytest.warns(UserWarning) as caught:
        layer(QUERY, KEY, query_pos=OTHER)
    assert [str(each.message) for each in caught] == [
        "MultiheadAttention adds no positions to the key: key_pos is not given, "
        "and query_pos has the shape (3, 5, 8)."
    ]


@pytest.mark.parametrize("kwargs", [
    dict(), dict(num_fcs=4), dict(add_identity=False), dict(layer_scale_init_value=0.1),
    dict(act_cfg=dict(type="GELU"), dropout_layer=dict(type="DropPath")),
])  # fmt: skip
def test_ffn_by_its_formula(kwargs):
    layer = FFN(8, 12, ffn_drop=0.2, **kwargs).eval()
    x = hidden = torch.rand(3, 5, 8)
    act = nn.GELU() if "act_cfg" in kwargs else nn.ReLU()
    for at in range(layer.num_fcs - 1):
        hidden = act(layer.layers[at][0](hidden))
    out = layer.layers[-2](hidden) * kwargs.get("layer_scale_init_value", 1)
    add = layer.add_identity
    torch.testing.assert_close(layer(x), x + out if add else out)
    torch.testing.assert_close(layer(x, identity=x * 2), x * 2 + out if add else out)
    torch.testing.assert_close(layer(x.transpose(0, 1)).transpose(0, 1), layer(x))
    assert layer.layers[0][2].p == layer.layers[-1].p == 0.2
    assert isinstance(
        layer.gamma2, LayerScale if "layer_scale_init_value" in kwargs else nn.Identity
    )


def test_keys_of_ffn():
    assert list(FFN().state_dict()) == [
        "layers.0.0.weight", "layers.0.0.bias", "layers.1.weight", "layers.1.bias",
    ]  # fmt: skip
    assert (FFN().embed_dims, FFN().feedforward_channels) == (256, 1024)
    assert FFN().act_cfg == dict(type="ReLU", inplace=True)


@pytest.mark.parametrize(("kind", "act"), [("GEGLU", F.gelu), ("SwiGLU", F.silu)])
def test_gated_ffn_by_its_formula(kind, act):
    layer = build_feedforward_network(dict(type=kind, embed_dims=8, feedforward_channels=12))
    assert isinstance(layer, GatedFFN)
    x = torch.rand(3, 5, 8)
    names = ("gate_proj", "up_proj", "down_proj")
    w, v, w2 = (getattr(layer.layers, name).weight for name in names)
    out = (act(x @ w.mT) * (x @ v.mT)) @ w2.mT
    torch.testing.assert_close(layer(x), x + out)
    torch.testing.assert_close(layer(x, OTHER), OTHER + out)
    assert list(layer.state_dict()) == [f"layers.{name}.weight" for name in names]
    other = GatedFFN(8, 12, bias=True, add_identity=False, layer_scale_init_value=0.5)
    assert len(other.state_dict()) == 7 and other(x).shape == x.shape


def test_builders_change_no_config():
    cfg = dict(type="MultiheadAttention", embed_dims=8, dropout_layer=dict(type="DropPath"))
    before = copy.deepcopy(cfg)
    layer = build_attention(cfg, dict(num_heads=2, embed_dims=4))
    assert (layer.embed_dims, layer.num_heads) == (8, 2) and cfg == before
    assert list(FEEDFORWARD_NETWORK.module_dict) == ["FFN", "GatedFFN", "GEGLU", "SwiGLU"]


def test_the_names_at_mmcvs_place():
    assert all(hasattr(transformer, name) for name in transformer.__all__)
    assert transformer.FFN is FFN
    assert transformer.FEEDFORWARD_NETWORK is FEEDFORWARD_NETWORK
