"""The exercises of the course: what is said of right answers and of plausible wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from course_answers import answers

from brickbook.course import EXERCISES, check, report
from brickbook.course.exercise import answered, has_gap, load_topics
from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError
from brickbook.i18n import Texts

# Of each exercise first what is said of the right answer, then of the wrong ones in their order.
SAID = json.loads(Path(__file__).with_name("what_is_said.json").read_text(encoding="utf-8"))
IN_CHINESE = ("01", "03", "05", "06")  # the notebooks that are there in Chinese


@pytest.fixture(scope="module")
def given():
    return answers()


@pytest.fixture(autouse=True)
def _nothing_answered():
    answered.clear()
    yield
    answered.clear()


@pytest.mark.parametrize("number", SAID)
def test_what_is_said(given, number):
    first, wrong = given[number]
    verdicts = [check(number, answer, language="en") for answer in (first, *wrong)]
    assert [each.message for each in verdicts] == SAID[number]
    assert [each.status for each in verdicts] == ["right"] + ["wrong"] * len(wrong)
    assert list(map(bool, verdicts)) == [True] + [False] * len(wrong)


def test_every_exercise_has_a_right_answer_and_two_wrong_ones(given):
    load_topics()
    assert sorted(given) == sorted(SAID) == sorted(EXERCISES)
    assert len(EXERCISES) >= 40 and all(len(wrong) >= 2 for _, wrong in given.values())
    assert {number.split(".")[0] for number in EXERCISES} == {f"{n:02}" for n in range(1, 15)}


def test_in_chinese(given):
    chinese = Texts("zh").sentences
    for number, (first, wrong) in given.items():
        if number.startswith(IN_CHINESE):
            for answer in (..., first, *wrong):
                said = check(number, answer, language="zh").message
                assert any("一" <= sign <= "鿿" for sign in said), (number, said)
    assert chinese


@pytest.mark.parametrize(
    ("answer", "gap"),
    [(..., True), ([1, ...], True), ({"std": ...}, True), ({"a": [{"b": ...}]}, True), (0, False)],
)
def test_dots_are_no_answer(answer, gap):
    assert has_gap(answer) is gap
    if gap:
        said = repr(check("01.2", answer, language="en"))
        dots = "Not answered yet: put your answer in the place of the dots."
        assert said == f"○ 01.2  {dots}"


def test_a_function_that_returns_dots_is_no_answer():
    assert check("03.1", lambda fan_in: ...).status == "open"


def test_a_verdict_is_written_with_its_sign_and_escaped():
    page = check("01.3", "<b>", language="en")._repr_html_()
    assert "✘ 01.3" in page and "of the type str" in page
    assert "&lt;b&gt;" in check("11.1", "<b>", language="en")._repr_html_()


def test_a_report_of_what_was_answered():
    check("03.2", 0.1)
    check("03.2", 0.1732)
    check("03.2", 0.1)  # what was right once stays so
    check("03.3", (1, 2))
    check("03.1")
    found = report("03")
    assert [(row[0], *row[2:]) for row in found.rows] == [
        ("03.1", "open", 0), ("03.2", "right", 3), ("03.3", "wrong", 1),
    ]  # fmt: skip
    assert found.solved == 1
    assert repr(found).splitlines() == [
        "1 of 3 solved",
        "○ 03.1  the standard deviation before a ReLU",
        "✔ 03.2  the bound of a uniform law",
        "✘ 03.3  the fans of a convolution",
    ]
    assert json.loads(json.dumps(found.to_dict()))["exercises"][1]["attempts"] == 3
    assert list(found.frame()["status"]) == ["open", "right", "wrong"]
    assert "1 of 3 solved" in found._repr_html_()
    assert len(report().rows) == len(EXERCISES)
    assert len(report(["01.1", "02.1"]).rows) == 2


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: check("01.9", 1), UnknownNameError,
         "number: there is no exercise '01.9'. Did you mean '01.3'?"),
        (lambda: check("01.1", 1, language="de"), BadValueError,
         "language: unknown language 'de'. Known: en, zh."),
        (lambda: report("15"), BadArgumentError,
         "numbers: there is no notebook '15' with exercises. Known: 01, 02, 03"),
        (lambda: report(["99.9"]), BadArgumentError, "numbers: there is no exercise '99.9'."),
    ],
)  # fmt: skip
def test_errors(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(message)
