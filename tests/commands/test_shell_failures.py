"""What a shell sees when a user's file fails, when somebody presses Ctrl-C, and of pipes."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from brickbook.cli import main
from brickbook.commands import arguments, files
from brickbook.commands.user_code import user_traceback
from brickbook.errors import ConfigError

HEAD = "from torch import nn\nready = nn.Linear(2, 2)\n"
BODY = "def make():\n    return inner()\ndef inner():\n    {}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("mine", None)  # another test's
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def answer(capsys, *argv):
    code = main(argv)
    told = capsys.readouterr()
    assert told.out == ""
    return code, told.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError()", "ValueError"),
        ("raise KeyboardInterrupt", None),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import nothing_there", "ModuleNotFoundError: No module named 'nothing_there'"),
        ("open('nothing')", "FileNotFoundError: [Errno 2] No such file or directory: 'nothing'"),
        ("raise RuntimeError('a\\x1b[2J')", "RuntimeError: a\\x1b[2J"),
        ("from brickbook import build_norm_layer; build_norm_layer({'type': 'BNN'}, 8)",
         "brickbook.errors.UnknownNameError: model.norm_cfg.type: BNN is not in the norm layer "
         "registry. Did you mean 'BN'?"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spec", ["mine.py:make", "mine:make"])
def test_a_file_that_fails_shows_its_own_lines(folder, capsys, spec, line, message):
    (folder / "mine.py").write_text(HEAD + BODY.format(line))
    code, err = answer(capsys, "show", spec)
    if message is None:
        assert (code, err) == (130, "brickbook: interrupted.\n")
        return
    first, *rest = err.splitlines()
    assert (code, first) == (2, f"brickbook: mine.py fails: {message}")
    assert rest == [
        '  File "mine.py", line 4, in make', "    return inner()",
        '  File "mine.py", line 6, in inner', f"    {line}".replace("\x1b", "\\x1b"),
    ]  # fmt: skip


@pytest.mark.parametrize("spec", ["mine.py:make", "mine:make"])
@pytest.mark.parametrize("line", ["1 / 0", "raise RuntimeError('operator x does not exist')"])
def test_a_file_that_fails_at_its_import(folder, capsys, spec, line):
    (folder / "mine.py").write_text(f"{HEAD}{line}\n")
    code, err = answer(capsys, "show", spec)
    first, *rest = err.splitlines()
    assert code == 2 and first.startswith("brickbook: mine.py fails: ")
    assert rest == ['  File "mine.py", line 3, in <module>', f"    {line}"]


@pytest.mark.parametrize("spec", ["mine.py:make", "mine:make"])
def test_a_file_that_is_no_python(folder, capsys, spec):
    (folder / "mine.py").write_text("def make(:\n    pass\n")
    code, err = answer(capsys, "show", spec)
    first, place, *_ = err.splitlines()
    assert code == 2 and first == "brickbook: mine.py fails: SyntaxError: invalid syntax"
    assert place.endswith('mine.py", line 1')


def test_a_model_that_fails_when_it_runs(folder, capsys):
    (folder / "mine.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.a = nn.Linear(2, 2)\n"
        "    def forward(self, x):\n        return self.a(x).nothing\n"
    )
    argv = "init mine.py:Net --init LSUV --layer Linear --batch 4,2"
    code, err = answer(capsys, *argv.split())
    assert code == 2 and err.splitlines() == [
        "brickbook: mine.py fails: AttributeError: 'Tensor' object has no attribute 'nothing'",
        '  File "mine.py", line 8, in forward',
        "    return self.a(x).nothing",
    ]


def test_a_package_that_is_broken(folder, capsys, monkeypatch):
    (folder / "site").mkdir()
    (folder / "site" / "broken_package.py").write_text(
        "raise RuntimeError('operator x is not there')"
    )
    monkeypatch.syspath_prepend(str(folder / "site"))
    installed = (*user_traceback.INSTALLED, (folder / "site").resolve())
    monkeypatch.setattr(user_traceback, "INSTALLED", installed)
    assert answer(capsys, "show", "broken_package:make") == (
        2,
        "brickbook: model: broken_package cannot be imported: operator x is not there. "
        "Install the broken_package that goes with this torch.\n",
    )


def test_a_fault_of_our_own_is_raised(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("brickbook.commands.table.find_command", fail)
    monkeypatch.setattr("brickbook.cli.is_in_user_file", lambda error: False)
    with pytest.raises(ZeroDivisionError):
        main(["help"])


def test_a_message_of_ten_million_characters(folder, capsys):
    (folder / "mine.py").write_text(BODY.format("raise ValueError('x' * 10**7)"))
    code, err = answer(capsys, "show", "mine.py:make")
    assert code == 2 and len(err) < 3_000


@pytest.mark.processes
def test_ctrl_c_is_one_line(folder):
    (folder / "mine.py").write_text(
        "import time\ndef make():\n    open('ready', 'w').close()\n    time.sleep(99)\n"
    )
    argv = [sys.executable, "-m", "brickbook.cli", "show", "mine.py:make"]
    # A job in the background starts with interrupts ignored.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    try:
        while not (folder / "ready").exists() and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, err) == (130, "brickbook: interrupted.\n")


# Pipes


def test_a_pipe_that_nobody_fills(folder, capsys, monkeypatch):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.2)
    os.mkfifo("pipe")
    os.mkfifo("pipe.json")
    for argv in (("build", "pipe"), ("show", "torch.nn:ReLU", "--cfg", "pipe")):
        code, err = answer(capsys, *argv)
        assert (code, err) == (2, "brickbook: pipe: is a pipe that gives nothing for 0.2 s.\n")
    code, err = answer(capsys, "diff", "pipe.json", "pipe.json")
    assert err == "brickbook: pipe.json: is a pipe that gives nothing for 0.2 s.\n"


def test_a_pipe_is_read(folder):
    os.mkfifo("pipe")
    other = threading.Thread(target=lambda: (folder / "pipe").write_text('{"type": "Normal"}'))
    other.start()
    assert arguments.read_config("pipe") == {"type": "Normal"}
    other.join()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("/dev/zero", "/dev/zero: is a pipe that gives more than 1,000 bytes."),
        ("/dev/null", "/dev/null: neither JSON (Expecting value: line 1 column 1 (char 0)) nor a "
         "Python literal."),
        ("a_folder", "a_folder: Is a directory."),
        ("latin.json", "latin.json: is no text in UTF-8."),
    ],
)  # fmt: skip
def test_what_is_no_config_file(folder, monkeypatch, file, message):
    monkeypatch.setattr(files, "MAX_PIPE_BYTES", 1_000)
    (folder / "a_folder").mkdir()
    (folder / "latin.json").write_bytes(b"\xe9")
    with pytest.raises(ConfigError) as caught:
        arguments.read_config(file)
    assert str(caught.value) == message
