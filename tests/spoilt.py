"""Answers of every dialect with something wrong at one place, and what must come of them."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contract_server import Answer, ContractServer, texts
from hypothesis import HealthCheck
from hypothesis import strategies as st
from spoken import Case, same

from harness.components.servers import served
from harness.errors import HarnessError, ServerError

ONE_SERVER = HealthCheck.function_scoped_fixture

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
WRONG = [
    None,
    "",
    "x",
    "1",
    "\ud800",
    [],
    [[]],
    {},
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    DEEP,
    "y" * 999,
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        yield from places(one, (*path, key))


@dataclass(frozen=True)
class Spoil:
    """Something else at one place of every answer; without the key there, if it is one."""

    number: int
    wrong: Any
    removed: bool

    def __call__(self, _: ContractServer, answer: Answer) -> Answer:
        found = sorted(places(answer.content), key=repr)
        made = self._spoilt(answer.content, found[self.number % len(found)])
        return Answer(json.dumps(made).encode(), headers=answer.headers)

    def _spoilt(self, value: Any, path: tuple[Any, ...]) -> Any:
        if not path:
            return self.wrong
        changed = copy.deepcopy(value)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        if self.removed and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = self.wrong
        return changed


SPOILS = st.builds(Spoil, st.integers(0, 9999), st.sampled_from(WRONG), st.booleans())


def check_spoilt_answer(server: ContractServer, case: Case, spoil: Spoil) -> None:
    """Either what the server meant, or an error that says what is wrong."""
    server.reset(case.dialect)
    server.fault = spoil
    component = case.component(server.url, timeout_s=60.0)
    try:
        found = case.ask(component, texts(4))
    except HarnessError as error:
        assert server.url in str(error)  # noqa: PT017  (either is right)
        assert str(error).isprintable()  # noqa: PT017
    else:
        expected = case.expected(texts(4))
        if case.kind == "hits":  # a search may find fewer
            assert all(any(abs(one - other) < 1e-6 for other in expected) for one in found)
        else:
            same(found, expected)


def check_spoilt_words(server: ContractServer, case: Case, spoil: Spoil) -> None:
    """Of the server about itself: either its identity can be stored, or an error says why not."""
    served._known.cache_clear()
    server.reset(case.dialect)
    server.only_work = False
    server.fault = spoil
    try:
        identity = dict(case.component(server.url, timeout_s=60.0).identity())
    except ServerError as error:
        assert server.url in str(error)  # noqa: PT017  (either is right)
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert json.loads(json.dumps(identity, ensure_ascii=False).encode()) == identity
