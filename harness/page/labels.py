"""Names beside the points of a figure, where they cover no other point and no other name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE_HEIGHT = 6.4, 13.0
"""How wide a letter is at most on average, and how high a line, in units of the figure."""

REACHES = (7.0, 11.0, 16.0, 22.0, 30.0, 40.0)
"""How far a name may stand from its point, the nearest first."""

MARK = 5.0
"""Half the width of a point."""


class Label(NamedTuple):
    """A name and the point that it is of."""

    x: float
    y: float
    said: str
    colour: str


class Box(NamedTuple):
    """A part of the axes that something covers."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: Box) -> bool:
        """Whether two boxes have a point in common."""
        apart = self.left >= other.right or other.left >= self.right
        return not (apart or self.low >= other.high or other.low >= self.high)

    def lies_in(self, other: Box) -> bool:
        """Whether the other has it whole."""
        inside = self.left >= other.left and self.right <= other.right
        return inside and self.low >= other.low and self.high <= other.high


def label(
    axes: Axes,
    size: tuple[float, float],
    labels: Sequence[Label],
    others: Sequence[tuple[float, float]] = (),
) -> None:
    """Write each name near its point, the first ones first; one that finds no room is left out.

    `size` is that of the axes in units of the figure; `others` are points without a name.
    """
    whole = Box(0, 0, *size)
    to_axes = axes.transScale + axes.transLimits
    points = [(one.x, one.y) for one in labels] + list(others)
    axes.get_xlim()  # sets the limits by what was drawn
    places = [(x * size[0], y * size[1]) for x, y in to_axes.transform(points)] if points else []
    taken = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in places]
    for one, (x, y) in zip(labels, places, strict=False):
        for box in _around(x, y, LETTER * len(one.said)):
            if box.lies_in(whole) and not any(map(box.meets, taken)):
                taken.append(box)
                _write(axes, one, ((box.left - x), (box.low + box.high) / 2 - y))
                break


def _around(x: float, y: float, width: float) -> Iterator[Box]:
    """Where a text of that width may stand: right, left, above and below, farther and farther away."""
    half = LINE_HEIGHT / 2
    for reach in REACHES:
        up, down = y + reach + half, y - reach - half
        for left, middle in (
            (x + reach, y),
            (x - reach - width, y),
            (x - width / 2, up),
            (x - width / 2, down),
            (x + reach / 2, up),
            (x + reach / 2, down),
            (x - reach / 2 - width, up),
            (x - reach / 2 - width, down),
        ):
            yield Box(left, middle - half, left + width, middle + half)


def _write(axes: Axes, one: Label, offset: tuple[float, float]) -> None:
    """With a line to its point, which may be nearer to others."""
    axes.annotate(
        one.said,
        (one.x, one.y),
        offset,
        textcoords="offset points",
        color=one.colour,
        size=11,
        verticalalignment="center",
        arrowprops={"arrowstyle": "-", "color": one.colour, "linewidth": 0.6, "shrinkB": 3},
    )
