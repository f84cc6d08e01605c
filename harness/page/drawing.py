"""Drawings as SVG text: what is put on them, how wide words are, and colours that the page decides.

A drawing names its colours (`ink`, `faint`, `c0` to `c6`), STYLE says what they are on light and on
dark paper. In a page, STYLE stands once; a file of its own brings it along (`standalone`).
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from harness.page.text import shortened

WIDTH = 720
"""Of every drawing, in units of which a letter is SIZE high."""

SIZE = 12
"""Of letters; small ones are SMALL."""

SMALL = 11

LONGEST = 40
"""Characters of a name in a drawing."""

STYLE = """\
.drawing { --ink: #1b1f24; --faint: #59636e; --line: #d1d9e0; --paper: #fff; --c0: #0067a3; \
--c1: #b34a00; --c2: #00775a; --c3: #9a4a80; --c4: #7d5f00; --c5: #5b4fb5; --c6: #59636e; \
font: 12px system-ui, sans-serif; color: var(--ink); background: var(--paper); }
@media screen and (prefers-color-scheme: dark) { .drawing { --ink: #e6edf3; --faint: #9aa4af; \
--line: #30363d; --paper: #0d1117; --c0: #56b4e9; --c1: #f2884b; --c2: #3fcf9f; --c3: #e29bc6; \
--c4: #e0b73c; --c5: #a99df0; --c6: #9aa4af; } }
.drawing .ink { color: var(--ink); } .drawing .faint { color: var(--faint); }
.drawing .line { color: var(--line); } .drawing .open { fill: var(--paper); }
.drawing .c0 { color: var(--c0); } .drawing .c1 { color: var(--c1); }
.drawing .c2 { color: var(--c2); } .drawing .c3 { color: var(--c3); }
.drawing .c4 { color: var(--c4); } .drawing .c5 { color: var(--c5); }
.drawing .c6 { color: var(--c6); }
"""
"""Hues of Okabe and Ito, which people with any colour vision tell apart, as dark (on dark paper as
light) as a contrast of 4.5 to the paper asks for: names are written in them."""

CYCLE = ("c0", "c1", "c2", "c3", "c4", "c5", "c6")

MARKS = ("circle", "square", "triangle", "diamond", "star")

Element = str
"""A piece of SVG."""

Attributes = Mapping[str, str | float]

WIDTHS = {
    **dict.fromkeys("Iijl'", 0.3),
    **dict.fromkeys("!()[],./:;|ft \\-r", 0.41),
    **dict.fromkeys('*"?_`Jcsz', 0.56),
    **dict.fromkeys("#&+<=>^~%@mwADGHMNOQRUVW…", 1.0),
}
"""Of letters, in parts of their size: at least those of DejaVu Sans, the widest of the common fonts."""


def tag(name: str, *inside: Element, **attributes: str | float) -> Element:
    """An element with what it holds; `_` in an attribute's name is `-`, numbers have 2 decimals."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{said}>{''.join(inside)}</{name}>" if inside else f"<{name}{said}/>"


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return html.escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def plain(text: object) -> str:
    """`text` as it may stand in XML: on one line, escaped, without characters that are no text."""
    return html.escape(" ".join("".join(c if c.isprintable() else " " for c in str(text)).split()))


def short(names: Iterable[object]) -> list[str]:
    """`names` of LONGEST characters, or of as many more as it takes to tell one from the other."""
    whole = list(map(str, names))
    cut = shortened(whole, LONGEST)
    return [cut[name] for name in whole]


def width(text: str, size: float = SIZE) -> float:
    """No less than the width of `text` in the fonts that browsers choose."""
    return size * sum(_letter(c) for c in text)


def _letter(c: str) -> float:
    return WIDTHS.get(c, 1.1 if not c.isascii() else 0.8 if c.isupper() else 0.66)


def text(
    x: float, y: float, said: str, colour: str = "", *, anchor: str = "start", small: bool = False
) -> Element:
    """Words with the middle of their letters at `y`."""
    size = SMALL if small else SIZE
    place = {"x": x, "y": y + 0.36 * size, "font_size": size}
    return tag("text", plain(said), **place, class_=colour, fill="currentColor", text_anchor=anchor)


def line(
    points: Iterable[tuple[float, float]],
    colour: str,
    thick: float = 1,
    *,
    dashed: bool = False,
    said: str = "",
) -> Element:
    """A line through points; `said` shows under the pointer."""
    path = " ".join(f"{_value(x)},{_value(y)}" for x, y in points)
    return tag(
        "polyline",
        *_title(said),
        points=path,
        class_=colour,
        fill="none",
        stroke="currentColor",
        stroke_width=thick,
        stroke_dasharray="4 3" if dashed else "",
    )


def mark(
    x: float,
    y: float,
    colour: str,
    kind: str = "circle",
    *,
    radius: float = 4,
    hollow: bool = False,
    said: str = "",
) -> Element:
    """A mark of one of MARKS, a circle with this radius; `said` shows under the pointer."""
    look = f"{colour} open" if hollow else colour
    fill = "none" if hollow else "currentColor"
    shape: Attributes = {
        "class_": look,
        "fill": fill,
        "stroke": "currentColor",
        "stroke_width": 1.2,
    }
    if kind == "circle":
        return tag("circle", *_title(said), cx=x, cy=y, r=radius, **shape)
    corners = " ".join(f"{_value(x + a)},{_value(y + b)}" for a, b in _corners(kind))
    return tag("polygon", *_title(said), points=corners, **shape)


def _corners(kind: str) -> Sequence[tuple[float, float]]:
    if kind == "star":
        turns = [(math.pi * i / 5, 7 if i % 2 == 0 else 3) for i in range(10)]
        return [(r * math.sin(a), -r * math.cos(a)) for a, r in turns]
    shapes: Mapping[str, Sequence[tuple[float, float]]] = {
        "square": [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
        "triangle": [(0, -5), (4.5, 3.5), (-4.5, 3.5)],
        "diamond": [(0, -5), (4.5, 0), (0, 5), (-4.5, 0)],
    }
    return shapes[kind]


def box(x: float, y: float, wide: float, high: float, colour: str, said: str = "") -> Element:
    """A tinted rectangle."""
    look: Attributes = {"class_": colour, "fill": "currentColor", "fill_opacity": 0.4}
    return tag("rect", *_title(said), x=x, y=y, width=max(wide, 0.5), height=high, **look)


def _title(said: str) -> list[Element]:
    return [tag("title", plain(said))] if said else []


def drawing(height: float, elements: Iterable[Element]) -> str:
    """The whole, as it stands in a page."""
    size = f"0 0 {WIDTH} {math.ceil(height)}"
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": size, "class_": "drawing"}
    return tag("svg", "\n", *(f"{element}\n" for element in elements), **attributes)


def described(svg: str, alt: str) -> str:
    """`svg` as one picture with `alt` as its text."""
    return svg.replace("<svg ", f'<svg role="img" aria-label="{plain(alt)}" ', 1)


def standalone(svg: str) -> str:
    """`svg` as a file of its own, which brings its colours along."""
    head, _, rest = svg.partition(">")
    return f"{head}>\n<style>\n{STYLE}</style>{rest}\n"
