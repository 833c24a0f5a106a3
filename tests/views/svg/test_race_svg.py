"""The picture of a race: lines, bands, crosses, names, and words for those who do not see it."""

import base64
import math
import re
from xml.etree import ElementTree

import pytest

from brickbook.measure.race import Race, Run
from brickbook.views.data.race_curves import LinearAxis, LogarithmicAxis, race_panels
from brickbook.views.svg.race import race_svg
from brickbook.views.text import text

CHANCE = math.log(4)


def run(variant, seed, losses, status="finished"):
    shares = tuple(0.1 * at for at in range(len(losses)))
    return Run(variant, seed, status, tuple(losses), {"accuracy": shares}, expected_loss=CHANCE)


RACE = Race(
    (
        run("Kaiming", 0, (1.4, 1.0, 0.8, 0.5)),
        run("Kaiming", 1, (1.6, 1.2, 0.8, 0.7)),
        run("<img onerror=x>", 0, (2.0, 1.9, 1.8, 1.7)),
        run("<img onerror=x>", 1, (2.0, math.nan), "diverged"),
    ),
    steps=4,
)
SUMMARY = (
    "Loss over the steps: Kaiming: from 1.5 to 0.6; "
    "<img onerror=x>: from 2 to 2, seed 1 diverged, nan at step 1"
)


def parts(svg, tag):
    return list(ElementTree.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def test_what_is_drawn():
    svg = race_svg(RACE)
    paths = parts(svg, "path")
    bands = [path for path in paths if path.get("fill-opacity") == ".18"]
    thin = [path for path in paths if path.get("stroke-opacity") == ".45"]
    crosses = [path for path in paths if "m0 -6l-6 6" in path.get("d")]
    assert (len(bands), len(thin), len(crosses)) == (1, 1, 1)
    assert parts(svg, "title")[0].text == SUMMARY
    assert parts(svg, "title")[1].text == "<img onerror=x>: seed 1 diverged, nan at step 1"
    words = [each.text for each in parts(svg, "text")]
    assert {"Loss", "accuracy", "chance", "step", "3", "Kaiming", "<img onerror=x>"} <= set(words)
    assert words.count("Kaiming") == 2 and "<img" not in svg


def test_names_at_the_ends_do_not_lie_on_each_other():
    many = Race(tuple(run(f"v{at}", 0, (1.0, 1.0)) for at in range(6)), 2)
    places = [float(each.get("y")) for each in parts(race_svg(many), "text")
              if re.fullmatch(r"v\d", each.text)]  # fmt: skip
    for panel in (places[:6], places[6:]):
        assert min(b - a for a, b in zip(sorted(panel), sorted(panel)[1:], strict=False)) >= 13


def test_losses_over_many_decades_are_logarithmic_and_end_where_nothing_can_be_read():
    far = Race((run("a", 0, (1e12, 1e20, 2.0)), run("b", 0, (1.4, 0.2, 0.01))), 3)
    loss, accuracy = race_panels(far)
    assert loss.axis == LogarithmicAxis(0.01, 2.0) and loss.cut
    assert accuracy.axis == LinearAxis(0.0, 0.2) and not accuracy.cut
    assert "≥" in race_svg(far) and "≥" not in race_svg(RACE)


@pytest.mark.parametrize("losses", [(), (1.0,), (0.0, 0.0), (-1.0, -2.0), (math.nan,)])
def test_any_race_is_drawn(losses):
    status = "diverged" if losses and losses[-1] != losses[-1] else "finished"
    svg = race_svg(Race((run("a", 0, losses, status), Run("b", 0, "lost", problem="x")), 3))
    assert "nan" not in re.sub('<title>.*?</title>|aria-label="[^"]*"', "", svg)


def test_the_picture_of_an_untrusted_notebook_and_the_text():
    html = RACE._repr_html_()
    kept, data = re.match(
        r'<img alt="([^"]*)" src="data:image/svg.xml;base64,([^"]+)"', html
    ).groups()
    assert kept == SUMMARY.replace("<", "&lt;").replace(">", "&gt;")
    assert base64.b64decode(data).decode().startswith("<svg ")
    assert "<script" not in html and "onerror=x>" not in html
    assert (
        text(RACE)
        == """\
variant          loss        last  low  high  accuracy        last  low  high
Kaiming          1.5   █▅▂▁  0.6   0.5  0.7   0         ▁▃▆█  0.3   0.3  0.3
<img onerror=x>  2     ▁     2     2    2     0         ▁     0     0    0
⚠ <img onerror=x>, seed 1: the loss is nan at step 1.
Race(4 steps, 2 seeds: Kaiming 1.5 █▅▂▁ 0.6, <img onerror=x> 2 ▁ 2, 1 diverged)"""
    )


def test_in_chinese():
    assert "第 1 步为 nan" in race_svg(RACE, language="zh")
