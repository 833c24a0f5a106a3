"""What an argument means, under its form, while its field has the focus."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from brickbook.views.grid.bundle import ScriptBundle

__all__ = ["FieldDoc"]

HERE = Path(__file__).parent
STYLE = """.bb-field-doc {
color: var(--jp-ui-font-color1, inherit);
font-family: var(--jp-ui-font-family, system-ui, sans-serif);
font-size: var(--jp-ui-font-size1, 13px);
line-height: 1.4;
min-height: 2.8em;
overflow-wrap: anywhere;
padding: 4px 2px;
}
"""


class FieldDoc(anywidget.AnyWidget):
    """Shows of the control that has the focus, within ``selector``, what ``docs`` has by its label.

    A page shows no tooltip of a field to those who use the keyboard.
    """

    _esm = ScriptBundle(("field_doc.js",), HERE).read_text()
    _css = STYLE
    docs = traitlets.Dict().tag(sync=True)
    selector = traitlets.Unicode().tag(sync=True)
