"""What the first use of brickbook adds to ``import torch``, each in a process of its own.

``import brickbook`` itself loads nothing, so a name of it is asked for: that loads them all.

From bytecode, as in every process but the first after an installation.
"""

from __future__ import annotations

import os
import subprocess
import sys

BOUND = 0.080  # seconds
ROUNDS = 7
TIMED = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
from brickbook import initialize
print(middle - start, time.perf_counter() - middle)
"""


def cases() -> list[dict[str, float | str]]:
    """One row: the seconds added, against the bound in seconds."""
    seconds()  # writes the bytecode
    runs = [seconds() for _ in range(ROUNDS)]
    torch_alone = min(first for first, _ in runs)
    added = min(second for _, second in runs)
    name = "from brickbook import initialize after import torch (bound: seconds added / 80 ms)"
    return [
        {"name": name, "ours": added, "peer": BOUND, "ratio": added / BOUND, "bound": 1.0},
        {
            "name": "import torch alone, for scale",
            "ours": torch_alone, "peer": torch_alone, "ratio": 1.0, "bound": 1.0,
        },
    ]  # fmt: skip


def seconds() -> tuple[float, float]:
    """Time both imports in a fresh process."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    out = subprocess.run(
        [sys.executable, "-c", TIMED], capture_output=True, text=True, check=True, env=env
    )
    first, second = out.stdout.split()
    return float(first), float(second)
