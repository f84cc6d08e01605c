"""From systems to arms: what is called, in which mode, on which device, over which documents."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.components import registry
from harness.components.abilities import (
    AsksServer,
    CountsDocTokens,
    CountsTokens,
    HasAttention,
    Loadable,
    Tunable,
)
from harness.components.models import shelf
from harness.components.protocols import ENCODERS, Preparable, Reranker, Served
from harness.data import Doc, Hit, Query, Run
from harness.experiment.keys import timing_key
from harness.experiment.plan import Stage, Trial, has_random_weights
from harness.measure.latency.budget import Arm, Call
from harness.measure.latency.memory import Room
from harness.measure.latency.prebuilt_vectors import LiveQueries, RandomVectors
from harness.pipeline import stages
from harness.pipeline.stage_runner import StageRunner
from harness.ranking import ranked

log = logging.getLogger(__name__)

Scores = Mapping[str, Mapping[str, float]]
"""By query id the scores of its documents."""


def scores_of(run: Run) -> Scores:
    """The scores of a run's hits."""
    return {query_id: {hit.doc_id: hit.score for hit in hits} for query_id, hits in run.items()}


@dataclass(frozen=True)
class Setting:
    """What is common to all arms of a measurement."""

    work: StageRunner
    device: str
    candidates: tuple[int, ...]
    docs: Mapping[str, Mapping[str, Sequence[Doc]]]
    """By retriever (its stage's key) and query id the frozen candidates."""
    expected: Mapping[str, Scores]
    """By stage's key the scores that quality was measured on; none with random weights."""
    shares: dict[str, dict[str, str]]
    """By mode: the system whose arm stands for another system's, where both would be the same."""
    room: Room
    """The memory that there is for them."""


def retrieving(trials: Sequence[Trial], setting: Setting) -> Iterator[Arm]:
    """An arm for each first stage, named after the first system that has it."""
    seen: dict[str, str] = {}
    for trial in trials:
        first = trial.stages[0]
        retriever = placed(first.component, setting.device)
        shared = setting.shares.setdefault("retrieve", {})
        work = f"{first.key} {timing_key(first.component)}"
        shared[trial.system.name] = seen.setdefault(work, trial.system.name)
        if shared[trial.system.name] != trial.system.name:
            continue
        arm = _bare(trial, "retrieve", retriever, (first.depth,), setting)
        yield from _ready(arm, partial(_retrieving, arm, first, setting), setting.room)


def _retrieving(arm: Arm, first: Stage, setting: Setting) -> Arm:
    dataset = setting.work.dataset
    searcher = _live(first.component, setting).index(dataset.docs)
    call = _searching(searcher, first.depth, dataset.drop_self_hits)
    expected = setting.expected.get(first.key)
    return dataclasses.replace(
        arm, policies={"": call}, expected=expected, **_loaded(arm.component, searcher)
    )


def reranking(trials: Sequence[Trial], setting: Setting) -> Iterator[Arm]:
    """The arms of every reranker: as it is, or on the fly and precomputed.

    Encoding on the fly costs the same however vectors would be stored, so that one arm stands for
    all systems with that kind of reranker and that encoder.
    """
    seen: dict[str, str] = {}
    for trial in trials:
        if trial.system.reranker is None:
            continue
        reranker = placed(trial.system.reranker, setting.device)
        sizes = tuple(k for k in setting.candidates if k <= trial.system.depth.rerank)
        arm = _bare(trial, "rerank", reranker, sizes, setting)
        if not isinstance(reranker, Preparable):
            make = partial(_reranking, arm, reranker, trial, setting)
            yield from _ready(arm, make, setting.room)
            continue
        prepared = dataclasses.replace(arm, mode="precomputed")
        make_prepared = partial(_precomputed, prepared, trial, setting)
        yield from _ready(prepared, make_prepared, setting.room)
        shared = setting.shares.setdefault("on the fly", {})
        work = [type(reranker).__name__, *map(timing_key, encoders_of(reranker))]
        shared[trial.system.name] = seen.setdefault(str(work), trial.system.name)
        if shared[trial.system.name] == trial.system.name:
            live = dataclasses.replace(arm, mode="on the fly")
            make_live = partial(_reranking, live, reranker, trial, setting)
            yield from _ready(live, make_live, setting.room)


def _precomputed(arm: Arm, trial: Trial, setting: Setting) -> Arm | None:
    """None where there is nothing to do beforehand."""
    live = _live(trial.system.reranker, setting)
    docs = _all_docs(arm.docs)
    called = live.prepare(docs) if arm.served else _Prepared(live, docs)
    held = called if arm.served else called.held()
    if held is live:
        return None
    made = _reranking(arm, called, trial, setting)
    return made if isinstance(held, CountsTokens) else dataclasses.replace(made, tokens=None)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A reranker with documents prepared, which are made again when they had to give way."""

    live: Any
    docs: Sequence[Doc]

    def held(self) -> Any:
        return shelf.loaded(self, lambda: self.live.prepare(self.docs))

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        found: Sequence[float] = self.held().score(query, docs)
        return found

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        found: int = self.held().count_tokens(query, docs)
        return found


def _reranking(arm: Arm, called: Any, trial: Trial, setting: Setting) -> Arm:
    variants = _variants(called) if called is arm.component else {"": called}
    return dataclasses.replace(
        arm,
        policies={name: _scoring(variant) for name, variant in variants.items()},
        tokens=_tokens(called, arm.mode),
        expected=setting.expected.get(trial.key),
        **_loaded(arm.component, called),
    )


def _bare(
    trial: Trial, mode: str, component: Any, candidates: tuple[int, ...], setting: Setting
) -> Arm:
    """An arm with what is known of it before any model is loaded; it has no call yet."""
    return Arm(
        system=trial.system.name,
        mode=mode,
        candidates=candidates,
        policies={},
        docs=setting.docs[trial.stages[0].key],
        component=component,
        models=models_of(component),
        served=any(isinstance(part, AsksServer) for part in registry.parts(component)),
    )


def _ready(bare: Arm, make: Callable[[], Arm | None], room: Room) -> Iterator[Arm]:
    """The arm that `make` gives, if any; one that cannot be made ready fails when it is called.

    So it alone is not measured.
    """
    room.prepare_for(bare.models)
    try:
        made = make()
    except Exception as error:
        log.debug("%s was not made ready", bare.system, exc_info=True)
        made = dataclasses.replace(bare, policies={"": _failing(error.with_traceback(None))})
    if made is not None:
        yield dataclasses.replace(made, held=frozenset(room.watch.asked))


def _failing(error: Exception) -> Call:
    def call(query: Query, docs: Sequence[Doc]) -> Sequence[Hit]:
        del query, docs
        raise error

    return call


def encoders_of(component: Any) -> list[Any]:
    """The encoders inside a component."""
    return [p for p in registry.parts(component) if isinstance(p, ENCODERS)]


def models_of(component: Any) -> tuple[str, ...]:
    """The models inside a component that are loaded here, not on a server."""
    return tuple(dict.fromkeys(part.model for part in with_models(component)))


def with_models(component: Any) -> list[Any]:
    """The parts of a component that load a model here; one model may be loaded in several ways."""
    local = (part for part in registry.parts(component) if not isinstance(part, Served))
    return [part for part in local if isinstance(getattr(part, "model", None), str)]


def placed(component: Any, device: str) -> Any:
    """The component with every part that can choose its device on this one."""
    return registry.replaced(component, lambda part: _placed_part(part, device))


def _placed_part(part: Any, device: str) -> Any:
    """A part with its device changed, if it has one."""
    return dataclasses.replace(part, device=device) if hasattr(part, "device") else part


def with_documents(component: Any, device: str, documents_of: Callable[[Any, Any], Any]) -> Any:
    """The component on this device; every encoder's document vectors come from `documents_of` it.

    That gets the encoder as it stands in `component`, and as it is on the device.
    """

    def change(part: Any) -> Any:
        here = _placed_part(part, device)
        return LiveQueries(documents_of(part, here), here) if isinstance(part, ENCODERS) else here

    return registry.replaced(component, change)


def _live(component: Any, setting: Setting) -> Any:
    """The component on the device; its document vectors are at hand, its queries are encoded.

    The vectors are those of the component as it stands in the experiment, whatever the device.
    """

    def documents(encoder: Any, here: Any) -> Any:
        random = has_random_weights(encoder)
        return RandomVectors(here) if random else setting.work.cached_encoder(encoder)

    return with_documents(component, setting.device, documents)


def _variants(component: Any) -> dict[str, Any]:
    """The component under each batch policy, its own first."""
    tunable = next((p for p in registry.parts(component) if isinstance(p, Tunable)), None)
    if tunable is None:
        return {"": component}
    policies = sorted(tunable.policies().items(), key=lambda item: item[1] != tunable)

    def with_part(wanted: Any) -> Any:
        return registry.replaced(component, lambda part: wanted if part == tunable else part)

    return {name: with_part(variant) for name, variant in policies}


def _scoring(reranker: Reranker) -> Call:
    def call(query: Query, docs: Sequence[Doc]) -> Sequence[Hit]:
        scores = stages.scores(reranker, query, docs)
        return ranked(Hit(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True))

    return call


def _searching(searcher: Any, depth: int, drop_self: bool) -> Call:
    def call(query: Query, docs: Sequence[Doc]) -> Sequence[Hit]:
        del docs
        (hits,) = searcher.search([query], depth + drop_self)
        return stages.cut(query, hits, depth, drop_self)

    return call


def _tokens(called: Any, mode: str) -> Callable[[Query, Sequence[Doc]], int] | None:
    """Counts tokens; None where nobody can: late interaction on the fly has to ask its encoder."""
    askable = all(isinstance(encoder, CountsDocTokens) for encoder in encoders_of(called))
    if not isinstance(called, CountsTokens) or not (askable or mode == "precomputed"):
        return None
    return lambda query, docs: called.count_tokens(query.text, docs)


def _all_docs(docs: Mapping[str, Sequence[Doc]]) -> list[Doc]:
    return list({doc.doc_id: doc for found in docs.values() for doc in found}.values())


def _loaded(component: Any, called: Any) -> dict[str, Any]:
    """What decides the speed of the component beside its settings; loads what `called` needs."""
    parts = list(registry.parts(component))

    def load() -> None:
        for part in parts:
            if isinstance(part, Loadable):
                part.load()
        if isinstance(called, _Prepared):
            called.held()

    load()
    dtypes = dict.fromkeys(part.dtype for part in parts if hasattr(part, "dtype"))
    attention = dict.fromkeys(p.attention() for p in parts if isinstance(p, HasAttention))
    return {"dtype": ", ".join(dtypes), "attention": ", ".join(attention), "load": load}
