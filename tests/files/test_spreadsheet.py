"""No cell of a CSV file is run by a spreadsheet, numbers stay, and all is read back as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from accepted_facts import FACTS, TRIAL
from fakes import write_beir, write_experiment
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.gate.baseline_files import Baseline, read_baseline, write_baseline
from harness.cli.commands import main
from harness.files.spreadsheet import csv_text
from harness.results.tables import read_table, write_table

COLUMNS = ("system", "query_id", "value")
RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet runs: OWASP's list, and its wide forms."""


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("-5", "-5"),
        ("+1.5e-3", "+1.5e-3"),
        ("bm25", "bm25"),
    ],
)
def test_a_cell(cell: str, written: str) -> None:
    table = pd.DataFrame([(cell, -1.5)], columns=["system", "value"])
    assert list(csv.reader(io.StringIO(csv_text(table), newline="")))[1] == [written, "-1.5"]


CELLS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@given(
    st.lists(
        st.tuples(CELLS, st.sampled_from([*RUN, "'", "a"]).flatmap(lambda c: CELLS.map(c.__add__)))
    )
)
def test_tables_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.mktemp("table") / "t.csv"
    rows = [
        (a.replace("\r", "\t"), b.replace("\r", "\t")) for a, b in rows
    ]  # pandas reads \r as \n
    table = pd.DataFrame([(*row, -0.5) for row in rows], columns=list(COLUMNS))
    write_table(file, table)
    assert read_table(file, COLUMNS).to_numpy().tolist() == table.to_numpy().tolist()


def test_a_baseline_is_read_back(tmp_path: Path) -> None:
    table = pd.DataFrame(
        [("=d", "-s", "ndcg@3", "'=q", -0.5)],
        columns=["dataset", "system", "metric", "query_id", "value"],
    )
    trials, counts = {"=d": {"-s": TRIAL}}, {"=d": FACTS["datasets"]["d"]}
    facts = {**FACTS, "trials": trials, "datasets": counts}
    write_baseline(tmp_path, "e", Baseline(table, facts))
    assert (tmp_path / "e.csv").read_text().splitlines()[1] == "'=d,'-s,ndcg@3,''=q,-0.5"
    found = read_baseline(tmp_path, "e")
    assert found is not None
    assert found.table.to_numpy().tolist() == table.to_numpy().tolist()


def test_no_table_that_a_run_writes_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = '=HYPERLINK("http://x","y")'
    queries = {"=1+1": "red apple", "@q": "green pear"}
    write_beir(tmp_path / "data", queries=queries, qrels={"=1+1": {"d2": 1}, "@q": {"d3": 1}})
    write_experiment(
        tmp_path,
        datasets=[{"use": "files", "path": "data", "name": "@data"}],
        systems=[{"name": evil, "retriever": {"use": "fakes:WordOverlap"}}],
        baseline=evil,
    )
    assert main(["run", "experiment.yaml"]) == 0
    assert main(["export", "experiment.yaml", "out"]) == 0
    tables = sorted(tmp_path.rglob("*.csv"))
    assert {"leaderboard.csv", "storage.csv"} <= {file.name for file in tables}
    cells = [
        cell
        for file in tables
        for row in csv.reader(io.StringIO(file.read_text(), newline=""))
        for cell in row
    ]
    assert f"'{evil}" in cells
    assert not [cell for cell in cells if cell.startswith(RUN) and not cell[1:2].isdigit()]
    assert main(["why", "experiment.yaml", "=1+1"]) == 0  # ids are read back
    assert evil[:5] in capsys.readouterr().out
