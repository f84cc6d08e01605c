"""Eight documents, three queries and a run as files, to be written as people's files are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harness.analysis.quality.alarms import alarms
from harness.errors import DataError
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.report.notes import notes
from harness.results.store import Results, Store, load_results

DOCS = {
    "d1": "apple pie with cinnamon and butter",
    "d2": "green apple juice in the morning",
    "d3": "banana bread baked slowly",
    "d4": "red car with new tyres",
    "d5": "blue bicycle and a red helmet",
    "d6": "rain in the mountains all week",
    "d7": "sunny week at the sea",
    "d8": "apple orchard in autumn",
}
QUERIES = {"q1": "apple pie", "q2": "red bicycle", "q3": "week of rain"}
JUDGED = "q1\td1\t2\nq1\td2\t1\nq1\td8\t1\nq2\td5\t1\nq2\td4\t0\nq3\td6\t1\n"
HEADER = "query-id\tcorpus-id\tscore\n"
RUN = """\
q1 Q0 d1 1 9.5 sys
q1 Q0 d2 2 8.5 sys
q1 Q0 d8 3 7.5 sys
q2 Q0 d5 1 5.0 sys
q2 Q0 d4 2 4.0 sys
q3 Q0 d6 1 3.0 sys
q3 Q0 d7 2 2.0 sys
"""
"""Perfect: every metric of every query is 1."""

METRICS = ("ndcg@3", "mrr@3", "recall@3")


def lines(texts: Mapping[str, str]) -> str:
    """JSON lines as BEIR has them."""
    return "".join(
        json.dumps({"_id": name, "title": "", "text": text}, ensure_ascii=False) + "\n"
        for name, text in texts.items()
    )


FILES = {
    "data/corpus.jsonl": lines(DOCS),
    "data/queries.jsonl": lines(QUERIES),
    "data/qrels/test.tsv": HEADER + JUDGED,
    "run.trec": RUN,
}

SAVED = {"name": "saved", "retriever": {"use": "saved_run", "path": "run.trec"}}
BM25 = {"name": "bm25", "retriever": {"use": "bm25"}}


def write(folder: Path, changed: Mapping[str, str | bytes], **keys: Any) -> Path:
    """FILES with what is `changed`, and experiment.yaml beside them with other `keys`."""
    for name, text in {**FILES, **changed}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    content = {
        "question": "Does it read this?",
        "datasets": [{"use": "files", "path": "data"}],
        "systems": [SAVED],
        "metrics": list(METRICS),
        "depth": {"retrieve": 5, "rerank": 5},
        **keys,
    }
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


class Outcome(NamedTuple):
    """What a run of an experiment gave."""

    results: Results
    failures: dict[tuple[str, str], str]

    def means(self) -> dict[str, float]:
        """By metric the mean of the only system."""
        table = self.results.measurements
        return dict(table.groupby("metric")["value"].mean()[list(self.results.plan["metrics"])])

    def notes(self) -> str:
        """The notes on the dataset, a line each."""
        return "\n".join(notes(self.results)["data"])

    def evidence(self) -> str:
        """What the alarms say, a line each."""
        return "\n".join(alarms(self.results)["evidence"])

    def alarms(self) -> dict[str, str]:
        """By alarm its severity."""
        table = alarms(self.results)
        return dict(zip(table["alarm"], table["severity"], strict=True))


def run(folder: Path, changed: Mapping[str, str | bytes] | None = None, **keys: Any) -> Outcome:
    """Write, plan, execute and load; raises what is wrong with the dataset, or the file."""
    plan = make_plan(load_experiment(write(folder, changed or {}, **keys)))
    execution = Execution(
        plan, Store(folder / "results", "experiment"), folder / "cache", lambda *_: None
    )
    execution.execute()
    return Outcome(load_results(folder / "results" / "experiment"), execution.failures)


def refused(folder: Path, changed: Mapping[str, str | bytes] | None = None, **keys: Any) -> str:
    """Why nothing can be measured: what `run` raises, or why the only system failed."""
    try:
        (why,) = run(folder, changed, **keys).failures.values()
    except DataError as error:
        return str(error)
    return why
