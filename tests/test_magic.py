"""%brickbook in a real IPython shell, without a front end."""

import pytest
import torch
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from torch import nn

from brickbook.commands import COMMANDS


class Front:
    """What a notebook's shell has and a terminal's has not."""


def started(kernel=None):
    shell = InteractiveShell()
    if kernel is not None:
        shell.kernel = kernel
    shell.run_line_magic("load_ext", "brickbook")
    shell.user_ns.update(model=nn.Sequential(nn.Linear(2, 2)), resnet=nn.ReLU(), cfg=[1], text="x")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def shell():
    yield from started()


@pytest.fixture
def notebook():
    yield from started(Front())


def run(shell, line):
    return shell.run_line_magic("brickbook", line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shwo model", "%brickbook has no verb 'shwo'. Did you mean 'show'?"),
        ("show modle", "there is no variable 'modle'. Did you mean 'model'?"),
        ("show text", "text is no torch.nn.Module but str. Known: model, resnet."),
        ("show model.1", "model.1: there is no '1'."),
        ("show", "the following arguments are required: model\nusage: %brickbook show "),
        ("show model --std 1", "unrecognized arguments: --std 1\nusage: %brickbook show "),
        ("show model --layer Linear", "--layer: there is no rule: "),
        ("show model --cfg cfg --init Kaiming", "--init: cannot stand beside --cfg: "),
        ("show model --cfg nothing", "there is no variable 'nothing'. No variable holds a config "),
        ("show 'model", "show 'model: No closing quotation"),
        ("show model --input 2 --batch 4,2", "--input: cannot stand beside --batch: that has a "),
        (
            "show model --input many",
            "--input: expected whole numbers such as 3, 32, 32, got 'many'.",
        ),
        ("show model --batch x", "there is no variable 'x'. "),
        ("build --as 1x", "--as 1x: not a name for a variable."),
        ("build cfg", "bricks[0]: cfg must be a dict, but got <class 'int'>."),
        ("build --input a,b", "--input: expected whole numbers such as 3, 32, 32, got 'a,b'."),
    ],
)
def test_a_mistake_is_one_clear_message(notebook, line, message):
    with pytest.raises(UsageError) as caught:
        run(notebook, line)
    assert str(caught.value).startswith(message)


def test_no_model_yet(shell):
    del shell.user_ns["model"], shell.user_ns["resnet"]
    with pytest.raises(UsageError) as caught:
        run(shell, "show model")
    assert str(caught.value) == "there is no variable 'model'. No variable holds a model yet."


def test_help(shell, capsys):
    run(shell, "")
    run(shell, "help show")
    messages = capsys.readouterr().out
    for verb in COMMANDS:
        assert f"%brickbook {verb}" in messages
    assert "--layer LAYER" in messages and "a class that the rule matches" in messages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%brickbook ", {"build", "show", "help"}),
        ("%brickbook sh", {"show"}),
        ("brickbook sh", {"show"}),
        ("%brickbook show ", {"model", "resnet"}),
        ("%brickbook show mo", {"model"}),
        ("%brickbook show model --", {"--init", "--layer", "--set", "--cfg", "--seed"}),
        ("%brickbook help bu", {"build"}),
        ("%%brickbook in", {"init"}),
        ("%brickbook plan model.", {"model.0"}),
        ("%brickbook plan model --order ", {"brickbook", "mmcv"}),
        ("%brickbook plan model --frozen=", {"init", "skip"}),
        ("%brickbook plan model --init Kai", {"Kaiming"}),
        ("%brickbook plan model --init Kaiming --set mo", {"mode="}),
        ("%brickbook plan model --layer Li", {"Linear"}),
    ],
)
@pytest.mark.parametrize("jedi", [True, False])
def test_completion(shell, text, expected, jedi):
    shell.Completer.use_jedi = jedi
    with provisionalcompleter():
        found = {item.text for item in shell.Completer.completions(text, len(text))}
    assert expected <= found


def test_panels_in_a_notebook(notebook):
    panel = run(notebook, "show model --init Kaiming --layer Linear --set mode=fan_in --seed 3")
    assert type(panel).__name__ == "InitLab"
    panel = run(notebook, "show model.0")
    assert type(panel).__name__ == "InitLab"
    builder = run(notebook, "build --as net")
    assert type(builder).__name__ == "Builder"


def test_the_diagnosis_runs_what_the_line_names(notebook):
    notebook.user_ns["x"] = torch.ones(4, 2)
    panel = run(notebook, "show model --batch x")
    assert panel.session.batch is notebook.user_ns["x"]
    panel = run(notebook, "show model --input 2")
    panel.diagnosis.disclosure.unfolded = True
    assert panel.diagnosis.shape.value == "16, 2" and panel.session.batch is None
    assert panel.diagnosis.shape.options == ("x",)
    panel.close()


def test_what_builds_a_model_gives_the_panel_its_own_start(notebook):
    notebook.run_cell("from torch import nn\nmake = lambda: nn.Sequential(nn.Linear(2, 2))")
    panel = run(notebook, "show model --trace make")
    panel.rules.presets.value = "own_start"
    assert panel.rules.message == ""
    assert str(panel.plan["0.weight"].law) == "Uniform(-0.7071, 0.7071)"
    with pytest.raises(UsageError, match="there is no class or function 'no' that builds a model"):
        run(notebook, "show model --trace no")
    panel.close()


def test_a_cell_that_writes_weights_is_seen_in_the_panel(notebook):
    panel = run(notebook, "show model")
    notebook.run_cell("from brickbook import initialize\n1 + 1")
    assert panel.toolbar.status.text == ""
    notebook.run_cell("_ = initialize(model, dict(type='Ones', layer='Linear'))")
    assert panel.toolbar.status.text == (
        "2 tensors were changed by something else than this panel: 0.weight, 0.bias."
    )
    assert panel.comparison["0.weight"].after.mean == 1
    panel.close()


def test_text_in_a_terminal(shell, capsys):
    with pytest.raises(UsageError, match="--input: is for the panel: there is none here"):
        run(shell, "show model --input 2")
    shell.user_ns["cfg"] = [dict(type="Linear", in_features=2, out_features=3)]
    frame = run(shell, "show model")
    assert list(frame.index) == ["0.weight", "0.bias"]
    run(shell, "build cfg --as net")
    assert shell.user_ns["net"][0].out_features == 3
    old = shell.user_ns["model"]
    made = run(shell, "build cfg")
    assert made is not old and made[0].out_features == 3 and shell.user_ns["model"] is old
    assert capsys.readouterr().out == (
        "model is kept as it is: this is another model. Say --as model to replace it.\n"
    )
    assert run(shell, "build cfg --as model") is shell.user_ns["model"] is not old
    del shell.user_ns["model"]
    assert run(shell, "build cfg") is shell.user_ns["model"]
    with pytest.raises(UsageError, match="there is no panel outside a notebook"):
        run(shell, "show model --init Kaiming --layer Linear")
    with pytest.raises(UsageError, match="outside a notebook: name a variable"):
        run(shell, "build")


CONFIG = "from brickbook import compare, initialize, plan, snapshot\n\
cfg = dict(type='Kaiming', layer='Linear')"
RECORDS = [
    ("plan(model, cfg)", "Normal(0, 1)"),
    ("initialize(model, cfg)", "written"),
    ("snapshot(model)", "0.weight"),
    ("compare(snapshot(model), snapshot(model))", "untouched"),
]


@pytest.mark.parametrize(("code", "word"), RECORDS)
def test_a_notebook_shows_a_table_and_keeps_one_line_of_text(notebook, code, word):
    notebook.run_cell(CONFIG)
    data, _ = notebook.display_formatter.format(notebook.ev(code))
    assert word in data["text/html"]
    assert "<style" not in data["text/html"] and "<script" not in data["text/html"]
    assert "\n" not in data["text/plain"]


@pytest.mark.parametrize("code", [code for code, _ in RECORDS])
def test_a_terminal_shows_a_table(shell, code):
    shell.run_cell(CONFIG)
    data, _ = shell.display_formatter.format(shell.ev(code))
    lines = data["text/plain"].splitlines()
    assert len(lines) == 4 and lines[1].startswith("0.weight")
    assert lines[3].startswith(("InitPlan", "InitReport", "Snapshot", "Comparison"))


def test_a_cell_holds_the_config(notebook):
    body = (
        "# all of them\ninit_cfg = [\n    dict(type='Constant', val=3.0, layer='Linear'),  # 3\n]\n"
    )
    report = notebook.run_cell_magic("brickbook", "init model", body)
    assert repr(report) == "InitReport: 2 parameters: 2 written by a law"
    assert notebook.user_ns["model"][0].weight.eq(3).all()
    todo = notebook.run_cell_magic(
        "brickbook", "plan model", '{"type": "Zeros", "layer": "Linear"}'
    )
    assert str(todo["0.weight"].law) == "Constant(0)"
    assert notebook.user_ns["model"][0].weight.eq(3).all()


@pytest.mark.parametrize(
    ("line", "body", "message"),
    [
        ("init model", "\n", "the cell: holds no config."),
        ("init model", "a = 1\nb = 2",
         "the cell: neither a Python literal (expected one config, found 2 statements) nor JSON "
         "(Expecting value: line 1 column 1 (char 0))."),
        ("init model", "[dict(type='Zeros',\n      layer=open('x'))]",
         "the cell: neither a Python literal (it holds a name or a call) nor JSON "
         "(Expecting value: line 1 column 2 (char 1))."),
        ("init model --init Zeros", "{}",
         "--init: cannot stand beside a cell: that says the rules."),
        ("diff model model", "{}", "diff takes no cell. These do: show, plan, init, migrate."),
    ],
)  # fmt: skip
def test_a_cell_that_is_no_config(notebook, line, body, message):
    weight = notebook.user_ns["model"][0].weight.clone()
    with pytest.raises(UsageError) as caught:
        notebook.run_cell_magic("brickbook", line, body)
    assert str(caught.value) == message
    assert weight.equal(notebook.user_ns["model"][0].weight)


def test_a_line_can_be_assigned_and_completed_there(shell):
    shell.run_cell("todo = %brickbook plan model --init Zeros --layer Linear")
    assert repr(shell.user_ns["todo"]) == "InitPlan: 2 of 2 parameters by a law"
    shell.Completer.use_jedi = False
    with provisionalcompleter():
        text = "todo = %brickbook plan mo"
        assert "model" in {item.text for item in shell.Completer.completions(text, len(text))}
