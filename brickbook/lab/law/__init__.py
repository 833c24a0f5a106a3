"""The law playground: an initialiser on one layer, its numbers, and what many layers do."""

from brickbook.lab.law.panel import LawPlayground

__all__ = ["LawPlayground"]
