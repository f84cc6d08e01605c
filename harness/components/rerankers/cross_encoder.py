"""Reranking by a cross-encoder: query and document read together by one transformer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from harness.components.models import (
    checkpoints,
    inference,
    labels,
    padding,
    positions,
    random_weights,
    references,
)
from harness.components.models.padding import Row
from harness.components.models.torch_model import TorchModel
from harness.components.models.trained import CrossEncoderChoice
from harness.components.protocols import SPEED
from harness.data import Doc
from harness.errors import ModelError

UNTRAINED_SEED = 0
"""Seed of the random head of `head: untrained`."""

SERVER_TOKENS = 16_384
"""Tokens a batch by default in text-embeddings-inference (`--max-batch-tokens`)."""


@dataclass(frozen=True)
class CrossEncoder(TorchModel):
    """Raw logits, in float32, of a sentence-transformers CrossEncoder.

    Logits and not probabilities: a sigmoid saturates, and what saturates ties. Of several labels
    one gives the score: its log-odds, or its logit where each is judged for itself.
    """

    BESIDE: ClassVar[Mapping[str, Any]] = {"batch_tokens": None}

    model: CrossEncoderChoice
    """Hub id, folder, `package:` or `dummy:`; or how it is trained."""
    head: Literal["checkpoint", "untrained"] = "checkpoint"
    """`untrained` adds a random classification head, as a control; a model without a trained one
    is refused under `checkpoint`."""
    label: labels.Label = None
    """Which label of a head with several stands for a relevant document: its name or its place,
    from 0."""
    max_length: int | None = None
    """Tokens of query and document together; None is the model's own limit."""
    batch_size: int = field(default=32, metadata=SPEED)
    """Pairs in one forward pass, at most."""
    batch_tokens: int | None = field(default=None, metadata=SPEED)
    """At most so many tokens, padding included, in one forward pass; None: by batch_size alone."""

    def __post_init__(self) -> None:
        """Refuse remote code without a pinned revision, and batches of nothing."""
        super().__post_init__()
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise ValueError("batch_tokens must be at least 1")

    def misfits(self) -> Mapping[str, str]:
        """A length beyond the model's positions, or a label that its head does not have."""
        wrong = dict(super().misfits())
        if self.head == "checkpoint" and isinstance(self.model, str):
            label = labels.misfit(self.model, self.label, positions.known(self.model))
            wrong |= {"label": label} if label else {}
        return wrong

    def check_trained(self, folder: Path) -> None:
        """Raise ModelError for a head that was never trained; that of a plan's own model is."""
        if self.head != "checkpoint" or self.model.startswith(references.TRAINED):
            return
        if random_weights.is_dummy(self.model):
            random_weights.check_kind(self.model, "cross_encoder")
        elif not checkpoints.has_trained_head(folder):
            raise ModelError(
                f"The model {self.model!r} has no classification head in its checkpoint: it is not "
                "a cross-encoder, and a random head would be added. Name a model that was trained "
                "as a reranker, or say `head: untrained` for a control."
            )

    def made(self) -> Any:
        """A CrossEncoder of sentence-transformers."""
        folder = references.folder(self.model, wanted_by="a cross-encoder")
        import torch
        from sentence_transformers import CrossEncoder as Loaded

        random = random_weights.is_dummy(self.model)
        with random_weights.seeded(UNTRAINED_SEED):
            model = (random_weights.cross_encoder(self.model) if random else Loaded)(
                str(folder),
                max_length=self.max_length,
                device=inference.pick_device(self.device, self.model),
                activation_fn=torch.nn.Identity(),
                trust_remote_code=self.trust_remote_code,
                local_files_only=True,
                num_labels=1 if self.head == "untrained" else None,
            )
        _fit(model, self)
        return model.to(getattr(torch, self.dtype)).eval()

    def transformer(self, model: Any) -> Any:
        """The classifier, head and all."""
        return model.model

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """One logit a document.

        The query is kept whole and the document truncated; only a query that leaves no room for
        a document is cut, to half of the limit.
        """
        (found,) = self.score_together([(query, docs)])
        return found

    def score_together(
        self, asked: Sequence[tuple[str, Sequence[Doc]]]
    ) -> Sequence[Sequence[float]]:
        """The logits of all queries; pairs of all of them go through together.

        They do so in order of length, so that a batch holds little padding. What reads the same
        goes through once: else copies in two batches would no longer tie, for padding rounds.
        """
        import torch

        found = self.loaded()
        model, tokenizer, device = found.model, found.tokenizer, found.model.device
        rows, places = _distinct(_all_pairs(found, asked))
        config = model.config.to_dict()
        column = labels.place(self.model, self.label, config)
        scores = torch.empty(len(rows), dtype=torch.float32)
        lengths = [len(row["input_ids"]) for row in rows]
        with torch.inference_mode():
            for batch in self._batches(lengths, padded=padding.fills(found)):
                features = padding.tensors(tokenizer, [rows[i] for i in batch])
                logits = model(**inference.on_device(features, device)).logits.float().cpu()
                scores[batch] = torch.from_numpy(labels.scores(logits.numpy(), column, config))
        each = iter(scores[places].tolist())
        return [list(islice(each, len(docs))) for _, docs in asked]

    def _batches(self, lengths: Sequence[int], *, padded: bool = True) -> Iterator[list[int]]:
        """The places of the rows of each batch, longest rows first; of one length unless `padded`."""
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        while order:
            longest = lengths[order[0]]
            size = self.batch_size
            if self.batch_tokens is not None:
                size = min(size, max(self.batch_tokens // longest, 1))  # one pair, however long
            if not padded:
                alike = sum(lengths[i] == longest for i in order)
                size = min(size, alike)
            yield order[:size]
            order = order[size:]

    def policies(self) -> Mapping[str, Self]:
        """Sizes of batches, in pairs and in tokens; this reranker's own among them."""
        by_pairs = [replace(self, batch_size=n, batch_tokens=None) for n in inference.BATCH_SIZES]
        by_tokens = replace(self, batch_size=inference.ONE_BATCH, batch_tokens=SERVER_TOKENS)
        return {_policy(one): one for one in (*by_pairs, by_tokens, self)}

    def room(self, query: str) -> int:
        """The most tokens of a document that are read beside `query`."""
        tokenizer = self.loaded().tokenizer
        (asked,) = inference.lengths(tokenizer, [query])
        free = _room(tokenizer)
        return free - (free // 2 if asked >= free else asked)

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens of a query that is kept whole; a longer one is cut to half of the limit."""
        del doc_tokens
        return _room(self.loaded().tokenizer) - 1

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens of all distinct pairs, special ones included and padding not."""
        rows, _ = _distinct(_all_pairs(self.loaded(), [(query, docs)]))
        return sum(len(row["input_ids"]) for row in rows)


def _policy(reranker: CrossEncoder) -> str:
    pairs = inference.policy(reranker.batch_size, reranker.device)
    if reranker.batch_tokens is None:
        return pairs
    tokens = f"{reranker.batch_tokens:,} tokens a batch"
    return tokens if reranker.batch_size >= inference.ONE_BATCH else f"{pairs}, {tokens}"


DISTINGUISHED = 2
"""Types of tokens by which a model tells a query from a document."""


def _all_pairs(model: Any, asked: Sequence[tuple[str, Sequence[Doc]]]) -> list[Row]:
    """The pairs of each query, one query after the other."""
    untyped = getattr(model.config, "type_vocab_size", DISTINGUISHED) < DISTINGUISHED
    return [
        {name: ids for name, ids in row.items() if not (untyped and name == "token_type_ids")}
        for query, docs in asked
        if docs
        for row in pairs(model.tokenizer, query, [doc.text for doc in docs])
    ]


def _distinct(rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """The distinct rows, and for each row its place among them."""
    keys = [tuple(map(tuple, row.values())) for row in rows]
    distinct = dict(zip(keys, rows, strict=True))
    places = {key: place for place, key in enumerate(distinct)}
    return list(distinct.values()), [places[key] for key in keys]


def pairs(tokenizer: Any, query: str, texts: Sequence[str]) -> list[Row]:
    """Token ids of (query, text) for each text, without padding.

    The query is kept whole and the text truncated to the tokenizer's limit; only a query that leaves
    no room for a text is cut, to half of it.
    """
    limit, room = tokenizer.model_max_length, _room(tokenizer)
    ids = tokenizer(query, add_special_tokens=False, verbose=False)["input_ids"]
    if len(ids) >= room:
        query = tokenizer.decode(ids[: room // 2])
    encoded = tokenizer(
        [query] * len(texts), list(texts), truncation="only_second", max_length=limit
    )
    return [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]


def _room(tokenizer: Any) -> int:
    """Tokens of query and document together that fit beside the special ones."""
    room: int = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add(pair=True)
    return room


def _fit(model: Any, reranker: CrossEncoder) -> None:
    """Have the tokenizer cut where the model's positions end, and the model know the padding.

    Raises ModelError for a limit that leaves no room for a text.
    """
    tokenizer = model.tokenizer
    known = positions.usable(tokenizer.model_max_length, model.config.to_dict())
    tokenizer.model_max_length = reranker.max_length or known
    padding.settle(model)
    if _room(tokenizer) < 2:
        raise ModelError(
            f"max_length: {tokenizer.model_max_length} tokens leave the model {reranker.model!r} no "
            "room for a query and a document beside its special tokens: say more."
        )
