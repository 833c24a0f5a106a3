"""The race panel, and the race's tab of the init lab, without a browser."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from brickbook import Race
from brickbook.cli import main
from brickbook.commands import NotebookFrontend, run
from brickbook.errors import ConfigError
from brickbook.lab import InitLab, RacePanel
from brickbook.lab.race.choices import data_names
from brickbook.lab.widgets import descendants

STARTS = {"now": None, "Kaiming": {"type": "Kaiming", "layer": "Linear"}}


def mlp():
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))


def raced(section):
    section.run.click()
    section.progress.worker.wait(60)
    return section.result


def test_a_race_on_a_task_that_fits():
    model = mlp()
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    before = torch.get_rng_state()
    panel = RacePanel(model, STARTS, language="en")
    section = panel.section
    assert section.task.options == ("spirals", "class patterns")
    section.steps.value, section.seeds.value = 20, 1
    found = raced(section)
    assert isinstance(found, Race)
    assert (found.variants, found.steps, len(found.seeds)) == (("now", "Kaiming"), 20, 1)
    assert "<img" in section.picture.value
    assert all(torch.equal(kept[key], value) for key, value in model.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())
    assert panel.static().text.startswith("Race(20 steps")
    panel.close()


def test_built_in_tasks_with_their_own_models():
    panel = RacePanel(None, STARTS, language="en")
    section = panel.section
    assert "spirals" in section.task.options
    section.task.value, section.steps.value, section.seeds.value = "spirals", 20, 1
    assert raced(section).variants == ("now", "Kaiming")


def test_data_of_the_user():
    x, y = torch.randn(64, 2), torch.randint(3, (64,))
    space = {"xy": (x, y), "loader": DataLoader(TensorDataset(x, y), 16), "x": x, "_hidden": (x, y)}
    assert data_names(space) == ["loader", "xy"]
    panel = RacePanel(mlp(), STARTS, namespace=space, language="en")
    section = panel.section
    assert section.task.options[:2] == ("variable loader", "variable xy")
    section.steps.value, section.seeds.value = 20, 1
    assert raced(section).metrics == ("accuracy",)
    given = RacePanel(mlp(), STARTS, (x, y), language="en")
    assert given.section.task.options == ("data",)


def test_a_loss_that_is_no_number_is_shown_as_what_it_is():
    panel = RacePanel(mlp(), {"huge": {"type": "Constant", "val": 1e30, "layer": "Linear"}},
                      language="en")  # fmt: skip
    panel.section.steps.value, panel.section.seeds.value = 20, 1
    assert raced(panel.section).runs[0].status == "diverged"
    assert panel.notice.text == panel.section.message == ""
    assert "⚠ huge: seed 0 diverged, nan at step 0" in panel.section.picture.value


def test_cancel_keeps_what_there_is_and_ends_the_thread():
    class Slow(nn.Linear):
        def forward(self, x):
            time.sleep(0.01)
            return super().forward(x)

    panel = RacePanel(Slow(2, 3), STARTS, language="en")
    section = panel.section
    section.steps.value = 1000
    section.run.click()
    for _ in range(400):
        if section.result is not None:
            break
        time.sleep(0.02)
    section.progress.line.children[-1].click()
    section.progress.worker.wait(20)
    assert not section.progress.worker.thread.is_alive()
    assert section.message == "Stopped; what there is is shown."
    assert section.result.runs[0].status == "running"
    assert threading.active_count() < 50


def test_where_no_task_fits_the_panel_says_so():
    panel = RacePanel(nn.Linear(3, 1), STARTS, language="en")
    assert panel.section.run.disabled
    assert "Give data of your own" in panel.notice.text
    with pytest.raises(ConfigError, match="init_cfgs"):
        RacePanel(mlp(), {})


def test_a_tab_of_the_init_lab():
    model = mlp()
    lab = InitLab(model, namespace={"model": model}, language="en")
    lab.tabs.open_tab("race")
    tab = lab.tabs.sections["race"]
    tab.looking.worker.wait(60)
    assert tab.race.task.options == ("spirals", "class patterns")
    lab.variants.keep.click()
    tab.race.steps.value, tab.race.seeds.value = 20, 1
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    found = raced(tab.race)
    assert found.variants == ("as it is", "rules at hand", "A")
    assert found.curve("rules at hand") == found.curve("A")._replace(name="rules at hand")
    assert all(torch.equal(kept[key], value) for key, value in model.state_dict().items())
    assert lab.last_error is None
    assert all(part.comm is not None for part in descendants(tab))
    lab.close()


def test_the_tab_says_why_no_task_fits():
    lab = InitLab(nn.Linear(3, 1), language="en")
    lab.tabs.open_tab("race")
    tab = lab.tabs.sections["race"]
    tab.looking.worker.wait(60)
    assert tab.message.startswith("no built-in task is for inputs of shape (64, 3)")
    assert tab.race.run.disabled
    lab.close()


def test_the_command_in_a_shell_and_a_notebook(capsys):
    assert main(["race", "--task", "spirals", "--steps", "5", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert "Race(5 steps, 1 seeds: as it is" in said
    assert main(["race", "--task", "spiral", "--steps", "5"]) == 2
    assert "Did you mean 'spirals'?" in capsys.readouterr().err
    space = {"model": mlp(), "xy": (torch.randn(8, 2), torch.randint(3, (8,)))}
    panel = run(NotebookFrontend(space, has_widgets=True),
                ["race", "model", "--init", "Orthogonal"])  # fmt: skip
    assert isinstance(panel, RacePanel)
    assert list(panel.init_cfgs) == ["as it is", "Orthogonal"]
    assert panel.section.task.options == ("variable xy", "spirals", "class patterns")
    found = run(NotebookFrontend(space), ["race", "model", "--data", "xy", "--steps", "3"])
    assert isinstance(found, Race)
