"""The command ``migrate``: its line, the files it reads and writes, and what it says of them."""

from brickbook.commands.migrate.command import MIGRATE

__all__ = ["MIGRATE"]
