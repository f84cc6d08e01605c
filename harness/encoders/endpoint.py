"""Single-vector encoding by a server: Ollama, OpenAI's API, TEI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness import prompts
from harness.endpoints import joined, ollama, openai, tei
from harness.endpoints.dialect import Asked, Dialect
from harness.endpoints.served import Server

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Endpoint(Server):
    """One vector a text by a server, at length 1.

    Dialects: ollama, openai (also vLLM, infinity-emb, llama.cpp), tei.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {
        "ollama": ollama.EMBED,
        "openai": openai.EMBED,
        "tei": tei.EMBED,
    }

    query_prompt: str = ""
    """Put before queries here; whether the server puts something too is its own affair."""
    doc_prompt: str = ""
    """Put before documents here."""

    def notes(self) -> Iterator[str]:
        """Which prompts the catalogue knows of the model that are not put before texts here."""
        said = {"query_prompt": self.query_prompt, "doc_prompt": self.doc_prompt}
        return prompts.unused(said, self.model)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim)."""
        return self._encoded([self.query_prompt + text for text in texts])

    def encode_docs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim)."""
        return self._encoded([self.doc_prompt + text for text in texts])

    def _encoded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        from harness.precision import unit

        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        found = self.values(Asked(texts), joined.vector, joined.same_length)
        return unit(np.stack(found))
