"""The storage grid counts what it built; bytes on disk are those of the formula and what is beside."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import HashingTokenEncoder
from numpy.typing import NDArray

from harness.components.databases import fast_plaid
from harness.components.models import shelf
from harness.components.protocols import Side
from harness.components.vectors.compression import Precision, unit
from harness.errors import PackageError
from harness.experiment.schema import Storage
from harness.files.disk import disk_bytes
from harness.measure.storage import study
from harness.measure.storage.study import storage_grid
from harness.results import columns

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8", "binary")
LENGTHS = [*range(1, 40), 0, *range(40, 100)]


def matrices(dim: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [unit(rng.normal(size=(length, dim)).astype(np.float32)) for length in LENGTHS]


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]]) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("storage")
    found = storage_grid(
        matrices(20),
        dims=[20, 12],
        trained={20},
        settings=Storage(precisions=PRECISIONS, pool_factors=(1, 3), plaid_nbits=()),
        folder=folder,
        progress=lambda *args: told.append(args),
    )
    assert not list(folder.iterdir())
    return found


def only(grid: pd.DataFrame, dim: int, precision: str, factor: int) -> pd.Series:
    rows = grid[(grid.dim == dim) & (grid.precision == precision) & (grid.pool_factor == factor)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_row_for_each_way(grid: pd.DataFrame, told: list[tuple[int, int]]) -> None:
    assert list(grid.columns) == [
        name for name in columns.GRID if name not in ("dataset", "system", "model")
    ]
    assert len(grid) == 2 * 4 * 2
    assert told == [(done, 16) for done in range(17)]
    assert grid.nbits.isna().all()
    assert (grid.documents == len(LENGTHS)).all()
    assert grid.set_index("dim").trained.to_dict() == {20: True, 12: False}


def test_vectors_are_counted(grid: pd.DataFrame) -> None:
    assert only(grid, 20, "float32", 1).vectors == sum(LENGTHS)
    # A first vector and one for every three others, of which there is one at least.
    pools = sum(1 + max((length - 1) // 3, 1) if length > 1 else length for length in LENGTHS)
    assert only(grid, 12, "int8", 3).vectors == pools


@pytest.mark.parametrize(("precision", "size"), [*zip(PRECISIONS, (80, 40, 24, 3), strict=True)])
def test_payload_is_the_formula_without_offsets(
    grid: pd.DataFrame, precision: str, size: int
) -> None:
    row = only(grid, 20, precision, 1)
    assert row.payload_bytes == row.vectors * size
    assert row.formula_bytes == row.payload_bytes + 8 * row.documents


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("dim", [20, 12])
def test_float16_is_half_of_float32(grid: pd.DataFrame, dim: int, factor: int) -> None:
    whole, half = (only(grid, dim, precision, factor) for precision in ("float32", "float16"))
    assert half.payload_bytes * 2 == whole.payload_bytes


def test_folder_is_payload_offsets_and_headers(grid: pd.DataFrame) -> None:
    beside = grid.disk_bytes - grid.formula_bytes
    assert beside.between(8 + 2 * 128, 8 + 3 * 128 + 64).all()  # numpy's headers have 128 bytes


def test_seconds_are_measured(grid: pd.DataFrame) -> None:
    seconds = grid[["memory_seconds", "mapped_seconds", "build_seconds"]]
    assert (seconds > 0).all(axis=None)
    assert bool((grid.cold_seconds > 0).all()) == hasattr(os, "posix_fadvise")


def test_cold_is_not_measured_where_pages_cannot_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    settings = Storage(precisions=("int8",), pool_factors=(1,), plaid_nbits=())
    found = storage_grid(matrices(4)[:3], [4], [4], settings, tmp_path, lambda *_: None)
    assert found.cold_seconds.isna().all()


def test_folder_is_measured_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "inner" / "b").write_bytes(b"45")
    assert disk_bytes(tmp_path) == 5


@pytest.mark.skipif(not importlib.util.find_spec("fast_plaid"), reason="fast-plaid is optional")
def test_plaid_is_built(tmp_path: Path) -> None:
    settings = Storage(
        precisions=("float32",), pool_factors=(1,), plaid_nbits=(2,), plaid_documents=60
    )
    found = storage_grid(matrices(16), [16], [16], settings, tmp_path, lambda *_: None)
    (row,) = found[found.precision == "plaid"].itertuples()
    kept = [length for length in LENGTHS[:60] if length]
    assert (row.nbits, row.documents, row.vectors) == (2, len(kept), sum(kept))
    assert row.formula_bytes == sum(kept) * (16 * 2 / 8 + 8)
    assert row.payload_bytes == row.formula_bytes  # codes of 8 bytes, residuals of 4
    assert row.disk_bytes > 2 * row.payload_bytes + 64 * sum(kept)  # copies; float32 vectors
    assert row.build_seconds > 0
    assert row.memory_seconds > 0
    assert np.isnan(row.mapped_seconds)
    assert "second copies" in row.remark
    assert "uncompressed vectors" in row.remark


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({}, "the package fast-plaid is not installed"),
        (
            {"fast-plaid": "1.4", "torch": "2.13.0+cpu"},
            "made for torch 2.11.0, and this is torch 2",
        ),
    ],
)
def test_plaid_that_cannot_be_built_is_a_remark(
    versions: dict[str, str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda name: [f"torch==2.11.0{version(name)[:0]}"]
    )
    with pytest.raises(PackageError, match=reason):
        fast_plaid.check_packages()
    settings = Storage(plaid_nbits=(1, 4), plaid_documents=60)
    found = storage_grid(matrices(16), [], [], settings, tmp_path, lambda *_: None)
    assert found.remark.str.startswith("not measured: ").all()
    assert found.remark.str.contains(reason).all()
    assert found.disk_bytes.isna().all()
    assert found.formula_bytes.tolist() == [
        v * (16 * b / 8 + 8) for v, b in zip(found.vectors, [1, 4], strict=True)
    ]


class Loaded(HashingTokenEncoder):
    """A token encoder whose model lies in memory once it was asked."""

    def encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        shelf.loaded("the model", object)
        return super().encode(texts, side)


def test_vectors_are_stored_when_their_model_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[object] = []

    def grid(*_: object) -> pd.DataFrame:
        there.extend(shelf.missing(["the model"]))
        return pd.DataFrame()

    monkeypatch.setattr(study, "storage_grid", grid)
    work: Any = SimpleNamespace(cached_encoder=lambda encoder: encoder, progress=lambda *_: None)
    study._grid(Loaded(), ["a text"], Storage(), work)
    assert there == ["the model"]
