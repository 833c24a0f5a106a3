"""Run every ``bench_*.py`` beside this file, print a table and write ``bench.json``.

Each has ``cases()``, which returns rows of name, ours and peer (in seconds, or in the row's unit),
ratio and bound; both sides are measured in the same run, so a ratio means something on any machine.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent


def main(chosen: list[str]) -> int:
    """Return 1 if any ratio is over its bound."""
    sys.path.insert(0, str(HERE))
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    rows = [
        row
        for name in names
        if not chosen or name in chosen
        for row in importlib.import_module(name).cases()
    ]
    width = max(len(row["name"]) for row in rows)
    print(f"{'name':<{width}}  {'ours':>12}  {'peer':>12}  {'ratio':>6}  bound")
    for row in rows:
        over = "  over" if row["ratio"] > row["bound"] else ""
        unit = f"{row.get('unit', 's'):<3}"
        print(
            f"{row['name']:<{width}}  {row['ours']:>8.4f} {unit}  {row['peer']:>8.4f} {unit}  "
            f"{row['ratio']:>6.3f}  {row['bound']:.2f}{over}"
        )
    about = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    Path("bench.json").write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")
    return int(any(row["ratio"] > row["bound"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
