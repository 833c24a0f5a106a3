"""``brickbook migrate`` as a user of the shell says it: what it reads, writes, says and refuses."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import threading

import pytest
from disk_support import disk_of
from old_configs import OLD_TREE

from brickbook import migrate
from brickbook.cli import main
from brickbook.commands import ShellFrontend, complete
from brickbook.errors import BadValueError
from brickbook.migrate import Note, SourceMigration

TOO_LARGE = os.strerror(errno.EFBIG)
OLD = "# schedule\noptimizer = dict(type='SGD', lr=0.1)\n"
NEW = "# schedule\noptim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))\n"
MODEL = "model = dict(type='ImageClassifier')\n"
BY_HAND = "momentum_config = dict(policy='cyclic')\n"
MOVED = "  2:1  cosmetic  `optimizer` is `optim_wrapper.optimizer`. " \
    "[optimizer.moved; guide: Training strategy]"  # fmt: skip


def migrated(text, path):
    """A migration as simple as one can be: of one line."""
    if "fail" in text:
        raise BadValueError(f"{path}:1:1", "it cannot be read.")
    if "optim_wrapper" in text:
        note = Note("already", "optim_wrapper", {"field": "optim_wrapper"}, 2, 1, 2)
        return SourceMigration(text, (note,), text, path, path)
    new, notes = text, []
    if OLD in text:
        new = new.replace(OLD, NEW)
        notes.append(Note("optimizer.moved", "optimizer", {}, 2, 1, 2))
    if BY_HAND in text:
        new = new.replace(BY_HAND, "")
        notes.append(Note("schedule.momentum", "momentum_config"))
    return SourceMigration(new, tuple(notes), text, path, path.replace("van_b0", "van_tiny"))


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Put the simple migration in the place of the real one, and note what it is asked."""
    seen = []

    def one(text, *, path="config.py", base_lookup=None, schedule="guide"):
        seen.append((path, schedule, base_lookup))
        return migrated(text, path)

    def tree(files, *, schedule="guide", refused=None):
        seen.append((dict(files), schedule))
        made = {}
        for name, text in files.items():
            try:
                made[name] = migrated(text, name)
            except BadValueError as error:
                refused[name] = error
        return made

    def code(text, *, path="code.py", source="mmcls", comments=False):
        seen.append((path, source, comments))
        return SourceMigration(text.replace(source, "new"), (), text, path, path)

    for name, fake in (("source", one), ("tree", tree), ("code", code)):
        monkeypatch.setattr(migrate, f"migrate_{name}", fake, raising=False)
    return seen


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "en")
    (tmp_path / "configs" / "_base_").mkdir(parents=True)
    (tmp_path / "configs" / "a.py").write_text(OLD)
    (tmp_path / "configs" / "_base_" / "model.py").write_text(MODEL)
    return tmp_path


def answer(capsys, line):
    code = main(line.split())
    told = capsys.readouterr()
    return code, told.out, told.err


def refusal(capsys, line):
    code, out, err = answer(capsys, line)
    assert (code, out) == (2, "")
    return err


def tree(folder):
    """Return every file of a folder with its text."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


# One file.


def test_a_file_goes_to_stdout_and_its_notes_beside_it(folder, capsys):
    before = tree(folder)
    assert answer(capsys, "migrate configs/a.py") == (
        0, NEW, f"configs/a.py\n{MOVED}\n\n1 file migrated. 1 cosmetic note.\n",
    )  # fmt: skip
    assert answer(capsys, "migrate configs/a.py --out - --notes serious") == (
        0, NEW, "1 file migrated. 1 cosmetic note.\n",
    )  # fmt: skip
    assert tree(folder) == before


def test_the_notes_are_in_the_language_that_was_asked_for(folder, capsys):
    (folder / "b.py").write_text(OLD + BY_HAND)
    code, _, err = answer(capsys, "migrate b.py --language zh --notes none")
    assert (code, err) == (
        1, "已迁移 1 个文件。1 处需要手动修改，1 条说明仅涉及写法。\n"  # noqa: RUF001
    )  # fmt: skip
    assert "[optimizer.moved；迁移文档：训练策略设置]" in answer(  # noqa: RUF001
        capsys, "migrate b.py --language zh"
    )[2]  # fmt: skip


def test_what_needs_a_hand_is_exit_status_1(folder, capsys):
    (folder / "b.py").write_text(OLD + BY_HAND)
    code, out, err = answer(capsys, "migrate b.py")
    assert (code, out) == (1, NEW)
    assert err.splitlines()[2] == (
        "  -    must be edited by hand  `momentum_config` is left out: write schedulers of the "
        "momentum (CosineAnnealingMomentum, StepMomentum …) by hand. "
        "[schedule.momentum; guide: Training strategy]"
    )
    assert err.splitlines()[-1] == (
        "1 file migrated. 1 place must be edited by hand, 1 cosmetic note."
    )


def test_the_difference_and_why(folder, capsys):
    code, out, err = answer(capsys, "migrate configs/a.py --diff")
    assert (code, err) == (0, "")
    assert out == (
        f"configs/a.py\n{MOVED}\n\n--- configs/a.py\n+++ configs/a.py\n@@ -1,2 +1,2 @@\n"
        f" # schedule\n-{OLD.splitlines()[1]}\n+{NEW.splitlines()[1]}\n\n"
        "1 file migrated. 1 cosmetic note.\n"
    )


def test_the_output_of_a_run_is_refused(folder, capsys):
    (folder / "new.py").write_text(NEW)
    said = (
        "new.py\n  2:1  cosmetic  This config is of 1.x already (optim_wrapper); nothing was "
        "changed. [already]\n\n1 file already 1.x. Nothing was written.\n"
    )
    before = tree(folder)
    for rest in ("", " --in-place", " --out other.py"):
        assert answer(capsys, f"migrate new.py{rest}") == (2, "", said)
    assert tree(folder) == before


def test_a_file_is_written(folder, capsys):
    code, out, err = answer(capsys, "migrate configs/a.py --out new/deep/b.py")
    assert (code, err) == (0, "")
    assert out.startswith("configs/a.py → new/deep/b.py\n")
    assert out.endswith("1 file migrated. 1 cosmetic note. Written to new/deep/b.py.\n")
    assert (folder / "new" / "deep" / "b.py").read_text() == NEW
    answer(capsys, "migrate configs/a.py --out new")
    answer(capsys, "migrate configs/a.py --out newer/")
    assert (folder / "new" / "a.py").read_text() == (folder / "newer" / "a.py").read_text() == NEW
    assert refusal(capsys, "migrate configs/a.py --out new") == (
        "brickbook: --out: new/a.py is there already. Say --force to replace what is there.\n"
    )
    (folder / "new" / "a.py").write_text("mine")
    assert answer(capsys, "migrate configs/a.py --out new --force")[0] == 0
    assert (folder / "new" / "a.py").read_text() == NEW


def test_the_input_is_no_output(folder, capsys):
    said = (
        "brickbook: --out: configs/a.py is the input configs/a.py. "
        "Say --in-place to write over inputs.\n"
    )
    (folder / "link.py").symlink_to("configs/a.py")
    assert refusal(capsys, "migrate configs/a.py --out configs/a.py --force") == said
    assert refusal(capsys, "migrate configs/a.py --out configs --force") == said
    assert refusal(capsys, "migrate configs/a.py --out link.py --force") == said.replace(
        "configs/a.py is", "link.py is"
    )
    assert (folder / "configs" / "a.py").read_text() == OLD


def test_line_ends_and_other_signs_stay(folder, capfdbinary):
    text = OLD.replace("\n", "\r\n") + "# ü \x0c \u202e\r\n"
    (folder / "b.py").write_bytes(text.encode())
    assert main(["migrate", "b.py"]) == 0
    assert capfdbinary.readouterr().out == text.encode()
    assert main(["migrate", "b.py", "--out", "c.py"]) == 0
    assert (folder / "c.py").read_bytes() == text.encode()


def test_a_mark_of_the_byte_order_goes(folder, capsys):
    (folder / "b.py").write_bytes(b"\xef\xbb\xbf" + OLD.encode())
    assert answer(capsys, "migrate b.py")[1] == NEW


def test_bases_are_read_beside_the_file(folder, capsys, calls):
    answer(capsys, "migrate configs/a.py")
    read_base = calls[0][2]
    assert read_base("_base_/model.py") == MODEL
    assert read_base("../configs/_base_/model.py") == MODEL
    with pytest.raises(FileNotFoundError):
        read_base("_base_/none.py")


# Standard input.


def give(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_a_filter(folder, capsys, monkeypatch, calls):
    give(monkeypatch, OLD)
    assert answer(capsys, "migrate - --schedule faithful --notes none") == (
        0, NEW, "1 file migrated. 1 cosmetic note.\n",
    )  # fmt: skip
    assert calls[0][:2] == ("config.py", "faithful")
    assert calls[0][2]("configs/a.py") == OLD
    give(monkeypatch, OLD)
    answer(capsys, "migrate - --name resnet_8xb32.py --out b.py")
    assert (calls[1][0], (folder / "b.py").read_text()) == ("resnet_8xb32.py", NEW)


def test_json_without_a_name(folder, capsys, monkeypatch, calls):
    give(monkeypatch, '\n {"optimizer": {"type": "SGD", "lr": 0.1}}\n')
    answer(capsys, "migrate -")
    give(monkeypatch, "{}")
    answer(capsys, "migrate - --name a.yaml")
    assert [call[0] for call in calls] == ["config.json", "a.yaml"]


# A folder.


def test_a_folder_keeps_its_structure(folder, capsys, calls):
    (folder / "configs" / "README.md").write_text("read me")
    (folder / "configs" / "metafile.yml").write_text("Models: []")
    (folder / "configs" / ".git").mkdir()
    (folder / "configs" / ".git" / "b.py").write_text("fail")
    code, out, err = answer(capsys, "migrate configs/ --out configs_1x/")
    assert (code, err) == (0, "")
    assert out == (
        f"configs/a.py → configs_1x/a.py\n{MOVED}\n\n1 file migrated, 1 file needs no change. "
        "1 cosmetic note. 3 left out: .git/, README.md, metafile.yml. Written to configs_1x/.\n"
    )
    assert tree(folder / "configs_1x") == {"_base_/model.py": MODEL, "a.py": NEW}
    assert calls == [({"_base_/model.py": MODEL, "a.py": OLD}, "guide")]
    assert answer(capsys, "migrate configs_1x --out again")[0] == 2
    assert not (folder / "again").exists()


def test_bases_outside_of_what_is_migrated(folder, capsys, calls):
    (folder / "configs" / "net").mkdir()
    bases = "_base_ = ['../a.py', '../_base_/no.py']\n"
    (folder / "configs" / "net" / "b.py").write_text(f"{bases}{OLD}")
    (folder / "configs" / "a.py").write_text(f"_base_ = './_base_/model.py'\n{OLD}")
    code, out, _ = answer(capsys, "migrate configs/net --out new --notes none")
    assert (code, out) == (
        0, "1 file migrated. 1 cosmetic note. 2 read as _base_ files, and not migrated: "
        "../_base_/model.py, ../a.py. Written to new.\n",
    )  # fmt: skip
    assert sorted(calls[0][0]) == ["../_base_/model.py", "../a.py", "b.py"]
    assert tree(folder / "new") == {"b.py": f"{bases}{NEW}"}
    assert answer(capsys, "migrate configs/a.py --notes none")[2] == (
        "1 file migrated. 1 cosmetic note. Read as a _base_, and not migrated: _base_/model.py.\n"
    )


def test_a_folder_without_a_place(folder, capsys):
    code, out, _ = answer(capsys, "migrate configs")
    assert (code, out.splitlines()[-1]) == (
        0,
        "1 file migrated, 1 file needs no change. 1 cosmetic note. "
        "Nothing was written: --out or --in-place says where to.",
    )
    assert sorted(tree(folder)) == ["configs/_base_/model.py", "configs/a.py"]


def test_in_place_keeps_backups(folder, capsys):
    (folder / "configs" / "van_b0.py").write_text(OLD)
    (folder / "configs" / "a.py").chmod(0o750)
    code, out, _ = answer(capsys, "migrate configs --in-place --notes none")
    assert (code, out) == (
        0,
        "2 files migrated, 1 file needs no change. 2 cosmetic notes. Changed in place; the 2 old "
        "files are beside the new ones, as *.bak.\n",
    )
    assert tree(folder / "configs") == {
        "_base_/model.py": MODEL, "a.py": NEW, "a.py.bak": OLD,
        "van_b0.py.bak": OLD, "van_tiny.py": NEW,
    }  # fmt: skip
    assert (folder / "configs" / "a.py").stat().st_mode & 0o777 == 0o750
    assert answer(capsys, "migrate configs --in-place --notes none")[:2] == (
        2, "1 file needs no change, 2 files already 1.x. 2 left out: a.py.bak, van_b0.py.bak. "
        "Nothing was written.\n",
    )  # fmt: skip


def test_a_backup_is_never_written_over(folder, capsys):
    (folder / "configs" / "a.py.bak").write_text("precious")
    before = tree(folder)
    for line in ("migrate configs --in-place --force", "migrate configs/a.py --in-place --force"):
        assert refusal(capsys, line) == (
            "brickbook: --in-place: there is a backup already: configs/a.py.bak. "
            "A backup is never written over: move it away.\n"
        )
    assert tree(folder) == before


def test_a_file_that_fails_is_all_that_is_said(folder, capsys):
    (folder / "configs" / "z").mkdir()
    (folder / "configs" / "z" / "bad.py").write_text("fail")
    before = tree(folder)
    said = (
        "brickbook: configs/z/bad.py:1:1: it cannot be read.\n"
        "Nothing was written; --exclude leaves files out.\n"
    )
    assert refusal(capsys, "migrate configs --out new") == said
    assert refusal(capsys, "migrate configs --in-place") == said
    (folder / "configs" / "worse.py").write_text("fail")
    assert refusal(capsys, "migrate configs --out new").splitlines() == [
        "brickbook: configs/worse.py:1:1: it cannot be read.",
        "configs/z/bad.py:1:1: it cannot be read.",
        "Nothing was written; --exclude leaves files out.",
    ]
    (folder / "configs" / "worse.py").unlink()
    assert tree(folder) == before
    for pattern in ("z", "z/", "z/*", "*/bad.py"):
        assert answer(capsys, f"migrate configs --exclude {pattern}")[0] == 0
    for at in range(30):
        (folder / "configs" / "z" / f"bad{at}.py").write_text("fail")
    told = refusal(capsys, "migrate configs --out new").splitlines()
    assert (len(told), told[-2]) == (22, "and 11 more.")


def test_a_full_disk_leaves_nothing(folder, capsys):
    (folder / "configs" / "b.py").write_text(f"{OLD}# {'x' * 300}\n")
    before, entries = tree(folder), sorted(folder.rglob("*"))
    with disk_of(200):
        for rest in ("--out new/deep", "--in-place"):
            option, _, place = rest.partition(" ")
            assert refusal(capsys, f"migrate configs {rest}") == (
                f"brickbook: {option}: {place or 'configs'}/b.py cannot be written: {TOO_LARGE}.\n"
            )
    assert (tree(folder), sorted(folder.rglob("*"))) == (before, entries)


# Links and other odd things in a folder.


def test_links(folder, capsys, calls):
    outside = folder / "outside"
    outside.mkdir()
    (outside / "b.py").write_text(OLD)
    (folder / "configs" / "same.py").symlink_to("a.py")
    (folder / "configs" / "loop").symlink_to("..")
    (folder / "configs" / "gone.py").symlink_to("nowhere.py")
    code, out, _ = answer(capsys, "migrate configs --out new --notes none")
    assert (code, out) == (
        0, "2 files migrated, 1 file needs no change. 2 cosmetic notes. "
        "2 left out: gone.py, loop/. Written to new.\n",
    )  # fmt: skip
    assert not (folder / "new" / "same.py").is_symlink()
    assert answer(capsys, "migrate configs --in-place")[0] == 0
    assert (folder / "configs" / "same.py").is_symlink()
    assert (folder / "configs" / "same.py").read_text() == NEW
    (folder / "configs" / "far.py").symlink_to(outside / "b.py")
    assert refusal(capsys, "migrate configs --in-place") == (
        f"brickbook: configs/far.py: it is a link to {outside / 'b.py'}. "
        "Migrate that file itself.\n"
    )
    assert (outside / "b.py").read_text() == OLD


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_a_folder_is_left_out(folder, capsys):
    os.mkfifo(folder / "configs" / "pipe.py")
    assert "Left out: pipe.py." in answer(capsys, "migrate configs")[1]
    writer = threading.Thread(target=(folder / "configs" / "pipe.py").write_text, args=(OLD,))
    writer.start()  # as <(…) of a shell
    assert answer(capsys, "migrate configs/pipe.py")[:2] == (0, NEW)
    writer.join()


def test_a_folder_that_may_not_be_entered(folder, capsys, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert refusal(capsys, "migrate configs") == (
        "brickbook: configs: it cannot be read: Permission denied.\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing.py", "nothing.py: there is no such file or folder."),
        ("empty", "empty: no file of this folder ends in .json, .py, .yaml, .yml."),
        ("latin.py", "latin.py:2: it is no text in UTF-8."),
        ("configs --out configs", "--out: configs is the input itself. Say --in-place for that."),
        ("configs --out configs/new",
         "--out: configs/new is inside of configs: the next run would migrate its own output."),
        ("configs --out latin.py", "--out: latin.py is no folder."),
        ("configs --out -", "--out -: a folder has several texts; name a folder."),
        ("configs --exclude b*", "--exclude: nothing below configs is 'b*'."),
        ("configs/a.py --out latin.py/b.py", "--out: latin.py/b.py cannot be written: "),
        ("configs --json latin.py",
         "--json: latin.py is there already. Say --force to replace what is there."),
        ("configs --json empty", "--json: empty is a folder."),
        ("configs --json configs/a.py --force", "--json: configs/a.py is an input."),
        ("configs --out a --in-place", "--out and --in-place: one of them says where to."),
        ("- --in-place", "--in-place is for files."),
        ("configs --comments", "--comments is for --code."),
        ("configs --from mmcv --schedule guide", "--schedule is for configs, not for --code."),
        ("configs --name a.py", "--name is for standard input or a cell; a file has its own."),
        ("", "the following arguments are required: PATH (brickbook migrate --help)"),
        ("configs other", "unrecognized arguments: other (brickbook migrate --help)"),
    ],
)  # fmt: skip
def test_refusals(folder, capsys, line, message):
    (folder / "empty").mkdir()
    (folder / "latin.py").write_bytes(b"# a\n# \xe9\n")
    before = tree_bytes(folder)
    assert refusal(capsys, f"migrate {line}").startswith(f"brickbook: {message}")
    assert tree_bytes(folder) == before


def tree_bytes(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_large_file(folder, capsys):
    with (folder / "large.py").open("wb") as file:
        file.truncate(50 * 2**20)
    assert refusal(capsys, "migrate large.py") == (
        "brickbook: large.py: more than 10,485,760 bytes are too many.\n"
    )


def test_two_files_that_would_be_one(folder, capsys):
    for name in ("van_b0.py", "van_tiny.py"):
        (folder / "configs" / name).write_text(OLD)
    assert refusal(capsys, "migrate configs --out new") == (
        "brickbook: --out: two files would be new/van_tiny.py.\n"
    )
    assert refusal(capsys, "migrate configs --in-place --force") == (
        "brickbook: --in-place: configs/van_tiny.py is the input configs/van_tiny.py. "
        "Say --in-place to write over inputs.\n"
    )


# JSON.


def test_as_json(folder, capsys):
    (folder / "configs" / "b.py").write_text(OLD + BY_HAND)
    code, out, err = answer(capsys, "migrate configs --out new --json --language en")
    assert (code, err) == (
        1,
        "2 files migrated, 1 file needs no change. 1 place must be edited by hand, "
        "2 cosmetic notes. Written to new.\n",
    )
    read = json.loads(out)
    assert (read["exit_code"], read["left_out"]) == (1, [])
    assert [(each["path"], each["target"], each["changed"]) for each in read["files"]] == [
        ("_base_/model.py", "new/_base_/model.py", False),
        ("a.py", "new/a.py", True),
        ("b.py", "new/b.py", True),
    ]
    assert [note["severity"] for note in read["files"][2]["notes"]] == ["cosmetic", "by_hand"]
    assert "text" not in read["files"][1] and "old" not in read["files"][1]


def test_json_of_one_file_has_its_text(folder, capsys):
    code, out, err = answer(capsys, "migrate configs/a.py --json")
    assert (code, err) == (0, "1 file migrated. 1 cosmetic note.\n")
    assert json.loads(out)["files"][0]["text"] == NEW
    code, out, _ = answer(capsys, "migrate configs/a.py --json notes.json")
    assert (code, out) == (0, NEW)
    assert json.loads((folder / "notes.json").read_text())["files"][0]["notes"][0] == {
        "rule": "optimizer.moved", "severity": "cosmetic", "section": "Training strategy",
        "path": "optimizer", "line": 2, "column": 1, "new_line": 2, "values": {},
        "text": "`optimizer` is `optim_wrapper.optimizer`.",
    }  # fmt: skip


# Code.


def test_code(folder, capsys, calls):
    (folder / "configs" / "conf.yml").write_text("mmcv")
    (folder / "configs" / "c.py").write_text("import mmcv\n")
    code, out, _ = answer(capsys, "migrate configs --from mmcv --out new --comments")
    assert (code, out) == (
        0, "1 file migrated, 2 files need no change. Left out: conf.yml. Written to new.\n"
    )  # fmt: skip
    assert calls[1] == ("a.py", "mmcv", True)
    assert (folder / "new" / "c.py").read_text() == "import new\n"
    answer(capsys, "migrate configs/c.py --code")
    assert calls[-1] == ("configs/c.py", "mmcls", False)


def test_completion(folder):
    door = ShellFrontend()
    assert complete(door, ["migrate"], "con") == ["configs/"]
    assert complete(door, ["migrate", "configs/", "--schedule"], "") == ["guide", "faithful"]
    assert complete(door, ["migrate", "configs/", "--out"], "co") == ["configs/"]


def real_tree(folder, monkeypatch):
    """Write a tree of configs as people have them; it is migrated for real."""
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "en")
    for name, text in OLD_TREE.items():
        file = folder / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_a_real_tree_and_its_own_output(folder, capsys, monkeypatch):
    real_tree(folder, monkeypatch)
    code, out, err = answer(capsys, "migrate tree --out tree_1x --json")
    assert (code, err[-20:]) == (0, "Written to tree_1x.\n"[-20:])
    report = json.loads(out)
    assert {each["path"] for each in report["files"]} == set(OLD_TREE)
    assert len(tree(folder / "tree_1x")) == len(OLD_TREE)
    assert "optimizer_config" not in "".join(tree(folder / "tree_1x").values())
    before = tree(folder)
    for rest in ("--out again", "--in-place", "--diff"):
        code, out, _ = answer(capsys, f"migrate tree_1x --notes none {rest}")
        assert (code, out) == (2, f"{len(OLD_TREE)} files already 1.x. Nothing was written.\n")
    assert tree(folder) == before
    assert answer(capsys, "migrate tree --in-place --notes none")[0] == 0
    changed = tree(folder / "tree")
    assert {name: text for name, text in changed.items() if not name.endswith(".bak")} == tree(
        folder / "tree_1x"
    )


def test_notes_of_one_place_are_said_once(folder, capsys, monkeypatch):
    real_tree(folder, monkeypatch)
    answer(capsys, "migrate tree --out new")
    lines = answer(capsys, "migrate tree/_base_/datasets/cifar10.py")[2].splitlines()
    assert len(lines) == len(set(lines)) > 8


def test_code_that_would_do_harm_is_not_run(folder, capsys, monkeypatch):
    real_tree(folder, monkeypatch)
    (folder / "precious").write_text("here")
    (folder / "evil.py").write_text(
        f"import os\nos.remove({str(folder / 'precious')!r})\n{OLD}a = open('precious', 'w')\n"
    )
    assert answer(capsys, "migrate evil.py --out new.py")[0] in (1, 2)
    assert (folder / "precious").read_text() == "here"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = (\n", "b.py:2:5: this is no Python: '(' was never closed."),
        ("_base_ = 'b.py'\n", "b.py:1:10: the _base_ files go in a circle: b.py → b.py."),
        ("_base_ = 'no.py'\n", "b.py:1:10: there is no file 'no.py'."),
        (f"a = {'[' * 10_000}{']' * 10_000}\n", "b.py"),
        ("model = dict(type='FasterRCNN', roi_head=dict(type='X'), rpn_head=dict(type='X'))\n",
         "b.py:1:42: model.roi_head: this is a config of MMDetection, which has a migration"),
    ],
)  # fmt: skip
def test_what_cannot_be_migrated_is_refused_by_place(folder, capsys, monkeypatch, text, message):
    real_tree(folder, monkeypatch)
    (folder / "b.py").write_text(text)
    assert refusal(capsys, "migrate b.py --out new.py").startswith(f"brickbook: {message}")
    assert not (folder / "new.py").exists()


@pytest.mark.processes
def test_another_process_tells_by_its_status(folder):
    line = [sys.executable, "-m", "brickbook.cli", "migrate", "nothing.py"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", "brickbook: nothing.py: there is no such file or folder.\n"
    )  # fmt: skip
