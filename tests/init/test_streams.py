"""Seeds: a parameter's numbers depend on the seed and its own name, and on nothing else."""

import pytest
import torch
from scipy import stats
from torch import nn

from brickbook import initialize
from brickbook.init.laws import Normal, TruncNormal
from brickbook.init.recipes import Orthogonal
from brickbook.init.streams import BLOCK, Stream, block_generator, fill, plain_name

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
    fill([(tensor, Normal(0.0, 1.0), "w")], Stream(3))
    last = torch.empty(1000).normal_(generator=block_generator(3, "w", 1))
    assert torch.equal(tensor[BLOCK:], last)
    assert stats.kstest(tensor.double().numpy(), "norm").pvalue > 1e-3


def test_layout_does_not_matter():
    plain = torch.empty(8, 4, 3, 3)
    channels_last = torch.empty(8, 4, 3, 3).to(memory_format=torch.channels_last)
    for tensor in (plain, channels_last):
        fill([(tensor, Normal(0.0, 1.0), "w")], Stream(3))
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
        fill([(t, law, f"w{at}") for at, t in enumerate(tensors)], Stream(3), threads)
        return tensors

    for ours, alone in zip(drawn(threads), drawn(1), strict=True):
        assert torch.equal(ours, alone)


def test_a_block_is_the_same_alone_and_inside_its_tensor():
    whole = torch.empty(2 * BLOCK + 10)
    fill([(whole, Normal(0.0, 1.0), "w")], Stream(3))
    for block, part in enumerate(whole.split(BLOCK)):
        alone = torch.empty_like(part).normal_(generator=block_generator(3, "w", block))
        assert torch.equal(alone, part)


def test_a_law_of_the_whole_tensor_is_drawn_whole():
    wide = torch.empty(1100, 1000)
    law = Orthogonal().at((1100, 1000))
    fill([(wide, law, "w")], Stream(3), threads=2)
    alone = torch.empty_like(wide)
    law.fill(alone, block_generator(3, "w", 0))
    assert torch.equal(wide, alone)


def test_an_exception_in_a_thread_arrives():
    class Broken(Normal):
        def fill(self, tensor, generator=None):
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        fill([(torch.empty(3), Broken(0.0, 1.0), "w")], Stream(3))
