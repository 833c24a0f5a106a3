"""The panel of a migration: old and new side by side, why, and the learning rate of both."""

from brickbook.lab.migrate.panel import Migrator

__all__ = ["Migrator"]
