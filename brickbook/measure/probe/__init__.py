"""One forward and one backward pass, with statistics of every layer."""

from brickbook.measure.probe.batch import (
    Batch,
    Shape,
    check_shape,
    collect_tensors,
    first_layer,
    guess_shape,
    guess_shapes,
    is_batch,
    make_batch,
    map_tensors,
)
from brickbook.measure.probe.distribution import (
    SignalHistogram,
    UnitStats,
    even_sample,
    merge_histograms,
)
from brickbook.measure.probe.hooks import (
    find_leaves,
    first_float_tensor,
    mean_square_tensor,
    real_numbers,
    tensor_stats,
)
from brickbook.measure.probe.probe import default_loss, probe, run_forward, without_compile
from brickbook.measure.probe.records import Signal, Signals, WeightGradient, largest_inactive
from brickbook.measure.probe.restore import (
    grad_mode,
    preserved_state,
    reject_torchscript,
    seeded_rng,
)

__all__ = [
    "Batch",
    "Shape",
    "Signal",
    "SignalHistogram",
    "Signals",
    "UnitStats",
    "WeightGradient",
    "check_shape",
    "collect_tensors",
    "default_loss",
    "even_sample",
    "find_leaves",
    "first_float_tensor",
    "first_layer",
    "grad_mode",
    "guess_shape",
    "guess_shapes",
    "is_batch",
    "largest_inactive",
    "make_batch",
    "map_tensors",
    "mean_square_tensor",
    "merge_histograms",
    "preserved_state",
    "probe",
    "real_numbers",
    "reject_torchscript",
    "run_forward",
    "seeded_rng",
    "tensor_stats",
    "without_compile",
]
