from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from accepted_facts import FACTS
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.gate.baseline_files import VALUES, Baseline, read_baseline, write_baseline
from harness.errors import InputError, StoreError


def table(*rows: tuple[str, str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(VALUES))


ROWS = (
    ("a,b", 'say "x"', "ndcg@10", "001", 0.5),
    ("a,b", 'say "x"', "ndcg@10", "NA", 1.0),
    ("a,b", 'say "x"', "ndcg@10", "", 0.123457),
    ("a,b", "two\nlines", "ndcg@10", "=1+1", 0.0),
)


def test_round_trip_with_hostile_names(tmp_path: Path) -> None:
    path = write_baseline(tmp_path / "new", "e", Baseline(table(*ROWS), FACTS))
    found = read_baseline(tmp_path / "new", "e")
    assert found is not None
    pd.testing.assert_frame_equal(found.table, table(*ROWS), check_dtype=False)
    assert found.facts.items() >= FACTS.items()
    assert path.read_text().splitlines()[1] == '"a,b","say ""x""",ndcg@10,001,0.5'
    assert sorted(file.name for file in path.parent.iterdir()) == ["e.csv", "e.json"]


def test_the_same_baseline_is_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        path = write_baseline(tmp_path / name, "e", Baseline(table(*ROWS), FACTS))
        files.append((path.read_bytes(), path.with_suffix(".json").read_bytes()))
    assert files[0] == files[1]


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), unique=True))
def test_any_query_id_survives(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    rows = [("d", "s", "m@1", query_id, 0.25) for query_id in ids]
    folder = tmp_path_factory.mktemp("any")
    write_baseline(folder, "e", Baseline(table(*rows), FACTS))
    found = read_baseline(folder, "e")
    assert found is not None
    assert found.table["query_id"].tolist() == ids


def test_none_is_there(tmp_path: Path) -> None:
    assert read_baseline(tmp_path, "e") is None


def test_a_checkout_may_have_other_line_endings(tmp_path: Path) -> None:
    path = write_baseline(tmp_path, "e", Baseline(table(ROWS[0]), FACTS))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = read_baseline(tmp_path, "e")
    assert found is not None
    assert found.table["value"].tolist() == [0.5]


HEADER = "dataset,system,metric,query_id,value\n"


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("csv", None),
        ("json", None),
        ("csv", b""),
        ("csv", HEADER.encode() + b"d,s,m,q,0.9\n"),  # another value: the digest tells
        ("csv", b"\xff\xfe"),
        ("json", b"{}"),
        ("json", b"["),
        ("json", b"[]"),
        ("json", b"null"),
    ],
)
def test_a_damaged_baseline_is_named_with_the_way_out(
    tmp_path: Path, ending: str, content: bytes | None
) -> None:
    write_baseline(tmp_path, "e", Baseline(table(ROWS[0]), FACTS))
    file = tmp_path / f"e.{ending}"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as one baseline") as caught:
        read_baseline(tmp_path, "e")
    assert "Restore both from version control" in str(caught.value)


def test_a_flipped_byte_of_the_facts_is_told_or_changes_nothing(tmp_path: Path) -> None:
    noted = write_baseline(tmp_path, "e", Baseline(table(ROWS[0]), FACTS)).with_suffix(".json")
    whole = noted.read_bytes()
    told = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 2
        noted.write_bytes(damaged)
        try:
            found = read_baseline(tmp_path, "e")
        except InputError:
            told += 1
        else:
            assert found is not None
            assert found.table["value"].tolist() == [0.5]
            assert found.facts.items() >= FACTS.items()
    assert told > 0.9 * len(whole)


def test_a_baseline_without_digest_is_read_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noted = write_baseline(tmp_path, "e", Baseline(table(ROWS[0]), FACTS)).with_suffix(".json")
    facts = json.loads(noted.read_text(encoding="utf-8"))
    noted.write_text(json.dumps({name: facts[name] for name in facts if name != "digest"}))
    found = read_baseline(tmp_path, "e")
    assert found is not None
    assert found.table["value"].tolist() == [0.5]
    assert caplog.messages == [
        f"{noted} has no digest, which tells when it was changed: --accept writes one."
    ]
    noted.write_text(json.dumps({**facts, "reason": "another"}))
    with pytest.raises(InputError, match="its digest is another"):
        read_baseline(tmp_path, "e")


def test_a_baseline_that_cannot_be_read_is_no_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_baseline(tmp_path, "e", Baseline(table(ROWS[0]), FACTS))

    def full(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_bytes", full)
    with pytest.raises(StoreError, match="Too many open files"):
        read_baseline(tmp_path, "e")


def places(value: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """The place of every field, and of every item, inside JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from places(inner, *above, key)


@pytest.mark.parametrize("place", list(places(FACTS)), ids=str)
def test_a_missing_field_is_named_with_the_way_out(
    tmp_path: Path, place: tuple[str | int, ...]
) -> None:
    whole = Baseline(table(*ROWS, ("d", "s", "m@1", "q", 0.5)), FACTS)
    file = write_baseline(tmp_path, "e", whole).with_suffix(".json")
    facts = json.loads(file.read_text())
    inside = facts
    for key in place[:-1]:
        inside = inside[key]
    del inside[place[-1]]
    file.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="cannot be read as one baseline: the second file") as told:
        read_baseline(tmp_path, "e")
    assert "Restore both from version control" in str(told.value)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", f"{HEADER}d,s,m,q,nan\n", f"{HEADER}d,s,m,q,\n", HEADER + 2 * "d,s,m,q,1\n"],
)
def test_a_table_that_is_none_is_refused_even_with_its_digest(text: str) -> None:
    from harness.analysis.gate.baseline_files import _values
    from harness.data import digest

    with pytest.raises(ValueError, match=r"."):
        _values(text, digest([text]))
