"""What the tasks of a plan will do, in the amounts that progress is shown in, and so their time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.components import registry
from harness.components.models.names import encoding, reranking, short
from harness.components.models.references import is_trained
from harness.components.protocols import ENCODERS, TokenEncoder
from harness.data import Dataset, doc_texts
from harness.execution import arithmetic
from harness.execution.arithmetic import Arithmetic
from harness.execution.rates import Rates
from harness.experiment.keys import component_key
from harness.experiment.plan import CostStage, Plan, Stage, TrainStage
from harness.experiment.schema import Experiment, Latency, Load
from harness.experiment.tasks import Cost, Encode, Rerank, Retrieve, Task, Train
from harness.files import digests
from harness.pipeline import volumes

SAMPLE = 200
"""Documents whose mean length stands for that of all."""


class Size(NamedTuple):
    """How large a dataset is."""

    documents: int
    queries: int
    characters: float
    """Of a document, in the mean."""


class Work(NamedTuple):
    """A kind of work, as `rates` knows it, and how much of it there is."""

    name: str
    amount: float
    planned: float = 0.0
    """Seconds that come on top, whatever the machine."""
    operations: float = 0.0
    """Of floating point, from which its time is guessed where its rate is not known; 0: not known."""


class Time(NamedTuple):
    """How long some work takes, and how far that is known."""

    seconds: float
    is_whole: bool = True
    """Whether all of the work is in it."""
    guessed: bool = False
    """Whether a part of it comes from arithmetic, and not from what this machine did before."""


def size_of(dataset: Dataset) -> Size:
    """The size of a dataset, with the mean length of documents from all over it."""
    texts = doc_texts(dataset.docs)
    step = max(1, len(texts) // SAMPLE)
    some = [len(texts[i]) for i in range(0, len(texts), step)]
    return Size(len(texts), len(dataset.queries), sum(some) / max(1, len(some)))


def works(
    todo: Sequence[Task], plan: Plan, sizes: Mapping[str, Size], cache: Path
) -> dict[str, list[Work]]:
    """By task what it will do, in the order in which one process does it.

    `sizes` are by dataset; a task whose dataset is in none of them is not in the result. What is in
    the cache is not done again, and documents that several stages read are encoded once.
    """
    encoded: set[tuple[str, str]] = set()
    operations = arithmetic.of_plan(plan)
    found: dict[str, list[Work]] = {}
    for task in todo:
        size = sizes.get(task.dataset.name)
        if isinstance(task, Cost):
            found[task.key] = list(_cost(task.stage, plan.experiment))
        elif isinstance(task, Train):
            found[task.key] = list(_training(task.stage, operations))
        elif size is not None:
            one = _Reading(task.dataset.name, size, cache, encoded, operations)
            found[task.key] = list(one.works(task))
    return found


def time_of(work: Sequence[Work], rates: Rates) -> Time:
    """How long some work takes: by what this machine did before, else by arithmetic."""
    total, is_whole, guessed = 0.0, True, False
    for name, amount, planned, operations in work:
        rate = rates.get(name)
        total += planned
        if amount and rate:
            total += amount / rate
        elif amount and operations:
            total, guessed = total + operations / arithmetic.operations_a_second(), True
        elif amount:
            is_whole = False
    return Time(total, is_whole, guessed)


class _Reading(NamedTuple):
    """What tasks do that read the documents of a dataset."""

    dataset: str
    size: Size
    cache: Path
    encoded: set[tuple[str, str]]
    """By dataset what is encoded already; this adds to it."""
    operations: Arithmetic

    def works(self, task: Task) -> Iterator[Work]:
        if isinstance(task, Encode) and task.stage is None:
            yield from self._together(task)
        elif isinstance(task, Retrieve | Rerank) and not is_done(task.stage, self.cache):
            yield from self._of(task.stage)

    def _together(self, task: Encode) -> Iterator[Work]:
        for key, encoder in sharing_encoders(task, self.cache).items():
            yield from self._encode(key, encoder, self.size.documents)

    def _of(self, stage: Stage) -> Iterator[Work]:
        pairs = self.size.queries * min(stage.depth, self.size.documents)
        read = self.size.documents if stage.candidates is None else pairs
        for encoder in _encoders(stage.component):
            yield from self._encode(component_key(encoder), encoder, read)
        if stage.candidates is not None:
            much = self.operations.reranking(stage.component, pairs, self.size.characters)
            yield Work(reranking(stage.component), pairs, operations=much)

    def _encode(self, key: str, encoder: Any, documents: int) -> Iterator[Work]:
        name = encoding(encoder, "doc")
        if (self.dataset, name) not in self.encoded:
            self.encoded.add((self.dataset, name))
            folder = self.cache / "vectors" / key[:32]
            there = max((_texts(one) for one in folder.glob("encode_doc*")), default=0)
            lacking = max(0, min(documents, self.size.documents) - there)
            amount = lacking * self.size.characters
            much = self.operations.encoding(encoder, amount)
            yield Work(name, amount, operations=much)


def sharing_encoders(task: Encode, cache: Path) -> dict[str, Any]:
    """By key the encoders of one model whose documents are encoded in one pass for all of them."""
    stages = {one.key: one for trial in task.trials for one in trial.stages}
    encoders = {
        component_key(part): part
        for stage in stages.values()
        if not is_done(stage, cache)
        for part in _encoders(stage.component)
    }
    names = Counter(encoding(part, "doc") for part in encoders.values())
    return {key: one for key, one in encoders.items() if names[encoding(one, "doc")] > 1}


def is_done(stage: Stage, cache: Path) -> bool:
    """Whether the result of a stage is in the cache."""
    return digests.is_whole(cache / "runs" / stage.key[:32])


def _texts(folder: Path) -> int:
    return sum(volume.texts for volume in volumes.volumes(folder, ()))


def _encoders(component: Any) -> Iterator[Any]:
    return (part for part in registry.parts(component) if isinstance(part, ENCODERS))


def _training(stage: TrainStage, operations: Arithmetic) -> Iterator[Work]:
    if not is_trained(stage.reference):
        yield training_work(stage)._replace(operations=operations.training(stage))


def training_work(stage: TrainStage) -> Work:
    """A whole training: its search, its teacher's scores and its steps."""
    training = stage.training
    name = f"train a {training.makes} from {short(training.base)}, all of it"
    return Work(name, float(training.most_groups() or training.epochs))


COLD_STARTS = "cold starts on "
"""How progress begins of processes that are started for their memory and time."""


def _cost(stage: CostStage, experiment: Experiment) -> Iterator[Work]:
    yield cost_work(stage, experiment)
    if isinstance(settings := getattr(experiment, stage.kind), Latency):
        for device in _devices(stage, settings):
            yield Work(f"{COLD_STARTS}{device}", float(settings.starts * len(stage.trials)))


def cost_work(stage: CostStage, experiment: Experiment) -> Work:
    """A measurement of costs: the seconds that its settings give it, and what comes on top.

    That is for latency and load what each system takes beside, for storage all that is stored, in
    documents. Cold starts are counted apart.
    """
    systems, settings = len(stage.trials), getattr(experiment, stage.kind)
    if isinstance(settings, Latency):
        devices, timed = len(_devices(stage, settings)), systems * len(settings.candidates)
        planned = (timed * settings.budget_s + settings.settle_s) * devices
        return Work("prepare latency", float(timed * devices), planned)
    if isinstance(settings, Load):
        steps = len(settings.concurrency) + len(settings.rates)
        return Work("prepare load", float(systems), systems * steps * settings.seconds)
    ways = len(settings.precisions) * len(settings.pool_factors)
    rerankers = (trial.system.reranker for trial in stage.trials)
    encoders = set(itertools.chain.from_iterable(map(_token_encoders, rerankers)))
    return Work("measure storage", float(len(encoders) * ways * settings.documents))


def _devices(stage: CostStage, settings: Latency) -> list[str]:
    """The devices that are asked for and there."""
    there = stage.machine["devices"]
    return [one for one in settings.devices if one == "cpu" or there.get(one)]


def _token_encoders(reranker: Any) -> Iterator[Any]:
    parts = registry.parts(reranker) if reranker is not None else ()
    return (part for part in parts if isinstance(part, TokenEncoder))
