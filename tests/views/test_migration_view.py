"""A migration line by line, as fixed HTML, and its curves as a picture."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from migration_example import NEW, OLD, example_migration, hostile_migration

from brickbook.i18n import Texts
from brickbook.migrate import (
    LearningRates,
    Length,
    Note,
    SourceMigration,
    sorted_notes,
    source_rates,
)
from brickbook.views.data.migration_rows import diff_rows, lines_of, near_changes
from brickbook.views.migration import headline, migration_report
from brickbook.views.svg.learning_rate import describe_rates, learning_rate_svg


def changes(old, new, *notes):
    """Return the rows of a migration, short: numbers, sign, notes and rules."""
    rows = diff_rows(SourceMigration(new, notes, old, "a.py", "a.py"))
    return [
        (row.old_number, row.new_number, row.sign, row.notes, row.old_rules, row.new_rules)
        for row in rows
    ]


def note(line=None, new_line=None):
    return Note("optimizer.moved", "optimizer", {}, line, None if line is None else 1, new_line)


@pytest.mark.parametrize(
    ("old", "new", "rows"),
    [
        ("", "", []),
        ("a\nb", "a\nb\n", [(1, 1, ""), (2, 2, "")]),
        ("a\nb\n", "a\nc\n", [(1, 1, ""), (2, 2, "~")]),
        ("a\n", "a\nb\nc\n", [(1, 1, ""), (None, 2, "+"), (None, 3, "+")]),
        ("a\nb\n", "b\n", [(1, None, "-"), (2, 1, "")]),
        ("a\r\nb\r\n", "a\nb\n", [(1, 1, ""), (2, 2, "")]),
        ("a\x0cb\u2028\x85\n", "a\x0cb\u2028\x85\n", [(1, 1, "")]),
        ("\n\n", "\n", [(1, 1, ""), (2, None, "-")]),
    ],
)
def test_lines_stand_beside_their_counterparts(old, new, rows):
    assert [row[:3] for row in changes(old, new)] == rows


def test_notes_say_which_lines_belong_together():
    assert changes("a\nb\nc\n", "x\ny\n", note(3, 2)) == [
        (1, 1, "~", (), (0,), (0,)),
        (2, None, "-", (), (0,), ()),
        (3, 2, "~", (0,), (0,), (0,)),
    ]
    crossed = changes("a\nb\n", "x\ny\n", note(1, 2), note(2, 1))
    assert [row[:2] for row in crossed] == [(None, 1), (1, 2), (2, None)]
    shared = changes("a\nb\nc\n", "x\ny\n", note(1, 1), note(3, 1))
    assert [row[:2] for row in shared] == [(1, 1), (2, 2), (3, None)]


def test_every_line_that_changes_has_the_rule_above_it():
    old, new = "a\nb\nc\nkept\nd\n", "A\nB\nC\nkept\nD\n"
    assert [row[4] for row in changes(old, new, note(2, 2))] == [(0,), (0,), (0,), (), ()]
    assert [row[4] for row in changes(old, new, note(1), note(3))] == [(0,), (0,), (1,), (), ()]
    # A new line has the rule of the new line above it, whatever stands beside it.
    rows = changes("a\nb\n", "A\nB\nC\nD\n", note(1, 1), note(2))
    assert [row[4:] for row in rows] == [((0,), (0,)), ((1,), (0,)), ((), (0,)), ((), (0,))]


def test_notes_of_the_new_file_alone_and_of_no_line():
    rows = changes("a\n", "a\nb\n", note(None, 2), note())
    assert [row[3] for row in rows] == [(), (0,)]
    assert [one.line for one in sorted_notes(example_migration().notes)] == [
        14, 15, 17, 17, 20, 24, 25, 26, 27, None, None,
    ]  # fmt: skip


def test_every_line_of_both_files_is_there_once():
    rows = diff_rows(example_migration())
    assert [row.old for row in rows if row.old_number] == lines_of(OLD)
    assert [row.new for row in rows if row.new_number] == lines_of(NEW)
    beside = {row.old_number: row.new_number for row in rows}
    assert (beside[25], beside[26]) == (21, 22)
    assert all(row.old_rules or row.new_rules for row in rows if row.sign)


def test_lines_near_a_change():
    rows = diff_rows(SourceMigration("1\n2\n3\n4\n5\n", (), "1\n2\n3\n4\n6\n", "a", "a"))
    assert near_changes(rows, 1) == [False, False, False, True, True]
    assert near_changes(rows, 9) == [True] * 5


def test_many_lines_that_are_alike_take_no_minutes():
    old = "\n".join(["x = 1", ""] * 20_000)
    assert len(changes(old, f"{old}\ny = 2\n")) == 40_001


# Fixed HTML.


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.words.append(data)


def test_the_still_view():
    report = migration_report(example_migration(), source_rates(OLD), language="en")
    assert (
        report.text
        == repr(report)
        == (
            "resnet18_8xb16_cifar10.py: 1 place must be edited by hand, 1 note changes training, "
            "9 cosmetic notes"
        )
    )
    found = Tags(report.html)
    assert set(found.tags) == {
        "div", "img", "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert found.attributes == {"alt", "src", "style", "colspan"}
    words = " ".join(found.words)
    for said in (
        "11 notes", "⚠ must be edited by hand", "schedule.momentum; guide: Training strategy",
        "+ train_cfg = dict(by_epoch=True, max_epochs=200)", "− runner = dict(", "⋯ 11 unchanged",
    ):  # fmt: skip
        assert said in words
    assert len(report.html) < 60_000


def test_the_still_view_in_chinese():
    words = " ".join(Tags(migration_report(example_migration(), language="zh").html).words)
    assert "1 处需要手动修改" in words and "训练策略设置" in words
    assert "unchanged" not in words and "cosmetic" not in words


def test_a_long_file_makes_a_short_view():
    old = "".join(f"a{at} = {at}\n" for at in range(3000))
    notes = tuple(Note("optimizer.moved", f"a{at}", {}, at + 1, 1, at + 1) for at in range(3000))
    report = migration_report(SourceMigration(old.replace("=", ":="), notes, old, "a", "a"))
    assert len(report.html) < 150_000
    assert "and 2,840 more" in report.html and "and 2,940 more" in report.html


def test_nothing_that_changes():
    same = SourceMigration(NEW, (Note("already", "", {"field": "optim_wrapper"}),), NEW, "a", "a")
    assert migration_report(same, language="en").text == "a: 1 file already 1.x"
    assert "Nothing changes." in migration_report(same, language="en").html
    unchanged = SourceMigration("", (), "", "a", "b/c")
    assert headline(unchanged, Texts("en")) == "a → b/c: 1 file needs no change"


def test_hostile_texts_are_only_shown():
    html = migration_report(hostile_migration(), language="en").html
    assert "img" not in Tags(html).tags and "script" not in Tags(html).tags
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    assert "\\u202e\\x1b[2J\\x0c" in html


# The picture.


def test_the_curves():
    rates = source_rates(OLD)
    drawn = learning_rate_svg(rates, language="en")
    root = ElementTree.fromstring(drawn)
    title = root.find("{http://www.w3.org/2000/svg}title").text
    assert title == root.get("aria-label") == describe_rates(rates, Texts("en"))
    assert title.endswith("At most 2.3 % of the base learning rate apart, at 36 % of the training.")
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0.x, as it was", "1.x, as migrated", "200 epochs", "0", "0.5", "1"} <= set(words)
    assert len(drawn) < 30_000
    assert "学习率 / 基础学习率" in learning_rate_svg(rates, language="zh")


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (LearningRates((1.0,), (1.0,), Length(1, 1), 0.0, 0.0), "Both curves are the same."),
        (LearningRates((0.0, 0.0), (0.0, 0.0), Length(2, 2), 0.0, 0.0), "2 iterations"),
        (LearningRates((0.0,), (1.0,), Length(1, 1, 1), 1.0, 0.0), "1 epoch"),
    ],
)
def test_odd_curves(rates, said):
    drawn = learning_rate_svg(rates, language="en")
    ElementTree.fromstring(drawn)
    assert said in drawn and "nan" not in drawn and "inf" not in drawn


def test_a_jump_is_drawn_where_it_is():
    values = tuple(1.0 if at < 5000 else 0.1 for at in range(10_000))
    drawn = learning_rate_svg(LearningRates(values, values, Length(10_000, 10_000), 0.0, 0.0))
    line = re.search(r'd="M0 0L([^"]*)"', drawn)[1].split("L")
    xs = [float(point.split()[0]) for point in line]
    ys = [float(point.split()[1]) for point in line]
    at = next(at for at, y in enumerate(ys) if y > 0)
    assert xs[at] - xs[at - 1] < 0.2
