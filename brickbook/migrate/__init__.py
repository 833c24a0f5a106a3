"""From MMClassification 0.x and MMSelfSup 0.x to MMPretrain 1.x.

Nothing here loads torch, and no config is executed. `read_config` reads a config file with its
``_base_`` files; `migrate_config` turns a whole config, as a dict, into one of 1.x, with a note for
everything that changes; `migrate_source` and `migrate_tree` do so with the texts of config files,
whose layout and comments stay; `migrate_code` does Python code; `policy_curve` and
`scheduler_curve` give the learning rate of every iteration under an old and a new schedule,
`learning_rates` both for a config.
"""

from brickbook.migrate.code import migrate_code
from brickbook.migrate.curves import Length, policy_curve, scheduler_curve
from brickbook.migrate.migration import Migration, SourceMigration, migrate_config
from brickbook.migrate.notes import Note, Severity, sorted_notes
from brickbook.migrate.rates import LearningRates, learning_rates, source_rates
from brickbook.migrate.reader import read_config
from brickbook.migrate.source import migrate_source, migrate_tree

__all__ = [
    "LearningRates",
    "Length",
    "Migration",
    "Note",
    "Severity",
    "SourceMigration",
    "learning_rates",
    "migrate_code",
    "migrate_config",
    "migrate_source",
    "migrate_tree",
    "policy_curve",
    "read_config",
    "scheduler_curve",
    "sorted_notes",
    "source_rates",
]
