from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.components.abilities import Footprint
from harness.components.rerankers.late_interaction import LateInteraction
from harness.data import Dataset, Doc, Hit, Query
from harness.errors import ComponentError, DataError, StoreError
from harness.pipeline import stages
from harness.pipeline.rerank_journal import Journal
from harness.pipeline.stages import StageResult

DATASET = Dataset(
    name="fruit",
    docs=[Doc(*item) for item in fakes.DOCS.items()],
    queries=[Query("q1", "red apple"), Query("d5", "plum tart")],
    qrels={"q1": {"d2": 1}, "d5": {"d5": 1}},
)
RUN = {"q1": [Hit("d3", 9.0), Hit("d1", 8.0), Hit("d2", 7.0)], "d5": [Hit("d5", 1.0)]}


def retrieve(*hits: tuple[str, float], depth: int = 2, **changes: Any) -> StageResult:
    left_out = changes.pop("left_out", 0)
    dataset = dataclasses.replace(DATASET, **changes)
    return stages.retrieve(fakes.Answers(hits, left_out), dataset, depth)


def rerank(
    folder: Path, reranker: Any, depth: int = 100, run: Any = RUN, dataset: Dataset = DATASET
) -> StageResult:
    journal = Journal(folder / "journal", "these")
    return stages.rerank(reranker, run, dataset, depth, journal, lambda *_: None)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.doc_id for hit in hits]


def test_retrieved_hits_are_ranked_and_cut() -> None:
    found = retrieve(("d1", 1.0), ("d2", 1.0), ("d3", 2.0))
    assert {query_id: ids(hits) for query_id, hits in found.run.items()} == {
        "q1": ["d3", "d2"],
        "d5": ["d3", "d2"],
    }
    assert found.facts == {
        "queries_without_hits": 0,
        "hits_not_in_corpus": 0,
        "own_document_first": 0,
    }


def test_self_hits_are_dropped_before_the_cut() -> None:
    hits = (("d5", 3.0), ("d1", 2.0), ("d2", 1.0))
    assert ids(retrieve(*hits, drop_self_hits=True).run["d5"]) == ["d1", "d2"]
    assert ids(retrieve(*hits).run["d5"]) == ["d5", "d1"]


def test_one_more_hit_is_asked_for_where_self_hits_are_dropped() -> None:
    dataset = dataclasses.replace(DATASET, drop_self_hits=True, queries=[Query("d5", "plum apple")])
    found = stages.retrieve(fakes.WordOverlap(), dataset, 2)
    assert ids(found.run["d5"]) == ["d4", "d2"]


def test_documents_that_find_themselves_are_counted() -> None:
    judged = {"q1": {"d2": 1}, "d5": {"d5": 0, "d1": 1}}
    assert retrieve(("d5", 1.0), qrels=judged).facts["own_document_first"] == 1
    assert retrieve(("d5", 1.0)).facts["own_document_first"] == 0  # it is relevant to itself


def test_queries_without_hits_and_unknown_hits_are_counted() -> None:
    assert retrieve().facts["queries_without_hits"] == 2
    assert retrieve(("nowhere", 1.0)).facts["hits_not_in_corpus"] == 2


@pytest.mark.parametrize(
    ("hits", "left_out", "message"),
    [
        ([("d1", 1.0)], 1, "The retriever answered 1 of 2 queries."),
        ([("d1", 1.0), ("d1", 0.5)], 0, "gave a document twice for query 'q1'"),
        (
            [("d1", float("nan"))],
            0,
            "For query 'q1' document 'd1' has a score that is not a finite number: nan",
        ),
        (
            [("d1", 1e39)],
            0,
            "For query 'q1' document 'd1' has a score that does not fit float32, .*: 1e\\+39",
        ),
    ],
)
def test_retriever_that_breaks_its_contract(
    hits: list[tuple[str, float]], left_out: int, message: str
) -> None:
    with pytest.raises(ComponentError, match=message):
        retrieve(*hits, left_out=left_out)


@pytest.mark.parametrize(
    ("reranker", "message"),
    [
        (
            fakes.Constant(float("nan")),
            "The reranker gave document 'd3' for query 'q1' a score that is not a finite number",
        ),
        (
            fakes.Constant(float("inf")),
            "The reranker gave document 'd3' for query 'q1' a score that is not a finite number",
        ),
        (
            fakes.Constant(1e39),
            "gave document 'd3' for query 'q1' a score that does not fit float32",
        ),
        (
            fakes.Constant(-3.4028234663852886e38),
            "'d3' for query 'q1' a score that leaves nothing below it",
        ),
        (fakes.TooFew(), "gave 2 scores for the 3 candidates of query 'q1'"),
    ],
)
def test_reranker_that_breaks_its_contract(tmp_path: Path, reranker: Any, message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        rerank(tmp_path, reranker)


def test_candidate_that_the_dataset_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'d99', which 'fruit' does not have.*another version"):
        rerank(tmp_path, fakes.Identity(), run={**RUN, "d5": [Hit("d99", 1.0)]})


@pytest.mark.parametrize(
    ("reranker", "depth", "expected"),
    [
        (fakes.Identity(), 100, ["d3", "d1", "d2"]),
        (fakes.Reversed(), 100, ["d2", "d1", "d3"]),
        (fakes.Reversed(), 2, ["d1", "d3", "d2"]),
        (fakes.Reversed(), 1, ["d3", "d1", "d2"]),
        (fakes.Constant(), 100, ["d3", "d2", "d1"]),  # all tied: by doc id, the greater first
        (fakes.Constant(), 2, ["d3", "d1", "d2"]),
        (fakes.Constant(1e30), 1, ["d3", "d1", "d2"]),
    ],
)
def test_candidates_below_the_depth_keep_their_order_below(
    tmp_path: Path, reranker: Any, depth: int, expected: list[str]
) -> None:
    hits = rerank(tmp_path, reranker, depth).run["q1"]
    assert ids(hits) == expected
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(scores[i] > scores[i + 1] for i in range(depth - 1, len(scores) - 1))
    assert [float(np.float32(score)) for score in scores] == scores


def test_query_without_candidates(tmp_path: Path) -> None:
    found = rerank(tmp_path, fakes.Identity(), run={"q1": RUN["q1"]})
    assert found.run["d5"] == []


def test_documents_are_prepared_once_and_counted(tmp_path: Path) -> None:
    late = LateInteraction(fakes.HashingTokenEncoder(8), precision="float16")
    found = rerank(tmp_path, late)
    # d1, d2, d3 and d5 are candidates: 2 + 3 + 2 + 1 words, 8 coordinates of 2 bytes each
    assert found.stored == [Footprint("token vectors", 4, 8, 8, "float16", 8 * 8 * 2)]
    assert found.run["q1"][0].score == pytest.approx(2)  # both words of the query occur
    assert set(ids(found.run["q1"][:2])) == {"d1", "d2"}


@dataclasses.dataclass(frozen=True)
class Silent:
    """A reranker whose prepared form does not say what it stores."""

    def prepare(self, docs: list[Doc]) -> fakes.Identity:
        del docs
        return fakes.Identity()

    def score(self, query: str, docs: list[Doc]) -> list[float]:
        raise NotImplementedError


def test_only_what_was_prepared_stores_anything(tmp_path: Path) -> None:
    fly = LateInteraction(fakes.HashingTokenEncoder(8), documents="on_the_fly")
    assert rerank(tmp_path / "a", fakes.Identity()).stored == []
    assert rerank(tmp_path / "b", fly).stored == []
    (found,) = rerank(tmp_path / "c", Silent()).stored
    assert (found.bytes, found.unknown) == (None, "Identity does not say what it stores")


def test_digest_of_candidates_is_of_documents_and_order() -> None:
    digest = stages.order_digest(RUN, 2)
    rescored = {q: [Hit(h.doc_id, h.score / 2) for h in hits] for q, hits in RUN.items()}
    assert stages.order_digest(rescored, 2) == digest
    assert stages.order_digest({**RUN, "q1": RUN["q1"][:2]}, 2) == digest
    assert stages.order_digest({**RUN, "q1": RUN["q1"][1::-1]}, 2) != digest
    assert stages.order_digest(RUN, 3) != digest


def test_result_comes_back_from_disk(tmp_path: Path) -> None:
    stored = [Footprint("vectors", 5, 5, 8, "float32", 160), Footprint.not_known("it is far away")]
    made = StageResult(RUN, 1.5, stored, {"a": 1}, "2026-01-01T00:00:00+00:00")
    made.save(tmp_path / "key")
    assert StageResult.load(tmp_path / "key") == made
    bare = dataclasses.replace(made, stored=[])
    bare.save(tmp_path / "bare")
    assert StageResult.load(tmp_path / "bare") == bare


def test_journal_is_read_back(tmp_path: Path) -> None:
    Journal(tmp_path / "a" / "journal", "these").add("q1", [0.1, -2.0])
    again = Journal(tmp_path / "a" / "journal", "these")
    assert again.scores == {"q1": [0.1, -2.0]}
    assert again.seconds_before > 0


@pytest.mark.parametrize("torn", ["0123456789abcdef", '0123456789abcdef ["q2", [1.', "\0\0\0"])
def test_torn_last_line_of_the_journal_is_scored_again(tmp_path: Path, torn: str) -> None:
    file = tmp_path / "journal"
    Journal(file, "these").add("q1", [9.0, 8.0, 7.0])
    with file.open("a") as stream:
        stream.write(torn)
    fakes.CALLS.clear()
    assert ids(rerank(tmp_path, fakes.Reversed()).run["q1"]) == ["d3", "d1", "d2"]
    assert fakes.CALLS == ["score plum tart"]
    assert list(Journal(file, "these").scores) == ["q1", "d5"]
    assert not list(tmp_path.glob(".damaged-*"))  # an interruption is no damage


SCORES = {f"q{i}": [i + 0.5, -i / 3] for i in range(4)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_line_ends_the_journal_there(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "journal"
    file.unlink(missing_ok=True)
    journal = Journal(file, "these")
    for query_id, scores in SCORES.items():
        journal.add(query_id, scores)
    whole = file.read_bytes()
    place = data.draw(st.integers(0, 9_999)) % len(whole)  # seconds have other lengths each time
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(damaged)
    before = whole[:place].count(b"\n")
    found = Journal(file, "these")
    assert list(found.scores.items()) == list(SCORES.items())[:before]
    kept = whole.splitlines(keepends=True)[:before]
    assert file.read_bytes() == b"".join(kept)
    for query_id, scores in list(SCORES.items())[before:]:
        found.add(query_id, scores)
    assert Journal(file, "these").scores == SCORES


def test_a_journal_that_is_damaged_is_set_aside_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "journal"
    journal = Journal(file, "these")
    for query_id, scores in SCORES.items():
        journal.add(query_id, scores)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"q2", b"q0"))
    assert Journal(file, "these").scores == {name: SCORES[name] for name in ("q0", "q1")}
    (said,) = caplog.messages
    assert said.startswith(f"{file}:3 is damaged, or of other candidates than are scored now.")
    assert (tmp_path / ".damaged-journal-1").read_bytes() == whole.replace(b"q2", b"q0")
    assert Journal(file, "others").scores == {}
    assert file.read_bytes() == b""


def test_a_journal_that_cannot_be_read_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "journal"
    Journal(file, "these").add("q1", [1.0])
    before = file.read_bytes()

    def full(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", full)
        with pytest.raises(StoreError, match="Too many open files"):
            Journal(file, "these")
    assert file.read_bytes() == before
