"""The catalogue of known models: facts with their sources, stored in models.yaml.

A fact that no source at hand states is absent and reads None; nothing here is a guess.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.files import disk

DUMMY = "dummy:"
"""Marks a reference to a known model's architecture with random weights."""

COMMERCIAL = {"mit": True, "apache-2.0": True, "cc-by-nc-4.0": False}
"""Whether a licence allows commercial use, by its SPDX identifier in lower case."""

Kind = Literal["encoder", "token_encoder", "cross_encoder"]
Native = Literal["bert", "xlm-roberta", "modernbert", "deberta-v2"]
Foreign = Literal["jina-bert", "nomic-bert", "xlm-roberta-rotary"]
"""Architectures whose code comes with the checkpoint."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Linear(_Frozen):
    """One linear layer behind the body of a token encoder."""

    out: int
    residual: bool = False
    """Whether its input is added to its output, through a second matrix where the sizes differ."""


class Architecture(_Frozen):
    """What is needed to build a model of the same matrices."""

    type: Native | Foreign
    layers: int
    hidden: int
    heads: int
    intermediate: int
    """Width of the feed-forward part; a gated one has two input matrices of it."""
    vocabulary: int
    """Rows of the table of token embeddings, markers included."""
    positions: int
    """Rows of the table of positions, or the longest input where there is no such table."""
    token_types: int = 0
    gated: bool = False
    projection: tuple[Linear, ...] = ()

    @property
    def dim(self) -> int:
        """The size of the vectors that come out."""
        return self.projection[-1].out if self.projection else self.hidden


class Sides(_Frozen):
    """What is put before a query, and what before a document."""

    query: str = ""
    document: str = ""


class Published(_Frozen):
    """A value that someone published for a model."""

    dataset: str
    metric: str
    value: float
    setting: str
    source: str


class Model(_Frozen):
    """What is known of a model; None where no source states it."""

    kind: Kind | None = None
    original: str | None = None
    """The hub model that a package carries; its facts hold for the package too."""
    sha256: str | None = None
    """The digest that model.safetensors of a package must have."""
    revision: str | None = None
    """The hub's commit that the facts were read at."""
    architecture: Architecture | None = None
    parameters: int | None = None
    """As published: token encoders are mostly counted without their projection."""
    dims: tuple[int, ...] = ()
    """The sizes of vectors that the model gives, its own first."""
    matryoshka: bool | None = None
    """Whether the model was trained for several dims."""
    max_length: int | None = None
    """Tokens that the model can read at once; for an encoder also how many are kept of a text."""
    query_length: int | None = None
    document_length: int | None = None
    markers: Sides | None = None
    """Marker tokens of a token encoder."""
    prompts: Sides | None = None
    """Texts put before queries and documents of an encoder."""
    query_expansion: bool | None = None
    """Whether queries are filled up with [MASK]."""
    attend_to_expansion: bool | None = None
    pooling: Literal["mean", "cls"] | None = None
    joint: bool = False
    """Whether the checkpoint has the two heads of BGE-M3 besides, for terms and token vectors."""
    licence: str | None = None
    remote_code: bool = False
    """Whether the checkpoint needs code that comes with it."""
    published: tuple[Published, ...] = ()
    sources: Mapping[str, str] = Field(default_factory=dict)
    """Where each fact was read, by the fact's name."""
    note: str = ""

    @property
    def commercial(self) -> bool | None:
        """Whether the licence allows commercial use; None where that is not known."""
        return COMMERCIAL.get((self.licence or "").lower())

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, facts: Any) -> Any:
        """Sources written for several facts at once, and values grouped by their source."""
        sources = {
            name.strip(): where
            for names, where in facts.get("sources", {}).items()
            for name in names.split(",")
        }
        published = [one for group in facts.get("published", ()) for one in _values(group)]
        return {**facts, "sources": sources, "published": published}

    @field_validator("sources")
    @classmethod
    def _of_known_facts(cls, sources: Mapping[str, str]) -> Mapping[str, str]:
        if unknown := sources.keys() - cls.model_fields.keys():
            raise ValueError(f"sources of what is no fact: {sorted(unknown)}")
        return sources


def _values(group: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    shared = {"source": group["source"], "setting": group["setting"]}
    for what, value in group["values"].items():
        dataset, _, metric = what.rpartition(" ")
        yield {"dataset": dataset, "metric": metric, "value": value, **shared}


@functools.cache
def catalogue() -> Mapping[str, Model]:
    """Every known model by its reference, in the order of models.yaml."""
    facts: Mapping[str, dict[str, Any]] = disk.read_yaml(Path(__file__).with_name("models.yaml"))
    return {
        reference: Model.model_validate({**facts.get(own.get("original", ""), {}), **own})
        for reference, own in facts.items()
    }


def known(reference: str) -> Model | None:
    """What is known of a model; a revision after `@` and a `dummy:` before the id are ignored."""
    return catalogue().get(reference.removeprefix(DUMMY).partition("@")[0])


def fact(reference: str, name: str) -> float | str | None:
    """One fact of a known model; `dim` is that of its own vectors, and None what is not known."""
    model = catalogue()[reference]
    found: float | str | None = (
        next(iter(model.dims), None) if name == "dim" else getattr(model, name)
    )
    return found


def download_bytes(reference: str) -> int | None:
    """What a download of the weights takes, at four bytes a parameter; None where it is not known."""
    model = known(reference)
    return 4 * model.parameters if model and model.parameters else None


def size_text(size: int | None) -> str:
    """The size of a download for a message."""
    if size is None:
        return "size not known"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
