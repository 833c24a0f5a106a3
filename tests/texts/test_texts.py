from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import brickbook
from brickbook.texts import TABLES, Texts, language_of
from brickbook.texts.speaking import VARIABLES

HERE = Path(brickbook.__file__).parent
OTHERS = sorted(set(TABLES) - {"en"})


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_text_with_its_names(language):
    plain = {key for key in TABLES["en"] if not key.endswith(".one")}
    assert {key for key in TABLES[language] if not key.endswith(".one")} == plain
    for key in plain:
        assert places(TABLES["en"][key]) == places(TABLES[language][key]), key


@pytest.mark.parametrize("language", sorted(TABLES))
def test_one_thing_has_the_names_of_many(language):
    table = TABLES[language]
    # Which sentence of the diagnosis is said is not chosen by n.
    ones = [key for key in table if key.endswith(".one") and not key.startswith("found.")]
    for key in ones:
        assert places(table[key]) <= places(table[key.removesuffix(".one")]), key
    # What stands between two sentences may be nothing.
    assert [key for key, text in table.items() if not text and not key.endswith(".gap")] == []


@pytest.mark.parametrize("language", sorted(TABLES))
def test_no_key_stands_in_two_tables(language):
    keys = [
        key.value
        for file in (HERE / "texts" / language).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    ]
    assert len(keys) == len(set(keys)) == len(TABLES[language])


@pytest.mark.parametrize("language", OTHERS)
def test_another_language_is_another_language(language):
    """A text that is the same in both consists of names, signs and places."""
    words = re.compile(r"[A-Za-z]{2,}")
    for key, text in TABLES["en"].items():
        if text == TABLES[language].get(key):
            left = words.findall(re.sub(r"\{\w+\}", "", text))
            assert left == [] or key in {"preset.caffe2"}, key


def test_names_are_filled_in():
    english, chinese = Texts("en"), Texts("zh")
    assert english("grid.told", shown=3, n=1200) == "3 of 1,200 parameters"
    assert chinese("grid.parameters", n=1) == "1 个参数"
    assert english("grid.std", x=0.0589312) == "std 0.05893"
    assert english("plan.leave", n=1) == "leave 1 as it is"
    assert english["plan.leave"] == "leave {n} as they are" and "plan.leave" in english
    assert dict(english) == dict(TABLES["en"]) and len(english) == len(TABLES["en"])
    assert repr(chinese) == "Texts('zh')"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Texts("en")("grid.serch"),
            "key: there is no text 'grid.serch'. Did you mean 'grid.search'?",
        ),
        (lambda: language_of("fr"), "language: unknown language 'fr'. Known: en, zh."),
        (lambda: Texts("fr"), "language: unknown language 'fr'. Known: en, zh."),
    ],
)
def test_messages(call, message):
    with pytest.raises((KeyError, ValueError)) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "de_DE"}, "en"),
        ({"LANG": "zh_TW", "LC_ALL": "en_GB"}, "en"),
        ({"LANG": "en_US", "BRICKBOOK_LANGUAGE": "zh"}, "zh"),
    ],
)
def test_the_readers_language(monkeypatch, said, language):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert language_of() == Texts().language == language


@pytest.mark.parametrize(
    ("name", "language"), [("Chinese (Simplified)_China", "zh"), ("zh_CN", "zh"), (None, "en")]
)
def test_a_system_without_variables_is_asked(monkeypatch, name, language):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("locale.getlocale", lambda: (name, "UTF-8"))
    assert language_of() == language


def test_one_part_has_short_keys():
    assert Texts("en").part("grid")["search"] == "Search"
    assert len(Texts("zh").part("grid")) == sum(key.startswith("grid.") for key in TABLES["zh"])
