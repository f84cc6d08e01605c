"""What other programs read: runs by ir_measures, tables by pandas, text by LaTeX and Markdown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import ir_measures
import pandas as pd
import pytest

from harness.analysis.quality.leaderboard import leaderboard
from harness.cli import commands
from harness.data import Hit
from harness.errors import DataError
from harness.files import trec
from harness.report import export
from harness.results.store import COSTS, Results, load_results

EVIL = r"[a] & 50%_$x$ #1 {b} ~ ^ \c <d> | -- `e` \"f\""


@pytest.fixture(scope="module")
def exported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of fakes, exported."""
    to = tmp_path_factory.mktemp("export")
    results = load_results(folder)
    export.export(results, leaderboard(results), to)
    return to


def qrels(folder: Path) -> list[ir_measures.Qrel]:
    lines = (folder.parents[1] / "data" / "qrels" / "test.tsv").read_text().splitlines()[1:]
    fields = [line.split("\t") for line in lines]
    return [ir_measures.Qrel(query_id, doc_id, int(grade)) for query_id, doc_id, grade in fields]


@pytest.mark.parametrize("system", ["dense", "words", "late[dim=8,precision=binary]"])
def test_ir_measures_finds_the_stored_values(exported: Path, folder: Path, system: str) -> None:
    file = exported / "runs" / "data" / f"{system}.trec"
    run = list(ir_measures.read_trec_run(str(file)))
    results = load_results(folder)
    stored = results.measurements.query("system == @system and metric == 'ndcg@3'")
    found = {
        one.query_id: one.value
        for one in ir_measures.iter_calc([ir_measures.nDCG @ 3], qrels(folder), run)
    }
    assert len(found) == 4
    assert found == pytest.approx(dict(zip(stored["query_id"], stored["value"], strict=True)))


def test_ties_stand_as_we_rank_them(exported: Path) -> None:
    rows = [
        line.split(" ") for line in (exported / "runs/data/words.trec").read_text().splitlines()
    ]
    scores = [float(score) for *_, score, _ in rows]
    assert len(set(scores)) < len(scores)
    assert {len(row) for row in rows} == {6}
    for query_id in {row[0] for row in rows}:
        mine = [row for row in rows if row[0] == query_id]
        assert [int(row[3]) for row in mine] == list(range(1, len(mine) + 1))
        again = sorted(mine, key=lambda row: (float(row[4]), row[2]), reverse=True)
        assert again == mine  # the order of trec_eval: by score, then by the greater id


def test_judgements_are_those_of_the_dataset(exported: Path, folder: Path) -> None:
    found = ir_measures.read_trec_qrels(str(exported / "qrels" / "data.qrels"))
    assert sorted(found) == sorted(qrels(folder))


def test_tables_are_read_back(exported: Path, folder: Path) -> None:
    results = load_results(folder)
    names = {path.stem for path in (exported / "tables").iterdir()}
    assert names == {*export.TABLES, "readings", *COSTS}
    back = pd.read_parquet(exported / "tables" / "measurements.parquet")
    pd.testing.assert_frame_equal(back, results.measurements)


def test_tables_of_cost_are_written(
    tmp_path: Path, folder: Path, make_results: Callable[..., Results]
) -> None:
    costs = make_results().costs
    results = dataclasses.replace(load_results(folder), costs=costs)
    export.export(results, leaderboard(results), tmp_path)
    for name, table in costs.items():
        back = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        assert list(back) == list(table)
        assert len(back) == len(table)


def test_names_that_become_one_file_keep_two(folder: Path, tmp_path: Path) -> None:
    results = load_results(folder)
    plan = dict(results.plan)
    one, other, *_ = [entry for entry in plan["trials"] if entry["system"].startswith("late")]
    plan["trials"] = [{**one, "system": "a b"}, {**other, "system": "a/b"}]
    names = {"a b": one["system"], "a/b": other["system"]}
    facts = {("data", new): results.facts["data", old] for new, old in names.items()}
    renamed = dataclasses.replace(results, plan=plan, facts=facts)
    export.export(renamed, leaderboard(results), tmp_path)
    files = {path.name for path in (tmp_path / "runs" / "data").iterdir()}
    assert files == {"a-b.trec", f"a-b--{other['key'][:12]}.trec"}
    assert (tmp_path / "runs/data/a-b.trec").read_text().splitlines()[0].endswith(" ab")


def test_a_run_cannot_hold_ids_with_white_space() -> None:
    assert trec.run_text({"q": [Hit("d", 0.1)]}, "my run") == "q Q0 d 1 0.1 myrun\n"
    for run in ({"q 1": []}, {"q": [Hit("d\t1", 1.0)]}, {"": []}):
        with pytest.raises(DataError, match=r"is empty|contains white space"):
            trec.run_text(run, "tag")


def test_latex_is_escaped() -> None:
    assert export.latex(EVIL) == (
        r"{[}a{]} \& 50\%\_\$x\$ \#1 \{b\} \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{}c \textless{}d\textgreater{} \textbar{} {-}{-} "
        r"\textasciigrave{}e\textasciigrave{} \textbackslash{}\textquotedbl{}f"
        r"\textbackslash{}\textquotedbl{}"
    )
    assert export.latex("*a\n\x00b") == "{*}a b"


def board() -> pd.DataFrame:
    rows = [
        ("x|y", EVIL, metric, value, low, high, 2, "")
        for metric, value, low, high in [
            ("m@1", 0.5, 0.25, 0.75),
            ("judged@10", 1.0, 1.0, 1.0),
            ("ties@10", 0.0, 0.0, 0.0),
        ]
    ]
    names = ["dataset", "system", "metric", "value", "low", "high", "queries", "label"]
    return pd.DataFrame(rows, columns=names)


def test_leaderboards() -> None:
    found = export.leaderboards(board(), ["m@1"])
    assert set(found) == {"leaderboard.csv", "leaderboard.tex", "leaderboard.md"}
    lines = found["leaderboard.tex"].splitlines()
    (row,) = [line for line in lines if "0.5000" in line]
    assert re.split(r"(?<!\\)&", row)[2:] == [
        r" 0.5000~{[}0.250, 0.750{]} ",
        r" 100\% ",
        r" 0\% \\",
    ]
    assert lines[1] == r"\begin{tabular}{llrrr}"
    assert [line for line in lines if line.startswith("\\") and line.endswith("rule")] == [
        *("\\toprule", "\\midrule", "\\bottomrule"),
    ]
    text = found["leaderboard.md"]
    assert text.startswith("**x\\|y**\n\n| system | m@1 | judged@10 | ties@10 |\n| :-- | --: |")
    assert "| 0.5000 \\[0.250, 0.750\\] | 100% | 0% |" in text


def test_leaderboards_without_quality() -> None:
    found = export.leaderboards(board()[:0], ["m@1"])
    assert found["leaderboard.tex"] == "% Quality was not measured.\n"
    assert found["leaderboard.md"] == "Quality was not measured.\n"


def test_the_command_names_what_it_wrote(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder.parents[1] / "experiment.yaml"
    command = ["export", str(file), str(tmp_path / "out"), "--results", str(folder.parent)]
    assert commands.main(command) == 0
    named = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert set(named) == {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert commands.main([*command[:-1], str(tmp_path)]) == 3
    assert "There are no results" in capsys.readouterr().err
