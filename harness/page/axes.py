"""What stands around the points of a drawing: axes, names, and what the colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.page.drawing import (
    SIZE,
    SMALL,
    WIDTH,
    Element,
    line,
    mark,
    short,
    text,
    width,
)
from harness.page.scales import Scale, spread, thinned

ROW = 22
"""From one row to the next."""

LINE = 15
"""From one name to the next."""

GAP = 8
"""Between a name and what it names."""

LEADER = 18
"""Room for the lines that lead from points to their names."""

FOOT = 44
"""Room below a panel: values and what they are."""

HEAD = 24
"""Room above a panel: what its vertical axis shows."""


class Panel(NamedTuple):
    """Where points lie: `x` runs to the right, `y` from its start at the bottom up."""

    x: Scale
    y: Scale


class Named(NamedTuple):
    """A point with its name."""

    x: float
    y: float
    name: str
    colour: str


class Key(NamedTuple):
    """What a mark means."""

    said: str
    colour: str
    kind: str = "circle"
    hollow: bool = False


def rows(count: int, top: float) -> Scale:
    """A vertical scale with a row for each of `count` numbers, the first on top."""
    return Scale(-0.5, max(count, 1) - 0.5, top, top + ROW * max(count, 1))


def left_of(names: Sequence[str]) -> float:
    """Where a panel begins that has these names at its left."""
    return max(map(width, names), default=0) + GAP


def right_of(names: Sequence[str]) -> float:
    """Where a panel ends that has these names at its right."""
    return WIDTH - LEADER - max((width(name, SMALL) for name in short(names)), default=0) - GAP


def across(panel: Panel, said: str, ticks: Sequence[float] | None = None) -> list[Element]:
    """The horizontal axis below a panel, with lines through it."""
    scale, bottom, top = panel.x, max(panel.y[2:4]), min(panel.y[2:4])
    known = scale.ticks() if ticks is None else ticks
    widest = max((width(_number(tick), SMALL) for tick in known), default=0)
    shown = thinned(known, scale, widest + GAP)
    middle = min((scale.start + scale.end) / 2, WIDTH - width(said) / 2)
    return [
        *(line([(scale(tick), top), (scale(tick), bottom)], "line", 0.5) for tick in shown),
        *(
            text(scale(tick), bottom + 11, _number(tick), "faint", anchor="middle", small=True)
            for tick in shown
        ),
        line([(scale.start, bottom), (scale.end, bottom)], "faint"),
        text(max(middle, width(said) / 2), bottom + 31, said, "ink", anchor="middle"),
    ]


def upwards(panel: Panel, said: str) -> list[Element]:
    """The vertical axis at the left of a panel; what it shows stands above it."""
    scale, left, right = panel.y, panel.x.start, panel.x.end
    shown = thinned(scale.ticks(), scale, LINE)
    return [
        text(0, scale.end - HEAD / 2 - 2, said, "ink"),
        *(line([(left, scale(tick)), (right, scale(tick))], "line", 0.5) for tick in shown),
        *(
            text(left - GAP, scale(tick), _number(tick), "faint", anchor="end", small=True)
            for tick in shown
        ),
    ]


def _number(value: float) -> str:
    return f"{value:,.10g}"


def at_left(panel: Panel, names: Sequence[str]) -> list[Element]:
    """The names of rows."""
    return [
        text(panel.x.start - GAP, panel.y(i), name, "ink", anchor="end")
        for i, name in enumerate(names)
    ]


def at_right(panel: Panel, points: Sequence[Named]) -> list[Element]:
    """The names of points, apart from each other, with lines that lead to them."""
    ordered = sorted(points, key=lambda point: panel.y(point.y))
    wanted = [panel.y(point.y) for point in ordered]
    places = spread(wanted, LINE, panel.y.end, panel.y.start)
    found = []
    names = short(point.name for point in ordered)
    for (x, y, _, colour), name, place in zip(ordered, names, places, strict=True):
        end = panel.x.end + LEADER
        found += [
            line(
                [(panel.x(x), panel.y(y)), (panel.x.end + 3, place), (end - 3, place)], colour, 0.4
            ),
            text(end, place, name, colour, small=True),
        ]
    return found


def high_enough(names: int, least: float = 260) -> float:
    """How high a panel must be that names so many points at its right."""
    return max(least, LINE * names)


def legend(keys: Sequence[Key]) -> tuple[list[Element], float]:
    """What marks mean, on as many lines as they need from the top on; and how high that is."""
    found: list[Element] = []
    x, y = float(GAP), SIZE / 2 + 2
    for key in keys:
        wide = GAP + 4 + width(key.said) + 2 * GAP
        if x + wide > WIDTH and x > GAP:
            x, y = GAP, y + LINE + 2
        found.append(mark(x, y, key.colour, key.kind, hollow=key.hollow))
        found.append(text(x + GAP + 4, y, key.said, "ink"))
        x += wide
    return found, (y + LINE if keys else 0)


AXIS = 64
"""Room for the values of a vertical axis."""
