"""What foreign code does to parameters: every write of a model's tensors, with line and law."""

from brickbook.init.tracing.events import TracedTensor, WriteEvent
from brickbook.init.tracing.history import History
from brickbook.init.tracing.trace import trace

__all__ = ["History", "TracedTensor", "WriteEvent", "trace"]
