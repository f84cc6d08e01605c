"""One pass of many texts through one transformer, read by every encoder that shares it.

A dense encoder and a late-interaction encoder over the same weights differ only in what they make
of the last hidden states, so one pass serves both (half the work of encoding twice).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from harness.components.models import hub, padding, positions, random_weights
from harness.components.protocols import Identified, Part, Side
from harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["float32", "bfloat16", "float16"]
Features = Mapping[str, Any]
Tokenize = Callable[[list[str]], Features]

TEXTS_PER_BATCH = {"cpu": 8, "cuda": 128, "mps": 32}
"""On CPUs small batches win: they waste less on padding and stay nearer the cache."""

ONE_BATCH = 1_000_000
"""A size of batches that no call reaches: all texts go through in one forward pass."""

BATCH_SIZES = (8, 32, ONE_BATCH)
"""Sizes of batches worth comparing."""

TEXTS_COUNTED = 64
"""Texts tokenised at once where tokens are only counted."""


def policy(size: int | None, device: str) -> str:
    """The name of a size of batches; None is what suits the device."""
    size = size or texts_per_batch(device)
    return "one batch" if size >= ONE_BATCH else f"batches of {size}"


@dataclass(frozen=True)
class Pass:
    """How an encoder turns documents into vectors, in the three steps that can be shared."""

    key: str
    """Passes with equal keys put the same token ids through the same weights."""
    device: str
    tokenize: Tokenize
    body: Callable[[Features], Features]
    """Token ids to `token_embeddings` of shape (texts, tokens, hidden)."""
    head: Callable[[Features], list[NDArray[np.float32]]]
    """The body's output to one matrix (rows, dim) a text."""
    batch_size: int | None = None
    """Texts in one forward pass; None: TEXTS_PER_BATCH of the device."""


@runtime_checkable
class HasPass(Identified, Protocol):
    """An encoder of one part whose documents go through a transformer of this process."""

    gives: ClassVar[Part]

    def document_pass(self) -> Pass:
        """The pass over documents; loads the model."""
        ...


class ReadsOneText(ABC):
    """A model that reads each query and document alone, so that none takes room from another."""

    @abstractmethod
    def room_of(self, side: Side) -> int:
        """The most tokens of a text that are read."""

    def room(self, query: str) -> int:
        """The most tokens of a document that are read, whatever the query."""
        del query
        return self.room_of("doc")

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens of a query that are read, whatever the document."""
        del doc_tokens
        return self.room_of("query")


def run(passes: Sequence[Pass], texts: Sequence[str]) -> list[list[NDArray[np.float32]]]:
    """For each pass the matrices of `texts`, in their order, from one run of the shared body.

    Texts go through in order of length, so that a batch holds little padding; of several sizes of
    batches the smallest holds.
    """
    import torch

    first = passes[0]
    if any(other.key != first.key for other in passes):
        raise ValueError("only passes with one key can run together")
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), texts[i]))
    found: list[list[Any]] = [[None] * len(texts) for _ in passes]
    size = min(one.batch_size or texts_per_batch(one.device) for one in passes)
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            features = first.tokenize([texts[i] for i in batch])
            hidden = first.body(on_device(features, first.device))
            for matrices, each in zip(found, passes, strict=True):
                for i, matrix in zip(batch, each.head(dict(hidden)), strict=True):
                    matrices[i] = matrix
    return found


def by_length(texts: Sequence[str], work: Callable[[list[str]], Any]) -> list[Any]:
    """What `work` makes of each of `texts`, which it is given in order of length."""
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), texts[i]))
    made = list(work([texts[i] for i in order]))
    found: list[Any] = [None] * len(texts)
    for i, one in zip(order, made, strict=True):
        found[i] = one
    return found


def stacked(matrices: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Matrices of one row each as one matrix."""
    import numpy as np

    return np.concatenate(matrices) if matrices else np.empty((0, 0), dtype=np.float32)


def texts_per_batch(device: str) -> int:
    """How many texts go through a device at once where nothing else is said."""
    return TEXTS_PER_BATCH[device.partition(":")[0]]


def count_rows(
    tokenize: Callable[[list[str]], Features],
    mask: Callable[[Features], torch.Tensor],
    texts: Sequence[str],
) -> list[int]:
    """For each text the number of its tokens that `mask` lets through; runs no model."""
    counts: list[int] = []
    for start in range(0, len(texts), TEXTS_COUNTED):
        features = tokenize(list(texts[start : start + TEXTS_COUNTED]))
        counts += mask(features).sum(dim=1).tolist()
    return counts


def lengths(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """For each text the number of its tokens, nothing cut and no special ones added."""
    counts: list[int] = []
    for start in range(0, len(texts), TEXTS_COUNTED):
        batch = list(texts[start : start + TEXTS_COUNTED])
        ids = tokenizer(batch, add_special_tokens=False, truncation=False, verbose=False)
        counts += map(len, ids["input_ids"])
    return counts


def on_device(features: Features, device: str) -> dict[str, Any]:
    """`features` with its tensors on `device`."""
    return {
        name: value.to(device) if hasattr(value, "to") else value
        for name, value in features.items()
    }


def split_rows(
    matrix: torch.Tensor, masks: Iterable[torch.Tensor] | None = None
) -> list[NDArray[np.float32]]:
    """A batch on the CPU as float32: one matrix a text, of the rows that its mask lets through."""
    rows = list(matrix) if masks is None else [m[k] for m, k in zip(matrix, masks, strict=True)]
    return [row.float().cpu().numpy() for row in rows]


def pick_device(wanted: Device, model: str) -> str:
    """The device to run on; raises ModelError for one that this machine does not have."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, available in there.items() if available), "cpu")
    if not there.get(wanted, True):
        raise ModelError(f"{model} is to run on {wanted!r}, which this machine does not have.")
    return wanted


def moved(vectors: NDArray[np.float32], device: Device, wanted_by: str) -> Any:
    """`vectors` where they are wanted: as they are for the CPU, else a tensor on the device."""
    if device == "cpu":
        return vectors
    import torch

    return torch.from_numpy(vectors).to(pick_device(device, wanted_by))


def transformer(reference: str, folder: Path, trust_remote_code: bool) -> Any:
    """The transformer of a checkpoint alone, as a sentence-transformers module."""
    if random_weights.is_dummy(reference):
        return random_weights.transformer(reference, folder)
    from sentence_transformers import models as modules

    args = {"trust_remote_code": trust_remote_code}
    return modules.Transformer(str(folder), model_args=dict(args), config_args=dict(args))


def fitted(body: Any, model: str, max_length: int | None = None) -> None:
    """Have a sentence-transformers body cut texts where its model ends, and fill shorter ones up.

    `max_length` is what was asked for; None is the model's own limit. Raises ModelError for one that
    leaves no room for a text.
    """
    tokenizer, config = body.tokenizer, body.auto_model.config.to_dict()
    body.max_seq_length = max_length or positions.usable(body.max_seq_length, config)
    padding.give(tokenizer, model)
    special = tokenizer.num_special_tokens_to_add(pair=False)
    if body.max_seq_length <= special:
        raise ModelError(
            f"max_length: {body.max_seq_length} tokens leave the model {model!r} no room for a text "
            f"beside its {special} special tokens: say more."
        )


def prepare_libraries() -> None:
    """Call before importing a model library: no network, no progress bars, no load reports.

    Models are loaded from folders that were found before; with the hub left on, the libraries
    would still ask it for optional files, which takes a minute where there is no network.
    """
    hub.tell_libraries(online=False)
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
