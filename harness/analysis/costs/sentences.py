"""What the numbers of cost were measured on and with, and how far they may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.analysis.costs.measured import common_k
from harness.analysis.costs.modes import LOOKS, in_modes
from harness.analysis.statistics.paired_ratios import noise_text
from harness.experiment.decision_terms import Prices, Workload
from harness.experiment.provenance import machine_words
from harness.page.text import counted, listed, milliseconds, percent, spoken
from harness.results.costs import timed_itself

SAME = 0.99
"""Kendall's tau below which another device ranks otherwise than the first."""


def setting_lines(facts: Mapping[str, Any], arms: pd.DataFrame) -> Iterator[str]:
    """Machine, queries, budgets, and the number formats that the arms say."""
    machine, settings = machine_words(facts["provenance"]["machine"]), facts["settings"]
    threads = facts.get("threads")
    yield f"{machine}; {threads or 'an unknown number of'} threads for every library."
    yield (
        f"{counted(facts['queries'], 'query')}, each timed up to {settings['rounds']} times by every system "
        f"in each of its modes, in a new random order each round; {facts['tuning_queries']} other queries "
        f"for warm-up and the choice of batches; {settings['budget_s']:g} s for each system and mode."
    )
    timed = arms[arms["status"] == "measured"]
    for device, rows in timed.groupby("device", sort=False):
        formats = ", ".join(name for name in dict.fromkeys(rows["dtype"]) if name)
        attention = ", ".join(name for name in dict.fromkeys(rows["attention"]) if name)
        if formats:
            yield f"{device}: numbers as {formats}; attention: {attention or 'unknown'}."
    sources = facts.get("candidates_from", {})
    for source in dict.fromkeys(sources.values()):
        systems = [system for system, own in sources.items() if own == source]
        yield (
            f"{source} finds the candidates of {listed(systems, most=1)}, because a first stage with random "
            "weights finds arbitrary texts."
        )


def fastest(whole: pd.DataFrame) -> Iterator[str]:
    """The fastest system of each mode by the median of the whole query, at the most common k."""
    timed = timed_itself(whole)
    timed = timed[(timed["status"] == "measured") & timed["p50"].notna()]
    k = common_k(timed)
    at_k = timed[(timed["k"] == k) | (timed["mode"] == "retrieve")]
    first = in_modes(at_k.sort_values("p50", kind="stable")).drop_duplicates("mode")
    said = [
        f"{LOOKS[row.mode].key.said} {milliseconds(row.p50)} ms ({spoken(row.system)})"
        for row in first.itertuples()
    ]
    if said:
        depth = f" with {counted(k, 'candidate')}" if k is not None else ""
        yield f"The fastest of each kind{depth}, at the median: {'; '.join(said)}."


def settled_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """What more calls after the planned rounds settled, and what they did not."""
    budget = facts["settings"].get("settle_s", 0.0)
    for device, spent in facts.get("settled", {}).items():
        for settled, verb in ((True, "settled"), (False, "did not settle")):
            arms = [arm for arm in spent["arms"] if arm["settled"] == settled]
            if arms:
                said = ", ".join(f"{a['calls']:,} of {a['system']} ({a['mode']})" for a in arms)
                yield (
                    f"More calls after the planned rounds on {device} {verb} what was open: {said}; they "
                    f"took {spent['seconds']:,.0f} s of {budget:g}."
                )


def memory_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Which systems took turns in memory, and which took more of it than they should."""
    for device, seen in facts.get("memory", {}).items():
        limit = f"the {seen['limit_bytes'] / 1e9:,.1f} GB of memory that the measurement may hold"
        if seen["groups"] > 1:
            yield (
                f"On {device} systems took turns in {seen['groups']} groups in every round, because not "
                f"all fit into {limit}."
            )
        if seen["too_large"]:
            said = [f"{name} ({size / 1e9:,.1f} GB)" for name, size in seen["too_large"].items()]
            yield f"Alone on {device}, more than {limit} was in use for {listed(said)}."


def noise_lines(noise: pd.DataFrame) -> tuple[list[str], list[str]]:
    """How far one system that was timed twice agreed with itself: lines, and warnings."""
    lines, warnings = [], []
    for (device, noisy), rows in noise.groupby(["device", "noisy"], sort=False):
        system, mode = rows[["system", "mode"]].iloc[0]
        seen = ", ".join(f"{noise_text(row._asdict())} at k = {row.k}" for row in rows.itertuples())
        same = f"the same system ({system}, {mode}) timed twice on {device}"
        if noisy:
            warnings.append(
                f"Noisy: {same} differed by a factor of {seen}. Do not trust smaller differences."
            )
        else:
            least = max(100 * rows["half_width"].max(), 0.1)
            lines.append(f"Timing check: {same} agreed within {least:.2g} % (a factor of {seen}).")
    return lines, warnings


def machine_lines(rounds: pd.DataFrame) -> Iterator[str]:
    """What else went on in the machine, from its state in each round."""
    for device, rows in rounds.groupby("device", sort=False):
        spin = rows["spin_seconds"].astype(float)
        parts = [
            f"load {rows['load'].min():.1f} to {rows['load'].max():.1f}",
            f"at most {percent(rows['steal'].max(), 1)} of processor time stolen",
        ]
        if len(spin) > 1:
            parts.append(
                f"a fixed computation varied by {percent(spin.std() / spin.mean(), 1)} (CV)"
            )
        if rows["gpu_mhz"].notna().any():
            parts.append(f"GPU at {rows['gpu_mhz'].min():,.0f} to {rows['gpu_mhz'].max():,.0f} MHz")
            parts.append(f"throttled in {counted((rows['gpu_throttled'] > 0).sum(), 'round')}")
        yield f"{device}, over {counted(len(rows), 'round')}: {'; '.join(parts)}."


def ranking_lines(arms: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Whether what was timed ranks as what quality was measured on: lines, and warnings."""
    lines, warnings = [], []
    known = arms[(arms["status"] == "measured") & arms["agreement"].notna()]
    worse = known[known["agreement"] < 1]
    if len(known) > len(worse):
        lines.append(
            f"{len(known) - len(worse)} of {len(known)} combinations of system, mode and k ranked every "
            "timed query as in the run that quality comes from."
        )
    for (device, system, mode), rows in worse.groupby(["device", "system", "mode"], sort=False):
        low = rows["agreement"].min()
        warnings.append(
            f"{system} ({mode}, {device}) ranked only {percent(low, 1)} of the timed queries as in the run "
            "that quality comes from: its quality is that of another ranking."
        )
    taus = arms[arms["tau"].notna()]
    for device, rows in taus.groupby("device", sort=False):
        least = rows.loc[rows["tau"].idxmin()]
        said = (
            f"Rankings on {device} agree with those on {arms['device'].iloc[0]} by Kendall's tau of "
            f"{least['tau']:.3f} or more (least: {least['system']}, {least['mode']}, k = {least['k']})"
        )
        (warnings if least["tau"] < SAME else lines).append(said + ".")
    return lines, warnings


def load_words(load: Workload) -> str:
    """What is to be served."""
    return (
        f"{counted(load.documents, 'document')}, {counted(load.queries_per_day, 'query')} a day, "
        f"{counted(load.candidates, 'candidate')}"
    )


def workload_words(workload: Workload, prices: Prices | None) -> Sequence[str]:
    """What a projection assumes."""
    bound = (
        "Processors cost the time that they work for a call, a GPU and the machine of a server the seconds "
        "that the call takes, as if none were ever idle; one copy of the index is in memory and one on disk; "
        "texts and the models' files do not count. A real service needs more. A reranker's row comes on top "
        "of its retriever's."
    )
    return [f"{load_words(workload)} reranked.", bound, _prices(prices)]


def _prices(prices: Prices | None) -> str:
    if prices is None:
        return "There are no prices in the file, so no cost in money."
    gpu = "no price of a GPU" if prices.gpu_hour is None else f"{prices.gpu_hour:g} a GPU hour"
    server = (
        "no price of a server's machine, so no cost of servers in money"
        if prices.server_hour is None
        else f"{prices.server_hour:g} an hour of a server's machine"
    )
    return (
        f"Prices, in one currency: {prices.ram_gb_month:g} a month for 1 GB of RAM, "
        f"{prices.disk_gb_month:g} for 1 GB of disk, {prices.cpu_core_hour:g} a core hour, {gpu}, "
        f"{server}."
    )
