"""``draw`` in the shell and in a notebook."""

import sys

import pytest
from torch import nn

from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.measure import Network
from brickbook.views.export import from_json

MODEL = """
from torch import nn

def make_model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(512, 4))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn.py").write_text(MODEL)
    yield tmp_path
    sys.modules.pop("drawn", None)


@pytest.mark.parametrize("file, begin", [
    ("net.svg", "<svg "), ("net.html", "<!DOCTYPE html>"), ("net.csv", "label,name,"),
])  # fmt: skip
def test_a_picture_in_a_file(folder, capsys, file, begin):
    line = ["draw", "drawn.py:make_model", "--input", "3,10,10", "--out", file]
    assert main(line) == 0
    size = (folder / file).stat().st_size
    assert capsys.readouterr().out == f"{file}: {size:,} bytes\n"
    assert (folder / file).read_text(encoding="utf-8").startswith(begin)
    assert main(line) == 2 and "is there already." in capsys.readouterr().err
    assert main([*line, "--force"]) == 0


def test_an_error_of_shapes_is_drawn_and_said(folder, capsys):
    assert main(["draw", "drawn.py:make_model", "--input", "3,9,9", "--out", "net.json"]) == 0
    assert "takes 512, gets 392." in capsys.readouterr().err
    found = from_json((folder / "net.json").read_text())
    assert isinstance(found, Network) and found.error == "takes 512, gets 392."


def test_a_table_in_a_shell_without_a_file(folder, capsys):
    assert main(["draw", "drawn.py:make_model", "--input", "3,10,10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Network(3 layer calls, 2,276 parameters, by a run on 1×3×10×10)"


def test_a_picture_in_a_notebook():
    session = NotebookFrontend({"net": nn.Sequential(nn.Linear(8, 4))})
    found = run(session, ["draw", "net", "--input", "8"])
    assert isinstance(found, Network)
    assert "data:image/svg+xml;base64," in found._repr_mimebundle_()["text/html"]
    with pytest.raises(ConfigError) as caught:
        run(session, ["draw", "net", "--input", "8", "--batch", "1,8"])
    assert str(caught.value) == "--input: cannot stand beside --batch: that has a shape."
