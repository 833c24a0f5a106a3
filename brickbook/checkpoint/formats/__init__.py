"""File formats of checkpoints, read without running what a file says."""

from brickbook.checkpoint.formats.stand_ins import StandIn
from brickbook.checkpoint.formats.torch_file import (
    INDEX_SUFFIX,
    TRUST_HINT,
    check_map_location,
    read_file,
    read_sharded,
    sibling_file,
    sibling_key,
)

__all__ = [
    "INDEX_SUFFIX",
    "TRUST_HINT",
    "StandIn",
    "check_map_location",
    "read_file",
    "read_sharded",
    "sibling_file",
    "sibling_key",
]
