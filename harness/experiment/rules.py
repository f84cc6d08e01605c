"""What the parts of an experiment file must be to each other, and rules that results are held to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo

from harness.experiment.metric_names import Named, parsed
from harness.experiment.part import Device, Part, Ranks
from harness.experiment.result_folders import BESIDE, folders
from harness.files import bounds
from harness.files.wrong_values import Place, did_you_mean, refused, shown

if TYPE_CHECKING:
    from harness.experiment.decision_terms import Decision
    from harness.experiment.schema import DatasetChoice, System

RUN_TO_RUN = 1.03
"""By so much ratios of latencies of the same code may differ: a tighter gate would judge noise."""

OF_NO_QUALITY = ("judged@", "ties@")
"""How metrics begin that say how far the others can be believed."""


def measures_quality(metric: str) -> bool:
    """Whether more of it is better, so that a system can gain by it."""
    return not metric.startswith(OF_NO_QUALITY)


def check(faults: Iterable[tuple[Place, str]]) -> None:
    """Raise ValidationError with all faults, if there is any."""
    if found := list(faults):
        raise refused(*found)


def repeated(values: Sequence[str], way_out: str) -> Iterator[tuple[Place, str]]:
    """A fault for each value that occurs more than once."""
    for value in sorted(value for value, count in Counter(values).items() if count > 1):
        yield (), f"{value!r} occurs more than once: {way_out}"


def _names(info: ValidationInfo, key: str) -> list[str]:
    """The names of the systems or datasets; empty where there is a fault in one of them."""
    return [one.name for one in info.data.get(key, ())]


def _unknown(
    where: Place, names: Iterable[str], what: str, known: Collection[str]
) -> Iterator[tuple[Place, str]]:
    """A fault for each name that is not known; none where nothing is."""
    for name in names:
        if known and name not in known:
            yield where, f"{name!r} is not {what}{did_you_mean(name, known)}"


def apart(datasets: tuple[DatasetChoice, ...]) -> tuple[DatasetChoice, ...]:
    """The datasets, each with a folder of its own."""
    names = [one.name for one in datasets]
    check(repeated(names, "give one a `name:`"))
    _no_more(len(names), "datasets", bounds.DATASETS)
    places = folders(names, BESIDE)
    return tuple(one.model_copy(update={"folder": places[one.name]}) for one in datasets)


def complete(systems: tuple[System, ...], info: ValidationInfo) -> tuple[System, ...]:
    """The systems, each with what it leaves out of its depth."""
    check(repeated([one.name for one in systems], "names must differ"))
    _no_more(len(systems), "systems", bounds.SYSTEMS)
    trials = len(systems) * len(info.data.get("datasets", ()))
    _no_more(trials, "trials of a system on a dataset", bounds.TRIALS)
    depth = info.data.get("depth")
    if depth is None:
        return systems
    return tuple(one.model_copy(update={"depth": one.depth.or_else(depth)}) for one in systems)


def _no_more(found: int, of: str, most: int) -> None:
    if found > most:
        raise ValueError(f"it makes {found:,} {of}, and an experiment has at most {most:,}")


def _measurable(metrics: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    depths = {system.depth.retrieve: system.name for system in info.data.get("systems", ())}
    why = [parsed(metric).unmeasurable(depths) for metric in metrics]
    check(((i,), too_deep) for i, too_deep in enumerate(why) if too_deep)
    check(repeated(metrics, "say it once"))
    if not any(map(measures_quality, metrics)):
        raise ValueError("none of them measures quality: add one that does, such as ndcg@10")
    return metrics


Metrics = Annotated[
    tuple[Annotated[str, AfterValidator(lambda text: str(parsed(text)))], ...],
    Field(min_length=1),
    AfterValidator(_measurable),
]
"""Metrics that can be computed of what the systems retrieve."""


def baseline(name: str | None, info: ValidationInfo) -> str | None:
    """The system of this name, else the first; raises ValueError where there is none such."""
    known = _names(info, "systems")
    check(_unknown((), [name] if name else [], "a system", known))
    return name or next(iter(known), None)


def objective(decision: Decision, info: ValidationInfo) -> Decision:
    """The decision; raises ValidationError where its objective is not measured, or no quality."""
    named, where = decision.objective, ("objective",)
    if named and not measures_quality(named):
        raise refused((where, f"{named} does not measure quality: a higher value is not better"))
    known = info.data.get("metrics", ())
    check(_unknown(where, [named] if named else [], "a metric of the experiment", known))
    return decision


def different(
    models: Mapping[str, tuple[str, ...]], info: ValidationInfo
) -> Mapping[str, tuple[str, ...]]:
    """The systems that are to be one model; raises ValidationError for one that is none, or repeated."""
    known = _names(info, "systems")
    for model, names in models.items():
        for i, name in enumerate(names):
            check(_unknown((model, i), [name], "a system", known))
            if name in names[:i]:
                raise refused(((model, i), f"{shown(name)} is named twice"))
    return models


class Rule(Part):
    """What of the results may not get worse; without restriction, on every dataset and system."""

    systems: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    def on(self, dataset: str) -> bool:
        """Whether anything is judged on this dataset."""
        return not self.datasets or dataset in self.datasets

    def covers(self, dataset: str, system: str) -> bool:
        """Whether this system is judged on this dataset."""
        return self.on(dataset) and (not self.systems or system in self.systems)


class QualityRule(Rule):
    """A metric that may lose no more than the margin, in the mean over queries."""

    metric: Named
    margin: float = Field(gt=0, le=1)


class LatencyRule(Rule):
    """How much slower reranking may get, measured against retrieval in the same run."""

    latency: float = Field(gt=RUN_TO_RUN, le=bounds.ENTRIES)
    """1.10: the ratio of a system's seconds to those of `to` may grow by a factor of 1.10."""
    to: str
    """The system whose retrieval is timed in the same run, and that others are measured against."""
    k: Ranks
    """Candidates."""
    device: Device = "cpu"


AnyRule = QualityRule | LatencyRule


def _judgeable(rules: tuple[AnyRule, ...], info: ValidationInfo) -> tuple[AnyRule, ...]:
    faults: list[tuple[Place, str]] = []
    for i, rule in enumerate(rules):
        faults += [((i, *where), message) for where, message in _misfits(rule, info)]
        faults += [((i,), message) for message in _repeats(rule, rules[:i], info)]
    check(faults)
    return rules


def _kind(rule: Any) -> str:
    return ":latency" if isinstance(rule, Mapping) and "latency" in rule else ":quality"


Gate = Annotated[
    tuple[
        Annotated[
            Annotated[LatencyRule, Tag(":latency")] | Annotated[QualityRule, Tag(":quality")],
            Discriminator(_kind),
        ],
        ...,
    ],
    AfterValidator(_judgeable),
]
"""Rules that results are held to, no two of them about the same."""


def _misfits(rule: AnyRule, info: ValidationInfo) -> Iterator[tuple[Place, str]]:
    """Each key of the rule that the experiment has nothing for, and why."""
    systems = _names(info, "systems")
    if isinstance(rule, QualityRule):
        known = info.data.get("metrics", ())
        yield from _unknown(("metric",), [rule.metric], "a metric of this experiment", known)
        if not measures_quality(rule.metric):
            yield (
                ("metric",),
                f"{rule.metric} does not measure quality: a higher value is not better",
            )
    else:
        yield from _unknown(("to",), [rule.to], "a system", systems)
        yield from _unmeasured(rule, info.data.get("latency"))
    yield from _unknown(("systems",), rule.systems, "a system", systems)
    if not _instead(info):
        yield from _unknown(("datasets",), rule.datasets, "a dataset", _names(info, "datasets"))


def _instead(info: ValidationInfo) -> bool:
    """Whether the datasets are others than those of the file."""
    return bool(info.context and info.context["instead"])


def _unmeasured(rule: LatencyRule, latency: Any) -> Iterator[tuple[Place, str]]:
    if latency is None:
        yield ("latency",), "the experiment measures none: it has no `latency:` block"
        return
    for key, value, there in (
        ("k", rule.k, latency.candidates),
        ("device", rule.device, latency.devices),
    ):
        if value not in there:
            listed = ", ".join(map(str, there))
            yield (key,), f"{value} is not measured; the `latency:` block has {listed}"


def _repeats(rule: AnyRule, others: Sequence[AnyRule], info: ValidationInfo) -> Iterator[str]:
    """Two verdicts on one thing would contradict each other."""
    datasets = [] if _instead(info) else _names(info, "datasets")
    for other in others:
        if _judged(rule) == _judged(other) and _may_meet(rule, other):
            both = (
                f"{system} on {dataset}"
                for dataset in datasets or {*rule.datasets, *other.datasets, "any dataset"}
                for system in _names(info, "systems")
                if rule.covers(dataset, system) and other.covers(dataset, system)
            )
            if (first := next(both, None)) is not None:
                yield f"another rule judges the same for {first}: keep one of them"


def _may_meet(rule: AnyRule, other: AnyRule) -> bool:
    """Whether there may be a system on a dataset that both judge."""
    pairs = (rule.systems, other.systems), (rule.datasets, other.datasets)
    return not any(ours and theirs and set(ours).isdisjoint(theirs) for ours, theirs in pairs)


def _judged(rule: AnyRule) -> tuple[Any, ...]:
    if isinstance(rule, QualityRule):
        return (rule.metric,)
    return (rule.to, rule.k, rule.device)
