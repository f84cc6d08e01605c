from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import contract_chat
import fruit
import pytest
from contract_server import ContractServer
from judged_fruit import PEOPLE, POOL, QUERIES, TEXTS

from harness.analysis.judgments.journal import Event, Journal, now
from harness.cli.commands import main
from harness.data import Dataset, Doc, Query
from harness.errors import StoreError
from harness.experiment.judge_terms import ModelJudge
from harness.experiment.reading import load_experiment
from harness.judging.choose import Chooser
from harness.judging.desk import Desk, desk
from harness.judging.model import trial_file
from harness.judging.model.of_dataset import LEDGER, judge_dataset
from harness.report.render import report_stored


def block(server: ContractServer, **changes: Any) -> dict[str, Any]:
    budget = {"calls": 500}
    url = f"{server.url}/v1"
    return {"use": "llm", "url": url, "model": contract_chat.MODEL, "budget": budget, **changes}


def at_a_desk(folder: Path, qrels: dict[str, dict[str, int]]) -> Desk:
    docs = [Doc(name, text) for name, text in TEXTS.items()]
    queries = [Query(name, text) for name, text in QUERIES.items()]
    dataset = Dataset("fruit", docs, queries, qrels)
    return Desk(dataset, POOL, Chooser(POOL, 0.01, 1), Journal(folder / "fruit" / "judgments"))


def test_grades_that_people_gave_in_qrels_and_journal_try_the_model(
    server: ContractServer, tmp_path: Path
) -> None:
    qrels: dict[str, dict[str, int]] = {}
    for (query_id, doc_id), grade in PEOPLE.items():
        qrels.setdefault(query_id, {})[doc_id] = grade
    own = at_a_desk(tmp_path, qrels)
    with own.journal.alone():
        for place, query_id in enumerate(("q4", "q5")):
            own.journal.append(Event("drawn", query_id, "ann", now(), chance=1 / (8 - place)))
            for doc_id in TEXTS:
                grade = contract_chat.grade(QUERIES[query_id], TEXTS[doc_id])
                own.journal.append(Event("grade", query_id, "ann", now(), doc_id, grade))
    found = judge_dataset(ModelJudge(**block(server)), tmp_path, own)
    assert found.trial.agreement
    assert found.trial.agreement.pairs == len(PEOPLE) + 2 * len(TEXTS)
    state = Journal(own.journal.folder).state
    not_given = {pair: grade for pair, grade in found.grades.items() if pair not in PEOPLE}
    assert state.judges["org/judge (model)"] == not_given
    assert [drawn.query_id for drawn in state.draws] == ["q4", "q5"]  # people's alone
    assert "people's judgments of 2 drawn queries alone" in found.sentences[-1]
    stored = json.loads((own.journal.folder / trial_file.NAME).read_text())
    assert stored["counts"]
    assert stored["sentences"] == found.sentences

    of_journal: dict[str, dict[str, int]] = {}
    for (query_id, doc_id), grade in state.grades.items():
        of_journal.setdefault(query_id, {})[doc_id] = grade
    again = judge_dataset(ModelJudge(**block(server)), tmp_path, at_a_desk(tmp_path, of_journal))
    assert again.trial.agreement
    assert again.trial.agreement.pairs == 2 * len(TEXTS)  # ann's, and none of its own


def test_the_command_has_the_model_judge(
    server: ContractServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = fruit.run(tmp_path, systems=[fruit.SAVED, fruit.BM25], judge=block(server)).results
    file, folder = tmp_path / "experiment.yaml", results.folder.parent
    places = ["--results", str(folder), "--cache", str(tmp_path / "cache")]
    assert main(["judge", str(file), *places, "--model"]) == 0
    assert "30 are needed. Its labels do not count." in " ".join(capsys.readouterr().out.split())


def test_a_model_that_is_not_shown_to_agree_stands_in_the_report_as_a_warning(
    server: ContractServer, tmp_path: Path
) -> None:
    systems = [fruit.SAVED, fruit.BM25]
    results = fruit.run(tmp_path, systems=systems, judge=block(server)).results
    experiment = load_experiment(tmp_path / "experiment.yaml")
    assert experiment.judge
    own = desk(experiment, results, "", 3, tmp_path / "cache")
    found = judge_dataset(experiment.judge, results.folder, own)
    assert own.journal.state.events == []  # nothing counts
    assert len(found.grades) == found.spent.calls > 0
    assert (results.folder / LEDGER).exists()
    report_stored(results.folder)
    text = " ".join((results.folder / "report.md").read_text().split())
    assert "The judging model on data" in text
    assert "30 are needed. Its labels do not count." in text
    (own.journal.folder / trial_file.NAME).write_text("{}")
    with pytest.raises(StoreError, match="delete it, and have the model judge again"):
        report_stored(results.folder)
