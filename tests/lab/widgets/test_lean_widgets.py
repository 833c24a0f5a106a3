"""What a page is told of the many small widgets of a panel: only what it does not know."""

from __future__ import annotations

import json
from typing import Any

import comm
import ipywidgets as w
import pytest
from comm.base_comm import BaseComm
from torch import nn

from brickbook.lab import InitLab
from brickbook.lab.widgets import Button, HTMLText, Label, LeanLayout, Notice, Section, close_tree
from brickbook.lab.widgets.base import widgets_in

CONTROLS = {"_model_module": "@jupyter-widgets/controls", "_model_module_version": "2.0.0"}


@pytest.fixture
def sent(monkeypatch) -> list[dict[str, Any]]:
    """Every message to a page: its kind, and the state that it tells."""
    messages: list[dict[str, Any]] = []

    class Told(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            messages.append({"kind": msg_type, "state": (data or {}).get("state", {})})

    monkeypatch.setattr(comm, "create_comm", Told)
    return messages


def test_a_layout_tells_what_is_set(sent):
    layout = LeanLayout(width="auto")
    base = {"_model_module": "@jupyter-widgets/base", "_model_module_version": "2.0.0"}
    assert [message["state"] for message in sent] == [
        {**base, "_model_name": "LayoutModel", "width": "auto"}
    ]
    layout.width = None  # what is unset later is told
    assert sent[-1] == {"kind": "comm_msg", "state": {"width": None}}
    layout.close()


@pytest.mark.parametrize(
    ("make", "name", "reports"),
    [
        (HTMLText, "HTMLModel", {"value": ""}),
        (Label, "LabelModel", {"value": ""}),
        (Button, "ButtonModel", {"description": "", "icon": "", "disabled": False}),
        (Section, "VBoxModel", {"children": []}),
    ],
)
def test_a_control_makes_no_style_and_leaves_out_what_the_page_knows(sent, make, name, reports):
    control = make()
    layout, own = (message["state"] for message in sent)
    assert layout["_model_name"] == "LayoutModel" and own.items() >= {**CONTROLS, **reports}.items()
    assert own["_model_name"] == name and own["layout"] == f"IPY_MODEL_{control.layout.model_id}"
    assert None not in own.values() and not {"style", "_view_name", "_view_module"} & set(own)
    close_tree(control)


@pytest.mark.parametrize("text", ["", "something"])
def test_a_notice_is_two_messages(sent, text):
    notice = Notice(text)
    assert [message["kind"] for message in sent] == ["comm_open"] * 2
    assert sent[0]["state"].get("display") == (None if text else "none")
    assert (text in sent[1]["state"]["value"]) and notice.text == text
    close_tree(notice)


def test_a_panel_opens_with_few_messages(sent):
    """A message is half a kilobyte before it says anything: 0.3 MB are some 175 and the grid."""
    lab = InitLab(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)))
    controls = [message["state"] for message in sent if "_esm" not in message["state"]]
    controls = [state for state in controls if "meta" not in state]
    assert len(controls) <= 176
    assert len(json.dumps(controls)) < 50_000
    styles = [part for part in widgets_in(lab) if isinstance(part, w.Style)]
    assert [style for style in styles if type(style).__name__ == "ButtonStyle"] == []
    lab.close()
