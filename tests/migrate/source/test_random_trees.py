from __future__ import annotations

import io
import tokenize
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_configs import OLD_TREE

from brickbook.errors import ConfigError
from brickbook.migrate import migrate_config, migrate_source, migrate_tree, read_config
from brickbook.migrate.source.values import same

# What a config may say over its _base_ files.
OVERRIDES = [
    "optimizer = dict(lr=0.2)",
    "optimizer = dict(\n    _delete_=True,\n    type='AdamW',  # another one\n    lr=1e-3)",
    "optimizer = dict(weight_decay=0.05, paramwise_cfg=dict(norm_decay_mult=0.))",
    "optimizer_config = dict(grad_clip=dict(max_norm=1.0))",
    "optimizer_config = dict(_delete_=True, grad_clip=dict(max_norm=2.0, norm_type=1))",
    "optimizer_config = None",
    "lr_config = dict(step=[3, 4])",
    "lr_config = dict(_delete_=True, policy='CosineAnnealing', min_lr_ratio=1e-2)",
    "lr_config = dict(warmup='linear', warmup_iters=5, warmup_by_epoch=True)",
    "lr_config = None",
    "runner = dict(max_epochs=7)",
    "total_epochs = 9",
    "evaluation = dict(interval=3)  # seldom",
    "evaluation = dict(metric=['accuracy', 'recall'])",
    "evaluation = dict(\n    # by itself\n    save_best='auto')",
    "checkpoint_config = dict(interval=4)",
    "log_config = dict(interval=5)",
    "log_config = dict(hooks=[dict(type='TensorboardLoggerHook')])",
    "fp16 = dict(loss_scale=512.)",
    "data = dict(samples_per_gpu=4)",
    "data = dict(\n    workers_per_gpu=3,\n    train=dict(data_prefix='elsewhere/train'))",
    "data = dict(train=dict(pipeline=[dict(type='LoadImageFromFile'), dict(type='RandomFlip')]))",
    "size = 96\ncrop = dict(type='CenterCrop', crop_size=size)\n"
    "data = dict(val=dict(pipeline=[crop]), test=dict(pipeline=[crop, crop]))",
    "model = dict(head=dict(num_classes=7))",
    "num_classes = 5  # classes\nmodel = dict(head=dict(num_classes=num_classes))",
    "model = dict(backbone=dict(_delete_=True, type='VAN', arch='b1'))",
    "model = dict(train_cfg=dict(augments=[dict(type='BatchMixup', alpha=.2, prob=1.)]))",
    "custom_hooks = [dict(type='EMAHook', momentum=4e-5)]",
    "custom_hooks = []\nif True:\n    custom_hooks.append(dict(type='PreciseBNHook'))",
    "resume_from = 'a.pth'",
    "load_from = 'b.pth'  # weights",
    "seed = 3",
    "unheard_of = dict(a=[1, (2, ), None])",
    "# comment = dict(out=True)",
]
PARTS = {
    "models": ["resnet18.py", "resnet50_mixup.py", "vit.py"],
    "datasets": ["imagenet.py", "imagenet_rand.py", "cifar10.py"],
    "schedules": ["sgd_step.py", "adamw_cosine.py", "policy_only.py"],
}
RUNTIME = "../_base_/default_runtime.py"
BASES = {path: text for path, text in OLD_TREE.items() if path.startswith("_base_/")}


@st.composite
def trees(draw):
    """Draw a tree of a few configs in a folder, each over bases or over one before it."""
    files = dict(BASES)
    count = draw(st.integers(1, 4))
    for i in range(count):
        parent = draw(st.integers(-1, i - 1))
        if parent < 0:
            chosen = [f"../_base_/{kind}/{draw(st.sampled_from(names))}"
                      for kind, names in PARTS.items()]  # fmt: skip
            chosen += [RUNTIME] * draw(st.booleans())
            head = f"_base_ = {chosen}\n"
        else:
            head = f"_base_ = 'c{parent}_2xb{parent + 1}.py'\n"
        said = draw(st.lists(st.sampled_from(OVERRIDES), max_size=5, unique_by=first_name))
        gaps = draw(
            st.lists(st.sampled_from(["\n", "\n\n", "\n\n# then\n"]), min_size=6, max_size=6)
        )
        text = head + "".join(gap + one for gap, one in zip(gaps, said, strict=False))
        files[f"c/c{i}_2xb{i + 1}.py"] = text + draw(st.sampled_from(["", "\n"]))
    return files


def first_name(statement):
    names = [line.split(" = ")[0] for line in statement.split("\n") if " = " in line]
    return next(name for name in reversed(names) if not name.startswith(" "))


def comments(text):
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string.rstrip() for token in tokens if token.type == tokenize.COMMENT)


def write(folder, texts):
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")


def wrong_fields(got, wanted):
    """Return what a config does not say as it must; None and [] say as much as nothing."""
    keys = set(wanted) | (set(got) & {"param_scheduler", "custom_hooks", "optim_wrapper"})
    return [key for key in keys if not same(got.get(key) or None, wanted.get(key) or None)
            and not same(got.get(key), wanted.get(key))]  # fmt: skip


@given(files=trees())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_trees(tmp_path_factory, files):
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    write(old, files)
    leaves = [path for path in files if path.startswith("c/")]
    try:
        wanted = {path: migrate_config(read_config(old / path), name=path).cfg for path in leaves}
    except ConfigError:
        with pytest.raises(ConfigError):
            migrate_tree(files)
        return
    made = migrate_tree(files)
    write(new, {one.new_path: one.text for one in made.values()})
    for path in leaves:
        assert wrong_fields(read_config(new / path), wanted[path]) == [], path
        assert comments(made[path].text) == comments(files[path])
        alone = migrate_source(
            files[path], path=path, base_lookup=lambda name: (old / "c" / name).read_text("utf-8")
        )
        assert comments(alone.text) == comments(files[path])
    again = migrate_tree({one.new_path: one.text for one in made.values()})
    assert all(one.already and not one.diff() for one in again.values())
