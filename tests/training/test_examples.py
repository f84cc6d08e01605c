from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components.models.trained import CrossEncoderTraining, Negatives
from harness.components.retrievers.bm25 import Bm25
from harness.data import Dataset, Doc, Hit, Query, Run
from harness.errors import DataError
from harness.training import examples as examples_module
from harness.training.examples import examples, learnable, searched

DOCS = [Doc(f"d{i}", f"text {i}") for i in range(40)]
QUERIES = [Query(f"q{i}", f"query {i}") for i in range(30)]
TRAIN = Dataset("train", DOCS, QUERIES, {q.query_id: {f"d{q.query_id[1:]}": 1} for q in QUERIES})
MEASURED = Dataset("test", DOCS, [Query("t0", "measured")], {"t0": {"d0": 1}})
FOUND: Run = {q.query_id: [Hit(doc.doc_id, -i) for i, doc in enumerate(DOCS)] for q in QUERIES}


def training(per_query: int = 3, depth: int = 10, **fields: Any) -> CrossEncoderTraining:
    return CrossEncoderTraining("base", Negatives(Bm25(), depth, per_query), **fields)


def dataset(qrels: Mapping[str, Mapping[str, int]], name: str = "x", first: str = "") -> Dataset:
    queries = [Query(query_id, f"{first}query {query_id[1:]}") for query_id in qrels]
    return Dataset(name, DOCS, queries, qrels)


def test_the_relevant_document_comes_first_and_the_others_are_near_the_top_and_unjudged() -> None:
    found = examples(TRAIN, FOUND, training(), None)
    groups = [*found.learnt, *found.held_out]
    assert len(groups) == 30
    near = {f"text {i}" for i in range(10)}
    for group in groups:
        own = f"text {group.query.split()[1]}"
        assert group.texts[0] == own
        assert len(set(group.texts[1:])) == 3
        assert set(group.texts[1:]) <= near - {own}
    assert found.facts["queries_held_out"] == 3  # a tenth of 30
    assert {g.query for g in found.learnt}.isdisjoint(g.query for g in found.held_out)


def test_every_relevant_document_has_a_group_and_a_judged_one_is_no_negative() -> None:
    qrels = {q: {**judged, "d1": 2, "d2": 0, "d3": -1} for q, judged in TRAIN.qrels.items()}
    found = examples(dataclasses.replace(TRAIN, qrels=qrels), FOUND, training(), None)
    groups = [*found.learnt, *found.held_out]
    assert len(groups) == 30 * 2 - 3  # q1, q2 and q3 have but one relevant document
    assert not {"text 1", "text 2", "text 3"} & {t for g in groups for t in g.texts[1:]}


def test_an_epoch_is_drawn_anew_and_may_be_cut() -> None:
    once = examples(TRAIN, FOUND, training(), None)
    twice = examples(TRAIN, FOUND, training(epochs=2), None)
    assert len(twice.learnt) == 2 * len(once.learnt)
    first, second = twice.learnt[:27], twice.learnt[27:]
    assert sorted(g.query for g in first) == sorted(g.query for g in second)
    assert sorted(first) != sorted(second)
    assert [g.query for g in first] != [g.query for g in second]
    assert len(examples(TRAIN, FOUND, training(epochs=3, groups=5), None).learnt) == 15


def test_the_seed_decides() -> None:
    one, again, other = (examples(TRAIN, FOUND, training(seed=s), None) for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_teacher_scores_what_each_query_is_asked_with() -> None:
    asked: list[Run] = []

    def teach(run: Run) -> Run:
        asked.append(run)
        return {
            q: [Hit(h.doc_id, float(h.doc_id[1:])) for h in reversed(hits)]
            for q, hits in run.items()
        }

    found = examples(TRAIN, FOUND, training(epochs=2), teach)
    assert len(asked) == 1
    for group in [*found.learnt, *found.held_out]:
        assert group.taught == tuple(float(text.split()[1]) for text in group.texts)


def test_queries_without_negatives_are_counted_and_too_few_are_told() -> None:
    few = dict(list(FOUND.items())[:25])
    found = examples(TRAIN, few, training(), None)
    assert found.facts["queries_without_negatives"] == 5
    with pytest.raises(DataError, match=r"negatives of 'train' are exhausted: .* first 4 .* 0 of "):
        examples(TRAIN, {q: hits[:3] for q, hits in FOUND.items()}, training(4, 4), None)


def test_what_is_measured_is_not_learnt_from() -> None:
    measured = Dataset(
        "test",
        DOCS[:35],
        [Query("q3", "another"), Query("t1", "  QUERY   4? "), Query("t2", "what")],
        {"q3": {"d3": 1}, "t1": {"d4": 1}, "t2": {"d1": 1}},
    )
    found = learnable(TRAIN, measured)
    assert {q.query_id for q in found.queries} == set(TRAIN.qrels) - {"q3", "q4"}
    assert found.docs == measured.docs
    assert set(found.qrels) == {q.query_id for q in found.queries}


UNJUDGED = [Query(f"q{i}", f"log {i}") for i in range(4)]
WITH_LOG = learnable(TRAIN, MEASURED, UNJUDGED)
FOUND_WITH_LOG = FOUND | {f"unjudged:q{i}": FOUND["q1"] for i in range(4)}


def test_of_unjudged_queries_those_in_other_words_are_added_under_ids_of_their_own() -> None:
    more = [Query("t9", "Measured."), *UNJUDGED, Query("q9", "LOG  1"), Query("new", "query 4?")]
    measured = dataclasses.replace(MEASURED, queries=[Query("t0", "measured"), QUERIES[2]])
    found = learnable(TRAIN, measured, [*more, QUERIES[2]])
    assert found.queries[29:] == [Query(f"unjudged:q{i}", f"log {i}") for i in range(4)]
    assert [found.qrels[query.query_id] for query in found.queries[29:]] == [{}] * 4
    with pytest.raises(DataError, match="each of the 2 has the words of one that is measured or"):
        learnable(TRAIN, MEASURED, [Query("t9", "Measured"), Query("new", "Query 4.")])


def test_an_unjudged_query_has_a_group_of_what_is_found_and_is_never_held_out() -> None:
    found = examples(WITH_LOG, FOUND_WITH_LOG, training(epochs=2), None)
    logged = [group for group in found.learnt if group.query.startswith("log")]
    assert sorted(group.query for group in logged) == sorted(2 * [f"log {i}" for i in range(4)])
    near = {f"text {i}" for i in range(10)}
    assert all(len(set(group.texts)) == 4 and set(group.texts) <= near for group in logged)
    assert {group.judged for group in logged} == {False}
    others = [*found.held_out, *(group for group in found.learnt if group not in logged)]
    assert {group.judged for group in others} == {True}
    assert (found.facts["queries_unjudged"], found.facts["queries_learnt"]) == (4, 27)
    few = {query_id: hits[:4] for query_id, hits in FOUND_WITH_LOG.items()}
    assert examples(WITH_LOG, few, training(4, 4), None).facts["queries_unjudged"] == 0


def test_unjudged_queries_do_not_crowd_out_the_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples_module, "SEARCHED", 5)
    log = [Query(f"l{i}", f"log {i}") for i in range(500)]
    few = training(groups=4, epochs=2, held_out=0.2)
    dataset = searched(learnable(TRAIN, MEASURED, log), few)
    assert [bool(dataset.qrels[q.query_id]) for q in dataset.queries] == [True] * 20 + [False] * 20
    run = FOUND | {q.query_id: FOUND["q1"] for q in dataset.queries[20:]}
    found = examples(dataset, run, dataclasses.replace(few, held_out=0.1), None)
    assert Counter(group.judged for group in found.learnt) == {True: 8, False: 8}
    assert found.facts["queries_unjudged"] == len({g.query for g in found.learnt if not g.judged})


def test_queries_need_a_relevant_document_among_those_that_are_measured_on() -> None:
    measured = dataclasses.replace(MEASURED, docs=DOCS[:25])
    qrels = {**TRAIN.qrels, "q1": {"d1": 0}, "q2": {"d2": 1, "d39": 1}}
    found = learnable(dataclasses.replace(TRAIN, qrels=qrels), measured)
    assert {q.query_id for q in found.queries} == {f"q{i}" for i in range(25)} - {"q1"}
    assert found.qrels["q2"] == {"d2": 1}


def test_queries_that_no_group_can_come_from_are_not_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examples_module, "SEARCHED", 5)
    few = training(groups=4, epochs=2, held_out=0.2)  # 2 x 4 x 2 / 0.8
    found = searched(TRAIN, few)
    assert len(found.queries) == len(found.qrels) == 20
    assert [query for query in QUERIES if query in found.queries] == found.queries
    assert found == searched(TRAIN, few)
    assert found.queries != searched(TRAIN, dataclasses.replace(few, seed=2)).queries
    for every in (training(), training(groups=20), training(groups=4, epochs=2, held_out=0.5)):
        assert searched(TRAIN, every) is TRAIN
    monkeypatch.undo()
    assert searched(TRAIN, few) is TRAIN


def test_too_few_queries_are_told() -> None:
    with pytest.raises(DataError, match=r"'train' has 19 queries to learn from, of 30 .* 'test'"):
        learnable(TRAIN, dataclasses.replace(MEASURED, docs=DOCS[:19]))


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from([q.query_id for q in QUERIES]), st.integers(0, 3), max_size=9)
)
def test_no_judgement_of_a_measured_query_reaches_training(grades: dict[str, int]) -> None:
    """Whatever is judged for the measured queries, what is learnt has the same fingerprint."""
    queries = [Query(q, f"query {q[1:]}") for q in grades] or [Query("t0", "measured")]
    one, other = (
        Dataset("test", DOCS, queries, {q.query_id: judged for q in queries})
        for judged in ({"d0": 1}, {f"d{i}": grades.get("q1", 1) for i in range(9)})
    )
    first, second = learnable(TRAIN, one), learnable(TRAIN, other)
    assert first.fingerprint == second.fingerprint
    assert examples(first, FOUND, training(), None) == examples(second, FOUND, training(), None)
    seen = {group.query for group in examples(first, FOUND, training(), None).learnt}
    assert seen.isdisjoint(query.text for query in queries)


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 0},
        {"groups": 0},
        {"held_out": 0.0},
        {"held_out": 1.0},
        {"label_weight": 1.5},
        {"learning_rate": 0.0},
    ],
)
def test_settings_that_say_nothing_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        training(**fields)
    with pytest.raises(ValueError, match="per_query must be"):
        training(per_query=0)


def test_the_most_groups_are_those_of_both_kinds_in_all_epochs() -> None:
    assert training(epochs=3).most_groups() is None
    assert training(epochs=3, groups=5).most_groups() == 15
    log: Any = object()
    both = training(epochs=3, groups=5, teacher=log, unjudged=log)
    assert both.most_groups() == 30
