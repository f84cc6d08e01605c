"""What may be wrong with a first stage or its judgements, said before a decision."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from fruit import BM25, DOCS, RUN, SAVED, lines, run

from harness.analysis.quality.alarms import ALARMS, sentences

QRELS = "data/qrels/test.tsv"


def distances(run_text: str) -> str:
    rows = [line.split() for line in run_text.splitlines()]
    return "".join(f"{q} Q0 {d} {r} {10 - float(s)} {t}\n" for q, _, d, r, s, t in rows)


NOT_SORTED = "q1 Q0 d1 1 9.5 s\nq1 Q0 d2 2 9.6 s\nq1 Q0 d8 3 7.5 s\nq1 Q0 d3 4 1.5 s\n"
RANKS = {
    "distances": (distances(RUN), "For 3 of 3 queries the rank column of the saved run runs against", "INVALID"),
    "distances from 0": (
        "q1 Q0 d1 0 0.1 s\nq1 Q0 d2 1 0.2 s\nq2 Q0 d5 0 0.0 s\nq2 Q0 d4 1 2 s\n",
        "For 2 of 2 queries the rank column of the saved run runs against",
        "INVALID",
    ),
    "one query of three": (
        RUN.replace("d7 2 2.0", "d7 2 3.5"),
        "For 1 of 3 queries the rank column of the saved run runs against",
        "CAUTION",
    ),
    "not sorted": (NOT_SORTED, "For 1 of 1 query the rank column of the saved run is not the order", "CAUTION"),
    "as it should be": (RUN, "", None),
    "lines in another order": ("".join(reversed(RUN.splitlines(keepends=True))), "", None),
    "the same rank everywhere": (
        "".join(f"{q} Q0 {d} 0 {s} t\n" for q, _, d, _, s, _ in map(str.split, distances(RUN).splitlines())),
        "",
        None,
    ),
    "ties": (RUN.replace("8.5", "9.5"), "", None),
}  # fmt: skip


@pytest.mark.parametrize("case", RANKS)
def test_ranks_against_scores_are_said_before_a_decision(tmp_path: Path, case: str) -> None:
    text, note, severity = RANKS[case]
    found = run(tmp_path, {"run.trec": text})
    assert found.alarms().get("ranks against scores") == severity
    assert note in found.evidence()
    assert bool(note) == bool(severity)


def test_ranks_against_scores_are_said_of_a_run_that_is_fused(tmp_path: Path) -> None:
    part = {"use": "saved_run", "path": "run.trec"}
    fused = {"name": "saved", "retriever": {"use": "fused", "retrievers": [part, {"use": "bm25"}]}}
    found = run(tmp_path, {"run.trec": distances(RUN)}, systems=[fused])
    assert "For 3 of 3 queries the rank column of the saved run runs against" in found.evidence()
    assert found.alarms()["ranks against scores"] == "INVALID"


# Queries that are documents

OWN = {"d1": DOCS["d1"], "d5": DOCS["d5"]}
SELF = {
    "the text of the document": (OWN, "d1\td2\t1\nd5\td4\t1\n", True),
    "in other case": ({k: v.upper() for k, v in OWN.items()}, "d1\td2\t1\nd5\td4\t1\n", True),
    "the document without its title": ({"d1": "cinnamon and butter", "d5": "a red helmet"}, "d1\td2\t1\nd5\td4\t1\n", True),
    "judged relevant to itself": (OWN, "d1\td1\t1\nd5\td5\t1\n", False),
    "ids that are equal by chance": ({"d1": "red car", "d5": "apple"}, "d1\td4\t1\nd5\td2\t1\n", False),
}  # fmt: skip


@pytest.mark.parametrize("case", SELF)
def test_queries_that_are_documents_are_said(tmp_path: Path, case: str) -> None:
    queries, judged, said = SELF[case]
    changed = {"data/queries.jsonl": lines(queries), QRELS: judged}
    found = run(tmp_path, changed, systems=[BM25])
    note = "2 of 2 queries are documents of the corpus under the same id, such as 'd1'"
    assert (note in found.notes()) == said
    assert (found.alarms().get("finds itself") == "CAUTION") == said


def test_nothing_is_said_where_self_hits_are_dropped(tmp_path: Path) -> None:
    queries, judged, _ = SELF["the text of the document"]
    changed = {"data/queries.jsonl": lines(queries), QRELS: judged}
    found = run(
        tmp_path,
        changed,
        systems=[BM25],
        datasets=[{"use": "files", "path": "data", "drop_self_hits": True}],
    )
    assert "drop_self_hits" not in found.notes()
    assert "finds itself" not in found.alarms()
    assert found.means()["mrr@3"] == 0.75  # d2 is second behind the shorter d8, d4 is first


# Unjudged documents

WORSE = "q1 Q0 d3 1 2 s\nq1 Q0 d1 2 1 s\nq2 Q0 d3 1 2 s\nq2 Q0 d5 2 1 s\nq3 Q0 d7 1 2 s\nq3 Q0 d6 2 1 s\n"
"""1 of 2 hits is judged for every query; in RUN 3 of 3, 1 (with d4 2) of 2, and 1 of 2."""


@pytest.mark.parametrize("some_not_relevant", [False, True])
def test_fewer_judged_documents_alarm_only_where_that_is_not_precision(
    tmp_path: Path, some_not_relevant: bool
) -> None:
    judged = "q1\td1\t2\nq1\td2\t1\nq1\td8\t1\nq2\td5\t1\nq3\td6\t1\n"
    if some_not_relevant:
        judged += "q2\td4\t0\n"
    other = {"name": "other", "retriever": {"use": "saved_run", "path": "worse.trec"}}
    changed = {QRELS: judged, "worse.trec": WORSE}
    found = run(tmp_path, changed, systems=[SAVED, other])
    assert ("unjudged" in found.alarms()) == some_not_relevant


def test_one_sentence_for_systems_of_the_same_evidence() -> None:
    def rows(*names: str, evidence: str) -> list[tuple[str, ...]]:
        return [("d", name, "ties", "CAUTION", evidence) for name in names]

    found = [
        *rows("a", "b", evidence="9%."),
        *rows("c", evidence="8%."),
        *rows("e", evidence="9%."),
    ]
    table = pd.DataFrame(found, columns=list(ALARMS))
    said = [("CAUTION", "Ties: 9% (a, b, e on d)."), ("CAUTION", "Ties: 8% (c on d).")]
    assert list(sentences(table)) == said
    more = pd.DataFrame([*found, *rows("f", evidence="9%.")], columns=list(ALARMS))
    assert next(sentences(more))[1] == "Ties: 9% (4 systems on d)."


def test_texts_that_stand_twice_are_said(tmp_path: Path) -> None:
    """q1 is asked in the words of d1, and d9 repeats d1; both are found for it, and d9 is not judged."""
    words = DOCS["d1"]
    docs = lines(DOCS | {"d9": f"{words.upper()}!"})
    queries = lines({"q1": words, "q2": "red bicycle", "q3": "week of rain"})
    ranking = RUN.replace("q2 Q0 d5 1", "q1 Q0 d9 4 1.5 sys\nq2 Q0 d5 1")
    changed = {"data/corpus.jsonl": docs, "data/queries.jsonl": queries, "run.trec": ranking}
    found = run(tmp_path, changed)
    assert "For 1 of 3 queries one of the first 10 documents has the query word" in found.evidence()
    assert "For 1 of 3 queries one of the first 10 documents repeats a" in found.evidence()
    # ndcg@3 is 1 for every query; d9 behind d1, d2, d8 with grade 2 would have been second
    assert found.alarms()["unjudged twins"] == "CAUTION"
    assert found.alarms()["queries in documents"] == "INFO"
