"""The verbs beyond show and build, as a user of IPython and of the shell says them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from brickbook.cli import main
from brickbook.commands import Message, NotebookFrontend, ShellFrontend, run
from brickbook.commands.table import COMMANDS
from brickbook.errors import ConfigError
from brickbook.measure.snapshot import snapshot

MODEL = """
from torch import nn

def make_model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(4, 2))
"""
ONES = dict(type="Ones", layer="Linear")
KAIMING = [dict(type="Kaiming", layer=["Linear", "Conv2d"])]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    return NotebookFrontend({"net": net, "ones": ONES, "kaiming": KAIMING, "number": 3})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "a.json").write_text(json.dumps(ONES))
    (tmp_path / "b.py").write_text("init_cfg = dict(type='Constant', val=2., layer='Conv2d')  # 2")
    yield tmp_path
    sys.modules.pop("net", None)


def announce(session, line, cell=None):
    return run(session, line.split(), cell)


def answer(capsys, line):
    code = main(line.split())
    messages = capsys.readouterr()
    return code, messages.out, messages.err


def weights(model):
    return copy.deepcopy(model.state_dict())


@pytest.mark.parametrize("door", [ShellFrontend(), NotebookFrontend({})])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_verb_tells_of_itself(door, name):
    messages = run(door, [name, "--help"])
    assert isinstance(messages, Message)
    assert messages.text.startswith(f"usage: {door.prefix} {name} [-h]")
    assert COMMANDS[name].summary in " ".join(messages.text.split())
    assert messages == run(door, ["help", name])
    parser = COMMANDS[name].parser(name, door)
    assert all(action.help for action in parser.arguments)


def test_the_table_names_every_verb():
    messages = run(ShellFrontend(), ["help"]).text
    assert [line.split()[1] for line in messages.splitlines()[: len(COMMANDS)]] == list(COMMANDS)
    assert run(NotebookFrontend({}), []).text.splitlines()[0].startswith("  %brickbook build ")


def test_plan_writes_no_weight(session):
    before = weights(session.namespace["net"])
    todo = announce(session, "plan net --cfg kaiming --protect 1.bias --json p.json")
    assert repr(todo) == "InitPlan: 3 of 4 parameters by a law"
    after = weights(session.namespace["net"])
    assert all(before[name].equal(after[name]) for name in before)
    assert announce(session, "diff p.json p.json").rows == ()
    with pytest.raises(ConfigError) as caught:
        announce(session, "plan net --json p.json")
    assert str(caught.value) == "--json: p.json is there already. Say --force to replace it."
    announce(session, "plan net --json p.json --force")


def test_plan_without_rules_is_that_of_the_modules(session):
    from brickbook import Sequential

    session.namespace["own"] = Sequential(nn.Linear(2, 2), init_cfg=ONES)
    assert repr(announce(session, "plan own")) == "InitPlan: 2 of 2 parameters by a law"
    assert repr(announce(session, "plan net")) == "InitPlan: 0 of 4 parameters by a law"


def test_init_writes_and_reports(session):
    net = session.namespace["net"]
    todo = announce(session, "init net --cfg ones --dry-run")
    assert type(todo).__name__ == "InitPlan" and not net[0].weight.eq(1).any()
    report = announce(session, "init net --cfg ones --seed 3 --atomic --save w.pt")
    assert repr(report) == "InitReport: 4 parameters: 4 written by a law, seed 3"
    assert net[0].weight.eq(1).all()
    assert torch.load("w.pt", weights_only=True)["1.weight"].eq(1).all()
    assert announce(session, "diff net w.pt").rows == ()


def test_init_gives_data_driven_rules_a_batch(session):
    announce(session, "init net --init LSUV --layer Linear --batch 64,4 --seed 1")
    session.namespace["batch"] = torch.randn(64, 4)
    announce(session, "init net --init LSUV --layer Linear --batch batch")
    out = session.namespace["net"][0](session.namespace["batch"])
    assert float(out.detach().std()) == pytest.approx(1.0, abs=0.1)


def test_compare_leaves_the_model_alone(session):
    before = weights(session.namespace["net"])
    state = torch.get_rng_state()
    found = announce(session, "compare net ones kaiming --seed 5")
    assert repr(found) == "Alternatives(ones, kaiming: 4 parameters, 2 differ)"
    after = weights(session.namespace["net"])
    assert all(before[name].equal(after[name]) for name in before)
    assert state.equal(torch.get_rng_state())
    literals = run(session, ["compare", "net", "dict(type='Ones',layer='Linear')", "ones"])
    assert repr(literals) == "Alternatives(A, ones: 4 parameters, 0 differ)"


def test_export_by_the_name_of_the_file(session, tmp_path):
    session.namespace["todo"] = announce(session, "plan net --cfg kaiming --json p.json")
    assert announce(session, "export todo todo.csv").text.startswith("todo.csv: ")
    assert announce(session, "export net net.svg").text.startswith("net.svg: ")
    assert announce(session, "export p.json x.svg").exit_code == 0
    assert (tmp_path / "todo.csv").read_text().startswith("name,kind,module,shape,")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("plan nett", "there is no variable 'nett'. Did you mean 'net'?"),
        ("plan number", "number is no torch.nn.Module but int. Known: net."),
        ("plan net.7", "net.7: there is no '7'."),
        ("plan net --cfg one", "there is no variable 'one'. Did you mean 'ones'?"),
        ("plan net --cfg nothing.json", "nothing.json: No such file or directory."),
        ("plan net --cfg dict(type=1", "dict(type=1: is no Python literal ('(' was never closed)."),
        ("plan net --cfg ones --order x",
         "argument --order: invalid choice: 'x' (choose from "),
        ("plan net --init Normal --layer Conv2D --strict",
         "init_cfg.layer: Conv2D matches nothing. Known: "),
        ("init net --cfg ones --save no/w.pt", "--save: the folder of no/w.pt does not exist."),
        ("init net --cfg ones --dry-run --save w.pt",
         "--save: cannot stand beside --dry-run: there is nothing to save."),
        ("init net --init LSUV --layer Linear", "init_cfg: LSUV runs the model on data. "),
        ("init net --cfg ones --batch 1,a",
         "--batch: expected whole numbers such as 3, 32, 32, got '1,a'."),
        ("compare net", "the following arguments are required: CFG"),
        ("compare net ones ones", "ones: is named twice."),
        ("compare net ones kaiming.", "kaiming.: there is no ''."),
        ("compare net number", "number.init_cfg: "),
        ("diff net number",
         "number: expected a plan, a report, a history, a snapshot, a model or a state "
         "dict, got int."),
        ("diff net nothing.json", "nothing.json: can not be found."),
        ("export net net.pdf", "file: net.pdf has no ending that names a format. Known: .html, "
         ".svg, .png, .csv, .bins.csv, .json."),
        ("export ones ones.csv", "value: expected a plan, a report, a snapshot, a comparison, "
         "alternatives, a model or the init lab, got dict."),
        ("export net no/net.csv", "file: the folder no does not exist."),
        ("help exprot", "%brickbook has no verb 'exprot'. Did you mean 'export'?"),
    ],
)  # fmt: skip
def test_mistakes(session, line, message):
    with pytest.raises(ConfigError) as caught:
        announce(session, line)
    assert str(caught.value).startswith(message)


def test_a_config_may_hold_dots_and_files(session, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(ONES))

    class Holder:
        cfg = ONES

    session.namespace["holder"] = Holder
    assert announce(session, "diff net net").rows == ()
    assert len(announce(session, "plan net --cfg holder.cfg").planned) == 4
    assert len(announce(session, "plan net --cfg x.json").planned) == 4


def test_the_shell_plans_compares_and_keeps_files(folder, capsys):
    code, out, err = answer(capsys, "plan net.py:make_model --cfg a.json --json p.json")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "parameter  module  shape    law                           rule  by        wins over",
        "0.weight   Conv2d  8×3×3×3  left: no rule matches Conv2d",
        "0.bias     Conv2d  8        left: no rule matches Conv2d",
        "2.weight   Linear  2×4      Constant(1)                   Ones  init_cfg",
        "2.bias     Linear  2        Constant(0)                   Ones  init_cfg",
        "InitPlan: 2 of 4 parameters by a law",
    ]
    answer(capsys, "plan net.py:make_model --cfg b.py --json q.json")
    code, out, err = answer(capsys, "diff p.json q.json")
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == [
        "2.bias     Constant(0)                   Ones, init_cfg  left: no rule matches Linear",
        "Differences(p.json, q.json: 4 of 4 differ)",
    ]
    code, out, _ = answer(capsys, "compare net.py:make_model a.json b.py")
    assert code == 0
    assert out.splitlines()[-1] == "Alternatives(a.json, b.py: 4 parameters, 4 differ)"
    code, out, _ = answer(capsys, "init net.py:make_model --cfg a.json --save w.pt")
    assert code == 0
    assert out.splitlines()[-1] == "InitReport: 4 parameters: 2 written by a law, " \
        "2 left as they were"  # fmt: skip
    code, out, _ = answer(capsys, "export p.json p.html")
    assert code == 0 and out.startswith("p.html: ")
    code, out, _ = answer(capsys, "diff w.pt w.pt")
    assert (code, out) == (0, "Differences(w.pt, w.pt: 0 of 4 differ)\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shwo x", "brickbook has no verb 'shwo'. Did you mean 'show'?"),
        ("plan", "the following arguments are required: model (brickbook plan --help)"),
        ("plan x --what", "unrecognized arguments: --what (brickbook plan --help)"),
        ("export p.html p.svg",
         "model: expected module:callable or file.py:callable, got 'p.html'."),
        ("export latin.json p.svg",
         "latin.json: is no JSON: Expecting value: line 1 column 1 (char 0)."),
        ("export a.json p.svg",
         "a.json: holds no plan, report, snapshot, comparison or alternatives."),
    ],
)  # fmt: skip
def test_a_mistake_in_the_shell_is_one_line(folder, capsys, line, message):
    (folder / "latin.json").write_text("nonsense")
    assert answer(capsys, line) == (2, "", f"brickbook: {message}\n")


def call(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "brickbook.cli", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | environment,
    )


@pytest.mark.processes
def test_a_console_without_our_signs_and_a_reader_who_has_enough(folder):
    (folder / "x.json").write_text(json.dumps(snapshot(nn.Linear(2, 2)).to_dict()))
    done = call("diff", "x.json", "net.py:make_model", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "") and "only in x.json" in done.stdout
    command = [sys.executable, "-m", "brickbook.cli", "help"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.close()
    messages = running.stderr.read()
    running.stderr.close()
    assert (running.wait(), messages) == (0, b"")


@pytest.mark.processes
def test_the_real_command(folder):
    done = call("plan", "net.py:make_model", "--init", "Ones", "--layer", "Linear")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "InitPlan: 2 of 4 parameters by a law"
    done = call("export", "net.py:make_model", "a.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "brickbook: file: a.json is there already. Add force=True, or --force, to replace it.\n"
    )
    messages = call("help").stdout
    assert call("--help").stdout == messages
    assert messages.startswith("  brickbook build ")
