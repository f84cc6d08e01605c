"""A cross-encoder that learns: an encoder with a new head."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.components.models import inference, random_weights
from harness.components.models.trained import CrossEncoderTraining
from harness.components.rerankers.cross_encoder import pairs
from harness.errors import ModelError
from harness.training.body import encoder_folder, mixed_precision
from harness.training.examples import Group

if TYPE_CHECKING:
    import torch

TOKENS_AT_ONCE = 4096
"""Tokens in one forward pass, about: more take memory and save no time."""

ON_A_PROCESSOR = {"attn_implementation": "eager"}
"""There PyTorch's fused attention is for long texts: of short ones its gradients take most of a step
(`tests/benchmarks/training.py`). On other devices the library chooses."""


class CrossEncoderStudent:
    """Pairs are cut and put together as `use: cross_encoder` does it."""

    def __init__(self, training: CrossEncoderTraining) -> None:
        """Load the base, with a head whose random weights are drawn by the training's seed.

        Raises ModelError for a base that is no encoder, or has fewer layers than are to be kept.
        """
        folder = encoder_folder(training)
        inference.prepare_libraries()
        import torch
        from sentence_transformers import CrossEncoder

        self._device = inference.pick_device("auto", training.base)
        with random_weights.seeded(training.seed):
            self._model = CrossEncoder(
                str(folder),
                num_labels=1,
                max_length=training.max_length,
                device=self._device,
                activation_fn=torch.nn.Identity(),
                local_files_only=True,
                model_kwargs=dict(ON_A_PROCESSOR) if self._device == "cpu" else {},
            )
        _keep_layers(self._model.model, training)
        self.module = self._model.model.float()
        for part in self.module.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0  # so that an interrupted training ends like another
        size = (1 + training.negatives.per_query) * training.max_length
        self.at_once = max(TOKENS_AT_ONCE // size, 1)

    def scores(self, groups: Sequence[Group]) -> torch.Tensor:
        """Logits of shape (1, groups, texts)."""
        tokenizer = self._model.tokenizer
        rows = [row for group in groups for row in pairs(tokenizer, group.query, group.texts)]
        features = tokenizer.pad(rows, return_tensors="pt").to(self._device)
        with mixed_precision(self._device):
            logits = self.module(**features).logits
        return logits.float().reshape(1, len(groups), -1)

    def save(self, folder: Path) -> None:
        """Write it as sentence-transformers does."""
        self._model.save_pretrained(str(folder), create_model_card=False)


def _keep_layers(model: Any, training: CrossEncoderTraining) -> None:
    """Leave the first layers of a transformer, and let gradients reach the upper ones of them.

    Raises ModelError if there are not so many, or none is left to train.
    """
    import torch

    whole = model.config.num_hidden_layers
    count = whole if training.layers is None else training.layers
    if not training.frozen_layers < count <= whole:
        raise ModelError(
            f"{training.base!r} has {whole} layers, so that {count} cannot be kept and "
            f"{training.frozen_layers} of them frozen: at least one must be left to train."
        )
    (owner, name), *_ = (
        (module, name)
        for module in model.base_model.modules()
        for name, child in module.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == whole
    )
    layers = getattr(owner, name)[:count]
    setattr(owner, name, layers)
    model.config.num_hidden_layers = count
    first = next(layers[training.frozen_layers].parameters())
    if training.frozen_layers:
        # Embeddings and lower layers stand before it, in the order in which they were made.
        for parameter in itertools.takewhile(lambda p: p is not first, model.parameters()):
            parameter.requires_grad_(False)
