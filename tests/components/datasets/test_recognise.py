from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, QUERIES, write_beir
from tables import tables, write_csv

from harness.components.datasets._recognise import UnclearError, recognised
from harness.components.datasets.files import Files
from harness.components.datasets.table import Table
from harness.errors import DataError


def write_tsv(folder: Path) -> Path:
    for name, texts in (("collection", DOCS), ("queries", QUERIES)):
        (folder / f"{name}.tsv").write_text("".join(f"{k}\t{v}\n" for k, v in texts.items()))
    (folder / "qrels").mkdir()
    (folder / "qrels/test.tsv").write_text("q1 0 d2 1\n")
    return folder


def load(spec: dict[str, Any]) -> Any:
    kinds = {"files": Files, "table": Table}
    return kinds[spec.pop("use")](**spec).load()


def test_a_beir_folder(tmp_path: Path) -> None:
    write_beir(tmp_path)
    assert recognised(tmp_path, {}) == {"use": "files", "path": str(tmp_path)}


def test_a_packed_one_with_another_split(tmp_path: Path) -> None:
    write_beir(tmp_path)
    corpus = tmp_path / "corpus.jsonl"
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.read_bytes()))
    corpus.unlink()
    (tmp_path / "qrels/test.tsv").rename(tmp_path / "qrels/dev.tsv")
    found = recognised(tmp_path, {})
    assert found == {"use": "files", "path": str(tmp_path), "split": "dev"}
    assert len(load(found).docs) == 5


def test_four_columns_are_trecs(tmp_path: Path) -> None:
    write_beir(tmp_path)
    (tmp_path / "qrels/test.tsv").write_text("q1 0 d2 1\n")
    assert recognised(tmp_path, {})["format"] == "trec"


def test_ms_marcos_files(tmp_path: Path) -> None:
    found = recognised(write_tsv(tmp_path), {})
    assert found == {"use": "files", "path": str(tmp_path), "format": "tsv"}
    assert len(load(found).queries) == 1


def test_judgements_beside_the_others(tmp_path: Path) -> None:
    write_tsv(tmp_path)
    (tmp_path / "qrels/test.tsv").rename(tmp_path / "qrels.dev.tsv")
    assert recognised(tmp_path, {})["qrels"] == "qrels.dev.tsv"


def test_without_judgements(tmp_path: Path) -> None:
    write_beir(tmp_path)
    (tmp_path / "qrels/test.tsv").unlink()
    assert recognised(tmp_path, {})["qrels"] == "none"
    assert len(load(recognised(tmp_path, {})).queries) == len(QUERIES)


def test_tables_by_the_names_of_files_and_columns(tmp_path: Path) -> None:
    spec = tables(tmp_path)
    found = recognised(tmp_path, {"query_text": "words"})
    assert found == {"use": "table", "path": str(tmp_path), **spec}
    assert len(load(found).docs) == 5


def test_a_column_that_no_name_gives_away_is_asked_for(tmp_path: Path) -> None:
    tables(tmp_path)
    with pytest.raises(UnclearError) as unclear:
        recognised(tmp_path, {})
    (question,) = unclear.value.questions
    assert question.setting == "query_text"
    assert question.choices == ["qid", "words"]
    assert "Say --column query_text=NAME; there are qid, words." in str(unclear.value)


def shop(folder: Path, doc_id: str) -> None:
    """Tables whose documents have an id by this name, in their own file and in the judgements."""
    write_csv(folder / "products.csv", [doc_id, "about"], [("a", "red wool")])
    write_csv(folder / "searches.csv", ["qid", "words"], [("q", "wool")])
    write_csv(folder / "ratings.csv", ["qid", doc_id, "rating"], [("q", "a", 1)])


def test_all_that_is_open_is_asked_at_once(tmp_path: Path) -> None:
    shop(tmp_path, "article")
    with pytest.raises(UnclearError) as unclear:
        recognised(tmp_path, {})
    asked = [question.setting for question in unclear.value.questions]
    assert asked == ["doc_id", "doc_text", "query_text", "judged_doc"]
    assert "Which column of products.csv has the texts of the documents?" in str(unclear.value)


def test_judgements_name_a_document_as_its_own_file_does(tmp_path: Path) -> None:
    shop(tmp_path, "article")
    said = {"doc_id": "article", "doc_text": "about", "query_text": "words"}
    assert recognised(tmp_path, said)["judged_doc"] == "article"


def test_an_id_of_judgements_may_be_their_own(tmp_path: Path) -> None:
    shop(tmp_path, "id")
    with pytest.raises(UnclearError) as unclear:
        recognised(tmp_path, {"doc_text": "about", "query_text": "words"})
    assert [question.setting for question in unclear.value.questions] == ["judged_doc"]


def test_a_file_of_another_part_is_not_offered(tmp_path: Path) -> None:
    shop(tmp_path, "sku")
    (tmp_path / "ratings.csv").unlink()
    found = recognised(tmp_path, {"doc_text": "about", "query_text": "words"})
    assert found["qrels"] == "none"


def test_two_files_that_could_be_the_queries(tmp_path: Path) -> None:
    tables(tmp_path)
    write_csv(tmp_path / "more_searches.csv", ["qid", "words"], [])
    with pytest.raises(
        UnclearError, match=r"Say --queries=NAME; there are more_searches\.csv, sear"
    ):
        recognised(tmp_path, {"query_text": "words"})
    said = {"query_text": "words", "queries": "searches.csv"}
    assert recognised(tmp_path, said)["queries"] == "searches.csv"


def test_an_empty_table(tmp_path: Path) -> None:
    tables(tmp_path)
    write_csv(tmp_path / "searches.csv", ["qid", "words"], [])
    with pytest.raises(DataError, match=r"searches\.csv has no rows"):
        recognised(tmp_path, {})


def test_nothing_that_could_be_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no documents and queries that can be read"):
        recognised(tmp_path, {})
    with pytest.raises(DataError, match="does not exist"):
        recognised(tmp_path / "none", {})
    (tmp_path / "notes.md").write_text("none")
    with pytest.raises(DataError, match="is a file: name the folder"):
        recognised(tmp_path / "notes.md", {})
