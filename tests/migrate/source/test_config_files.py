from __future__ import annotations

import json
import time

import pytest

from brickbook.errors import BadArgumentError, BadValueError, ConfigError, MissingFileError
from brickbook.migrate import Severity, migrate_source, migrate_tree


def migrate(text, **more):
    return migrate_source(text, path="_base_/mine.py", **more)


# Old text, new text.
EDITS = {
    "a field takes the place of the one that it came from": (
        "# first\nlog_level = 'INFO'\n\n# the optimizer\n"
        "optimizer = dict(type='SGD', lr=1e-1)  # c\n# last\n",
        "# first\nlog_level = 'INFO'\n\n# the optimizer\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e-1))  # c\n# last\n",
    ),
    "the words of the old file stay": (
        "base = 0.1\noptimizer = dict(\n    type='SGD',\n    lr=base * 8 / 256,  # for 8\n"
        "    momentum=.9,\n)\n",
        "base = 0.1\noptim_wrapper = dict(\n    optimizer=dict(\n        type='SGD',\n"
        "        lr=base * 8 / 256,  # for 8\n        momentum=.9,\n    ))\n",
    ),
    "what has no successor goes, its comments stay": (
        "# how\nworkflow = [('train', 1)]  # alone\n\n# clip\noptimizer_config = dict(\n"
        "    # nothing\n    grad_clip=None)\nload_from = None\n",
        "# how\n# alone\n\n# clip\n# nothing\nload_from = None\nresume = False\n",
    ),
    "a variable that only the old form used goes": (
        "policy_cfg = dict(policy='step')\nsteps = [1, 2]\n"
        "lr_config = dict(step=steps, **policy_cfg)\n",
        "steps = [1, 2]\nparam_scheduler = [\n"
        "    dict(type='MultiStepLR', milestones=steps, gamma=0.1, by_epoch=True)\n]\n",
    ),
    "the order of a display and its quotes stay": (
        'model = {"type": "MoCo", "momentum": 0.999, "head": {"type": "ContrastiveHead"}}\n',
        'model = {"type": "MoCo", "momentum": 0.001, '
        '"head": {"type": "ContrastiveHead", \'loss\': dict(type=\'CrossEntropyLoss\')}}\n',
    ),
    "an entry that is rewritten among others": (
        "model = dict(\n  type='ImageClassifier',\n  backbone = dict(type='VAN',arch='b2' ),"
        "  # odd\n\n  head=None)\n",
        "model = dict(\n  type='ImageClassifier',\n  backbone = dict(type='VAN',arch='base' ),"
        "  # odd\n\n  head=None)\n",
    ),
    "several statements on one line": (
        "log_level = 'INFO'; total_epochs = 3; load_from = None\n",
        "log_level = 'INFO'\nload_from = None\n"
        "train_cfg = dict(by_epoch=True, max_epochs=3)\nresume = False\n",
    ),
    "texts of several lines keep their spaces": (
        'optimizer = dict(\n    type="""S\n  GD""", lr=1)\n',
        'optim_wrapper = dict(\n    optimizer=dict(\n        type="""S\n  GD""", lr=1))\n',
    ),
    "nothing of 0.x": (
        "x = [1,2]  # c\n\n\ndef f(): pass\n",
        "x = [1,2]  # c\n\n\ndef f(): pass\n",
    ),
    "an empty file": ("", ""),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits(name):
    old, new = EDITS[name]
    assert migrate(old).text == new
    assert migrate(new).text == new


SIZES = "a = 1 \t\n\n\nfp16 = dict(loss_scale=8.)\n# é 中文 \nb = 'ü'; load_from = None # ß\n"
LAYOUTS = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "mixed": lambda text: text.replace("\n", "\r\n", 2),
    "no end": lambda text: text.rstrip("\n"),
    "mark": lambda text: "\ufeff" + text,
    "mark and CRLF": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_line_ends_and_marks_stay(name):
    new = SIZES.replace("fp16 = dict(loss_scale=8.)", "optim_wrapper = dict("
                        "type='AmpOptimWrapper', loss_scale=8.)")  # fmt: skip
    end = LAYOUTS[name]("\n") if name in ("CR", "CRLF", "mark and CRLF") else "\n"
    new = LAYOUTS[name](new).replace("# ß", f"# ß{end.strip(chr(0xFEFF))}resume = False", 1)
    assert migrate(LAYOUTS[name](SIZES)).text == new


def test_tabs_stay():
    old = "optimizer = dict(\n\ttype='SGD',\n\tlr=1)\n"
    new = "optim_wrapper = dict(\n\toptimizer=dict(\n\t\ttype='SGD',\n\t\tlr=1))\n"
    assert migrate(old).text == new


# ---------------------------------------------------------------------------- what is refused

NEW_BASE = {"new.py": "optim_wrapper = dict()", "other.py": "optimizer = 3"}
REFUSED = {
    "optimizer = dict(lr=\n": (
        BadValueError,
        "c/a.py:1:17: this is no Python: '(' was never closed.",
    ),
    "model = " + "dict(a=" * 10_000 + "1" + ")" * 10_000: (
        BadValueError,
        "c/a.py:1:1413: this is no Python: too many nested parentheses.",
    ),
    "x = " + "+".join("1" * 20_000): (
        BadValueError,
        "c/a.py: this is no Python, or nested too deeply.",
    ),
    "#" * 50_000_000: (BadValueError, "c/a.py: 50,000,000 bytes are too many for a config."),
    "# c\n_base_ = [\n    'none.py']\n": (
        MissingFileError,
        "c/a.py:3:5: there is no file 'none.py'.",
    ),
    "_base_ = 'new.py'\nfp16 = dict()\n": (
        BadValueError,
        "c/a.py:1:10: the _base_ file 'new.py' is of 1.x already, this one of 0.x. "
        "Migrate a tree of configs together.",
    ),
    "optim_wrapper = dict()\ndata = dict()\n": (
        BadValueError,
        "c/a.py:1:17: optim_wrapper: 'optim_wrapper' is a field of 1.x, 'data' one of 0.x. "
        "Migrate a config that is of 0.x as a whole.",
    ),
    "model = dict(\n  rpn_head=dict())\ndata = dict()\n": (
        BadValueError,
        "c/a.py:2:12: model.rpn_head: this is a config of MMDetection, which has a migration of "
        "its own. Known: MMClassification 0.x, MMSelfSup 0.x.",
    ),
    "optimizer = dict(\n    type='SGD', lr='fast')\n": (
        BadArgumentError,
        "c/a.py:2:20: optimizer.lr: expected a number or None, got 'fast'.",
    ),
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused(text):
    kind, message = REFUSED[text]
    with pytest.raises(kind) as caught:
        migrate_source(text, path="c/a.py", base_lookup=NEW_BASE.__getitem__)
    assert str(caught.value) == message


def test_a_circle_is_refused():
    tree = {"a.py": "_base_ = 'b.py'", "b.py": "\n_base_ = ['c.py']", "c.py": "_base_ = 'a.py'"}
    with pytest.raises(BadValueError) as caught:
        migrate_tree(tree)
    message = "c.py:1:10: the _base_ files go in a circle: a.py → b.py → c.py → a.py."
    assert str(caught.value) == message


def test_arguments_are_looked_at():
    for call, message in (
        (lambda: migrate_source(3), "text: expected a text, got 3."),
        (lambda: migrate_tree([1]), "files: expected a dict of texts, got [1]."),
        (lambda: migrate_tree({"a.py": 3}), "a.py: expected a text, got int."),
        (
            lambda: migrate_source("", schedule="x"),
            "schedule: unknown style 'x'. Known: faithful, guide.",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert str(caught.value) == message


def test_the_rest_of_a_tree_is_migrated():
    refused = {}
    tree = {"bad.py": "model = dict(decode_head=1)", "over.py": "_base_ = 'bad.py'\nfp16 = dict()",
            "good.py": "fp16 = dict(loss_scale=1.)"}  # fmt: skip
    made = migrate_tree(tree, refused=refused)
    assert list(made) == ["good.py"] and sorted(refused) == ["bad.py", "over.py"]


# ---------------------------------------------------------------------- what is not evaluated

UNREAD = """import os
os.system('rm -rf /')
from mine import rate, EPOCHS

def twice(n):
    return 2 * n

f = lambda x: x
size = twice(3)
optimizer = dict(type='SGD', lr=rate(), momentum=0.9)  # why
lr_config = dict(policy='step', step=[1, 2])
if EPOCHS:
    evaluation = dict(interval=3)
model = dict(type='ImageClassifier', backbone=dict(type='VAN', arch='b0', extra=twice(size)))
"""
UNREAD_NEW = UNREAD.replace("arch='b0'", "arch='tiny'").replace(
    "lr_config = dict(policy='step', step=[1, 2])",
    "param_scheduler = [\n"
    "    dict(type='MultiStepLR', milestones=[1, 2], gamma=0.1, by_epoch=True)\n]",
)


def test_what_cannot_be_known_is_left_and_named():
    made = migrate(UNREAD)
    assert made.text == UNREAD_NEW
    assert not made.complete
    named = [(note.rule, note.line, note.column) for note in made.notes
             if note.rule.startswith("source.")]  # fmt: skip
    assert named == [
        ("source.unread", 2, 1),
        ("source.unread", 5, 1),
        ("source.unread", 8, 1),
        ("source.unread", 9, 1),
        ("source.unread", 10, 33),
        ("source.unread", 12, 1),
        ("source.unread", 14, 81),
        ("source.field_left", 12, 1),
        ("source.field_left", 10, 1),
    ]
    assert made.notes[0].severity is Severity.BY_HAND
    assert made.notes[0].text("en") == (
        "`os.system('rm -rf /')` is left as it is, since nothing here is executed: "
        "os is imported; imports are not executed."
    )


def test_nothing_is_executed(tmp_path):
    file = tmp_path / "there"
    file.write_text("")
    migrate_source(f"import os\nos.remove({str(file)!r})\nx = open({str(file)!r}, 'w').write('!')")
    assert file.read_text() == ""


# ------------------------------------------------------------------------------------- notes

NOTED = """# a config
img_norm_cfg = dict(mean=[1.], std=[2.])
train_pipeline = [
    dict(type='RandomFlip'),
    dict(type='Normalize', **img_norm_cfg),
]
data = dict(
    samples_per_gpu=3,
    train=dict(type='CIFAR10', data_prefix='d', pipeline=train_pipeline))
"""


def test_notes_have_their_lines():
    places = {note.rule: (note.line, note.column, note.new_line) for note in migrate(NOTED).notes}
    assert places["pipeline.normalize"] == (5, 5, 2)
    assert places["pipeline.default_written"] == (4, 5, 4)
    assert places["dataset.test_mode"] == (9, 5, 9)
    assert places["data.moved"] == (7, 1, 5)


# ----------------------------------------------------------------------------- JSON and YAML


def test_json():
    old = {"_base_": "a.py", "optimizer": {"lr": 0.2}, "lr_config": {"policy": "fixed"}}
    base = {"a.py": "optimizer = dict(type='SGD', lr=0.1)"}
    text = json.dumps(old, indent=2) + "\n"
    made = migrate_source(text, path="b.json", base_lookup=base.__getitem__)
    new = {"_base_": "a.py", "optim_wrapper": {"optimizer": {"lr": 0.2}},
           "default_scope": "mmpretrain"}  # fmt: skip
    assert made.text == json.dumps(new, indent=2) + "\n"
    assert migrate_source(made.text, path="b.json", base_lookup={"a.py": ""}.__getitem__).already


def test_yaml():
    pytest.importorskip("yaml")
    old = "# a comment\noptimizer:\n  type: SGD  # why\n  lr: 0.1\n"
    made = migrate_source(old, path="c.yaml")
    assert made.text == (
        "optim_wrapper:\n  optimizer:\n    type: SGD\n    lr: 0.1\ndefault_scope: mmpretrain\n"
    )
    assert made.notes[0].text("en") == "A YAML file is written anew; its comments (2) are lost."


# ------------------------------------------------------------------------------------- trees


def test_two_bases_that_would_give_the_same_field():
    tree = {
        "a.py": "optimizer = dict(type='SGD', lr=0.1)\n",
        "b.py": "# half\nfp16 = dict(loss_scale=8.)\n",
        "c.py": "_base_ = ['a.py', 'b.py']\n",
    }
    made = migrate_tree(tree)
    assert made["a.py"].text == (
        "optim_wrapper = dict(\n    type='AmpOptimWrapper',\n    loss_scale=8.0,\n"
        "    optimizer=dict(type='SGD', lr=0.1))\n"
    )
    assert made["b.py"].text == "# half\n"
    assert made["c.py"].text == "_base_ = ['a.py', 'b.py']\n\ndefault_scope = 'mmpretrain'\n"


def test_a_model_beside_new_files_is_new():
    tree = {"m.py": "model = dict(type='MoCo', momentum=0.001)", "a.py": "_base_='m.py'\ntrain_cfg"
            "=dict(max_epochs=3)\ndefault_scope='mmpretrain'"}  # fmt: skip
    made = migrate_tree(tree)
    assert all(one.already and one.text == tree[path] for path, one in made.items())


def test_a_value_of_a_base_whose_name_is_gone():
    base = "data = dict(samples_per_gpu=32)\nnumber = 7\n"
    text = "_base_ = 'b.py'\ncustom_hooks = [dict(type='SwAVHook', batch_size={{_base_.data." \
           "samples_per_gpu}}, n={{ _base_.number }})]\n"  # fmt: skip
    made = migrate_source(text, path="_base_/a.py", base_lookup={"b.py": base}.__getitem__)
    assert made.text == (
        "_base_ = 'b.py'\ncustom_hooks = [dict(type='SwAVHook', batch_size=32, "
        "n={{ _base_.number }})]\n"
    )


def test_an_assignment_to_two_names():
    old = "a = optimizer = dict(type='SGD', lr=1)\nb = a\n"
    wrapper = "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1))"
    new = f"a = dict(type='SGD', lr=1)\n{wrapper}\nb = a\n"
    assert migrate(old).text == new


def test_a_file_of_many_names_takes_no_time():
    names = "".join(f"x{i} = {i}\n" for i in range(2000))
    start = time.process_time()
    migrate(f"{names}optimizer = dict(type='SGD', lr=x3)\n")
    assert time.process_time() - start < 20
