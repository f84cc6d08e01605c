"""What the contract server answers, and where in it a fault can be committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    content: Any
    items: list[Any] | None = None
    """Where in the content the values are, for faults."""
    key: str | None = None
    """Under which name an item has its value; None where the item is the value."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    bytes_at_once: int | None = None
    """With a pause of 10 ms between them."""


def refusal(status: int, **content: Any) -> Answer:
    return Answer(content, status=status)
