"""Figures from literal tables: what is drawn and named, in the page's colours, whatever the names."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from harness.analysis.costs import figures
from harness.analysis.quality import figures as quality_figures
from harness.page import drawing
from harness.page.blocks import Figure

EVIL = '<b>&"\x00</svg>$x_{1}$ #0067a3'
SVG = "{http://www.w3.org/2000/svg}"


def systems(dims: int = 4) -> pd.DataFrame:
    """Token systems of two models at all precisions, one vector, all close to each other."""
    names = itertools.product(["one", f"other {EVIL}"], range(dims), quality_figures.PRECISIONS)
    rows = [
        {
            "system": f"{model}[dim={2 ** (4 + dim)},precision={precision}]",
            "line": model,
            "dim": 2 ** (4 + dim),
            "precision": precision,
            "multi_vector": True,
            "gb_per_million_documents": 1.5 * 2**dim / (1 + len(precision)),
            "value": 0.6 + 0.001 * dim,
            "low": 0.58,
            "high": 0.63 if precision != "int8" else math.nan,
        }
        for model, dim, precision in names
    ]
    rows.append(rows[0] | {"system": "dense", "multi_vector": False, "value": 0.59})
    return pd.DataFrame(rows)


def differences() -> pd.DataFrame:
    rows = [
        (f"{EVIL} {i} {'x' * 60}", 0.01 * i, 0.01 * i - 0.02, 0.01 * i + 0.02) for i in range(16)
    ]
    rows.append(("alone", 0.01, math.nan, math.nan))
    return pd.DataFrame(rows, columns=["system", "gain", "low", "high"])


def arms() -> pd.DataFrame:
    """Sixteen late systems and a cross-encoder, the last k predicted."""
    rows = [
        {"system": f"late {i}", "mode": "precomputed", "k": k, "p50": 0.01 + 1e-5 * i * k}
        for i in range(16)
        for k in (10, 50, 100)
    ]
    rows += [{"system": EVIL, "mode": "rerank", "k": k, "p50": 0.1 * k} for k in (10, 50, 100)]
    rows.append({"system": "dense", "mode": "retrieve", "k": 100, "p50": 0.005})
    table = pd.DataFrame(rows)
    slow = (table["mode"] == "rerank") & (table["k"] == 100)
    return table.assign(status=slow.map({True: "predicted", False: "measured"}))


def calls() -> pd.DataFrame:
    return arms()[["system", "mode", "k"]].merge(
        pd.DataFrame({"seconds": [0.01, 0.012, 0.013, 0.02]}), how="cross"
    )


FLAT = [("bm25", 0.598), ("dense", 0.599), (f"{EVIL} cross", 0.6)]

DRAWN: dict[str, Callable[[], Figure]] = {
    "forest": lambda: quality_figures.forest(differences(), "ndcg@10", f"dense {EVIL}", "a"),
    "storage": lambda: quality_figures.quality_against_storage(systems(), "ndcg@10", FLAT, "a"),
    "one system": lambda: quality_figures.quality_against_storage(systems()[:1], "m", [], "a"),
    "distributions": lambda: figures.distributions(arms(), calls(), 50, "cpu", "a"),
    "predicted": lambda: figures.distributions(arms(), calls(), 100, "cpu", "a"),
    "candidates": lambda: figures.against_k(arms(), "cpu", "a"),
}


def words(figure: Figure) -> list[str]:
    return [str(node.text) for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


def titles(figure: Figure) -> list[str]:
    """What shows under the pointer."""
    return [str(node.text) for node in ET.fromstring(figure.svg).iter(f"{SVG}title")]


def styles(svg: str) -> list[str]:
    return [node.get("style", "") for node in ET.fromstring(svg).iter()]


@pytest.fixture(params=DRAWN, name="figure")
def _figure(request: pytest.FixtureRequest) -> Figure:
    return DRAWN[request.param]()


@pytest.mark.parametrize("name", DRAWN)
def test_same_table_same_bytes(name: str) -> None:
    assert DRAWN[name]().svg == DRAWN[name]().svg


def test_colours_are_the_page_s(figure: Figure) -> None:
    assert not [style for style in styles(figure.svg) if "#" in style or "url(" in style]
    used = set(re.findall(r"var\(--(\w+)\)", figure.svg))
    assert used <= set(drawing.LIGHT)


def test_nothing_has_an_id_that_another_figure_may_have(figure: Figure) -> None:
    nodes = list(ET.fromstring(figure.svg).iter())
    assert not [node.attrib for node in nodes if any("id" in key for key in node.attrib)]
    assert {node.tag for node in nodes} <= {
        SVG + kind for kind in ("svg", "g", "title", "path", "text")
    }


def test_a_figure_says_what_it_is(figure: Figure) -> None:
    root = ET.fromstring(figure.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == drawing.plain(figure.alt)


def test_points_lie_inside(figure: Figure) -> None:
    root = ET.fromstring(figure.svg)
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    for node in root.iter(f"{SVG}path"):
        numbers = re.findall(r"-?[\d.]+", node.get("transform") or node.attrib["d"])
        places = [float(number) for number in numbers]
        assert all(0 <= x <= wide for x in places[::2]), ET.tostring(node)
        assert all(0 <= y <= high for y in places[1::2]), ET.tostring(node)


def named(figure: Figure, systems: Iterable[str]) -> list[str]:
    """The systems whose names are in the figure, whole or begun."""
    found = words(figure)
    return [name for name in systems if any(word.startswith(drawing.plain(name)) for word in found)]


def test_no_more_than_eight_are_named_and_the_caption_says_so() -> None:
    forest = DRAWN["forest"]()
    assert len([word for word in words(forest) if word.startswith("<b>")]) == drawing.MOST
    assert "8 of 17, the others are in the tables" in forest.alt
    assert len([title for title in titles(forest) if title.startswith("<b>")]) == drawing.MOST
    assert "in the tables" not in DRAWN["one system"]().alt


def test_every_mode_is_among_those_that_are_named() -> None:
    boxes, curves = DRAWN["distributions"](), DRAWN["candidates"]()
    late = [f"late {i}" for i in range(16)]
    assert named(boxes, ["dense", EVIL, *late]) == ["dense", EVIL, *late[:6]]  # the fastest
    assert named(curves, [f"{EVIL}, rerank"]) == [f"{EVIL}, rerank"]
    assert len(named(curves, [f"{name}, precomputed" for name in late])) == 7
    assert len({title.partition(",")[0] for title in titles(curves)}) == 17  # all are drawn


def test_intervals_and_gains_are_where_they_belong() -> None:
    table = pd.DataFrame([("a", 0.1, 0.05, 0.15)], columns=["system", "gain", "low", "high"])
    root = ET.fromstring(quality_figures.forest(table, "m", "b", "f").svg)
    ticks = {str(node.text): float(node.get("x", "")) for node in root.iter(f"{SVG}text")}
    unit = (ticks["0.10"] - ticks["0.00"]) / 0.1
    ink = [node for node in root.iter(f"{SVG}path") if "var(--ink)" in node.attrib["style"]]
    whisker, mark = (re.findall(r"[\d.]+", n.get("transform") or n.attrib["d"]) for n in ink)
    xs = [(float(x) - ticks["0.00"]) / unit for x in (whisker[0], whisker[2], mark[0])]
    assert xs == pytest.approx([0.05, 0.15, 0.1], abs=1e-4)
    assert "a: +0.100 [+0.050, +0.150]" in titles(quality_figures.forest(table, "m", "b", "f"))


def test_what_is_predicted_is_hollow_and_dashed() -> None:
    drawn = [style for style in styles(DRAWN["candidates"]().svg) if "fill: none" in style]
    hollow = [s for s in styles(DRAWN["candidates"]().svg) if s.startswith("fill: var(--paper)")]
    assert len(hollow) == 2  # the point and the key
    assert sum("stroke-dasharray" in style for style in drawn) == 1
    assert f"{drawing.plain(EVIL)}, k = 100: predicted 10,000 ms" in titles(DRAWN["candidates"]())


def test_a_box_says_its_percentiles() -> None:
    assert "dense, percentiles 5 25 50 75 95: 10.3 11.5 12.5 14.8 19.0" in titles(
        DRAWN["distributions"]()
    )
    assert "dense, percentiles" in " ".join(titles(DRAWN["predicted"]()))
    assert f"{drawing.plain(EVIL)}: predicted 10,000 ms" in titles(DRAWN["predicted"]())


def test_points_say_what_they_are_and_how_many_dimensions_they_have() -> None:
    figure = DRAWN["storage"]()
    assert "one[dim=16,precision=float32]: 0.6000 [0.580, 0.630]" in titles(figure)
    assert "bm25: 0.5980" in titles(figure)
    found = words(figure)
    assert {str(2 ** (4 + dim)): 8 for dim in range(4)} == {
        str(2 ** (4 + dim)): found.count(str(2 ** (4 + dim))) for dim in range(4)
    }
    assert "dimensions" in figure.alt
    assert "dimensions" not in DRAWN["one system"]().alt


def test_every_curve_and_system_has_a_colour_until_there_are_eight() -> None:
    table = systems()
    figure = quality_figures.quality_against_storage(
        table[table["line"] == "one"], "m", FLAT[:1], "a"
    )
    keys = ["token vectors, float32", "token vectors, binary", "dense", "bm25"]
    assert named(figure, keys) == keys
    assert len(set(re.findall(r"stroke: var\(--c\d\)", figure.svg))) == 6
    assert "one[dim=16,precision=float32]" in words(DRAWN["one system"]())
    many = DRAWN["storage"]()
    assert "8 of 11" in many.alt
    assert "dense" not in words(many)
    assert [title for title in titles(many) if title.startswith("dense: ")]
