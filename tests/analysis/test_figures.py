"""Figures from literal tables: well-formed, all of it inside, no word upon another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from harness.analysis.costs import figures
from harness.analysis.quality import figures as quality_figures
from harness.page import drawing

EVIL = '<b>&"\x00</svg>'
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


def whole() -> pd.DataFrame:
    table = arms().drop_duplicates(["system", "mode"], keep="last").reset_index(drop=True)
    value = 0.6 + 0.0001 * table.index
    carried = table["mode"] != "rerank"
    return table.assign(
        value=value, low=value - 0.02, high=value + 0.02, carried=carried, seconds=table["p50"]
    )


FLAT = [("bm25", 0.598), ("dense", 0.599), (f"{EVIL} cross", 0.6)]

DRAWN: dict[str, Callable[[], str]] = {
    "forest": lambda: quality_figures.forest(differences(), "ndcg@10", f"dense {EVIL}"),
    "no forest": lambda: quality_figures.forest(differences()[:0], "ndcg@10", "dense"),
    "storage": lambda: quality_figures.quality_against_storage(systems(), "ndcg@10", FLAT),
    "one system": lambda: quality_figures.quality_against_storage(systems()[:1], "ndcg@10", []),
    "dimensions": lambda: quality_figures.quality_against_dimension(systems(), "ndcg@10", FLAT),
    "distributions": lambda: figures.distributions(arms(), calls(), 50),
    "predicted": lambda: figures.distributions(arms(), calls(), 100),
    "candidates": lambda: figures.against_k(arms()),
    "latency": lambda: figures.quality_against_latency(whole(), "ndcg@10"),
}


class Word(NamedTuple):
    text: str
    left: float
    right: float
    y: float


def words(root: ET.Element) -> list[Word]:
    """Where the words of a drawing lie, by no less than their widths."""
    found = []
    for node in root.iter(f"{SVG}text"):
        x, wide = (
            float(node.attrib["x"]),
            drawing.width(str(node.text), float(node.attrib["font-size"])),
        )
        start = {"start": 0.0, "middle": 0.5, "end": 1.0}[node.attrib["text-anchor"]]
        left = x - start * wide
        found.append(Word(str(node.text), left, left + wide, float(node.attrib["y"])))
    return found


@pytest.fixture(params=DRAWN, name="svg")
def _svg(request: pytest.FixtureRequest) -> str:
    return DRAWN[request.param]()


def test_words_lie_inside_and_apart(svg: str) -> None:
    root = ET.fromstring(svg)
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    found = words(root)
    for word in found:
        assert word.left >= 0, word
        assert word.right <= wide, word
        assert 8 <= word.y <= high - 2, word
    for one, other in itertools.combinations(found, 2):
        apart = one.right <= other.left or other.right <= one.left or abs(one.y - other.y) >= 11
        assert apart, (one, other)


def test_points_lie_inside(svg: str) -> None:
    root = ET.fromstring(svg)
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    for node in root.iter():
        places = [tuple(map(float, p.split(","))) for p in node.get("points", "").split()]
        if "cx" in node.attrib:
            places.append((float(node.attrib["cx"]), float(node.attrib["cy"])))
        for x, y in places:
            assert 0 <= x <= wide, ET.tostring(node)
            assert 0 <= y <= high, ET.tostring(node)


@pytest.mark.parametrize("name", DRAWN)
def test_same_table_same_bytes(name: str) -> None:
    assert DRAWN[name]() == DRAWN[name]()


def test_colours_are_the_page_s(svg: str) -> None:
    assert "#" not in svg.replace("&#x27;", "")
    assert "url(" not in svg


def test_intervals_and_gains_are_where_they_belong() -> None:
    table = pd.DataFrame([("a", 0.1, 0.05, 0.15)], columns=["system", "gain", "low", "high"])
    root = ET.fromstring(quality_figures.forest(table, "m", "b"))
    (circle,) = root.iter(f"{SVG}circle")
    lines = [node.attrib["points"].split() for node in root.iter(f"{SVG}polyline")]
    ticks = {word.text: (word.left + word.right) / 2 for word in words(root)}
    unit = ticks["0.1"] - ticks["0"]
    assert float(circle.attrib["cx"]) == pytest.approx(ticks["0.1"], abs=0.02)
    whisker = [[float(v) for v in p.split(",")] for line in lines for p in line if len(line) == 2]
    xs = {round((x - ticks["0"]) / unit, 2) for x, _ in whisker}
    assert {0.5, 1.5} <= xs  # 0.05 and 0.15 in units of 0.1
    assert "+0.100 [+0.050, +0.150]" in [word.text for word in words(root)]


def test_what_is_predicted_is_hollow_and_dashed() -> None:
    root = ET.fromstring(figures.against_k(arms()))
    hollow = [node for node in root.iter(f"{SVG}polygon") if "open" in node.attrib["class"]]
    assert len(hollow) == 1
    assert hollow[0].find(f"{SVG}title") is not None
    assert sum("stroke-dasharray" in node.attrib for node in root.iter(f"{SVG}polyline")) == 1


def test_points_say_what_they_are() -> None:
    svg = quality_figures.quality_against_storage(systems(), "ndcg@10", FLAT)
    titles = [node.text for node in ET.fromstring(svg).iter(f"{SVG}title")]
    assert "one[dim=16,precision=float32]: 0.6000 [0.580, 0.630]" in titles


def test_one_model_has_a_colour_a_precision_and_two_have_one_each() -> None:
    def colours(table: pd.DataFrame) -> set[str]:
        svg = quality_figures.quality_against_dimension(table, "m", [])
        marks = [n for kind in ("circle", "polygon") for n in ET.fromstring(svg).iter(SVG + kind)]
        return {node.attrib["class"] for node in marks}

    table = systems()
    assert colours(table[table["line"] == "one"]) == {"c0", "c1", "c2", "c3"}
    assert colours(table[table["multi_vector"]]) == {"c0", "c1"}
