"""Encoded texts on disk: each text is encoded once per encoder, whatever uses it.

    CACHE/vectors/ENCODER/FOLDER/SHARD    as `harness.pipeline.shards` has it

Texts are encoded in shards of equal size in order of length. A shard is complete or absent, and
its content depends on its texts alone, so an interrupted run goes on with the same batches and
ends with the same vectors, to the bit, as one that was not interrupted. A shard is checked when it
is first used, and one that is damaged is set aside; one that cannot be read is left as it is.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Loadable
from harness.components.models import inference
from harness.components.protocols import Joint, Part, Progress, Side
from harness.components.timing import span
from harness.errors import StoreError
from harness.files import digests, disk
from harness.page.text import counted
from harness.pipeline import shards
from harness.pipeline.shards import Matrices, Place, Shard, Stored

log = logging.getLogger(__name__)

TEXTS_PER_SHARD = 256
"""A multiple of every batch size, so that an interruption loses seconds and changes no batch."""

FOLDERS: Mapping[tuple[Part, Side], str] = {
    ("dense", "query"): "encode_queries",
    ("dense", "doc"): "encode_docs",
    ("terms", "query"): "encode_query_terms",
    ("terms", "doc"): "encode_doc_terms",
    ("tokens", "query"): "encode_query_tokens",
    ("tokens", "doc"): "encode_doc_tokens",
}
"""Where the parts of each side are stored."""

Encode = Callable[[Sequence[str]], list[list[NDArray[np.float32]]]]


@dataclass
class VectorStore:
    """The matrices of texts of one part and side of an encoder, each of shape (rows, dim)."""

    folder: Path
    _places: dict[str, Place] = field(default_factory=dict)
    _checked: set[Shard] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look into every shard there is; raises StoreError for one that cannot be read."""
        with disk.reading(self.folder):
            paths = sorted(self.folder.iterdir()) if self.folder.exists() else []
            there = [path for path in paths if not path.name.startswith(".")]
            new = [path for path in there if path.is_file()]
        old = len(there) - len(new)
        if old and not new:
            log.warning(
                "%s holds %s of an earlier version, without digests: they are not used but made "
                "again, and are safe to delete",
                self.folder,
                counted(old, "shard"),
            )
        for file in new:
            self._open(file)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """The distinct texts that are not stored, longest first."""
        distinct = list(set(texts))
        found = zip(distinct, self._found(distinct), strict=True)
        return sorted(
            (text for text, place in found if place is None), key=lambda text: (-len(text), text)
        )

    def add(self, texts: Sequence[str], matrices: Matrices) -> None:
        """Store one shard of what is not here yet; raises StoreError if it cannot be written."""
        pairs = zip(map(text_key, texts), matrices, strict=True)
        new = {key: matrix for key, matrix in pairs if key not in self._places}
        if new:
            self._open(shards.write(self.folder, list(new), list(new.values())))

    def get(self, texts: Sequence[str]) -> Matrices:
        """The matrices of stored texts, read from disk as they are used."""
        places = []
        for text, place in zip(texts, self._found(texts), strict=True):
            if place is None:
                raise KeyError(text)
            places.append(place)
        return Stored(places)

    def _found(self, texts: Sequence[str]) -> list[Place | None]:
        """Where each text is, in a shard that was checked."""
        keys = [text_key(text) for text in texts]
        there = {self._places[key].shard for key in keys if key in self._places}
        for shard in sorted(there - self._checked, key=lambda shard: shard.file):
            with _passing_over_damage(shard.file):
                shards.check(shard.file)
                self._checked.add(shard)
            if shard not in self._checked:
                rest = self._places.items()
                self._places = {key: place for key, place in rest if place.shard is not shard}
        return [self._places.get(key) for key in keys]

    def _open(self, file: Path) -> None:
        with _passing_over_damage(file):
            self._places |= shards.opened(file)


@contextmanager
def _passing_over_damage(file: Path) -> Iterator[None]:
    """Ends the block where a shard is damaged, which is set aside, or another process did that."""
    try:
        yield
    except FileNotFoundError:
        pass
    except digests.DamagedError:
        try:
            digests.set_aside(file)
        except StoreError:
            if file.exists():  # else another process was faster
                raise


def text_key(text: str) -> str:
    """What a text is stored under: 128 bits of BLAKE2b, 32 hex digits."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


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
    """An encoder that remembers what it encoded; each part as if it had been asked for alone."""

    def __init__(self, folder: Path, encoder: Any, progress: Progress) -> None:
        """The memory lies below `folder`; the encoder is loaded when it is needed."""
        self.encoder = encoder
        self.gives = encoder.gives
        self.progress = progress
        self.stores = {
            (part, side): VectorStore(folder / name)
            for (part, side), name in FOLDERS.items()
            if encoder.gives in (part, "joint")
        }

    def encode(self, texts: Sequence[str], side: Side, *part: Part) -> Any:
        """What the encoder gives; what of it is not stored is encoded in one pass, and stored."""
        whole = self.gives == "joint" and not part
        parts: Sequence[Any] = Joint._fields if whole else part or (self.gives,)
        stores = [self.stores[name, side] for name in parts]

        def encode(shard: Sequence[str]) -> list[list[NDArray[np.float32]]]:
            self.load()
            with span("model"):
                given = self.encoder.encode(shard, side, *part)
                return [_matrices(one, len(shard)) for one in (given if whole else [given])]

        fill(stores, texts, encode, self.progress)
        found: dict[str, Any] = {
            name: store.get(texts) for name, store in zip(parts, stores, strict=True)
        }
        if "dense" in found:
            found["dense"] = _stacked(found["dense"])
        return Joint(**found) if whole else found[parts[0]]

    def load(self) -> None:
        """Load the encoder's model, counted as loading."""
        with span("load"):
            if isinstance(self.encoder, Loadable):
                self.encoder.load()


def encode_together(encoders: Sequence[StoredEncoder], texts: Sequence[str]) -> None:
    """Store the document vectors of encoders that share a body, in one pass for all of them.

    Encoders that share with no other are left for when they are needed, and those whose model no
    other encoder has are not even loaded.
    """
    by_model: dict[str, list[StoredEncoder]] = defaultdict(list)
    for encoder in encoders:
        inner = encoder.encoder
        if isinstance(inner, inference.HasPass) and encoder.stores[inner.gives, "doc"].missing(
            texts
        ):
            by_model[str(inner.identity())].append(encoder)
    for sharing in by_model.values():
        groups: dict[str, list[tuple[StoredEncoder, inference.Pass]]] = defaultdict(list)
        for encoder in sharing if len(sharing) > 1 else ():
            encoder.load()
            one = encoder.encoder.document_pass()
            groups[one.key].append((encoder, one))
        for group in groups.values():
            if len(group) > 1:
                _encode_group(group, texts)


def _encode_group(
    group: Sequence[tuple[StoredEncoder, inference.Pass]], texts: Sequence[str]
) -> None:
    sharing, passes = zip(*group, strict=True)

    def encode(shard: Sequence[str]) -> list[list[NDArray[np.float32]]]:
        with span("model"):
            return inference.run(passes, shard)

    stores = [encoder.stores[encoder.gives, "doc"] for encoder in sharing]
    fill(stores, texts, encode, sharing[0].progress)


def _matrices(encoded: Any, texts: int) -> list[NDArray[np.float32]]:
    if isinstance(encoded, np.ndarray):
        encoded = encoded[:, None, :] if encoded.ndim == 2 else encoded
    if len(encoded) != texts:
        raise ValueError(f"an encoder gave {len(encoded)} results for {texts} texts")
    return list(encoded)


def _stacked(matrices: Matrices) -> NDArray[np.float32]:
    """Matrices of one row each as one; they are copied as they are read."""
    if not matrices:
        return np.empty((0, 0), dtype=np.float32)
    first = matrices[0]
    stacked = np.empty((len(matrices), first.shape[1]), dtype=first.dtype)
    for i, matrix in enumerate(matrices):
        stacked[i] = matrix[0]
    return stacked
