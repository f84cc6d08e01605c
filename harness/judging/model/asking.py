"""One document judged by a model on a server: asked within the budget, again where it must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from harness.components import timing
from harness.components.servers.client import Client, HttpRequest, token_in
from harness.components.servers.joined import AnswerError, shown
from harness.data import digest
from harness.errors import BusyError, ComponentError
from harness.experiment.judge_prompt import filled
from harness.experiment.judge_terms import ModelJudge
from harness.judging.model import answers
from harness.judging.model.ledger import Ledger
from harness.page.text import counted, significant

MOST_ANSWERS = 3
"""To one document; where none of them has a grade, the document is skipped."""

AROUND = 16
"""Tokens that a server puts around a message, at most."""

OTHER_WAYS = {"seed": "", "temperature": "", "max_tokens": "max_completion_tokens"}
"""By a setting that some servers or models refuse, what it is called there; empty: it is left out."""

TRAFFIC = ("retries", "broken", "late")

Messages = Sequence[dict[str, str]]


class SpentError(Exception):
    """The budget allows no further request; the message says what was spent."""


class _Said(NamedTuple):
    words: str
    tokens: int | None


class Asker:
    """A model on a server, with a prompt, and what it has answered and cost so far."""

    def __init__(self, judge: ModelJudge, prompt: str, ledger: Ledger, seed: int) -> None:
        """Nothing is asked yet; raises ServerError where the token is not there."""
        token_in(judge.token_env)
        self._judge, self._prompt, self._ledger = judge, prompt, ledger
        self._settings: dict[str, Any] = {
            "temperature": 0,
            "seed": seed,
            "max_tokens": judge.answer_tokens,
        }
        url, token, seconds = judge.url.rstrip("/"), judge.token_env, judge.timeout_s
        self._client = Client(url, "The judging model's server", token, seconds, judge.retries)
        self.refused_settings: list[str] = []
        """Those that the server refuses: without a temperature of 0 or a seed, answers may vary."""

    def grade(self, query: str, document: str) -> int | None:
        """The grade from 0 to 3; None where MOST_ANSWERS answers had none.

        What was answered before is not asked again. Raises SpentError before the budget would be
        passed, TextError where the server does not take this document, and ComponentError for any
        other fault, which retries did not mend.
        """
        key = digest([self._judge.model, self._prompt, digest([query]), digest([document])])
        first = {"role": "user", "content": filled(self._prompt, query, document)}
        while True:
            before = self._ledger.answer(key)
            if before and (before.grade is not None or before.tries >= MOST_ANSWERS):
                return before.grade
            again = [
                {"role": "assistant", "content": before.words},
                {"role": "user", "content": answers.REMINDER},
            ] if before else []  # fmt: skip
            self._ask(key, [first, *again])

    def _ask(self, key: str, messages: Messages) -> None:
        """Ask once, with the client's retries, and store what came of it."""
        most = self._judge.answer_tokens + sum(
            len(one["content"].encode("utf-8", "surrogatepass")) + AROUND for one in messages
        )  # no tokenizer makes more than a token of a byte
        tries = min(self._judge.retries + 1, self._ledger.tries(most))
        if tries < 1:
            raise SpentError(self._spent(most))
        body = {"model": self._judge.model, "messages": list(messages), **self._settings}
        texts = [messages[0]["content"]]
        request = HttpRequest("POST", "/chat/completions", body, "to judge a document", texts)
        self._ledger.ask(key, most)
        with timing.recording(TRAFFIC) as passed:
            try:
                said = replace(self._client, retries=tries - 1).read(request, _said)
            except ComponentError as error:
                lost = _lost(passed) + (0 if isinstance(error, BusyError) else 1)
                self._ledger.failed(key, 1 + int(passed.get("retries", 0)), lost * most, str(error))
                if not self._adapted(str(error)):
                    raise
                return
        failed = int(passed.get("retries", 0)), _lost(passed) * most
        self._ledger.answered(key, answers.grade(said.words), said.words, said.tokens, failed)

    def _adapted(self, fault: str) -> bool:
        """Whether a refusal names a setting that can be said otherwise from now on."""
        for name, other in OTHER_WAYS.items():
            if name in self._settings and re.search(rf"answered 4\d\d.*\b{name}\b", fault):
                value = self._settings.pop(name)
                if other:
                    self._settings[other] = value
                else:
                    self.refused_settings.append(name)
                return True
        return False

    def _spent(self, most: int) -> str:
        spent, budget = self._ledger.spent, self._judge.budget
        said = f"{spent.calls:,} of {counted(budget.calls, 'call')}"
        if budget.currency is not None:
            said += f" and {significant(self._ledger.cost)} of {significant(budget.currency)}"
        return (
            f"The budget of the judging model is used up: {said} were spent, and the next call might "
            f"take {most:,} tokens. What was judged is stored: raise `judge.budget` to go on."
        )


def _lost(passed: dict[str, float]) -> int:
    """Tries that were given up although the server may have worked, and may bill it."""
    return int(passed.get("late", 0) + passed.get("broken", 0))


def _said(content: Any) -> _Said:
    """The text of an answer and its tokens; raises AnswerError where it holds no text at all."""
    words = content["choices"][0]["message"].get("content")
    if words is not None and not isinstance(words, str):
        raise AnswerError(f"its message is {shown(words)}, no text")
    usage = content.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    known = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    return _Said(words or "", tokens if known else None)
