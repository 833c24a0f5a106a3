"""A tree of configs as MMClassification 0.x and MMSelfSup 0.x have them, written for the tests."""

# ruff: noqa: E501 - some old configs have long lines
from __future__ import annotations

__all__ = ["OLD_TREE"]

TEXT = r"""
=== _base_/models/resnet18.py
# model settings
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet',
        depth=18,
        num_stages=4,
        out_indices=(3, ),  # the last stage
        style='pytorch'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5),
    ))
=== _base_/models/resnet50_mixup.py
# model settings
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=50, out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='MultiLabelLinearClsHead', num_classes=1000, in_channels=2048),
    train_cfg=dict(
        augments=[
            # both of them
            dict(type='BatchMixup', alpha=0.2, num_classes=1000, prob=0.5),
            dict(type='BatchCutMix', alpha=1.0, num_classes=1000, prob=0.3)
        ]))
=== _base_/models/vit.py
embed_dims = 768
head_dims = embed_dims // 2
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VisionTransformer', arch='b', img_size=224, output_cls_token=True),
    neck=None,
    head=dict(
        type='VisionTransformerClsHead',
        num_classes=1000,
        hidden_dim=head_dims,
        in_channels=embed_dims))
=== _base_/models/van/van_b0.py
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VAN', arch='b0'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=256))
=== _base_/models/mobilenet_v3_small_cifar.py
model = {
    'type': 'ImageClassifier',
    'backbone': {'type': 'MobileNetV3', 'arch': 'small'},
    'neck': {'type': 'GlobalAveragePooling'},
    'head': {'type': 'LinearClsHead', 'num_classes': 10, 'in_channels': 576}
}
=== _base_/models/mocov2.py
# model settings
model = dict(
    type='MoCo',
    queue_len=65536,
    feat_dim=128,
    momentum=0.999,  # share of the old
    backbone=dict(type='ResNet', depth=50, in_channels=3, out_indices=[4]),
    neck=dict(
        type='MoCoV2Neck', in_channels=2048, hid_channels=2048, out_channels=128),
    head=dict(type='ContrastiveHead', temperature=0.2))
=== _base_/models/classifier.py
model = dict(
    type='Classification',
    backbone=dict(
        type='ResNet',
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: conv-1, x: stage-x
        frozen_stages=4),
    head=dict(
        type='ClsHead', with_avg_pool=True, in_channels=2048, num_classes=1000))
=== _base_/datasets/imagenet.py
# dataset settings
dataset_type = 'ImageNet'
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', size=224),  # as in the paper
    # dict(type='ColorJitter', brightness=0.4),
    dict(type='RandomFlip', flip_prob=0.5, direction='horizontal'),
    # what follows makes tensors
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='ToTensor', keys=['gt_label']),
    dict(type='Collect', keys=['img', 'gt_label'])
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', size=(256, -1)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img'])
]
data = dict(
    samples_per_gpu=32,  # images of a step
    workers_per_gpu=2,
    train=dict(
        type=dataset_type,
        data_prefix='data/imagenet/train',
        pipeline=train_pipeline),
    val=dict(
        type=dataset_type,
        data_prefix='data/imagenet/val',
        ann_file='data/imagenet/meta/val.txt',
        pipeline=test_pipeline),
    test=dict(
        # the labels of the test set are not public
        type=dataset_type,
        data_prefix='data/imagenet/val',
        ann_file='data/imagenet/meta/val.txt',
        pipeline=test_pipeline))
evaluation = dict(interval=1, metric='accuracy')
=== _base_/datasets/pipelines/policies.py
# drawn from these
my_policies = [
    dict(type='AutoContrast'),
    dict(type='Rotate', magnitude_key='angle', magnitude_range=(0, 30)),
]
=== _base_/datasets/imagenet_rand.py
_base_ = ['./pipelines/policies.py']

img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
size = 224
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        size=size,
        backend='pillow',
        interpolation='bicubic'),
    dict(type='RandomFlip', flip_prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies={{_base_.my_policies}},
        num_policies=2,
        magnitude_level=9,
        hparams=dict(
            pad_val=[round(x) for x in img_norm_cfg['mean'][::-1]],
            interpolation='bicubic')),
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=img_norm_cfg['mean'][::-1],
        fill_std=img_norm_cfg['std'][::-1]),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='ToTensor', keys=['gt_label']),
    dict(type='Collect', keys=['img', 'gt_label'])
]

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='Resize',
        size=(size + 32, -1),
        backend='pillow',
        interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=size),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img'])
]
test_set = dict(
    type='ImageNet',
    data_prefix='data/imagenet/val',
    ann_file='data/imagenet/meta/val.txt',
    pipeline=test_pipeline)
data = dict(
    samples_per_gpu=64,
    workers_per_gpu=8,
    train=dict(
        type='ImageNet',
        data_prefix='data/imagenet/train',
        pipeline=train_pipeline),
    val=test_set,
    test=test_set)

evaluation = dict(interval=10, metric='accuracy')
=== _base_/datasets/cifar10.py
img_norm_cfg = dict(mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255], to_rgb=False)
train_pipeline = [dict(type='RandomCrop', size=32, padding=4), dict(type='RandomFlip', flip_prob=0.5, direction='horizontal'),
    dict(type='Normalize', **img_norm_cfg), dict(type='ImageToTensor', keys=['img']), dict(type='ToTensor', keys=['gt_label']), dict(type='Collect', keys=['img', 'gt_label'])]
test_pipeline = [dict(type='Normalize', **img_norm_cfg), dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img'])]
common = dict(type='CIFAR10', data_prefix='data/cifar10')
data = dict(samples_per_gpu=16, workers_per_gpu=2,
            train=dict(pipeline=train_pipeline, **common),
            val=dict(pipeline=test_pipeline, test_mode=True, **common),
            test=dict(pipeline=test_pipeline, test_mode=True, **common))
=== _base_/datasets/imagenet_views.py
# dataset settings
data_source = 'ImageNet'
dataset_type = 'MultiViewDataset'
num_views = [2]
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type='RandomResizedCrop', size=224, scale=(0.2, 1.)),
    # colours
    dict(
        type='RandomAppliedTrans',
        transforms=[dict(type='ColorJitter', brightness=0.4, hue=0.1)],
        p=0.8),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='GaussianBlur', sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type='RandomHorizontalFlip'),
]

# prefetch
prefetch = False
if not prefetch:
    train_pipeline.extend(
        [dict(type='ToTensor'),
         dict(type='Normalize', **img_norm_cfg)])

# dataset summary
data = dict(
    samples_per_gpu=32,  # total 32*8=256
    workers_per_gpu=4,
    drop_last=True,
    train=dict(
        type=dataset_type,
        data_source=dict(
            type=data_source,
            data_prefix='data/imagenet/train',
            ann_file='data/imagenet/meta/train.txt',
        ),
        num_views=num_views,
        pipelines=[train_pipeline],
        prefetch=prefetch,
    ))
=== _base_/datasets/imagenet_single.py
data_source = 'ImageNet'
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
]
test_pipeline = [dict(type='Resize', size=256), dict(type='CenterCrop', size=224)]
prefetch = False
if not prefetch:
    train_pipeline.append(dict(type='ToTensor'))
    train_pipeline.append(dict(type='Normalize', **img_norm_cfg))
    test_pipeline += [dict(type='ToTensor'), dict(type='Normalize', **img_norm_cfg)]
data = dict(
    samples_per_gpu=32,
    workers_per_gpu=5,
    train=dict(
        type='SingleViewDataset',
        data_source=dict(
            type=data_source,
            data_prefix='data/imagenet/train',
            ann_file='data/imagenet/meta/train.txt'),
        pipeline=train_pipeline,
        prefetch=prefetch),
    val=dict(
        type='SingleViewDataset',
        data_source=dict(
            type=data_source,
            data_prefix='data/imagenet/val',
            ann_file='data/imagenet/meta/val.txt'),
        pipeline=test_pipeline,
        prefetch=prefetch))
evaluation = dict(interval=10, topk=(1, 5))
=== _base_/schedules/sgd_step.py
# optimizer
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=None)  # no clipping
# learning policy
lr_config = dict(policy='step', step=[30, 60, 90])
runner = dict(type='EpochBasedRunner', max_epochs=100)
=== _base_/schedules/adamw_cosine.py
paramwise_cfg = dict(
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    custom_keys={
        '.absolute_pos_embed': dict(decay_mult=0.0),
        '.relative_position_bias_table': dict(decay_mult=0.0)
    })

# lr = 5e-4 * 128 * 8 / 512 = 0.001
optimizer = dict(
    type='AdamW',
    lr=5e-4 * 1024 / 512,
    weight_decay=0.05,
    betas=(0.9, 0.999),
    paramwise_cfg=paramwise_cfg)
optimizer_config = dict(grad_clip=dict(max_norm=5.0))

# learning policy
lr_config = dict(
    policy='CosineAnnealing',
    by_epoch=False,
    min_lr_ratio=1e-2,
    warmup='linear',
    warmup_ratio=1e-3,
    warmup_iters=20,
    warmup_by_epoch=True)

runner = dict(type='EpochBasedRunner', max_epochs=300)
=== _base_/schedules/lars_cosine.py
# optimizer
optimizer = dict(type='LARS', lr=4.8, weight_decay=1e-6, momentum=0.9)
optimizer_config = dict()  # grad_clip, coalesce, bucket_size_mb

# learning policy
lr_config = dict(
    policy='CosineAnnealing',
    min_lr=0.,
    warmup='linear',
    warmup_iters=10,
    warmup_ratio=1e-4,  # cannot be 0
    warmup_by_epoch=True)

# runtime settings
runner = dict(type='EpochBasedRunner', max_epochs=200)
=== _base_/schedules/policy_only.py
lr_config = dict(policy='poly', power=0.9, min_lr=1e-4)
=== _base_/default_runtime.py
# checkpoint saving
checkpoint_config = dict(interval=1)
# yapf:disable
log_config = dict(
    interval=100,
    hooks=[
        dict(type='TextLoggerHook'),
        # dict(type='TensorboardLoggerHook')
    ])
# yapf:enable

dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
=== _base_/selfsup_runtime.py
checkpoint_config = dict(interval=10)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook'), dict(type='TensorboardLoggerHook')])
dist_params = dict(backend='nccl')
cudnn_benchmark = True
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
persistent_workers = True
# no threads of its own
opencv_num_threads = 0
mp_start_method = 'fork'
=== resnet/resnet18_8xb32_in1k.py
_base_ = [
    '../_base_/models/resnet18.py', '../_base_/datasets/imagenet.py',
    '../_base_/schedules/sgd_step.py', '../_base_/default_runtime.py'
]
=== resnet/resnet18_8xb32-fp16_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']

# fp16 settings
fp16 = dict(loss_scale=512.)
=== resnet/resnet18_8xb32-fp16-dynamic_in1k.py
_base_ = './resnet18_8xb32-fp16_in1k.py'
fp16 = dict(loss_scale='dynamic')
=== resnet/resnet18_8xb32-long_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
runner = dict(max_epochs=200)  # twice
=== resnet/resnet18_8xb32-long-gentle_in1k.py
_base_ = ['./resnet18_8xb32-long_in1k.py']
lr_config = dict(step=[60, 120, 180])
=== resnet/resnet18_8xb32-long-gentle-lr_in1k.py
_base_ = ['./resnet18_8xb32-long-gentle_in1k.py']

optimizer = dict(lr=0.05)
=== resnet/resnet18_16xb64_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
data = dict(samples_per_gpu=64)
optimizer = dict(lr=0.4)
=== resnet/resnet18_8xb32-interval_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
evaluation = dict(interval=5)
checkpoint_config = dict(interval=5, max_keep_ckpts=3)
log_config = dict(interval=20)
=== resnet/resnet18_8xb32-best_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
evaluation = dict(save_best='auto', metric='accuracy', metric_options={'topk': (1, )})
=== resnet/resnet18_8xb32-resume_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
resume_from = 'work/epoch_3.pth'
=== resnet/resnet18_8xb32-coslr_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']
lr_config = dict(_delete_=True, policy='CosineAnnealing', min_lr=0)
=== resnet/resnet18_8xb32-repeat_in1k.py
_base_ = ['./resnet18_8xb32_in1k.py']

data = dict(
    train=dict(
        _delete_=True,
        type='RepeatDataset',
        times=3,
        dataset=dict(
            type='ImageNet',
            data_prefix='data/imagenet/train',
            # no flips here
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='RandomResizedCrop', size=160),
                dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='ToTensor', keys=['gt_label']),
                dict(type='Collect', keys=['img', 'gt_label']),
            ])))
=== resnet/resnet18_b32x8_imagenet.py
_base_ = 'resnet18_8xb32_in1k.py'

_deprecation_ = dict(
    expected='resnet18_8xb32_in1k.py',
    reference='https://example.org/pull/1',
)
=== resnet/resnet50_8xb64-mixup_in1k.py
_base_ = [
    '../_base_/models/resnet50_mixup.py', '../_base_/datasets/imagenet_rand.py',
    '../_base_/schedules/sgd_step.py', '../_base_/default_runtime.py'
]
optimizer_config = dict(grad_clip=dict(max_norm=1.0), _delete_=True)
=== resnet/resnet50_8xb64-mixup-cumulative_in1k.py
_base_ = ['./resnet50_8xb64-mixup_in1k.py']
optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=4)
=== resnet/resnet18_8xb16_cifar10.py
_base_ = ['../_base_/datasets/cifar10.py', '../_base_/default_runtime.py']
num_classes = 10
in_channels = 2 * 256
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet_CIFAR', depth=18, out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=num_classes, in_channels=in_channels))
schedule = dict(policy='step', step=[100, 150])
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=None)
lr_config = dict(**schedule)
runner = dict(type='EpochBasedRunner', max_epochs=200)
=== vit/vit-base_32xb128_in1k.py
_base_ = [
    '../_base_/models/vit.py', '../_base_/datasets/imagenet_rand.py',
    '../_base_/schedules/adamw_cosine.py', '../_base_/default_runtime.py'
]

# the head has a layer in between
model = dict(head=dict(hidden_dim={{_base_.head_dims}}))
data = dict(samples_per_gpu=128)
=== vit/vit-base_32xb128-clip_in1k.py
_base_ = ['./vit-base_32xb128_in1k.py']
optimizer_config = dict(grad_clip=dict(norm_type=1, max_norm=100.0), _delete_=True)
optimizer = dict(lr=4e-3)
custom_hooks = [dict(type='EMAHook', momentum=4e-5, priority='ABOVE_NORMAL')]
=== vit/vit-base_32xb128-ft_cifar10.py
_base_ = ['./vit-base_32xb128-clip_in1k.py']
model = dict(
    head=dict(num_classes=10),  # ten
    train_cfg=dict(augments=dict(type='BatchMixup', alpha=0.8, num_classes=10, prob=1.)))
=== vit/vit-base_32xb128-poly_in1k.py
_base_ = [
    '../_base_/models/vit.py', '../_base_/datasets/imagenet_rand.py',
    '../_base_/schedules/policy_only.py', '../_base_/default_runtime.py'
]
optimizer = dict(type='AdamW', lr=1e-3, paramwise_cfg=dict(custom_keys={'.cls_token': dict(decay_mult=0.0)}))
runner = dict(type='IterBasedRunner', max_iters=1000)
=== van/van-b0_8xb128_in1k.py
_base_ = [
    '../_base_/models/van/van_b0.py',
    '../_base_/datasets/imagenet_rand.py',
    '../_base_/schedules/adamw_cosine.py',
    '../_base_/default_runtime.py'
]

# dataset
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', size=(248, -1), backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img'])
]
data = dict(
    samples_per_gpu=128,
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline))
=== van/van-b0_mobile_cifar.py
_base_ = ['../_base_/models/mobilenet_v3_small_cifar.py', '../_base_/datasets/cifar10.py',
          '../_base_/schedules/sgd_step.py', '../_base_/default_runtime.py']
lr_config = dict(step=[120, 170])
evaluation = dict(interval=2, metric=['accuracy', 'f1_score'])
=== moco/mocov2_8xb32_in1k.py
_base_ = [
    '../_base_/models/mocov2.py',
    '../_base_/datasets/imagenet_views.py',
    '../_base_/schedules/lars_cosine.py',
    '../_base_/selfsup_runtime.py',
]

# additional hooks
update_interval = 2  # interval for accumulate gradient
optimizer_config = dict(update_interval=update_interval)
optimizer = dict(
    type='SGD',
    lr=0.03,
    paramwise_options={
        '(bn|gn)(\\d+)?.(weight|bias)': dict(weight_decay=0., lars_exclude=True),
        'bias': dict(weight_decay=0., lars_exclude=True)
    })
model = dict(queue_len={{_base_.data.samples_per_gpu}} * 64)
=== moco/mocov2_8xb64_in1k.py
_base_ = './mocov2_8xb32_in1k.py'
data = dict(samples_per_gpu=64, train=dict(num_views={{_base_.num_views}}))
runner = dict(max_epochs=400)
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
=== moco/resnet50_linear-8xb32-steplr-100e_in1k.py
_base_ = [
    '../_base_/models/classifier.py',
    '../_base_/datasets/imagenet_single.py',
    '../_base_/schedules/sgd_step.py',
    '../_base_/selfsup_runtime.py',
]
optimizer = dict(lr=30., weight_decay=0.)
evaluation = dict(interval=1, topk=(1, 5))
=== single/whole_8xb16.py
# everything in one file
names = ['cat', 'dog']
root = 'data/pets'
val_interval = 3
prefix = '{}/images'.format(root)
norm = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True)
load, crop = dict(type='LoadImageFromFile'), dict(type='CenterCrop', crop_size=(224, 160))
pack = [dict(type='Normalize', **norm), dict(type='ImageToTensor', keys=['img'])]
train_pipeline = [load, dict(type='RandomResizedCrop', size=(224, 160))] + pack + [
    dict(type='ToTensor', keys=['gt_label']), dict(type='Collect', keys=['img', 'gt_label'])]
stages = list(range(4))
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=50, out_indices=stages[-1:]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=len(names), in_channels=2048, topk=(1, )))
data = dict(
    samples_per_gpu=16,
    workers_per_gpu=2,
    train=dict(type='CustomDataset', classes=names, data_prefix=prefix, pipeline=train_pipeline),
    val=dict(
        type='CustomDataset',
        classes=names,
        data_prefix=prefix,
        ann_file=f'{root}/val.txt',
        pipeline=[load, crop] + pack + [dict(type='Collect', keys=['img'])]))
data['train']['ann_file'] = root + '/train.txt'
evaluation = dict(interval=val_interval, metric=['precision', 'recall'], metric_options=dict(average_mode='none'))
optimizer = dict(type='Adam', lr=1e-3 if len(names) < 5 else 1e-4)
lr_config = dict(policy='CosineAnnealing', min_lr=0, warmup='constant', warmup_iters=100)
total_epochs = 20
custom_hooks = [dict(type='PreciseBNHook', num_samples=8192, interval=1)]
# the end
=== single/tabs_8xb16.py
# indented by tabs
model = dict(
	type='ImageClassifier',
	backbone=dict(type='ResNet', depth=18),
	neck=dict(type='GlobalAveragePooling'),
	head=dict(type='LinearClsHead', num_classes=10, in_channels=512))
optimizer = dict(
	type='SGD',
	lr=0.1,	# large
	weight_decay=1e-4)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='step', step=30); runner = dict(type='EpochBasedRunner', max_epochs=90)
log_config = dict(interval=10, hooks=[dict(type='TextLoggerHook')])
"""


def read_tree(text: str) -> dict[str, str]:
    """Return the files of a text, each after a line ``=== path``."""
    parts = text.lstrip("\n").split("=== ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


OLD_TREE = read_tree(TEXT)
