"""The table of moves: against the whole list of official ones, and against what is installed."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
from migrate_support import read_shared
from peers import import_peer
from torchvision_support import import_torchvision

import brickbook
from brickbook.migrate import migrate_code
from brickbook.migrate.code.moves import Fate, Moves, read_moves

MOVES = read_moves("mmcls")

# Where the list and the table differ, and why the table is right.
KNOWN = {
    # the class is not what an import of a package gives
    "mmcls.core.visualization": "",
    # both paths have it
    "mmcls.datasets.mnist.open_maybe_compressed_file": (
        "mmpretrain.datasets.mnist.open_maybe_compressed_file"
    ),
    # renamed under its other path, so under this one too
    "mmcls.datasets.pipelines.transforms.Albu": "mmpretrain.datasets.transforms.Albumentations",
    # it added nothing but abstract methods to a BaseModule
    "mmcls.models.heads.base_head.BaseHead": "mmengine.model.BaseModule",
    # one registry has all models
    "mmselfsup.models.build_algorithm": "mmpretrain.registry.MODELS.build",
    "mmselfsup.models.builder.build_algorithm": "mmpretrain.registry.MODELS.build",
    # the list names the one of SAM, which has another attention
    "mmselfsup.models.utils.TransformerEncoderLayer": (
        "mmpretrain.models.backbones.vision_transformer.TransformerEncoderLayer"
    ),
    "mmselfsup.models.utils.transformer_blocks.TransformerEncoderLayer": (
        "mmpretrain.models.backbones.vision_transformer.TransformerEncoderLayer"
    ),
}
PACKAGE = " (package)"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mmcls.models.BACKBONES", "mmpretrain.registry.MODELS"),
        ("mmcls.models.backbones.ResNet", "mmpretrain.models.backbones.ResNet"),
        ("mmcls.models.backbones.vgg.VGG", "mmpretrain.models.backbones.vgg.VGG"),
        ("mmcls.core.hook.PreciseBNHook", "mmpretrain.engine.hooks.PreciseBNHook"),
        ("mmcls.core.precision", "mmpretrain.evaluation.SingleLabelMetric.calculate"),
        ("mmcls.apis.train.set_random_seed", "mmengine.runner.set_random_seed"),
        ("mmcls.models.losses.accuracy", "mmpretrain.evaluation.Accuracy.calculate"),
        ("mmcls.models.losses.accuracy.Accuracy", "mmpretrain.evaluation.Accuracy"),
        ("mmcls.models.losses.accuracy.accuracy", "mmpretrain.evaluation.Accuracy.calculate"),
        ("mmcls.models.ResNet.arch_settings", "mmpretrain.models.ResNet.arch_settings"),
        ("mmcls.datasets.pipelines.formating.Collect", "mmpretrain.datasets.transforms.PackInputs"),
        ("mmcls.__version__", "mmpretrain.__version__"),
        ("mmselfsup.models.algorithms.MoCo", "mmpretrain.models.selfsup.MoCo"),
        ("mmselfsup.datasets.pipelines.ToTensor", "mmcv.transforms.ToTensor"),
        ("mmselfsup.utils.distributed_sinkhorn.distributed_sinkhorn",
         "mmpretrain.models.losses.swav_loss.distributed_sinkhorn"),
        ("mmcv.Config.fromfile", "mmengine.Config.fromfile"),
        ("mmcv.runner.base_module.BaseModule", "mmengine.model.BaseModule"),
        ("mmcv.cnn.NORM_LAYERS", "mmengine.registry.MODELS"),
    ],
)  # fmt: skip
def test_moved(old: str, new: str) -> None:
    move = MOVES.name(old)
    assert (move.fate, move.new) == (Fate.MOVED, new)


@pytest.mark.parametrize(
    ("old", "fate", "instead"),
    [
        ("mmcls.apis.train_model", Fate.REMOVED, "mmengine.runner.Runner.train"),
        ("mmcls.core.utils.multi_apply", Fate.REMOVED, ""),
        ("mmcls.models.backbones.MyNet", Fate.UNKNOWN, ""),
        ("mmcls.models.my_net.MyNet", Fate.UNKNOWN, ""),
        ("mmcls.models.MyNet.accuracy", Fate.UNKNOWN, ""),
        ("mmcv.runner.EpochBasedRunner", Fate.REMOVED,
         "mmengine.runner.Runner, mmengine.runner.EpochBasedTrainLoop"),
        ("mmcv.runner.no_such_name", Fate.UNKNOWN, ""),
        ("mmcv.cnn.ConvModule", Fate.KEPT, ""),
        ("mmcv.ops.SyncBatchNorm", Fate.KEPT, ""),
        ("mmcv.imread", Fate.KEPT, ""),
    ],
)  # fmt: skip
def test_others(old: str, fate: Fate, instead: str) -> None:
    move = MOVES.name(old)
    assert (move.fate, move.instead) == (fate, instead)


def test_the_official_list() -> None:
    table = read_shared("data", "migration", "api_moves.json")
    assert len(table) == 1084
    differences = {}
    for old, row in table.items():
        new = row["new"] if isinstance(row, dict) else row
        name = old.removesuffix(PACKAGE)
        move = MOVES.module(name) if old != name else MOVES.name(name)
        if new is None and move.fate is Fate.REMOVED:
            continue
        if move.fate is not Fate.MOVED or not new or not same_path(move.new, new):
            differences[name] = move.new
    assert differences == KNOWN


def same_path(ours: str, theirs: str) -> bool:
    """Return whether two paths lead to one name of a package: one may be shorter."""
    one, other = sorted((ours.split("."), theirs.split(".")), key=len)
    rest = iter(other)
    return one[0] == other[0] and one[-1] == other[-1] and all(part in rest for part in one)


def every_target(moves: Moves) -> list[str]:
    """Return all new names of a table, as ``module:name``."""
    found = {
        f"{moves.new_module(module)}:{name}"
        for module, names in moves.kept.items()
        for name in names | {""}
    }
    return sorted(found | set(moves.moved.values()))


@cache
def import_openmmlab() -> None:
    """Import MMPretrain, with what it needs declared; skip where it is missing."""
    if find_spec("torchvision"):
        import_torchvision()
    import_peer("mmpretrain")


def follow(target: str) -> Any:
    """Return what a target stands for."""
    module, _, name = target.partition(":")
    found: Any = import_peer(module)
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
    return found


def follow_dotted(name: str) -> Any:
    """Return what a dotted name stands for; a module goes before a name of the one around."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_every_target_can_be_imported() -> None:
    import_openmmlab()
    lost = []
    for target in every_target(MOVES):
        if target.startswith("mmcv.ops"):  # of the full mmcv only
            continue
        try:
            follow(target)
        except (ImportError, AttributeError) as error:
            lost.append(f"{target}: {error}")
    assert lost == []


def test_what_does_the_work_of_removed_names_can_be_imported() -> None:
    import_openmmlab()
    for instead in MOVES.removed.values():
        for name in filter(None, instead.split(", ")):
            if name.startswith(("mmengine.", "mmpretrain.", "mmcv.", "torch.nn")):
                follow_dotted(name)


def test_targets_are_those_of_the_official_list() -> None:
    table = read_shared("data", "migration", "api_moves.json")
    import_openmmlab()
    others = []
    for old, row in table.items():
        new = row["new"] if isinstance(row, dict) else row
        if new is None or old.endswith(PACKAGE) or old in KNOWN:
            continue
        move = MOVES.name(old)
        theirs = follow_dotted(new)
        ours = follow(f"{move.module}:{move.name}")
        # a name that is both a module and a function of it is the function
        theirs = getattr(theirs, new.split(".")[-1], theirs) if inspect.ismodule(theirs) else theirs
        if ours is not theirs and ours != theirs:
            others.append(old)
    assert others == []


# brickbook's own names


def test_brickbook_has_every_name_that_it_is_said_to_have() -> None:
    for target in read_moves("mmcv").moved.values():
        module, _, name = target.partition(":")
        assert hasattr(importlib.import_module(module), name), target


def test_no_public_name_of_an_old_path_is_forgotten() -> None:
    """A name that brickbook gains at mmcv's paths belongs in the table."""
    known = set(read_moves("mmcv").moved)
    for path in ("cnn", "runner", "utils"):
        module = importlib.import_module(f"brickbook.{path}")
        assert {f"mmcv.{name}" for name in module.__all__} <= known


def test_a_public_name_is_imported_from_the_package_itself() -> None:
    for old, target in read_moves("mmcv").moved.items():
        name = old.partition(".")[2]
        assert (target == f"brickbook:{name}") == (name in brickbook.__all__), old


# Signatures


def test_signatures_are_those_of_what_is_installed() -> None:
    import_openmmlab()
    for key, signature in MOVES.changed.items():
        root, _, name = key.rpartition(".")
        old = MOVES.moved.get(key) or MOVES.name(f"{root or 'mmcls'}.datasets.{name}")
        if not isinstance(old, str):
            continue
        found = inspect.signature(follow(old))
        names = [name for name in found.parameters if name not in ("self", "cls")]
        if signature != "(…)":
            assert re.findall(r"(?:[(]|, )[*]*(\w+)(?==|,|[)])", signature)[0:1] == names[0:1], key


def test_calls_with_other_arguments_are_noted() -> None:
    old = """\
from mmcls.core import precision
from mmcls.models.losses import accuracy as acc
from mmcls.utils import get_root_logger
import mmcls
precision(1, 2)
acc(1, 2, topk=(1, 5))
get_root_logger()
get_root_logger('log.txt')
mmcls.datasets.pipelines.Resize(size=(2, 3))
mmcls.datasets.pipelines.Resize
"""
    noted = [
        (note.line, note.text("en"))
        for note in migrate_code(old).notes
        if note.rule == "code.arguments"
    ]
    left = "and may give another result: "
    assert [line for line, _ in noted] == [5, 6, 8, 9]
    assert noted[2][1] == (
        f"`mmcls.utils.get_root_logger` takes other arguments now, {left}"
        "`MMLogger.get_current_instance()`. The call is left for you."
    )
