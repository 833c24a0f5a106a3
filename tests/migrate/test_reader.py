from __future__ import annotations

import json
from pathlib import Path

import pytest
from peers import import_peer

from brickbook.errors import ConfigError
from brickbook.migrate import migrate_config, read_config


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files; returns the path of the first."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / next(iter(files))


def read(folder, text, **options):
    return read_config(write(folder, {"config.py": text}), **options)


# A file, and what it says. mmengine, which executes it, must say the same.
PYTHON = [
    ("a = 1; b = 'x'; c = [1, (2, 3)]; d = None; e = -1.5e-3", None),
    ("norm = dict(mean=[1, 2, 3])\nt = dict(type='N', **norm)\nu = {'a': 1, **norm}", None),
    ("'''A docstring.'''\nimport os\na = 1  # a comment", {"a": 1}),
    ("n = dict(mean=[1.26, 2.71])\nbgr = [round(x) for x in n['mean'][::-1]]", None),
    ("a = [x * y for x in range(3) for y in (1, 2) if x != y]", None),
    ("a = {k: v for k, v in zip('ab', [1, 2])}", None),
    ("b = 32\nlr = 0.1 * b / 256\ns = 'n' + str(b)\nl = [1] + [2] * 3\nm = 7 // 2 % 2 ** 3", None),
    ("b = 3\ns = f'x{b}_{b:>4}_{1 / 3:.2f}_{b!r}'\nt = '{}-{b}'.format(1, b=b)", None),
    ("b = True\np = [1]\nif not b:\n    p = []\nelif b:\n    p.extend([2, 3])\np.append(4)", None),
    ("a = dict(x=dict(y=1))\na['x']['y'] = 2\na['z'] = 3\na.update(w=4)\ndel a['z']", None),
    ("a = dict(x=1)\nb = a.get('y', 2)\nc = 'x' in a and a['x'] or 0\nd = 1 if c else 2", None),
    ("a, b = 1, [2]\nb += [3]\nc = (*b, a)\nd = len(c)", None),
    ("from copy import deepcopy\na = [1]\nb = deepcopy(a)\nb.append(2)", {"a": [1], "b": [1, 2]}),
    ("w = '{{ fileBasenameNoExtension }}'", {"w": "config"}),
    ("if __name__ == '__main__':\n    a = 1\nb = 2", {"b": 2}),
    ("_deprecation_ = dict(expected='x', reference='y')\na = 1", {"a": 1}),
    ("x: int = 3\n__hidden__ = 1\npass", {"x": 3}),
]


@pytest.mark.parametrize(("text", "expected"), PYTHON)
def test_python(tmp_path, text, expected):
    if expected is None:
        names: dict[str, object] = {}
        exec(text, names)  # the tests' own texts
        expected = {key: value for key, value in names.items() if not key.startswith("__")}
    assert read(tmp_path, text) == expected


TREE = {
    "leaf.py": """
_base_ = ['base/model.py', './base/data.py']
# a child overrides, adds and deletes
model = dict(backbone=dict(depth=18), head=dict(_delete_=True, type='New'), extra=dict(a=1))
train_pipeline = [dict(type='RandAugment', policies={{_base_.policies}}), dict(type='Flip')]
data = dict(train=dict(pipeline=train_pipeline), val=dict(times={{ _base_.data.times }}))
""",
    "base/model.py": """
_base_ = '../deepest.py'
model = dict(backbone=dict(type='ResNet', depth=50), head=dict(type='Old', classes=3))
""",
    "base/data.py": """
policies = [dict(type='Invert', prob=0.5)]
data = dict(times=3, train=dict(type='ImageNet', pipeline=[]), val=dict(type='ImageNet'))
""",
    "deepest.py": "model = dict(type='ImageClassifier')\nlog_level = 'INFO'",
}


def test_base_files(tmp_path):
    cfg = read_config(write(tmp_path, TREE))
    policies = [{"type": "Invert", "prob": 0.5}]
    pipeline = [{"type": "RandAugment", "policies": policies}, {"type": "Flip"}]
    assert cfg == {
        "model": {"type": "ImageClassifier", "backbone": {"type": "ResNet", "depth": 18},
                  "head": {"type": "New"}, "extra": {"a": 1}},
        "log_level": "INFO",
        "policies": policies,
        "train_pipeline": pipeline,
        "data": {"times": 3, "train": {"type": "ImageNet", "pipeline": pipeline},
                 "val": {"type": "ImageNet", "times": 3}},
    }  # fmt: skip


def test_what_mmengine_says(tmp_path):
    """Of the tree, and of every file above that it reads without our help."""
    config = import_peer("mmengine.config")
    path = write(tmp_path, TREE)
    assert read_config(path) == config.Config.fromfile(str(path)).to_dict()
    for i, (text, _) in enumerate(PYTHON):
        if "deepcopy" in text or "_deprecation_" in text or "fileBase" in text:
            continue
        path = write(tmp_path, {f"config{i}.py": text})
        found = config.Config.fromfile(str(path)).to_dict()
        assert json.dumps(read_config(path)) == json.dumps(found), text


def test_options(tmp_path):
    options = {"model.backbone.depth": 34, "train_pipeline.1.type": "Crop", "new.key": [1]}
    cfg = read_config(write(tmp_path, TREE), options=options)
    assert cfg["model"]["backbone"]["depth"] == 34 and cfg["new"] == {"key": [1]}
    assert cfg["train_pipeline"][1] == {"type": "Crop"}
    # The pipeline of the data is another list.
    assert cfg["data"]["train"]["pipeline"][1] == {"type": "Flip"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"_base_": "base.py", "model": {"depth": 18}}'),
        ("a.yaml", "_base_: base.py\nmodel:\n  depth: 18\n"),
    ],
)
def test_json_and_yaml(tmp_path, name, text):
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    path = write(tmp_path, {name: text, "base.py": "model = dict(depth=50, width=1)"})
    assert read_config(path) == {"model": {"depth": 18, "width": 1}}


def test_a_file_is_read_and_migrated(tmp_path):
    text = "optimizer = dict(type='SGD', lr=0.1)\nrunner = dict(max_epochs=3)"
    cfg = migrate_config(read(tmp_path, text)).cfg
    assert cfg["optim_wrapper"] == {"optimizer": {"type": "SGD", "lr": 0.1}}


EXECUTED = "would have to be executed."
TOO_LARGE = "the result would be too large."


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a = (", ":1:5", "this is no Python: '(' was never closed."),
        ("a = 1\nb = open('x', 'w')", ":2:5", f"open('x', 'w') {EXECUTED}"),
        ("import os\nos.system('touch x')", ":2:1", "os is imported; imports are not executed."),
        ("__import__('os').remove('x')", ":1:1", f"__import__('os') {EXECUTED}"),
        ("a = ().__class__", ":1:5", f"().__class__ {EXECUTED}"),
        ("a = '{0.__class__}'.format(1)", ":1:5", f"'{{0.__class__}}'.format(1) {EXECUTED}"),
        ("a = lambda: 1", ":1:5", f"lambda: 1 {EXECUTED}"),
        ("def f(): pass", ":1:1", "a statement of the kind FunctionDef is not evaluated."),
        ("while True: pass", ":1:1", "a statement of the kind While is not evaluated."),
        (
            "from mmengine.config import read_base\nwith read_base():\n    from .a import *",
            ":2:1",
            "this is a config of the read_base style, which is not read.",
        ),
        ("modle = 1\na = model", ":2:5", "unknown name 'model'. Did you mean 'modle'?"),
        ("a = {{_base_.x}}", ":1:5", "there is no _base_.x."),
        ("a = [1][3]", ":1:5", "IndexError: list index out of range."),
        ("a = 1 / 0", ":1:5", "ZeroDivisionError: division by zero."),
        ("a = 9 ** 9 ** 9", ":1:5", "the result would be too large."),
        ("a = [0] * 10 ** 9", ":1:5", "the result would be too large."),
        ("a = '%999999d' % 1", ":1:5", "the result would be too large."),
        ("a = '{:99999}'.format(1)", ":1:5", f"'{{:99999}}'.format(1) {EXECUTED}"),
        ("a = list(range(10 ** 9))", ":1:5", "the result would be too large."),
        ("a = [0 for x in range(10 ** 9)]", ":1:17",
         "the comprehensions of this file are too long."),
        ("a = [1]\na = [a] * 9\n" + "a = [a, a]\n" * 40, ":18:1", TOO_LARGE),
        ("a = 'x' * 99\n" + "a += a\n" * 40, ":15:1", TOO_LARGE),
        ("a = [1]\n" + "a.extend(a)\n" * 40, ":21:1", TOO_LARGE),
        ("a = 'x' * 9999\na = a.join(a)", ":2:5", TOO_LARGE),
        ("a = 'x' * 99999\na = f'{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}'", ":2:5", TOO_LARGE),
        ("a = 'x' * 99999\na = '{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}'.format(a)", ":2:5", TOO_LARGE),
        ("a = []\na.append(a)", ":2:1", TOO_LARGE),
        ("a, b = 1, 2, 3", ":1:1", "2 names, but 3 values."),
        ("_base_ = 'none.py'", ":1:1", None),
        ("_base_ = 'mmpretrain::x.py'", ":1:1",
         "'mmpretrain::x.py' is a config of another package."),
        ("_base_ = 3", ":1:1", "expected names of files, got 3."),
        ("_base_ = 'config.py'", ":1:1",
         "the _base_ files go in a circle: config.py → config.py."),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, place, message):
    path = tmp_path / "config.py"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = message or f"there is no file {str(tmp_path / 'none.py')!r}."
    assert str(caught.value) == f"{path}{place}: {message}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_f_string(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.py:1:\d: the result would be too large\.$"):
        read(tmp_path, "a = f'{1:999999}'")


def test_deep_and_large_files(tmp_path):
    for text in (
        "a = " + "[" * 10_000 + "]" * 10_000,
        "a = " + "dict(a=" * 3000 + "1" + ")" * 3000,
    ):
        with pytest.raises(ConfigError):
            read(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "a = 1\n" + "#" * 11 * 2**20)
    assert str(caught.value).endswith("bytes are too many for a config.")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.py": "_base_ = ['b.py', 'c.py']", "b.py": "x = 1", "c.py": "x = 2"},
         "{folder}/a.py:1:1: two _base_ files give 'x'."),
        ({"a.py": "_base_ = 'b.py'\nx = dict(a=1)", "b.py": "x = 1"},
         "{folder}/a.py: x: a dict cannot be merged into 1. Write _delete_=True in it."),
        ({"a.toml": ""}, "{folder}/a.toml: unknown kind of config file '.toml'. Known: .json, .py,"
                         " .yaml, .yml."),
        ({"a.json": "[]"}, "{folder}/a.json: expected a dict, got []."),
    ],
)  # fmt: skip
def test_messages_of_files(tmp_path, files, message):
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, files))
    assert str(caught.value) == message.format(folder=tmp_path)


def test_a_missing_file(tmp_path):
    path = str(tmp_path / "none.py")
    with pytest.raises(FileNotFoundError) as caught:
        read_config(path)
    assert str(caught.value) == f"{path}: there is no file {path!r}."
