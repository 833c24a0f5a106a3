"""How data flows through a model: its layers, and which takes what another gives."""

from brickbook.measure.network.folds import find_repeats
from brickbook.measure.network.network import network
from brickbook.measure.network.records import Family, Network, NetworkNode, format_shapes

__all__ = ["Family", "Network", "NetworkNode", "find_repeats", "format_shapes", "network"]
