"""Histograms as one still picture: SVG that any viewer shows, with no kernel and no script."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from brickbook.errors import BadValueError, nearest
from brickbook.measure.comparisons import Pair, pair
from brickbook.texts import Texts
from brickbook.views.theory import body, curve, is_constant

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.laws import Law
    from brickbook.measure import Comparison

__all__ = ["Picture", "comparison_picture"]

BEFORE, AFTER = "#0072B2", "#D55E00"  # Okabe and Ito's pair; outline and fill are the second cue
SAME = "#808080"  # the fill of what is untouched
INK = "#767676"  # 4.5:1 on white, 4.2:1 on JupyterLab's dark
WIDE, HIGH, GAP = 280, 190, 12
PLOT = (8, 40, WIDE - 16, 96)  # left, top, width, height within a cell
POINT = 9  # the bar of a constant is so many times narrower than the axis


@dataclass(frozen=True)
class Picture:
    """An SVG text, with words for those who do not see it."""

    svg: str
    words: str

    def __repr__(self) -> str:
        return f"Picture({self.words})"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        alt = escape(self.words, quote=True)
        return f'<img alt="{alt}" src="data:image/svg+xml;base64,{data}" style="max-width: 100%">'


def comparison_picture(
    comparison: Comparison,
    plan: InitPlan | None = None,
    *,
    names: Iterable[str] | None = None,
    columns: int = 2,
    language: str | None = None,
) -> Picture:
    """Draw the histograms of some tensors (all parameters, if ``names`` is None).

    Before is an outline, after a fill over the same bins, a grey one where nothing has changed, the
    density of the plan's law a dashed line. ``language`` is "en" or "zh", None for the reader's.
    Raises ValueError for a name that the comparison does not have.
    """
    texts = Texts(language)
    chosen = list(
        names if names is not None else (n for n, p in comparison.items() if p.kind == "parameter")
    )
    cells = []
    for name in chosen:
        if name not in comparison:
            raise BadValueError("names", f"there is no tensor {name!r}.", nearest(name, comparison))
        law = plan[name].law if plan is not None and name in plan else None
        cells.append(cell(comparison[name], law, texts))
    columns = max(1, min(columns, len(cells)))
    rows = -(-len(cells) // columns)
    width, height = columns * (WIDE + GAP) - GAP, 24 + rows * (HIGH + GAP) - GAP
    body = "".join(
        f'<g transform="translate({at % columns * (WIDE + GAP)} '
        f'{24 + at // columns * (HIGH + GAP)})">{text}</g>'
        for at, text in enumerate(cells)
    )
    untouched = any(not comparison[name].changed for name in chosen)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="11" '
        f'fill="{INK}">{legend(texts, untouched)}{body}</svg>'
    )
    return Picture(svg, texts("picture.told", n=len(cells)))


def legend(texts: Texts, untouched: bool = False) -> str:
    """Say what outline, fills and line are."""
    same = (
        f'<rect x="200" y="4" width="16" height="10" {filled(SAME)}/>'
        f'<text x="222" y="13">{escape(texts["grid.untouched"])}</text>'
    )
    return (
        f'<path d="M2 14V4h16v10" fill="none" stroke="{BEFORE}" stroke-width="1.5"/>'
        f'<text x="24" y="13">{escape(texts["grid.before"])}</text>'
        f'<rect x="76" y="4" width="16" height="10" {filled(AFTER)}/>'
        f'<text x="98" y="13">{escape(texts["grid.after"])}</text>'
        f'<path d="M142 9h18" stroke="{INK}" stroke-width="1.5" stroke-dasharray="4 2"/>'
        f'<text x="166" y="13">{escape(texts["grid.law"])}</text>{same if untouched else ""}'
    )


def filled(colour: str) -> str:
    """The attributes of a fill."""
    return f'fill="{colour}" fill-opacity=".55"'


def cell(item: Pair, law: Law | None, texts: Texts) -> str:
    """Draw one tensor: name, shape and law, the bars, the ends of the axis, the numbers."""
    if law is not None and is_point(item):
        item = pair(item.before, item.after, cover=body(law, 3.0))  # the law has to be seen
    shape = " × ".join(map(str, item.latest.shape)) or texts["grid.scalar"]
    told = f"{shape}{f'  {law}' if law is not None else ''}"
    drawn = words(item.name, told, texts["grid.comma"].join(numbers(item, law, texts)))
    if not item.counts_after:
        return drawn
    if is_point(item):
        return drawn + all_are(item.latest.mean or 0.0, texts) + bars(item, law)
    return drawn + ends(item.edges[0], item.edges[-1]) + bars(item, law)


def is_point(item: Pair) -> bool:
    """Whether there is one value only, before and after."""
    return len(item.counts_after) == 1 and item.latest.std == 0


def numbers(item: Pair, law: Law | None, texts: Texts) -> Iterator[str]:
    """Say what is found and what it should be; of a constant the mean says more than the std."""
    key = "mean" if law is not None and law.std == 0 else "std"
    now, was = (getattr(side, key, None) for side in (item.latest, item.before))
    yield texts(f"grid.{key}", x=short(now)) if now is not None else texts["holes.none"]
    if law is not None:
        yield texts("grid.expected", x=short(getattr(law, key)))
    elif not item.changed:
        yield texts["grid.untouched"]
    elif item.status == "changed" and was is not None:
        yield texts("grid.was", x=short(was))


def words(name: str, told: str, found: str) -> str:
    """The three lines of a cell and its axis."""
    left, top, width, height = PLOT
    base = top + height
    return (
        f'<text x="{left}" y="14" font-weight="600">{escape(clipped(name, 40))}</text>'
        f'<text x="{left}" y="30">{escape(clipped(told, 48))}</text>'
        f'<text x="{left}" y="{base + 36}">{escape(clipped(found, 56))}</text>'
        f'<path d="M{left} {base + 0.5}h{width}" stroke="{INK}" stroke-width="1"/>'
    )


def ends(low: float, high: float) -> str:
    """The two ends of the axis."""
    left, top, width, height = PLOT
    y = top + height + 16
    return (
        f'<text x="{left}" y="{y}">{short(low)}</text>'
        f'<text x="{left + width}" y="{y}" text-anchor="end">{short(high)}</text>'
    )


def all_are(value: float, texts: Texts) -> str:
    """What stands below the axis where there is one value only."""
    left, top, width, height = PLOT
    told = escape(texts("grid.all_are", x=short(value)))
    return (
        f'<text x="{left + width / 2:g}" y="{top + height + 16}" text-anchor="middle">{told}</text>'
    )


def bars(item: Pair, law: Law | None) -> str:
    """Draw the two histograms and the law over common bins; the highest bar fills the height.

    A constant is a bar in the middle, wherever it is in its bin.
    """
    left, top, width, height = PLOT
    base = top + height
    low, high = item.edges[0], item.edges[-1]
    if is_point(item):
        value, half = item.latest.mean or 0.0, (high - low) * POINT / 2
        low, high = value - half, value + half
    total = sum(item.counts_after)
    xs, ys = curve(law, total * item.width) if law is not None else ([], [])
    tallest = max(*item.counts_before, *item.counts_after, 1)
    scale = height / max(tallest, max(ys, default=0) if max(ys, default=0) < 2 * tallest else 0)

    def x_of(value: float) -> float:
        return left + width * (value - low) / (high - low)

    after, before = (
        (0,) * (POINT // 2) + counts + (0,) * (POINT // 2) if is_point(item) else counts
        for counts in (item.counts_after, item.counts_before)
    )
    drawn = steps(after, scale, filled(AFTER if item.changed else SAME)) + steps(
        before, scale, f'fill="none" stroke="{BEFORE}" stroke-width="1.5"'
    )
    line = f'fill="none" stroke="{INK}" stroke-width="1.5" stroke-dasharray="4 2"'
    constant = law is not None and is_constant(law)
    for value, share in law.atoms if law is not None else ():
        if low <= value <= high:
            tall = height if constant else min(height, share * total * scale)
            middle = min(int((value - low) / item.width), len(after) - 1) + 0.5  # of its bin
            x = left + width * middle / len(after)
            drawn += f'<path d="M{x:.1f} {base - tall:g}v{tall:g}" {line}/>'
    inside = [
        f"{x_of(x):.1f} {base - min(height, y * scale):.1f}"
        for x, y in zip(xs, ys, strict=True)
        if low <= x <= high
    ]
    return drawn + (f'<path d="M{"L".join(inside)}" {line}/>' if inside else "")


def steps(counts: Sequence[int], scale: float, style: str) -> str:
    """Draw counts as one stepped path."""
    if not any(counts):
        return ""
    left, top, width, height = PLOT
    base, each = top + height, width / len(counts)
    path = f"M{left} {base}" + "".join(
        f"V{base - count * scale:.1f}H{left + (at + 1) * each:.1f}"
        for at, count in enumerate(counts)
    )
    return f'<path d="{path}V{base}" {style}/>'


def short(value: float) -> str:
    """Write a number with four digits at most."""
    return f"{value:.3g}".replace("-", "−")


def clipped(text: str, most: int) -> str:
    """Cut the middle out of a text that is too long: the end of a name says most."""
    return text if len(text) <= most else f"{text[: most // 3]}…{text[-(most - most // 3 - 1) :]}"
