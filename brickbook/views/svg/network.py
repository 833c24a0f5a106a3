"""A network as boxes by its layers, in an SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Collection
from textwrap import wrap

from brickbook.html import escape, format_shape, shorten_middle
from brickbook.i18n import Texts
from brickbook.measure.network import Network, NetworkNode, format_shapes
from brickbook.measure.probe import Signals
from brickbook.views.data.network_layout import BoxSize, LaidOut, Placed, lay_out
from brickbook.views.data.network_scene import Item, Scene, closed_for, make_scene
from brickbook.views.data.network_shades import (
    FAMILY_COLOURS,
    Colouring,
    Shades,
    box_extent,
    make_shades,
)
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
    coordinate,
    document,
    element,
    group,
    path,
    rect,
    text,
)

__all__ = ["MOST_BOXES", "network_picture", "network_svg"]

MOST_BOXES = 220  # groups are closed, the deepest first, until no more are shown
MIN_HEIGHT, MAX_HEIGHT, MIN_WIDTH, MAX_WIDTH = 12, 72, 10, 34
UNKNOWN_HEIGHT, UNKNOWN_WIDTH = 36, 18
LETTER, LINE = 6.1, 13  # of a letter, about; of a line
SHORT_LABEL, LONGEST_LABEL = 8, 30  # letters: up to here along, from there cut in the middle
LONGEST_TITLE, ERROR_LETTERS = 44, 30
SCALE_WIDTH = 210
MARGIN = 8
ERROR = "#CC3311"
JOIN_SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "cat": "‖", "matmul": "@"}

STYLE_SHEET = """
.bb-net{--bb-n:var(--bb-page-ink,var(--jp-ui-font-color1,#1f1f1f));
--bb-s:var(--bb-page-soft,var(--jp-ui-font-color2,#5a5a5a));
--bb-p:var(--bb-page-paper,var(--jp-layout-color1,#fff));fill:var(--bb-n)}
.bb-net .bb-paper{fill:var(--bb-p)}
.bb-net .bb-soft{fill:var(--bb-s)}
.bb-net .bb-wire,.bb-net .bb-frame{stroke:var(--bb-s)}
.bb-net .bb-error{fill:var(--bb-e,#b3290b)}
@media (prefers-color-scheme:dark){.bb-net{
--bb-n:var(--bb-page-ink,var(--jp-ui-font-color1,#e8e8e8));
--bb-s:var(--bb-page-soft,var(--jp-ui-font-color2,#aaa));
--bb-p:var(--bb-page-paper,var(--jp-layout-color1,#161616));--bb-e:#ff8a70}}
"""


def network_picture(found: Network, language: str | None = None) -> Picture:
    """Return the picture of a network for a notebook."""
    return Picture(network_svg(found, language=language), describe(found, Texts(language)))


def network_svg(
    found: Network,
    *,
    width: int = 920,
    colour: Colouring = "kind",
    signals: Signals | None = None,
    before: Signals | None = None,
    closed: Collection[int] | None = None,
    unfolded: Collection[int] = (),
    title: str = "",
    language: str | None = None,
) -> str:
    """Draw a network from left to right, in rows.

    Each layer is a box, as high as its picture or sequence is large and as wide as it has channels,
    both on a logarithmic scale; a frame is a module that others run in. Equal blocks are drawn
    once, with "×12". Where the run stopped the box is red, with the reason below it, and what is
    behind it is dashed.

    Args:
        found: What `brickbook.measure.network.network` found.
        width: Where rows end, in pixels.
        colour: By "kind", or by what ``signals`` has: the output's "std", the gradient's, "grad",
            or the share of "dead" units.
        signals: What `probe` found.
        before: What it found earlier: the left half of each box.
        closed: The places of groups that are drawn as one box; None closes the deepest until some
            200 boxes are left.
        unfolded: The place of the first item of each repeat that is drawn in full.
        title: What stands above.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    if closed is None:
        closed = closed_for(found, MOST_BOXES)
    scene = make_scene(found, closed, unfolded)
    return NetworkDrawing(scene, make_shades(colour, signals, before), texts).draw(width, title)


class NetworkDrawing:
    """What drawing a scene needs to know."""

    def __init__(self, scene: Scene, shades: Shades | None, texts: Texts) -> None:
        self.scene, self.network, self.shades, self.texts = scene, scene.network, shades, texts
        self.extents = box_extent(self.network)
        known = [one for one in self.extents if one is not None]
        self.largest = max((size for size, _ in known), default=1.0)
        self.widest = max((channels for _, channels in known), default=1.0)
        wires = [wire for frame in scene.walk() for wire in frame.wires]
        self.left = {begin for begin, _, _ in wires if isinstance(begin, int)}
        self.entered = {end for _, end, _ in wires if isinstance(end, int)}
        self.flat: dict[int, bool] = {}  # by frame: whether names stand along
        for frame in scene.walk():
            names = [self.label(item) for item in frame.inside if not item.frame]
            flat = all(len(name) <= SHORT_LABEL for name in names)
            self.flat.update((item.key, flat) for item in frame.inside)

    def draw(self, width: int, title: str) -> str:
        """Return the picture."""
        done = lay_out(self.scene, width - 2 * MARGIN, self.box_size, self.title_width)
        legend, legend_height = self.legend(width - 2 * MARGIN)
        head = 2 * MARGIN + 14 if title else MARGIN
        wide = max(width, math.ceil(done.width) + 2 * MARGIN)
        high = math.ceil(head + legend_height + done.height + MARGIN)
        said = describe(self.network, self.texts)
        drawn = element("title", escape(title or said)) + element("style", STYLE_SHEET)
        drawn += rect(0, 0, wide, high, **{"class": "bb-paper"}, fill="#fff")
        if title:
            cut = shorten_middle(title, max(20, int(width / 9)))
            drawn += text(MARGIN, MARGIN + 12, cut, font_size="15", font_weight="600")
        drawn += group(MARGIN, head, legend)
        drawn += group(MARGIN, head + legend_height, self.content(done))
        return document(wide, high, drawn, role="img", aria_label=said, **{"class": "bb-net"})

    def content(self, done: LaidOut) -> str:
        """Draw frames, wires above them, and boxes on top."""
        frames = "".join(self.frame(one) for one in done.placed if one.item.frame)
        wires = "".join(
            path(
                rounded(wire.points), **{"class": "bb-wire"}, fill="none", stroke=INK,
                stroke_width="1.2", data_from=str(wire.source),
            )
            for wire in done.wires
        )  # fmt: skip
        return frames + wires + "".join(self.box(one) for one in done.placed if not one.item.frame)

    def label(self, item: Item) -> str:
        """Return the name below a box."""
        return shorten_middle(self.network.name_within(item.at), LONGEST_LABEL)

    def box_extent(self, item: Item) -> tuple[float, float]:
        """Return width and height of a box."""
        node, known = self.network[item.at], self.extents[item.at]
        if node.family == "join" and node.kind in JOIN_SIGNS:
            return 16.0, 16.0
        if known is None:
            return UNKNOWN_WIDTH, UNKNOWN_HEIGHT
        size, channels = known
        high = MIN_HEIGHT + (MAX_HEIGHT - MIN_HEIGHT) * log_share(size, self.largest)
        wide = MIN_WIDTH + (MAX_WIDTH - MIN_WIDTH) * log_share(channels, self.widest)
        return wide, high

    def error_lines(self, item: Item) -> list[str]:
        """Return what stands below a box that stopped the run."""
        error = self.network[item.at].error
        return wrap(error, ERROR_LETTERS)[:6] if error else []

    def box_size(self, item: Item) -> BoxSize:
        """Return the cell of a box with its name and its error."""
        wide, high = self.box_extent(item)
        name = len(self.label(item)) * LETTER
        flat, lines = self.flat[item.key], self.error_lines(item)
        below = LINE if flat else name + 6
        cell = max(wide, name if flat else LINE)
        if lines:
            below += LINE * len(lines) + 4
            cell = max(cell, LETTER * max(map(len, lines)))
        above = LINE if item.count > 1 else 0
        return BoxSize(cell + 2, above + high + below + 2, above + high / 2)

    def frame_title(self, item: Item) -> str:
        """Return what stands above a frame."""
        node = self.network[item.at]
        times = f"×{item.count}" if item.count > 1 else ""
        if item.key != item.at:  # a repeat of several
            return times
        above = self.network[node.parent].name if node.parent >= 0 else ""
        name = node.name.removeprefix(f"{above}.") if above else node.name
        words = shorten_middle(f"{name} {node.kind}".strip(), LONGEST_TITLE)
        call = f"({node.call})" if node.call > 1 else ""
        return " ".join(filter(None, (words, call, times)))

    def title_width(self, item: Item) -> float:
        """Return the width of what stands above a frame, or of its error."""
        lines = self.error_lines(item) if item.key == item.at else []
        longest = max([self.frame_title(item), *lines], key=len)
        return len(longest) * LETTER + 8

    def frame(self, one: Placed) -> str:
        """Draw a frame."""
        item, node = one.item, self.network[one.item.at]
        wrong = node.state == "error" and item.key == item.at
        style = {"stroke": ERROR, "stroke_width": "2"} if wrong else {"stroke": INK}
        drawn = rect(
            one.x, one.y, one.width, one.height, rx=4, fill=INK, fill_opacity=".06", **style,
            stroke_opacity="1" if wrong else ".5", **{"class": None if wrong else "bb-frame"},
        )  # fmt: skip
        words = self.frame_title(item)
        drawn += text(one.x + 5, one.y + 12, words, font_weight="600" if item.count > 1 else None)
        tip = element("title", escape(self.tip(node) if item.key == item.at else words))
        kind = "repeat" if item.count > 1 else "group"
        return element("g", tip + drawn, data_node=str(item.at), data_kind=kind)

    def box(self, one: Placed) -> str:
        """Draw a box with its name, and how often it stands there."""
        item, node = one.item, self.network[one.item.at]
        wide, high = self.box_extent(item)
        x, y = one.x + (one.width - wide) / 2, one.y + one.axis - high / 2
        axis = coordinate(one.y + one.axis)
        right = coordinate(one.x + one.width)
        ends = f"M{coordinate(one.x)} {axis}H{coordinate(x)}" if item.key in self.entered else ""
        if item.key in self.left:
            ends += f"M{coordinate(x + wide)} {axis}H{right}"
        wire = {"class": "bb-wire", "stroke_width": "1.2"}
        drawn = path(ends, stroke=INK, **wire) if ends else ""
        drawn += rect(x, y, wide, high, rx=2, **{"class": "bb-paper"}, fill="#fff")
        drawn += self.filled(item, node, x, y, wide, high)
        if node.family == "join" and node.kind in JOIN_SIGNS:
            middle = x + wide / 2
            drawn += text(middle, y + 12, JOIN_SIGNS[node.kind], text_anchor="middle")
        if item.count > 1:
            times = f"×{item.count}"
            drawn += text(one.x + one.width / 2, y - 3, times, text_anchor="middle",
                          font_weight="600")  # fmt: skip
        name, base = self.label(item), y + high
        if self.flat[item.key]:
            drawn += text(one.x + one.width / 2, base + 11, name, text_anchor="middle")
            base += LINE
        else:
            middle, foot = one.x + one.width / 2 + 4, base + 4
            turn = f"rotate(-90 {coordinate(middle)} {coordinate(foot)})"
            drawn += text(middle, foot, name, text_anchor="end", transform=turn)
            base += len(name) * LETTER + 8
        for number, line in enumerate(self.error_lines(item)):
            drawn += text(
                one.x + one.width / 2, base + LINE * (number + 1), line, text_anchor="middle",
                fill=ERROR, **{"class": "bb-error"},
            )  # fmt: skip
        tip = element("title", escape(self.tip(node)))
        kind = "closed" if node.part == "group" else node.part
        return element("g", tip + drawn, data_node=str(item.at), data_kind=kind)

    def filled(
        self, item: Item, node: NetworkNode, x: float, y: float, wide: float, high: float
    ) -> str:
        """Draw the box itself: its colour, of two times in halves, and its border."""
        colour = FAMILY_COLOURS[node.family]
        seen = "1" if node.state in ("ok", "not run") else ".25"
        shaded = self.shades is not None and node.part in ("module", "function")
        border = {
            "stroke": INK if shaded else colour,
            "stroke_width": "1.2",
            "fill": "none",
            "rx": 2,
        }
        if node.state == "error":
            border |= {"stroke": ERROR, "stroke_width": "3"}
        elif node.state == "not reached":
            border |= {"stroke_dasharray": "3 2"}
        outline = rect(x, y, wide, high, **border)
        if node.part == "group":  # closed: a sheet behind it
            behind = rect(x + 3, y - 3, wide, high, rx=2, fill="none", stroke=colour)
            return behind + rect(x, y, wide, high, rx=2, fill=colour, fill_opacity=".35") + outline
        if node.family in ("input", "join"):
            return outline
        if self.shades is None:
            return rect(x, y, wide, high, rx=2, fill=colour, fill_opacity=seen) + outline
        after, before = (found.get(node.label) for found in (self.shades.after, self.shades.before))
        drawn = ""
        if before is not None:
            drawn += rect(x, y, wide / 2, high, fill=self.shades.colour(before))
        if after is not None:
            left = wide / 2 if before is not None else 0
            drawn += rect(x + left, y, wide - left, high, fill=self.shades.colour(after))
        return drawn + outline

    def tip(self, node: NetworkNode) -> str:
        """Return what is said of a node where the pointer rests."""
        lines = [f"{node.label}: {node.kind}" if node.part != "function" else node.label]
        if node.input or node.output:
            lines.append(f"{format_shapes(node.input)} → {format_shapes(node.output)}")
        if node.params:
            lines.append(self.texts("network.params", n=node.params))
        for key in ("before", "after") if self.shades is not None else ():
            value = getattr(self.shades, key).get(node.label)
            if value is not None and self.shades is not None:
                what = self.texts[f"network.{self.shades.quantity}"]
                lines.append(self.texts(f"network.{key}", what=what, value=self.shades.text(value)))
        if node.state not in ("ok", "error"):
            lines.append(self.texts[f"network.{node.state.replace(' ', '_')}"])
        if node.error:
            lines.append(node.error)
        return "\n".join(lines)

    def legend(self, width: float) -> tuple[str, float]:
        """Return what explains the picture, and its height."""
        texts = self.texts
        words = [texts[f"network.flow.{self.network.flow}"], texts["network.sizes"]]
        if self.network.guessed and self.network.batch:
            words.append(texts("network.guessed", shape=format_shape(self.network.batch[0])))
        lines = wrap(" ".join(words), int(width / 5.9))
        drawn = "".join(
            text(0, 11 + LINE * at, line, **{"class": "bb-soft"}) for at, line in enumerate(lines)
        )
        y = LINE * len(lines) + 4
        if self.shades is not None:
            scale, height = self.scale(self.shades, width)
            return drawn + group(0, y, scale), y + height
        shown = {self.network[item.at].family for item in self.scene.walk() if not item.frame}
        x = 0.0
        for family, colour in FAMILY_COLOURS.items():
            if family not in shown - {"join", "input"}:
                continue
            name = texts[f"network.family.{family}"]
            need = 16 + 7 * len(name) * (1.8 if texts.language == "zh" else 1) + 10
            if x and x + need > width:
                x, y = 0.0, y + LINE + 2
            drawn += rect(x, y + 2, 10, 10, rx=2, fill=colour) + text(x + 14, y + 11, name)
            x += need
        return drawn, y + LINE + 8

    def scale(self, shades: Shades, width: float) -> tuple[str, float]:
        """Return the colours of numbers between their ends, and their height."""
        name = self.texts[f"network.{shades.quantity}"]
        if shades.before:
            name = self.texts("network.halves", what=name)
        drawn, letter = text(0, 11, name), 11.5 if self.texts.language == "zh" else LETTER
        x, y = len(name) * letter + 6, 0.0
        if x + SCALE_WIDTH > width:  # below the words
            x, y = 0.0, float(LINE)
        low, middle, high = shades.ends()
        colours = text(32, 11, low, text_anchor="end")
        for at in range(21):
            value = at / 20 if shades.quantity == "dead" else 10 ** ((at / 10 - 1) * shades.decades)
            colours += rect(38 + 6 * at, 2, 6.5, 11, fill=shades.colour(value))
        colours += text(170, 11, high) + text(101, 23, middle, text_anchor="middle")
        return drawn + group(x, y, colours), y + 28


def log_share(value: float, most: float) -> float:
    """Return where a number stands between 1 and the largest, on a logarithmic scale.

    >>> log_share(1, 100), log_share(10, 100), log_share(1, 1)
    (0.0, 0.5, 0.0)
    """
    return math.log(max(1.0, value)) / math.log(most) if most > 1 else 0.0


def rounded(points: tuple[tuple[float, float], ...], radius: float = 4) -> str:
    """Return the path through corners, each rounded.

    >>> rounded(((0, 0), (10, 0), (10, 10)))
    'M0 0L6 0Q10 0 10 4L10 10'
    """
    drawn = f"M{coordinate(points[0][0])} {coordinate(points[0][1])}"
    for at in range(1, len(points) - 1):
        corner = points[at]
        ends = [toward(corner, points[other], radius) for other in (at - 1, at + 1)]
        (a, b), (c, d) = ((tuple(map(coordinate, one))) for one in ends)
        drawn += f"L{a} {b}Q{coordinate(corner[0])} {coordinate(corner[1])} {c} {d}"
    return f"{drawn}L{coordinate(points[-1][0])} {coordinate(points[-1][1])}"


def toward(
    corner: tuple[float, float], other: tuple[float, float], radius: float
) -> tuple[float, float]:
    """Return the point so far from a corner, half way to the next one at most."""
    away = math.dist(corner, other)
    share = min(radius, away / 2) / away if away else 0.0
    return tuple(c + (o - c) * share for c, o in zip(corner, other, strict=True))  # pyright: ignore[reportReturnType]


def describe(found: Network, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    layers = sum(node.part == "module" for node in found)
    said = texts("network.summary", n=layers, params=found.params)
    wrong = next((node for node in found if node.state == "error"), None)
    if wrong is not None:
        said = texts("network.stopped", text=said, layer=wrong.label, error=wrong.error)
    return said
