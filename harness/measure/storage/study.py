"""What it takes to store a token encoder's vectors: bytes by formula and on disk, and reading speed.

Every way is built for real over the same documents: the vectors that are stored are counted, not
estimated from a length limit, and the folder on disk is measured as a whole. Bytes on disk are the
sizes of its files; what a file system adds to fill its blocks is left out, since it differs from
one to another.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.components.databases import fast_plaid
from harness.components.models import catalogue, shelf, trained
from harness.components.models.names import model_name
from harness.components.protocols import TokenEncoder, encode_part
from harness.components.vectors import token_index
from harness.components.vectors.compression import Precision, pooled, sliced
from harness.components.vectors.token_index import TokenIndex
from harness.data import doc_texts
from harness.errors import reason
from harness.experiment.plan import CostStage, Trial, has_random_weights
from harness.experiment.provenance import provenance
from harness.experiment.schema import Experiment, Storage
from harness.files import temporary
from harness.files.disk import disk_bytes
from harness.measure.latency.arms import encoders_of, models_of
from harness.measure.latency.prebuilt_vectors import RandomVectors
from harness.pipeline.stage_runner import StageRunner
from harness.results.columns import GRID
from harness.results.store import Store

log = logging.getLogger(__name__)

SLICES = (128, 96, 64)
"""Dimensions that late-interaction models are published with."""

FETCHED = 100
"""Documents of one fetch: the candidates of a query."""

REPEATS = 7
"""Fetches of which the median is taken, each of other documents."""

BYTES_PER_DOCUMENT = 8
"""Where a document's vectors begin, a 64-bit integer."""

BYTES_PER_VECTOR: dict[Precision, Callable[[int], int]] = {
    "float32": lambda dim: 4 * dim,
    "float16": lambda dim: 2 * dim,
    "int8": lambda dim: dim + 4,
    "binary": lambda dim: math.ceil(dim / 8),
}
"""By dimensions; the 4 of int8 are its scale."""

Matrices = Sequence[NDArray[np.float32]]
Row = dict[str, Any]


def measure_storage(
    stage: CostStage,
    experiment: Experiment,
    work: StageRunner,
    store: Store,
    lost: Mapping[str, str],
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The grid of ways to store each token encoder's vectors of some documents, and its settings.

    `lost` has by system why nothing of it can be measured; what breaks in one is in `left_out`.
    """
    del store
    settings = experiment.storage or Storage()
    order = np.random.default_rng(experiment.seed).permutation(len(work.dataset.docs))
    of_all = doc_texts(work.dataset.docs)
    texts = [of_all[i] for i in order[: settings.documents].tolist()]
    parts: list[pd.DataFrame] = []
    there = [trial for trial in stage.trials if trial.system.name not in lost]
    left_out = {
        system: lost[system]
        for system, _ in _token_encoders(t for t in stage.trials if t.system.name in lost)
    }
    for system, encoder in _token_encoders(there):
        try:
            parts.append(_grid(encoder, texts, settings, work).assign(system=system))
        except Exception as error:  # one encoder that breaks must not stop the others
            log.debug("%s failed while its vectors were stored", system, exc_info=True)
            left_out[system] = reason(error)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    facts = {
        "settings": settings.model_dump(mode="json"),
        "left_out": left_out,
        "provenance": provenance(),
        "documents": len(texts),
    }
    return {"grid": table.reindex(columns=list(GRID))}, facts


def _grid(encoder: Any, texts: Sequence[str], settings: Storage, work: StageRunner) -> pd.DataFrame:
    random = has_random_weights(encoder)
    documents = RandomVectors(encoder) if random else work.cached_encoder(encoder)
    matrices = encode_part(documents, "tokens", texts, "doc")
    shelf.forget()  # no model is needed beside its vectors, nor beside the next one
    (model,) = models_of(encoder) or ("",)
    dims, learnt = _dims(matrices, settings, model)
    with temporary.passing() as folder:
        progress = partial(work.progress, f"store vectors of {model_name(encoder)}")
        grid = storage_grid(matrices, dims, learnt, settings, folder, progress)
    return grid.assign(model=model)


def _token_encoders(trials: Iterable[Trial]) -> Iterator[tuple[str, Any]]:
    """Each token encoder once, with the first system that has it."""
    seen = set()
    for trial in trials:
        for encoder in encoders_of(trial.system.reranker) if trial.system.reranker else ():
            if isinstance(encoder, TokenEncoder) and encoder not in seen:
                seen.add(encoder)
                yield trial.system.name, encoder


def _dims(matrices: Any, settings: Storage, model: str) -> tuple[list[int], list[int]]:
    """The dimensions to store, and those that the model was trained for."""
    whole = matrices[0].shape[1]
    known = catalogue.known(model)
    learnt = trained.facts(model).get("training", {}).get("dims") or (
        known.dims if known and known.matryoshka else (whole,)
    )
    wanted = settings.dims or sorted({whole, *learnt, *SLICES}, reverse=True)
    return [dim for dim in dict.fromkeys(wanted) if dim <= whole], list(learnt)


def storage_grid(
    matrices: Matrices,
    dims: Sequence[int],
    trained: Collection[int],
    settings: Storage,
    folder: Path,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """Columns GRID without dataset, system and model: a row for each way to store `matrices`.

    `matrices` are those of some documents, each of shape (tokens, dim). PLAID is built on the
    first `plaid_documents` of them with all dimensions. Indexes are written below `folder`, one at
    a time, and removed. Raises ValueError for a dim above that of the matrices.
    """
    packed = len(dims) * len(settings.pool_factors) * len(settings.precisions)
    total = packed + len(settings.plaid_nbits)
    progress(0, total)
    rows = []
    for row in itertools.chain(
        _packed_rows(matrices, dims, settings, folder),
        _plaid_rows(matrices[: settings.plaid_documents], settings.plaid_nbits, folder),
    ):
        rows.append({**row, "trained": row["dim"] in trained})
        progress(len(rows), total)
    columns = [name for name in GRID if name not in ("dataset", "system", "model")]
    return pd.DataFrame(rows, columns=columns).astype({"nbits": "Int64"})


def _packed_rows(
    matrices: Matrices, dims: Sequence[int], settings: Storage, folder: Path
) -> Iterator[Row]:
    for dim, factor in itertools.product(dims, settings.pool_factors):
        start = time.perf_counter()
        stored = [pooled(sliced(matrix, dim), factor) for matrix in matrices]
        pooling = time.perf_counter() - start
        for precision in settings.precisions:
            row = _packed_row(stored, precision, folder)
            row["build_seconds"] += pooling
            yield {"dim": dim, "precision": precision, "pool_factor": factor, **row}


def _packed_row(stored: Matrices, precision: Precision, folder: Path) -> Row:
    """Counts, bytes and seconds of one index; it is built from vectors that are pooled already."""
    with tempfile.TemporaryDirectory(dir=folder) as parent:
        place = Path(parent) / "index"
        start = time.perf_counter()
        index = token_index.build(stored, precision)
        index.save(place)
        seconds = time.perf_counter() - start
        return {
            "documents": len(index),
            "vectors": index.vectors,
            "vectors_sd": _deviation(stored),
            "formula_bytes": formula_bytes(index.vectors, len(index), index.packed.dim, precision),
            "payload_bytes": payload_bytes(place, ("codes.npy", "scales.npy")),
            "disk_bytes": disk_bytes(place),
            "memory_seconds": _fetching(index),
            "mapped_seconds": _fetching(token_index.open_index(place)),
            "cold_seconds": _fetching_cold(place),
            "build_seconds": seconds,
            "remark": "",
        }


def _deviation(matrices: Matrices) -> float:
    """Standard deviation of the vectors of a document; NaN for less than two."""
    return statistics.stdev(map(len, matrices)) if len(matrices) > 1 else math.nan


def formula_bytes(vectors: int, documents: int, dim: int, precision: Precision) -> int:
    """Bytes of vectors and of where each document's begin."""
    return vectors * BYTES_PER_VECTOR[precision](dim) + documents * BYTES_PER_DOCUMENT


def payload_bytes(folder: Path, patterns: Sequence[str]) -> int:
    """Bytes of the arrays in the files that match, read from disk, without the files' headers."""
    files = [file for pattern in patterns for file in folder.glob(pattern)]
    return sum(np.load(file, mmap_mode="r").nbytes for file in files)


def _draws(documents: int) -> list[list[int]]:
    """Places of documents for each fetch."""
    rng = np.random.default_rng(0)
    size = min(FETCHED, documents)
    return [rng.choice(documents, size, replace=False).tolist() for _ in range(REPEATS)]


def _fetching(index: TokenIndex) -> float:
    """Median seconds to fetch and decompress documents; the first fetch is not counted."""
    index.fetch(_draws(len(index))[0])
    return statistics.median(_seconds(index, places) for places in _draws(len(index)))


def _fetching_cold(place: Path) -> float:
    """The same from a fresh map of files that are no longer in memory; NaN if they stay there."""
    if not hasattr(os, "posix_fadvise"):
        return math.nan
    found = []
    for places in _draws(len(token_index.open_index(place))):
        for file in place.iterdir():
            _evict(file)
        found.append(_seconds(token_index.open_index(place), places))
    return statistics.median(found)


def _seconds(index: TokenIndex, places: Sequence[int]) -> float:
    start = time.perf_counter()
    index.fetch(places)
    return time.perf_counter() - start


def _evict(file: Path) -> None:
    """Ask the system to drop a file's pages, which it does to those that are on disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _plaid_rows(matrices: Matrices, nbits: Sequence[int], folder: Path) -> Iterator[Row]:
    filled = [matrix for matrix in matrices if len(matrix)]
    for bits in nbits:
        dim = filled[0].shape[1] if filled else 0
        vectors = sum(map(len, filled))
        known = {"dim": dim, "precision": "plaid", "pool_factor": 1, "nbits": bits}
        known |= {"documents": len(filled), "vectors": vectors, "vectors_sd": _deviation(filled)}
        known |= {"formula_bytes": vectors * fast_plaid.bytes_per_vector(dim, bits)}
        with tempfile.TemporaryDirectory(dir=folder) as parent:
            yield known | _plaid_row(filled, bits, Path(parent))


def _plaid_row(matrices: Matrices, nbits: int, folder: Path) -> Row:
    try:
        built = fast_plaid.build(matrices, nbits, folder, FETCHED)
    except Exception as error:  # a library that fails must not cost the rows of the others
        log.debug("PLAID with %s bits was not built", nbits, exc_info=True)
        return {"remark": f"not measured: {' '.join(str(error).split())}"}
    return {
        "payload_bytes": payload_bytes(folder, fast_plaid.PAYLOAD),
        "disk_bytes": disk_bytes(folder),
        "memory_seconds": built.search_seconds,
        "build_seconds": built.build_seconds,
        "remark": f"{built.remark}; {fast_plaid.beside_payload(folder)}",
    }
