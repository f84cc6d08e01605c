"""What an experiment file says of a judging model: where it is, what it may cost, when it counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.components.servers.served import check_url
from harness.experiment.part import Count, Part, Seconds
from harness.files import bounds


def _address(url: str) -> str:
    check_url(url)
    return url


def _variable(name: str) -> str:
    if name and not re.fullmatch("[A-Z_][A-Z0-9_]*", name):
        raise ValueError(
            "write the name of an environment variable, such as MY_TOKEN, and never a token"
        )
    return name


class Budget(Part):
    """What the judging model may cost at most, over all runs of the experiment."""

    calls: Count
    """Requests, those that are made again after a fault among them."""
    currency: float | None = Field(default=None, gt=0, le=bounds.MANY)
    """What they may cost, in the currency of the price; left out: no limit of money."""
    price_per_million_tokens: float | None = Field(default=None, gt=0, le=bounds.MANY)
    """Of what is sent and of what is answered; where they differ, the higher one."""

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.currency is not None and self.price_per_million_tokens is None:
            raise ValueError("currency needs price_per_million_tokens, or nothing can be counted")
        return self


class ModelJudge(Part):
    """A language model that judges documents, on a server with OpenAI's route /chat/completions."""

    use: Literal["llm"]
    url: Annotated[str, AfterValidator(_address)]
    """Where it is, with any prefix of its routes: `http://127.0.0.1:8000/v1`."""
    model: Annotated[str, Field(min_length=1, max_length=bounds.NAME)]
    """The model's name on the server."""
    budget: Budget
    """What it may cost at most, over all runs of the experiment."""
    token_env: Annotated[str, AfterValidator(_variable)] = ""
    """The environment variable that holds the token; the token itself is written nowhere."""
    prompt: Path | None = None
    """The file of the prompt, with `{query}` and `{document}` in their places, that asks for a line such
    as `Grade: 2`; left out: ours."""
    least_agreement: float = Field(default=0.4, ge=0, le=1)
    """The least weighted kappa with people's judgments at which the model's count."""
    answer_tokens: int = Field(default=64, ge=8, le=bounds.DEEPEST)
    """Tokens of an answer, at most; a model that thinks before it answers needs thousands."""
    timeout_s: Seconds = 60.0
    """For one request, from the first byte sent to the last one received."""
    retries: int = Field(default=5, ge=0, le=bounds.ENTRIES)
    """More tries after one that failed for what may pass, with doubling pauses."""
