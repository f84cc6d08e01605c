"""What packing costs in bytes and in accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.components.vectors.compression import (
    Packed,
    Precision,
    pack,
    pooled,
    sliced,
    unit,
    unpack,
)

Matrix = NDArray[np.float32]


def random_rows(rows: int, dim: int, seed: int = 0) -> Matrix:
    return unit(np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32))


shapes = st.builds(random_rows, st.integers(0, 9), st.integers(1, 40), st.integers(0, 99))


@pytest.mark.parametrize(
    ("precision", "dim", "size"),
    # From the module's docstring: 4 dim, 2 dim, dim + 4, dim / 8 rounded up.
    [
        ("float32", 128, 512),
        ("float16", 128, 256),
        ("int8", 128, 132),
        ("binary", 128, 16),
        ("binary", 20, 3),
    ],
)
def test_bytes_of_a_vector(precision: Precision, dim: int, size: int) -> None:
    for rows in (0, 1, 7):
        assert pack(random_rows(rows, dim), precision).nbytes == rows * size


@given(shapes)
def test_float32_comes_back_as_it_was(vectors: Matrix) -> None:
    np.testing.assert_array_equal(unpack(pack(vectors, "float32"), "float32"), vectors)


@given(shapes)
def test_float16_is_rounded_and_half_the_size(vectors: Matrix) -> None:
    half = pack(vectors, "float16")
    assert 2 * half.nbytes == pack(vectors, "float32").nbytes
    np.testing.assert_array_equal(unpack(half, "float16"), vectors.astype(np.float16))


def test_every_finite_float16_comes_back_as_numpy_has_it() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = every[np.isfinite(every)][:, None]
    found = unpack(Packed(halves, np.empty(0, dtype=np.float32), 1), "float16")
    np.testing.assert_array_equal(found.view(np.int32), halves.astype(np.float32).view(np.int32))


@given(shapes, st.sampled_from(["float32", "float16", "int8", "binary"]))
def test_unpacks_into_what_it_is_given(vectors: Matrix, precision: Precision) -> None:
    packed, out = pack(vectors, precision), np.full_like(vectors, np.nan)
    assert unpack(packed, precision, out=out) is out
    np.testing.assert_array_equal(out, unpack(packed, precision))


@given(shapes, st.sampled_from([1e-3, 1, 50]))
def test_int8_is_off_by_half_a_step_at_most(vectors: Matrix, size: float) -> None:
    vectors = (vectors * size).astype(np.float32)
    packed = pack(vectors, "int8")
    error = np.abs(unpack(packed, "int8") - vectors)
    assert (error <= packed.scales[:, None] * (0.5 + 1e-4)).all()
    most = np.abs(vectors).max(axis=1)  # the largest coordinate takes the largest code
    np.testing.assert_allclose(packed.scales, most / 127, rtol=1e-6)


@given(shapes)
def test_binary_keeps_the_signs_at_length_1(vectors: Matrix) -> None:
    found = unpack(pack(vectors, "binary"), "binary")
    np.testing.assert_array_equal(found > 0, vectors > 0)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_zero_vector_stays_zero(precision: Precision) -> None:
    zero = np.zeros((2, 5), dtype=np.float32)
    np.testing.assert_array_equal(unpack(pack(zero, precision), precision), zero)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_unpacked_is_float32_of_the_shape_that_was_packed(precision: Precision) -> None:
    found = unpack(pack(random_rows(3, 21), precision), precision)
    assert found.dtype == np.float32
    assert found.shape == (3, 21)


def test_sliced_is_at_length_1_again() -> None:
    vectors = np.array([[3, 4, 12], [0, 0, 1]], dtype=np.float32) / 13
    # (3, 4) / 5; nothing is left of the second row.
    np.testing.assert_allclose(sliced(vectors, 2), [[0.6, 0.8], [0, 0]], rtol=1e-6)
    for dim in (None, 3):
        assert sliced(vectors, dim) is vectors
    with pytest.raises(ValueError, match="dim 4 is more than the 3"):
        sliced(vectors, 4)


# In one dimension opposite tokens would cancel out, which no real ones do.
@given(st.builds(random_rows, st.integers(0, 40), st.integers(2, 40)), st.integers(2, 5))
def test_pooled_has_about_that_much_fewer_vectors(vectors: Matrix, factor: int) -> None:
    found = pooled(vectors, factor)
    rest = max(len(vectors) - 1, 0)
    assert len(found) <= 1 + max(rest // factor, 1)
    assert len(found) >= min(len(vectors), 2)
    np.testing.assert_array_equal(found[:1], vectors[:1])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_pooling_joins_what_is_alike() -> None:
    first, x, y = [0.6, 0.8, 0], [1, 0, 0], [0, 0, 1]
    near_x = [0.8, 0.6, 0]
    vectors = np.array([first, x, y, near_x, y], dtype=np.float32)
    found = pooled(vectors, 2)
    # The mean of x and near_x is (0.9, 0.3, 0), of length sqrt(0.9).
    expected: Sequence[Sequence[float]] = [first, [0.9 / 0.9**0.5, 0.3 / 0.9**0.5, 0], y]
    np.testing.assert_allclose(sorted(found.tolist()), sorted(expected), rtol=1e-6)


@pytest.mark.parametrize(("rows", "factor"), [(9, 1), (0, 3), (1, 3), (2, 3)])
def test_nothing_to_pool(rows: int, factor: int) -> None:
    vectors = random_rows(rows, 8)
    np.testing.assert_array_equal(pooled(vectors, factor), vectors)


def test_pools_as_pylate_does_up_to_length() -> None:
    import torch
    from pylate.models import ColBERT

    vectors = random_rows(41, 16, seed=3)
    (theirs,) = ColBERT.pool_embeddings_hierarchical(None, [torch.from_numpy(vectors)], 3)
    found = pooled(vectors, 3)
    assert len(found) == 14  # the first, and 40 // 3
    np.testing.assert_allclose(found, unit(theirs.numpy()), rtol=0, atol=1e-6)
