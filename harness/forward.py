"""One pass of many texts through one transformer, read by every encoder that shares it.

A dense encoder and a late-interaction encoder over the same weights differ only in what they make
of the last hidden states, so one pass serves both (half the work of encoding twice).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from harness.errors import ModelError
from harness.protocols import Identified

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["float32", "bfloat16", "float16"]
Features = Mapping[str, Any]

TEXTS_PER_BATCH = {"cpu": 8, "cuda": 128, "mps": 32}
"""On CPUs small batches win: they waste less on padding and stay nearer the cache."""


@dataclass(frozen=True)
class Pass:
    """How an encoder turns documents into vectors, in the three steps that can be shared."""

    key: str
    """Passes with equal keys put the same token ids through the same weights."""
    device: str
    tokenize: Callable[[list[str]], Features]
    body: Callable[[Features], Features]
    """Token ids to `token_embeddings` of shape (texts, tokens, hidden)."""
    head: Callable[[Features], list[NDArray[np.float32]]]
    """The body's output to one matrix (rows, dim) a text."""


@runtime_checkable
class HasPass(Identified, Protocol):
    """An encoder whose documents go through a transformer of this process."""

    def document_pass(self) -> Pass:
        """The pass over documents; loads the model."""
        ...


def run(passes: Sequence[Pass], texts: Sequence[str]) -> list[list[NDArray[np.float32]]]:
    """For each pass the matrices of `texts`, in their order, from one run of the shared body.

    Texts go through in order of length, so that a batch holds little padding.
    """
    import torch

    first = passes[0]
    if any(other.key != first.key for other in passes):
        raise ValueError("only passes with one key can run together")
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), texts[i]))
    found: list[list[Any]] = [[None] * len(texts) for _ in passes]
    size = TEXTS_PER_BATCH[torch.device(first.device).type]
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            features = first.tokenize([texts[i] for i in batch])
            hidden = first.body(on_device(features, first.device))
            for matrices, each in zip(found, passes, strict=True):
                for i, matrix in zip(batch, each.head(dict(hidden)), strict=True):
                    matrices[i] = matrix
    return found


def on_device(features: Features, device: str) -> dict[str, Any]:
    """`features` with its tensors on `device`."""
    return {
        name: value.to(device) if hasattr(value, "to") else value
        for name, value in features.items()
    }


def split_rows(
    matrix: torch.Tensor, masks: Iterable[torch.Tensor] | None = None
) -> list[NDArray[np.float32]]:
    """A batch on the CPU as float32: one matrix a text, of the rows that its mask keeps."""
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


def transformer(folder: str, trust_remote_code: bool) -> Any:
    """The transformer of a checkpoint alone, as a sentence-transformers module."""
    from sentence_transformers import models as modules

    args = {"trust_remote_code": trust_remote_code}
    return modules.Transformer(folder, model_args=dict(args), config_args=dict(args))


def prepare_libraries() -> None:
    """Call before importing a model library: no network, no progress bars, no load reports.

    Models are loaded from folders that were found before; with the hub left on, the libraries
    would still ask it for optional files, which takes a minute where there is no network.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
