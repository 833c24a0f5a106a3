from __future__ import annotations

import ast
import json
import string
from pathlib import Path

import pytest

import brickbook.migrate
from brickbook.errors import UnknownNameError
from brickbook.i18n import LANGUAGES, Texts
from brickbook.migrate import Note, Severity, migrate_config, sorted_notes
from brickbook.migrate.notes import RULES

HERE = Path(brickbook.migrate.__file__).parent


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def note_calls():
    """Yield every rule that the code names, and the names of its values; None if hidden."""
    for file in sorted(HERE.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr != "note" or not call.args:
                continue
            prefix = "pipeline." if file.stem == "pipelines" and ast.unparse(call.func) in (
                "place.note", "here.note") else ""  # fmt: skip
            names = {word.arg for word in call.keywords}
            for rule in ast.walk(call.args[0]):
                if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
                    yield prefix + rule.value, None if None in names else names


def test_every_rule_is_used_and_its_sentence_gets_its_values():
    used = {}
    for rule, names in note_calls():
        if rule in RULES:
            used.setdefault(rule, []).append(names)
    by_other_ways = {
        "already", "code.already", "evaluation.argument_dropped", "evaluation.option_lost",
        "schedule.deviation", "schedule.same_curve", "source.comments_lost", "source.field_left",
        "source.unread",
    }  # fmt: skip
    assert set(RULES) - set(used) <= by_other_ways
    for rule, found in used.items():
        needed = names_in(Texts("en")[f"migrate.{rule}"])
        for names in found:
            assert names is None or needed <= names, rule


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_a_sentence(language):
    keys = {key.removeprefix("migrate.") for key in Texts(language) if key.startswith("migrate.")}
    assert keys == set(RULES)


def test_a_note_is_readable_by_machines():
    migration = migrate_config({"optimizer": {"type": "SGD", "lr": 0.1}, "seed": 3})
    note = next(note for note in migration.notes if note.rule == "runtime.seed")
    assert json.loads(json.dumps(note.to_dict("zh"))) == {
        "rule": "runtime.seed",
        "severity": "cosmetic",
        "section": "Runtime settings",
        "path": "seed",
        "line": None,
        "column": None,
        "new_line": None,
        "values": {},
        "text": "`seed` 与 `deterministic` 改为 `randomness`。",
    }
    assert json.loads(json.dumps(migration.to_dict("en")))["complete"] is True


def test_severities():
    hook = {"type": "MyHook"}
    migration = migrate_config({"custom_hooks": [hook], "optimizer": {"type": "SGD", "lr": 0.1}})
    assert not migration.complete
    (note,) = [note for note in migration.notes if note.severity is Severity.BY_HAND]
    assert (note.rule, note.path, note.section) == ("runtime.hook_unknown", "custom_hooks[0]", "")
    assert note.text("en") == (
        "The hook MyHook is not of the old packages: its methods have other names and arguments"
        " in 1.x."
    )


def test_an_unknown_rule():
    with pytest.raises(UnknownNameError) as caught:
        Note("runtime.sed", "seed")
    assert str(caught.value) == "rule: there is no rule 'runtime.sed'. Did you mean 'runtime.seed'?"


def test_notes_by_place_and_once():
    a, b = (Note("pipeline.normalize", path, {}, 4, 18, 4) for path in ("data.val", "data.test"))
    first, last = Note("loops.moved", "runner", {}, 2, 1, 2), Note("runtime.scope", "default_scope")
    assert sorted_notes([last, a, b, first]) == [first, b, last]
