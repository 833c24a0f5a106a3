"""The words of the field that has the focus, under its form."""

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
    """Shows the tooltip of whatever control has the focus, within ``selector``."""

    _esm = ScriptBundle(("field_doc.js",), HERE).read_text()
    _css = STYLE
    selector = traitlets.Unicode().tag(sync=True)
