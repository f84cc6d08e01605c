"""The blocks on cost of one dataset."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.analysis.costs import figures, sentences, tables
from harness.analysis.costs.measured import CostAnalysis, common_k
from harness.analysis.costs.modes import LOOKS
from harness.components.models.catalogue import DUMMY
from harness.components.models.references import TRAINED
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, CaptionedTable, Figure, tabled
from harness.page.text import counted, family
from harness.results.costs import timed_itself
from harness.results.store import Results
from harness.results.terms import terms

PERCENTILES = (
    "Milliseconds, from text to ranked ids; n/a where a percentile has too few independent calls. "
    "Columns of stages are medians. Rows in italics are predicted from calls with fewer candidates."
)


def latency_blocks(results: Results, costs: CostAnalysis, dataset: str) -> Iterator[Block]:
    """How long a whole query takes on each device of the dataset, which `costs` are of."""
    for device in _devices(costs):
        here = costs.latencies[costs.latencies["device"] == device]
        calls = _calls(results, dataset, device)
        noise = costs.noise[costs.noise["device"] == device]
        lines, warnings = sentences.noise_lines(noise)
        unseen = [] if len(noise) else ["Noise unknown: no system was timed twice."]
        whole = costs.end_to_end[costs.end_to_end["device"] == device]
        yield Block(
            f"{dataset} on {device}",
            [*sentences.fastest(whole), *lines],
            [*warnings, *unseen],
            [_whole(whole)] if len(whole) else [],
            list(_distributions(here, calls, dataset, device)),
            method="latency",
        )


def cost_details(results: Results, dataset: str, costs: CostAnalysis) -> list[Block]:
    """Everything else that was measured of cost on the dataset, which `costs` are of."""
    blocks: list[Block] = []
    for device in _devices(costs):
        blocks += _on_device(costs, dataset, device)
    blocks += [*_ways(costs), *_offline(results, costs)]
    if (dataset, "latency") in results.cost_facts:
        blocks.append(_measured_on(results, dataset))
    return blocks


def _devices(costs: CostAnalysis) -> list[str]:
    timed = costs.latencies[costs.latencies["status"] != "not measured"]
    return [str(device) for device in dict.fromkeys(timed["device"])]


def _of(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[table["dataset"] == dataset]


def _measured_on(results: Results, dataset: str) -> Block:
    facts = results.cost_facts[dataset, "latency"]
    arms, rounds = _of(results.costs["arms"], dataset), _of(results.costs["rounds"], dataset)
    rankings, different = sentences.ranking_lines(arms)
    lines = [
        *sentences.setting_lines(facts, arms),
        *sentences.memory_lines(facts),
        *sentences.settled_lines(facts),
        *sentences.machine_lines(rounds),
    ]
    return Block("How cost was measured", [*lines, *rankings], different, method="latency")


def _calls(results: Results, dataset: str, device: str) -> pd.DataFrame:
    calls = _of(results.costs["calls"], dataset)
    return calls[(calls["device"] == device) & (calls["copy"] == 0)]


def _on_device(costs: CostAnalysis, dataset: str, device: str) -> Iterator[Block]:
    here = costs.latencies[costs.latencies["device"] == device]
    shown = [
        _timed(here[here["mode"] == mode], look.title)
        for mode, look in LOOKS.items()
        if (here["mode"] == mode).any()
    ]
    ratios = costs.ratios[costs.ratios["device"] == device]
    if len(ratios):
        name, mode = ratios[["reference", "reference_mode"]].iloc[0]
        caption = (
            f"Geometric means over calls of the same query and round, with 95 % intervals: 2 is "
            f"twice as fast as {name} ({mode}), 0.5 half as fast."
        )
        title = f"How many times as fast as {name} on {device}"
        yield tabled(title, caption, tables.ratio_table(ratios), "ratios")
    drawn = list(_against_k(here, dataset, device))
    yield Block(f"Latency of each stage on {device}", [PERCENTILES], (), shown, drawn, "latency")


def _timed(rows: pd.DataFrame, title: str) -> CaptionedTable:
    """The table of one mode."""
    shared = tables.sharing_words(rows)
    return CaptionedTable(f"{title}. {shared}".strip(), tables.latency_table(rows))


def _distributions(
    here: pd.DataFrame, calls: pd.DataFrame, dataset: str, device: str
) -> Iterator[Figure]:
    k = common_k(here)
    if k is not None:
        name = f"latency-{slug(dataset)}-{device}"
        yield figures.distributions(timed_itself(here), calls, k, device, name)


def _against_k(here: pd.DataFrame, dataset: str, device: str) -> Iterator[Figure]:
    own = timed_itself(here)
    if len(set(own[own["mode"] != "retrieve"]["k"])) > 1:
        yield figures.against_k(own, device, f"candidates-{slug(dataset)}-{device}")


def _whole(whole: pd.DataFrame) -> CaptionedTable:
    caption = (
        "Milliseconds of a whole query, from text to ranked ids: median / 95th percentile, n/a where "
        "there are too few calls."
    )
    shared = tables.sharing_words(whole[whole["mode"] == "on the fly"])
    caption += f" On the fly, {shared}" if shared else ""
    return CaptionedTable(caption, tables.whole_table(whole))


def _ways(costs: CostAnalysis) -> Iterator[Block]:
    if costs.choices.empty:
        return
    shown, lines = [], []
    for model, rows in costs.choices.groupby("model", sort=False, dropna=False):
        known = "" if pd.isna(model) else str(model).removeprefix(DUMMY)
        own = family(str(rows["system"].iloc[0]))
        name = own if not known or known.startswith(TRAINED) else known
        documents = " and ".join(f"{count:,}" for count in dict.fromkeys(rows["documents"]))
        caption = f"{name}: {counted(len(rows), 'way')}, documents: {documents}."
        shown.append(CaptionedTable(caption, tables.ways_table(rows)))
        lines += [
            f"{name}, {row.precision} with {row.nbits:.0f} bits: {row.remark}."
            for row in rows.itertuples()
            if row.remark
        ]
    said = (
        "Bytes by formula, the size of the files on disk, and the difference; milliseconds to fetch and "
        "decompress 100 documents from memory, from a memory map, and from one whose pages were dropped. "
        "For PLAID: a search restricted to 100 documents, in memory."
    )
    yield Block("Ways to store token vectors", [said, *lines], tables=shown, method="storage")


def _offline(results: Results, costs: CostAnalysis) -> Iterator[Block]:
    load, price = terms(results).workload, terms(results).prices
    for device in _devices(costs):
        memory, throughput, pays, needs = (
            table[table["device"] == device]
            for table in (costs.memory, costs.throughput, costs.break_even, costs.projection)
        )
        if len(memory):
            said = (
                "Medians over fresh processes; the model is what loading adds to the resident set."
            )
            title = f"Memory and cold start on {device}"
            yield tabled(title, said, tables.memory_table(memory), "memory")
        if len(throughput):
            said = "Many documents or pairs at once, as fast as the component takes them."
            title = f"Offline throughput on {device}"
            yield tabled(title, said, tables.throughput_table(throughput), "throughput")
        if len(pays):
            documents = load.documents if load else None
            said = (
                f"How many queries save the time to encode {documents or 1000:,} documents beforehand, by "
                "the medians of k candidates. Storing the vectors costs extra."
            )
            title = f"When encoding beforehand pays on {device}"
            yield tabled(title, said, tables.break_even_table(pays, documents), "break-even")
        if len(needs) and load:
            lines = sentences.workload_words(load, price)
            here = costs.latencies[costs.latencies["device"] == device]
            said = (
                f"What each system adds in each of its modes. {tables.sharing_words(here)}".strip()
            )
            title = f"What the workload would need on {device}"
            table = tables.projection_table(timed_itself(needs), price)
            yield tabled(title, said, table, "projection", lines)
