"""Exercises: what is asked, what looks at an answer, and what has been answered so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from types import EllipsisType
from typing import Any, ClassVar, Literal

from brickbook.errors import BadArgumentError, ConfigError, Sentence, UnknownNameError, nearest
from brickbook.html import escape, html_table
from brickbook.i18n import Texts

__all__ = [
    "EXERCISES",
    "Exercise",
    "NoAnswer",
    "Report",
    "Verdict",
    "WrongAnswer",
    "check",
    "exercise",
    "report",
    "right",
]  # fmt: skip

# Each registers its exercises when it is imported; the order of the course.
TOPICS = (
    "first_steps", "laws", "rules", "signals", "architectures", "training", "checkpoints",
    "language_models", "migration",
)  # fmt: skip

Status = Literal["open", "right", "wrong"]
MARKS: dict[Status, str] = {"open": "○", "right": "✔", "wrong": "✘"}


class WrongAnswer(Exception):  # noqa: N818 - a verdict, no fault of a program
    """An answer is wrong; its text says what the mistake is."""

    def __init__(self, template: str, /, **fields: object) -> None:
        self.sentence = Sentence(template, **fields)
        super().__init__(self.sentence)


class NoAnswer(Exception):  # noqa: N818
    """There is ``...`` where an answer goes."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        number: Of the notebook, a dot, and its place there: "03.2".
        title: What is asked, in a few words.
        look: Takes the answer and returns why it is right; raises `WrongAnswer` where it is not,
            `NoAnswer` where there is none.
    """

    number: str
    title: str
    look: Callable[[Any], str]


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, title: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register the function below as what looks at the answers of an exercise."""

    def register(look: Callable[[Any], str]) -> Callable[[Any], str]:
        EXERCISES[number] = Exercise(number, title, look)
        return look

    return register


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth: ``status`` is "right", "wrong", or "open" where there is none."""

    number: str
    status: Status
    message: str

    COLOURS: ClassVar[dict[Status, str]] = {
        "open": "#888888",
        "right": "#2e9e5b",
        "wrong": "#d9534f",
    }

    def __bool__(self) -> bool:
        return self.status == "right"

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.number}  {self.message}"

    def _repr_html_(self) -> str:
        """Write it with a bar in the colour of the status; the sign says it without colours."""
        return (
            f'<div style="border-left:4px solid {self.COLOURS[self.status]};padding:4px 10px">'
            f"<b>{MARKS[self.status]} {escape(self.number)}</b> {escape(self.message)}</div>"
        )


@dataclass(frozen=True)
class Report:
    """What was answered since the kernel was started: a row for each exercise."""

    rows: tuple[tuple[str, str, Status, int], ...]

    @property
    def solved(self) -> int:
        """How many exercises have a right answer."""
        return sum(status == "right" for _, _, status, _ in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, as for a JSON file that is handed in."""
        keys = ("number", "title", "status", "attempts")
        rows = [dict(zip(keys, row, strict=True)) for row in self.rows]
        return {"solved": self.solved, "exercises": rows}

    def frame(self) -> Any:
        """Return it as a `pandas.DataFrame`, a row for each exercise."""
        import pandas  # optional, as everywhere

        return pandas.DataFrame(self.to_dict()["exercises"])

    def __repr__(self) -> str:
        lines = [f"{MARKS[status]} {number}  {title}" for number, title, status, _ in self.rows]
        return "\n".join((f"{self.solved} of {len(self.rows)} solved", *lines))

    def _repr_html_(self) -> str:
        rows = [(MARKS[status], *names, str(tries)) for *names, status, tries in self.rows]
        table = html_table(("", "exercise", "", "attempts"), rows, max_rows=len(rows))
        return f"<p>{self.solved} of {len(self.rows)} solved</p>{table}"


# What was answered since the kernel was started: the last status, and how many answers there were.
answered: dict[str, tuple[Status, int]] = {}


def load_topics() -> None:
    """Import the exercises; they are needed at the first answer, not before."""
    for topic in TOPICS:
        import_module(f"brickbook.course.{topic}")


def check(number: str, answer: Any = ..., *, language: str | None = None) -> Verdict:
    """Look at the answer of an exercise.

    Args:
        number: Which exercise, as "03.2".
        answer: A number, a config, a function, as the notebook asks; ``...`` is no answer yet.
        language: "en" or "zh" for what is said; None for the reader's.

    Returns:
        Verdict: Whether it is right, and if not what the mistake is.

    Raises:
        UnknownNameError: There is no such exercise.
        BadValueError: There is no such language.
    """
    texts = Texts(language)
    load_topics()
    if number not in EXERCISES:
        raise UnknownNameError(
            "number", f"there is no exercise {number!r}.", nearest(number, EXERCISES)
        )
    status, message = judge(EXERCISES[number], answer)
    if status != "open":
        solved_before = answered.get(number, ("open", 0))
        kept: Status = "right" if "right" in (status, solved_before[0]) else "wrong"
        answered[number] = kept, solved_before[1] + 1
    return Verdict(number, status, texts.translate(message))


def judge(asked: Exercise, answer: Any) -> tuple[Status, str]:
    """Return what an answer is worth, and the sentence that says why."""
    try:
        if has_gap(answer):
            raise NoAnswer
        return "right", asked.look(answer)
    except NoAnswer:
        return "open", Sentence("Not answered yet: put your answer in the place of the dots.")
    except WrongAnswer as mistake:
        return "wrong", mistake.sentence
    except ConfigError as error:  # the student's config: what brickbook says of it is the help
        return "wrong", Sentence("brickbook refuses this config. {error}", error=str(error))
    except Exception as error:  # the student's function, or an answer of quite another kind
        kind = type(error).__name__
        return "wrong", Sentence("Your answer raised {kind}: {error}", kind=kind, error=str(error))


def has_gap(answer: Any) -> bool:
    """Whether ``...`` stands somewhere in an answer."""
    if isinstance(answer, dict):
        return any(map(has_gap, answer.values()))
    if isinstance(answer, list | tuple):
        return any(map(has_gap, answer))
    return isinstance(answer, EllipsisType)


def report(numbers: Iterable[str] | str | None = None) -> Report:
    """Say which exercises have been answered since the kernel was started.

    Args:
        numbers: Which exercises, or the number of a notebook as "03"; None for all.

    Raises:
        BadArgumentError: There is no such exercise or notebook.
    """
    load_topics()
    if isinstance(numbers, str):
        prefix = numbers
        numbers = [number for number in EXERCISES if number.split(".")[0] == prefix]
        if not numbers:
            notebooks = sorted({number.split(".")[0] for number in EXERCISES})
            problem = f"there is no notebook {prefix!r} with exercises."
            raise BadArgumentError("numbers", problem, nearest(prefix, notebooks))
    chosen = sorted(EXERCISES) if numbers is None else list(numbers)
    for number in chosen:
        if number not in EXERCISES:
            problem = f"there is no exercise {number!r}."
            raise BadArgumentError("numbers", problem, nearest(number, EXERCISES))
    found = [(EXERCISES[number], *answered.get(number, ("open", 0))) for number in chosen]
    return Report(tuple((each.number, each.title, status, tries) for each, status, tries in found))


def right(template: str, /, **fields: object) -> str:
    """Return why an answer is right, as a sentence that other languages may have."""
    return Sentence(template, **fields)
