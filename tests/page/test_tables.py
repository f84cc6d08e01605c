from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.page import tables


def test_what_stands_apart_is_in_italics() -> None:
    assert tables.apart("a|b") == r"*a\|b*"
    assert tables.apart(" ") == ""


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        ("0.5977 [0.564, 0.632]", 0.5977),
        ("-0.0221 [-0.047, +0.003]", -0.0221),
        ("+0.06", 0.06),
        ("1,234,567", 1234567.0),
        ("1,100 [1,000, -]", 1100.0),
        ("130 / 37 / 133", 130.0),
        ("11.0 / n/a", 11.0),
        ("predicted 2,200", 2200.0),
        ("~5,630", 5630.0),
        ("19%", 19.0),
        ("+25.0%", 25.0),
        ("2.00 [no interval]", 2.0),
        ("never", math.inf),
        ("predicted never", math.inf),
        ("n/a", None),
        ("n/a / n/a", None),
        ("-", None),
        ("", None),
        ("not measured", None),
        ("predicted", None),
        ("float16", "float16"),
        ("2 systems", "2 systems"),
        ("2026-01-02", "2026-01-02"),
        ("1 of 2", "1 of 2"),
        ("1.2.3", "1.2.3"),
        ("12abc", "12abc"),
        (",", ","),
    ],
)
def test_what_a_cell_is_sorted_by(cell: str, key: float | str | None) -> None:
    assert tables.sort_key(cell) == key


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_formatted_numbers_are_read_again(value: float) -> None:
    assert tables.sort_key(f"{value:,.3f} [1, 2]") == float(f"{value:.3f}")


@given(st.text())
def test_any_text_has_a_key(cell: str) -> None:
    tables.sort_key(cell)


def test_columns_of_numbers() -> None:
    rows = [["a", "1.0 [0, 2]", "n/a", "384", "12"], ["b", "n/a", "n/a", "float16", "13"]]
    table = tables.Table(["name", "value", "absent", "mixed", "said"], rows, prose=(4,))
    assert table.kinds() == ["word", "number", "number", "word", "prose"]
    assert table._replace(prose=(-1, 0)).kinds()[0] == "prose"
    assert tables.Table(["name", "value"], []).kinds() == ["word", "word"]


VARIANTS = tables.Table(
    ["system", "how", "ms", "verdict", "said"],
    [
        ["late[dim=8]", "ahead", "1,200 [1, 2]", "in", "a"],
        ["base", "alone", "3.0", "in", ""],
        ["late[dim=4]", "ahead", "900 / n/a", "OUT", "b"],
        ["late[dim=2]", "ahead", "not measured: no weights here", "in", ""],
        ["late[dim=8]", "fly", "> 9", "in", "c"],
    ],
    apart=(4,),
    prose=(-1,),
    named_by=2,
)


def test_variants_of_one_system_are_one_group() -> None:
    late, base, fly = VARIANTS.groups()
    assert late == (
        ["late (3 variants)", "ahead", "900 to 1,200", "in (2), OUT (1)", ""],
        [0, 2, 3],
    )
    assert base == (VARIANTS.rows[1], [1])
    assert fly == (VARIANTS.rows[4], [4])  # another way, alone in it
    short = VARIANTS.collapsed()
    assert [row[0] for row in short.rows] == ["late (3 variants)", "base", "late[dim=8]"]
    assert short.apart == [2]


@pytest.mark.parametrize(
    ("cells", "one"),
    [
        (["1.0 [0, 2]", "1.0 [0, 2]"], "1.0 [0, 2]"),
        (["+0.02 [0, 1]", "-0.10 [0, 1]", "n/a"], "-0.10 to +0.02"),
        (["27%", "8%"], "8% to 27%"),
        (["> 291 (2.9 times)", "> 510"], "> 291 to 510"),
        (["<= 12", "> 510"], ""),  # no range of the two
        (["n/a", "not measured"], ""),
        (["open (> 40)", "open (> 30)", "open"], "open"),
        (["open (> 40)", "in", "open"], "open (2), in (1)"),
        (["a", "b", "c", "d"], ""),  # more words than one counts
    ],
)
def test_what_stands_for_several_cells(cells: list[str], one: str) -> None:
    rows = [[f"late[dim={i}]", cell] for i, cell in enumerate(cells)]
    (group,) = tables.Table(["system", "value"], rows).groups()
    assert group.head == [f"late ({len(cells)} variants)", one]


def test_only_systems_have_variants() -> None:
    rows = [["late[dim=1]", "1"], ["late[dim=2]", "2"]]
    assert len(tables.Table(["query", "value"], rows).groups()) == 2


def test_the_range_of_a_group_is_sorted_by_its_lower_end() -> None:
    assert tables.sort_key("900 to 1,200") == 900
    assert tables.sort_key("not measured: no weights here") is None
