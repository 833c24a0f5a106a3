"""A package in the image of a project on MMClassification 0.x: migrated, it runs under 1.2.

Its files lie under ``project/`` as texts. What runs is everything but what the notes name.
"""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import tokenize
from importlib.util import find_spec
from pathlib import Path

import pytest
from peers import import_peer
from torchvision_support import import_torchvision

import brickbook
from brickbook.migrate import Severity, SourceMigration, migrate_code

PROJECT = Path(__file__).parent / "project"
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(scope="module")
def project() -> dict[str, SourceMigration]:
    """Every file of the project, migrated."""
    texts = {
        str(file.relative_to(PROJECT).with_suffix("")): file.read_text(encoding="utf-8")
        for file in sorted(PROJECT.rglob("*.py.txt"))
    }
    return {path: migrate_code(text, path=path) for path, text in texts.items()}


def comments_of(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sorted(token.string for token in tokens if token.type == tokenize.COMMENT)


def by_hand(migration: SourceMigration) -> set[str]:
    notes = migration.notes
    return {note.rule for note in notes if note.severity is Severity.BY_HAND}


def test_it_is_a_project_of_many_files(project: dict[str, SourceMigration]) -> None:
    assert len(project) >= 30


def test_every_file_is_python_keeps_its_comments_and_is_done_once(
    project: dict[str, SourceMigration],
) -> None:
    for path, migration in project.items():
        ast.parse(migration.text)
        assert comments_of(migration.text) == comments_of(migration.old), path
        assert migrate_code(migration.text, path=path).text == migration.text, path


def test_comments_on_request(project: dict[str, SourceMigration]) -> None:
    for path, migration in project.items():
        written = migrate_code(migration.old, path=path, comments=True)
        added = [line for line in written.text.splitlines() if "# migrate: " in line]
        assert bool(added) == bool(by_hand(migration)), path
        rest = [line for line in written.text.splitlines() if line not in added]
        assert rest == migration.text.splitlines()
        for note in written.notes:
            if note.severity is Severity.BY_HAND:
                assert f"# migrate: {note.text('en')}" in written.text
        again = migrate_code(written.text, path=path, comments=True)
        assert [line for line in again.text.splitlines() if "# migrate: " in line] == added


def test_what_is_left_by_hand(project: dict[str, SourceMigration]) -> None:
    left = {path: sorted(by_hand(m)) for path, m in project.items() if by_hand(m)}
    assert left == {
        "leafnet/apis/train.py": ["code.use_instead"],
        "leafnet/core/evaluation.py": ["code.use_instead"],
        "leafnet/core/metrics.py": ["code.arguments"],
        "leafnet/datasets/leaf_list.py": ["code.method"],
        "leafnet/models/classifiers/distilled.py": ["code.call", "code.maybe", "code.method"],
        "leafnet/models/heads/two_stage_head.py": ["code.arguments", "code.call", "code.method"],
        "leafnet/models/selfsup/leaf_moco.py": ["code.call", "code.method"],
    }


PROGRAM = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
from torchvision_support import import_torchvision
from importlib.util import find_spec
if find_spec("torchvision"):
    import_torchvision()
import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample
import mmpretrain.datasets, mmpretrain.models
init_default_scope("mmpretrain")
for name in sys.argv[1].split(","):
    importlib.import_module(name)
try:
    importlib.import_module("leafnet.core.evaluation")
except ImportError:
    pass
else:
    raise AssertionError("the notes say that it cannot be imported")

from mmpretrain.registry import DATASETS, DATA_SAMPLERS, HOOKS, MODELS, OPTIMIZERS, TRANSFORMS

model = MODELS.build(dict(
    type="LeafClassifier", backbone=dict(type="LeafNet", channels=8), neck=dict(type="LeafPool"),
    head=dict(type="LeafHead", in_channels=8, num_classes=2, topk=(1,),
              loss=dict(type="SoftMarginLoss"))))
model.init_weights()
images = torch.rand(2, 3, 16, 8)
samples = [DataSample().set_gt_label(label) for label in (0, 1)]
loss = model(images, samples, mode="loss")["loss"]
loss.backward()
assert loss.ndim == 0
assert model(images, mode="tensor").shape == (2, 2)
predicted = model(images, samples, mode="predict")
assert predicted[0].pred_score.shape == (2,)
assert len(MODELS.build(dict(type="LeafResNet", depth=10))(images)) == 1

resize = TRANSFORMS.build(dict(type="BrightResize", scale=(4, 4)))
picture = dict(img=np.full((8, 8, 3), 100, np.uint8))
assert resize(picture)["img"].shape == (4, 4, 3) and picture["img"].max() == 120
turned = TRANSFORMS.build(dict(type="Turn", prob=1.0))(dict(img=np.eye(4)[..., None].repeat(3, 2)))
assert turned["img"].shape == (4, 4, 3)

import cv2
from pathlib import Path
for kind in ("ash", "oak"):
    Path("leaves", kind).mkdir(parents=True)
    cv2.imwrite(f"leaves/{kind}/0.png", np.zeros((8, 8, 3), np.uint8))
data = DATASETS.build(dict(type="LeafFolder", data_root="leaves", pipeline=[
    dict(type="LoadImageFromFile"), dict(type="Turn"), dict(type="PackInputs")]))
assert len(data) == 2 and list(data.CLASSES) == ["ash", "oak"]
assert data[1]["data_samples"].gt_label.item() == 1
assert list(DATA_SAMPLERS.build(dict(type="HalfSampler", dataset=data))) == [0]

class Runner:
    iter = 1
hook = HOOKS.build(dict(type="SlowHook"))
hook.after_train_iter(Runner, 1, data_batch=None, outputs=None)
hook.after_train_epoch(Runner)
assert hook.seen == [1]
assert OPTIMIZERS.build(dict(type="Slow", params=model.parameters(), lr=0.1))
import leafnet.utils
assert leafnet.utils.save({"a": 1}, "out") == {"a": 1}
from leafnet.core import leaf_metrics
leaf_metrics(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 1]))
import leaf_tools.train
assert leaf_tools.train.parse_args(["a.py"]).config == "a.py"
import leaf_tests.test_models as written
written.test_backbone(), written.test_head()
print("done")
"""


def test_it_runs_under_1_2(project: dict[str, SourceMigration], tmp_path: Path) -> None:
    if find_spec("torchvision"):
        import_torchvision()
    import_peer("mmpretrain")
    for path, migration in project.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(migration.text, encoding="utf-8")
    names = [
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in project
        if path != "leafnet/core/evaluation.py"
    ]
    home = Path(brickbook.__file__).parents[1]
    paths = os.pathsep.join(map(str, (tmp_path, SUPPORT, home)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(names)],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.stdout.endswith("done\n"), done.stderr[-3000:]
