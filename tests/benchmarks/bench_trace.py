"""A start that is done again: timm's ViT-L against its constructor; a trace of 70 B parameters."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from timing import fastest

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from torchvision_support import import_torchvision

from brickbook.init.execution.materialize import materialize
from brickbook.init.tracing import trace

SECONDS, MIB = 3.0, 1024.0  # what the trace and the plan of a model of 70 B parameters may take
LLAMA = {
    "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128256,
}  # fmt: skip


def cases() -> list[dict[str, Any]]:
    """Return the rows of the libraries that are installed."""
    import_torchvision()
    rows: list[dict[str, Any]] = []
    if find_spec("timm"):
        rows.append(vision_transformer())
    if find_spec("transformers"):
        rows += llama()
    return rows


def vision_transformer() -> dict[str, Any]:
    """The construction of ViT-L, which draws twice, and the same start done again."""
    import timm

    def build() -> Any:
        return timm.create_model("vit_large_patch16_224")

    mine, peer = fastest([lambda: materialize(build, trace=True, seed=0), build], rounds=3)
    name = "materialize(trace=True) of ViT-L / timm.create_model"
    return {"name": name, "ours": mine, "peer": peer, "ratio": mine / peer, "bound": 0.45}


def llama() -> list[dict[str, Any]]:
    """Time and memory of a process of its own, that of the imports not counted."""
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, timeout=300
    )
    seconds, mib = json.loads(done.stdout.splitlines()[-1])
    name = "trace and plan a Llama of 70 B"
    return [
        {"name": f"{name} / {SECONDS:.0f} s", "ours": seconds, "peer": SECONDS,
         "ratio": seconds / SECONDS, "bound": 1.0},
        {"name": f"memory of that / {MIB:.0f} MiB", "ours": mib, "peer": MIB,
         "ratio": mib / MIB, "bound": 1.0, "unit": "MiB"},
    ]  # fmt: skip


def resident(line: str) -> float:
    """Return a line of what Linux knows of this process, in MiB."""
    text = Path("/proc/self/status").read_text()
    return next(float(each.split()[1]) / 1024 for each in text.splitlines() if line in each)


def trace_llama() -> None:
    """Print the seconds and the MiB that a trace and its plan take."""
    import_torchvision()  # transformers imports it
    import transformers

    make: Any = transformers.LlamaForCausalLM
    config = transformers.LlamaConfig(**LLAMA)
    before, start = resident("VmRSS"), time.perf_counter()
    history = trace(lambda: make(config), meta=True)
    assert len(history.plan) == 723
    print(json.dumps([time.perf_counter() - start, resident("VmHWM") - before]))


if __name__ == "__main__":
    trace_llama()
