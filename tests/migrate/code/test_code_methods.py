"""Methods, decorators, texts and MMCV's names: text to text, with what is said of them."""

from __future__ import annotations

from textwrap import dedent

import pytest

from brickbook.migrate import migrate_code

# old, new, and (rule, line, column, new line) of what is said beside the moves
CASES = {
    "a classifier": (
        """\
        from mmcls.models import ImageClassifier
        class Mine(ImageClassifier):
            def forward_train(self, img, gt_label, **kwargs):
                x = self.extract_feat(img)
                return self.head.forward_train(x, gt_label)
            def simple_test(self, img):
                return super().simple_test(img)
            def train_step(self, data, optimizer): ...
            def show_result(self): ...
        """,
        """\
        from mmpretrain.models import ImageClassifier
        class Mine(ImageClassifier):
            def loss(self, img, gt_label, **kwargs):
                x = self.extract_feat(img)
                return self.head.loss(x, gt_label)
            def predict(self, img):
                return super().predict(img)
            def train_step(self, data, optimizer): ...
            def show_result(self): ...
        """,
        [
            ("code.method", 3, 9, 3),
            ("code.call", 5, 26, 5),
            ("code.method", 6, 9, 6),
            ("code.call", 7, 24, 7),
            ("code.signature", 8, 9, 8),
            ("code.method_gone", 9, 9, 9),
        ],
    ),
    "a head": (
        """\
        from mmcls.models.heads import ClsHead
        class Mine(ClsHead):
            def loss(self, cls_score, gt_label):
                return self.compute_loss(cls_score, gt_label)
            def forward_train(self, x, gt_label):
                return self.loss(x, gt_label)
            def simple_test(self, x):
                return self.post_process(x)
        """,
        """\
        from mmpretrain.models.heads import ClsHead
        class Mine(ClsHead):
            def _get_loss(self, cls_score, gt_label):
                return self.loss_module(cls_score, gt_label)
            def loss(self, x, gt_label):
                return self._get_loss(x, gt_label)
            def predict(self, x):
                return self._get_predictions(x)
        """,
        [
            ("code.method", 3, 9, 3),
            ("code.method_alike", 4, 21, 4),
            ("code.method", 5, 9, 5),
            ("code.call", 6, 21, 6),
            ("code.method", 7, 9, 7),
            ("code.call", 8, 21, 8),
        ],
    ),
    "a head that has a loss of its own": (
        """\
        from mmcls.models.heads import ClsHead
        class Mine(ClsHead):
            def __init__(self):
                self.loss = Loss()
            def forward_train(self, x, gt_label):
                return self.loss(x, gt_label)
        """,
        """\
        from mmpretrain.models.heads import ClsHead
        class Mine(ClsHead):
            def __init__(self):
                self.loss = Loss()
            def loss(self, x, gt_label):
                return self.loss(x, gt_label)
        """,
        [("code.method", 5, 9, 5)],
    ),
    "through a class of the same file": (
        """\
        import mmcls.models as m
        class First(m.heads.ClsHead):
            pass
        class Second(First):
            def forward_train(self, x, gt_label):
                return super(Second, self).forward_train(x, gt_label)
        """,
        """\
        import mmpretrain.models.heads
        class First(mmpretrain.models.heads.ClsHead):
            pass
        class Second(First):
            def loss(self, x, gt_label):
                return super(Second, self).loss(x, gt_label)
        """,
        [("code.method", 5, 9, 5), ("code.call", 6, 36, 6)],
    ),
    "registered, with another base": (
        """\
        from mmcls.models import HEADS
        from mmcv.runner import BaseModule
        @HEADS.register_module()
        class Mine(BaseModule):
            def forward_train(self, x, gt_label): ...
        """,
        """\
        from mmpretrain.registry import MODELS
        from mmengine.model import BaseModule
        @MODELS.register_module()
        class Mine(BaseModule):
            def loss(self, x, gt_label): ...
        """,
        [("code.method", 5, 9, 5)],
    ),
    "a name that is taken": (
        """\
        from mmcls.models import ImageClassifier
        class Mine(ImageClassifier):
            def loss(self): ...
            def forward_train(self, img): ...
        """,
        """\
        from mmpretrain.models import ImageClassifier
        class Mine(ImageClassifier):
            def loss(self): ...
            def forward_train(self, img): ...
        """,
        [("code.method_clash", 4, 9, 4)],
    ),
    "a class of none": (
        """\
        from .base import Base
        class Mine(Base):
            def forward_train(self, x):
                return self.head.simple_test(x)
            def loss(self): ...
        """,
        """\
        from .base import Base
        class Mine(Base):
            def forward_train(self, x):
                return self.head.simple_test(x)
            def loss(self): ...
        """,
        [("code.maybe", 3, 9, 3), ("code.maybe", 4, 26, 4)],
    ),
    "a data set": (
        """\
        from mmcls.datasets import BaseDataset
        class Mine(BaseDataset):
            CLASSES = ('ash',  # a comment
                       'oak')
            def load_annotations(self):
                return self.data_infos
            def evaluate(self, results): ...
        """,
        """\
        from mmpretrain.datasets import BaseDataset
        class Mine(BaseDataset):
            METAINFO = {'classes': ('ash',  # a comment
                       'oak')}
            def load_data_list(self):
                return self.data_infos
            def evaluate(self, results): ...
        """,
        [
            ("code.classes", 3, 5, 3),
            ("code.method", 5, 9, 5),
            ("code.method_gone", 6, 16, 6),
            ("code.method_gone", 7, 9, 7),
        ],
    ),
    "a transform": (
        """\
        from mmcls.datasets import PIPELINES
        from mmcls.datasets.pipelines import RandomCrop
        @PIPELINES.register_module()
        class Mine(RandomCrop):
            def __call__(self, results):
                return super().__call__(results)
        @PIPELINES.register_module()
        class Other:
            def __call__(self, results): ...
        """,
        """\
        from mmpretrain.registry import TRANSFORMS
        from mmpretrain.datasets.transforms import RandomCrop
        @TRANSFORMS.register_module()
        class Mine(RandomCrop):
            def transform(self, results):
                return super().transform(results)
        @TRANSFORMS.register_module()
        class Other:
            def __call__(self, results): ...
        """,
        [("code.method_alike", 5, 9, 5), ("code.method_alike", 6, 24, 6)],
    ),
    "a hook": (
        """\
        from mmcv.runner import Hook
        class Mine(Hook):
            def before_epoch(self, runner):
                super().before_epoch(runner)
            def after_train_iter(self, runner):
                if self.every_n_iters(runner, 3):
                    print(runner.outputs)
            def after_val_iter(self, runner, *args): ...
            def after_train_epoch(self, runner): ...
        """,
        """\
        from mmengine.hooks import Hook
        class Mine(Hook):
            def _before_epoch(self, runner, mode='train'):
                super()._before_epoch(runner, mode)
            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                if self.every_n_train_iters(runner, 3):
                    print(runner.outputs)
            def after_val_iter(self, runner, *args): ...
            def after_train_epoch(self, runner): ...
        """,
        [
            ("code.more_arguments", 3, 9, 3),
            ("code.more_arguments", 5, 9, 5),
            ("code.method_alike", 6, 17, 6),
            ("code.runner", 7, 19, 7),
            ("code.signature", 8, 9, 8),
        ],
    ),
    "an algorithm": (
        """\
        from mmselfsup.models import ALGORITHMS, BaseModel
        @ALGORITHMS.register_module()
        class Mine(BaseModel):
            def forward_train(self, img, **kwargs): ...
            def forward_test(self, img): ...
        """,
        """\
        from mmpretrain.registry import MODELS
        from mmengine.model import BaseModel
        @MODELS.register_module()
        class Mine(BaseModel):
            def loss(self, img, **kwargs): ...
            def forward_test(self, img): ...
        """,
        [("code.method", 4, 9, 5), ("code.method_gone", 5, 9, 6)],
    ),
    "texts": (
        """\
        custom_imports = dict(imports=['mmcls.models', 'my.models'])
        model = dict(type='mmcls.ResNet', head={'type': "mmselfsup.MAELinprobeHead"})
        pipeline = [dict(type='mmcls.ToHalf')]
        importlib.import_module('mmcls.core.hook')
        default_scope = 'mmcls'
        name = 'mmcls.apis.train_model'
        logger = get_logger('mmcls')
        \"\"\"About mmcls.models.\"\"\"
        """,
        """\
        custom_imports = dict(imports=['mmpretrain.models', 'my.models'])
        model = dict(type='mmpretrain.ResNet', head={'type': "mmpretrain.LinearClsHead"})
        pipeline = [dict(type='mmcls.ToHalf')]
        importlib.import_module('mmpretrain.engine.hooks')
        default_scope = 'mmpretrain'
        name = 'mmcls.apis.train_model'
        logger = get_logger('mmcls')
        \"\"\"About mmcls.models.\"\"\"
        """,
        [("code.text", 3, 23, 3), ("code.text", 6, 8, 6)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_text_and_notes(case: str) -> None:
    old, new, said = CASES[case]
    migration = migrate_code(dedent(old))
    assert migration.text == dedent(new)
    assert said == [
        (note.rule, note.line, note.column, note.new_line)
        for note in migration.notes
        if note.rule != "code.moved"
    ]
    again = migrate_code(migration.text)
    assert again.text == migration.text


def test_decorators_of_half_precision() -> None:
    old = """\
    import mmcv.runner as r
    from mmcv.runner import auto_fp16, BaseModule, force_fp32
    class Mine(BaseModule):
        @auto_fp16(apply_to=('x', ))  # fast
        def forward(self, x): ...
        @staticmethod
        @r.force_fp32()
        def loss(x): ...
        @force_fp32
        def other(self): ...
    """
    migration = migrate_code(dedent(old))
    assert migration.text == dedent("""\
    from mmengine.model import BaseModule
    class Mine(BaseModule):
        # fast
        def forward(self, x): ...
        @staticmethod
        def loss(x): ...
        def other(self): ...
    """)
    assert [note.line for note in migration.notes if note.rule == "code.decorator"] == [4, 7, 9]


def test_an_edit_within_a_decorator_that_goes() -> None:
    old = """\
    from mmcls.core import precision
    from mmcv.runner import force_fp32
    @force_fp32(apply_to=precision(1))
    def f(): ...
    """
    assert migrate_code(dedent(old)).text == dedent("""\
    from mmpretrain.evaluation import SingleLabelMetric
    def f(): ...
    """)


SENTENCES = {
    "code.method": (
        "`forward_train` is `loss(self, inputs, data_samples)` now: arguments and result are "
        "others, and the body is left for you."
    ),
    "code.call": (
        "`self.head.simple_test` is called as `predict(self, feats, data_samples=None)` now; the "
        "arguments are left for you."
    ),
    "code.signature": (
        "`forward` is called with other arguments now: `forward(self, inputs, data_samples=None, "
        "mode='tensor')`. The place is left for you."
    ),
    "code.method_gone": (
        "Nothing calls or gives `aug_test` any more; `predict` does its work. The place is left "
        "for you."
    ),
}


def test_the_sentences() -> None:
    old = """\
    from mmcls.models import BaseClassifier
    class Mine(BaseClassifier):
        def forward_train(self, img): ...
        def forward(self, img):
            return self.head.simple_test(img)
        def aug_test(self): ...
    """
    notes = migrate_code(dedent(old)).notes[1:]
    assert {note.rule: note.text("en") for note in notes} == SENTENCES
    assert notes[0].path == "Mine.forward_train"
    assert notes[0].text("zh") == (
        "`forward_train` 现为 `loss(self, inputs, data_samples)`:参数和返回值均已不同,"
        "方法体留待手动修改。"
    )


def test_comments_on_request() -> None:
    old = """\
    from mmcls.core import EvalHook
    from mmcls.models import ImageClassifier
    class Mine(ImageClassifier):
        # of old
        def forward_train(self, img):
            return self.head.forward_train(
                img)
    """
    migration = migrate_code(dedent(old), comments=True)
    assert migration.text == dedent("""\
    # migrate: `mmcls.core.EvalHook` is gone; `mmengine.runner.ValLoop, val_evaluator` does its work. The place is left for you.
    from mmcls.core import EvalHook
    from mmpretrain.models import ImageClassifier
    class Mine(ImageClassifier):
        # of old
        # migrate: `forward_train` is `loss(self, inputs, data_samples)` now: arguments and result are others, and the body is left for you.
        def loss(self, img):
            # migrate: `self.head.forward_train` is called as `loss(self, feats, data_samples, **kwargs)` now; the arguments are left for you.
            return self.head.loss(
                img)
    """)  # noqa: E501
    left = [(note.line, note.new_line) for note in migration.notes if note.rule != "code.moved"]
    assert left == [(1, 2), (5, 7), (6, 9)]
    assert migrate_code(migration.text, comments=True).text == migration.text


MMCV = {
    "what brickbook has": (
        """\
        from mmcv.cnn import ConvModule, build_norm_layer as norm
        from mmcv.runner.base_module import BaseModule
        from mmcv.utils import Registry, _BatchNorm
        import mmcv.cnn.bricks.transformer as t
        t.FFN(1), norm(1)
        """,
        """\
        from brickbook import ConvModule, build_norm_layer as norm
        from brickbook import BaseModule
        from brickbook import Registry
        from brickbook.utils.parrots_wrapper import _BatchNorm
        import brickbook
        brickbook.FFN(1), norm(1)
        """,
        [],
    ),
    "what it has not": (
        """\
        import mmcv
        from mmcv.runner import HOOKS, load_checkpoint
        from mmcv.ops import RoIAlign
        mmcv.imread('a')
        mmcv.cnn.ConvModule(1)
        """,
        """\
        import mmcv
        import brickbook
        from mmcv.runner import HOOKS
        from brickbook import load_checkpoint
        from mmcv.ops import RoIAlign
        mmcv.imread('a')
        brickbook.ConvModule(1)
        """,
        [
            ("code.not_in_brickbook", 2, 25, 3),
            ("code.not_in_brickbook", 3, 22, 5),
            ("code.not_in_brickbook", 4, 1, 6),
        ],
    ),
    "methods and texts of other projects": (
        "from mmcls.models import ClsHead\nclass A(ClsHead):\n    def forward_train(self): ...\n",
        "from mmcls.models import ClsHead\nclass A(ClsHead):\n    def forward_train(self): ...\n",
        [],
    ),
}


@pytest.mark.parametrize("case", MMCV)
def test_from_mmcv_to_brickbook(case: str) -> None:
    old, new, said = MMCV[case]
    migration = migrate_code(dedent(old), source="mmcv")
    assert migration.text == dedent(new)
    assert said == [
        (note.rule, note.line, note.column, note.new_line)
        for note in migration.notes
        if note.rule != "code.moved"
    ]
    assert migration.complete
    assert migrate_code(migration.text, source="mmcv").text == migration.text


def test_already_of_brickbook() -> None:
    migration = migrate_code("from brickbook import ConvModule\n", source="mmcv")
    assert migration.already
    assert migration.notes[0].text("en") == (
        "This code imports `brickbook` already; nothing was changed."
    )
