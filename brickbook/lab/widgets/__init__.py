"""What the panels are made of: sections, messages, jobs in a thread, the histogram grid."""

from brickbook.lab.widgets.base import (
    Disclosure,
    Notice,
    Panel,
    Section,
    close_tree,
    descendants,
    reports_errors,
    scrolling_column,
    tighten_lines,
)
from brickbook.lab.widgets.cancellation import (
    Cancelled,
    ProgressCallback,
    cancel_between_calls,
    cancel_between_layers,
)
from brickbook.lab.widgets.grid import Grid
from brickbook.lab.widgets.jobs import JobProgress
from brickbook.lab.widgets.lean import Button, HTMLText, Label, LeanLayout, full_width, icon_button

__all__ = [
    "Button",
    "Cancelled",
    "Disclosure",
    "Grid",
    "HTMLText",
    "JobProgress",
    "Label",
    "LeanLayout",
    "Notice",
    "Panel",
    "ProgressCallback",
    "Section",
    "cancel_between_calls",
    "cancel_between_layers",
    "close_tree",
    "descendants",
    "full_width",
    "icon_button",
    "reports_errors",
    "scrolling_column",
    "tighten_lines",
]
