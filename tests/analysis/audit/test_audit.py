"""Somebody else's table: how it is read, what its queries can show, what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.analysis.audit.judge import MEAN, judge
from harness.analysis.audit.table import read
from harness.analysis.audit.text import as_text
from harness.errors import DataError

MEANS = """system,scifact,trec-covid
queries,400,100
BM25,0.600,0.60
dense,0.630,0.65
reranker,0.700,
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return file


def test_what_means_can_show(tmp_path: Path) -> None:
    scifact, covid, mean = judge(read(written(tmp_path, MEANS)), None)
    # Three pairs: z(1 - 0.05 / 6) = 2.3940; times 0.15 and 0.30 over the root of 400 queries.
    assert scifact.visible == pytest.approx((2.3940 * 0.0075, 2.3940 * 0.015), rel=1e-4)
    verdicts = {(one.better, one.worse): one.verdict for one in scifact.pairs}
    assert verdicts == {
        ("reranker", "dense"): "clear",
        ("reranker", "BM25"): "clear",
        ("dense", "BM25"): "open",
    }
    # One pair: z = 1.95996 and 0.84162 for a power of 0.8.
    (pair,) = covid.pairs
    assert covid.visible == pytest.approx((1.95996 * 0.015, 1.95996 * 0.03), rel=1e-4)
    assert pair.verdict == "open"
    assert pair.factor == pytest.approx(
        ((2.80158 * 0.015 / 0.05) ** 2, (2.80158 * 0.03 / 0.05) ** 2), rel=1e-4
    )
    # The reranker has no value on trec-covid. Standard error: 0.15 sqrt(1/400 + 1/100) / 2.
    assert (mean.dataset, mean.queries, len(mean.pairs)) == (MEAN, 500, 1)
    assert mean.visible[0] == pytest.approx(1.95996 * 0.15 * np.sqrt(0.0125) / 2, rel=1e-4)
    assert mean.pairs[0].difference == pytest.approx(0.04)


def test_a_deviation_that_is_given_leaves_nothing_open(tmp_path: Path) -> None:
    table = read(written(tmp_path, MEANS))
    scifact, *_ = judge(table, 0.3)
    assert scifact.visible == pytest.approx((2.3940 * 0.015,) * 2, rel=1e-4)
    assert [pair.verdict for pair in scifact.pairs] == ["clear", "clear", "too close"]
    assert "Open" not in as_text("table.csv", table, judge(table, 0.3), 0.3)


def test_percentages_are_the_same_table(tmp_path: Path) -> None:
    plain = judge(read(written(tmp_path, MEANS)), None)
    percent = MEANS.replace("0.600,0.60", "60.0,60").replace("0.630,0.65", "63,65")
    table = read(written(tmp_path, percent.replace("0.700", "70")))
    assert table.percent
    for one, other in zip(judge(table, None), plain, strict=True):
        assert one.visible == pytest.approx(other.visible)
        assert [pair.difference for pair in one.pairs] == pytest.approx(
            [pair.difference for pair in other.pairs]
        )


def of_queries(changes: list[float]) -> str:
    lines = ["system,dataset,query,value"]
    for query, change in enumerate(changes):
        lines += [f"dense,mine,{query},0.4", f"reranker,mine,{query},{0.4 + change}"]
    return "\n".join(lines) + "\n"


def test_values_of_queries_are_tested_as_they_are(tmp_path: Path) -> None:
    """All of 8 queries won: 2 of the 256 flips of signs are as far from 0, p = 0.0078."""
    table = read(written(tmp_path, of_queries([0.1] * 7 + [0.2])))
    (mine,) = judge(table, None)
    assert [(pair.better, pair.worse, pair.verdict) for pair in mine.pairs] == [
        ("reranker", "dense", "clear")
    ]
    assert mine.pairs[0].difference == pytest.approx(0.9 / 8)
    assert "Nothing is assumed" in as_text("mine.csv", table, [mine], None)
    (mine,) = judge(read(written(tmp_path, of_queries([0.1, -0.1, 0.2, -0.1, 0.1, -0.1]))), None)
    assert mine.pairs[0].verdict == "too close"


def test_a_dataset_of_one_system_has_no_pairs(tmp_path: Path) -> None:
    lone = "".join(f"dense,other,{query},0.5\n" for query in range(3))
    table = read(written(tmp_path, of_queries([0.1, 0.2, 0.1]) + lone))
    mine, other = judge(table, None)
    assert (len(mine.pairs), len(other.pairs)) == (1, 0)
    assert "other: fewer than two systems." in as_text("t", table, [mine, other], None)


def test_what_is_said(tmp_path: Path) -> None:
    table = read(written(tmp_path, MEANS))
    text = as_text("table.csv", table, judge(table, None), None)
    assert max(map(len, text.splitlines())) < 80
    words = " ".join(text.split())
    assert "table.csv: 3 systems, 2 datasets, means. Assumed:" in words
    assert "scifact: reranker is first. It beats all others." in words
    # 0.71 to 2.8 times 100 queries
    assert "Open: BM25 (+0.050). Up to 280 queries would" in words
    assert f"{MEAN}: dense is first. It beats all others." in words


def test_systems_that_are_equal_are_settled_by_no_queries(tmp_path: Path) -> None:
    table = read(written(tmp_path, "system,d\nqueries,50\na,0.5\nb,0.5\n"))
    text = as_text("t", table, judge(table, None), None)
    assert "No feasible number of queries would separate it from b." in " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no table"),
        ("name,d\nqueries,5\n", "expected the columns system and one a dataset"),
        ("system,d\na,0.5\nb,0.6\n", "a row 'queries' must say"),
        ("system,d\nqueries,0\na,0.5\nb,0.6\n", "d has 0 queries"),
        ("system,d\nqueries,\na,0.5\nb,0.6\n", "d has no queries"),
        ("system,d\nqueries,2.5\na,0.5\nb,0.6\n", "d has 2.5 queries"),
        ("system,d\nqueries,9\na,0.5\n", "two systems are needed"),
        ("system,d\nqueries,9\na,0.5\na,0.6\n", "two rows are called 'a'"),
        ("system,d\nqueries,9\na,high\nb,0.6\n", "'high' in column 'd' is no number"),
        ("system,d\nqueries,9\na,-0.1\nb,0.6\n", "a measure lies between"),
        ("system,d\nqueries,9\na,nan\nb,1e999\n", "a measure lies between"),
        ("system,d\nqueries,9\na,0.5,0.6\nb,0.6\n", "is no table"),
        ("system,dataset,query,value\na,d,1,0.5\na,d,1,0.6\n", ":3: a second value for a, d, 1"),
        ("system,dataset,query,value\na,d,1,0.5\nb,d,2,0.6\n", "a has no value for query 2 of d"),
        ("system,dataset,query,value\na,d,1,\nb,d,1,0.6\n", "a has no value for query 1 of d"),
        ("system,dataset,query,value\na,d,1,0.5\na,d,2,0.5\n", "two systems are needed"),
        ("system,dataset,query,value\na,d,1,0.5\nb,d,1,0.6\n", "d has one query"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as refused:
        judge(read(written(tmp_path, text)), None)
    assert message in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(b"system,d\nqueries,5\n\xff\xfe,0.5\n")
    with pytest.raises(DataError, match="is no table"):
        read(file)
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "absent.csv")
