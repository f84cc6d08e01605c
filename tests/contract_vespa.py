"""A Vespa of one node: takes an application package, documents and searches, and ranks by itself.

It knows of a package what its schema says, decodes the tensors that it is fed and computes MaxSim
cell by cell, so that nothing of the harness's own arithmetic is in its scores. Words are its BM25.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contract_answer import Answer, refusal

VERSION = "8.600.1"
APPLICATION = "/application/v2/tenant/default/application/default/environment/prod"
COVERAGE = {"coverage": 100, "documents": 0, "full": True, "nodes": 1, "results": 1}
SECONDS = {"querytime": 0.003, "summaryfetchtime": 0.002, "searchtime": 0.0055}


@dataclass
class Schema:
    """What a package's schema says."""

    text: str

    def found(self, pattern: str, otherwise: str = "") -> str:
        match = re.search(pattern, self.text)
        return match.group(1) if match else otherwise

    @property
    def name(self) -> str:
        return self.found(r"^schema (\w+) \{")

    @property
    def cell(self) -> str:
        return self.found(r"field colbert type tensor<(\w+)>\(token\{\}, x\[\d+\]\)")

    @property
    def size(self) -> int:
        return int(self.found(r"field colbert type tensor<\w+>\(token\{\}, x\[(\d+)\]\)"))

    @property
    def dim(self) -> int:
        return int(self.found(r"query\(qt\) tensor<float>\(qt\{\}, x\[(\d+)\]\)"))

    @property
    def dense_dim(self) -> int:
        return int(self.found(r"field embedding type tensor<float>\(x\[(\d+)\]\)", "0"))

    @property
    def rerank(self) -> int:
        return int(self.found(r"second-phase \{\s+rerank-count: (\d+)"))

    @property
    def cross(self) -> int:
        return int(self.found(r"global-phase \{\s+rerank-count: (\d+)", "0"))

    @property
    def scale(self) -> float:
        """By which the sum over bits is multiplied."""
        return float(self.found(r"sum\(query\(qt\)\)\) \* ([\d.e-]+)"))


@dataclass
class ContractVespa:
    """What is deployed and fed."""

    schema: Schema | None = None
    docs: dict[int, dict[str, Any]] = field(default_factory=dict)
    not_yet: int = 0
    """How often it still says that the application is not in use."""
    hidden: int = 0
    """How often it still leaves documents out of what can be found."""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if path == "/state/v1/version":
            return Answer({"version": VERSION})
        if path.startswith("/application/v2/"):
            return self._application(method, path, body)
        if self.schema is None:
            return refusal(404, error="no application")
        if path.startswith("/document/v1/"):
            return self._document(method, path, body)
        return self._search(body) if path == "/search/" else refusal(404, error="not here")

    def _application(self, method: str, path: str, body: Any) -> Answer:
        if path.endswith("/serviceconverge"):
            self.not_yet -= 1
            return Answer({"converged": self.not_yet < 0, "wantedGeneration": 3})
        if (method, path) != ("POST", "/application/v2/tenant/default/prepareandactivate"):
            return refusal(404, error="not here")
        if fault := self._deploy(zipfile.ZipFile(io.BytesIO(body))):
            return refusal(400, **{"error-code": "INVALID_APPLICATION_PACKAGE", "message": fault})
        url = f"http://another-name:19071{APPLICATION}"
        return Answer({"tenant": "default", "session-id": "3", "url": url, "log": []})

    def _deploy(self, package: zipfile.ZipFile) -> str:
        files = package.namelist()
        (file,) = (name for name in files if name.startswith("schemas/"))
        schema = Schema(package.read(file).decode())
        if file != f"schemas/{schema.name}.sd":
            return "a schema lies in a file of another name"
        if f'<document type="{schema.name}" mode="index"/>' not in _text(package, "services.xml"):
            return "services.xml does not have the schema"
        replaced = self.schema is not None and self.schema.name != schema.name
        if replaced and "schema-removal" not in _text(package, "validation-overrides.xml"):
            return "schema-removal: this will cause loss of all data in this schema"
        if replaced:
            self.docs.clear()
        self.schema = schema
        return ""

    def _document(self, method: str, path: str, body: Any) -> Answer:
        assert self.schema
        start = f"/document/v1/harness/{self.schema.name}/docid"
        if not path.startswith(start):
            return refusal(400, pathId=path, message=f"Document type does not exist: {path}")
        if method == "DELETE":
            return self._delete(body)
        fields = body["fields"]
        wanted = {"language", "place", "mark", "text", "colbert"}
        wanted |= {"embedding"} if self.schema.dense_dim else set()
        if set(fields) != wanted or path != f"{start}/{fields['place']}":
            return refusal(400, pathId=path, message=f"fields {sorted(fields)}")
        try:
            kept = [decoded(bits, self.schema) for bits in fields["colbert"].values()]
        except ValueError as error:
            return refusal(400, pathId=path, message=str(error))
        self.docs[fields["place"]] = {**fields, "colbert": kept}
        return Answer({"pathId": path, "id": f"id:harness:{self.schema.name}::{fields['place']}"})

    def _delete(self, body: Any) -> Answer:
        """A few at a time."""
        if body.get("selection") != "true" or body.get("cluster") != "harness":
            return refusal(400, message="selection or cluster")
        gone = list(self.docs)[:4]
        for place in gone:
            del self.docs[place]
        more = {"continuation": "AAAA"} if self.docs else {}
        return Answer({"pathId": "x", "documentCount": len(gone), **more})

    def _search(self, body: Any) -> Answer:
        assert self.schema
        parsed = re.fullmatch(r"select \* from (\w+) where (.+)", body["yql"])
        if parsed is None or parsed.group(1) != self.schema.name:
            told = "Could not resolve source ref. Valid source refs are harness."
            return _failed(4, "Invalid query parameter", told)
        where, docs = parsed.group(2), dict(self.docs)
        if where == "true":
            if self.hidden > 0:
                self.hidden -= 1
                docs.popitem()
            hits = [(0.0, doc) for doc in docs.values()]
            return _found(hits[: body["hits"]], len(docs))
        if body["ranking.profile"] != "phased" or body["presentation.summary"] != "hits":
            return _failed(4, "Invalid query parameter", "no such profile or summary")
        query = list(body["input.query(qt)"].values())
        if any(len(row) != self.schema.dim for row in query):
            return _failed(4, "Illegal query", "the type of query(qt)")
        found = self._first(where, body)
        ranked = self._phases(found, query, body.get("text", ""))
        return _found(ranked[: min(body["hits"], 400)], len(ranked))

    def _first(self, where: str, body: Any) -> list[tuple[float, dict[str, Any]]]:
        """Documents that match, with the first phase's scores."""
        assert self.schema
        (most,) = (int(n) for n in re.findall(r"targetHits: (\d+)", where))
        docs = self.docs.values()
        if "nearestNeighbor(embedding, q)" in where:
            vector = body["input.query(q)"]
            near = [(dot(vector, doc["embedding"]["values"]), doc) for doc in docs]
            return sorted(near, key=lambda hit: -hit[0])[:most]
        assert 'grammar: "weakAnd"}userInput(@words)' in where
        words = body["words"].lower().split()
        matches = [
            (sum(word in doc["text"].lower().split() for word in words), doc) for doc in docs
        ]
        return sorted(((float(n), doc) for n, doc in matches if n), key=lambda hit: -hit[0])

    def _phases(
        self, found: list[tuple[float, dict[str, Any]]], query: Any, text: str
    ) -> list[tuple[float, dict[str, Any]]]:
        assert self.schema
        count, cross = self.schema.rerank, self.schema.cross
        head = [(maxsim(query, doc["colbert"], self.schema), doc) for _, doc in found[:count]]
        head.sort(key=lambda hit: -hit[0])
        best = [(100.0 + shared(text, doc["text"]), doc) for _, doc in head[:cross]]
        ranked = sorted(best, key=lambda hit: -hit[0]) + head[cross:]
        floor = ranked[-1][0] if ranked else 0.0
        return ranked + [(floor - 1 - i, doc) for i, (_, doc) in enumerate(found[count:])]


def decoded(bits: str, schema: Schema) -> list[float]:
    """The cells of a vector from their bits; raises ValueError for a wrong number."""
    width = {"float": 8, "bfloat16": 4, "int8": 2}[schema.cell]
    cells = [bits[i : i + width] for i in range(0, len(bits), width)]
    if len(cells) != schema.size or len(bits) % width:
        raise ValueError(f"{len(bits)} digits for {schema.size} cells of {width}")
    if schema.cell == "int8":
        return [float(bit) for cell in cells for bit in f"{int(cell, 16):08b}"]
    return [struct.unpack(">f", bytes.fromhex(cell.ljust(8, "0")))[0] for cell in cells]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def maxsim(query: Sequence[Any], tokens: Sequence[Any], schema: Schema) -> float:
    """The schema's expression."""
    best = sum(max(dot(row, token) for token in tokens) for row in query)
    if "unpack_bits(attribute(colbert))" not in schema.text:
        return best
    return (2 * best - sum(map(sum, query))) * schema.scale


def shared(text: str, other: str) -> int:
    """The cross-encoder."""
    return len(set(text.split()) & set(other.split()))


def _text(package: zipfile.ZipFile, file: str) -> str:
    return package.read(file).decode()


def _failed(code: int, summary: str, message: str) -> Answer:
    error = {"code": code, "summary": summary, "message": message, "source": "harness"}
    return Answer({"root": {"id": "toplevel", "relevance": 1.0, "errors": [error]}}, status=400)


def _found(hits: Sequence[tuple[float, dict[str, Any]]], total: int) -> Answer:
    children = [
        {
            "id": f"index:harness/0/{doc['place']:024x}",
            "relevance": relevance,
            "source": "harness",
            "fields": {"place": doc["place"], "mark": doc["mark"]},
        }
        for relevance, doc in hits
    ]
    root = {
        "id": "toplevel",
        "relevance": 1.0,
        "fields": {"totalCount": total},
        "coverage": {**COVERAGE, "documents": total},
        **({"children": children} if children else {}),
    }
    return Answer({"timing": SECONDS, "root": root}, children, "relevance")
