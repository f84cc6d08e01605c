from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from harness.components.abilities import Stores
from harness.components.retrievers.saved_run import SavedRun
from harness.data import Query
from harness.errors import DataError

LINES = "q1 Q0 a 1 1.0 t\nq1 Q0 b 2 3.0 t\nq1 Q0 c 3 1.0 t\nq2 Q0 a 1 0.5 t\n"


def search(file: Path, *query_ids: str, depth: int = 10) -> list[list[str]]:
    searcher = SavedRun(str(file)).index([])
    found = searcher.search([Query(query_id, "") for query_id in query_ids], depth)
    return [[hit.doc_id for hit in hits] for hits in found]


@pytest.mark.parametrize("name", ["run.trec", "run.trec.gz"])
def test_answers_by_query_id_in_the_order_of_scores(tmp_path: Path, name: str) -> None:
    content = LINES.encode()
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert search(file, "q2", "q1", "q3") == [["a"], ["b", "c", "a"], []]
    assert search(file, "q1", depth=2) == [["b", "c"]]


def test_run_of_another_dataset_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.trec"
    file.write_text(LINES)
    with pytest.raises(DataError, match=r"none of the 2 queries \(such as 'x1'\).*another dataset"):
        search(file, "x1", "x2")


def test_absent_file_is_told_by_the_identity(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.trec cannot be read: No such file"):
        SavedRun(str(tmp_path / "run.trec")).identity()


def test_bytes_of_its_index_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text(LINES)
    searcher = SavedRun(str(tmp_path / "run.trec")).index([])
    assert isinstance(searcher, Stores)
    (found,) = searcher.footprints()
    assert found.bytes is None
    assert found.unknown == "a saved run does not tell the bytes of the index that made it"
