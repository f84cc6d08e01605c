"""Encoded texts on disk: each text is encoded once per encoder, whatever uses it.

    CACHE/vectors/ENCODER/METHOD/SHARD/{keys,offsets,vectors}.npy

Texts are encoded in shards of equal size in order of length. A shard is complete or absent, and
its content depends on its texts alone, so an interrupted run goes on with the same batches and
ends with the same vectors, to the bit, as one that was not interrupted.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import files, forward
from harness.abilities import Loadable
from harness.clock import Clock
from harness.data import digest
from harness.protocols import (
    Encoder,
    Joint,
    JointEncoder,
    Progress,
    SparseEncoder,
    TokenEncoder,
)

log = logging.getLogger(__name__)

TEXTS_PER_SHARD = 256
"""A multiple of every batch size, so that an interruption loses seconds and changes no batch."""

METHODS: Mapping[type, tuple[str, str]] = {
    Encoder: ("encode_queries", "encode_docs"),
    SparseEncoder: ("encode_query_terms", "encode_doc_terms"),
    TokenEncoder: ("encode_query_tokens", "encode_doc_tokens"),
}
"""By which method each kind of encoder encodes queries, and by which documents."""

JOINTLY = ("encode_queries_jointly", "encode_docs_jointly")
"""By which method all of them come from one pass; the parts of what it gives are in that order."""

Matrices = Sequence[NDArray[np.float32]]
Encode = Callable[[Sequence[str]], list[list[NDArray[np.float32]]]]


class _Place(NamedTuple):
    vectors: NDArray[np.float32]
    start: int
    stop: int


@dataclass
class VectorStore:
    """The matrices of texts under one encoder and method, each of shape (rows, dim)."""

    folder: Path
    _places: dict[str, _Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open every shard there is."""
        for shard in sorted(self.folder.glob("[!.]*")):
            self._open(shard)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """The distinct texts that are not stored, longest first."""
        distinct = {text for text in texts if text_key(text) not in self._places}
        return sorted(distinct, key=lambda text: (-len(text), text))

    def add(self, texts: Sequence[str], matrices: Matrices) -> None:
        """Store one shard of what is not here yet; raises StoreError if it cannot be written."""
        pairs = zip(map(text_key, texts), matrices, strict=True)
        new = {key: matrix for key, matrix in pairs if key not in self._places}
        if not new:
            return
        keys, matrices = list(new), list(new.values())
        shard = self.folder / digest(keys)[:32]
        with files.new_folder(shard) as aside:
            np.save(aside / "keys.npy", np.array(keys))
            np.save(aside / "offsets.npy", np.cumsum([0, *map(len, matrices)]))
            np.save(aside / "vectors.npy", np.concatenate(matrices))
        self._open(shard)

    def get(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """The matrices of stored texts, read from disk as they are used."""
        places = (self._places[text_key(text)] for text in texts)
        return [place.vectors[place.start : place.stop] for place in places]

    def _open(self, shard: Path) -> None:
        try:
            keys, offsets = np.load(shard / "keys.npy"), np.load(shard / "offsets.npy")
            vectors = np.load(shard / "vectors.npy", mmap_mode="r")
            spans = zip(keys.tolist(), offsets[:-1], offsets[1:], strict=True)
            places = {key: _Place(vectors, int(start), int(stop)) for key, start, stop in spans}
        except (OSError, EOFError, ValueError) as error:
            log.warning("%s cannot be read and is made again: %s", shard, error)
            shutil.rmtree(shard, ignore_errors=True)
            return
        self._places.update(places)


def text_key(text: str) -> str:
    """What a text is stored under: 128 bits of BLAKE2b, 32 hex digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fill(
    stores: Sequence[VectorStore], texts: Sequence[str], encode: Encode, progress: Progress
) -> None:
    """Encode what any of `stores` lacks, in one pass for all of them.

    `encode` gives for each store the matrices of the texts it is handed.
    """
    missing = sorted(
        {text for store in stores for text in store.missing(texts)},
        key=lambda text: (-len(text), text),
    )
    total = sum(map(len, missing))
    done = 0
    if missing:
        progress("encode", done, total)
    for start in range(0, len(missing), TEXTS_PER_SHARD):
        shard = missing[start : start + TEXTS_PER_SHARD]
        for store, matrices in zip(stores, encode(shard), strict=True):
            store.add(shard, matrices)
        done += sum(map(len, shard))
        progress("encode", done, total)


class StoredEncoder:
    """An encoder, of one vector a text or of one a token, that remembers what it encoded."""

    def __init__(self, folder: Path, encoder: Any, clock: Clock, progress: Progress) -> None:
        """The memory lies below `folder`; the encoder is loaded when it is needed."""
        self.encoder = encoder
        self.clock = clock
        self.progress = progress
        self.stores = {
            method: VectorStore(folder / method)
            for protocol, methods in METHODS.items()
            if isinstance(encoder, protocol)
            for method in methods
        }

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dim)."""
        return _stacked(self._stored("encode_queries", texts))

    def encode_docs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dim)."""
        return _stacked(self._stored("encode_docs", texts))

    def encode_query_tokens(self, texts: Sequence[str]) -> Matrices:
        """For each text a matrix of shape (tokens, dim)."""
        return self._stored("encode_query_tokens", texts)

    def encode_doc_tokens(self, texts: Sequence[str]) -> Matrices:
        """For each text a matrix of shape (tokens, dim)."""
        return self._stored("encode_doc_tokens", texts)

    def encode_query_terms(self, texts: Sequence[str]) -> Matrices:
        """For each text a matrix of shape (terms, 2)."""
        return self._stored("encode_query_terms", texts)

    def encode_doc_terms(self, texts: Sequence[str]) -> Matrices:
        """For each text a matrix of shape (terms, 2)."""
        return self._stored("encode_doc_terms", texts)

    def encode_queries_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of queries; each is stored as if it had been asked for alone."""
        return self._stored_jointly(0, texts)

    def encode_docs_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of documents; each is stored as if it had been asked for alone."""
        return self._stored_jointly(1, texts)

    def remember_queries(self, texts: Sequence[str]) -> None:
        """Encode all queries at once, so that asking for them one by one finds them stored."""
        if isinstance(self.encoder, JointEncoder):
            self.encode_queries_jointly(texts)
            return
        for queries, _ in METHODS.values():
            if queries in self.stores:
                self._stored(queries, texts)

    def load(self) -> None:
        """Load the encoder's model, counted as loading."""
        with self.clock.kind("load"):
            if isinstance(self.encoder, Loadable):
                self.encoder.load()

    def _stored(self, method: str, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        def encode(shard: Sequence[str]) -> list[list[NDArray[np.float32]]]:
            self.load()
            with self.clock.kind("model"):
                return [_matrices(getattr(self.encoder, method)(shard), len(shard))]

        fill([self.stores[method]], texts, encode, self.progress)
        return self.stores[method].get(texts)

    def _stored_jointly(self, side: int, texts: Sequence[str]) -> Joint:
        """`side` is 0 for queries and 1 for documents."""
        stores = [self.stores[methods[side]] for methods in METHODS.values()]

        def encode(shard: Sequence[str]) -> list[list[NDArray[np.float32]]]:
            self.load()
            with self.clock.kind("model"):
                joint = getattr(self.encoder, JOINTLY[side])(shard)
                return [_matrices(part, len(shard)) for part in joint]

        fill(stores, texts, encode, self.progress)
        dense, terms, tokens = (store.get(texts) for store in stores)
        return Joint(_stacked(dense), terms, tokens)


def encode_together(encoders: Sequence[StoredEncoder], texts: Sequence[str]) -> None:
    """Store the document vectors of encoders that share a body, in one pass for all of them.

    Encoders that share with no other are left for when they are needed, and those whose model no
    other encoder has are not even loaded.
    """
    by_model: dict[str, list[StoredEncoder]] = defaultdict(list)
    for encoder in encoders:
        inner = encoder.encoder
        if isinstance(inner, forward.HasPass) and _document_store(encoder).missing(texts):
            by_model[str(inner.identity())].append(encoder)
    for sharing in by_model.values():
        groups: dict[str, list[tuple[StoredEncoder, forward.Pass]]] = defaultdict(list)
        for encoder in sharing if len(sharing) > 1 else ():
            encoder.load()
            one = encoder.encoder.document_pass()
            groups[one.key].append((encoder, one))
        for group in groups.values():
            if len(group) > 1:
                _encode_group(group, texts)


def _encode_group(
    group: Sequence[tuple[StoredEncoder, forward.Pass]], texts: Sequence[str]
) -> None:
    sharing, passes = zip(*group, strict=True)

    def encode(shard: Sequence[str]) -> list[list[NDArray[np.float32]]]:
        with sharing[0].clock.kind("model"):
            return forward.run(passes, shard)

    fill([_document_store(encoder) for encoder in sharing], texts, encode, sharing[0].progress)


def _document_store(encoder: StoredEncoder) -> VectorStore:
    return next(encoder.stores[docs] for _, docs in METHODS.values() if docs in encoder.stores)


def _matrices(encoded: Any, texts: int) -> list[NDArray[np.float32]]:
    if isinstance(encoded, np.ndarray):
        encoded = encoded[:, None, :] if encoded.ndim == 2 else encoded
    if len(encoded) != texts:
        raise ValueError(f"an encoder gave {len(encoded)} results for {texts} texts")
    return list(encoded)


def _stacked(matrices: Matrices) -> NDArray[np.float32]:
    return np.concatenate(matrices) if matrices else np.empty((0, 0), dtype=np.float32)
