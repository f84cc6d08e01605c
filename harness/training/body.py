"""The model that training begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.components.hardware import threads
from harness.components.models import references
from harness.components.models.trained import Training
from harness.errors import ModelError
from harness.files.disk import read_json

if TYPE_CHECKING:
    import torch


def encoder_folder(training: Training) -> Path:
    """The folder of the base; raises ModelError where it is not here, or no encoder."""
    folder = references.folder(training.base, wanted_by=f"the training of a {training.makes}")
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind = read_json(folder / "config.json").get("model_type", "not named")
    if kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise ModelError(
            f"The base {training.base!r} is no encoder: transformers has no masked language model "
            f"of its kind ({kind}). A {training.makes} begins with one such as BERT, ModernBERT or "
            "MiniLM."
        )
    return folder


def mixed_precision(device: str) -> torch.autocast:
    """Products in bfloat16 where the processor multiplies it, sums and weights in float32.

    Elsewhere bfloat16 is slower than float32, and nothing changes.
    """
    import torch

    fast = threads.multiplies_bfloat16() if device == "cpu" else device == "cuda"
    return torch.autocast(device, dtype=torch.bfloat16, enabled=fast)
