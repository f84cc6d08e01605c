"""Encoded texts on disk: each text is encoded once per encoder, whatever uses it.

    CACHE/vectors/ENCODER/FOLDER/    a `harness.pipeline.vector_store`

Texts are encoded in parts of equal size in order of length. A part is whole or absent, and its
content depends on its texts alone, so an interrupted run goes on with the same batches and ends
with the same vectors, to the bit, as one that was not interrupted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Loadable, Projects
from harness.components.models import inference
from harness.components.models.names import encoding
from harness.components.protocols import Joint, Part, Progress, Side
from harness.components.timing import span
from harness.components.vectors.compression import CachePrecision
from harness.experiment.keys import component_key
from harness.pipeline import text_ranges
from harness.pipeline.vector_store import Keyed, VectorStore, keyed

TEXTS_PER_PART = 256
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


def fill(
    stores: Sequence[VectorStore],
    texts: Sequence[str],
    asked: Keyed,
    encode: Encode,
    progress: Callable[[int, int], None],
) -> None:
    """Encode what any of `stores` lacks, in one pass for all of them, longest texts first.

    `asked` are the keys of `texts`; `encode` gives for each store the matrices of the texts it is
    handed. `progress` is called with the characters done and those of all.
    """
    lacks = [store.lacks(asked.keys) for store in stores]
    ahead = _distinct(asked, np.flatnonzero(np.any(lacks, axis=0)))
    where = " ".join(f"{store.folder.parent.name}/{store.folder.name}" for store in stores)
    ahead = ahead[text_ranges.to_encode(where, asked.at(ahead), TEXTS_PER_PART)]
    if len(ahead):
        _encode(stores, lacks, texts, asked, ahead, encode, progress)
    text_ranges.encoded(where)


def _encode(
    stores: Sequence[VectorStore],
    lacks: Sequence[NDArray[np.bool_]],
    texts: Sequence[str],
    asked: Keyed,
    ahead: NDArray[np.int64],
    encode: Encode,
    progress: Callable[[int, int], None],
) -> None:
    """Encode the texts at `ahead`, a part after the other; each store takes what it lacks."""
    total, done = int(asked.lengths[ahead].sum()), 0
    progress(done, total)
    with ExitStack() as writing:
        adds = [writing.enter_context(store.appending()) for store in stores]
        for start in range(0, len(ahead), TEXTS_PER_PART):
            part = ahead[start : start + TEXTS_PER_PART]
            given = encode([texts[i] for i in part.tolist()])
            for lacking, add, matrices in zip(lacks, adds, given, strict=True):
                new = np.flatnonzero(lacking[part])
                if len(new):
                    add(asked.keys[part[new]], [matrices[i] for i in new.tolist()])
            done += int(asked.lengths[part].sum())
            progress(done, total)


def _distinct(asked: Keyed, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the texts at `places` each one once, the longest first, and those of one length by key."""
    keys = asked.keys[places]
    order = np.lexsort((keys[:, 1], keys[:, 0], -asked.lengths[places]))
    keys, places = keys[order], places[order]
    another = np.ones(len(places), bool)
    another[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    return places[another]


class StoredEncoder:
    """An encoder that remembers what it encoded; each part as if it had been asked for alone."""

    def __init__(
        self,
        folder: Path,
        encoder: Any,
        progress: Progress,
        precision: CachePrecision = "float32",
    ) -> None:
        """The memory lies below `folder`; the encoder is loaded when it is needed.

        `precision` is that of stored token vectors.
        """
        self.encoder = encoder
        self.body = _body(folder.parent, encoder, progress, precision)
        self.gives = encoder.gives
        self.progress = progress
        self.stores = {
            (part, side): _store(folder / name, part, precision)
            for (part, side), name in FOLDERS.items()
            if encoder.gives in (part, "joint")
        }

    def encode(self, texts: Sequence[str], side: Side, *part: Part) -> Any:
        """What the encoder gives; what of it is not stored is encoded in one pass, and stored."""
        whole = self.gives == "joint" and not part
        parts: Sequence[Any] = Joint._fields if whole else part or (self.gives,)
        stores = [self.stores[name, side] for name in parts]

        def encode(batch: Sequence[str]) -> list[list[NDArray[np.float32]]]:
            self.load()
            with span("model"):
                given = self._projected(batch, side) or self.encoder.encode(batch, side, *part)
                return [_matrices(one, len(batch)) for one in (given if whole else [given])]

        asked = keyed(texts)
        fill(stores, texts, asked, encode, partial(self.progress, encoding(self.encoder, side)))
        found: dict[str, Any] = {
            name: store.get(asked.keys) for name, store in zip(parts, stores, strict=True)
        }
        if "dense" in found:
            found["dense"] = found["dense"].stacked()
        return Joint(**found) if whole else found[parts[0]]

    def _projected(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        """What the encoder gives, made of its body's vectors; empty where not all of these are stored."""
        if self.body is None or self.body.stores["tokens", side].lacks(keyed(texts).keys).any():
            return []
        found: list[NDArray[np.float32]] = self.encoder.projected(
            list(self.body.encode(texts, side))
        )
        return found

    def load(self) -> None:
        """Load the encoder's model, counted as loading."""
        with span("load"):
            if isinstance(self.encoder, Loadable):
                self.encoder.load()


def stored(
    folder: Path, encoder: Any, progress: Progress, precision: CachePrecision
) -> StoredEncoder:
    """An encoder with a memory below `folder`, where each encoder has its own by its key."""
    return StoredEncoder(folder / component_key(encoder)[:32], encoder, progress, precision)


def _body(
    folder: Path, encoder: Any, progress: Progress, precision: CachePrecision
) -> StoredEncoder | None:
    """The memory of the encoder of whose vectors this one's are a projection; None where it rounds."""
    whole = precision == "float32"  # else vectors would depend on whether the body's were stored
    body = encoder.body() if whole and isinstance(encoder, Projects) else None
    return None if body is None else stored(folder, body, progress, precision)


def _store(folder: Path, part: Part, precision: CachePrecision) -> VectorStore:
    """The store of a part below `folder`; float16 token vectors have one of their own."""
    if part != "tokens" or precision == "float32":
        return VectorStore(folder)
    return VectorStore(folder.with_name(f"{folder.name}_{precision}"), precision)


def encode_together(encoders: Sequence[StoredEncoder], texts: Sequence[str]) -> None:
    """Store the document vectors of encoders that share a body, in one pass for all of them.

    Encoders that share with no other are left for when they are needed, and those whose model no
    other encoder has are not even loaded.
    """
    by_model: dict[str, list[StoredEncoder]] = defaultdict(list)
    able = [one for one in encoders if isinstance(one.encoder, inference.HasPass)]
    asked = keyed(texts if able else ())
    for encoder in able:
        if encoder.stores[encoder.gives, "doc"].lacks(asked.keys).any():
            by_model[str(encoder.encoder.identity())].append(encoder)
    for sharing in by_model.values():
        groups: dict[str, list[tuple[StoredEncoder, inference.Pass]]] = defaultdict(list)
        for encoder in sharing if len(sharing) > 1 else ():
            encoder.load()
            one = encoder.encoder.document_pass()
            groups[one.key].append((encoder, one))
        for group in groups.values():
            if len(group) > 1:
                _encode_group(group, texts, asked)


def _encode_group(
    group: Sequence[tuple[StoredEncoder, inference.Pass]], texts: Sequence[str], asked: Keyed
) -> None:
    sharing, passes = zip(*group, strict=True)

    def encode(batch: Sequence[str]) -> list[list[NDArray[np.float32]]]:
        with span("model"):
            return inference.run(passes, batch)

    stores = [encoder.stores[encoder.gives, "doc"] for encoder in sharing]
    first = sharing[0]
    fill(stores, texts, asked, encode, partial(first.progress, encoding(first.encoder, "doc")))


def _matrices(encoded: Any, texts: int) -> list[NDArray[np.float32]]:
    if isinstance(encoded, np.ndarray):
        encoded = encoded[:, None, :] if encoded.ndim == 2 else encoded
    if len(encoded) != texts:
        raise ValueError(f"an encoder gave {len(encoded)} results for {texts} texts")
    return list(encoded)
