"""A migrated config, written by hand: what views and panels of migrations are tested with."""

from __future__ import annotations

from brickbook.migrate import Note, SourceMigration

__all__ = ["NEW", "OLD", "PATH", "example_migration", "hostile_migration"]

PATH = "resnet18_8xb16_cifar10.py"
OLD = """\
# A small network on small pictures.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet_CIFAR', depth=18, num_stages=4, out_indices=(3, ), style='pytorch'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ))

# optimizer
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=None)
# learning policy: warm up, then down
lr_config = dict(
    policy='CosineAnnealing',
    min_lr=0,
    warmup='linear',
    warmup_iters=5,
    warmup_ratio=0.1,
    warmup_by_epoch=True)
momentum_config = dict(policy='cyclic')
runner = dict(type='EpochBasedRunner', max_epochs=200)
checkpoint_config = dict(interval=1)  # every epoch
workflow = [('train', 1)]
"""
NEW = """\
# A small network on small pictures.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet_CIFAR', depth=18, num_stages=4, out_indices=(3, ), style='pytorch'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ))

# optimizer
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001))
# learning policy: warm up, then down
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=5)
]
train_cfg = dict(by_epoch=True, max_epochs=200)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))  # every epoch
default_scope = 'mmpretrain'
"""
NOTES = (
    Note("schedule.momentum", "momentum_config", {}, 24, 1, None),
    Note("optimizer.moved", "optimizer", {}, 14, 1, 14),
    Note("optimizer.config_dropped", "optimizer_config", {"key": "grad_clip"}, 15, 24, None),
    Note("schedule.moved", "lr_config", {}, 17, 1, 17),
    Note("schedule.warmup", "lr_config.warmup", {"kind": "linear"}, 20, 5, 18),
    Note("schedule.deviation", "lr_config", {"percent": "2.5", "at": "37"}, 17, 1, 17),
    Note("loops.moved", "runner", {}, 25, 1, 21),
    Note("runtime.checkpoint", "checkpoint_config", {}, 26, 1, 22),
    Note("loops.workflow", "workflow", {}, 27, 1, None),
    Note("runtime.scope", "default_scope", {}, None, None, 23),
    Note("data.injected", "data"),
)


def example_migration(path: str = PATH, schedule: str = "guide") -> SourceMigration:
    """Return the migration; another form of the schedule has another scheduler."""
    new, notes = NEW, NOTES
    if schedule == "faithful":
        new = NEW.replace("by_epoch=True, begin=5", "by_epoch=True")
        notes = tuple(note for note in NOTES if note.rule != "schedule.deviation")
    return SourceMigration(new, notes, OLD, path, path)


def hostile_migration() -> SourceMigration:
    """Return one whose texts would do something if they were markup, or obeyed."""
    bad = "a = '</script><img src=x onerror=alert(1)>\u202e\x1b[2J\x0c'  # <b>&amp;\n"
    note = Note(
        "model.renamed", "a", {"old": "<img src=x onerror=alert(2)>", "new": "\u202eb"}, 1, 1, 1
    )
    path = "<img src=x onerror=alert(3)>\u202e.py"
    return SourceMigration(f"{bad}b = 2\n", (note,), f"{bad}b = 1\n", path, path)
