"""What is said of a file: rule, path, sentence, old line and column, new line; and refusals."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.migrate import SourceMigration, migrate_code


def said(migration: SourceMigration) -> list[tuple[object, ...]]:
    """Return the notes as rows."""
    return [
        (note.rule, note.path, note.line, note.column, note.new_line, note.text("en"))
        for note in migration.notes
    ]


def test_every_change_and_every_place_left() -> None:
    old = """\
    import mmcls
    from mmcls.core import (EvalHook,
                            mAP)
    from mmcls.models.my_net import Mine
    from mmcls.models import *

    mmcls.apis.train_model(EvalHook, mAP(1))
    """
    migration = migrate_code(dedent(old))
    assert migration.text == dedent("""\
    import mmcls
    from mmcls.core import EvalHook
    from mmpretrain.evaluation import AveragePrecision
    from mmcls.models.my_net import Mine
    from mmpretrain.models import *

    mmcls.apis.train_model(EvalHook, AveragePrecision.calculate(1))
    """)
    left = "The place is left for you."
    hook = "`mmcls.core.EvalHook` is gone; `mmengine.runner.ValLoop, val_evaluator` does its work. "
    train = "`mmcls.apis.train_model` is gone; `mmengine.runner.Runner.train` does its work. "
    assert said(migration) == [
        ("code.use_instead", "mmcls.core.EvalHook", 2, 25, 2,
         hook + left),
        ("code.moved", "mmcls.core.mAP", 3, 25, 3,
         "`mmcls.core.mAP` is `mmpretrain.evaluation.AveragePrecision.calculate`."),
        ("code.unknown", "mmcls.models.my_net.Mine", 4, 33, 4,
         f"`mmcls.models.my_net.Mine` is not in the table of moves. {left}"),
        ("code.star", "mmcls.models", 5, 1, 5,
         "The star import is from `mmpretrain.models` now: names that `mmcls.models` had and it "
         "has not must be looked up."),
        ("code.use_instead", "mmcls.apis.train_model", 7, 1, 7,
         train + left),
        ("code.use_instead", "mmcls.core.EvalHook", 7, 24, 7,
         hook + left),
        ("code.moved", "mmcls.core.mAP", 7, 34, 7,
         "`mmcls.core.mAP` is `mmpretrain.evaluation.AveragePrecision.calculate`."),
        ("code.arguments", "mmcls.core.mAP", 7, 34, 7,
         "`mmcls.core.mAP` takes other arguments now, and may give another result: "
         "`AveragePrecision.calculate(pred, target, average='macro')`. The call is left for you."),
    ]  # fmt: skip
    assert not migration.complete


def test_lines_that_move() -> None:
    old = """\
    from mmcls.models import BACKBONES, ResNet, build_backbone


    BACKBONES, ResNet, build_backbone
    """
    migration = migrate_code(dedent(old))
    assert [(note.line, note.column, note.new_line) for note in migration.notes] == [
        (1, 26, 1),
        (1, 37, 2),
        (1, 45, 2),
        (4, 1, 5),
    ]


def test_a_name_that_something_else_hides() -> None:
    old = "import mmcls.core as c\nmmengine = 1\nc.sync_random_seed()\n"
    migration = migrate_code(old)
    assert [note.text("en") for note in migration.notes] == [
        "`mmcls.core` is `mmpretrain.engine`.",
        "`mmcls.core.sync_random_seed` is `mmengine.dist.sync_random_seed`, but another variable "
        "has the name of its package here. The place is left for you.",
    ]


def test_code_of_the_new_form() -> None:
    new = "from mmpretrain.registry import MODELS\n"
    migration = migrate_code(new)
    assert (migration.text, migration.already, migration.complete) == (new, True, True)
    assert [note.text("en") for note in migration.notes] == [
        "This code imports `mmpretrain` already; nothing was changed."
    ]


def test_code_of_another_kind() -> None:
    migration = migrate_code("import os\n", path="a.py")
    assert (migration.text, migration.notes, migration.path) == ("import os\n", (), "a.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\nprint 'a'\n", "code.py:2:1: this is no Python: Missing parentheses in call to "
         "'print'. Did you mean print(...)?."),
        ("def f(:\n", "code.py:1:7: this is no Python: "),
        ("a" + ".b" * 900, "code.py:1:1: it is nested too deeply."),
        ("-" * 10_000 + "1", "code.py: this is no Python, or nested too deeply."),
        ("a\0b", None),
        ("x = 1\n" * 1_000_000, "code.py: 6,000,000 characters are too many for a file of code."),
    ],
    ids=["Python 2", "syntax", "chain", "signs", "null", "large"],
)  # fmt: skip
def test_what_is_refused(text: str, message: str | None) -> None:
    with pytest.raises(BadValueError) as caught:
        migrate_code(text)
    if message is not None:
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize("depth", [150, 500, 2000])
@pytest.mark.parametrize(
    "form",
    ["x{}", "a = {}", "if a: pass\n{}", "f({}", "{}"],
    ids=["dots", "sum", "elif", "call", "if"],
)
def test_deep_code_is_migrated_or_refused(form: str, depth: int) -> None:
    parts = {
        "x{}": ".a" * depth,
        "a = {}": "+".join("a" * depth),
        "if a: pass\n{}": "elif b: pass\n" * depth,
        "f({}": "f(" * depth + ")" * depth + ")",
        "{}": "".join(" " * at + "if a:\n" for at in range(depth)) + " " * depth + "pass",
    }
    text = form.format(parts[form]) + "\n"
    try:
        assert migrate_code(text).text == text
    except BadValueError:
        assert depth > 150 or form in ("{}", "f({}")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": b"a"}, BadArgumentError, "text: expected a text, got b'a'."),
        ({"text": "a", "comments": 1}, BadArgumentError,
         "comments: expected True or False, got 1."),
        ({"text": "a", "source": "mmdet"}, BadValueError,
         "source: unknown source 'mmdet'. Known: mmcls, mmcv."),
    ],
)  # fmt: skip
def test_wrong_arguments(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        migrate_code(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_libcst_is_loaded_late_and_may_be_missing() -> None:
    program = """
import sys
from brickbook.errors import ConfigError
from brickbook.migrate import migrate_code
assert "libcst" not in sys.modules
sys.modules["libcst"] = None
try:
    migrate_code("a", path="b.py")
except ImportError as error:
    assert isinstance(error, ConfigError)
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("b.py: Python code needs libcst, which cannot be imported: ")
    assert done.stdout.endswith(" Install it: pip install 'brickbook[migrate]'.\n")
