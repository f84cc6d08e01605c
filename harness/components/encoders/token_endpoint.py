"""Late-interaction encoding by a server: PyLate's, vLLM, next-plaid, infinity-emb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.components.protocols import Side
from harness.components.servers import infinity, joined, next_plaid, pylate, vllm
from harness.components.servers.dialect import Dialect, Request
from harness.components.servers.served import Server

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TokenEndpoint(Server):
    """One vector a token by a server, at length 1.

    Dialects: infinity, next_plaid, pylate, vllm. vLLM and infinity-emb know no difference between
    queries and documents and add no markers; `query_prompt` and `doc_prompt` can.
    """

    gives: ClassVar = "tokens"
    dialects: ClassVar[Mapping[str, Dialect]] = {
        "infinity": infinity.TOKENS,
        "next_plaid": next_plaid.TOKENS,
        "pylate": pylate.TOKENS,
        "vllm": vllm.TOKENS,
    }

    query_prompt: str = ""
    """Put before queries, such as a marker."""
    doc_prompt: str = ""
    """Put before documents, such as a marker."""

    def encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        from harness.components.vectors.compression import unit

        prompt = self.query_prompt if side == "query" else self.doc_prompt
        asked = Request([prompt + text for text in texts], of_queries=side == "query")
        return [unit(matrix) for matrix in self.values(asked, joined.matrix, joined.same_length)]
