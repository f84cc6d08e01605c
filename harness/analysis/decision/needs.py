"""What each option needs of what a requirement can limit: time, bytes, memory, money, a licence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.analysis.costs.measured import CostAnalysis, arm_needs, stand_ins, whole_calls
from harness.analysis.costs.projection import ArmNeeds, needed
from harness.analysis.costs.vector_bytes import INDEX, TOKENS, configurations, models_of
from harness.analysis.decision.need import SAID, Kind, Need
from harness.analysis.decision.options import FLY, Option
from harness.analysis.statistics import paired_ratios
from harness.analysis.statistics.tail import Tail, tail
from harness.components.models import catalogue
from harness.experiment.schema import Prices, Workload
from harness.page.text import milliseconds
from harness.results.store import Results

HOLDERS = ("retriever", "reranker")


@dataclass(frozen=True)
class Stock:
    """What was measured, laid out so that the needs of many workloads are told quickly."""

    results: Results
    costs: CostAnalysis
    datasets: Sequence[str]
    configs: Mapping[str, Mapping[str, Any]]
    whole: Mapping[tuple[str, str, str, str], Mapping[int, Any]]
    """Rows of END_TO_END by dataset, device, system and mode, then by k."""
    held: Mapping[tuple[str, str, str], Sequence[tuple[float, str]]]
    """By dataset, system and holder, of each part its GB per million documents, or NaN and why."""
    bases: Mapping[str, str]
    """By trained model what it was made from."""
    doubts: paired_ratios.Doubts
    """How noisy the machine was."""

    @property
    def settle_s(self) -> float:
        """Seconds that there were to settle what the planned calls left open, where they were most."""
        told = [_settings(self.results, name).get("settle_s", 0.0) for name in self.datasets]
        return max(told, default=0.0)

    @cached_property
    def tails(self) -> Mapping[tuple[str, str], Mapping[tuple[str, str, int], Tail]]:
        """By dataset and device the tails of whole queries in ms, by system, mode and k."""
        places = dict.fromkeys(key[:2] for key in self.whole)
        return {place: _tails(self.results, *place) for place in places}

    @cached_property
    def arms(self) -> Mapping[str, Sequence[ArmNeeds]]:
        """By dataset what a workload multiplies."""
        return {name: arm_needs(self.results, self.costs, name) for name in self.datasets}

    def doubt(self, device: str) -> float:
        """By what factor equal arms differed on the device, on the dataset where that is most."""
        return max((self.doubts.get((name, device), math.inf) for name in self.datasets), default=1)


def stock(results: Results, costs: CostAnalysis) -> Stock:
    """The measurements of `results`, ready for `needs`."""
    whole: dict[tuple[str, str, str, str], dict[int, Any]] = {}
    for row in costs.end_to_end.itertuples(index=False):
        whole.setdefault((row.dataset, row.device, row.system, row.mode), {})[int(row.k)] = row
    held: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    columns = ("dataset", "system", "holder", "gb_per_million_documents", "unknown")
    for *key, size, unknown in zip(*(costs.kept[c] for c in columns), strict=True):
        held.setdefault(tuple(key), []).append((float(size), unknown))
    datasets = list(map(str, dict.fromkeys(results.trials["dataset"])))
    bases = {
        one["reference"]: one["base"]
        for facts in results.facts.values()
        for one in facts.get("trainings", ())
    }
    doubts = paired_ratios.doubts(costs.noise)
    return Stock(results, costs, datasets, configurations(results), whole, held, bases, doubts)


def _settings(results: Results, dataset: str) -> Mapping[str, Any]:
    """Those that latency was measured with."""
    found: Mapping[str, Any] = results.cost_facts.get((dataset, "latency"), {}).get("settings", {})
    return found


def _tails(results: Results, dataset: str, device: str) -> dict[tuple[str, str, int], Tail]:
    planned = _settings(results, dataset).get("rounds", math.inf)
    return {
        arm: tail(1000 * calls["seconds"], calls["query_id"], calls["round"] < planned)
        for arm, calls in whole_calls(results, dataset, device).items()
    }


def needs(
    of: Stock,
    options: Sequence[Option],
    devices: Sequence[str],
    load: Workload | None,
    prices: Prices | None,
) -> dict[tuple[Option, Kind], Need]:
    """What each option needs for a workload, on each of `devices` where it depends on one."""
    found: dict[tuple[Option, Kind], Need] = {}
    for option in options:
        found[option, Kind("gb_per_million_documents")] = _greatest(
            [gigabytes(of, name, option) for name in of.datasets], of.datasets
        )
        found[option, Kind("licence")] = _licence(of.configs.get(option.system), of.bases)
        for device in devices:
            for name, latency in (("p50_ms", _p50), ("p95_ms", _p95)):
                each = [latency(of, name, device, option, load) for name in of.datasets]
                need = _greatest(each, of.datasets)._replace(doubt=of.doubt(device))
                found[option, Kind(name, device)] = need
    if load is not None:
        found |= _served(of, options, devices, load, prices)
    return found


def _greatest(parts: Sequence[Need], datasets: Sequence[str]) -> Need:
    """The need of all datasets together: the greatest, and known only where all are."""
    known = [part.value for part in parts]
    least = [part.lower for part in parts if not math.isnan(part.lower)]
    value = math.nan if any(map(math.isnan, known)) or not known else max(known)
    most = [part for part in parts if part.value == value]
    high = [part.high for part in most if not math.isnan(part.high)]
    low = [part.low for part in most if not math.isnan(part.low)]
    remarks = [
        f"{part.said} on {name}" if len(parts) > 1 else part.said
        for part, name in zip(parts, datasets, strict=True)
        if part.said
    ]
    return Need(
        value,
        max(least, default=math.nan),
        max(high, default=math.nan),
        "; ".join(remarks),
        max(low, default=math.nan),
        max((part.doubt for part in parts), default=1.0),
        at_most=max((part.upper for part in parts), default=math.inf),
        tails=tuple(one for part in parts for one in part.tails),
    )


def timed(
    of: Stock, dataset: str, device: str, option: Option, load: Workload | None
) -> Any | None:
    """The row of END_TO_END at the workload's candidates, without a workload at the most timed."""
    by_k = of.whole.get((dataset, device, option.system, option.mode), {})
    if load is not None and option.mode != "retrieve":
        return by_k.get(load.candidates)
    measured = [k for k, row in by_k.items() if row.status == "measured"]
    return by_k[max(measured or by_k)] if by_k else None


def _p50(of: Stock, dataset: str, device: str, option: Option, load: Workload | None) -> Need:
    row = timed(of, dataset, device, option, load)
    if row is None or math.isnan(row.p50):
        return Need(math.nan)
    return _interval(row.p50, row.p50_low, row.p50_high)


def _p95(of: Stock, dataset: str, device: str, option: Option, load: Workload | None) -> Need:
    row = timed(of, dataset, device, option, load)
    if row is None or math.isnan(row.p50):
        k = "" if load is None or option.mode == "retrieve" else f" {load.candidates} candidates"
        return Need(math.nan, said=f"its latency{k and ' with'}{k} was not measured on {device}")
    median = f"its median on {device} is {milliseconds(row.p50)} ms"
    if row.status != "measured":
        said = f"{median} by prediction, its 95th percentile was not measured"
        return Need(math.nan, 1000 * row.p50, said=said)
    calls = of.tails[dataset, device][option.system, option.mode, row.k]
    need = Need(math.nan, said=median)
    if not math.isnan(row.p95):
        need = _interval(row.p95, row.p95_low, row.p95_high)
    return need._replace(at_least=calls.low, at_most=calls.high, tails=(calls,))


def _interval(seconds: float, low: float, high: float) -> Need:
    """Seconds as milliseconds; a bound that the calls do not give is as far as can be."""
    return Need(
        1000 * seconds,
        1000 * seconds,
        math.inf if math.isnan(high) else 1000 * high,
        low=0.0 if math.isnan(low) else 1000 * low,
    )


def gigabytes(of: Stock, dataset: str, option: Option) -> Need:
    """GB of the index per million documents, of all stages together; known where every part is."""
    retriever, reranker = (of.held.get((dataset, option.system, h), ()) for h in HOLDERS)
    parts = [*retriever, *(() if option.mode == FLY else reranker)]
    missing = [unknown for size, unknown in parts if math.isnan(size)]
    if not retriever:
        missing.append(INDEX.format("first stage's"))
    if option.mode == "precomputed" and not reranker:
        missing.append(TOKENS)
    known = sum(size for size, _ in parts if not math.isnan(size))
    if missing:
        return Need(math.nan, known or math.nan, said="; ".join(dict.fromkeys(missing)))
    return Need(known, known)


def _licence(config: Mapping[str, Any] | None, bases: Mapping[str, str]) -> Need:
    """How many of the models may not be used commercially; of a trained one its base decides."""
    if not config:
        return Need(math.nan, said="its models are not known")
    names = dict.fromkeys(bases.get(name, name) for name in models_of(config))
    licences = {name: catalogue.known(name) for name in names}
    allowed = {name: known.commercial if known else None for name, known in licences.items()}
    forbidden = [name for name, may in allowed.items() if may is False]
    unknown = [name for name, may in allowed.items() if may is None]
    remarks = [
        *(f"{_bare(name)} is {getattr(licences[name], 'licence', '')}" for name in forbidden),
        *(f"the licence of {_bare(name)} is not known" for name in unknown),
    ]
    value = math.nan if unknown else float(len(forbidden))
    return Need(value, float(len(forbidden)), said="; ".join(remarks))


def _bare(model: str) -> str:
    return model.removeprefix(catalogue.DUMMY)


PARTS = {
    "memory_gb": ("ram_gb", ("vectors_gb", "model_gb")),
    "cost_per_month": ("month", ("ram_month", "disk_month", "compute_month")),
}
"""By requirement its column in a projection, and the columns that it is the sum of."""


def _served(
    of: Stock,
    options: Sequence[Option],
    devices: Sequence[str],
    load: Workload,
    prices: Prices | None,
) -> Iterator[tuple[tuple[Option, Kind], Need]]:
    """Memory, and with prices money: those of the retriever and of what reranks together."""
    arms = (arm for name in of.datasets for arm in of.arms[name])
    rows = {arm.of: needed(arm, load, prices) for arm in arms}
    wanted = [name for name in PARTS if name == "memory_gb" or prices is not None]
    for option in options:
        for device in devices:
            stages = [_stages(of, rows, name, device, option) for name in of.datasets]
            for requirement in wanted:
                each = [_sum(rows, requirement, device, of.doubt(device)) for rows in stages]
                yield (option, Kind(requirement, device)), _greatest(each, of.datasets)


def _stages(
    of: Stock,
    rows: Mapping[tuple[str, ...], Mapping[str, Any]],
    dataset: str,
    device: str,
    option: Option,
) -> list[Mapping[str, Any]]:
    """The projections of the retriever and of what reranks; empty where one was not timed."""
    facts = of.results.cost_facts.get((dataset, "latency"), {})
    retriever = stand_ins(facts, "retrieve").get(option.system, option.system)
    wanted = [(retriever, "retrieve")]
    if option.mode != "retrieve":
        wanted.append(option)
    found = [rows.get((dataset, device, *one)) for one in wanted]
    return [] if None in found else [row for row in found if row is not None]


SERVED = " (what a server does is known only with its price: `prices: {server_hour: ...}`)"


def _sum(stages: Sequence[Mapping[str, Any]], requirement: str, device: str, doubt: float) -> Need:
    column, parts = PARTS[requirement]
    if not stages:
        return Need(math.nan, said=f"{SAID[requirement]} was not measured on {device}")
    value = sum(float(row[column]) for row in stages)
    known = [x for row in stages for part in parts if not math.isnan(x := float(row[part]))]
    at_least = sum(known) if known else math.nan
    if math.isnan(value):
        said = f"{SAID[requirement]} was measured in part on {device}"
        if math.isnan(sum(float(row.get("compute_month", 0)) for row in stages)):
            said += SERVED * any(row["served"] is True for row in stages)
        return Need(math.nan, at_least, said=said)
    if requirement == "memory_gb":
        return Need(value, at_least)
    if any(row["status"] == "predicted" for row in stages):
        said = f"by predicted seconds on {device}"
        return Need(value, at_least, math.inf, said, low=0.0)
    timed = sum(float(row["compute_month"]) for row in stages)
    moved = (value - timed + timed * doubt) / value if timed else 1.0
    return Need(value, at_least, doubt=moved)
