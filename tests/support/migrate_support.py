"""Where the folder of official pairs and golden values lies, for the tests that look at them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["read_shared", "shared_folder"]


def shared_folder() -> Path | None:
    """Return the folder that ``BRICKBOOK_SHARED`` names, or one beside the checkout."""
    if named := os.environ.get("BRICKBOOK_SHARED"):
        return Path(named)
    beside = (parent / "shared" for parent in Path(__file__).resolve().parents)
    return next((folder for folder in beside if (folder / "data" / "migration").is_dir()), None)


def read_shared(*parts: str) -> Any:
    """Read a JSON file of that folder; skip where there is none."""
    folder = shared_folder()
    file = folder.joinpath(*parts) if folder else None
    if file is None or not file.exists():
        pytest.skip("the folder of official pairs is not here (BRICKBOOK_SHARED names it)")
    return json.loads(file.read_text(encoding="utf-8"))
