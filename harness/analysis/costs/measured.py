"""What the systems of an experiment cost: measured latency and storage, read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import pandas as pd

from harness.analysis.costs import latency, projection, vector_bytes
from harness.analysis.costs.latency import ARM, STATISTICS
from harness.analysis.statistics import paired_ratios
from harness.results.store import Results
from harness.results.terms import terms

END_TO_END = (*ARM, "k", "status", *STATISTICS, "timed_by")
"""One row a system, mode and k: the whole query, from text to ranked ids. `mode` is `retrieve` for a
system that does not rerank. A predicted row has only `p50`, the sum of both stages' medians."""

RATIOS = (*paired_ratios.RATIOS, "reference", "reference_mode")
"""Seconds of an arm over those of the reference: of the first cross-encoder that was timed, else of
the first system that encodes on the fly."""


@dataclass(frozen=True)
class CostAnalysis:
    """What the measurements of cost say, computed once; every table has a column `dataset`."""

    latencies: pd.DataFrame
    end_to_end: pd.DataFrame
    ratios: pd.DataFrame
    noise: pd.DataFrame
    break_even: pd.DataFrame
    memory: pd.DataFrame
    throughput: pd.DataFrame
    choices: pd.DataFrame
    vector_bytes: pd.DataFrame
    projection: pd.DataFrame
    """Columns PROJECTION, and with prices CURRENCY; empty without a workload."""

    def of(self, dataset: str) -> CostAnalysis:
        """The same of one dataset."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        return CostAnalysis(
            **{name: table[table["dataset"] == dataset] for name, table in parts.items()}
        )


def analyse_costs(results: Results, storage: pd.DataFrame) -> CostAnalysis:
    """Everything that a report shows of cost; `storage` is `vector_bytes.storage_per_document`."""
    datasets = list(dict.fromkeys(results.trials["dataset"])) or [""]
    parts = [_of_dataset(str(name), results, storage) for name in datasets]
    names = [one.name for one in fields(CostAnalysis)]
    return CostAnalysis(
        **{name: _joined([getattr(part, name) for part in parts]) for name in names}
    )


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _of_dataset(dataset: str, results: Results, storage: pd.DataFrame) -> CostAnalysis:
    tables = {
        name: table[table["dataset"] == dataset].reset_index(drop=True)
        for name, table in results.costs.items()
    }
    systems = list(dict.fromkeys(results.trials["system"]))
    calls, arms, seed = tables["calls"], _ordered(tables["arms"], systems), results.plan["seed"]
    every_call, every_arm = (
        table[table["dataset"] == dataset] for table in (results.calls, results.arms)
    )
    latencies = latency.latencies(every_call, _ordered(every_arm, systems))
    memory = _ordered(projection.memory(tables["starts"]), systems)
    throughput = _ordered(tables["throughput"], systems)
    noise = _ordered(paired_ratios.noise(calls, seed), systems)
    configs, counted = vector_bytes.configurations(results), storage[storage["dataset"] == dataset]
    dense = vector_bytes.dense_bytes(counted, results.plan["baseline"], configs)
    choices = projection.storage_choices(tables["grid"], dense)
    vectors = vector_bytes.vector_bytes(counted, choices, configs).assign(dataset=dataset)
    load, needs = terms(results).workload, pd.DataFrame(columns=list(projection.PROJECTION))
    if load:
        measured = (_timed_devices(latencies), vectors, throughput, memory)
        needs = projection.projection(*measured, load, terms(results).prices)
    return CostAnalysis(
        latencies=latencies,
        end_to_end=_ordered(_end_to_end(every_call, latencies), systems),
        ratios=_ordered(_ratios(calls, arms, seed, paired_ratios.doubts(noise)), systems),
        noise=noise,
        break_even=latency.break_even(latencies, throughput, load.documents if load else None),
        memory=memory,
        throughput=projection.throughput(throughput),
        choices=choices,
        vector_bytes=vectors,
        projection=needs,
    )


def _end_to_end(calls: pd.DataFrame, latencies: pd.DataFrame) -> pd.DataFrame:
    """Columns END_TO_END."""
    retrieves = latencies["mode"] == "retrieve"
    first = latencies[retrieves & (latencies["status"] == "measured")]
    reranks = latencies[~retrieves]
    parts = [
        latency.totals(calls).assign(status="measured"),
        _predicted(reranks[reranks["status"] == "predicted"], first),
        first[~first["system"].isin(reranks["system"])],
    ]
    return _joined(parts)[list(END_TO_END)]


def _ordered(table: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    """`table` with the systems in the order of the experiment, whatever order they were timed in."""
    order = {name: i for i, name in enumerate(systems)}
    table = table.assign(order=table["system"].map(order))
    keys = [name for name in ("device", "order", "mode", "k") if name in table]
    return table.sort_values(keys, kind="stable", ignore_index=True).drop(columns="order")


def whole_calls(
    results: Results, dataset: str, device: str
) -> dict[tuple[str, str, int], pd.DataFrame]:
    """By system, mode and k the timed calls of the whole query, also where another's arm was timed."""
    calls = results.calls
    calls = calls[(calls["dataset"] == dataset) & (calls["device"] == device)]
    alone = calls[(calls["mode"] == "retrieve") & (calls["copy"] == 0)]
    return {
        arm: group
        for table in (latency.whole_queries(calls), alone)
        for arm, group in table.groupby(["system", "mode", "k"], sort=False)
    }


def common_k(latencies: pd.DataFrame) -> int | None:
    """The number of candidates that most arms were timed with, of several the greatest."""
    is_timed = (latencies["status"] == "measured") & (latencies["mode"] != "retrieve")
    arms = latencies[is_timed].groupby("k").size()
    return int(arms[arms == arms.max()].index.max()) if len(arms) else None


def _predicted(reranks: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Predicted medians of rerankers, with that of their retriever."""
    keys = ["device", "system"]
    both = reranks.merge(first[[*keys, "p50"]], on=keys, suffixes=("", "_first"))
    both["p50"] += both["p50_first"]
    known = both[[*ARM, "k", "status", "calls", "queries", "p50", "timed_by"]]
    return known[known["p50"].notna()].reindex(columns=list(END_TO_END))


def _ratios(
    calls: pd.DataFrame, arms: pd.DataFrame, seed: int, doubts: paired_ratios.Doubts
) -> pd.DataFrame:
    """Columns RATIOS, each device by itself."""
    parts = [pd.DataFrame(columns=list(RATIOS))]
    for device, timed in arms[arms["status"] == "measured"].groupby("device", sort=False):
        modes = ("rerank", "on the fly")
        names = [(mode, name) for mode in modes for name in timed[timed["mode"] == mode]["system"]]
        for mode, name in names[:1]:
            here = calls[calls["device"] == device]
            found = paired_ratios.ratio_to(here, name, mode, seed, doubts)
            parts.append(found.assign(reference=name, reference_mode=mode))
    return _joined(parts)


def arm_needs(costs: CostAnalysis, dataset: str) -> list[projection.ArmNeeds]:
    """What a workload multiplies, of the arms of the devices on which anything was timed."""
    here = costs.of(dataset)
    timed = _timed_devices(here.latencies)
    return projection.arm_needs(timed, here.vector_bytes, here.throughput, here.memory)


def _timed_devices(latencies: pd.DataFrame) -> pd.DataFrame:
    devices = latencies[latencies["status"] == "measured"]["device"]
    return latencies[latencies["device"].isin(devices)]
