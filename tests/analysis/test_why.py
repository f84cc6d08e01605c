"""One query side by side, from a stored run of fakes."""

from __future__ import annotations

from pathlib import Path

import fakes
import pytest
from fakes import write_experiment

from harness.analysis.why import RANKED, why
from harness.config import load_experiment
from harness.errors import DataError
from harness.execute import Execution
from harness.plan import make_plan
from harness.readings import Lengths
from harness.side_by_side import why_text
from harness.store import Results, Store, load_results
from harness.stored_tables import lengths_table, write_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    fakes.write_beir(tmp_path / "data", qrels={**fakes.QRELS, "q1": {"d2": 1, "d5": 2}})
    plan = make_plan(load_experiment(write_experiment(tmp_path)))
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
    assert lines[1] == "2 judged documents, 2 of them relevant; no system found d5."
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
    found = why(results, "q1", systems=["oracle"])
    cut = dict(zip(found.ranked["doc_id"], found.ranked["truncated"], strict=True))
    assert cut == {"d2": True, "d1": False, "d4": None}
    assert "1 (1.000)*" in why_text(found, ["ndcg@3"], 3)


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
