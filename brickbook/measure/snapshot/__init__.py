"""Numbers of a model's tensors, and what changed between two of them."""

from brickbook.measure.snapshot.alternatives import Alternatives, alternatives, snapshot_of_copy
from brickbook.measure.snapshot.comparison import (
    COMPARISON_COLUMNS,
    STATUS_LABELS,
    ComparedTensor,
    Comparison,
    Status,
    TensorChange,
    compare,
    compare_stats,
    compared_tensors,
    comparison_row,
    rebin_common,
)
from brickbook.measure.snapshot.histogram import bin_edges
from brickbook.measure.snapshot.snapshot import (
    SAMPLE_SIZE,
    SNAPSHOT_COLUMNS,
    Snapshot,
    TensorStats,
    compute_digest,
    count_values,
    missing_reason,
    snapshot,
    snapshot_exact,
    snapshot_sampled,
)

__all__ = [
    "COMPARISON_COLUMNS",
    "SAMPLE_SIZE",
    "SNAPSHOT_COLUMNS",
    "STATUS_LABELS",
    "Alternatives",
    "ComparedTensor",
    "Comparison",
    "Snapshot",
    "Status",
    "TensorChange",
    "TensorStats",
    "alternatives",
    "bin_edges",
    "compare",
    "compare_stats",
    "compared_tensors",
    "comparison_row",
    "compute_digest",
    "count_values",
    "missing_reason",
    "rebin_common",
    "snapshot",
    "snapshot_exact",
    "snapshot_of_copy",
    "snapshot_sampled",
]
