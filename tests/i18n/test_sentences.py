"""What errors say: English as ever, and in a language's words where its file has them."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import ast
import copy
import pickle
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import brickbook
from brickbook import INITIALIZERS
from brickbook.blueprint import kinds
from brickbook.config import unwrap_partial
from brickbook.errors import BadValueError, Sentence, nearest, one_of, with_hint, wrong_value
from brickbook.i18n import LANGUAGES, Texts, read_sentences
from brickbook.lab.form import fields_of

SOURCES = [
    file.read_text(encoding="utf-8") for file in Path(brickbook.__file__).parent.rglob("*.py")
]
CHINESE = Texts("zh")


def constants(source: str) -> Iterator[str]:
    """Yield every text that stands in a file, f-strings and docstrings excepted."""
    tree = ast.parse(source)
    joined = [part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
              for part in ast.walk(node)]  # fmt: skip
    docs = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    passed_over = set(map(id, (*joined, *docs)))
    for node in ast.walk(tree):
        if id(node) not in passed_over and isinstance(node, ast.Constant):
            yield str(node.value)


def names_in(text: str) -> set[str]:
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    except ValueError:  # a brace of a pattern
        return set()
    return set(filter(str.isidentifier, names))


def templates() -> set[str]:
    """Every text with ``{names}`` of the files that make sentences."""
    found = {text for source in SOURCES if "Sentence(" in source for text in constants(source)}
    return {text for text in found if "{...}" not in text and names_in(text)}


# What can go wrong while a model gets its weights: a panel shows it.
PACKAGE = Path(brickbook.__file__).parent
OF_PANELS = [
    file for folder in ("checkpoint", "init/execution") for file in (PACKAGE / folder).rglob("*.py")
    if "zoo" not in file.parts and file.name != "save.py"
]  # fmt: skip


def said_in(source: str) -> Iterator[ast.expr]:
    """Yield what stands in a file for an error to say, names and paths included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id.endswith("Error") and node.func.id != "AttributeError":
                yield from node.args[1:] or node.args
            elif node.func.id in ("Sentence", "FileKind", "with_hint"):
                yield from node.args
        elif isinstance(node, ast.Assign):
            name = getattr(node.targets[0], "id", "")
            if name in ("problem", "hint", "why") or name.endswith("_HINT"):
                yield node.value


def test_what_stops_a_panel_from_loading_or_drawing_is_a_sentence():
    sources = [file.read_text(encoding="utf-8") for file in OF_PANELS]
    parts = [part for source in sources for part in said_in(source)]
    assert [ast.unparse(part) for part in parts if isinstance(part, ast.JoinedStr)] == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_language_has_what_stops_a_panel_from_loading_or_drawing(language):
    sources = [file.read_text(encoding="utf-8") for file in OF_PANELS]
    parts = [part for source in sources for part in said_in(source)]
    texts = {str(part.value) for part in parts if isinstance(part, ast.Constant)}
    sentences = {text for text in texts if " " in text}
    assert sorted(sentences - set(read_sentences(language))) == []


# What forms say of the arguments of laws and bricks; torch speaks English of its own.
ARGUMENTS = {
    f"{kind}.{name}.{field.name}": field.doc
    for kind, registry in {"law": INITIALIZERS, **kinds()}.items()
    for name, make in registry.module_dict.items()
    if unwrap_partial(make).__module__.startswith("brickbook.")
    for field in fields_of(make)
    if field.doc
}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_language_says_what_the_arguments_of_laws_and_bricks_are(language):
    sentences = read_sentences(language)
    assert len(ARGUMENTS) > 200
    assert [name for name, doc in ARGUMENTS.items() if doc not in sentences] == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_language_has_every_sentence_with_its_names_and_no_other(language):
    sentences = read_sentences(language)
    assert sorted(templates() - set(sentences)) == []
    known = {text for each in SOURCES for text in constants(each)} | set(ARGUMENTS.values())
    assert sorted(set(sentences) - known) == []
    assert [text for text in sentences if names_in(text) != names_in(sentences[text])] == []


def test_english_has_its_sentences_in_the_code():
    assert read_sentences("en") == {}
    assert Texts("en").translate(wrong_value("an int", 1.5)) == "expected an int, got 1.5."


def test_a_sentence_is_a_text_and_can_be_copied():
    problem = wrong_value(one_of(["'normal'", "'uniform'"]), "nromal")
    hint = nearest("nromal", ["normal", "uniform"])
    error = BadValueError("distribution", problem, hint)
    english = "distribution: expected 'normal' or 'uniform', got 'nromal'. Did you mean 'normal'?"
    chinese = "distribution：应为：'normal' 或 'uniform'，实际为：'nromal'。您是否要找 'normal'？"
    for each in (error, copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert str(each) == english == Texts("en").explain(each)
        assert CHINESE.explain(each) == chinese
    assert problem == "expected 'normal' or 'uniform', got 'nromal'." and hash(problem)
    error.rebase("init_cfg[0]")
    assert CHINESE.explain(error) == f"init_cfg[0].{chinese}"


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("it contains itself.", "它包含自身。"),
        (with_hint("it contains itself.", ""), "它包含自身。"),
        (with_hint("needs a value.", "It takes none."), "需要填写一个值。它不接受任何参数。"),
        # What a user's class says, and names: they are nobody's sentences.
        ("rank 3 of {things} is odd", "rank 3 of {things} is odd"),
        (Sentence("{name} matches nothing.", name="pattern"), "pattern 没有匹配到任何层。"),
        (Sentence("a sentence that {language} lacks", language="zh"), "a sentence that zh lacks"),
        (Sentence("dict[{str}]"), "dict[{str}]"),
    ],
)
def test_what_is_not_there_stays_as_it_is(text, chinese):
    assert CHINESE.translate(text) == chinese


def test_errors_of_others_stay_as_they_are():
    assert CHINESE.explain(ValueError("too large")) == "too large"
