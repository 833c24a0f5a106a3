"""AlexNet, VGG and ResNet: keys, shapes, starts, freezing, and what is refused."""

import copy
import pickle
import warnings

import pytest
import torch
from peers import import_peer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision_support import import_torchvision

from brickbook import MODELS, BaseModule, Blueprint, ConfigError, plan
from brickbook.backbones.alexnet import AlexNet
from brickbook.backbones.blocks import BasicBlock, Bottleneck
from brickbook.backbones.resnet import ResNet, make_res_layer
from brickbook.backbones.vgg import VGG, make_vgg_layer

SMALL = [
    dict(type="ResNet", depth=18),
    dict(type="ResNet", depth=34, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,)),
    dict(type="ResNet", depth=50, style="caffe", out_indices=(0, 3)),
    dict(type="ResNet", depth=50, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    dict(type="VGG", depth=11, with_bn=True),
    dict(type="VGG", depth=13, num_stages=3, dilations=(1, 2, 1), out_indices=(0, 2)),
    dict(type="VGG", depth=16, with_last_pool=False, ceil_mode=True, out_indices=(4,)),
    dict(type="AlexNet"),
]


def name_of(cfg):
    return "-".join(str(value).replace(" ", "") for value in cfg.values())


def picture():
    return torch.randn(2, 3, 64, 64)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def same_state(one, other):
    one, other = one.state_dict(), other.state_dict()
    return list(one) == list(other) and all(one[key].equal(other[key]) for key in one)


def stir(model):
    """Statistics as after training."""
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return model


@pytest.mark.parametrize("cfg", SMALL, ids=name_of)
def test_the_same_as_mmcv(cfg):
    theirs = getattr(import_peer(), cfg["type"])
    own = {key: value for key, value in cfg.items() if key != "type"}
    torch.manual_seed(3)
    peer = theirs(**own)
    torch.manual_seed(3)
    model = MODELS.build(cfg)
    assert same_state(model, peer)
    torch.manual_seed(4)
    peer.init_weights()
    torch.manual_seed(4)
    model.init_weights()
    assert same_state(model, peer)
    stir(model).eval()
    peer.load_state_dict(model.state_dict())
    peer.eval()  # which returns nothing there
    x = picture()
    with torch.no_grad():
        pairs = list(zip(as_tuple(model(x)), as_tuple(peer(x)), strict=True))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


TORCHVISION = [
    ("resnet18", dict(type="ResNet", depth=18), {"fc.weight", "fc.bias"}),
    ("resnet152", dict(type="ResNet", depth=152), {"fc.weight", "fc.bias"}),
    ("vgg11", dict(type="VGG", depth=11, num_classes=7), set()),
    ("vgg19_bn", dict(type="VGG", depth=19, with_bn=True, num_classes=7), set()),
    ("alexnet", dict(type="AlexNet", num_classes=7), set()),
]


def torchvision_model(name):
    try:
        models = import_torchvision().models
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    return getattr(models, name)(num_classes=7)


@pytest.mark.parametrize("name, cfg, more", TORCHVISION, ids=[row[0] for row in TORCHVISION])
def test_keys_and_shapes_of_torchvision(name, cfg, more):
    with torch.device("meta"):
        peer = torchvision_model(name).state_dict()
        mine = MODELS.build(cfg).state_dict()
    assert {key: mine[key].shape for key in mine} == {
        key: peer[key].shape for key in peer if key not in more
    }
    assert more <= set(peer)


@pytest.mark.parametrize("name, depth", [("resnet18", 18), ("resnet50", 50)])
def test_weights_of_torchvision_give_its_outputs(name, depth):
    peer = stir(torchvision_model(name)).eval()
    model = ResNet(depth, out_indices=(3,)).eval()
    model.load_state_dict(peer.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        features = nn.Sequential(*list(peer.children())[:-2])(x)
        assert torch.allclose(model(x), features, atol=1e-5)


@pytest.mark.parametrize("cfg", [dict(type="VGG", depth=11, out_indices=(5,)),
                                 dict(type="AlexNet")], ids=name_of)  # fmt: skip
def test_the_classifier_is_what_is_left(cfg):
    with torch.device("meta"):
        model = MODELS.build(dict(cfg, num_classes=7)).eval()
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 7)


@pytest.mark.parametrize("cfg", SMALL, ids=name_of)
def test_forward_backward_copy_and_pickle(cfg):
    model = MODELS.build(cfg)
    x = picture()
    outs = as_tuple(model(x))
    sum(out.square().mean() for out in outs).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.eval()
    with torch.no_grad():
        expected = as_tuple(model(x))
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert all(map(torch.equal, expected, as_tuple(twin(x))))


@pytest.mark.parametrize("depth", sorted(ResNet.arch_settings))
def test_resnet_shapes(depth):
    with torch.device("meta"):
        outs = ResNet(depth).eval()(torch.empty(1, 3, 224, 224))
    wide = ResNet.arch_settings[depth][0].expansion
    assert [tuple(out.shape) for out in outs] == [
        (1, 64 * wide, 56, 56), (1, 128 * wide, 28, 28),
        (1, 256 * wide, 14, 14), (1, 512 * wide, 7, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("depth, convs", [(11, 8), (13, 10), (16, 13), (19, 16)])
def test_vgg_shapes(depth, convs):
    with torch.device("meta"):
        model = VGG(depth).eval()
        outs = model(torch.empty(1, 3, 224, 224))
    assert sum(isinstance(part, nn.Conv2d) for part in model.features) == convs
    assert [out.shape[1] for out in outs] == [64, 128, 256, 512, 512]
    assert [out.shape[2] for out in outs] == [112, 56, 28, 14, 7]


def test_one_index_gives_a_tensor():
    assert isinstance(ResNet(18, out_indices=(2,)).eval()(torch.randn(1, 3, 64, 64)), torch.Tensor)


def test_stages_and_blocks_alone():
    layer = make_res_layer(Bottleneck, 64, 32, 2, stride=2)
    assert [type(block) for block in layer] == [Bottleneck, Bottleneck]
    assert layer[0].downsample is not None and layer[1].downsample is None
    assert layer(torch.randn(1, 64, 8, 8)).shape == (1, 128, 4, 4)
    assert make_res_layer(BasicBlock, 8, 8, 1)[0].downsample is None
    names = [type(part).__name__ for part in make_vgg_layer(3, 8, 2, with_bn=True)]
    assert names == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["MaxPool2d"]
    strides = [BasicBlock(8, 8, 2).conv1.stride, Bottleneck(8, 8, 2, style="caffe").conv1.stride,
               Bottleneck(8, 8, 2).conv1.stride, Bottleneck(8, 8, 2).conv2.stride]  # fmt: skip
    assert strides == [(2, 2), (2, 2), (1, 1), (2, 2)]


def test_the_plan_shows_the_start():
    with torch.device("meta"):
        model = VGG(11, with_bn=True, num_classes=2)
    laws = {row.name: row.law for row in plan(model).rows}
    assert laws["features.0.weight"].std == pytest.approx((2 / (9 * 64)) ** 0.5)
    assert laws["features.1.weight"].value == 1 and laws["features.0.bias"].value == 0
    assert laws["classifier.6.weight"].std == 0.01
    assert not any(row.law for row in plan(AlexNet()).rows)


def test_rules_of_the_outside_win():
    class Net(BaseModule):
        def __init__(self):
            super().__init__(dict(type="Constant", layer="Conv2d", val=2.0))
            self.backbone = ResNet(18)

    net = Net()
    net.init_weights()
    assert net.backbone.conv1.weight.eq(2).all()
    assert net.backbone.bn1.weight.eq(1).all()


def test_pretrained(tmp_path):
    model, twin = ResNet(18), ResNet(18)
    file = tmp_path / "r18.pth"
    torch.save({"state_dict": model.state_dict()}, file)
    for name in (file, str(file)):
        twin.init_weights()
        twin.init_weights(pretrained=name)
        assert same_state(model, twin)


def frozen(model):
    return {name.split(".")[0] for name, p in model.named_parameters() if not p.requires_grad}


def test_training_leaves_what_is_frozen():
    model = ResNet(18, frozen_stages=2)
    assert frozen(model) == set()
    assert model.train() is model
    assert frozen(model) == {"conv1", "bn1", "layer1", "layer2"}
    assert model.training and not model.bn1.training and not model.layer2.training
    assert model.layer3.training and not model.layer3[0].bn1.training
    model = ResNet(18, frozen_stages=0, bn_eval=False).train()
    assert frozen(model) == {"conv1", "bn1"} and model.layer1[0].bn1.training
    assert frozen(ResNet(18, frozen_stages=1).eval()) == set()


@pytest.mark.parametrize("model", [ResNet(18, bn_frozen=True), VGG(11, True, bn_frozen=True)])
def test_frozen_batch_norms(model):
    model.train()
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            assert part.training and part.weight.requires_grad
        if isinstance(part, nn.BatchNorm2d):
            assert not part.training
            assert not part.weight.requires_grad and not part.bias.requires_grad


def test_synchronised_batch_norms_stay_in_evaluation_too():
    model = nn.SyncBatchNorm.convert_sync_batchnorm(ResNet(18)).train()
    assert not model.layer1[0].bn1.training
    model.init_weights()


def test_vgg_freezes_its_first_stages():
    model = VGG(11, frozen_stages=2).train()
    state = [p.requires_grad for p in model.parameters()]
    assert state == [False] * 4 + [True] * (len(state) - 4)
    assert not model.features[0].training and model.features[6].training


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_checkpointing_changes_nothing_but_memory(block):
    usual = make_res_layer(block, 8, 4, 2, stride=2)
    spare = make_res_layer(block, 8, 4, 2, stride=2, with_cp=True)
    spare.load_state_dict(usual.state_dict())
    x = torch.randn(2, 8, 8, 8)
    sizes = []
    for model in (usual, spare):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t
        ):
            out = model(x)
        out.square().mean().backward()
        sizes.append(sum(kept))
    assert sizes[1] < sizes[0] / 2
    assert same_state(usual, spare)
    assert usual[0].bn1.num_batches_tracked == 1 and spare[0].bn1.momentum == 0.1
    assert all(
        torch.allclose(one.grad, two.grad, atol=1e-7)
        for one, two in zip(usual.parameters(), spare.parameters(), strict=True)
    )


BAD = [
    (lambda: ResNet(20), KeyError, "depth: invalid depth 20 for resnet. "
     "Known: 18, 34, 50, 101, 152."),
    (lambda: VGG(12), KeyError, "depth: invalid depth 12 for vgg. Known: 11, 13, 16, 19."),
    (lambda: ResNet(18, num_stages=5), AssertionError, "num_stages: expected 1 to 4, got 5."),
    (lambda: ResNet(18, num_stages=3), AssertionError,
     "strides: expected 3 values, one a stage, got (1, 2, 2, 2)."),
    (lambda: ResNet(18, dilations=(1, 1)), AssertionError,
     "dilations: expected 4 values, one a stage, got (1, 1)."),
    (lambda: ResNet(18, out_indices=(4,)), AssertionError,
     "out_indices: expected stages from 0 to 3, got (4,)."),
    (lambda: ResNet(18, out_indices=3), TypeError,
     "out_indices: expected a sequence of ints, got 3."),
    (lambda: ResNet(18, out_indices=()), ValueError,
     "out_indices: expected one stage at least, got none."),
    (lambda: ResNet(18, frozen_stages=5), ValueError,
     "frozen_stages: expected -1 (none) to 4, got 5."),
    (lambda: ResNet(18, style="keras"), AssertionError,
     "style: expected 'pytorch' or 'caffe', got 'keras'."),
    (lambda: VGG(11, num_stages=0), AssertionError, "num_stages: expected 1 to 5, got 0."),
    (lambda: VGG(11, out_indices=(6,)), AssertionError,
     "out_indices: expected stages from 0 to 5, got (6,)."),
    (lambda: AlexNet().init_weights(3), TypeError, "pretrained: must be a str or None, got 3."),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", BAD, ids=[row[2] for row in BAD])
def test_messages(call, kind, message):
    with pytest.raises(ConfigError) as caught:
        call()
    assert isinstance(caught.value, kind)
    assert str(caught.value) == message


@pytest.mark.compile
def test_tools():
    model = ResNet(18, out_indices=(3,)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(x)
        traced = torch.fx.symbolic_trace(model)
        assert torch.equal(traced(x), expected)
        exported = torch.export.export(model, (x,)).module()
        assert torch.allclose(exported(x), expected, atol=1e-5)
    assert model(torch.randn(0, 3, 64, 64)).shape == (0, 512, 2, 2)
    half = model.to(torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    last = model.float().to(memory_format=torch.channels_last)(x)
    assert last.shape == expected.shape


@pytest.mark.compile
@pytest.mark.parametrize("with_cp", [False, True])
def test_compiling_in_one_graph(with_cp):
    one_stage = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))
    model = ResNet(18, **one_stage, with_cp=with_cp).train()
    x = torch.randn(2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it compiles
        out = torch.compile(model, fullgraph=True, backend="eager")(x)
    assert torch.allclose(out, model(x), atol=1e-5)
    torch._dynamo.reset()


def test_as_a_brick():
    bricks = [
        dict(type="ResNet", depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,)),
        dict(type="AdaptiveAvgPool2d", output_size=1),
        dict(type="Flatten"),
        dict(type="Linear", out_features=10),
    ]
    model = Blueprint.from_config(bricks).build((3, 64, 64))
    assert model[-1].in_features == 64 and model(torch.randn(2, 3, 64, 64)).shape == (2, 10)
