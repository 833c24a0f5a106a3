"""Registries: what mmcv 1.x users call, and what notebooks need."""

import importlib
import sys
import threading
from functools import partial

import pytest

from brickbook.errors import ConfigError
from brickbook.registry import Registry, build_from_cfg


class Siamese:
    def __init__(self, age=1, *, name="cat"):
        self.age, self.name = age, name


class Persian:
    pass


def beagle():
    return "beagle"


def test_a_fresh_registry():
    cats = Registry("cat")
    assert (cats.name, cats.scope, cats.parent, len(cats)) == ("cat", None, None, 0)
    assert cats.module_dict == {} and cats.children == {}
    assert cats.build_func is build_from_cfg
    assert "Siamese" not in cats and cats.get("Siamese") is None


def test_names_of_registration():
    cats = Registry("cat")
    assert cats.register_module()(Siamese) is Siamese
    cats.register_module(name="S")(Siamese)
    cats.register_module(name=["A", "B"])(Siamese)
    assert cats.register_module(name="P", module=Persian) is Persian
    cats.register_module()(beagle)
    cats.register_module(name="old")(partial(Siamese, age=20))
    assert list(cats.module_dict) == ["Siamese", "S", "A", "B", "P", "beagle", "old"]
    assert len(cats) == 7 and "A" in cats and cats.get("B") is Siamese
    assert cats.build({"type": "old"}).age == 20
    assert cats.build({"type": "beagle"}) == "beagle"


def test_repr_lists_the_items_in_order():
    cats = Registry("cat")
    cats.register_module()(Siamese)
    assert repr(cats) == f"Registry(name=cat, items={{'Siamese': {Siamese}}})"


def cell(body=""):
    """Run a notebook cell that defines and registers a class."""
    space = {"__name__": "__main__"}
    exec(f"class Manx:\n    tail = 0\n    {body or 'pass'}", space)
    return space["Manx"]


def test_a_cell_run_twice_replaces_its_class():
    cats = Registry("cat")
    cats.register_module()(cell())
    second = cats.register_module()(cell("tail = 1"))
    assert cats.get("Manx") is second and len(cats) == 1


def test_a_clash_names_both_places():
    cats = Registry("cat")
    cats.register_module()(Siamese)
    with pytest.raises(KeyError) as caught:
        cats.register_module(name="Siamese", module=Persian)
    here = f"{__name__}."
    text = str(caught.value)
    assert text.startswith(f"name: Siamese is already registered in cat, as {here}Siamese (")
    assert f"; the new one is {here}Persian (" in text
    assert text.endswith("Pass force=True to replace it.")
    assert text.count("test_registry.py:") == 2
    cats.register_module(name="Siamese", force=True, module=Persian)
    assert cats.get("Siamese") is Persian and len(cats) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": 7474741},
            "name: name must be None, an instance of str, or a sequence of str, "
            "but got <class 'int'>.",
        ),
        ({"force": 1}, "force: force must be a boolean, but got <class 'int'>."),
        ({"module": 0}, "module: expected a class or a function, got 0."),
    ],
)
def test_register_module_refuses(arguments, message):
    with pytest.raises(TypeError) as caught:
        Registry("cat").register_module(**arguments)
    assert str(caught.value) == message


class Cat:
    def meow(self):
        pass


def test_a_bound_method_is_refused():
    with pytest.raises(TypeError, match=r"^module: expected a class or a function, got <bound"):
        Registry("cat").register_module(module=Cat().meow)


def test_old_forms_warn_and_work():
    cats = Registry("cat")
    with pytest.warns(DeprecationWarning, match="old forms"):
        assert cats.register_module(Siamese) is Siamese
    with pytest.warns(DeprecationWarning, match="old forms"):
        cats.deprecated_register_module(Persian)
    with pytest.warns(DeprecationWarning, match="old forms"):
        cats.deprecated_register_module()(Persian)
    assert list(cats.module_dict) == ["Siamese", "Persian"]


def test_hierarchy():
    dogs = Registry("dog", scope="animal")
    hounds = Registry("hound", parent=dogs, scope="hound")
    little = Registry("little hound", parent=hounds, scope="little")
    mid = Registry("mid hound", parent=hounds, scope="mid")
    for registry, name in ((dogs, "Golden"), (hounds, "Blood"), (little, "Dachs"), (mid, "Beagle")):
        registry.register_module(name=name, module=Siamese)
    assert dogs.get("Golden") is dogs.get("animal.Golden") is Siamese
    assert dogs.get("hound.Blood") is hounds.get("Blood") is hounds.get("hound.Blood") is Siamese
    assert dogs.get("hound.little.Dachs") is hounds.get("little.Dachs") is Siamese
    assert mid.get("hound.little.Dachs") is Siamese  # through the root
    assert mid.get("hound.Dachs") is None
    assert mid.get("Golden") is None  # a bare name stays in its registry
    assert mid.get("nowhere.Golden") is None
    assert little.root() is dogs


def test_full_paths_are_found_from_the_root_itself():
    root = Registry("root", scope="root")
    mid = Registry("mid", parent=root, scope="mid")
    leaf = Registry("leaf", parent=mid, scope="leaf")
    leaf.register_module(module=Siamese)
    for registry in (root, mid, leaf):
        assert registry.get("root.mid.leaf.Siamese") is Siamese
    assert mid.get("mid.leaf.Siamese") is Siamese


def test_a_clash_registers_none_of_the_names():
    cats = Registry("cat")
    cats.register_module(name="B", module=Siamese)
    with pytest.raises(KeyError):
        cats.register_module(name=["A", "B"], module=Persian)
    assert list(cats.module_dict) == ["B"]


def test_partials_and_lambdas_of_a_cell_run_twice():
    cats = Registry("cat")
    for _ in range(2):
        cats.register_module(name="old", module=partial(Siamese, age=20))
    with pytest.raises(KeyError, match="as a partial of"):
        cats.register_module(name="old", module=partial(Siamese, age=21))
    cats.register_module(name="one", module=lambda: 1)
    with pytest.raises(KeyError):
        cats.register_module(name="one", module=lambda: 2)


def test_build_func_is_inherited_unless_given():
    def make(cfg, registry):
        return (cfg, registry.name)

    parent = Registry("parent", build_func=make)
    child = Registry("child", parent=parent, scope="child")
    own = Registry("own", parent=parent, scope="own", build_func=build_from_cfg)
    assert child.build({"x": 1}) == ({"x": 1}, "child")
    assert own.build_func is build_from_cfg


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parent": "cat"}, "parent: expected a Registry, got 'cat'."),
        ({"scope": 1}, "scope: expected a str, got 1."),
    ],
)
def test_the_constructor_refuses(arguments, message):
    with pytest.raises(AssertionError) as caught:
        Registry("cat", **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("locations", ["cats", [1]])
def test_locations_are_names_of_modules(locations):
    with pytest.raises(TypeError) as caught:
        Registry("cat", locations=locations)
    assert str(caught.value) == f"locations: expected names of modules, got {locations!r}."


HOUSE = Registry("tenant", scope="house")  # what the modules of `house` fill


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A registry of two locations, and the folder of their package, `house`."""
    registry = Registry("tenant", scope="house", locations=["house.cats", "house.dogs"])
    monkeypatch.setattr(f"{__name__}.HOUSE", registry)
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for file, name, more in (("cats", "Manx", ""), ("dogs", "Beagle", CHILD)):
        text = (
            f"from {__name__} import HOUSE, Registry\n@HOUSE.register_module()\nclass {name}: pass"
        )
        (package / f"{file}.py").write_text(f"{text}\n{more}")
    monkeypatch.syspath_prepend(tmp_path)
    yield registry, package
    for name in [name for name in sys.modules if name.partition(".")[0] == "house"]:
        del sys.modules[name]


CHILD = """
attic = Registry("ghost", parent=HOUSE, scope="attic")
attic.register_module(name="Ghost", module=Beagle)
"""
QUESTIONS = (
    lambda registry: registry.get("Manx").__name__ == "Manx",
    lambda registry: "Beagle" in registry,
    lambda registry: "Tiger" not in registry,
    lambda registry: len(registry) == 2,
    lambda registry: list(registry.module_dict) == ["Manx", "Beagle"],
    lambda registry: repr(registry).startswith("Registry(name=tenant, items={'Manx': <class"),
    lambda registry: list(registry.children) == ["attic"],
    lambda registry: registry.get("attic.Ghost") is registry.get("Beagle"),
    lambda registry: registry.get("house.attic.Ghost") is registry.get("house.Beagle"),
    lambda registry: type(registry.build(dict(type="Manx"))).__name__ == "Manx",
    lambda registry: not registry.may_replace("Manx"),
)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_locations_are_imported_at_the_first_question(house, ask):
    registry, _ = house
    assert "house" not in sys.modules
    assert ask(registry)
    assert {"house.cats", "house.dogs"} <= set(sys.modules)


def test_what_is_there_already_needs_no_import(house):
    registry, _ = house
    registry.register_module(module=Siamese)
    assert registry.get("Siamese") is registry.get("house.Siamese") is Siamese
    assert (registry.name, registry.scope, registry.root()) == ("tenant", "house", registry)
    assert "house" not in sys.modules
    assert list(registry.module_dict) == ["Siamese", "Manx", "Beagle"]


def test_a_near_name_is_one_of_the_locations(house):
    with pytest.raises(KeyError) as caught:
        house[0].build(dict(type="Beegle"))
    problem = "cfg.type: Beegle is not in the tenant registry. Did you mean 'Beagle'?"
    assert str(caught.value) == problem


@pytest.mark.parametrize("broken", ["raise OSError('no cats')", "import no_such_module", "1 +"])
def test_a_location_that_cannot_be_imported(house, broken):
    registry, package = house
    cats = (package / "cats.py").read_text()
    (package / "cats.py").write_text(broken)
    for ask in (registry.get, registry.__contains__):
        with pytest.raises((OSError, ImportError, SyntaxError)) as caught:
            ask("Beagle")
        assert any(text in str(caught.value) for text in ("no cats", "no_such_module", "invalid"))
    (package / "cats.py").write_text(cats)
    importlib.invalidate_caches()
    assert len(registry) == 2 and "Manx" in registry


@pytest.mark.parametrize("force", [False, True])
def test_a_name_taken_before_the_locations_are_imported(house, force):
    registry, package = house
    registry.register_module(name="Manx", module=Siamese)
    if force:
        text = (package / "cats.py").read_text()
        (package / "cats.py").write_text(text.replace("module()", "module(force=True)"))
        assert list(registry.module_dict) == ["Manx", "Beagle"]
        assert registry.get("Manx").__module__ == "house.cats"
        return
    for _ in range(2):
        with pytest.raises(KeyError, match=r"^name: Manx is already registered in tenant, as "):
            len(registry)
    assert registry.get("Manx") is Siamese


def test_names_that_yield_to_those_taken_before():
    cats = Registry("cat")
    cats.register_module(name="Manx", module=Siamese)
    cats.register_replaceable({"Manx": Persian, "Tom": Persian})
    assert cats.get("Manx") is Siamese and not cats.may_replace("Manx")
    cats.register_module(name="Tom", module=Siamese)
    cats.register_replaceable({"Manx": Persian, "Tom": Persian})  # the module is imported again
    assert cats.get("Tom") is Siamese and not cats.may_replace("Tom")


def test_threads_wait_for_an_import_that_one_of_them_began(house):
    registry, package = house
    for file in ("cats", "dogs"):
        slow = f"import time\ntime.sleep(0.05)\n{(package / f'{file}.py').read_text()}"
        (package / f"{file}.py").write_text(slow)
    barrier, found = threading.Barrier(6), []

    def ask(at):
        barrier.wait()
        found.append(("Beagle" in registry) if at % 2 else len(registry) == 2)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


def test_two_children_of_one_scope():
    parent = Registry("cat")
    Registry("a", parent=parent, scope="a")
    with pytest.raises(AssertionError, match=r"^scope: a is already a scope of the cat\.$"):
        Registry("b", parent=parent, scope="a")


def test_build_from_cfg_leaves_its_arguments():
    cats = Registry("cat")
    cats.register_module()(Siamese)
    cfg, default = {"age": 3}, {"type": "Siamese", "name": "Tom", "age": 1}
    built = build_from_cfg(cfg, cats, default)
    assert (built.age, built.name) == (3, "Tom")
    assert cfg == {"age": 3} and default == {"type": "Siamese", "name": "Tom", "age": 1}
    assert build_from_cfg({"type": Siamese}, cats).age == 1


@pytest.mark.parametrize(
    ("cfg", "more", "error", "message"),
    [
        ("Siamese", {}, TypeError, "cfg: cfg should be a dict, but got <class 'str'>."),
        (
            {"age": 1},
            {},
            KeyError,
            "cfg: the cfg dict must contain the key \"type\", but got {'age': 1}.",
        ),
        (
            {"type": "Siamees"},
            {},
            KeyError,
            "cfg.type: Siamees is not in the cat registry. Did you mean 'Siamese'?",
        ),
        (
            {"type": "Tiger"},
            {},
            KeyError,
            "cfg.type: Tiger is not in the cat registry. Known: Persian, Siamese.",
        ),
        (
            {"type": 1000},
            {},
            TypeError,
            "cfg.type: type must be a str or valid type, but got <class 'int'>.",
        ),
        (
            {"type": "Siamese", "agee": 1},
            {},
            TypeError,
            "cfg.agee: Siamese has no such argument. Did you mean 'age'?",
        ),
        (
            {"type": "Siamese"},
            {"default_args": 1},
            TypeError,
            "default_args: default_args must be a dict or None, but got <class 'int'>.",
        ),
        (
            {"type": "Siamese"},
            {"registry": "cat"},
            TypeError,
            "registry: registry must be a Registry object, but got <class 'str'>.",
        ),
    ],
)
def test_build_from_cfg_refuses(cfg, more, error, message):
    cats = Registry("cat")
    cats.register_module()(Siamese)
    cats.register_module()(Persian)
    with pytest.raises(error) as caught:
        build_from_cfg(cfg, **{"registry": cats, **more})
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == message


def test_a_constructors_own_exception_keeps_its_type_and_traceback():
    class OddError(Exception):
        def __init__(self, a, b):
            super().__init__(a, b)

    def broken():
        raise OddError(1, 2)

    cats = Registry("cat")
    cats.register_module()(broken)
    with pytest.raises(OddError) as caught:
        cats.build({"type": "broken"})
    assert caught.value.args == (1, 2)
    assert caught.traceback[-1].name == "broken"
    if hasattr(caught.value, "__notes__"):
        assert caught.value.__notes__ == ["while building broken from cfg"]


def test_a_lookup_while_another_thread_registers():
    cats, kind = Registry("cat"), type("Cat", (), {})

    def register():
        for at in range(3000):
            cats.register_module(name=f"Cat{at}", module=kind)

    thread = threading.Thread(target=register)
    thread.start()
    while thread.is_alive():
        with pytest.raises(KeyError):
            cats.build({"type": "Tac"})
        assert repr(cats).startswith("Registry(name=cat")
        assert cats.get("Tac") is None
    thread.join()
    assert len(cats) == 3000
