"""`init_weights` of a ViT-L-sized tree against mmengine's, and a model of 10,000 modules."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import torch
from timing import fastest
from torch import nn

import brickbook
from brickbook import initialize, plan

HERE = Path(__file__).parent
WIDTH, HIDDEN, BLOCKS = 1024, 4096, 24
OUTER = [
    dict(type="Normal", layer="Linear", std=0.02),
    dict(type="Constant", layer="LayerNorm", val=1.0),
]
INNER = dict(type="Xavier", layer="Linear", distribution="uniform")
PLAN_SECONDS = 0.1
RULES = [dict(type="Kaiming", layer="Linear"), dict(type="Constant", layer="LayerNorm", val=1.0)]


def vit(base: type[nn.Module], group: type[nn.Module]) -> nn.Module:
    """A tree of 303 M parameters: 24 blocks with an init_cfg, and one of the whole."""

    class Block(base):
        def __init__(self) -> None:
            super().__init__(init_cfg=INNER)
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    class Tree(base):
        def __init__(self) -> None:
            super().__init__(init_cfg=OUTER)
            self.embed = nn.Linear(768, WIDTH)
            self.blocks = group([Block() for _ in range(BLOCKS)])
            self.norm = nn.LayerNorm(WIDTH)

    with torch.device("meta"):
        model = Tree()
    return model.to_empty(device="cpu")


def again(model: nn.Module, **options: object) -> None:
    """Start a tree as if it never had been."""
    for part in model.modules():
        if hasattr(part, "_is_init"):
            part._is_init = False
    torch.manual_seed(0)
    model.init_weights(**options)


def cases() -> list[dict[str, float | str]]:
    """Time and memory of the tree, the time of the large plan, and of carrying it out."""
    return [*tree(), memory(), *many()]


def tree() -> list[dict[str, float | str]]:
    """Two rows: with a seed on all cores, and without one."""
    from mmengine.logging import MMLogger
    from mmengine.model import BaseModule, ModuleList

    MMLogger.get_instance("bench", log_level="ERROR")
    MMLogger.get_current_instance().setLevel("ERROR")
    ours = vit(brickbook.BaseModule, brickbook.ModuleList)
    theirs = vit(BaseModule, ModuleList)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seeded, plain, peer = fastest(
            [lambda: again(ours, seed=0), lambda: again(ours), lambda: again(theirs)], rounds=3
        )
    name = "init_weights of a ViT-L tree, {} / mmengine"
    return [
        {"name": name.format("seeded"), "ours": seeded, "peer": peer, "ratio": seeded / peer,
         "bound": 0.35},
        {"name": name.format("unseeded"), "ours": plain, "peer": peer, "ratio": plain / peer,
         "bound": 0.65},
    ]  # fmt: skip


def memory() -> dict[str, float | str]:
    """One row: how far the peak of resident memory rises above the model, in MiB."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "peak"],
        capture_output=True, text=True, check=True, cwd=HERE,
    )  # fmt: skip
    peak, bound = float(done.stdout), 16.0
    return {"name": "peak memory above the ViT-L tree, seeded", "ours": peak, "peer": bound,
            "ratio": peak / bound, "bound": 1.0, "unit": "MiB"}  # fmt: skip


def status(key: str) -> float:
    """Read a size of this process from the kernel, in MiB."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) / 1024


def peak() -> float:
    """Start the tree once to touch its pages, then measure the second time."""
    model = vit(brickbook.BaseModule, brickbook.ModuleList)
    again(model, seed=0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    again(model, seed=1)
    return status("VmHWM") - before


def many() -> list[dict[str, float | str]]:
    """Two rows: the plan of 10,001 modules, and carrying it out against the loop people write."""
    model = nn.Sequential(*(block() for _ in range(2000)))

    def theirs() -> None:
        for part in model.modules():
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight, mode="fan_out")
                nn.init.zeros_(part.bias)
            elif isinstance(part, nn.LayerNorm):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)

    planning, mine, peer = fastest(
        [lambda: plan(model, RULES), lambda: initialize(model, RULES), theirs]
    )
    return [
        {"name": "plan of 10,001 modules / 0.1 s", "ours": planning, "peer": PLAN_SECONDS,
         "ratio": planning / PLAN_SECONDS, "bound": 1.0},
        {"name": "initialize 10,001 modules / torch loop", "ours": mine, "peer": peer,
         "ratio": mine / peer, "bound": 1.5},
    ]  # fmt: skip


def block() -> nn.Sequential:
    """Five modules, two of them with weights of 64 × 64."""
    return nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64))


if __name__ == "__main__":
    print(peak())
