from __future__ import annotations

import gzip
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data import Hit
from harness.errors import DataError
from harness.files.trec import read_run, run_bytes, stored_run

IDS = st.text(min_size=1).filter(lambda text: text.split() == [text] and text.isprintable())
SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False)
RUNS = st.dictionaries(
    IDS,
    st.dictionaries(IDS, SCORES, min_size=1).map(lambda d: [Hit(*item) for item in d.items()]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS)
def test_round_trip(tmp_path: Path, run: dict[str, list[Hit]]) -> None:
    file = tmp_path / "run.trec.gz"
    file.write_bytes(run_bytes(run, "tag"))
    found = read_run(file)
    assert {q: [hit.doc_id for hit in hits] for q, hits in found.items()} == {
        q: [hit.doc_id for hit in hits] for q, hits in run.items()
    }
    for query_id, hits in run.items():
        scores = [np.float32(hit.score) for hit in found[query_id]]
        assert scores == [np.float32(hit.score) for hit in hits]
    assert stored_run(file) == found


def test_same_bytes_twice_and_in_any_order_of_queries() -> None:
    run = {"q2": [Hit("a", 1.0)], "q1": [Hit("b", 0.1)]}
    again = dict(reversed(run.items()))
    assert run_bytes(run, "x") == run_bytes(again, "x")
    text = gzip.decompress(run_bytes(run, "my tag")).decode()
    assert text == "q1 Q0 b 1 0.1 mytag\nq2 Q0 a 1 1.0 mytag\n"


def test_ir_measures_reads_what_is_written(tmp_path: Path) -> None:
    run = {"q": [Hit("b", 2.5), Hit("a", -1e-8)]}
    file = tmp_path / "run.trec"
    file.write_bytes(gzip.decompress(run_bytes(run, "")))
    read = [(hit.query_id, hit.doc_id, hit.score) for hit in ir_measures.read_trec_run(str(file))]
    assert read == [("q", "b", 2.5), ("q", "a", -1e-8)]


GOOD = "q Q0 a 1 2.0 t\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (GOOD + "q Q0 b 2 1.0\n", r":2: expected `query_id .*`, found 5 fields"),
        (GOOD + "\nq Q0 b 2 high t\n", r":3: the score 'high' is not a finite number"),
        (GOOD + "q Q0 b 2 nan t\n", r":2: the score 'nan' is not a finite number"),
        (GOOD + "q Q0 b 2 -inf t\n", r":2: the score '-inf' is not a finite number"),
        (GOOD + "q Q0 a 2 1.0 t\n", r":2: 'a' occurs twice for query 'q'"),
        (b"q Q0 \xff 1 2.0 t\n", "is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_fault_is_named_by_file_and_line(
    tmp_path: Path, lines: str | bytes, message: str, packed: bool
) -> None:
    content = lines.encode() if isinstance(lines, str) else lines
    file = tmp_path / ("bad.trec.gz" if packed else "bad.trec")
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=message) as caught:
        read_run(file)
    assert str(file) in str(caught.value)


WHOLE = gzip.compress(GOOD.encode())


@pytest.mark.parametrize(
    "content",
    [b"not packed", WHOLE[:-9], WHOLE[:10] + b"\xff" * 8 + WHOLE[18:]],
    ids=["not gzip", "cut short", "damaged"],
)
def test_damaged_pack_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "run.trec.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"run\.trec\.gz cannot be read"):
        read_run(file)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_run(tmp_path / "run.trec")
