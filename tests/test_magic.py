"""%brickbook in a real IPython shell, without a front end."""

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from torch import nn

from brickbook import magic


@pytest.fixture
def shell():
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "brickbook")
    shell.user_ns.update(model=nn.Sequential(nn.Linear(2, 2)), resnet=nn.ReLU(), cfg=[1], text="x")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


class Front:
    """What a notebook's shell has and a terminal's has not."""


@pytest.fixture
def notebook(shell, monkeypatch):
    monkeypatch.setattr(shell, "kernel", Front(), raising=False)
    return shell


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
        ("show model --layer Linear", "--layer: there is nothing to start with: "),
        ("show model --cfg cfg --init Kaiming", "--init cannot stand beside --cfg"),
        ("show model --cfg nothing", "there is no variable 'nothing'. "),
        ("show 'model", "show 'model: No closing quotation"),
        ("build --as 1x", "--as 1x: not a name for a variable."),
        ("build cfg", "bricks[0]: cfg must be a dict, but got <class 'int'>."),
        ("build --input a,b", "--input: expected numbers like 3,32,32, got 'a,b'."),
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
    told = capsys.readouterr().out
    for verb in magic.VERBS:
        assert f"%brickbook {verb}" in told
    assert "--layer LAYER" in told and "a class the rule speaks of" in told


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


def test_text_in_a_terminal(shell):
    shell.user_ns["cfg"] = [dict(type="Linear", in_features=2, out_features=3)]
    frame = run(shell, "show model")
    assert list(frame.index) == ["0.weight", "0.bias"]
    run(shell, "build cfg --as net")
    assert shell.user_ns["net"][0].out_features == 3
    with pytest.raises(UsageError, match="there is no panel outside a notebook"):
        run(shell, "show model --init Kaiming --layer Linear")
    with pytest.raises(UsageError, match="outside a notebook: name a variable"):
        run(shell, "build")


def test_plans_and_reports_are_shown_as_tables(shell):
    shell.run_cell("from brickbook import initialize, plan, snapshot\n"
                   "cfg = dict(type='Kaiming', layer='Linear')")  # fmt: skip
    for code, word in (
        ("plan(model, cfg)", "Normal(0, 1)"),
        ("initialize(model, cfg)", "written"),
        ("snapshot(model)", "0.weight"),
    ):
        data, _ = shell.display_formatter.format(shell.ev(code))
        assert word in data["text/html"] and "<style" not in data["text/html"]
        assert "\n" not in data["text/plain"]
