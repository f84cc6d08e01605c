"""What the systems of an experiment cost on a dataset: latency, load, and ways to keep vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.components.models import catalogue
from harness.components.models import trained as training
from harness.components.protocols import TokenEncoder
from harness.errors import reason
from harness.experiment.plan import CostStage, Trial, has_random_weights
from harness.experiment.provenance import provenance
from harness.experiment.schema import Experiment, Storage
from harness.files import temporary
from harness.measure import storage
from harness.measure.latency import study
from harness.measure.latency.arms import encoders_of, models_of
from harness.measure.latency.prebuilt_vectors import RandomVectors
from harness.measure.load import study as load_study
from harness.pipeline.stage_runner import Work
from harness.results import columns as results_columns
from harness.results.store import Store

log = logging.getLogger(__name__)

Found = tuple[dict[str, pd.DataFrame], dict[str, Any]]
"""Tables by name, and what they were measured with."""

SLICES = (128, 96, 64)
"""Dimensions that late-interaction models are published with."""


def measure(
    stage: CostStage, experiment: Experiment, work: Work, store: Store, lost: Mapping[str, str]
) -> Found:
    """The tables of one cost stage; `lost` has by system why nothing of it can be measured.

    What breaks in one system's work is noted in `left_out`, and the others are measured.
    """
    return MEASURES[stage.kind](stage, experiment, work, store, lost)


def _storage(
    stage: CostStage, experiment: Experiment, work: Work, store: Store, lost: Mapping[str, str]
) -> Found:
    """The grid of ways to keep the vectors of each token encoder, over a sample of documents."""
    del store
    settings = experiment.storage or Storage()
    order = np.random.default_rng(experiment.seed).permutation(len(work.dataset.docs))
    texts = [work.dataset.docs[i].text for i in order[: settings.documents].tolist()]
    parts: list[pd.DataFrame] = []
    there = [trial for trial in stage.trials if trial.system.name not in lost]
    left_out = {
        system: lost[system]
        for system, _ in _token_encoders(t for t in stage.trials if t.system.name in lost)
    }
    for system, encoder in _token_encoders(there):
        try:
            parts.append(_grid(encoder, texts, settings, work).assign(system=system))
        except Exception as error:  # one encoder that breaks must not stop the others
            log.debug("%s failed while its vectors were kept", system, exc_info=True)
            left_out[system] = reason(error)
    columns = list(results_columns.GRID)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    facts = {
        "settings": settings.model_dump(mode="json"),
        "left_out": left_out,
        "provenance": provenance(),
    }
    return {"grid": table.reindex(columns=columns)}, {**facts, "documents": len(texts)}


def _grid(encoder: Any, texts: Sequence[str], settings: Storage, work: Work) -> pd.DataFrame:
    random = has_random_weights(encoder)
    documents = RandomVectors(encoder) if random else work.remembering(encoder)
    matrices = documents.encode_doc_tokens(texts)
    (model,) = models_of(encoder) or ("",)
    dims, trained = _dims(matrices, settings, model)
    with temporary.passing() as folder:
        grid = storage.storage_grid(
            matrices,
            dims,
            trained,
            settings.precisions,
            settings.pool_factors,
            settings.plaid_nbits,
            settings.plaid_documents,
            folder,
            work.progress,
        )
    return grid.assign(model=model)


def _token_encoders(trials: Iterable[Trial]) -> Iterator[tuple[str, Any]]:
    """Each token encoder once, with the first system that has it."""
    seen = set()
    for trial in trials:
        for encoder in encoders_of(trial.system.reranker) if trial.system.reranker else ():
            if isinstance(encoder, TokenEncoder) and encoder not in seen:
                seen.add(encoder)
                yield trial.system.name, encoder


def _dims(matrices: Any, settings: Storage, model: str) -> tuple[list[int], list[int]]:
    """The dimensions to keep, and those that the model was trained for."""
    whole = matrices[0].shape[1]
    known = catalogue.known(model)
    learnt = training.told(model).get("training", {}).get("dims")
    trained = learnt or (known.dims if known and known.matryoshka else (whole,))
    wanted = settings.dims or sorted({whole, *trained, *SLICES}, reverse=True)
    return [dim for dim in dict.fromkeys(wanted) if dim <= whole], list(trained)


MEASURES: Mapping[str, Callable[..., Found]] = {
    "latency": study.measure,
    "load": load_study.measure,
    "storage": _storage,
}
