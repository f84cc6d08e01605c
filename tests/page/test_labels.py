"""Names beside points: none covers another, each is near its own."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from harness.page.labels import LETTER, LINE_HEIGHT, Box, Label, label

SIZE = (300.0, 200.0)


def labelled(labels: list[Label], others: list[tuple[float, float]] = []) -> list[Annotation]:  # noqa: B006
    axes: Axes = Figure().add_subplot()
    axes.set_xlim(0, 300)
    axes.set_ylim(0, 200)  # a unit of the data is a unit of the figure
    label(axes, SIZE, labels, others)
    return [one for one in axes.texts if isinstance(one, Annotation)]


def box(one: Annotation) -> Box:
    (x, y), (right, up) = one.xy, one.xyann
    width, half = LETTER * len(one.get_text()), LINE_HEIGHT / 2
    return Box(x + right, y + up - half, x + right + width, y + up + half)


def test_names_of_points_that_lie_together_cover_neither_each_other_nor_a_point() -> None:
    places = [(100 + 4 * i, 100 + 3 * i) for i in range(4)]
    found = labelled([Label(x, y, f"name {i}", "#000000") for i, (x, y) in enumerate(places)])
    boxes = [box(one) for one in found]
    assert len(boxes) == 4
    points = [Box(x, y, x + 0.1, y + 0.1) for x, y in places]
    for i, one in enumerate(boxes):
        assert not [other for other in (*boxes[i + 1 :], *points) if one.meets(other)]


def test_a_name_stays_inside_and_stands_left_where_the_right_has_no_room() -> None:
    (one,) = labelled([Label(295, 100, "a long name", "#000000")])
    assert box(one).lies_in(Box(0, 0, *SIZE))
    assert box(one).right < 295


def test_a_name_without_room_is_left_out() -> None:
    assert labelled([Label(150, 100, "x" * 60, "#000000")]) == []
    crowd = [(float(x), float(y)) for x in range(0, 300, 8) for y in range(0, 200, 8)]
    assert labelled([Label(150, 100, "name", "#000000")], crowd) == []
