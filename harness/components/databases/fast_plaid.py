"""A PLAID index as fast-plaid builds it: what it stores on disk, and how long it takes.

Santhanam et al. 2022 (PLAID, ColBERTv2's compression): for each vector its nearest centroid and
the difference from it, in a few bits a dimension.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import ComponentError, PackageError

PAYLOAD = ("[0-9]*.codes.npy", "[0-9]*.residuals.npy")
"""The files that hold the vectors, a pair for each chunk of documents."""

BESIDE = {
    "second copies of codes and residuals": "merged_*",
    "uncompressed vectors, which are kept of up to 1,000 documents": "embeddings.npy",
    "centroids": "centroids.npy",
    "lists of documents by centroid": "ivf*.npy",
}
"""What else lies in the folder, by file name."""

QUERY_TOKENS = 32
REPEATS = 5
SEED = 42


class Built(NamedTuple):
    """How long an index took."""

    build_seconds: float
    search_seconds: float
    """Median of searches restricted to some documents."""
    remark: str


def bytes_per_vector(dim: int, nbits: int) -> int:
    """The residual's bits, and the centroid as the 64-bit integer that fast-plaid writes."""
    return math.ceil(dim * nbits / 8) + 8


def build(
    matrices: Sequence[NDArray[np.float32]], nbits: int, folder: Path, candidates: int
) -> Built:
    """Build an index of documents in `folder`, and search it among the first `candidates`.

    The query is made of the first document's first vectors. Raises PackageError where fast-plaid
    is missing, or not the one for this torch.
    """
    import torch

    building = create(matrices, nbits, folder)
    index, places = opened(folder), list(range(min(candidates, len(matrices))))
    query = torch.from_numpy(np.array(matrices[0][None, :QUERY_TOKENS]))

    def search() -> Any:
        return index.search(query, top_k=len(places), show_progress=False, subset=places)

    (ranked,) = search()
    searching, reading = (
        statistics.median(_seconds(work) for _ in range(REPEATS))
        for work in (search, lambda: index.get_embeddings(places))
    )
    index.close()
    return Built(
        building,
        searching,
        f"a search among {len(places)} documents ranks {len(ranked)} of them; "
        f"decompressing these alone takes {reading * 1000:.1f} ms",
    )


def create(
    matrices: Sequence[NDArray[np.float32]], nbits: int, folder: Path, device: str = "cpu"
) -> float:
    """Write an index of documents, each of at least one vector, to `folder`; gives the seconds.

    Raises PackageError where fast-plaid is missing, or not the one for this torch.
    """
    check_packages()
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(), panics_as_errors():
        warnings.simplefilter("ignore")
        torch.manual_seed(SEED)
        index = opened(folder, device)
        vectors = [torch.from_numpy(np.array(matrix)) for matrix in matrices]
        seconds = _seconds(
            lambda: index.create(documents_embeddings=vectors, nbits=nbits, seed=SEED)
        )
        index.close()
    return seconds


def opened(folder: Path, device: str = "cpu") -> Any:
    """The FastPlaid index in `folder`."""
    check_packages()
    from fast_plaid import search

    return search.FastPlaid(index=str(folder), device=device)


def centroids(folder: Path) -> int:
    """How many clusters an index has; to look at more of them makes fast-plaid panic."""
    return len(np.load(folder / "centroids.npy", mmap_mode="r"))


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Turns a panic of fast-plaid's Rust, which is no Exception, into a ComponentError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        why = " ".join(str(error).partition("\\n")[0].split())
        raise ComponentError(f"fast-plaid failed: {why}") from None


def check_packages() -> None:
    """Raises PackageError unless fast-plaid is here, with the torch that it was compiled for.

    With another torch it does not fail but ends the process.
    """
    try:
        wanted = importlib.metadata.requires("fast-plaid") or []
        torch = importlib.metadata.version("torch").partition("+")[0]
    except importlib.metadata.PackageNotFoundError as error:
        raise PackageError(f"the package {error.name} is not installed") from error
    pinned = [found[1] for need in wanted if (found := re.match(r"torch==([\w.]+)$", need))]
    if pinned and torch not in pinned:
        version = importlib.metadata.version("fast-plaid")
        raise PackageError(
            f"fast-plaid {version} is made for torch {pinned[0]}, and this is torch {torch}"
        )


def beside_payload(folder: Path) -> str:
    """In words, how many bytes of the folder are not the vectors' own files."""
    sizes = {
        name: sum(file.stat().st_size for file in folder.glob(pattern))
        for name, pattern in BESIDE.items()
    }
    parts = [f"{size / 1e6:.2f} MB {name}" for name, size in sizes.items() if size]
    return "beside the vectors lie " + ", ".join(parts)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
