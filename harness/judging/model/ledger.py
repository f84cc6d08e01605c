"""What was asked of a model and what it answered: a file that only grows, and what is left to spend.

A line is written before each request and one after it, so that a process that ends between them has
spent what it reserved. What was answered is not asked again: answers are found by their content.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import StoreError
from harness.experiment.judge_terms import Budget
from harness.files import digests, disk

ASKED, ANSWERED, FAILED = "asked", "answered", "failed"
"""The events of the file."""

WORDS = 2_000
"""Characters of an answer that are stored."""


class Answered(NamedTuple):
    """What a model answered of one document for one query."""

    grade: int | None
    """None: no answer so far had a grade in the form that was asked for."""
    tries: int
    """Answers so far."""
    words: str
    """Of the last answer."""


class Spent(NamedTuple):
    """What was spent so far."""

    calls: int = 0
    tokens: int = 0
    estimated: int = 0
    """Of these tokens, those that no server counted: the most that they can be."""


class Ledger:
    """The file of a model's answers, and what of a budget is spent."""

    def __init__(self, file: Path, budget: Budget) -> None:
        """Read what earlier runs left; raises StoreError where that cannot be read or is damaged.

        A last line that an interruption cut short is left out, and so is a request without an
        answer: both count as spent.
        """
        self._file, self._budget = file, budget
        self._answers: dict[str, Answered] = {}
        self._open: Mapping[str, Any] | None = None
        self.spent = Spent()
        whole, cut = self._lines()
        for number, line in enumerate(whole, start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise StoreError(
                    f"{file}:{number} is damaged ({type(error).__name__}: {error}). Mend that line "
                    "or give the file another name: without it, all that it holds is paid again."
                ) from error
        self._close()
        if cut:
            disk.write(file, b"".join(line + b"\n" for line in whole))

    def answer(self, key: str) -> Answered | None:
        """What was answered before under this key; None where nothing was."""
        return self._answers.get(key)

    def tries(self, tokens: int) -> int:
        """How many requests of at most so many tokens the budget still allows."""
        left = self._budget.calls - self.spent.calls
        price = self._budget.price_per_million_tokens
        if self._budget.currency is None or not price:
            return max(left, 0)
        money = self._budget.currency - self.cost
        return max(min(left, math.floor(money / (tokens * price / 1e6) + 1e-9)), 0)

    @property
    def cost(self) -> float:
        """What was spent, in the currency of the price; NaN without a price."""
        price = self._budget.price_per_million_tokens
        return self.spent.tokens * price / 1e6 if price else math.nan

    def ask(self, key: str, tokens: int) -> None:
        """Note that a request of at most so many tokens is made now."""
        self._write({"event": ASKED, "key": key, "tokens": tokens})

    def answered(
        self, key: str, grade: int | None, words: str, tokens: int | None, more: tuple[int, int]
    ) -> None:
        """Note the answer, its grade and the tokens that the server counted, None for none.

        `more` are the requests and tokens of tries before it that failed.
        """
        asked = int((self._open or {"tokens": 0})["tokens"])
        said = {"grade": grade, "answer": words[:WORDS], "tokens": tokens, "most": asked}
        self._write({"event": ANSWERED, "key": key, **said, "more": list(more)})

    def failed(self, key: str, calls: int, tokens: int, why: str) -> None:
        """Note that a request was not answered in so many calls, which cost at most `tokens`."""
        said = {"calls": calls, "tokens": tokens, "why": why[:WORDS]}
        self._write({"event": FAILED, "key": key, **said})

    def _lines(self) -> tuple[list[bytes], bool]:
        """The whole lines of the file, and whether a torn one follows."""
        if not self._file.exists():
            return [], False
        with digests.reading(self._file):
            *whole, rest = self._file.read_bytes().split(b"\n")
        return whole, bool(rest)

    def _write(self, event: Mapping[str, Any]) -> None:
        line = json.dumps({**event, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        with disk.writing(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as stream:
                stream.write(line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        """Take in one event, as it is written or read again."""
        kind, key = event["event"], event["key"]
        if kind == ASKED:
            self._close()
            self._open = {"tokens": int(event["tokens"])}
            return
        self._open = None
        if kind == FAILED:
            self._spend(int(event["calls"]), int(event["tokens"]), int(event["tokens"]))
            return
        calls, lost = event["more"]
        counted = event["tokens"]
        own = int(event["most"] if counted is None else counted)
        self._spend(1 + calls, own + lost, lost + (own if counted is None else 0))
        before = self._answers.get(key)
        tries = 1 + (before.tries if before else 0)
        self._answers[key] = Answered(event["grade"], tries, event["answer"])

    def _close(self) -> None:
        """Count a request that nobody saw the end of."""
        if self._open is not None:
            self._spend(1, self._open["tokens"], self._open["tokens"])
            self._open = None

    def _spend(self, calls: int, tokens: int, estimated: int) -> None:
        was = self.spent
        self.spent = Spent(was.calls + calls, was.tokens + tokens, was.estimated + estimated)
