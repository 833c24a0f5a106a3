"""500 whole configs of 0.x, with 140 schedules, are migrated by one process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

COUNT = 500
SECONDS, MIB = 20.0, 200.0
SUPPORT = Path(__file__).parents[1] / "support"


def cases() -> list[dict[str, float | str]]:
    """The time and the memory of a process that does nothing else."""
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, mib = json.loads(done.stdout)
    rows: list[dict[str, float | str]] = [
        {"name": f"{COUNT} configs migrated / {SECONDS:.0f} s",
         "ours": seconds, "peer": SECONDS, "ratio": seconds / SECONDS, "bound": 1.0},
    ]  # fmt: skip
    if mib is not None:
        rows.append({"name": f"memory of that process / {MIB:.0f} MiB", "ours": mib, "peer": MIB,
                     "ratio": mib / MIB, "bound": 1.0, "unit": "MiB"})  # fmt: skip
    return rows


def peak() -> float | None:
    """Return the most memory that this process has had, in MiB; None where Linux does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def measure() -> None:
    """Migrate, and print the seconds and the memory."""
    start = time.perf_counter()
    from small_configs import OLD_CONFIGS

    from brickbook.migrate import migrate_config

    kinds = list(OLD_CONFIGS.items())
    for number in range(COUNT):
        name, config = kinds[number % len(kinds)]
        old = deepcopy(config)
        old["runner"]["max_epochs"] = (90, 100, 200, 300, 400)[number % 5]
        migrate_config(old, name=f"{name}_8xb{number}.py")
    print(json.dumps([time.perf_counter() - start, peak()]))


if __name__ == "__main__":
    sys.path[:0] = [str(SUPPORT), str(Path(__file__).parents[2])]
    measure()
