"""Transformer layers and sequences: orders, configs, masks, old names, messages."""

import copy
import warnings

import pytest
import torch
from torch import nn

from brickbook import (
    ATTENTION,
    FFN,
    BaseTransformerLayer,
    GatedFFN,
    TransformerLayerSequence,
    build_transformer_layer,
    build_transformer_layer_sequence,
)
from brickbook.errors import ConfigError

ATTN = dict(type="MultiheadAttention", embed_dims=8, num_heads=2)
ENCODER = ("self_attn", "norm", "ffn", "norm")
DECODER = ("self_attn", "norm", "cross_attn", "norm", "ffn", "norm")
PRE = ("norm", "self_attn", "norm", "cross_attn", "norm", "ffn")
QUERY, KEY, POS = torch.rand(5, 2, 8), torch.rand(4, 2, 8), torch.rand(5, 2, 8)


def layer_of(order=ENCODER, attn=ATTN, **kwargs):
    return BaseTransformerLayer(attn, operation_order=order, **kwargs)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("attn", [ATTN, [ATTN], (ATTN,)])
def test_attentions_from_one_config_or_from_several(attn, batch_first):
    before = copy.deepcopy(attn)
    layer = layer_of(attn=attn, batch_first=batch_first)
    assert attn == before
    assert layer.attentions[0].batch_first is batch_first is layer.batch_first
    assert [part.operation_name for part in layer.attentions] == ["self_attn"]
    assert (len(layer.ffns), len(layer.norms), layer.num_attn) == (1, 2, 1)
    assert layer.embed_dims == 8 == layer.ffns[0].embed_dims and not layer.pre_norm
    assert layer.operation_order == ENCODER and layer.norm_cfg == dict(type="LN")
    assert layer(QUERY).shape == QUERY.shape


def test_a_layer_by_its_parts():
    torch.manual_seed(1)
    layer = layer_of(DECODER)
    first, second = layer.attentions
    x = layer.norms[0](first(QUERY, query_pos=POS))
    x = layer.norms[1](second(x, KEY, query_pos=POS, key_pos=POS[:4]))
    x = layer.norms[2](layer.ffns[0](x))
    got = layer(QUERY, KEY, KEY, query_pos=POS, key_pos=POS[:4])
    torch.testing.assert_close(got, x)


def test_shortcuts_go_around_a_norm_that_comes_first():
    layer = layer_of(PRE)
    assert layer.pre_norm
    first, second = layer.attentions
    x = first(layer.norms[0](QUERY), identity=QUERY)
    x = second(layer.norms[1](x), KEY, identity=x)
    x = layer.ffns[0](layer.norms[2](x), x)
    torch.testing.assert_close(layer(QUERY, KEY), x)


def test_masks():
    layer = layer_of(DECODER)
    own = torch.rand(5, 5) > 0.6
    cross, own_pads, pads = own[:, :4], torch.zeros(2, 5) > 1, torch.zeros(2, 4) > 1
    own_pads[0, 1] = pads[1, 2] = True
    first, second = layer.attentions
    x = layer.norms[0](first(QUERY, attn_mask=own, key_padding_mask=own_pads))
    x = layer.norms[1](second(x, KEY, attn_mask=cross, key_padding_mask=pads))
    x = layer.norms[2](layer.ffns[0](x))
    got = layer(
        QUERY,
        KEY,
        attn_masks=[own, cross],
        query_key_padding_mask=own_pads,
        key_padding_mask=pads,
    )
    torch.testing.assert_close(got, x)
    self_only = layer_of()
    torch.testing.assert_close(self_only(QUERY, attn_masks=own), self_only(QUERY, attn_masks=[own]))
    torch.testing.assert_close(self_only(QUERY, attn_masks=[None]), self_only(QUERY))


def test_more_arguments_reach_the_attentions():
    class Told(nn.Module):
        embed_dims = 8

        def __init__(self, batch_first):
            super().__init__()

        def forward(self, query, key, value, identity, level=0, **kwargs):
            assert set(kwargs) == {"query_pos", "key_pos", "attn_mask", "key_padding_mask"}
            return query + level

    try:
        ATTENTION.register_module(name="Told", module=Told)
        layer = layer_of(["self_attn"], dict(type="Told"))
        assert torch.equal(layer(QUERY, level=3), QUERY + 3)
    finally:
        del ATTENTION.module_dict["Told"]


def test_ffns():
    cfg = dict(feedforward_channels=16)
    assert layer_of(ffn_cfgs=cfg).ffns[0].feedforward_channels == 16 and cfg == {
        "feedforward_channels": 16
    }
    assert type(layer_of(ffn_cfgs=dict(type="SwiGLU")).ffns[0]) is GatedFFN
    two = layer_of(("self_attn", "ffn", "ffn"), ffn_cfgs=(dict(num_fcs=3), dict(type="FFN")))
    assert [ffn.num_fcs for ffn in two.ffns] == [3, 2]
    assert len(layer_of(["self_attn"], ffn_cfgs=None).ffns) == 0
    default = layer_of().ffns[0]
    assert type(default) is FFN and (default.embed_dims, default.feedforward_channels) == (8, 1024)


def test_old_names_and_unknown_ones():
    with pytest.warns() as caught:
        layer = layer_of(feedforward_channels=2048, ffn_dropout=0.1, ffn_num_fcs=3, act_cfg={})
    words = "BaseTransformerLayer has no {} any more: write {} in ffn_cfgs."
    assert [(each.category, str(each.message)) for each in caught] == [
        (DeprecationWarning, words.format("feedforward_channels", "feedforward_channels")),
        (DeprecationWarning, words.format("ffn_dropout", "ffn_drop")),
        (DeprecationWarning, words.format("ffn_num_fcs", "num_fcs")),
        (UserWarning, "BaseTransformerLayer does nothing with act_cfg."),
    ]
    ffn = layer.ffns[0]
    assert (ffn.feedforward_channels, ffn.layers[-1].p, ffn.num_fcs) == (2048, 0.1, 3)
    assert layer_of().ffns[0].feedforward_channels == 1024
    given = dict(type="FFN", feedforward_channels=16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert layer_of(ffn_cfgs=given, feedforward_channels=32).ffns[0].feedforward_channels == 32
    assert given == dict(type="FFN", feedforward_channels=16)


LAYER = dict(type="BaseTransformerLayer", attn_cfgs=ATTN, operation_order=ENCODER)


def test_sequences():
    before = copy.deepcopy(LAYER)
    six = TransformerLayerSequence(LAYER, 6)
    assert before == LAYER
    assert (len(six.layers), six.num_layers, six.embed_dims, six.pre_norm) == (6, 6, 8, False)
    assert len({id(parameter) for parameter in six.parameters()}) == len(list(six.parameters()))
    x = QUERY
    for layer in six.layers:
        x = layer(x, query_pos=POS)
    torch.testing.assert_close(six(QUERY, None, None, query_pos=POS), x)
    pre = dict(LAYER, operation_order=PRE)
    two = build_transformer_layer_sequence(
        dict(type="TransformerLayerSequence", transformerlayers=[pre, LAYER])
    )
    assert two.num_layers == 2 and two.pre_norm
    masks = [torch.rand(5, 5) > 0.5]
    one = TransformerLayerSequence([LAYER], 1)
    got = one(QUERY, KEY, KEY, attn_masks=masks)
    torch.testing.assert_close(got, one.layers[0](QUERY, attn_masks=masks))
    assert type(build_transformer_layer(LAYER)) is BaseTransformerLayer


def test_copies_give_the_same():
    layer = layer_of(DECODER).eval()
    assert torch.equal(copy.deepcopy(layer)(QUERY, KEY), layer(QUERY, KEY))


MESSAGES = [
    (lambda: BaseTransformerLayer(ATTN), TypeError,
     "operation_order: expected a list or a tuple of operations, got None."),
    (lambda: layer_of(("self_attn", "nrm")), AssertionError,
     "operation_order[1]: 'nrm' is no operation. Did you mean 'norm'?"),
    (lambda: layer_of(("norm", "ffn")), AssertionError,
     "operation_order: expected a 'self_attn' or a 'cross_attn', got ('norm', 'ffn')."),
    (lambda: layer_of(attn=[ATTN, ATTN]), AssertionError,
     "attn_cfgs: expected one config for each attention: 1, got 2."),
    (lambda: layer_of(attn=None), AssertionError,
     "attn_cfgs: expected one config for each attention: 1, got 0."),
    (lambda: layer_of(attn="MultiheadAttention"), TypeError,
     "attn_cfgs: expected a dict or a list of dict, got 'MultiheadAttention'."),
    (lambda: layer_of(attn=["MultiheadAttention"]), TypeError,
     "attn_cfgs[0]: cfg must be a dict, but got <class 'str'>."),
    (lambda: layer_of(attn=dict(type="MultiheadAttention", embed_dims=8)), TypeError,
     "attn_cfgs[0]: MultiheadAttention also needs num_heads."),
    (lambda: layer_of(attn=dict(ATTN, batch_first=True)), AssertionError,
     "attn_cfgs[0].batch_first: the layer has batch_first=False, got True."),
    (lambda: layer_of(ffn_cfgs=dict(embed_dims=4)), AssertionError,
     "ffn_cfgs[0].embed_dims: the attention has embed_dims=8, got 4."),
    (lambda: layer_of(ffn_cfgs=[]), AssertionError,
     "ffn_cfgs: expected one config for each feed-forward network: 1, got 0."),
    (lambda: layer_of(ffn_cfgs=dict(num_fc=2)), TypeError,
     "ffn_cfgs[0].num_fc: FFN has no such argument. Did you mean 'num_fcs'?"),
    (lambda: layer_of(norm_cfg=dict(type="LNN")), KeyError,
     "norm_cfg.type: LNN is not in the norm layer registry. Did you mean 'LN'?"),
    (lambda: layer_of()(QUERY, attn_masks=[None, None]), AssertionError,
     "attn_masks: expected one for each of 1, got 2."),
    (lambda: TransformerLayerSequence([LAYER], 2), AssertionError,
     "transformerlayers: expected one config for each layer: 2, got 1."),
    (lambda: TransformerLayerSequence(LAYER), AssertionError,
     "num_layers: expected 1 or more, got None."),
    (lambda: TransformerLayerSequence([]), AssertionError,
     "num_layers: expected 1 or more, got 0."),
    (lambda: TransformerLayerSequence([dict(LAYER, attn_cfgs=[])], 1), AssertionError,
     "transformerlayers[0].attn_cfgs: expected one config for each attention: 1, got 0."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, ConfigError) and str(caught.value) == message
