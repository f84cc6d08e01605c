from __future__ import annotations

from pathlib import Path

import pytest
from fruit import METRICS, run, write

from harness.errors import ConfigError
from harness.experiment.metric_names import KNOWN, canonical, levels, parsed
from harness.experiment.reading import load_decision, load_experiment


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ndcg@10", "ndcg@10"),
        ("nDCG@10", "ndcg@10"),
        ("NDCG@10", "ndcg@10"),
        ("MAP", "map"),
        ("AP", "map"),
        ("AP@100", "map@100"),
        ("P@10", "precision@10"),
        ("RR@10", "mrr@10"),
        ("MRR", "mrr"),
        ("R@100", "recall@100"),
        ("Recall@100", "recall@100"),
        ("Success@5", "hit_rate@5"),
        ("Judged@10", "judged@10"),
        # ir_measures' levels
        ("R(rel=2)@100", "recall(rel=2)@100"),
        ("RR(rel=2)@10", "mrr(rel=2)@10"),
        ("AP(rel=2)", "map(rel=2)"),
        ("P(rel=1)@10", "precision@10"),
        ("recall( rel = 3 )@5", "recall(rel=3)@5"),
        # ranx's
        ("mrr@10-l2", "mrr(rel=2)@10"),
        ("map-l3", "map(rel=3)"),
        ("recall@100-l1", "recall@100"),
    ],
)
def test_one_metric_has_one_name(text: str, name: str) -> None:
    assert canonical(text) == name
    assert canonical(name) == name
    assert str(parsed(name)) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndgc@10", "'ndgc@10' is not a metric; known: ndcg@10 (nDCG@10), mrr@10 (RR@10)"),
        ("recall@0", "is not a metric"),
        ("recall@-1", "is not a metric"),
        ("", "is not a metric"),
        ("ERR@20", "is not a metric"),
        ("nDCG(dcg='exp-log2')@10", "is not a metric"),
        ("R(rel=0)@10", "is not a metric"),
        ("R(rel=2)@10-l2", "is not a metric"),
        ("nDCG(rel=2)@10", "ndcg takes no level of relevance"),
        ("judged(rel=2)@10", "judged takes no level"),
        ("P", "'P' needs a cut-off, such as P@10"),
        ("recall(rel=2)", "needs a cut-off, such as recall(rel=2)@10"),
    ],
)
def test_what_is_no_metric_is_told_with_those_that_are(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"metric|level|cut-off") as caught:
        parsed(text)
    assert message in str(caught.value)


def test_only_grades_from_2_count_where_that_is_asked(tmp_path: Path) -> None:
    # ir_measures of these three queries: RR(rel=2)@10 = R(rel=2)@3 = 0.3333, of q1 alone
    found = run(tmp_path, metrics=["mrr@3-l2", "R(rel=2)@3", "recall@3"])
    assert found.means() == pytest.approx(
        {"mrr(rel=2)@3": 1 / 3, "recall(rel=2)@3": 1 / 3, "recall@3": 1}
    )
    assert (
        "Grades go up to 2; a document counts as relevant from grade 1 in recall@3, from grade 2 in "
        "mrr(rel=2)@3, recall(rel=2)@3."
    ) in found.notes()
    assert "2 queries have no document of grade 2 or more and count 0 in mrr" in found.notes()


def test_the_level_is_said_of_graded_judgements_alone() -> None:
    said = levels(METRICS, {"0": 3, "3": 1}, {"3": 1})
    assert said == [
        (
            "Grades go up to 3; a document counts as relevant from grade 1 in mrr@3, recall@3, by its "
            "grade in ndcg@3."
        )
    ]
    assert levels(METRICS, {"0": 3, "1": 1}, {"1": 1}) == []
    assert levels(["recall(rel=2)@3"], {"1": 5}, {"1": 5})[1:] == [
        "5 queries have no document of grade 2 or more and count 0 in recall(rel=2)@3."
    ]


def test_a_name_means_the_same_wherever_it_stands(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {},
        metrics=["nDCG@3", "RR@3"],
        decision={"objective": "MRR@3"},
        gate=[{"metric": "NDCG@3", "margin": 0.01}],
    )
    found = load_experiment(file)
    assert found.metrics == ("ndcg@3", "mrr@3")
    assert found.decision.objective == load_decision(file).objective == "mrr@3"
    assert [rule.metric for rule in found.gate] == ["ndcg@3"]  # type: ignore[union-attr]


SHALLOW = {"use": "saved_run", "path": "run.trec"}


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"metrics": ["RR@3", "mrr@3"]}, "metrics: 'mrr@3' occurs more than once: say it once"),
        ({"metrics": ["bpref"]}, f"metrics[0]: 'bpref' is not a metric; {KNOWN}"),
        ({"metrics": [5]}, "metrics[0]: input should be a valid string, not 5"),
        ({"metrics": ["recall@9"]}, "metrics[0]: recall@9 looks deeper than the 5 documents that"),
        (
            {"gate": [{"metric": "ndcg", "margin": 0.01}]},
            "gate[0].metric: 'ndcg' is not a metric of this experiment",
        ),
        (
            {"gate": [{"metric": "err@3", "margin": 0.01}]},
            "gate[0].metric: 'err@3' is not a metric of this experiment; did you mean",
        ),
        (
            {
                "metrics": ["MAP"],
                "systems": [
                    {"name": "a", "retriever": SHALLOW},
                    {"name": "b", "retriever": SHALLOW, "depth": {"retrieve": 3}},
                ],
            },
            (
                "metrics[0]: map looks at all that was retrieved, which is 3 of 'b' and 5 of 'a': give "
                "it a cut-off"
            ),
        ),
    ],
)
def test_faults(tmp_path: Path, keys: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(tmp_path, {}, **keys))
    assert fault in str(caught.value)
