"""The exercises of the notebooks: they look at an answer and say what is right or wrong in it."""

from brickbook.course.exercise import EXERCISES, Exercise, Report, Verdict, check, report

__all__ = ["EXERCISES", "Exercise", "Report", "Verdict", "check", "report"]
