"""A model that judges, in OpenAI's form of a chat: it grades by shared words, and fails as it is made to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from contract_answer import Answer, refusal

MODEL = "org/judge"
TOKENS = 100
"""Of each request and its answer together, as it counts them."""


def grade(query: str, document: str) -> int:
    """The words that both have, at most 3."""
    return min(len(set(query.split()) & set(document.split())), 3)


def chat(body: Any) -> Answer:
    if body.get("model") != MODEL:
        return refusal(404, error={"message": f"The model `{body.get('model')}` does not exist."})
    return said(f"Grade: {grade(*asked(body))}")


def asked(body: Any) -> tuple[str, str]:
    """The query and the document of a request with our prompt."""
    text = body["messages"][0]["content"]
    query, document = (
        re.search(rf"<{part}>\n(.*?)\n</{part}>", text, re.DOTALL) for part in ("query", "document")
    )
    assert query
    assert document
    return query[1], document[1]


def said(words: Any, **usage: Any) -> Answer:
    """An answer; `usage` in the place of what the model counts."""
    content: dict[str, Any] = {
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": words}}],
        "usage": usage or {"total_tokens": TOKENS},
    }
    return Answer(content)


def uncounted(_: object, answer: Answer) -> Answer:
    """Without the tokens that it took."""
    return Answer({key: value for key, value in answer.content.items() if key != "usage"})


def words(text: Any) -> Callable[[object, Answer], Answer]:
    return lambda *_: said(text)
