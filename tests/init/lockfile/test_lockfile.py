"""A lock file of how a model starts: what it holds, what a change of the model makes of it."""

from __future__ import annotations

import json
import math
import os

import pytest
import torch
from torch import nn

import brickbook
from brickbook import BaseModule, assert_starts_as
from brickbook.errors import BadArgumentError, BadValueError, ConfigError, MissingFileError
from brickbook.init.lockfile import LockChanges, StartLock, lock_start
from brickbook.init.planning import InitPlan


class Block(nn.Module):
    def __init__(self, name="fc", dtype=None):
        super().__init__()
        setattr(self, name, nn.Linear(4, 4, dtype=dtype))
        self.norm = nn.LayerNorm(4)


class Net(nn.Module):
    def __init__(self, name="fc", std=0.02, apply=True, head=3, dtype=None, more=False):
        super().__init__()
        self.table = nn.Embedding(9, 4, padding_idx=0)
        self.blocks = nn.Sequential(Block(name, dtype), Block(name))
        self.head = nn.Linear(4, head)
        self.scale = nn.Parameter(torch.arange(3.0))
        if more:
            self.token = nn.Parameter(torch.zeros(1, 4))
        if apply:
            for part in self.modules():
                if isinstance(part, nn.Linear):
                    nn.init.trunc_normal_(part.weight, std=std)
                    nn.init.zeros_(part.bias)


LOCKED = """\
{"brickbook_lock": 1, "seed": null,
"starts": [
  {"why": "computed: arange(3)"},
  {"law": {"type": "Normal", "mean": 0.0, "std": 1.0}, "padding": 0},
  {"law": {"type": "TruncNormal", "loc": 0.0, "scale": 0.02, "low": -2.0, "high": 2.0}},
  {"law": {"type": "Constant", "value": 0.0}},
  {"law": {"type": "Constant", "value": 1.0}}
],
"parameters": {
  "scale": ["float32", [3], 0],
  "table.weight": ["float32", [9, 4], 1],
  "blocks.0.fc.weight": ["float32", [4, 4], 2],
  "blocks.0.fc.bias": ["float32", [4], 3],
  "blocks.0.norm.weight": ["float32", [4], 4],
  "blocks.0.norm.bias": ["float32", [4], 3],
  "blocks.1.fc.weight": ["float32", [4, 4], 2],
  "blocks.1.fc.bias": ["float32", [4], 3],
  "blocks.1.norm.weight": ["float32", [4], 4],
  "blocks.1.norm.bias": ["float32", [4], 3],
  "head.weight": ["float32", [3, 4], 2],
  "head.bias": ["float32", [3], 3]
}}
"""


def test_the_file():
    lock = lock_start(Net)
    assert lock.to_json() == LOCKED
    assert StartLock.from_json(LOCKED) == lock
    assert repr(lock) == "StartLock: 12 parameters by 4 laws"


CHANGES = [
    ({"name": "lin"}, [
        "blocks.0.fc.weight  renamed  blocks.0.fc.weight → blocks.0.lin.weight",
        "blocks.0.fc.bias  renamed  blocks.0.fc.bias → blocks.0.lin.bias",
        "blocks.1.fc.weight  renamed  blocks.1.fc.weight → blocks.1.lin.weight",
        "blocks.1.fc.bias  renamed  blocks.1.fc.bias → blocks.1.lin.bias",
    ]),
    ({"std": 0.03}, [
        f"{name}.weight  start  TruncNormal(0, 0.02, -2, 2) → TruncNormal(0, 0.03, -2, 2)"
        for name in ("blocks.0.fc", "blocks.1.fc", "head")
    ]),
    ({"apply": False}, [
        f"{name}.{key}  start  {law} → Uniform(-0.5, 0.5)"
        for name in ("blocks.0.fc", "blocks.1.fc", "head")
        for key, law in (("weight", "TruncNormal(0, 0.02, -2, 2)"), ("bias", "Constant(0)"))
    ]),
    ({"head": 5}, [
        "head.weight  shape  3×4 → 5×4",
        "head.bias  shape  3 → 5",
    ]),
    ({"dtype": torch.float64}, [
        "blocks.0.fc.weight  dtype  float32 → float64",
        "blocks.0.fc.bias  dtype  float32 → float64",
    ]),
    ({"more": True}, ["token  added  Constant(0), 1×4, float32"]),
]  # fmt: skip


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize(("change", "lines"), CHANGES, ids=[str(c) for c, _ in CHANGES])
def test_changes(change, lines, seed, tmp_path):
    file = tmp_path / "net.init.json"
    assert_starts_as(Net, file, seed=seed, update=True)
    assert_starts_as(Net, file)
    with pytest.raises(AssertionError) as error:
        assert_starts_as(lambda: Net(**change), file)
    count = f"{len(lines)} parameter{'s start' if len(lines) > 1 else ' starts'}"
    assert str(error.value).splitlines() == [
        f"{file}: {count} otherwise than locked, of 12.",
        *(f"  {line}" for line in lines),
        "If that is meant, BRICKBOOK_UPDATE=1 writes the file anew.",
    ]


def test_what_is_gone():
    changes = LockChanges.between(lock_start(lambda: Net(more=True)), lock_start(Net))
    assert [str(row) for row in changes.rows] == ["token  removed  Constant(0), 1×4, float32"]
    assert changes and repr(changes) == "lock: 1 parameter starts otherwise than locked, of 13"
    assert LockChanges.from_json(changes.to_json()) == changes
    assert list(changes.frame().loc["token"]) == ["removed", "Constant(0), 1×4, float32", ""]
    assert not LockChanges.between(lock_start(Net), lock_start(Net))


def test_another_law_of_a_library(monkeypatch):
    lock = lock_start(Net)

    def reset_parameters(self):
        nn.init.normal_(self.weight, std=0.02)
        self._fill_padding_idx_with_zero()

    monkeypatch.setattr(nn.Embedding, "reset_parameters", reset_parameters)
    (row,) = LockChanges.between(lock, lock_start(Net)).rows
    assert str(row) == (
        "table.weight  start  Normal(0, 1), row 0 is 0 → Normal(0, 0.02), row 0 is 0"
    )


def test_laws_that_differ_by_rounding_are_the_same():
    text = LOCKED.replace('"scale": 0.02', f'"scale": {math.nextafter(0.02, 1)}')
    assert not LockChanges.between(StartLock.from_json(text), lock_start(Net))


def test_numbers_that_no_law_describes(tmp_path):
    def build(last=3):
        model = nn.Linear(2, 2)
        model.scale = nn.Parameter(torch.tensor([1.0, 2.0, last]))
        return model

    file = tmp_path / "a.json"
    assert_starts_as(build, file, update=True, seed=1)
    with pytest.raises(AssertionError, match=r"  scale  numbers  \w{16} → \w{16}\n"):
        assert_starts_as(lambda: build(4), file)
    assert_starts_as(build, file, update=True)  # with the seed of the file
    assert StartLock.read(file).seed == 1


def test_many_lines_are_cut():
    def build(std):
        model = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(30)))
        model.apply(lambda m: nn.init.normal_(m.weight, std=std) if type(m) is nn.Linear else 0)
        return model

    changes = LockChanges.between(lock_start(lambda: build(1)), lock_start(lambda: build(2)))
    assert changes.text.splitlines()[-1] == "  and 10 more" and len(changes.text.splitlines()) == 22


def test_tied_weights():
    def build(tie):
        model = nn.ModuleDict({"a": nn.Linear(3, 3, bias=False), "b": nn.Linear(3, 3, bias=False)})
        if tie:
            model["b"].weight = model["a"].weight
        return model

    (row,) = LockChanges.between(lock_start(lambda: build(True)), lock_start(lambda: build(False)))
    changes = LockChanges.between(lock_start(lambda: build(True)), lock_start(lambda: build(False)))
    assert row == "b.weight"
    assert str(changes[row]) == "b.weight  start  tied to a.weight → Uniform(-0.5774, 0.5774)"


RULES = dict(type="Normal", layer="Linear", std=0.1)


class Ruled(BaseModule):
    def __init__(self, init_cfg=RULES):
        super().__init__(init_cfg)
        self.layer = nn.Linear(3, 3)


@pytest.mark.parametrize("seed", [None, 4])
def test_rules(seed):
    for subject in (Ruled, Ruled()):
        lock = lock_start(subject, seed=seed)
        assert [str(each.law) for each in lock.tensors] == ["Normal(0, 0.1)", "Constant(0)"]
    assert lock_start(Ruled, seed=seed) == lock_start(Ruled(), seed=seed)
    other = lock_start(nn.Sequential(nn.Linear(3, 3)), RULES)
    assert str(other.tensors[0].law) == "Normal(0, 0.1)"


def test_a_model_that_exists_is_not_written():
    model = Ruled()
    before = model.layer.weight.clone()
    lock_start(model, seed=0)
    assert torch.equal(model.layer.weight, before)


def test_a_large_model_takes_no_memory(tmp_path):
    def build():
        return nn.Sequential(*(nn.Linear(1 << 16, 1 << 16, bias=False) for _ in range(100)))

    assert_starts_as(build, tmp_path / "large.json", update=True)
    assert_starts_as(build, tmp_path / "large.json")


def test_the_environment_writes_the_file_anew(tmp_path, monkeypatch):
    file = tmp_path / "net.json"
    for value in ("", "0"):
        monkeypatch.setenv("BRICKBOOK_UPDATE", value)
        with pytest.raises(MissingFileError) as error:
            assert_starts_as(Net, file)
        assert str(error.value) == (
            f"{file}: there is no lock file to read: {os.strerror(2)}. "
            "BRICKBOOK_UPDATE=1 writes it."
        )
    monkeypatch.setenv("BRICKBOOK_UPDATE", "1")
    assert_starts_as(Net, file)
    assert file.read_text() == LOCKED
    assert_starts_as(lambda: Net(std=0.5), file)
    assert file.read_text() != LOCKED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "lock: it is no lock file: there is no version of one in it. brickbook lock writes "
         "one."),
        ("[]", "lock: it is no lock file: there is no version of one in it. brickbook lock writes "
         "one."),
        (InitPlan(()).to_json(), "lock: it is no lock file: there is no version of one in it. "
         "brickbook lock writes one."),
        ('{"brickbook_lock": 2}', "lock: it is of version 2, and this brickbook reads up to 1. "
         "Take a newer brickbook."),
    ],
)  # fmt: skip
def test_no_lock_file(text, message):
    with pytest.raises(BadValueError) as error:
        StartLock.from_json(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("starts"),
        lambda data: data.pop("seed"),
        lambda data: data.update(seed="x"),
        lambda data: data.update(parameters=3),
        lambda data: data["parameters"].update(scale=["float32", [3]]),
        lambda data: data["parameters"].update(scale=["float32", [3], 99]),
        lambda data: data["parameters"].update(scale=[1, [3], 0]),
        lambda data: data["starts"][1]["law"].update(type="None"),
    ],
)
def test_damaged_files(change):
    data = json.loads(LOCKED)
    change(data)
    with pytest.raises(ConfigError, match=r"^(lock|parameters)\b"):
        StartLock.from_json(json.dumps(data))


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"\x80\x02\xff")
    with pytest.raises(BadValueError) as error:
        StartLock.read(file)
    assert str(error.value) == f"{file}: it is no lock file: it is no text."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nn.Linear(2, 2),), "model: how a model that exists has started is not known, and no rule "
         "speaks of it. Give the function that builds it."),
        ((3,), "model: 3 cannot be called."),
    ],
)  # fmt: skip
def test_what_cannot_be_locked(arguments, message):
    with pytest.raises(BadArgumentError) as error:
        lock_start(*arguments)
    assert str(error.value) == message


def test_a_seed_for_a_model_without_memory():
    with torch.device("meta"):
        model = Ruled()
    assert len(lock_start(model).tensors) == 2
    with pytest.raises(BadArgumentError) as error:
        lock_start(model, seed=0)
    assert str(error.value) == (
        "seed: a model on the meta device has no numbers to hash. "
        "Give the function that builds it, or no seed."
    )


def test_it_is_public():
    assert brickbook.assert_starts_as is assert_starts_as
