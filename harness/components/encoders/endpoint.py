"""Single-vector encoding by a server: Ollama, OpenAI's API, TEI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.components.models import prompts
from harness.components.protocols import Side
from harness.components.servers import joined, ollama, openai, tei
from harness.components.servers.dialect import Dialect, Request
from harness.components.servers.served import Server

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Endpoint(Server):
    """One vector a text by a server, at length 1.

    Dialects: ollama, openai (also vLLM, infinity-emb, llama.cpp), tei.
    """

    gives: ClassVar = "dense"
    dialects: ClassVar[Mapping[str, Dialect]] = {
        "ollama": ollama.EMBED,
        "openai": openai.EMBED,
        "tei": tei.EMBED,
    }

    query_prompt: str = ""
    """Put before queries here; whether the server puts something too is its own affair."""
    doc_prompt: str = ""
    """Put before documents here."""
    query_input_type: str = ""
    """What `input_type` says of queries in the dialect openai, such as `query`; empty sends no such
    field, which servers that do not know it may refuse."""
    doc_input_type: str = ""
    """What `input_type` says of documents, such as `passage`, `document` or `search_document`."""

    def __post_init__(self) -> None:
        """Refuse a type that the dialect has no field for, and one of the two alone."""
        super().__post_init__()
        if (self.query_input_type or self.doc_input_type) and not self.spoken.tells_type:
            able = ", ".join(name for name, one in self.dialects.items() if one.tells_type)
            raise ValueError(f"query_input_type and doc_input_type are for the dialect {able}")
        if bool(self.query_input_type) != bool(self.doc_input_type):
            raise ValueError("query_input_type and doc_input_type go together: say both")

    def notes(self) -> Iterator[str]:
        """Which prompts the catalogue knows of the model that are not put before texts here."""
        return prompts.unused(self)

    def encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim)."""
        import numpy as np

        from harness.components.vectors.compression import unit

        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        prompt, kind = (
            (self.query_prompt, self.query_input_type)
            if side == "query"
            else (self.doc_prompt, self.doc_input_type)
        )
        asked = Request(
            [prompt + text for text in texts], input_type=kind, of_queries=side == "query"
        )
        return unit(np.stack(self.values(asked, joined.vector, joined.same_length)))
