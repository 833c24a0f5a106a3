import json

from brickbook.migrate import Note, SourceMigration

MIGRATION = SourceMigration(
    text="optim_wrapper = dict(optimizer=dict(lr=0.1))",
    notes=(Note("optimizer.moved", "optimizer", line=2, column=1, new_line=1),),
    old="# a\noptimizer = dict(lr=0.1)\n",
    path="old.py",
    new_path="new.py",
)


def test_the_diff_is_one_that_patch_reads():
    assert MIGRATION.diff() == (
        "--- old.py\n+++ new.py\n@@ -1,2 +1 @@\n-# a\n-optimizer = dict(lr=0.1)\n"
        "+optim_wrapper = dict(optimizer=dict(lr=0.1))\n\\ No newline at end of file\n"
    )


def test_no_change_is_no_diff():
    same = SourceMigration(MIGRATION.text, (Note("already", ""),), MIGRATION.text, "a.py", "a.py")
    assert (same.diff(), same.already, same.complete) == ("", True, True)


def test_only_a_line_end_ends_a_line_of_a_diff():
    old = "a = 1  # \x0c \u2028 \x85\r\nb = 1\r\n"
    migration = SourceMigration(old.replace("b = 1", "b = 2"), (), old, "a.py", "a.py")
    assert migration.diff() == (
        "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n a = 1  # \x0c \u2028 \x85\r\n-b = 1\r\n+b = 2\r\n"
    )


def test_it_can_be_written_as_json():
    read = json.loads(json.dumps(MIGRATION.to_dict("en")))
    assert list(read) == ["path", "new_path", "old", "text", "complete", "notes"]
    assert [read["notes"][0][key] for key in ("line", "column", "new_line")] == [2, 1, 1]
