"""A Qdrant of one node: takes collections, points and searches, and ranks by itself.

It computes dot products number by number, so that nothing of the harness's own arithmetic is in its
scores; it compresses nothing, and its nearest neighbours are exact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from contract_answer import Answer, refusal

VERSION = "1.18.0"
MOST_BYTES = 32 * 2**20
MISSING = "Not found: Collection `%s` doesn't exist!"


def _ok(result: Any) -> Answer:
    return Answer({"result": result, "status": "ok", "time": 0.002})


def _error(status: int, words: str) -> Answer:
    return refusal(status, status={"error": words}, time=0.001)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@dataclass
class Collection:
    """What was asked for, and what was put."""

    config: dict[str, Any]
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    looks: int = 0
    """How often its state was asked for."""

    def problem(self, name: str, vector: Any) -> str:
        """Why a vector is none of this collection; empty where it is one."""
        known = self.config["vectors"].get(name)
        if known is None:
            return f"Wrong input: Not existing vector name error: {name}"
        rows = vector if "multivector_config" in known else [vector]
        if not rows or not all(isinstance(row, list) for row in rows):
            return f"Wrong input: Conversion between {name} failed"
        sizes = {len(row) for row in rows} - {known["size"]}
        return f"Wrong input: Vector dimension error: {sizes}" if sizes else ""

    def score(self, asked: dict[str, Any], place: int) -> float:
        """Dot product of one vector, sum of the best of each of several."""
        held = self.points[place]["vector"][asked["using"]]
        if "multivector_config" not in self.config["vectors"][asked["using"]]:
            return _dot(asked["query"], held)
        return sum(max(_dot(row, other) for other in held) for row in asked["query"])

    def best(self, asked: dict[str, Any], among: Sequence[int]) -> list[tuple[int, float]]:
        scored = [(place, self.score(asked, place)) for place in among]
        return sorted(scored, key=lambda item: -item[1])[: asked["limit"]]


@dataclass
class ContractQdrant:
    """Collections by name."""

    collections: dict[str, Collection] = field(default_factory=dict)
    slow: int = 0
    """How often a collection is yellow before it is green."""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        path = urlsplit(path).path
        if (method, path) == ("GET", "/"):
            about = {"title": "qdrant - vector search engine", "version": VERSION}
            return Answer({**about, "commit": "0123abcd"})
        found = re.fullmatch(r"/collections/([\w-]+)(/[a-z/]+)?", path)
        return self._of_one(found[1], method, found[2] or "", body) if found else refusal(404)

    def _of_one(self, name: str, method: str, below: str, body: Any) -> Answer:
        if (method, below) == ("GET", "/exists"):
            return _ok({"exists": name in self.collections})
        if (method, below) == ("PUT", ""):
            return self._create(name, body)
        if name not in self.collections:
            return _error(404, MISSING % name)
        if (method, below) == ("DELETE", ""):
            return _ok(self.collections.pop(name) is not None)
        routes = {
            ("GET", ""): self._look,
            ("PUT", "/points"): self._put,
            ("POST", "/points/count"): lambda held, _: _ok({"count": len(held.points)}),
            ("POST", "/points/query"): self._query,
        }
        route = routes.get((method, below))
        return route(self.collections[name], body) if route else refusal(404)

    def _create(self, name: str, body: Any) -> Answer:
        if name in self.collections:
            return _error(409, f"Wrong input: Collection `{name}` already exists!")
        for vector in body["vectors"].values():
            if vector["distance"] != "Dot" or vector["size"] < 1:
                return _error(422, "Validation error in JSON body: distance or size")
        self.collections[name] = Collection(body)
        return _ok(result=True)

    def _look(self, held: Collection, _: Any) -> Answer:
        held.looks += 1
        state = "yellow" if held.looks <= self.slow else "green"
        return _ok({"status": state, "points_count": len(held.points), "config": held.config})

    def _put(self, held: Collection, body: Any) -> Answer:
        for point in body["points"]:
            for name, vector in point["vector"].items():
                if problem := held.problem(name, vector):
                    return _error(400, problem)
            if type(point["id"]) is not int or point["id"] < 0:
                return _error(400, "Format error in JSON body: value is not a valid point ID")
        held.points |= {point["id"]: point for point in body["points"]}
        return _ok({"operation_id": 0, "status": "completed"})

    def _query(self, held: Collection, body: Any) -> Answer:
        asked = [
            {**one, "query": one["query"]["nearest"] if "nearest" in one["query"] else one["query"]}
            for one in (body, *body.get("prefetch", ()))
        ]
        for one in asked:
            if problem := held.problem(one["using"], one["query"]):
                return _error(400, problem)
        among = list(held.points)
        for one in asked[1:]:
            among = [place for place, _ in held.best(one, list(held.points))]
        points = [
            {"id": place, "version": 0, "score": score}
            | ({"payload": held.points[place].get("payload")} if body.get("with_payload") else {})
            for place, score in held.best(asked[0], among)
        ]
        answer = _ok({"points": points})
        return Answer(answer.content, points, "score")
