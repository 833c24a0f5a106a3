"""The first use of a name of brickbook loads it all, whatever that use is."""

import ast

import pytest
from fresh_imports import run_each

import brickbook

pytestmark = pytest.mark.processes

# What registries hold, in order, and which of the names may be replaced.
REGISTRIES = """
import brickbook
from brickbook.introspect.names import MODULE_WRAPPERS
found = {"init": brickbook.INITIALIZERS, "models": brickbook.MODELS, "wrappers": MODULE_WRAPPERS}
found.update(brickbook.MODELS.children)
print({key: (list(one.module_dict), sorted(filter(one.may_replace, one.module_dict)))
       for key, one in found.items()})
"""
# Before anything else is asked for: what the tree below MODELS holds.
TREE = """
print([(scope, list(one.module_dict)) for scope, one in {"": MODELS, **MODELS.children}.items()])
"""
FIRST_IMPORTS = (
    "import brickbook; MODELS = brickbook.MODELS",
    "from brickbook import MODELS",
    "from brickbook import *",
    "from brickbook.api import MODELS",
    "from brickbook.blueprint import MODELS",
    "from brickbook.blueprint.build import MODELS",
    "from brickbook.blueprint import Blueprint; from brickbook.blueprint.build import MODELS",
    "import brickbook; MODELS = brickbook.blueprint.MODELS",
    "from brickbook.bricks.registry import CONV_LAYERS; MODELS = CONV_LAYERS.parent",
    "from brickbook.bricks import build_conv_layer, PLUGIN_LAYERS; MODELS = PLUGIN_LAYERS.parent",
    "from brickbook.backbones import ResNet; from brickbook.bricks.registry import MODELS",
    "from brickbook.modules import BaseModule; from brickbook.blueprint import MODELS",
    "from brickbook.registry import Registry; from brickbook.blueprint import MODELS",
    "from brickbook.init import INITIALIZERS; from brickbook.blueprint import MODELS",
    "from brickbook.checkpoint import load_checkpoint; from brickbook.blueprint import MODELS",
    "from brickbook.measure import probe; from brickbook.blueprint import MODELS",
    "from brickbook.views.text import text; from brickbook.blueprint import MODELS",
    "from brickbook.commands import NotebookFrontend; from brickbook.blueprint import MODELS",
    "from brickbook.resnet import ResNet; from brickbook.blueprint import MODELS",
    "from brickbook.cnn import MODELS",
    "from brickbook.cnn.builder import MODELS",
    "from brickbook.cnn.bricks.registry import NORM_LAYERS; MODELS = NORM_LAYERS.parent",
    "from brickbook.cnn.bricks.transformer import FFN; from brickbook.cnn import MODELS",
    "from brickbook.runner import BaseModule; from brickbook.cnn import MODELS",
    "from brickbook.runner.checkpoint import load_checkpoint; from brickbook.cnn import MODELS",
    "from brickbook.utils.weight_init import initialize; from brickbook.cnn import MODELS",
)


@pytest.fixture(scope="module")
def registries_by_first_import():
    return dict(
        zip(FIRST_IMPORTS, run_each(one + TREE + REGISTRIES for one in FIRST_IMPORTS), strict=True)
    )


@pytest.mark.parametrize("first", FIRST_IMPORTS)
def test_registries_are_whole_whatever_is_imported_first(registries_by_first_import, first):
    assert registries_by_first_import[first] == registries_by_first_import[FIRST_IMPORTS[0]]
    tree, registries = map(ast.literal_eval, registries_by_first_import[first].splitlines())
    assert {"ConvModule", "ResNet"} <= set(dict(tree)[""])
    assert dict(tree)["conv"] == registries["conv"][0] and "Conv2d" in dict(tree)["conv"]
    assert {"Kaiming", "LSUV"} <= set(registries["init"][0]) and registries["wrappers"][0]


# What `import brickbook` fills at once is imported here at the first lookup, and not before.
LATE = "from brickbook.blueprint import MODELS, Blueprint, build_model_from_cfg; import sys"
LOOKUPS = (
    ("MODELS.build(dict(type='ResNet', depth=18))", "ResNet"),
    ("build_model_from_cfg(dict(type='ResNet', depth=18), MODELS)", "ResNet"),
    ("MODELS.build([dict(type='GELU'), dict(type='conv.Conv2d', in_channels=1, out_channels=1, "
     "kernel_size=1)])", "Sequential"),
    ("Blueprint([dict(type='ConvModule', in_channels=3, out_channels=4, kernel_size=3)]).build()",
     "Sequential"),
    ("MODELS.get('VGG')", "type"),
    ("MODELS.get('Tiger') or MODELS", "Registry"),
    ("'AlexNet' in MODELS or None", "bool"),
    ("len(MODELS) > 20 or None", "bool"),
    ("'ResNet' in repr(MODELS) or None", "bool"),
    ("MODELS.children['conv'].get('Conv2d')", "type"),
    ("MODELS.may_replace('ResNet') or None", "bool"),
)  # fmt: skip
LOADED = "print([name for name in ('bricks', 'backbones') if f'brickbook.{name}' in sys.modules])"


def test_a_lookup_in_models_imports_what_fills_it():
    programs = [f"{LOADED}\nprint(type({lookup}).__name__)\n{LOADED}" for lookup, _ in LOOKUPS]
    lines = [found.splitlines() for found in run_each(programs, LATE)]
    both = "['bricks', 'backbones']"
    assert lines == [["[]", kind, both] for _, kind in LOOKUPS]


MISSPELT = """
try:
    MODELS.build(dict(type="ResNt", depth=18))
except KeyError as error:
    print(error)
"""
BEFORE = """
class Mine: pass
class Other: pass
MODELS.register_module(name="ResNet", module=Mine)
MODELS.register_module(name="Own", module=Mine)
MODELS.register_module(name="VGG", force=True, module=Mine)
print(MODELS.get("Own") is MODELS.get("ResNet") is Mine, "brickbook.bricks" in sys.modules)
try:
    from brickbook.registry import Registry
    Registry("mine", parent=MODELS, scope="conv")
except AssertionError as error:
    print(error)
print("AlexNet" in MODELS, MODELS.get("ResNet") is MODELS.get("VGG") is Mine, "GELU" in MODELS)
print(MODELS.may_replace("ResNet"), MODELS.may_replace("AlexNet"))
try:
    MODELS.register_module(name="ResNet", module=Other)
except KeyError as error:
    print(str(error).partition(";")[0])
from brickbook import ResNet
print(MODELS.get("ResNet") is Mine)
"""


def test_what_is_registered_before_the_first_lookup_stays():
    misspelt, before = run_each([MISSPELT, BEFORE], LATE)
    assert misspelt == "cfg.type: ResNt is not in the model registry. Did you mean 'ResNet'?"
    assert before.splitlines() == [
        "True False",
        "scope: conv is already a scope of the model.",
        "True True False",
        "False True",
        "name: ResNet is already registered in model, as __main__.Mine",
        "True",
    ]


WITHOUT_BACKBONES = """
sys.modules["brickbook.backbones"] = None
for _ in range(2):
    try:
        "ResNet" in MODELS
    except ImportError as error:
        print(error)
del sys.modules["brickbook.backbones"]
print("ResNet" in MODELS)
"""


def test_an_import_that_fails_is_told_and_tried_again():
    (found,) = run_each([WITHOUT_BACKBONES], LATE)
    halted = "import of brickbook.backbones halted; None in sys.modules"
    assert found.splitlines() == [halted, halted, "True"]


INITIALIZER_TABLES = (
    "from brickbook.init import INITIALIZERS",
    "from brickbook.init.initializers import INITIALIZERS",
    "from brickbook.utils.weight_init import INITIALIZERS",
    "from brickbook.cnn import INITIALIZERS",
    "from brickbook.modules import BaseModule; from brickbook.init import INITIALIZERS",
)


def test_initializers_are_whole_whatever_is_imported_first():
    found = run_each(f"{one}\nprint(list(INITIALIZERS.module_dict))" for one in INITIALIZER_TABLES)
    assert set(found) == {found[0]}
    assert {"Kaiming", "LSUV", "MuP"} <= set(ast.literal_eval(found[0]))


WHERE = f"'brickbook' ({brickbook.__file__})"
FIRST_USES = (
    ("import brickbook as b; print(b.init.initialize is b.initialize)", "True"),
    ("import brickbook as b; print(b.errors.ConfigError is b.ConfigError)", "True"),
    ("import brickbook as b; print(b.bricks.conv_module.ConvModule is b.ConvModule)", "True"),
    ("from brickbook import *; print(callable(_load_checkpoint), callable(probe))", "True True"),
    ("import brickbook as b; print(b.__all__ is b.api.__all__)", "True"),
    ("import brickbook as b; print({*b.__all__} <= {*dir(b)}, 'plan' in vars(b))", "True True"),
    ("import brickbook as b; b.plan; print('lsuv' in vars(b), 'probe' in vars(b))", "True False"),
    ("import brickbook as b; print(hasattr(b, 'views'), hasattr(b, 'nonsense'))", "False False"),
    ("from brickbook import views; print(views.__name__)", "brickbook.views"),
    ("from brickbook import x", f"ImportError: cannot import name 'x' from {WHERE}"),
    ("import brickbook as b; b.x", "AttributeError: module 'brickbook' has no attribute 'x'"),
    ("from brickbook import force_fp32",
     f"ImportError: mmcv's force_fp32 is not in brickbook {brickbook.__version__}."),
    ("import pickle as p; print(p.loads(b'cbrickbook\\nConvModule\\n.').__name__)", "ConvModule"),
    ("import pickle; print(pickle.loads(b'cbrickbook.modules\\nBaseModule\\n.').__bases__)",
     "(<class 'torch.nn.modules.module.Module'>,)"),
    ("import inspect, brickbook; print(len(inspect.getmembers(brickbook)) > 150)", "True"),
    ("import pydoc, brickbook as b; print('initialize(model' in pydoc.render_doc(b))", "True"),
)  # fmt: skip


@pytest.fixture(scope="module")
def answers():
    programs = [program for program, _ in FIRST_USES]
    return dict(zip(programs, run_each(programs), strict=True))


@pytest.mark.parametrize(("program", "answer"), FIRST_USES)
def test_every_way_to_a_name(answers, program, answer):
    assert answers[program] == answer


THREADS = """
import sys, threading
sys.setswitchinterval(1e-5)
statements = (
    "from brickbook import initialize, MODELS", "import brickbook; MODELS = brickbook.MODELS",
    "from brickbook import *", "from brickbook.api import MODELS",
    "import brickbook; MODELS = dict.fromkeys(dir(brickbook)) and brickbook.blueprint.MODELS",
    "from brickbook.blueprint import MODELS",
    "from brickbook.bricks import NORM_LAYERS; MODELS = NORM_LAYERS.parent",
    "from brickbook.backbones import MODELS",
)
barrier, found = threading.Barrier(len(statements)), []

def use(statement):
    names = {}
    barrier.wait()
    try:
        exec(statement, names)
        found.append("ResNet" in names["MODELS"] and "Conv2d" in names["MODELS"].children["conv"])
    except BaseException as error:
        found.append(repr(error))

threads = [threading.Thread(target=use, args=(statement,)) for statement in statements]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(found)
"""


def test_first_use_from_several_threads_at_once():
    assert set(run_each([THREADS] * 3)) == {str([True] * 8)}


# The import is interrupted at the n-th line that a file runs, and asked for again.
INTERRUPTED = """
import gc, sys
lines = {lines}

def trace(frame, event, argument):
    if event == "call" and not frame.f_code.co_filename.endswith({file!r}):
        return None
    global lines
    lines -= event == "line" and frame.f_code.co_name == "<module>"
    if lines == 0:
        sys.settrace(None)
        raise KeyboardInterrupt
    return trace

sys.settrace(trace)
try:
    from brickbook import initialize
except KeyboardInterrupt:
    print(gc.isenabled())
"""
FILES = (
    ("brickbook/api.py", 10), ("brickbook/api.py", 24), ("bricks/registry.py", 20),
    ("bricks/registry.py", 40), ("bricks/__init__.py", 12), ("bricks/model_rows.py", 30),
    ("conv_module/__init__.py", 25), ("blueprint/__init__.py", 4), ("blueprint/build.py", 30),
    ("backbones/__init__.py", 7), ("initializers/variance.py", 40), ("introspect/names.py", 25),
)  # fmt: skip


def test_an_interrupted_first_use_can_be_tried_again():
    cut = (INTERRUPTED.format(file=file, lines=lines) + REGISTRIES for file, lines in FILES)
    whole, *found = run_each(["print(True)" + REGISTRIES, *cut])
    assert found == [whole] * len(FILES)


WITHOUT_TORCH = """
import sys
torch = sys.modules["torch"]
sys.modules["torch"] = None
import brickbook
for _ in range(2):
    try:
        from brickbook import initialize
    except ImportError as error:
        print(error.name, "brickbook.api" in sys.modules)
sys.modules["torch"] = torch
print(brickbook.initialize.__name__)
"""


def test_without_torch_the_first_use_says_so():
    (found,) = run_each([WITHOUT_TORCH])
    assert found.splitlines() == ["torch False", "torch False", "initialize"]
