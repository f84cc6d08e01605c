from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.page import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SVG = "{http://www.w3.org/2000/svg}"


def dot(said: str, colour: str = drawing.INK, kind: str = "o", *, hollow: bool = False) -> str:
    """A figure of one point with a name, a key and a title."""

    def draw(axes: Axes) -> None:
        drawing.point(axes, 1, 0, colour, kind, ends=(-1, 1), hollow=hollow, said=said)
        drawing.name_rows(axes, [said])

    return drawing.drawn(draw, said, [drawing.Key(said, colour, kind, hollow)])


@settings(max_examples=20, deadline=None)  # a drawing takes a tenth of a second
@given(st.text(min_size=1))
@example("_a")
@example("$x_1$ \\frac & <b> ' \" #0067a3")
@example("two\nlines")
def test_any_text_is_well_formed(said: str) -> None:
    svg = dot(said)
    root = ET.fromstring(svg)
    plain = drawing.plain(said)
    assert root.get("aria-label") == plain
    assert [str(node.text) for node in root.iter(f"{SVG}title")] == [plain] * bool(plain)
    words = [str(node.text) for node in root.iter(f"{SVG}text")]
    assert words.count(drawing.short([said])[0]) == (2 if plain.strip() else 0)
    ET.fromstring(drawing.standalone(svg))


@pytest.mark.parametrize("kind", drawing.MARKS)
def test_every_mark_is_drawn(kind: str) -> None:
    solid, hollow = (dot("a", drawing.CYCLE[1], kind, hollow=hollow) for hollow in (False, True))
    assert solid.count("fill: var(--c1)") == 2  # the point and its key
    assert hollow.count("fill: var(--paper)") == 2


def test_an_interval_that_is_not_known_is_not_drawn() -> None:
    def lines(*ends: float) -> int:
        low, high = ends
        svg = drawing.drawn(
            lambda axes: drawing.point(axes, 1, 1, drawing.INK, ends=(low, high)), "a"
        )
        return svg.count("stroke: var(--ink); stroke-width: 1.2")

    assert [lines(0, 2), lines(math.nan, math.nan), lines(0, math.inf)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1, 100), ["1", "2", "5", "10", "20", "50", "100"]),
        ((1, 1000), ["1", "10", "100", "1,000"]),
        ((0.002, 0.04), ["0.002", "0.005", "0.01", "0.02"]),
        (
            (3.1, 3.4),
            ["3.1", "3.15", "3.2", "3.25", "3.3", "3.35", "3.4"],
        ),  # no 1, 2 or 5 lies between
    ],
)
def test_values_of_a_log_axis(values: tuple[float, float], named: list[str]) -> None:
    def draw(axes: Axes) -> None:
        for value in values:
            drawing.point(axes, value, 0, drawing.INK)
        drawing.logarithmic(axes.xaxis)
        axes.set_yticks([])

    words = [str(node.text) for node in ET.fromstring(drawing.drawn(draw, "a")).iter(f"{SVG}text")]
    assert words == named


def test_settings_of_the_user_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dot("a")
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 9)
    monkeypatch.setitem(mpl.rcParams, "axes.grid", False)
    settings_of_the_user = dict(mpl.rcParams)
    assert dot("a") == before
    assert dict(mpl.rcParams) == settings_of_the_user


def test_long_names_lose_their_middle() -> None:
    name = "a" * 50 + "[precision=int8]"
    cut, other = drawing.short([name, "a"])
    assert len(cut) == drawing.LONGEST
    assert cut.endswith("[precision=int8]")
    assert other == "a"


def test_long_names_stay_apart() -> None:
    middles = ["b" * 30 + middle + "c" * 30 for middle in ("x", "y")]
    assert len(set(drawing.short(middles))) == 2


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme: int) -> None:
    named = (drawing.LIGHT, drawing.DARK)[scheme]
    assert named.keys() == drawing.LIGHT.keys()
    paper = luminance(named["paper"][1:])
    for name in named.keys() - {"line", "paper"}:
        assert f"--{name}: {named[name]};" in drawing.STYLE.split("@media")[scheme]
        lighter, darker = sorted((luminance(named[name][1:]), paper), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name  # WCAG's AA for text
