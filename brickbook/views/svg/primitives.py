"""SVG elements as text: what every still picture is written with."""

from __future__ import annotations

from brickbook.html import escape

__all__ = [
    "INK",
    "Style",
    "coordinate",
    "document",
    "element",
    "fill",
    "group",
    "path",
    "rect",
    "stroke",
    "text",
]

INK = "#767676"  # 4.5:1 on white, 4.2:1 on JupyterLab's dark

Number = float | int
Style = dict[str, str]


def element(tag: str, content: str | None = None, /, **attributes: str | Number | None) -> str:
    """Return an element; ``content`` is SVG, None for none.

    An attribute that is None is left out; ``_`` in its name stands for ``-``.

    >>> element("path", d="M0 1", stroke_width=1.5, id=None), element("title", "a")
    ('<path d="M0 1" stroke-width="1.5"/>', '<title>a</title>')
    """
    written = "".join(
        f' {name.replace("_", "-")}="{coordinate(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}/>" if content is None else f"<{tag}{written}>{content}</{tag}>"


def coordinate(value: str | Number) -> str:
    """Write a number of pixels, to a tenth.

    >>> coordinate(3), coordinate(2.04), coordinate(0.25), coordinate(".3")
    ('3', '2', '0.2', '.3')
    """
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def text(x: Number, y: Number, words: str, /, **attributes: str | Number | None) -> str:
    """Return words, escaped; ``y`` is their base line."""
    return element("text", escape(words), x=x, y=y, **attributes)


def path(d: str, /, **style: str | Number | None) -> str:
    """Return a path."""
    return element("path", d=d, **style)


def rect(
    x: Number, y: Number, width: Number, height: Number, /, **style: str | Number | None
) -> str:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, **style)


def group(x: Number, y: Number, content: str) -> str:
    """Move a piece of a picture to its place."""
    return element("g", content, transform=f"translate({coordinate(x)} {coordinate(y)})")


def stroke(colour: str, dash: str = "") -> Style:
    """Return the attributes of a line."""
    style = {"fill": "none", "stroke": colour, "stroke_width": "1.5"}
    return {**style, "stroke_dasharray": dash} if dash else style


def fill(colour: str) -> Style:
    """Return the attributes of a fill that lets what is behind it through."""
    return {"fill": colour, "fill_opacity": ".55"}


def document(
    width: Number, height: Number, content: str, /, **attributes: str | Number | None
) -> str:
    """Return a whole picture; its width and height stand first."""
    size = coordinate(width), coordinate(height)
    return element(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        width=size[0],
        height=size[1],
        viewBox=f"0 0 {size[0]} {size[1]}",
        **attributes,
        font_family="system-ui, sans-serif",
        font_size="11",
        fill=INK,
    )
