from __future__ import annotations

import io
import tokenize
import warnings
from collections import Counter
from pathlib import Path

import pytest
from old_configs import OLD_TREE
from peers import import_peer

from brickbook.migrate import migrate_config, migrate_tree, read_config
from brickbook.migrate.source.values import same

LEAVES = [path for path in OLD_TREE if not path.startswith("_base_/")]
NEW = migrate_tree(OLD_TREE)


def write(folder: Path, texts: dict[str, str]) -> Path:
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.fixture(scope="module")
def old_folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("old"), OLD_TREE)


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory):
    texts = {one.new_path: one.text for one in NEW.values()}
    return write(tmp_path_factory.mktemp("new"), texts)


def comments(text: str) -> Counter[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string.rstrip() for token in tokens if token.type == tokenize.COMMENT)


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(part) for key, part in value.items()}
    return [as_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def assert_exact(got, old, path, like=lambda value: value):
    """What a config must say it says; beside that there are only variables of the old file."""
    wanted = like(migrate_config(old, name=path).cfg)
    assert [key for key in wanted if not same(got.get(key), wanted[key])] == []
    # The batch that a base's name tells holds for files with another name too.
    assert set(got) - set(wanted) - set(old) <= {"auto_scale_lr", "_deprecation_"}


def test_the_tree_is_large_enough():
    assert len(OLD_TREE) >= 40 and len(LEAVES) >= 25


@pytest.mark.parametrize("path", LEAVES)
def test_a_leaf_resolves_exactly(path, old_folder, new_folder):
    got = read_config(new_folder / NEW[path].new_path)
    assert_exact(got, read_config(old_folder / path), path)


@pytest.mark.parametrize("path", LEAVES)
def test_mmengine_resolves_it_exactly(path, old_folder, new_folder):
    config = import_peer("mmengine.config").Config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of _deprecation_
        got = as_lists(config.fromfile(str(new_folder / NEW[path].new_path)).to_dict())
    assert_exact(got, read_config(old_folder / path), path, like=as_lists)


@pytest.mark.parametrize("path", OLD_TREE)
def test_no_comment_is_lost_and_none_is_doubled(path):
    assert comments(NEW[path].text) == comments(OLD_TREE[path])


@pytest.mark.parametrize("path", LEAVES)
def test_one_file_alone_says_the_same(path, old_folder, tmp_path):
    def lookup(name):
        return (old_folder / path).parent.joinpath(name).read_text(encoding="utf-8")

    from brickbook.migrate import migrate_source

    made = migrate_source(OLD_TREE[path], path=path, base_lookup=lookup)
    assert made.new_path == NEW[path].new_path
    assert comments(made.text) == comments(OLD_TREE[path])


def test_a_second_run_changes_nothing():
    texts = {one.new_path: one.text for one in NEW.values()}
    again = migrate_tree(texts)
    assert {path for path, one in again.items() if one.text != texts[path]} == set()
    assert {path for path, one in again.items() if not one.already} == set()


def test_files_that_have_another_name():
    assert {path: one.new_path for path, one in NEW.items() if path != one.new_path} == {
        "_base_/models/van/van_b0.py": "_base_/models/van/van_tiny.py",
        "_base_/models/mobilenet_v3_small_cifar.py": (
            "_base_/models/mobilenet_v3/mobilenet_v3_small_cifar.py"
        ),
    }


@pytest.mark.parametrize("path", OLD_TREE)
def test_lines_of_notes_point_at_their_keys(path):
    old, new = OLD_TREE[path].split("\n"), NEW[path].text.split("\n")
    for note in NEW[path].notes:
        if note.line is not None:
            key = note.path.split(".")[-1].split("[")[0]
            text = old[note.line - 1][(note.column or 1) - 1 :]
            assert text and not text[0].isspace(), (note, key)
        if note.new_line is not None:
            assert 1 <= note.new_line <= len(new)


def test_a_note_is_told_once():
    told = [note for one in NEW.values() for note in one.notes if note.rule == "pipeline.packed"]
    own = {path for path, one in NEW.items() if any(n.rule == "pipeline.packed" for n in one.notes)}
    assert own == {
        "_base_/datasets/cifar10.py",
        "_base_/datasets/imagenet.py",
        "_base_/datasets/imagenet_rand.py",
        "resnet/resnet18_8xb32-repeat_in1k.py",
        "single/whole_8xb16.py",
        "van/van-b0_8xb128_in1k.py",
    }
    assert all(note.line for note in told)
