from __future__ import annotations

import re

import pytest

from brickbook.views.texts import TEXTS, VARIABLES, language_of, text, texts_of

PLACE = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("language", sorted(set(TEXTS) - {"en"}))
def test_every_language_has_every_text_with_its_numbers(language):
    plain = {key for key in TEXTS["en"] if not key.endswith(".one")}
    assert {key for key in TEXTS[language] if not key.endswith(".one")} == plain
    for key in plain:
        places = [sorted(PLACE.findall(TEXTS[name][key])) for name in ("en", language)]
        assert places[0] == places[1], key


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_one_thing_has_the_numbers_of_many(language):
    table = TEXTS[language]
    for key in (key for key in table if key.endswith(".one")):
        assert set(PLACE.findall(table[key])) <= set(PLACE.findall(table[key.removesuffix(".one")]))
    assert all(value.strip() for key, value in table.items() if not key.endswith(".comma"))


def test_numbers_are_filled_in():
    assert text("grid.told", "en", shown=3, n=1200) == "3 of 1,200 parameters"
    assert text("grid.parameters", "zh", n=1) == "1 个参数"
    assert text("grid.std", "en", x=0.0589312) == "std 0.05893"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: text("grid.serch"),
            "key: there is no text 'grid.serch'. Did you mean 'grid.search'?",
        ),
        (lambda: language_of("fr"), "language: unknown language 'fr'. Known: en, zh."),
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
    assert language_of() == language


@pytest.mark.parametrize(
    ("name", "language"), [("Chinese (Simplified)_China", "zh"), ("zh_CN", "zh"), (None, "en")]
)
def test_a_system_without_variables_is_asked(monkeypatch, name, language):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("locale.getlocale", lambda: (name, "UTF-8"))
    assert language_of() == language


def test_one_part_has_short_keys():
    assert texts_of("grid", "en")["search"] == "Search"
    assert len(texts_of("grid", "en")) == sum(key.startswith("grid.") for key in TEXTS["en"])
