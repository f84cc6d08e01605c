from __future__ import annotations

import math
import typing
from pathlib import Path

import bm25s
import pytest
from fruit import BM25, lines, refused, run, write
from fruit import DOCS as FRUIT
from hypothesis import given
from hypothesis import strategies as st

from harness.components.abilities import Stores
from harness.components.retrievers.bm25 import Bm25, Language
from harness.data import Doc, Query
from harness.errors import ConfigError
from harness.experiment.reading import load_experiment
from harness.files import temporary

DOCS = [Doc("a", "apple apple pear"), Doc("b", "apple plum"), Doc("c", "kiwi")]


def search(text: str, docs: list[Doc], depth: int = 10, **fields: float) -> list[tuple[str, float]]:
    (hits,) = Bm25(**fields).index(docs).search([Query("q", text)], depth)
    return [(hit.doc_id, hit.score) for hit in hits]


def weight(count: int, length: int, found_in: int, k1: float = 1.2, b: float = 0.75) -> float:
    """Lucene's BM25 of one word over DOCS: 3 documents, 2 words each on average."""
    idf = math.log(1 + (3 - found_in + 0.5) / (found_in + 0.5))
    return idf * count / (count + k1 * (1 - b + b * length / 2))


@pytest.mark.parametrize("fields", [{}, {"k1": 0.9, "b": 0.4}, {"b": 0.0}])
def test_formula_by_hand(fields: dict[str, float]) -> None:
    # apple is in two documents, pear in one; a has 3 words, b has 2
    expected = {
        "a": weight(2, 3, 2, **fields) + weight(1, 3, 1, **fields),
        "b": weight(1, 2, 2, **fields),
    }
    assert dict(search("apple pear", DOCS, **fields)) == pytest.approx(expected, rel=1e-6)


def test_word_that_is_asked_twice_counts_twice() -> None:
    assert dict(search("kiwi kiwi", DOCS))["c"] == pytest.approx(2 * weight(1, 1, 1), rel=1e-6)


def test_documents_without_a_word_of_the_query_are_no_hits() -> None:
    assert [doc_id for doc_id, _ in search("kiwi", DOCS)] == ["c"]


@pytest.mark.parametrize("text", ["", "the of and", "zebra", "?!"])
def test_query_without_known_words_has_no_hits(text: str) -> None:
    assert search(text, DOCS) == []


def test_words_are_stemmed_and_stop_words_left_out() -> None:
    assert Bm25().words(["The running apples", ""]) == [["run", "appl"], []]


def test_ties_at_the_cut_go_to_the_greater_id_whatever_the_order() -> None:
    docs = [Doc(f"d{i}", "apple") for i in range(9)]
    for ordered in (docs, docs[::-1]):
        assert [doc_id for doc_id, _ in search("apple", ordered, depth=3)] == ["d8", "d7", "d6"]


def test_empty_documents_are_indexed() -> None:
    docs = [Doc("a", ""), Doc("b", "apple")]
    assert [doc_id for doc_id, _ in search("apple", docs)] == ["b"]


def test_footprint_is_of_each_term_of_a_document(tmp_path: Path) -> None:
    searcher = Bm25().index(DOCS)
    assert isinstance(searcher, Stores)
    (found,) = searcher.footprints()
    # apple and pear, apple and plum, kiwi: a document and a score of 4 bytes each
    assert found[:6] == ("terms", 3, 5, 1, "float32", 5 * 8)
    searcher.index.save(tmp_path, show_progress=False)  # type: ignore[attr-defined]
    assert found.disk_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())


@given(
    st.lists(st.text("ab cd苹果é .", max_size=30) | st.sampled_from(["the running apples", "of"])),
    st.lists(st.text("ab cd苹果é .", max_size=10), min_size=1, max_size=3),
)
def test_scores_are_those_of_an_index_of_words(texts: list[str], queries: list[str]) -> None:
    system, texts = Bm25(), [*texts, "one word"]
    expected = bm25s.BM25(k1=system.k1, b=system.b)
    expected.index(system.words(texts), show_progress=False)
    docs = [Doc(f"d{i}", text) for i, text in enumerate(texts)]
    found = system.index(docs).search([Query("q", text) for text in queries], len(texts))
    for hits, words in zip(found, system.words(queries), strict=True):
        scores = expected.get_scores(words) if words else [0.0] * len(texts)
        known = {f"d{i}": score for i, score in enumerate(scores) if score > 0}
        assert {hit.doc_id: hit.score for hit in hits} == known  # to the last bit


def test_the_same_texts_are_indexed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    first = search("apple pear", DOCS)
    (made,) = (tmp_path / "indexes").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(Bm25, "_write", None)  # none is made again, whatever the ids
        renamed = [Doc(doc.doc_id.upper(), doc.text) for doc in DOCS]
        assert search("apple pear", renamed) == [(name.upper(), score) for name, score in first]
    assert search("apple pear", DOCS, b=0.0) != first
    (made / "data.csc.index.npy").write_bytes(b"damaged")
    assert search("apple pear", DOCS) == first
    assert len(list((tmp_path / "indexes").glob("bm25-*"))) == 2
    assert len(list((tmp_path / "indexes").glob(".damaged-*"))) == 1


CHINESE = {
    "d1": "苹果派配肉桂和黄油",
    "d2": "早晨的青苹果汁",
    "d3": "慢慢烤的香蕉面包",
    "d4": "装着新轮胎的红色汽车",
    "d5": "蓝色自行车和红色头盔",
    "d6": "整个星期山里都在下雨",
    "d7": "海边阳光明媚的一周",
    "d8": "秋天的苹果园",
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("苹果派", ["苹果", "果派"]),
        ("苹", ["苹"]),
        ("the red 汽车s, USB充電", ["red", "汽车", "usb", "充電"]),
        ("リンゴのパイ", ["リン", "ンゴ", "ゴの", "のパ", "パイ"]),
        ("ขนมปัง", ["ขน", "นม", "มป", "ปั", "ัง"]),
        ("苹果。派", ["苹果", "派"]),
        ("사과 파이", ["사과", "파이"]),  # Korean has blanks
        ("яблоки", ["яблоки"]),
    ],
)
def test_words_of_scripts_without_blanks_are_pairs(text: str, words: list[str]) -> None:
    assert Bm25().words([text]) == [words]


@pytest.mark.parametrize(
    ("query", "first"),
    [("苹果派怎么做", "d1"), ("红色自行车", "d5"), ("下雨的星期", "d6"), ("苹果园", "d8")],
)
def test_a_chinese_corpus_is_searched(query: str, first: str) -> None:
    docs = [Doc(*item) for item in CHINESE.items()]
    assert search(query, docs)[0][0] == first


def test_how_such_documents_were_indexed_is_said(tmp_path: Path) -> None:
    judged = "q1\td1\t2\nq1\td2\t1\nq1\td8\t1\nq2\td5\t1\n"
    changed: dict[str, str | bytes] = {
        "data/corpus.jsonl": lines(CHINESE),
        "data/queries.jsonl": lines({"q1": "苹果派怎么做", "q2": "红色自行车"}),
        "data/qrels/test.tsv": judged,
    }
    found = run(tmp_path, changed, systems=[BM25])
    assert found.means()["mrr@3"] == 1
    assert "bm25: 100% of the documents are in a script without blanks" in found.notes()
    assert "script" not in run(tmp_path / "x", systems=[BM25]).notes()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "all texts are empty"),
        (" \n\t", "all texts are empty"),
        ("the of and", "they have nothing but stop words of english"),
        ("?! a b", "they have nothing but stop words of english, single letters and signs"),
    ],
)
@pytest.mark.parametrize("fused", [False, True])
def test_documents_without_a_word_are_refused_in_one_paragraph(
    tmp_path: Path, text: str, why: str, fused: bool
) -> None:
    one = {"use": "bm25"}
    retriever = {"use": "fused", "retrievers": [one, one]} if fused else one
    changed: dict[str, str | bytes] = {"data/corpus.jsonl": lines(dict.fromkeys(FRUIT, text))}
    told = refused(tmp_path, changed, systems=[{"name": "s", "retriever": retriever}])
    assert told.startswith("None of the 8 documents")
    assert f"BM25 can index: {why}" in told


def test_one_word_is_enough(tmp_path: Path) -> None:
    texts = {**dict.fromkeys(FRUIT, ""), "d1": "apple"}
    found = run(tmp_path, {"data/corpus.jsonl": lines(texts)}, systems=[BM25])
    assert found.means()["mrr@3"] == pytest.approx(1 / 3)
    assert "bm25: 2 queries have no hit and count 0" in found.notes()


@pytest.mark.parametrize("language", ["chinese", "korean", "polish", "finnish", "en", "English"])
def test_a_language_without_stemmer_or_stop_words_is_refused(tmp_path: Path, language: str) -> None:
    system = {"name": "s", "retriever": {"use": "bm25", "language": language}}
    file = write(tmp_path, {}, systems=[system])
    with pytest.raises(ConfigError) as caught:
        load_experiment(file)
    line = file.read_text(encoding="utf-8").splitlines().index(f"    language: {language}") + 1
    assert f"{file}:{line}: systems[0].retriever.language: input should be 'danish', " in str(
        caught.value
    )
    assert f"'turkish', not {language!r}" in str(caught.value)


@pytest.mark.parametrize("language", typing.get_args(Language))
def test_every_language_has_a_stemmer_and_stop_words(language: Language) -> None:
    assert Bm25(language=language).words(["zzz"]) == [["zzz"]]
