"""Seeds: a parameter's numbers depend on the seed and its own name, and on nothing else."""

import threading
import time

import pytest
import torch
from laws_support import law_of
from scipy import stats
from torch import nn

from brickbook import initialize
from brickbook.init.execution import SeededRng
from brickbook.init.execution import rng as streams
from brickbook.init.execution.rng import BLOCK, block_generator, fill_tensors
from brickbook.init.initializers import OrthogonalInit
from brickbook.init.laws import Constant, Normal, TruncNormal, Uniform
from brickbook.introspect import plain_name

CFG = {"type": "Normal", "layer": "Linear"}


def started(model, seed=1):
    initialize(model, CFG, seed=seed)
    return {plain_name(name): value.detach().clone() for name, value in model.named_parameters()}


def test_the_same_seed_gives_the_same_weights_whatever_torchs_generator_does():
    first = started(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))
    torch.manual_seed(99)
    second = started(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))
    other = started(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), seed=2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    assert not torch.equal(first["0.weight"], first["1.weight"])


def test_a_seed_leaves_torchs_generator_alone():
    model = nn.Linear(4, 4)
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    started(model)
    assert torch.equal(torch.rand(3), expected)


def test_another_layer_changes_nothing_for_the_rest():
    class Net(nn.Module):
        def __init__(self, more):
            super().__init__()
            if more:
                self.first = nn.Linear(4, 4)
            self.last = nn.Linear(4, 4)

    assert torch.equal(started(Net(False))["last.weight"], started(Net(True))["last.weight"])


@pytest.mark.parametrize(
    "wrapped",
    [
        "module.0.weight",
        "_orig_mod.0.weight",
        "module._orig_mod.0.weight",
        "0._fsdp_wrapped_module.weight",
        "_checkpoint_wrapped_module.0.weight",
    ],
)
def test_wrappers_do_not_change_a_name(wrapped):
    assert plain_name(wrapped) == "0.weight"
    assert plain_name("my_module.0.weight") == "my_module.0.weight"


def test_large_tensors_are_drawn_block_by_block():
    tensor = torch.empty(BLOCK + 1000)
    fill_tensors([(tensor, Normal(0.0, 1.0), "w")], SeededRng(3))
    last = torch.empty(1000).normal_(generator=block_generator(3, "w", 1))
    assert torch.equal(tensor[BLOCK:], last)
    assert stats.kstest(tensor.double().numpy(), "norm").pvalue > 1e-3


def test_layout_does_not_matter():
    plain = torch.empty(8, 4, 3, 3)
    channels_last = torch.empty(8, 4, 3, 3).to(memory_format=torch.channels_last)
    for tensor in (plain, channels_last):
        fill_tensors([(tensor, Normal(0.0, 1.0), "w")], SeededRng(3))
    assert torch.equal(plain, channels_last)


@pytest.mark.parametrize("seed", ["1", 1.0, True])
def test_a_seed_is_an_int(seed):
    with pytest.raises(TypeError) as caught:
        initialize(nn.Linear(2, 2), CFG, seed=seed)
    assert str(caught.value) == f"seed: expected an int or None, got {seed!r}."


def test_pinned_streams():
    """The stream of (seed, name, block) is a promise: these numbers do not change."""
    assert BLOCK == 2**20
    first = block_generator(0, "backbone.conv1.weight", 0).initial_seed()
    assert first == 2090547393285441047
    assert block_generator(0, "module.backbone.conv1.weight", 0).initial_seed() == first
    assert block_generator(0, "backbone.conv1.weight", 1).initial_seed() != first


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_number_of_threads_does_not_matter(threads):
    shapes = [(3,), (BLOCK + 5,), (40, 50), (2 * BLOCK,), (7,)]
    law = TruncNormal(0.0, 1.0, -1.0, 2.0)

    def drawn(threads):
        tensors = [torch.empty(shape) for shape in shapes]
        fill_tensors([(t, law, f"w{at}") for at, t in enumerate(tensors)], SeededRng(3), threads)
        return tensors

    for ours, alone in zip(drawn(threads), drawn(1), strict=True):
        assert torch.equal(ours, alone)


def test_a_block_is_the_same_alone_and_inside_its_tensor():
    whole = torch.empty(2 * BLOCK + 10)
    fill_tensors([(whole, Normal(0.0, 1.0), "w")], SeededRng(3))
    for block, part in enumerate(whole.split(BLOCK)):
        alone = torch.empty_like(part).normal_(generator=block_generator(3, "w", block))
        assert torch.equal(alone, part)


@pytest.mark.parametrize("torch_threads", [1, 2])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_law_of_the_whole_tensor_is_drawn_whole_whatever_the_threads(torch_threads, threads):
    """The last bits of a QR depend on the number of torch's threads: it gets one."""
    law = law_of(OrthogonalInit(), (110, 100))
    alone = torch.empty(110, 100)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    law.fill(alone, block_generator(3, "w", 0))
    torch.set_num_threads(torch_threads)
    try:
        tensors = [torch.empty(110, 100), torch.empty(100, 110).t()]
        fill_tensors([(tensor, law, "w") for tensor in tensors], SeededRng(3), threads)
        assert torch.get_num_threads() == torch_threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(tensor, alone) for tensor in tensors)


NARROW = [torch.bfloat16, torch.float16]
LAWS = [Normal(0.0, 1.0), Uniform(-0.1, 0.1), TruncNormal(0.0, 1.0, -1.0, 2.0), Constant(0.1)]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("law", [*LAWS, TruncNormal(0.0, 1.0, 2.0, 3.0)])
@pytest.mark.parametrize("size", [100, BLOCK + 100])
def test_16_bit_tensors_get_the_rounded_numbers_of_float32(dtype, law, size):
    narrow, wide = torch.empty(size, dtype=dtype), torch.empty(size)
    fill_tensors([(narrow, law, "w")], SeededRng(3))
    fill_tensors([(wide, law, "w")], SeededRng(3))
    assert torch.equal(narrow, wide.to(dtype))


@pytest.mark.parametrize("dtype", NARROW)
def test_16_bit_models_are_the_float32_model_rounded(dtype):
    wide = nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 50))
    narrow = nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 50)).to(dtype)
    for cfg in (CFG, {"type": "Orthogonal", "layer": "Linear"}):
        for ours, whole in zip(
            (initialize(narrow, cfg, seed=1), narrow)[1].parameters(),
            (initialize(wide, cfg, seed=1), wide)[1].parameters(),
            strict=True,
        ):
            assert torch.equal(ours, whole.to(dtype))


@pytest.mark.parametrize(
    ("shape", "dims"),
    [((1100, 1000), (1, 0)), ((7, 300, 501), (2, 0, 1)), ((30, 20, 60, 50), (0, 2, 3, 1))],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64])
def test_tensors_that_are_not_contiguous_are_drawn_in_logical_order(shape, dims, dtype):
    plain = torch.empty(shape, dtype=dtype)
    back = [dims.index(dim) for dim in range(len(dims))]
    turned = torch.empty([shape[dim] for dim in dims], dtype=dtype).permute(back)
    assert turned.shape == plain.shape
    assert not turned.is_contiguous()
    for tensor in (plain, turned):
        fill_tensors([(tensor, Normal(0.0, 1.0), "w")], SeededRng(3))
    assert torch.equal(plain, turned)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_scalars_and_empty_tensors(shape):
    tensor = torch.zeros(shape)
    fill_tensors([(tensor, Normal(1.0, 0.1), "w")], SeededRng(3))
    assert tensor.numel() == int((tensor != 0).sum())


class Broken(Normal):
    """A law that fails at the first tensor of its size."""

    def fill(self, tensor, generator=None):
        raise RuntimeError("no luck")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_exception_stops_all_threads_and_arrives(threads):
    tensors = [torch.zeros(BLOCK) for _ in range(40)]
    writes = [(tensor, Slow(0.0, 1.0), "w") for tensor in tensors]
    with pytest.raises(RuntimeError, match="no luck"):
        fill_tensors([(torch.empty(BLOCK), Broken(0.0, 1.0), "b"), *writes], SeededRng(3), threads)
    assert sum(bool(tensor.any()) for tensor in tensors) < 5


class Slow(Normal):
    """A law that takes its time, so that others are stopped before all is done."""

    def fill(self, tensor, generator=None):
        time.sleep(0.01)
        tensor.fill_(1.0)


@pytest.mark.parametrize("where", ["caller", "other"])
def test_an_interrupt_stops_all_threads_and_arrives(where):
    """Whether it comes in the thread that called, or while that one waits for the others."""
    main = threading.current_thread()

    class Interrupted(Slow):
        def fill(self, tensor, generator=None):
            super().fill(tensor)
            if (threading.current_thread() is main) == (where == "caller"):
                raise KeyboardInterrupt

    tensors = [torch.zeros(BLOCK) for _ in range(40)]
    with pytest.raises(KeyboardInterrupt):
        fill_tensors([(tensor, Interrupted(0.0, 1.0), "w") for tensor in tensors], SeededRng(3), 2)
    assert 0 < sum(bool(tensor.any()) for tensor in tensors) < 10


def test_scratch_is_taken_before_the_first_write(monkeypatch):
    """It is one block of float32 for each thread, and only for what is not drawn in place."""
    asked = []

    def none_left(size, **kind):
        asked.append((size, kind["dtype"]))
        if len(asked) == 2:
            raise RuntimeError("out of memory")
        return torch.empty(size, **kind)

    plain, turned = torch.zeros(BLOCK + 1), torch.zeros(1100, 1000).t()
    monkeypatch.setattr(streams.torch, "zeros", none_left)
    fill_tensors([(plain, Normal(0.0, 1.0), "w")], SeededRng(3), 2)
    assert not asked
    plain.zero_()
    with pytest.raises(RuntimeError, match="out of memory"):
        fill_tensors([(plain, LAWS[0], "w"), (turned, LAWS[0], "t")], SeededRng(3), 2)
    assert asked == [(BLOCK, torch.float32)] * 2
    assert not plain.any()
