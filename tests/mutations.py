"""Hostile inputs: what is right, with some of its nodes replaced, removed, doubled or added.

A node is a dict, a list, a scalar, or `Raw`: text that is written as it is.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.errors import HarnessError

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "500"))
"""Of all properties together."""

SECONDS, MEGABYTES = 5.0, 500
"""The most processor time and additional memory of one example."""

STUCK = 300
"""Seconds by the clock after which an example is ended, on whatever machine."""


@dataclass(frozen=True)
class Raw:
    """Text as it stands in a file."""

    text: str


@dataclass
class Tried:
    """What a kind of input came to."""

    examples: int = 0
    refused: int = 0
    tracebacks: int = 0
    slow: int = 0
    large: int = 0


TABLE: dict[str, Tried] = {}
"""By kind of input; `make test-hostile` prints it."""


class Stuck(BaseException):
    """An example did not end; no `except Exception` holds it up."""


def share(of_all: float) -> settings:
    """Settings of a property that has this share of all examples, the same in every run."""
    return settings(
        max_examples=max(1, round(EXAMPLES * of_all)),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def survives(kind: str, call: Callable[[], object]) -> object:
    """What `call` gives: an exit code, or anything; None where it raises an error of ours.

    Fails for any other exception, and for what takes too long or too much.
    """
    told = TABLE.setdefault(kind, Tried())
    told.examples += 1
    started, held = time.process_time(), _held()
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(STUCK)
    try:
        found = call()
    except HarnessError:
        found = None
    except SystemExit as error:
        found = error.code
    except BaseException:
        told.tracebacks += 1
        raise
    finally:
        signal.alarm(0)
    spent, grown = time.process_time() - started, _held() - held
    told.refused += found is None or found in (2, 3)
    told.slow += spent > SECONDS
    told.large += grown > MEGABYTES
    assert spent <= SECONDS
    assert grown <= MEGABYTES
    return found


def _stuck(*_: object) -> None:
    raise Stuck


def _held() -> float:
    """Megabytes that this process held at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def as_yaml(node: Any) -> str:
    """A node as one line of YAML."""
    return _written(node, _key)


def as_json(node: Any) -> str:
    """A node as one line of JSON."""
    return _written(node, json.dumps)


def _key(key: str) -> str:
    return (
        key if key[:1] in "?*&!<" or key.replace("_", "").replace(".", "").isalnum() else _text(key)
    )


def _text(text: str) -> str:
    return json.dumps(text)


def _written(node: Any, key: Callable[[str], str]) -> str:
    match node:
        case Raw(text=text):
            return text
        case dict():
            inside = (f"{key(name)}: {_written(value, key)}" for name, value in node.items())
            return f"{{{', '.join(inside)}}}"
        case list():
            return f"[{', '.join(_written(item, key) for item in node)}]"
    return json.dumps(node)


TEXTS = (
    *("", " ", "\0", "a\nb\tc", "\x1b[2J", "\x9b2J", "\u202ex", "\ud800", "\ufeff", "=1+1", "@x"),
    *("..", ".", "/", "//", "~nosuchuser/x", "../../x", "/dev/null", "plan.json", "figures", "-"),
    *(
        "x" * 300,
        "x" * 5_000,
        "x" * 20_000,
        "\U0001d400" * 120,
        "a." * 3_000,
        "%s%n{}{0}",
        "\uff12",
    ),
    *("nan", "inf", "1e999", "-0", "0x10", "1_0", "9" * 19, "9" * 5_000, "2026-02-30", "null"),
    *(
        "ndcg@30000000",
        "ndcg@0",
        "ndcg@10",
        "map(rel=99999999999)",
        "judged@10",
        "ndcg@" + "9" * 400,
    ),
    *(
        "bm25",
        "files",
        "dense",
        "a:b",
        "a..b:C",
        "os:system",
        "harness.cli.commands:main",
        "fakes:Identity",
    ),
    *(
        "fakes:WordOverlap",
        "fakes:CALLS",
        ":",
        "a:",
        ":b",
        "dummy:",
        "package:",
        "trained:x",
        "a--b",
    ),
)
"""That mean something to some reader, or to the terminal, a spreadsheet, the file system, a shell."""

NUMBERS = (
    *(0, -1, 1, 2**31, 2**63, 10**17, -(10**17), 10**18, 0.0, -0.5, 1e-320, 1e308, 0.1, 3, 100),
    *(10**4, 10**6),
)

IN_YAML = (
    *('!!int ""', '!!float ""', "!!bool x", "!!null x", "!!binary aGk=", "!!timestamp 2001-01-01"),
    *("!!python/name:os.system", "!!python/object/apply:os.system [x]", "!!set {a}", "!x y"),
    *(".nan", ".inf", "-.inf", "010", "1:30", "0x1F", "0o7", f"0x{'F' * 300}", "9" * 5_000, "<<"),
    *(
        "*there",
        "&one [*one]",
        "&two {a: *two}",
        "&there [x]",
        '"\\uD800"',
        '"\\U00110000"',
        '"\\0"',
    ),
    *(
        f"{'[' * 60}{']' * 60}",
        f"{'{a: ' * 45}x{'}' * 45}",
        f"[{', '.join(['x'] * 1_500)}]",
        "{",
        "'",
    ),
    "&a [x, x, x], &b [*a, *a, *a], &c [*b, *b, *b], &d [*c, *c, *c]",
    f"{{{', '.join(f'k{i}: 1' for i in range(300))}}}",
    "{? [a, b] : 1}",
    "{a: 1, a: 2}",
    "{<<: [x]}",
    "{<<: &m {a: 1, <<: *m}}",
)

IN_JSON = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "9" * 30,
        "9" * 5_000,
        '"\\ud800"',
        '"\\u0000"',
        "tru",
    ),
    *(f"{'[' * 2_000}{']' * 2_000}", "{", '"', "\\", '{"a": 1, "a": 2}', ""),
)

SCALARS = (
    st.sampled_from(TEXTS)
    | st.sampled_from(NUMBERS)
    | st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)

HOSTILE_JSON: st.SearchStrategy[Any] = (
    SCALARS
    | st.sampled_from(IN_JSON).map(Raw)
    | st.just([])
    | st.just({})
    | st.lists(SCALARS, max_size=3)
)

HOSTILE_YAML: st.SearchStrategy[Any] = (
    SCALARS
    | st.sampled_from(IN_YAML).map(Raw)
    | st.just([])
    | st.just({})
    | st.lists(SCALARS, max_size=3)
)


@st.composite
def mutated(draw: st.DrawFn, bases: Sequence[Any], hostile: st.SearchStrategy[Any]) -> Any:
    """One of `bases` with one to three nodes changed."""
    node = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(_paths(node))))
        change = draw(st.sampled_from(CHANGES))
        node = _changed(node, path, lambda old, to=change: to(old, draw, hostile))
        node = {} if node is GONE else node
    return node


GONE = object()


def _replaced(_old: Any, draw: st.DrawFn, hostile: st.SearchStrategy[Any]) -> Any:
    return draw(hostile)


def _removed(_old: Any, _draw: st.DrawFn, _hostile: st.SearchStrategy[Any]) -> Any:
    return GONE


def _wrapped(old: Any, draw: st.DrawFn, _hostile: st.SearchStrategy[Any]) -> Any:
    return draw(st.sampled_from(([old], [old, old], {"a": old}, {"use": old})))


def _added(old: Any, draw: st.DrawFn, hostile: st.SearchStrategy[Any]) -> Any:
    if isinstance(old, dict):
        names = st.sampled_from(
            ("a", "use", "name", "vary", "depth", "model", "path", "<<", "? *x ")
        )
        return {**old, draw(names | st.sampled_from(sorted(old) or ["a"])): draw(hostile)}
    return [*old, draw(hostile)] if isinstance(old, list) else draw(hostile)


CHANGES = (_replaced, _replaced, _replaced, _removed, _wrapped, _added)


def _paths(node: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node if isinstance(node, list) else ())
    )
    for key, value in items:
        yield from ((key, *rest) for rest in _paths(value))


def _changed(node: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(node)
    key, rest = path[0], path[1:]
    inner = _changed(node[key], rest, change)
    if isinstance(node, Mapping):
        return {
            k: inner if k == key else v for k, v in node.items() if k != key or inner is not GONE
        }
    return [inner if i == key else v for i, v in enumerate(node) if i != key or inner is not GONE]


@st.composite
def mutated_lines(draw: st.DrawFn, lines: Sequence[Sequence[str]], between: str) -> bytes:
    """Lines of fields with some of them changed, and perhaps bytes that are no text of ours."""
    rows = [list(line) for line in lines]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.sampled_from(rows)) if rows else []
        field = draw(st.integers(0, max(len(row) - 1, 0)))
        hostile = draw(st.sampled_from(TEXTS) | st.text(max_size=5))
        row[field : field + draw(st.integers(0, 1))] = [hostile] * draw(st.integers(0, 2))
    text = "\n".join(between.join(row) for row in rows) + draw(st.sampled_from(("\n", "", "\r\n")))
    return draw(damaged(text.encode("utf-8", "replace")))


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content`, which may be cut, have bytes in it, or be none of it."""
    cut = draw(st.just(len(content)) | st.integers(0, len(content)))
    place = draw(st.integers(0, cut))
    inside = draw(st.just(b"") | st.sampled_from(BYTES) | st.binary(max_size=4))
    return content[:place] + inside + content[place:cut]


BYTES = (
    b"\xff\xfe",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\x1f\x8b\x08",
    b"\r",
    b'"',
    b"\xc2",
)
