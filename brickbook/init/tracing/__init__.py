"""What foreign code does to parameters: every write of a model's tensors, with line and law."""

from brickbook.init.tracing.check import follows
from brickbook.init.tracing.events import TracedTensor, WriteEvent
from brickbook.init.tracing.history import History, plan_row
from brickbook.init.tracing.tape import Tape
from brickbook.init.tracing.trace import built_on_meta, history_of, trace

__all__ = [
    "History",
    "Tape",
    "TracedTensor",
    "WriteEvent",
    "built_on_meta",
    "follows",
    "history_of",
    "plan_row",
    "trace",
]
