"""BGE-M3: one vector a text, a weight for each of its terms, and a vector a token, from one pass.

Chen et al. 2024 (M3-Embedding), section 3.2. Heads and special cases are those of
FlagEmbedding's BGEM3FlagModel, on whose files beside the body's weights they depend:
`sparse_linear.pt` and `colbert_linear.pt`.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from harness.components.models import inference, random_weights, references
from harness.components.models.torch_model import TorchEncoder
from harness.components.protocols import Joint, Part, Side
from harness.errors import ModelError
from harness.files import disk

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

HEAD_FILES = ("sparse_linear", "colbert_linear")
"""The linear layers behind the body, each in a file of its own."""

Matrices = list["NDArray[np.float32]"]


@dataclass(frozen=True)
class BgeM3(TorchEncoder):
    """A vector, weighted terms and token vectors of each text by BGE-M3.

    Queries and documents are encoded alike. The first token's hidden state is the text's vector,
    and has no token vector of its own. A term is a token id, its weight the greatest that it has
    in the text.
    """

    gives: ClassVar = "joint"

    model: str
    """Hub id, folder, `package:` or `dummy:`."""
    max_length: int | None = None
    """Tokens read of a text; None is the model's own limit."""

    def identity(self) -> Mapping[str, str]:
        """The revisions of body and heads; raises ModelError where a head was never trained."""
        known = dict(super().identity())
        found = references.find(self.model)
        if found and not random_weights.is_dummy(self.model):
            known |= {name: disk.sha256(file) for name, file in _heads(self.model, found.folder)}
        return known

    def check_trained(self, folder: Path) -> None:
        """Raise ModelError where the checkpoint lacks a head."""
        if random_weights.is_dummy(self.model):
            random_weights.check_joint(self.model)
        else:
            _heads(self.model, folder)

    def made(self) -> _Model:
        """Body and heads."""
        import torch

        folder = references.folder(self.model, wanted_by="BGE-M3")
        device = inference.pick_device(self.device, self.model)
        body = inference.transformer(self.model, folder, self.trust_remote_code)
        inference.fitted(body, self.model, self.max_length)
        if random_weights.is_dummy(self.model):
            random_weights.check_size(self.model, random_weights.parameters(body))
            heads = random_weights.joint_heads(self.model)
        else:
            heads = [_linear(self.model, file) for _, file in _heads(self.model, folder)]
        dtype = getattr(torch, self.dtype)
        body, sparse, tokens = (module.to(device, dtype).eval() for module in (body, *heads))
        names = ("cls", "sep", "eos", "pad", "unk")
        ids = (getattr(body.tokenizer, f"{name}_token_id") for name in names)
        special = sorted({found for found in ids if found is not None})
        return _Model(body, sparse, tokens, device, special)

    def transformer(self, model: _Model) -> Any:
        """The body's."""
        return model.body.auto_model

    def encode(self, texts: Sequence[str], side: Side, part: Part | None = None) -> Any:
        """All parts, or one of them, from one pass."""
        del side
        model = self.loaded()
        names = Joint._fields if part is None else (part,)
        passes = [
            inference.Pass(
                key="",  # these run together and with no others
                device=model.device,
                tokenize=model.body.tokenize,
                body=model.body,
                head=functools.partial(HEADS[name], model),
                batch_size=self.batch_size,
            )
            for name in names
        ]
        found: dict[str, Any] = dict(zip(names, inference.run(passes, texts), strict=True))
        if "dense" in found:
            found["dense"] = inference.stacked(found["dense"])
        return Joint(**found) if part is None else found[part]

    def tokenizing(self) -> inference.Tokenize:
        """The body's."""
        tokenize: inference.Tokenize = self.loaded().body.tokenize
        return tokenize

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of its token vectors."""
        return [count - 1 for count in self.count_doc_tokens(texts)]

    def doc_terms(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """For each text the ids of its terms, in rising order."""
        import numpy as np

        model = self.loaded()
        found = []
        for start in range(0, len(texts), inference.TEXTS_COUNTED):
            features = model.body.tokenize(list(texts[start : start + inference.TEXTS_COUNTED]))
            found += [np.setdiff1d(ids, model.special) for ids in features["input_ids"].numpy()]
        return found

    def room_of(self, side: Side) -> int:
        """The model's limit beside special tokens, of queries as of documents."""
        del side
        body = self.loaded().body
        room: int = body.max_seq_length - body.tokenizer.num_special_tokens_to_add(pair=False)
        return room


class _Model(NamedTuple):
    """Body and heads on their device."""

    body: Any
    sparse: Any
    """Hidden state to the weight of a token, before what is below 0 is cut off."""
    tokens: Any
    """Hidden state to token vector, before it is brought to length 1."""
    device: str
    special: list[int]
    """Ids that are no terms: of the beginning, the end, padding and unknown characters."""

    @property
    def tokenizer(self) -> Any:
        """The body's."""
        return self.body.tokenizer


def _dense(model: _Model, features: inference.Features) -> Matrices:
    del model
    return inference.split_rows(_unit(features["token_embeddings"][:, :1]))


def _tokens(model: _Model, features: inference.Features) -> Matrices:
    vectors = _unit(model.tokens(features["token_embeddings"][:, 1:]))
    return inference.split_rows(vectors, features["attention_mask"][:, 1:].bool())


def _terms(model: _Model, features: inference.Features) -> Matrices:
    import torch

    weights = torch.relu(model.sparse(features["token_embeddings"]))[:, :, 0]
    rows = zip(features["input_ids"].cpu().numpy(), weights.float().cpu().numpy(), strict=True)
    return [_weighted(ids, row, model.special) for ids, row in rows]


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.normalize(vectors, dim=2)


HEADS = {"dense": _dense, "terms": _terms, "tokens": _tokens}
"""What makes each part of the body's output."""


def _weighted(
    ids: NDArray[np.int64], weights: NDArray[np.float32], special: Sequence[int]
) -> NDArray[np.float32]:
    """The distinct terms of a text, each with the greatest of its weights above 0."""
    import numpy as np

    kept = (weights > 0) & ~np.isin(ids, special)
    terms, places = np.unique(ids[kept], return_inverse=True)
    best = np.zeros(len(terms), dtype=np.float32)
    np.maximum.at(best, places, weights[kept])
    return np.stack([terms.astype(np.float32), best], axis=1)


def _heads(reference: str, folder: Path) -> list[tuple[str, Path]]:
    """Name and file of each head; raises ModelError where one is not there."""
    found = [(name, folder / f"{name}.pt") for name in HEAD_FILES]
    absent = [file.name for _, file in found if not file.exists()]
    if absent:
        raise ModelError(
            f"The model {reference!r} has no {' and no '.join(absent)} beside its weights: it is "
            "not BGE-M3, or was not downloaded whole, and its sparse weights and token vectors "
            "would come from a random layer. Name a checkpoint in the format of BAAI/bge-m3, or "
            "put the files there; for its dense vectors alone say `use: sentence_transformers`."
        )
    return found


def _linear(reference: str, file: Path) -> Any:
    """A trained linear layer; raises ModelError for a file that holds something else."""
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        outer, inner = state["weight"].shape
        layer = torch.nn.Linear(inner, outer)
        layer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.PickleError) as error:
        why = " ".join(str(error).split())
        raise ModelError(
            f"{file} of the model {reference!r} holds no linear layer: {why}. Download it again."
        ) from error
    return layer
