from __future__ import annotations

import pytest
from lab_support import conv_net

from brickbook.i18n import LANGUAGES, Texts
from brickbook.lab import InitLab
from brickbook.lab.init.tabs import TABS, LabActions, Tabs
from brickbook.lab.widgets import Section


class Recorder(Section):
    """A tab that keeps what it was shown."""

    def __init__(self, texts, actions):
        self.texts, self.actions, self.shown, self.stopped = texts, actions, [], False
        super().__init__()

    def show(self, state):
        self.shown.append(state)

    def close(self):
        self.stopped = True
        super().close()


class Failing(Recorder):
    def show(self, state):
        raise ValueError("no numbers")


@pytest.fixture
def tabs(monkeypatch):
    monkeypatch.setattr(Texts, "find", lambda texts, key: key)
    table = {"first": Recorder, "second": Recorder, "third": Failing}
    made = Tabs(Texts("en"), LabActions(print), table)
    yield made
    made.close()


def test_a_tab_is_made_when_it_is_opened_first(tabs):
    tabs.show("a")
    assert list(tabs.sections) == ["first"] and tabs.content.children == (tabs.sections["first"],)
    tabs.open_tab("second")
    assert list(tabs.sections) == ["first", "second"]
    assert tabs.content.children == (tabs.sections["second"],)


def test_only_the_open_tab_follows_and_another_is_shown_what_holds_when_it_opens(tabs):
    first = tabs.section("first")
    tabs.show("a")
    tabs.open_tab("second")
    tabs.show("b")
    assert first.shown == ["a"] and tabs.section("second").shown == ["a", "b"]
    tabs.open_tab("first")
    assert first.shown == ["a", "b"]


def test_what_a_tab_raises_is_shown_above_it_and_gone_with_it(tabs):
    tabs.show("a")
    tabs.open_tab("third")
    assert tabs.message == "ValueError: no numbers" and isinstance(tabs.last_error, ValueError)
    tabs.open_tab("first")
    assert tabs.message == ""


def test_closing_stops_every_tab(tabs):
    tabs.show("a")
    first = tabs.section("first")
    tabs.open_tab("second")
    tabs.close()
    assert first.stopped and tabs.section("second").stopped


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_tab_has_a_label(language):
    assert all(Texts(language)[f"tabs.{key}"] for key in TABS)


def test_the_state_of_a_panel_is_what_it_shows():
    net = conv_net()
    lab = InitLab(net, name="net", input_shape=(3, 8, 8))
    state = lab.lab_state()
    assert (state.model, state.name, state.rules, state.seed) == (net, "net", lab.state, 0)
    assert (state.plan, state.report, state.comparison) == (lab.plan, None, lab.comparison)
    assert state.probe_arguments == {"input_shape": (16, 3, 8, 8)} and state.problem == ""
    lab.variants.on_keep(None)
    lab.apply()
    later = lab.lab_state()
    assert later.report is lab.report and later.weights_version > state.weights_version
    assert list(later.variants) == list(later.variant_rules) == ["A"]
    lab.close()


def test_a_parameter_is_shown_from_anywhere():
    lab = InitLab(conv_net())
    lab.lab_state()
    lab.select("0.weight")
    assert lab.tabs.selected == "weights" and lab.detail.change.name == "0.weight"
    lab.close()
