"""The tabs of the init lab: what they show, one file a tab; `TABS` lists them."""

from brickbook.lab.init.tabs.lab_state import LabActions, LabState, SignalLine
from brickbook.lab.init.tabs.tabs import TABS, Tabs

__all__ = ["TABS", "LabActions", "LabState", "SignalLine", "Tabs"]
