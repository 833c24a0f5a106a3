"""Sharded tensors: all ranks together hold what one process alone draws with the same seed."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from brickbook import initialize
from brickbook.init.execution import SeededRng
from brickbook.init.execution.rng import fill_tensors
from brickbook.init.execution.shards import local_row
from brickbook.introspect import LocalShard, is_sharded, local_shard
from brickbook.introspect.dtensor import Interval, row_major_boxes, shard_intervals

if not torch.distributed.is_available():
    pytest.skip("this torch was built without torch.distributed", allow_module_level=True)

import shard_worker
from ranks import answers_of
from shard_worker import CFG, LINE, SIZES, WRAPPED, cases, digest, net, same

RANKS = {ranks: world for world, sizes in SIZES.items() for ranks in sizes}


@pytest.fixture(scope="module")
def found_by(tmp_path_factory):
    """Start every number of ranks once, and return what each of them found."""
    return answers_of("shard_worker", tmp_path_factory.mktemp("shards"), *SIZES)


@pytest.mark.processes
@pytest.mark.parametrize("ranks", RANKS)
def test_all_ranks_together_hold_what_one_process_draws(ranks, found_by):
    wanted = {name: "equal" for name in (*cases(ranks), "a row")}
    for found in found_by[RANKS[ranks]]:
        assert {name: found[str(ranks)].get(name) for name in wanted} == wanted


@pytest.mark.processes
@pytest.mark.parametrize(
    ("name", "ranks"),
    [(name, ranks) for name, (_, sizes) in WRAPPED.items() for ranks in sizes],
)
def test_a_wrapped_model_gets_the_weights_of_a_bare_one(name, ranks, found_by):
    assert {found[str(ranks)][name] for found in found_by[RANKS[ranks]]} == {"equal"}


@pytest.mark.processes
@pytest.mark.parametrize("world", SIZES)
def test_what_cannot_be_drawn_is_refused_before_the_first_write(world, found_by):
    for found in found_by[world]:
        assert found["refused"] == {
            "sharded without a seed": "weight: it is sharded: without a seed every rank would draw "
            "numbers of its own. Pass seed=n.",
            "replicated without a seed": "weight: it is replicated: without a seed every rank "
            "would draw numbers of its own. Pass seed=n.",
            "partial": "weight: its placements are (Partial(sum),): a sum over ranks has no "
            "numbers of its own. Redistribute it first.",
            "constant without a seed": "equal",
        }


@pytest.mark.processes
@pytest.mark.parametrize("world", SIZES)
def test_own_code_and_checkpoints_fill_shards_of_one_whole(world, found_by):
    names = ("ruled.weight", "ruled.bias", "drawn.weight", "drawn.bias")
    names += ("loaded.0.weight", "loaded.0.bias")
    for found in found_by[world]:
        assert found["other hands"] == {
            "without a seed": "ruled.weight: it is sharded: without a seed every rank would draw "
            "numbers of its own. Pass seed=n.",
            **dict.fromkeys(names, "equal"),
            "actions": "written written called written loaded loaded",
            "LSUV": "0.weight: it is sharded: LSUV cannot scale it. "
            "Scale it before the model is sharded.",
        }


@pytest.mark.processes
def test_other_processes_draw_the_numbers_of_this_one(found_by):
    here = {}
    for name in shard_worker.DIGESTS:
        tensor = torch.empty(LINE[name].shape, dtype=LINE[name].dtype)
        fill_tensors([(tensor, LINE[name].law, "layer.weight")], SeededRng(7))
        here[name] = digest(tensor)
    for world in SIZES:
        assert [found["one process"] for found in found_by[world]] == [here] * world


def checkpointed():
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    model = net()
    for at, layer in enumerate(model.body.layers):
        model.body.layers[at] = checkpoint_wrapper(layer)
    return checkpoint_wrapper(model)


@pytest.mark.compile
@pytest.mark.parametrize("wrap", [lambda: torch.compile(net()), checkpointed])
def test_a_wrapper_in_this_process_changes_nothing(wrap):
    bare, model = net(), wrap()
    initialize(bare, CFG, seed=3)
    initialize(model, CFG, seed=3)
    for (name, whole), ours in zip(bare.named_parameters(), model.parameters(), strict=True):
        assert same(ours, whole) == "equal", name


@pytest.mark.processes
def test_without_torch_distributed_tensor_no_tensor_is_sharded():
    code = (
        "import sys, torch, brickbook\n"
        "from brickbook.init.execution.shards import is_sharded\n"
        "class Own(torch.Tensor): pass\n"
        "print(is_sharded(torch.ones(2).as_subclass(Own)))\n"
        "print('torch.distributed.tensor' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\nFalse\n"


def test_a_row_of_a_plain_tensor():
    tensor = torch.ones(3, 2)
    local_row(tensor, -1).zero_()
    assert tensor.tolist() == [[1, 1], [1, 1], [0, 0]]


def test_a_plain_tensor_is_its_own_part():
    tensor = nn.Parameter(torch.empty(2, 3))
    assert not is_sharded(tensor)
    part = local_shard(tensor)
    assert part.local is tensor
    assert part[1:] == ((2, 3), ((Interval(0, 0, 2),), (Interval(0, 0, 3),)), 0)
    assert local_shard(torch.empty(3, 2).t()).offset is None
    assert local_shard(torch.tensor(1.0)).shape == (1,)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 9, 12])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_stretches_are_torchs_chunks(size, ranks, pieces):
    """A ``_StridedShard`` gives each rank its chunk of every piece."""
    for rank in range(ranks):
        whole = torch.arange(size)
        wanted = [
            chunk
            for piece in chunks(whole, pieces)
            for chunk in [chunks(piece, ranks)[rank]]
            if len(chunk)
        ]
        found = shard_intervals([range(size)], ranks, rank, pieces)
        assert [at for run in found for at in run] == [int(at) for part in wanted for at in part]


def chunks(tensor, count):
    found = list(tensor.chunk(count)) if len(tensor) else []
    return found + [tensor[:0]] * (count - len(found))


@pytest.mark.parametrize("shape", [(7,), (3, 4), (4, 1, 3), (2, 3, 2, 2), (1, 5), (5, 1)])
def test_slabs_are_the_stretch_in_order(shape):
    whole = torch.arange(torch.Size(shape).numel()).view(shape)
    for low in range(whole.numel()):
        for high in range(low + 1, whole.numel() + 1):
            found = []
            for corner, sizes in row_major_boxes(shape, low, high):
                box = whole[tuple(slice(c, c + s) for c, s in zip(corner, sizes, strict=True))]
                assert tuple(box.shape) == sizes
                found += box.flatten().tolist()
            assert found == list(range(low, high))


def test_a_part_of_several_stretches_takes_what_is_here():
    whole = torch.arange(6 * 5).view(6, 5)
    rows, columns = (Interval(0, 0, 1), Interval(3, 1, 2)), (Interval(1, 0, 1), Interval(4, 1, 1))
    local = torch.full((3, 2), -1)
    part = LocalShard(local, (6, 5), (rows, columns), None)
    for low in range(0, 30, 7):
        high = min(low + 7, 30)
        inside = [n for n in range(low, high) if n // 5 in (0, 3, 4) and n % 5 in (1, 4)]
        assert part.overlaps(low, high) == bool(inside)
        part.copy_from(whole.flatten()[low:high], low)
    assert local.tolist() == whole[[0, 3, 4]][:, [1, 4]].tolist()
