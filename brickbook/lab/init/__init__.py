"""The panel that plans an initialisation, carries it out and undoes it."""

from brickbook.lab.init.panel import InitLab

__all__ = ["InitLab"]
