"""Random configs for small models: what is meant, what is half right, and what is hostile.

``python tests/support/fuzz.py`` (``make fuzz``) plans many of them, new ones each time; the seed is
printed, and ``--seed`` repeats a run. Every outcome must be a plan or a ConfigError, and the model
must be untouched.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from brickbook import ConfigError, plan
from brickbook.config import signature_of
from brickbook.init.initializers import INITIALIZERS

MOST_LETTERS = 20_000  # of a message, in any case


class UnprintableValue:
    """A value without a repr."""

    def __repr__(self) -> str:
        raise ValueError("no repr")


def raise_error(*_: Any) -> float:
    """Raise, as a user's function may."""
    raise RuntimeError("a fault")


def gain_of_layer(name: str, layer: nn.Module) -> float:
    """A gain as it is meant."""
    return 1.5


def contains_itself() -> dict[str, Any]:
    """A config that is its own override."""
    cfg: dict[str, Any] = {"type": "Zeros", "layer": "Linear"}
    cfg["override"] = cfg
    return cfg


def nested(depth: int) -> list[Any]:
    """A list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def doubled(depth: int) -> list[Any]:
    """A list that holds the list before it twice."""
    value: list[Any] = [1]
    for _ in range(depth):
        value = [value, value]
    return value


HOSTILE: tuple[Callable[[], Any], ...] = (
    lambda: 10**5000, lambda: -(10**5000), lambda: 10**400, lambda: 10**308, lambda: 2**63,
    lambda: float("nan"), lambda: float("inf"), lambda: -1, lambda: 1j, lambda: True,
    lambda: 1e308, lambda: -1e308, lambda: 5e-324, lambda: "x" * 100_000, lambda: "", lambda: "\0",
    lambda: "\ud800", lambda: "re:" + "(" * 3000 + ")" * 3000, lambda: "re:a{99999999999999999}",
    lambda: "re:(", lambda: "[" * 3000, lambda: "*" * 3000, lambda: "*:*", lambda: ":",
    lambda: None, lambda: [], lambda: {}, lambda: (), lambda: set(), lambda: b"bytes",
    lambda: torch.zeros(3), lambda: torch.tensor(2.0), lambda: torch.zeros(0), lambda: type,
    lambda: int, lambda: print, lambda: raise_error, lambda: gain_of_layer, UnprintableValue,
    lambda: nn.Linear, lambda: nn.ReLU(), contains_itself, lambda: nested(500),
    lambda: doubled(40), lambda: list(range(2000)), lambda: {1: 2}, lambda: {10**5000: 1},
    lambda: {"type": "Normal"}, lambda: [contains_itself()], lambda: iter(()),
)  # fmt: skip

MEANT: tuple[Callable[[random.Random], Any], ...] = (
    lambda rng: rng.choice([0, 1, 2, 3, 10]),
    lambda rng: rng.uniform(-2, 2),
    lambda rng: rng.choice(["Conv2d", "Linear", "BatchNorm2d", "LSTM", "0", "2.weight", "*.0"]),
    lambda rng: rng.choice(["re:.*", "re:[0-3]", "*:bias", ":weight", "Linear:weight", "nothing"]),
    lambda rng: rng.choice(["normal", "uniform", "fan_in", "fan_out", "relu", "auto", "std"]),
    lambda rng: [rng.choice(["Conv2d", "Linear", "Embedding"]), rng.choice(["0", "1"])],
    lambda rng: rng.choice([nn.Conv2d, nn.Linear, nn.Module]),
    lambda rng: rng.choice([(0, 1), [1], -1, ()]),
)


class ConfigMaker:
    """Makes configs from a generator of random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.types = sorted(INITIALIZERS.module_dict)

    def value(self) -> Any:
        """Any value: two thirds of them may be meant."""
        if self.rng.random() < 0.35:
            return self.rng.choice(HOSTILE)()
        return self.rng.choice(MEANT)(self.rng)

    def type(self) -> Any:
        """Mostly the name of an initialiser."""
        if self.rng.random() < 0.9:
            return self.rng.choice(self.types)
        return self.value()

    def law(self) -> dict[str, Any]:
        """An initialiser and arguments, most of them its own."""
        kind = self.type()
        known: list[Any] = ["layer", "bias"]
        if isinstance(kind, str) and kind in self.types:
            takes = signature_of(INITIALIZERS.module_dict[kind])
            known += [*takes.named]
            known += [*takes.required] * 4
        cfg: dict[Any, Any] = {"type": kind}
        for _ in range(self.rng.randrange(5)):
            key = self.rng.choice(known)
            cfg[key] = self.argument(key)
        if self.rng.random() < 0.04:
            key = self.value()
            with suppress(TypeError):  # a list is no key
                cfg[key] = self.value()
        if self.rng.random() < 0.05:
            del cfg["type"]
        return cfg

    def argument(self, key: str) -> Any:
        """A value for an argument, often one of its kind."""
        if self.rng.random() < 0.3:
            return self.value()
        if key in ("init", "base") and self.rng.random() < 0.8:
            return self.law() if key == "init" else self.shapes()
        if key == "layer":
            return self.rng.choice(MEANT[2:4] + MEANT[5:7])(self.rng)
        if key in ("distribution", "mode", "nonlinearity", "units"):
            return MEANT[4](self.rng)
        return self.rng.choice(MEANT[:2])(self.rng)

    def shapes(self) -> dict[Any, Any]:
        """Base shapes, as muP takes them."""
        names = ("0.weight", "0.bias", "3.weight", "3.bias")
        sizes = (0, 1, 2, 8, 2**63, 10**400)
        return {
            name: [self.rng.choice(sizes) for _ in range(self.rng.choice((1, 2, 4)))]
            for name in names
        }

    def entry(self) -> Any:
        """A law, and overrides."""
        cfg: Any = self.law()
        for _ in range(self.rng.choice((0, 0, 0, 1, 2))):
            part = self.law() if self.rng.random() < 0.7 else {}
            part["name"] = MEANT[2](self.rng) if self.rng.random() < 0.8 else self.value()
            before = cfg.get("override")
            if not isinstance(before, list):
                before = []
            cfg["override"] = [*before, part] if self.rng.random() < 0.9 else self.value()
        return cfg

    def config(self) -> Any:
        """An ``init_cfg``: a dict, a list of dicts, or something else."""
        draw = self.rng.random()
        if draw < 0.03:
            return self.value()
        if draw < 0.6:
            return self.entry()
        return [self.entry() for _ in range(self.rng.randrange(4))]

    def options(self) -> dict[str, Any]:
        """Options of `plan`, mostly none."""
        found: dict[str, Any] = {}
        if self.rng.random() < 0.1:
            found["protect"] = self.value()
        if self.rng.random() < 0.05:
            key = self.rng.choice(("order", "frozen", "strict", "only_missing"))
            found[key] = self.value()
        return found


def make_models() -> list[nn.Module]:
    """Return small models of the kinds of layers that rules know."""
    empty = nn.Linear(0, 3)
    return [
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Linear(8, 2)),
        nn.Sequential(nn.Embedding(5, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 2)),
        nn.Sequential(nn.ConvTranspose2d(2, 2, 2), empty, nn.PReLU(), nn.Bilinear(2, 2, 2)),
        nn.ReLU(),
    ]


def fault_of(config: Any, model: nn.Module, options: dict[str, Any]) -> tuple[str, str]:
    """Return what came of planning a config, and what is wrong with that ("" if nothing)."""
    try:
        found = plan(model, config, **options)
        found.to_dict()
        lengths = [len(str(item)) for item in found.unmatched]
        return "plan", "a long message" if max(lengths, default=0) > MOST_LETTERS else ""
    except ConfigError as error:
        kind = type(error).__name__
        return kind, "a long message" if len(str(error)) > MOST_LETTERS else ""
    except Exception as error:
        return "other", f"{type(error).__name__}: {str(error)[:200]}"


def run_fuzz(seed: int, count: int, report: Callable[[str], None] = print) -> Counter[str]:
    """Plan ``count`` random configs; return how often each outcome came.

    Raises:
        AssertionError: An outcome is neither a plan nor a ConfigError, or a model was written.
    """
    models = make_models()
    before = [{name: t.clone() for name, t in model.state_dict().items()} for model in models]
    outcomes: Counter[str] = Counter()
    for at in range(count):
        rng = random.Random(f"{seed}-{at}")
        maker, model = ConfigMaker(rng), rng.choice(models)
        config, options = maker.config(), maker.options()
        started = time.perf_counter()
        outcome, fault = fault_of(config, model, options)
        seconds = time.perf_counter() - started
        if fault or seconds > 5:
            raise AssertionError(f"--seed {seed} --at {at}: {outcome}, {fault}, {seconds:.1f} s")
        outcomes[outcome] += 1
        if at % 10_000 == 9_999:
            report(f"{at + 1:,} of {count:,}")
    for model, old in zip(models, before, strict=True):
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, old[name]), f"--seed {seed}: {name} was written"
    return outcomes


def main(arguments: list[str]) -> int:
    """Run with a new seed, or with one that is given."""
    parser = argparse.ArgumentParser(description="Plan random configs.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--at", type=int, help="run this config alone, with its traceback")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if given.at is not None:
        rng = random.Random(f"{given.seed}-{given.at}")
        maker, model = ConfigMaker(rng), rng.choice(make_models())
        config, options = maker.config(), maker.options()
        print(plan(model, config, **options))
        return 0
    for outcome, number in run_fuzz(given.seed, given.count).most_common():
        print(f"{number:9,} {outcome}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
