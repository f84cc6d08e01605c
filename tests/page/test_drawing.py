from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.page import drawing


@given(st.text())
def test_any_text_is_well_formed(said: str) -> None:
    elements = [drawing.text(1, 2, said), drawing.mark(1, 2, "c0", said=said)]
    svg = drawing.described(drawing.drawing(10, elements), said)
    root = ET.fromstring(svg)
    assert root.get("aria-label") == " ".join(
        "".join(c if c.isprintable() else " " for c in said).split()
    )
    ET.fromstring(drawing.standalone(svg))


@pytest.mark.parametrize("kind", drawing.MARKS)
def test_every_mark_is_drawn(kind: str) -> None:
    solid, hollow = drawing.mark(5, 5, "c1", kind), drawing.mark(5, 5, "c1", kind, hollow=True)
    assert 'fill="currentColor"' in solid
    assert 'fill="none"' in hollow


def test_attributes() -> None:
    assert drawing.tag("a", stroke_width=1.0, class_="x", y=0.126, none="") == (
        '<a stroke-width="1" class="x" y="0.13"/>'
    )
    assert drawing.tag("a", "b", href='"<&') == '<a href="&quot;&lt;&amp;">b</a>'


def test_widths_are_those_of_a_wide_font() -> None:
    # advances of DejaVu Sans in parts of its size, from the font's own tables
    known = {"maxsim[dim=384,precision=float16]": 18.57, "WWWWMMMM": 7.41, "illlll": 1.67}
    for name, ems in known.items():
        assert ems <= drawing.width(name, 1) <= 1.35 * ems


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
    digits = "".join(c * 2 for c in colour) if len(colour) == 3 else colour
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme: int) -> None:
    rules = drawing.STYLE.split("@media")[scheme]
    named = {
        name: value
        for rule in rules.split(";")
        if "--" in rule
        for name, _, value in [rule.partition("--")[2].partition(": #")]
    }
    paper = luminance(named["paper"])
    for name in ("ink", "faint", *drawing.CYCLE):
        lighter, darker = sorted((luminance(named[name]), paper), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name  # WCAG's AA for text
