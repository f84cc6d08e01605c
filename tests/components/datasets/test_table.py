from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import DOCS, QRELS, QUERIES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import tables, write_csv

from harness.components.datasets.table import Table, rows
from harness.data import Doc, Query
from harness.errors import DataError


def test_three_kinds_of_files_make_one_dataset(tmp_path: Path) -> None:
    dataset = Table(path=str(tmp_path), **tables(tmp_path)).load()
    first, *rest = DOCS.items()
    assert list(dataset.docs) == [
        Doc(first[0], f"Fruit {first[1]}"),
        *(Doc(*doc) for doc in rest),
    ]
    assert list(dataset.queries) == [Query(*query) for query in QUERIES.items()]
    assert dataset.qrels == QRELS
    assert dataset.name == tmp_path.name


def test_without_grades_each_pair_is_relevant(tmp_path: Path) -> None:
    spec = tables(tmp_path) | {"qrels": "clicks.tsv"}
    write_csv(tmp_path / "clicks.tsv", ["qid", "pid"], [("q1", "d2")])
    dataset = Table(path=str(tmp_path), **{**spec, "relevance": None}).load()
    assert dataset.qrels == {"q1": {"d2": 1}}


def test_numbers_are_ids(tmp_path: Path) -> None:
    spec = tables(tmp_path) | {"qrels": "clicks.csv", "relevance": "rating"}
    pq.write_table(
        pa.table({"pid": [7], "body": ["red apple"], "name": [None]}), tmp_path / "articles.parquet"
    )
    write_csv(tmp_path / "clicks.csv", ["qid", "pid", "rating"], [("q1", "7", "2.0")])
    dataset = Table(path=str(tmp_path), **spec).load()
    assert list(dataset.docs) == [Doc("7", "red apple")]
    assert dataset.qrels == {"q1": {"7": 2}}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "d.csv",
            "pid,body\nd1,red\nd2,green,pear\n",
            "d.csv:3: expected 2 fields, as the first line has, found 3",
        ),
        ("d.csv", "pid,pid\nd1,red\n", "d.csv:1: two columns have the same name"),
        (
            "d.csv",
            "pid;text\nd1;red, green\n",
            "d.csv:1: expected commas between the columns, as the file's ending says, found semicolons",
        ),
        (
            "d.tsv",
            "pid,text\nd1,red\n",
            "d.tsv:1: expected tabs between the columns, as the file's ending says, found commas",
        ),
        ("d.csv", 'pid,body\nd1,"red\n', "d.csv:2: unexpected end of data"),
        (
            "d.csv",
            "pid,text\nd1,red\n",
            "d.csv:2: there is no column 'body'; there are 'pid', 'text'",
        ),
        ("d.csv", "pid,body\nd1,red\nd1,green\n", "d.csv:3: the id 'd1' occurs a second time"),
        ("d.csv", "pid,body\nd 1,red\n", "d.csv:2: the id 'd 1' contains white space"),
        (
            "d.jsonl",
            '{"pid": 1.5, "body": "red"}\n',
            "d.jsonl:1: expected an id under 'pid', found 1.5",
        ),
        ("d.jsonl", '{"pid": "d1", "body": 3}\n', "d.jsonl:1: expected text under 'body', found 3"),
        ("d.jsonl", "[1]\n", "d.jsonl:1: expected a JSON object, found list"),
        ("d.parquet", "no", "d.parquet cannot be read as Parquet"),
        ("d.xlsx", "no", "expected a file that ends with .csv, .tsv, .jsonl or .parquet"),
        ("d.csv", "pid,body\n", "has no documents"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    spec: dict[str, Any] = tables(tmp_path) | {"corpus": name, "doc_title": None}
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        Table(path=str(tmp_path), **spec).load()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("grade", "fits"), [("1", True), ("0", True), ("x", False), ("1.5", False), ("", False)]
)
def test_a_grade_is_a_whole_number(tmp_path: Path, grade: str, fits: bool) -> None:
    spec = tables(tmp_path) | {"qrels": "j.csv"}
    write_csv(tmp_path / "j.csv", ["qid", "pid", "rating"], [("q1", "d1", grade)])
    source = Table(path=str(tmp_path), **spec)
    if fits:
        assert source.load().qrels == {"q1": {"d1": int(grade)}}
    else:
        with pytest.raises(DataError, match=r"j\.csv:2: expected a whole number under 'rating'"):
            source.load()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    spec = tables(tmp_path) | {"queries": "other.csv"}
    with pytest.raises(DataError, match="The file of the queries does not exist"):
        Table(path=str(tmp_path), **spec).load()


CELLS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\ufeff"), max_size=20
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.sampled_from([".csv", ".tsv"]))
def test_rows_are_those_that_csv_wrote(
    tmp_path: Path, values: list[tuple[str, str]], ending: str
) -> None:
    file = tmp_path / f"rows{ending}"
    write_csv(file, ["a", "b"], values)
    assert [tuple(row.values()) for _, row in rows(file)] == values
