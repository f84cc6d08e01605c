"""Every fault that a server can commit, against every dialect: survived, or told in one paragraph.

What is never accepted is another ranking: a test passes only with the right values, or with an error
that names the server, the request, the fault and the way out.
"""

from __future__ import annotations

import base64
import copy
import math
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from contract_server import Answer, ContractServer, CutError, texts
from spoken import CASES, Case, same

from harness.errors import ComponentError

TEXTS = texts(9)
SURVIVED = ""
LATE = 2.0
"""Seconds after which a late server has not answered. Where it is late only once, half of them is the
client's patience, in which any other answer comes on a busy machine."""


@dataclass(frozen=True)
class Fault:
    commit: Callable[[ContractServer, Answer], Answer]
    told: str = SURVIVED
    """A pattern in the message."""
    times: float = math.inf
    """How often it is committed before the server does right."""
    tries: int = 1
    """How often the client must have asked."""
    concerns: Callable[[Case], bool] = lambda _: True


def listed(change: Callable[[list[Any]], None]) -> Any:
    """A fault of the list of values, changed in place."""

    def commit(_: ContractServer, answer: Answer) -> Answer:
        changed = copy.deepcopy(answer)
        assert changed.items is not None
        change(changed.items)
        return changed

    return commit


def one_value(change: Callable[[Any], Any], *, everywhere: bool = False) -> Any:
    """A fault of the first value, or of all."""

    def commit(found: list[Any], key: str | None) -> None:
        for place in range(len(found) if everywhere else 1):
            if key is None:
                found[place] = change(found[place])
            else:
                found[place][key] = change(found[place][key])

    return lambda server, answer: listed(lambda found: commit(found, answer.key))(server, answer)


def status(code: int, words: Any = "no", **headers: str) -> Any:
    return lambda *_: Answer({"error": words}, status=code, headers=headers)


def sent(content: bytes, **headers: str) -> Any:
    return lambda *_: Answer(content, headers=headers)


def cut(*_: object) -> Answer:
    raise CutError


def late(*_: object) -> Answer:
    time.sleep(LATE)
    raise CutError


def half(_: ContractServer, answer: Answer) -> Answer:
    """The connection ends in the middle of the answer."""
    return Answer(b'{"results": [{"index": 0', headers={"Content-Length": "500"} | answer.headers)


def shuffle(found: list[Any]) -> None:
    random.Random(3).shuffle(found)


def double(found: list[Any]) -> None:
    found[0] = copy.deepcopy(found[1])


def add(found: list[Any]) -> None:
    found.append(copy.deepcopy(found[-1]))


def take(count: int) -> Callable[[list[Any]], None]:
    return lambda found: found.__delitem__(slice(count, None))


def index(change: Callable[[Any], Any], *, everywhere: bool = False) -> Any:
    def commit(found: list[Any]) -> None:
        for item in found if everywhere else found[:1]:
            holder = item.get("fields", item)
            name = next(name for name in ("pid", "place", "index", "id") if name in holder)
            holder[name] = change(holder[name])

    return listed(commit)


def show_documents(found: list[Any]) -> None:
    """As other versions have it: the text as a string, or in an object."""
    for place, item in enumerate(found):
        item["document"] = {"text": "t"} if place % 2 else "t"


def number(wrong: Any) -> Any:
    """The first number of the first value, however deep it lies."""

    def changed(value: Any) -> Any:
        return [changed(value[0]), *value[1:]] if isinstance(value, list) else wrong

    return one_value(changed)


def as_base64(value: Any) -> str:
    return base64.b64encode(np.array(value, dtype="<f4").tobytes()).decode()


def kind(*kinds: str) -> Callable[[Case], bool]:
    return lambda case: case.kind in kinds


def one_a_kind(case: Case) -> bool:
    """For what takes time and is the same whatever is spoken."""
    return case.name in ("tei", "openai", "pylate", "colbert")


def has_index(case: Case) -> bool:
    return case.has_index


def no_search(case: Case) -> bool:
    """A search may find fewer than it is asked for."""
    return case.kind != "hits"


NAN = r"score nan|not finite|no number"

FAULTS = {
    # Order, number and indexes.
    "unsorted": Fault(listed(shuffle), concerns=has_index),
    "document as string or object": Fault(
        listed(show_documents), concerns=lambda c: has_index(c) and c.kind == "scores"
    ),
    "one missing": Fault(listed(lambda f: f.pop(0)), "8 values for 9 texts", concerns=no_search),
    "top_n below k": Fault(listed(take(3)), "3 values for 9 texts", concerns=no_search),
    "nothing": Fault(listed(take(0)), "0 values for 9 texts", concerns=no_search),
    "one doubled": Fault(listed(double), "twice", concerns=has_index),
    "one too many": Fault(listed(add), "twice|index 9, and there were 9"),
    "index out of range": Fault(index(lambda _: 999), "999", concerns=has_index),
    "negative index": Fault(index(lambda _: -1), "-1", concerns=has_index),
    "indexes from 1": Fault(
        index(lambda i: i + 1, everywhere=True), "index 9|begins|bears the mark", concerns=has_index
    ),
    "index as text": Fault(index(str), "no whole number|the document '", concerns=has_index),
    "index as float": Fault(index(float), "no whole number|the document", concerns=has_index),
    # Values.
    "NaN": Fault(number(math.nan), NAN),
    "infinity": Fault(number(math.inf), "score inf|not finite"),
    "beyond float32": Fault(number(1e300), r"score 1e\+300|not finite"),
    "null": Fault(number(None), NAN),
    "text": Fault(number("high"), "no number|not one vector"),
    "base64 vector": Fault(one_value(as_base64, everywhere=True), concerns=kind("vectors")),
    "base64 matrix": Fault(
        one_value(as_base64, everywhere=True), "without a shape", concerns=kind("matrices")
    ),
    "broken base64": Fault(
        one_value(lambda _: "AAA*", everywhere=True), "base64|not one vector",
        concerns=kind("vectors", "matrices"),
    ),
    "matrix for a vector": Fault(
        one_value(lambda v: [v, v], everywhere=True), r"shape \(2, 4\)", concerns=kind("vectors")
    ),
    "vector for a matrix": Fault(
        one_value(lambda v: v[0], everywhere=True), r"shape \(4,\)", concerns=kind("matrices")
    ),
    "ragged matrix": Fault(
        one_value(lambda v: [v[0][:1], *v[1:]]), "not one vector a token",
        concerns=lambda c: c.kind == "matrices",
    ),
    "another dimension": Fault(one_value(lambda v: v[:2]), "of 2 lengths", concerns=kind("vectors")),
    "no vector": Fault(one_value(lambda _: []), "shape", concerns=kind("vectors", "matrices")),
    # Answers that are none.
    "truncated JSON": Fault(sent(b'{"results": [{"index": 0, "sc'), "no JSON"),
    "a page": Fault(sent(b"<html>Welcome</html>"), "no JSON"),
    "no content": Fault(sent(b""), "no JSON"),
    "binary": Fault(sent(b"\xff\xfe\x00"), "no JSON"),
    "another form": Fault(sent(b'{"answer": 42}'), "not the form"),
    "a number": Fault(sent(b"42"), "not the form"),
    "null answer": Fault(sent(b"null"), "not the form"),
    # Statuses.
    "accepted, later": Fault(status(202), "answered 202.*another|answered 202.*later"),
    "elsewhere": Fault(status(307, Location="http://127.0.0.1:9/"), "answered 307"),
    "bad request": Fault(status(400), "answered 400"),
    "unauthorised": Fault(status(401), "answered 401.*token_env"),
    "forbidden": Fault(status(403), "answered 403.*token_env"),
    "not found": Fault(status(404), "answered 404.*url"),
    "payload too large": Fault(status(413), "answered 413.*(lower `batch`|longest of 1 text)"),
    "batch too large": Fault(status(422, "batch size 9 > 8"), "batch size 9 > 8.*lower `batch`"),
    "model failed": Fault(status(424, "score is NaN"), "answered 424.*score is NaN.*log"),
    "server failed": Fault(status(500), "answered 500.*log"),
    "overloaded for good": Fault(status(429), "answered 429.*in 3 tries.*retries", tries=3),
    "overloaded for a while": Fault(status(429), times=2, tries=3),
    "slow start": Fault(status(503), times=2, tries=3),
    "never ready": Fault(status(503), "answered 503.*in 3 tries", tries=3),
    "gateway": Fault(status(502), times=1, tries=2),
    "gateway timeout": Fault(status(504), times=1, tries=2),
    # Connections.
    "cut before the answer": Fault(cut, times=1, tries=2),
    "cut in the answer": Fault(half, times=1, tries=2),
    "always cut": Fault(cut, "connection failed.*in 3 tries", tries=3),
    "always cut in the answer": Fault(half, "connection failed.*in 3 tries", tries=3),
    "late once": Fault(late, times=1, tries=2, concerns=one_a_kind),
    "always late": Fault(late, "no whole answer within 0.25 s in 3 tries", tries=3),
    "broken compression": Fault(
        sent(b"no gzip", **{"Content-Encoding": "gzip"}), "connection failed", tries=3
    ),
}  # fmt: skip

PAIRS = [
    pytest.param(case, name, id=f"{case.name}: {name}")
    for name, fault in FAULTS.items()
    for case in CASES
    if fault.concerns(case)
]


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_fault(server: ContractServer, case: Case, name: str) -> None:
    fault = FAULTS[name]
    server.reset(case.dialect)
    server.fault, server.times = fault.commit, fault.times
    patience = {"late once": LATE / 2, "always late": 0.25}.get(name, 5.0)
    component = case.component(server.url, timeout_s=patience)
    if fault.told == SURVIVED:
        same(case.ask(component, TEXTS), case.expected(TEXTS))
    else:
        with pytest.raises(ComponentError) as caught:
            case.ask(component, TEXTS)
        told = str(caught.value)
        assert re.search(fault.told, told), told
        assert server.url in told
        assert case.path in told
        assert "Way out: " in told
        assert "\n" not in told
        assert len(told) < 700
    assert len(server.work) == fault.tries


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_fault(server: ContractServer, case: Case) -> None:
    server.reset(case.dialect)
    same(case.ask(case.component(server.url), TEXTS), case.expected(TEXTS))
    assert len(server.work) == 1
    assert [path for _, path, _ in server.asked][-1].endswith(case.path)
