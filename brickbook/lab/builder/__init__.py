"""The panel that builds a model from bricks."""

from brickbook.lab.builder.panel import Builder

__all__ = ["Builder"]
