"""One query side by side, from a stored run of fakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fakes
import pytest
from fakes import write_experiment

from harness.analysis.quality.one_query import RANKED, why
from harness.analysis.quality.one_query_text import why_text
from harness.cli.commands import main
from harness.errors import DataError
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.files import digests
from harness.results.derived_rankings import Lengths
from harness.results.store import Results, Store, load_results
from harness.results.tables import lengths_table, write_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    fakes.write_beir(tmp_path / "data", qrels={**fakes.QRELS, "q1": {"d2": 1, "d5": 2}})
    return stored(tmp_path)


def stored(tmp_path: Path, **changes: Any) -> Results:
    """The results of an experiment over the files of `tmp_path`."""
    plan = make_plan(load_experiment(write_experiment(tmp_path, **changes)))
    store = Store(tmp_path / "results", plan.experiment.name)
    Execution(plan, store, tmp_path / "cache", lambda *_: None).execute()
    return load_results(store.folder)


def test_ranks_scores_and_judgements(results: Results) -> None:
    found = why(results, "q1")
    assert (found.dataset, found.text) == ("data", "red apple")
    assert tuple(found.ranked.columns) == RANKED
    mine = found.ranked[found.ranked["system"] == "overlap"]
    # words shared with "red apple"; the tie of d1 and d2 goes to the greater id
    assert mine[["doc_id", "rank", "score"]].to_numpy().tolist() == [
        ["d2", 1, 2.0],
        ["d1", 2, 2.0],
        ["d4", 3, 1.0],
    ]
    assert found.judged == {"d2": 1, "d5": 2}
    assert found.metrics.loc["oracle", "ndcg@3"] > 0


def test_the_text_says_what_nobody_found(results: Results) -> None:
    text = why_text(why(results, "q1", systems=["oracle", "overlap"]), ["ndcg@3"], 2)
    lines = text.splitlines()
    assert lines[0] == "data, query q1: red apple"
    assert lines[1] == "2 judged documents, 2 relevant. None of the 2 systems found d5."
    assert max(map(len, lines)) <= 79
    table = next(line for line in lines if line.split()[:1] == ["d2"])
    assert table.split() == [
        "d2",
        "1",
        "1",
        "(1.000)",
        "1",
        "(2.000)",
    ]  # relevance, oracle, overlap
    assert "d1: red apple" in lines


def test_what_the_model_did_not_read_is_marked(results: Results) -> None:
    (folder,) = (results.folder / "data").glob("oracle--*")
    write_table(folder / "lengths.csv", lengths_table(Lengths({"d2": 9, "d1": 3}, {"q1": 5})))
    digests.seal(folder)
    found = why(results, "q1", systems=["oracle"])
    cut = dict(zip(found.ranked["doc_id"], found.ranked["truncated"], strict=True))
    assert cut == {"d2": True, "d1": False, "d4": None}
    assert "1 (1.000)*" in why_text(found, ["ndcg@3"], 3)


def found_of(results: Results, top: int, systems: Sequence[str] = (), query: str = "q1") -> str:
    return why_text(why(results, query, systems=systems), ["ndcg@3"], top)


def row(text: str, doc_id: str) -> list[str]:
    """What the first table says of a document: relevance, then a cell a system."""
    return next(line.split()[1:] for line in text.splitlines() if line.split()[:1] == [doc_id])


def test_below_the_top_is_still_ranked(tmp_path: Path) -> None:
    """d4 is last of one system and first of the other, and only one document of each is asked for."""
    overlap = {"use": "fakes:WordOverlap"}
    found = stored(
        tmp_path,
        systems=[
            {"name": "overlap", "retriever": overlap},
            {"name": "reversed", "retriever": overlap, "reranker": {"use": "fakes:Reversed"}},
        ],
    )
    text = found_of(found, 1)
    assert row(text, "d4") == ["?", "3", "(1.000)", "1", "(2.000)"]
    assert row(text, "d2") == ["1", "1", "(2.000)", "3", "(0)"]


def test_nothing_has_a_score_or_star_below_what_was_reranked(tmp_path: Path) -> None:
    found = stored(tmp_path, depth={"retrieve": 5, "rerank": 2})
    (folder,) = (found.folder / "data").glob("oracle--*")
    read = Lengths({"d1": 9, "d2": 9, "d4": 9}, {"q1": 5})
    write_table(folder / "lengths.csv", lengths_table(read))
    digests.seal(folder)
    text = found_of(found, 3, ["oracle"])
    assert row(text, "d2") == ["1", "1", "(1.000)*"]
    assert row(text, "d1") == ["?", "2", "(-1.000)*"]
    assert row(text, "d4") == ["?", "3"]  # found third, and not scored


def test_what_the_first_stage_did_not_read_is_marked(results: Results) -> None:
    (folder,) = (results.folder / "data").glob("overlap--*")
    write_table(folder / "lengths.csv", lengths_table(Lengths({"d1": 9, "d2": 3}, {"q1": 5})))
    digests.seal(folder)
    text = found_of(results, 3, ["overlap"])
    assert row(text, "d1") == ["?", "2", "(2.000)*"]
    assert row(text, "d2") == ["1", "1", "(2.000)"]


def test_a_query_that_was_cut_is_told(results: Results) -> None:
    (folder,) = (results.folder / "data").glob("overlap--*")
    read = Lengths({}, {}, queries={"q1": 40, "q2": 3}, query_room={"q1": 32, "q2": 32})
    write_table(folder / "lengths.csv", lengths_table(read))
    digests.seal(folder)
    said = " ".join(found_of(results, 3).split())
    assert "Of the query overlap reads only the beginning." in said
    assert "only the beginning." not in found_of(results, 3, query="q2").partition("Rank (")[0]


def test_what_one_system_did_not_find_is_said_of_it_alone(results: Results) -> None:
    text = found_of(results, 3, ["overlap"])
    assert text.splitlines()[1] == "2 judged documents, 2 relevant. overlap did not find d5."


def test_one_document_of_each_is_a_short_text(tmp_path: Path) -> None:
    """Of 100 relevant documents and eight systems the first of each, and one more."""
    docs = {f"d{i:03}": "red apple " + "pie " * (i % 7) for i in range(100)}
    overlap = {"use": "fakes:WordOverlap"}
    systems = [
        {"name": f"s{i}", "retriever": overlap, "reranker": {"use": "fakes:Constant", "value": i}}
        for i in range(8)
    ]
    fakes.write_beir(tmp_path / "data", docs, {"q1": "red apple"}, {"q1": dict.fromkeys(docs, 1)})
    text = found_of(stored(tmp_path, systems=systems), 1)
    assert "100 judged documents, 100 relevant." in text
    assert "98 more relevant documents further down: --top shows more." in " ".join(text.split())
    assert len(text.splitlines()) < 40


def test_of_many_documents_that_nobody_found_some_are_named(tmp_path: Path) -> None:
    docs = {**fakes.DOCS, **{f"e{i}": "kiwi" for i in range(9)}}
    qrels = {"q1": {"d2": 1, **{f"e{i}": 1 for i in range(9)}}}
    fakes.write_beir(tmp_path / "data", docs, {"q1": "red apple"}, qrels)
    systems = [{"name": "overlap", "retriever": {"use": "fakes:WordOverlap"}}]
    text = " ".join(found_of(stored(tmp_path, systems=systems), 1).split())
    assert "overlap did not find e0, e1, e2, e3, e4 and 4 more." in text


@pytest.mark.parametrize("top", ["-1", "0", "x"])
def test_the_top_is_at_least_one(top: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["why", "e.yaml", "q1", "--top", top])
    assert stopped.value.code == 2
    assert "is no whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("q9",), "No query 'q9' has results; known: q1, q2, q3, q4. 4 have"),
        (("q1", "dta"), "There are no results on a dataset 'dta'; did you mean 'data'"),
        (("q1", "data", ["orakle"]), "No system 'orakle' has results; did you mean 'oracle'"),
    ],
)
def test_what_is_not_there_is_named(
    results: Results, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        why(results, *arguments)  # type: ignore[arg-type]
