"""How long a model's work takes that this machine never did: by its arithmetic, and a short probe."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.components import registry
from harness.components.models import catalogue, positions
from harness.components.models.trained import CrossEncoderTraining, Training
from harness.components.rerankers.late_interaction import LateInteraction
from harness.experiment.plan import Plan, TrainStage

CHARACTERS_A_TOKEN = 4.4
"""Of English text in BERT's word pieces: SciFact's documents have 4.4 to 4.6 with MiniLM's tokenizer."""

QUERY_TOKENS = 20
"""Of a query with its markers, about."""

SHARE_OF_PEAK = 0.5
"""Of the processor's speed at a large product that a forward pass reaches, about: 59 % were measured
for MiniLM in batches."""

BACKWARD = 3
"""Passes forward that a step of training is worth: its gradients take two more."""

PROBE_S = 0.3
SIDE = 512
"""Rows and columns of the matrices of the probe."""

GATED = ("modernbert", "nomic_bert")
"""Kinds of models whose feed-forward part has three matrices, by the name in config.json."""


class Arithmetic(NamedTuple):
    """How many floating-point operations work is; 0 where its model's shape is not known."""

    trained: Mapping[str, Training]
    """By reference how the models are made that the run trains."""

    def encoding(self, encoder: Any, characters: float) -> float:
        """Of documents of so many characters in all."""
        return self._a_token(getattr(encoder, "model", None)) * characters / CHARACTERS_A_TOKEN

    def reranking(self, reranker: Any, pairs: float, characters: float) -> float:
        """Of pairs with documents of so many characters each, what is encoded before left out."""
        if any(isinstance(part, LateInteraction) for part in registry.parts(reranker)):
            return 1.0  # products of vectors: nothing beside the encoding
        model = getattr(reranker, "model", None)
        tokens = characters / CHARACTERS_A_TOKEN + QUERY_TOKENS
        most = getattr(self.trained.get(str(model), reranker), "max_length", None)
        return self._a_token(model) * pairs * min(tokens, most or tokens)

    def training(self, stage: TrainStage) -> float:
        """Of all steps, where the file says how many groups there are."""
        made = stage.training
        groups = made.most_groups()
        if not groups or not isinstance(made, CrossEncoderTraining):
            return 0.0
        texts = groups * (1 + made.negatives.per_query)
        return BACKWARD * texts * made.max_length * self._a_token(stage.reference)

    def _a_token(self, model: Any) -> float:
        made = self.trained.get(str(model))
        if made is None:
            return operations_a_token(model) if isinstance(model, str) else 0.0
        return operations_a_token(made.base, getattr(made, "layers", None))


def of_plan(plan: Plan) -> Arithmetic:
    """Of a plan's works, with the models that it trains."""
    stages = (stage for trial in plan.trials for stage in trial.trainings)
    return Arithmetic({stage.reference: stage.training for stage in stages})


def operations_a_token(model: str, layers: int | None = None) -> float:
    """Of a token's way through a model, or its first `layers`: 2 a weight of the layers' matrices.

    The products of attention are left out, and the token table costs nothing. 0 where neither the
    model's config.json is here nor the catalogue knows its shape.
    """
    config = positions.known(model)
    known = catalogue.catalogue().get(model.removeprefix(catalogue.DUMMY).partition("@")[0])
    if config.get("intermediate_size"):
        hidden, wide = config["hidden_size"], config["intermediate_size"]
        whole, gated = config["num_hidden_layers"], config.get("model_type") in GATED
    elif known and (shape := known.architecture):
        hidden, wide, whole, gated = shape.hidden, shape.intermediate, shape.layers, shape.gated
    else:
        return 0.0
    weights: float = (layers or whole) * (4 * hidden**2 + (3 if gated else 2) * hidden * wide)
    return 2 * weights


@functools.cache
def operations_a_second() -> float:
    """What a forward pass reaches on this processor, from large products in PROBE_S."""
    import numpy as np

    matrix = np.ones((SIDE, SIDE), dtype=np.float32)
    fastest, end = float("inf"), time.perf_counter() + PROBE_S
    while time.perf_counter() < end:
        began = time.perf_counter()
        matrix @ matrix
        fastest = min(fastest, time.perf_counter() - began)
    return SHARE_OF_PEAK * 2 * SIDE**3 / fastest
