"""The verbs of brickbook: one table for ``%brickbook`` in a notebook, IPython, and the shell.

A verb stands in a file of its own: what it says of itself, its options, and what it calls.
"""

from brickbook.verbs.completing import complete
from brickbook.verbs.doors import Command, Session
from brickbook.verbs.table import VERBS, run
from brickbook.verbs.verb import Answer, Door, Parser, Verb, WrongLineError

__all__ = [
    "VERBS",
    "Answer",
    "Command",
    "Door",
    "Parser",
    "Session",
    "Verb",
    "WrongLineError",
    "complete",
    "run",
]
