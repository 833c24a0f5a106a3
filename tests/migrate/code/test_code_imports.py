"""Imports and uses: text to text."""

from __future__ import annotations

from textwrap import dedent

import pytest

from brickbook.migrate import SourceMigration, migrate_code

CASES = {
    "a name that moves": (
        "from mmcls.models import ResNet\n",
        "from mmpretrain.models import ResNet\n",
    ),
    "as keeps its name": (
        "from mmcls.models import BACKBONES, build_backbone as bb\nbb(BACKBONES)\n",
        """\
        from mmpretrain.registry import MODELS
        from mmpretrain.models import build_backbone as bb
        bb(MODELS)
        """,
    ),
    "a module with a name": (
        "import mmcls.core as c\nc.Lamb\nc.hook.PreciseBNHook\nc.evaluation.precision(1)\n",
        """\
        import mmpretrain.engine as c
        import mmpretrain.engine.hooks
        import mmpretrain.evaluation
        c.Lamb
        mmpretrain.engine.hooks.PreciseBNHook
        mmpretrain.evaluation.SingleLabelMetric.calculate(1)
        """,
    ),
    "the package itself": (
        "import mmcls\nmmcls.datasets.build_dataset(1)\nprint(mmcls.__version__)\n",
        """\
        import mmpretrain.datasets
        import mmpretrain
        mmpretrain.datasets.build_dataset(1)
        print(mmpretrain.__version__)
        """,
    ),
    "an import for what it registers": ("import mmcls.models\n", "import mmpretrain.models\n"),
    "several on one line": (
        "import os, mmcls.models, sys\nmmcls.models.ResNet\n",
        "import os, mmpretrain.models, sys\nmmpretrain.models.ResNet\n",
    ),
    "a statement among others": (
        "a = 1; from mmcls.core import Lamb, mAP; mAP(Lamb)\n",
        "a = 1; from mmpretrain.engine import Lamb; from mmpretrain.evaluation import "
        "AveragePrecision; AveragePrecision.calculate(Lamb)\n",
    ),
    "a removed name stays, its neighbours move": (
        "from mmcls.core import EvalHook, Lamb\n",
        "from mmcls.core import EvalHook\nfrom mmpretrain.engine import Lamb\n",
    ),
    "a whole list in brackets": (
        """\
        from mmcls.models import (  # models
            ResNet,  # the first
            # the second
            VGG,
        )
        """,
        """\
        from mmpretrain.models import (  # models
            ResNet,  # the first
            # the second
            VGG,
        )
        """,
    ),
    "a list in brackets that splits": (
        """\
        def f():
            from mmcls.models import (HEADS,  # registry
                                      # the net
                                      ResNet)
            return HEADS, ResNet
        """,
        """\
        def f():
            from mmpretrain.registry import (
                MODELS,  # registry
            )
            from mmpretrain.models import (
                ResNet,  # the net
            )
            return MODELS, ResNet
        """,
    ),
    "what is imported already is not imported again": (
        """\
        from mmcls.models import BACKBONES
        from mmcls.models.builder import HEADS  # heads
        from mmcls.models import NECKS
        BACKBONES, HEADS, NECKS
        """,
        """\
        from mmpretrain.registry import MODELS
        # heads
        MODELS, MODELS, MODELS
        """,
    ),
    "one that was there before": (
        "from mmpretrain.registry import MODELS\nfrom mmcls.models import HEADS\nMODELS, HEADS\n",
        "from mmpretrain.registry import MODELS\nMODELS, MODELS\n",
    ),
    "each function for itself": (
        """\
        def f():
            from mmcls.models import HEADS
            return HEADS
        def g():
            from mmcls.models import HEADS
            return HEADS
        """,
        """\
        def f():
            from mmpretrain.registry import MODELS
            return MODELS
        def g():
            from mmpretrain.registry import MODELS
            return MODELS
        """,
    ),
    "a local variable of the same name": (
        """\
        from mmcls.models import BACKBONES
        def f(BACKBONES):
            return BACKBONES
        def g():
            BACKBONES = 1
            return [BACKBONES for BACKBONES in range(3)]
        BACKBONES.get('ResNet')
        """,
        """\
        from mmpretrain.registry import MODELS
        def f(BACKBONES):
            return BACKBONES
        def g():
            BACKBONES = 1
            return [BACKBONES for BACKBONES in range(3)]
        MODELS.get('ResNet')
        """,
    ),
    "the new name is taken": (
        "from mmcls.models import BACKBONES\nMODELS = 1\nBACKBONES.get(MODELS)\n",
        "from mmpretrain.registry import MODELS as BACKBONES\nMODELS = 1\nBACKBONES.get(MODELS)\n",
    ),
    "exported": (
        "from mmcls.models import HEADS\nHEADS.get('a')\n__all__ = ['HEADS']\n",
        "from mmpretrain.registry import MODELS as HEADS\nHEADS.get('a')\n__all__ = ['HEADS']\n",
    ),
    "imported for others": (
        "from mmcls.datasets import PIPELINES, precision\n",
        "from mmpretrain.registry import TRANSFORMS as PIPELINES\n"
        "from mmpretrain.evaluation import SingleLabelMetric\n"
        "precision = SingleLabelMetric.calculate\n",
    ),
    "in a try": (
        """\
        try:
            from mmcls.core import Lamb
            from mmcls.models import HEADS
        except ImportError:
            Lamb = HEADS = None
        Lamb, HEADS
        """,
        """\
        try:
            from mmpretrain.engine import Lamb
            from mmpretrain.registry import MODELS as HEADS
        except ImportError:
            Lamb = HEADS = None
        Lamb, HEADS
        """,
    ),
    "a module in a try": (
        """\
        try:
            import mmcls
        except ImportError:
            mmcls = None
        if mmcls is not None:
            mmcls.apis.init_model(1)
        """,
        """\
        try:
            import mmpretrain as mmcls
            import mmpretrain.apis
        except ImportError:
            mmcls = None
        if mmcls is not None:
            mmpretrain.apis.init_model(1)
        """,
    ),
    "both ways of an if": (
        """\
        if new:
            from mmcls.core.hook import PreciseBNHook
        else:
            from mmcls.core import PreciseBNHook
        PreciseBNHook()
        """,
        """\
        if new:
            from mmpretrain.engine.hooks import PreciseBNHook
        else:
            from mmpretrain.engine import PreciseBNHook
        PreciseBNHook()
        """,
    ),
    "for type checkers only": (
        """\
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from mmcls.datasets import PIPELINES, BaseDataset
        def f(x: 'BaseDataset', y: 'PIPELINES') -> None: ...
        """,
        """\
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from mmpretrain.registry import TRANSFORMS as PIPELINES
            from mmpretrain.datasets import BaseDataset
        def f(x: 'BaseDataset', y: 'PIPELINES') -> None: ...
        """,
    ),
    "a module from its package": (
        "from mmcls import core, models\ncore.Lamb, models.ResNet\n",
        "from mmpretrain import engine, models\nengine.Lamb, models.ResNet\n",
    ),
    "decorators and bases follow": (
        """\
        from mmcls.datasets import PIPELINES
        from mmcls.models.heads import ClsHead
        @PIPELINES.register_module(name='Mine')
        class Mine: ...
        class Head(ClsHead): ...
        """,
        """\
        from mmpretrain.registry import TRANSFORMS
        from mmpretrain.models.heads import ClsHead
        @TRANSFORMS.register_module(name='Mine')
        class Mine: ...
        class Head(ClsHead): ...
        """,
    ),
    "mmcv": (
        """\
        import mmcv
        from mmcv import Config, imread
        from mmcv.cnn import ConvModule, kaiming_init
        from mmcv.runner import BaseModule
        mmcv.imread(mmcv.Config.fromfile('a'))
        """,
        """\
        import mmcv
        import mmengine
        from mmengine import Config
        from mmcv import imread
        from mmcv.cnn import ConvModule
        from mmengine.model import kaiming_init
        from mmengine.model import BaseModule
        mmcv.imread(mmengine.Config.fromfile('a'))
        """,
    ),
    "mmselfsup": (
        """\
        from mmselfsup.models import ALGORITHMS, build_algorithm
        from mmselfsup.models.algorithms import MoCo
        ALGORITHMS, build_algorithm(dict(type='MoCo'))
        """,
        """\
        from mmpretrain.registry import MODELS
        from mmpretrain.models.selfsup import MoCo
        MODELS, MODELS.build(dict(type='MoCo'))
        """,
    ),
    "relative imports are no business of ours": (
        "from .mmcls import models\nfrom ..models import BACKBONES\nBACKBONES, models\n",
        "from .mmcls import models\nfrom ..models import BACKBONES\nBACKBONES, models\n",
    ),
    "a module of another package that ends alike": (
        "from my.mmcls.models import BACKBONES\nimport mmcls_extra\nBACKBONES, mmcls_extra\n",
        "from my.mmcls.models import BACKBONES\nimport mmcls_extra\nBACKBONES, mmcls_extra\n",
    ),
    "no line ends": ("from mmcls.models import ResNet", "from mmpretrain.models import ResNet"),
    "the last line goes": (
        "from mmcls.models import HEADS, NECKS\nHEADS, NECKS\nfrom mmcls.models import NECKS",
        "from mmpretrain.registry import MODELS\nMODELS, MODELS\n",
    ),
    "a long list": (
        "from mmcls.datasets.pipelines import Compose, RandomCrop, RandomResizedCrop, AutoAugment, "
        "ColorJitter, RandomErasing\n",
        """\
        from mmcv.transforms import Compose
        from mmpretrain.datasets.transforms import (
            RandomCrop, RandomResizedCrop, AutoAugment, ColorJitter, RandomErasing,
        )
        """,
    ),
}


def migrate(old: str, **options: object) -> SourceMigration:
    return migrate_code(dedent(old), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_text(case: str) -> None:
    old, new = CASES[case]
    assert migrate(old).text == dedent(new)


@pytest.mark.parametrize("case", CASES)
def test_twice_is_once(case: str) -> None:
    once = migrate(CASES[case][0])
    again = migrate_code(once.text)
    assert again.text == once.text
    assert not any(note.rule == "code.moved" for note in again.notes)


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
@pytest.mark.parametrize("case", CASES)
def test_line_ends_of_other_systems(case: str, newline: str) -> None:
    old, new = (dedent(text).replace("\n", newline) for text in CASES[case])
    assert migrate_code(old).text == new


@pytest.mark.parametrize("case", CASES)
def test_a_mark_at_the_beginning_and_letters_of_all_kinds(case: str) -> None:
    before = "\ufeff# -*- coding: utf-8 -*-\n'''数据 😀'''\n"
    old, new = (before + dedent(text) for text in CASES[case])
    assert migrate_code(old).text == new
