"""The probe: what it measures, and that the model is given back as it was."""

from __future__ import annotations

import gc
import json
import math
import threading
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from brickbook.errors import BadArgumentError, ConfigError
from brickbook.measure.cost import complexity
from brickbook.measure.probe import Signals, collect_tensors, map_tensors, probe


def batch(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def chain(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts)


class Net(nn.Module):
    """What a model may do: a norm, dropout, a layer that runs twice, a functional rectifier."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.bn, self.drop = nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.5)
        self.shared, self.act, self.out = nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.act(self.bn(self.fc1(x))))
        return self.out(F.relu(self.shared(self.act(self.shared(x)))))


class Custom(nn.Module):
    """A module of one function."""

    def __init__(self, run: Any, *parts: nn.Module) -> None:
        super().__init__()
        self.parts, self.run = nn.ModuleList(parts), run

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self, *args, **kwargs)


# What it measures


def test_the_numbers_are_those_of_the_outputs():
    model, x = chain(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)), batch(32, 8)
    found = probe(model, x)
    hidden = model[0](x)
    hidden.retain_grad()
    bent = model[1](hidden)
    model[2](bent).square().mean().backward()
    row = found["0"]
    assert (row.kind, row.part, row.shape, row.count, row.units) == (
        "Linear", "layer", (32, 16), 512, 16,
    )  # fmt: skip
    assert row.mean == pytest.approx(hidden.mean().item(), abs=1e-6)
    assert row.std == pytest.approx(hidden.std(correction=0).item(), rel=1e-5)
    assert row.max == pytest.approx(hidden.abs().max().item())
    assert row.grad == pytest.approx(hidden.grad.std(correction=0).item(), rel=1e-4)
    assert row.grad_norm == pytest.approx(hidden.grad.norm().item(), rel=1e-4)
    assert found["1"].saturated == (bent.abs() > 0.97).double().mean().item()
    assert (found["1"].part, found["1"].dead, row.saturated) == ("activation", None, None)
    assert found.loss == pytest.approx(model(x).square().mean().item())


def test_layers_come_in_the_order_they_run_with_every_call():
    found = probe(Net(), batch(32, 8))
    assert [(row.label, row.part) for row in found] == [
        ("fc1", "layer"), ("bn", "norm"), ("act", "activation"), ("drop", "other"),
        ("shared", "layer"), ("act (call 2)", "activation"), ("shared (call 2)", "layer"),
        ("input of out", "activation"), ("out", "layer"),
    ]  # fmt: skip
    assert [row.name for row in found.layers] == ["fc1", "shared", "shared", "out"]
    assert found["input of out"].kind == "rectified input"
    assert all(row.grad is not None for row in found if row.kind != "rectified input")
    assert repr(found) == "Signals(9 outputs on given (32, 8), train, with gradients)"
    assert repr(found["fc1"]).startswith("Signal('fc1', Linear, (32, 16), mean ")


def test_a_module_in_a_loop_is_recorded_eight_times():
    found = probe(Custom(lambda self, x: [x := self.parts[0](x) for _ in range(20)][-1],
                         nn.Linear(4, 4)), batch(8, 4))  # fmt: skip
    assert (len(found), found.calls, found[-1].call) == (8, 20, 8)
    assert found[0].grad is not None


DEAD = {
    "features": (chain(nn.Linear(4, 8), nn.ReLU()), (32, 4), 8),
    "a sequence": (chain(nn.Linear(4, 8), nn.ReLU6()), (4, 8, 4), 8),
    "channels": (chain(nn.Conv2d(4, 8, 3), nn.ReLU(inplace=True)), (4, 4, 5, 5), 8),
    "channels of one axis": (chain(nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8), nn.ReLU()), (4, 4, 9), 8),
    "channels last": (chain(nn.Linear(4, 8), nn.ReLU()), (4, 5, 5, 4), 8),
    "flattened": (
        chain(nn.Conv2d(4, 2, 4), nn.Flatten(), nn.Linear(2, 8), nn.ReLU()), (32, 4, 4, 4), 8
    ),
    "no batch": (chain(nn.Linear(4, 8), nn.ReLU()), (4,), 8),
}  # fmt: skip


@pytest.mark.parametrize("case", DEAD)
def test_dead_units_are_counted_along_the_right_axis(case):
    model, shape, units = DEAD[case]
    layers = [part for part in model if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    last = model[-2] if isinstance(model[-2], nn.BatchNorm1d) else layers[-1]
    with torch.no_grad():
        last.weight[:3], last.bias[:] = 0, 100.0
        last.bias[:3] = -1
    found = probe(model, batch(*shape))[-1]
    assert (found.units, found.dead) == (units, 3 / 8)
    assert found.samples == found.count // units


def test_a_function_that_rectifies_is_seen_where_the_next_layer_takes_it():
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(8, 8) for _ in "abc")
            nn.init.constant_(self.a.bias, -100.0)

        def forward(self, x):
            x = torch.relu(self.a(x))
            return self.b(x) + self.c(x)  # the same tensor is looked at once

    found = probe(Block(), batch(32, 8))
    assert [row.label for row in found] == ["a", "input of b", "b", "c"]
    assert (found["input of b"].dead, found["input of b"].zeros) == (1.0, 1.0)


def test_numbers_that_are_not_finite_are_counted_and_left_out():
    def spoil(self, x):
        x = x.clone()
        x[0, 0], x[0, 1], x[1, 0] = math.nan, math.inf, -math.inf
        return self.parts[0](x)

    row = probe(Custom(spoil, nn.Tanhshrink()), torch.ones(4, 8))[0]
    assert (row.nan, row.inf, row.count) == (1, 2, 32)
    assert row.mean == pytest.approx(1 - math.tanh(1)) and row.std == pytest.approx(0, abs=1e-6)
    empty = probe(chain(nn.ReLU()), torch.full((2, 2), math.nan))[0]
    assert (empty.mean, empty.std, empty.max, empty.nan) == (None, None, None, 4)
    assert repr(empty) == "Signal('0', ReLU, (2, 2), no values)"


@pytest.mark.parametrize("size", [1e-35, 1e35])
def test_squares_that_are_no_float32_do_not_matter(size):
    model = chain(nn.Linear(4, 4, bias=False))
    x = torch.tensor([[1.0, 2, 3, 4]]).repeat(8, 1)
    nn.init.eye_(model[0].weight)
    row = probe(model, x * size)[0]
    assert row.std / size == pytest.approx(math.sqrt(1.25), rel=1e-4)
    assert row.mean / size == pytest.approx(2.5, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    found = probe(chain(nn.Linear(8, 8), nn.ReLU()).to(dtype), input_shape=(64, 8))
    assert found["0"].std == pytest.approx(0.65, abs=0.15) and found["1"].grad is not None


def test_frozen_models_have_gradients_too():
    model = Net().requires_grad_(False)
    assert all(row.grad for row in probe(model, batch(32, 8)).layers)


def test_a_learned_token_is_reached():
    class Query(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.a, self.b = (
                nn.Parameter(torch.ones(8)),
                nn.Linear(8, 8),
                nn.Linear(8, 8),
            )

        def forward(self, x):
            return self.a(self.query.expand(4, 8)) + self.b(x)

    assert all(row.grad for row in probe(Query(), batch(4, 8)))


def test_parts_that_run_again_in_the_backward_pass_are_recorded_once():
    model = Custom(
        lambda self, x: checkpoint(self.parts[0], x, use_reentrant=False),
        chain(nn.Linear(8, 8), nn.ReLU()),
    )
    found = probe(model, batch(8, 8))
    assert [row.name for row in found] == ["parts.0.0", "parts.0.1"]
    assert found.calls == 2 and found[0].grad is not None


def test_wrappers_are_run_without():
    inner = Net().eval()
    wrapped = nn.DataParallel(torch.compile(inner))
    assert probe(wrapped, batch(8, 8)) == probe(inner, batch(8, 8))


def test_compiled_parts_run_as_they_are_written():
    model = chain(torch.compile(nn.Linear(8, 8)), nn.ReLU())
    assert [row.name for row in probe(model, batch(8, 8))] == ["0", "1"]


# What it runs on


def takes(self, x, scale=1.0, *, shift):
    return self.parts[0](x * scale + shift)


def test_batches_of_every_kind():
    fc, x = nn.Linear(8, 4), batch(16, 8)
    model = Custom(takes, fc)
    whole = probe(model, {"x": x, "scale": 2.0, "shift": torch.ones(8)})
    assert whole.input == ((16, 8), (8,))
    assert whole["parts.0"] == probe(Custom(lambda self, a, b: self.parts[0](a * b + 1), fc),
                                     (x, 2.0))["parts.0"]  # fmt: skip


def test_a_named_tuple_is_one_argument():
    packed = nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
    signals = probe(nn.LSTM(3, 5), packed, loss=lambda output: output[0].data.sum())
    assert signals.input == ((6, 3), (4,))


class Sized(tuple):
    def __new__(cls, items, size):
        return super().__new__(cls, items)


ONES = torch.ones(3)
NESTS = {
    "torch.Size": (torch.Size([2, 3]), 0, True),
    "a plain nest": ({"a": [ONES, (ONES, 1)]}, 2, False),
    "a tuple's subclass": (Sized([ONES, ONES], 2), 2, True),
    "a list's subclass": (type("Batch", (list,), {})([ONES]), 1, True),
    "a sequence of torch's": (torch.max(torch.eye(3), 0), 2, True),
    "a packed sequence": (nn.utils.rnn.pack_sequence([ONES]), 2, False),
    "a mapping": (OrderedDict(a=ONES), 1, True),
}


@pytest.mark.parametrize("case", NESTS)
def test_only_what_can_be_made_anew_is(case):
    value, count, kept = NESTS[case]
    fresh = map_tensors(value, torch.clone)
    assert type(fresh) is type(value) and len(collect_tensors(value)) == count
    assert (fresh is value) == kept
    assert all(a.equal(b) for a, b in zip(*map(collect_tensors, (fresh, value)), strict=True))


def test_a_named_tuple_is_made_without_its_constructor():
    value = tuple.__new__(type("Pair", (namedtuple("Pair", "a b"),), {"__new__": None}), (ONES, 1))
    fresh = map_tensors(value, lambda tensor: tensor + 1)
    assert type(fresh) is type(value) and fresh.a.tolist() == [2, 2, 2] and fresh.b == 1


@pytest.mark.parametrize("size", [torch.Size([8]), Sized((4, 2), 8)])
def test_sizes_are_no_batch_but_may_go_in(size):
    class Decoder(nn.Module):
        def forward(self, x, output_size):
            return x.new_zeros(output_size) + x.sum()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.decoder = nn.Linear(4, 8), Decoder()

        def forward(self, x):
            return self.decoder(self.fc(x), output_size=size)

    found = probe(Net(), batch(2, 4))
    assert [row.name for row in found] == ["fc", "decoder"] and found["fc"].grad is not None
    assert complexity(Net(), (2, 4)).macs == 2 * 4 * 8


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_model_may_ask_for_gradients_of_its_input(mode):
    def hears(self, x, ask):  # as wav2vec2 and hubert
        x = x[:, None] if ask else x.unsqueeze(1)
        if ask:
            x.requires_grad = True
        return self.parts[0](x)

    model = Custom(hears, nn.Conv1d(1, 4, 3))
    x = batch(2, 9)
    found = probe(model, (x, True), mode=mode)
    assert found.rows == probe(model, (x, False), mode=mode).rows and found[0].grad is not None
    assert not x.requires_grad
    assert probe(model, (x, True), gradients=False)[0].grad is None


def test_a_model_may_ask_for_no_gradients_of_its_input():
    def fixed(self, x):
        x.requires_grad = False
        return self.parts[0](x)

    assert probe(Custom(fixed, nn.Linear(4, 4)), batch(2, 4))[0].grad is not None


def test_a_drawn_batch_is_the_same_for_every_dtype():
    model = nn.Linear(64, 64)
    one, two = probe(model, input_shape=(256, 64)), probe(model.double(), input_shape=(256, 64))
    assert one.source == "N(0, 1)" and one.input == ((256, 64),)
    assert one[0].std == pytest.approx(two[0].std, rel=1e-5)
    assert one != probe(model, input_shape=(256, 64), seed=1)


def test_token_ids_are_drawn_for_a_model_that_begins_with_an_embedding():
    model = chain(nn.Embedding(5, 8), nn.Linear(8, 3))
    found = probe(model, input_shape=(64, 16))
    assert (found.source, found.input) == ("token ids", ((64, 16),))
    assert [row.grad is not None for row in found] == [True, True]


ASKED = {
    "linear": (
        chain(nn.LayerNorm(9), nn.Linear(9, 3)),
        "1, a Linear, comes first: input_shape=(64, 9) draws N(0, 1) for it; or pass batch=...",
    ),
    "conv": (
        nn.Conv2d(3, 8, 3),
        "it, a Conv2d, comes first: input_shape=(16, 3, 64, 64) draws N(0, 1) for it; "
        "or pass batch=...",
    ),
    "embedding": (
        chain(nn.Embedding(100, 8)),
        "0, a Embedding, comes first and takes integers below 100: input_shape=(16, 32) draws "
        "such token ids; or pass batch=...",
    ),
    "another": (
        chain(nn.LSTM(4, 4)),
        "Pass batch=... or input_shape=..., the batch size included, to draw N(0, 1).",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_without_anything_to_run_on_it_says_what_to_pass(case):
    model, hint = ASKED[case]
    assert message(lambda: probe(model)) == f"batch: the model needs something to run on. {hint}"


def message(call: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        call()
    return str(caught.value)


SHY = nn.Linear(2, 2, device="meta")
REFUSED = {
    "no module": (lambda: probe(3), "model: expected a module, got 3."),
    "both": (
        lambda: probe(nn.ReLU(), batch(2, 2), input_shape=(2, 2)),
        "input_shape: a batch is given already: pass one of the two.",
    ),
    "shape": (
        lambda: probe(nn.ReLU(), input_shape=(2, 0)),
        "input_shape: expected whole numbers from 1 up, such as (1, 3, 224, 224), got (2, 0).",
    ),
    "mode": (
        lambda: probe(nn.ReLU(), batch(2), mode="test"),
        "mode: expected 'train', 'eval' or None, got 'test'.",
    ),
    "meta": (
        lambda: probe(chain(SHY), batch(2, 2)),
        "model: 0.weight is on the meta device and has no values. Materialize the model first.",
    ),
    "lazy": (
        lambda: probe(chain(nn.LazyLinear(2)), batch(2, 2)),
        "model: 0.weight has no shape yet. Run one batch through the model first.",
    ),
    "loss": (
        lambda: probe(nn.Linear(2, 2), batch(2, 2), loss=lambda output: output),
        "loss: expected a tensor with one number, got one of shape (2, 2).",
    ),
    "no loss": (
        lambda: probe(nn.Linear(2, 2), batch(2, 2), loss=lambda output: 3.0),
        "loss: expected a tensor with one number, got 3.0.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_run_is_refused(case):
    call, words = REFUSED[case]
    assert message(call) == words


# That the model is given back


class Starts(nn.Module):
    """A layer that starts itself from its first batch, and changes its buffers in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("kept", torch.zeros(2))
        self.register_buffer("wide", torch.ones(1).expand(3))

    def forward(self, x):
        with torch.no_grad():
            self.scale.copy_(1 / x.std(0))
        self.seen += 1
        self.kept = self.kept + 1
        self.register_buffer("late", torch.ones(1), persistent=False)
        self.training = not self.training
        return x.mul_(self.scale)


class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("no such luck\nand more")


def state_of(model: nn.Module) -> Any:
    return (
        {key: value.clone() for key, value in model.state_dict().items()},
        {name: id(value) for name, value in (*model.named_parameters(), *model.named_buffers())},
        [part.training for part in model.modules()],
        [(len(p._forward_hooks), len(p._forward_pre_hooks)) for p in model.modules()],
        [sorted(p._non_persistent_buffers_set) for p in model.modules()],
        [p.grad if p.grad is None else p.grad.clone() for p in model.parameters()],
        torch.get_rng_state(),
    )


def similar(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return list(one) == list(two) and all(similar(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(similar, one, two))
    return one == two


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("mode", [None, "train", "eval"])
def test_the_model_and_the_batch_are_as_they_were(raises, mode):
    model = chain(Net(), nn.Linear(4, 8), Starts(), *([Raises()] if raises else []))
    model[0].drop.eval()
    model[1].weight.grad = torch.ones(8, 4)
    model[1].bias.register_hook(lambda grad: pytest.fail("a hook of the user's own ran"))
    model[1].weight.register_post_accumulate_grad_hook(lambda p: pytest.fail("and another"))
    model[1].register_forward_hook(lambda *_: None)
    before, x = state_of(model), batch(32, 8)
    kept = x.clone()
    if raises:
        words = message(lambda: probe(model, x, mode=mode))
        assert words == "3: Raises got (32, 8): no such luck."
    else:
        found = probe(model, x, mode=mode)
        assert found.mode == (mode or "mixed")
        assert found == probe(model, x, mode=mode)  # dropout too
    assert similar(state_of(model), before)
    assert torch.equal(x, kept) and not x.requires_grad and x.grad is None


def test_gradient_mode_is_set_here_and_kept_for_the_caller():
    model, x = Net().eval(), batch(8, 8)
    known = probe(model, x)
    for around in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with around:
            mode = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            assert probe(model, x) == known
            assert probe(model, x.clone()) == known  # a tensor made in that mode
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == mode
    found: list[Signals] = []
    worker = threading.Thread(target=lambda: found.append(probe(model, x)))
    with torch.no_grad():
        worker.start()
        worker.join()
    assert found == [known]


def test_models_that_were_made_for_inference_run_without_gradients():
    with torch.inference_mode():
        model = Net()
    found = probe(model, batch(8, 8))
    assert found.loss is None and model.bn.num_batches_tracked == 0
    assert repr(found) == "Signals(9 outputs on given (8, 8), train, without gradients)"


@pytest.fixture
def young_objects():
    """Let the garbage collector pass over what was there before: it is asked at every layer."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_no_activation_outlives_its_use(young_objects):
    alive: list[weakref.ref[torch.Tensor]] = []
    most: list[int] = []

    def watch(part: nn.Module, args: Any, output: torch.Tensor) -> None:
        gc.collect()
        alive.append(weakref.ref(output))
        most.append(sum(ref() is not None for ref in alive))

    model = chain(*(nn.Linear(8, 8) for _ in range(6)))
    for part in model:
        part.register_forward_hook(watch)
    probe(model, batch(4, 8), gradients=False)
    assert max(most) <= 2  # what goes in, and what comes out
    probe(model, batch(4, 8))
    gc.collect()
    assert not any(ref() is not None for ref in alive)


ERRORS = {
    "a layer": (
        chain(nn.Linear(8, 4), nn.ReLU(), nn.Linear(5, 2)),
        "2: Linear got (4, 4): mat1 and mat2 shapes cannot be multiplied (4x4 and 5x2).",
    ),
    "between layers": (
        chain(nn.Linear(8, 4), Custom(lambda self, x: x + torch.ones(3))),
        "1: Custom got (4, 4): The size of tensor a (4) must match the size of tensor b (3) at "
        "non-singleton dimension 1.",
    ),
    "the model": (
        Custom(lambda self, x: 1 / 0, nn.Linear(8, 4)),
        "model: Custom got (4, 8): division by zero.",
    ),
    "without words": (
        Custom(lambda self, x: (_ for _ in ()).throw(ValueError())),
        "model: Custom got (4, 8): ValueError.",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_the_layer_and_what_it_got(case):
    model, words = ERRORS[case]
    assert message(lambda: probe(model, batch(4, 8))) == words
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_an_interrupt_passes_through():
    def stop(self, x):
        raise KeyboardInterrupt

    model = chain(nn.BatchNorm1d(8), Custom(stop))
    with pytest.raises(KeyboardInterrupt):
        probe(model, batch(4, 8))
    assert model[0].num_batches_tracked == 0 and not model[0]._forward_hooks


def test_an_error_that_the_model_catches_is_none():
    def tries(self, x):
        try:
            return self.parts[1](x)
        except RuntimeError:
            return self.parts[0](x)

    found = probe(Custom(tries, nn.Linear(8, 2), nn.Linear(3, 2)), batch(4, 8))
    assert [row.name for row in found] == ["parts.0"]


class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("not this way")


def test_a_backward_pass_that_fails_is_said():
    model = chain(nn.Linear(8, 4), Custom(lambda self, x: Odd.apply(x)))
    assert message(lambda: probe(model, batch(4, 8))) == (
        "model: the backward pass failed: not this way. Pass gradients=False."
    )
    assert probe(model, batch(4, 8), gradients=False).loss is None


OUTPUTS = {
    "a tuple": lambda self, x: (self.parts[0](x), 3),
    "a dict": lambda self, x: {"y": self.parts[0](x)},
    "integers": lambda self, x: self.parts[0](x).argmax(-1),
    "detached": lambda self, x: self.parts[0](x).detach(),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs_that_lead_nowhere_back(case):
    found = probe(Custom(OUTPUTS[case], nn.Linear(8, 4)), batch(4, 8))
    assert found.loss is None and found[0].grad is None


def test_a_loss_of_ones_own():
    model = Custom(OUTPUTS["a dict"], nn.Linear(8, 4))
    assert probe(model, batch(4, 8), loss=lambda output: output["y"].sum())[0].grad == 0.0
    assert probe(model, batch(4, 8), loss=lambda output: output["y"].sum())[0].grad_norm == 4.0


# The record


def test_the_record_comes_back_from_json():
    found = probe(chain(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), input_shape=(2, 3, 8, 8))
    assert Signals.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    bad = {**found.to_dict(), "rows": [{**found.to_dict()["rows"][0], "stdd": 1}]}
    assert message(lambda: Signals.from_dict(bad)) == (
        "signals.rows[0].stdd: Signal has no such field. Did you mean 'std'?"
    )


def test_rows_are_found_by_label_and_by_place():
    found = probe(Net(), batch(32, 8))
    assert found[0] is found["fc1"] and found[-1] is found["out"] and len(found[1:3]) == 2
    assert message(lambda: found["fc2"]) == "name: no layer 'fc2' has run. Did you mean 'fc1'?"


def test_the_frame_has_one_row_an_output():
    table = probe(Net(), batch(32, 8)).frame()
    assert list(table.index)[:2] == ["fc1", "bn"] and len(table) == 9
    assert table["std"].dtype == "float64" and table.loc["fc1", "dead"] != table.loc["fc1", "dead"]
    assert Signals(()).frame().empty


@pytest.fixture(autouse=True)
def few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class HasLoss(OrderedDict):
    """An output as those of transformers: a dict with attributes."""

    loss: torch.Tensor | None = None

    def __post_init__(self) -> None:
        self["loss"], self["logits"] = self.loss, torch.ones(2)


@pytest.mark.parametrize("kind", [HasLoss, lambda loss: {"loss": loss}])
def test_the_loss_in_the_output_is_used(kind):
    def run(self, x, labels=None):
        logits = self.parts[0](x)
        return kind(None if labels is None else F.cross_entropy(logits, labels))

    model, x, labels = Custom(run, nn.Linear(4, 3)), batch(8, 4), torch.arange(8) % 3
    found = probe(model, {"x": x, "labels": labels})
    assert found.loss == pytest.approx(F.cross_entropy(model.parts[0](x), labels).item())
    assert found[0].grad is not None
    assert probe(model, {"x": x}).loss is None
    given = probe(model, {"x": x, "labels": labels}, loss=lambda output: 2 * output["loss"])
    assert given.loss == pytest.approx(2 * found.loss)


def test_a_sparse_output_is_said_by_name():
    model = Custom(lambda self, x: self.parts[0](x).to_sparse(), nn.Linear(4, 4))
    with pytest.raises(ConfigError) as caught:
        probe(model, batch(4, 4))
    assert str(caught.value) == (
        "model: the output is a sparse_coo tensor, of which there is no mean square. "
        "Pass a loss, or gradients=False."
    )
    assert len(probe(model, batch(4, 4), gradients=False)) == 1


def test_the_std_over_the_batch_is_per_element_of_a_sample():
    values = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    nn.init.eye_(model[0].weight)
    row = probe(model, values)[0]
    assert row.batch_std == pytest.approx(float(values.var(0, correction=0).mean().sqrt()))
    assert probe(model, values * 1e-30)[0].batch_std == pytest.approx(row.batch_std * 1e-30)
    assert probe(model, values[:1].expand(6, 3, 4))[0].batch_std == 0
    assert probe(model, values[:1])[0].batch_std is None
    assert probe(model, values[0, 0])[0].batch_std is None


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda out, target: F.cross_entropy(out, target), (5, "itself")),
        (lambda out, target: nn.CrossEntropyLoss(label_smoothing=0.1)(out, target), (5, "itself")),
        (lambda out, target: F.cross_entropy(out, F.one_hot(target, 5).float()), (5, "itself")),
        (lambda out, target: F.cross_entropy(out, target, reduction="sum"), None),
        (lambda out, target: F.mse_loss(out, F.one_hot(target, 5).float()), None),
        (
            lambda out, target: (
                F.cross_entropy(out, target) + F.cross_entropy(100 * out, target, ignore_index=0)
            ),
            (5, "the second"),
        ),
    ],
)
def test_a_cross_entropy_is_seen_wherever_it_is_computed(loss, found):
    target = torch.tensor([1, 2, 3, 4] * 4)
    signals = probe(nn.Linear(4, 5), input_shape=(16, 4), loss=lambda out: loss(out, target))
    seen = (signals.cross_entropy, signals.classes, signals.expected_loss)
    if found is None:
        assert seen == (None, None, None)
        return
    assert seen[1:] == (5, math.log(5))
    if found[1] == "itself":
        assert signals.cross_entropy == pytest.approx(signals.loss)
        assert signals.logits_std == pytest.approx(signals[0].std)
    else:
        assert signals.cross_entropy < signals.loss
        assert signals.logits_std == pytest.approx(100 * signals[0].std)


class SparseWeight(nn.Module):
    """Multiplies with a sparse parameter."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.fc = nn.Parameter(weight), nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(torch.sparse.mm(self.weight, x))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")  # torch's: a beta
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr"])
def test_a_module_with_a_sparse_parameter_runs_and_is_left_as_it_was(layout):
    model = SparseWeight(getattr(torch.eye(4), layout)())
    assert [row.name for row in probe(model, input_shape=(4, 4))] == ["fc"]
    assert torch.equal(model.weight.detach().to_dense(), torch.eye(4))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # torch's: a prototype
def test_a_nested_batch_is_refused_by_name():
    batch = torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)])
    with pytest.raises(ConfigError) as caught:
        probe(nn.Linear(4, 4), batch)
    assert str(caught.value) == "batch: a nested tensor has no shape. Pass a padded one."


MEASURES = [
    lambda model: probe(model, batch(2, 2)),
    lambda model: probe(model, input_shape=(2, 2)),
    lambda model: complexity(model, (2,)),
]


@pytest.mark.parametrize("measure", MEASURES)
def test_torchscript_is_refused_by_name(measure):
    scripted = torch.jit.script(nn.Linear(2, 2))
    for model, path in ((scripted, "model"), (chain(nn.ReLU(), scripted), "model.1")):
        with pytest.raises(BadArgumentError) as caught:
            measure(model)
        assert str(caught.value) == (
            f"{path}: it is TorchScript, which takes no hooks. "
            "Measure the model before torch.jit compiles it."
        )


CONV, FLAT = nn.Conv2d(2, 6, 1), nn.Linear(4, 7)


class Answer(nn.Module):
    def __init__(self, answer) -> None:
        super().__init__()
        self.conv, self.flat, self.answer = CONV, FLAT, answer

    def forward(self, x):
        return self.answer(self.flat(x) if x.dim() == 2 else self.conv(x))


@pytest.mark.parametrize(
    ("answer", "shape", "classes"),
    [
        (lambda x: x, (8, 4), 7),
        (lambda x: x, (8, 2, 3, 3), 6),
        (lambda x: {"logits": x}, (8, 4), 7),
        (lambda x: x.softmax(-1)[:, :6], (8, 4), None),
        (lambda x: [x], (8, 4), None),
        (lambda x: x.tanh().sum(), (8, 4), None),
        (lambda x: x * float("nan"), (8, 4), None),
    ],
)
def test_without_a_loss_the_outputs_are_read_as_logits(answer, shape, classes):
    model, batch = Answer(answer), torch.randn(shape)
    found = probe(model, batch)
    assert (found.classes, found.over_all_labels) == (classes, classes is not None)
    if classes is not None:
        output = model(batch)
        output = output["logits"] if isinstance(output, dict) else output
        labels = [torch.full((8, *shape[2:]), label) for label in range(classes)]
        each = [F.cross_entropy(output, label).item() for label in labels]
        assert found.cross_entropy == pytest.approx(sum(each) / classes)
        assert found.logits_std == pytest.approx(output.std(correction=0).item())
        assert Signals.from_json(found.to_json()) == found


def test_a_loss_that_is_given_is_not_read_as_one_of_logits():
    found = probe(FLAT, torch.randn(8, 4), loss=lambda out: out.square().mean())
    assert (found.cross_entropy, found.over_all_labels) == (None, False)
    assert probe(nn.Linear(4, 4), torch.randn(8, 4)).cross_entropy is None  # too few to be classes
