"""Figures as SVG text, drawn by matplotlib in colours that the page decides.

A figure is drawn in the colours LIGHT; in its SVG they become CSS variables, and STYLE says what those
are on light and on dark paper. In a page STYLE stands once; a file of its own has it inside
(`standalone`). Words stay text, in the fonts of the page.
"""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from harness.page.text import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 720
"""Of every figure, in units of which a letter is 12 high."""

NARROW = 400
"""Of a figure that a phone shows whole."""

HEIGHT = 320
"""Of axes with their words."""

ROW = 22
"""From one row to the next, where a figure has rows."""

KEY_ROW = 17
"""From one row of keys to the next."""

LONGEST = 40
"""Characters of a name in a figure."""

MOST = 8
"""Names in a figure; the others are in its table."""

LIGHT: Mapping[str, str] = {
    "ink": "#1b1f24",
    "faint": "#59636e",
    "line": "#d1d9e0",
    "paper": "#ffffff",
    "c0": "#0067a3",
    "c1": "#b34a00",
    "c2": "#00775a",
    "c3": "#9a4a80",
    "c4": "#7d5f00",
    "c5": "#5b4fb5",
    "c6": "#c0143c",
}
"""Hues of Okabe and Ito, which people with any colour vision tell apart, as dark (on dark paper as
light) as a contrast of 4.5 to the paper asks for: names are written in them."""

DARK: Mapping[str, str] = {
    "ink": "#e6edf3",
    "faint": "#9aa4af",
    "line": "#30363d",
    "paper": "#0d1117",
    "c0": "#56b4e9",
    "c1": "#f2884b",
    "c2": "#3fcf9f",
    "c3": "#e29bc6",
    "c4": "#e0b73c",
    "c5": "#a99df0",
    "c6": "#ff7a93",
}

INK, FAINT, LINE, PAPER, *HUES = LIGHT.values()

CYCLE = (*HUES, INK)
"""A colour for each of MOST names."""

SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"

SAID = "said: "
"""Begins the ids of what shows a text under the pointer."""

MARKS = ("o", "s", "^", "D", "*")

THEME: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
    "text.parse_math": False,
    "font.size": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.formatter.limits": (-9, 9),
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "figure.facecolor": "none",
    "xaxis.labellocation": "right",
    "grid.color": LINE,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.fontsize": 11,
    "legend.frameon": False,
}


def _rules(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


STYLE = f"""\
.drawing {{ {_rules(LIGHT)} font: 12px system-ui, sans-serif; background: var(--paper); }}
@media screen and (prefers-color-scheme: dark) {{ .drawing {{ {_rules(DARK)} }} }}
"""


class Key(NamedTuple):
    """What a mark means."""

    said: str
    colour: str
    kind: str = "o"
    hollow: bool = False


def drawn(
    draw: Callable[[Axes], None],
    alt: str,
    keys: Sequence[Key] = (),
    height: float = HEIGHT,
    width: float = WIDTH,
) -> str:
    """The SVG of what `draw` puts on axes below `keys`, as one picture with `alt` as its text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rules: dict[Any, Any] = {**mpl.rcParamsDefault, **THEME}
    del rules["backend"]  # which is not a look
    with mpl.rc_context(rules), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the page's fonts have the letter
        figure = Figure(layout="constrained")
        axes = figure.add_subplot()
        axes.locator_params(nbins=6, steps=[1, 2, 5, 10])
        draw(axes)
        figure.set_size_inches(width / 72, (height + KEY_ROW * _legend(figure, keys)) / 72)
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    return _in_a_page(file.getvalue(), alt)


def _legend(figure: Figure, keys: Sequence[Key]) -> int:
    """What marks mean, above the axes; returns in how many rows."""
    from matplotlib.lines import Line2D

    if not keys:
        return 0
    words = short(key.said for key in keys)
    columns = max(1, 95 // (max(map(len, words)) + 6))
    marks = [Line2D([], [], **_look(key.colour, key.kind, key.hollow)) for key in keys]
    figure.legend(marks, words, loc="outside upper left", ncols=columns, columnspacing=1)
    return math.ceil(len(keys) / columns)


def _look(colour: str, kind: str, hollow: bool) -> dict[str, Any]:
    inside = PAPER if hollow else colour
    return {"linestyle": "", "color": colour, "marker": kind, "markerfacecolor": inside}


def point(
    axes: Axes,
    x: float,
    y: float,
    colour: str,
    kind: str = "o",
    *,
    ends: tuple[float, float] = (math.nan, math.nan),
    hollow: bool = False,
    said: str = "",
    size: float = 7,
    opacity: float = 1,
) -> None:
    """A mark with its interval upwards, if both `ends` are known; `said` shows under the pointer."""
    if all(map(math.isfinite, ends)):
        axes.plot([x, x], ends, color=colour, linewidth=1.2, alpha=opacity)
    look = _look(colour, kind, hollow)
    (mark,) = axes.plot([x], [y], markersize=size, alpha=opacity, **look)
    say(mark, said)


def coloured(names: Iterable[Hashable]) -> dict[Any, str]:
    """A colour for each of the first MOST different names, FAINT for the others."""
    different = dict.fromkeys(names)
    return {name: CYCLE[i] if i < MOST else FAINT for i, name in enumerate(different)}


def of_all(count: int, which: str) -> str:
    """What a caption says of `count` names, where MOST of them are in the figure."""
    return f"; {which}: {MOST} of {count}, the others are in the tables" * (count > MOST)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names at the left of rows 0, 1 and so on from the top."""
    axes.set_yticks(range(len(names)), short(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", labelsize=12, labelcolor=INK)
    axes.grid(visible=False, axis="y")


def say(artist: Artist, said: str) -> None:
    """Show `said` where the pointer is on the artist."""
    artist.set_gid(f"{SAID}{plain(said)}")


def logarithmic(axis: Axis, ticks: Iterable[float] = ()) -> None:
    """Make an axis logarithmic, with these values named, else 1, 2 and 5 or only powers of ten."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

    is_x = axis is axis.axes.xaxis
    (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    low, high = axis.get_data_interval()
    factors = (1, 2, 5) if high < WIDE * low else (1,)
    named = list(ticks)
    axis.set_major_locator(FixedLocator(named) if named else LogLocator(subs=factors))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:,.10g}")


WIDE = 200
"""Factor between the ends of a log axis from which on only powers of ten are named."""


def plain(text: object) -> str:
    """`text` on one line, without characters that are no text."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def short(names: Iterable[object]) -> list[str]:
    """`names` of LONGEST characters, or of as many more as it takes to tell one from the other."""
    whole = list(map(plain, names))
    cut = shortened(whole, LONGEST)
    return [cut[name] for name in whole]


def _in_a_page(svg: str, alt: str) -> str:
    """`svg` without what a page has no use for (ids, fonts, definitions), its colours as variables."""
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib wrote it
    shapes = {f"#{node.get('id')}": _rounded(node.get("d", "")) for node in root.iter(f"{SVG}path")}
    box = root.attrib["viewBox"]
    look = "drawing narrow" if float(box.split()[2]) <= NARROW else "drawing"
    named = f'role="img" aria-label="{html.escape(plain(alt))}" class="{look}"'
    size = f'xmlns="http://www.w3.org/2000/svg" viewBox="{box}"'
    return f"<svg {size} {named}>\n{_flat(root, shapes)}</svg>"


def _flat(node: ET.Element, shapes: Mapping[str, str]) -> str:
    """What is seen in `node`, a line an element; groups stay where they have a title."""
    found = []
    for child in node:
        x, y, d = (_rounded(child.get(name, "")) for name in ("x", "y", "d"))
        style, href = _style(child.get("style", "")), child.get(HREF, "")
        match child.tag.removeprefix(SVG):
            case "g":
                inside, said = _flat(child, shapes), child.get("id", "").partition(SAID)[2]
                title = f"<title>{html.escape(said)}</title>"
                found.append(f"<g>{title}\n{inside}</g>\n" if said else inside)
            case "text":
                words = html.escape(child.text or "")
                found.append(f'<text x="{x}" y="{y}" style="{style}">{words}</text>\n')
            case "use":
                place = f'd="{shapes[href]}" transform="translate({x} {y})"'
                found.append(f'<path {place} style="{style}"/>\n')
            case "path" if d and style != "fill: none":
                found.append(f'<path d="{d}" style="{style}"/>\n')
    return "".join(found)


def _rounded(numbers: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda one: f"{float(one[0]):.2f}", " ".join(numbers.split()))


def _style(style: str) -> str:
    """`style` without the font, with variables for colours."""
    kept = (part for part in style.split("; ") if not part.startswith("font-family"))
    return re.sub("#[0-9a-f]{6}", lambda one: VARIABLES.get(one[0], one[0]), "; ".join(kept))


VARIABLES = {value: f"var(--{name})" for name, value in LIGHT.items()}


def standalone(svg: str) -> str:
    """`svg` as a file of its own, which brings its colours along."""
    head, _, rest = svg.partition(">")
    return f"{head}>\n<style>\n{STYLE}</style>{rest}\n"
