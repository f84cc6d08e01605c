"""What is fetched from an index is what was packed, wherever the index lies."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.components.vectors.compression import Precision, pack, unit, unpack
from harness.components.vectors.token_index import TokenIndex, build, mapped, open_index
from harness.errors import ComponentError, StoreError

ROOT = Path(__file__).parents[3]
Matrix = NDArray[np.float32]
PRECISIONS = get_args(Precision)


def rows(count: int, dim: int, seed: int = 0) -> Matrix:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


@st.composite
def documents(draw: st.DrawFn) -> list[Matrix]:
    dim = draw(st.integers(1, 40))
    lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=8))
    return [rows(length, dim, seed) for seed, length in enumerate(lengths)]


def assert_fetches(index: TokenIndex, docs: Sequence[Matrix], places: Sequence[int]) -> None:
    vectors, lengths = index.fetch(places)
    wanted = [unpack(pack(docs[place], index.precision), index.precision) for place in places]
    assert vectors.dtype == np.float32
    assert lengths.tolist() == [len(each) for each in wanted]
    np.testing.assert_array_equal(vectors, np.concatenate([*wanted, docs[0][:0]]))


@given(documents(), st.sampled_from(PRECISIONS), st.data())
def test_fetches_what_was_packed(
    docs: list[Matrix], precision: Precision, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(docs) - 1), max_size=12))
    index = build(docs, precision)
    assert_fetches(index, docs, places)
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        opened = open_index(Path(folder) / "index")
        assert_fetches(opened, docs, places)
    assert_fetches(mapped(iter(docs), precision), docs, places)
    assert (len(opened), opened.vectors) == (len(docs), sum(map(len, docs)))
    assert (opened.nbytes, opened.payload_bytes) == (index.nbytes, index.payload_bytes)


@pytest.mark.parametrize(
    ("precision", "size", "names"),
    # 5 vectors of 20 dimensions: 80, 40, 20 + 4 and 3 bytes each.
    [
        ("float32", 400, {"codes.npy", "offsets.npy", "about.json"}),
        ("float16", 200, {"codes.npy", "offsets.npy", "about.json"}),
        ("int8", 120, {"codes.npy", "offsets.npy", "about.json", "scales.npy"}),
        ("binary", 15, {"codes.npy", "offsets.npy", "about.json"}),
    ],
)
def test_bytes_and_files(precision: Precision, size: int, names: set[str], tmp_path: Path) -> None:
    index = build([rows(2, 20), rows(0, 20), rows(3, 20)], precision)
    assert index.payload_bytes == size
    assert index.nbytes == size + 4 * 8  # where three documents begin, and the end
    index.save(tmp_path / "index")
    assert {file.name for file in (tmp_path / "index").iterdir()} == names


PROGRAM = """
import resource, sys
import numpy as np
from harness.components.vectors import token_index
matrices = (np.full((100, 128), i, np.float32) for i in range(4_000))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
index = getattr(token_index, sys.argv[1])(matrices, "float32")
assert index.vectors == 400_000
print(peak() - before)
"""


@pytest.mark.parametrize(("made", "most"), [("build", 280), ("mapped", 60)])
def test_an_index_is_not_held_twice_while_it_is_built(made: str, most: int) -> None:
    """Of 195 MiB of vectors, all in memory or none."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, made], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert float(done.stdout) < most


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_documents(precision: Precision) -> None:
    index = build([], precision)
    assert (len(index), index.vectors, index.packed.dim) == (0, 0, 0)
    assert index.fetch([]).vectors.shape == (0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vector_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ComponentError, match="not finite"):
        build([np.array([[1, value]], dtype=np.float32)], "float16")


def test_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No token index can be read from"):
        open_index(tmp_path)
