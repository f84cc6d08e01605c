"""Values of every query on disk and back: to the last bit, in the same bytes, and from older folders."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import write_experiment
from hypothesis import given
from hypothesis import strategies as st
from made_results import frame

from harness.cli.commands import main
from harness.data import Hit
from harness.errors import StoreError
from harness.files import digests
from harness.results import trials, values
from harness.results.store import Results, load_results

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(st.dictionaries(NAMES, st.tuples(st.floats(allow_nan=False), st.integers(0, 9)), min_size=1))
def test_values_come_back_to_the_last_bit_and_in_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[float, int]]
) -> None:
    folder = tmp_path_factory.mktemp("values")
    each, depths = zip(*rows.values(), strict=True)
    table = pd.DataFrame({"query_id": list(rows), "depth": depths, "ndcg@10": each, "map": -1.5})
    for name in ("one", "other"):
        values.write(folder / name, table)
    assert (folder / "one").read_bytes() == (folder / "other").read_bytes()
    back = values.read(folder / "one", ["ndcg@10"])
    assert back.column_names == ["query_id", "depth", "ndcg@10"]
    assert back["query_id"].to_pylist() == list(rows)
    assert back["depth"].to_pylist() == list(depths)
    assert np.array(back["ndcg@10"]).tobytes() == np.array(each).tobytes()
    assert values.read(folder / "one").column_names == list(table)


def test_values_of_trials_stand_one_below_the_other() -> None:
    one = values.bare(pd.DataFrame({"query_id": ["q2", "q10"], "b@1": [1.0, 2.0], "a@1": [3.0, 4]}))
    other = values.bare(pd.DataFrame({"query_id": ["q1"], "a@1": [5.0]}))
    found = values.a_row_a_value("measurements", {("d", "z"): one, ("d", "y"): other})
    assert found.to_numpy().tolist() == [
        ["d", "z", "q2", "b@1", 1.0],
        ["d", "z", "q2", "a@1", 3.0],
        ["d", "z", "q10", "b@1", 2.0],
        ["d", "z", "q10", "a@1", 4.0],
        ["d", "y", "q1", "a@1", 5.0],
    ]
    assert found["query_id"].cat.categories.tolist() == ["q1", "q10", "q2"]
    assert list(values.a_row_a_value("readings", {}).columns[:4]) == [
        *("dataset", "system", "reading", "depth")
    ]


def test_a_file_that_is_no_table_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="cannot be read"):
        values.read(tmp_path / "x")


def older(folder: Path) -> None:
    """Have a trial as an earlier version wrote it: measurements as CSV, and no readings."""
    table = values.a_row_a_value("measurements", {("data", "x"): trials.measurements(folder)})
    with (folder / "measurements.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([list(table), *table.to_numpy().tolist()])
    noted = folder / "measured.json"
    noted.write_text(noted.read_text().replace("harness.results.derived_rankings", "x"))
    gone = ["measurements.parquet", "readings.parquet"]
    digests.renew(folder, ["measurements.csv", "measured.json"], without=gone)


def tables(results: Results) -> list[pd.DataFrame]:
    return [results.measurements, results.readings("ndcg@3"), results.readings("tau", "distinct")]


def test_results_of_an_older_version_are_read_and_measured_anew_by_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    assert main(["run", "experiment.yaml"]) == 0
    folder = tmp_path / "results" / "experiment"
    expected = tables(load_results(folder))
    whole = {file: file.read_bytes() for file in folder.rglob("data/*/*.*")}
    for trial in (folder / "data").iterdir():
        older(trial)
    for found, table in zip(tables(load_results(folder)), expected, strict=True):
        pd.testing.assert_frame_equal(found, table)
    shutil.rmtree(".cache")  # nothing is searched or scored again
    assert main(["run", "experiment.yaml"]) == 0
    assert {file: file.read_bytes() for file in folder.rglob("data/*/*.*")} == whole


def test_damage_of_older_measurements_loses_no_run(tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").write_text("x")
    digests.seal(tmp_path)
    (tmp_path / "measurements.csv").write_text("y")
    assert trials.lost(tmp_path) == []


TEXTS = {"query q1": "half \ud83d of a pair", "query q2": "", "query q 3": "x", "doc d1": "a\nb"}
NO_TABLE = pd.DataFrame({"query_id": []})


def stored(folder: Path) -> Path:
    """A trial with TEXTS, in which d1 stands first for q1, and nothing was found for q2."""
    run = {"q1": [Hit("d1", 2.0), Hit("q2", 1.0)], "q2": []}
    measured = trials.Measured(NO_TABLE, NO_TABLE, {})
    record = trials.Record(
        trials.Ranked(run, None, None), measured, frame("timings"), frame("storage"), TEXTS, {}
    )
    folder.mkdir()
    trials.write(folder, record, "system")
    digests.seal(folder)
    return folder


def with_older_texts(folder: Path) -> None:
    """Have texts as an earlier version wrote them."""
    lines = [json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()]
    older = folder / "texts.jsonl.gz"
    older.write_bytes(gzip.compress("\n".join(lines).encode()))
    digests.renew(folder, [older.name], without=["texts.parquet"])


def test_texts_and_what_stands_first_are_read_as_they_were_written(tmp_path: Path) -> None:
    older = stored(tmp_path / "older")
    with_older_texts(older)
    for folder in (stored(tmp_path / "now"), older):
        assert trials.texts(folder, None) == TEXTS
        asked = ["doc d1", "query q2", "doc q1", "query"]
        assert trials.texts(folder, asked) == {"doc d1": "a\nb", "query q2": ""}
        assert trials.first_hits(folder, ["q1", "q2", "q9", "d1"]) == {"q1": "d1"}


def test_texts_that_are_damaged_are_not_read(tmp_path: Path) -> None:
    folder = stored(tmp_path / "x")
    (folder / "texts.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="Nothing was read"):
        trials.texts(folder, None)
    with pytest.raises(StoreError, match="Nothing was read"):
        trials.first_hits(folder, ["q1"])
