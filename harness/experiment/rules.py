"""What of an experiment file names its systems: the blocks `gate:` and `parity:`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.components.registry import Fault, did_you_mean
from harness.experiment.part import Part
from harness.experiment.schema import Latency, LatencyRule, QualityRule
from harness.files.wrong_values import shown

Rules = tuple[QualityRule | LatencyRule, ...]

ReadPart = Callable[[type[Part], Any, str], Any]
"""Reads a part of the file: its class, the value, and the path for faults."""

OF_NO_QUALITY = ("judged@", "ties@")
"""How metrics begin that say how far the others can be believed."""


def measures_quality(metric: str) -> bool:
    """Whether more of it is better, so that a system can gain by it."""
    return not metric.startswith(OF_NO_QUALITY)


class Known(NamedTuple):
    """What rules may name."""

    metrics: Collection[str]
    systems: Collection[str]
    datasets: Collection[str] | None
    """None: others than the file's are used, and their names are not checked."""
    latency: Latency | None


def read_rules(specs: Any, known: Known, part: ReadPart, fault: Fault) -> Rules:
    """The rules of the block; every fault is noted."""
    if not isinstance(specs, tuple):
        fault("gate", "expected a list of rules such as {metric: ndcg@10, margin: 0.01}")
        return ()
    rules: list[QualityRule | LatencyRule] = []
    for i, spec in enumerate(specs):
        path = f"gate[{i}]"
        timed = isinstance(spec, Mapping) and "latency" in spec
        rule = part(LatencyRule if timed else QualityRule, spec, path)
        if rule is not None:
            for key, message in _misfits(rule, known):
                fault(f"{path}.{key}", message)
            _no_repeat(rule, rules, known, path, fault)
            rules.append(rule)
    return tuple(rules)


def read_parity(specs: Any, systems: Collection[str], fault: Fault) -> dict[str, tuple[str, ...]]:
    """By a model's name the systems that are to be it; every fault is noted."""
    if not isinstance(specs, Mapping):
        fault("parity", "expected a model's name with systems, such as {MiniLM: [torch, onnx]}")
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for model, names in specs.items():
        path = f"parity.{model}"
        if not isinstance(names, tuple) or len(names) < 2:
            fault(path, f"expected at least two systems, the reference first, not {shown(names)}")
            continue
        for i, name in enumerate(names):
            if systems and name not in systems:
                hint = did_you_mean(str(name), systems)
                fault(f"{path}[{i}]", f"{shown(name)} is not a system{hint}")
            elif name in names[:i]:
                fault(f"{path}[{i}]", f"{shown(name)} is named before: say it once")
        found[str(model)] = names
    return found


def _misfits(rule: QualityRule | LatencyRule, known: Known) -> Iterator[tuple[str, str]]:
    """Each key of the rule that the experiment has nothing for, and why."""
    if isinstance(rule, QualityRule):
        yield from _unknown("metric", (rule.metric,), "a metric of this experiment", known.metrics)
        if not measures_quality(rule.metric):
            yield "metric", f"{rule.metric} is no measure of quality: more of it is not better"
    else:
        yield from _unknown("to", (rule.to,), "a system", known.systems)
        if known.latency is None:
            yield "latency", "the experiment measures none: it has no `latency:` block"
        else:
            for key, value, there in (
                ("k", rule.k, known.latency.candidates),
                ("device", rule.device, known.latency.devices),
            ):
                if value not in there:
                    told = ", ".join(map(str, there))
                    yield key, f"{value} is not measured; the `latency:` block has {told}"
    yield from _unknown("systems", rule.systems, "a system", known.systems)
    if known.datasets is not None:
        yield from _unknown("datasets", rule.datasets, "a dataset", known.datasets)


def _unknown(
    key: str, names: Sequence[str], what: str, known: Collection[str]
) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in known:
            yield key, f"{name!r} is not {what}{did_you_mean(name, known)}"


def _no_repeat(
    rule: QualityRule | LatencyRule,
    others: Sequence[QualityRule | LatencyRule],
    known: Known,
    path: str,
    fault: Fault,
) -> None:
    """Two verdicts on one thing would contradict each other."""
    for other in others:
        if _judged(rule) == _judged(other) and _may_meet(rule, other):
            both = (
                f"{system} on {dataset}"
                for dataset in known.datasets or {*rule.datasets, *other.datasets, "any dataset"}
                for system in known.systems
                if rule.covers(dataset, system) and other.covers(dataset, system)
            )
            if (first := next(both, None)) is not None:
                fault(path, f"another rule judges the same of {first}: say it once")


def _may_meet(rule: QualityRule | LatencyRule, other: QualityRule | LatencyRule) -> bool:
    """Whether there may be a system on a dataset that both judge."""
    pairs = (rule.systems, other.systems), (rule.datasets, other.datasets)
    return not any(ours and theirs and set(ours).isdisjoint(theirs) for ours, theirs in pairs)


def _judged(rule: QualityRule | LatencyRule) -> tuple[Any, ...]:
    if isinstance(rule, QualityRule):
        return (rule.metric,)
    return (rule.to, rule.k, rule.device)
