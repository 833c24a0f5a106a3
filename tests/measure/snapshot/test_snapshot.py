from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.measure.snapshot import Snapshot, TensorStats, compare_stats, snapshot
from brickbook.measure.snapshot.accumulate import (
    CHUNK_SIZE,
    StreamingHistogram,
    Workspace,
    iter_chunks,
)

NAN, INF = math.nan, math.inf


def one(tensor: torch.Tensor, bins: int = 64) -> TensorStats:
    return snapshot({"w": tensor}, bins)["w"]


def seeded(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_numbers_agree_with_numpy(dtype):
    tensor = seeded(300, 257).to(dtype)
    exact = tensor.double().numpy()
    stats = one(tensor)
    assert stats.dtype == str(dtype).removeprefix("torch.")
    assert (stats.shape, stats.count) == ((300, 257), exact.size)
    assert (stats.min, stats.max) == (exact.min(), exact.max())
    assert stats.mean == pytest.approx(exact.mean(), rel=1e-9)
    assert stats.std == pytest.approx(exact.std(), rel=1e-9)
    assert stats.zeros == (exact == 0).mean()
    assert list(stats.counts) == np.histogram(exact, stats.edges)[0].tolist()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (100.0, 0.01), (1e6, 1.0)])
def test_moments_of_ten_million_values(mean, std):
    tensor = torch.empty(10_000_000).normal_(generator=torch.Generator().manual_seed(1))
    tensor.mul_(std).add_(mean)
    stats, exact = one(tensor), tensor.double()
    assert stats.mean == pytest.approx(exact.mean().item(), rel=1e-6)
    assert stats.std == pytest.approx(exact.std(correction=0).item(), rel=1e-6)
    assert sum(stats.counts) == stats.count == 10_000_000


@pytest.mark.parametrize(
    ("tensor", "kept", "nan", "inf"),
    [
        (torch.tensor([1.0, NAN, 2.0, INF, -INF, 0.0]), [1.0, 2.0, 0.0], 1, 2),
        (torch.tensor([INF, 1.0]), [1.0], 0, 1),
        (torch.tensor([NAN, NAN]), [], 2, 0),
        (torch.tensor([-1e308, 1.0, 2.0], dtype=torch.float64), [1.0, 2.0], 0, 1),
    ],
)
def test_nan_and_inf_are_counted_and_left_out(tensor, kept, nan, inf):
    stats = one(tensor)
    assert (stats.count, stats.nan, stats.inf) == (len(tensor), nan, inf)
    assert sum(stats.counts) == len(kept)
    if kept:
        assert (stats.min, stats.max) == (min(kept), max(kept))
        assert stats.mean == pytest.approx(np.mean(kept))
        assert stats.std == pytest.approx(np.std(kept))
    else:
        assert (stats.min, stats.max, stats.mean, stats.std) == (None,) * 4
    assert stats.zeros == kept.count(0.0) / len(tensor)


@pytest.mark.parametrize(
    ("tensor", "dtype", "values"),
    [
        (torch.tensor([True, False, True]), "bool", [1, 0, 1]),
        (torch.tensor([3, -4, 5], dtype=torch.int8), "int8", [3, -4, 5]),
        (torch.tensor(7), "int64", [7]),
        (torch.tensor([1 + 2j, 3 - 4j]), "complex64", [1, 2, 3, -4]),
        (torch.tensor([1 + 2j, 3 - 4j]).conj(), "complex64", [1, -2, 3, 4]),
        (torch.tensor([0.5, -2.0]).to(torch.float8_e4m3fn), "float8_e4m3fn", [0.5, -2.0]),
    ],
)
def test_other_dtypes(tensor, dtype, values):
    stats = one(tensor)
    assert (stats.dtype, stats.count) == (dtype, len(values))
    assert (stats.min, stats.max) == (min(values), max(values))
    assert stats.mean == pytest.approx(np.mean(values))
    assert sum(stats.counts) == len(values)


@pytest.mark.parametrize(
    ("value", "low", "width"), [(0.0, 0.0, 2**-5), (1.0, 1.0, 2**-5), (-3.0, -3.0, 2**-4)]
)
def test_a_constant_has_one_bin(value, low, width):
    stats = one(torch.full((3, 5), value))
    assert (stats.counts, stats.low, stats.width) == ((15,), low, width)
    assert (stats.std, stats.zeros) == (0.0, float(value == 0))


def test_an_empty_tensor_has_no_numbers():
    stats = one(torch.empty(0, 3))
    assert stats == TensorStats("w", "parameter", (0, 3), "float32")
    assert (stats.edges, stats.missing) == ((), "")


@pytest.mark.parametrize(
    ("tensor", "shape", "missing"),
    [
        (torch.empty(2, 3, device="meta"), (2, 3), "meta"),
        (nn.UninitializedParameter(), (), "uninitialized"),
        (torch.eye(2).to_sparse(), (2, 2), "sparse_coo"),
    ],
)
def test_what_cannot_be_read_is_a_row_without_numbers(tensor, shape, missing):
    stats = one(tensor)
    assert (stats.shape, stats.missing, stats.count) == (shape, missing, 0)
    assert repr(stats) == f"TensorStats('w', float32 {shape}, {missing} values)"


def test_a_huge_spread_has_no_std_but_bins():
    stats = one(torch.tensor([-1e300, 1e300], dtype=torch.float64))
    assert (stats.mean, stats.std, sum(stats.counts)) == (0.0, None, 2)


@pytest.mark.parametrize("bins", [2, 3, 64, 200])
@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 100_001])
def test_counts_do_not_depend_on_the_way_of_counting(bins, size):
    stats = one(values := seeded(size), bins)
    assert len(stats.counts) <= bins
    assert list(stats.counts) == np.histogram(values.double(), stats.edges)[0].tolist()


@pytest.mark.parametrize("scale", [2.0**-140, 1e-30, 1.0, 1e3, 1e30])
def test_bins_at_every_scale(scale):
    values = seeded(20_000) * scale
    stats = one(values)
    assert 32 <= len(stats.counts) <= 64
    assert list(stats.counts) == np.histogram(values.double(), stats.edges)[0].tolist()


def test_a_tiny_negative_value_is_not_right_of_zero():
    stats = one(torch.tensor([-1e-45, 3e38]))
    assert (stats.low, stats.counts[0]) == (-stats.width, 1)


@pytest.mark.parametrize(
    "tensor",
    [
        seeded(6, 7, 8, 9).to(memory_format=torch.channels_last),
        seeded(50, 60).t(),
        seeded(100, 60)[::3, 5:],
        seeded(1, 60).expand(50, 60),
        seeded(30, 1, 4).transpose(0, 2),
        torch.tensor(3.0),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_pieces_hold_every_element_once(tensor, size):
    parts = list(iter_chunks(tensor, size))
    assert max(len(part) for part in parts) <= size
    assert torch.equal(torch.cat(parts).sort().values, tensor.flatten().sort().values)


def test_a_layout_changes_no_number():
    tensor = seeded(64, 32, 3, 3)
    last = tensor.to(memory_format=torch.channels_last)
    assert not compare_stats(one(tensor), one(last)).changed
    assert one(tensor).counts == one(last).counts


def test_pieces_join_exactly():
    values = torch.cat([seeded(5000) * scale for scale in (1.0, 30.0, 0.01)]) + 5
    scratch = Workspace.allocate(1000, torch.device("cpu"))
    tally = StreamingHistogram(64)
    for part in values.split(1000):
        tally.add(part, scratch)
    whole = one(values)
    assert tuple(tally.counts) == whole.counts
    assert (tally.low, tally.high) == (whole.min, whole.max)
    assert tally.mean == pytest.approx(whole.mean, rel=1e-12)
    assert math.sqrt(tally.squared_deviations / tally.finite) == pytest.approx(whole.std, rel=1e-12)


def test_a_large_tensor_is_read_in_pieces_and_not_changed():
    tensor = seeded(CHUNK_SIZE["cpu"] * 2 + 3)
    before = tensor.clone()
    stats = one(tensor)
    assert torch.equal(tensor, before)
    assert list(stats.counts) == np.histogram(before.double(), stats.edges)[0].tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64])
def test_a_gpu_counts_as_a_cpu_does(dtype):
    tensor = (seeded(1001, 1003) * 100).to(dtype)
    here, there = one(tensor), one(tensor.cuda())
    assert (there.counts, there.low, there.width) == (here.counts, here.low, here.width)
    assert not compare_stats(here, there).changed


def test_a_module_gives_parameters_then_buffers_and_tied_ones_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    kinds = {name: stats.kind for name, stats in snapshot(model).items()}
    assert kinds == {
        "0.weight": "parameter",
        "0.bias": "parameter",
        "1.weight": "parameter",
        "1.bias": "parameter",
        "2.bias": "parameter",
        "1.running_mean": "buffer",
        "1.running_var": "buffer",
        "1.num_batches_tracked": "buffer",
    }


def test_a_lazy_module():
    stats = snapshot(nn.LazyLinear(3))
    assert [item.missing for item in stats.values()] == ["uninitialized"] * 2


def test_json_and_pickle_give_the_snapshot_back():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(2, 2, device="meta"))
    snap = snapshot(model, bins=16)
    assert Snapshot.from_dict(json.loads(json.dumps(snap.to_dict(), allow_nan=False))) == snap
    assert pickle.loads(pickle.dumps(snap)) == copy.deepcopy(snap) == snap


def test_reprs_are_short():
    snap = snapshot({"w": torch.tensor([0.0, 2.0])})
    assert repr(snap) == "Snapshot(1 tensors, 2 values)"
    assert repr(snap["w"]) == "TensorStats('w', float32 (2,), mean 1, std 1)"


@pytest.mark.parametrize("bins", [1, 0, -4, 1025, 3.0, True, "64", None])
def test_bins_out_of_range(bins):
    with pytest.raises(ConfigError) as caught:
        snapshot(nn.Linear(2, 2), bins)
    assert str(caught.value) == f"bins: expected a whole number from 2 to 1024, got {bins!r}."
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model: expected a module or a mapping from names to tensors, got 3."),
        ({"w": [1.0]}, "model['w']: expected a tensor, got [1.0]."),
    ],
)
def test_what_is_no_model(model, message):
    with pytest.raises(ConfigError) as caught:
        snapshot(model)
    assert str(caught.value) == message
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: data.pop("bins"), "snapshot.bins: Snapshot needs it."),
        (
            lambda data: data.update(bin=3),
            "snapshot.bin: Snapshot has no such field. Did you mean 'bins'?",
        ),
        (
            lambda data: data["tensors"][0].pop("low"),
            "snapshot.tensors[0].low: TensorStats needs it.",
        ),
        (
            lambda data: data["tensors"].append(3),
            "snapshot.tensors[1]: expected a mapping, got 3.",
        ),
    ],
)  # fmt: skip
def test_a_broken_record_says_where(edit, message):
    data = snapshot({"w": torch.ones(2)}).to_dict()
    edit(data)
    with pytest.raises(ConfigError) as caught:
        Snapshot.from_dict(data)
    assert str(caught.value) == message


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated by torch
def test_quantized_tensors_are_named():
    values = torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)
    stats = snapshot({"w": values})["w"]
    assert (stats.shape, stats.count, stats.missing) == ((2, 2), 0, "quantized")
