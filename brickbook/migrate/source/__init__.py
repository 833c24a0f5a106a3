"""The migration of config files, in place: their layout and comments stay."""

from brickbook.migrate.source.tree import migrate_source, migrate_tree

__all__ = ["migrate_source", "migrate_tree"]
