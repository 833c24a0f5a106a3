from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from pathlib import Path

import pytest

from brickbook import i18n
from brickbook.i18n import LANGUAGE_VARIABLES, LANGUAGES, PLURALS, Texts, language_of, read_table

HERE = Path(i18n.__file__).parent
OTHERS = sorted(set(LANGUAGES) - {"en"})


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def forms(text: str | Mapping[str, str]) -> Mapping[str, str]:
    return {"other": text} if isinstance(text, str) else text


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_text_with_its_names(language):
    texts, english = Texts(language), Texts("en")
    assert list(texts) == list(english)
    for key in english:
        assert names_in(english[key]) == names_in(texts[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_is_one_of_the_language_and_has_the_names_of_the_plural(language):
    known = {PLURALS[language](n) for n in range(200)}
    for key, text in read_table(language).items():
        found = forms(text)
        assert "other" in found and set(found) <= known, key
        assert all(names_in(form) <= names_in(found["other"]) for form in found.values()), key
    # What stands between two sentences may be nothing.
    empty = [key for key, text in Texts(language).items() if not text and not key.endswith(".gap")]
    assert empty == []


def test_every_file_has_a_plural_function_and_each_key_once():
    assert sorted(file.stem for file in HERE.glob("*.json")) == sorted(LANGUAGES)
    for file in HERE.glob("*.json"):

        def once(pairs):
            keys = [key for key, _ in pairs]
            assert len(keys) == len(set(keys))
            return dict(pairs)

        json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)


def test_a_language_is_one_file_and_its_plural_function(monkeypatch, tmp_path):
    """Polish has three forms; what a file does not name falls to "other"."""
    table = {**read_table("en"), "grid.values": {"one": "{n} wartość", "few": "{n} wartości",
             "other": "{n} wartości (wiele)"}}  # fmt: skip

    def polish(n: int) -> str:
        few = n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14)
        return "one" if n == 1 else "few" if few else "many"

    monkeypatch.setattr(i18n, "PLURALS", {**PLURALS, "pl": polish})
    monkeypatch.setattr(i18n, "LANGUAGES", (*LANGUAGES, "pl"))
    monkeypatch.setattr(i18n, "read_file", lambda language: table)
    texts = Texts("pl")
    assert [texts("grid.values", n=n) for n in (1, 3, 5)] == [
        "1 wartość", "3 wartości", "5 wartości (wiele)",
    ]  # fmt: skip


@pytest.mark.parametrize("language", OTHERS)
def test_another_language_is_another_language(language):
    """A text that is the same in both consists of names, signs and places."""
    words = re.compile(r"[A-Za-z]{2,}")
    for key, text in Texts("en").items():
        if text == Texts(language)[key]:
            left = words.findall(re.sub(r"\{\w+\}", "", text))
            assert left == [] or key in {"preset.caffe2"}, key


def test_names_are_filled_in():
    english, chinese = Texts("en"), Texts("zh")
    assert english("grid.shown_of", shown=3, n=1200) == "3 of 1,200 parameters"
    assert chinese("grid.parameters", n=1) == "1 个参数"
    assert english("grid.std", x=0.0589312) == "std 0.05893"
    assert english("plan.leave", n=1) == "leave 1 as it is"
    assert english["plan.leave"] == "leave {n} as they are" and "plan.leave" in english
    assert len(english) == len(list(english)) == len(chinese)
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
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "de_DE"}, "en"),
        ({"LANG": "zh_TW", "LC_ALL": "en_GB"}, "en"),
        ({"LANG": "en_US", "BRICKBOOK_LANGUAGE": "zh"}, "zh"),
    ],
)
def test_the_readers_language(monkeypatch, variables, language):
    for name in LANGUAGE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language_of() == Texts().language == language


@pytest.mark.parametrize(
    ("name", "language"), [("Chinese (Simplified)_China", "zh"), ("zh_CN", "zh"), (None, "en")]
)
def test_a_system_without_variables_is_asked(monkeypatch, name, language):
    for variable in LANGUAGE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("locale.getlocale", lambda: (name, "UTF-8"))
    assert language_of() == language


def test_a_section_has_short_keys():
    assert Texts("en").section("grid")["search"] == "Search"
    assert len(Texts("zh").section("grid")) == sum(key.startswith("grid.") for key in Texts("zh"))
