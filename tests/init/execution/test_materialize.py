"""Models on the meta device: memory and meaningful numbers for every tensor, or an error."""

import json
import logging
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import materialize_worker
import pytest
import torch
from materialize_worker import CFG, CHECKS, Net, Own, on_meta
from ranks import answers_of
from torch import nn

from brickbook import BaseModule, initialize
from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init.execution.materialize import materialize, skeleton

WORLDS = (1, 2, 3)


class ViT(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, width))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(width, 3)


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.rnn = nn.LSTM(8, 8, 2)
        self.out = nn.Linear(8, 20)
        self.out.weight = self.embedding.weight

    def forward(self, tokens):
        return self.out(self.rnn(self.embedding(tokens))[0])


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(4, 4)
        self.register_buffer("angles", torch.arange(4.0), persistent=False)
        self.register_buffer("scale", torch.ones(2))


class Table(nn.Module):
    """Buffers that can be asked for again."""

    def __init__(self):
        super().__init__()
        self.register_buffer("angles", torch.zeros(4), persistent=False)
        self.register_buffer("steps", torch.zeros(4, dtype=torch.long), persistent=False)
        self.reset_buffers()

    def reset_buffers(self):
        self.angles = torch.arange(4.0)
        self.steps.copy_(torch.arange(4))


class Lazy(nn.Module):
    """A reset that forgets one of its tensors, and takes half of another."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(4))
        self.b = nn.Parameter(torch.zeros(4))
        self.register_buffer("count", torch.zeros(3, dtype=torch.long))

    def reset_parameters(self):
        with torch.no_grad():
            self.a[:2] = 1.0
            self.b.fill_(2.0)


def conv_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(), nn.Flatten(), nn.Linear(8, 2)
    )


def tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def is_meta(model):
    return all(tensor.is_meta for tensor in tensors(model).values())


VIT = [
    dict(type="TruncNormal", layer=["ViT:pos_embed", "ViT:cls_token"], std=0.02),
    dict(type="Xavier", layer=["Linear", "MultiheadAttention"], distribution="uniform"),
]
LSTM = [dict(type="Orthogonal", layer="LSTM"), dict(type="Normal", layer="Embedding", std=0.1)]
CONV = dict(type="Kaiming", layer="Conv2d")


@pytest.mark.parametrize(
    ("make", "cfg"), [(ViT, VIT), (LanguageModel, LSTM), (conv_net, CONV), (Net, CFG)]
)
@pytest.mark.parametrize("how", ["meta", "skeleton"])
def test_what_rules_speak_of_is_what_a_real_model_gets(make, cfg, how):
    real = make()
    wanted = initialize(real, cfg, seed=3)
    if how == "meta":
        model = on_meta(make)
        report = materialize(model, cfg, seed=3)
    else:
        model, report = materialize(make, cfg, seed=3)
    assert report.seed == 3
    by_rules = [name for name in wanted.written if wanted[name].source.startswith("init_cfg")]
    assert by_rules
    for name in by_rules:
        assert torch.equal(model.get_parameter(name), real.get_parameter(name)), name
        assert report[name] == wanted[name]
    for name, tensor in tensors(model).items():
        assert tensor.device.type == "cpu"
        assert not tensor.is_floating_point() or not tensor.isnan().any(), name
    assert not report.untouched


def test_the_rest_does_not_depend_on_threads_or_on_the_rules():
    found = []
    for threads, cfg in ((1, CONV), (2, dict(type="Normal", layer="Linear"))):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        model = on_meta(
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LSTM(800, 400), nn.Linear(3, 1))
        )
        materialize(model, cfg, seed=5)
        torch.set_num_threads(before)
        found.append(model)
    for name in ("1.weight_ih_l0", "1.weight_hh_l0", "1.bias_ih_l0"):
        assert torch.equal(*(model.get_parameter(name) for model in found))


def test_the_report_says_who_filled_what():
    model = on_meta(lambda: nn.Sequential(conv_net(), Own(), Table()))
    report = materialize(model, CONV, seed=0)
    assert {name: (item.action, item.source) for name, item in report.items()} == {
        "0.0.weight": ("written", "init_cfg"),
        "0.0.bias": ("written", "init_cfg"),
        "0.1.weight": ("written", "torch"),
        "0.1.bias": ("written", "torch"),
        "0.2.weight": ("written", "torch"),
        "0.4.weight": ("written", "torch"),
        "0.4.bias": ("written", "torch"),
        "1.w": ("called", "1.reset_parameters"),
        "0.1.running_mean": ("written", "torch"),
        "0.1.running_var": ("written", "torch"),
        "0.1.num_batches_tracked": ("written", "torch"),
        "1.t": ("called", "1.reset_parameters"),
        "2.angles": ("called", "2.reset_buffers"),
        "2.steps": ("called", "2.reset_buffers"),
    }
    assert repr(report) == (
        "InitReport: 14 parameters: 10 written by a law, 4 left to custom init code, seed 0"
    )
    assert model[2].angles.tolist() == model[2].steps.tolist() == [0, 1, 2, 3]
    json.dumps(report.to_dict())


def test_it_says_what_it_did_to_the_log_alone(caplog):
    with caplog.at_level(logging.INFO, "brickbook"):
        materialize(on_meta(lambda: nn.Linear(2, 2)), seed=1)
    assert [record.getMessage() for record in caplog.records] == [
        "Linear: InitReport: 2 parameters: 2 written by a law, seed 1"
    ]


def protected():
    return materialize(on_meta(lambda: nn.Linear(2, 2)), protect="bias")


def frozen():
    model = on_meta(lambda: nn.Linear(2, 2))
    model.weight.requires_grad_(False)
    return materialize(model, frozen="skip")


def started():
    class Part(BaseModule):
        def __init__(self):
            super().__init__(dict(type="Normal", layer="Linear"))
            self.fc = nn.Linear(2, 2, bias=False)

    model = on_meta(lambda: nn.Sequential(Part()))
    model[0].is_init = True
    return materialize(model)


def loose():
    model = on_meta(lambda: nn.Linear(2, 2))
    model.table = torch.zeros(2, device="meta")
    return materialize(model)


ALLOW = "Or pass allow_uninitialized=True."
NOTHING = [
    (
        lambda: materialize(on_meta(ViT), CONV),
        "model: nothing fills pos_embed, cls_token. Name them in a rule: 'ViT:pos_embed', "
        f"'ViT:cls_token'. {ALLOW}",
    ),
    (
        lambda: materialize(on_meta(Rotary)),
        "model: nothing fills angles, scale. Name them in a rule: 'Rotary:scale'. Give Rotary a "
        f"reset_buffers(), or build it in skeleton(). {ALLOW}",
    ),
    (
        lambda: materialize(on_meta(lambda: nn.ModuleList(ViT() for _ in range(7)))),
        "model: nothing fills 0.pos_embed, 0.cls_token, 1.pos_embed, 1.cls_token, 2.pos_embed, "
        "2.cls_token, 3.pos_embed, 3.cls_token, 4.pos_embed, 4.cls_token, 5.pos_embed, "
        "5.cls_token and 2 more. Name them in a rule: 'ViT:pos_embed', 'ViT:cls_token'. " + ALLOW,
    ),
    (protected, f"model: nothing fills bias: protect[0] protects it. {ALLOW}"),
    (frozen, f"model: nothing fills weight: it is frozen. {ALLOW}"),
    (started, f"model: nothing fills 0.fc.weight: 0 is already initialised. {ALLOW}"),
    (
        lambda: materialize(on_meta(lambda: nn.LazyLinear(2, bias=False))),
        "model: nothing fills weight: it has no shape yet: run one batch through the lazy module. "
        + ALLOW,
    ),
    (
        loose,
        "model: nothing fills table: it is neither a parameter nor a buffer. Give Linear a "
        f"reset_buffers(), or build it in skeleton(). {ALLOW}",
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::brickbook.errors.UnmatchedRuleWarning")
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize(("call", "message"), NOTHING)
def test_what_nothing_fills_is_an_error(call, message):
    with pytest.raises(BadValueError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "options", "kind", "message"),
    [
        (3, {}, BadArgumentError,
         "model: expected a module or what makes one when it is called, got 3."),
        (lambda: 3, {}, BadArgumentError, "model: expected a call to give a module, got 3."),
        (nn.Identity(), {"device": "meta"}, BadValueError,
         "device: there is no memory on the meta device."),
        (nn.Identity(), {"device": "moon"}, BadArgumentError,
         "device: expected a device, got 'moon'."),
        (nn.Identity(), {"seed": "x"}, BadArgumentError,
         "seed: expected an int or None, got 'x'."),
        (nn.Linear(2, 2, device="meta"), {"init_cfg": dict(type="LSUV", layer="Linear")},
         BadArgumentError, "init_cfg: LSUV runs the model on data. Pass batch=... to materialize."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_done(given, options, kind, message):
    with pytest.raises(kind) as caught:
        materialize(given, **options)
    assert str(caught.value) == message


def test_nothing_is_allocated_when_the_config_is_wrong():
    model = on_meta(ViT)
    before = tensors(model)
    for cfg in (dict(type="Norml"), dict(type="Xavier", layer="LayerNorm"), CONV):
        with pytest.raises(ConfigError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            materialize(model, cfg)
    assert all(tensors(model)[name] is tensor for name, tensor in before.items())


def test_what_is_left_shows():
    model = on_meta(lambda: nn.Sequential(ViT(), Lazy()))
    model[0].table = torch.zeros(2, device="meta")
    report = materialize(model, seed=0, allow_uninitialized=True)
    assert {name: report[name].reason for name in report.untouched} == {
        "0.pos_embed": "no rule matches ViT; it is NaN",
        "0.cls_token": "no rule matches ViT; it is NaN",
        "1.a": "1.reset_parameters may fill it; it is NaN",
        "1.count": "1.reset_parameters may fill it; it is 0",
        "0.table": "it is neither a parameter nor a buffer; it stays on the meta device",
    }
    assert model[0].pos_embed.isnan().all()
    assert model[1].a.isnan().tolist() == [False, False, True, True]
    assert model[1].count.tolist() == [0, 0, 0]
    assert model[1].b.tolist() == [2.0] * 4


def test_own_code_is_held_to_its_word():
    model = on_meta(Lazy)
    before = tensors(model)
    with pytest.raises(BadValueError) as caught:
        materialize(model)
    assert str(caught.value) == (
        "model: nothing fills a, count: reset_parameters did not fill it. Name them in a rule: "
        f"'Lazy:a', 'Lazy:count'. {ALLOW}"
    )
    assert all(tensors(model)[name] is tensor for name, tensor in before.items())


def test_rules_win_over_resets_and_resets_over_defaults():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def reset_parameters(self):
            nn.init.constant_(self.a.weight, 5.0)
            nn.init.constant_(self.b.weight, 5.0)

    model = on_meta(Outer)
    report = materialize(model, dict(type="Constant", val=7.0, layer="b"), seed=0)
    assert (model.a.weight == 5).all() and (model.b.weight == 7).all()
    assert report["a.weight"].action == "called"
    assert report["a.bias"].action == "written"
    assert report["b.weight"] == ("b.weight", "written", "init_cfg", "Constant(7)", "")


def test_own_init_weights_are_called_and_seeded():
    class Old(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))

        def init_weights(self):
            nn.init.normal_(self.token)

    found = []
    for _ in range(2):
        model = on_meta(Old)
        report = materialize(model, seed=4)
        found.append(model.token)
    assert report["token"].action == "called"
    assert torch.equal(*found)


def test_modules_own_configs_are_carried_out_as_by_init_weights():
    class Part(BaseModule):
        def __init__(self):
            super().__init__(dict(type="Normal", layer="Linear", std=0.1))
            self.fc = nn.Linear(5, 5)

    real = Part()
    real.init_weights(seed=2)
    model = on_meta(Part)
    materialize(model, seed=2)
    assert torch.equal(model.fc.weight, real.fc.weight)
    assert model.is_init


def test_a_checkpoint_fills_what_it_has(tmp_path):
    real = nn.Sequential(ViT(), Rotary())
    path = tmp_path / "file.pth"
    state = real.state_dict()
    torch.save({name: value for name, value in state.items() if name != "0.head.weight"}, path)
    cfg = dict(type="Pretrained", checkpoint=str(path))
    with pytest.raises(BadValueError, match=r"^model: nothing fills 1\.angles\. Give Rotary"):
        materialize(on_meta(lambda: nn.Sequential(ViT(), Rotary())), cfg)
    with skeleton():
        model = nn.Sequential(ViT(), Rotary())
    report = materialize(model, cfg, seed=0)
    assert report["0.pos_embed"].action == "loaded"
    assert report["0.head.weight"].source == "torch"
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]) == (name != "0.head.weight"), name
    torch.save({"0.head.weight": torch.zeros(3, 8)}, path)
    with pytest.raises(BadValueError, match="init_cfg has no such tensor") as caught:
        materialize(on_meta(lambda: nn.Sequential(ViT())), cfg)
    assert str(caught.value) == (
        "model: nothing fills 0.pos_embed, 0.cls_token: the checkpoint of init_cfg has no such "
        f"tensor. Name them in a rule: 'ViT:pos_embed', 'ViT:cls_token'. {ALLOW}"
    )


class Marked(nn.Parameter):
    pass


def test_parameters_keep_what_they_are():
    model = on_meta(lambda: nn.Sequential(LanguageModel(), nn.Conv2d(4, 4, 3), nn.Linear(2, 2)))
    model[1].to(dtype=torch.bfloat16, memory_format=torch.channels_last)
    model[2].weight = Marked(model[2].weight.detach())
    model[2].weight.note = "kept"
    model[2].bias.requires_grad_(False)
    model[0].eval()
    materialize(model, seed=0)
    language, conv, linear = model
    assert language.out.weight is language.embedding.weight
    assert not language.embedding.weight[0].any()
    assert language.rnn._flat_weights[0] is language.rnn.weight_ih_l0
    assert (conv.weight.dtype, conv.bias.dtype) == (torch.bfloat16, torch.bfloat16)
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert type(linear.weight) is Marked and linear.weight.note == "kept"
    assert linear.weight.requires_grad and not linear.bias.requires_grad
    assert (language.training, conv.training) == (False, True)
    language(torch.tensor([[1, 2]])).sum().backward()
    assert language.embedding.weight.grad is not None


def test_tied_buffers_and_plain_references_stay_one():
    class Twice(Table):
        def __init__(self):
            super().__init__()
            self.same = self.angles
            self.register_buffer("again", self.angles, persistent=False)

        def reset_buffers(self):
            self.angles.copy_(torch.arange(4.0))
            self.steps.copy_(torch.arange(4))

    model = on_meta(Twice)
    report = materialize(model)
    assert model.same is model.angles is model.again
    assert model.same.tolist() == [0, 1, 2, 3]
    assert report["again"].reason == "it is angles"


def test_values_are_kept_unless_a_rule_says_otherwise():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, device="meta"), Own())
    model[2].t = torch.zeros(3, device="meta")
    before = {name: tensor.clone() for name, tensor in tensors(model).items() if not tensor.is_meta}
    weight = model[0].weight
    report = materialize(model, dict(type="Constant", val=3.0, layer="0:bias"), seed=0)
    assert model[0].weight is weight
    assert torch.equal(weight, before["0.weight"])
    assert torch.equal(model[2].w, before["2.w"])
    assert model[2].t.tolist() == [0, 1, 2]
    assert (model[0].bias == 3).all()
    assert report.untouched == ("0.weight", "2.w")


class BoomError(Exception):
    pass


@pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt])
def test_a_model_is_on_meta_again_if_anything_fails(error):
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Parameter(torch.zeros(2))

        def reset_parameters(self):
            raise error

    model = on_meta(lambda: nn.Sequential(LanguageModel(), conv_net(), Fails(), Table()))
    real = nn.Linear(2, 2)
    model.append(real)
    model[0].embedding.weight.note = "kept"
    before, values = tensors(model), [value.clone() for value in real.parameters()]
    with pytest.raises(error):
        materialize(model, dict(type="Constant", val=1.0, layer=["4", "LSTM"]), seed=0)
    assert all(tensors(model)[name] is tensor for name, tensor in before.items())
    assert is_meta(model[:4])
    assert model[0].embedding.weight.note == "kept"
    assert model[0].rnn._flat_weights[0] is model[0].rnn.weight_ih_l0
    assert all(torch.equal(now, was) for now, was in zip(real.parameters(), values, strict=True))


def test_a_skeleton_has_buffers_but_no_parameters():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            one = nn.Parameter(torch.zeros(3), requires_grad=False)
            one.note = "kept"
            self.one = self.two = one
            self.lazy = nn.LazyLinear(2)

    with warnings.catch_warnings(), skeleton():
        warnings.simplefilter("ignore")
        model = nn.Sequential(Rotary(), Twice(), LanguageModel(), conv_net())
    shaped = {n: p for n, p in model.named_parameters() if not n.startswith("1.lazy")}
    assert all(tensor.is_meta for tensor in shaped.values())
    assert not any(tensor.is_meta for tensor in model.buffers())
    assert model[0].angles.tolist() == [0, 1, 2, 3]
    assert model[1].one is model[1].two
    assert (model[1].one.note, model[1].one.requires_grad) == ("kept", False)
    assert model[2].out.weight is model[2].embedding.weight
    assert not nn.Linear(2, 2).weight.is_meta  # the block is over


def test_a_skeleton_frees_each_layer_at_once():
    seen = []

    class Big(nn.Module):
        def __init__(self):
            super().__init__()
            tensor = torch.empty(10)
            self.weight = nn.Parameter(tensor)
            seen.append(weakref.ref(tensor.untyped_storage()))

    with skeleton():
        Big()
    assert seen[0]() is None


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_peak_memory_is_that_of_the_model():
    code = Path(materialize_worker.__file__)
    done = subprocess.run([sys.executable, str(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model, above = map(float, done.stdout.split())
    assert model > 500 and above < 32  # MiB


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Start one, two and three ranks, and return what each of them found."""
    return answers_of("materialize_worker", tmp_path_factory.mktemp("materialize"), *WORLDS)


@pytest.mark.processes
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("check", CHECKS)
def test_sharded_models_are_those_of_one_process(world, check, found):
    assert [answers[check] for answers in found[world]] == ["as it should be"] * world
