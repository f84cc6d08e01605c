"""Vespa: BM25 or nearest neighbours, then MaxSim, then maybe a cross-encoder, all on its server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.databases.vespa_application import (
    BYTES_PER_VECTOR,
    MODEL_FILES,
    Application,
    FieldPrecision,
    cells,
)
from harness.components.protocols import PLACE, DenseEncoder, Searcher, TokenEncoder, encode_part
from harness.components.retrievers._empty import Nothing
from harness.components.servers import joined, vespa
from harness.components.servers.client import Client
from harness.components.servers.dialect import Dialect, IndexedValue, Request
from harness.components.servers.joined import AnswerError
from harness.components.servers.served import Server, check_url
from harness.components.timing import span
from harness.components.vectors.compression import sliced
from harness.data import Doc, Hit, Query, digest, doc_texts
from harness.errors import ComponentError
from harness.files import disk

WORDS = "the index of its words lies on Vespa, which does not tell its bytes"


@dataclass(frozen=True, kw_only=True)
class Vespa(Server):
    """Hits of a Vespa application that is written, fed and asked here; one feed at a time.

    The token vectors are those of our own encoder, so that its second phase is our MaxSim. Documents
    that another system or dataset fed to the same application are removed: systems that are to be
    measured at once need an application each.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {"vespa": vespa.SEARCH}

    dialect: str = "vespa"
    """There is no other."""
    encoder: TokenEncoder
    dense: DenseEncoder | None = None
    """With it the first phase is its nearest neighbours (HNSW); else it is BM25."""
    dim: int | None = None
    """Keep the first `dim` coordinates of token vectors, at length 1 again; None: all of them."""
    precision: FieldPrecision = "bfloat16"
    """How Vespa stores token vectors; queries stay float32."""
    first: int = 1000
    """Documents that are looked for before the first phase ranks what was found (targetHits)."""
    rerank: int = 100
    """Documents of the second phase, and so the most hits that can be asked for."""
    cross_encoder_path: str = field(default="", metadata=PLACE)
    """A folder with model.onnx and tokenizer.json of a BERT cross-encoder, for a global phase."""
    cross_encode: int = 20
    """Documents of the global phase."""
    config_url: str = field(default="", metadata=PLACE)
    """The config server (`http://127.0.0.1:19071`), which is given the application where it is not
    deployed; left out, it must be."""
    package_path: str = field(default="", metadata=PLACE)
    """A folder into which the application package is written, for `vespa deploy`."""
    ready_s: float = field(default=300.0, metadata=PLACE)
    """For the application to be in use after it was deployed, and for documents to be found."""

    def __post_init__(self) -> None:
        """Refuse what Vespa would refuse after everything is encoded."""
        super().__post_init__()
        if self.config_url:
            check_url(self.config_url)
        if min(self.first, self.rerank, self.cross_encode, self.ready_s) <= 0:
            raise ValueError("first, rerank, cross_encode and ready_s must be above 0")
        if self.rerank > self.first:
            raise ValueError("rerank must not be above first")

    def identity(self) -> Mapping[str, str]:
        """Vespa's version, and the digests of a cross-encoder's files.

        Raises InputError where there is no server or no such file.
        """
        wanted = MODEL_FILES if self.cross_encoder_path else ()
        folder = Path(self.cross_encoder_path)
        return {**super().identity(), **{file: disk.sha256(folder / file) for file in wanted}}

    @property
    def teller(self) -> Client:
        """The config server, since nothing else runs before an application is deployed."""
        return self._config_server if self.config_url else self.client

    @property
    def _config_server(self) -> Client:
        patience = max(self.timeout_s, self.ready_s)
        url = self.config_url.rstrip("/")
        return Client(url, "The config server (vespa)", self.token_env, patience, self.retries)

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over `docs`, fed to the application unless it holds just them."""
        made = _made(self, docs)
        if not made.matrices:
            return Nothing()
        application = Application(
            dim=made.dim,
            rerank=self.rerank,
            precision=self.precision,
            dense_dim=0 if made.dense is None else made.dense.shape[1],
            cross_encoder=Path(self.cross_encoder_path) if self.cross_encoder_path else None,
            cross_encode=self.cross_encode,
        )
        if self.package_path:
            application.write(self.package_path)
        name, mark = application.name, digest(made.parts(application.name))[:16]
        held = self._deployed(application)
        if held.documents != len(made.matrices) or not held.mark.startswith(f"{mark}/"):
            if held.documents:
                vespa.clear(self.client, name)
            for place, fields in made.fed(mark, self.precision):
                vespa.feed(self.client, name, place, fields)
            count = len(made.matrices)
            vespa.wait(
                f"{self.url} did not have just the {count:,} documents that were fed to it",
                lambda: vespa.held(self.client, name).documents == count,
                self.ready_s,
            )
        return _Index(self, docs, made, name, mark)

    def _deployed(self, application: Application) -> vespa.Held:
        """What the application holds; it is deployed first if it is not there."""
        asking = replace(self.client, retries=0) if self.config_url else self.client
        try:
            return vespa.held(asking, application.name)
        except ComponentError as error:
            if not self.config_url:
                folder = self.package_path or "FOLDER` with `package_path: FOLDER"
                raise ComponentError(
                    f"{error} If the application is not deployed: `vespa deploy {folder}`, or name "
                    "the config server (`config_url`), and run again."
                ) from error
        path = vespa.deploy(self._config_server, application.zipped())

        def held() -> vespa.Held | None:
            in_use = vespa.in_use(self._config_server, path)
            return vespa.held(asking, application.name) if in_use else None

        late = f"The application did not come into use at {self.url}"
        return vespa.wait(late, held, self.ready_s)


class _Made(NamedTuple):
    """The vectors of documents."""

    matrices: Mapping[int, NDArray[np.float32]]
    """By the place of a document among all; one without any token has none and is not fed."""
    dense: NDArray[np.float32] | None
    """Of all documents."""
    texts: Sequence[str]

    @property
    def dim(self) -> int:
        """Of token vectors."""
        return int(next(iter(self.matrices.values())).shape[1])

    def parts(self, name: str) -> Iterable[str | bytes]:
        """What tells this feed from any other."""
        yield name
        for place, matrix in self.matrices.items():
            yield f"{place} {matrix.shape} {self.texts[place]}"
            yield matrix.tobytes()
        if self.dense is not None:
            yield self.dense.tobytes()

    def fed(self, mark: str, precision: FieldPrecision) -> Iterable[tuple[int, dict[str, Any]]]:
        """The places and fields of the documents."""
        for place, matrix in self.matrices.items():
            fields = {
                "language": "en",
                "place": place,
                "mark": f"{mark}/{place}",
                "text": self.texts[place],
                "colbert": cells(matrix, precision),
            }
            if self.dense is not None:
                fields["embedding"] = {"values": self.dense[place].tolist()}
            yield place, fields


def _made(system: Vespa, docs: Sequence[Doc]) -> _Made:
    texts = doc_texts(docs)
    encoded = encode_part(system.encoder, "tokens", texts, "doc")
    matrices = {
        place: np.ascontiguousarray(sliced(matrix, system.dim), dtype=np.float32)
        for place, matrix in enumerate(encoded)
        if len(matrix)
    }
    dense = encode_part(system.dense, "dense", texts, "doc") if system.dense and texts else None
    everything = [*matrices.values(), *([] if dense is None else [dense])]
    if not all(np.isfinite(vectors).all() for vectors in everything):
        raise ComponentError("The encoder gave a vector that is not finite.")
    return _Made(matrices, dense, texts)


@dataclass(frozen=True, eq=False)
class _Index:
    system: Vespa
    docs: Sequence[Doc]
    made: _Made
    name: str
    mark: str

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        system = self.system
        if depth > system.rerank:
            raise ComponentError(
                f"Vespa compares token vectors of the {system.rerank} best documents of its first "
                f"phase, and {depth} hits are asked for. Way out: raise `rerank` to as many (where "
                "the queries are documents themselves, to one more than depth.retrieve)."
            )
        texts = [query.text for query in queries]
        with span("encode_query"):
            matrices = encode_part(system.encoder, "tokens", texts, "query")
            vectors = [None] * len(texts)
            if system.dense:
                vectors = encode_part(system.dense, "dense", texts, "query")
        return [self._hits(*asked, depth) for asked in zip(texts, matrices, vectors, strict=True)]

    def _hits(
        self,
        text: str,
        matrix: NDArray[np.float32],
        vector: NDArray[np.float32] | None,
        depth: int,
    ) -> list[Hit]:
        system, most = self.system, self.system.first
        where, inputs = (
            vespa.by_words(text, most) if vector is None else vespa.by_vector(vector.tolist(), most)
        )
        if not where:
            return []
        rows = sliced(matrix, system.dim).tolist()
        tensors: dict[str, Any] = {
            "input.query(qt)": {str(label): row for label, row in enumerate(rows)}
        }
        if system.cross_encoder_path:
            tensors |= {"input.query(tokens)": "embed(tokenizer, @text)", "text": text}
        body = vespa.search(self.name, where, depth, system.timeout_s, {**inputs, **tensors})
        with span("score"):
            return system.answer(Request(query=body), f"{depth} hits", self._read)

    def _read(self, placed: Iterable[IndexedValue]) -> list[Hit]:
        found: dict[int, Hit] = {}
        for place, (score, mark) in placed:
            if type(place) is not int or place not in self.made.matrices:
                count = len(self.made.matrices)
                raise AnswerError(
                    f"it has the document {joined.shown(place)}, and {count} were fed"
                )
            if place in found:
                raise AnswerError(f"it has the document {place} twice")
            if mark != f"{self.mark}/{place}":
                raise AnswerError(
                    f"its document {place} bears the mark {joined.shown(mark)}, and was fed with "
                    f"'{self.mark}/{place}': something else was fed to the application since"
                )
            found[place] = Hit(self.docs[place].doc_id, joined.score(score))
        return list(found.values())

    def footprints(self) -> list[Footprint]:
        """By formula, from the vectors that were fed; single vectors are float32.

        Words whose index finds the first phase are indexed by the server, which counts no bytes.
        """
        matrices = self.made.matrices.values()
        vectors, dim = sum(map(len, matrices)), self.made.dim
        tokens = vectors * BYTES_PER_VECTOR[self.system.precision](dim)
        dense = 0 if self.made.dense is None else self.made.dense.nbytes
        count = len(self.made.matrices)
        found = Footprint(
            "token vectors", count, vectors, dim, self.system.precision, tokens + dense
        )
        return [found] if self.system.dense else [found, Footprint.not_known(WORDS)]
