"""A network on the page: boxes that open, and small layers whose weights can be written."""

from brickbook.lab.network.heat_map import HeatMap
from brickbook.lab.network.view import NetworkView

__all__ = ["HeatMap", "NetworkView"]
